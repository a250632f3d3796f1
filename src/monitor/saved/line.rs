//! One line of saved data, which the format `jsonl` wrote.
//!
//! The client's members are found by a look at the beginning of the line. The message behind them is not parsed here: it
//! is the rest of the line, with an opening brace in the place of the comma.

use std::borrow::Cow;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use crate::model::event::{Change, ClientState};
use crate::model::json::{self, Node};
use crate::model::number;

/// The longest label, in bytes. It bounds what a file can make the program keep.
const MAX_LABEL: usize = 1024;

/// The cause of a line whose message exceeds the bound.
pub const TOO_LARGE: &str = "too large";

/// The cause of a line whose end is missing.
const CUT: &str = "the line is cut";

/// A line of saved data.
#[derive(Debug, PartialEq)]
pub struct SavedLine<'a> {
    /// The time of receipt.
    pub received_at: SystemTime,
    /// The server's label.
    pub server: Cow<'a, str>,
    /// The rest.
    pub content: Content<'a>,
}

/// The part of a line after the time and the server.
#[derive(Debug, PartialEq)]
pub enum Content<'a> {
    /// A message that is JSON.
    Json(&'a str),
    /// A message that is not JSON.
    Text(String),
    /// A binary message, in base64.
    Binary(String),
    /// A change of the connection.
    Change(Change),
}

/// The reason for which a line holds no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError {
    /// It is nothing that the client saves. The words name the cause.
    Foreign(&'static str),
    /// It stands for so many messages that were dropped.
    Gap(u64),
    /// It is the statistics of a run.
    Statistics,
}

/// The places of the client's members in a line.
struct Envelope {
    received_at: SystemTime,
    /// The label, with its quotes.
    server: Range<usize>,
    /// The comma or brace after it.
    end: usize,
}

/// Reads a line, without its line feed. The comma before the message is overwritten.
///
/// # Errors
/// If the line holds no message.
pub fn parse(line: &mut [u8]) -> Result<SavedLine<'_>, LineError> {
    let found = envelope(line);
    if let Some(byte) = found.as_ref().and_then(|found| line.get_mut(found.end)).filter(|byte| **byte == b',') {
        *byte = b'{';
    }
    let text = std::str::from_utf8(line).map_err(|_| LineError::Foreign("not UTF-8"))?;
    let Some(Envelope { received_at, server, end }) = found else { return Err(other_line(text)) };
    let server = label(&text[server]).ok_or(LineError::Foreign("a label of more than 1024 bytes"))?;
    let message = text[end..].trim_ascii_end();
    let content = if message == "}" { Content::Json("{}") } else { content(message)? };
    Ok(SavedLine { received_at, server, content })
}

/// Returns the label in a line, if it is one of saved data.
#[must_use]
pub fn server(line: &[u8]) -> Option<Cow<'_, str>> {
    label(std::str::from_utf8(&line[envelope(line)?.server]).ok()?)
}

/// Reads a label from its literal; `None` if it is too long.
fn label(literal: &str) -> Option<Cow<'_, str>> {
    let plain = &literal[1..literal.len() - 1];
    let label = if plain.contains('\\') { Node::parse(literal).ok()?.into_text()? } else { plain.into() };
    Some(label).filter(|label| label.len() <= MAX_LABEL)
}

/// Finds the time and the server, which stand first. White space between the members is accepted: other programs that
/// rewrite a line leave some.
fn envelope(line: &[u8]) -> Option<Envelope> {
    let rest = member(line.trim_ascii_start().strip_prefix(b"{")?, b"\"received_at\"")?;
    let (stamp, rest) = rest.split_at_checked(string_len(rest)?)?;
    let received_at = number::parse_timestamp(std::str::from_utf8(&stamp[1..stamp.len() - 1]).ok()?)?;
    let rest = member(rest.trim_ascii_start().strip_prefix(b",")?, b"\"server\"")?;
    let (at, len) = (line.len() - rest.len(), string_len(rest)?);
    let rest = rest[len..].trim_ascii_start();
    let is_end = matches!(rest.first(), Some(b',' | b'}'));
    is_end.then(|| Envelope { received_at, server: at..at + len, end: line.len() - rest.len() })
}

