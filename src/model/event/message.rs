//! Messages: the events of one message, with what is known about the message itself.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::{Change, Event};
use crate::model::dialect::Dialect;
use crate::model::sample::Sample;
use crate::model::server_id::ServerId;
use crate::model::time::Now;

/// The content of a message as received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Raw<'a> {
    /// JSON, or text that is JSON after NaN, Infinity and lone surrogates are replaced.
    Json(&'a str),
    /// Text that is not JSON, or is nested too deeply to be parsed.
    Text(&'a str),
    /// A binary message that is not UTF-8 text.
    Binary(&'a [u8]),
    /// No message: the event is one of the client itself.
    #[default]
    None,
}

/// One message and the events that were decoded from it. Formats write it, and handlers receive it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Message<'a> {
    /// The server's label.
    pub server: &'a Arc<str>,
    /// The server's id; [`ServerId::NONE`] if it is about no server or all of them.
    pub id: ServerId,
    /// The time of receipt by this machine's clock.
    pub received_at: SystemTime,
    /// The time of receipt by the monotonic clock.
    pub received_mono: Instant,
    /// The dialect by which it was read; generic until the server's dialect is recognised.
    pub dialect: Dialect,
    /// The message's type or channel, for filters; empty if it has none.
    pub kind: &'a str,
    /// The message as received.
    pub raw: Raw<'a>,
    /// The events decoded from it. One message can yield several, or none: an unchanged list of alerts yields none.
    pub events: &'a [Event<'a>],
}

impl<'a> Message<'a> {
    /// A message of the program itself, such as a change of a level: about no server, unless `id` is set, and without a
    /// text.
    #[must_use]
    pub fn new(server: &'a Arc<str>, at: Now, events: &'a [Event<'a>]) -> Self {
        Message {
            server,
            id: ServerId::NONE,
            received_at: at.wall,
            received_mono: at.mono,
            dialect: Dialect::Generic,
            kind: "",
            raw: Raw::None,
            events,
        }
    }

    /// Returns the same message with other events.
    #[must_use]
    pub fn with_events<'b>(&self, events: &'b [Event<'b>]) -> Message<'b>
    where
        'a: 'b,
    {
        Message { events, ..*self }
    }

    /// Returns the text as it came; `None` for a binary message and an event of the client itself.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        self.raw.text()
    }

    /// Copies the message, so that it can be kept and sent to another thread.
    #[must_use]
    pub fn into_owned(self) -> OwnedMessage {
        OwnedMessage::from(&self)
    }

    /// Returns the change of the connection's state, if it is one.
    #[must_use]
    pub fn change(&self) -> Option<&'a Change> {
        self.events.iter().find_map(Event::change)
    }

    /// Returns the first sample among the events.
    #[must_use]
    pub fn sample(&self) -> Option<&'a Sample<'a>> {
        self.events.iter().find_map(Event::sample)
    }

    /// Returns true if at least one event is content, see [`Event::is_content`].
    #[must_use]
    pub fn is_content(&self) -> bool {
        self.events.iter().any(Event::is_content)
    }
}

/// A [`Message`] that borrows from nothing, with the same fields.
///
/// ```
/// use std::time::SystemTime;
/// use wsmon::{Decoder, Message, OwnedMessage};
///
/// fn handle(message: &Message<'_>) -> Option<f64> {
///     message.sample()?.cpu()
/// }
///
/// let mut kept: Vec<OwnedMessage> = Vec::new();
/// let text = r#"{"type": "monitoring_data", "data": {"processor": {"usage_percent": 45.2}}}"#;
/// Decoder::new(None).decode(text, SystemTime::now(), |message| kept.push(message.into_owned()));
/// assert_eq!(handle(&kept[0].as_message()), Some(45.2));
/// assert_eq!(kept[0].text(), Some(text));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OwnedMessage {
    /// The server's label.
    pub server: Arc<str>,
    /// The server's id; [`ServerId::NONE`] if it is about no server or all of them.
    pub id: ServerId,
    /// The time of receipt by this machine's clock.
    pub received_at: SystemTime,
    /// The time of receipt by the monotonic clock.
    pub received_mono: Instant,
    /// The dialect by which it was read; generic until the server's dialect is recognised.
    pub dialect: Dialect,
    /// The message's type or channel, for filters; empty if it has none.
    pub kind: Box<str>,
    /// The message as received.
    pub raw: OwnedRaw,
    /// The events decoded from it. One message can yield several, or none: an unchanged list of alerts yields none.
    pub events: Vec<Event<'static>>,
}

