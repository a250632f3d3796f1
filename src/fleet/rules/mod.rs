//! Evaluates rules over the board: levels, holds, and values over all servers.

mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fleet::board::{Board, BoardRow};
use crate::fleet::grammar::{Level, Rule, Threshold, Thresholds};
use crate::fleet::quantity::{Aggregate, Quantity, Subject};
use crate::fleet::value::push_value;
use crate::model::event::{Alert, AlertPhase, Event};
use crate::model::server_id::ServerId;
use crate::model::time::earliest;

use state::{LevelState, Transition};

/// The label of rules over all servers. A label on the command line cannot contain it.
const ALL_SERVERS: &str = "*";

/// Evaluates [`Thresholds`] over a [`Board`] and returns the changes of levels. It reads no clock: time is an argument.
///
/// Each server and NAME has one level. It changes when a value has been out of range, or back in range, for as long as
/// the rule demands. An unknown value leaves the level as it is, and restarts what was being waited for. Rules over all
/// servers use the values that are known, from the time at which each server has delivered or failed once.
///
/// ```
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
/// monitor.add(Server::new(uri)?.label("web").max_reconnects(0))?;
/// # let mut all = String::new();
/// while !monitor.is_done() {
///     let wait = rules.deadline().map(|at| at.saturating_duration_since(monitor.clock().mono));
///     let mut changes = Vec::new();
///     monitor.turn(wait, |message| {
///         board.update(message);
///         changes.extend(rules.step(message.received_mono, &mut board));
///     })?;
///     changes.extend(rules.step(monitor.now().mono, &mut board));
///     for change in changes {
///         println!("{change}"); // web: CRITICAL cpu 70.0% (65)
/// #       all.push_str(&change.to_string());
///     }
/// }
/// # assert_eq!(all, "web: CRITICAL cpu 70.0% (65)");
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Rules {
    thresholds: Arc<Thresholds>,
    /// The thresholds of servers that have their own. Sorted by id.
    own: Vec<(ServerId, Arc<Thresholds>)>,
    /// Sorted by id.
    servers: Vec<(ServerId, ServerState)>,
    /// Parallel to the list of `thresholds`. Only those of rules over all servers are used.
    fleet: Vec<LevelState>,
    /// Every server has delivered or failed once. Servers that are added later do not reset it.
    settled: bool,
    /// Rules were changed since the latest step.
    changed: bool,
    /// A lower bound of all deadlines: it is not moved when the value that it was for changes.
    due_at: Option<Instant>,
}

/// The levels of one server.
#[derive(Debug)]
struct ServerState {
    /// The serial number of the board's row.
    serial: u64,
    thresholds: Arc<Thresholds>,
    /// Parallel to the list of `thresholds`. Those of rules over all servers are not used.
    levels: Vec<LevelState>,
    /// Levels whose rules are gone, which end with the next step.
    ended: Vec<(Threshold, Level)>,
}

/// A change of the level of one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelChange {
    /// The server's id; `None` for a rule over all servers.
    pub id: Option<ServerId>,
    /// The server's label; `*` for a rule over all servers.
    pub server: Arc<str>,
    /// The quantity whose level has changed.
    pub subject: Subject,
    /// The level before.
    pub from: Level,
    /// The level now.
    pub to: Level,
    /// The value now; NaN if it is unknown, which is possible where the rule was taken away.
    pub value: f64,
    /// The rule that is in alarm now, or was in alarm if the level is OK.
    pub rule: Rule,
}

/// A value, and its growth per second until new data comes.
#[derive(Clone, Copy, Debug)]
struct Reading {
    value: f64,
    slope: f64,
}

