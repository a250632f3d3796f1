//! Hides secrets in a message and copies the rest unchanged.

use super::{Node, token_len};

/// Replaces the value of each member of the text's object that has one of these names, with or without escapes in its
/// spelling, by `"redacted"`. The text must be JSON.
#[must_use]
pub fn redact(text: &str, names: &[&str]) -> String {
    let mut redaction = Redaction { out: String::with_capacity(text.len()), depth: 0, key: "", hiding: false };
    let mut rest = text;
    while !rest.is_empty() {
        let len = if is_punctuation(rest.as_bytes()[0]) { 1 } else { token_len(rest).min(next_punctuation(rest)) };
        redaction.token(&rest[..len], names);
        rest = &rest[len..];
    }
    redaction.out
}

struct Redaction<'a> {
    out: String,
    depth: usize,
    /// The latest string at depth 1. At a colon this is the name of a member.
    key: &'a str,
    /// True inside a value that is left out.
    hiding: bool,
}

impl<'a> Redaction<'a> {
    fn token(&mut self, token: &'a str, names: &[&str]) {
        match token {
            "{" | "[" => self.depth += 1,
            "}" | "]" => self.depth = self.depth.saturating_sub(1),
            _ if self.depth == 1 && token.starts_with('"') => self.key = token,
            _ => {}
        }
        self.hiding &= !(self.depth == 0 || self.depth == 1 && token == ",");
        if !self.hiding {
            self.out.push_str(token);
        }
        let is_named = || Node::parse(self.key).is_ok_and(|key| key.as_text().is_some_and(|key| names.contains(&key)));
        if self.depth == 1 && token == ":" && !self.hiding && is_named() {
            self.out.push_str("\"redacted\"");
            self.hiding = true;
        }
    }
}

pub(super) fn is_punctuation(byte: u8) -> bool {
    matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':')
}

/// Returns the offset of the next punctuation mark; the whole length for a string, whose content does not count.
pub(super) fn next_punctuation(text: &str) -> usize {
    if text.starts_with('"') { text.len() } else { text.bytes().position(is_punctuation).unwrap_or(text.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_members_are_hidden_and_everything_else_stays() {
        for (text, hidden) in [
            (r#"{"type":"t","token":"a,b}","n":1.50}"#, r#"{"type":"t","token":"redacted","n":1.50}"#),
            (r#"{"token":{"a":[1,{"token":2}]},"x":3}"#, r#"{"token":"redacted","x":3}"#),
            (r#"{"t\u006fken":5}"#, r#"{"t\u006fken":"redacted"}"#),
            (r#"{"token":1,"token":2}"#, r#"{"token":"redacted","token":"redacted"}"#),
            ("{ \"token\" : null , \"x\" : [ 1 ] }", "{ \"token\" :\"redacted\", \"x\" : [ 1 ] }"),
        ] {
            assert_eq!(redact(text, &["token"]), hidden);
            assert!(Node::parse(hidden).is_ok());
        }
    }

    #[test]
    fn strings_that_are_not_a_member_s_name_are_kept() {
        for text in
            [r#"{"a":"token","b":{"token":1},"c":["token",1]}"#, r#"["token",1]"#, r#"{"a":"\"token\":1","é":"☃"}"#, ""]
        {
            assert_eq!(redact(text, &["token"]), text);
        }
    }
}
