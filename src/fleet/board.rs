//! The latest values of each server, in bounded memory.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::fleet::quantity::{Aggregate, Quantity};
use crate::model::event::{Alert, AlertPhase, Change, ClientState, Event, Message, Process, Processes};
use crate::model::metric::{Metric, Text};
use crate::model::sample::Sample;

/// Longest text that is kept: host, reason, name of a process. In bytes.
const LONGEST_TEXT: usize = 255;
/// Most processes that are kept of a server.
const MOST_PROCESSES: usize = 1000;
/// Most bytes of their names.
const MOST_NAMES: usize = 64 << 10;
/// Most alerts that are counted of a server.
const MOST_ALERTS: usize = 1024;
/// A connection that has lasted this long counts as settled although nothing of use came.
const SETTLED_AFTER: Duration = Duration::from_secs(30);

/// The latest values of each server, as [`crate::Rules`] and other views need them.
///
/// It is updated with messages. A server takes at most 1 KiB, one with processes and alerts less than 192 KiB.
///
/// ```
/// use wsmon::{Aggregate, Board, Metric, Monitor, Quantity, Server};
///
/// # let uri = doc::serve(3);
/// # let uri = uri.as_str();
/// let mut monitor = Monitor::new()?;
/// let mut board = Board::default();
/// let id = monitor.add(Server::new(uri)?.label("web").max_reconnects(Some(0)))?;
/// board.add(id, monitor.label(id));
///
/// let mut highest = 0.0_f64;
/// while !monitor.is_done() {
///     monitor.turn(None, &mut |message| {
///         board.update(message);
///         let cpu = board.aggregate(Aggregate::Max, Quantity::Metric(Metric::Cpu), message.received_mono);
///         highest = highest.max(cpu.unwrap_or_default());
///     })?;
/// }
/// assert_eq!(board.get(id).map(|web| web.is_up()), Some(false));
/// # assert_eq!(highest, 80.0);
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Board {
    /// Sorted by id. Boxed, to be moved cheaply.
    rows: Vec<(usize, Box<BoardRow>)>,
    /// Ids of rows that have changed since [`Board::take_changed`]; each once.
    changed: Vec<usize>,
    /// True if a row was removed since then.
    removed: bool,
    /// Number of rows ever added; the source of serial numbers.
    added: u64,
}

/// The latest values of one server.
#[derive(Debug)]
pub struct BoardRow {
    label: Arc<str>,
    /// Distinguishes servers that had the same id one after the other.
    serial: u64,
    state: ClientState,
    /// NaN if not received since the connection opened.
    values: [f64; Metric::ALL.len()],
    sample_at: Option<(Instant, SystemTime)>,
    connected_at: Option<Instant>,
    /// A connection has opened or a dial has failed: `up` is known.
    tried: bool,
    /// Content was received, or a connection or dial has failed.
    settled: bool,
    /// Content was received since the connection opened.
    delivered: bool,
    /// The id stands in [`Board::changed`].
    changed: bool,
    ping: Option<Duration>,
    dialect: &'static str,
    host: Box<str>,
    why: Box<str>,
    /// `None` before the first list of the connection.
    processes: Option<Vec<BoardProcess>>,
    /// Hashes of component and metric of the alerts in force. They survive a reconnection, because dialects report an
    /// alert that continues only once.
    alerts: Vec<u64>,
}

/// The latest state of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct BoardProcess {
    /// The name, truncated to 255 bytes.
    pub name: Box<str>,
    /// True if the server lists it as running.
    pub running: bool,
    /// True if the server lists it as failed. A stopped process is neither.
    pub failed: bool,
    /// Processor use in per cent.
    pub cpu: Option<f64>,
    /// Memory in bytes.
    pub memory: Option<f64>,
    /// The number of restarts.
    pub restarts: Option<i64>,
}

