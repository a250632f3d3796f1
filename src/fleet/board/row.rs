//! The latest values of one server.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::fleet::quantity::Quantity;
use crate::model::dialect::Dialect;
use crate::model::event::{Alert, AlertPhase, Change, ClientState, Event, Message, Process, Processes};
use crate::model::metric::{Metric, Text};
use crate::model::sample::Sample;
use crate::model::text::cut;

/// Longest text that is kept: host, reason, name of a process. In bytes.
pub(super) const LONGEST_TEXT: usize = 255;
/// Most processes that are kept of a server.
const MOST_PROCESSES: usize = 1000;
/// Most bytes of their names.
const MOST_NAMES: usize = 64 << 10;
/// Most alerts that are counted of a server.
pub(super) const MOST_ALERTS: usize = 1024;
/// Most alerts in force of which the text is kept.
pub(super) const MOST_ALERT_TEXTS: usize = 16;
/// Samples of which the processor use is kept.
pub(crate) const HISTORY: usize = 10;
/// A connection that has lasted this long counts as settled although nothing of use came.
const SETTLED_AFTER: Duration = Duration::from_secs(30);

/// The latest values of one server.
#[derive(Debug)]
pub struct BoardRow {
    label: Arc<str>,
    /// Distinguishes servers that had the same id one after the other.
    serial: u64,
    state: ClientState,
    /// NaN if not received since the connection opened.
    values: [f64; Metric::ALL.len()],
    /// Processor use in the latest samples of the connection, the newest last: 1 to 8, or 0 for none.
    history: [u8; HISTORY],
    sample_at: Option<(Instant, SystemTime)>,
    connected_at: Option<Instant>,
    /// A connection has opened or a dial has failed: `up` is known.
    tried: bool,
    /// Content was received, or a connection or dial has failed.
    settled: bool,
    /// Content was received since the connection opened.
    delivered: bool,
    /// The id stands in the board's list of changed rows.
    pub(super) changed: bool,
    pub(super) ping: Option<Duration>,
    pub(super) dialect: Option<Dialect>,
    host: Box<str>,
    why: Box<str>,
    /// `None` before the first list of the connection.
    pub(super) processes: Option<Vec<BoardProcess>>,
    /// The alerts in force. They survive a reconnection, because dialects report an alert that continues only once.
    pub(super) alerts: Vec<BoardAlert>,
}

/// An alert of the server's own that is in force.
#[derive(Debug)]
pub(super) struct BoardAlert {
    /// The hash of component, metric and number.
    key: u64,
    /// What it says; `None` beyond [`MOST_ALERT_TEXTS`].
    pub(super) texts: Option<Box<AlertTexts>>,
}

/// The texts of an alert, each truncated to 255 bytes, and its number.
#[derive(Debug)]
pub(super) struct AlertTexts {
    /// Level and message.
    pub(super) text: Box<str>,
    pub(super) component: Box<str>,
    pub(super) metric: Box<str>,
    id: Option<i64>,
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

impl BoardRow {
    pub(super) fn new(label: Arc<str>, serial: u64) -> Self {
        BoardRow {
            label,
            serial,
            state: ClientState::default(),
            values: [f64::NAN; Metric::ALL.len()],
            history: [0; HISTORY],
            sample_at: None,
            connected_at: None,
            tried: false,
            settled: false,
            delivered: false,
            changed: false,
            ping: None,
            dialect: None,
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
            Quantity::Metric(metric) => self.metric(metric),
            Quantity::Up => self.tried.then(|| f64::from(u8::from(self.is_up()))),
            Quantity::Age => self.sample_at.map(|(at, _)| now.saturating_duration_since(at).as_secs_f64()),
            Quantity::Ping => self.ping.map(|ping| ping.as_secs_f64()),
            Quantity::Alerts => self.alerts().map(|count| count as f64),
            Quantity::Failed => count(|process| process.failed),
            Quantity::Running => count(|process| process.running),
        }
    }

    /// Returns the latest value of a metric that came on the open connection.
    #[must_use]
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        Some(self.values[metric as usize]).filter(|value| value.is_finite())
    }

    /// Returns the number of the server's alerts in force, once it has delivered on the open connection.
    #[must_use]
    pub fn alerts(&self) -> Option<usize> {
        self.delivered.then_some(self.alerts.len())
    }

    /// Iterates over the texts of the server's alerts in force, as far as they are kept.
    pub(crate) fn alert_texts(&self) -> impl Iterator<Item = &str> {
        self.alerts.iter().flat_map(|alert| &alert.texts).map(|texts| &*texts.text).filter(|text| !text.is_empty())
    }

