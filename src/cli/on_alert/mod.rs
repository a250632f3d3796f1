//! `--on-alert`: a command for each change of an alert.
//!
//! [`Queue`] decides what is started and ended, and when; here are the processes. Nothing waits for them: the text of a
//! command fits into its pipe, and its end is told by SIGCHLD.

mod notice;
mod queue;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::pipe::{PipeFlags, pipe_with};
use wsmon::internal::{SERVER_TARGET, earliest};
use wsmon::{Board, Event, Format, Message, Rule};

use super::Failure;
use queue::{Child, Notice, Queue, Stage};

/// Shortest time between two lines about losses.
const LOSSES_EVERY: Duration = Duration::from_secs(60);

/// Variables that are not passed on: our own, which would change a `wsmon` in the command, and those with secrets.
const WITHHELD: [&[u8]; 3] = [b"WSMON_", b"MONITORING_TOKEN=", b"MONITORING_WEBSOCKET_URI="];

/// The commands of a run.
pub struct OnAlert {
    arguments: Vec<CString>,
    /// The part of our environment that commands inherit, as `NAME=VALUE`.
    environment: Vec<CString>,
    events: &'static Format,
    queue: Queue,
    /// Losses that were not told yet, and the time at which they may be.
    lost: u64,
    tell_lost_at: Option<Instant>,
}

impl OnAlert {
    /// Prepares to run this command.
    pub fn new(command: &str, events: &'static Format) -> Box<Self> {
        let mut environment = Vec::new();
        for (name, value) in std::env::vars_os() {
            let mut variable = name.into_vec();
            variable.push(b'=');
            variable.extend_from_slice(value.as_bytes());
            if !WITHHELD.iter().any(|withheld| variable.starts_with(withheld)) {
                environment.extend(CString::new(variable).ok());
            }
        }
        let mut arguments = Vec::new();
        for word in ["sh", "-c", command] {
            // No argument of a process holds a NUL.
            arguments.extend(CString::new(word.to_owned().into_bytes()).ok());
        }
        Box::new(OnAlert { arguments, environment, events, queue: Queue::default(), lost: 0, tell_lost_at: None })
    }

    /// Takes the alerts in a message; `rule` is the one that has raised them, if they are not the server's own.
    pub fn note(&mut self, message: &Message<'_>, rule: Option<&Rule>, board: &Board) {
        for event in message.events {
            if let Event::Alert(alert) = event {
                let host = board.get(message.id).map_or("", |row| row.host());
                self.queue.add(notice::notice(message, alert, rule, host));
            }
        }
    }

    /// Starts and ends the commands that are due, and tells of losses.
    pub fn tick(&mut self, now: Instant) {
        while let Some(child) = self.queue.take_due(now) {
            let (pid, stage) = (child.pid, child.stage);
            self.end(pid, stage);
        }
        self.start(now);
        self.lost += self.queue.take_lost();
        if self.lost > 0 && self.tell_lost_at.is_none_or(|at| at <= now) {
            self.tell_lost_at = now.checked_add(LOSSES_EVERY);
            self.tell_lost();
        }
    }

    /// Looks for commands that have ended, after SIGCHLD, and starts others in their place.
    pub fn reap(&mut self, now: Instant) {
        let mut at = 0;
        while let Some(&Child { pid, stage, .. }) = self.queue.child(at) {
            if stage == Stage::Terminated || !self.reap_one(pid) {
                at += 1;
            }
        }
        self.start(now);
    }

    /// Returns the time at which `tick` is due.
    pub fn deadline(&self) -> Option<Instant> {
        let losses = self.tell_lost_at.filter(|_| self.lost > 0);
        earliest(self.queue.deadline(), losses)
    }

    /// Ends the work: commands that run go on, and no other is started.
    pub fn stop(mut self) {
        self.lost += self.queue.take_lost();
        self.tell_lost();
    }

    fn tell_lost(&mut self) {
        if self.lost > 0 {
            let (lost, s) = (self.lost, if self.lost == 1 { "" } else { "s" });
            log::warn!("--on-alert: {lost} alert{s} dropped without a command, too many at once");
            self.lost = 0;
        }
    }

    fn start(&mut self, now: Instant) {
        while let Some(notice) = self.queue.next(now) {
            let key = Arc::clone(&notice.key);
            match self.spawn(notice) {
                Ok(pid) => self.queue.started(key, pid.as_raw(), now),
                Err(error) => warn(&key, &format!("could not be started: {}", Failure::words(&error))),
            }
        }
    }

    fn spawn(&mut self, notice: Notice) -> io::Result<Pid> {
        let (text, mut variables) = notice::describe(notice, self.events);
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        // An empty pipe takes it at once and whole.
        nix::unistd::write(&writer, text.as_bytes())?;
        let inherited = self.environment.len();
        self.environment.append(&mut variables);
        let pid = spawn(reader.as_raw_fd(), &self.arguments, &self.environment);
        self.environment.truncate(inherited);
        Ok(pid?)
    }

    /// Ends a command that takes too long, unless it has just ended.
    fn end(&mut self, pid: i32, stage: Stage) {
        let group = Pid::from_raw(pid);
        // It fails if the group has ended, which is as well.
        if stage == Stage::Killed {
            let _ended = killpg(group, Signal::SIGKILL);
            self.reap_one(pid);
        } else if !self.reap_one(pid) {
            let _ended = killpg(group, Signal::SIGTERM);
        }
    }

    /// Returns true if the process has ended, and logs its failure.
    fn reap_one(&mut self, pid: i32) -> bool {
        let status = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        if let Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) = status {
            return false;
        }
        let Some(child) = self.queue.ended(pid) else { return true };
        let how = match status {
            _ if child.stage == Stage::Killed => "took too long and was ended".to_owned(),
            Ok(WaitStatus::Exited(_, 0)) => return true,
            Ok(WaitStatus::Exited(_, status)) => format!("ended with status {status}"),
            Ok(WaitStatus::Signaled(_, signal, _)) => format!("was ended by signal {}", signal as i32),
            // One without a name.
            _ => "was ended by a signal".to_owned(),
        };
        warn(&child.key, &how);
        true
    }
}

/// Logs what became of the command for a subject.
fn warn(key: &str, what: &str) {
    let (server, name) = key.split_once('\0').unwrap_or_default();
    log::warn!(target: SERVER_TARGET, "{server}: --on-alert: the command for {name} {what}");
}

/// Starts a command in a process group of its own. Its standard output is our standard error, since ours carries what
/// servers say.
fn spawn(stdin: RawFd, arguments: &[CString], environment: &[CString]) -> nix::Result<Pid> {
    let (mut actions, mut attributes) = (PosixSpawnFileActions::init()?, PosixSpawnAttr::init()?);
    // Those with a handler get their default by themselves, those that are ignored do not.
    let mut ignored_by_us = SigSet::empty();
    ignored_by_us.add(Signal::SIGPIPE);
    let flags = PosixSpawnFlags::POSIX_SPAWN_SETPGROUP
        | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF
        | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK;
    let prepared = actions
        .add_dup2(stdin, 0)
        .and(actions.add_dup2(2, 1))
        .and(attributes.set_flags(flags))
        .and(attributes.set_pgroup(Pid::from_raw(0)))
        .and(attributes.set_sigdefault(&ignored_by_us))
        .and(attributes.set_sigmask(&SigSet::empty()));
    prepared?;
    posix_spawn(c"/bin/sh", &actions, &attributes, arguments, environment)
}
