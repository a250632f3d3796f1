//! The dialects: how each kind of server speaks, as a row of [`DIALECTS`] and a file or folder of its own.
//!
//! To add a message type, add a row to the handlers of its dialect and a function below. To add a server, add a file
//! with a [`Dialect`] and a line in [`DIALECTS`]; if it must remember something, add a field to [`DialectState`].

mod alerts;
pub mod conversation;
mod fastpluggy;
mod generic;
mod monitoring;
mod neurograph;
mod outcome;
mod pmdaemon;
pub mod requests;
mod sysmedic;
#[cfg(test)]
mod tests;
mod texts;

use std::borrow::Cow;
use std::fmt;
use std::mem;
use std::time::{Duration, Instant};

use crate::model::dialect::Dialect as DialectName;
use crate::model::event::Event;
use crate::model::json::scan::is_equal;
use crate::model::json::{self, Node};
use crate::proto::dialect::requests::{RequestSpec, Requests, beside_type};
use crate::proto::uri::Endpoint;

pub use alerts::Alerts;
pub use generic::DIALECT as GENERIC;
pub use outcome::{Outcome, Undecodable, described_binary, undecodable, unknown};

use outcome::{answer, answered, keep_alive, notice, server_error};
use texts::{level, push_all, truncated, utc};

/// One kind of server: its messages, requests and timers.
#[derive(Debug)]
pub struct Dialect {
    /// The name.
    pub name: &'static str,
    /// The same dialect in the library's interface.
    pub id: DialectName,
    /// Port of a `HOST` without one.
    pub port: u16,
    /// Path of a `HOST` without one.
    pub path: &'static str,
    /// Default of [`Stale::Auto`](crate::Stale::Auto): a longer silence means that something is wrong. `None` if silence is normal.
    pub stale_default: Option<Duration>,
    /// True if the server, with these options, sends content only when something happens.
    pub is_quiet: fn(&DialectOptions, &DialectState) -> bool,
    /// True if no other kind of server sends such a message. Called for every message until one is recognised; the
    /// type is empty where the message has none.
    pub recognises: fn(kind: &str, message: &Node<'_>) -> bool,
    /// Finds what `handlers` are chosen by: for most dialects the message's type.
    pub kind: fn(&str) -> Option<Cow<'_, str>>,
    /// Decoders of messages, by kind.
    pub handlers: &'static [(&'static str, Handler)],
    /// True if the user wants messages of a kind that has a handler: some servers ignore what was subscribed to.
    pub wants: fn(kind: &str, options: &DialectOptions) -> bool,
    /// Decodes messages of any other kind; `None` = they are shown as they came.
    pub other: Option<Handler>,
    /// The kinds of events that its messages can become, besides `unknown`.
    pub kinds: &'static [&'static str],
    /// The names that messages can have besides those of `handlers`, such as channels.
    pub names: &'static [&'static str],
    /// True if messages can have other names too.
    pub any_name: bool,
    /// Completes the endpoint of the next dial, which is the URI's, with secrets, ids and paths.
    pub prepare_dial: fn(&mut Endpoint, &mut DialectContext<'_>),
    /// Returns the texts to send once the connection is open and the dialect is known, before any request.
    pub greet: fn(&mut DialectContext<'_>) -> Vec<String>,
    /// Form of requests and of their answers.
    pub requests: RequestSpec,
    /// Time of the next `tick`; asked only while the connection is open.
    pub deadline: fn(&DialectState) -> Option<Instant>,
    /// Runs the dialect's own timers.
    pub tick: fn(&mut DialectContext<'_>) -> TimerOutcome,
    /// Explanations of HTTP statuses that mean something particular with this server.
    pub advice: &'static [(u16, &'static str)],
    /// The settings that not every dialect uses and this one does; the others are ignored with a warning.
    pub options: &'static [&'static str],
    /// Reads the time stamp of a message of a type. Servers differ in what theirs are worth: `None` if it is not the true
    /// time.
    pub stamp: for<'a> fn(kind: &str, stamp: Cow<'a, str>) -> Option<Cow<'a, str>>,
    /// Unpacks a binary message that is not JSON as it stands, to at most `limit` bytes. `None` if this kind of server
    /// sends none.
    pub unpack: Option<fn(&[u8], limit: usize) -> Binary>,
}

