//! Divides long frames into short ones, before tungstenite reads them.
//!
//! tungstenite reserves as much memory as the head of a frame announces, and keeps it until the connection ends. A
//! fragmented message is collected as it arrives (RFC 6455 section 5.4 lets anyone on the way fragment), and its memory
//! is given back.

/// The longest frame that is passed on as it is, and the longest part of a divided one, in bytes.
const MAX_FRAME: u64 = 64 << 10;
/// RFC 6455 section 5.5: the longest payload of a control frame.
const MAX_CONTROL: u64 = 125;
/// The longest head without a mask.
const MAX_HEAD: usize = 10;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// Copies a stream of frames.
#[derive(Debug)]
pub struct Fragmenter {
    /// A frame beyond this is passed on as it is: tungstenite refuses it by its head.
    max_message: u64,
    /// The head that is being read, and then written.
    head: [u8; MAX_HEAD],
    read: usize,
    written: usize,
    /// Bytes of payload to copy before the next head.
    payload: u64,
    /// Bytes of the same frame behind that payload.
    left: u64,
    /// The FIN bit of the divided frame.
    fin: u8,
}

impl Fragmenter {
    pub fn new(max_message: usize) -> Self {
        let max_message = max_message as u64;
        Fragmenter { max_message, head: [0; MAX_HEAD], read: 0, written: 0, payload: 0, left: 0, fin: 0 }
    }

    /// Copies as much as possible. Returns the numbers of bytes that were taken from `input` and written to `output`.
    pub fn copy(&mut self, input: &[u8], output: &mut [u8]) -> (usize, usize) {
        let (mut taken, mut written) = (0, 0);
        while written < output.len() {
            if self.written > 0 || self.is_head_complete() {
                let head = &self.head[self.written..self.read];
                let len = head.len().min(output.len() - written);
                output[written..][..len].copy_from_slice(&head[..len]);
                written += len;
                self.written += len;
                if self.written == self.read {
                    (self.read, self.written) = (0, 0);
                }
            } else if self.payload > 0 {
                let len = (input.len() - taken).min(output.len() - written);
                let len = len.min(usize::try_from(self.payload).unwrap_or(usize::MAX));
                if len == 0 {
                    break;
                }
                output[written..][..len].copy_from_slice(&input[taken..][..len]);
                (taken, written) = (taken + len, written + len);
                self.payload -= len as u64;
            } else if self.left > 0 {
                self.begin_part(0, self.left);
            } else if let Some(&byte) = input.get(taken) {
                taken += 1;
                self.head[self.read] = byte;
                self.read += 1;
                if self.is_head_complete() {
                    self.begin_frame();
                }
            } else {
                break;
            }
        }
        (taken, written)
    }

    fn is_head_complete(&self) -> bool {
        let len = match (self.read, self.head[1] & !MASKED) {
            (0 | 1, _) => return false,
            (_, 126) => 4,
            (_, 127) => 10,
            _ => 2,
        };
        self.read == len
    }

    fn begin_frame(&mut self) {
        let [first, second, ..] = self.head;
        let extended = self.head[2..self.read].iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
        let len = if self.read > 2 { extended } else { u64::from(second & !MASKED) };
        let (is_masked, is_control) = (second & MASKED != 0, first & 0x08 != 0);
        if len > self.max_message || len <= MAX_CONTROL {
            self.payload = len.saturating_add(if is_masked { 4 } else { 0 });
        } else if is_masked || is_control {
            // tungstenite refuses it, but waits for all of it before.
            self.put_head(first, second & MASKED, MAX_CONTROL + 1);
            self.payload = MAX_CONTROL + 5;
        } else {
            self.fin = first & FIN;
            self.begin_part(first & !FIN, len);
        }
    }

    /// Begins a frame with the next part of `len` bytes; the last part has the FIN bit.
    fn begin_part(&mut self, first: u8, len: u64) {
        self.payload = len.min(MAX_FRAME);
        self.left = len - self.payload;
        let fin = if self.left == 0 { self.fin } else { 0 };
        self.put_head(first | fin, 0, self.payload);
    }

