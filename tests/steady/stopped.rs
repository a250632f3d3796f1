//! A process that is stopped for a while and goes on.

use std::sync::mpsc::channel;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::process::watch;
use crate::support::PATIENCE;
use crate::support::server::{CLOSE, PING, Peer, Server};
use crate::{SAMPLE, SHOWN};

/// Time in which it is stopped: longer than its ping interval and the time for the pong together, or for the seconds in
/// `$WSMON_STOP_SECONDS`.
fn stopped() -> Duration {
    let seconds = std::env::var("WSMON_STOP_SECONDS").map_or(10, |seconds| seconds.parse().expect("seconds"));
    Duration::from_secs(seconds)
}
const SERVERS: usize = 5;
/// The options below in numbers.
const PING_EVERY: Duration = Duration::from_secs(4);

/// Answers pings and tells when they came.
fn answer(peer: &mut Peer, tell: impl Fn(Instant)) {
    peer.stream().set_read_timeout(Some(stopped() + PATIENCE)).unwrap();
    peer.upgrade();
    peer.text(SAMPLE);
    while let Some(frame) = peer.next() {
        match frame.opcode {
            PING => {
                tell(Instant::now());
                peer.frame(true, 10, frame.payload);
            }
            CLOSE => break,
            _ => {}
        }
    }
}

#[test]
fn a_process_that_was_stopped_pings_each_server_once_and_loses_none() {
    let (tell, told) = channel();
    let servers: Vec<_> = (0..SERVERS)
        .map(|n| {
            let tell = tell.clone();
            Server::start(move |mut peer| answer(&mut peer, |at| _ = tell.send((n, at))))
        })
        .collect();
    let uris: Vec<_> = servers[1..].iter().flat_map(|server| ["--uri".to_owned(), server.uri()]).collect();
    // The servers say nothing more, which is no matter here.
    let mut options = vec!["--ping-interval", "4", "--ping-timeout", "3", "--stale-after", "0", "--log-level", "debug"];
    options.extend(uris.iter().map(String::as_str));
    let run = watch(&servers[0].uri(), &options);
    for server in &servers {
        run.wait_stdout(&format!("127.0.0.1:{}: {SHOWN}", server.port()));
    }
    run.signal("STOP");
    sleep(stopped());
    let woken = Instant::now();
    run.signal("CONT");
    // All pings until each server has had a second one, which is not due before the interval is over.
    let mut pings = vec![Vec::new(); SERVERS];
    while pings.iter().any(|of_one| of_one.len() < 2) {
        let (n, at) = told.recv_timeout(PATIENCE).expect("pings after waking up");
        if at > woken {
            pings[n].push(at - woken);
        }
    }
    println!("pings after waking up: {pings:?}");
    for of_one in &pings {
        assert!(of_one[0] < Duration::from_secs(1), "the first one is late: {pings:?}");
        assert!(of_one[1] - of_one[0] > PING_EVERY - Duration::from_secs(1), "a storm: {pings:?}");
    }
    let finished = run.end();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(!finished.stderr.contains(" WARN "), "{}", finished.stderr);
    assert!(servers.iter().all(|server| server.accepted() == 1));
}

/// The messages that the servers sent meanwhile are read before anything is judged: nobody is stale, nobody owes a pong.
#[test]
fn what_came_while_the_process_was_stopped_counts_before_any_deadline() {
    none_is_lost(1, Duration::from_millis(50));
}

/// More than one poll tells of.
#[test]
fn what_came_from_hundreds_of_servers_counts_as_well() {
    none_is_lost(300, Duration::from_millis(500));
}

fn none_is_lost(connections: usize, every: Duration) {
    // No pong at all: any frame counts as life.
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        while peer.try_raw(crate::support::server::text_frame(SAMPLE)) {
            sleep(every);
        }
    });
    let uris: Vec<_> = (1..connections).map(|n| format!("s{n:03}={}", server.uri())).collect();
    let mut options = vec!["--ping-interval", "1", "--ping-timeout", "1", "--stale-after", "2"];
    options.extend(uris.iter().flat_map(|uri| ["--uri", uri]));
    let run = watch(&format!("s000={}", server.uri()), &options);
    for n in 0..connections {
        run.wait_stdout(&if connections > 1 { format!("s{n:03}: {SHOWN}") } else { SHOWN.to_owned() });
    }
    run.signal("STOP");
    sleep(Duration::from_secs(5));
    run.signal("CONT");
    sleep(Duration::from_secs(2));
    let finished = run.end();
    assert_eq!(finished.code, Some(0));
    assert!(!finished.stderr.contains(" WARN "), "{}", finished.stderr);
    assert_eq!(server.accepted(), connections);
}
