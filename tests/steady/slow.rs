//! Servers that let every phase trickle, or stop in it.

use std::thread::sleep;
use std::time::Duration;

use crate::support::server::{CONTINUATION, Peer, TEXT};
use crate::{Attack, upgraded};

const SMALL_KB: u64 = 1024;
/// Time between two bytes: here the pace is what is played.
const DRIP: Duration = Duration::from_millis(20);

/// One byte at a time, over and over, until the client has had enough.
fn trickle(peer: &mut Peer, bytes: &[u8]) {
    while bytes.iter().all(|byte| {
        sleep(DRIP);
        peer.try_raw([*byte])
    }) {}
}

const OPENING: &[Attack] = &[
    Attack::new("no answer to the upgrade", |peer| peer.wait_gone(), "no answer within 1 s"),
    Attack::new(
        "an answer that trickles",
        |peer| {
            peer.request();
            peer.raw("HTTP/1.1 101 Switching Protocols\r\n");
            trickle(peer, b"X-A: b\r\n");
        },
        "no answer within 1 s",
    ),
    Attack::new(
        "an answer without its last line feed",
        |peer| {
            let granted = peer.granted();
            peer.raw(&granted[..granted.len() - 1]);
            peer.wait_gone();
        },
        "no answer within 1 s",
    ),
];

/// Whatever it sends, messages are what is waited for.
const OPEN: &[Attack] = &[
    Attack::new(
        "a message that trickles",
        |peer| {
            upgraded(peer, |peer| {
                peer.announce(TEXT, 1 << 20);
                trickle(peer, b"x");
            })
        },
        "the connection is alive, but no message came for",
    ),
    Attack::new(
        "a head that trickles",
        |peer| {
            upgraded(peer, |peer| {
                peer.frame(false, TEXT, "");
                trickle(peer, &[CONTINUATION, 126, 0, 1, b'x']);
            })
        },
        "the connection is alive, but no message came for",
    ),
    Attack::new(
        "pings that trickle",
        |peer| {
            upgraded(peer, |peer| {
                trickle(peer, &[0x89, 1, b'x']);
            })
        },
        "the connection is alive, but no message came for",
    ),
    Attack::new(
        "pongs that nobody asked for",
        |peer| {
            upgraded(peer, |peer| {
                trickle(peer, &[0x8a, 0]);
            })
        },
        "the connection is alive, but no message came for",
    ),
];

const SILENT: &[Attack] = &[
    Attack::new("silence", |peer| upgraded(peer, Peer::wait_gone), "no answer to a ping within 1 s"),
    Attack::new(
        "silence in a frame",
        |peer| {
            upgraded(peer, |peer| {
                peer.announce(TEXT, 1000);
                peer.raw("x");
                peer.wait_gone();
            })
        },
        "no answer to a ping within 1 s",
    ),
];

fn run(attacks: &'static [Attack], options: &'static [&'static str]) {
    // Each waits for a deadline: side by side they take no longer than one.
    std::thread::scope(|scope| {
        for attack in attacks {
            scope.spawn(move || Attack { options, ..*attack }.run(SMALL_KB));
        }
    });
}

#[test]
fn an_upgrade_that_trickles_ends_with_the_connect_timeout() {
    run(OPENING, &["--connect-timeout", "1"]);
}

#[test]
fn a_server_that_says_nothing_whole_is_stale_however_alive_it_is() {
    run(OPEN, &["--stale-after", "1", "--ping-interval", "0.3", "--ping-timeout", "1"]);
}

#[test]
fn a_server_that_says_nothing_at_all_ends_with_the_ping_timeout() {
    run(SILENT, &["--ping-interval", "0.3", "--ping-timeout", "1"]);
}
