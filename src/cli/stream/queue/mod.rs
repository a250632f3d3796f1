//! A bounded queue of whole messages before a writer that may not take them.
//!
//! Pure: it writes into any [`Write`], so that every policy is tested without a descriptor.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};

/// What one write call is given at most.
const BATCH: usize = 64 << 10;

/// Capacity above this is given back once a backlog has drained.
const KEEP: usize = 64 << 10;

/// What happens when the reader is slower than the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest whole messages go, and are counted.
    Drop,
    /// Nothing goes: the caller stops reading while [`Queue::is_full`].
    Wait,
}

/// The bound of a queue and what to do about it.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// Bytes held at most. Beyond them only the rest of the message that is being written and,
    /// where one alone is larger than the bound, the newest message.
    pub bytes: usize,
    pub when_full: WhenFull,
    /// Writes the line that stands where that many messages are missing, for formats that have one.
    pub marker: Option<fn(u64) -> String>,
}

/// Who speaks: only what servers said is counted by a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Server,
    Client,
}

/// How much was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Messages of servers.
    pub messages: u64,
    /// Lines of our own, where stderr shares the queue or has one of its own.
    pub lines: u64,
}

struct Entry {
    len: usize,
    origin: Origin,
}

/// See the module.
pub struct Queue {
    limits: QueueLimits,
    /// A message whose first byte has left, from `torn_at` on. It stands apart so that dropping
    /// the oldest never has to look at it, and a gap is always between it and `bytes`.
    torn: Vec<u8>,
    torn_at: usize,
    bytes: VecDeque<u8>,
    entries: VecDeque<Entry>,
    /// Messages missing between `torn` and `bytes`, not yet said by a marker.
    gap: u64,
    total: Losses,
    reported: Losses,
    full: bool,
}

