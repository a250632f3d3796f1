//! HTTP CONNECT.

use std::ffi::OsStr;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::certificate::{self, authority};
use crate::config::ServerConfig;
use crate::front::{tls, tunnel};
use crate::support::program::{Run, wsmon};
use crate::support::server::{Peer, Server};
use crate::{
    LATE, assert_contains, assert_gave_up, assert_shows_sample, command, file, lateness, sample_server, text, ticking,
    watch,
};

const GRANTED: &str = "HTTP/1.1 200 Connection established\r\nProxy-Agent: x\r\n\r\n";

/// Returns a proxy that answers by `answer` and then opens a tunnel to this server, whatever the request names, and the
/// requests that it gets.
fn proxy_answering(to: &Server, answer: impl Fn(&mut Peer) + Send + Sync + 'static) -> (Server, Receiver<String>) {
    let ((sender, receiver), port) = (channel(), to.port());
    let proxy = Server::start(move |mut peer| {
        sender.send(peer.request().to_owned()).unwrap();
        answer(&mut peer);
        tunnel(&peer, port);
    });
    (proxy, receiver)
}

fn proxy(to: &Server) -> (Server, Receiver<String>) {
    proxy_answering(to, |peer| peer.raw(GRANTED))
}

/// A proxy that opens no tunnels.
fn refusing(answer: &'static str) -> Server {
    Server::start(move |mut peer| {
        peer.request();
        peer.raw(answer);
    })
}

fn at(proxy: &Server) -> String {
    format!("http://127.0.0.1:{}", proxy.port())
}

#[test]
fn ws_and_wss_go_through_a_tunnel() {
    let inner = sample_server();
    let (plain, requests) = proxy(&inner);
    let finished = watch("ws://h.invalid:81/", &["--proxy", &at(&plain)]);
    assert_shows_sample(&finished);
    let request = requests.recv().unwrap();
    assert!(request.starts_with("CONNECT h.invalid:81 HTTP/1.1\r\nHost: h.invalid:81\r\n"), "{request}");
    assert!(!request.contains("Authorization"), "{request}");

    let server = tls(&ServerConfig::new(&certificate::server(&["h.invalid"])), &inner);
    let ca = file("proxy-ca.pem", authority().cert_pem());
    let (secure, requests) = proxy(&server);
    assert_shows_sample(&watch("wss://h.invalid/", &["--proxy", &at(&secure), "--ca-file", text(&ca)]));
    assert!(requests.recv().unwrap().starts_with("CONNECT h.invalid:443 HTTP/1.1\r\n"));
}

#[test]
fn a_proxy_gets_its_credentials_and_the_server_its_own() {
    let inner = Server::start(|mut peer| {
        assert_contains(peer.request(), &["\r\nX-Key: server's\r\n"]);
        assert!(!peer.request().contains("Proxy-Authorization"), "{}", peer.request());
        crate::send_sample(peer);
    });
    let (proxy, requests) = proxy(&inner);
    let url = format!("http://us%65r:p%40ss@127.0.0.1:{}/", proxy.port());
    assert_shows_sample(&watch("ws://[2001:db8::1]:81/", &["--proxy", &url, "--header", "X-Key: server's"]));
    let request = requests.recv().unwrap();
    let encoded = data_encoding::BASE64.encode(b"user:p@ss");
    assert_contains(&request, &["CONNECT [2001:db8::1]:81 ", &format!("\r\nProxy-Authorization: Basic {encoded}\r\n")]);
    assert!(!request.contains("X-Key"), "{request}");
}

#[test]
fn credentials_that_a_proxy_does_not_accept_are_final() {
    let proxy = refusing(
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\
                          Content-Length: 0\r\n\r\n",
    );
    assert_gave_up(&watch("ws://h.invalid/", &["--proxy", &at(&proxy)]), &["407", "it requires credentials"]);
    let url = format!("http://u:hunter2@127.0.0.1:{}", proxy.port());
    let finished = watch("ws://h.invalid/", &["--proxy", &url]);
    assert_gave_up(&finished, &["407", "does not accept these credentials"]);
    assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    assert_eq!(proxy.accepted(), 2);
}

