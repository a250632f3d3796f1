//! Lost connections: backoff, limits on reconnections, and one log line with the reason.

use crate::client::{greet, log_lines, sample, statistics, watch, watched};
use crate::support::program::{Run, run};
use crate::support::server::{CLOSE, Peer, Server};
use std::time::{Duration, Instant};

/// The code of the Close frame; `None` = a Close frame without one.
const ENDINGS: [Option<u16>; 5] = [Some(1000), Some(1001), None, Some(1008), Some(1011)];

/// Starts a server that sends this many messages and then closes, on every connection.
fn ending(code: Option<u16>, messages: usize) -> Server {
    Server::start(move |mut peer| {
        peer.upgrade();
        let all = [crate::client::WELCOME.to_owned(), sample(1.0)];
        all[..messages].iter().for_each(|message| peer.text(message));
        close(&mut peer, code);
        peer.drain();
    })
}

fn close(peer: &mut Peer, code: Option<u16>) {
    match code {
        Some(code) => peer.close(code, ""),
        None => peer.frame(true, CLOSE, ""),
    }
}

#[test]
fn a_server_that_closes_at_once_is_dialled_with_backoff() {
    // In parallel, since each takes two seconds.
    let mut runs = Vec::new();
    for code in ENDINGS {
        for messages in 0..=2 {
            let server = ending(code, messages);
            let run = watch(&server, "-d 2");
            runs.push((code, messages, server, run));
        }
    }
    for (code, messages, server, run) in runs {
        let finished = run.finish();
        assert_eq!(finished.code, Some(i32::from(messages < 2)), "{finished:?}");
        // The ordinary end of a useful session is followed by one fast reconnect.
        let max = if messages == 2 { 2 } else { 1 };
        assert!(server.accepted() <= max, "{code:?} after {messages}: {}: {finished:?}", server.accepted());
    }
}

#[test]
fn waits_between_attempts_grow() {
    let server = ending(Some(1011), 0);
    let started = Instant::now();
    let finished = watched(&server, "--max-reconnects 3 --reconnect-interval 0.2");
    // The waits are at least half of 0.2, 0.4 and 0.8 s.
    let least = Duration::from_millis(100 + 200 + 400);
    assert!(started.elapsed() >= least, "{:?}: {finished:?}", started.elapsed());
    assert_eq!(server.accepted(), 4, "{finished:?}");
}

#[test]
fn with_no_reconnect_the_run_ends_with_the_first_connection() {
    for code in ENDINGS {
        for option in ["--no-reconnect", "--max-reconnects 0"] {
            let server = ending(code, 1);
            let finished = watched(&server, option);
            assert_eq!((finished.code, server.accepted()), (Some(1), 1), "{finished:?}");
        }
    }
}

#[test]
fn a_limit_of_two_reconnections_allows_three_dials() {
    let mut runs = Vec::new();
    for code in ENDINGS {
        let server = ending(code, 1);
        let run = watch(&server, "--max-reconnects 2 --reconnect-interval 0.1 -s -f jsonl");
        runs.push((server, run));
    }
    for (server, run) in runs {
        let finished = run.finish();
        assert_eq!((finished.code, server.accepted()), (Some(1), 3), "{finished:?}");
        let statistics = statistics(&finished);
        assert_eq!((&statistics["reconnect_attempts"], &statistics["total_disconnections"]), (&2.into(), &3.into()));
        assert_eq!((&statistics["current_state"], &statistics["error_count"]), (&"error".into(), &3.into()));
    }
}

#[test]
fn useful_sessions_do_not_use_up_the_reconnections() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        if peer.number() != 3 {
            peer.text(sample(1.0));
        }
    });
    let finished = watched(&server, "--max-reconnects 2 --reconnect-interval 0.1 -n 4");
    assert_eq!((finished.code, server.accepted()), (Some(0), 5), "{finished:?}");
}

#[test]
fn the_server_s_close_code_and_reason_are_logged() {
    for (code, reason, why) in [
        (1000, "", "closed by the server with 1000 (normal)"),
        (1001, "restart", "closed by the server with 1001 (going away): restart"),
        (1008, "Server at capacity", "closed by the server with 1008 (policy violation): Server at capacity"),
        (1011, "keepalive ping timeout", "closed by the server with 1011 (server error): keepalive ping timeout"),
        (4000, "own", "closed by the server with 4000: own"),
    ] {
        let server = Server::start(move |mut peer| {
            greet(&mut peer);
            peer.close(code, reason);
            assert_eq!(peer.expect(CLOSE).close().0, code, "the client answers");
            peer.drain();
        });
        let finished = watched(&server, "--no-reconnect");
        assert_eq!(log_lines(&finished.stderr, &["ERROR x"]), [format!("ERROR x: {why}; giving up")]);
        server.finish();
    }
}

