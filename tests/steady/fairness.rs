//! A flood from one server is no other server's affair.

use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::SAMPLE;
use crate::compression::{packed_blanks, packed_nothing};
use crate::process::{Watched, command};
use crate::support::server::{PACKED, PING, Peer, Server, TEXT, text_frame};

/// Time between two pings of the program.
const EVERY: Duration = Duration::from_millis(200);
/// Time that a busy machine may add.
const LATE: Duration = Duration::from_millis(800);
/// The longest turn of a server.
const TURN: Duration = Duration::from_millis(50);
/// Number of pings that are looked at.
const PINGS: usize = 10;

/// The worst distance of two pings to a quiet server while another one floods.
fn worst(extensions: &'static str, flood: fn(&mut Peer)) -> Duration {
    let flooding = Server::start(move |mut peer| {
        peer.upgrade_with(extensions);
        flood(&mut peer);
    });
    let (result, quiet) = quiet();
    let uri = format!("quiet={}", quiet.uri());
    let options = ["--uri", &uri, "--ping-interval", "0.2", "--stale-after", "0"];
    let run = Watched::start(command(&flooding.uri(), &options).stdout(Stdio::null()));
    let worst = result.recv_timeout(crate::support::PATIENCE).expect("pings while another server floods");
    run.end();
    worst
}

/// A quiet server, and the worst distance of two pings to it.
fn quiet() -> (Receiver<Duration>, Server) {
    let (measured, result) = channel();
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        peer.expect(PING);
        let mut before = Instant::now();
        let mut worst = Duration::ZERO;
        for _ in 0..PINGS {
            peer.expect(PING);
            worst = worst.max(before.elapsed());
            before = Instant::now();
        }
        measured.send(worst).unwrap();
        peer.drain();
    });
    (result, server)
}

fn assert_fair(what: &str, flood: fn(&mut Peer)) {
    assert_fair_with(what, "", flood);
}

fn assert_fair_with(what: &str, extensions: &'static str, flood: fn(&mut Peer)) {
    let worst = worst(extensions, flood);
    println!("{what}: pings every {EVERY:?}, at worst after {worst:?}");
    assert!(worst <= EVERY + LATE, "{what}: {worst:?}");
}

#[test]
fn floods_of_many_servers_take_turns_and_each_gets_its_share() {
    const FLOODS: usize = 8;
    let (told, sent) = channel();
    let floods: Vec<_> = (0..FLOODS)
        .map(|n| {
            let told = told.clone();
            Server::start(move |mut peer| {
                peer.upgrade();
                let batch = text_frame(SAMPLE).repeat(1000);
                while peer.try_raw(&batch) {
                    // The test may have seen enough.
                    let _unheard = told.send(n);
                }
            })
        })
        .collect();
    let (late, quiet) = quiet();
    let uris: Vec<_> = floods.iter().enumerate().map(|(n, server)| format!("f{n}={}", server.uri())).collect();
    let mut options: Vec<&str> = uris[1..].iter().flat_map(|uri| ["--uri", uri]).collect();
    let uri = format!("quiet={}", quiet.uri());
    options.extend(["--uri", &uri, "--ping-interval", "0.2", "--stale-after", "0"]);
    let run = Watched::start(command(&uris[0], &options).stdout(Stdio::null()));
    let worst = late.recv_timeout(crate::support::PATIENCE).expect("pings while the others flood");
    let mut batches = [0; FLOODS];
    sent.try_iter().for_each(|n| batches[n] += 1);
    run.end();
    println!("{FLOODS} floods: pings every {EVERY:?}, at worst after {worst:?}; batches taken of each: {batches:?}");
    // Each has a turn of 50 ms at most.
    assert!(worst <= EVERY + LATE + TURN * FLOODS as u32, "{worst:?}");
    let (least, most) = (batches.iter().min().unwrap(), batches.iter().max().unwrap());
    assert!(*least > 0 && *most <= 4 * least + 8, "{batches:?}");
}

#[test]
fn samples_without_end_delay_no_other_servers_ping() {
    assert_fair("samples", |peer| _ = peer.flood(text_frame(SAMPLE).repeat(1000)));
}

#[test]
fn empty_fragments_without_end_delay_no_other_servers_ping() {
    assert_fair("empty fragments", |peer| {
        peer.frame(false, TEXT, "");
        peer.flood([0, 0].repeat(32_000));
    });
}

#[test]
fn pings_without_end_delay_no_other_servers_ping() {
    assert_fair("pings", |peer| _ = peer.flood([0x89, 1, b'x'].repeat(20_000)));
}

#[test]
fn rubbish_without_end_delays_no_other_servers_ping() {
    assert_fair("rubbish", |peer| _ = peer.flood(text_frame("\u{1b}[[[[[[{{{{").repeat(1000)));
}

#[test]
fn compressed_blanks_without_end_delay_no_other_servers_ping() {
    assert_fair_with("packed blanks", "permessage-deflate", |peer| {
        let message = packed_blanks(200 << 10);
        let head = [0xc1, 0x7e, (message.len() >> 8) as u8, message.len() as u8];
        peer.flood([&head, &message[..]].concat().repeat(50));
    });
}

#[test]
fn blocks_that_unpack_to_nothing_delay_no_other_servers_ping() {
    assert_fair_with("packed nothing", "permessage-deflate", |peer| flood_packed(peer, &packed_nothing()));
    // Four blocks with fixed codes, whose tables are made for each of them.
    let fixed = |peer: &mut Peer| flood_packed(peer, &[0x02, 0x08, 0x20, 0x80, 0x00]);
    assert_fair_with("packed nothing, fixed codes", "permessage-deflate", fixed);
}

/// Sends frames of a compressed message that does not end.
fn flood_packed(peer: &mut Peer, blocks: &[u8]) {
    peer.frame(false, PACKED | TEXT, "");
    peer.flood([&[0, 0x7e, 0x8c, 0xa0][..], &blocks.repeat(36_000 / blocks.len())].concat());
}

/// A thousand alerts in one message, again and again, each time under other names.
fn alerts(peer: &mut Peer) {
    for round in 0..50 {
        let alert = |n| format!(r#"{{"component":"c{round}.{n}","level":"WARNING","message":"m"}}"#);
        let alerts: Vec<_> = (0..1000).map(alert).collect();
        peer.text(format!(r#"{{"type":"monitoring_data","data":{{}},"alerts":[{}]}}"#, alerts.join(",")));
    }
    peer.drain();
}

#[test]
fn commands_for_alerts_without_end_delay_no_other_servers_ping() {
    let alerting = Server::start(|mut peer| {
        peer.upgrade();
        alerts(&mut peer);
    });
    // Some end at once; some fill a stderr that nobody reads, and stay.
    let script = "case $WSMON_METRIC in *7) head -c 1000000000 /dev/zero ;; esac";
    let (result, quiet) = quiet();
    let uri = format!("quiet={}", quiet.uri());
    let options = ["--uri", &uri, "--ping-interval", "0.2", "--stale-after", "0", "--on-alert", script];
    let (unread, stderr) = std::io::pipe().unwrap();
    let run = Watched::start(command(&alerting.uri(), &options).stdout(Stdio::null()).stderr(stderr));
    let worst = result.recv_timeout(crate::support::PATIENCE).expect("pings while commands run");
    println!("commands: pings every {EVERY:?}, at worst after {worst:?}");
    assert!(worst <= EVERY + LATE, "{worst:?}");
    assert_eq!(run.end().code, Some(0));
    // Without a reader, what still writes there ends.
    drop(unread);
}
