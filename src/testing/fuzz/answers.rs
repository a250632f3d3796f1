//! What comes before and beside the frames: DNS, HTTP, and binary messages that hold something else.

use std::net::IpAddr;
use std::time::UNIX_EPOCH;

use super::assert_harmless;
use crate::proto::dialect::{Binary, named};
use crate::proto::dns::conf::{self, Conf};
use crate::proto::dns::message::{RecordType, ReplyContent, decode_reply, encode_query};
use crate::proto::http::proxy::Proxy;
use crate::proto::http::{header, redirect, upgrade};
use crate::proto::uri::Endpoint;

/// Unpacked JSON is never longer.
const LIMIT: usize = 1 << 16;

/// The key of the seeds.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The first byte chooses the question, and whether the answer's id and question are made to fit.
pub fn dns(data: &[u8]) {
    let [choice, answer @ ..] = data else { return };
    let kind = if choice & 1 == 0 { RecordType::A } else { RecordType::Aaaa };
    let query = encode_query(0x1234, "h.example", kind).expect("a name");
    let fitted = match answer {
        [flags, code, counts @ .., _] if choice & 2 != 0 && counts.len() >= 3 => {
            let head = [0x12, 0x34, flags | 0x80, *code, 0, 1, 0, counts[0], 0, counts[1], 0, counts[2]];
            [&head[..], &query[12..], &counts[3..]].concat()
        }
        _ => answer.to_vec(),
    };
    match decode_reply(&fitted, &query) {
        ReplyContent::Addresses(found) => {
            assert!((1..=16).contains(&found.len()));
            assert!(found.iter().all(|address: &IpAddr| address.is_ipv4() == (kind == RecordType::A)));
        }
        ReplyContent::Failed(why) => assert_harmless(&why),
        ReplyContent::NotOurs | ReplyContent::Truncated | ReplyContent::NoAddress | ReplyContent::NoName => {}
    }
    configuration(&String::from_utf8_lossy(answer));
}

/// The resolver's files, and any name as a question.
fn configuration(text: &str) {
    let zones: conf::Zones<'_> = &|zone| zone.parse().ok();
    let conf = Conf::parse(text, 53, zones);
    for line in text.lines() {
        let _address = conf::parse_hosts_line(line, "h.example", 80, zones);
        assert!(conf.candidates(line).len() <= 64);
        if let Some(query) = encode_query(1, line, RecordType::A) {
            assert!(query.len() <= 271);
            assert_eq!(decode_reply(&query, &query), ReplyContent::NotOurs);
        }
    }
}

/// A message in the layout of neurograph, or packed: what comes out is bounded.
pub fn binary(data: &[u8]) {
    let open = named("neurograph").and_then(|dialect| dialect.binary).expect("a reader of binary messages");
    match open(data, LIMIT) {
        Binary::Text(text) => assert!(text.len() <= LIMIT.max(data.len())),
        Binary::Words(words) => assert!(words.len() <= 8 * data.len() + 200, "{words:?}"),
    }
    match open(data, 16) {
        Binary::Text(text) => assert!(text.len() <= 16.max(data.len())),
        Binary::Words(_) => {}
    }
}

/// The first byte chooses who answers.
pub fn http(data: &[u8]) {
    let [choice, answer @ ..] = data else { return };
    match choice % 5 {
        0 => upgraded(answer),
        1 => tunnelled(answer),
        2 => asked(answer),
        3 => redirected(&String::from_utf8_lossy(answer)),
        _ => headers(&String::from_utf8_lossy(answer)),
    }
}

/// The answer to the upgrade. It ends where it ends, however it is cut into pieces.
fn upgraded(answer: &[u8]) {
    let read = |bytes: &[u8]| upgrade::read_response(bytes, KEY, UNIX_EPOCH);
    match read(answer) {
        Ok(None) => assert!(answer.len() <= upgrade::MAX_HEAD),
        Ok(Some(consumed)) => {
            assert_eq!(read(&answer[..consumed]), Ok(Some(consumed)));
            assert_eq!(read(&answer[..consumed - 1]), Ok(None));
            assert!(consumed <= upgrade::MAX_HEAD);
        }
        Err(refused) => line(&refused.to_string()),
    }
}

fn tunnelled(answer: &[u8]) {
    let proxy = Proxy::parse("http://us%65r:pass@h:1").expect("a valid URL");
    match proxy.read_response(answer) {
        Ok(None) => assert!(answer.len() <= upgrade::MAX_HEAD),
        Ok(Some(consumed)) => {
            assert_eq!(proxy.read_response(&answer[..consumed]), Ok(Some(consumed)));
            assert_eq!(proxy.read_response(&answer[..consumed - 1]), Ok(None));
        }
        Err(refused) => line(&refused.text),
    }
}

/// The demo's side.
fn asked(request: &[u8]) {
    match upgrade::serve(request) {
        Ok(None) => assert!(request.len() <= upgrade::MAX_HEAD),
        Ok(Some((answer, consumed))) => {
            assert_eq!(upgrade::serve(&request[..consumed]), Ok(Some((answer, consumed))));
        }
        Err(answer) => assert!(answer.starts_with("HTTP/1.1 4")),
    }
}

/// One line for people.
fn line(text: &str) {
    assert_harmless(text);
    assert!(!text.contains('\n') && text.len() < 4000, "{text:?}");
}

/// Wherever it leads, credentials stay with their server, TLS is not given up, and no request can be forged.
fn redirected(location: &str) {
    for from in
        ["ws://u:hunter2@h.example/a/b?c=d", "wss://u:hunter2@h.example:80/", "ws+unix:///x:/a", "sysmedic://hunter2@h"]
    {
        let Ok(from) = Endpoint::parse(from) else { continue };
        match redirect::follow(&from, Some(location), 0) {
            Err(why) => line(&why.chars().take(900).collect::<String>()),
            Ok(to) => {
                assert!(to.secure || !from.secure, "{to}");
                let has_secret = to.userinfo.is_some() || to.secret.is_some();
                let is_itself = redirect::same_host(&from, &to) || from.unix.is_some();
                assert!(!has_secret || is_itself, "{to}");
                super::addresses::request(&to);
            }
        }
    }
}

/// Lines of `--header @FILE`.
fn headers(text: &str) {
    match header::parse_lines(text) {
        Ok(headers) => {
            for (name, value) in headers {
                assert!(name.bytes().all(|b| b.is_ascii_graphic() && b != b':'), "{name:?}");
                assert!(!value.contains(['\r', '\n', '\0']), "{value:?}");
            }
        }
        Err(why) => assert_harmless(&why),
    }
}
