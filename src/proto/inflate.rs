//! Unpacks the compressed messages of one connection (permessage-deflate, RFC 7692 section 7.2.2). Frames are not seen
//! here, see [`fragments`](super::fragments).

use std::fmt;
use std::ops::Range;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::proto::http::upgrade::Deflate;

/// The state of a decompressor, 11 KB. It is needed only within a message, since between two of them nothing is kept but
/// the window; so connections lend it to each other.
pub type Inflater = Box<DecompressorOxide>;

/// The first four bytes end each message, and are not sent. Behind them stands an empty final block, which is found to be
/// one only if the message ended between two blocks.
const TAIL: &[u8] = &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

/// The bytes are not deflate, or refer further back than was agreed, or the message is cut off.
#[derive(Debug, PartialEq, Eq)]
pub struct CannotInflate;

/// The window of one connection, and the message under way.
pub struct Inflate {
    agreed: Deflate,
    /// The latest bytes, as a ring. Empty while there is nothing that a message may refer to.
    window: Vec<u8>,
    /// The end of the latest bytes in the window.
    at: usize,
    /// False until the window has been full: nothing valid stands behind `at`.
    was_full: bool,
    /// Borrowed for a turn; kept in the middle of a message.
    inflater: Option<Inflater>,
    /// Bytes before `at` that no part holds yet.
    held: usize,
    /// The rest of the part that is being written.
    part: Range<usize>,
    /// True if more bytes follow from the input so far.
    has_more: bool,
    /// True where a message may end without a tail: before its first byte, and behind a final block.
    is_complete: bool,
}

impl Inflate {
    pub fn new(agreed: Deflate) -> Self {
        Inflate {
            agreed,
            window: Vec::new(),
            at: 0,
            was_full: false,
            inflater: None,
            held: 0,
            part: 0..0,
            has_more: false,
            is_complete: true,
        }
    }

    /// Takes an inflater, unless it has one.
    pub fn borrow(&mut self, lent: &mut Option<Inflater>) {
        if self.inflater.is_none() {
            self.inflater = lent.take();
        }
    }

    /// Gives everything back that is not needed between two messages.
    pub fn give_back(&mut self, lent: &mut Option<Inflater>) {
        if self.inflater.is_some() {
            *lent = self.inflater.take();
        }
        if !self.agreed.takeover && self.part.is_empty() {
            self.window = Vec::new();
        }
    }

    /// Begins a message. All parts of the one before it must have been written.
    pub fn begin(&mut self) {
        self.inflater.get_or_insert_default().init();
        (self.held, self.has_more, self.is_complete) = (0, false, true);
        if !self.agreed.takeover {
            (self.at, self.was_full) = (0, false);
        }
        if self.window.is_empty() {
            self.window = vec![0; 1 << self.agreed.window_bits];
        }
    }

    /// Unpacks until the input is used up or the window is full. Returns the numbers of bytes that were taken from the input
    /// and that came out.
    pub fn unpack(&mut self, input: &[u8]) -> Result<(usize, usize), CannotInflate> {
        let (status, read, made) = self.decompress(input);
        self.has_more = status == TINFLStatus::HasMoreOutput;
        self.is_complete = status == TINFLStatus::Done;
        match (status, &mut self.inflater) {
            // Another block may follow (section 7.2.3.4).
            (TINFLStatus::Done, Some(inflater)) => inflater.init(),
            (TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput, _) => {}
            _ => return Err(CannotInflate),
        }
        Ok((read, made))
    }

    /// Ends a message, of which nothing more follows.
    pub fn finish(&mut self) -> Result<(), CannotInflate> {
        // A stored block that is four bytes short would take them from the tail, and make bytes of them.
        let is_whole = self.is_complete || self.decompress(TAIL) == (TINFLStatus::Done, TAIL.len(), 0);
        if is_whole { Ok(()) } else { Err(CannotInflate) }
    }

    /// Returns true if more bytes follow from the input so far.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Returns true if a part has to be taken and written before unpacking goes on.
    pub fn is_full(&self) -> bool {
        self.at == self.window.len() && self.held > 0
    }

    /// Begins a part of the message: all that has been unpacked since the one before it. Returns its length in bytes.
    pub fn begin_part(&mut self) -> usize {
        self.part = self.at - self.held..self.at;
        self.held = 0;
        self.part.len()
    }

    /// Writes more of the part. Returns the number of bytes; 0 at its end.
    pub fn write(&mut self, output: &mut [u8]) -> usize {
        let len = self.part.len().min(output.len());
        if len == 0 {
            // The window may be gone.
            return 0;
        }
        output[..len].copy_from_slice(&self.window[self.part.start..][..len]);
        self.part.start += len;
        len
    }

    fn decompress(&mut self, input: &[u8]) -> (TINFLStatus, usize, usize) {
        let Some(inflater) = &mut self.inflater else { return (TINFLStatus::BadParam, 0, 0) };
        if self.at == self.window.len() {
            (self.at, self.was_full) = (0, true);
        }
        // Until the window has been full, `at` is the furthest that a message may refer back, and after it the window's
        // length: with the flag, and without it, miniz_oxide checks just this, so that the window needs no clearing. It
        // panics where the window is moved or resized while a match is half copied.
        let wraps = if self.was_full { 0 } else { TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF };
        let flags = TINFL_FLAG_HAS_MORE_INPUT | wraps;
        let (status, read, made) = decompress(inflater, input, &mut self.window, self.at, flags);
        self.at += made;
        self.held += made;
        (status, read, made)
    }
}

/// Shows no more than the agreement: the rest is large.
impl fmt::Debug for Inflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflate").field("agreed", &self.agreed).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Inflate {
    /// Returns the bytes that the window takes.
    pub fn window_len(&self) -> usize {
        self.window.capacity()
    }
}
