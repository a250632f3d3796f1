//! Headers, tokens and user information: which requests carry them, and changes while running.

use std::sync::mpsc::{Receiver, channel};

use crate::support::program::{Run, run, wsmon};
use crate::support::server::{Peer, Server};
use crate::{assert_contains, assert_gave_up, assert_shows_sample, command, file, send_sample, text, watch};

/// Returns a server that sends samples, and the requests that it gets.
fn recording_server() -> (Server, Receiver<String>) {
    let (sender, receiver) = channel();
    let server = Server::start(move |mut peer| {
        sender.send(peer.request().to_owned()).unwrap();
        send_sample(peer);
    });
    (server, receiver)
}

#[test]
fn headers_are_sent_from_the_command_line_and_from_a_file() {
    let (server, requests) = recording_server();
    let headers = file("headers", "# for the proxy\n\nX-One: 1\r\nx-two:2\n");
    let at = format!("@{}", text(&headers));
    assert_shows_sample(&watch(
        &server.uri(),
        &["--header", "X-Zero: 0: 0", "--header", &at, "--header=User-Agent: curl/8"],
    ));
    let request = requests.recv().unwrap();
    assert_contains(
        &request,
        &["\r\nX-Zero: 0: 0\r\n", "\r\nX-One: 1\r\n", "\r\nx-two: 2\r\n", "\r\nUser-Agent: curl/8\r\n"],
    );
    assert!(!request.contains("wsmon"), "{request}");
}

#[test]
fn a_token_is_a_bearer_from_its_file_or_the_environment() {
    let (server, requests) = recording_server();
    let token = file("token", "from-file\r\n");
    assert_shows_sample(&watch(&server.uri(), &["--token-file", text(&token)]));
    assert_contains(&requests.recv().unwrap(), &["\r\nAuthorization: Bearer from-file\r\n"]);
    assert_shows_sample(&Run::start(command(&server.uri(), &[]).env("MONITORING_TOKEN", "from-env")).finish());
    assert_contains(&requests.recv().unwrap(), &["\r\nAuthorization: Bearer from-env\r\n"]);
    let both =
        Run::start(command(&server.uri(), &["--token-file", text(&token)]).env("MONITORING_TOKEN", "x")).finish();
    assert_shows_sample(&both);
    assert_contains(&requests.recv().unwrap(), &["\r\nAuthorization: Bearer from-file\r\n"]);
    assert_shows_sample(&Run::start(command(&server.uri(), &[]).env("MONITORING_TOKEN", "")).finish());
    assert!(!requests.recv().unwrap().contains("Authorization"));
}

#[test]
fn user_information_is_basic_unless_another_authorization_is_given() {
    let (server, requests) = recording_server();
    let uri = format!("ws://us%65r:p%40ss:w@127.0.0.1:{}", server.port());
    assert_shows_sample(&watch(&uri, &[]));
    let encoded = data_encoding::BASE64.encode(b"user:p@ss:w");
    assert_contains(&requests.recv().unwrap(), &[&format!("\r\nAuthorization: Basic {encoded}\r\n")]);
    assert_shows_sample(&watch(&uri, &["--header", "authorization: Custom x"]));
    let request = requests.recv().unwrap();
    assert_contains(&request, &["\r\nauthorization: Custom x\r\n"]);
    assert!(!request.contains(&encoded), "{request}");
}

#[test]
fn a_header_or_token_that_would_break_the_request_is_a_usage_error_without_the_secret() {
    let control = file("control", "hunter2\x07");
    let empty = file("empty", "\n");
    let bad_header = file("bad-header", "A: b\nhunter2\n");
    for (option, value, code, word) in [
        ("--header", "hunter2", 2, "the colon is missing"),
        ("--header", "A: hunter2\r\nB: c", 2, "control characters"),
        ("--header", "Sec-WebSocket-Key: hunter2", 2, "cannot be set"),
        ("--header", &format!("@{}", text(&bad_header)), 2, "line 2: a header is NAME: VALUE"),
        ("--header", "@/no/such", 3, "/no/such: no such file"),
        ("--token-file", text(&control), 2, "control characters"),
        ("--token-file", text(&empty), 2, "empty"),
        ("--token-file", "/no/such", 3, "/no/such: no such file"),
    ] {
        let finished = run(["-u", "ws://127.0.0.1:1", option, value]);
        assert_eq!(finished.code, Some(code), "{finished:#?}");
        assert_contains(&finished.stderr, &[word]);
        assert!(!finished.stderr.contains("hunter2"), "{finished:#?}");
    }
}

/// Refuses all but the new credential, and writes it to the file before the first refusal.
fn rotating(path: std::path::PathBuf, content: &'static str, wanted: &'static str) -> Server {
    Server::start(move |mut peer: Peer| {
        if peer.request().contains(wanted) {
            return send_sample(peer);
        }
        assert_eq!(peer.number(), 1);
        std::fs::write(&path, content).unwrap();
        peer.answer("401 Unauthorized", &[], "");
    })
}

