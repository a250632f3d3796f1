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
        if self.calls.is_multiple_of(3) {
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
    Queue::new(QueueLimits { bytes, when_full, marker })
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
