//! Messages that servers compress: permessage-deflate, RFC 7692.

use crate::client::{greet, json_lines, log_lines, sample, statistics, watched};
use crate::support::server::{CLOSE, CONTINUATION, PACKED, PONG, Peer, Server, TEXT};
use serde_json::json;

const FIN: bool = true;
/// `{"a":1}`, the same again as a reference to it, and an empty message.
const FIRST: &[u8] = b"\xaa\x56\x4a\x54\xb2\x32\xac\x05\x00";
const AGAIN: &[u8] = b"\xaa\x86\x50\x00\x00";
const EMPTY: &[u8] = b"\x00";
const BARE: &str = "permessage-deflate";
const CANNOT: &str =
    "the server broke the WebSocket protocol: a compressed message that cannot be unpacked (see --no-compression)";

fn packing(extensions: &'static str, frames: fn(&mut Peer)) -> Server {
    Server::start(move |mut peer| {
        peer.upgrade_with(extensions);
        frames(&mut peer);
        peer.hold();
    })
}

fn offers(peer: &mut Peer) -> bool {
    let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    assert_eq!(peer.request().contains("Extensions"), peer.request().contains(offer), "{}", peer.request());
    peer.request().contains(offer)
}

#[test]
fn compression_is_offered_unless_it_is_not_wanted() {
    let server = Server::start(|mut peer| {
        assert_eq!(offers(&mut peer), peer.number() == 1);
        peer.upgrade();
        peer.text("{}");
        peer.hold();
    });
    for options in ["-n 1", "-n 1 --no-compression"] {
        assert_eq!(watched(&server, options).code, Some(0));
    }
    server.finish();
}

#[test]
fn a_server_that_refuses_the_offer_is_asked_again_at_once_and_never_offered_it_again() {
    let server = Server::start(|mut peer| {
        if offers(&mut peer) {
            return peer.answer("400 Bad Request", &[], "unsupported permessage-deflate parameter");
        }
        peer.upgrade();
        peer.text("{}");
        if peer.number() == 2 { peer.close(1001, "") } else { peer.hold() }
    });
    let finished = watched(&server, "-n 2 --reconnect-interval 0.1");
    assert_eq!((finished.code, server.accepted()), (Some(0), 3), "{finished:?}");
    assert!(!finished.stderr.contains("400"), "{finished:?}");

    for status in ["400 Bad Request", "426 Upgrade Required", "501 Not Implemented"] {
        let server = Server::start(move |mut peer| {
            if offers(&mut peer) {
                return peer.answer(status, &[], "no");
            }
            peer.upgrade();
            peer.text("{}");
            peer.hold();
        });
        let finished = watched(&server, "-n 1 --no-reconnect -q");
        assert_eq!((finished.code, server.accepted(), finished.stderr.as_str()), (Some(0), 2, ""), "{status}");
    }
}

#[test]
fn what_is_refused_without_the_offer_too_is_said_once() {
    let server = Server::start(|mut peer| peer.answer("400 Bad Request", &[], "no"));
    let finished = watched(&server, "");
    assert_eq!((finished.code, server.accepted()), (Some(1), 2), "{finished:?}");
    assert_eq!(log_lines(&finished.stderr, &["ERROR", "WARN"])[0].matches("answered 400").count(), 1, "{finished:?}");
    // Without an offer there is nothing to withdraw.
    let finished = watched(&server, "--no-compression");
    assert_eq!((finished.code, server.accepted()), (Some(1), 3), "{finished:?}");
}

