//! What servers say and what it means: each dialect a row of [`DIALECTS`] and a file of its own.
//!
//! To add a message type, add a row to its dialect's handlers and a function below. To add a server, add a file
//! with a [`Dialect`] and a line in [`DIALECTS`].

mod alerts;
pub mod conversation;
mod fastpluggy;
mod generic;
mod monitoring;
mod neurograph;
mod pmdaemon;
pub mod requests;
mod sysmedic;

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::model::event::{Answer, Event, Notice, Unknown};
use crate::model::json::{self, Node};
use crate::proto::dialect::requests::{Request, RequestSpec, Requests};
use crate::proto::uri::Endpoint;

pub use alerts::Alerts;
pub use generic::DIALECT as GENERIC;

/// How one kind of server speaks.
#[derive(Debug)]
pub struct Dialect {
    /// Its name for `--dialect`.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// The port of `HOST` without one.
    pub port: u16,
    /// The path of `HOST` without one.
    pub path: &'static str,
    /// A longer silence than this means that something is wrong; `None` where it means nothing.
    pub quiet_after: Option<Duration>,
    /// Whether only this kind of server sends such a message. It gets every message until one is recognised,
    /// with its type (empty where it has none).
    pub recognises: fn(kind: &str, message: &Node<'_>) -> bool,
    /// By what the handlers are chosen: the message's type, for most.
    pub kind: fn(&str) -> Option<Cow<'_, str>>,
    /// What becomes of a message, by its kind.
    pub handlers: &'static [(&'static str, Handler)],
    /// What becomes of messages of any other kind; `None` = shown as they came.
    pub other: Option<Handler>,
    /// Makes the endpoint of the next dial from the URI's: adds secrets, names, paths.
    pub address: fn(&mut Endpoint, &DialectOptions, &mut DialectState),
    /// What to send when the connection is open and the dialect is known, before any request.
    pub greet: fn(&DialectOptions, &mut DialectState) -> Vec<String>,
    /// How requests are written and answered.
    pub asking: RequestSpec,
    /// When `tick` wants to be called; only while the connection is open.
    pub deadline: fn(&DialectState) -> Option<Instant>,
    /// What the dialect's own timers bring.
    pub tick: fn(&mut DialectState, Instant) -> TimerOutcome,
    /// What an HTTP status means with this server, beyond its general meaning.
    pub advice: &'static [(u16, &'static str)],
    /// Which of `--subscribe`, `--process`, `--interval`, `--heartbeat-reply` and the token mean something.
    pub takes: &'static [&'static str],
    /// Opens a binary message that is no JSON as it stands; what it unpacks to is at most so many bytes long.
    /// `None` where binary messages mean nothing.
    pub binary: Option<fn(&[u8], limit: usize) -> Binary>,
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
    about: "",
    port: 8765,
    path: "/",
    quiet_after: None,
    recognises: |_, _| false,
    kind: json::message_type,
    handlers: &[],
    other: None,
    address: |_, _, _| {},
    greet: |_, _| Vec::new(),
    asking: RequestSpec { render: beside_type, answers: &[], error: None, at_once: usize::MAX, longest: usize::MAX },
    deadline: |_| None,
    tick: |_, _| TimerOutcome::default(),
    advice: &[],
    takes: &[],
    binary: None,
};

/// Every dialect.
pub static DIALECTS: &[&Dialect] = &[
    &monitoring::DIALECT,
    &sysmedic::DIALECT,
    &fastpluggy::DIALECT,
    &pmdaemon::DIALECT,
    &neurograph::DIALECT,
    &generic::DIALECT,
];

/// Turns one message into events. Pure: what it must remember stands in the memory.
#[derive(Clone, Copy, Debug)]
pub enum Handler {
    /// From the text: where one pass without a tree is enough, or the text itself is needed.
    Text(for<'a> fn(&'a str, &mut DialectState) -> Result<Outcome<'a>, Undecodable>),
    /// From the tree. `None` where the message is not what its type says: it is shown as it came.
    Tree(for<'a> fn(&Node<'a>, &mut DialectState) -> Option<Outcome<'a>>),
}

