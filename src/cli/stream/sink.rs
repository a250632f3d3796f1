//! stdout and stderr behind bounded queues: the loop never waits for a reader.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};

use mio::event::Event;
use mio::{Registry, Token};

use super::descriptor::{Descriptor, is_same_file};
use super::queue::{Losses, Origin, Queue, QueueLimits};

/// From here on a queue is written out without waiting for the end of the turn, so that a flood
/// costs neither memory nor messages while the reader keeps up.
const WRITE_FROM: usize = 32 << 10;

/// A bounded queue of whole messages before one descriptor.
///
/// After an error it is closed: what was queued is forgotten, and what is pushed goes nowhere.
pub struct Sink {
    queue: Queue,
    descriptor: Descriptor,
    /// The last attempt left something behind: no use in trying before the next turn.
    blocked: bool,
    closed: bool,
    /// What closed it, for the next `flush` to return.
    failed: Option<io::Error>,
}

impl Sink {
    /// stdout, registered for writability under `token` where it has such a thing.
    pub fn stdout(registry: &Registry, token: Token, limits: QueueLimits) -> io::Result<Box<Self>> {
        Self::open(io::stdout().as_fd(), registry, token, limits)
    }

    /// stderr, likewise.
    pub fn stderr(registry: &Registry, token: Token, limits: QueueLimits) -> io::Result<Box<Self>> {
        Self::open(io::stderr().as_fd(), registry, token, limits)
    }

    /// Any other stream, likewise.
    pub fn open(stream: BorrowedFd, registry: &Registry, token: Token, limits: QueueLimits) -> io::Result<Box<Self>> {
        let descriptor = Descriptor::open(stream, registry, token)?;
        Ok(Box::new(Self { queue: Queue::new(limits), descriptor, blocked: false, closed: false, failed: None }))
    }

    /// Queues one whole message; a missing last line feed is added. See [`Queue::push`] for what
    /// goes when the queue is full.
    pub fn push(&mut self, message: &str, origin: Origin) {
        if self.closed {
            return;
        }
        let due = self.queue.len() >= WRITE_FROM || self.queue.overflows_with(message.len() + 1);
        if due && !self.blocked {
            self.write();
        }
        if !self.closed {
            self.queue.push(message, origin);
        }
    }

    /// Hears an event of its token: a reader that has gone is noticed at once, not only by the
    /// next message. Becoming writable needs no answer but the `flush` of the turn.
    pub fn handle(&mut self, event: &Event) {
        if event.is_write_closed() && !self.closed {
            self.close(ErrorKind::BrokenPipe.into());
        }
    }

