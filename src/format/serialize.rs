//! [`Serialize`] in the form of the format `events`, for the feature `serde`.
//!
//! The format's writer makes the JSON, and the serializer gets its values: so both have the same members.

use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};

use super::{events, json, stats};
use crate::model::dialect::Dialect;
use crate::model::error::{Disconnect, DisconnectKind};
use crate::model::event::{Answer, Change, ClientState, Event, Message, OwnedMessage, Raw};
use crate::model::json::{Layout, Node, Writer};
use crate::model::metric::{Metric, Text};
use crate::model::number::push_timestamp;
use crate::model::sample::Sample;
use crate::model::stats::Statistics;

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Null => serializer.serialize_unit(),
            Node::Bool(value) => serializer.serialize_bool(*value),
            Node::Integer(value) => serializer.serialize_i64(*value),
            Node::Float(value) => serializer.serialize_f64(*value),
            Node::Text(text) => serializer.serialize_str(text),
            Node::List(list) => serializer.collect_seq(list),
            Node::Map(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// Serializes the value that `write` writes as JSON.
fn written<S: Serializer>(serializer: S, write: impl FnOnce(&mut Writer<'_>)) -> Result<S::Ok, S::Error> {
    let mut text = String::new();
    write(&mut Writer::new(&mut text, Layout::Line));
    Node::parse_own(&text).map_err(S::Error::custom)?.serialize(serializer)
}

fn push_event(json: &mut Writer<'_>, event: &Event<'_>) {
    let kind = match event {
        Event::Warning(_) => "warning",
        Event::Unanswered(_) => "unanswered",
        _ => event.kind_name().unwrap_or("keep_alive"),
    };
    json.open('{');
    json.member("kind").string(kind);
    match event {
        Event::Answer(Answer { request: Some(request), .. }) => json.member("request").literal(request.number()),
        Event::Warning(warning) => json.member("text").string(&warning.text),
        Event::Unanswered(unanswered) => {
            json.member("request").literal(unanswered.request.number());
            json.member("type").string(unanswered.kind);
            json.member("reason").string(unanswered.reason.name());
        }
        _ => {}
    }
    events::push_members(json, event, Raw::None, false);
    json.close('}');
}

/// The members of `events`, without `received_at`, `server`, and the copies of the message `data` and `answer`. An answer
/// has the number of its request too. A keep-alive has the kind `keep_alive`, a warning the kind `warning` with the member
/// `text`, and a request without an answer the kind `unanswered` with `request`, `type` and `reason`.
impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        written(serializer, |json| push_event(json, self))
    }
}

/// The members of `events`.
impl Serialize for Sample<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        written(serializer, |json| {
            json.open('{');
            events::push_sample(json, self);
            json.close('}');
        })
    }
}

/// The members of `events`.
impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        written(serializer, |json| {
            json.open('{');
            json::push_state(json, self);
            json.close('}');
        })
    }
}

/// The time of receipt, the server's label, the dialect, the type, and the list of events. The text is left out.
impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut received_at = String::new();
        push_timestamp(&mut received_at, self.received_at);
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("received_at", &received_at)?;
        map.serialize_entry("server", &**self.server)?;
        map.serialize_entry("dialect", self.dialect.name())?;
        map.serialize_entry("type", self.kind)?;
        map.serialize_entry("events", self.events)?;
        map.end()
    }
}

/// As [`Message`].
impl Serialize for OwnedMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_message().serialize(serializer)
    }
}

/// The statistics in the form of the command.
impl Serialize for Statistics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        written(serializer, |json| stats::push_object(json, self))
    }
}

/// Kind, phase and text; the Close code, the HTTP status, and `by_server` where they are set.
impl Serialize for Disconnect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", &self.kind())?;
        map.serialize_entry("phase", self.phase.name())?;
        map.serialize_entry("text", &self.text)?;
        for (name, code) in [("code", self.code), ("status", self.status)] {
            if let Some(code) = code {
                map.serialize_entry(name, &code)?;
            }
        }
        if self.by_server {
            map.serialize_entry("by_server", &true)?;
        }
        map.end()
    }
}