impl Queue {
    pub fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            torn: Vec::new(),
            torn_at: 0,
            bytes: VecDeque::new(),
            entries: VecDeque::new(),
            gap: 0,
            total: Losses::default(),
            reported: Losses::default(),
            full: false,
        }
    }

    /// Queues one whole message, of one line or several; a missing last line feed is added.
    ///
    /// With [`WhenFull::Drop`] older messages go until it fits. With [`WhenFull::Wait`] messages
    /// of servers are always taken, and the client's own lines are dropped and counted while the
    /// queue is full: nothing else would bound them.
    pub fn push(&mut self, message: &str, origin: Origin) {
        let line_feed = !message.ends_with('\n');
        let len = message.len() + usize::from(line_feed);
        match (self.limits.when_full, origin) {
            (WhenFull::Drop, _) => self.make_room(len),
            (WhenFull::Wait, Origin::Client) if self.full => return self.total.lines += 1,
            (WhenFull::Wait, _) => {}
        }
        self.bytes.extend(message.as_bytes());
        if line_feed {
            self.bytes.push_back(b'\n');
        }
        self.entries.push_back(Entry { len, origin });
        self.note_fullness();
    }

    /// Writes what `out` takes now, in large writes. A writer that would block is no error; what
    /// it did not take stays. Returns whether everything was taken.
    pub fn write_to(&mut self, out: &mut impl Write) -> io::Result<bool> {
        while !self.is_empty() {
            if !self.write_once(out)? {
                break;
            }
        }
        self.note_fullness();
        if self.is_empty() {
            self.give_back();
        }
        Ok(self.is_empty())
    }

    pub fn is_empty(&self) -> bool {
        self.torn.is_empty() && self.entries.is_empty()
    }

    /// Bytes not written yet.
    pub fn len(&self) -> usize {
        self.torn.len() - self.torn_at + self.bytes.len()
    }

    /// Whether one more message of `len` bytes would go over the bound.
    pub fn overflows_with(&self, len: usize) -> bool {
        self.len() + len > self.limits.bytes
    }

    /// With [`WhenFull::Wait`]: whether sockets should rest. True from the bound on, false again
    /// once half of it has drained, so that the loop does not flutter.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// All that was dropped so far.
    pub fn dropped(&self) -> Losses {
        self.total
    }

    /// What was dropped since this was last asked.
    pub fn take_dropped(&mut self) -> Losses {
        let before = std::mem::replace(&mut self.reported, self.total);
        Losses { messages: self.total.messages - before.messages, lines: self.total.lines - before.lines }
    }

    /// Forgets what is queued, uncounted: there is nobody to read it.
    pub fn clear(&mut self) {
        self.end_torn();
        self.bytes.clear();
        self.entries.clear();
        self.gap = 0;
        self.full = false;
        self.give_back();
    }

    fn make_room(&mut self, len: usize) {
        while self.overflows_with(len) {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes.drain(..oldest.len);
            match oldest.origin {
                Origin::Server => {
                    self.gap += 1;
                    self.total.messages += 1;
                }
                Origin::Client => self.total.lines += 1,
            }
        }
    }

    fn note_fullness(&mut self) {
        let bound = match self.full {
            true => self.limits.bytes / 2,
            false => self.limits.bytes,
        };
        self.full = self.limits.when_full == WhenFull::Wait && self.len() > bound;
    }

    /// One write of the first thing due; false when the writer takes nothing.
    fn write_once(&mut self, out: &mut impl Write) -> io::Result<bool> {
        if !self.torn.is_empty() {
            return self.write_torn(out);
        }
        if let Some(marker) = self.marker() {
            return self.write_marker(out, marker);
        }
        let Some(taken) = taken(&mut || out.write_vectored(&self.batch()))? else { return Ok(false) };
        self.remove(taken);
        Ok(true)
    }

    fn write_torn(&mut self, out: &mut impl Write) -> io::Result<bool> {
        let end = self.torn.len().min(self.torn_at + BATCH);
        let rest = &self.torn[self.torn_at..end];
        let Some(taken) = taken(&mut || out.write(rest))? else { return Ok(false) };
        self.torn_at += taken;
        if self.torn_at == self.torn.len() {
            self.end_torn();
        }
        Ok(true)
    }

    fn marker(&self) -> Option<String> {
        self.limits.marker.filter(|_| self.gap > 0).map(|write| write(self.gap))
    }

    /// Until its first byte is taken the marker is not kept, so that it counts what goes meanwhile.
    fn write_marker(&mut self, out: &mut impl Write, mut marker: String) -> io::Result<bool> {
        if !marker.ends_with('\n') {
            marker.push('\n');
        }
        let Some(taken) = taken(&mut || out.write(marker.as_bytes()))? else { return Ok(false) };
        self.gap = 0;
        if taken < marker.len() {
            self.torn.extend_from_slice(&marker.as_bytes()[taken..]);
        }
        Ok(true)
    }

    fn batch(&self) -> [IoSlice<'_>; 2] {
        let (front, back) = self.bytes.as_slices();
        let front = &front[..front.len().min(BATCH)];
        let back = &back[..back.len().min(BATCH - front.len())];
        [IoSlice::new(front), IoSlice::new(back)]
    }

    /// Takes out `taken` written bytes; a message they end in the middle of becomes `torn`.
    fn remove(&mut self, taken: usize) {
        // What leaves after a gap that no marker told ends that gap.
        self.gap = 0;
        self.bytes.drain(..taken);
        let mut left = taken;
        while left > 0 {
            let Some(first) = self.entries.pop_front() else { return };
            if left < first.len {
                self.torn.extend(self.bytes.drain(..first.len - left));
                return;
            }
            left -= first.len;
        }
    }

    fn end_torn(&mut self) {
        self.torn.clear();
        self.torn_at = 0;
        self.torn.shrink_to(KEEP);
    }

    fn give_back(&mut self) {
        if self.bytes.capacity() > KEEP {
            self.bytes = VecDeque::with_capacity(KEEP);
            self.entries = VecDeque::new();
        }
    }
}

/// The result of one write call: how much was taken, or None when the writer would block.
fn taken(write: &mut dyn FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match write() {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => return Ok(Some(n)),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests;
