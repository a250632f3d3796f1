//! The formats `json` and `jsonl`: the messages themselves, indented or one line each. Messages are saved as `jsonl`.

use super::{Format, stats};
use crate::format::style::Style;
use crate::model::base64;
use crate::model::event::{Change, Event, Message, Raw};
use crate::model::json::{self, Layout, Writer, has_member, relayout};

pub const JSON: Format = Format {
    name: "json",
    about: "the message itself, indented",
    head: None,
    write: write_indented,
    stats: |out, statistics, _| stats::push_json(out, statistics, Layout::Indented),
    stats_apart: false,
    whole: true,
    gap: Some(gap),
};

pub const JSONL: Format = Format {
    name: "jsonl",
    about: "one line of JSON for each message, with the time and the server",
    head: None,
    write: |out, message, _| match message.events {
        [Event::State(change)] => write_state(out, message, change),
        _ => push_object(out, message, Layout::Line),
    },
    stats: |out, statistics, _| stats::push_json(out, statistics, Layout::Line),
    stats_apart: false,
    whole: true,
    gap: Some(gap),
};

/// Members added by the client. A message that has one of them is wrapped, so that no server can forge them.
const OURS: [&str; 2] = ["received_at", "server"];

/// The member that tells the client's own lines, and its value in those about the connection. A message with that value
/// is wrapped too.
const TYPE: &str = "type";
const STATE: &str = "state";

/// Appends the message itself; with labels, or if it is not JSON, the object of `jsonl`. Indented.
fn write_indented(out: &mut String, message: &Message<'_>, style: &Style) {
    match message.raw {
        Raw::Json(text) if !style.labels => {
            /// A list of short numbers grows so much. A text that is moved as it grows takes half as much again.
            const GROWTH: usize = 6;
            /// Upper bound on the bytes that are reserved.
            const MAX_RESERVED: usize = 32 << 20;
            out.reserve(text.len().saturating_mul(GROWTH).min(MAX_RESERVED));
            relayout(out, text, Layout::Indented);
            out.push('\n');
        }
        _ => push_object(out, message, Layout::Indented),
    }
}

/// The line in the place of dropped messages.
pub fn gap(missing: u64) -> String {
    format!("{{\"type\":\"dropped\",\"count\":{missing}}}\n")
}

/// Begins an object with the time of receipt and the server.
pub fn open(json: &mut Writer<'_>, message: &Message<'_>) {
    json.open('{');
    json.member(OURS[0]).timestamp(message.received_at);
    json.member(OURS[1]).string(message.server);
}

/// The strings of which [`can_be_extended`] looks for a meaning. Most messages have none of them anywhere.
const RESERVED: [&str; 3] = [OURS[0], OURS[1], STATE];

/// Appends a change of the connection's state, as a line of the type `state`.
fn write_state(out: &mut String, message: &Message<'_>, change: &Change) {
    let mut json = Writer::new(out, Layout::Line);
    open(&mut json, message);
    json.member(TYPE).string(STATE);
    push_state(&mut json, change);
    json.close('}');
    out.push('\n');
}

/// Writes the members of a change of state, which `events` shares. What does not apply is left out.
pub fn push_state(json: &mut Writer<'_>, change: &Change) {
    json.member("from").string(change.from.name());
    json.member("to").string(change.to.name());
    if !change.why.is_empty() {
        json.member("why").string(&change.why);
    }
    if let Some(wait) = change.retry_in {
        json.member("retry_in").number(wait.as_millis() as f64 / 1000.0);
    }
    if change.attempts > 0 {
        json.member("attempts").literal(change.attempts);
    }
}

/// Appends the message as an object with the client's members before its own. A message that is not an object, or that
/// could be taken for one with forged members, becomes a member `value`, `text` or `base64`.
fn push_object(out: &mut String, message: &Message<'_>, layout: Layout) {
    if message.raw == Raw::None {
        return;
    }
    let mut json = Writer::new(out, layout);
    open(&mut json, message);
    match message.raw {
        Raw::Json(text) if !begins_like_wrapped(text) && json.plain_members_of(text, &RESERVED) => {}
        Raw::Json(text) if can_be_extended(text) => json.members_of(text),
        Raw::Json(text) => {
            json.member("value").raw(text);
            json.close('}');
        }
        Raw::Text(text) => {
            json.member("text").string(text);
            json.close('}');
        }
        Raw::Binary(bytes) => {
            json.member("base64").string(&base64::encode(bytes));
            json.close('}');
        }
        Raw::None => {}
    }
    out.push('\n');
}

