//! JSON as it comes from servers: which message it is, a small tree, and the repair of what is no JSON.

mod layout;
mod node;
mod redact;

use std::borrow::Cow;

use serde::de::IgnoredAny;

pub use layout::{Layout, Writer, push_string, relayout};
pub use node::Node;
pub use redact::redact;

/// The message's `type`, where it is an object that has one and it is a text.
///
/// All known servers send `type` first or nearly so: a look at the beginning spares most messages a pass.
#[must_use]
pub fn message_type(text: &str) -> Option<Cow<'_, str>> {
    leading_type(text).map(Cow::Borrowed).or_else(|| member(text, "type"))
}

/// A text member of the message's object, the first of that name. `None` where there is none or the text is no JSON
/// even after its repair.
#[must_use]
pub fn member<'a>(text: &'a str, key: &str) -> Option<Cow<'a, str>> {
    match find(text, &[key]) {
        Ok(found) => found?.into_text(),
        Err(_) => Some(find(&repair(text)?, &[key]).ok()??.into_text()?.into_owned().into()),
    }
}

/// Whether the message's object has a member of one of these names, however they are spelled.
///
/// Where that cannot be told, because the text is no JSON even after its repair, the answer is yes.
#[must_use]
pub fn has_member(text: &str, names: &[&str]) -> bool {
    // A name that does not stand there in quotes can only be spelled with escapes.
    let possible = text.contains('\\') || names.iter().any(|name| stands_quoted(text, name));
    let has = |text: &str| find(text, names).map(|found| found.is_some());
    possible && has(text).or_else(|_| has(&repair(text).unwrap_or_default())).unwrap_or(true)
}

/// A number in JSON's spelling.
#[must_use]
pub fn number(text: &str) -> Option<f64> {
    Node::parse(text).ok()?.as_f64()
}

/// Appends a number in its shortest spelling, a float with its point; null where it is none.
pub fn push_number(out: &mut String, number: f64) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _ = match serde_json::Number::from_f64(number) {
        Some(number) => write!(out, "{number}"),
        None => write!(out, "null"),
    };
}

/// Whether the text is one JSON value. Strict, but for numbers no larger type can hold and lone surrogates.
#[must_use]
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Whether the text is JSON, or becomes JSON by its repair.
#[must_use]
pub fn is_readable(text: &str) -> bool {
    is_json(text) || repair(text).is_some_and(|text| is_json(&text))
}

/// The text with everything rewritten that servers send and no JSON reader takes: `NaN`, `Infinity` and
/// numbers beyond f64 become `null`, lone surrogates U+FFFD. `None` where there is nothing of the kind.
#[must_use]
pub fn repair(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (token, after) = rest.split_at(token_len(rest));
        match token.as_bytes()[0] {
            b'"' => push_repaired_string(&mut out, token),
            _ if is_unreadable(token) => out.push_str("null"),
            _ => out.push_str(token),
        }
        rest = after;
    }
    (out != text).then_some(out)
}

fn leading_type(text: &str) -> Option<&str> {
    let rest = text.trim_ascii_start().strip_prefix('{')?.trim_ascii_start().strip_prefix("\"type\"")?;
    let rest = rest.trim_ascii_start().strip_prefix(':')?.trim_ascii_start().strip_prefix('"')?;
    let end = rest.bytes().position(|b| b == b'"' || b == b'\\')?;
    (rest.as_bytes()[end] == b'"').then(|| &rest[..end])
}

fn stands_quoted(text: &str, name: &str) -> bool {
    let quoted = |(at, _)| text[..at].ends_with('"') && text[at + name.len()..].starts_with('"');
    text.contains(name) && text.match_indices(name).any(quoted)
}

/// There is no object in a text, or no JSON at all.
struct NoObject;

/// The first member of one of these names.
fn find<'a>(text: &'a str, names: &[&str]) -> Result<Option<Node<'a>>, NoObject> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err(NoObject);
    }
    match Node::parse_member(text, names) {
        Ok(Node::Map(mut members)) => Ok(members.pop().map(|(_, value)| value)),
        _ => Err(NoObject),
    }
}

/// The length of the string, word or single character at the beginning of a text that is not empty.
fn token_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes[0] {
        b'"' => string_len(bytes),
        b if is_word(b) => bytes.iter().position(|&b| !is_word(b)).unwrap_or(bytes.len()),
        _ => bytes.iter().position(|&b| b == b'"' || is_word(b)).unwrap_or(bytes.len()),
    }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')
}