#[test]
fn an_eof_and_a_reset_are_logged_and_followed_by_a_reconnection() {
    type End = fn(Peer);
    let table: [(End, &str); 2] = [
        (drop, "the server closed the connection without a Close frame"),
        (Peer::reset, "connection lost: reset by the server"),
    ];
    for (end, why) in table {
        let server = Server::start(move |mut peer| {
            greet(&mut peer);
            peer.text(sample(peer.number() as f64));
            if peer.number() == 1 {
                return end(peer);
            }
            peer.hold();
        });
        let finished = watched(&server, "-n 2 --reconnect-interval 0.1");
        assert_eq!((finished.code, server.accepted()), (Some(0), 2), "{finished:?}");
        assert!(finished.stdout.ends_with("CPU:   2.0%\n"), "{finished:?}");
        let said = log_lines(&finished.stderr, &["WARN"]);
        assert_eq!(said, [format!("WARN x: {why}; retrying in 0.1 s")], "{finished:?}");
    }
}

#[test]
fn a_message_cut_off_by_an_eof_is_not_shown() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        let text = sample(peer.number() as f64);
        peer.announce(1, text.len() as u64);
        peer.raw(if peer.number() == 1 { &text[..30] } else { &text });
    });
    let finished = watched(&server, "-n 1 --reconnect-interval 0.1");
    assert!(finished.stdout.ends_with("server\nCPU:   2.0%\n") && !finished.stdout.contains("1.0%"), "{finished:?}");
}

#[test]
fn a_repeated_failure_is_logged_once_and_its_end_with_a_count() {
    let finished = run(["-u", "x=ws://127.0.0.1:1", "--max-reconnects", "3", "--reconnect-interval", "0.1"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let said = log_lines(&finished.stderr, &["INFO", "WARN", "ERROR x"]);
    let refused = "x: connect to 127.0.0.1:1: connection refused; ";
    assert_eq!(
        said,
        [
            "INFO x: connecting to ws://127.0.0.1:1/".to_owned(),
            format!("WARN {refused}retrying in 0.1 s"),
            format!("ERROR {refused}giving up"),
        ]
    );
    let server = Server::start(|mut peer| {
        if peer.number() < 4 {
            return peer.answer("503 Busy", &[], "");
        }
        greet(&mut peer);
        peer.text(sample(1.0));
        peer.hold();
    });
    let finished = watched(&server, "-n 1 --reconnect-interval 0.1");
    let said = log_lines(&finished.stderr, &["INFO", "WARN", "ERROR"]);
    assert_eq!(said.len(), 3, "{finished:?}");
    assert_eq!(said[2], "INFO x: connected, after 3 failures", "{finished:?}");
}

#[test]
fn a_restart_of_a_useful_server_is_no_warning() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(sample(peer.number() as f64));
        if peer.number() == 1 {
            peer.close(1001, "");
        }
        peer.hold();
    });
    let finished = watched(&server, "-n 2");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(log_lines(&finished.stderr, &["WARN", "ERROR"]), [""; 0], "{finished:?}");
    assert!((0.1..3.0).contains(&finished.took.as_secs_f64()), "{finished:?}");
}

#[test]
fn a_name_with_several_addresses_is_tried_at_each_of_them() {
    // The server listens on 127.0.0.1 alone, and localhost is ::1 first.
    let server = crate::client::sending([sample(1.0)]);
    for uri in [format!("ws://localhost:{}", server.port()), format!("localhost:{}/path", server.port())] {
        let finished = run(["-u", &uri, "-n", "1", "--no-reconnect"]);
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }
}

#[test]
fn a_server_that_is_started_later_is_found() {
    let port = Server::start(|_| {}).port();
    let run = Run::start(&mut crate::client::command_at(
        &format!("ws://127.0.0.1:{port}"),
        "-n 1 --reconnect-interval 0.2 --reconnect-cap 0.2",
    ));
    run.wait_stderr("connection refused; retrying in 0.");
    let server = Server::start_on(port, |mut peer| {
        greet(&mut peer);
        peer.text(sample(1.0));
        peer.hold();
    });
    let finished = run.finish();
    assert_eq!((finished.code, server.accepted()), (Some(0), 1), "{finished:?}");
    assert!(finished.took < Duration::from_secs(5), "{finished:?}");
}
