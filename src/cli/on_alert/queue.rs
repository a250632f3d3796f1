//! Decides which alerts a command is started for, and when: a pure machine, to which time is an argument.
//!
//! An alert is about a subject, its server and name. Of one subject one command runs at a time, and none starts within
//! [`HOLD`] of the last start; what comes meanwhile is held, the latest in the place of what came before, and is told
//! after that time, unless it is what was told last. What is not held waits until fewer than [`MAX_RUNNING`] commands run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wsmon::internal::earliest;
use wsmon::{Alert, AlertPhase, Now, Rule};

/// Upper bound on commands that run at a time.
const MAX_RUNNING: usize = 4;

/// Upper bound on notices that wait for other commands to end. One more, and the oldest is lost.
const MAX_WAITING: usize = 64;

/// Upper bound in bytes on all notices that wait or are held.
const MAX_BYTES: usize = 1 << 20;

/// Upper bound on subjects of which an alert is in force that was told, or a command was started within [`HOLD`].
const MAX_SUBJECTS: usize = 4096;

/// Shortest time between two starts about one subject.
const HOLD: Duration = Duration::from_secs(60);

/// The level of an alert that has none.
const UNNAMED: &str = "ALERT";

/// Time after which a command is asked to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time after that until it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// One change of an alert.
#[derive(Debug)]
pub struct Notice {
    /// The subject: the server's label, a NUL, and the name of the alert among those of its server.
    pub key: Arc<str>,
    /// The server's label.
    pub server: Arc<str>,
    /// Its texts have a bound.
    pub alert: Alert<'static>,
    /// The rule that has raised it; `None` for an alert of the server.
    pub rule: Option<Rule>,
    /// The host that the server runs on; empty if unknown.
    pub host: String,
    pub received_at: Now,
}

/// The state of a subject.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertState {
    /// The level; empty if the alert has ended.
    level: String,
    /// The server's number of the alert.
    id: Option<i64>,
}

impl AlertState {
    fn in_force(&self) -> bool {
        !self.level.is_empty()
    }
}

impl Notice {
    /// Returns the level of an alert that is in force, else an empty text.
    pub fn level(&self) -> &str {
        match &*self.alert.level {
            _ if self.alert.phase == AlertPhase::Ends => "",
            "" => UNNAMED,
            level => level,
        }
    }

    fn in_force(&self) -> bool {
        self.alert.phase != AlertPhase::Ends
    }

    /// Returns true if there is nothing to tell to those who were told `state`.
    fn says(&self, state: &AlertState) -> bool {
        self.level() == state.level && (self.alert.id == state.id || !self.in_force())
    }

    fn bytes(&self) -> usize {
        let Alert { component, metric, level, from, message, cause, .. } = &self.alert;
        let mut bytes = self.key.len() + self.host.len();
        for text in [component, metric, level, from, message, cause] {
            bytes += text.len();
        }
        bytes
    }
}

/// A subject for which a command was started.
#[derive(Debug)]
struct Subject {
    key: Arc<str>,
    /// The state that was told last.
    told: AlertState,
    /// The end of [`HOLD`]; `None` after it.
    held_until: Option<Instant>,
    is_running: bool,
}

impl Subject {
    /// Returns true if no command may be started.
    fn holds(&self) -> bool {
        self.is_running || self.held_until.is_some()
    }
}

#[derive(Debug)]
struct Waiting {
    notice: Notice,
    bytes: usize,
    /// True while the subject holds it, or while an older notice about the subject waits.
    is_held: bool,
}

/// A command that was started.
#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    pub key: Arc<str>,
    pub stage: Stage,
    /// The time of the next step against it; `None` after the last one.
    due_at: Option<Instant>,
}

/// The latest step taken to end a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Running,
    /// Its process group was asked to end. It is not reaped before it is killed, so that the number of the group can be
    /// no other's: members of it may live on.
    Terminated,
    Killed,
}

/// The notices that wait, and the commands that run.
#[derive(Debug, Default)]
pub struct Queue {
    /// In the order of their first starts.
    subjects: Vec<Subject>,
    /// In the order of arrival. Of one subject at most one is not held, and at most one is.
    waiting: Vec<Waiting>,
    children: Vec<Child>,
    /// A lower bound of the ends of holds.
    release_at: Option<Instant>,
    lost: u64,
}

impl Queue {
    /// Takes a change of an alert. The end of one that was not told is dropped.
    pub fn add(&mut self, notice: Notice) {
        let subject = self.subjects.iter().find(|subject| subject.key == notice.key);
        let told_in_force = subject.is_some_and(|subject| subject.told.in_force());
        let (mut is_held, mut place) = (subject.is_some_and(Subject::holds), None);
        for (at, waiting) in self.waiting.iter().enumerate().filter(|(_, waiting)| waiting.notice.key == notice.key) {
            is_held = true;
            place = Some(at).filter(|_| waiting.is_held).or(place);
        }
        if let Some(at) = place {
            let held = &self.waiting[at].notice;
            // The end of one alert does not hide another one, which goes on.
            if notice.in_force() || !held.in_force() || held.alert.id == notice.alert.id {
                self.waiting[at] = Waiting { bytes: notice.bytes(), notice, is_held: true };
            }
        } else if is_held || notice.in_force() || told_in_force {
            self.waiting.push(Waiting { bytes: notice.bytes(), notice, is_held });
        }
        self.limit();
    }

