//! Judges the board by rules: levels, holds, and values over all servers.

mod judge;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fleet::board::{Board, BoardRow};
use crate::fleet::grammar::{Level, Rule, Thresholds};
use crate::fleet::quantity::{Aggregate, Quantity, Subject};
use crate::fleet::value::push_value;
use crate::model::event::{Alert, AlertPhase, Event};
use crate::model::time::sooner;

use judge::Judge;

/// The label of what is judged over all servers. No server can be called so on the command line.
const ALL_SERVERS: &str = "*";

/// Judges a [`Board`] by [`Thresholds`] and tells what has changed. It reads no clock: time is an argument.
///
/// For each server and NAME there is one level. It changes when a value has been out of its range, or back in it, for
/// as long as the rule says; a value that is not known leaves the level as it is, and what has to last begins anew
/// when it is known again. Rules over all servers look at those that have a value, from the moment each has delivered
/// or failed once.
///
/// ```
/// use std::time::Instant;
/// use wsmon::{Board, Monitor, Rules, Server, Thresholds};
///
/// # let uri = doc::serve(3);
/// # let uri = uri.as_str();
/// let mut thresholds = Thresholds::default();
/// thresholds.add_criticals("cpu=65,up=1:/2m")?;
/// let mut rules = Rules::new(thresholds);
/// let mut board = Board::default();
///
/// let mut monitor = Monitor::new()?;
/// monitor.add(Server::new(uri)?.label("web").max_reconnects(Some(0)))?;
/// # let mut all = String::new();
/// while !monitor.is_done() {
///     // A program that also waits for its rules wakes up at the sooner of both deadlines.
///     let wait = rules.deadline().map(|at| at.saturating_duration_since(Instant::now()));
///     monitor.turn(wait, &mut |message| board.take(message))?;
///     for change in rules.step(Instant::now(), &mut board) {
///         println!("{change}"); // web: CRITICAL cpu 70.0% (65)
/// #       all.push_str(&change.to_string());
///     }
/// }
/// # assert!(all.starts_with("web: CRITICAL cpu "), "{all}");
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Rules {
    thresholds: Arc<Thresholds>,
    /// Those of single servers, by id.
    own: Vec<(usize, Arc<Thresholds>)>,
    /// By id.
    servers: Vec<(usize, ServerJudges)>,
    /// One for each row of `thresholds`; those that are not over all servers are idle.
    fleet: Vec<Judge>,
    /// Every server has delivered or failed once. One that comes later does not undo it.
    settled: bool,
    /// No later than anything is due: it may be sooner where a value has changed since.
    due_at: Option<Instant>,
}

/// The levels of one server.
#[derive(Debug)]
struct ServerJudges {
    /// Of the board's row.
    serial: u64,
    thresholds: Arc<Thresholds>,
    /// One for each row of `thresholds`; those that are over all servers are idle.
    judges: Vec<Judge>,
}

/// Another level than before.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelChange {
    /// The server's id; `None` for what is over all servers.
    pub id: Option<usize>,
    /// The server's label; `*` for what is over all servers.
    pub server: Arc<str>,
    /// What the rule is about.
    pub subject: Subject,
    /// The level before.
    pub from: Level,
    /// The level now.
    pub to: Level,
    /// The value now.
    pub value: f64,
    /// The rule whose alarm began, or at its end the one that had been in alarm.
    pub rule: Rule,
}

/// A value, and by how much it grows in a second if nothing comes.
#[derive(Clone, Copy, Debug)]
struct Reading {
    value: f64,
    slope: f64,
}

