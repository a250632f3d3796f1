//! Redirects, and the credentials that are not sent to their targets.

use std::sync::mpsc::channel;

use crate::certificate::{self, CertificateSpec, authority};
use crate::config::ServerConfig;
use crate::front::tls;
use crate::support::program::{Run, wsmon};
use crate::support::server::{Server, TEXT};
use crate::{
    SAMPLE, assert_contains, assert_gave_up, assert_shows_sample, command, file, recording_server, sample_server,
    send_sample, text, watch,
};

/// A server that redirects every request.
fn redirecting(status: &'static str, location: String) -> Server {
    Server::start(move |mut peer| peer.answer(status, &[&format!("Location: {location}")], "moved"))
}

const MOVED: &str = "301 Moved Permanently";

#[test]
fn each_kind_of_redirect_is_followed_to_the_address_in_it() {
    let (server, requests) = recording_server();
    for status in [MOVED, "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        for scheme in ["ws", "http"] {
            let first = redirecting(status, format!("{scheme}://127.0.0.1:{}/new?a=b#top", server.port()));
            assert_shows_sample(&watch(&first.uri(), &[]));
            assert_contains(&requests.recv().unwrap(), &["GET /new?a=b HTTP/1.1\r\n", "\r\nSec-WebSocket-Key: "]);
        }
    }
}

#[test]
fn a_redirect_may_be_relative_and_keeps_the_credentials_then() {
    for (location, line) in [
        ("/ws", "GET /ws HTTP/1.1"),
        ("c?d", "GET /a/c?d HTTP/1.1"),
        ("../c", "GET /c HTTP/1.1"),
        ("?x=y", "GET /a/b?x=y HTTP/1.1"),
    ] {
        let server = Server::start(move |mut peer| {
            assert_contains(peer.request(), &["\r\nAuthorization: Basic dTpw\r\n", "\r\nX-Key: k\r\n"]);
            if peer.number() == 1 {
                return peer.answer("302 Found", &[&format!("Location: {location}")], "");
            }
            assert_contains(peer.request(), &[line]);
            send_sample(peer);
        });
        assert_shows_sample(&watch(&format!("ws://u:p@127.0.0.1:{}/a/b", server.port()), &["--header", "X-Key: k"]));
    }
}

#[test]
fn no_credential_is_sent_to_another_server() {
    let (server, requests) = recording_server();
    let first = redirecting(MOVED, format!("ws://u2:p2@127.0.0.1:{}/", server.port()));
    let token = file("redirect-token", "hunter2");
    let uri = format!("ws://hunter2:hunter2@127.0.0.1:{}/?token=hunter2", first.port());
    let options = ["--header", "X-Api-Key: hunter2", "--header", "Cookie: hunter2", "--header", "Host: hunter2"];
    for more in [&[][..], &["--token-file", text(&token)]] {
        let finished = watch(&uri, &[&options[..], more, &["--log-level", "trace"]].concat());
        assert_shows_sample(&finished);
        let request = requests.recv().unwrap();
        for word in ["hunter2", "u2", "Authorization", "Cookie", "X-Api-Key"] {
            assert!(!request.contains(word), "{request}");
        }
        assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    }
}

#[test]
fn neither_client_certificate_nor_tls_name_apply_to_another_server() {
    let inner = sample_server();
    let second = tls(
        &ServerConfig { requires_certificate: true, ..ServerConfig::new(&certificate::server(&["127.0.0.1"])) },
        &inner,
    );
    let location = format!("wss://127.0.0.1:{}/", second.port());
    let redirect = redirecting(MOVED, location);
    let first = tls(&ServerConfig::new(&certificate::server(&["first.example"])), &redirect);
    let ours =
        CertificateSpec { common_name: "Client", issuer: Some(authority()), ..CertificateSpec::default() }.issue();
    let ca = file("redirect-ca.pem", authority().cert_pem());
    let (cert, key) = (file("redirect.pem", ours.cert_pem()), file("redirect.key", ours.key_pem()));
    let options = ["--ca-file", text(&ca), "--cert", text(&cert), "--key", text(&key), "--tls-name", "first.example"];
    let uri = format!("wss://127.0.0.1:{}", first.port());
    let finished = watch(&uri, &[&options[..], &["--no-reconnect"]].concat());
    assert_gave_up(&finished, &["requires a client certificate"]);
    assert_eq!((redirect.accepted(), inner.accepted()), (1, 0));
}

