//! Frames that RFC 6455 does not allow.

use crate::support::server::{BINARY, CONTINUATION, PING, TEXT};
use crate::{Attack, upgraded};

/// What an attack with small frames may cost.
const SMALL_KB: u64 = 1024;

macro_rules! attack {
    ($name:literal, $says:literal, $peer:ident => $script:expr) => {
        Attack::new(
            $name,
            |peer| {
                upgraded(peer, |$peer| {
                    $script;
                    $peer.drain();
                })
            },
            $says,
        )
    };
}

const ATTACKS: &[Attack] = &[
    attack!("RSV1: compression that was not agreed", "protocol: reserved bits", p => p.frame(true, 0x40 | TEXT, "x")),
    attack!("RSV2", "protocol: reserved bits", p => p.frame(true, 0x20 | TEXT, "x")),
    attack!("RSV3", "protocol: reserved bits", p => p.frame(true, 0x10 | PING, "x")),
    attack!("reserved opcode 3", "protocol: encountered invalid opcode: 3", p => p.frame(true, 3, "x")),
    attack!("reserved opcode 15", "protocol: encountered invalid opcode: 15", p => p.frame(true, 15, "x")),
    attack!("a masked frame", "protocol: received a masked frame from server", p => p.raw([0x81, 0x81, 1, 2, 3, 4, 5])),
    attack!("a fragmented ping", "protocol: fragmented control frame", p => p.frame(false, PING, "x")),
    attack!("a ping of 126 bytes", "protocol: control frame too big", p => p.frame(true, PING, [0; 126])),
    attack!("a continuation of nothing", "protocol: continue frame but nothing to continue", p => {
        p.frame(true, CONTINUATION, "x")
    }),
    attack!("a message within a message", "protocol: while waiting for more fragments", p => {
        p.frame(false, TEXT, "x");
        p.frame(true, TEXT, "y");
    }),
    attack!("text that is no UTF-8", "text message that is not UTF-8", p => p.text([b'a', 0xff])),
    attack!("a surrogate as UTF-8", "text message that is not UTF-8", p => p.text([0xed, 0xa0, 0x80])),
    attack!("UTF-8 cut off at the end", "text message that is not UTF-8", p => p.text([0xe2, 0x82])),
    attack!("a terabyte in ten bytes", "see --max-message", p => p.announce(TEXT, 1 << 40)),
    attack!("4 GiB in ten bytes", "see --max-message", p => p.announce(BINARY, 4 << 30)),
    attack!("2^64 bytes in ten bytes", "see --max-message", p => p.announce(TEXT, u64::MAX)),
    attack!("a ping of gigabytes", "see --max-message", p => p.announce(PING, 1 << 32)),
];

#[test]
fn a_frame_that_breaks_the_protocol_ends_the_connection_and_the_next_one_is_as_good_as_any() {
    ATTACKS.iter().for_each(|attack| attack.run(SMALL_KB));
}

#[test]
fn fragments_without_end_are_cut_off_at_the_limit() {
    let attack = Attack::new(
        "endless fragments",
        |peer| {
            upgraded(peer, |peer| {
                peer.frame(false, TEXT, "x");
                let fragment = [&[0, 126, 0x10, 0][..], &[b'x'; 4096]].concat();
                assert!(peer.flood(fragment) >= 256, "less than --max-message");
            });
        },
        "over the limit of 1048576: see --max-message",
    );
    attack.with(&["--max-message", "1M"]).run(4096);
}

#[test]
fn four_mebibytes_announced_and_not_sent_cost_no_more_than_that() {
    let attack = Attack::new(
        "--max-message announced",
        |peer| {
            upgraded(peer, |peer| {
                peer.announce(TEXT, 4 << 20);
                peer.raw("x");
            });
        },
        "the server closed the connection without a Close frame",
    );
    attack.run(6 * 1024);
}
