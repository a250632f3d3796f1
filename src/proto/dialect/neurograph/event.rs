//! Events of channels. `{"channel":C,"timestamp":T,"event_type":E,"data":{…}}` is the usual shape; any
//! client may send `{"channel":C,…}` of any other shape through the server's REST interface, and it arrives as it is.

use std::borrow::Cow;

use crate::model::event::{Event, LogLine, Notice};
use crate::model::json::{self, Node};
use crate::model::metric::Metric;
use crate::model::sample::MAX_EXTRA;
use crate::model::sample::field::{Field, FieldRule};
use crate::model::sample::read::read_sample;
use crate::proto::dialect::{Outcome, Undecodable, level, unknown, utc};

/// The first row is left out for an event of another type, which is then shown under `Other`.
pub static MESSAGE: [Field; 4] = [
    Field("event_type", FieldRule::Envelope),
    Field("channel", FieldRule::Envelope),
    Field("timestamp", FieldRule::At),
    Field("data", FieldRule::Into(DATA)),
];

/// The server as published sends null for both; it counts only its connections.
static DATA: &[Field] = &[
    Field("cpu_percent", FieldRule::Number(Metric::Cpu, 1.0)),
    Field("memory_mb", FieldRule::Number(Metric::MemoryUsed, MIB)),
];

const MIB: f64 = 1024.0 * 1024.0;

/// A larger event that would only be a notice is shown as it came, without a tree of it.
const MAX_EVENT: usize = 256 << 10;

/// Reads an event.
pub fn read(text: &str) -> Result<Outcome<'_>, Undecodable> {
    if text.len() > MAX_EVENT && json::is_json(text) {
        let channel = json::member(text, "channel").unwrap_or_default();
        if !matches!(&*channel, "metrics" | "logs") {
            return Ok(unknown(channel, text));
        }
    }
    let node = Node::parse(text)?;
    let name = |key| node.text(key).map_or("", |name| name);
    let data = node.get("data");
    let event = match (name("channel"), name("event_type"), data) {
        ("metrics", kind, Some(data @ Node::Map(_))) => {
            let rows = if kind == "system_metrics" { &MESSAGE[..] } else { &MESSAGE[1..] };
            let mut sample = read_sample(text, rows)?.sample;
            sample.extra = extra(data);
            sample.at = sample.at.and_then(|at| utc(kind, at));
            match sample.is_empty() && sample.extra.is_empty() {
                true => notice(&node),
                false => Event::Sample(sample),
            }
        }
        ("logs", kind, Some(data)) => log(&node, kind, data).map_or_else(|| notice(&node), Event::Log),
        _ => notice(&node),
    };
    Ok(event.into())
}

/// Lists the numbers that the table of metrics does not have. The server as published counts connections and
/// subscriptions only.
fn extra<'a>(data: &Node<'a>) -> Vec<(Cow<'a, str>, f64)> {
    let mut numbers = Vec::new();
    for (name, value) in data.members() {
        let Some(value) = value.as_f64().filter(|value| value.is_finite()) else { continue };
        if !DATA.iter().any(|row| row.0 == name) && numbers.len() < MAX_EXTRA {
            numbers.push((name.clone(), value));
        }
    }
    numbers
}

/// Reads a line of the log; `None` if the event is not one.
fn log<'a>(node: &Node<'a>, kind: &str, data: &Node<'a>) -> Option<LogLine<'a>> {
    let text = match data {
        Node::Text(text) => text.clone(),
        _ => data.text("message")?.clone(),
    };
    let level = data.text("level").cloned();
    let level = level.or_else(|| Some(Cow::Owned(kind.strip_prefix("log.")?.to_ascii_uppercase())));
    let extra = match data {
        Node::Map(_) => words(&data.without(&["message", "level", "service"])),
        _ => String::new(),
    };
    let (level, source) = (level.unwrap_or_default(), data.text_or("service", ""));
    let (kind, channel) = (event_type(node), node.text_or("channel", ""));
    Some(LogLine { level, source, text, extra, kind, channel, ..LogLine::default() })
}

/// Writes anything else on one line: the event's type, the data, and the other members. A channel that is no text
/// stands before them.
fn notice<'a>(node: &Node<'a>) -> Event<'a> {
    let (kind, channel) = (event_type(node), node.text_or("channel", ""));
    let mut text = match node.get("channel") {
        None | Some(Node::Text(_)) => String::new(),
        Some(other) => format!("{other}: "),
    };
    let beside = node.without(&["channel", "timestamp", "event_type", "data"]);
    let mut separator = "";
    for part in &[node.get("event_type"), node.get("data"), Some(&beside)] {
        let words = part.map(words).unwrap_or_default();
        if !words.is_empty() {
            text.push_str(separator);
            text.push_str(&words);
            separator = " ";
        }
    }
    let level = level(&kind, &[node.get("data").unwrap_or(&Node::Null), node]);
    Event::Notice(Notice { text: text.into(), kind, channel, level, ..Notice::default() })
}

fn event_type<'a>(node: &Node<'a>) -> Cow<'a, str> {
    node.text("event_type").or_else(|| node.text("type")).cloned().unwrap_or_default()
}

/// Writes a value without its nulls, which the server sends for values that it does not have.
fn words(node: &Node<'_>) -> String {
    match node {
        Node::Null => String::new(),
        other => other.filtered(&|_, value| !value.is_null()).to_string(),
    }
}