impl Board {
    /// Adds a server under the id that its messages have. Replaces an earlier server with that id.
    pub fn add(&mut self, id: usize, label: &str) {
        self.added += 1;
        let mut row = Box::new(BoardRow::new(label.into(), self.added));
        match self.place(id) {
            Ok(at) => {
                row.changed = self.rows[at].1.changed;
                self.rows[at].1 = row;
            }
            Err(at) => self.rows.insert(at, (id, row)),
        }
        self.mark(id);
    }

    /// Removes a server.
    pub fn remove(&mut self, id: usize) {
        if let Ok(at) = self.place(id) {
            self.rows.remove(at);
            self.changed.retain(|&changed| changed != id);
            self.removed = true;
        }
    }

    /// Updates the row of the message's server. Adds the server if it is unknown.
    pub fn update(&mut self, message: &Message<'_>) {
        if self.place(message.id).is_err() {
            self.add(message.id, message.server);
        }
        let Some(row) = self.row(message.id) else { return };
        let is_content = message.is_content();
        row.settled |= is_content;
        row.delivered |= is_content;
        for event in message.events {
            match event {
                Event::Sample(sample) => row.update_sample(sample, message),
                Event::Processes(processes) => row.update_processes(processes),
                Event::Alert(alert) if alert.rule.is_none() => row.update_alert(alert),
                Event::State(change) => row.update_state(change, message.received_mono),
                _ => {}
            }
        }
        self.mark(message.id);
    }

    /// Sets the round trip of the latest ping.
    pub fn set_ping(&mut self, id: usize, round_trip: Duration) {
        if let Some(row) = self.row(id) {
            row.ping = Some(round_trip);
            self.mark(id);
        }
    }

    /// Sets the name of the server's dialect.
    pub fn set_dialect(&mut self, id: usize, name: &'static str) {
        if let Some(row) = self.row(id) {
            row.dialect = name;
        }
    }

    /// Returns the row of a server.
    #[must_use]
    pub fn get(&self, id: usize) -> Option<&BoardRow> {
        self.place(id).ok().map(|at| &*self.rows[at].1)
    }

    /// Iterates over all servers with their ids, in the order of ids.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (usize, &BoardRow)> + Clone {
        self.rows.iter().map(|(id, row)| (*id, &**row))
    }

    /// Combines the values of all servers that have one.
    #[must_use]
    pub fn aggregate(&self, aggregate: Aggregate, quantity: Quantity, now: Instant) -> Option<f64> {
        aggregate.of(self.rows().filter_map(|(_, row)| row.value(quantity, now)))
    }

    /// Returns the ids of the rows that have changed since the last call, and true if a row was removed.
    pub(crate) fn take_changed(&mut self) -> (Vec<usize>, bool) {
        let changed = std::mem::take(&mut self.changed);
        for &id in &changed {
            if let Some(row) = self.row(id) {
                row.changed = false;
            }
        }
        (changed, std::mem::take(&mut self.removed))
    }

    fn place(&self, id: usize) -> Result<usize, usize> {
        match self.rows.get(id) {
            // Ids are positions unless servers were removed.
            Some((known, _)) if *known == id => Ok(id),
            _ => self.rows.binary_search_by_key(&id, |(id, _)| *id),
        }
    }

    fn row(&mut self, id: usize) -> Option<&mut BoardRow> {
        self.place(id).ok().map(|at| &mut *self.rows[at].1)
    }

    fn mark(&mut self, id: usize) {
        if let Some(row) = self.row(id)
            && !std::mem::replace(&mut row.changed, true)
        {
            self.changed.push(id);
        }
    }
}

impl BoardRow {
    fn new(label: Arc<str>, serial: u64) -> Self {
        BoardRow {
            label,
            serial,
            state: ClientState::default(),
            values: [f64::NAN; Metric::ALL.len()],
            sample_at: None,
            connected_at: None,
            tried: false,
            settled: false,
            delivered: false,
            changed: false,
            ping: None,
            dialect: "auto",
            host: Box::default(),
            why: Box::default(),
            processes: None,
            alerts: Vec::new(),
        }
    }

