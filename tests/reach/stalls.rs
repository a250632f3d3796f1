//! Handshakes that stop half-way while a healthy server is watched.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use openssl::ssl::SslVersion;

use crate::certificate;
use crate::config::ServerConfig;
use crate::front::{Then, Until, faulty_line, tls};
use crate::support::program::{Run, wsmon};
use crate::support::server::Server;
use crate::{LATE, assert_contains, ca_file, lateness, ticking};

/// The points at which a handshake stops: before, in and after each of the server's flights.
const STOPS: [(Until, SslVersion); 8] = [
    (Until::Bytes(0), SslVersion::TLS1_3),
    (Until::Bytes(3), SslVersion::TLS1_3),
    (Until::Bytes(100), SslVersion::TLS1_3),
    (Until::Bytes(400), SslVersion::TLS1_3),
    (Until::Bytes(0), SslVersion::TLS1_2),
    (Until::Bytes(60), SslVersion::TLS1_2),
    (Until::Bytes(400), SslVersion::TLS1_2),
    (Until::SecondFlight, SslVersion::TLS1_2),
];

/// Returns lines to TLS servers that stop at these points, and the servers that must be kept alive.
fn broken(then: Then) -> (Vec<Server>, Vec<Server>) {
    let (inner, issued) = (Server::start(|mut peer| peer.wait_gone()), certificate::server(&["127.0.0.1"]));
    let whole: Vec<_> = STOPS
        .iter()
        .map(|stop| tls(&ServerConfig { versions: (stop.1, stop.1), ..ServerConfig::new(&issued) }, &inner))
        .collect();
    let lines = STOPS.iter().zip(&whole).map(|(stop, server)| faulty_line(stop.0, then, server)).collect();
    (lines, whole.into_iter().chain([inner]).collect())
}

#[test]
fn a_handshake_that_stalls_at_any_flight_times_out_without_delaying_other_servers() {
    let (lines, _alive) = broken(Then::Stalls);
    let healthy = ticking(100, Duration::from_millis(20));
    let front = tls(&ServerConfig::new(&certificate::server(&["127.0.0.1"])), &healthy);
    let mut command = wsmon(["-n", "100", "--ca-file", &ca_file("stalls"), "--connect-timeout", "1.5"]);
    command.args(["-f", "jsonl", "--no-reconnect"]);
    for (i, line) in lines.iter().enumerate() {
        command.args(["-u", &format!("stalled{i}=wss://127.0.0.1:{}", line.port())]);
    }
    // Last, so that eight others have begun their handshakes before.
    command.args(["-u", &format!("healthy=wss://127.0.0.1:{}", front.port())]);
    let finished = Run::start(&mut command).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    for (i, line) in lines.iter().enumerate() {
        let words = format!(
            "stalled{i}: TLS with 127.0.0.1:{}: no answer within 1.5 s: is this a TLS port?; giving up",
            line.port()
        );
        assert_contains(&finished.stderr, &[&words]);
        assert_eq!(line.accepted(), 1);
    }
    let (worst, count) = lateness(&finished.stdout, "healthy");
    println!("worst lateness beside 8 stalled handshakes: {worst:?}");
    assert!(count == 100 && worst < LATE, "{count} {worst:?}");
}

#[test]
fn silent_servers_soon_leave_their_handshakes_places_to_those_behind_them() {
    // Connections are accepted by the system alone.
    let silent: Vec<_> = (0..80).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let healthy = ticking(1, Duration::ZERO);
    let front = tls(&ServerConfig::new(&certificate::server(&["127.0.0.1"])), &healthy);
    let mut command = wsmon(["--ca-file", &ca_file("silent"), "-f", "jsonl"]);
    let ports = silent.iter().map(|listener| listener.local_addr().unwrap().port()).chain([front.port()]);
    ports.for_each(|port| _ = command.args(["-u", &format!("wss://127.0.0.1:{port}")]));
    let begun = Instant::now();
    Run::start(&mut command).wait_stdout("left_at");
    // Eight at a time until each has failed take 100 s; with a second for each it would be 10 s.
    let took = begun.elapsed();
    println!("behind 80 silent servers: {took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn a_handshake_that_breaks_at_any_flight_says_so() {
    let (lines, _alive) = broken(Then::Ends);
    let mut command = wsmon(["-n", "1", "--ca-file", &ca_file("breaks"), "--no-reconnect"]);
    for (i, line) in lines.iter().enumerate() {
        command.args(["-u", &format!("broken{i}=wss://127.0.0.1:{}", line.port())]);
    }
    let finished = Run::start(&mut command).finish();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    for (i, (until, _)) in STOPS.iter().enumerate() {
        let word = if *until == Until::Bytes(0) { "instead of answering in TLS" } else { "in the middle of the TLS" };
        let line = finished.stderr.lines().find(|line| line.contains(&format!("broken{i}: TLS"))).unwrap();
        assert_contains(line, &[word]);
    }
}