    /// Writes what the descriptor takes now. That it takes nothing is no error.
    ///
    /// To be called once in every turn of the loop.
    ///
    /// # Errors
    /// Once, then the sink is closed. `BrokenPipe`: the reader has gone.
    pub fn flush(&mut self) -> io::Result<()> {
        self.write();
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Whether something waits to be written: at the end, poll and flush until it does not.
    pub fn wants_write(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether sockets should rest: see [`Queue::is_full`].
    pub fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    /// Whether an error has ended it.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// All that was dropped so far.
    pub fn dropped(&self) -> Losses {
        self.queue.dropped()
    }

    /// What was dropped since this was last asked.
    pub fn take_dropped(&mut self) -> Losses {
        self.queue.take_dropped()
    }

    /// Gives the descriptor back as it was found; the same happens when the sink is dropped.
    pub fn restore(&mut self) {
        self.descriptor.restore();
    }

    fn write(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        match self.queue.write_to(&mut self.descriptor) {
            Ok(all) => self.blocked = !all,
            Err(e) => self.close(e),
        }
    }

    fn close(&mut self, why: io::Error) {
        self.closed = true;
        self.failed = Some(why);
        self.queue.clear();
    }
}

/// stdout and stderr, in one queue where they are the same file: lines keep their order then.
pub struct Streams {
    out: Box<Sink>,
    err: Option<Box<Sink>>,
    tokens: [Token; 2],
}

impl Streams {
    /// `tokens`: of stdout and of stderr; the second is not used where they are the same file.
    pub fn open(registry: &Registry, tokens: [Token; 2], out: QueueLimits, err: QueueLimits) -> io::Result<Self> {
        let err = match is_same_file(io::stdout().as_fd(), io::stderr().as_fd()) {
            true => None,
            false => Some(Sink::stderr(registry, tokens[1], err)?),
        };
        Ok(Self { out: Sink::stdout(registry, tokens[0], out)?, err, tokens })
    }

    /// A whole message of a server, or the statistics.
    pub fn push_out(&mut self, message: &str) {
        self.out.push(message, Origin::Server);
    }

    /// A line of our own.
    pub fn push_err(&mut self, line: &str) {
        self.err.as_mut().unwrap_or(&mut self.out).push(line, Origin::Client);
    }

    /// Hears an event of either token; others are none of its business.
    pub fn handle(&mut self, event: &Event) {
        if event.token() == self.tokens[0] {
            self.out.handle(event);
        } else if event.token() == self.tokens[1]
            && let Some(err) = &mut self.err
        {
            err.handle(event);
        }
    }

    /// Writes what both take now.
    ///
    /// # Errors
    /// Those of stdout. One of stderr closes it silently: there is nowhere left to tell.
    pub fn flush(&mut self) -> io::Result<()> {
        if let Some(err) = &mut self.err {
            let _ = err.flush();
        }
        self.out.flush()
    }

    /// Whether either has something left to write.
    pub fn wants_write(&self) -> bool {
        self.out.wants_write() || self.err.as_ref().is_some_and(|err| err.wants_write())
    }

    /// Whether sockets should rest until stdout has taken more.
    pub fn is_full(&self) -> bool {
        self.out.is_full()
    }

    /// Whether an error has ended stdout.
    pub fn is_out_closed(&self) -> bool {
        self.out.is_closed()
    }

    /// All that was dropped so far, of both.
    pub fn dropped(&self) -> Losses {
        let mut losses = self.out.dropped();
        losses.lines += self.err.as_ref().map_or(0, |err| err.dropped().lines);
        losses
    }

    /// What was dropped since this was last asked, of both.
    pub fn take_dropped(&mut self) -> Losses {
        let mut losses = self.out.take_dropped();
        losses.lines += self.err.as_mut().map_or(0, |err| err.take_dropped().lines);
        losses
    }

    /// Gives both back as they were found.
    pub fn restore(&mut self) {
        self.out.restore();
        if let Some(err) = &mut self.err {
            err.restore();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read};
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;
    use crate::cli::stream::queue::WhenFull;

    fn sink(bytes: usize, when_full: WhenFull) -> (Poll, PipeReader, Box<Sink>) {
        let (reader, writer) = io::pipe().unwrap();
        let poll = Poll::new().unwrap();
        let limits = QueueLimits { bytes, when_full, marker: Some(|n| format!("dropped {n}")) };
        let sink = Sink::open(writer.as_fd(), poll.registry(), Token(0), limits).unwrap();
        (poll, reader, sink)
    }

    fn push(sink: &mut Sink, message: &str) {
        sink.push(message, Origin::Server);
    }

    /// Drives the sink as the loop does at its end, until nothing waits.
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
    fn a_reader_that_stalls_costs_messages_but_no_time() {
        let (mut poll, mut reader, mut sink) = sink(8 << 10, WhenFull::Drop);
        for n in 0..2000 {
            push(&mut sink, &format!("{n} {}", "x".repeat(100)));
        }
        sink.flush().unwrap();
        let dropped = sink.take_dropped().messages;
        assert!(dropped > 1000 && sink.dropped().messages == dropped);
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
    fn a_reader_that_goes_is_told_once_and_closes_the_sink() {
        let (_poll, reader, mut sink) = sink(1 << 20, WhenFull::Drop);
        drop(reader);
        push(&mut sink, "lost");
        assert_eq!(sink.flush().unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(sink.is_closed() && !sink.wants_write());
        push(&mut sink, "nowhere");
        assert!(sink.flush().is_ok() && !sink.wants_write());
    }

    #[test]
    fn a_reader_that_goes_is_noticed_without_a_message() {
        let (mut poll, reader, mut sink) = sink(1 << 20, WhenFull::Drop);
        drop(reader);
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        events.iter().for_each(|event| sink.handle(event));
        assert_eq!(sink.flush().unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn an_error_met_while_pushing_is_returned_by_the_next_flush() {
        let (_poll, reader, mut sink) = sink(10, WhenFull::Drop);
        drop(reader);
        push(&mut sink, "lost");
        push(&mut sink, "lost as well");
        assert!(sink.is_closed());
        assert_eq!(sink.flush().unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(sink.flush().is_ok());
    }
}
