//! JSON from servers: the type of a message, a small tree, the repair of invalid JSON, and writing.

mod documents;
mod fault;
mod layout;
mod members;
mod node;
mod plain;
mod redact;
pub mod scan;

use std::borrow::Cow;

use serde::de::IgnoredAny;

use scan::Scanner;

pub use documents::{Documents, bracketed_len, is_batch, is_too_deep};
pub use fault::find_fault;
pub use layout::{Layout, Writer, push_shown, push_string, relayout};
pub use members::members;
pub use node::Node;
pub use redact::redact;

/// Returns the text of the message's member `type`; `None` if it has none.
///
/// All known servers send `type` as one of the first members, most as the first: a look at the start of the text then
/// saves a pass over it.
#[must_use]
pub fn message_type(text: &str) -> Option<Cow<'_, str>> {
    leading_type(text).map(Cow::Borrowed).or_else(|| member(text, "type"))
}

/// Returns the first text member of that name in the message's object; `None` if there is none, or if the text is not
/// JSON even after its repair.
#[must_use]
pub fn member<'a>(text: &'a str, key: &str) -> Option<Cow<'a, str>> {
    match find_member(text, &[key]) {
        Ok(found) => found?.into_text(),
        Err(_) => Some(find_member(&repair(text)?, &[key]).ok()??.into_text()?.into_owned().into()),
    }
}

/// Returns true if the message's object has a member of one of these names, with or without escapes in its spelling.
///
/// Also true if the text is not JSON even after its repair: callers wrap the message then.
#[must_use]
pub fn has_member(text: &str, names: &[&str]) -> bool {
    // A member whose name does not occur in quotes must be spelled with escapes.
    let possible = text.contains('\\') || names.iter().any(|name| contains_quoted(text, name));
    let has = |text: &str| find_member(text, names).map(|found| found.is_some());
    possible && has(text).or_else(|_| has(&repair(text).unwrap_or_default())).unwrap_or(true)
}

/// Returns true if any member of that name in the message's object is this text, with or without escapes in their
/// spelling.
///
/// Also true if the text is not JSON even after its repair: callers wrap the message then.
#[must_use]
pub fn has_text(text: &str, name: &str, value: &str) -> bool {
    // A text that does not occur in quotes must be spelled with escapes.
    let possible = text.contains('\\') || contains_quoted(text, value);
    let is = |node: &Node<'_>| node.as_text() == Some(value);
    let has = |text: &str| find_members(text, &[name]).map(|found| found.iter().any(|(_, node)| is(node)));
    possible && has(text).or_else(|_| has(&repair(text).unwrap_or_default())).unwrap_or(true)
}

/// Parses a JSON number.
#[must_use]
pub fn number(text: &str) -> Option<f64> {
    Node::parse(text).ok()?.as_f64()
}

/// Appends a number in its shortest form, with a decimal point; null if it is NaN or infinite.
pub fn push_number(out: &mut String, number: f64) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _ = match serde_json::Number::from_f64(number) {
        Some(number) => write!(out, "{number}"),
        None => write!(out, "null"),
    };
}

/// Returns true if the text is one JSON value that is not [nested too deeply](is_too_deep). Numbers beyond f64 and lone
/// surrogates are accepted.
#[must_use]
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok() && !is_too_deep(text)
}

/// Fails for a text that is nested too deeply. To be called where a part of it was skipped: serde_json does not look there.
pub fn check_depth(text: &str) -> serde_json::Result<()> {
    // Any error will do. One with words of its own would be 800 bytes of code.
    serde_json::from_str::<IgnoredAny>(if is_too_deep(text) { "]" } else { "0" }).map(drop)
}

/// Returns true if the text is JSON, or becomes JSON by its repair.
#[must_use]
pub fn is_readable(text: &str) -> bool {
    is_json(text) || repair(text).is_some_and(|text| is_json(&text))
}