    /// Returns the server's label.
    #[must_use]
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// Returns the state of the connection.
    #[must_use]
    pub fn state(&self) -> ClientState {
        self.state
    }

    /// Returns true while the connection is open.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == ClientState::Connected
    }

    /// Returns a value in the unit of its quantity, if it is known.
    ///
    /// Values that the server sent are kept until it sends newer ones or the connection ends. `up` is known once a
    /// connection has opened or failed, `age` from the first sample on; both are known while the server is down.
    #[must_use]
    pub fn value(&self, quantity: Quantity, now: Instant) -> Option<f64> {
        let count = |of: fn(&BoardProcess) -> bool| {
            self.processes.as_ref().map(|list| list.iter().filter(|process| of(process)).count() as f64)
        };
        match quantity {
            Quantity::Metric(metric) => Some(self.values[metric as usize]).filter(|value| value.is_finite()),
            Quantity::Up => self.tried.then(|| f64::from(u8::from(self.is_up()))),
            Quantity::Age => self.sample_at.map(|(at, _)| now.saturating_duration_since(at).as_secs_f64()),
            Quantity::Ping => self.ping.map(|ping| ping.as_secs_f64()),
            Quantity::Alerts => self.delivered.then_some(self.alerts.len() as f64),
            Quantity::Failed => count(|process| process.failed),
            Quantity::Running => count(|process| process.running),
        }
    }

    /// Returns the time of the latest sample.
    #[must_use]
    pub fn sample_at(&self) -> Option<SystemTime> {
        self.sample_at.map(|(_, at)| at)
    }

    /// Returns the name of the dialect; `auto` until it is known.
    #[must_use]
    pub fn dialect(&self) -> &'static str {
        self.dialect
    }

    /// Returns the host name that the server sent, truncated to 255 bytes; empty if it sent none.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the reason for which the connection ended or could not be opened, truncated to 255 bytes; empty while it
    /// is open.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Returns the processes that were listed since the connection opened: at most 1000.
    #[must_use]
    pub fn processes(&self) -> &[BoardProcess] {
        self.processes.as_deref().unwrap_or_default()
    }

    /// Returns true once the server has delivered content or failed, or has been connected for 30 s. Rules over all
    /// servers wait for this.
    #[must_use]
    pub fn is_settled(&self, now: Instant) -> bool {
        self.settled || self.settles_at().is_some_and(|at| now >= at)
    }

    /// Returns the time at which an open connection settles the server, if it is not settled yet.
    pub(crate) fn settles_at(&self) -> Option<Instant> {
        self.connected_at.filter(|_| !self.settled)?.checked_add(SETTLED_AFTER)
    }

    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    fn update_sample(&mut self, sample: &Sample<'_>, message: &Message<'_>) {
        for &metric in Metric::ALL {
            if let Some(value) = sample.get(metric) {
                self.values[metric as usize] = value;
            }
        }
        if let Some(host) = sample.text(Text::Host)
            && cut(host) != &*self.host
        {
            self.host = cut(host).into();
        }
        self.sample_at = Some((message.received_mono, message.received_at));
    }

    fn update_state(&mut self, change: &Change, at: Instant) {
        self.state = change.to;
        match change.to {
            ClientState::Connected => {
                self.tried = true;
                self.connected_at = Some(at);
                self.why = Box::default();
            }
            ClientState::Connecting => {}
            ClientState::Reconnecting | ClientState::Error | ClientState::Disconnected => {
                (self.tried, self.settled, self.delivered) = (true, true, false);
                self.connected_at = None;
                self.why = cut(&change.why).into();
                self.values = [f64::NAN; Metric::ALL.len()];
                (self.ping, self.processes) = (None, None);
            }
        }
    }

    fn update_alert(&mut self, alert: &Alert<'_>) {
        let key = hash(&[&alert.component, &alert.metric]);
        let known = self.alerts.iter().position(|&known| known == key);
        match (alert.phase, known) {
            (AlertPhase::Ends, Some(at)) => drop(self.alerts.remove(at)),
            (AlertPhase::Begins | AlertPhase::Changes, None) if self.alerts.len() < MOST_ALERTS => {
                self.alerts.push(key);
            }
            _ => {}
        }
    }

    /// Updates the processes. A message may list only some of them; those that are gone stand in its changes.
    fn update_processes(&mut self, processes: &Processes<'_>) {
        let known = self.processes.get_or_insert_default();
        for change in processes.changes.iter().filter(|change| change.to.is_empty() && !change.from.is_empty()) {
            known.retain(|process| *process.name != *cut(&change.name));
        }
        let mut room = MOST_NAMES.saturating_sub(known.iter().map(|process| process.name.len()).sum());
        let mut expected = 0;
        for process in &processes.list {
            expected = update_process(known, process, expected, &mut room) + 1;
        }
    }
}

