//! Names that do not exist, and addresses that do not answer.

use std::time::Duration;

use crate::support::program::{Run, wsmon};
use crate::support::server::{PING, PONG, Server};
use crate::{LATE, assert_contains, assert_gave_up, assert_shows_sample, lateness, sample_server, ticking, watch};

#[test]
fn a_name_that_does_not_exist_fails_in_time_with_the_phase() {
    let finished = watch("ws://nonexistent.invalid", &["--no-reconnect", "--connect-timeout", "2"]);
    assert_gave_up(&finished, &["nonexistent.invalid:80: resolve nonexistent.invalid"]);
    assert!(finished.took < Duration::from_secs(10), "{finished:#?}");
}

#[test]
fn names_that_cannot_be_resolved_do_not_delay_other_servers() {
    let healthy = ticking(150, Duration::from_millis(20));
    let mut command = wsmon(["-u", &format!("healthy={}", healthy.uri()), "-n", "150", "-f", "jsonl"]);
    for i in 0..3 {
        command.args(["-u", &format!("bad{i}=ws://bad{i}.invalid")]);
    }
    command.args(["--connect-timeout", "0.5", "--reconnect-interval", "0.1", "--reconnect-cap", "0.2"]);
    // The others would run for ever.
    let finished = Run::start(command.args(["--duration", "5", "--log-level", "debug"])).finish();
    for i in 0..3 {
        assert!(finished.stderr.matches(&format!("bad{i}: resolve bad{i}.invalid")).count() > 2, "{}", finished.stderr);
    }
    let (worst, count) = lateness(&finished.stdout, "healthy");
    println!("worst lateness beside 3 servers without an address: {worst:?}");
    assert!(count == 150 && worst < LATE, "{count} {worst:?}\n{}", finished.stderr);
}

#[test]
fn pings_go_out_and_are_answered_while_names_are_looked_up() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        for i in 0..20 {
            let ping = peer.expect(PING);
            peer.frame(true, PONG, &ping.payload);
            peer.ping(format!("{i}"));
            assert_eq!(peer.expect(PONG).payload, format!("{i}").as_bytes());
        }
        peer.text(crate::SAMPLE);
        peer.drain();
    });
    let mut command = wsmon(["-u", &format!("ok={}", server.uri()), "-u", "bad=ws://bad.invalid", "-n", "1"]);
    command.args(["--ping-interval", "0.05", "--ping-timeout", "5", "--connect-timeout", "0.5"]);
    let finished = Run::start(command.args(["--max-reconnects", "3", "--reconnect-interval", "0.1"])).finish();
    assert_contains(&finished.stdout, &["CPU:  12.5%"]);
    assert!(!finished.stderr.contains("ok: no answer to a ping"), "{}", finished.stderr);
}

#[test]
fn localhost_needs_no_server_and_both_families_are_tried() {
    let server = sample_server();
    let uri = format!("ws://localhost:{}", server.port());
    assert_shows_sample(&watch(&uri, &[]));
    assert_shows_sample(&watch(&uri, &["-4"]));
    let finished = watch(&uri, &["-6", "--no-reconnect"]);
    assert_gave_up(&finished, &["connect to [::1]:"]);
    let finished = watch(&server.uri(), &["-6", "--no-reconnect"]);
    assert_gave_up(&finished, &["no IPv6 address"]);
}

/// 192.0.2.0/24 is reserved (RFC 5737): silent, or unreachable at once without a route.
#[test]
fn an_address_that_does_not_answer_times_out_without_delaying_other_servers() {
    let healthy = ticking(100, Duration::from_millis(20));
    let mut command = wsmon(["-u", &format!("healthy={}", healthy.uri()), "-u", "gone=ws://192.0.2.1:9", "-n", "100"]);
    command.args(["-f", "jsonl", "--connect-timeout", "1", "--no-reconnect"]);
    let finished = Run::start(&mut command).finish();
    assert_contains(&finished.stderr, &["gone: connect to 192.0.2.1:9: ", "giving up"]);
    let (worst, count) = lateness(&finished.stdout, "healthy");
    assert!(count == 100 && worst < LATE, "{count} {worst:?}");
}