/// Replaces what servers send but JSON parsers reject: `NaN`, `Infinity`, what printf(3) writes for them in any case
/// (`nan`, `-nan`, `inf`, `-nan(ind)`) and numbers beyond f64 by `null`, lone surrogates by U+FFFD. Returns `None` if
/// there is nothing to replace.
#[must_use]
pub fn repair(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    for token in Tokens(text) {
        match token.as_bytes()[0] {
            b'"' => push_repaired_string(&mut out, token),
            _ if is_unreadable(token) => out.push_str("null"),
            _ => out.push_str(token),
        }
    }
    (out != text).then_some(out)
}

fn leading_type(text: &str) -> Option<&str> {
    let mut scanner = Scanner::new(text, 0);
    (scanner.peek()? == b'{' && scanner.open(b'}')? && scanner.name()? == "type").then_some(())?;
    scanner.peek()?;
    scanner.string()
}

fn contains_quoted(text: &str, name: &str) -> bool {
    let quoted = |(at, _)| text[..at].ends_with('"') && text[at + name.len()..].starts_with('"');
    text.contains(name) && text.match_indices(name).any(quoted)
}

/// The text is not a JSON object.
struct NotAnObject;

/// Finds the first member of one of these names.
fn find_member<'a>(text: &'a str, names: &[&str]) -> Result<Option<Node<'a>>, NotAnObject> {
    Ok(find_members(text, names)?.into_iter().next().map(|(_, value)| value))
}

/// Finds every member of one of these names.
fn find_members<'a>(text: &'a str, names: &[&str]) -> Result<Vec<(Cow<'a, str>, Node<'a>)>, NotAnObject> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err(NotAnObject);
    }
    match Node::parse_members(text, names) {
        Ok(Node::Map(members)) => Ok(members),
        _ => Err(NotAnObject),
    }
}

/// The tokens of a text: strings, words, and everything between them.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let len = if self.0.is_empty() { return None } else { token_len(self.0) };
        let (token, rest) = self.0.split_at(len);
        self.0 = rest;
        Some(token)
    }
}

/// Returns the length of the first token of a text that is not empty.
fn token_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes[0] {
        b'"' => string_len(bytes),
        b if is_word(b) => word_len(text),
        _ => bytes.iter().position(|&b| b == b'"' || is_word(b)).unwrap_or(bytes.len()),
    }
}

/// Returns the length of the word at the start of a text: letters, digits and signs, and what belongs to the words for
/// NaN in C, as in `-nan(ind)`, `nan(0x7f)` and `1.#QNAN`.
fn word_len(text: &str) -> usize {
    let is_inner = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let len = text.bytes().position(|b| !is_word(b)).unwrap_or(text.len());
    let (word, rest) = text.as_bytes().split_at(len);
    let inner = rest.iter().skip(1).take_while(|b| is_inner(b)).count();
    match rest.first() {
        Some(b'(') if is_nan(word) && rest.get(1 + inner) == Some(&b')') => len + inner + 2,
        Some(b'#') if word.ends_with(b"1.") => len + inner + 1,
        _ => len,
    }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')
}