    fn put_head(&mut self, first: u8, masked: u8, len: u64) {
        self.head = [0; MAX_HEAD];
        self.head[0] = first;
        match u16::try_from(len) {
            Ok(len @ ..126) => {
                self.head[1] = masked | len as u8;
                self.read = 2;
            }
            Ok(len) => {
                self.head[1] = masked | 126;
                self.head[2..4].copy_from_slice(&len.to_be_bytes());
                self.read = 4;
            }
            Err(_) => {
                self.head[1] = masked | 127;
                self.head[2..].copy_from_slice(&len.to_be_bytes());
                self.read = MAX_HEAD;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};

    use tungstenite::protocol::{Role, WebSocketConfig};
    use tungstenite::{Error, Message, WebSocket};

    use super::*;
    use crate::testing::random::Random;

    const MAX_MESSAGE: usize = 300_000;

    fn frame(first: u8, len: usize) -> Vec<u8> {
        let mut fragmenter = Fragmenter::new(0);
        fragmenter.put_head(first, 0, len as u64);
        let mut bytes = fragmenter.head[..fragmenter.read].to_vec();
        bytes.extend((0..len).map(|n| b'a' + (n % 26) as u8));
        bytes
    }

    /// Hands out its bytes in pieces of any size, through a fragmenter or as they are.
    struct Pieces {
        bytes: Vec<u8>,
        at: usize,
        random: Random,
        fragmenter: Option<Fragmenter>,
        most: usize,
    }

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            loop {
                let end = self.bytes.len().min(self.at + 1 + self.random.below(self.most));
                let piece = &self.bytes[self.at..end];
                let (taken, written) = match &mut self.fragmenter {
                    Some(fragmenter) => fragmenter.copy(piece, buffer),
                    None => {
                        let len = piece.len().min(buffer.len());
                        buffer[..len].copy_from_slice(&piece[..len]);
                        (len, len)
                    }
                };
                self.at += taken;
                if written > 0 || self.at == self.bytes.len() {
                    return Ok(written);
                }
            }
        }
    }

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The messages that tungstenite reads, and the error at their end.
    fn read(bytes: &[u8], seed: u64, split: bool) -> (Vec<Message>, String) {
        let config = WebSocketConfig::default()
            .read_buffer_size(1000)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let fragmenter = split.then(|| Fragmenter::new(MAX_MESSAGE));
        let mut random = Random::new(seed);
        let most = *random.pick(&[1, 3, 20, 1000, 100_000]);
        let pieces = Pieces { bytes: bytes.to_vec(), at: 0, random, fragmenter, most };
        let mut socket = WebSocket::from_raw_socket(pieces, Role::Client, Some(config));
        let mut messages = Vec::new();
        loop {
            match socket.read() {
                Ok(message) => messages.push(message),
                Err(Error::Capacity(_)) => return (messages, "too large".to_owned()),
                Err(error) => return (messages, error.to_string()),
            }
        }
    }

    #[test]
    fn any_stream_of_frames_is_read_as_without_the_fragmenter() {
        let mut random = Random::new(1);
        let lengths =
            [0, 1, 125, 126, 127, 1000, 65_535, 65_536, 65_537, 131_072, 131_073, 200_000, 299_999, 300_000, 300_001];
        for seed in 0..400 {
            let mut bytes = Vec::new();
            for _ in 0..1 + random.below(5) {
                let control = [0x89, 0x8a];
                let data = [0x81, 0x82, 0x81, 0x82, 0x01, 0x80, 0x00, 0xc1, 0x83];
                bytes.extend(match random.below(4) {
                    0 => frame(*random.pick(&control), random.below(128)),
                    _ => frame(*random.pick(&data), *random.pick(&lengths)),
                });
            }
            assert_eq!(read(&bytes, seed, true), read(&bytes, seed, false), "{seed}");
        }
    }

    #[test]
    fn what_is_refused_anyway_is_not_waited_for() {
        for (head, error) in [
            (&[0x89, 127, 0, 0, 0, 0, 0, 4, 0, 0][..], "too big"),
            (&[0x81, 0xff, 0, 0, 0, 0, 0, 4, 0, 0], "masked frame"),
            (&[0x81, 127, 0, 0, 0, 0, 0, 5, 0, 0], "too large"),
        ] {
            let bytes = [head, &[b'x'; 200]].concat();
            let (messages, end) = read(&bytes, 5, true);
            assert!(messages.is_empty() && end.to_lowercase().contains(error), "{end}");
        }
    }

    #[test]
    fn no_head_announces_more_than_a_part() {
        let mut fragmenter = Fragmenter::new(1 << 30);
        let (mut written, mut out) = (Vec::new(), [0; 100]);
        let input = frame(0x81, 200_000);
        let mut at = 0;
        while at < input.len() {
            let (taken, len) = fragmenter.copy(&input[at..], &mut out);
            at += taken;
            written.extend_from_slice(&out[..len]);
        }
        let heads = [[0x01, 127, 0, 0, 0, 0, 0, 1, 0, 0], [0x00, 127, 0, 0, 0, 0, 0, 1, 0, 0]];
        let mut at = 0;
        for head in [heads[0], heads[1], heads[1]] {
            assert_eq!(written[at..][..10], head);
            at += 10 + 65_536;
        }
        assert_eq!(written[at..][..4], [0x80, 126, 0x0d, 0x40]);
    }
}
