//! Messages that hold several documents, or one with something around it.
//!
//! Servers put a byte order mark, NUL or a record separator (RFC 7464) around a document, several documents one after
//! the other, or several messages as a list. Each document is handled as a message of its own.

use super::{is_readable, message_type, string_len};

/// The most lists and objects within each other that count as JSON: serde_json has this bound for values that it builds,
/// though none for those that it skips, and readers of the output have bounds too.
const MAX_DEPTH: isize = 127;

/// The place of the next document in a text. A position only: the text is handed in with each call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    at: usize,
    /// True inside a list of messages.
    in_list: bool,
}

impl Documents {
    /// Returns the first document of a text, and where to go on if there are more. A text whose beginning is not JSON
    /// is one document, without the separators at both ends.
    #[must_use]
    pub fn begin(text: &str) -> (&str, Option<Documents>) {
        let mut documents = Documents::default();
        let first = documents.next(text).unwrap_or_default();
        match documents.clone().next(text) {
            None => (first, None),
            Some(_) if is_readable(first) => (first, Some(documents)),
            Some(_) => (trim(text), None),
        }
    }

    /// Returns the next document of the same text; `None` at its end.
    pub fn next<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        loop {
            let rest = text.get(self.at..)?;
            let skipped = rest.trim_start_matches(|c| is_separator(c) || self.in_list && c == ',');
            self.at = text.len() - skipped.len();
            let len = match skipped.as_bytes().first()? {
                b']' if self.in_list => {
                    self.in_list = false;
                    self.at += 1;
                    continue;
                }
                b'[' if !self.in_list && is_batch(skipped) => {
                    self.in_list = true;
                    self.at += 1;
                    continue;
                }
                b'{' | b'[' => bracketed_len(skipped).unwrap_or(skipped.len()),
                _ => skipped.len(),
            };
            self.at += len;
            return Some(trim(&skipped[..len]));
        }
    }
}

