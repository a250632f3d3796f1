//! The latest values of all servers and the rules over them, for the options that need them: `--warning`, `--critical`,
//! `--check`, `--textfile`, `--listen`, `--format table`. Without these options there is no [`Fleet`], and messages cost
//! nothing here.

use std::slice;
use std::sync::Arc;
use std::time::Instant;

use wsmon::internal::FleetTable;
use wsmon::{
    Aggregate, Board, BoardRow, Change, ClientState, Event, Level, LevelChange, Message, Monitor, Now, Quantity, Rule,
    Rules, ServerId, Style, Threshold, Thresholds, push_exposition,
};

use super::plan::{IMPLIED_RULE, Plan};
use super::servers::Servers;

/// The board, and who looks at it.
pub struct Fleet {
    pub board: Board,
    pub rules: Rules,
    /// A check judges the values once at the end.
    is_check: bool,
    /// Progress of a check; empty if there is none.
    checked: Vec<CheckedServer>,
    /// Answered pings that the board knows of, by the index of the server; `None` if no rule is about pings.
    pings: Option<Vec<u64>>,
    /// The critical rule on `up` is [`IMPLIED_RULE`].
    implies_up: bool,
    /// True if a message came since [`forget_changes`](Fleet::forget_changes).
    changed: bool,
}

/// Progress of a check of one server.
#[derive(Clone, Default)]
pub struct CheckedServer {
    /// The time of the latest sample that counts: the server is judged by its values then.
    pub judged_at: Option<Instant>,
    /// Content was decoded.
    pub has_content: bool,
}

impl Fleet {
    /// Creates the board with a row for each server; `None` if no option needs it.
    pub fn new(plan: &Plan, monitor: &Monitor) -> Option<Box<Fleet>> {
        let thresholds = plan.thresholds.list();
        let is_table = plan.format == "table";
        if !plan.check && !is_table && plan.textfile.is_none() && plan.listen.is_none() && thresholds.is_empty() {
            return None;
        }
        Some(Fleet::create(plan, monitor))
    }

    /// Creates the board as [`Fleet::new`] does, needed or not. Servers may be connected already.
    pub fn create(plan: &Plan, monitor: &Monitor) -> Box<Fleet> {
        let mut fleet = Box::new(Fleet {
            board: Board::default(),
            rules: Rules::new(plan.thresholds.clone()),
            is_check: plan.check,
            checked: Vec::new(),
            pings: needs_pings(&plan.thresholds).then(Vec::new),
            implies_up: plan.implies_up,
            changed: false,
        });
        for id in monitor.ids() {
            fleet.add(id, monitor.label(id));
            if monitor.state(id) == ClientState::Connected {
                fleet.enter_state(id, ClientState::Connected, monitor.now());
            }
        }
        fleet
    }

    /// Gives a server its own rules, see [`Rules::set_server`].
    pub fn set_rules(&mut self, id: ServerId, thresholds: &Thresholds) {
        self.rules.set_server(id, thresholds);
        if needs_pings(thresholds) {
            self.pings.get_or_insert_default();
        }
    }

    /// Makes a row for a server that was added to the monitor, or is new in saved data.
    pub fn add(&mut self, id: ServerId, label: &str) {
        self.board.add(id, label);
        if self.is_check && self.checked.len() <= id.index() {
            self.checked.resize(id.index() + 1, CheckedServer::default());
        }
    }

    /// Removes the row of a server that was removed from the monitor, and with it its levels. Returns those that end.
    pub fn remove(&mut self, id: ServerId, now: Instant) -> Vec<LevelChange> {
        let changes = self.rules.remove_server(now, id, &self.board);
        self.board.remove(id);
        if let Some(known) = self.pings.as_mut().and_then(|pings| pings.get_mut(id.index())) {
            *known = 0;
        }
        self.changed = true;
        changes
    }

    /// Updates the board with a message that is shown at this time. Returns the changes of levels; in a check there are
    /// none.
    pub fn update(&mut self, message: &Message<'_>, at: Instant) -> Vec<LevelChange> {
        self.board.update(message);
        self.changed = true;
        self.step(at)
    }

