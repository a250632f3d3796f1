//! Pings, stale connections, and their timers: connections that look alive to TCP only.

use crate::client::{greet, json_lines, log_lines, sample, statistics, watch, watched};
use crate::support::server::{CLOSE, PING, PONG, Server};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

#[test]
fn a_server_that_answers_no_ping_is_disconnected() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        if peer.number() == 1 {
            return drop(peer.drain());
        }
        peer.text(sample(1.0));
        peer.hold();
    });
    let finished = watched(&server, "-n 1 --ping-interval 0.2 --ping-timeout 0.3 --reconnect-interval 0.1");
    assert_eq!((finished.code, server.accepted()), (Some(0), 2), "{finished:?}");
    let why = "WARN x: no answer to a ping within 0.3 s, nor to any before: for a server that never answers pings give \
               --ping-interval 0; retrying in 0.1 s";
    assert_eq!(log_lines(&finished.stderr, &["WARN"]), [why]);
    assert!(finished.took >= Duration::from_millis(500), "{finished:?}");
}

#[test]
fn a_server_that_has_answered_a_ping_is_not_suspected_of_answering_none() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        if peer.number() == 1 {
            let ping = peer.expect(PING);
            peer.frame(true, PONG, ping.payload);
            return drop(peer.drain());
        }
        peer.text(sample(1.0));
        peer.hold();
    });
    let finished = watched(&server, "-n 1 --ping-interval 0.2 --ping-timeout 0.3 --reconnect-interval 0.1");
    let why = "WARN x: no answer to a ping within 0.3 s; retrying in 0.1 s";
    assert_eq!(log_lines(&finished.stderr, &["WARN"]), [why], "{finished:?}");
}

#[test]
fn any_frame_counts_as_a_pong() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        for n in 0..6 {
            peer.expect(PING);
            peer.text(sample(n.into()));
        }
        peer.hold();
    });
    let finished = watched(&server, "-n 6 --ping-interval 0.1 --ping-timeout 0.15");
    assert_eq!((finished.code, server.accepted()), (Some(0), 1), "{finished:?}");
}

#[test]
fn a_server_that_answers_pings_but_sends_no_messages_is_disconnected() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        if peer.number() == 2 {
            peer.text(sample(1.0));
        }
        peer.hold();
    });
    let options = "-n 1 -f jsonl -s --ping-interval 0.1 --ping-timeout 1 --stale-after 0.5 --reconnect-interval 0.1";
    let finished = watched(&server, options);
    assert_eq!((finished.code, server.accepted()), (Some(0), 2), "{finished:?}");
    let said = log_lines(&finished.stderr, &["WARN"]);
    assert_eq!(said, ["WARN x: the connection is alive, but no message came for 0.5 s; retrying in 0.1 s"]);
    let statistics = statistics(&finished);
    let ping = &statistics["ping_ms"];
    assert!(ping["min"].as_f64() <= ping["mean"].as_f64() && ping["mean"].as_f64() <= ping["max"].as_f64(), "{ping}");
    assert!((0.0..500.0).contains(&ping["min"].as_f64().unwrap()), "{ping}");
}

#[test]
fn a_server_that_does_not_read_is_disconnected_although_it_sends() {
    let server = Server::start(move |mut peer| {
        greet(&mut peer);
        if peer.number() == 1 {
            // Each ping is answered until the pongs have filled every buffer.
            let pings = [[0x89, 125].to_vec(), vec![b'x'; 125]].concat().repeat(500);
            while peer.try_raw(&pings) {}
            return;
        }
        peer.text(sample(1.0));
        peer.hold();
    });
    let finished = watched(&server, "-n 1 --ping-timeout 0.5 --reconnect-interval 0.1");
    assert_eq!((finished.code, server.accepted()), (Some(0), 2), "{finished:?}");
    let why = "WARN x: the server accepted no data for 0.5 s; retrying in 0.1 s";
    assert_eq!(log_lines(&finished.stderr, &["WARN"]), [why]);
}