impl Rules {
    /// Rules by which every server is judged.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        let fleet = thresholds.list().iter().map(|_| Judge::default()).collect();
        Rules {
            thresholds: Arc::new(thresholds),
            own: Vec::new(),
            servers: Vec::new(),
            fleet,
            settled: false,
            due_at: None,
        }
    }

    /// Judges one server by rules of its own: the general ones, but for those of the same level and NAME in
    /// `thresholds`. Rules over all servers in it are not looked at.
    pub fn for_server(&mut self, id: usize, thresholds: &Thresholds) {
        let own = Arc::new(self.thresholds.overridden_by(thresholds));
        match self.own.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => self.own[at].1 = own,
            Err(at) => self.own.insert(at, (id, own)),
        }
        self.servers.retain(|(known, _)| *known != id);
    }

    /// Forgets the rules of one server's own: before its id is used again.
    pub fn forget_server(&mut self, id: usize) {
        self.own.retain(|(known, _)| *known != id);
        self.servers.retain(|(known, _)| *known != id);
    }

    /// Judges what is new on the board and what has lasted long enough. Returns the levels that have changed, in the
    /// order of ids and rules, with what is over all servers last. Costs what has changed, but for rules over all
    /// servers, which look at each of them.
    pub fn step(&mut self, now: Instant, board: &mut Board) -> Vec<LevelChange> {
        let (mut changed, removed) = board.take_changed();
        if removed {
            self.servers.retain(|(id, _)| board.get(*id).is_some());
        }
        let due = self.due_at.is_some_and(|at| now >= at);
        let mut changes = Vec::new();
        if due {
            self.due_at = None;
            changed = board.rows().map(|(id, _)| id).collect();
        }
        changed.sort_unstable();
        for &id in &changed {
            if let Some(row) = board.get(id) {
                self.judge_server(now, id, row, &mut changes);
            }
        }
        if due || removed || !changed.is_empty() {
            self.judge_fleet(now, board, &mut changes);
        }
        changes
    }

    /// When `step` wants to be called although nothing came; not later than anything is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.due_at
    }

    /// The rules by which a server is judged.
    #[must_use]
    pub fn thresholds(&self, id: usize) -> &Thresholds {
        let own = self.own.binary_search_by_key(&id, |(id, _)| *id);
        own.map_or(&self.thresholds, |at| &self.own[at].1)
    }

    /// The worst level of a server; OK where it was never judged.
    #[must_use]
    pub fn level(&self, id: usize) -> Level {
        let at = self.servers.binary_search_by_key(&id, |(id, _)| *id);
        let judges = at.map_or(&[][..], |at| &self.servers[at].1.judges);
        judges.iter().map(Judge::level).max().unwrap_or_default()
    }

    /// The worst level of what is over all servers.
    #[must_use]
    pub fn fleet_level(&self) -> Level {
        self.fleet.iter().map(Judge::level).max().unwrap_or_default()
    }

    fn judge_server(&mut self, now: Instant, id: usize, row: &BoardRow, changes: &mut Vec<LevelChange>) {
        let server = self.server(id, row.serial());
        let thresholds = Arc::clone(&server.thresholds);
        let mut due_at = None;
        for (judge, threshold) in server.judges.iter_mut().zip(thresholds.list()) {
            if threshold.subject.aggregate.is_some() {
                continue;
            }
            let quantity = threshold.subject.quantity;
            let slope = if quantity == Quantity::Age { 1.0 } else { 0.0 };
            let reading = row.value(quantity, now).map(|value| Reading { value, slope });
            if let Some(change) = judge.take(now, threshold, reading) {
                changes.extend(change.told(threshold, Some(id), row.label()));
            }
            due_at = sooner(due_at, judge.deadline(now, threshold, reading));
        }
        self.due_at = sooner(self.due_at, due_at);
    }

    /// The judges of a server. They begin anew where another server has got its id.
    fn server(&mut self, id: usize, serial: u64) -> &mut ServerJudges {
        let place = self.servers.binary_search_by_key(&id, |(id, _)| *id);
        let at = match place {
            Ok(at) if self.servers[at].1.serial == serial => return &mut self.servers[at].1,
            Ok(at) | Err(at) => at,
        };
        let own = self.own.binary_search_by_key(&id, |(id, _)| *id);
        let thresholds = Arc::clone(own.map_or(&self.thresholds, |at| &self.own[at].1));
        let judges = thresholds.list().iter().map(|_| Judge::default()).collect();
        let fresh = ServerJudges { serial, thresholds, judges };
        match place {
            Ok(_) => self.servers[at].1 = fresh,
            Err(_) => self.servers.insert(at, (id, fresh)),
        }
        &mut self.servers[at].1
    }

    fn judge_fleet(&mut self, now: Instant, board: &Board, changes: &mut Vec<LevelChange>) {
        if self.thresholds.list().iter().all(|threshold| threshold.subject.aggregate.is_none()) {
            return;
        }
        self.settled |= board.rows().len() > 0 && board.rows().all(|(_, row)| row.is_settled(now));
        if !self.settled {
            let settles_at = board.rows().filter_map(|(_, row)| row.settles_at()).filter(|at| *at > now).min();
            self.due_at = sooner(self.due_at, settles_at);
            return;
        }
        let thresholds = Arc::clone(&self.thresholds);
        let label = ALL_SERVERS.into();
        for (judge, threshold) in self.fleet.iter_mut().zip(thresholds.list()) {
            let Some(aggregate) = threshold.subject.aggregate else { continue };
            let reading = read_all(board, aggregate, threshold.subject.quantity, now);
            if let Some(change) = judge.take(now, threshold, reading) {
                changes.extend(change.told(threshold, None, &label));
            }
            self.due_at = sooner(self.due_at, judge.deadline(now, threshold, reading));
        }
    }
}