    /// Returns the end of one of the server's alerts in force, as far as they are kept: for a server that is no longer
    /// watched.
    #[doc(hidden)]
    #[must_use]
    pub fn alert_end(&self, nth: usize) -> Option<Alert<'_>> {
        let known = self.alerts.iter().flat_map(|alert| &alert.texts).nth(nth)?;
        let (component, metric) = ((*known.component).into(), (*known.metric).into());
        Some(Alert { component, metric, id: known.id, phase: AlertPhase::Ends, ..Alert::default() })
    }

    /// Returns the processor use in the latest samples, the newest last: 1 to 8, or 0 for none.
    pub(crate) fn history(&self) -> [u8; HISTORY] {
        self.history
    }

    /// Returns the time of the latest sample.
    #[must_use]
    pub fn sample_at(&self) -> Option<SystemTime> {
        self.sample_at.map(|(_, at)| at)
    }

    /// Returns the dialect; `None` until it is known.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
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

    pub(super) fn update(&mut self, message: &Message<'_>) {
        let is_content = message.is_content();
        self.settled |= is_content;
        self.delivered |= is_content;
        for event in message.events {
            match event {
                Event::Sample(sample) => self.update_sample(sample, message),
                Event::Processes(processes) => self.update_processes(processes),
                Event::Alert(alert) if alert.rule.is_none() => self.update_alert(alert),
                Event::State(change) => self.update_state(change, message.received_mono),
                _ => {}
            }
        }
    }

    fn update_sample(&mut self, sample: &Sample<'_>, message: &Message<'_>) {
        for &metric in Metric::ALL {
            if let Some(value) = sample.get(metric) {
                self.values[metric as usize] = value;
            }
        }
        if let Some(cpu) = sample.get(Metric::Cpu) {
            self.history.copy_within(1.., 0);
            // The cast saturates.
            self.history[HISTORY - 1] = 1 + ((cpu / 12.5) as u8).min(7);
        }
        match sample.text(Text::Host).map(kept) {
            Some(host) if host != &*self.host => self.host = host.into(),
            _ => {}
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
                self.why = kept(&change.why).into();
                self.values = [f64::NAN; Metric::ALL.len()];
                self.history = [0; HISTORY];
                (self.ping, self.processes) = (None, None);
            }
        }
    }

    fn update_alert(&mut self, alert: &Alert<'_>) {
        let id = alert.id.map(|id| id.to_string()).unwrap_or_default();
        let key = hash(&[&alert.component, &alert.metric, &id]);
        let known = self.alerts.iter().position(|known| known.key == key);
        let at = match (alert.phase, known) {
            (AlertPhase::Ends, Some(at)) => return drop(self.alerts.remove(at)),
            (AlertPhase::Ends, None) => return,
            (_, Some(at)) => at,
            (_, None) if self.alerts.len() == MOST_ALERTS => return,
            (_, None) => {
                self.alerts.push(BoardAlert { key, texts: None });
                self.alerts.len() - 1
            }
        };
        if at < MOST_ALERT_TEXTS {
            let (component, metric) = (kept(&alert.component).into(), kept(&alert.metric).into());
            let texts = AlertTexts { text: alert_text(alert), component, metric, id: alert.id };
            self.alerts[at].texts = Some(Box::new(texts));
        }
    }

    /// Updates the processes. A message may list only some of them; those that are gone stand in its changes.
    fn update_processes(&mut self, processes: &Processes<'_>) {
        let known = self.processes.get_or_insert_default();
        for change in processes.changes.iter().filter(|change| change.to.is_empty() && !change.from.is_empty()) {
            known.retain(|process| *process.name != *kept(&change.name));
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
    let name = kept(&process.name);
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

/// Returns level and message of an alert; without a message its component, else its metric.
fn alert_text(alert: &Alert<'_>) -> Box<str> {
    let mut text = String::new();
    for part in [
        kept(&alert.level),
        [&alert.message, &alert.component, &alert.metric]
            .into_iter()
            .find(|text| !text.is_empty())
            .map_or("", |text| kept(text)),
    ] {
        text.push_str(if text.is_empty() || part.is_empty() { "" } else { " " });
        text.push_str(part);
    }
    kept(&text).into()
}

/// Returns the FNV-1a hash of the texts, each with a terminator.
pub(super) fn hash(texts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for text in texts {
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

/// Returns as much of a text as is kept.
fn kept(text: &str) -> &str {
    cut(text, LONGEST_TEXT)
}