#[test]
fn compressed_messages_are_messages_like_any_other() {
    let server = packing("permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", |peer| {
        peer.frame(FIN, PACKED | TEXT, FIRST);
        peer.frame(FIN, PACKED | TEXT, AGAIN);
        peer.frame(FIN, PACKED | TEXT, EMPTY);
        peer.text(r#"{"b":2}"#);
        peer.frame(!FIN, PACKED | TEXT, &AGAIN[..1]);
        peer.ping("x");
        peer.frame(!FIN, CONTINUATION, b"");
        peer.frame(FIN, CONTINUATION, &AGAIN[1..]);
    });
    let finished = watched(&server, "-f jsonl -s -n 4 --log-level debug");
    let lines = json_lines(&finished.stdout);
    let values: Vec<_> = lines.iter().map(|line| (&line["a"], &line["b"], &line["text"])).collect();
    let (null, a, b, empty) = (&json!(null), &json!(1), &json!(2), &json!(""));
    assert_eq!(values[..5], [(a, null, null), (a, null, null), (null, null, empty), (null, b, null), (a, null, null)]);
    let stats = statistics(&finished);
    assert_eq!((&stats["messages_received"], &stats["bytes_received"]), (&json!(5), &json!(28)));
    // With the heads, and the Close frame if it came in time.
    let wire = stats["wire_bytes_received"].as_u64();
    assert!(matches!(wire, Some(44 | 48)), "{wire:?}");
    let agreed = "the server compresses, with a window of 4096 bytes, with takeover";
    assert!(finished.stderr.contains(agreed), "{finished:?}");
}

#[test]
fn statistics_count_both_the_messages_and_what_came_for_them() {
    let server = packing(BARE, |peer| {
        peer.frame(FIN, PACKED | TEXT, FIRST);
        peer.frame(FIN, PACKED | TEXT, AGAIN);
    });
    let finished = watched(&server, "-s -n 2");
    let line = finished.stdout.lines().find(|line| line.starts_with("Data: ")).unwrap();
    let wire = ["18.0 B", "22.0 B"].map(|wire| format!("Data: 14.0 B received ({wire} on the wire), 0.0 B sent"));
    assert!(wire.iter().any(|expected| line == expected), "{line}");
}

#[test]
fn frames_in_the_packet_of_the_response_are_shown_and_counted() {
    let server = Server::start(|mut peer| {
        let granted = peer.granted_with("permessage-deflate; server_no_context_takeover");
        let frame = [&[0xc1, FIRST.len() as u8], FIRST].concat();
        peer.raw([granted.as_bytes(), &frame, &frame, &frame[..5]].concat());
        peer.expect(CLOSE);
    });
    let finished = watched(&server, "-f jsonl -s -n 2");
    assert_eq!((finished.code, json_lines(&finished.stdout).len()), (Some(0), 3), "{finished:?}");
    let stats = statistics(&finished);
    assert_eq!((&stats["bytes_received"], &stats["wire_bytes_received"]), (&json!(14), &json!(27)));
}

#[test]
fn a_connection_in_the_middle_of_a_message_keeps_its_place() {
    let server = Server::start(|mut peer| {
        peer.upgrade_with(BARE);
        let is_first = peer.request().starts_with("GET /first ");
        peer.frame(FIN, PACKED | TEXT, FIRST);
        for _ in 0..20 {
            peer.frame(!FIN, PACKED | TEXT, &AGAIN[..1 + usize::from(is_first)]);
            peer.ping("");
            peer.expect(PONG);
            peer.frame(FIN, CONTINUATION, &AGAIN[1 + usize::from(is_first)..]);
        }
        peer.hold();
    });
    let both = format!("-u {0}/first -u {0}/second -f jsonl -n 21", server.uri());
    let finished = crate::support::program::run(both.split(' '));
    let lines = json_lines(&finished.stdout);
    assert_eq!((finished.code, lines.len()), (Some(0), 42), "{finished:?}");
    assert!(lines.iter().all(|line| line["a"] == 1), "{finished:?}");
}

#[test]
fn what_cannot_be_unpacked_ends_the_connection_and_names_the_way_out() {
    let reserved = "the server broke the WebSocket protocol: reserved bits are non-zero";
    let middle = "a message in the middle of a compressed one (see --no-compression)";
    type Case = (&'static str, fn(&mut Peer), &'static str, u16);
    let cases: [Case; 9] = [
        (BARE, |peer| peer.frame(FIN, PACKED | TEXT, b"\x06"), CANNOT, 1007),
        (BARE, |peer| peer.frame(FIN, PACKED | TEXT, &FIRST[..5]), CANNOT, 1007),
        ("permessage-deflate; server_no_context_takeover", |peer| peer.frame(FIN, PACKED | TEXT, AGAIN), CANNOT, 1007),
        (
            BARE,
            |peer| {
                peer.frame(!FIN, PACKED | TEXT, AGAIN);
                peer.text("{}");
            },
            middle,
            1007,
        ),
        (BARE, |peer| peer.frame(FIN, PACKED | 9, b""), reserved, 1002),
        (BARE, |peer| peer.frame(FIN, 0x20 | TEXT, b"{}"), reserved, 1002),
        (
            BARE,
            |peer| peer.raw([0xc1, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            "see --max-message",
            1009,
        ),
        (
            BARE,
            // With some of its payload in the same packet, which is no text.
            |peer| peer.raw([0xc1, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf2, 0xff]),
            "see --max-message",
            1009,
        ),
        (BARE, |peer| peer.frame(FIN, 0x20 | TEXT, b"\xff"), reserved, 1002),
    ];
    for (extensions, frames, why, code) in cases {
        let server = Server::start(move |mut peer| {
            peer.upgrade_with(extensions);
            peer.frame(FIN, PACKED | TEXT, FIRST);
            frames(&mut peer);
            assert_eq!(peer.expect(CLOSE).close().0, code);
        });
        let finished = watched(&server, "-f jsonl --no-reconnect");
        assert_eq!((finished.code, json_lines(&finished.stdout).len()), (Some(1), 1), "{finished:?}");
        assert!(log_lines(&finished.stderr, &["ERROR"])[0].contains(why), "{finished:?}");
        server.finish();
    }
}

#[test]
fn a_server_that_cannot_compress_is_not_offered_compression_again() {
    type Case = (&'static str, fn(&mut Peer), &'static str);
    let cases: [Case; 5] = [
        (BARE, |peer| peer.frame(FIN, PACKED | TEXT, b"\x06"), CANNOT),
        // Stored without compression: one byte that is not UTF-8.
        (BARE, |peer| peer.frame(FIN, PACKED | TEXT, b"\0\x01\0\xfe\xff\xff\0"), "is not UTF-8 (byte 0: 0xff)"),
        (BARE, |peer| peer.frame(FIN, PACKED | 9, b""), "reserved bits are non-zero"),
        ("permessage-deflate; mode=x", |_| (), "was not offered in this way"),
        ("permessage-bzip2", |_| (), "which was not offered"),
    ];
    for (extensions, frames, why) in cases {
        let server = Server::start(move |mut peer| {
            if offers(&mut peer) {
                peer.upgrade_with(extensions);
                frames(&mut peer);
                peer.drain();
            } else {
                greet(&mut peer);
                peer.text(sample(1.0));
                if peer.number() == 2 { peer.close(1001, "") } else { peer.hold() }
            }
        });
        let finished = watched(&server, "--only sample -n 2 --reconnect-interval 0.1");
        assert_eq!((finished.code, server.accepted()), (Some(0), 3), "{finished:?}");
        assert!(log_lines(&finished.stderr, &["WARN"])[0].contains(why), "{finished:?}");
    }
}

#[test]
fn an_answer_to_another_offer_is_refused() {
    for (extensions, options, why) in [
        ("permessage-deflate; mode=x", "", "(\"mode=x\"): see --no-compression"),
        ("permessage-deflate; server_max_window_bits=16", "", "(\"server_max_window_bits=16\"): see --no-compression"),
        ("permessage-deflate, permessage-deflate", "", "(\"permessage-deflate\"): see --no-compression"),
        ("permessage-bzip2", "", "the extension \"permessage-bzip2\", which was not offered"),
        ("permessage-deflate", "--no-compression", "the extension \"permessage-deflate\", which was not offered"),
    ] {
        let server = Server::start(move |mut peer| {
            peer.upgrade_with(extensions);
            peer.wait_gone();
        });
        let finished = watched(&server, &format!("--no-reconnect {options}"));
        assert!(finished.code == Some(1) && finished.stderr.contains(why), "{finished:?}");
    }
}

#[test]
fn blocks_that_unpack_to_nothing_are_a_silence() {
    let server = packing(BARE, |peer| {
        peer.frame(!FIN, PACKED | TEXT, b"");
        let blocks = b"\0\0\0\xff\xff".repeat(200);
        let head = [0, 0x7e, 3, 0xe8];
        peer.flood([&head, &blocks[..]].concat());
    });
    let finished = watched(&server, "--stale-after 1 --no-reconnect");
    assert!(finished.stderr.contains("no message came for 1.0 s"), "{finished:?}");
}
