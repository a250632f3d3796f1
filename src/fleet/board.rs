//! The latest of each server, in little memory.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::fleet::quantity::{Aggregate, Quantity};
use crate::model::event::{Alert, AlertPhase, Change, ClientState, Event, Message, Process, Processes};
use crate::model::metric::{Metric, Text};
use crate::model::sample::Sample;

/// What is kept of a text of a server: host, reason, name of a process. In bytes.
const LONGEST_TEXT: usize = 255;
/// How many processes of a server are kept, and how many bytes of their names.
const MOST_PROCESSES: usize = 1000;
const MOST_NAMES: usize = 64 << 10;
/// How many alerts of a server are told apart.
const MOST_ALERTS: usize = 1024;
/// A connection that has lasted so long is one that has proved itself, though nothing of use came.
const PROVEN: Duration = Duration::from_secs(30);

/// The latest of each server: what [`crate::Rules`] judge, and what views show.
///
/// It is fed by messages. Of a server without processes and alerts it keeps at most 1 KiB, of any other less than
/// 192 KiB.
///
/// ```
/// use std::time::Instant;
/// use wsmon::{Board, Metric, Monitor, Quantity, Server};
///
/// # let uri = doc::serve(3);
/// # let uri = uri.as_str();
/// let mut monitor = Monitor::new()?;
/// let id = monitor.add(Server::new(uri)?.label("web").max_reconnects(Some(0)))?;
/// let mut board = Board::default();
/// board.add(id, monitor.label(id));
/// let mut highest = 0.0_f64;
/// while !monitor.is_done() {
///     monitor.turn(None, &mut |message| board.take(message))?;
///     let cpu = board.get(id).and_then(|web| web.value(Quantity::Metric(Metric::Cpu), Instant::now()));
///     highest = highest.max(cpu.unwrap_or_default());
/// }
/// # assert_eq!(highest, 80.0);
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Board {
    /// By id. Boxed, for a fleet's list grows and shrinks.
    rows: Vec<(usize, Box<BoardRow>)>,
    /// Whose row is new or changed since [`Board::take_changed`]; each once.
    changed: Vec<usize>,
    /// A row has gone since then.
    removed: bool,
    /// How many rows were ever added.
    added: u64,
}

/// The latest of one server.
#[derive(Debug)]
pub struct BoardRow {
    label: Arc<str>,
    /// Tells it from earlier servers with the same id.
    serial: u64,
    state: ClientState,
    /// NaN = not sent since the connection opened.
    values: [f64; Metric::ALL.len()],
    sample_at: Option<(Instant, SystemTime)>,
    connected_at: Option<Instant>,
    /// A connection has opened, or a dial has failed: it is known whether the server is up.
    tried: bool,
    /// Content came, or a connection or dial has failed.
    settled: bool,
    /// Content came since the connection opened.
    delivered: bool,
    changed: bool,
    ping: Option<Duration>,
    dialect: &'static str,
    host: Box<str>,
    why: Box<str>,
    /// In the order in which they were first listed; `None` before the first list of the connection.
    processes: Option<Vec<BoardProcess>>,
    /// Hashes of component and metric of the alerts in force. Survives a reconnection: servers do not begin them anew.
    alerts: Vec<u64>,
}

/// The latest of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct BoardProcess {
    /// Its name, cut at 255 bytes.
    pub name: Box<str>,
    /// Whether the server lists it as running.
    pub running: bool,
    /// Whether the server lists it as failed. Neither, for one that was stopped.
    pub failed: bool,
    /// Processor use in per cent.
    pub cpu: Option<f64>,
    /// Memory in bytes.
    pub memory: Option<f64>,
    /// How often it was started again.
    pub restarts: Option<i64>,
}

impl Board {
    /// Adds a server under the id that the messages about it will have. One that has this id already goes.
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

    /// Forgets a server.
    pub fn remove(&mut self, id: usize) {
        if let Ok(at) = self.place(id) {
            self.rows.remove(at);
            self.changed.retain(|&changed| changed != id);
            self.removed = true;
        }
    }

    /// Takes a message, or what has become of a connection. A server that was not added is.
    pub fn take(&mut self, message: &Message<'_>) {
        if self.place(message.id).is_err() {
            self.add(message.id, message.server);
        }
        let Some(row) = self.row(message.id) else { return };
        let is_content = message.is_content();
        row.settled |= is_content;
        row.delivered |= is_content;
        for event in message.events {
            match event {
                Event::Sample(sample) => row.take_sample(sample, message),
                Event::Processes(processes) => row.take_processes(processes),
                Event::Alert(alert) => row.take_alert(alert),
                Event::State(change) => row.take_change(change, message.at),
                _ => {}
            }
        }
        self.mark(message.id);
    }

    /// Takes the time that a ping took.
    pub fn take_ping(&mut self, id: usize, round_trip: Duration) {
        if let Some(row) = self.row(id) {
            row.ping = Some(round_trip);
            self.mark(id);
        }
    }