/// Returns the length of the string at the start, with its quotes; the whole length if it is not closed.
#[must_use]
pub fn string_len(bytes: &[u8]) -> usize {
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

/// Returns true for a word that stands for a number but that JSON readers refuse: not finite, or beyond f64.
fn is_unreadable(word: &str) -> bool {
    /// A shorter number without an exponent is within f64.
    const MAX_DIGITS: usize = 300;
    let is_number = word.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let may_overflow = is_number && (word.len() > MAX_DIGITS || word.contains(['e', 'E']));
    is_not_finite(word) || may_overflow && number(word).is_none() && is_json(word)
}

fn is_not_finite(word: &str) -> bool {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word).as_bytes();
    // Most words are numbers.
    match unsigned.first() {
        Some(b'n' | b'N') => is_nan(unsigned) || is_nan(&unsigned[..unsigned.len().min(3)]) && unsigned.ends_with(b")"),
        Some(b'i' | b'I') => [&b"inf"[..], b"infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name)),
        Some(b'1') => unsigned.starts_with(b"1.#"),
        _ => false,
    }
}

fn is_nan(word: &[u8]) -> bool {
    word.strip_prefix(b"-").or_else(|| word.strip_prefix(b"+")).unwrap_or(word).eq_ignore_ascii_case(b"nan")
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

/// The kind of the escape sequence at the start of a text.
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

/// Decodes a `\uXXXX` at the start as a UTF-16 unit.
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
    fn a_message_without_a_text_as_type_has_no_type() {
        for text in ["", "[]", "5", "{}", r#"{"type":5}"#, r#"{"type":["a"]}"#, r#"{"type":"a"#, "{\"type\"", "null"] {
            assert_eq!(message_type(text), None, "{text}");
        }
    }

    #[test]
    fn nan_and_infinity_become_null_outside_strings_only() {
        let text = r#"{"a":NaN,"b":[Infinity,-Infinity,1e400,-1e999,1.5],"c":"NaN \" Infinity","d":true}"#;
        let repaired = r#"{"a":null,"b":[null,null,null,null,1.5],"c":"NaN \" Infinity","d":true}"#;
        assert_eq!(repair(text).as_deref(), Some(repaired));
    }

    #[test]
    fn every_spelling_of_a_number_that_is_none_becomes_null() {
        for word in [
            "nan",
            "-nan",
            "+NaN",
            "NAN",
            "inf",
            "-inf",
            "+Inf",
            "INF",
            "infinity",
            "-INFINITY",
            "-nan(ind)",
            "-NaN(IND)",
            "nan(snan)",
            "nan(0x8000)",
            "nan()",
            "1.#INF",
            "-1.#IND",
            "1.#QNAN",
            "1.#J",
            "-1e400",
        ] {
            let text = format!("[{word},\"{word}\",{{\"a\": {word}}}]");
            let repaired = format!("[null,\"{word}\",{{\"a\": null}}]");
            assert_eq!(repair(&text), Some(repaired.clone()));
            let mut line = String::new();
            relayout(&mut line, &text, Layout::Line);
            assert_eq!(line, repaired.replace(": ", ":"));
            assert!(is_readable(&text));
        }
        for word in ["nano", "nan(", "nan(a b)", "info", "in", "1.2#3", "nul", "n", "-", "i", "(ind)"] {
            assert!(!is_readable(&format!("[{word}]")), "{word}");
        }
    }

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_kept() {
        let text = r#"["\ud800","\udc00x","\ud83d\ude00","\\ud800","é\u00e9"]"#;
        assert_eq!(repair(text).as_deref(), Some(r#"["\ufffd","\ufffdx","\ud83d\ude00","\\ud800","é\u00e9"]"#));
    }

    #[test]
    fn json_needs_no_repair_and_any_text_can_be_repaired() {
        for text in
            ["", "{}", r#"{"a":"b\"#, r#""\"#, "\"\\é", "naïve ☃ text", "}{][", r#""\ud8"#, "\"\\u", r#""\ud800\u"#]
        {
            drop(repair(text));
        }
        assert_eq!(repair(r#"{"a":1e300,"b":"\n"}"#), None);
    }

    #[test]
    fn a_member_is_found_in_every_spelling_and_only_at_the_top_level() {
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
    fn deep_nesting_is_no_json_but_its_type_is_found() {
        let nested = |depth| format!(r#"{{"x":{}{},"type":"a"}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(is_json(&nested(126)) && !is_json(&nested(127)));
        let deep = nested(100_000);
        assert!(!is_json(&deep) && !is_readable(&deep));
        assert_eq!(message_type(&deep).as_deref(), Some("a"));
    }
}