macro_rules! by_name {
    ($($type:ty),*) => {
        $(
            /// The name.
            impl Serialize for $type {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.name())
                }
            }
        )*
    };
}

by_name!(Metric, Text, Dialect, ClientState, DisconnectKind);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use serde_json::json;

    use super::*;
    use crate::Decoder;
    use crate::format::style::Style;
    use crate::model::event::{NoAnswer, Unanswered, Warning};
    use crate::model::request_id::RequestId;
    use crate::testing::recordings;

    #[test]
    fn an_event_has_the_members_of_its_line() {
        let server: Arc<str> = "a".into();
        let mut compared = 0;
        for recording in recordings::systems().flat_map(recordings::all) {
            let mut decoder = Decoder::new(None);
            for text in recordings::texts(&recording) {
                decoder.decode(&text, SystemTime::UNIX_EPOCH, |message| {
                    for event in message.events {
                        let mut line = String::new();
                        let mut alone = message.with_events(std::slice::from_ref(event));
                        (alone.server, alone.raw) = (&server, Raw::None);
                        (events::FORMAT.write)(&mut line, &alone, &Style::default());
                        let mut own = serde_json::to_value(event).unwrap();
                        if line.is_empty() {
                            assert_eq!(own, json!({"kind": "keep_alive"}));
                            continue;
                        }
                        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                        (own["received_at"], own["server"]) = (line["received_at"].clone(), "a".into());
                        assert_eq!(own, line, "{recording}");
                        compared += 1;
                    }
                });
            }
        }
        assert!(compared > 100, "{compared}");
    }

    #[test]
    fn events_of_the_client_have_kinds_of_their_own() {
        let request = RequestId::from_index(6);
        for (event, expected) in [
            (Event::Warning(Warning::new("a: b")), json!({"kind": "warning", "text": "a: b"})),
            (
                Event::Unanswered(Unanswered::new(request, "ping", NoAnswer::TimedOut)),
                json!({"kind": "unanswered", "request": 7, "type": "ping", "reason": "timed_out"}),
            ),
            (
                Event::Answer(Answer { kind: "pong".into(), request: Some(request), ..Answer::default() }),
                json!({"kind": "answer", "request": 7, "type": "pong", "text": ""}),
            ),
        ] {
            assert_eq!(serde_json::to_value(&event).unwrap(), expected);
        }
    }

    #[test]
    fn messages_causes_and_statistics_are_objects() {
        let why = Disconnect { code: Some(1001), ..Disconnect::of(DisconnectKind::Closed, "gone") };
        let expected = json!({"kind": "closed", "phase": "session", "text": "gone", "code": 1001, "by_server": true});
        assert_eq!(serde_json::to_value(&why).unwrap(), expected);
        let change = Change { why: "gone".into(), ..Change::new(ClientState::Connected, ClientState::Error) };
        assert_eq!(serde_json::to_value(&change).unwrap(), json!({"from": "connected", "to": "error", "why": "gone"}));
        let statistics = serde_json::to_value(Statistics::default()).unwrap();
        assert_eq!((&statistics["current_state"], &statistics["error_count"]), (&json!("disconnected"), &json!(0)));
        let mut sample = Sample::from_metrics([(Metric::Cpu, 1.5)]);
        sample.per_core = vec![0.0; 5000];
        let sample = serde_json::to_value(&sample).unwrap();
        assert_eq!((&sample["cpu"], sample["per_core"].as_array().unwrap().len()), (&json!(1.5), 5000));
        let (server, events): (Arc<str>, _) = ("a".into(), [Event::State(change)]);
        let at = crate::model::time::Now { mono: std::time::Instant::now(), wall: SystemTime::UNIX_EPOCH };
        let message = Message::new(&server, at, &events);
        let value = serde_json::to_value(message.into_owned()).unwrap();
        assert_eq!(value, serde_json::to_value(message).unwrap());
        assert_eq!((&value["dialect"], &value["events"][0]["kind"]), (&json!("generic"), &json!("state")));
    }
}
