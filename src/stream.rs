//! The byte stream under a WebSocket, and the measure of what one turn takes from it.

use std::io::{self, Read, Write};

use mio::net::{TcpStream, UnixStream};

use crate::tls::TlsStream;

/// The most that one turn takes from one socket.
const TURN_BYTES: usize = 256 << 10;

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
#[derive(Debug)]
pub struct Metered {
    stream: Stream,
    allowance: usize,
    spent: bool,
    received: u64,
    written: u64,
}

impl Metered {
    pub fn new(stream: Stream) -> Self {
        Metered { stream, allowance: TURN_BYTES, spent: false, received: 0, written: 0 }
    }

    /// A new turn begins: as much may be read again.
    pub fn refill(&mut self) {
        (self.allowance, self.spent) = (TURN_BYTES, false);
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
        if self.allowance == 0 {
            self.spent = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = self.stream.read(buffer)?;
        self.allowance = self.allowance.saturating_sub(len);
        self.received += len as u64;
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
