//! A bounded queue of whole messages in front of a writer that may block.
//!
//! It writes into any [`Write`], so that every policy is tested without a descriptor.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};

/// Upper bound on the bytes of one write call.
const MAX_WRITE: usize = 64 << 10;

/// Capacity above this is given back once the queue is empty.
const KEPT_CAPACITY: usize = 64 << 10;

/// The policy for a reader that is slower than the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Drops the oldest whole messages, and counts them.
    Drop,
    /// Drops no message: the caller stops reading from the servers while [`Queue::is_full`].
    Wait,
}

/// The bound of a queue, and its policy when full.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// Maximum bytes held. Two things may exceed it: the rest of a message that is partly written, and a newest message
    /// that alone is larger.
    pub bytes: usize,
    pub when_full: WhenFull,
    /// Formats the line that replaces that many dropped messages, for formats that have one.
    pub marker: Option<fn(u64) -> String>,
}

/// The author of a message. A marker counts those of servers only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Server,
    Client,
}

/// Number of dropped messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Messages of servers.
    pub messages: u64,
    /// Log lines and statistics of the client itself.
    pub lines: u64,
}

struct Entry {
    /// Bytes in the queue, with the line feed.
    len: usize,
    origin: Origin,
}

/// A bounded queue of whole messages.
///
/// It holds, in the order in which they are written: the rest of a partly written message (`torn`), a gap of dropped
/// messages (`gap`), and whole messages (`bytes`, with their lengths in `entries`). A message is torn at most at the end
/// of a write call. It is then moved out of `bytes`: dropping the oldest message must never cut one that has begun, and the
/// marker of a gap belongs behind it.
pub struct Queue {
    limits: QueueLimits,
    /// The rest of a partly written message or marker, from `torn_at` on.
    torn: Vec<u8>,
    torn_at: usize,
    /// Whole messages, from `bytes_at` on.
    bytes: Vec<u8>,
    bytes_at: usize,
    entries: VecDeque<Entry>,
    /// Messages dropped between `torn` and `bytes` for which no marker has been written.
    gap: u64,
    dropped: Losses,
    full: bool,
}