/// Updates a process and returns its position. Servers keep their order, so it probably stands at `expected`; otherwise
/// the list is searched. A new process that exceeds the bounds is ignored.
fn update_process(known: &mut Vec<BoardProcess>, process: &Process<'_>, expected: usize, room: &mut usize) -> usize {
    let name = cut(&process.name);
    let is_it = |known: &BoardProcess| *known.name == *name;
    let found = known.get(expected).filter(|known| is_it(known)).map(|_| expected);
    let at = match found.or_else(|| known.iter().position(is_it)) {
        Some(at) => at,
        None if known.len() == MOST_PROCESSES || *room < name.len() => return expected,
        None => {
            *room -= name.len();
            let name = name.into();
            known.push(BoardProcess { name, running: false, failed: false, cpu: None, memory: None, restarts: None });
            known.len() - 1
        }
    };
    let known = &mut known[at];
    if !process.state.is_empty() {
        let is = |states: &[&str]| states.iter().any(|state| process.state.eq_ignore_ascii_case(state));
        known.running = is(&Process::RUNNING);
        known.failed = is(&Process::FAILED);
    }
    known.cpu = process.cpu.or(known.cpu);
    known.memory = process.memory.or(known.memory);
    known.restarts = process.restarts.or(known.restarts);
    at
}