/// The length of the string at the beginning, with its quotes; to the end where it is not closed.
fn string_len(bytes: &[u8]) -> usize {
    let mut escaped = false;
    for (i, &b) in bytes.iter().enumerate().skip(1) {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return i + 1,
            _ => {}
        }
    }
    bytes.len()
}

fn is_unreadable(word: &str) -> bool {
    matches!(word, "NaN" | "Infinity" | "-Infinity")
        || (word.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && number(word).is_none() && is_json(word))
}

fn push_repaired_string(out: &mut String, string: &str) {
    let mut rest = string;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let len = match surrogates(rest.as_bytes()) {
            Surrogates::None => rest.char_indices().nth(2).map_or(rest.len(), |(i, _)| i),
            Surrogates::Pair => 12,
            Surrogates::Lone => 6,
        };
        let lone = matches!(surrogates(rest.as_bytes()), Surrogates::Lone);
        out.push_str(if lone { "\\ufffd" } else { &rest[..len] });
        rest = &rest[len..];
    }
    out.push_str(rest);
}

/// What stands at the beginning of an escape sequence.
pub(crate) enum Surrogates {
    None,
    Pair,
    Lone,
}

pub(crate) fn surrogates(bytes: &[u8]) -> Surrogates {
    match (unit(bytes), bytes.get(6..).and_then(unit)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => Surrogates::Pair,
        (Some(0xd800..=0xdfff), _) => Surrogates::Lone,
        _ => Surrogates::None,
    }
}

/// The UTF-16 unit of a `\uXXXX` at the beginning.
fn unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, &b| Some(unit << 4 | char::from(b).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_found_wherever_it_stands() {
        for text in [
            r#"{"type":"a"}"#,
            r#" { "type" : "a" , "x":1}"#,
            r#"{"x":{"type":"b"},"type":"a"}"#,
            r#"{"type":"\u0061"}"#,
        ] {
            assert_eq!(message_type(text).as_deref(), Some("a"), "{text}");
        }
    }

    #[test]
    fn what_has_no_type_has_none() {
        for text in ["", "[]", "5", "{}", r#"{"type":5}"#, r#"{"type":["a"]}"#, r#"{"type":"a"#, "{\"type\"", "null"] {
            assert_eq!(message_type(text), None, "{text}");
        }
    }

    #[test]
    fn not_a_number_becomes_null_outside_strings_only() {
        let text = r#"{"a":NaN,"b":[Infinity,-Infinity,1e400,-1e999,1.5],"c":"NaN \" Infinity","d":true}"#;
        let repaired = r#"{"a":null,"b":[null,null,null,null,1.5],"c":"NaN \" Infinity","d":true}"#;
        assert_eq!(repair(text).as_deref(), Some(repaired));
    }

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_kept() {
        let text = r#"["\ud800","\udc00x","\ud83d\ude00","\\ud800","é\u00e9"]"#;
        assert_eq!(repair(text).as_deref(), Some(r#"["\ufffd","\ufffdx","\ud83d\ude00","\\ud800","é\u00e9"]"#));
    }

    #[test]
    fn what_needs_no_repair_is_left_alone_and_rubbish_survives() {
        for text in
            ["", "{}", r#"{"a":"b\"#, r#""\"#, "\"\\é", "naïve ☃ text", "}{][", r#""\ud8"#, "\"\\u", r#""\ud800\u"#]
        {
            drop(repair(text));
        }
        assert_eq!(repair(r#"{"a":1e300,"b":"\n"}"#), None);
    }

    #[test]
    fn a_member_is_found_in_every_spelling_and_only_at_the_top() {
        for text in [
            r#"{"a":1,"server":2}"#,
            r#"{"\u0073erver":NaN}"#,
            r#"{"a":"\ud800","serv\u0065r":[]}"#,
            r#"{"server":1,"server":2}"#,
        ] {
            assert!(has_member(text, &["received_at", "server"]), "{text}");
        }
        for text in
            [r#"{"a":{"server":1}}"#, r#"{"type":"server"}"#, r#"{"Server":"\u0073erver"}"#, "{}", r#"{"a":[NaN]}"#]
        {
            assert!(!has_member(text, &["received_at", "server"]), "{text}");
        }
    }

    #[test]
    fn deep_nesting_in_what_is_skipped_is_no_error() {
        let deep = format!(r#"{{"x":{}{},"type":"a"}}"#, "[".repeat(5000), "]".repeat(5000));
        assert!(is_json(&deep));
        assert_eq!(message_type(&deep).as_deref(), Some("a"));
    }
}