impl Queue {
    pub fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            torn: Vec::new(),
            torn_at: 0,
            bytes: Vec::new(),
            bytes_at: 0,
            entries: VecDeque::new(),
            gap: 0,
            dropped: Losses::default(),
            full: false,
        }
    }

    /// Queues one whole message of one or more lines; a missing final line feed is added.
    ///
    /// With [`WhenFull::Drop`] older messages are dropped until it fits. With [`WhenFull::Wait`] messages of servers are
    /// always accepted, since the caller stops reading more. The client's own lines have no such bound: they are dropped
    /// while the queue is full.
    pub fn push(&mut self, message: &str, origin: Origin) {
        let line_feed = !message.ends_with('\n');
        let len = message.len() + usize::from(line_feed);
        match (self.limits.when_full, origin) {
            (WhenFull::Drop, _) => self.make_room(len),
            (WhenFull::Wait, Origin::Client) if self.full => return self.dropped.lines += 1,
            (WhenFull::Wait, _) => {}
        }
        // A byte that is moved has one before it that is gone: in the long run each is moved three times at most.
        if self.bytes_at > self.bytes.len() / 4 {
            self.bytes.drain(..self.bytes_at);
            self.bytes_at = 0;
        }
        self.bytes.extend_from_slice(message.as_bytes());
        if line_feed {
            self.bytes.push(b'\n');
        }
        self.entries.push_back(Entry { len, origin });
        self.update_full();
    }

    /// Writes as much as `out` takes. Returns true if the queue is empty afterwards, false if the writer would block.
    pub fn write_to(&mut self, out: &mut impl Write) -> io::Result<bool> {
        while !self.is_empty() && self.write_once(out)? {}
        self.update_full();
        if self.is_empty() {
            self.shrink();
        }
        Ok(self.is_empty())
    }

    pub fn is_empty(&self) -> bool {
        self.torn.is_empty() && self.entries.is_empty()
    }

    /// Bytes that are not written yet, without the marker of a gap.
    pub fn len(&self) -> usize {
        self.torn.len() - self.torn_at + self.bytes.len() - self.bytes_at
    }

    /// Returns true if one more message of `len` bytes would exceed the bound.
    pub fn overflows_with(&self, len: usize) -> bool {
        self.len() + len > self.limits.bytes
    }

    /// Returns true while servers should not be read, with [`WhenFull::Wait`]: from the bound on until half of it is
    /// written, so that reading does not stop and resume with every message.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Everything dropped so far.
    pub fn dropped(&self) -> Losses {
        self.dropped
    }

    /// Discards the queue without counting it as dropped, since nobody is left to read it.
    pub fn clear(&mut self) {
        self.end_torn();
        self.entries.clear();
        self.gap = 0;
        self.full = false;
        self.shrink();
    }

    fn make_room(&mut self, len: usize) {
        while self.overflows_with(len) {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes_at += oldest.len;
            match oldest.origin {
                Origin::Server => {
                    self.gap += 1;
                    self.dropped.messages += 1;
                }
                Origin::Client => self.dropped.lines += 1,
            }
        }
    }

    fn update_full(&mut self) {
        let bound = match self.full {
            true => self.limits.bytes / 2,
            false => self.limits.bytes,
        };
        self.full = self.limits.when_full == WhenFull::Wait && self.len() > bound;
    }

    /// Makes one write call. Returns false if the writer would block.
    fn write_once(&mut self, out: &mut impl Write) -> io::Result<bool> {
        if !self.torn.is_empty() {
            return self.write_torn(out);
        }
        if let Some(marker) = self.marker() {
            return self.write_marker(out, marker);
        }
        let end = self.bytes.len().min(self.bytes_at + MAX_WRITE);
        let batch = &self.bytes[self.bytes_at..end];
        let Some(length) = retry_interrupted(&mut || out.write(batch))? else { return Ok(false) };
        self.remove(length);
        Ok(true)
    }

    fn write_torn(&mut self, out: &mut impl Write) -> io::Result<bool> {
        let end = self.torn.len().min(self.torn_at + MAX_WRITE);
        let rest = &self.torn[self.torn_at..end];
        let Some(length) = retry_interrupted(&mut || out.write(rest))? else { return Ok(false) };
        self.torn_at += length;
        if self.torn_at == self.torn.len() {
            self.end_torn();
        }
        Ok(true)
    }

    fn marker(&self) -> Option<String> {
        self.limits.marker.filter(|_| self.gap > 0).map(|write| write(self.gap))
    }

    /// Writes the marker of the gap. It is formatted for each attempt until its first byte is written, so that it
    /// counts the messages dropped meanwhile.
    fn write_marker(&mut self, out: &mut impl Write, mut marker: String) -> io::Result<bool> {
        if !marker.ends_with('\n') {
            marker.push('\n');
        }
        let Some(length) = retry_interrupted(&mut || out.write(marker.as_bytes()))? else { return Ok(false) };
        self.gap = 0;
        if length < marker.len() {
            self.torn.extend_from_slice(&marker.as_bytes()[length..]);
        }
        Ok(true)
    }

    /// Removes `length` written bytes. If they end within a message, the rest of it becomes `torn`.
    fn remove(&mut self, length: usize) {
        // Formats without a marker leave no trace of a gap.
        self.gap = 0;
        self.bytes_at += length;
        let mut left = length;
        while left > 0 {
            let Some(first) = self.entries.pop_front() else { return };
            if left < first.len {
                // A large message alone is not copied once more.
                if self.entries.is_empty() && self.bytes.capacity() > KEPT_CAPACITY {
                    self.torn = std::mem::take(&mut self.bytes);
                    self.torn_at = std::mem::take(&mut self.bytes_at);
                } else {
                    let end = self.bytes_at + first.len - left;
                    self.torn.extend_from_slice(&self.bytes[self.bytes_at..end]);
                    self.bytes_at = end;
                }
                return;
            }
            left -= first.len;
        }
    }

    fn end_torn(&mut self) {
        self.torn.clear();
        self.torn_at = 0;
        self.torn.shrink_to(KEPT_CAPACITY);
    }

    fn shrink(&mut self) {
        self.bytes.clear();
        self.bytes_at = 0;
        if self.bytes.capacity() > KEPT_CAPACITY {
            self.bytes.shrink_to(KEPT_CAPACITY);
            self.entries = VecDeque::new();
        }
    }
}

/// Makes one write call, again if a signal interrupts it. Returns the bytes written, or `None` if it would block.
fn retry_interrupted(write: &mut dyn FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match write() {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => return Ok(Some(n)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
