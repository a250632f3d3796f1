//! The members of an object as slices of its text.

use std::borrow::Cow;

use super::redact::{is_punctuation, next_punctuation};
use super::{Node, token_len};

/// Lists the members of the text's object with their values as they are written; empty for any other value.
///
/// The text must be JSON, or become JSON by [`super::repair`].
#[must_use]
pub fn members(text: &str) -> Vec<(Cow<'_, str>, &str)> {
    let (mut members, mut depth, mut at) = (Vec::new(), 0_usize, 0);
    // The latest string at depth 1, which is a member's name at a colon; and the name and the start of the open value.
    let (mut string, mut open) = ("", None);
    while let Some(&first) = text.as_bytes().get(at) {
        let rest = &text[at..];
        let len = if is_punctuation(first) { 1 } else { token_len(rest).min(next_punctuation(rest)) };
        match first {
            b'[' if depth == 0 => return Vec::new(),
            b'{' | b'[' => depth += 1,
            b'"' if depth == 1 => string = &rest[..len],
            b':' if depth == 1 && open.is_none() => open = Some((string, at + 1)),
            b',' | b'}' if depth == 1 => {
                if let Some((name, start)) = open.take() {
                    let name = Node::parse(name).ok().and_then(Node::into_text);
                    members.push((name.unwrap_or_default(), text[start..at].trim_ascii()));
                }
                depth -= usize::from(first == b'}');
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += len;
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_listed_as_they_are_written() {
        let text = "{ \"a\" : 1.50 ,\"b\":{\"a\":[1,{\"c\":\"}\"}]},\"t\\u0061\":\"x,}\", \"a\":NaN }";
        let expected = [("a", "1.50"), ("b", r#"{"a":[1,{"c":"}"}]}"#), ("ta", r#""x,}""#), ("a", "NaN")];
        assert_eq!(members(text), expected.map(|(name, value)| (Cow::from(name), value)));
        for text in ["{}", "[{\"a\":1}]", "5", "\"{\"", "", " [ ] "] {
            assert_eq!(members(text), [], "{text}");
        }
    }

    #[test]
    fn text_that_is_no_json_is_no_harm() {
        for text in ["{", "}}{", "{\"a\"", "{\"a\":", "{:,:}", "{\"a\":1", "{]}", "{\"a\":\"\\", "é{\"é\":é}"] {
            let _ = members(text);
        }
    }
}