/// Dialects are compared by name.
impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// A dialect without any peculiarity, to begin a new one from.
pub const PLAIN: Dialect = Dialect {
    name: "",
    id: DialectName::Generic,
    port: 8765,
    path: "/",
    stale_default: None,
    is_quiet: |_, _| false,
    recognises: |_, _| false,
    kind: json::message_type,
    handlers: &[],
    wants: |_, _| true,
    other: None,
    kinds: &[],
    names: &[],
    any_name: false,
    prepare_dial: |_, _| {},
    greet: |_| Vec::new(),
    requests: RequestSpec {
        render: beside_type,
        answers: &[],
        error: None,
        max_in_flight: usize::MAX,
        max_bytes: usize::MAX,
    },
    deadline: |_| None,
    tick: |_| TimerOutcome::default(),
    advice: &[],
    options: &[],
    stamp: |_, stamp| Some(stamp),
    unpack: None,
};

/// Every dialect, in the order of [`DialectName`].
pub static DIALECTS: &[&Dialect] = &[
    &monitoring::DIALECT,
    &sysmedic::DIALECT,
    &fastpluggy::DIALECT,
    &pmdaemon::DIALECT,
    &neurograph::DIALECT,
    &generic::DIALECT,
];

/// Decodes one message. Pure: the context holds all that it may read and change.
///
/// A handler parses before it changes anything, since a message that fails is repaired and read a second time.
#[derive(Clone, Copy, Debug)]
pub enum Handler {
    /// Takes the text: where one pass without a tree is enough, or the text itself is needed.
    Text(for<'a> fn(&'a str, &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable>),
    /// Takes the tree. `None` if the message is not what its type says; it is then shown as it came.
    Tree(for<'a> fn(&Node<'a>, &mut DialectContext<'_>) -> Option<Outcome<'a>>),
}

/// Borrowed by the functions of a dialect for one call.
#[derive(Debug)]
pub struct DialectContext<'c> {
    /// Time of this turn.
    pub now: Instant,
    /// The user's settings.
    pub options: &'c DialectOptions,
    /// Active alerts. They survive a reconnection: an alert that is still active is not news.
    pub alerts: &'c mut Alerts,
    /// Requests in flight. They end with the connection.
    pub requests: &'c mut Requests,
    /// Memory of the dialects.
    pub state: &'c mut DialectState,
    /// Lists to use instead of new ones.
    pub spare: &'c mut Spare,
}

/// The lists of a message that has been handled: empty, but with their allocations, which the next message takes.
#[derive(Debug, Default)]
pub struct Spare {
    pub events: Vec<Event<'static>>,
    /// For [`Sample::per_core`](crate::Sample::per_core).
    pub per_core: Vec<f64>,
}

/// Memory of the dialects from one message to the next: a field for each, which only that dialect uses.
///
/// Every part is bounded, and its fields say what survives a reconnection.
#[derive(Debug, Default)]
pub struct DialectState {
    /// FastPluggy's part.
    pub fastpluggy: fastpluggy::FastpluggyState,
    /// NeuroGraph's part.
    pub neurograph: neurograph::NeurographState,
    /// PMDaemon's part.
    pub pmdaemon: pmdaemon::PmdaemonState,
    /// SysMedic's part.
    pub sysmedic: sysmedic::SysmedicState,
}

/// Contents of a binary message.
#[derive(Debug, PartialEq)]
pub enum Binary {
    /// A text, to be handled as if it had come as one.
    Text(String),
    /// A description of anything else that this kind of server sends.
    Description(String),
    /// A description of what cannot be decoded.
    Broken(String),
}

/// Result of a dialect's timers.
#[derive(Debug, Default, PartialEq)]
pub struct TimerOutcome {
    /// Texts to send.
    pub send: Vec<String>,
    /// Reason to drop the connection and dial again.
    pub hang_up: Option<String>,
}

/// The user's settings that only a dialect can carry out.
#[derive(Clone, Default, PartialEq)]
pub struct DialectOptions {
    /// Channels or event types to subscribe to; empty = the dialect's default.
    pub subscribe: Vec<String>,
    /// Processes to subscribe to (pmdaemon); empty = all.
    pub process: Vec<String>,
    /// Period to subscribe with (pmdaemon).
    pub interval: Option<Duration>,
    /// Text to send for each JSON ping (fastpluggy); `%id` stands for its ping id.
    pub heartbeat_reply: Option<String>,
    /// The credential, read anew before every dial.
    pub token: Option<String>,
    /// Adds warnings that only developers need.
    pub verbose: bool,
}

