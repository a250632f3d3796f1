//! A flood from one server is no other server's affair.

use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::SAMPLE;
use crate::compression::{packed_blanks, packed_nothing};
use crate::process::{Watched, command};
use crate::support::server::{PACKED, PING, Peer, Server, TEXT, text_frame};

/// How often the program pings.
const EVERY: Duration = Duration::from_millis(200);
/// What a busy machine may add.
const LATE: Duration = Duration::from_millis(800);
/// How many pings are looked at.
const PINGS: usize = 10;

/// The worst distance of two pings to a quiet server while another one floods.
fn worst(extensions: &'static str, flood: fn(&mut Peer)) -> Duration {
    let flooding = Server::start(move |mut peer| {
        peer.upgrade_with(extensions);
        flood(&mut peer);
    });
    let (measured, result) = channel();
    let quiet = Server::start(move |mut peer| {
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
    let uri = format!("quiet={}", quiet.uri());
    let options = ["--uri", &uri, "--ping-interval", "0.2", "--stale-after", "0"];
    let run = Watched::start(command(&flooding.uri(), &options).stdout(Stdio::null()));
    let worst = result.recv_timeout(crate::support::PATIENCE).expect("pings while another server floods");
    run.end();
    worst
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
    assert_fair_with("packed nothing", "permessage-deflate", |peer| {
        peer.frame(false, PACKED | TEXT, "");
        peer.flood([&[0, 0x7e, 0x8c, 0xa0][..], &packed_nothing().repeat(800)].concat());
    });
}