    /// Returns the next notice to start a command for, which is then reported to [`started`](Queue::started). If it cannot
    /// be started, it is not tried again.
    pub fn next(&mut self, now: Instant) -> Option<Notice> {
        self.release(now);
        let at = self.waiting.iter().position(|first| !first.is_held)?;
        let has_room = self.subjects.len() < MAX_SUBJECTS || self.subjects.iter().any(|subject| !subject.holds());
        if !has_room || self.children.len() >= MAX_RUNNING {
            return None;
        }
        let notice = self.waiting.remove(at).notice;
        self.tell(&notice, now);
        Some(notice)
    }

    /// The command for a subject was started.
    pub fn started(&mut self, key: Arc<str>, pid: i32, now: Instant) {
        if let Some(subject) = self.subjects.iter_mut().find(|subject| subject.key == key) {
            subject.is_running = true;
        }
        self.children.push(Child { pid, key, stage: Stage::Running, due_at: now.checked_add(PATIENCE) });
    }

    /// Returns a command that is to be asked to end, or killed, now: its stage says which.
    pub fn take_due(&mut self, now: Instant) -> Option<&Child> {
        let child = self.children.iter_mut().find(|child| child.due_at.is_some_and(|at| at <= now))?;
        (child.stage, child.due_at) = match child.stage {
            Stage::Running => (Stage::Terminated, now.checked_add(GRACE)),
            Stage::Terminated | Stage::Killed => (Stage::Killed, None),
        };
        Some(child)
    }

    /// Returns one of the commands that were started, whose end is to be looked for unless it is
    /// [terminated](Stage::Terminated).
    pub fn child(&self, at: usize) -> Option<&Child> {
        self.children.get(at)
    }

    /// A process has ended. Returns what it was.
    pub fn ended(&mut self, pid: i32) -> Option<Child> {
        let at = self.children.iter().position(|child| child.pid == pid)?;
        let child = self.children.remove(at);
        if let Some(subject) = self.subjects.iter_mut().find(|subject| subject.key == child.key) {
            subject.is_running = false;
        }
        self.settle(std::slice::from_ref(&child.key));
        Some(child)
    }

    /// Returns the time at which [`next`](Queue::next) or [`take_due`](Queue::take_due) may have something.
    pub fn deadline(&self) -> Option<Instant> {
        self.children.iter().filter_map(|child| child.due_at).chain(self.release_at).min()
    }

    /// Returns the number of notices that were lost since the last call.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Remembers what was told, and holds what comes next.
    fn tell(&mut self, notice: &Notice, now: Instant) {
        let held_until = now.checked_add(HOLD);
        let told = AlertState { level: notice.level().to_owned(), id: notice.alert.id };
        let subject = Subject { key: Arc::clone(&notice.key), told, held_until, is_running: false };
        if let Some(known) = self.subjects.iter_mut().find(|known| known.key == notice.key) {
            *known = subject;
        } else {
            let idle = self.subjects.iter().position(|subject| !subject.holds());
            if let Some(at) = idle.filter(|_| self.subjects.len() >= MAX_SUBJECTS) {
                // The end of its alert will not be told.
                self.subjects.remove(at);
                self.lost += 1;
            }
            self.subjects.push(subject);
        }
        self.release_at = self.release_at.or(held_until);
    }

    /// Ends the holds that are over.
    fn release(&mut self, now: Instant) {
        if self.release_at.is_none_or(|at| now < at) {
            return;
        }
        let mut released = Vec::new();
        self.release_at = None;
        for subject in &mut self.subjects {
            if subject.held_until.is_some_and(|until| until <= now) {
                subject.held_until = None;
                released.push(Arc::clone(&subject.key));
            }
            self.release_at = earliest(self.release_at, subject.held_until);
        }
        self.settle(&released);
    }

    /// Decides about the held notices of these subjects, and forgets the subjects that are as they were before anything
    /// was told.
    fn settle(&mut self, keys: &[Arc<str>]) {
        for key in keys {
            self.promote(key);
        }
        self.subjects.retain(|subject| subject.holds() || subject.told.in_force());
        self.limit();
    }

    /// Lets the held notice about a subject wait like others if nothing holds it any more, unless it says what was told
    /// last.
    fn promote(&mut self, key: &Arc<str>) {
        let Some(at) = self.waiting.iter().position(|first| first.notice.key == *key) else { return };
        let subject = self.subjects.iter().find(|subject| subject.key == *key);
        if !self.waiting[at].is_held || subject.is_some_and(Subject::holds) {
            return;
        }
        let notice = &self.waiting[at].notice;
        if subject.map_or(!notice.in_force(), |subject| notice.says(&subject.told)) {
            self.waiting.remove(at);
        } else {
            self.waiting[at].is_held = false;
        }
    }

    /// Drops the oldest notices beyond the bounds. What waited behind one of them takes its place.
    fn limit(&mut self) {
        loop {
            let free = self.waiting.iter().filter(|first| !first.is_held).count();
            let mut bytes = 0;
            for waiting in &self.waiting {
                bytes += waiting.bytes;
            }
            let is_full = free > MAX_WAITING + MAX_RUNNING - self.children.len();
            if !is_full && bytes <= MAX_BYTES {
                return;
            }
            let Some(at) = self.waiting.iter().position(|first| !is_full || !first.is_held) else { return };
            self.lost += 1;
            let dropped = self.waiting.remove(at).notice.key;
            self.promote(&dropped);
        }
    }
}

#[cfg(test)]
mod tests;