#[test]
fn after_many_reconnections_there_is_one_ping_in_each_interval() {
    let (counted, counts) = channel();
    let server = Server::start(move |mut peer| {
        greet(&mut peer);
        peer.text(sample(1.0));
        if peer.number() <= 8 {
            peer.close(1000, "");
            return drop(peer.drain());
        }
        let mut at = Vec::new();
        while let Some(frame) = peer.next() {
            if frame.opcode == PING {
                at.push(Instant::now());
                peer.frame(true, 10, &frame.payload);
            }
            if at.len() == 6 {
                counted.send(at[5] - at[0]).unwrap();
                peer.text(sample(2.0));
                return peer.hold();
            }
        }
    });
    let finished = watched(&server, "-n 10 --ping-interval 0.2 --reconnect-interval 0.1");
    assert_eq!((finished.code, server.accepted()), (Some(0), 9), "{finished:?}");
    let five_intervals = counts.recv().unwrap();
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&five_intervals), "{five_intervals:?}");
}

#[test]
fn a_lost_connection_leaks_no_descriptor() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(sample(peer.number() as f64));
        // The test may end before the last client pings.
        if peer.next().is_some_and(|frame| frame.opcode == PING) {
            peer.close(1000, "");
            peer.hold();
        }
    });
    let run = watch(&server, "--ping-interval 0.1 --reconnect-interval 0.1");
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", run.pid())).unwrap().count();
    run.wait_stdout("CPU:   1.0%\n");
    let before = descriptors();
    run.wait_stdout("CPU:   6.0%\n");
    // Either count may be of a moment between two connections.
    assert!(descriptors() <= before + 1, "{before} at first");
}

#[test]
fn pings_have_unique_numbers_and_no_other_frame_is_sent_unprompted() {
    let server = Server::start(|mut peer| {
        let request = peer.request().to_owned();
        assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nUser-Agent: wsmon/"), "{request}");
        assert!(request.contains(&format!("\r\nHost: 127.0.0.1:{}\r\n", port_of(&request))), "{request}");
        greet(&mut peer);
        let mut payloads = Vec::new();
        for _ in 0..3 {
            let frame = peer.next().unwrap();
            assert!(frame.opcode == PING && frame.masked && frame.fin && frame.payload.len() <= 125, "{frame:?}");
            peer.frame(true, 10, &frame.payload);
            payloads.push(frame.payload);
        }
        payloads.dedup();
        assert_eq!(payloads.len(), 3);
        peer.text(sample(1.0));
        let rest = peer.drain();
        assert!(rest.iter().all(|frame| [PING, CLOSE].contains(&frame.opcode)), "{rest:?}");
    });
    assert_eq!(watched(&server, "-n 1 --ping-interval 0.1").code, Some(0));
    server.finish();
}

fn port_of(request: &str) -> &str {
    let (_, rest) = request.split_once("\r\nHost: 127.0.0.1:").unwrap();
    rest.split_once("\r\n").unwrap().0
}

#[test]
fn messages_before_and_after_a_reconnection_are_counted_together() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(sample(peer.number() as f64));
        if peer.number() < 3 {
            return;
        }
        peer.drain();
    });
    let finished = watched(&server, "-n 3 -s -f jsonl --reconnect-interval 0.1");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines = json_lines(&finished.stdout);
    let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    let pair = ["connection", "monitoring_data"];
    assert_eq!(kinds, [&pair[..], &pair, &pair, &["statistics"]].concat());
    let statistics = statistics(&finished);
    for (name, value) in [
        ("messages_received", 6),
        ("messages_sent", 0),
        ("connections", 3),
        ("reconnect_attempts", 2),
        ("error_count", 2),
    ] {
        assert_eq!(statistics[name], value, "{name}: {statistics}");
    }
    assert_eq!(statistics["error_history"].as_array().unwrap().len(), 2);
    assert_eq!(statistics["error_history"][0]["type"], "session");
    assert_eq!(statistics["last_error"], "the server closed the connection without a Close frame");
}