/// Returns what follows the name of a member and its colon.
fn member<'a>(text: &'a [u8], quoted: &[u8]) -> Option<&'a [u8]> {
    let rest = text.trim_ascii_start().strip_prefix(quoted)?.trim_ascii_start();
    Some(rest.strip_prefix(b":")?.trim_ascii_start())
}

/// Returns the length of the string literal at the start, with its quotes; `None` if there is none, or it is not closed.
fn string_len(text: &[u8]) -> Option<usize> {
    let len = if text.starts_with(b"\"") { json::string_len(text) } else { 0 };
    (len >= 2 && text[len - 1] == b'"').then_some(len)
}

/// Reads the object that the members after the server are. The wrappers have one member, and the client's own type comes
/// first; a message of a server that looks so is wrapped itself.
fn content(message: &str) -> Result<Content<'_>, LineError> {
    let inner = &message.as_bytes()[1..];
    // Most messages begin with another member.
    for name in ["\"value\"", "\"text\"", "\"base64\"", "\"type\""] {
        let Some(rest) = member(inner, name.as_bytes()) else { continue };
        let value = &message[message.len() - rest.len()..];
        let Some(len) = value_len(value) else { break };
        let is_only = value[len..].trim_ascii() == "}";
        let text = || Node::parse(&value[..len]).ok()?.into_text().map(Cow::into_owned);
        return match name {
            "\"type\"" if &value[..len] == "\"state\"" => {
                change(message).map(Content::Change).ok_or(LineError::Foreign(CUT))
            }
            "\"value\"" if is_only => Ok(Content::Json(&value[..len])),
            "\"text\"" | "\"base64\"" if is_only => match text() {
                Some(text) if name == "\"text\"" => Ok(Content::Text(text)),
                Some(text) => Ok(Content::Binary(text)),
                None => break,
            },
            _ => break,
        };
    }
    Ok(Content::Json(message))
}

/// Returns the length of the JSON value at the start; `None` if it is cut.
fn value_len(value: &str) -> Option<usize> {
    match value.as_bytes().first()? {
        b'"' => string_len(value.as_bytes()),
        b'{' | b'[' => json::bracketed_len(value),
        _ => value.bytes().position(|b| matches!(b, b',' | b'}') || b.is_ascii_whitespace()),
    }
}

/// Reads a change of a connection from the members that `push_state` writes.
fn change(message: &str) -> Option<Change> {
    let node = Node::parse(message).ok()?;
    let state = |key| ClientState::named(node.text(key)?);
    let retry_in = node.number("retry_in").map(|seconds| seconds * 1000.0).filter(|millis| *millis >= 0.0);
    Some(Change {
        from: state("from")?,
        to: state("to")?,
        why: node.text_or("why", "").into_owned(),
        cause: None,
        retry_in: retry_in.map(|millis| Duration::from_millis((millis + 0.5) as u64)),
        attempts: node.number("attempts").unwrap_or_default() as u32,
    })
}

