//! Sends an HTTP request and receives its response over a non-blocking stream.

use std::io::{self, Read, Write};

/// A request being sent, and the bytes of the response so far.
pub struct Exchange {
    request: Vec<u8>,
    sent: usize,
    pub received: Vec<u8>,
}

/// The result of one [`Exchange::advance`].
#[derive(Debug, PartialEq, Eq)]
pub enum ExchangeProgress {
    /// More bytes were received.
    Received,
    /// Nothing can be read now.
    Blocked,
    /// The other side closed the stream.
    Closed,
}

impl Exchange {
    pub fn new(request: String) -> Self {
        Exchange { request: request.into_bytes(), sent: 0, received: Vec::new() }
    }

    /// Sends the rest of the request as far as possible, then reads once.
    pub fn advance(&mut self, stream: &mut (impl Read + Write)) -> io::Result<ExchangeProgress> {
        while self.sent < self.request.len() {
            match uninterrupted(|| stream.write(&self.request[self.sent..]))? {
                Some(sent) => self.sent += sent,
                None => break,
            }
        }
        uninterrupted(|| stream.flush())?;
        let mut chunk = [0; 2048];
        Ok(match uninterrupted(|| stream.read(&mut chunk))? {
            None => ExchangeProgress::Blocked,
            Some(0) => ExchangeProgress::Closed,
            Some(len) => {
                self.received.extend_from_slice(&chunk[..len]);
                ExchangeProgress::Received
            }
        })
    }
}

/// Repeats an interrupted call; `None` if it would block.
fn uninterrupted<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
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

    /// Writes and reads one byte at a time; every third call would block.
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
    fn request_and_response_are_complete_over_a_stream_that_trickles() {
        let mut stream = Trickle { written: Vec::new(), to_read: b"answer".to_vec(), calls: 0 };
        let mut exchange = Exchange::new("request".into());
        while exchange.advance(&mut stream).unwrap() != ExchangeProgress::Closed {}
        assert_eq!((&*stream.written, &*exchange.received), (&b"request"[..], &b"answer"[..]));
    }
}
