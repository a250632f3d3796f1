//! Follows the frames of a server in the bytes of its connection, and checks texts as they arrive.
//!
//! tungstenite says that a text is not UTF-8, but not where, and keeps nothing of it. This layer below it knows the
//! place, and finds it without waiting for the rest of the frame (RFC 6455 section 8.1). To accept such texts, it turns
//! them into binary messages, which tungstenite does not check, and remembers which ones were texts.

use std::collections::VecDeque;
use std::str::from_utf8;

/// A place in a text message that is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidText {
    /// Bytes of the message before it.
    pub at: u64,
    /// The first byte of the sequence that is not UTF-8.
    pub byte: u8,
}

/// Returns the length of the head that begins here, and that of its payload. `None` if the head is not there as a whole,
/// has a mask or a length of 64 bits.
#[inline(always)]
pub fn short_head(bytes: &[u8]) -> Option<(usize, u64)> {
    match *bytes {
        [_, len @ ..126, ..] => Some((2, u64::from(len))),
        [_, 126, high, low, ..] => Some((4, u64::from(u16::from_be_bytes([high, low])))),
        _ => None,
    }
}

/// Returns true if all bytes are ASCII.
///
/// The standard library looks at 64 of them at a time, and then at single ones: so the last 64 are a slice of their own.
fn is_ascii(bytes: &[u8]) -> bool {
    const EACH: usize = 64;
    let (whole, last) = (bytes.len() - bytes.len() % EACH, bytes.len().saturating_sub(EACH));
    [&bytes[..whole], &bytes[last..]].iter().all(|part| part.is_ascii())
}

/// The position in a stream of frames.
#[derive(Debug, Default)]
pub struct Frames {
    /// The head of a frame as far as it has arrived: 2, 4 or 10 bytes, or 4 more with a mask.
    head: Vec<u8>,
    /// Bytes of the frame's payload that are still to come.
    payload: u64,
    /// True if the frame is a part of a text.
    is_text: bool,
    /// True if the message under way, apart from control frames in between, is a text.
    message_is_text: bool,
    /// True if the frame is the last one of its message.
    is_last: bool,
    /// Checked bytes of the text under way.
    checked: u64,
    /// The beginning of a character whose other bytes are still to come.
    partial: Vec<u8>,
    invalid: Option<InvalidText>,
    /// Set to accept texts that are not UTF-8: for each message that has begun, true if it was a text. The reader takes
    /// them out; there are no more than frames fit into what it has not yet taken apart.
    kinds: Option<VecDeque<bool>>,
}

impl Frames {
    /// Begins with the first byte after the upgrade. With `lossy` texts become binary messages.
    pub fn new(lossy: bool) -> Self {
        Frames { kinds: lossy.then(VecDeque::new), ..Frames::default() }
    }

