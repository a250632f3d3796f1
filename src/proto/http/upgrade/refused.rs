//! Why an upgrade did not come about, in one line that names the way out.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// The longest line of a body that is quoted, in characters.
const QUOTED: usize = 200;

/// What the other side answered instead of a valid 101. Texts in it are escaped, except `location`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpgradeRefused {
    /// Another status than 101.
    Status {
        /// The status code.
        code: u16,
        /// The reason phrase, often empty.
        reason: String,
        /// How long the server asks to be left alone, at most an hour.
        retry_after: Option<Duration>,
        /// `Location` as it came, which may hold secrets: show it by way of `Display` only.
        location: Option<String>,
        /// The first line of text in the body, without HTML tags, at most 200 characters: of what had
        /// arrived together with the head.
        body: String,
    },
    /// Something else than HTTP.
    NotHttp {
        /// It begins as a TLS record does.
        looks_like_tls: bool,
        /// How it begins.
        start: String,
    },
    /// 101 with HTTP/1.0, which has no upgrade.
    OldHttp,
    /// The answer belongs to another key.
    WrongAccept,
    /// 101 without this header, or without the value that it must have.
    Missing {
        /// Its name.
        header: &'static str,
    },
    /// An extension that was not offered.
    Extension {
        /// Its name.
        name: String,
    },
    /// A subprotocol that was not offered.
    Subprotocol {
        /// Its name.
        name: String,
    },
    /// The head is longer than [`MAX_HEAD`](super::MAX_HEAD), or has more than 124 fields.
    TooLong,
}

impl std::error::Error for UpgradeRefused {}

impl Display for UpgradeRefused {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            UpgradeRefused::Status { code, reason, retry_after, location, body } => {
                status(f, *code, reason, *retry_after, location.as_deref())?;
                if body.is_empty() { Ok(()) } else { write!(f, " (\"{body}\")") }
            }
            UpgradeRefused::NotHttp { looks_like_tls: true, .. } => {
                f.write_str("answered with TLS instead of HTTP: is this a TLS port? then use wss://")
            }
            UpgradeRefused::NotHttp { start, .. } if start.starts_with("SSH-") => {
                write!(f, "answered as an SSH server (\"{start}\"): check the port")
            }
            UpgradeRefused::NotHttp { start, .. } => {
                write!(
                    f,
                    "answered with something else than HTTP (\"{start}\"): check the port, or is this a TLS port?"
                )
            }
            UpgradeRefused::OldHttp => {
                f.write_str("upgraded in HTTP/1.0, which has no upgrade: is a proxy in between?")
            }
            UpgradeRefused::WrongAccept => {
                f.write_str("upgraded with a Sec-WebSocket-Accept that does not match our key: is a cache in between?")
            }
            UpgradeRefused::Missing { header } => {
                write!(f, "upgraded without a valid {header} header: is this a WebSocket server?")
            }
            UpgradeRefused::Extension { name } => {
                write!(f, "upgraded with the extension \"{name}\", which was not offered")
            }
            UpgradeRefused::Subprotocol { name } => {
                write!(f, "upgraded with the subprotocol \"{name}\", which was not offered")
            }
            UpgradeRefused::TooLong => {
                f.write_str("answered with a head of over 16 KiB or 124 fields: check the address")
            }
        }
    }
}

fn status(
    f: &mut Formatter<'_>,
    code: u16,
    reason: &str,
    retry_after: Option<Duration>,
    location: Option<&str>,
) -> fmt::Result {
    write!(f, "answered {code}")?;
    if !reason.is_empty() {
        write!(f, " {reason}")?;
    }
    match (code, location) {
        (301 | 302 | 303 | 307 | 308, Some(location)) => {
            write!(f, ": moved to {}, redirects are not followed", public(location))?;
        }
        _ => f.write_str(advice(code))?,
    }
    match retry_after {
        Some(wait) => write!(f, ", retry after {} s", wait.as_secs()),
        None => Ok(()),
    }
}

fn advice(code: u16) -> &'static str {
    match code {
        200..=299 => " instead of upgrading: is this a WebSocket server?",
        300..=399 => ": redirects are not followed",
        400 => ": the server does not understand the upgrade: check address and scheme",
        401 => ": the server wants credentials",
        403 => ": the server does not let us in: check credentials and path",
        404 | 410 => ": check the path",
        407 => ": a proxy wants credentials",
        426 => ": the server did not see an upgrade to WebSocket: does a proxy in between remove it?",
        429 => ": too many connections or requests",
        502 | 504 => ": a proxy in between does not reach the server",
        503 => ": the server is overloaded or restarting",
        _ => "",
    }
}

/// An address without what may be secret in it: our own path and query, tokens included, come back in
/// the redirects of many servers.
fn public(location: &str) -> String {
    let (address, _) = location.split_at(location.find(['?', '#']).unwrap_or(location.len()));
    let start = address.find("://").map_or(0, |at| at + 3);
    let host_end = address[start..].find('/').map_or(address.len(), |at| start + at);
    let host = address[start..host_end].rfind('@').map_or(start, |at| start + at + 1);
    escaped(format!("{}{}", &address[..start], &address[host..]).as_bytes())
}