    /// Returns true if a message, which the board knows already, counts in a check.
    pub fn counts(&mut self, message: &Message<'_>) -> bool {
        let Some(checked) = self.checked.get_mut(message.id.index()) else { return false };
        let is_understood = |event: &Event<'_>| event.is_content() && !matches!(event, Event::Unknown(_));
        checked.has_content |= message.events.iter().any(is_understood);
        let is_measured = |event: &Event<'_>| match event {
            Event::Sample(sample) => !sample.is_empty(),
            event => matches!(event, Event::Processes(_)),
        };
        message.events.iter().any(is_measured) && self.judge(message.id, message.received_mono)
    }

    /// Marks the server as judged if all required values are known.
    fn judge(&mut self, id: ServerId, now: Instant) -> bool {
        let Some(row) = self.board.get(id) else { return false };
        let required = required(self.rules.thresholds(id));
        let is_process_count = |quantity: &Quantity| matches!(quantity, Quantity::Failed | Quantity::Running);
        let has_sample = row.sample_at().is_some() || required.iter().any(is_process_count);
        // A mean may come after the connection has ended, which is then the result.
        let is_complete =
            row.is_up() && has_sample && required.iter().all(|&quantity| row.value(quantity, now).is_some());
        if is_complete {
            if let Some(checked) = self.checked.get_mut(id.index()) {
                checked.judged_at = Some(now);
            }
        }
        is_complete
    }

    /// Reads the round trips of the servers that the latest turn has served. Returns the servers of a check that only waited for them.
    pub fn read_pings(&mut self, monitor: &Monitor) -> Vec<ServerId> {
        let mut complete = Vec::new();
        let Some(known) = &mut self.pings else { return complete };
        for &id in monitor.served() {
            let pings = monitor.pings(id);
            if known.len() <= id.index() {
                known.resize(id.index() + 1, 0);
            }
            if std::mem::replace(&mut known[id.index()], pings.samples) == pings.samples {
                continue;
            }
            let is_first =
                self.board.get(id).is_some_and(|row| row.value(Quantity::Ping, monitor.now().mono).is_none());
            self.board.set_ping(id, std::time::Duration::from_nanos((pings.last * 1e6).round() as u64));
            if is_first && !self.checked.is_empty() {
                complete.push(id);
            }
        }
        complete.retain(|&id| self.judge(id, monitor.now().mono));
        complete
    }

    /// Evaluates the rules. Returns the changes of levels.
    pub fn step(&mut self, now: Instant) -> Vec<LevelChange> {
        if self.is_check { Vec::new() } else { self.rules.step(now, &mut self.board) }
    }

    /// Returns the time at which `step` is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.rules.deadline()
    }

    /// Returns the progress of a check of a server.
    pub fn checked(&self, id: ServerId) -> CheckedServer {
        self.checked.get(id.index()).cloned().unwrap_or_default()
    }

    /// Returns true if something has changed since [`forget_changes`](Fleet::forget_changes).
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// The changes up to now are written.
    pub fn forget_changes(&mut self) {
        self.changed = false;
    }

    /// Returns true once every server has delivered or failed.
    pub fn is_settled(&self, now: Instant) -> bool {
        self.board.rows().all(|(_, row)| row.is_settled(now))
    }

    /// Returns true if there are servers, and each has delivered or failed; with `sampled`, those that are up have sent a
    /// sample.
    pub fn has_settled_rows(&self, now: Instant, sampled: bool) -> bool {
        let has_come = |row: &BoardRow| !sampled || !row.is_up() || row.sample_at().is_some();
        let mut rows = self.board.rows();
        rows.len() > 0 && rows.all(|(_, row)| row.is_settled(now) && has_come(row))
    }

    /// Appends the table of all servers.
    pub fn push_table(&self, out: &mut String, now: Now, size: (usize, usize), style: Style) {
        FleetTable { board: &self.board, rules: Some(&self.rules), now, style }.push(out, size);
    }

    /// Returns the board in Prometheus' text format.
    pub fn exposition(&mut self, servers: &Servers) -> String {
        for id in servers.ids() {
            self.board.set_dialect(id, servers.dialect(id));
        }
        let mut text = String::new();
        push_exposition(&mut text, &self.board, &|id| servers.statistics_of(id));
        text
    }

    /// Returns true for a rule that nobody has written.
    fn is_implied(&self, threshold: &Threshold) -> bool {
        let is_it = |rule: &Rule| self.implies_up && rule.text() == IMPLIED_RULE;
        threshold.rules().all(is_it)
    }

    /// Returns true if every rule on `up` holds for what is connected now, or without such a rule if any server is; and
    /// a line with the number of those that are.
    pub fn readiness(&self) -> (bool, String) {
        let rules = &self.rules;
        let (mut up, mut all) = (0_u32, 0_u32);
        let (mut has_rules, mut hold) = (false, true);
        let mut judge = |id, is_of_server: bool, value_of: &dyn Fn(Option<Aggregate>) -> f64| {
            for threshold in rules.thresholds(id).list() {
                let subject = threshold.subject;
                let is_asked = subject.quantity == Quantity::Up && subject.aggregate.is_none() == is_of_server;
                if is_asked && !self.is_implied(threshold) {
                    has_rules = true;
                    hold &= threshold.level_of(value_of(subject.aggregate)) == Level::Ok;
                }
            }
        };
        for (id, row) in self.board.rows() {
            all += 1;
            up += u32::from(row.is_up());
            judge(id, true, &|_| f64::from(u8::from(row.is_up())));
        }
        judge(ServerId::NONE, false, &|aggregate| match aggregate {
            Some(Aggregate::Mean) => f64::from(up) / f64::from(all.max(1)),
            Some(Aggregate::Min) => f64::from(u8::from(up == all)),
            Some(Aggregate::Max) => f64::from(u8::from(up > 0)),
            Some(Aggregate::Sum) | None => f64::from(up),
        });
        (if has_rules { hold } else { up > 0 }, format!("{up} of {all} servers up\n"))
    }

    /// Enters every server as disconnected: the program ends, and their values are no longer looked after.
    pub fn disconnect_all(&mut self, now: Now) {
        let ids: Vec<_> = self.board.rows().map(|(id, _)| id).collect();
        ids.into_iter().for_each(|id| self.enter_state(id, ClientState::Disconnected, now));
    }

    fn enter_state(&mut self, id: ServerId, to: ClientState, now: Now) {
        let Some(row) = self.board.get(id) else { return };
        let (label, from) = (Arc::clone(row.label()), row.state());
        let change = Change::new(from, to);
        self.board.update(&own_message(id, &label, now, slice::from_ref(&Event::State(change))));
    }
}

