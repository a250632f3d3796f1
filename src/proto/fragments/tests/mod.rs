//! Streams of frames, read by tungstenite through a fragmenter and without one.

mod packed;

use std::io::{self, Read, Write};

use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use super::*;
use crate::testing::random::Random;

const MAX_MESSAGE: usize = 300_000;

fn frame(first: u8, len: usize) -> Vec<u8> {
    let mut fragmenter = Fragmenter::new(0, None);
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
            if let Some(fault) = self.fragmenter.as_ref().and_then(Fragmenter::fault).filter(|_| written == 0) {
                return Err(io::Error::other(fault));
            }
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
fn read(bytes: &[u8], seed: u64, fragmenter: Option<Fragmenter>) -> (Vec<Message>, String) {
    let config = WebSocketConfig::default()
        .read_buffer_size(1000)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let mut random = Random::new(seed);
    let most = *random.pick(&[1, 3, 20, 1000, 100_000]);
    let pieces = Pieces { bytes: bytes.to_vec(), at: 0, random, fragmenter, most };
    let mut socket = WebSocket::from_raw_socket(pieces, Role::Client, Some(config));
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => messages.push(message),
            Err(Error::Capacity(_)) => return (messages, "too large".to_owned()),
            Err(Error::Io(error)) => return (messages, error.to_string()),
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
        let fragmenter = Fragmenter::new(MAX_MESSAGE, None);
        assert_eq!(read(&bytes, seed, Some(fragmenter)), read(&bytes, seed, None), "{seed}");
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
        let (messages, end) = read(&bytes, 5, Some(Fragmenter::new(MAX_MESSAGE, None)));
        assert!(messages.is_empty() && end.to_lowercase().contains(error), "{end}");
    }
}

#[test]
fn no_head_announces_more_than_a_part() {
    let mut fragmenter = Fragmenter::new(1 << 30, None);
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
