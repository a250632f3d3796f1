//! HTTP before the frames: answers to the upgrade and to CONNECT, requests to the demo, redirects, header files.

use std::time::UNIX_EPOCH;

use super::harmless::{KEY, assert_harmless, assert_one_line, assert_one_request};
use crate::proto::http::proxy::Proxy;
use crate::proto::http::{header, redirect, upgrade};
use crate::proto::uri::Endpoint;

/// Reads HTTP; the first byte chooses the reader.
pub fn run(data: &[u8]) {
    let [choice, answer @ ..] = data else { return };
    match choice % 5 {
        0 => upgraded(answer),
        1 => tunnelled(answer),
        2 => requested(answer),
        3 => redirected(&String::from_utf8_lossy(answer)),
        _ => headers(&String::from_utf8_lossy(answer)),
    }
}

/// Reads the answer to the upgrade. Its end is found however it is cut into pieces.
fn upgraded(answer: &[u8]) {
    let request = upgrade::UpgradeRequest { key: KEY, compression: true, ..<_>::default() };
    let read = |bytes: &[u8]| upgrade::read_response(bytes, &request, UNIX_EPOCH);
    match read(answer) {
        Ok(None) => assert!(answer.len() <= upgrade::MAX_HEAD),
        Ok(Some(granted)) => {
            assert_eq!(read(&answer[..granted.len]), Ok(Some(granted)));
            assert_eq!(read(&answer[..granted.len - 1]), Ok(None));
            assert!(granted.len <= upgrade::MAX_HEAD);
            assert!(granted.deflate.is_none_or(|agreed| (8..=15).contains(&agreed.window_bits)));
        }
        Err(refused) => assert_one_line(&refused.to_string()),
    }
}

fn tunnelled(answer: &[u8]) {
    let proxy = Proxy::parse("http://us%65r:pass@h:1").expect("a valid URL");
    match proxy.read_response(answer, <_>::default()) {
        Ok(None) => assert!(answer.len() <= upgrade::MAX_HEAD),
        Ok(Some(consumed)) => {
            assert_eq!(proxy.read_response(&answer[..consumed], <_>::default()), Ok(Some(consumed)));
            assert_eq!(proxy.read_response(&answer[..consumed - 1], <_>::default()), Ok(None));
        }
        Err(refused) => assert_one_line(&refused.text),
    }
}

/// Reads a request to the demo.
fn requested(request: &[u8]) {
    match upgrade::serve(request) {
        Ok(None) => assert!(request.len() <= upgrade::MAX_HEAD),
        Ok(Some((answer, consumed))) => {
            assert_eq!(upgrade::serve(&request[..consumed]), Ok(Some((answer, consumed))));
        }
        Err(answer) => assert!(answer.starts_with("HTTP/1.1 4")),
    }
}

/// Follows a redirect: credentials stay with their server, TLS stays on, and no request can be forged.
fn redirected(location: &str) {
    for from in
        ["ws://u:hunter2@h.example/a/b?c=d", "wss://u:hunter2@h.example:80/", "ws+unix:///x:/a", "sysmedic://hunter2@h"]
    {
        let Ok(from) = Endpoint::parse(from) else { continue };
        match redirect::follow(&from, Some(location), 0, 1) {
            Err(reason) => assert_one_line(&reason.chars().take(900).collect::<String>()),
            Ok(to) => {
                assert!(to.secure || !from.secure, "{to}");
                let has_secret = to.userinfo.is_some() || to.secret.is_some();
                let is_itself = redirect::same_host(&from, &to) || from.unix.is_some();
                assert!(!has_secret || is_itself, "{to}");
                assert_one_request(&to);
            }
        }
    }
}

/// Reads the lines of a file of headers.
fn headers(text: &str) {
    match header::parse_lines(text) {
        Ok(headers) => {
            for (name, value) in headers {
                assert!(name.bytes().all(|b| b.is_ascii_graphic() && b != b':'), "{name:?}");
                assert!(!value.contains(['\r', '\n', '\0']), "{value:?}");
            }
        }
        Err(reason) => assert_harmless(&reason),
    }
}
