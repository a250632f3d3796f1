//! Events of channels. `{"channel":C,"timestamp":T,"event_type":E,"data":{…}}` is the usual shape; any
//! client may send `{"channel":C,…}` of any other shape through the server's REST interface, and it arrives as it is.

use std::borrow::Cow;

use crate::model::event::{Event, LogLine, Notice};
use crate::model::json::Node;
use crate::model::metric::Metric;
use crate::model::sample::field::{Field, FieldRule};
use crate::model::sample::read::read_sample;
use crate::proto::dialect::{Outcome, Undecodable};

static MESSAGE: &[Field] = &[
    Field("channel", FieldRule::Envelope),
    Field("event_type", FieldRule::Envelope),
    Field("timestamp", FieldRule::At),
    Field("data", FieldRule::Into(DATA)),
];

/// The server as published sends null for both; it counts only its connections.
static DATA: &[Field] = &[
    Field("cpu_percent", FieldRule::Number(Metric::Cpu, 1.0)),
    Field("memory_mb", FieldRule::Number(Metric::MemoryUsed, MIB)),
];

const MIB: f64 = 1024.0 * 1024.0;

/// Reads an event.
pub fn read<'a>(text: &'a str, node: Node<'a>) -> Result<Outcome<'a>, Undecodable> {
    let name = |key| node.text(key).map_or("", |name| name);
    let data = node.get("data");
    let event = match (name("channel"), name("event_type"), data) {
        ("metrics", "system_metrics", Some(Node::Map(_))) => {
            match read_sample(text, MESSAGE)?.sample {
                // The server as published counts connections and subscriptions only.
                sample if sample.is_empty() => notice(&node),
                sample => Event::Sample(sample),
            }
        }
        ("logs", kind, Some(data)) => log(kind, data).map_or_else(|| notice(&node), Event::Log),
        _ => notice(&node),
    };
    Ok(event.into())
}

/// Reads a line of the log; `None` if the event is not one.
fn log<'a>(kind: &str, data: &Node<'a>) -> Option<LogLine<'a>> {
    let text = match data {
        Node::Text(text) => text.clone(),
        _ => data.text("message")?.clone(),
    };
    let level = data.text("level").cloned();
    let level = level.or_else(|| Some(Cow::Owned(kind.strip_prefix("log.")?.to_uppercase())));
    let source = data.text_or("service", "");
    Some(LogLine { level: level.unwrap_or_default(), source, text, ..LogLine::default() })
}

/// Writes anything else on one line: the channel, the event's type, the data, and the other members.
fn notice<'a>(node: &Node<'a>) -> Event<'a> {
    let mut text = node.get("channel").map(Node::to_string).unwrap_or_default();
    let mut separator = ": ";
    let beside = node.without(&["channel", "timestamp", "event_type", "data"]);
    for part in &[node.get("event_type"), node.get("data"), Some(&beside)] {
        let words = part.map(words).unwrap_or_default();
        if !words.is_empty() {
            text.push_str(separator);
            text.push_str(&words);
            separator = " ";
        }
    }
    Event::Notice(Notice { text: text.into(), greeting: false, ..Notice::default() })
}

/// Writes a value without its nulls, which the server sends for values that it does not have.
fn words(node: &Node<'_>) -> String {
    match node {
        Node::Null => String::new(),
        other => other.filtered(&|_, value| !value.is_null()).to_string(),
    }
}