/// Returns the FNV-1a hash of the texts, each with a terminator.
fn hash(texts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for text in texts {
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

fn cut(text: &str) -> &str {
    let end = (0..=LONGEST_TEXT.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::tests::{At, alert, connected, hosted, log, lost, metric, process, processes, sample, state};

    /// Returns a board with one server, and the time.
    fn board() -> (Board, At) {
        let mut board = Board::default();
        board.add(0, "s0");
        (board, At(Instant::now(), 0.0))
    }

    fn value(board: &Board, name: &str, at: At) -> Option<f64> {
        board.get(0).unwrap().value(Quantity::named(name).unwrap(), at.now())
    }

    #[test]
    fn values_are_the_latest_of_each_metric_as_long_as_the_connection_is_open() {
        let (mut board, at) = board();
        at.say(&mut board, 0, &[connected()]);
        at.say(&mut board, 0, &[hosted("web", &[("cpu", 12.4), ("load1", 0.5)])]);
        at.say(&mut board, 0, &[sample(&[("cpu", 50.0), ("memory", 38.1), ("gpu", f64::INFINITY)])]);
        let names = ["cpu", "load1", "memory", "gpu", "disk", "up", "age"];
        let values = |board: &Board, at| names.map(|name| value(board, name, at));
        let known = [Some(50.0), Some(0.5), Some(38.1), None, None, Some(1.0), Some(2.0)];
        assert_eq!(values(&board, At(at.0, 2.0)), known);
        At(at.0, 3.0).say(&mut board, 0, &[lost("reset by peer")]);
        assert_eq!(values(&board, At(at.0, 3.0)), [None, None, None, None, None, Some(0.0), Some(3.0)]);
        let row = board.get(0).unwrap();
        assert_eq!((row.host(), row.why(), row.is_up()), ("web", "reset by peer", false));
        At(at.0, 4.0).say(&mut board, 0, &[connected()]);
        assert_eq!(values(&board, At(at.0, 4.0))[..2], [None, None], "it has sent nothing on this connection");
        assert_eq!(board.get(0).unwrap().why(), "");
    }

    #[test]
    fn up_is_known_once_a_connection_has_opened_or_failed() {
        use ClientState::{Connecting, Disconnected, Error, Reconnecting};
        let (mut board, at) = board();
        assert_eq!(value(&board, "up", at), None);
        at.say(&mut board, 0, &[state(Disconnected, Connecting, "")]);
        assert_eq!(value(&board, "up", at), None);
        at.say(&mut board, 0, &[state(Connecting, Reconnecting, "refused")]);
        assert_eq!(value(&board, "up", at), Some(0.0));
        at.say(&mut board, 0, &[state(Reconnecting, Reconnecting, "refused")]);
        at.say(&mut board, 0, &[state(Reconnecting, Error, "refused")]);
        assert_eq!(value(&board, "up", at), Some(0.0));
    }

    #[test]
    fn a_server_is_settled_once_it_delivered_or_failed_or_has_lasted() {
        let settled = |events: &[Event<'_>], later: f64| {
            let (mut board, at) = board();
            events.iter().for_each(|event| at.say(&mut board, 0, std::slice::from_ref(event)));
            board.get(0).unwrap().is_settled(At(at.0, later).now())
        };
        assert!(!settled(&[], 1e6));
        assert!(!settled(&[connected()], 29.9));
        assert!(settled(&[connected()], 30.0));
        assert!(!settled(&[connected(), Event::KeepAlive], 0.0));
        assert!(settled(&[connected(), log()], 0.0));
        assert!(settled(&[lost("refused")], 0.0));
    }

    #[test]
    fn alerts_in_force_are_counted_over_reconnections() {
        let (mut board, at) = board();
        at.say(&mut board, 0, &[connected()]);
        assert_eq!(value(&board, "alerts", at), None, "it has said nothing yet");
        at.say(&mut board, 0, &[log()]);
        assert_eq!(value(&board, "alerts", at), Some(0.0));
        let begins = [alert("a", AlertPhase::Begins), alert("b", AlertPhase::Begins), alert("a", AlertPhase::Changes)];
        at.say(&mut board, 0, &begins);
        at.say(&mut board, 0, &[alert("b", AlertPhase::Begins), alert("c", AlertPhase::Ends)]);
        assert_eq!(value(&board, "alerts", at), Some(2.0));
        at.say(&mut board, 0, &[lost("")]);
        assert_eq!(value(&board, "alerts", at), None);
        at.say(&mut board, 0, &[connected()]);
        at.say(&mut board, 0, &[alert("a", AlertPhase::Ends)]);
        assert_eq!(value(&board, "alerts", at), Some(1.0));
    }

    #[test]
    fn processes_are_counted_by_what_the_server_says_of_them() {
        let (mut board, at) = board();
        at.say(&mut board, 0, &[connected()]);
        let counts = |board: &Board| (value(board, "running", at), value(board, "failed", at));
        assert_eq!(counts(&board), (None, None));
        at.say(&mut board, 0, &[processes(&[], &[])]);
        assert_eq!(counts(&board), (Some(0.0), Some(0.0)));
        let list = [process("web", "online"), process("db", "Errored"), process("job", "stopped")];
        at.say(&mut board, 0, &[processes(&list, &[])]);
        assert_eq!(counts(&board), (Some(1.0), Some(1.0)));
        let news = Process { cpu: Some(2.5), restarts: Some(3), ..process("db", "online") };
        at.say(&mut board, 0, &[processes(&[news, process("web", "")], &["job"])]);
        assert_eq!(counts(&board), (Some(2.0), Some(0.0)));
        let names: Vec<_> = board.get(0).unwrap().processes().iter().map(|process| &*process.name).collect();
        assert_eq!(names, ["web", "db"]);
        assert_eq!(board.get(0).unwrap().processes()[1].restarts, Some(3));
        at.say(&mut board, 0, &[lost("")]);
        assert_eq!(counts(&board), (None, None));
    }

    #[test]
    fn pings_are_those_of_the_connection() {
        let (mut board, at) = board();
        at.say(&mut board, 0, &[connected()]);
        board.set_ping(0, Duration::from_millis(12));
        board.set_ping(7, Duration::from_millis(12));
        assert_eq!(value(&board, "ping", at), Some(0.012));
        at.say(&mut board, 0, &[lost("")]);
        assert_eq!(value(&board, "ping", at), None);
    }

    #[test]
    fn servers_come_and_go_by_their_ids() {
        let (mut board, at) = board();
        for id in [usize::MAX, 5, 3] {
            at.say(&mut board, id, &[sample(&[("cpu", id.min(9) as f64)])]);
        }
        let cpu = Quantity::Metric(metric("cpu"));
        assert_eq!(board.rows().map(|(id, _)| id).collect::<Vec<_>>(), [0, 3, 5, usize::MAX]);
        assert_eq!(board.aggregate(Aggregate::Sum, cpu, at.now()), Some(17.0));
        board.remove(3);
        board.remove(4);
        assert!(board.get(3).is_none());
        assert_eq!(board.aggregate(Aggregate::Sum, cpu, at.now()), Some(14.0));
        board.add(5, "another");
        assert_eq!(board.get(5).map(|row| (&**row.label(), row.value(cpu, at.now()))), Some(("another", None)));
    }

    #[test]
    fn each_changed_row_is_returned_once() {
        let (mut board, at) = board();
        assert_eq!(board.take_changed(), (vec![0], false));
        assert_eq!(board.take_changed(), (vec![], false));
        for _ in 0..3 {
            at.say(&mut board, 1, &[log()]);
            board.add(2, "again");
        }
        assert_eq!(board.take_changed(), (vec![1, 2], false));
        at.say(&mut board, 1, &[log()]);
        board.remove(1);
        board.add(1, "new");
        assert_eq!(board.take_changed(), (vec![1], true));
    }

    #[test]
    fn a_server_without_processes_takes_a_kibibyte_at_most() {
        let (mut board, at) = board();
        let long = "é".repeat(10_000);
        at.say(&mut board, 0, &[connected()]);
        at.say(&mut board, 0, &[hosted(&long, &[("cpu", 1.0)])]);
        at.say(&mut board, 0, &[lost(&long)]);
        let row = board.get(0).unwrap();
        assert_eq!((row.host().len(), row.why().len()), (254, 254));
        let label = 2 * size_of::<usize>() + row.label().len();
        let bytes = size_of::<(usize, Box<BoardRow>)>() + size_of::<BoardRow>() + label + 2 * LONGEST_TEXT;
        assert!(bytes <= 1024, "{bytes}");
    }

    #[test]
    fn no_server_fills_the_memory() {
        let (mut board, at) = board();
        at.say(&mut board, 0, &[connected()]);
        for i in 0..3000 {
            let name = format!("{i}{}", "x".repeat(5000));
            at.say(&mut board, 0, &[alert(&name, AlertPhase::Begins), processes(&[process(&name, "online")], &[])]);
            at.say(&mut board, 0, &[processes(&[process(&i.to_string(), "online")], &[])]);
        }
        let row = board.get(0).unwrap();
        let names: usize = row.processes().iter().map(|process| process.name.len()).sum();
        let list = row.processes.as_ref().unwrap().capacity() * size_of::<BoardProcess>();
        let bytes = names + list + row.alerts.capacity() * size_of::<u64>() + size_of::<BoardRow>();
        assert!(bytes < 192 << 10, "{bytes}");
        assert_eq!(row.alerts.len(), MOST_ALERTS);
    }

    #[test]
    fn the_alerts_of_a_component_are_distinguished_by_their_metric() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["a", ""]), hash(&["", "a"]));
    }
}
