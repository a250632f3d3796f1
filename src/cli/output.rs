//! Outputs of the command: stdout, stderr, and the log in a file or on stderr.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;

use log::Level;
use mio::event::Event;
use mio::{Registry, Token};
use rustix::stdio;
use wsmon::Now;

use super::Failure;
use super::file::Appender;
use super::logging::{self, LogBuffer};
use super::stream::descriptor::is_same_file;
use super::stream::queue::{Origin, QueueLimits, WhenFull};
use super::stream::sink::Sink;

/// Limits of stderr's own queue.
const STDERR_LIMITS: QueueLimits = QueueLimits { bytes: 256 << 10, when_full: WhenFull::Drop, marker: None };

/// stdout and stderr behind their queues, and the log.
pub struct Output {
    stdout: Sink,
    /// `None` if it is the same file as stdout. One queue then keeps the lines in order.
    stderr: Option<Sink>,
    log: LogBuffer,
    pub log_file: Option<Appender>,
    /// True if log lines on stderr are for the journal of systemd.
    for_journal: bool,
    failed: bool,
    drop_reported: bool,
    /// The latest line of the log, while it is part of frames on the terminal that both streams are.
    held_line: Option<String>,
    /// True for stdout and for stderr if they were terminals at the start.
    terminals: [bool; 2],
}

/// Returns true if stdout is a regular file with content: a format's header already stands in it.
pub fn continues_file() -> bool {
    let file = stdio::stdout().try_clone_to_owned().map(File::from);
    file.and_then(|file| file.metadata()).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0)
}

/// Returns true if `$JOURNAL_STREAM` names this stream by device and inode, see systemd.exec(5).
fn is_journal(stream: BorrowedFd<'_>) -> bool {
    let Some(name) = std::env::var_os("JOURNAL_STREAM") else { return false };
    let file = stream.try_clone_to_owned().and_then(|file| File::from(file).metadata());
    file.is_ok_and(|file| name == *format!("{}:{}", file.dev(), file.ino()))
}

impl Output {
    /// Opens both streams under `tokens`: of stdout, and of stderr. `limits` are those of stdout's queue.
    pub fn open(
        registry: &Registry,
        tokens: [Token; 2],
        limits: QueueLimits,
        log: LogBuffer,
        log_file: Option<Appender>,
    ) -> io::Result<Self> {
        let (stdout, stderr) = (stdio::stdout(), stdio::stderr());
        let terminals = [stdout.is_terminal(), stderr.is_terminal()];
        let for_journal = !log.is_json() && is_journal(stderr.as_fd());
        let stderr = match is_same_file(stdout.as_fd(), stderr.as_fd()) {
            true => None,
            false => Some(Sink::open(stderr.as_fd(), registry, tokens[1], STDERR_LIMITS)?),
        };
        let stdout = Sink::open(stdout.as_fd(), registry, tokens[0], limits)?;
        Ok(Self {
            stdout,
            stderr,
            log,
            log_file,
            for_journal,
            failed: false,
            drop_reported: false,
            held_line: None,
            terminals,
        })
    }

    /// Queues a whole message of a server, or the statistics, for stdout.
    pub fn print(&mut self, text: &str) {
        self.stdout.push(text, Origin::Server);
    }

    /// Queues one or more lines for stderr.
    pub fn print_err(&mut self, text: &str) {
        self.stderr.as_mut().unwrap_or(&mut self.stdout).push(text, Origin::Client);
    }

    /// Writes the buffered log lines to the log file, or queues them for stderr; errors go to stderr in any case.
    pub fn write_log(&mut self, now: Now) {
        let Output { stdout, stderr, log, log_file, for_journal, held_line, .. } = self;
        log.drain(|line, level| {
            if let Some(file) = log_file {
                file.write_line(line, now.mono);
            }
            if log_file.is_none() || level == Level::Error {
                let stderr = stderr.as_mut().unwrap_or(stdout);
                match (&mut *held_line, *for_journal) {
                    (Some(held), _) => line.clone_into(held),
                    (None, true) => stderr.push(&logging::journal_line(line, level), Origin::Client),
                    (None, false) => stderr.push(line, Origin::Client),
                }
            }
        });
    }

    /// Holds the lines of the log back from now on, if they would go to the terminal that stdout is. Returns the latest.
    pub fn hold_log(&mut self) -> &str {
        if self.stderr.is_none() {
            self.held_line.get_or_insert_default();
        }
        self.held_line.as_deref().unwrap_or_default()
    }

    /// Ends this.
    pub fn release_log(&mut self) {
        self.held_line = None;
    }

    /// Returns true if all output for stdout is written.
    pub fn is_idle(&self) -> bool {
        !self.stdout.wants_write()
    }

    /// Handles an event of either stream; others are ignored.
    pub fn handle(&mut self, event: &Event) {
        self.stdout.handle(event);
        if let Some(stderr) = &mut self.stderr {
            stderr.handle(event);
        }
    }

    /// Writes as much as the streams take without blocking. Returns true if the turn must not wait for an event: stdout
    /// was closed, or a log line was added.
    pub fn flush(&mut self) -> bool {
        if let Some(stderr) = &mut self.stderr {
            // An error closes it. There is no other place to report it.
            let _ = stderr.flush();
        }
        let mut urgent = false;
        if let Err(error) = self.stdout.flush() {
            urgent = true;
            if error.kind() != ErrorKind::BrokenPipe {
                self.failed = true;
                log::error!("stdout: {}", Failure::words(&error));
            }
        }
        if self.dropped() > 0 && !self.drop_reported {
            (self.drop_reported, urgent) = (true, true);
            log::warn!("the reader of stdout is too slow: messages are dropped, the statistics show how many");
        }
        urgent
    }

    /// Returns true if stdout or stderr was a terminal at the start and is gone.
    pub fn has_lost_terminal(&self) -> bool {
        let now = [stdio::stdout().is_terminal(), stdio::stderr().is_terminal()];
        self.terminals.iter().zip(now).any(|(before, now)| *before && !now)
    }

    /// Returns true if either stream has something left to write.
    pub fn wants_write(&self) -> bool {
        self.stdout.wants_write() || self.stderr.as_ref().is_some_and(Sink::wants_write)
    }

    /// Returns the number of bytes that stdout still has to take.
    pub fn unwritten(&self) -> usize {
        self.stdout.unwritten()
    }

    /// Returns true while servers should not be read, see [`Queue::is_full`](super::stream::queue::Queue::is_full).
    pub fn is_full(&self) -> bool {
        self.stdout.is_full()
    }

    /// Returns true once stdout has failed or its reader has closed it.
    pub fn is_closed(&self) -> bool {
        self.stdout.is_closed()
    }

    /// Returns true once stdout has failed for another reason than a reader that closed it.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Number of messages of servers that were dropped because stdout's queue was full.
    pub fn dropped(&self) -> u64 {
        self.stdout.dropped().messages
    }
}