/// Omits the texts that may be credentials.
impl fmt::Debug for DialectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DialectOptions { subscribe, process, interval, verbose, heartbeat_reply: _, token: _ } = self;
        let mut out = f.debug_struct("DialectOptions");
        out.field("subscribe", subscribe).field("process", process).field("interval", interval);
        out.field("verbose", verbose).finish_non_exhaustive()
    }
}

impl Spare {
    /// Takes the lists of a message that has been handled, unless they are long: each server has its own.
    pub fn keep(&mut self, mut events: Vec<Event<'_>>) {
        const MAX_EVENTS: usize = 4;
        const MAX_CORES: usize = 64;
        if let Some(Event::Sample(sample)) = events.first_mut() {
            let mut per_core = mem::take(&mut sample.per_core);
            if per_core.capacity() <= MAX_CORES {
                per_core.clear();
                self.per_core = per_core;
            }
        }
        if events.capacity() <= MAX_EVENTS {
            events.clear();
            // The same allocation, in a list of another type.
            self.events = events.into_iter().filter_map(no_event).collect();
        }
    }
}

/// Makes nothing of an event, which the compiler then knows to borrow from nothing.
fn no_event(_: Event<'_>) -> Option<Event<'static>> {
    None
}

impl DialectState {
    /// Starts a connection.
    fn opened(&mut self) {
        self.neurograph.opened();
    }

    /// Ends a connection; cleanly = by a Close frame or EOF.
    fn ended(&mut self, cleanly: bool) {
        self.fastpluggy.ended(cleanly);
    }
}

impl DialectOptions {
    /// Returns the settings that were given.
    pub fn given(&self) -> Vec<&'static str> {
        let mut options = Vec::new();
        for &(option, given) in &[
            ("Server::subscribe", !self.subscribe.is_empty()),
            ("Server::processes", !self.process.is_empty()),
            ("Server::interval", self.interval.is_some()),
            ("Server::heartbeat_reply", self.heartbeat_reply.is_some()),
        ] {
            if given {
                options.push(option);
            }
        }
        options
    }
}

impl Dialect {
    /// True if a server of this kind can send a kind of event, a message type or a channel of this name.
    pub fn can_send(&self, name: &str) -> bool {
        let mut is_own = false;
        self.each_sent_name(&mut |own| is_own |= own == name);
        is_own
            || ["state", "unknown"].contains(&name)
            || self.any_name && (self.handlers.is_empty() || !Event::KINDS.contains(&name))
    }

    /// The kinds, types and channels that are known by name.
    fn each_sent_name(&self, see: &mut dyn FnMut(&'static str)) {
        self.handlers.iter().for_each(|(name, _)| see(name));
        self.kinds.iter().for_each(|name| see(name));
        self.names.iter().for_each(|name| see(name));
    }

    /// Decodes a text message.
    ///
    /// Messages come by the thousand, so each is parsed as few times as possible, in this order:
    ///
    /// 1. `kind` finds the type, in most messages from the first bytes alone.
    /// 2. The handler of that kind, else `other`, decodes the message: a text handler with its own typed pass, a tree
    ///    handler from a [`Node`] that is built for it. Without a handler the text is only checked to be JSON.
    /// 3. While a request of the user is in flight, and only then, the text is scanned for `request_id`. An answer of
    ///    which the handler shows nothing is parsed once more, for its answer.
    ///
    /// Requests come last for two reasons. The handler may claim the message for a request of the dialect itself
    /// (`own_answer`); NeuroGraph's answers to both look alike. And a message that fails in its handler leaves the
    /// requests in flight alone: it is repaired and read again, and must not end two of them.
    ///
    /// # Errors
    /// The text cannot be decoded. It may be tried again after [`json::repair`].
    pub fn read<'a>(&self, text: &'a str, context: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
        let kind = (self.kind)(text).unwrap_or_default();
        let is_kind = |name: &str| name.len() == kind.len() && is_equal(name, kind.as_bytes());
        let handler = self.handlers.iter().find(|(name, _)| is_kind(name)).map(|(_, handler)| *handler);
        let is_unwanted = handler.is_some() && !(self.wants)(&kind, context.options);
        let mut read = match handler.or(self.other) {
            Some(_) if is_unwanted && json::is_json(text) => Ok(Outcome { unwanted: true, ..Outcome::default() }),
            Some(handler) => handler.read(&kind, text, context),
            None if json::is_json(text) => Ok(unknown(kind.clone(), text)),
            None => Err(Undecodable),
        };
        if let Ok(outcome) = &mut read {
            if self.complete(outcome, kind, text, context).is_err() {
                read = Err(Undecodable);
            }
        }
        read
    }

