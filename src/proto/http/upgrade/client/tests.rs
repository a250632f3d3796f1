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
    let request = UpgradeRequest { key: KEY, ..UpgradeRequest::default() };
    read_response(text.as_bytes(), &request, UNIX_EPOCH).map(|granted| granted.map(|granted| granted.len))
}

#[test]
fn the_request_is_complete_and_offers_no_extension_unless_told_to() {
    let text = request(&UpgradeRequest { host: "[::1]:9", target: "/a?b=c", key: KEY, ..<_>::default() });
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "GET /a?b=c HTTP/1.1\r\nHost: [::1]:9\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nUser-Agent: wsmon/{version}\r\n\r\n"
    );
    assert_eq!(text, expected);
    let text =
        request(&UpgradeRequest { host: "[::1]:9", target: "/a?b=c", key: KEY, compression: true, ..<_>::default() });
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nUser-Agent";
    assert_eq!(text, expected.replace("User-Agent", offer));
}

#[test]
fn compression_is_accepted_only_as_it_was_offered() {
    let refused = |part: &str| Err(UpgradeRefused::Compression { part: part.into() });
    let other = |name: &str| Err(UpgradeRefused::Extension { name: name.into() });
    let agreed = Ok(Some(Deflate { window_bits: 12, takeover: true }));
    let bare = Ok(Some(Deflate { window_bits: 15, takeover: true }));
    for (extensions, compression, expected) in [
        ("X: y", true, Ok(None)),
        ("Sec-WebSocket-Extensions:", true, Ok(None)),
        ("sec-websocket-extensions: permessage-deflate", true, bare.clone()),
        ("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12", true, agreed),
        ("Sec-WebSocket-Extensions: ,permessage-deflate ,", true, bare),
        ("Sec-WebSocket-Extensions: permessage-deflate; foo=1", true, refused("foo=1")),
        ("Sec-WebSocket-Extensions: permessage-deflate;", true, refused("")),
        ("Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate", true, refused("permessage-deflate")),
        (
            "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: permessage-deflate; x",
            true,
            refused("permessage-deflate; x"),
        ),
        ("Sec-WebSocket-Extensions: permessage-deflate, foo", true, other("foo")),
        ("Sec-WebSocket-Extensions: permessage-bzip2", true, other("permessage-bzip2")),
        ("Sec-WebSocket-Extensions: Permessage-Deflate", true, other("Permessage-Deflate")),
        ("Sec-WebSocket-Extensions: ;", true, other("")),
        ("Sec-WebSocket-Extensions: permessage-deflate", false, other("permessage-deflate")),
    ] {
        let text = answer("HTTP/1.1 101 Go", &[UPGRADE, "Connection: Upgrade", ACCEPT, extensions]);
        let request = UpgradeRequest { key: KEY, compression, ..UpgradeRequest::default() };
        let read = read_response(text.as_bytes(), &request, UNIX_EPOCH);
        assert_eq!(read.map(|granted| granted.unwrap().deflate), expected, "{extensions}");
    }
}