    /// Takes the name of the server's dialect, once it is known.
    pub fn take_dialect(&mut self, id: usize, name: &'static str) {
        if let Some(row) = self.row(id) {
            row.dialect = name;
        }
    }

    /// The latest of a server; `None` for one that was not added.
    #[must_use]
    pub fn get(&self, id: usize) -> Option<&BoardRow> {
        self.place(id).ok().map(|at| &*self.rows[at].1)
    }

    /// Every server with its id, in the order of ids.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (usize, &BoardRow)> + Clone {
        self.rows.iter().map(|(id, row)| (*id, &**row))
    }

    /// A quantity over all servers that have a value.
    #[must_use]
    pub fn aggregate(&self, aggregate: Aggregate, quantity: Quantity, now: Instant) -> Option<f64> {
        aggregate.of(self.rows().filter_map(|(_, row)| row.value(quantity, now)))
    }

    /// The servers whose row is new or changed since the last call, and whether another has gone.
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
            // Nobody was removed below it, as mostly.
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

    /// The server's label.
    #[must_use]
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// The state of its connection.
    #[must_use]
    pub fn state(&self) -> ClientState {
        self.state
    }

    /// Whether its connection is open.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == ClientState::Connected
    }

    /// A value in the unit of its quantity; `None` where it is not known.
    ///
    /// What the server sent counts while the connection is open on which it came, until the server sends another
    /// value. `up` is known once a connection has opened or failed, and `age` from the first sample on; both go on
    /// while the server is down.
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

    /// When the latest sample came.
    #[must_use]
    pub fn sample_at(&self) -> Option<SystemTime> {
        self.sample_at.map(|(_, at)| at)
    }

    /// The name of its dialect; `auto` as long as it is not known.
    #[must_use]
    pub fn dialect(&self) -> &'static str {
        self.dialect
    }

    /// The host's name as the server gives it, cut at 255 bytes; empty where it does not.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Why the connection ended or could not be opened, cut at 255 bytes; empty while it is open.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The processes that were listed since the connection opened.
    #[must_use]
    pub fn processes(&self) -> &[BoardProcess] {
        self.processes.as_deref().unwrap_or_default()
    }

    /// Whether the server has delivered or failed once, or has been connected for 30 s: from then on it counts where
    /// servers are put together.
    #[must_use]
    pub fn is_settled(&self, now: Instant) -> bool {
        self.settled || self.settles_at().is_some_and(|at| now >= at)
    }

    /// When it will be settled if nothing comes; `None` where that is not known, or it is.
    pub(crate) fn settles_at(&self) -> Option<Instant> {
        self.connected_at.filter(|_| !self.settled)?.checked_add(PROVEN)
    }

    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    fn take_sample(&mut self, sample: &Sample<'_>, message: &Message<'_>) {
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
        self.sample_at = Some((message.at, message.received_at));
    }

    fn take_change(&mut self, change: &Change, at: Instant) {
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

    fn take_alert(&mut self, alert: &Alert<'_>) {
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

    /// A message lists all processes or some of them; those that are gone stand among the changes.
    fn take_processes(&mut self, processes: &Processes<'_>) {
        let known = self.processes.get_or_insert_default();
        for change in processes.changes.iter().filter(|change| change.to.is_empty() && !change.from.is_empty()) {
            known.retain(|process| *process.name != *cut(&change.name));
        }
        let mut room = MOST_NAMES.saturating_sub(known.iter().map(|process| process.name.len()).sum());
        let mut expected = 0;
        for process in &processes.list {
            expected = take_process(known, process, expected, &mut room) + 1;
        }
    }
}

/// Takes what is new of a process, which probably stands at `expected`: servers keep their order. Returns where it
/// stands. One for which there is no room is left out.
fn take_process(known: &mut Vec<BoardProcess>, process: &Process<'_>, expected: usize, room: &mut usize) -> usize {
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
        let is = |names: &[&str]| names.iter().any(|name| process.state.eq_ignore_ascii_case(name));
        known.running = is(&["online", "running", "started", "healthy"]);
        known.failed = is(&["errored", "error", "crashed", "failed", "unhealthy"]);
    }
    known.cpu = process.cpu.or(known.cpu);
    known.memory = process.memory.or(known.memory);
    known.restarts = process.restarts.or(known.restarts);
    at
}

/// FNV-1a over the texts, with an end to each.
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

    /// A board with one server, and the time.
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
    fn whether_a_server_is_up_is_known_once_it_was_reached_or_was_not() {
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
        board.take_ping(0, Duration::from_millis(12));
        board.take_ping(7, Duration::from_millis(12));
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
    fn each_changed_server_is_told_once() {
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
    fn the_alerts_of_a_component_are_told_apart_by_their_metric() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["a", ""]), hash(&["", "a"]));
    }
}