pub(super) fn not_http(buffer: &[u8]) -> UpgradeRefused {
    // A TLS record: its type (alert or handshake), then the major version 3 (RFC 8446 section 5.1).
    let looks_like_tls = matches!(buffer, [0x15 | 0x16, 3, ..] | [0x15]);
    let line = buffer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    UpgradeRefused::NotHttp {
        looks_like_tls,
        start: escaped(line.trim_ascii_end().get(..40).unwrap_or(line.trim_ascii_end())),
    }
}

/// The name in a member of a list of extensions: what stands before its parameters.
pub(super) fn name(member: &str) -> String {
    escaped(member.split(';').next().unwrap_or_default().trim().as_bytes())
}

/// The first line of a body that has text in it. HTML loses its tags, so that the title of an error
/// page is what remains; a chunked body loses the line with its length.
pub(super) fn first_line(body: &[u8], chunked: bool) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let text = if chunked { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    let mut in_tag = false;
    let mut bare = String::new();
    for c in text.chars() {
        let tag = in_tag || c == '<';
        in_tag = tag && c != '>';
        if !tag {
            bare.push(c);
        }
    }
    escaped(bare.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().as_bytes())
}

/// Foreign text that may stand in a log: control and bidirectional characters escaped, 200 characters.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(bytes).chars().take(QUOTED) {
        match c {
            c if crate::model::text::is_hostile(c) => text.extend(c.escape_default()),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: u16, reason: &str) -> UpgradeRefused {
        UpgradeRefused::Status { code, reason: reason.into(), retry_after: None, location: None, body: String::new() }
    }

    #[test]
    fn each_status_says_what_to_do_about_it() {
        for (code, reason, expected) in [
            (200, "OK", "answered 200 OK instead of upgrading: is this a WebSocket server?"),
            (301, "", "answered 301: redirects are not followed"),
            (401, "Unauthorized", "answered 401 Unauthorized: the server wants credentials"),
            (403, "Forbidden", "answered 403 Forbidden: the server does not let us in: check credentials and path"),
            (404, "Not Found", "answered 404 Not Found: check the path"),
            (418, "I'm a teapot", "answered 418 I'm a teapot"),
            (429, "", "answered 429: too many connections or requests"),
        ] {
            assert_eq!(answered(code, reason).to_string(), expected);
        }
        assert!(answered(426, "").to_string().contains("proxy"));
    }

    #[test]
    fn a_wait_and_the_line_of_the_body_are_told() {
        let refused = UpgradeRefused::Status {
            code: 503,
            reason: "Busy".into(),
            retry_after: Some(Duration::from_secs(7)),
            location: None,
            body: "later".into(),
        };
        let expected = "answered 503 Busy: the server is overloaded or restarting, retry after 7 s (\"later\")";
        assert_eq!(refused.to_string(), expected);
    }

    #[test]
    fn a_redirect_names_the_new_address_but_not_the_secrets_in_it() {
        for (location, shown) in [
            ("wss://h/new", "wss://h/new"),
            ("wss://me:secret@h/new?token=secret#secret", "wss://h/new"),
            ("/a@b?token=secret", "/a@b"),
            ("\u{202e}x\u{1b}[m", "\\u{202e}x\\u{1b}[m"),
            ("\u{2028}x\u{2029}", "\\u{2028}x\\u{2029}"),
        ] {
            let location = Some(location.to_owned());
            let refused = UpgradeRefused::Status {
                code: 308,
                reason: String::new(),
                retry_after: None,
                location,
                body: String::new(),
            };
            assert_eq!(refused.to_string(), format!("answered 308: moved to {shown}, redirects are not followed"));
        }
    }

    #[test]
    fn what_is_not_http_is_quoted_with_a_guess() {
        let alert = not_http(b"\x15\x03\x01\x00\x02\x02\x46").to_string();
        assert!(alert.ends_with("is this a TLS port? then use wss://"), "{alert}");
        let ssh = not_http(b"SSH-2.0-x\r\nmore").to_string();
        assert_eq!(ssh, "answered as an SSH server (\"SSH-2.0-x\"): check the port");
        let odd = not_http(b"\x1b[2J\0").to_string();
        assert!(odd.starts_with("answered with something else than HTTP (\"\\u{1b}[2J\\u{0}\")"), "{odd}");
    }

    #[test]
    fn a_body_is_reduced_to_its_first_line_of_text() {
        let page = "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n";
        for (body, expected) in [
            ("", ""),
            ("\r\n  no \r\nmore", "no"),
            (page, "400 The plain HTTP request was sent to HTTPS port"),
            ("a\u{1b}b\u{9b}c\u{2067}", "a\\u{1b}b\\u{9b}c\\u{2067}"),
            ("<never closed", ""),
        ] {
            assert_eq!(first_line(body.as_bytes(), false), expected);
        }
        assert_eq!(first_line("ä".repeat(300).as_bytes(), false), "ä".repeat(QUOTED));
        assert_eq!(first_line(b"\xff", false), "\u{fffd}");
    }
}