/// A [`Raw`] that borrows from nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum OwnedRaw {
    /// JSON, as in [`Raw::Json`].
    Json(Box<str>),
    /// Other text, as in [`Raw::Text`].
    Text(Box<str>),
    /// A binary message that is not UTF-8 text.
    Binary(Box<[u8]>),
    /// No message: the event is one of the client itself.
    #[default]
    None,
}

impl<'a> Raw<'a> {
    /// Returns the text; `None` for a binary message, and for none.
    #[must_use]
    pub fn text(self) -> Option<&'a str> {
        match self {
            Raw::Json(text) | Raw::Text(text) => Some(text),
            Raw::Binary(_) | Raw::None => None,
        }
    }

    /// Copies the content.
    #[must_use]
    pub fn into_owned(self) -> OwnedRaw {
        match self {
            Raw::Json(text) => OwnedRaw::Json(text.into()),
            Raw::Text(text) => OwnedRaw::Text(text.into()),
            Raw::Binary(bytes) => OwnedRaw::Binary(bytes.into()),
            Raw::None => OwnedRaw::None,
        }
    }
}

impl OwnedRaw {
    /// Returns the same content, borrowed.
    #[must_use]
    pub fn as_raw(&self) -> Raw<'_> {
        match self {
            OwnedRaw::Json(text) => Raw::Json(text),
            OwnedRaw::Text(text) => Raw::Text(text),
            OwnedRaw::Binary(bytes) => Raw::Binary(bytes),
            OwnedRaw::None => Raw::None,
        }
    }
}

impl OwnedMessage {
    /// Returns the same message, borrowed: for handlers and formats.
    #[must_use]
    pub fn as_message(&self) -> Message<'_> {
        Message {
            server: &self.server,
            id: self.id,
            received_at: self.received_at,
            received_mono: self.received_mono,
            dialect: self.dialect,
            kind: &self.kind,
            raw: self.raw.as_raw(),
            events: &self.events,
        }
    }

    /// Returns the text as it came; `None` for a binary message and an event of the client itself.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.raw.as_raw().text()
    }

    /// Returns the first sample among the events.
    #[must_use]
    pub fn sample(&self) -> Option<&Sample<'static>> {
        self.events.iter().find_map(Event::sample)
    }

    /// Returns the change of the connection's state, if it is one.
    #[must_use]
    pub fn change(&self) -> Option<&Change> {
        self.events.iter().find_map(Event::change)
    }

    /// Returns true if at least one event is content, see [`Event::is_content`].
    #[must_use]
    pub fn is_content(&self) -> bool {
        self.as_message().is_content()
    }
}

impl From<&Message<'_>> for OwnedMessage {
    fn from(message: &Message<'_>) -> Self {
        OwnedMessage {
            server: Arc::clone(message.server),
            id: message.id,
            received_at: message.received_at,
            received_mono: message.received_mono,
            dialect: message.dialect,
            kind: message.kind.into(),
            raw: message.raw.into_owned(),
            events: message.events.iter().map(|event| event.clone().into_owned()).collect(),
        }
    }
}

/// The events alone, for `for event in message`.
impl IntoIterator for OwnedMessage {
    type Item = Event<'static>;
    type IntoIter = std::vec::IntoIter<Event<'static>>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_same_after_it_was_copied() {
        let server: Arc<str> = "a".into();
        let at = Now { mono: Instant::now(), wall: SystemTime::UNIX_EPOCH };
        let events = [Event::KeepAlive, Event::State(Change::default())];
        for raw in [Raw::None, Raw::Json("{}"), Raw::Text("x"), Raw::Binary(&[255])] {
            let message =
                Message { kind: "ping", raw, id: ServerId::from_index(3), ..Message::new(&server, at, &events) };
            let owned = message.into_owned();
            assert_eq!(owned.as_message(), message);
            assert_eq!(owned.as_message().into_owned(), owned);
            assert_eq!((owned.text(), owned.is_content()), (raw.text(), false));
            assert_eq!((owned.change(), owned.sample()), (Some(&Change::default()), None));
        }
    }
}