#[test]
fn a_proxy_that_opens_no_tunnel_is_named_as_the_cause() {
    for (answer, word) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "does not allow tunnels"),
        ("HTTP/1.1 405 Method Not Allowed\r\n\r\n", "is this an HTTP proxy?"),
        ("HTTP/1.0 503 No\r\n\r\n", "cannot reach the server"),
        ("HTTP/1.1 302 Found\r\nLocation: http://login/\r\n\r\n", "login page"),
        ("SSH-2.0-x\r\n", "\"SSH-2.0-x\""),
        ("\x15\x03\x01\0\x02\x02\x46", "with TLS"),
        ("\x1b[2J\0rubbish\r\n\r\n", "did not answer with HTTP"),
        ("HTTP/1.1 200", "closed in the middle of its answer"),
        ("", "closed without an answer: is this an HTTP proxy?"),
    ] {
        let proxy = refusing(answer);
        let finished = watch("ws://h.invalid/", &["--proxy", &at(&proxy), "--no-reconnect"]);
        assert_gave_up(&finished, &[&format!("proxy 127.0.0.1:{}: ", proxy.port()), word]);
        assert!(finished.stderr.bytes().all(|byte| byte == b'\n' || byte >= b' '), "{finished:#?}");
    }
}

/// Only 407 is final: a proxy that is overloaded or misconfigured for a while must not end the watch.
#[test]
fn another_refusal_is_retried() {
    let inner = sample_server();
    let port = inner.port();
    let proxy = Server::start(move |mut peer| {
        peer.request();
        if peer.number() == 1 {
            return peer.raw("HTTP/1.1 403 Forbidden\r\n\r\n");
        }
        peer.raw(GRANTED);
        tunnel(&peer, port);
    });
    let finished = watch("ws://h.invalid/", &["--proxy", &at(&proxy), "--dialect", "monitoring"]);
    assert_contains(&finished.stderr, &["403 Forbidden: it does not allow tunnels to this host and port; retrying"]);
    assert_eq!(proxy.accepted(), 2);
}

#[test]
fn a_proxy_that_cannot_be_reached_is_named() {
    let finished = watch("ws://h.invalid/", &["--proxy", "http://127.0.0.1:1", "--no-reconnect"]);
    assert_gave_up(&finished, &["proxy: connect to 127.0.0.1:1: connection refused"]);
}

#[test]
fn a_response_may_arrive_byte_by_byte() {
    let inner = sample_server();
    let (proxy, _requests) = proxy_answering(&inner, |peer| {
        peer.raw("HTTP/1.1 100 Continue\r\n\r\n");
        peer.drip(GRANTED);
    });
    assert_shows_sample(&watch("ws://h.invalid/", &["--proxy", &at(&proxy)]));
}

/// The server has received no request by then, so the bytes are not its response.
#[test]
fn bytes_after_the_proxys_response_are_not_taken_for_the_servers() {
    let proxy = refusing("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n");
    let finished = watch("ws://h.invalid/", &["--proxy", &at(&proxy), "--no-reconnect"]);
    assert_gave_up(&finished, &["sent data before the first request through its tunnel"]);
}

#[test]
fn a_proxy_that_answers_too_slowly_times_out_without_delaying_other_servers() {
    let slow = Server::start(|mut peer| {
        peer.request();
        peer.raw("HTTP/1.1 200 ");
        peer.wait_gone();
    });
    let healthy = ticking(100, Duration::from_millis(20));
    let inner = healthy.port();
    let both = Server::start(move |mut peer| {
        if peer.request().contains("slow.invalid") {
            tunnel(&peer, slow.port());
        } else {
            peer.raw(GRANTED);
            tunnel(&peer, inner);
        }
    });
    let mut command = wsmon(["-u", "slow=ws://slow.invalid", "-u", "healthy=ws://h.invalid", "-n", "100"]);
    command.args(["--proxy", &at(&both), "--connect-timeout", "1", "--no-reconnect", "-f", "jsonl"]);
    let finished = Run::start(&mut command).finish();
    assert_contains(&finished.stderr, &["slow: tunnel through 127.0.0.1:", "no answer within 1 s; giving up"]);
    let (worst, count) = lateness(&finished.stdout, "healthy");
    assert!(count == 100 && worst < LATE, "{count} {worst:?}");
}