/// The sample and the list of processes of a message, kept for later.
pub struct MessageCopy {
    id: ServerId,
    server: Arc<str>,
    received_at: Now,
    events: Vec<Event<'static>>,
}

impl MessageCopy {
    pub fn of(message: &Message<'_>) -> Self {
        MessageCopy {
            id: message.id,
            server: Arc::clone(message.server),
            received_at: Now { mono: message.received_mono, wall: message.received_at },
            events: message.events.iter().filter_map(copy).collect(),
        }
    }

    pub fn message(&self) -> Message<'_> {
        own_message(self.id, &self.server, self.received_at, &self.events)
    }
}

/// Copies one of the events that are kept. It saves 4 KB of code to leave out the other kinds.
fn copy(event: &Event<'_>) -> Option<Event<'static>> {
    match event.clone() {
        Event::Sample(sample) => Some(Event::Sample(Box::new(sample.into_owned()))),
        Event::Processes(processes) => Some(Event::Processes(processes.into_owned())),
        _ => None,
    }
}

/// Returns a message of the client itself.
pub fn own_message<'a>(id: ServerId, server: &'a Arc<str>, at: Now, events: &'a [Event<'a>]) -> Message<'a> {
    let mut message = Message::new(server, at, events);
    message.id = id;
    message
}

fn needs_pings(thresholds: &Thresholds) -> bool {
    thresholds.list().iter().any(|threshold| threshold.subject.quantity == Quantity::Ping)
}

/// Returns the quantities that rules with a NAME are about. A RANGE alone applies to the metrics that a server sends.
fn required(thresholds: &Thresholds) -> Vec<Quantity> {
    let mut quantities = Vec::new();
    for threshold in thresholds.list() {
        if threshold.rules().any(|rule| !rule.unnamed) {
            quantities.push(threshold.subject.quantity);
        }
    }
    quantities
}
