//! Divides long frames into short ones, and unpacks compressed messages, before tungstenite reads them.
//!
//! tungstenite reserves as much memory as the head of a frame announces, and keeps it until the connection ends. A
//! fragmented message is collected as it arrives (RFC 6455 section 5.4 lets anyone on the way fragment), and its memory
//! is given back.
//!
//! A compressed message becomes a plain one: a single frame, unless the end of the window falls into it. tungstenite
//! counts it as it is unpacked, so that a bomb ends at the limit of a message.

use crate::proto::frames::short_head;
use crate::proto::http::upgrade::Deflate;
use crate::proto::inflate::{Inflate, Inflater};

/// The longest frame that is passed on as it is, and the longest part of a divided one, in bytes.
const MAX_FRAME: u64 = 64 << 10;
/// RFC 6455 section 5.5: the longest payload of a control frame.
const MAX_CONTROL: u64 = 125;
/// The longest head without a mask.
const MAX_HEAD: usize = 10;
/// Bytes of compressed messages that one turn takes beyond what they unpack to. Blocks that hold nothing take 2 us a byte,
/// and others 0.2 us, as long as no less comes out than goes in.
const FRUITLESS_BYTES: usize = 4096;

const FIN: u8 = 0x80;
/// RSV1, the mark of the first frame of a compressed message.
const PACKED: u8 = 0x40;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;

/// Copies a stream of frames.
#[derive(Debug)]
pub struct Fragmenter {
    /// A frame beyond this is passed on as it is: tungstenite refuses it by its head.
    max_message: u64,
    /// Length of the latest such frame.
    oversize: u64,
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
    /// `None` if no compression was agreed.
    inflate: Option<Box<Inflate>>,
    /// The opcode for the next part of the compressed message under way.
    packed_message: Option<u8>,
    /// True within a frame of that message.
    packed_frame: bool,
    /// Bytes of it that this turn may still take without any coming out.
    fruitless: usize,
    /// Set by a compressed message that cannot be passed on; nothing is copied after it.
    fault: Option<&'static str>,
}

impl Fragmenter {
    pub fn new(max_message: usize, deflate: Option<Deflate>) -> Self {
        Fragmenter {
            max_message: max_message as u64,
            oversize: 0,
            head: [0; MAX_HEAD],
            read: 0,
            written: 0,
            payload: 0,
            left: 0,
            fin: 0,
            inflate: deflate.map(|agreed| Box::new(Inflate::new(agreed))),
            packed_message: None,
            packed_frame: false,
            fruitless: FRUITLESS_BYTES,
            fault: None,
        }
    }

    /// Returns true if messages may be compressed.
    pub fn unpacks(&self) -> bool {
        self.inflate.is_some()
    }

    /// Returns the length of the latest frame that was longer than a message may be; 0 if there was none.
    pub fn oversize(&self) -> u64 {
        self.oversize
    }

