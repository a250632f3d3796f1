//! What servers say and what it means: each dialect a row of [`DIALECTS`] and a file of its own.

mod alerts;
mod monitoring;

use std::borrow::Cow;
use std::time::Duration;

use crate::event::{Answer, Event, Events, Unknown};
use crate::json::{self, Node};

pub use alerts::Alerts;

/// How one kind of server speaks.
#[derive(Debug)]
pub struct Dialect {
    /// Its name for `--dialect`.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// A longer silence than this means that something is wrong; `None` where it means nothing.
    pub quiet_after: Option<Duration>,
    /// What becomes of a message, by its type.
    pub handlers: &'static [(&'static str, Handler)],
}

/// Turns one message into events. Pure: what it must remember stands in the memory.
pub type Handler = for<'a> fn(&'a str, &mut Memory) -> Result<Step<'a>, Undecodable>;

/// What follows from a message: what to show and what to answer.
#[derive(Debug, Default)]
pub struct Step<'a> {
    /// What to show.
    pub show: Events<'a>,
    /// A text to send back.
    pub reply: Option<String>,
}

/// A message that is not what its type says, or no JSON at all.
#[derive(Debug)]
pub struct Undecodable;

/// What a dialect must remember from one message to the next. Every part of it is bounded.
#[derive(Debug, Default)]
pub struct Memory {
    /// Which alerts are on. Survives a reconnection: an alert that goes on is not news.
    pub alerts: Alerts,
}

/// Every dialect.
pub static DIALECTS: &[&Dialect] = &[&monitoring::DIALECT];

impl Dialect {
    /// What a text message means. A message without a handler, or with an unexpected shape, is shown as it came.
    ///
    /// # Errors
    /// Where it cannot be decoded. It may be tried again after [`json::repair`].
    pub fn read<'a>(&self, text: &'a str, memory: &mut Memory) -> Result<Step<'a>, Undecodable> {
        let kind = json::message_type(text).unwrap_or_default();
        match self.handlers.iter().find(|(name, _)| *name == kind) {
            Some((_, handler)) => handler(text, memory),
            None if json::is_json(text) => Ok(unknown(kind, text)),
            None => Err(Undecodable),
        }
    }
}

impl<'a> From<Event<'a>> for Step<'a> {
    fn from(event: Event<'a>) -> Self {
        Step { show: Events::One(event), reply: None }
    }
}

impl From<serde_json::Error> for Undecodable {
    fn from(_: serde_json::Error) -> Self {
        Undecodable
    }
}

/// A message as it came.
pub fn unknown<'a>(kind: Cow<'a, str>, text: &'a str) -> Step<'a> {
    Event::Unknown(Unknown { kind, text: text.into() }).into()
}

/// A binary message that is no text, in words.
pub fn binary(bytes: &[u8]) -> Step<'_> {
    let text = format!("{} bytes", bytes.len());
    Event::Unknown(Unknown { kind: "binary".into(), text: text.into() }).into()
}

/// The answer to a request: all members but those that say what and when it is.
fn answer<'a>(text: &'a str, _: &mut Memory) -> Result<Step<'a>, Undecodable> {
    let mut node = Node::parse(text)?;
    let kind = node.text("type").cloned().unwrap_or_default();
    if let Node::Map(members) = &mut node {
        members.retain(|(key, _)| key != "type" && key != "timestamp");
    }
    Ok(Event::Answer(Answer { kind, text: node.to_string() }).into())
}

/// A JSON ping or pong.
fn keep_alive<'a>(text: &'a str, _: &mut Memory) -> Result<Step<'a>, Undecodable> {
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
        for (_, handler) in DIALECTS.iter().flat_map(|dialect| dialect.handlers) {
            for shape in ["null", "5", "\"x\"", "[]", "[1,[2]]", "{}", "{\"a\":{\"b\":[null]}}", "true", "-1.5e300"] {
                let members = ["data", "alerts", "message", "error", "severity", "timestamp", "status"];
                let members: Vec<_> = members.iter().map(|name| format!("\"{name}\":{shape}")).collect();
                let text = format!("{{\"type\":{shape},{}}}", members.join(","));
                handler(&text, &mut Memory::default()).unwrap();
            }
            for text in rubbish {
                drop(handler(text, &mut Memory::default()));
            }
        }
    }
}
