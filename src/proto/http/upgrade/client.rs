//! The client's side: what is asked, and whether the answer grants it.

use super::{MAX_FIELDS, MAX_HEAD, UpgradeRefused, accept_key, lists, members, refused, retry_after, value};
use httparse::{EMPTY_HEADER, Header, Response, Status};
use std::time::SystemTime;

/// What goes into the request. Nothing is checked here: none of it may contain a line break.
#[derive(Debug, Clone, Copy)]
pub struct UpgradeRequest<'a> {
    /// The value of `Host`: an IPv6 address in brackets, the port unless it is the scheme's own.
    pub host: &'a str,
    /// Path and query, beginning with `/`.
    pub target: &'a str,
    /// What [`key`](super::key) made; [`read`] wants it again.
    pub key: &'a str,
    /// Further headers. `User-Agent` and `Host` among them stand in for ours.
    pub headers: &'a [(String, String)],
}

/// How far the answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Its head is not all there yet.
    Incomplete,
    /// Granted. What follows the first `consumed` bytes belongs to the first frames.
    Upgraded {
        /// Length of the head in bytes.
        consumed: usize,
    },
}

/// The request, ready to be sent. It offers neither an extension nor a subprotocol.
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

/// Reads the answer to a request that carried `key`, from all that has arrived so far. `wall` is what a
/// Retry-After with a date counts from.
///
/// Interim answers (100, 103) are passed over. A refusal is final: it does not depend on what would
/// still arrive, except for the line of its body.
pub fn read(buffer: &[u8], key: &str, wall: SystemTime) -> Result<Read, UpgradeRefused> {
    let mut consumed = 0;
    loop {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut head = Response::new(&mut fields);
        consumed += match head.parse(&buffer[consumed..]) {
            Ok(Status::Complete(length)) if consumed + length <= MAX_HEAD => length,
            Ok(Status::Partial) if buffer.len() <= MAX_HEAD => return Ok(Read::Incomplete),
            Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(UpgradeRefused::TooLong),
            Err(_) => return Err(refused::not_http(&buffer[consumed..])),
        };
        match head.code {
            Some(101) => return granted(&head, key).map(|()| Read::Upgraded { consumed }),
            Some(100..=199) => {}
            _ => return Err(status(&head, &buffer[consumed..], wall)),
        }
    }
}

/// The conditions of RFC 6455 section 4.1, for a 101.
fn granted(head: &Response<'_, '_>, key: &str) -> Result<(), UpgradeRefused> {
    let fields: &[Header<'_>] = head.headers;
    if head.version != Some(1) {
        return Err(UpgradeRefused::OldHttp);
    }
    for &(header, wanted) in &[("Upgrade", "websocket"), ("Connection", "upgrade")] {
        if !lists(fields, header, wanted) {
            return Err(UpgradeRefused::Missing { header });
        }
    }
    let header = "Sec-WebSocket-Accept";
    if value(fields, header).ok_or(UpgradeRefused::Missing { header })? != accept_key(key) {
        return Err(UpgradeRefused::WrongAccept);
    }
    let unasked = |header| members(fields, header).first().map(|member| refused::name(member));
    if let Some(name) = unasked("Sec-WebSocket-Extensions") {
        return Err(UpgradeRefused::Extension { name });
    }
    unasked("Sec-WebSocket-Protocol").map_or(Ok(()), |name| Err(UpgradeRefused::Subprotocol { name }))
}

fn status(head: &Response<'_, '_>, body: &[u8], wall: SystemTime) -> UpgradeRefused {
    let chunked = lists(head.headers, "Transfer-Encoding", "chunked");
    UpgradeRefused::Status {
        code: head.code.unwrap_or_default(),
        reason: refused::escaped(head.reason.unwrap_or_default().as_bytes()),
        retry_after: value(head.headers, "Retry-After").and_then(|text| retry_after::parse(text, wall)),
        location: value(head.headers, "Location").map(str::to_owned),
        body: refused::first_line(body, chunked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    const UPGRADE: &str = "Upgrade: websocket";

    fn answer(line: &str, fields: &[&str]) -> String {
        format!("{line}\r\n{}\r\n\r\n", fields.join("\r\n"))
    }

    fn read_now(text: &str) -> Result<Read, UpgradeRefused> {
        read(text.as_bytes(), KEY, UNIX_EPOCH)
    }

    #[test]
    fn the_request_is_complete_and_offers_nothing_that_we_cannot_do() {
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
    fn what_proxies_make_of_a_granted_upgrade_is_accepted() {
        for fields in [
            &["Upgrade: websocket", "Connection: Upgrade", ACCEPT][..],
            &["UPGRADE: WebSocket", "connection: keep-alive, UPGRADE", ACCEPT],
            &["Connection: keep-alive", UPGRADE, "Connection: upgrade", ACCEPT],
            &[UPGRADE, "Connection: Upgrade", ACCEPT, "Sec-WebSocket-Extensions: "],
        ] {
            let text = answer("HTTP/1.1 101 Switching Protocols", fields);
            assert_eq!(read_now(&text), Ok(Read::Upgraded { consumed: text.len() }), "{text}");
            let bare = text.replace('\r', "");
            assert_eq!(read_now(&bare), Ok(Read::Upgraded { consumed: bare.len() }), "{bare}");
        }
    }

    #[test]
    fn an_answer_may_arrive_byte_by_byte_and_frames_may_follow_it() {
        let text = answer("HTTP/1.1 101", &[UPGRADE, "Connection: Upgrade", ACCEPT]);
        for end in 0..text.len() {
            assert_eq!(read_now(&text[..end]), Ok(Read::Incomplete), "{end}");
        }
        let followed = format!("{text}\u{1}frames");
        assert_eq!(read_now(&followed), Ok(Read::Upgraded { consumed: text.len() }));
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let granted = answer("HTTP/1.1 101 Go", &[UPGRADE, "Connection: Upgrade", ACCEPT]);
        let text = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n{granted}");
        assert_eq!(read_now(&text), Ok(Read::Upgraded { consumed: text.len() }));
    }

    #[test]
    fn an_upgrade_that_is_not_quite_granted_is_refused_for_what_is_wrong() {
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
    fn any_other_status_comes_with_all_that_explains_it() {
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
    fn what_is_not_http_is_refused_at_its_first_bytes() {
        for (bytes, tls) in [
            (&b"\x15\x03\x01\x00\x02\x02\x46"[..], true),
            (b"SSH-2.0-OpenSSH_9.2\r\n", false),
            (b"\0\0\x12\x04", false),
            (b"{\"type\":", false),
        ] {
            let read = read(bytes, KEY, UNIX_EPOCH);
            assert!(
                matches!(read, Err(UpgradeRefused::NotHttp { looks_like_tls, .. }) if looks_like_tls == tls),
                "{read:?}"
            );
        }
    }

    #[test]
    fn a_head_without_an_end_is_refused() {
        let long = format!("HTTP/1.1 101 Go\r\nA: {}", "a".repeat(MAX_HEAD));
        assert_eq!(read_now(&long), Err(UpgradeRefused::TooLong));
        assert_eq!(read_now(&format!("{long}\r\n\r\n")), Err(UpgradeRefused::TooLong));
        let many = answer("HTTP/1.1 101 Go", &["A: b"; MAX_FIELDS + 1]);
        assert_eq!(read_now(&many), Err(UpgradeRefused::TooLong));
    }
}
