//! The upgrade with servers and proxies that grant it in unusual forms.

use crate::support::server::Server;
use crate::{SAMPLE, assert_gave_up, assert_shows_sample, watch};

/// A server that changes the 101 before it is sent.
fn granting(change: impl Fn(String) -> String + Send + Sync + 'static) -> Server {
    Server::start(move |mut peer| {
        let granted = change(peer.granted());
        peer.raw(granted);
        peer.text(SAMPLE);
        peer.drain();
    })
}

#[test]
fn a_101_that_a_proxy_has_rewritten_is_accepted() {
    for (from, to) in [
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        ("Connection: Upgrade", "connection: upgrade"),
        ("Upgrade: websocket", "Upgrade: WebSocket"),
        ("101 Switching Protocols", "101 "),
    ] {
        let server = granting(move |granted| granted.replace(from, to));
        assert_shows_sample(&watch(&server.uri(), &[]));
    }
    let early = granting(|granted| format!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{granted}"));
    assert_shows_sample(&watch(&early.uri(), &[]));
}

#[test]
fn a_101_may_arrive_byte_by_byte_or_together_with_frames() {
    let dripping = Server::start(|mut peer| {
        let granted = peer.granted();
        peer.drip(granted);
        peer.text(SAMPLE);
        peer.drain();
    });
    assert_shows_sample(&watch(&dripping.uri(), &[]));
    let glued = Server::start(|mut peer| {
        let granted = peer.granted();
        let frame = [&[0x81, u8::try_from(SAMPLE.len()).unwrap()], SAMPLE.as_bytes()].concat();
        peer.raw([granted.as_bytes(), &frame].concat());
        peer.drain();
    });
    assert_shows_sample(&watch(&glued.uri(), &[]));
}

#[test]
fn one_of_the_offered_subprotocols_or_none_is_accepted() {
    for (line, is_accepted) in
        [("X: y", true), ("Sec-WebSocket-Protocol: v2", true), ("Sec-WebSocket-Protocol: v3", false)]
    {
        let server = Server::start(move |mut peer| {
            assert!(peer.request().contains("\r\nSec-WebSocket-Protocol: v1, v2\r\n"), "{}", peer.request());
            let granted = peer.granted().replacen("\r\n", &format!("\r\n{line}\r\n"), 1);
            peer.raw(granted);
            peer.text(SAMPLE);
            peer.drain();
        });
        let finished = watch(&server.uri(), &["--subprotocol", "v1,v2", "--no-reconnect"]);
        match is_accepted {
            true => assert_shows_sample(&finished),
            false => assert_gave_up(&finished, &["\"v3\"", "which was not offered"]),
        }
    }
}

#[test]
fn extensions_and_subprotocols_that_were_not_offered_are_refused() {
    for (line, word) in [
        ("Sec-WebSocket-Extensions: x-webkit-deflate-frame; no_context_takeover", "\"x-webkit-deflate-frame\""),
        ("Sec-WebSocket-Protocol: chat", "\"chat\""),
    ] {
        let server = granting(move |granted| granted.replacen("\r\n", &format!("\r\n{line}\r\n"), 1));
        assert_gave_up(&watch(&server.uri(), &["--no-reconnect"]), &[word, "which was not offered"]);
    }
}

#[test]
fn uris_are_normalised_in_the_request() {
    let first_line = |uri: &dyn Fn(u16) -> String| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let server = Server::start(move |mut peer| {
            sender.send(peer.request().to_owned()).unwrap();
            crate::send_sample(peer);
        });
        assert_shows_sample(&watch(&uri(server.port()), &[]));
        let request: String = receiver.recv().unwrap();
        let host = format!("\r\nHost: 127.0.0.1:{}\r\n", server.port());
        assert!(request.contains(&host) || request.contains("Host: localhost:"), "{request}");
        request.lines().next().unwrap().to_owned()
    };
    for (before, after, line) in [
        ("WS://127.0.0.1:", "", "GET / HTTP/1.1"),
        ("ws://127.0.0.1:", "?x=1", "GET /?x=1 HTTP/1.1"),
        ("ws://LocalHost:", "/a%20b?c=/", "GET /a%20b?c=/ HTTP/1.1"),
        ("127.0.0.1:", "/\u{e9}", "GET /%C3%A9 HTTP/1.1"),
    ] {
        assert_eq!(first_line(&|port| format!("{before}{port}{after}")), line);
    }
}

#[test]
fn invalid_uris_are_usage_errors() {
    for (uri, word) in [
        ("ws://h:99999/", "99999"),
        ("ws://h/#x", "fragment"),
        ("ws://b\u{fc}cher.example/", "xn--"),
        ("ws://::1/", "brackets"),
        ("https://h/", "wss://"),
    ] {
        let finished = watch(uri, &[]);
        assert!(finished.code == Some(2) && finished.stderr.contains(word), "{finished:#?}");
    }
}

#[test]
fn a_refusal_is_retried_or_not_as_its_status_says() {
    for (status, final_) in [
        ("400 Bad Request", true),
        ("401 Unauthorized", true),
        ("404 Not Found", true),
        ("408 Request Timeout", false),
        ("429 Too Many Requests", false),
        ("503 Service Unavailable", false),
    ] {
        let server = Server::start(move |mut peer| {
            // After 400, the offer of compression is withdrawn.
            let refusals = if status.starts_with("400") { 2 } else { 1 };
            if peer.number() <= refusals { peer.answer(status, &[], "no") } else { crate::send_sample(peer) }
        });
        let finished = watch(&server.uri(), &[]);
        if final_ {
            assert_gave_up(&finished, &[status, "(\"no\")"]);
        } else {
            assert_shows_sample(&finished);
        }
    }
}
