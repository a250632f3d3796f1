//! The way of a message from its text to the program: what it means, and what is kept of it.
//!
//! A peer hands in the messages of its connection, [`SavedData`](crate::monitor::saved::SavedData) those of a file, and a
//! program those of any other place.

use std::slice;
use std::sync::Arc;
use std::time::SystemTime;

use crate::model::dialect::Dialect;
use crate::model::event::{Change, ClientState, Event, Message, Raw};
use crate::model::server_id::ServerId;
use crate::model::stats::{PastError, Statistics};
use crate::model::text::escape;
use crate::model::time::Now;
use crate::model::trace;
use crate::monitor::clock::{RecordedClock, read_clock};
use crate::monitor::report::Report;
use crate::monitor::server::Server;
use crate::monitor::settings::Settings;
use crate::proto::dialect::conversation::{Conversation, Decoded, Outgoing};
use crate::proto::dialect::{self, Binary};

/// The most timers of a dialect that one message lets run.
const MAX_TICKS: usize = 64;

/// Decodes the messages of one server without a connection: from a file, from a test, from another client.
///
/// It is what [`crate::Monitor`] hands the messages of a connection to. A message has a meaning in its order: an alert is
/// news once, and an unknown dialect is recognised by the first message that gives it away. Timers run on the times that
/// are handed in; one that is earlier than the one before counts as the same time.
///
/// ```
/// use std::time::SystemTime;
/// use wsmon::{Decoder, Dialect};
///
/// let mut decoder = Decoder::new(None);
/// let text = r#"{"type": "monitoring_data", "data": {"processor": {"usage_percent": 45.2}}}"#;
/// let mut cpu = None;
/// decoder.decode(text, SystemTime::now(), |message| {
///     cpu = message.sample().and_then(|sample| sample.cpu());
/// });
/// assert_eq!((cpu, decoder.dialect()), (Some(45.2), Some(Dialect::Monitoring)));
/// ```
#[derive(Debug)]
pub struct Decoder {
    pub(crate) id: ServerId,
    pub(crate) label: Arc<str>,
    /// Set to pass nothing on any more.
    pub(crate) removed: bool,
    pub(crate) conversation: Conversation,
    pub(crate) report: Report,
    /// Upper bound on the samples in the report's history.
    history: usize,
    keeps_last_sample: bool,
    /// Upper bound on a message as unpacked, in bytes.
    max_message: usize,
    clock: RecordedClock,
}

impl Decoder {
    /// Makes a decoder for a dialect; `None` = recognised by the first messages. Its messages have the label `server` and
    /// the id of the index 0.
    #[must_use]
    pub fn new(dialect: impl Into<Option<Dialect>>) -> Self {
        let server = Server::default().label("server").dialect(dialect);
        Decoder::of(&server.settings, read_clock())
    }

    /// Makes a decoder with the settings of a server. `now` is before its first message.
    pub(crate) fn of(settings: &Settings, now: Now) -> Self {
        let plan = settings.request_plan.clone();
        Decoder {
            id: ServerId::from_index(0),
            removed: false,
            label: settings.label.as_deref().unwrap_or_default().into(),
            conversation: Conversation::new(settings.dialect, settings.options.clone(), plan),
            report: Report::default(),
            history: settings.history,
            keeps_last_sample: settings.last_sample,
            max_message: settings.max_message,
            clock: RecordedClock::new(now),
        }
    }