#[test]
fn a_rotated_credential_is_read_again_after_a_refusal() {
    let token = file("rotated-token", "old");
    let server = rotating(token.clone(), "new\n", "Bearer new\r\n");
    let finished = watch(&server.uri(), &["--token-file", text(&token)]);
    assert_shows_sample(&finished);
    assert_contains(&finished.stderr, &["answered 401", "retrying"]);

    let headers = file("rotated-header", "X-Key: old");
    let server = rotating(headers.clone(), "X-Key: new", "X-Key: new\r\n");
    assert_shows_sample(&watch(&server.uri(), &["--header", &format!("@{}", text(&headers))]));

    let uri = file("rotated-uri", "");
    let server = rotating(uri.clone(), "", "/?token=new ");
    let with = |token: &str| format!("ws://127.0.0.1:{}/?token={token}", server.port());
    std::fs::write(&uri, with("new")).unwrap();
    assert_shows_sample(&watch(&format!("@{}", text(&uri)), &[]));
}

#[test]
fn a_credential_is_read_again_for_every_connection() {
    let token = file("reread-token", "first");
    let path = token.clone();
    let server = Server::start(move |mut peer| {
        let wanted = if peer.number() == 1 { "Bearer first\r\n" } else { "Bearer second\r\n" };
        assert_contains(peer.request(), &[wanted]);
        peer.upgrade();
        peer.text(crate::SAMPLE);
        std::fs::write(&path, "second").unwrap();
        if peer.number() == 1 {
            peer.close(1012, "")
        }
        peer.drain();
    });
    let finished = Run::start(&mut wsmon(["-u", &server.uri(), "-n", "2", "--token-file", text(&token)])).finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
}

#[test]
fn a_credential_that_stays_refused_is_given_up() {
    let server = Server::start(|mut peer| peer.answer("401 Unauthorized", &[], ""));
    let token = file("refused-token", "old");
    assert_gave_up(&watch(&server.uri(), &["--token-file", text(&token)]), &["answered 401 Unauthorized"]);
    assert_eq!(server.accepted(), 1);
}

/// During a rotation the file may be missing or empty.
#[test]
fn a_credential_file_that_is_missing_for_a_moment_is_retried() {
    let token = file("gone-token", "first");
    let path = token.clone();
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        peer.text(crate::SAMPLE);
        if peer.number() == 1 {
            std::fs::remove_file(&path).unwrap();
            peer.close(1012, "");
        }
        peer.drain();
    });
    let mut command = wsmon(["-u", &server.uri(), "-n", "2", "--token-file", text(&token)]);
    let run = Run::start(command.args(["--reconnect-interval", "0.1"]));
    run.wait_stderr("no such file");
    std::fs::write(&token, "second").unwrap();
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
}

#[test]
fn a_credential_for_several_servers_is_a_usage_error() {
    let token = file("several-token", "x");
    for (option, value) in [
        ("--header", "Authorization: x"),
        ("--token-file", text(&token)),
        ("--proxy", "http://user:x@127.0.0.1:1"),
        ("--send", "x"),
    ] {
        let mut command = wsmon(["-u", "127.0.0.1:1", "-u", "127.0.0.1:2", "--no-reconnect", option, value]);
        let finished = Run::start(&mut command).finish();
        let code = if option == "--send" { 1 } else { 2 };
        assert_eq!(finished.code, Some(code), "{finished:#?}");
    }
    let mut command = wsmon(["-u", "127.0.0.1:1", "-u", "127.0.0.1:2", "--no-reconnect"]);
    let finished = Run::start(command.env("MONITORING_TOKEN", "x")).finish();
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert_contains(&finished.stderr, &["$MONITORING_TOKEN would be sent to all"]);
}

/// 192.0.2.0/24 is reserved (RFC 5737): the warning comes before the connection fails.
#[test]
fn a_credential_in_clear_over_a_network_is_warned_of_once() {
    let mut clear = wsmon(["-u", "ws://192.0.2.1", "--connect-timeout", "0.1", "--max-reconnects", "2"]);
    clear.args(["--reconnect-interval", "0.1", "--header", "X-Api-Key: x"]);
    let finished = Run::start(&mut clear).finish();
    assert_eq!(finished.stderr.matches("in cleartext").count(), 1, "{finished:#?}");
    for (uri, header) in [
        ("wss://192.0.2.1", "Authorization: x"),
        ("ws://192.0.2.1", "X-Plain: x"),
        ("ws://127.9.9.9:1", "Authorization: x"),
        ("ws://localhost:1", "Authorization: x"),
    ] {
        let mut command = wsmon(["-u", uri, "--connect-timeout", "0.1", "--no-reconnect", "--header", header]);
        let finished = Run::start(&mut command).finish();
        assert!(!finished.stderr.contains("in cleartext"), "{finished:#?}");
    }
}
