//! Compressed messages.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::decompress;

use super::*;

const CANNOT: &str = "a compressed message that cannot be unpacked";
const MIDDLE: &str = "a message in the middle of a compressed one";
const RESERVED: &str = "reserved bits are non-zero";
/// RFC 7692 section 7.2.3.1, and the same text again, taken from the first message (7.2.3.2).
const HELLO: &str = "c1 07 f2 48 cd c9 c9 07 00";
const AGAIN: &str = "c1 05 f2 00 11 00 00";

fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn agreed(window_bits: u8, takeover: bool) -> Fragmenter {
    Fragmenter::new(MAX_MESSAGE, Some(Deflate { window_bits, takeover }))
}

/// Reads frames however they are cut. Returns the messages, the numbers of pings as `<n>`, and the error at the end.
fn shown(window_bits: u8, takeover: bool, frames: &[&str]) -> String {
    let bytes: Vec<u8> = frames.iter().flat_map(|frame| hex(frame)).collect();
    let read = |seed| {
        let (messages, end) = read(&bytes, seed, Some(agreed(window_bits, takeover)));
        let mut words: Vec<String> = messages
            .iter()
            .map(|message| match message {
                Message::Text(text) => format!("\"{text}\""),
                Message::Ping(payload) => format!("<{}>", payload[0]),
                other => format!("{other:?}"),
            })
            .collect();
        if !end.contains("closed") && !end.contains("without closing handshake") {
            words.push(end.to_lowercase());
        }
        words.join(" ")
    };
    let expected = read(0);
    for seed in 1..16 {
        assert_eq!(read(seed), expected, "{frames:?}");
    }
    expected
}

