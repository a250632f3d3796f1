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
pub struct Limits {
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
    limits: Limits,
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
    pub fn new(limits: Limits) -> Self {
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
        let Some(taken) = taken(|| out.write_vectored(&self.batch()))? else { return Ok(false) };
        self.remove(taken);
        Ok(true)
    }

    fn write_torn(&mut self, out: &mut impl Write) -> io::Result<bool> {
        let end = self.torn.len().min(self.torn_at + BATCH);
        let rest = &self.torn[self.torn_at..end];
        let Some(taken) = taken(|| out.write(rest))? else { return Ok(false) };
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
        let Some(taken) = taken(|| out.write(marker.as_bytes()))? else { return Ok(false) };
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
            self.bytes.shrink_to(KEEP);
            self.entries.shrink_to(KEEP / 64);
        }
    }
}

/// The result of one write call: how much was taken, or None when the writer would block.
fn taken(mut write: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
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
mod tests {
    use super::*;

    /// Takes `room` bytes, at most `step` a call, and interrupts every third call.
    struct Reader {
        seen: Vec<u8>,
        room: usize,
        step: usize,
        calls: usize,
    }

    impl Reader {
        fn with_room(room: usize) -> Self {
            Self { seen: Vec::new(), room, step: usize::MAX, calls: 0 }
        }

        fn text(&self) -> &str {
            std::str::from_utf8(&self.seen).unwrap()
        }
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls % 3 == 0 {
                return Err(ErrorKind::Interrupted.into());
            }
            let n = bytes.len().min(self.room).min(self.step);
            if n == 0 && !bytes.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.seen.extend_from_slice(&bytes[..n]);
            self.room -= n;
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn said(count: u64) -> String {
        format!("-{count}-")
    }

    fn queue(bytes: usize, when_full: WhenFull, marker: Option<fn(u64) -> String>) -> Queue {
        Queue::new(Limits { bytes, when_full, marker })
    }

    fn push(queue: &mut Queue, message: &str) {
        queue.push(message, Origin::Server);
    }

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let mut q = queue(1000, WhenFull::Drop, None);
        push(&mut q, "one\nmore\n");
        push(&mut q, "two");
        let mut reader = Reader::with_room(1000);
        assert!(q.write_to(&mut reader).unwrap());
        assert_eq!(reader.text(), "one\nmore\ntwo\n");
        assert_eq!(reader.calls, 1, "one write for all that was waiting");
    }

    #[test]
    fn the_oldest_go_and_the_marker_stands_in_their_place() {
        let mut q = queue(12, WhenFull::Drop, Some(said));
        for message in ["aaa\n", "bbb\n", "ccc\n", "ddd\n", "eee\n"] {
            push(&mut q, message);
        }
        assert_eq!(q.take_dropped(), Losses { messages: 2, lines: 0 });
        assert_eq!(q.take_dropped(), Losses::default());
        let mut reader = Reader::with_room(1000);
        assert!(q.write_to(&mut reader).unwrap());
        assert_eq!(reader.text(), "-2-\nccc\nddd\neee\n");
        assert_eq!(q.dropped().messages, 2);
    }

    #[test]
    fn a_torn_message_is_finished_before_the_marker() {
        let mut q = queue(8, WhenFull::Drop, Some(said));
        push(&mut q, "aaa\n");
        push(&mut q, "bbb\n");
        let mut reader = Reader::with_room(2);
        assert!(!q.write_to(&mut reader).unwrap());
        for message in ["ccc\n", "ddd\n", "eee\n"] {
            push(&mut q, message);
            assert!(!q.write_to(&mut reader).unwrap(), "it still takes nothing");
        }
        reader.room = 1000;
        assert!(q.write_to(&mut reader).unwrap());
        assert_eq!(reader.text(), "aaa\n-3-\neee\n");
    }

    #[test]
    fn two_gaps_have_two_markers() {
        let mut q = queue(4, WhenFull::Drop, Some(said));
        let mut reader = Reader::with_room(8);
        for message in ["aaa\n", "bbb\n"] {
            push(&mut q, message);
        }
        q.write_to(&mut reader).unwrap();
        for message in ["ccc\n", "ddd\n"] {
            push(&mut q, message);
        }
        reader.room = 100;
        q.write_to(&mut reader).unwrap();
        assert_eq!(reader.text(), "-1-\nbbb\n-1-\nddd\n");
    }

    #[test]
    fn without_a_marker_a_gap_leaves_nothing_behind() {
        let mut q = queue(4, WhenFull::Drop, None);
        push(&mut q, "aaa\n");
        push(&mut q, "bbb\n");
        let mut reader = Reader::with_room(100);
        assert!(q.write_to(&mut reader).unwrap());
        assert_eq!(reader.text(), "bbb\n");
    }

    #[test]
    fn own_lines_are_counted_apart_and_by_no_marker() {
        let mut q = queue(8, WhenFull::Drop, Some(said));
        q.push("log", Origin::Client);
        push(&mut q, "aaa\n");
        push(&mut q, "bbb\n");
        assert_eq!(q.dropped(), Losses { messages: 0, lines: 1 });
        let mut reader = Reader::with_room(100);
        q.write_to(&mut reader).unwrap();
        assert_eq!(reader.text(), "aaa\nbbb\n");
    }

    #[test]
    fn a_message_larger_than_the_bound_is_kept_until_a_newer_one_comes() {
        let mut q = queue(4, WhenFull::Drop, None);
        push(&mut q, "a long one");
        assert_eq!(q.len(), 11);
        push(&mut q, "b\n");
        assert_eq!((q.len(), q.dropped().messages), (2, 1));
    }

    #[test]
    fn waiting_drops_nothing_and_resumes_at_half() {
        let mut q = queue(10, WhenFull::Wait, Some(said));
        let mut reader = Reader::with_room(0);
        for _ in 0..3 {
            push(&mut q, "aaa\n");
        }
        assert!(q.is_full());
        q.push("log\n", Origin::Client);
        reader.room = 4;
        q.write_to(&mut reader).unwrap();
        assert!(q.is_full(), "8 of 10 is more than half");
        reader.room = 4;
        q.write_to(&mut reader).unwrap();
        assert!(!q.is_full());
        push(&mut q, "bbb\n");
        assert!(!q.is_full());
        reader.room = 100;
        q.write_to(&mut reader).unwrap();
        assert_eq!(reader.text(), "aaa\naaa\naaa\nbbb\n");
        assert_eq!(q.dropped(), Losses { messages: 0, lines: 1 });
    }

    #[test]
    fn a_broken_pipe_is_told_as_such() {
        let mut q = queue(10, WhenFull::Drop, None);
        push(&mut q, "aaa\n");
        assert_eq!(q.write_to(&mut Broken).unwrap_err().kind(), ErrorKind::BrokenPipe);
        q.clear();
        assert!(q.is_empty());
    }

    #[test]
    fn capacity_is_given_back_after_a_backlog() {
        let mut q = queue(4 << 20, WhenFull::Drop, None);
        let message = "x".repeat(1000);
        for _ in 0..4000 {
            push(&mut q, &message);
        }
        assert!(q.bytes.capacity() > 3 << 20);
        let mut reader = Reader::with_room(usize::MAX);
        assert!(q.write_to(&mut reader).unwrap());
        assert!(q.bytes.capacity() <= KEEP && q.entries.capacity() <= 2048);
    }

    #[test]
    fn a_steady_stream_does_not_allocate() {
        let mut q = queue(1 << 20, WhenFull::Drop, None);
        let mut reader = Reader::with_room(usize::MAX);
        push(&mut q, &"x".repeat(5000));
        q.write_to(&mut reader).unwrap();
        let capacity = q.bytes.capacity();
        for _ in 0..100 {
            push(&mut q, &"x".repeat(4000));
            q.write_to(&mut reader).unwrap();
        }
        assert_eq!(q.bytes.capacity(), capacity);
    }

    /// A small generator of its own: the same histories in every run.
    fn next(seed: &mut u64) -> usize {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        (*seed >> 16) as usize
    }

    #[test]
    fn over_random_histories_no_message_is_torn_and_none_goes_uncounted() {
        let mut seed = 0x9e37_79b9_7f4a_7c15;
        for _ in 0..300 {
            let mut q = queue(64, WhenFull::Drop, Some(said));
            let mut reader = Reader::with_room(0);
            let pushed = 200;
            for n in 0..pushed {
                push(&mut q, &format!("<{n}{}>\n<again>", "x".repeat(next(&mut seed) % 20)));
                reader.room = next(&mut seed) % 40;
                reader.step = 1 + next(&mut seed) % 30;
                q.write_to(&mut reader).unwrap();
            }
            reader.room = usize::MAX;
            assert!(q.write_to(&mut reader).unwrap());
            assert_eq!(read_back(reader.text()), pushed as u64);
        }
    }

    /// Written and said to be dropped together; every number in order and every message whole.
    fn read_back(text: &str) -> u64 {
        let mut next_number = 0;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(count) = line.strip_prefix('-') {
                next_number += count.trim_end_matches('-').parse::<u64>().unwrap();
                continue;
            }
            let whole = line.strip_prefix('<').and_then(|l| l.strip_suffix('>')).unwrap();
            assert_eq!(whole.trim_end_matches('x').parse::<u64>().unwrap(), next_number);
            assert_eq!(lines.next(), Some("<again>"));
            next_number += 1;
        }
        next_number
    }
}
