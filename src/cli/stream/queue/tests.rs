use super::*;
use crate::cli::random::Random;

/// Takes `room` bytes, at most `max_write` per call, and interrupts every third call.
struct SlowWriter {
    written: Vec<u8>,
    room: usize,
    max_write: usize,
    calls: usize,
}

impl SlowWriter {
    fn with_room(room: usize) -> Self {
        Self { written: Vec::new(), room, max_write: usize::MAX, calls: 0 }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.written).unwrap()
    }
}

impl Write for SlowWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(3) {
            return Err(ErrorKind::Interrupted.into());
        }
        let n = bytes.len().min(self.room).min(self.max_write);
        if n == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.written.extend_from_slice(&bytes[..n]);
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

fn marker(count: u64) -> String {
    format!("-{count}-")
}

fn queue(bytes: usize, when_full: WhenFull, marker: Option<fn(u64) -> String>) -> Queue {
    Queue::new(QueueLimits { bytes, when_full, marker })
}

fn push(queue: &mut Queue, message: &str) {
    queue.push(message, Origin::Server);
}

#[test]
fn messages_are_written_in_order() {
    let mut q = queue(1000, WhenFull::Drop, None);
    push(&mut q, "one\nmore\n");
    push(&mut q, "two");
    let mut writer = SlowWriter::with_room(1000);
    assert!(q.write_to(&mut writer).unwrap());
    assert_eq!(writer.text(), "one\nmore\ntwo\n");
    assert_eq!(writer.calls, 1, "one write for the whole queue");
}

#[test]
fn the_oldest_messages_are_dropped_and_a_marker_replaces_them() {
    let mut q = queue(12, WhenFull::Drop, Some(marker));
    for message in ["aaa\n", "bbb\n", "ccc\n", "ddd\n", "eee\n"] {
        push(&mut q, message);
    }
    assert_eq!(q.dropped(), Losses { messages: 2, lines: 0 });
    let mut writer = SlowWriter::with_room(1000);
    assert!(q.write_to(&mut writer).unwrap());
    assert_eq!(writer.text(), "-2-\nccc\nddd\neee\n");
}

#[test]
fn a_torn_message_is_finished_before_the_marker() {
    let mut q = queue(8, WhenFull::Drop, Some(marker));
    push(&mut q, "aaa\n");
    push(&mut q, "bbb\n");
    let mut writer = SlowWriter::with_room(2);
    assert!(!q.write_to(&mut writer).unwrap());
    for message in ["ccc\n", "ddd\n", "eee\n"] {
        push(&mut q, message);
        assert!(!q.write_to(&mut writer).unwrap(), "it still takes nothing");
    }
    writer.room = 1000;
    assert!(q.write_to(&mut writer).unwrap());
    assert_eq!(writer.text(), "aaa\n-3-\neee\n");
}

#[test]
fn two_gaps_have_two_markers() {
    let mut q = queue(4, WhenFull::Drop, Some(marker));
    let mut writer = SlowWriter::with_room(8);
    for message in ["aaa\n", "bbb\n"] {
        push(&mut q, message);
    }
    q.write_to(&mut writer).unwrap();
    for message in ["ccc\n", "ddd\n"] {
        push(&mut q, message);
    }
    writer.room = 100;
    q.write_to(&mut writer).unwrap();
    assert_eq!(writer.text(), "-1-\nbbb\n-1-\nddd\n");
}

#[test]
fn without_a_marker_a_gap_leaves_no_trace() {
    let mut q = queue(4, WhenFull::Drop, None);
    push(&mut q, "aaa\n");
    push(&mut q, "bbb\n");
    let mut writer = SlowWriter::with_room(100);
    assert!(q.write_to(&mut writer).unwrap());
    assert_eq!(writer.text(), "bbb\n");
}

#[test]
fn lines_of_the_client_are_counted_apart_and_by_no_marker() {
    let mut q = queue(8, WhenFull::Drop, Some(marker));
    q.push("log", Origin::Client);
    push(&mut q, "aaa\n");
    push(&mut q, "bbb\n");
    assert_eq!(q.dropped(), Losses { messages: 0, lines: 1 });
    let mut writer = SlowWriter::with_room(100);
    q.write_to(&mut writer).unwrap();
    assert_eq!(writer.text(), "aaa\nbbb\n");
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
    let mut q = queue(10, WhenFull::Wait, Some(marker));
    let mut writer = SlowWriter::with_room(0);
    for _ in 0..3 {
        push(&mut q, "aaa\n");
    }
    assert!(q.is_full());
    q.push("log\n", Origin::Client);
    writer.room = 4;
    q.write_to(&mut writer).unwrap();
    assert!(q.is_full(), "8 of 10 is more than half");
    writer.room = 4;
    q.write_to(&mut writer).unwrap();
    assert!(!q.is_full());
    push(&mut q, "bbb\n");
    assert!(!q.is_full());
    writer.room = 100;
    q.write_to(&mut writer).unwrap();
    assert_eq!(writer.text(), "aaa\naaa\naaa\nbbb\n");
    assert_eq!(q.dropped(), Losses { messages: 0, lines: 1 });
}

#[test]
fn a_broken_pipe_is_returned_as_such() {
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
    let mut writer = SlowWriter::with_room(usize::MAX);
    assert!(q.write_to(&mut writer).unwrap());
    assert!(q.bytes.capacity() <= KEPT_CAPACITY && q.entries.capacity() <= 2048);
}

#[test]
fn a_steady_stream_does_not_allocate() {
    let mut q = queue(1 << 20, WhenFull::Drop, None);
    let mut writer = SlowWriter::with_room(usize::MAX);
    push(&mut q, &"x".repeat(5000));
    q.write_to(&mut writer).unwrap();
    let capacity = q.bytes.capacity();
    for _ in 0..100 {
        push(&mut q, &"x".repeat(4000));
        q.write_to(&mut writer).unwrap();
    }
    assert_eq!(q.bytes.capacity(), capacity);
}

#[test]
fn over_random_histories_no_message_is_torn_and_none_goes_uncounted() {
    let mut random = Random::new(1);
    for _ in 0..300 {
        let mut q = queue(64, WhenFull::Drop, Some(marker));
        let mut writer = SlowWriter::with_room(0);
        let pushed = 200;
        for n in 0..pushed {
            push(&mut q, &format!("<{n}{}>\n<again>", "x".repeat(random.below(20))));
            writer.room = random.below(40);
            writer.max_write = 1 + random.below(30);
            q.write_to(&mut writer).unwrap();
        }
        writer.room = usize::MAX;
        assert!(q.write_to(&mut writer).unwrap());
        assert_eq!(read_back(writer.text()), pushed as u64);
    }
}

/// Returns the number of messages written and counted by markers; checks that they are whole and in order.
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
