//! The byte stream under a WebSocket, and the measure of what one turn takes from it.

use std::io::{self, Read, Write};
use std::ops::Range;

use mio::net::{TcpStream, UnixStream};

use crate::net::tls::TlsStream;

/// The most that one turn takes from one socket.
const TURN_BYTES: usize = 256 << 10;
/// The most that one system call takes.
const BLOCK_BYTES: usize = 32 << 10;

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket, or TLS over one.
#[derive(Debug)]
pub enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(_) => Ok(()),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// A stream that answers "would block" when a turn's bytes are spent, so that one `read` of tungstenite,
/// which swallows empty fragments without end, is bounded too.
///
/// It reads in large blocks, through memory that goes from one connection to the next: tungstenite's own buffer, which
/// each of them keeps, can be small.
#[derive(Debug)]
pub struct Metered {
    stream: Stream,
    /// Empty between turns, unless something in it has not been taken.
    block: Vec<u8>,
    /// What of the block has not been taken.
    ahead: Range<usize>,
    allowance: usize,
    spent: bool,
    received: u64,
    written: u64,
}

impl Metered {
    pub fn new(stream: Stream) -> Self {
        Metered { stream, block: Vec::new(), ahead: 0..0, allowance: TURN_BYTES, spent: false, received: 0, written: 0 }
    }

    /// A new turn begins: as much may be read again, through this block.
    pub fn refill(&mut self, block: &mut Vec<u8>) {
        (self.allowance, self.spent) = (TURN_BYTES - self.ahead.len(), false);
        if self.block.is_empty() {
            self.block = std::mem::take(block);
        }
        if self.block.is_empty() {
            self.block = vec![0; BLOCK_BYTES];
        }
    }

    /// The turn is over: the block is free for others, unless something in it has not been taken.
    pub fn settle(&mut self, block: &mut Vec<u8>) {
        if self.ahead.is_empty() {
            *block = std::mem::take(&mut self.block);
        }
    }

    /// Whether the turn's bytes are spent, so that more may be there to read.
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    /// Bytes received since the upgrade.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Bytes written since the upgrade.
    pub fn written(&self) -> u64 {
        self.written
    }
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() {
            if self.allowance == 0 {
                self.spent = true;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let most = self.allowance.min(self.block.len());
            let len = self.stream.read(&mut self.block[..most])?;
            self.allowance -= len;
            self.received += len as u64;
            self.ahead = 0..len;
        }
        let len = (&self.block[self.ahead.clone()]).read(buffer)?;
        self.ahead.start += len;
        Ok(len)
    }
}

impl Write for Metered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.stream.write(bytes)?;
        self.written += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream, and the other end of its socket.
    fn pair() -> (Metered, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Metered::new(Stream::Plain(Socket::Unix(ours))), theirs)
    }

    fn is_blocked(stream: &mut Metered) -> bool {
        stream.read(&mut [0; 10]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    #[test]
    fn a_block_goes_on_to_the_next_connection_unless_something_in_it_is_left() {
        let mut block = Vec::new();
        let (mut first, mut to_first) = pair();
        let (mut second, mut to_second) = pair();
        to_first.write_all(b"0123456789").unwrap();
        to_second.write_all(b"abc").unwrap();
        let mut piece = [0; 4];

        first.refill(&mut block);
        assert_eq!((first.read(&mut piece).unwrap(), &piece), (4, b"0123"));
        assert_eq!(first.received(), 10, "one system call");
        first.settle(&mut block);
        assert_eq!(block.len(), 0, "the rest is in it");

        second.refill(&mut block);
        assert_eq!((second.read(&mut piece).unwrap(), &piece[..3]), (3, &b"abc"[..]));
        assert!(is_blocked(&mut second));
        second.settle(&mut block);
        assert_eq!(block.len(), BLOCK_BYTES, "all of it was taken");
        assert!(second.block.is_empty());

        first.refill(&mut block);
        let mut rest = [0; 10];
        assert_eq!((first.read(&mut rest).unwrap(), &rest[..6]), (6, &b"456789"[..]));
        assert!(is_blocked(&mut first) && !first.is_spent());
        drop(to_first);
        assert_eq!(first.read(&mut piece).unwrap(), 0, "closed");
    }

    #[test]
    fn no_more_is_read_once_a_turns_bytes_are_spent() {
        let (mut stream, mut other) = pair();
        let mut block = Vec::new();
        for _ in 0..2 {
            stream.refill(&mut block);
            let mut taken = 0;
            loop {
                // There is always more, as far as the socket goes.
                let _or_full = other.write(&[1; 4096]);
                match stream.read(&mut [0; 1000]) {
                    Ok(len) => taken += len,
                    Err(_) => break,
                }
            }
            assert!(stream.is_spent());
            assert_eq!(taken, TURN_BYTES);
            stream.settle(&mut block);
        }
    }
}
