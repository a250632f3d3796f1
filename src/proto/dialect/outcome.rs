//! The outcome of a message, and the outcomes that several dialects share.

use std::borrow::Cow;

use super::DialectContext;
use crate::model::event::{Answer, Event, Notice, ServerError, Unknown};
use crate::model::json::{self, Node};

/// Result of a handler.
#[derive(Debug, Default)]
pub struct Outcome<'a> {
    /// Events to show.
    pub events: Vec<Event<'a>>,
    /// Boxed, since few messages have any, and each outcome is moved several times.
    pub effects: Option<Box<Effects>>,
    /// True if nothing of the message is to be shown or saved, as if the server had not sent it.
    pub unwanted: bool,
    /// The message's type or channel. Set by [`Dialect::read`](super::Dialect::read).
    pub kind: Cow<'a, str>,
    /// True if the message answers a request of the dialect itself, and so none of the user's.
    pub own_answer: bool,
}

/// Effects of a message besides its events.
#[derive(Debug, Default)]
pub struct Effects {
    /// A text to send back.
    pub reply: Option<String>,
    /// The message with its secrets replaced by "redacted", if it has any. It takes the message's place everywhere,
    /// the saved data included.
    pub redacted: Option<String>,
    /// A line for the log, at warning level.
    pub warn: Option<String>,
    /// Reason to end the connection and to dial again at once, before anything else is sent.
    pub redial: Option<&'static str>,
}

impl Outcome<'_> {
    /// Lends the effects, to set some of them.
    pub fn effects(&mut self) -> &mut Effects {
        self.effects.get_or_insert_default()
    }

    /// Sets the line for the log, if there is one.
    pub fn warn(&mut self, line: Option<String>) {
        if line.is_some() {
            self.effects().warn = line;
        }
    }
}

/// The message is not what its type says, or not JSON at all.
#[derive(Debug)]
pub struct Undecodable;

impl<'a> From<Event<'a>> for Outcome<'a> {
    fn from(event: Event<'a>) -> Self {
        vec![event].into()
    }
}

impl<'a> From<Vec<Event<'a>>> for Outcome<'a> {
    fn from(events: Vec<Event<'a>>) -> Self {
        Outcome { events, ..Outcome::default() }
    }
}

impl From<serde_json::Error> for Undecodable {
    fn from(_: serde_json::Error) -> Self {
        Undecodable
    }
}

/// Shows a message as it came.
pub fn unknown<'a>(kind: Cow<'a, str>, text: &'a str) -> Outcome<'a> {
    let event = Event::Unknown(Unknown { kind: kind.clone(), text: text.into(), undecodable: false });
    let mut outcome = Outcome::from(event);
    outcome.kind = kind;
    outcome
}

/// Shows a remark of the server about itself or the connection; every connection begins with a greeting.
pub fn notice(text: Cow<'_, str>, greeting: bool) -> Outcome<'_> {
    Event::Notice(Notice { text, greeting, ..Notice::default() }).into()
}

/// Shows an error that the server reports.
pub fn server_error<'a>(text: Cow<'a, str>, severity: Option<Cow<'a, str>>) -> Outcome<'a> {
    Event::Error(ServerError { text, severity, ..ServerError::default() }).into()
}

/// Shows a message that could not be decoded as it came. It is no content.
pub fn undecodable<'a>(kind: Cow<'a, str>, text: &'a str) -> Outcome<'a> {
    let mut outcome = unknown(kind, text);
    for event in &mut outcome.events {
        if let Event::Unknown(unknown) = event {
            unknown.undecodable = true;
        }
    }
    outcome
}

/// Shows the description of a binary message that is not text.
pub fn described_binary(description: &str, undecodable: bool) -> Outcome<'_> {
    Event::Unknown(Unknown { kind: "binary".into(), text: description.into(), undecodable }).into()
}

/// Makes an answer of all members but type, time and id. If `data` is the only one left, of the contents of `data`.
pub fn answer<'a>(node: &Node<'a>) -> Answer<'a> {
    let content = node.without(&["type", "timestamp", "request_id"]);
    let content = match content.members() {
        [(key, data)] if key == "data" => data,
        _ => &content,
    };
    Answer { kind: node.text_or("type", ""), text: content.to_string(), ..Answer::default() }
}

/// Handles a message that is only ever an answer.
pub fn answered<'a>(node: &Node<'a>, _: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    Some(Event::Answer(answer(node)).into())
}

/// Handles a JSON ping or pong.
pub fn keep_alive<'a>(text: &'a str, _: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    if json::is_json(text) { Ok(Event::KeepAlive.into()) } else { Err(Undecodable) }
}
