//! What was last heard of each process, and what has become of it since.

use std::borrow::Cow;

use super::MOST;
use crate::model::event::{Process, ProcessChange};
use crate::proto::dialect::cut;

/// Boxed, for most of them change their places with every list.
type Known = Box<Process<'static>>;

/// What is remembered of PMDaemon's processes.
#[derive(Debug, Default)]
pub struct PmdaemonState {
    /// The processes as they were last heard of, at most [`MOST`]. Survives a reconnection: what a restart of the
    /// server did to them is news.
    known: Vec<Known>,
    /// Whether a list has been shown in full. Survives.
    listed: bool,
}

impl PmdaemonState {
    /// Whether the list at hand is the first one ever. Asking is taking notice.
    pub fn is_first(&mut self) -> bool {
        !std::mem::replace(&mut self.listed, true)
    }

    /// Takes a list of all processes. Returns what is different from before.
    pub fn replace<'a>(&mut self, list: &[Process<'a>]) -> Vec<ProcessChange<'a>> {
        let mut before = std::mem::take(&mut self.known);
        let mut changes = Vec::new();
        for process in list {
            let old = take(&mut before, process);
            self.learn(old, process, &mut changes);
        }
        for gone in before {
            if !gone.state.is_empty() {
                changes.push(vanished(*gone));
            }
        }
        changes
    }

    /// Takes news of one process. `state` is what it was before, where the server says it.
    pub fn update<'a>(&mut self, process: &Process<'a>, state: Option<&str>, changes: &mut Vec<ProcessChange<'a>>) {
        let mut old = take(&mut self.known, process);
        if let Some(state) = state {
            old.get_or_insert_default().state = own(state);
        }
        self.learn(old, process, changes);
    }

    /// The state that a process was in when last heard of; empty where it is not known.
    pub fn state_of(&self, name: &str) -> &str {
        self.known.iter().find(|known| known.name == cut(name)).map_or("", |known| &known.state)
    }

    fn learn<'a>(&mut self, old: Option<Known>, new: &Process<'a>, changes: &mut Vec<ProcessChange<'a>>) {
        compare(old.as_deref(), new, changes);
        if self.known.len() == MOST {
            self.known.remove(0);
        }
        let mut known = old.unwrap_or_default();
        renew(&mut known, new);
        self.known.push(known);
    }
}

/// Takes out what is known of a process, by its id, or by its name where it was created anew. The server keeps
/// its order: mostly it is the first.
fn take(known: &mut Vec<Known>, process: &Process<'_>) -> Option<Known> {
    let (id, name) = (cut(&process.id), cut(&process.name));
    let by_id = known.iter().position(|known| !id.is_empty() && known.id == id);
    Some(known.remove(by_id.or_else(|| known.iter().position(|known| known.name == name))?))
}

/// Brings what is known up to date. What is not compared is not remembered.
fn renew(known: &mut Process<'static>, new: &Process<'_>) {
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

fn compare<'a>(old: Option<&Process<'static>>, new: &Process<'a>, changes: &mut Vec<ProcessChange<'a>>) {
    let from = old.map_or("", |old| &*old.state);
    let to = if new.state.is_empty() { from } else { &*new.state };
    let detail = detail(old, new, from == "online" && to == "online");
    if from != cut(to) || !detail.is_empty() {
        let (name, from, to) = (new.name.clone(), from.to_owned().into(), to.to_owned().into());
        changes.push(ProcessChange { name, from, to, detail: detail.into() });
    }
}

/// What else is new: errors, exit codes, restarts. A process that was running and is running with another pid was
/// restarted by someone else; the pid of one that is not running means nothing.
fn detail(old: Option<&Process<'static>>, new: &Process<'_>, runs_on: bool) -> String {
    let mut parts = Vec::new();
    let error = new.error.as_deref().filter(|error| old.and_then(|old| old.error.as_deref()) != Some(cut(error)));
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

fn vanished<'a>(gone: Process<'static>) -> ProcessChange<'a> {
    ProcessChange { name: gone.name, from: gone.state, to: Cow::Borrowed(""), detail: Cow::Borrowed("") }
}

fn own(text: &str) -> Cow<'static, str> {
    Cow::Owned(cut(text).to_owned())
}