/// Returns true for a text that begins with a list of objects which all have a type: messages sent together.
#[must_use]
pub fn is_batch(text: &str) -> bool {
    let Some(mut rest) = text.trim_start_matches(is_separator).strip_prefix('[') else { return false };
    loop {
        rest = rest.trim_ascii_start();
        let Some(len) = bracketed_len(rest).filter(|_| rest.starts_with('{')) else { return false };
        let (message, after) = rest.split_at(len);
        if message_type(message).is_none() {
            return false;
        }
        match after.trim_ascii_start().as_bytes() {
            [b']', ..] => return true,
            [b',', ..] => rest = &after.trim_ascii_start()[1..],
            _ => return false,
        }
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches(is_separator)
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\0' | '\x1e' | '\u{feff}')
}

/// Returns the length up to the bracket that closes the first one; `None` if it is not closed.
#[must_use]
pub fn bracketed_len(text: &str) -> Option<usize> {
    find_depth(text, |depth| depth <= 0).filter(|(_, depth)| *depth == 0).map(|(at, _)| at)
}

/// Returns true if lists and objects lie more than [`MAX_DEPTH`] deep within each other.
#[must_use]
pub fn is_too_deep(text: &str) -> bool {
    find_depth(text, |depth| depth > MAX_DEPTH).is_some()
}

/// Finds the first bracket behind which so many are open, and returns the place behind it with their number.
fn find_depth(text: &str, is_it: fn(isize) -> bool) -> Option<(usize, isize)> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while let Some(&b) = bytes.get(at) {
        let change = match b {
            b'"' => {
                at += string_len(&bytes[at..]);
                continue;
            }
            b'{' | b'[' => 1,
            b'}' | b']' => -1,
            _ => 0,
        };
        (at, depth) = (at + 1, depth + change);
        if change != 0 && is_it(depth) {
            return Some((at, depth));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::json::Node;

    fn all(text: &str) -> Vec<&str> {
        let (first, rest) = Documents::begin(text);
        let mut all = vec![first];
        if let Some(mut documents) = rest {
            all.extend(std::iter::from_fn(|| documents.next(text)));
        }
        all
    }

    #[test]
    fn marks_around_a_document_are_no_part_of_it() {
        for text in ["{}", "\u{feff}{}", "\x1e{}\n", "{}\0", " \0\x1e\u{feff}\r\n{}\u{feff}\0 "] {
            assert_eq!(all(text), ["{}"], "{text:?}");
        }
        assert_eq!(all("\u{feff}"), [""]);
    }

    #[test]
    fn documents_may_be_separated_by_anything_that_is_no_json_and_by_nothing() {
        for separator in ["", " ", "\n", "\0", "\x1e", "\n\x1e", "\r\n\u{feff}"] {
            let text = [r#"{"a":"}{"}"#, r#"[1,"]"]"#, "{}"].join(separator);
            assert_eq!(all(&text), [r#"{"a":"}{"}"#, r#"[1,"]"]"#, "{}"], "{separator:?}");
        }
        assert_eq!(all(r#"{"a":NaN}{"b":-nan}"#), [r#"{"a":NaN}"#, r#"{"b":-nan}"#]);
    }

    #[test]
    fn what_follows_a_document_is_a_message_too() {
        assert_eq!(all("{} rest {}"), ["{}", "rest {}"]);
        assert_eq!(all(r#"{"a":1}{"b":"#), [r#"{"a":1}"#, r#"{"b":"#]);
        assert_eq!(all("{}\n}"), ["{}", "}"]);
    }

    #[test]
    fn a_text_that_begins_with_anything_else_is_not_divided() {
        for text in ["", "hello {} {}", "1 2", "{x} {}", "[1 2] {}", "\"{}\" {}"] {
            assert_eq!(all(text), [text]);
        }
    }

    #[test]
    fn a_list_of_objects_with_a_type_is_so_many_messages() {
        let (a, b) = (r#"{"type":"a","x":[1,{}]}"#, r#"{"x":nan,"type":"b"}"#);
        for text in [format!("[{a},{b}]"), format!(" [ {a} , {b} ]\n"), format!("\u{feff}[{a}]\x1e[{b}]")] {
            assert_eq!(all(&text), [a, b], "{text}");
        }
        assert_eq!(all(&format!("[{a}]{b}[1]")), [a, b, "[1]"]);
        for text in ["[]", "[1]", r#"[{"type":"a"},{}]"#, r#"[{"type":"a"},1]"#, r#"[{"type":5}]"#, r#"[{"type":"a"}"#]
        {
            assert!(!is_batch(text) && all(text) == [text], "{text}");
        }
    }

    #[test]
    fn depth_is_counted_outside_of_strings_and_as_serde_json_counts_it() {
        for (deepest, is_deep) in [(127, false), (128, true), (100_000, true)] {
            let nested = ["[".repeat(deepest), "]".repeat(deepest)].concat();
            assert_eq!((is_too_deep(&nested), Node::parse(&nested).is_err()), (is_deep, is_deep), "{deepest}");
            assert_eq!(is_too_deep(&format!(r#"{{"[":{}}}"#, &nested[1..nested.len() - 1])), is_deep);
        }
        assert!(!is_too_deep(&format!(r#"["{}\"[",{}0]"#, "[".repeat(200), "[],".repeat(200))));
    }

    #[test]
    fn every_text_has_an_end() {
        let parts = ["{", "}", "[", "]", ",", "\"", "\\", r#"{"type":"a"}"#, "\0", "é", "1"];
        for n in 0..parts.len().pow(4) {
            let text: String = (0..4).map(|i| parts[n / parts.len().pow(i) % parts.len()]).collect();
            let (first, rest) = Documents::begin(&text);
            let mut len = first.len();
            if let Some(mut documents) = rest {
                while let Some(document) = documents.next(&text) {
                    len += document.len();
                    assert!(!document.is_empty() && len <= text.len(), "{text:?}");
                }
            }
        }
    }
}
