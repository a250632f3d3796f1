//! Every format's output for one message.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::harmless::assert_harmless;
use crate::fleet::average::Average;
use crate::format::style::Style;
use crate::format::{FORMATS, Format};
use crate::model::event::{Event, Message, Raw};
use crate::model::json::{Node, is_json, repair};
use crate::model::sample::spread::PERCENTAGES;
use crate::model::text::escape;

/// A hostile label.
const LABEL: &str = "n\u{e4}s\u{202e}\x1b[2J\n";

/// Bound on output: bytes for each byte of a message, and in addition. A table of processes is the widest.
const GROWTH: (usize, usize) = (500, 100_000);

/// Writes a message in every format, with labels or without.
pub fn check(kind: &str, raw: Raw<'_>, events: &[Event<'_>], labels: bool) {
    let server: Arc<str> = LABEL.into();
    let received_at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
    let message = Message {
        server: &server,
        id: crate::model::server_id::ServerId::NONE,
        received_at,
        received_mono: Instant::now(),
        dialect: crate::Dialect::Generic,
        kind,
        raw,
        events,
    };
    for format in FORMATS {
        let style = Style { labels, ..Style::default() };
        let plain = written(format, &message, style);
        harmless(&plain, &message);
        match format.name {
            "json" | "jsonl" => one_value(&plain, &message, format.name),
            "events" => one_object_per_event(&plain, events),
            "simple" | "compact" | "detailed" => for_people(format, &plain, &message, style),
            _ => {}
        }
    }
    check_means(&message);
}

/// Writes the samples of a message as means of several: no number is outside the bounds beside it.
fn check_means(message: &Message<'_>) {
    let (mut average, mut events) = (Average::default(), message.events.to_vec());
    for _ in 0..3 {
        for event in &mut events {
            if let Event::Sample(sample) = event {
                average.add(sample);
                let mut bounds = Vec::new();
                sample.each_of_spread(&mut |_, value| bounds.push(value));
                for ((metric, _), ends) in PERCENTAGES.iter().zip(bounds[1..].chunks(2)) {
                    let within = |mean: f64| ends[0].is_some_and(|min| min <= mean) && ends[1] >= Some(mean);
                    assert!(sample.get(*metric).map_or(ends[0].is_none(), within), "{sample:?} {bounds:?}");
                }
            }
        }
    }
    let style = Style { means: true, ..Style::default() };
    for format in FORMATS {
        let lines = written(format, &Message { events: &events, ..*message }, style);
        harmless(&lines, message);
        match format.name {
            "events" => one_object_per_event(&lines, &events),
            "csv" => {
                let has_row = |event: &&Event<'_>| matches!(event, Event::Sample(sample) if !sample.is_empty() || sample.extra.is_empty());
                assert_eq!(lines.lines().count(), events.iter().filter(has_row).count(), "{lines:?}");
            }
            _ => {}
        }
    }
}

fn written(format: &Format, message: &Message<'_>, style: Style) -> String {
    let mut out = String::new();
    (format.write)(&mut out, message, &style);
    out
}

fn harmless(out: &str, message: &Message<'_>) {
    assert_harmless(out);
    assert!(out.is_empty() || out.ends_with('\n'), "{out:?}");
    let size = match message.raw {
        Raw::Json(text) | Raw::Text(text) => text.len(),
        Raw::Binary(bytes) => bytes.len(),
        Raw::None => 0,
    };
    assert!(out.len() <= GROWTH.0 * size + GROWTH.1, "{} bytes of output for {size}", out.len());
}

/// Colours add nothing but colours, ASCII is ASCII, and every line bears the label where it should.
fn for_people(format: &Format, plain: &str, message: &Message<'_>, style: Style) {
    let colored = written(format, message, Style { color: true, ..style });
    assert_eq!(without_colors(&colored), plain);
    let ascii = written(format, message, Style { ascii: true, ..style });
    assert!(ascii.is_ascii(), "{ascii:?}");
    if style.labels {
        let label = format!("{}: ", escape(LABEL));
        assert!(plain.lines().all(|line| line.starts_with(&label)), "{plain:?}");
    }
}

fn without_colors(text: &str) -> String {
    let mut out = text.replace("\x1b[0m", "");
    for color in 31..=36 {
        out = out.replace(&format!("\x1b[{color}m"), "");
    }
    out
}

/// One JSON value, whose time and server no server can forge, with the message in it.
fn one_value(out: &str, message: &Message<'_>, format: &str) {
    if out.is_empty() {
        return assert_eq!(message.raw, Raw::None);
    }
    assert!(is_json(out), "{:?}: {out:?}", message.raw);
    if format == "json" {
        return;
    }
    assert_eq!(out.matches('\n').count(), 1, "{out:?}");
    let Ok(node) = Node::parse(out) else { return };
    let names: Vec<_> = node.members().iter().map(|(name, _)| &**name).collect();
    assert_eq!(names[..2], ["received_at", "server"]);
    assert!(!names[2..].iter().any(|name| ["received_at", "server"].contains(name)), "{out:?}");
    assert_eq!(node.text("server").map(|server| &**server), Some(LABEL));
    match message.raw {
        Raw::Text(text) => assert_eq!(node.get("text"), Some(&Node::Text(text.into()))),
        Raw::Json(text) if !names.contains(&"value") => {
            let readable = repair(text);
            assert_eq!(without_ours(out), serde_json::from_str(readable.as_deref().unwrap_or(text)).ok());
        }
        _ => {}
    }
}

/// The message itself; `None` where no tree can be made of it.
fn without_ours(line: &str) -> Option<Value> {
    let readable = repair(line);
    let mut value: Value = serde_json::from_str(readable.as_deref().unwrap_or(line)).ok()?;
    let members = value.as_object_mut()?;
    members.remove("received_at");
    members.remove("server");
    Some(value)
}

/// One object for each event that has a kind.
fn one_object_per_event(out: &str, events: &[Event<'_>]) {
    let kinds: Vec<_> = events.iter().filter_map(Event::kind_name).collect();
    assert_eq!(out.lines().count(), kinds.len(), "{out:?}");
    for (line, kind) in out.lines().zip(kinds) {
        assert!(is_json(line), "{line:?}");
        if let Ok(node) = Node::parse(line) {
            assert_eq!(node.get("kind").and_then(Node::as_text), Some(kind), "{line:?}");
            assert_eq!(node.get("server").and_then(Node::as_text), Some(LABEL), "{line:?}");
        }
    }
}
