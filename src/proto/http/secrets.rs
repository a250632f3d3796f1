//! Hides what we sent in texts that the other side wrote: servers quote requests in error pages and Close reasons.

use std::fmt;

use crate::model::json::Node;
use crate::proto::uri::authority::percent_decode;

/// Secrets shorter than this, in bytes, are not replaced, nor are shorter beginnings of one: they occur in any text by
/// chance.
const MIN_LEN: usize = 4;

/// Stands in the place of a secret.
const REDACTED: &str = "redacted";

/// Texts that must not be shown.
#[derive(Clone, Default, PartialEq)]
pub struct Secrets(Vec<String>);

/// Omits the secrets.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Default for &Secrets {
    fn default() -> Self {
        static NONE: Secrets = Secrets(Vec::new());
        &NONE
    }
}

impl Secrets {
    /// Adds a secret as it is and percent-decoded. One of less than four bytes is ignored.
    pub fn add(&mut self, secret: &str) {
        self.add_spelling(secret.to_owned());
        if let Some(decoded) = percent_decode(secret) {
            self.add_spelling(decoded);
        }
    }

    fn add_spelling(&mut self, text: String) {
        if text.len() >= MIN_LEN && !self.0.contains(&text) {
            // The longest first: one secret may be a part of another.
            self.0.insert(self.0.partition_point(|other| other.len() >= text.len()), text);
        }
    }

    /// Adds a header's value and the parts of it that are secrets by themselves, as in `Bearer SECRET` or
    /// `a=SECRET; b=SECRET`.
    pub fn add_header(&mut self, value: &str) {
        self.add(value);
        self.add(value.split_once(' ').map_or("", |(_scheme, rest)| rest));
        for part in value.split([' ', ';', ','].as_slice()) {
            self.add(part.split_once('=').map_or(part, |(_name, value)| value).trim_matches('"'));
        }
    }

    /// Adds a subprotocol, if it is long enough for a credential: some servers take one there, alone or at the end of a
    /// name, as Kubernetes' `base64url.bearer.authorization.k8s.io.TOKEN`. What else is offered are names like `mqtt`.
    pub fn add_subprotocol(&mut self, name: &str) {
        /// Registered names are shorter, or their parts are.
        const MIN_TOKEN: usize = 16;
        for part in std::iter::once(name).chain(name.split('.')) {
            self.add(if part.len() < MIN_TOKEN { "" } else { part });
        }
    }

    /// Adds a text that was sent as a message, and its parts: the texts in JSON but for its type, else all words but
    /// the first, which is a command.
    pub fn add_message(&mut self, text: &str) {
        self.add(text);
        match Node::parse(text) {
            Ok(node) => self.add_texts(&node),
            Err(_) => text.split_whitespace().skip(1).for_each(|word| self.add(word)),
        }
    }

    fn add_texts(&mut self, node: &Node<'_>) {
        if let Some(text) = node.as_text() {
            self.add(text);
        }
        node.elements().iter().for_each(|element| self.add_texts(element));
        node.members().iter().filter(|(name, _)| name != "type").for_each(|(_, value)| self.add_texts(value));
    }

    /// Replaces each secret in a text, however it is encoded there, and the beginning of one at the end of the text:
    /// the rest of it was cut off or has not arrived.
    ///
    /// To be called before the text is cut, since a cut may leave the end of a secret, which nothing recognises.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let mut hidden = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let len = match self.0.iter().find_map(|secret| match_start(rest, secret)) {
                Some(len) => {
                    hidden.push_str(REDACTED);
                    len
                }
                None => {
                    hidden.push(c);
                    c.len_utf8()
                }
            };
            rest = &rest[len..];
        }
        hidden
    }
}

/// Returns the length of a secret's encoding at the start of a text, or the length of the whole text if it holds only
/// the beginning of the secret.
///
/// A character may be an escape or stand for itself, so each character of the secret can be reached at several places.
fn match_start(text: &str, secret: &str) -> Option<usize> {
    let mut rests = vec![text];
    for (matched, expected) in secret.char_indices() {
        // An escape at the end may be cut as well.
        let is_cut = |rest: &&str| rest.is_empty() || is_cut_escape(rest);
        if matched >= MIN_LEN && rests.iter().any(is_cut) {
            return Some(text.len());
        }
        let mut next = Vec::new();
        for rest in rests {
            let escaped = decode(rest).filter(|(c, _)| *c == expected).map(|(_, after)| after);
            next.extend(escaped);
            next.extend(rest.strip_prefix(expected).filter(|after| escaped != Some(after) && !next.contains(after)));
        }
        rests = next;
    }
    rests.iter().map(|rest| text.len() - rest.len()).max()
}

fn is_cut_escape(rest: &str) -> bool {
    rest.starts_with('%') && rest.len() < 3 || rest.starts_with(['&', '\\']) && rest.len() < 6
}

/// Decodes the escape at the start of a text, of a URI, HTML, JSON or ours: the character, and the text after it.
fn decode(text: &str) -> Option<(char, &str)> {
    match text.as_bytes().first()? {
        b'%' => percent(text),
        b'+' => Some((' ', &text[1..])),
        b'&' => entity(text),
        b'\\' => backslash(&text[1..]),
        _ => None,
    }
}

