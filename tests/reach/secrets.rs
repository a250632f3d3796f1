//! Searches all output of runs at level trace for secrets.

use crate::front::tunnel;
use crate::support::program::{Run, wsmon};
use crate::support::server::{Peer, Server, TEXT};
use crate::{SAMPLE, assert_contains, file, text, watch};

/// Secrets as given, and as encoded on the wire.
const SECRETS: [&str; 5] = ["hunter2", "aHVudGVyM", "h%75nter2", "aHVudGVyMg", "opensesame"];

/// Quotes the request in its response, as servers in debug mode do. A run makes seven connections.
fn parrot(mut peer: Peer) {
    let request = peer.request().replace("\r\n", " ");
    let target = request.split(' ').nth(1).unwrap().to_owned();
    match (peer.number() - 1) % 7 {
        0 => peer.answer("503 Service Unavailable", &[], &format!("cannot GET {target}")),
        1 => peer.answer("503 Service Unavailable", &[], request.split_once("Key").unwrap().1),
        2 => peer.answer("302 Found", &[&format!("Location: {target}&again=1")], ""),
        4 => peer.answer("302 Found", &["Location: ftp://hunter2:hunter2@h/?token=hunter2"], ""),
        5 => peer.raw(format!("no {}\r\n", &target[5..])),
        _ => {
            peer.upgrade();
            peer.text(SAMPLE);
            peer.close(1008, &format!("no {}", &target[..target.len().min(80)]));
            peer.drain();
        }
    }
}

/// Runs with these options until two samples were printed; returns all output and the contents of the log files.
fn outputs(name: &str, uri: &str, options: &[&str], variables: &[(&str, &str)]) -> String {
    let (log, data) = (file(&format!("{name}.log"), ""), file(&format!("{name}.jsonl"), ""));
    let mut everything = String::new();
    for format in ["jsonl", "detailed"] {
        let mut command = wsmon(["-u", uri, "-n", "2", "-s", "--history", "--log-level", "trace", "-f", format]);
        command.args(["--reconnect-interval", "0.1", "--reconnect-cap", "0.2", "--max-reconnects", "10"]);
        command.args(["--log-file", text(&log)]);
        command.args(["--save-data", text(&data)]).args(options).envs(variables.iter().copied());
        let run = Run::start(&mut command);
        run.wait_stdout("12.5");
        run.signal("USR1");
        let finished = run.finish();
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        everything += &format!("{}\n{}\n", finished.stdout, finished.stderr);
    }
    let read = |path| std::fs::read_to_string(path).unwrap();
    format!("{everything}{}{}", read(log), read(data))
}

#[track_caller]
fn assert_no_secrets(everything: &str) {
    assert_contains(
        everything,
        &["503", "connected", "redirected to ftp:", "1008", "error_history", "DEBUG", "TRACE", " > GET /ws?"],
    );
    for secret in SECRETS {
        let line = everything.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}

#[test]
fn a_secret_is_hidden_in_any_encoding_and_where_its_quotation_is_cut() {
    let quoted = [
        "S3CR3T%2F%22%260123456789abcdefghijk",
        "S3CR3T%2f%22%260123456789abcdefghijk",
        "S3CR3T/&quot;&amp;0123456789abcdefghijk",
        "S3CR3T\\/\\\"\\u00260123456789abcdefghijk",
    ];
    for echo in quoted {
        for before in ["", "GET /ws?secret="] {
            for kept in [echo.len(), 25] {
                let answer = format!("{before}{}", &echo[..kept]);
                let server = Server::start(move |mut peer| {
                    peer.request();
                    peer.raw(&answer);
                });
                let uri = format!("sysmedic://S3CR3T%2F%22%260123456789abcdefghijk@127.0.0.1:{}", server.port());
                let finished = watch(&uri, &["--no-reconnect"]);
                assert_contains(&finished.stderr, &["did not answer with HTTP", "redacted"]);
                assert!(!finished.stderr.contains("S3C"), "{}", finished.stderr);
            }
        }
    }
}

#[test]
fn what_is_sent_appears_in_no_reason() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        let said = peer.expect(TEXT).text().to_owned();
        peer.close(1008, &format!("not understood: {said}"));
        peer.drain();
    });
    let finished = watch(&server.uri(), &["--no-reconnect", "--send", "AUTH opensesame"]);
    assert_contains(&finished.stderr, &["1008", "not understood: redacted"]);
    assert!(!finished.stderr.contains("opensesame"), "{}", finished.stderr);
}

#[test]
fn user_information_and_the_query_appear_nowhere() {
    let server = Server::start(parrot);
    let port = server.port();
    let uri = format!("ws://hunter2:h%75nter2@127.0.0.1:{port}/ws?token=hunter2&secret=hunter2&a=b");
    assert_no_secrets(&outputs("userinfo", &uri, &[], &[]));
}

#[test]
fn headers_and_tokens_appear_nowhere() {
    let server = Server::start(parrot);
    let uri = format!("ws://127.0.0.1:{}/ws?x=y", server.port());
    let token = file("secret-token", "hunter2\n");
    let headers = file("secret-headers", "X-Api-Key: hunter2\nX-Custom: opensesame\n");
    let at = format!("@{}", text(&headers));
    assert_no_secrets(&outputs("headers", &uri, &["--token-file", text(&token), "--header", &at], &[]));
    let server = Server::start(parrot);
    let uri = format!("ws://127.0.0.1:{}/ws?x=y", server.port());
    let given = ["--header", "Cookie: id=hunter2", "--header", "X-Custom: opensesame"];
    assert_no_secrets(&outputs("environment", &uri, &given, &[("MONITORING_TOKEN", "hunter2")]));
}

#[test]
fn credentials_for_a_proxy_appear_nowhere() {
    let inner = Server::start(parrot);
    let port = inner.port();
    let proxy = Server::start(move |mut peer| {
        if peer.number() == 1 {
            let request = peer.request().replace("\r\n", " ");
            return peer.answer("503 Service Unavailable", &[&format!("X-Echo: {request}")], &request);
        }
        if peer.number() == 2 {
            let request = peer.request().replace("\r\n", " ");
            return peer.raw(format!("HTTP/1.1 503 {}\r\n\r\n", &request[request.len() - 40..]));
        }
        peer.request();
        peer.raw("HTTP/1.1 200 OK\r\n\r\n");
        tunnel(&peer, port);
    });
    let url = format!("http://hunter2:hunter2@127.0.0.1:{}", proxy.port());
    let options = ["--proxy", &url];
    assert_no_secrets(&outputs("proxy", "ws://h.invalid/ws?x=y", &options, &[("https_proxy", "http://hunter2@h")]));
}
