//! Each step of connecting, as `-vv` shows it.

use crate::certificate::{CertificateSpec, authority};
use crate::config::ServerConfig;
use crate::front::{tls, tunnel};
use crate::support::program::{Finished, Run};
use crate::support::server::{PING, PONG, Server};
use crate::support::temp_dir::TempDir;
use crate::{SAMPLE, assert_shows_sample, command, file, sample_server, text, watch};

/// Returns the lines at trace level after label and mark, with `N` for each run of digits and dots.
fn steps(finished: &Finished) -> Vec<String> {
    let lines = finished.stderr.lines().filter_map(|line| line.split_once(" TRACE "));
    let texts = lines.filter_map(|(_, text)| text.split_once(": "));
    let mut steps = Vec::new();
    for (_, text) in texts {
        let mut step = String::new();
        for c in text.chars() {
            match c {
                '0'..='9' | '.' if step.ends_with('N') => {}
                '0'..='9' => step.push('N'),
                c => step.push(c),
            }
        }
        steps.push(step);
    }
    steps
}

#[track_caller]
fn assert_in_order(steps: &[String], wanted: &[&str]) {
    let mut rest = steps.iter();
    for step in wanted {
        assert!(rest.any(|line| line.starts_with(step)), "no {step:?} at its place in {steps:#?}");
    }
}

#[test]
fn every_step_of_a_connection_is_traced_in_order() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        let ping = peer.expect(PING);
        peer.frame(true, PONG, &ping.payload);
        peer.expect(PING);
        peer.text(SAMPLE);
        peer.drain();
    });
    let uri = format!("ws://localhost:{}/ws?token=hunter2", server.port());
    let finished = watch(&uri, &["-vv", "-H", "X-Mine: mine", "--ping-interval", "0.2"]);
    assert_shows_sample(&finished);
    assert_in_order(
        &steps(&finished),
        &[
            "* dialect auto",
            "* addresses from the host itself: [::N]:N, N:N",
            "* trying N:N",
            "* connected to N:N in N ms",
            "> GET /ws?token=redacted HTTP/N",
            "> Host: localhost:N",
            "> X-Mine: redacted",
            "< HTTP/N N Switching Protocols",
            "< Sec-WebSocket-Accept: ",
            "* open N ms after the dial",
            "* ping N answered in N ms",
        ],
    );
    assert!(finished.stderr.contains("recognised as monitoring by a message of type \"monitoring_data\"\n"));
    for silent in [&["-v"][..], &["--log-level", "debug"]] {
        assert!(!watch(&server.uri(), &[silent, &["--ping-interval", "0.2"]].concat()).stderr.contains("TRACE"));
    }
}

#[test]
fn tls_is_traced_with_its_version_and_the_server_s_certificate() {
    let inner = sample_server();
    let issued = CertificateSpec {
        common_name: "h.example",
        names: &["127.0.0.1"],
        issuer: Some(authority()),
        ..CertificateSpec::default()
    }
    .issue();
    let ca = file("trace-ca.pem", authority().cert_pem());
    let server = tls(&ServerConfig::new(&issued), &inner);
    let uri = format!("wss://127.0.0.1:{}", server.port());
    let finished = watch(&uri, &["-vv", "--ca-file", text(&ca)]);
    assert_shows_sample(&finished);
    let step = "* TLS N, certificate of \"CN=h.example\" until N-N-NTN:N:NZ in N ms";
    assert_in_order(&steps(&finished), &["* connected to ", step, "> GET / HTTP/N", "* open N ms"]);
    assert!(finished.stderr.contains("TLS 1.3"), "{finished:#?}");
}

#[test]
fn a_proxy_and_a_unix_socket_are_traced() {
    let inner = sample_server();
    let port = inner.port();
    let proxy = Server::start(move |mut peer| {
        peer.request();
        peer.raw("HTTP/1.1 200 OK\r\nVia: me\r\n\r\n");
        tunnel(&peer, port);
    });
    let url = format!("http://user:hunter2@127.0.0.1:{}", proxy.port());
    let finished = watch("ws://h.invalid/", &["-vv", "--proxy", &url]);
    let wanted = [
        "* through the proxy N:N",
        "* connected to N:N",
        "> CONNECT h.invalid:N HTTP/N",
        "> Proxy-Authorization: redacted",
        "< HTTP/N N OK",
        "< Via: me",
        "> GET / HTTP/N",
    ];
    assert_in_order(&steps(&finished), &wanted);
    let dir = TempDir::new();
    let uri = format!("ws+unix://{}", dir.path("none.sock"));
    let finished = watch(&uri, &["-vv", "--no-reconnect"]);
    assert_in_order(&steps(&finished), &["* dialect auto"]);
}

/// A response of any size costs the log a bounded number of lines.
#[test]
fn a_response_with_many_long_lines_is_cut() {
    let server = Server::start(|mut peer| {
        peer.request();
        let fields = format!("X-Long: {}\r\n", "x".repeat(700)).repeat(20);
        peer.raw(format!("HTTP/1.1 503 Busy\r\n{fields}\r\n"));
        peer.drain();
    });
    let finished = Run::start(&mut command(&server.uri(), &["-vv", "--no-reconnect"])).finish();
    let traced: Vec<_> = finished.stderr.lines().filter(|line| line.contains("< X-Long: x")).collect();
    assert!(traced.len() == 20 && traced.iter().all(|line| line.len() < 400), "{traced:#?}");
}
