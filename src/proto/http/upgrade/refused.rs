//! The reasons why an upgrade fails, each in one line that names the way out.

use crate::model::setting::Setting;
use crate::proto::http::challenge::{self, Credentials};
use crate::proto::http::foreign::{self, Protocol, quote};
use crate::proto::http::head::{Fields, HeadError, ResponseHead};
use crate::proto::http::retry_after;
use crate::proto::http::secrets::Secrets;
use crate::proto::http::upgrade::UpgradeRequest;
use std::fmt::{self, Display, Formatter};
use std::time::{Duration, SystemTime};

/// Upper bound on the part of a body in which a line of text is searched, in bytes.
const MAX_BODY: usize = 4096;

/// A response other than a valid 101. Texts in it are escaped, except `location`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpgradeRefused {
    /// Another status than 101.
    Status {
        /// The status code.
        code: u16,
        /// The wait that the server asks for, unbounded.
        retry_after: Option<Duration>,
        /// `Location` as received, unless its line is malformed. It may hold secrets: not to be shown.
        location: Option<String>,
        /// The status, advice, the wait, and the first line of text in the part of the body that arrived with the head.
        text: String,
    },
    /// Another protocol than HTTP.
    NotHttp {
        /// As recognised by the first bytes.
        protocol: Protocol,
        /// Its first line, at most 40 bytes.
        start: String,
    },
    /// 101 with HTTP/1.0, which has no upgrade.
    OldHttp,
    /// The response belongs to another key.
    WrongAccept,
    /// 101 without this header, or without its required value.
    Missing {
        /// Its name.
        header: &'static str,
    },
    /// An extension that was not offered.
    Extension {
        /// Its name.
        name: String,
    },
    /// Compression in another way than it was offered.
    Compression {
        /// The part of the response that is wrong.
        part: String,
    },
    /// A subprotocol that was not offered.
    Subprotocol {
        /// Its name.
        name: String,
    },
    /// The head exceeds [`MAX_HEAD`](super::MAX_HEAD) or 124 fields.
    TooLong,
}

impl std::error::Error for UpgradeRefused {}

impl UpgradeRefused {
    pub(super) fn by_head(error: HeadError<'_>, secrets: &Secrets) -> Self {
        match error {
            HeadError::TooLong => UpgradeRefused::TooLong,
            HeadError::NotHttp(start) => UpgradeRefused::NotHttp {
                protocol: foreign::recognise(start),
                start: foreign::first_line(start, secrets),
            },
        }
    }
}

