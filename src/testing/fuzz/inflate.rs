//! Frames with compressed messages, as they come from a server.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::proto::fragments::Fragmenter;
use crate::proto::http::upgrade::Deflate;

/// Separates the payloads of messages.
pub const END: [u8; 3] = [0xff, 0xfe, 0xfd];
/// Bound on what is unpacked.
const MAX_UNPACKED: usize = 1 << 20;
/// Sizes of the pieces in which bytes come and are taken; the rest is as one.
const CUTS: [&[usize]; 2] = [&[1, 2, 40, 3, 7, 500], &[1]];

/// Reads frames. The first byte gives the window and the takeover, and tells if frames follow or payloads of messages to
/// make frames of. However they are cut, the same comes out. What comes out of messages is what a decompressor makes of
/// each as a whole.
pub fn run(data: &[u8]) {
    let [choice, data @ ..] = data else { return };
    let agreed = Deflate { window_bits: 8 + (choice & 7), takeover: choice & 8 == 0 };
    let payloads: Vec<&[u8]> = split(data);
    let is_raw = choice & 16 != 0;
    let frames = if is_raw { data.to_vec() } else { payloads.iter().flat_map(|payload| frame(payload)).collect() };
    let (whole, fault) = read(agreed, &frames, &[usize::MAX]);
    let is_cut_off = whole.len() > MAX_UNPACKED;
    for cuts in CUTS {
        let (pieces, same) = read(agreed, &frames, cuts);
        if is_cut_off || fault.is_some() {
            // Before a fault, a part may or may not have come out.
            assert!(whole.starts_with(&pieces) || pieces.starts_with(&whole));
        } else {
            assert!(pieces == whole);
        }
        assert!(fault == same || is_cut_off);
    }
    if is_raw || is_cut_off {
        return;
    }
    let (mut history, mut expected) = (Vec::new(), Vec::new());
    for payload in payloads {
        match unpack(&history, payload) {
            Some(message) => expected.extend_from_slice(&message),
            // It may also have refused what reaches back further than its window.
            None => return assert!(fault.is_some()),
        }
        if agreed.takeover {
            history.clone_from(&expected);
        }
    }
    assert!(payload(&whole) == expected || fault.is_some() && agreed.window_bits < 15);
}

fn split(data: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut payloads) = (data, Vec::new());
    while let Some(at) = rest.windows(END.len()).position(|window| window == END) {
        payloads.push(&rest[..at]);
        rest = &rest[at + END.len()..];
    }
    payloads.push(rest);
    payloads
}

/// A binary frame with RSV1.
fn frame(payload: &[u8]) -> Vec<u8> {
    [&[0xc2, 127], &(payload.len() as u64).to_be_bytes()[..], payload].concat()
}

/// Reads all frames, in pieces of these sizes, with an inflater that is lent. Returns what comes out.
fn read(agreed: Deflate, frames: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<&'static str>) {
    let mut fragmenter = Fragmenter::new(usize::MAX, Some(agreed));
    let (mut read, mut out, mut lent) = (Vec::new(), vec![0; 64 << 10], None);
    let mut at = 0;
    for cut in cuts.iter().cycle() {
        let input = &frames[at..][..(frames.len() - at).min(*cut)];
        let len = out.len().min(cut.saturating_mul(9));
        fragmenter.begin_turn(&mut lent);
        let (taken, written) = fragmenter.copy(input, &mut out[..len]);
        fragmenter.end_turn(&mut lent);
        at += taken;
        read.extend_from_slice(&out[..written]);
        if taken == 0 && written == 0 || read.len() > MAX_UNPACKED {
            break;
        }
    }
    (read, fragmenter.fault())
}

/// The payloads of unmasked frames.
fn payload(frames: &[u8]) -> Vec<u8> {
    let (mut rest, mut payload) = (frames, Vec::new());
    while let [_, second, more @ ..] = rest {
        let extended = [0, 2, 8][usize::from(second.saturating_sub(125))];
        let long = more[..extended].iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
        let len = if extended == 0 { usize::from(*second) } else { long };
        payload.extend_from_slice(&more[extended..][..len]);
        rest = &more[extended + len..];
    }
    payload
}

/// Unpacks a whole message into memory that begins with those before it.
fn unpack(history: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
    let mut memory = history.to_vec();
    memory.resize(history.len() + MAX_UNPACKED, 0);
    let (mut inflater, mut at, mut rest) = (DecompressorOxide::new(), history.len(), payload);
    let flags = TINFL_FLAG_HAS_MORE_INPUT | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    while !rest.is_empty() {
        let (status, read, made) = decompress(&mut inflater, rest, &mut memory, at, flags);
        (at, rest) = (at + made, &rest[read..]);
        match status {
            TINFLStatus::Done if rest.is_empty() => return Some(memory[history.len()..at].to_vec()),
            TINFLStatus::Done => inflater.init(),
            TINFLStatus::NeedsMoreInput => {}
            _ => return None,
        }
    }
    if payload.is_empty() {
        return Some(Vec::new());
    }
    let tail = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];
    let (status, read, made) = decompress(&mut inflater, &tail, &mut memory, at, flags);
    let is_whole = status == TINFLStatus::Done && read == tail.len() && made == 0;
    is_whole.then(|| memory[history.len()..at].to_vec())
}
