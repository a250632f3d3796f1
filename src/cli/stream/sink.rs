//! A stream behind a bounded queue, so that the loop never waits for a reader.

use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;

use mio::event::Event;
use mio::{Registry, Token};

use super::descriptor::Descriptor;
use super::queue::{Losses, Origin, Queue, QueueLimits};

/// Queue length from which a push writes at once instead of at the end of the turn. With a reader that keeps up, a burst
/// of messages then neither fills the queue nor drops anything.
const WRITE_FROM: usize = 32 << 10;

/// A bounded queue of whole messages in front of one descriptor.
///
/// An error closes it: the queue is cleared, and further messages are discarded.
pub struct Sink {
    queue: Queue,
    descriptor: Descriptor,
    token: Token,
    /// The last write left something behind, so the next one is left to `flush`.
    blocked: bool,
    closed: bool,
    /// The error that closed it, until `flush` returns it.
    error: Option<io::Error>,
}

impl Sink {
    /// Opens `stream` and registers it for writability under `token`, if it has readiness at all.
    pub fn open(stream: BorrowedFd, registry: &Registry, token: Token, limits: QueueLimits) -> io::Result<Self> {
        let descriptor = Descriptor::open(stream, registry, token)?;
        let queue = Queue::new(limits);
        Ok(Self { queue, descriptor, token, blocked: false, closed: false, error: None })
    }

    /// Queues one whole message; a missing final line feed is added. See [`Queue::push`] for what a full queue drops.
    pub fn push(&mut self, message: &str, origin: Origin) {
        if self.closed {
            return;
        }
        let write_first = self.queue.len() >= WRITE_FROM || self.queue.overflows_with(message.len() + 1);
        if write_first && !self.blocked {
            self.write();
        }
        if !self.closed {
            self.queue.push(message, origin);
        }
    }

    /// Handles an event of its token; others are ignored. A reader that has closed the stream is noticed here, without a
    /// message to write. Writability needs nothing but the `flush` of the turn.
    pub fn handle(&mut self, event: &Event) {
        if event.token() == self.token && event.is_write_closed() && !self.closed {
            self.close(ErrorKind::BrokenPipe.into());
        }
    }

    /// Writes as much as the descriptor takes without blocking. To be called once per turn.
    ///
    /// # Errors
    /// The error that closed the sink, once. `BrokenPipe`: the reader has closed the stream.
    pub fn flush(&mut self) -> io::Result<()> {
        self.write();
        self.error.take().map_or(Ok(()), Err)
    }

    /// Returns true if something is left to write.
    pub fn wants_write(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Returns the number of bytes that are left to write.
    pub fn unwritten(&self) -> usize {
        self.queue.len()
    }

    /// See [`Queue::is_full`].
    pub fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    /// Returns true once an error has closed it.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Everything dropped so far.
    pub fn dropped(&self) -> Losses {
        self.queue.dropped()
    }

    fn write(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        match self.queue.write_to(&mut self.descriptor) {
            Ok(complete) => self.blocked = !complete,
            Err(error) => self.close(error),
        }
    }

    fn close(&mut self, error: io::Error) {
        self.closed = true;
        self.error = Some(error);
        self.queue.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read};
    use std::os::fd::AsFd;
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;
    use crate::cli::stream::queue::WhenFull;

    fn sink(bytes: usize, when_full: WhenFull) -> (Poll, PipeReader, Sink) {
        let (reader, writer) = io::pipe().unwrap();
        let poll = Poll::new().unwrap();
        let limits = QueueLimits { bytes, when_full, marker: Some(|n| format!("dropped {n}")) };
        let sink = Sink::open(writer.as_fd(), poll.registry(), Token(0), limits).unwrap();
        (poll, reader, sink)
    }

    fn push(sink: &mut Sink, message: &str) {
        sink.push(message, Origin::Server);
    }

    /// Drives the sink as the loop does at its end, until everything is written.
    fn finish(poll: &mut Poll, sink: &mut Sink) {
        let mut events = Events::with_capacity(4);
        sink.flush().unwrap();
        while sink.wants_write() {
            poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "a reader that reads makes the pipe writable");
            sink.flush().unwrap();
        }
    }

    #[test]
    fn a_stalled_reader_loses_messages_but_blocks_nothing() {
        let (mut poll, mut reader, mut sink) = sink(8 << 10, WhenFull::Drop);
        for n in 0..2000 {
            push(&mut sink, &format!("{n} {}", "x".repeat(100)));
        }
        sink.flush().unwrap();
        let dropped = sink.dropped().messages;
        assert!(dropped > 1000);
        let text = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        finish(&mut poll, &mut sink);
        drop(sink);
        let text = text.join().unwrap();
        assert_eq!(text.lines().count() as u64, 2000 - dropped + 1);
        assert!(text.contains(&format!("\ndropped {dropped}\n")));
        assert!(text.lines().last().unwrap().starts_with("1999 "));
    }

    #[test]
    fn a_reader_that_keeps_up_loses_nothing_however_small_the_queue() {
        let (_poll, mut reader, mut sink) = sink(10, WhenFull::Drop);
        for n in 0..500 {
            push(&mut sink, &format!("message {n}"));
        }
        sink.flush().unwrap();
        assert_eq!(sink.dropped(), Losses::default());
        drop(sink);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text.lines().count(), 500);
    }

    #[test]
    fn waiting_fills_up_and_resumes_when_the_reader_reads() {
        let (mut poll, mut reader, mut sink) = sink(64 << 10, WhenFull::Wait);
        let message = "x".repeat(999);
        let mut pushed = 0;
        while !sink.is_full() {
            push(&mut sink, &message);
            pushed += 1;
        }
        let read = std::thread::spawn(move || io::copy(&mut reader, &mut io::sink()).unwrap());
        finish(&mut poll, &mut sink);
        assert!(!sink.is_full() && sink.dropped() == Losses::default());
        drop(sink);
        assert_eq!(read.join().unwrap(), pushed * 1000);
    }

    #[test]
    fn a_closed_pipe_is_reported_once_and_closes_the_sink() {
        let (_poll, reader, mut sink) = sink(1 << 20, WhenFull::Drop);
        drop(reader);
        push(&mut sink, "lost");
        assert_eq!(sink.flush().unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(sink.is_closed() && !sink.wants_write());
        push(&mut sink, "nowhere");
        assert!(sink.flush().is_ok() && !sink.wants_write());
    }

    #[test]
    fn a_closed_pipe_is_noticed_without_a_message() {
        let (mut poll, reader, mut sink) = sink(1 << 20, WhenFull::Drop);
        drop(reader);
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        events.iter().for_each(|event| sink.handle(event));
        assert_eq!(sink.flush().unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn an_error_while_pushing_is_returned_by_the_next_flush() {
        let (_poll, reader, mut sink) = sink(10, WhenFull::Drop);
        drop(reader);
        push(&mut sink, "lost");
        push(&mut sink, "lost as well");
        assert!(sink.is_closed());
        assert_eq!(sink.flush().unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(sink.flush().is_ok());
    }
}