impl Display for UpgradeRefused {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            UpgradeRefused::Status { text, .. } => f.write_str(text),
            UpgradeRefused::NotHttp { protocol: Protocol::Tls, .. } => {
                f.write_str("answered with TLS instead of HTTP: is this a TLS port? then use wss://")
            }
            UpgradeRefused::NotHttp { protocol: Protocol::Ssh, start } => {
                write!(f, "answered as an SSH server (\"{start}\"): check the port")
            }
            UpgradeRefused::NotHttp { start, .. } => {
                write!(f, "did not answer with HTTP (\"{start}\"): check the port, or is this a TLS port?")
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
            UpgradeRefused::Compression { part } => {
                const COMPRESSION: Setting = Setting("Server::compression");
                write!(f, "upgraded with compression that was not offered in this way (\"{part}\"): see {COMPRESSION}")
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

/// Describes a response with another status than 101.
pub(super) fn by_status(
    head: &ResponseHead,
    body: &[u8],
    request: &UpgradeRequest<'_>,
    wall: SystemTime,
) -> UpgradeRefused {
    let ResponseHead { status: code, reason, fields, .. } = head;
    let value = |name| if fields.crooked(&[name]).is_none() { fields.value(name) } else { None };
    let location = value("Location");
    let now = value("Date").and_then(retry_after::date).unwrap_or(wall);
    let retry_after = value("Retry-After").and_then(|text| retry_after::parse(text, now));
    let mut text = format!("answered {code}");
    if !reason.is_empty() {
        text += " ";
        text += &quote(reason, request.secrets);
    }
    match (*code, location) {
        (300..=399, Some(location)) => {
            text += &format!(": moved to {}{NOT_FOLLOWED}", without_secrets(location, request.secrets));
        }
        (401, _) => text += &authentication_advice(fields, request),
        (code, _) => text += advice(code),
    }
    if *code == 403 {
        text += &format!(" ({} 'Origin: ...')", Setting("Server::header"));
    }
    if let Some(wait) = retry_after {
        text += &format!(", retry after {} s", wait.as_secs());
    }
    let line = first_text_line(body, fields.has_member("Transfer-Encoding", "chunked"), request.secrets);
    if !line.is_empty() {
        text += &format!(" (\"{line}\")");
    }
    UpgradeRefused::Status { code: *code, retry_after, location: location.map(str::to_owned), text }
}

fn authentication_advice(fields: &Fields, request: &UpgradeRequest<'_>) -> String {
    let credentials = Credentials {
        sent: request.scheme(),
        supported: &["Basic", "Bearer"],
        // The caller knows the options.
        way_out: "",
        secrets: request.secrets,
    };
    challenge::advice(fields, "WWW-Authenticate", &credentials)
}

/// The advice for a redirect that [`is_redirect`](crate::proto::http::redirect::is_redirect) excludes.
const NOT_FOLLOWED: &str = ": only redirects with 301, 302, 307 and 308 are followed";

fn advice(code: u16) -> &'static str {
    match code {
        200..=299 => " instead of upgrading: is this a WebSocket server?",
        300..=399 => NOT_FOLLOWED,
        400 => ": the server does not understand the upgrade: check address and scheme",
        403 => ": check the credentials, the path and the Origin",
        404 | 410 => ": check the path",
        407 => ": a proxy requires credentials",
        426 => ": the server did not see an upgrade to WebSocket: does a proxy in between remove it?",
        429 => ": too many connections or requests",
        502 | 504 => ": a proxy in between cannot reach the server",
        503 => ": the server is overloaded or restarting",
        _ => "",
    }
}

/// Returns an address without user information and query: many servers put the path and query of our request, tokens
/// included, into their redirects.
fn without_secrets(location: &str, secrets: &Secrets) -> String {
    let (address, _) = location.split_at(location.find(['?', '#']).unwrap_or(location.len()));
    let start = address.find("://").map_or(0, |at| at + 3);
    let host_end = address[start..].find('/').map_or(address.len(), |at| start + at);
    let host = address[start..host_end].rfind('@').map_or(start, |at| start + at + 1);
    quote(&format!("{}{}", &address[..start], &address[host..]), secrets)
}

/// Returns the first line of a body that has text in it. Tags of HTML are left out, so that the title of an error page
/// remains, and so is the line with a chunk's length.
fn first_text_line(body: &[u8], is_chunked: bool, secrets: &Secrets) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX_BODY)]);
    let text = if is_chunked { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    let mut in_tag = false;
    let mut bare = String::new();
    for c in text.chars() {
        let is_tag = in_tag || c == '<';
        in_tag = is_tag && c != '>';
        if !is_tag {
            bare.push(c);
        }
    }
    quote(bare.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default(), secrets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::head;
    use std::time::UNIX_EPOCH;

    fn answered(head: &str, request: &UpgradeRequest<'_>) -> String {
        let text = format!("HTTP/1.1 {head}\r\n\r\n");
        let head = head::read_response(text.as_bytes()).unwrap().unwrap();
        by_status(&head, &[], request, UNIX_EPOCH).to_string()
    }

    #[test]
    fn each_status_says_what_to_do_about_it() {
        for (head, expected) in [
            ("200 OK", "answered 200 OK instead of upgrading: is this a WebSocket server?"),
            ("304", "answered 304: only redirects with 301, 302, 307 and 308 are followed"),
            ("404 Not Found", "answered 404 Not Found: check the path"),
            ("418 I'm a teapot", "answered 418 I'm a teapot"),
            ("429", "answered 429: too many connections or requests"),
            (
                "503 Busy\r\nRetry-After: 7",
                "answered 503 Busy: the server is overloaded or restarting, retry after 7 s",
            ),
        ] {
            assert_eq!(answered(head, &UpgradeRequest::default()), expected);
        }
        for (head, word) in [("426", "proxy"), ("403 Forbidden", "Origin"), ("403", "path")] {
            assert!(answered(head, &UpgradeRequest::default()).contains(word), "{head}");
        }
    }

    #[test]
    fn a_401_tells_what_became_of_the_credentials() {
        let (bare, with_header) = (UpgradeRequest::default(), [("authorization".into(), "Bearer x".into())]);
        let with_header = UpgradeRequest { headers: &with_header, ..bare };
        let with_query = UpgradeRequest { target_has_credentials: true, ..bare };
        for (head, request, word) in [
            ("401 Unauthorized", &bare, "answered 401 Unauthorized: it requires credentials"),
            ("401\r\nServer : x\r\nWWW-Authenticate: Basic", &bare, "requires credentials"),
            ("401", &with_query, "does not accept these"),
            ("401\r\nWWW-Authenticate: bearer", &with_header, "does not accept these"),
            ("401\r\nWWW-Authenticate: Basic realm=x", &with_header, "does not accept Bearer, it requires Basic"),
            (
                "401\r\nWWW-Authenticate: NTLM,\r\n Digest realm=\"a, Basic\"",
                &bare,
                "it requires NTLM, Digest, but only",
            ),
        ] {
            let text = answered(head, request);
            assert!(text.contains(word), "{head}: {text}");
        }
    }

    #[test]
    fn a_redirect_names_the_new_address_but_not_the_secrets_in_it() {
        let mut secrets = Secrets::default();
        secrets.add("hunter/2");
        let request = UpgradeRequest { secrets: &secrets, ..UpgradeRequest::default() };
        for (location, shown) in [
            ("wss://h/new", "wss://h/new"),
            ("wss://me:secret@h/new?token=secret#secret", "wss://h/new"),
            ("/a@b?token=secret", "/a@b"),
            ("/a/hunter%2f2/b", "/a/redacted/b"),
            ("\u{202e}x", "\\u{202e}x"),
            ("\u{2028}x\u{2029}", "\\u{2028}x\\u{2029}"),
        ] {
            let expected = format!("answered 303: moved to {shown}{NOT_FOLLOWED}");
            assert_eq!(answered(&format!("303\r\nLocation: {location}"), &request), expected);
        }
    }

    #[test]
    fn another_protocol_is_quoted_with_a_guess() {
        let refused = |start| UpgradeRefused::by_head(HeadError::NotHttp(start), <_>::default()).to_string();
        let alert = refused(b"\x15\x03\x01\x00\x02\x02\x46");
        assert!(alert.ends_with("is this a TLS port? then use wss://"), "{alert}");
        assert_eq!(refused(b"SSH-2.0-x\r\nmore"), "answered as an SSH server (\"SSH-2.0-x\"): check the port");
        let unknown = refused(b"\x1b[2J\0");
        assert!(unknown.starts_with("did not answer with HTTP (\"\\x1b[2J\\x00\")"), "{unknown}");
    }

    #[test]
    fn a_body_is_reduced_to_its_first_line_of_text() {
        let page = "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n";
        for (body, expected) in [
            ("", ""),
            ("\r\n  no \r\nmore", "no"),
            (page, "400 The plain HTTP request was sent to HTTPS port"),
            ("a\u{1b}b\u{9b}c\u{2067}", "a\\x1bb\\u{9b}c\\u{2067}"),
            ("<never closed", ""),
        ] {
            assert_eq!(first_text_line(body.as_bytes(), false, <_>::default()), expected);
        }
        assert_eq!(first_text_line("ä".repeat(300).as_bytes(), false, <_>::default()), "ä".repeat(200));
        assert_eq!(first_text_line(b"\xff", false, <_>::default()), "\u{fffd}");
    }
}