#[test]
fn the_environment_names_proxies_and_exceptions() {
    let inner = sample_server();
    let (proxy, requests) = proxy(&inner);
    for (variable, uri) in [
        ("http_proxy", "ws://h.invalid"),
        ("HTTP_PROXY", "ws://h.invalid"),
        ("all_proxy", "ws://h.invalid"),
        ("ALL_PROXY", "192.0.2.1"),
    ] {
        assert_shows_sample(&Run::start(command(uri, &[]).env(variable, at(&proxy))).finish());
        requests.recv().unwrap();
    }
    // These connect directly, to addresses that do not answer.
    let refused = |uri: &str, variables: &[(&str, &str)], word: &str| {
        let mut command = command(uri, &["--no-reconnect", "--connect-timeout", "0.3"]);
        assert_gave_up(&Run::start(command.envs(variables.iter().copied())).finish(), &[word]);
    };
    let url = at(&proxy);
    refused("ws://192.0.2.1", &[("http_proxy", &url), ("no_proxy", "x,192.0.2.0/24")], "connect to 192.0.2.1:80");
    refused("ws://192.0.2.1", &[("https_proxy", &url)], "connect to 192.0.2.1:80");
    refused("ws://192.0.2.1", &[("HTTP_PROXY", &url), ("REQUEST_METHOD", "GET")], "connect to 192.0.2.1:80");
    refused("ws://127.0.0.1:1", &[("http_proxy", &url)], "connect to 127.0.0.1:1: connection refused");
    assert_eq!(proxy.accepted(), 4);
    // The option overrides the environment, also for loopback.
    let finished = Run::start(
        command(&inner.uri(), &["--proxy", &at(&proxy)])
            .envs([("http_proxy", "http://127.0.0.1:1"), ("no_proxy", "*")]),
    );
    assert_shows_sample(&finished.finish());
    assert_eq!(proxy.accepted(), 5);
}

#[test]
fn a_variable_that_cannot_be_used_is_a_usage_error_where_it_would_be_used() {
    use std::os::unix::ffi::OsStrExt as _;
    let invalid = OsStr::from_bytes(b"http://p\xff");
    for (variable, value, word) in [
        ("http_proxy", OsStr::new("socks5://h"), "wsmon: http_proxy: SOCKS is not supported"),
        ("http_proxy", invalid, "wsmon: http_proxy is not UTF-8"),
        ("ALL_PROXY", invalid, "wsmon: ALL_PROXY is not UTF-8"),
    ] {
        let finished = Run::start(command("ws://192.0.2.1", &[]).env(variable, value)).finish();
        assert_eq!((finished.code, &*finished.stdout), (Some(2), ""), "{finished:#?}");
        assert_contains(&finished.stderr, &[word]);
    }
    let server = sample_server();
    assert_shows_sample(&Run::start(command(&server.uri(), &[]).env("http_proxy", invalid)).finish());
}

#[test]
fn a_proxy_of_another_kind_is_a_usage_error() {
    for (url, word) in [
        ("socks5://h:1", "SOCKS"),
        ("https://h:1", "over TLS"),
        ("http://u:hunter2@h:0", "\"0\""),
        ("http://", "host is missing"),
    ] {
        let finished = watch("ws://h.invalid", &["--proxy", url]);
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        assert_contains(&finished.stderr, &["--proxy", word]);
        assert!(!finished.stderr.contains("hunter2"), "{finished:#?}");
    }
}
