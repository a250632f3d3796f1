//! Recognises another protocol than the expected one by its first bytes, and quotes foreign text in errors.

use crate::model::text::escape;
use crate::proto::http::secrets::Secrets;

/// Upper bound on the quoted bytes of another protocol's first line.
const MAX_FIRST_LINE: usize = 40;

/// Upper bound on other quoted text, in characters.
const MAX_QUOTED: usize = 200;

/// A protocol that a wrong port, scheme or proxy leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Tls,
    /// HTTP with a head, or a page without one, as some servers answer what is not HTTP to them.
    Http,
    Ssh,
    Unknown,
}

/// Recognises a protocol by the first bytes that a server sent; a single byte is enough for TLS.
///
/// A TLS record begins with its type, here an alert or a handshake, and the major version 3 (RFC 8446 section 5.1).
pub fn recognise(start: &[u8]) -> Protocol {
    match start {
        [0x15 | 0x16] | [0x15 | 0x16, 3, ..] => Protocol::Tls,
        _ if start.starts_with(b"HTTP/") || start.starts_with(b"<") => Protocol::Http,
        _ if start.starts_with(b"SSH-") => Protocol::Ssh,
        _ => Protocol::Unknown,
    }
}

/// Returns the first line for an error text: without secrets, cut after 40 bytes, escaped.
pub fn first_line(start: &[u8], secrets: &Secrets) -> String {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let text = secrets.hide(String::from_utf8_lossy(line).trim_end_matches('\u{fffd}'));
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= MAX_FIRST_LINE).last();
    escape(&text[..end.unwrap_or_default()]).into_owned()
}

/// Returns text for an error: without secrets, cut after 200 characters, escaped.
pub fn quote(text: &str, secrets: &Secrets) -> String {
    let text = secrets.hide(text);
    let end = text.char_indices().nth(MAX_QUOTED).map_or(text.len(), |(end, _)| end);
    escape(&text[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_recognised_by_their_first_bytes() {
        for (start, protocol) in [
            (&b"\x15\x03\x01\x00\x02\x02\x46"[..], Protocol::Tls),
            (b"\x16\x03", Protocol::Tls),
            (b"\x15", Protocol::Tls),
            (b"\x15\x02", Protocol::Unknown),
            (b"HTTP/1.1 400 Bad", Protocol::Http),
            (b"<!DOCTYPE", Protocol::Http),
            (b"SSH-2.0-dropbear", Protocol::Ssh),
            (b"\0\0\x12\x04", Protocol::Unknown),
            (b"", Protocol::Unknown),
        ] {
            assert_eq!(recognise(start), protocol, "{}", start.escape_ascii());
        }
    }

    #[test]
    fn the_first_line_is_quoted_without_control_characters() {
        for (start, quoted) in [
            (&b"SSH-2.0-x\r\nmore"[..], "SSH-2.0-x"),
            (b"220 ready\r\nnext.", "220 ready"),
            (b"\x1b[2J\0", "\\x1b[2J\\x00"),
            (b"\x1b[2J\xff", "\\x1b[2J"),
            (b"", ""),
        ] {
            assert_eq!(first_line(start, <_>::default()), quoted);
        }
        assert_eq!(first_line("ä".repeat(50).as_bytes(), <_>::default()), "ä".repeat(20));
    }

    #[test]
    fn secrets_are_hidden_before_a_quotation_is_cut() {
        let mut secrets = Secrets::default();
        secrets.add("0123456789abcdef0123456789abcdef");
        let text = format!("{}0123456789abcdef0123456789abcdef!", "x".repeat(30));
        assert_eq!(first_line(text.as_bytes(), &secrets), format!("{}redacted!", "x".repeat(30)));
        // The bytes that have arrived may end anywhere.
        for end in 0..text.len() {
            let line = first_line(&text.as_bytes()[..end], &secrets);
            assert!(!line.contains("0123"), "{line}");
        }
        let long = format!("{}0123456789abcdef0123456789abcdef", "x".repeat(190));
        assert_eq!(quote(&long, &secrets), format!("{}redacted", "x".repeat(190)));
    }
}