/// What follows from a message: what to show and what to answer.
#[derive(Debug, Default)]
pub struct Outcome<'a> {
    /// What to show.
    pub show: Vec<Event<'a>>,
    /// A text to send back.
    pub reply: Option<String>,
    /// The message with its secrets replaced by "redacted", where it has any: it takes the message's place
    /// everywhere, the saved data included.
    pub redacted: Option<String>,
    /// A line for the log, at warning level.
    pub warn: Option<String>,
    /// The message's type or channel. Set by [`Dialect::read`].
    pub kind: Cow<'a, str>,
    /// Whether it answers what the dialect itself has asked: then it is not the answer to a request.
    pub own: bool,
}

/// What is in a binary message.
#[derive(Debug, PartialEq)]
pub enum Binary {
    /// A text, to be handled as if it had come as one.
    Text(String),
    /// Anything else, in words.
    Words(String),
}

/// A message that is not what its type says, or no JSON at all.
#[derive(Debug)]
pub struct Undecodable;

/// What a dialect's timers bring.
#[derive(Debug, Default, PartialEq)]
pub struct TimerOutcome {
    /// Texts to send.
    pub send: Vec<String>,
    /// Why the connection must be given up and begun anew.
    pub hang_up: Option<String>,
}

/// What the user wants of a server beyond listening.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DialectOptions {
    /// Channels or event types to subscribe to; empty = the dialect's default.
    pub subscribe: Vec<String>,
    /// Processes to subscribe to (pmdaemon); empty = all.
    pub process: Vec<String>,
    /// Period to subscribe with (pmdaemon).
    pub interval: Option<Duration>,
    /// What to send for each JSON ping (fastpluggy); `%id` stands for its ping id.
    pub heartbeat_reply: Option<String>,
    /// The credential, read anew before every dial.
    pub token: Option<String>,
    /// Whether to say what only developers want to know.
    pub verbose: bool,
}

/// What a dialect must remember from one message to the next. Every part of it is bounded.
#[derive(Debug, Default)]
pub struct DialectState {
    /// The time of this turn; set before every call.
    pub now: Option<Instant>,
    /// The wish; set before every call.
    pub wish: DialectOptions,
    /// Which alerts are on. Survives a reconnection: an alert that goes on is not news.
    pub alerts: Alerts,
    /// What SysMedic has told. Survives: it repeats its alerts for 24 hours, on every connection.
    pub sysmedic: sysmedic::SysmedicState,
    /// Requests under way. Ends with the connection.
    pub requests: Requests,
    /// Whether the latest connection ended by a Close frame or EOF, as opposed to silence; `None` before the
    /// first end, and where the next dial has taken it into account.
    pub ended_cleanly: Option<bool>,
    /// FastPluggy's part.
    pub fastpluggy: fastpluggy::FastpluggyState,
    /// PMDaemon's part.
    pub pmdaemon: pmdaemon::PmdaemonState,
    /// Whether it has been said which options mean nothing to the server. Survives.
    pub checked: bool,
    /// What neurograph's own timers and its reconnection token need; its fields say what survives.
    pub neurograph: neurograph::NeurographState,
}

impl DialectOptions {
    /// The options behind the wish.
    pub fn given(&self) -> Vec<&'static str> {
        let mut options = Vec::new();
        for &(option, given) in &[
            ("--subscribe", !self.subscribe.is_empty()),
            ("--process", !self.process.is_empty()),
            ("--interval", self.interval.is_some()),
            ("--heartbeat-reply", self.heartbeat_reply.is_some()),
        ] {
            if given {
                options.push(option);
            }
        }
        options
    }
}

impl DialectState {
    /// A connection is open. What belongs to the one before is forgotten.
    pub fn opened(&mut self) {
        self.requests.end();
        self.neurograph.opened();
    }
}