/// Describes a line without the client's members.
fn other_line(text: &str) -> LineError {
    let kind = json::message_type(text);
    let count = || Node::parse(text).ok()?.number("count");
    match kind.as_deref() {
        Some("dropped") if json::is_json(text) => LineError::Gap(count().unwrap_or_default() as u64),
        Some("statistics") if json::is_json(text) => LineError::Statistics,
        _ if text.trim_ascii_start().starts_with("{\"received_at\"") => LineError::Foreign(CUT),
        _ => LineError::Foreign("not a line of jsonl with received_at and server"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"{"received_at":"2026-01-02T03:04:05.678Z","server":"nas""#;

    fn parsed(line: &str) -> Result<(String, String), LineError> {
        let mut line = line.as_bytes().to_vec();
        let line = parse(&mut line)?;
        assert_eq!(line.received_at, number::parse_timestamp("2026-01-02T03:04:05.678Z").unwrap());
        let content = match line.content {
            Content::Json(text) => text.to_owned(),
            other => format!("{other:?}"),
        };
        Ok((line.server.into_owned(), content))
    }

    #[test]
    fn a_message_is_found_behind_the_members_of_the_client() {
        for (rest, message) in [
            (r#","type":"x","a":[1]}"#, r#"{"type":"x","a":[1]}"#),
            ("}", "{}"),
            (r#" , "a" : 1 } "#, r#"{ "a" : 1 }"#),
            (r#","value":[1,{"a":"]"}]}"#, r#"[1,{"a":"]"}]"#),
            (r#","value":{"server":"x"}}"#, r#"{"server":"x"}"#),
            (r#","value":"}"}"#, r#""}""#),
            (r#","value":5}"#, "5"),
            (r#","value":5,"b":1}"#, r#"{"value":5,"b":1}"#),
            (r#","value":{"a":1},"b":1}"#, r#"{"value":{"a":1},"b":1}"#),
            (r#","text":"a\n"}"#, r#"Text("a\n")"#),
            (r#","text":"a","b":1}"#, r#"{"text":"a","b":1}"#),
            (r#","text":1}"#, r#"{"text":1}"#),
            (r#","base64":"/wAB"}"#, r#"Binary("/wAB")"#),
        ] {
            assert_eq!(parsed(&format!("{HEAD}{rest}")), Ok(("nas".into(), message.into())), "{rest}");
        }
        let spaced = r#" { "received_at" : "2026-01-02T03:04:05.678Z" , "server" : "n\u001b\"" , "a":1}"#;
        assert_eq!(parsed(spaced), Ok(("n\u{1b}\"".into(), r#"{ "a":1}"#.into())));
    }

    #[test]
    fn a_change_of_a_connection_is_read_as_it_was_written() {
        let rest =
            r#","type":"state","from":"connected","to":"reconnecting","why":"g\"one","retry_in":4.6,"attempts":2}"#;
        let mut line = format!("{HEAD}{rest}").into_bytes();
        let Ok(SavedLine { content: Content::Change(change), .. }) = parse(&mut line) else { panic!() };
        let retry_in = Some(Duration::from_millis(4600));
        let (from, to, why) = (ClientState::Connected, ClientState::Reconnecting, "g\"one".into());
        assert_eq!(change, Change { why, retry_in, attempts: 2, ..Change::new(from, to) });
        for rest in [r#","type":"state"}"#, r#","type":"state","from":"connected","to":"x"}"#, r#","type":"state","#] {
            assert_eq!(parsed(&format!("{HEAD}{rest}")), Err(LineError::Foreign(CUT)));
        }
    }

    #[test]
    fn any_other_line_is_named() {
        let foreign = LineError::Foreign("not a line of jsonl with received_at and server");
        for (line, error) in [
            ("hello", foreign),
            (r#"{"type":"x"}"#, foreign),
            ("received_at,server,host", foreign),
            (r#"{"type":"dropped","count":3}"#, LineError::Gap(3)),
            (r#"{"type":"statistics","stats":{}}"#, LineError::Statistics),
            (r#"{"type":"statistics","st"#, foreign),
            (&HEAD[..30], LineError::Foreign(CUT)),
            (HEAD, LineError::Foreign(CUT)),
            (r#"{"received_at":"Tuesday","server":"x"}"#, LineError::Foreign(CUT)),
        ] {
            assert_eq!(parsed(line), Err(error), "{line}");
        }
        assert_eq!(parse(&mut b"{\"\xff".to_vec()), Err(LineError::Foreign("not UTF-8")));
        let long = HEAD.replace("nas", &"n".repeat(MAX_LABEL + 1)) + "}";
        assert_eq!(parsed(&long), Err(LineError::Foreign("a label of more than 1024 bytes")));
    }

    #[test]
    fn no_beginning_of_a_line_is_more_than_a_line_or_an_error() {
        for rest in
            [r#","value":{"a":"\u0031"}}"#, r#","type":"state","from":"connected","to":"error"}"#, r#","text":"é"}"#]
        {
            let line = format!("{HEAD}{rest}");
            for end in 0..line.len() {
                let mut bytes = line.as_bytes()[..end].to_vec();
                drop(server(&bytes));
                drop(parse(&mut bytes));
            }
        }
    }
}
