//! One HTTP request and the head of its answer, over a stream that may not take or give everything at once.

use std::io::{self, Read, Write};

/// A request on its way, and what has come back so far.
pub struct Exchange {
    request: Vec<u8>,
    sent: usize,
    /// All that has been received.
    pub head: Vec<u8>,
}

/// What a step brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Pumped {
    /// More bytes are in the head.
    More,
    /// The stream has nothing more for now.
    Blocked,
    /// The other side has closed.
    Ended,
}

impl Exchange {
    pub fn new(request: String) -> Self {
        Exchange { request: request.into_bytes(), sent: 0, head: Vec::new() }
    }

    /// Sends what is left of the request, and receives a piece of the answer.
    pub fn pump(&mut self, stream: &mut (impl Read + Write)) -> io::Result<Pumped> {
        while self.sent < self.request.len() {
            match retried(|| stream.write(&self.request[self.sent..]))? {
                Some(sent) => self.sent += sent,
                None => break,
            }
        }
        retried(|| stream.flush())?;
        let mut piece = [0; 2048];
        Ok(match retried(|| stream.read(&mut piece))? {
            None => Pumped::Blocked,
            Some(0) => Pumped::Ended,
            Some(len) => {
                self.head.extend_from_slice(&piece[..len]);
                Pumped::More
            }
        })
    }
}

/// `None` where it would block.
fn retried<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
    loop {
        match attempt() {
            Ok(done) => return Ok(Some(done)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes and gives one byte at a time, and blocks in between.
    struct Trickle {
        written: Vec<u8>,
        to_read: Vec<u8>,
        calls: u32,
    }

    impl Trickle {
        fn blocks(&mut self) -> io::Result<()> {
            self.calls += 1;
            if self.calls.is_multiple_of(3) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        }
    }

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.blocks()?;
            if self.to_read.is_empty() {
                return Ok(0);
            }
            buffer[0] = self.to_read.remove(0);
            Ok(1)
        }
    }

    impl Write for Trickle {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.blocks()?;
            self.written.push(bytes[0]);
            Ok(1)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stream_that_trickles_brings_the_whole_of_both() {
        let mut stream = Trickle { written: Vec::new(), to_read: b"answer".to_vec(), calls: 0 };
        let mut exchange = Exchange::new("request".into());
        while exchange.pump(&mut stream).unwrap() != Pumped::Ended {}
        assert_eq!((&*stream.written, &*exchange.head), (&b"request"[..], &b"answer"[..]));
    }
}