impl Dialect {
    /// What a text message means. A message without a handler is shown as it came.
    ///
    /// # Errors
    /// Where it cannot be decoded. It may be tried again after [`json::repair`].
    pub fn read<'a>(&self, text: &'a str, memory: &mut DialectState) -> Result<Outcome<'a>, Undecodable> {
        let kind = (self.kind)(text).unwrap_or_default();
        let handler = self.handlers.iter().find(|(name, _)| *name == kind).map(|(_, handler)| *handler);
        let mut step = match handler.or(self.other) {
            Some(handler) => handler.read(&kind, text, memory)?,
            None if json::is_json(text) => unknown(kind.clone(), text),
            None => return Err(Undecodable),
        };
        if memory.requests.is_waiting() && !step.own {
            self.settle(text, &kind, memory, &mut step)?;
        }
        step.kind = kind;
        Ok(step)
    }

    /// A message that a request waits for is its answer, whatever else it may be.
    fn settle<'a>(
        &self,
        text: &'a str,
        kind: &str,
        memory: &mut DialectState,
        step: &mut Outcome<'a>,
    ) -> Result<(), Undecodable> {
        let id = json::member(text, "request_id");
        if memory.requests.settle(&self.asking, kind, id.as_deref()) && matches!(*step.show, [] | [Event::KeepAlive]) {
            step.show = vec![Event::Answer(answer(&Node::parse(text)?))];
        }
        Ok(())
    }
}

impl Handler {
    fn read<'a>(
        self,
        kind: &Cow<'a, str>,
        text: &'a str,
        memory: &mut DialectState,
    ) -> Result<Outcome<'a>, Undecodable> {
        match self {
            Handler::Text(read) => read(text, memory),
            Handler::Tree(read) => Ok(read(&Node::parse(text)?, memory).unwrap_or_else(|| unknown(kind.clone(), text))),
        }
    }
}

/// The dialects' names for [`crate::Server::dialect`], each with a few words on what speaks so.
pub fn dialects() -> impl Iterator<Item = (&'static str, &'static str)> {
    DIALECTS.iter().map(|dialect| (dialect.name, dialect.about))
}

/// The dialect of that name.
pub fn named(name: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().copied().find(|dialect| dialect.name == name)
}

/// The dialect that speaks so, if only one does.
pub fn recognise(text: &str) -> Option<&'static Dialect> {
    let message = Node::parse(text).ok()?;
    let kind = message.text_or("type", "");
    DIALECTS.iter().copied().find(|dialect| (dialect.recognises)(&kind, &message))
}

impl<'a> From<Event<'a>> for Outcome<'a> {
    fn from(event: Event<'a>) -> Self {
        vec![event].into()
    }
}

impl<'a> From<Vec<Event<'a>>> for Outcome<'a> {
    fn from(show: Vec<Event<'a>>) -> Self {
        Outcome { show, ..Outcome::default() }
    }
}

impl From<serde_json::Error> for Undecodable {
    fn from(_: serde_json::Error) -> Self {
        Undecodable
    }
}

/// A message as it came.
pub fn unknown<'a>(kind: Cow<'a, str>, text: &'a str) -> Outcome<'a> {
    let event = Event::Unknown(Unknown { kind: kind.clone(), text: text.into() });
    let mut step = Outcome::from(event);
    step.kind = kind;
    step
}

/// What the server says of itself or the connection; every connection begins with a greeting.
fn notice(text: Cow<'_, str>, greeting: bool) -> Outcome<'_> {
    Event::Notice(Notice { text, greeting }).into()
}

/// A binary message that is no text, in words.
pub fn binary(words: &str) -> Outcome<'_> {
    Event::Unknown(Unknown { kind: "binary".into(), text: words.into() }).into()
}

/// A request as `{"type":TYPE,…}` with the members of its JSON beside the type; JSON that has none becomes `data`.
pub fn beside_type(ask: &Request, _: &str) -> String {
    let mut text = String::from("{\"type\":");
    json::push_string(&mut text, &ask.kind);
    let json = ask.json.as_deref().unwrap_or_default().trim();
    match json.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).map(str::trim) {
        Some("") => {}
        Some(members) => text.extend([",", members]),
        None if json.is_empty() => {}
        None => text.extend([",\"data\":", json]),
    }
    text.push('}');
    text
}