/// A quantity over all servers. Ages grow together: their mean by one second in a second, their sum by one for each.
fn read_all(board: &Board, aggregate: Aggregate, quantity: Quantity, now: Instant) -> Option<Reading> {
    let value = board.aggregate(aggregate, quantity, now)?;
    let slope = match (quantity, aggregate) {
        (Quantity::Age, Aggregate::Sum) => board.rows().filter(|(_, row)| row.sample_at().is_some()).count() as f64,
        (Quantity::Age, _) => 1.0,
        _ => 0.0,
    };
    Some(Reading { value, slope })
}

impl LevelChange {
    /// What has happened to the alarm.
    #[must_use]
    pub fn phase(&self) -> AlertPhase {
        match (self.from, self.to) {
            (_, Level::Ok) => AlertPhase::Ends,
            (Level::Ok, _) => AlertPhase::Begins,
            _ => AlertPhase::Changes,
        }
    }

    /// The value and the range in words, `cpu 95.0% (90)`; empty at the end of an alarm.
    #[must_use]
    pub fn text(&self) -> String {
        if self.to == Level::Ok {
            return String::new();
        }
        let mut out = format!("{} ", self.subject);
        push_value(&mut out, self.subject.quantity.unit(), self.value);
        out.push_str(&format!(" ({})", self.rule.range_text()));
        out
    }

    /// The change as an event: an alert like those of servers, but with its rule.
    #[must_use]
    pub fn event(&self) -> Event<'static> {
        let name = self.subject.to_string();
        Event::Alert(Alert {
            component: name.clone().into(),
            metric: name.into(),
            level: self.to.name().into(),
            message: self.text().into(),
            value: Some(self.value),
            threshold: self.rule.range.crossed(self.value).filter(|_| self.to != Level::Ok),
            phase: self.phase(),
        })
    }
}

/// In a line: `web: CRITICAL cpu 95.0% (90)`, `web: cpu: back to normal`.
impl fmt::Display for LevelChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Level::Ok => write!(f, "{}: {}: back to normal", self.server, self.subject),
            level => write!(f, "{}: {} {}", self.server, level.name(), self.text()),
        }
    }
}

/// How long until a value that grows reaches a bound; `None` where it never does, or has passed it.
fn until(bound: f64, reading: Reading) -> Option<Duration> {
    let seconds = (bound - reading.value) / reading.slope;
    Duration::try_from_secs_f64(seconds).ok()
}
