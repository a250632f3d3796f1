//! Messages that are small to send and large to unpack, and what a compressed connection costs.

use std::process::Stdio;
use std::sync::mpsc::channel;

use crate::process::{Watched, command};
use crate::support::PATIENCE;
use crate::support::server::{PACKED, PONG, Peer, Server, TEXT};
use crate::{Attack, until_close};

const SERVERS: usize = 100;

/// Memory of the one inflater of all connections.
const INFLATER_KB: u64 = 44;

fn granted(peer: &mut Peer) {
    peer.upgrade_with("permessage-deflate; server_max_window_bits=12");
}

#[test]
fn a_bomb_ends_at_the_limit_of_a_message() {
    let whole = Attack::new(
        "64 MiB in 65 KB",
        |peer| {
            granted(peer);
            peer.frame(true, PACKED | TEXT, packed_blanks(64 << 20));
            peer.drain();
        },
        "over the limit of 1048576: see --max-message",
    );
    whole.with(&["--max-message", "1M"]).run(4096);
    let fragments = Attack::new(
        "the same in fragments",
        |peer| {
            granted(peer);
            let bomb = packed_blanks(64 << 20);
            peer.frame(false, PACKED | TEXT, &bomb[..50]);
            let frames: Vec<u8> =
                bomb[50..].chunks(50).flat_map(|part| [&[0, part.len() as u8], part].concat()).collect();
            peer.try_raw(frames);
        },
        "over the limit of 1048576: see --max-message",
    );
    fragments.with(&["--max-message", "1M"]).run(4096);
}

#[test]
fn a_compressed_connection_takes_at_most_5_kb_more() {
    // The C library keeps some pages in one run and returns them in another.
    let least = |packed| (0..3).map(|_| resident_kb(packed)).min().unwrap_or_default();
    let [plain, packed] = [false, true].map(least);
    println!("{SERVERS} servers: {plain} kB, compressed {packed} kB");
    assert!(packed <= plain + INFLATER_KB + 5 * SERVERS as u64, "{plain} kB, {packed} kB");
}

/// Memory of a run with many servers, each of which has sent a message.
fn resident_kb(packed: bool) -> u64 {
    let (sent, all_sent) = channel();
    let server = Server::start(move |mut peer| {
        if packed {
            granted(&mut peer);
            peer.frame(true, PACKED | TEXT, b"\xaa\x56\x4a\x54\xb2\x32\xac\x05\x00");
        } else {
            peer.upgrade();
            peer.text(r#"{"a":1}"#);
        }
        peer.ping("");
        peer.expect(PONG);
        sent.send(()).unwrap();
        until_close(&mut peer);
    });
    let uris: Vec<_> = (0..SERVERS).flat_map(|n| ["-u".to_owned(), format!("s{n}={}", server.uri())]).collect();
    let options: Vec<&str> = uris.iter().map(String::as_str).collect();
    let run = Watched::start(command(&server.uri(), &options).stdout(Stdio::null()));
    (0..=SERVERS).for_each(|_| all_sent.recv_timeout(PATIENCE).expect("a pong"));
    let resident = run.now_kb();
    run.end();
    resident
}

/// Compresses about so many blanks to a thousandth of them: matches of 258 bytes, 13 bits each.
pub fn packed_blanks(len: usize) -> Vec<u8> {
    // A block with fixed codes, and a blank; at its end the head of the block whose rest is not sent.
    let mut bits = vec![0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0];
    (0..len / 258).for_each(|_| bits.extend([1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]));
    bits.extend([0; 10]);
    bytes_of(&bits)
}

/// Encodes four blocks that unpack to nothing, each with codes of its own: 45 bytes.
pub fn packed_nothing() -> Vec<u8> {
    // Lengths of codes: 1 for the symbols 18, "as many zeros", and 1; with them, 256 zeros, and twice 1.
    let mut bits = vec![0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1];
    (0..18).for_each(|at| bits.extend([u8::from(at == 2 || at == 17), 0, 0]));
    bits.extend([1, 1, 1, 1, 1, 1, 1, 1]);
    bits.extend([1, 1, 1, 0, 1, 0, 1, 1]);
    bits.extend([0, 0, 0]);
    bytes_of(&bits.repeat(4))
}

fn bytes_of(bits: &[u8]) -> Vec<u8> {
    bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(at, bit)| bit << at).sum()).collect()
}