/// The answer to a request: all members but those that say what and when it is; of `data` alone what is in it.
fn answer<'a>(node: &Node<'a>) -> Answer<'a> {
    let said = node.without(&["type", "timestamp", "request_id"]);
    let said = match said.members() {
        [(key, data)] if key == "data" => data,
        _ => &said,
    };
    Answer { kind: node.text_or("type", ""), text: said.to_string() }
}

/// A message that is only ever an answer.
fn answered<'a>(node: &Node<'a>, _: &mut DialectState) -> Option<Outcome<'a>> {
    Some(Event::Answer(answer(node)).into())
}

/// Appends several texts.
fn push_all(out: &mut String, texts: &[&str]) {
    for text in texts {
        out.push_str(text);
    }
}

/// The beginning of a text: what is remembered of it, and compared.
fn cut(text: &str) -> &str {
    /// No name and no error is longer in memory.
    const LONGEST: usize = 256;
    let end = (0..=LONGEST.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or_default()]
}

/// A JSON ping or pong.
fn keep_alive<'a>(text: &'a str, _: &mut DialectState) -> Result<Outcome<'a>, Undecodable> {
    if json::is_json(text) { Ok(Event::KeepAlive.into()) } else { Err(Undecodable) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_unique() {
        for (i, dialect) in DIALECTS.iter().enumerate() {
            assert!(!DIALECTS[..i].iter().any(|other| other.name == dialect.name));
            for (j, (name, _)) in dialect.handlers.iter().enumerate() {
                assert!(!dialect.handlers[..j].iter().any(|(other, _)| other == name), "{name} twice");
            }
        }
    }

    #[test]
    fn every_handler_survives_rubbish() {
        let rubbish =
            ["", "null", "5", "\"x\"", "[]", "[[[", "{}", "{", "{\"type\"", "NaN", "\u{0}", "{\"a\":\"\\ud800\"}"];
        let handlers = DIALECTS
            .iter()
            .flat_map(|dialect| dialect.handlers.iter().map(|(_, handler)| *handler).chain(dialect.other));
        let read =
            |handler: Handler, text: &str| handler.read(&"x".into(), text, &mut DialectState::default()).map(drop);
        for handler in handlers {
            for shape in ["null", "5", "\"x\"", "[]", "[1,[2]]", "{}", "{\"a\":{\"b\":[null]}}", "true", "-1.5e300"] {
                let members = [
                    "data",
                    "alerts",
                    "message",
                    "error",
                    "severity",
                    "timestamp",
                    "status",
                    "meta",
                    "content",
                    "processes",
                    "process",
                    "metrics",
                    "system",
                    "channels",
                    "token",
                    "ID",
                    "Timestamp",
                    "Severity",
                    "Duration",
                    "recommendations",
                    "memory_usage",
                    "uptime",
                    "load_avg",
                ];
                let members: Vec<_> = members.iter().map(|name| format!("\"{name}\":{shape}")).collect();
                let members = members.join(",");
                let flat = format!("{{\"type\":{shape},{members}}}");
                let nested = format!("{{\"type\":\"x\",\"data\":{{{members}}},\"alerts\":[{{{members}}},{shape}]}}");
                for text in [flat, nested] {
                    read(handler, &text).unwrap();
                }
            }
            for text in rubbish {
                drop(read(handler, text));
            }
        }
    }

    #[test]
    fn a_request_is_one_object_with_its_members_beside_the_type() {
        let ask = |json: Option<&str>| beside_type(&Request { kind: "x\"".into(), json: json.map(Into::into) }, "");
        assert_eq!(ask(None), r#"{"type":"x\""}"#);
        assert_eq!(ask(Some(" { } ")), r#"{"type":"x\""}"#);
        assert_eq!(ask(Some(" [1] ")), r#"{"type":"x\"","data":[1]}"#);
        assert_eq!(ask(Some(r#"{"a":{"b":1}}"#)), r#"{"type":"x\"","a":{"b":1}}"#);
    }
}
