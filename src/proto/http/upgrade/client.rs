//! The client's side: writes the request, and checks the response.

use super::{UpgradeRefused, accept_key, refused};
use crate::proto::http::foreign::quote;
use crate::proto::http::head::{self, Fields, ResponseHead};
use crate::proto::http::retry_after;
use std::time::SystemTime;

/// The variable parts of the request. They are written as they are: none of them may contain a line break.
#[derive(Debug, Clone, Copy)]
pub struct UpgradeRequest<'a> {
    /// The value of `Host`: an IPv6 address in brackets, the port unless it is the scheme's default.
    pub host: &'a str,
    /// Path and query, beginning with `/`.
    pub target: &'a str,
    /// A key from [`key`](super::key); [`read_response`] needs the same one.
    pub key: &'a str,
    /// Further headers. `User-Agent` and `Host` among them replace the default ones.
    pub headers: &'a [(String, String)],
}

/// Writes the request. It offers neither extensions nor subprotocols.
pub fn request(request: &UpgradeRequest<'_>) -> String {
    let given = |name: &str| request.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let mut text = format!("GET {} HTTP/1.1\r\n", request.target);
    let mut line = |name: &str, value: &str| text.extend([name, ": ", value, "\r\n"]);
    if !given("Host") {
        line("Host", request.host);
    }
    line("Upgrade", "websocket");
    line("Connection", "Upgrade");
    line("Sec-WebSocket-Version", "13");
    line("Sec-WebSocket-Key", request.key);
    if !given("User-Agent") {
        line("User-Agent", concat!("wsmon/", env!("CARGO_PKG_VERSION")));
    }
    request.headers.iter().for_each(|(name, value)| line(name, value));
    text + "\r\n"
}

/// Reads the response to a request with `key` from all bytes received so far: `None` until its head is complete, then
/// the length of the head. The bytes after it are WebSocket frames. A date in Retry-After counts from `wall`.
///
/// # Errors
/// If the upgrade is refused. That is final: later bytes would change nothing but the quoted line of the body.
pub fn read_response(buffer: &[u8], key: &str, wall: SystemTime) -> Result<Option<usize>, UpgradeRefused> {
    match head::read_response(buffer) {
        Ok(None) => Ok(None),
        Ok(Some(head)) if head.status == 101 => check_granted(&head, key).map(|()| Some(head.len)),
        Ok(Some(head)) => Err(refused_by_status(&head, &buffer[head.len..], wall)),
        Err(error) => Err(error.into()),
    }
}

/// Checks the conditions of RFC 6455 section 4.1 for a 101.
fn check_granted(head: &ResponseHead<'_>, key: &str) -> Result<(), UpgradeRefused> {
    let fields = &head.fields;
    if !head.is_http_1_1 {
        return Err(UpgradeRefused::OldHttp);
    }
    for &(header, required) in &[("Upgrade", "websocket"), ("Connection", "upgrade")] {
        if !fields.has_member(header, required) {
            return Err(UpgradeRefused::Missing { header });
        }
    }
    let header = "Sec-WebSocket-Accept";
    if fields.value(header).ok_or(UpgradeRefused::Missing { header })? != accept_key(key) {
        return Err(UpgradeRefused::WrongAccept);
    }
    if let Some(name) = first_name(fields, "Sec-WebSocket-Extensions") {
        return Err(UpgradeRefused::Extension { name });
    }
    first_name(fields, "Sec-WebSocket-Protocol").map_or(Ok(()), |name| Err(UpgradeRefused::Subprotocol { name }))
}

/// Returns the first member of a list without its parameters, for an error text.
fn first_name(fields: &Fields<'_>, header: &str) -> Option<String> {
    fields.members(header).first().map(|member| quote(member.split(';').next().unwrap_or_default().trim()))
}