#[test]
fn the_callers_user_agent_and_host_replace_ours() {
    let headers = [("user-agent".into(), "curl/8".into()), ("host".into(), "x".into())];
    let text = request(&UpgradeRequest { host: "h", target: "/", key: KEY, headers: &headers, ..<_>::default() });
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
        (&[UPGRADE, connection, ACCEPT, extension], UpgradeRefused::Extension { name: "permessage-deflate".into() }),
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
fn one_offered_subprotocol_or_none_is_accepted() {
    let offered = ["a.b".to_owned(), "C".to_owned()];
    let request = UpgradeRequest { key: KEY, subprotocols: &offered, ..UpgradeRequest::default() };
    assert!(super::request(&request).contains("\r\nSec-WebSocket-Protocol: a.b, C\r\n"));
    for (granted, is_accepted) in [
        ("Sec-WebSocket-Protocol: C", true),
        ("Sec-WebSocket-Protocol: ", true),
        ("X: y", true),
        ("Sec-WebSocket-Protocol: c", false),
        ("Sec-WebSocket-Protocol: a.b, C", false),
        ("Sec-WebSocket-Protocol: a.b\r\nSec-WebSocket-Protocol: C", false),
        ("Sec-WebSocket-Protocol: d", false),
        ("Sec-WebSocket-Protocol : C", false),
    ] {
        let text = answer("HTTP/1.1 101 Go", &[UPGRADE, "Connection: Upgrade", ACCEPT, granted]);
        let read = read_response(text.as_bytes(), &request, UNIX_EPOCH);
        assert_eq!(read.is_ok(), is_accepted, "{granted}: {read:?}");
    }
}

/// Each is a line of a device that real clients talk to.
const CROOKED: [&str; 12] = [
    "Server : x",
    "no colon",
    ": no name",
    " begins with a blank: x",
    "\tTab: x",
    "Folded: a\r\n b\r\n\tc",
    "Two Words: x",
    "N\u{e4}me: x",
    "Value: a\u{1}b\u{1b}[m",
    "Nul: \0",
    "Return: a\rb",
    "Umlaut: \u{e4}",
];

#[test]
fn a_crooked_line_loses_neither_an_upgrade_nor_the_answer_that_refuses_it() {
    for crooked in CROOKED {
        for (before, after) in [(&[][..], &["A: b", crooked][..]), (&[crooked], &[])] {
            let granted = [before, &[UPGRADE, "Connection: Upgrade", ACCEPT], after].concat();
            let text = answer("HTTP/1.1  101  Go", &granted);
            assert_eq!(read_now(&text), Ok(Some(text.len())), "{text:?}");
            for end in 0..text.len() {
                assert_eq!(read_now(&text[..text.floor_char_boundary(end)]), Ok(None), "{text:?} {end}");
            }
            let refused = [before, &["Location: /x", "Retry-After: 7"], after].concat();
            let text = answer("HTTP/1.1 429 N\u{e4}in\u{1}", &refused);
            let Err(UpgradeRefused::Status { code: 429, retry_after, location, .. }) = read_now(&text) else {
                panic!("{text:?}: {:?}", read_now(&text))
            };
            assert_eq!((retry_after, location.as_deref()), (Some(Duration::from_secs(7)), Some("/x")));
        }
    }
}

#[test]
fn a_crooked_line_of_a_field_that_matters_is_refused_by_its_name() {
    let lines = [UPGRADE, "Connection: Upgrade", ACCEPT, "Sec-WebSocket-Protocol: x", "Sec-WebSocket-Extensions: x"];
    for crooked in lines {
        let (name, value) = crooked.split_once(": ").unwrap();
        for line in [
            format!("{name} : {value}"),
            format!("{name}\t: {value}"),
            format!("{name} {value}"),
            format!(" {name}: {value}"),
            format!("{name}: {value}\r\n "),
            format!("{name}:\r\n\t{value}"),
            format!("{name}: {value}\u{1}"),
            format!("{name}: \0{value}"),
            format!("{name}\u{e4}: {value}"),
            format!("X: y\r\n {name}: {value}"),
        ] {
            let mut fields = vec!["A: b", &line];
            fields.extend(lines[..3].iter().filter(|line| **line != crooked));
            let error = read_now(&answer("HTTP/1.1 101 Go", &fields)).unwrap_err().to_string();
            assert!(error.contains(&format!("a valid {name} header")), "{line:?}: {error}");
        }
    }
    let text = answer("HTTP/1.1 302 Found", &["Location : /x", "Retry-After: 1"]);
    let Err(UpgradeRefused::Status { location, .. }) = read_now(&text) else { panic!() };
    assert_eq!(location, None);
}

#[test]
fn a_date_to_retry_after_counts_from_the_date_of_the_answer() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let later = "Retry-After: Sun, 06 Nov 1994 08:49:42 GMT";
    for (own, seconds) in [(format!("Date: {date}"), 5), ("Date: soon".to_owned(), 784_111_782)] {
        let Err(UpgradeRefused::Status { retry_after, .. }) = read_now(&answer("HTTP/1.1 503 No", &[later, &own]))
        else {
            panic!()
        };
        assert_eq!(retry_after, Some(Duration::from_secs(seconds)), "{own}");
    }
}

#[test]
fn another_status_comes_with_reason_wait_location_and_body() {
    let text = answer("HTTP/1.1 429 Too Many", &["Retry-After: 7", "Location: /x"]) + "\r\nslow down\r\nmore";
    let expected = UpgradeRefused::Status {
        code: 429,
        retry_after: Some(Duration::from_secs(7)),
        location: Some("/x".into()),
        text: "answered 429 Too Many: too many connections or requests, retry after 7 s (\"slow down\")".into(),
    };
    assert_eq!(read_now(&text), Err(expected));
    let old = read_now("HTTP/1.0 404 File not found\r\n\r\n");
    assert!(matches!(old, Err(UpgradeRefused::Status { code: 404, .. })), "{old:?}");
}

#[test]
fn a_chunked_body_is_quoted_without_its_length() {
    let text = answer("HTTP/1.1 403 Forbidden", &["Transfer-Encoding: chunked"]) + "5\r\ngo on\r\n0\r\n\r\n";
    assert!(read_now(&text).unwrap_err().to_string().ends_with(" (\"go on\")"));
}

#[test]
fn bytes_that_are_not_http_are_refused_at_once() {
    for (bytes, expected) in [
        (&b"\x15\x03\x01\x00\x02\x02\x46"[..], Protocol::Tls),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Protocol::Ssh),
        (b"\0\0\x12\x04", Protocol::Unknown),
        (b"{\"type\":", Protocol::Unknown),
    ] {
        let read = read_response(bytes, &UpgradeRequest::default(), UNIX_EPOCH);
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