/// Decodes one character of at most four percent-encoded bytes.
fn percent(text: &str) -> Option<(char, &str)> {
    (1..=4).find_map(|bytes| {
        let encoded = text.get(..3 * bytes).filter(|encoded| encoded.bytes().step_by(3).all(|byte| byte == b'%'))?;
        let decoded = percent_decode(encoded)?;
        Some((decoded.chars().next()?, &text[3 * bytes..]))
    })
}

fn entity(text: &str) -> Option<(char, &str)> {
    let (name, after) = text[1..].split_once(';')?;
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => match name.strip_prefix('#')?.strip_prefix(['x', 'X']) {
            Some(digits) => from_hex(digits)?,
            None => char::from_u32(name[1..].parse().ok()?)?,
        },
    };
    Some((c, after))
}

/// Decodes what follows a backslash: JSON's escapes, and those of [`escape`](crate::model::text::escape).
fn backslash(text: &str) -> Option<(char, &str)> {
    let c = text.chars().next()?;
    let after = &text[c.len_utf8()..];
    match c {
        'n' => Some(('\n', after)),
        'r' => Some(('\r', after)),
        't' => Some(('\t', after)),
        'x' => Some((from_hex(after.get(..2)?)?, &after[2..])),
        'u' => match after.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
            Some((digits, after)) => Some((from_hex(digits)?, after)),
            None => Some((from_hex(after.get(..4)?)?, &after[4..])),
        },
        '"' | '\'' | '\\' | '/' => Some((c, after)),
        _ => None,
    }
}

fn from_hex(digits: &str) -> Option<char> {
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(texts: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        texts.iter().for_each(|text| secrets.add(text));
        secrets
    }

    #[test]
    fn a_token_among_the_subprotocols_is_a_secret_and_their_usual_names_are_not() {
        let mut secrets = Secrets::default();
        let names =
            ["mqtt", "ocpp2.0.1", "graphql-transport-ws", "base64url.bearer.authorization.k8s.io.c2VjcmV0LXRva2Vu"];
        names.iter().for_each(|name| secrets.add_subprotocol(name));
        assert_eq!(secrets.hide("mqtt, ocpp2.0.1 and c2VjcmV0LXRva2Vu"), "mqtt, ocpp2.0.1 and redacted");
        assert_eq!(secrets.hide(names[3]), "redacted");
    }

    #[test]
    fn a_secret_is_hidden_in_every_encoding() {
        let hidden = secrets(&["p/a&s\"s é"]);
        for text in [
            "p/a&s\"s é",
            "p%2Fa%26s%22s%20%C3%A9",
            "p%2fa%26s%22s+%c3%a9",
            "%70%2f%61&s%22s é",
            "p/a&amp;s&quot;s &#233;",
            "p&#x2F;a&#38;s&#34;s &#xe9;",
            "p\\/a&s\\\"s \\u00e9",
            "p/a\\u0026s\\u0022s \\u00E9",
            "p\\x2fa&s\"s \\u{e9}",
        ] {
            assert_eq!(hidden.hide(&format!("<{text}>")), "<redacted>", "{text}");
        }
        assert_eq!(secrets(&["a\\\\b&amp;"]).hide("a\\\\b&amp;, a\\\\\\\\b&amp;amp;."), "redacted, redacted.");
        assert_eq!(secrets(&["p%2Fa%26"]).hide("p/a& p%2fa%26 p%2Fa&amp;"), "redacted redacted redacted");
    }

    #[test]
    fn the_beginning_of_a_secret_is_hidden_at_the_end_alone() {
        let hidden = secrets(&["SECRET/32"]);
        for (text, shown) in [
            ("token SECRET", "token redacted"),
            ("token SECRET%2", "token redacted"),
            ("token SECRET&#4", "token redacted"),
            ("token SECR", "token redacted"),
            ("token SEC", "token SEC"),
            ("SECRET is not it", "SECRET is not it"),
            ("SECRSECRET/32SECRET/3", "SECRredactedredacted"),
        ] {
            assert_eq!(hidden.hide(text), shown, "{text}");
        }
    }

    #[test]
    fn short_secrets_are_kept_and_of_two_the_longer_one_is_hidden() {
        assert_eq!(secrets(&["me", "", "\u{e9}"]).hide("me \u{e9} &"), "me \u{e9} &");
        assert_eq!(secrets(&["abcd", "abcdef"]).hide("abcdef abcd abcde."), "redacted redacted redactede.");
    }

    #[test]
    fn a_header_and_a_message_are_hidden_in_parts() {
        let mut hidden = Secrets::default();
        hidden.add_header("Bearer abcdef");
        hidden.add_header("id=ghijkl; other=\"mnopqr\"; x");
        hidden.add_message("AUTH stuvwx");
        hidden.add_message(r#"{"type":"login","data":{"user":["yzabcd"]},"n":12345}"#);
        assert_eq!(
            hidden.hide("Bearer abcdef; abcdef; ghijkl; mnopqr; AUTH; stuvwx; login; yzabcd; other."),
            "redacted; redacted; redacted; redacted; AUTH; redacted; login; redacted; other."
        );
    }

    #[test]
    fn any_text_is_searched_without_a_panic() {
        let hidden = secrets(&["%%%%", "\\\\\\\\", "&&&&;", "ééé"]);
        for text in
            ["%", "%é", "%C3", "%C3%", "\\", "\\u", "\\u{", "\\u{110000}", "\\xé", "&", "&#;", "&#x;", "&é;", "éé"]
        {
            for end in 0..3 {
                let text = text.repeat(end + 1);
                let _ = hidden.hide(&text);
            }
        }
    }
}
