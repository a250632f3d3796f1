//! The latest known state of each process, and its changes.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use super::MAX_PROCESSES;
use crate::model::event::{Process, ProcessChange};
use crate::proto::dialect::truncated;

/// Boxed, since most of them move with every list.
type KnownProcess = Box<Process<'static>>;

/// Remembered of PMDaemon.
#[derive(Debug, Default)]
pub struct PmdaemonState {
    /// The processes as last received, at most [`MAX_PROCESSES`]. Survives a reconnection: changes by a restart of
    /// the server are news.
    known: Vec<KnownProcess>,
    /// Set by the first list. Survives.
    listed: bool,
    /// Time of the latest list that was shown. Survives.
    shown_at: Option<Instant>,
}

/// A use of the processor that differs by so many points has moved.
const MOVED_POINTS: f64 = 5.0;
/// A use of memory that differs by this part has moved.
const MOVED_PART: f64 = 0.1;

impl PmdaemonState {
    /// Returns true for the first list of all, once.
    pub fn take_first(&mut self) -> bool {
        !std::mem::replace(&mut self.listed, true)
    }

    /// Decides if a list is shown: with [`Server::interval`](crate::Server::interval), one without changes only if the latest is about that old.
    pub fn shows_list(&mut self, is_news: bool, interval: Option<Duration>, now: Instant) -> bool {
        // A list a little early is the one that was asked for.
        let is_due = |(at, interval): (Instant, Duration)| now - at >= interval - interval / 10;
        let shows = is_news || self.shown_at.zip(interval).is_none_or(is_due);
        if shows {
            self.shown_at = Some(now);
        }
        shows
    }

    /// Takes a list of all processes and returns the changes.
    pub fn replace<'a>(&mut self, list: &mut [Process<'a>]) -> Vec<ProcessChange<'a>> {
        let mut before = std::mem::take(&mut self.known);
        let mut changes = Vec::new();
        for process in list {
            let old = take_known(&mut before, process);
            self.push(old, process, &mut changes);
        }
        for gone in before {
            if !gone.state.is_empty() {
                let (to, detail) = (Cow::Borrowed(""), Cow::Borrowed(""));
                changes.push(ProcessChange { name: gone.name, from: gone.state, to, detail });
            }
        }
        changes
    }

    /// Takes news of one process. `state` is its state until now, if the server sends it.
    pub fn update<'a>(&mut self, process: &mut Process<'a>, state: Option<&str>, changes: &mut Vec<ProcessChange<'a>>) {
        let mut old = take_known(&mut self.known, process);
        if let Some(state) = state {
            old.get_or_insert_default().state = own(state);
        }
        self.push(old, process, changes);
    }

    /// The latest known state of a process; empty if it is unknown.
    pub fn state_of(&self, name: &str) -> &str {
        self.known.iter().find(|known| known.name == truncated(name)).map_or("", |known| &known.state)
    }

    /// Compares a process with what was known of it, and remembers it as the latest.
    fn push<'a>(&mut self, old: Option<KnownProcess>, new: &mut Process<'a>, changes: &mut Vec<ProcessChange<'a>>) {
        compare(old.as_deref(), new, changes);
        if self.known.len() == MAX_PROCESSES {
            self.known.remove(0);
        }
        let mut known = old.unwrap_or_default();
        mark_moved(&mut known, new);
        remember(&mut known, new);
        self.known.push(known);
    }
}

/// Takes out what is known of a process, by its id, or by its name if it was created anew. The server keeps its order,
/// so that it is mostly the first.
fn take_known(known: &mut Vec<KnownProcess>, process: &Process<'_>) -> Option<KnownProcess> {
    let (id, name) = (truncated(&process.id), truncated(&process.name));
    let by_id = known.iter().position(|known| !id.is_empty() && known.id == id);
    Some(known.remove(by_id.or_else(|| known.iter().position(|known| known.name == name))?))
}

/// Copies the fields that are compared.
fn remember(known: &mut Process<'static>, new: &Process<'_>) {
    known.name = own(&new.name);
    if !new.id.is_empty() {
        known.id = own(&new.id);
    }
    if !new.state.is_empty() {
        known.state = own(&new.state);
    }
    known.pid = new.pid.or(known.pid);
    known.restarts = new.restarts.or(known.restarts);
    known.exit_code = new.exit_code;
    known.error = new.error.as_deref().map(own);
}

/// Marks a process whose use of the processor or of memory has moved since the latest mark, and remembers both.
fn mark_moved(known: &mut Process<'static>, new: &mut Process<'_>) {
    let moved = |old: Option<f64>, new: Option<f64>, least: &dyn Fn(f64) -> f64| match (old, new) {
        (Some(old), Some(new)) => new != old && (new - old).abs() >= least(old),
        (None, new) => new.is_some(),
        (Some(_), None) => false,
    };
    let by_points = moved(known.cpu, new.cpu, &|_| MOVED_POINTS);
    new.moved = by_points || moved(known.memory, new.memory, &|old| old.abs() * MOVED_PART);
    if new.moved {
        (known.cpu, known.memory) = (new.cpu.or(known.cpu), new.memory.or(known.memory));
    }
}

fn compare<'a>(old: Option<&Process<'static>>, new: &Process<'a>, changes: &mut Vec<ProcessChange<'a>>) {
    let from = old.map_or("", |old| &*old.state);
    let to = if new.state.is_empty() { from } else { &*new.state };
    let detail = detail(old, new, from == "online" && to == "online");
    if from != truncated(to) || !detail.is_empty() {
        let (name, from, to) = (new.name.clone(), from.to_owned().into(), to.to_owned().into());
        changes.push(ProcessChange { name, from, to, detail: detail.into() });
    }
}

/// Lists the other changes: errors, exit codes, restarts. A process that keeps running with another pid was restarted by
/// someone else; the pid of one that does not run is stale.
fn detail(old: Option<&Process<'static>>, new: &Process<'_>, runs_on: bool) -> String {
    let mut parts = Vec::new();
    let error = new.error.as_deref().filter(|error| old.and_then(|old| old.error.as_deref()) != Some(truncated(error)));
    if let Some(error) = error {
        parts.push(error.to_owned());
    }
    let code = new.exit_code.filter(|_| old.is_none_or(|old| old.exit_code != new.exit_code));
    if let Some(code) = code {
        parts.push(format!("exit code {code}"));
    }
    let grown = |old: &Process<'_>| old.restarts.zip(new.restarts).is_some_and(|(old, new)| new > old);
    let moved = |old: &Process<'_>| runs_on && old.pid.zip(new.pid).is_some_and(|(old, new)| new != old);
    match (old, new.restarts, new.pid) {
        (Some(old), Some(restarts), _) if grown(old) => parts.push(format!("restarted #{restarts}")),
        (Some(old), _, Some(pid)) if moved(old) => parts.push(format!("restarted, now pid {pid}")),
        _ => {}
    }
    parts.join(", ")
}

fn own(text: &str) -> Cow<'static, str> {
    Cow::Owned(truncated(text).to_owned())
}