impl Rules {
    /// Creates rules for all servers.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        let fleet = thresholds.list().iter().map(|_| LevelState::default()).collect();
        Rules {
            thresholds: Arc::new(thresholds),
            own: Vec::new(),
            servers: Vec::new(),
            fleet,
            settled: false,
            changed: false,
            due_at: None,
        }
    }

    /// Gives one server its own rules: the common ones, replaced by those of the same level and NAME in `thresholds`.
    /// Levels stay as they are until the next step, in which those end whose rules are gone. Rules over all servers in
    /// `thresholds` are ignored.
    pub fn set_server(&mut self, id: ServerId, thresholds: &Thresholds) {
        let own = self.thresholds.overridden_by(thresholds);
        // Servers that are set one after the other often have the same rules.
        let last = self.own.last().filter(|(_, last)| **last == own).map(|(_, last)| last.clone());
        let own = last.unwrap_or_else(|| Arc::new(own));
        match self.own.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => self.own[at].1 = Arc::clone(&own),
            Err(at) => self.own.insert(at, (id, Arc::clone(&own))),
        }
        if let Ok(at) = self.servers.binary_search_by_key(&id, |(id, _)| *id) {
            self.servers[at].1.adopt(own);
        }
        self.changed = true;
    }

    /// Drops the own rules of a server that is removed, before its row leaves the board and its id is used again. Returns
    /// the ends of its alarms: nobody would tell of them later.
    pub fn remove_server(&mut self, now: Instant, id: ServerId, board: &Board) -> Vec<LevelChange> {
        let mut changes = Vec::new();
        if let Some(row) = board.get(id) {
            self.server(id, row.serial()).adopt(Arc::default());
            self.evaluate_server(now, id, row, &mut changes);
        }
        if let Ok(at) = self.own.binary_search_by_key(&id, |(id, _)| *id) {
            self.own.remove(at);
        }
        if let Ok(at) = self.servers.binary_search_by_key(&id, |(id, _)| *id) {
            self.servers.remove(at);
        }
        changes
    }

    /// Evaluates the rows that have changed, and holds that have elapsed. Call it after each update of the board, so that
    /// no value is skipped, and at the deadline.
    ///
    /// Returns the changes in the order of ids and rules, those over all servers last. The cost depends on the number of
    /// changed rows; rules over all servers and a reached deadline look at every row.
    pub fn step(&mut self, now: Instant, board: &mut Board) -> Vec<LevelChange> {
        let (mut changed, removed) = board.take_changed();
        if removed {
            self.servers.retain(|(id, _)| board.get(*id).is_some());
        }
        let due = std::mem::take(&mut self.changed) || self.due_at.is_some_and(|at| now >= at);
        let mut changes = Vec::new();
        if due {
            self.due_at = None;
            changed = board.rows().map(|(id, _)| id).collect();
        }
        for &id in &changed {
            if let Some(row) = board.get(id) {
                self.evaluate_server(now, id, row, &mut changes);
            }
        }
        if due || removed || !changed.is_empty() {
            self.evaluate_fleet(now, board, &mut changes);
        }
        changes
    }

    /// Returns the time at which `step` must be called if nothing comes. It may be earlier than necessary.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.due_at
    }

    /// Returns the rules that apply to a server: the common ones if it has none of its own.
    #[must_use]
    pub fn thresholds(&self, id: ServerId) -> &Thresholds {
        let own = self.own.binary_search_by_key(&id, |(id, _)| *id);
        own.map_or(&self.thresholds, |at| &self.own[at].1)
    }

    /// Returns the worst level of a server.
    #[must_use]
    pub fn level(&self, id: ServerId) -> Level {
        let at = self.servers.binary_search_by_key(&id, |(id, _)| *id);
        let levels = at.map_or(&[][..], |at| &self.servers[at].1.levels);
        levels.iter().map(LevelState::level).max().unwrap_or_default()
    }

    /// Returns the worst level of the rules over all servers.
    #[must_use]
    pub fn fleet_level(&self) -> Level {
        self.fleet.iter().map(LevelState::level).max().unwrap_or_default()
    }

    /// Iterates over the rules of a server that are in alarm, or over those about all servers.
    pub(crate) fn alarms(&self, id: Option<ServerId>) -> impl Iterator<Item = (Level, &Threshold)> {
        let (levels, thresholds) = match id.map(|id| self.servers.binary_search_by_key(&id, |(id, _)| *id)) {
            None => (&self.fleet[..], &*self.thresholds),
            Some(Ok(at)) => (&self.servers[at].1.levels[..], &*self.servers[at].1.thresholds),
            Some(Err(_)) => (&[][..], &*self.thresholds),
        };
        let levels = levels.iter().map(LevelState::level).zip(thresholds.list());
        levels.filter(|(level, _)| *level != Level::Ok)
    }

    fn evaluate_server(&mut self, now: Instant, id: ServerId, row: &BoardRow, changes: &mut Vec<LevelChange>) {
        let server = self.server(id, row.serial());
        let thresholds = Arc::clone(&server.thresholds);
        for (threshold, from) in std::mem::take(&mut server.ended) {
            let value = row.value(threshold.subject.quantity, now).unwrap_or(f64::NAN);
            let transition = Transition { from, to: Level::Ok, value };
            changes.extend(transition.into_change(&threshold, Some(id), row.label()));
        }
        let mut due_at = None;
        for (state, threshold) in server.levels.iter_mut().zip(thresholds.list()) {
            if threshold.subject.aggregate.is_some() {
                continue;
            }
            let quantity = threshold.subject.quantity;
            let slope = if quantity == Quantity::Age { 1.0 } else { 0.0 };
            let reading = row.value(quantity, now).map(|value| Reading { value, slope });
            if let Some(transition) = state.update(now, threshold, reading) {
                changes.extend(transition.into_change(threshold, Some(id), row.label()));
            }
            due_at = earliest(due_at, state.deadline(now, threshold, reading));
        }
        self.due_at = earliest(self.due_at, due_at);
    }

    /// Returns the state of a server, a new one if another server has got its id.
    fn server(&mut self, id: ServerId, serial: u64) -> &mut ServerState {
        let place = self.servers.binary_search_by_key(&id, |(id, _)| *id);
        let at = match place {
            Ok(at) if self.servers[at].1.serial == serial => return &mut self.servers[at].1,
            Ok(at) | Err(at) => at,
        };
        let own = self.own.binary_search_by_key(&id, |(id, _)| *id);
        let thresholds = Arc::clone(own.map_or(&self.thresholds, |at| &self.own[at].1));
        let levels = thresholds.list().iter().map(|_| LevelState::default()).collect();
        let fresh = ServerState { serial, thresholds, levels, ended: Vec::new() };
        match place {
            Ok(_) => self.servers[at].1 = fresh,
            Err(_) => self.servers.insert(at, (id, fresh)),
        }
        &mut self.servers[at].1
    }

    fn evaluate_fleet(&mut self, now: Instant, board: &Board, changes: &mut Vec<LevelChange>) {
        if self.thresholds.list().iter().all(|threshold| threshold.subject.aggregate.is_none()) {
            return;
        }
        self.settled |= board.rows().len() > 0 && board.rows().all(|(_, row)| row.is_settled(now));
        if !self.settled {
            let settles_at = board.rows().filter_map(|(_, row)| row.settles_at()).filter(|at| *at > now).min();
            self.due_at = earliest(self.due_at, settles_at);
            return;
        }
        let thresholds = Arc::clone(&self.thresholds);
        let label = ALL_SERVERS.into();
        for (state, threshold) in self.fleet.iter_mut().zip(thresholds.list()) {
            let Some(aggregate) = threshold.subject.aggregate else { continue };
            let reading = read_all(board, aggregate, threshold.subject.quantity, now);
            if let Some(transition) = state.update(now, threshold, reading) {
                changes.extend(transition.into_change(threshold, None, &label));
            }
            self.due_at = earliest(self.due_at, state.deadline(now, threshold, reading));
        }
    }
}

