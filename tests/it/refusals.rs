//! Refused upgrades: the log line with the reason, and whether the server is dialled again.

use crate::client::{greet, log_lines, sample, watch, watched};
use crate::support::program::Finished;
use crate::support::server::{Peer, Server};
use std::time::{Duration, Instant};

/// A server's script instead of the upgrade.
type Script = fn(&mut Peer);

/// Returns the reason in the log, after phase and address; it must occur once.
fn reason(finished: &Finished, server: &Server) -> String {
    let lead = format!("x: upgrade at 127.0.0.1:{}: ", server.port());
    let said = log_lines(&finished.stderr, &["WARN", "ERROR"]);
    let said: Vec<_> = said.iter().filter_map(|line| Some(line.split_once(&*lead)?.1)).collect();
    assert_eq!(said.len(), 1, "{finished:?}");
    said[0].rsplit_once("; ").unwrap().0.to_owned()
}

fn answering(status: &'static str, headers: &'static [&'static str], body: &'static str) -> Server {
    Server::start(move |mut peer| peer.answer(status, headers, body))
}

#[test]
fn a_permanent_refusal_ends_the_run_at_once() {
    for (status, why) in [
        (
            "401 Unauthorized",
            "answered 401 Unauthorized: it requires credentials; no credential was sent: see --token-file and --header",
        ),
        (
            "403 Forbidden",
            "answered 403 Forbidden: check the credentials, the path and the Origin (--header 'Origin: ...'); no credential \
             was sent: see --token-file and --header",
        ),
        ("404 Not Found", "answered 404 Not Found: check the path"),
        (
            "400 Bad Request",
            "answered 400 Bad Request: the server does not understand the upgrade: check address and scheme",
        ),
        (
            "426 Upgrade Required",
            "answered 426 Upgrade Required: the server did not see an upgrade to WebSocket: does a proxy in between remove it?",
        ),
    ] {
        let server = answering(status, &[], "");
        let finished = watched(&server, "--reconnect-interval 0.1");
        // After 400 and 426, the offer of compression is withdrawn.
        let dials = if matches!(&status[..3], "400" | "426") { 2 } else { 1 };
        assert_eq!((finished.code, server.accepted()), (Some(1), dials), "{finished:?}");
        assert_eq!(reason(&finished, &server), why);
    }
}

#[test]
fn a_crooked_line_hides_neither_status_nor_advice() {
    for (crooked, advice) in [
        ("Server : x", "it requires credentials"),
        ("no colon", "it requires credentials"),
        ("X: \u{1b}[2J\0", "it requires credentials"),
        ("WWW-Authenticate: NEGOTIATE,NTLM,BASIC realm=\"x\"", "it requires credentials"),
        ("WWW-Authenticate: Digest realm=\"Basic\",\r\n NTLM", "it requires Digest, NTLM, but only Basic or Bearer"),
    ] {
        let answer = format!("HTTP/1.1  401 Unauthorized\r\n{crooked}\r\nContent-Length: 0\r\n\r\n");
        let server = Server::start(move |mut peer| {
            peer.request();
            peer.raw(&answer);
        });
        let finished = watched(&server, "--reconnect-interval 0.1");
        assert_eq!((finished.code, server.accepted()), (Some(1), 1), "{finished:?}");
        let said = reason(&finished, &server);
        assert!(said.starts_with("answered 401 Unauthorized: ") && said.contains(advice), "{said}");
    }
}

/// Answers after which the program tries again, and what it says of them.
const TEMPORARY: [(Script, &str); 10] = [
    (
        |peer| peer.answer("200 OK", &[], "<title>Hi</title>"),
        "answered 200 OK instead of upgrading: is this a WebSocket server? (\"Hi\")",
    ),
    (|peer| peer.answer("429 Slow", &[], ""), "answered 429 Slow: too many connections or requests"),
    (|peer| peer.answer("503 Busy", &[], ""), "answered 503 Busy: the server is overloaded or restarting"),
    (
        |peer| {
            peer.request();
            peer.raw("\x01\x02 garbage\n");
        },
        "did not answer with HTTP (\"\\x01\\x02 garbage\"): check the port, or is this a TLS port?",
    ),
    (
        |peer| {
            peer.request();
            peer.raw(format!("HTTP/1.1 101 OK\r\nX: {}", "x".repeat(20_000)));
            peer.wait_gone();
        },
        "answered with a head of over 16 KiB or 124 fields: check the address",
    ),
    (
        |peer| {
            peer.upgrade_with("permessage-bzip2");
            peer.wait_gone();
        },
        "upgraded with the extension \"permessage-bzip2\", which was not offered",
    ),
    (|peer| drop(peer.request().to_owned()), "closed without an answer: is this a WebSocket server, or a TLS port?"),
    (
        |peer| {
            peer.request();
            peer.raw("HTTP/1.1 101 Switch");
        },
        "closed in the middle of its answer",
    ),
    (
        |peer| {
            let granted = peer.granted();
            peer.raw(granted.replace("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x"));
            peer.wait_gone();
        },
        "upgraded with a Sec-WebSocket-Accept that does not match our key: is a cache in between?",
    ),
    (
        |peer| {
            peer.request();
            peer.raw("HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
            peer.wait_gone();
        },
        "upgraded without a valid Sec-WebSocket-Accept header: is this a WebSocket server?",
    ),
];

#[test]
fn a_temporary_refusal_is_retried() {
    for (script, why) in TEMPORARY {
        let server = Server::start(move |mut peer| {
            if peer.number() == 1 {
                return script(&mut peer);
            }
            greet(&mut peer);
            peer.text(sample(1.0));
            peer.hold();
        });
        let finished = watched(&server, "-n 1 --reconnect-interval 0.1");
        assert_eq!((finished.code, server.accepted()), (Some(0), 2), "{finished:?}");
        assert_eq!(reason(&finished, &server), why);
    }
}

#[test]
fn retry_after_is_waited_for() {
    let server = Server::start(|mut peer| {
        if peer.number() == 1 {
            return peer.answer("429 Slow", &["Retry-After: 1"], "");
        }
        greet(&mut peer);
        peer.text(sample(1.0));
        peer.hold();
    });
    let finished = watched(&server, "-n 1 --reconnect-interval 0.1");
    assert_eq!((finished.code, server.accepted()), (Some(0), 2), "{finished:?}");
    assert_eq!(reason(&finished, &server), "answered 429 Slow: too many connections or requests, retry after 1 s");
    assert!(finished.stderr.contains("; retrying in 1.0 s"), "{finished:?}");
    assert!(finished.took >= Duration::from_secs(1), "{finished:?}");
}

#[test]
fn a_404_of_a_server_that_was_useful_is_retried() {
    let server = Server::start(|mut peer| match peer.number() {
        2 => peer.answer("404 Not Found", &[], ""),
        _ => {
            greet(&mut peer);
            peer.text(sample(1.0));
        }
    });
    let finished = watched(&server, "-n 2 --reconnect-interval 0.1 --reconnect-cap 0.2");
    assert_eq!((finished.code, server.accepted()), (Some(0), 3), "{finished:?}");
}

#[test]
fn no_single_answer_ends_a_watcher_of_a_server_that_was_useful() {
    for (status, header) in [("401 X", "X: y"), ("403 X", "X: y"), ("404 X", "X: y"), ("503 X", "Retry-After: 3600")] {
        let server = Server::start(move |mut peer| match peer.number() {
            2..=5 => peer.answer(status, &[header], ""),
            _ => {
                greet(&mut peer);
                peer.text(sample(1.0));
            }
        });
        let finished = watched(&server, "-n 2 --reconnect-interval 0.1 --reconnect-cap 0.1");
        assert_eq!((finished.code, server.accepted()), (Some(0), 6), "{finished:?}");
    }
    let refusing = Server::start(|mut peer| match peer.number() {
        1 => {
            greet(&mut peer);
            peer.text(sample(1.0));
        }
        _ => peer.answer("401 Unauthorized", &[], ""),
    });
    let finished = watched(&refusing, "-n 2 --reconnect-interval 0.1 --reconnect-cap 0.1");
    assert_eq!((finished.code, refusing.accepted()), (Some(1), 11), "ten refusals in a row: {finished:?}");
}

#[test]
fn a_reset_in_the_place_of_an_answer_asks_what_listens_there() {
    let server = Server::start(Peer::reset_on_data);
    let finished = watched(&server, "--no-reconnect");
    assert_eq!(reason(&finished, &server), "reset by the server: is this a WebSocket server, or a TLS port?");
}

#[test]
fn a_server_that_never_answers_ends_with_the_connect_timeout() {
    let server = Server::start(|mut peer| peer.wait_gone());
    let finished = watched(&server, "--connect-timeout 0.3 --no-reconnect");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(reason(&finished, &server), "no answer within 0.3 s");
    assert!(finished.took < Duration::from_secs(3), "{finished:?}");
}

#[test]
fn a_refused_port_is_logged_with_the_phase_in_one_line() {
    let port = sending_nothing().port();
    let finished = crate::support::program::run(["-u", &format!("x=ws://127.0.0.1:{port}"), "--no-reconnect"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let why = format!("ERROR x: connect to 127.0.0.1:{port}: connection refused; giving up");
    assert_eq!(log_lines(&finished.stderr, &["WARN", "ERROR x"]), [why]);
}

fn sending_nothing() -> Server {
    Server::start(|_| {})
}

#[test]
fn a_signal_ends_a_wait_for_an_answer_and_a_wait_for_the_next_attempt() {
    let silent = Server::start(|mut peer| peer.wait_gone());
    let run = watch(&silent, "");
    silent.wait_accepted(1);
    let sent = Instant::now();
    run.signal("INT");
    assert_eq!(run.finish().code, Some(1));
    assert!(sent.elapsed() < Duration::from_secs(3));
    let busy = answering("503 Busy", &["Retry-After: 600"], "");
    let run = watch(&busy, "");
    run.wait_stderr("retrying in 600.0 s");
    run.signal("TERM");
    assert_eq!(run.finish().code, Some(0));
}