#[test]
fn the_number_of_redirects_is_bounded() {
    let round = Server::start(|mut peer| peer.answer("307 Temporary Redirect", &["Location: /again"], ""));
    assert_gave_up(&watch(&round.uri(), &[]), &["the limit is 5 in a row"]);
    assert_eq!(round.accepted(), 6);
    let fifth = Server::start(|mut peer| match peer.number() {
        1..=5 => peer.answer("308 Permanent Redirect", &["Location: /again"], ""),
        _ => send_sample(peer),
    });
    assert_shows_sample(&watch(&fifth.uri(), &[]));
}

#[test]
fn tls_is_gained_by_a_redirect_and_never_lost() {
    let (inner, issued) = (sample_server(), certificate::server(&["127.0.0.1"]));
    let secure = tls(&ServerConfig::new(&issued), &inner);
    let ca = file("gained-ca.pem", authority().cert_pem());
    let gaining = redirecting(MOVED, format!("https://127.0.0.1:{}/", secure.port()));
    assert_shows_sample(&watch(&gaining.uri(), &["--ca-file", text(&ca)]));

    let losing = redirecting(MOVED, inner.uri());
    let front = tls(&ServerConfig::new(&issued), &losing);
    let finished = watch(&format!("wss://127.0.0.1:{}", front.port()), &["--ca-file", text(&ca)]);
    assert_gave_up(&finished, &["from wss to ws"]);
}

#[test]
fn an_invalid_redirect_is_explained() {
    for (headers, word) in [
        (&[][..], "without a valid Location header"),
        (&["Location: ftp://h/"], "neither ws, wss, http nor https"),
        (&["Location: ws://h:0/?token=hunter2"], "\"0\""),
    ] {
        let server = Server::start(move |mut peer| peer.answer("302 Found", headers, ""));
        let finished = watch(&server.uri(), &[]);
        assert_gave_up(&finished, &[word]);
        assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    }
}

/// Otherwise the connection would bypass the proxy unnoticed.
#[test]
fn a_redirect_to_where_the_proxy_is_wrong_is_not_followed() {
    let first = redirecting(MOVED, "wss://h.invalid/".to_owned());
    let finished = Run::start(command(&first.uri(), &["--no-reconnect"]).env("https_proxy", "socks5://h")).finish();
    assert_gave_up(&finished, &["https_proxy: SOCKS is not supported"]);
}

#[test]
fn another_host_gets_none_of_the_users_own_texts() {
    let (sender, texts) = channel();
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        peer.text(r#"{"type":"app.ping","meta":{"ping_id":"7"}}"#);
        peer.text(SAMPLE);
        let frames = peer.drain();
        sender.send(frames.iter().filter(|frame| frame.opcode == TEXT).count()).unwrap();
    });
    let first = redirecting(MOVED, format!("ws://localhost:{}/", server.port()));
    for dialect in ["auto", "monitoring", "fastpluggy"] {
        let mut command = wsmon(["-u", &first.uri(), "--dialect", dialect, "-d", "0.7"]);
        command.args(["--send", "hunter2", "--request", "get_status={\"key\":\"hunter2\"}"]);
        let finished = Run::start(command.args(["--heartbeat-reply", "hunter2"])).finish();
        let withheld = "which does not get --send, --request and --heartbeat-reply";
        assert_contains(&finished.stderr, &["INFO ", ": redirected to ws://localhost:", withheld]);
        assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
        assert_eq!(texts.recv().unwrap(), 0, "{dialect}");
    }
}

#[test]
fn as_many_redirects_are_followed_as_the_option_allows() {
    let server = Server::start(|mut peer| match peer.number() {
        1..=2 => peer.answer(MOVED, &["Location: /next?k=hunter2"], ""),
        _ => send_sample(peer),
    });
    let finished = watch(&server.uri(), &["--max-redirects", "2"]);
    assert_shows_sample(&finished);
    assert_eq!(finished.stderr.matches(": redirected to ws://").count(), 2, "{}", finished.stderr);
    for (max, number) in [("0", 1), ("1", 2)] {
        let server = Server::start(|mut peer| peer.answer(MOVED, &["Location: /next?k=hunter2"], ""));
        let finished = watch(&server.uri(), &["--max-redirects", max]);
        let limit = format!("not followed, the limit is {max} in a row, see --max-redirects");
        assert_gave_up(&finished, &["redirected to ws://127.0.0.1:", "/next?k=redacted: ", &limit]);
        assert_eq!(server.accepted(), number);
        assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    }
}