    /// Decodes a text message and passes it on: one message for each document in it. One that cannot be decoded is passed
    /// on too, as [`Event::Unknown`].
    pub fn decode(&mut self, text: &str, received_at: SystemTime, mut on_message: impl FnMut(&Message<'_>)) {
        let now = self.clock.advance(received_at);
        self.decode_at(now, text, false, &mut on_message);
    }

    /// Decodes a binary message like [`Decoder::decode`]; as its size in words where it does not hold text.
    pub fn decode_binary(&mut self, bytes: &[u8], received_at: SystemTime, mut on_message: impl FnMut(&Message<'_>)) {
        let now = self.clock.advance(received_at);
        self.decode_binary_at(now, bytes, &mut on_message);
    }

    /// Returns the dialect; `None` until it has been recognised.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        self.conversation.dialect()
    }

    /// Decodes a text message. With `strict` one that is not a single JSON document is refused.
    /// Returns false if it was.
    pub(crate) fn decode_at(
        &mut self,
        now: Now,
        text: &str,
        strict: bool,
        on_message: &mut dyn FnMut(&Message<'_>),
    ) -> bool {
        self.run_timers(now);
        let mut repaired = None;
        let decoded = self.read_recorded(text, &mut repaired, now);
        if strict && (!decoded.json || decoded.rest.is_some()) {
            return false;
        }
        self.count_recorded(text.len());
        self.pass_on(now, &decoded, on_message);
        let mut rest = decoded.rest;
        while let Some(document) = rest.as_mut().and_then(|documents| documents.next(text)) {
            self.report.counters.messages_received += 1;
            let mut repaired = None;
            let decoded = self.read_recorded(document, &mut repaired, now);
            self.pass_on(now, &decoded, on_message);
        }
        true
    }

    /// Decodes a binary message.
    pub(crate) fn decode_binary_at(&mut self, now: Now, bytes: &[u8], on_message: &mut dyn FnMut(&Message<'_>)) {
        let words = match self.unpack(bytes) {
            Binary::Text(text) => {
                self.decode_at(now, &text, false, on_message);
                return;
            }
            Binary::Description(words) => (words, false),
            Binary::Broken(words) => (words, true),
        };
        self.run_timers(now);
        self.count_recorded(bytes.len());
        self.pass_on_binary(now, bytes, &words, on_message);
    }

    /// Takes a change of a connection that was recorded, and passes it on.
    pub(crate) fn change_at(&mut self, now: Now, change: Change, on_message: &mut dyn FnMut(&Message<'_>)) {
        self.run_timers(now);
        let wanted = change.why.is_empty();
        if change.connected() {
            self.report.opened(now);
            self.conversation.opened(now.mono, false);
        }
        if change.disconnected() {
            self.conversation.ended(false);
            self.report.closed(now, wanted);
            self.report.is_up &= wanted;
        }
        if !wanted {
            let error = change.why.clone();
            self.report.counters.record_error(PastError { at: now.wall, error, kind: "recorded" });
        }
        self.report.counters.reconnect_attempts += u64::from(change.retry_in.is_some());
        self.report.counters.current_state = change.to;
        self.pass_on_change(now, change, on_message);
    }

    /// Does what [`Decoder::read`] does with a text that was recorded. What it asks for was done then.
    fn read_recorded<'a>(&mut self, text: &'a str, repaired: &'a mut Option<String>, now: Now) -> Decoded<'a> {
        self.read(text, repaired, now, &mut Outgoing::default())
    }

    /// Decodes a text, or the first document in it, and counts it. What it asks for is the caller's to carry out.
    pub(crate) fn read<'a>(
        &mut self,
        text: &'a str,
        repaired: &'a mut Option<String>,
        now: Now,
        outgoing: &mut Outgoing,
    ) -> Decoded<'a> {
        let decoded = self.conversation.decode(text, repaired, now.mono, outgoing);
        let is_limit = |event: &&Event<'_>| matches!(event, Event::Error(error) if error.retry_after.is_some());
        self.report.counters.undecoded += u64::from(!decoded.decoded);
        self.report.counters.rate_limited += decoded.events.iter().filter(is_limit).count() as u64;
        let kept = if self.keeps_last_sample { &*decoded.text } else { "" };
        self.report.keep_samples(now.wall, kept, &decoded.events, self.history);
        self.report.has_server_errors |= decoded.events.iter().any(|event| matches!(event, Event::Error(_)));
        decoded
    }

    /// Logs the dialect that a message has given away.
    pub(crate) fn log_recognised(&self, decoded: &Decoded<'_>) {
        let (label, dialect) = (escape(&self.label), self.conversation.read_by().name());
        // The type is the server's own text, of any length: it is cut.
        trace::server(
            log::Level::Debug,
            &label,
            format_args!("recognised as {dialect} by a message of type \"{:.60}\"", decoded.kind),
        );
    }

    /// Hands a decoded message to the program, unless it is unwanted. Returns true if it carried content.
    pub(crate) fn pass_on(
        &mut self,
        now: Now,
        decoded: &Decoded<'_>,
        on_message: &mut dyn FnMut(&Message<'_>),
    ) -> bool {
        let useful =
            !decoded.unwanted && self.deliver(now, (&decoded.kind, decoded.raw(), &decoded.events), on_message);
        self.report.has_content |= useful;
        useful
    }

    /// Unpacks a binary message, and counts one that cannot be unpacked.
    pub(crate) fn unpack(&mut self, bytes: &[u8]) -> Binary {
        let unpacked = self.conversation.unpack(bytes, self.max_message);
        self.report.counters.undecoded += u64::from(matches!(unpacked, Binary::Broken(_)));
        unpacked
    }

    /// Hands a binary message to the program, described by words and by whether it is broken. Returns true if it carried
    /// content.
    pub(crate) fn pass_on_binary(
        &mut self,
        now: Now,
        bytes: &[u8],
        (words, broken): &(String, bool),
        on_message: &mut dyn FnMut(&Message<'_>),
    ) -> bool {
        let outcome = dialect::described_binary(words, *broken);
        let useful = self.deliver(now, ("binary", Raw::Binary(bytes), &outcome.events), on_message);
        self.report.has_content |= useful;
        useful
    }

    /// Hands a change of the connection to the program.
    pub(crate) fn pass_on_change(&self, now: Now, change: Change, on_message: &mut dyn FnMut(&Message<'_>)) {
        self.pass_on_own(now, &Event::State(change), on_message);
    }

    /// Hands an event of the client itself to the program.
    pub(crate) fn pass_on_own(&self, now: Now, event: &Event<'_>, on_message: &mut dyn FnMut(&Message<'_>)) {
        self.deliver(now, ("", Raw::None, slice::from_ref(event)), on_message);
    }

    /// Returns true if the server has delivered; one that speaks only when something happens delivers while connected.
    pub(crate) fn has_delivered(&self) -> bool {
        self.report.has_content || self.report.is_up && self.conversation.is_quiet()
    }

    /// Returns the statistics of what was recorded, of which `now` is the end and `started` the beginning.
    pub(crate) fn recorded_statistics(&self, now: Now, started: std::time::Instant) -> Statistics {
        let delivered = self.has_delivered() || self.conversation.is_quiet() && self.report.counters.connections > 0;
        let mut statistics = self.report.statistics(now, self.history);
        statistics.uri = self.label.to_string();
        statistics.run = now.mono - started;
        statistics.nothing_delivered = (!delivered).then(|| "no message of content is recorded".to_owned());
        statistics
    }

    /// Returns the state of the connection by the changes that were recorded.
    pub(crate) fn recorded_state(&self) -> ClientState {
        self.report.counters.current_state
    }

    /// Runs the dialect's timers that were due before a recorded message. What they would send was sent then.
    fn run_timers(&mut self, now: Now) {
        for _ in 0..MAX_TICKS {
            let Some(due) = self.conversation.deadline().filter(|due| *due <= now.mono) else { return };
            self.conversation.tick(due);
        }
    }

    /// Counts a message. It proves that the server was connected, where the line that says so is missing.
    fn count_recorded(&mut self, bytes: usize) {
        self.report.count_received(bytes);
        self.report.is_up = true;
        self.report.counters.current_state = ClientState::Connected;
    }

    fn deliver(
        &self,
        now: Now,
        (kind, raw, events): (&str, Raw<'_>, &[Event<'_>]),
        on_message: &mut dyn FnMut(&Message<'_>),
    ) -> bool {
        let Now { mono: received_mono, wall: received_at } = now;
        if self.removed {
            return false;
        }
        let (server, id, dialect) = (&self.label, self.id, self.conversation.read_by());
        let message = Message { server, id, received_at, received_mono, dialect, kind, raw, events };
        on_message(&message);
        message.is_content()
    }
}