fn refused_by_status(head: &ResponseHead<'_>, body: &[u8], wall: SystemTime) -> UpgradeRefused {
    let is_chunked = head.fields.has_member("Transfer-Encoding", "chunked");
    UpgradeRefused::Status {
        code: head.status,
        reason: quote(head.reason),
        retry_after: head.fields.value("Retry-After").and_then(|text| retry_after::parse(text, wall)),
        location: head.fields.value("Location").map(str::to_owned),
        body: refused::first_text_line(body, is_chunked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::foreign::Protocol;
    use crate::proto::http::head::{MAX_FIELDS, MAX_HEAD};
    use std::time::{Duration, UNIX_EPOCH};

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    const UPGRADE: &str = "Upgrade: websocket";

    fn answer(line: &str, fields: &[&str]) -> String {
        format!("{line}\r\n{}\r\n\r\n", fields.join("\r\n"))
    }

    fn read_now(text: &str) -> Result<Option<usize>, UpgradeRefused> {
        read_response(text.as_bytes(), KEY, UNIX_EPOCH)
    }

    #[test]
    fn the_request_is_complete_and_offers_no_extension() {
        let text = request(&UpgradeRequest { host: "[::1]:9", target: "/a?b=c", key: KEY, headers: &[] });
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "GET /a?b=c HTTP/1.1\r\nHost: [::1]:9\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nUser-Agent: wsmon/{version}\r\n\r\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn the_callers_user_agent_and_host_replace_ours() {
        let headers = [("user-agent".into(), "curl/8".into()), ("host".into(), "x".into())];
        let text = request(&UpgradeRequest { host: "h", target: "/", key: KEY, headers: &headers });
        assert!(text.ends_with("\r\nuser-agent: curl/8\r\nhost: x\r\n\r\n"), "{text}");
        assert!(!text.contains("wsmon") && !text.contains("Host: h"), "{text}");
    }

    #[test]
    fn a_response_that_a_proxy_has_rewritten_is_accepted() {
        for fields in [
            &["Upgrade: websocket", "Connection: Upgrade", ACCEPT][..],
            &["UPGRADE: WebSocket", "connection: keep-alive, UPGRADE", ACCEPT],
            &["Connection: keep-alive", UPGRADE, "Connection: upgrade", ACCEPT],
            &[UPGRADE, "Connection: Upgrade", ACCEPT, "Sec-WebSocket-Extensions: "],
        ] {
            let text = answer("HTTP/1.1 101 Switching Protocols", fields);
            assert_eq!(read_now(&text), Ok(Some(text.len())), "{text}");
            let bare = text.replace('\r', "");
            assert_eq!(read_now(&bare), Ok(Some(bare.len())), "{bare}");
        }
    }

    #[test]
    fn a_response_may_arrive_byte_by_byte_and_frames_may_follow_it() {
        let text = answer("HTTP/1.1 101", &[UPGRADE, "Connection: Upgrade", ACCEPT]);
        for end in 0..text.len() {
            assert_eq!(read_now(&text[..end]), Ok(None), "{end}");
        }
        let followed = format!("{text}\u{1}frames");
        assert_eq!(read_now(&followed), Ok(Some(text.len())));
    }

    #[test]
    fn interim_responses_are_skipped() {
        let granted = answer("HTTP/1.1 101 Go", &[UPGRADE, "Connection: Upgrade", ACCEPT]);
        let text = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n{granted}");
        assert_eq!(read_now(&text), Ok(Some(text.len())));
    }

    #[test]
    fn an_invalid_101_is_refused_with_the_header_that_is_wrong() {
        let connection = "Connection: Upgrade";
        let extension = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12";
        let table: &[(&[&str], UpgradeRefused)] = &[
            (&[connection, ACCEPT], UpgradeRefused::Missing { header: "Upgrade" }),
            (&["Upgrade: h2c", connection, ACCEPT], UpgradeRefused::Missing { header: "Upgrade" }),
            (&[UPGRADE, "Connection: close", ACCEPT], UpgradeRefused::Missing { header: "Connection" }),
            (&[UPGRADE, connection], UpgradeRefused::Missing { header: "Sec-WebSocket-Accept" }),
            (&[UPGRADE, connection, "Sec-WebSocket-Accept: x"], UpgradeRefused::WrongAccept),
            (
                &[UPGRADE, connection, ACCEPT, extension],
                UpgradeRefused::Extension { name: "permessage-deflate".into() },
            ),
            (
                &[UPGRADE, connection, ACCEPT, "Sec-WebSocket-Protocol: chat"],
                UpgradeRefused::Subprotocol { name: "chat".into() },
            ),
        ];
        for (fields, expected) in table {
            let text = answer("HTTP/1.1 101 Switching Protocols", fields);
            assert_eq!(read_now(&text).as_ref(), Err(expected), "{text}");
        }
        let old = answer("HTTP/1.0 101 Switching Protocols", &[UPGRADE, connection, ACCEPT]);
        assert_eq!(read_now(&old), Err(UpgradeRefused::OldHttp));
    }

    #[test]
    fn another_status_comes_with_reason_wait_location_and_body() {
        let text = answer("HTTP/1.1 429 Too Many", &["Retry-After: 7", "Location: /x"]) + "\r\nslow down\r\nmore";
        let expected = UpgradeRefused::Status {
            code: 429,
            reason: "Too Many".into(),
            retry_after: Some(Duration::from_secs(7)),
            location: Some("/x".into()),
            body: "slow down".into(),
        };
        assert_eq!(read_now(&text), Err(expected));
        let old = read_now("HTTP/1.0 404 File not found\r\n\r\n");
        assert!(matches!(old, Err(UpgradeRefused::Status { code: 404, .. })), "{old:?}");
    }

    #[test]
    fn a_chunked_body_is_quoted_without_its_length() {
        let text = answer("HTTP/1.1 403 Forbidden", &["Transfer-Encoding: chunked"]) + "5\r\ngo on\r\n0\r\n\r\n";
        assert!(matches!(read_now(&text), Err(UpgradeRefused::Status { body, .. }) if body == "go on"));
    }

    #[test]
    fn bytes_that_are_not_http_are_refused_at_once() {
        for (bytes, expected) in [
            (&b"\x15\x03\x01\x00\x02\x02\x46"[..], Protocol::Tls),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Protocol::Ssh),
            (b"\0\0\x12\x04", Protocol::Unknown),
            (b"{\"type\":", Protocol::Unknown),
        ] {
            let read = read_response(bytes, KEY, UNIX_EPOCH);
            assert!(matches!(read, Err(UpgradeRefused::NotHttp { protocol, .. }) if protocol == expected), "{read:?}");
        }
    }

    #[test]
    fn a_head_over_the_bounds_is_refused() {
        let long = format!("HTTP/1.1 101 Go\r\nA: {}", "a".repeat(MAX_HEAD));
        assert_eq!(read_now(&long), Err(UpgradeRefused::TooLong));
        assert_eq!(read_now(&format!("{long}\r\n\r\n")), Err(UpgradeRefused::TooLong));
        let many = answer("HTTP/1.1 101 Go", &["A: b"; MAX_FIELDS + 1]);
        assert_eq!(read_now(&many), Err(UpgradeRefused::TooLong));
    }
}