/// Returns true for an object that can have the client's members before its own.
fn can_be_extended(text: &str) -> bool {
    let is_object = text.trim_ascii_start().starts_with('{');
    let is_like_wrapped = || begins_like_wrapped(text) && json::members(text).len() < 2;
    is_object && !has_member(text, &OURS) && !json::has_text(text, TYPE, STATE) && !is_like_wrapped()
}

/// Returns true for an object whose first member has the name of a wrapper.
fn begins_like_wrapped(text: &str) -> bool {
    let inner = text.trim_ascii_start().strip_prefix('{').unwrap_or_default().trim_ascii_start();
    ["\"value\"", "\"text\"", "\"base64\""].iter().any(|name| inner.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::tests::{LABELS, PLAIN, written};

    const HEAD: &str = r#"{"received_at":"2026-01-02T03:04:05.678Z","server":"nas\u001b","#;

    fn line(raw: Raw<'_>) -> String {
        written("jsonl", raw, &[], PLAIN)
    }

    #[test]
    fn a_line_begins_with_the_time_and_the_server() {
        assert_eq!(line(Raw::Json("{\"b\": 1.50,\n \"a\": NaN}")), format!("{HEAD}\"b\":1.50,\"a\":null}}\n"));
        assert_eq!(line(Raw::Json("{ }")), format!("{}}}\n", HEAD.trim_end_matches(',')));
    }

    #[test]
    fn a_message_that_could_forge_a_member_or_is_not_an_object_is_wrapped() {
        for text in [
            r#"{"server":"x"}"#,
            r#"{"a":1,"\u0073erver":"x"}"#,
            r#"{"received_at":null}"#,
            "[1,2]",
            "null",
            "5",
            r#"{"text":"x"}"#,
            r#"{"value":[1,2]}"#,
        ] {
            assert_eq!(line(Raw::Json(text)), format!("{HEAD}\"value\":{text}}}\n"));
        }
        for text in [
            r#"{"type":"state","to":"connected"}"#,
            r#"{"type":"x","a":"state","type":"state"}"#,
            r#"{"typ\u0065":"st\u0061te"}"#,
            r#"{"type":"a\\","type":"state"}"#,
        ] {
            let line = line(Raw::Json(text));
            assert!(line.starts_with(&format!("{HEAD}\"value\":{{")), "{line}");
        }
        for text in [
            r#"{"type":"status","state":"state"}"#,
            r#"{"data":{"type":"state"}}"#,
            r#"{"a":"\\","type":5}"#,
            r#"{"text":"x","a":1}"#,
        ] {
            assert_eq!(line(Raw::Json(text)), format!("{HEAD}{}\n", &text[1..]));
        }
        let text = r#"{"data":{"server":"server"},"type":"server"}"#;
        assert_eq!(line(Raw::Json(text)), format!("{HEAD}{}\n", &text[1..]));
    }

    #[test]
    fn a_message_that_is_not_json_is_written_as_text_or_base64() {
        assert_eq!(line(Raw::Text("no\"\n\u{9b}")), format!("{HEAD}\"text\":\"no\\\"\\n\\u009b\"}}\n"));
        assert_eq!(line(Raw::Binary(&[0xff, 0, 1])), format!("{HEAD}\"base64\":\"/wAB\"}}\n"));
        assert_eq!(line(Raw::None), "");
    }

    #[test]
    fn json_is_the_message_itself_and_with_labels_the_object_of_jsonl() {
        assert_eq!(written("json", Raw::Json(r#"{"a":[]}"#), &[], PLAIN), "{\n  \"a\": []\n}\n");
        let whole = "{\n  \"received_at\": \"2026-01-02T03:04:05.678Z\",\n  \"server\": \"nas\\u001b\",\n  ";
        assert_eq!(written("json", Raw::Json(r#"{"a":[]}"#), &[], LABELS), format!("{whole}\"a\": []\n}}\n"));
        assert_eq!(written("json", Raw::Json("[1]"), &[], LABELS), format!("{whole}\"value\": [\n    1\n  ]\n}}\n"));
        assert_eq!(written("json", Raw::Text("x"), &[], PLAIN), format!("{whole}\"text\": \"x\"\n}}\n"));
        assert_eq!(written("json", Raw::None, &[], PLAIN), "");
    }

    #[test]
    fn a_gap_is_a_line_of_its_own() {
        assert_eq!(gap(3), "{\"type\":\"dropped\",\"count\":3}\n");
    }
}