    /// Adds to the outcome of a handler what does not depend on the handler.
    fn complete<'a>(
        &self,
        outcome: &mut Outcome<'a>,
        kind: Cow<'a, str>,
        text: &'a str,
        context: &mut DialectContext<'_>,
    ) -> Result<(), Undecodable> {
        if context.requests.is_waiting() && !outcome.own_answer {
            let id = json::member(text, "request_id");
            let answered = context.requests.complete(&self.requests, &kind, id.as_deref());
            if answered.is_some() && matches!(*outcome.events, [] | [Event::KeepAlive]) {
                outcome.events = vec![Event::Answer(answer(&Node::parse(text)?))];
            }
            if let (Some(Some(id)), Some(program)) = (answered, &context.requests.program) {
                program.attribute(&mut outcome.events, id, &kind);
            }
        }
        outcome.kind = kind;
        for kind in outcome.events.iter_mut().filter_map(Event::missing_kind) {
            kind.clone_from(&outcome.kind);
        }
        self.fill_stamps(text, outcome);
        Ok(())
    }

    /// Gives the message's time stamp to the events that have none of their own.
    fn fill_stamps<'a>(&self, text: &'a str, outcome: &mut Outcome<'a>) {
        /// Bound on a time stamp that is copied to every event, in bytes.
        const MAX_STAMP: usize = 64;
        let Outcome { events, kind, .. } = outcome;
        let mut stamp = None;
        for at in events.iter_mut().filter_map(Event::missing_at) {
            let read = || {
                (self.stamp)(
                    kind,
                    json::member(text, "timestamp").filter(|stamp| (1..=MAX_STAMP).contains(&stamp.len()))?,
                )
            };
            at.clone_from(stamp.get_or_insert_with(read));
        }
    }
}

impl Handler {
    fn read<'a>(
        self,
        kind: &Cow<'a, str>,
        text: &'a str,
        context: &mut DialectContext<'_>,
    ) -> Result<Outcome<'a>, Undecodable> {
        match self {
            Handler::Text(read) => read(text, context),
            Handler::Tree(read) => {
                Ok(read(&Node::parse(text)?, context).unwrap_or_else(|| unknown(kind.clone(), text)))
            }
        }
    }
}

/// The places where servers listen unless they are told otherwise: the name of a dialect, a port and a path.
pub fn usual_places() -> impl Iterator<Item = (&'static str, u16, &'static str)> {
    let own = DIALECTS.iter().filter(|dialect| ***dialect != GENERIC);
    own.map(|dialect| (dialect.name, dialect.port, dialect.path))
}

/// The kinds of events, message types and channels that servers send, each with the name of a dialect that has it. A
/// fastpluggy or generic server may send other types too.
pub fn sent_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut names = Vec::new();
    for dialect in DIALECTS {
        dialect.each_sent_name(&mut |name| names.push((name, dialect.name)));
    }
    names.into_iter()
}

/// Returns the row of a dialect.
pub fn row(name: DialectName) -> &'static Dialect {
    DIALECTS[name as usize]
}

/// The rows by which samples are read, for the check of the two readers against each other.
#[cfg(any(test, feature = "fuzzing"))]
pub fn sample_rows() -> [&'static [crate::model::sample::field::Field]; 4] {
    [monitoring::MESSAGE, sysmedic::MESSAGE, pmdaemon::MESSAGE, &neurograph::event::MESSAGE]
}

/// Finds a dialect by name.
pub fn named(name: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().copied().find(|dialect| dialect.name == name)
}

/// Finds the dialect that a message gives away.
pub fn recognise(text: &str) -> Option<&'static Dialect> {
    let repaired;
    let message = match Node::parse(text) {
        Ok(message) => message,
        Err(_) => {
            repaired = json::repair(text)?;
            Node::parse(&repaired).ok()?
        }
    };
    let kind = message.text_or("type", "");
    DIALECTS.iter().copied().find(|dialect| (dialect.recognises)(&kind, &message))
}