    /// Describes why a compressed message cannot be passed on.
    pub fn fault(&self) -> Option<&'static str> {
        self.fault
    }

    /// Begins a turn, in which the inflater may be used.
    pub fn begin_turn(&mut self, lent: &mut Option<Inflater>) {
        self.fruitless = FRUITLESS_BYTES;
        if let Some(inflate) = &mut self.inflate {
            inflate.borrow(lent);
        }
    }

    /// Ends a turn: returns the inflater, unless a message is not complete.
    pub fn end_turn(&mut self, lent: &mut Option<Inflater>) {
        if let Some(inflate) = self.inflate.as_mut().filter(|_| self.packed_message.is_none()) {
            inflate.give_back(lent);
        }
    }

    /// Copies as much as possible. Returns the numbers of bytes that were taken from `input` and written to `output`. Bytes
    /// that are left although nothing was written have to wait for the next turn.
    pub fn copy(&mut self, input: &[u8], output: &mut [u8]) -> (usize, usize) {
        let (mut taken, mut written) = (0, 0);
        while written < output.len() && self.fault.is_none() {
            if self.written > 0 || self.is_head_complete() {
                let head = &self.head[self.written..self.read];
                let len = head.len().min(output.len() - written);
                output[written..][..len].copy_from_slice(&head[..len]);
                written += len;
                self.written += len;
                if self.written == self.read {
                    (self.read, self.written) = (0, 0);
                }
            } else if let len @ 1.. = self.write_unpacked(&mut output[written..]) {
                written += len;
            } else if self.payload > 0 {
                let len = (input.len() - taken).min(output.len() - written);
                let len = len.min(usize::try_from(self.payload).unwrap_or(usize::MAX));
                if len == 0 {
                    break;
                }
                output[written..][..len].copy_from_slice(&input[taken..][..len]);
                (taken, written) = (taken + len, written + len);
                self.payload -= len as u64;
            } else if self.packed_frame {
                match self.unpack(&input[taken..]) {
                    Some(len) => taken += len,
                    None => break,
                }
            } else if self.left > 0 {
                self.begin_part(0, self.left);
            } else if let Some(len) = self.plain_frame(&input[taken..]) {
                // The head is copied along.
                self.payload = len;
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

    /// Returns the length, with its head, of the frame that begins here, if it is passed on as it is and its head has
    /// arrived as a whole: nearly all are, where nothing is compressed.
    #[inline(always)]
    fn plain_frame(&self, input: &[u8]) -> Option<u64> {
        if self.read > 0 || self.unpacks() {
            return None;
        }
        let (head, len) = short_head(input)?;
        let is_control = input[0] & 0x08 != 0;
        (!is_control || len <= MAX_CONTROL).then_some(head as u64 + len)
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
        let is_packed = match self.packed_message {
            // tungstenite may not know yet that a message has begun.
            Some(_) if matches!(first & OPCODE, 1 | 2) => {
                self.fault = Some("a message in the middle of a compressed one");
                return;
            }
            Some(_) => first & !FIN == 0,
            None => self.unpacks() && matches!(first & !FIN, 0x41 | 0x42),
        };
        if is_packed && !is_masked && len <= self.max_message {
            self.begin_packed(first, len);
        } else if len > self.max_message || len <= MAX_CONTROL {
            self.oversize = len;
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

    fn begin_packed(&mut self, first: u8, len: u64) {
        (self.read, self.left, self.fin, self.packed_frame) = (0, len, first & FIN, true);
        if first & PACKED != 0 {
            self.packed_message = Some(first & OPCODE);
            if let Some(inflate) = &mut self.inflate {
                inflate.begin();
            }
        }
    }

    /// Unpacks more of a frame, or ends it. Returns the number of bytes taken from `input`; `None` if more are needed, where
    /// the turn is spent, or after a fault.
    fn unpack(&mut self, input: &[u8]) -> Option<usize> {
        let inflate = self.inflate.as_mut()?;
        let len = input.len().min(usize::try_from(self.left).unwrap_or(usize::MAX)).min(self.fruitless);
        let is_over = self.left == 0 && !inflate.has_more();
        let taken = match is_over {
            false if len == 0 && !inflate.has_more() => return None,
            false => inflate.unpack(&input[..len]),
            true if self.fin == 0 => Ok((0, 0)),
            true => inflate.finish().map(|()| (0, 0)),
        };
        let Ok((taken, made)) = taken else {
            self.fault = Some("a compressed message that cannot be unpacked");
            return None;
        };
        self.left -= taken as u64;
        self.fruitless = (self.fruitless + made - taken).min(FRUITLESS_BYTES);
        self.packed_frame = !is_over;
        let fin = if is_over { self.fin } else { 0 };
        let is_part = fin != 0 || inflate.is_full();
        if let Some(opcode) = self.packed_message.filter(|_| is_part) {
            let len = inflate.begin_part();
            self.packed_message = if fin == 0 { Some(0) } else { None };
            self.put_head(opcode | fin, 0, len as u64);
        }
        Some(taken)
    }

    fn write_unpacked(&mut self, output: &mut [u8]) -> usize {
        self.inflate.as_mut().map_or(0, |inflate| inflate.write(output))
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
mod tests;