    /// Takes the next bytes. Returns how many of them may be passed on: not all where a text is not UTF-8.
    pub fn take(&mut self, bytes: &mut [u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.invalid.is_none() {
            if let Some(len) = self.take_whole_head(&mut bytes[at..]) {
                at += len;
            } else if self.payload == 0 {
                self.take_head(&mut bytes[at]);
                at += 1;
            } else {
                let len = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.payload -= len as u64;
                let valid = if self.is_text { self.check(&bytes[at..at + len]) } else { len };
                at += valid;
            }
            if self.payload == 0 && self.head.is_empty() && self.is_text && self.is_last {
                self.end_text();
            }
        }
        at
    }

    /// Returns the place at which a text was found not to be UTF-8; nothing is taken after it.
    pub fn invalid(&self) -> Option<InvalidText> {
        self.invalid
    }

    /// Returns true if the next binary message was a text; to be called once for each, in their order.
    pub fn was_text(&mut self) -> bool {
        self.kinds.as_mut().and_then(VecDeque::pop_front).unwrap_or_default()
    }

    /// Takes the head that begins here, if it has arrived as a whole and is one of the usual ones. Returns its length.
    #[inline(always)]
    fn take_whole_head(&mut self, bytes: &mut [u8]) -> Option<usize> {
        if self.payload > 0 || !self.head.is_empty() {
            return None;
        }
        let (head, payload) = short_head(bytes)?;
        self.begin_frame(&mut bytes[0]);
        self.payload = payload;
        Some(head)
    }

    /// Takes one byte of a head; the last one begins the payload (RFC 6455 section 5.2).
    fn take_head(&mut self, byte: &mut u8) {
        if self.head.is_empty() {
            self.begin_frame(byte);
        }
        self.head.push(*byte);
        let [_, second, extended @ ..] = &self.head[..] else { return };
        let len_bytes = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let is_masked = second & 0x80 != 0;
        if extended.len() < len_bytes + if is_masked { 4 } else { 0 } {
            return;
        }
        let len = extended[..len_bytes].iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
        self.payload = if len_bytes == 0 { u64::from(second & 0x7f) } else { len };
        // A server must not mask: tungstenite refuses the frame.
        self.is_text &= !is_masked;
        self.head.clear();
    }

    /// Takes the first byte of a frame: its opcode, and the mark of a message's last frame.
    fn begin_frame(&mut self, first: &mut u8) {
        self.is_last = *first & 0x80 != 0;
        // With a reserved bit it is no text to be checked: tungstenite refuses the frame.
        self.is_text = match *first & 0x7f {
            0 => self.message_is_text,
            opcode @ (1 | 2) => {
                let is_text = opcode == 1;
                (self.checked, self.partial) = (0, Vec::new());
                self.message_is_text = is_text && self.kinds.is_none();
                if let Some(kinds) = &mut self.kinds {
                    kinds.push_back(is_text);
                    *first = *first & 0xf0 | 2;
                }
                self.message_is_text
            }
            _ => false,
        };
    }

    /// Checks a piece of a text. Returns how many bytes of it come before anything that is not UTF-8.
    fn check(&mut self, piece: &[u8]) -> usize {
        if self.partial.is_empty() && is_ascii(piece) {
            self.checked += piece.len() as u64;
            return piece.len();
        }
        let mut done = 0;
        while !self.partial.is_empty() && done < piece.len() {
            self.partial.push(piece[done]);
            match from_utf8(&self.partial) {
                Ok(_) => {
                    self.checked += self.partial.len() as u64;
                    self.partial.clear();
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => {
                    self.fail(self.partial[0]);
                    return done;
                }
            }
            done += 1;
        }
        let rest = &piece[done..];
        if let Err(error) = from_utf8(rest) {
            let valid = error.valid_up_to();
            self.checked += valid as u64;
            if error.error_len().is_some() {
                self.fail(rest[valid]);
                return done + valid;
            }
            self.partial = rest[valid..].to_vec();
        } else {
            self.checked += rest.len() as u64;
        }
        piece.len()
    }

    /// A text must not end within a character.
    fn end_text(&mut self) {
        if let Some(first) = self.partial.first() {
            self.fail(*first);
        }
        self.is_text = false;
    }

    fn fail(&mut self, byte: u8) {
        self.invalid = Some(InvalidText { at: self.checked, byte });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random::Random;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let len = payload.len();
        let head = match len {
            0..=125 => vec![first, len as u8],
            126..=0xffff => [&[first, 126][..], &(len as u16).to_be_bytes()].concat(),
            _ => [&[first, 127][..], &(len as u64).to_be_bytes()].concat(),
        };
        [&head, payload].concat()
    }

    /// Returns what is passed on of a stream that arrives in pieces.
    fn passed(frames: &mut Frames, stream: &[u8], piece: usize) -> Vec<u8> {
        let mut passed = Vec::new();
        for piece in stream.chunks(piece) {
            let mut bytes = piece.to_vec();
            let len = frames.take(&mut bytes);
            passed.extend_from_slice(&bytes[..len]);
        }
        passed
    }

    #[test]
    fn the_place_is_found_however_the_bytes_arrive() {
        let long = [&"é".repeat(40_000).into_bytes()[..], b"\x99"].concat();
        for (payloads, at, byte) in [
            (&[&b"ab\x99cd"[..]][..], 2, 0x99),
            (&[b"\xff"], 0, 0xff),
            (&["é☃😀".as_bytes(), b"\xe2\x28\xa1"], 9, 0xe2),
            (&[b"a\xe2", b"\x98", b"\x83\xc0"], 4, 0xc0),
            (&[b"a\xe2", b"", b"\x98"], 1, 0xe2),
            (&[b"a\xed", b"\xa0\x80"], 1, 0xed),
            (&[b"", b"", b"\xf4\x90\x80\x80"], 0, 0xf4),
            (&[&long], 80_000, 0x99),
        ] {
            let mut stream =
                [frame(0x81, "fine ☃".as_bytes()), frame(0x82, b"\xff\x99"), frame(0x89, b"\xff")].concat();
            for (i, payload) in payloads.iter().enumerate() {
                let last = if i + 1 == payloads.len() { 0x80 } else { 0 };
                stream.extend(frame(last | u8::from(i == 0), payload));
                if last == 0 {
                    stream.extend(frame(0x8a, b"\xc3"));
                }
            }
            for piece in [1, 2, 3, 7, 1000, stream.len()] {
                let mut frames = Frames::new(false);
                let passed = passed(&mut frames, &stream, piece);
                assert_eq!(frames.invalid(), Some(InvalidText { at, byte }), "{payloads:?} {piece}");
                assert!(stream.starts_with(&passed) && passed.len() > 16, "{piece}");
            }
        }
    }

    #[test]
    fn a_byte_beyond_ascii_is_found_at_any_place_of_any_length() {
        for len in 0..200 {
            let mut bytes = vec![b'a'; len];
            assert!(is_ascii(&bytes), "{len}");
            for at in 0..len {
                bytes[at] = 0x80;
                assert!(!is_ascii(&bytes), "{at} of {len}");
                bytes[at] = 0x7f;
            }
        }
    }

    #[test]
    fn a_frame_with_a_reserved_bit_is_no_text() {
        for (reserved, opcode) in [0x10, 0x20, 0x40, 0x70].into_iter().flat_map(|bit| [(bit, 0), (bit, 1)]) {
            let begun = if opcode == 0 { frame(0x01, b"a") } else { Vec::new() };
            let stream = [begun, frame(0x80 | reserved | opcode, b"\xff")].concat();
            for lossy in [false, true] {
                let mut frames = Frames::new(lossy);
                let passed = passed(&mut frames, &stream, 1);
                assert_eq!((frames.invalid(), &passed[1..]), (None, &stream[1..]), "{reserved:x} {opcode}");
            }
        }
    }

    #[test]
    fn valid_frames_are_passed_on_unchanged() {
        let mut random = Random::new(7);
        for _ in 0..200 {
            let mut stream = Vec::new();
            for _ in 0..random.below(6) {
                let text = "aé☃😀".repeat(random.below(40));
                let cut = random.below(text.len() + 1);
                stream.extend(frame(0x01, &text.as_bytes()[..cut]));
                stream.extend(frame(0x89, b"\xff"));
                stream.extend(frame(0x80, &text.as_bytes()[cut..]));
                stream.extend(frame(0x82, &vec![0xff; random.below(300)]));
            }
            let mut frames = Frames::new(false);
            assert_eq!(passed(&mut frames, &stream, 1 + random.below(50)), stream);
            assert_eq!((frames.invalid(), frames.was_text()), (None, false));
        }
    }

    #[test]
    fn lossy_texts_become_binary_messages_that_are_known_as_texts() {
        let stream =
            [frame(0x81, b"\xff"), frame(0x82, b"a"), frame(0x01, b"b"), frame(0x89, b""), frame(0x80, b"\x99")];
        let expected =
            [frame(0x82, b"\xff"), frame(0x82, b"a"), frame(0x02, b"b"), frame(0x89, b""), frame(0x80, b"\x99")];
        for piece in 1..20 {
            let mut frames = Frames::new(true);
            assert_eq!(passed(&mut frames, &stream.concat(), piece), expected.concat());
            assert_eq!([(); 4].map(|()| frames.was_text()), [true, false, true, false]);
        }
    }

    #[test]
    fn any_bytes_are_followed_without_a_panic() {
        let mut random = Random::new(1);
        for _ in 0..2000 {
            let stream: Vec<u8> = (0..random.below(200)).map(|_| random.below(256) as u8).collect();
            for lossy in [false, true] {
                let whole = passed(&mut Frames::new(lossy), &stream, stream.len().max(1));
                let bytewise = passed(&mut Frames::new(lossy), &stream, 1);
                assert!(whole.starts_with(&bytewise) || bytewise.starts_with(&whole));
            }
        }
    }
}
