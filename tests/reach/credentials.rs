//! Headers, tokens and user information: which requests carry them, and changes while running.

use std::sync::mpsc::{Receiver, channel};

use crate::support::program::{Run, run, wsmon};
use crate::support::server::{Peer, Server};
use crate::{
    assert_contains, assert_gave_up, assert_shows_sample, command, file, recording_server, send_sample, text, watch,
};

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
        ("--token-file", text(&empty), 2, "empty: no token is in it"),
        ("--token-file", text(&bad_header), 2, "bad-header: line 2: only one token may stand in it"),
        ("--send", &format!("@{}", text(&empty)), 2, "empty: no message is in it"),
        ("--send", "@/no/such", 3, "/no/such: no such file"),
        ("--request", &format!("x=@{}", text(&bad_header)), 2, "bad-header: it does not hold JSON"),
        ("--request", "x=@/no/such", 3, "/no/such: no such file"),
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

/// A wait that no test waits for: what comes earlier comes because a file has changed.
const FAR: [&str; 2] = ["--reconnect-interval", "1h"];

#[test]
fn a_rotated_credential_is_read_again_after_a_refusal() {
    let token = file("rotated-token", "old");
    let server = rotating(token.clone(), "new\n", "Bearer new\r\n");
    let finished = watch(&server.uri(), &["--token-file", text(&token), FAR[0], FAR[1]]);
    assert_shows_sample(&finished);
    let change = format!("; check the credential in {}; retrying in ", text(&token));
    assert_contains(&finished.stderr, &["answered 401", &change, "INFO", "a file with credentials has changed"]);

    let headers = file("rotated-header", "X-Key: old");
    let server = rotating(headers.clone(), "X-Key: new", "X-Key: new\r\n");
    assert_shows_sample(&watch(&server.uri(), &["--header", &format!("@{}", text(&headers)), FAR[0], FAR[1]]));

    let uri = file("rotated-uri", "");
    let server = rotating(uri.clone(), "", "/?token=new ");
    let with = |token: &str| format!("ws://127.0.0.1:{}/?token={token}", server.port());
    std::fs::write(&uri, with("new")).unwrap();
    assert_shows_sample(&watch(&format!("@{}", text(&uri)), &FAR));
}

/// As a mounted secret changes: by a symbolic link to another directory. Each credential that is refused is logged once.
#[test]
fn a_credential_is_tried_again_when_its_file_is_replaced_or_appears() {
    let dir = crate::support::temp_dir::TempDir::new();
    let (server, requests) = recording_refusals("Bearer third");
    let link = dir.path("token");
    std::os::unix::fs::symlink(dir.write("first", "first"), &link).unwrap();
    let mut command = command(&server.uri(), &["--token-file", &link, FAR[0], FAR[1]]);
    let run = Run::start(&mut command);
    assert_contains(&requests.recv().unwrap(), &["Bearer first"]);
    for next in ["second", "third"] {
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(dir.write(next, next), &link).unwrap();
        assert_contains(&requests.recv().unwrap(), &["Bearer ", next]);
    }
    let finished = run.finish();
    assert_shows_sample(&finished);
    assert_eq!(finished.stderr.matches("answered 401").count(), 2, "{finished:#?}");
}

/// Returns a server that refuses all but one credential with 401, and the requests that it gets.
fn recording_refusals(wanted: &'static str) -> (Server, Receiver<String>) {
    let (sender, receiver) = channel();
    let server = Server::start(move |mut peer: Peer| {
        let request = peer.request().to_owned();
        let is_wanted = request.contains(wanted);
        sender.send(request).unwrap();
        if is_wanted { send_sample(peer) } else { peer.answer("401 Unauthorized", &[], "") }
    });
    (server, receiver)
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
fn a_refusal_is_final_unless_the_credential_comes_from_a_file() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let server = Server::start(move |mut peer| peer.answer(status, &[], ""));
        let answered = format!("answered {status}");
        let hint = "; no credential was sent: see --token-file and --header; giving up";
        assert_gave_up(&watch(&server.uri(), &[]), &[&answered, hint]);
        let plain = file("plain-uri", server.uri());
        assert_gave_up(&watch(&format!("@{}", text(&plain)), &[]), &[&answered, hint]);
        let with_user = format!("ws://user:pass@127.0.0.1:{}", server.port());
        for (uri, options) in [(&with_user, [].as_slice()), (&server.uri(), &["--header", "X-Key: x"])] {
            let finished = watch(uri, options);
            assert_gave_up(&finished, &[&answered]);
            assert!(!finished.stderr.contains("no credential"), "{finished:#?}");
        }
        assert_eq!(server.accepted(), 4);
        let secret_uri = file("secret-uri", format!("ws://user:hunter2@127.0.0.1:{}", server.port()));
        let (token, headers) = (file("refused-token", "old"), file("refused-headers", "X-Mine: old"));
        for (uri, options) in [
            (format!("@{}", text(&secret_uri)), vec![]),
            (server.uri(), vec!["--token-file", text(&token)]),
            (server.uri(), vec!["--header", &format!("@{}", text(&headers))]),
        ] {
            let options = [options, vec!["-d", "0.5", "--reconnect-cap", "0.1"]].concat();
            let before = server.accepted();
            let finished = watch(&uri, &options);
            assert!(server.accepted() > before + 1, "retried: {finished:#?}");
            assert_eq!(finished.stderr.matches("; retrying in ").count(), 1, "logged once: {finished:#?}");
            assert!(!finished.stderr.contains("hunter2"), "{finished:#?}");
        }
    }
}

#[test]
fn a_refused_credential_from_a_file_ends_a_run_that_does_not_reconnect() {
    let server = Server::start(|mut peer| peer.answer("401 Unauthorized", &[], ""));
    let token = file("refused-once", "old");
    let finished = watch(&server.uri(), &["--token-file", text(&token), "--no-reconnect"]);
    assert_gave_up(&finished, &["answered 401 Unauthorized"]);
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
        ("--send", "@token"),
        ("--request", "x=@token"),
        ("--send", "@@x"),
    ] {
        let mut command = wsmon(["-u", "127.0.0.1:1", "-u", "127.0.0.1:2", "--no-reconnect", option, value]);
        let finished = Run::start(&mut command).finish();
        let code = if value == "@@x" { 1 } else { 2 };
        assert_eq!(finished.code, Some(code), "{finished:#?}");
    }
    for bad in ["a\tb", "a\nb", "\u{1b}[2J"] {
        let finished = Run::start(wsmon(["127.0.0.1:1"]).env("MONITORING_TOKEN", bad)).finish();
        assert_eq!((finished.code, &*finished.stdout), (Some(2), ""), "{finished:#?}");
        assert_contains(&finished.stderr, &["wsmon: $MONITORING_TOKEN: the token contains control characters"]);
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
