//! Ends of a connection, most of them wrong.

use crate::support::server::{CLOSE, Peer, Server, TEXT};
use crate::{Attack, SAMPLE, upgraded, watch};
use std::time::Duration;

const SMALL_KB: u64 = 1024;

macro_rules! attack {
    ($name:literal, $says:literal, $peer:ident => $script:expr) => {
        Attack::new($name, |peer| upgraded(peer, |$peer| $script), $says)
    };
}

/// A Close frame and then nothing: TCP stays open until the client ends it.
fn close(peer: &mut Peer, payload: impl AsRef<[u8]>) {
    peer.frame(true, CLOSE, payload);
    peer.drain();
}

const ATTACKS: &[Attack] = &[
    attack!("no code", "closed by the server without a code", p => close(p, "")),
    attack!("one byte", "broke the WebSocket protocol: invalid close sequence", p => close(p, [3])),
    attack!("code 0", "broke the WebSocket protocol: a Close frame with a reserved code", p => close(p, [0, 0])),
    attack!("code 999", "broke the WebSocket protocol: a Close frame with a reserved code", p => close(p, 999_u16.to_be_bytes())),
    attack!("code 1004", "broke the WebSocket protocol: a Close frame with a reserved code", p => close(p, 1004_u16.to_be_bytes())),
    attack!("code 1005", "broke the WebSocket protocol: a Close frame with a reserved code", p => close(p, 1005_u16.to_be_bytes())),
    attack!("code 1006", "broke the WebSocket protocol: a Close frame with a reserved code", p => close(p, 1006_u16.to_be_bytes())),
    attack!("code 1015", "broke the WebSocket protocol: a Close frame with a reserved code", p => close(p, 1015_u16.to_be_bytes())),
    attack!("code 2999", "broke the WebSocket protocol: a Close frame with a reserved code", p => close(p, 2999_u16.to_be_bytes())),
    attack!("code 65535", "broke the WebSocket protocol: a Close frame with a reserved code", p => close(p, [0xff, 0xff])),
    attack!("code 4999", "closed by the server with 4999", p => close(p, 4999_u16.to_be_bytes())),
    attack!("an escape as the reason", r"1008 (policy violation): a\x1b[2J\nINFO b\u{202e}", p => {
        close(p, b"\x03\xf0a\x1b[2J\nINFO b\xe2\x80\xae")
    }),
    attack!("a reason that is no UTF-8", "not UTF-8", p => close(p, [3, 0xe8, 0xff, 0xfe])),
    attack!("a Close frame of 126 bytes", "control frame too big", p => close(p, [&[3, 0xe8][..], &[b'x'; 124]].concat())),
    attack!("data after Close", "closed by the server with 1011", p => {
        p.raw([&[0x88, 2, 3, 0xf3][..], &crate::support::server::text_frame(SAMPLE)].concat());
        p.drain();
    }),
    attack!("a flood after Close", "closed by the server with 1011", p => {
        p.raw([0x88, 2, 3, 0xf3]);
        p.flood(crate::support::server::text_frame(SAMPLE));
    }),
    attack!("EOF without Close", "the server closed the connection without a Close frame", _p => {}),
    attack!("EOF in the head of a frame", "the server closed the connection without a Close frame", p => p.raw([0x81])),
    attack!("EOF in a frame", "the server closed the connection without a Close frame", p => {
        p.announce(TEXT, 1000);
        p.raw("abc");
    }),
];

#[test]
fn every_end_is_understood_or_refused_and_the_next_connection_is_as_good_as_any() {
    ATTACKS.iter().for_each(|attack| attack.run(SMALL_KB));
}

#[test]
fn a_reset_in_the_middle_of_a_frame_is_said() {
    let server = Server::start(|mut peer| {
        if peer.number() == 1 {
            peer.upgrade();
            peer.announce(TEXT, 1000);
            peer.raw("abc");
            // The client's own ping is what stays unread.
            peer.reset_on_data();
        } else {
            crate::healthy(&mut peer);
        }
    });
    let run = watch(&server.uri(), &["--ping-interval", "0.1"]);
    run.wait_stdout(crate::SHOWN);
    let finished = run.end();
    assert!(finished.stderr.contains("connection lost: reset by the server; retrying in"), "{}", finished.stderr);
    assert_eq!(finished.code, Some(0));
}

#[test]
fn a_server_that_never_closes_tcp_holds_up_the_end_for_a_second_at_most() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        peer.text(SAMPLE);
        // Our Close frame is read and never answered.
        peer.drain();
    });
    let run = watch(&server.uri(), &[]);
    run.wait_stdout(crate::SHOWN);
    let asked = std::time::Instant::now();
    let finished = run.end();
    println!("ended after {:?}", asked.elapsed());
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(asked.elapsed() >= Duration::from_millis(900), "it did not wait for the server's Close");
    assert!(asked.elapsed() < Duration::from_secs(5), "it waited for more than a second");
    server.finish();
}