/// Reads a quantity over all servers. All ages grow by one second per second, and so does every aggregate but the sum.
fn read_all(board: &Board, aggregate: Aggregate, quantity: Quantity, now: Instant) -> Option<Reading> {
    let value = board.aggregate(aggregate, quantity, now)?;
    let slope = match (quantity, aggregate) {
        (Quantity::Age, Aggregate::Sum) => board.rows().filter(|(_, row)| row.sample_at().is_some()).count() as f64,
        (Quantity::Age, _) => 1.0,
        _ => 0.0,
    };
    Some(Reading { value, slope })
}

impl ServerState {
    /// Puts these rules in the place of the present ones. The states of subjects that stay are kept.
    fn adopt(&mut self, thresholds: Arc<Thresholds>) {
        let mut levels: Vec<_> = thresholds.list().iter().map(|_| LevelState::default()).collect();
        for (old, state) in self.thresholds.list().iter().zip(&mut self.levels) {
            let place = thresholds.list().iter().position(|new| new.subject == old.subject);
            let none = Threshold { subject: old.subject, warning: None, critical: None };
            let ended = state.adopt(place.map_or(&none, |at| &thresholds.list()[at]));
            if ended != Level::Ok {
                self.ended.push((old.clone(), ended));
            }
            if let Some(at) = place {
                levels[at] = std::mem::take(state);
            }
        }
        (self.thresholds, self.levels) = (thresholds, levels);
    }
}

impl LevelChange {
    /// Returns the phase of the alert that this change is.
    #[must_use]
    pub fn phase(&self) -> AlertPhase {
        match (self.from, self.to) {
            (_, Level::Ok) => AlertPhase::Ends,
            (Level::Ok, _) => AlertPhase::Begins,
            _ => AlertPhase::Changes,
        }
    }

    /// Returns value and range, `cpu 95.0% (90)`; an empty text if the level is OK.
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

    /// Returns the change as an alert like those of servers.
    #[must_use]
    pub fn event(&self) -> Event<'static> {
        let name = self.subject.to_string();
        let from = if self.phase() == AlertPhase::Changes { self.from.name() } else { "" };
        Event::Alert(Alert {
            component: name.clone().into(),
            metric: name.into(),
            level: self.to.name().into(),
            from: from.into(),
            message: self.text().into(),
            value: Some(self.value),
            threshold: self.rule.range.crossed(self.value).filter(|_| self.to != Level::Ok),
            phase: self.phase(),
            rule: Some(Arc::clone(&self.rule.text)),
            ..Alert::default()
        })
    }
}

/// Writes `web: CRITICAL cpu 95.0% (90)` or `web: cpu: back to normal`.
impl fmt::Display for LevelChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Level::Ok => write!(f, "{}: {}: back to normal", self.server, self.subject),
            level => write!(f, "{}: {} {}", self.server, level.name(), self.text()),
        }
    }
}

impl Reading {
    /// Returns the time until the value reaches a bound; `None` if it is beyond it.
    fn time_to(self, bound: f64) -> Option<Duration> {
        Duration::try_from_secs_f64((bound - self.value) / self.slope).ok()
    }
}
