//! Frames that RFC 6455 does not allow.

use crate::support::server::{BINARY, CONTINUATION, PING, Server, TEXT, text_frame};
use crate::{Attack, LOST, SAMPLE, SHOWN, healthy, upgraded, watch};

/// Memory that an attack with small frames may cost.
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

/// tungstenite would go on: after an oversized head it even delivers the message.
#[test]
fn nothing_behind_a_violation_is_ever_read() {
    let violations: [&[u8]; 6] = [
        &[0x83, 0],
        &[0xc1, 0],
        &[0x81, 0x80, 0, 0, 0, 0],
        &[0x81, 1, 0xff],
        &[0x88, 1, 3],
        &[&[0x81, 126, 8, 0][..], &[b'x'; 2048]].concat(),
    ];
    for violation in violations {
        let bytes = [violation, &text_frame(SAMPLE.replace("45.2", "99.9"))].concat();
        let server = Server::start(move |mut peer| match peer.number() {
            1 => {
                peer.upgrade();
                peer.raw(&bytes);
                peer.drain();
            }
            _ => healthy(&mut peer),
        });
        let run = watch(&server.uri(), &["--max-message", "1K"]);
        run.wait_stdout(SHOWN);
        let finished = run.end();
        assert_eq!((finished.code, &*finished.stdout), (Some(0), &*format!("{SHOWN}\n")), "{violation:?}");
        assert_eq!(finished.stderr.matches(LOST).count(), 1, "{}", finished.stderr);
    }
}