#[test]
fn the_examples_of_the_rfc_are_unpacked_in_any_pieces() {
    for hello in [
        HELLO,
        "41 03 f2 48 cd 80 04 c9 c9 07 00",
        "41 03 f2 48 cd 00 00 00 04 c9 c9 07 00 80 00",
        "c1 0b 00 05 00 fa ff 48 65 6c 6c 6f 00",
        "c1 0d f2 48 05 00 00 00 ff ff ca c9 c9 07 00",
        "c1 08 f3 48 cd c9 c9 07 00 00",
        "c1 07 f3 48 cd c9 c9 07 00",
    ] {
        assert_eq!(shown(15, true, &[hello, AGAIN]), r#""Hello" "Hello""#, "{hello}");
        assert_eq!(shown(8, true, &[hello, AGAIN]), r#""Hello" "Hello""#, "{hello}");
        assert_eq!(shown(12, false, &[hello, hello]), r#""Hello" "Hello""#, "{hello}");
    }
    let cut = "41 03 f2 48 cd 89 01 07 00 00 8a 00 80 04 c9 c9 07 00";
    assert_eq!(shown(15, true, &[cut]), r#"<7> Pong(b"") "Hello""#);
    assert_eq!(shown(15, true, &["c1 01 00", "c1 00", HELLO]), r#""" "" "Hello""#);
}

#[test]
fn a_message_is_one_frame_unless_the_window_ends_in_it() {
    let mut fragmenter = agreed(15, true);
    let mut out = [0; 100];
    assert_eq!(fragmenter.copy(&hex(HELLO), &mut out), (9, 7));
    assert_eq!(out[..7], hex("81 05 48 65 6c 6c 6f"));
    let text: Vec<u8> = (0..100_000_u64).map(|at| ((at * at) >> 4) as u8).collect();
    let (frames, _) = copy(&mut agreed(15, true), &packed(&text), 7, 1000);
    assert_eq!(heads(&frames), [(0x02, 32768), (0, 32768), (0, 32768), (0x80, 100_000 - 3 * 32768)]);
    let (frames, _) = copy(&mut agreed(15, true), &packed(&text[..32768]), 7, 1000);
    assert_eq!(heads(&frames), [(0x02, 32768), (0x80, 0)]);
}

#[test]
fn plain_messages_between_compressed_ones_are_not_referred_to() {
    let plain = "81 05 57 6f 72 6c 64";
    assert_eq!(shown(15, true, &[HELLO, plain, AGAIN]), r#""Hello" "World" "Hello""#);
    assert_eq!(shown(15, true, &[plain, AGAIN]), format!(r#""World" {CANNOT}"#));
}

#[test]
fn without_takeover_each_message_is_the_first() {
    assert_eq!(shown(15, false, &[HELLO, HELLO, AGAIN]), format!(r#""Hello" "Hello" {CANNOT}"#));
}

#[test]
fn a_message_refers_back_to_the_first_byte_and_no_further() {
    assert_eq!(shown(15, true, &[HELLO, "c1 04 02 12 00 00"]), r#""Hello" "Hel""#);
    assert_eq!(shown(15, true, &[HELLO, "c1 04 02 92 00 00"]), format!(r#""Hello" {CANNOT}"#));
}

#[test]
fn what_is_not_a_compressed_message_is_refused() {
    for (frames, why) in [
        ("c1 04 f2 48 cd c9", CANNOT),
        ("c1 01 06", CANNOT),
        ("c1 06 00 05 00 fa fe 48", CANNOT),
        ("c1 06 00 05 00 fa ff 48", CANNOT),
        // Its tail would make up the four bytes that are missing.
        ("c1 06 00 05 00 fa ff 48 80 00", CANNOT),
        ("41 02 f2 48 80 03 cd c9 c9", CANNOT),
        ("41 02 f2 48 81 05 48 65 6c 6c 6f", MIDDLE),
        ("41 02 f2 48 c1 00", MIDDLE),
        ("41 02 f2 48 89 01 07 02 00", MIDDLE),
        ("c9 00", RESERVED),
        ("c8 02 03 e8", RESERVED),
        ("41 03 f2 48 cd c0 04 c9 c9 07 00", RESERVED),
        ("c0 00", RESERVED),
        ("a1 02 7b 7d", RESERVED),
        ("e1 02 7b 7d", RESERVED),
        ("c3 00", "invalid opcode"),
        ("c1 87 01 02 03 04 f2 48 cd c9 c9 07 00", RESERVED),
        ("c1 7f ff ff ff ff ff ff ff ff", "too large"),
        ("c1 7f 00 00 00 00 00 50 00 00", "too large"),
        ("41 01 f2 80 7f 00 00 00 00 00 50 00 00", "too large"),
    ] {
        let read = shown(15, true, &[HELLO, frames]);
        assert!(read.starts_with(r#""Hello" "#) && read.contains(why), "{frames}: {read}");
    }
    assert!(shown(15, true, &[AGAIN]).contains(CANNOT));
}

#[test]
fn a_message_may_unpack_to_the_limit_and_to_no_more() {
    for (len, is_taken) in [(MAX_MESSAGE, true), (MAX_MESSAGE + 1, false), (4 << 20, false)] {
        let bomb = packed(&vec![b' '; len]);
        for stream in [bomb.clone(), in_fragments(&bomb, 50)] {
            let (messages, end) = read(&stream, 4, Some(agreed(12, true)));
            assert_eq!((messages.len(), end == "too large"), (usize::from(is_taken), !is_taken), "{len}: {end}");
        }
    }
}

#[test]
fn whoever_refers_back_further_than_agreed_is_refused_without_a_panic() {
    // The packer's window has 32 KiB. A window that is moved while a match is half copied makes miniz_oxide panic.
    let text: Vec<u8> = (0..12_000_u32).flat_map(|at| (at % 6000).to_string().into_bytes()).collect();
    let frame = packed(&text);
    for bits in 8..=15 {
        for piece in [1, 7, 1000, usize::MAX] {
            let (frames, fault) = copy(&mut agreed(bits, true), &frame, piece, 999);
            assert_eq!(fault, (bits < 15).then_some(CANNOT), "{bits} {piece}");
            assert!(bits < 15 || payload(&frames) == text);
        }
    }
}

#[test]
fn connections_lend_each_other_an_inflater_which_stays_only_within_a_message() {
    let (mut first, mut second, mut lent) = (agreed(15, true), agreed(9, true), None);
    let mut turn = |fragmenter: &mut Fragmenter, bytes: &str| {
        let mut out = [0; 100];
        fragmenter.begin_turn(&mut lent);
        let (taken, written) = fragmenter.copy(&hex(bytes), &mut out);
        assert_eq!((taken, fragmenter.fault()), (hex(bytes).len(), None));
        fragmenter.end_turn(&mut lent);
        (String::from_utf8_lossy(&out[..written]).into_owned(), lent.is_some())
    };
    let hello = |is_lent| ("\u{fffd}\u{5}Hello".to_owned(), is_lent);
    assert_eq!(turn(&mut second, HELLO), hello(true));
    assert_eq!(turn(&mut first, "41 03 f2 48 cd"), (String::new(), false), "kept");
    assert_eq!(turn(&mut second, AGAIN), hello(true), "another one");
    assert_eq!(turn(&mut second, "41 02"), (String::new(), false));
    assert_eq!(turn(&mut first, "80 04 c9 c9 07 00"), hello(true), "both can go on");
    assert_eq!(turn(&mut second, "f2 00 80 03 11 00 00"), hello(true));
}

#[test]
fn between_messages_a_connection_keeps_no_more_than_a_window() {
    for (takeover, expected) in [(true, 512), (false, 0)] {
        let mut fragmenter = agreed(9, takeover);
        let window = |fragmenter: &Fragmenter| fragmenter.inflate.as_ref().unwrap().window_len();
        copy(&mut fragmenter, &hex("81 00"), 1, 100);
        assert_eq!(window(&fragmenter), 0);
        copy(&mut fragmenter, &hex(HELLO), 1, 100);
        assert_eq!(window(&fragmenter), expected);
        copy(&mut fragmenter, &hex(HELLO)[..5], 1, 100);
        assert_eq!(window(&fragmenter), 512);
    }
}

#[test]
fn empty_blocks_without_end_bring_nothing() {
    let mut fragmenter = agreed(9, true);
    let blocks = hex("00 00 00 ff ff").repeat(1000);
    let frame = [&hex("41 7e 13 88")[..], &blocks].concat();
    assert_eq!(copy(&mut fragmenter, &frame, 32 << 10, 100), (Vec::new(), None));
    assert_eq!(copy(&mut fragmenter, &hex("80 08 02 48 cd c9 c9 07 00 00"), 3, 100).1, Some(CANNOT));
}

#[test]
fn a_turn_takes_few_blocks_that_hold_nothing_and_any_number_of_others() {
    // A first frame, and in it blocks with fixed codes and nothing in them.
    let frame = [&hex("41 7e 4e 20")[..], &hex("02 08 20 80 00").repeat(4000)].concat();
    let mut fragmenter = agreed(9, true);
    let (mut at, mut turns, mut lent) = (0, 0, None);
    while at < frame.len() {
        fragmenter.begin_turn(&mut lent);
        let (taken, written) = fragmenter.copy(&frame[at..], &mut [0; 1000]);
        assert!((1..=4 + FRUITLESS_BYTES).contains(&taken) && written == 0, "{taken} {written}");
        assert_eq!(fragmenter.copy(&frame[at + taken..], &mut [0; 1000]), (0, 0));
        (at, turns) = (at + taken, turns + 1);
    }
    assert_eq!((turns, fragmenter.fault()), (20_000_usize.div_ceil(FRUITLESS_BYTES), None));
    let mut random = Random::new(5);
    let text: Vec<u8> = (0..200_000).map(|_| random.below(256) as u8).collect();
    let copied = copy(&mut agreed(15, true), &packed(&text), 32 << 10, 1000).0.len();
    assert!(copied > text.len(), "{copied}, with the heads of its parts");
}

/// A binary frame with RSV1 around what miniz_oxide makes of it.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut body = miniz_oxide::deflate::compress_to_vec(bytes, 6);
    body.push(0);
    let mut fragmenter = Fragmenter::new(0, None);
    fragmenter.put_head(0xc2, 0, body.len() as u64);
    [&fragmenter.head[..fragmenter.read], &body].concat()
}

/// The same message in fragments with so many bytes each.
fn in_fragments(frame: &[u8], len: usize) -> Vec<u8> {
    let body = &frame[if frame[1] == 127 { 10 } else { 4 }..];
    let count = body.len().div_ceil(len);
    let part = |(at, part): (usize, &[u8])| {
        let first = if at == 0 { 0x42 } else { 0 } | if at + 1 == count { FIN } else { 0 };
        [&[first, part.len() as u8], part].concat()
    };
    body.chunks(len).enumerate().flat_map(part).collect()
}

/// Copies bytes that arrive in pieces and are taken in pieces, with an inflater that is used in between.
fn copy(fragmenter: &mut Fragmenter, bytes: &[u8], piece: usize, out: usize) -> (Vec<u8>, Option<&'static str>) {
    let (mut copied, mut lent) = (Vec::new(), None);
    for piece in bytes.chunks(piece) {
        let (mut at, mut out) = (0, vec![0; out]);
        fragmenter.begin_turn(&mut lent);
        loop {
            let (taken, written) = fragmenter.copy(&piece[at..], &mut out);
            at += taken;
            copied.extend_from_slice(&out[..written]);
            if written == 0 {
                break;
            }
        }
        fragmenter.end_turn(&mut lent);
        if let Some(lent) = &mut lent {
            lent.init();
            assert_ne!(decompress(lent, &[0x7a, 0xff, 0x11], &mut [0; 64], 0, 2).0, TINFLStatus::Failed);
        }
    }
    (copied, fragmenter.fault())
}

/// The first byte of each frame and the length of its payload.
fn heads(frames: &[u8]) -> Vec<(u8, usize)> {
    frames_of(frames).iter().map(|(first, payload)| (*first, payload.len())).collect()
}

fn payload(frames: &[u8]) -> Vec<u8> {
    frames_of(frames).iter().flat_map(|(_, payload)| payload.to_vec()).collect()
}

fn frames_of(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let extended = [0, 2, 8][usize::from(second.saturating_sub(125))];
        let len = rest[..extended].iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
        let (payload, rest) = rest[extended..].split_at(if extended == 0 { usize::from(*second) } else { len });
        frames.push((*first, payload));
        bytes = rest;
    }
    frames
}
