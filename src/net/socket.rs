//! A connected socket, and the bound on the reads that one turn makes from it.

use std::io::{self, Read, Write};

use mio::net::{TcpStream, UnixStream};

/// Upper bound on the reads of one turn from one socket. Each record of TLS takes two.
const TURN_READS: u32 = 256;

/// A connected socket, which returns "would block" when a turn's reads are spent.
///
/// This is below TLS, which goes on for as long as it gets records without data: changes of the key, empty ones. And
/// one byte of data in a record costs as much as thousands.
#[derive(Debug)]
pub struct Socket {
    kind: SocketKind,
    /// Reads in this turn that have brought something.
    reads: u32,
    is_spent: bool,
    /// See [`Socket::stop_short`].
    stops_short: bool,
    is_drained: bool,
}

#[derive(Debug)]
enum SocketKind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Socket::new(SocketKind::Tcp(stream))
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Socket::new(SocketKind::Unix(stream))
    }
}

impl Socket {
    fn new(kind: SocketKind) -> Self {
        Socket { kind, reads: 0, is_spent: false, stops_short: false, is_drained: false }
    }

    /// Begins a turn: renews the reads.
    pub fn begin_turn(&mut self) {
        (self.reads, self.is_spent) = (0, false);
        (self.stops_short, self.is_drained) = (false, false);
    }

    /// Takes a read that fills a part of its buffer for the last one of the turn, which saves the one that would block.
    ///
    /// TCP returns less than was asked for only when it has no more, as epoll(7) says, and whatever comes later is an
    /// event of its own. It must not be called once an event has reported the end of the stream or an error: these come
    /// once, and only a further read returns them. Unix sockets may have more where messages carry descriptors.
    pub fn stop_short(&mut self) {
        self.stops_short = matches!(self.kind, SocketKind::Tcp(_));
    }

    /// Returns the reads in this turn that have brought something.
    pub fn reads(&self) -> u32 {
        self.reads
    }

    /// Returns true if the turn's reads are spent, so that more may be waiting.
    pub fn is_spent(&self) -> bool {
        self.is_spent
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_drained {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.reads == TURN_READS {
            self.is_spent = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = match &mut self.kind {
            SocketKind::Tcp(stream) => stream.read(buffer),
            SocketKind::Unix(stream) => stream.read(buffer),
        }?;
        self.reads += 1;
        self.is_drained = self.stops_short && (1..buffer.len()).contains(&len);
        Ok(len)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.kind {
            SocketKind::Tcp(stream) => stream.write(bytes),
            SocketKind::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
