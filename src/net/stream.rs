//! The byte stream under a WebSocket, and the bound on the bytes that one turn reads from it.

use std::io::{self, Read, Write};
use std::ops::Range;

use crate::net::socket::Socket;
use crate::net::tls::TlsStream;
use crate::proto::fragments::Fragmenter;
use crate::proto::frames::{Frames, InvalidText};
use crate::proto::http::upgrade::Deflate;
use crate::proto::inflate::Inflater;

/// Upper bound on the bytes that one turn reads from one socket, and on those that it unpacks.
const TURN_BYTES: usize = 256 << 10;
/// The same where messages may be compressed: their blocks may take 0.2 us a byte, and others are bounded by the
/// [`Fragmenter`].
const PACKED_TURN_BYTES: usize = BLOCK_BYTES;
/// Upper bound on the bytes that one system call reads.
const BLOCK_BYTES: usize = 32 << 10;

/// Upper bound on the reads in a row that bring no data: what TLS has to say apart from it takes a few.
const MAX_EMPTY_READS: u32 = 4096;

/// A socket, with or without TLS.
#[derive(Debug)]
pub enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    /// Returns the socket under TLS, or without it.
    pub fn socket(&self) -> &Socket {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.get_ref(),
        }
    }

    /// Returns the socket under TLS, or without it.
    pub fn socket_mut(&mut self) -> &mut Socket {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.get_mut(),
        }
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

/// Memory that all connections of a loop read through, one after the other.
#[derive(Default)]
pub struct ReadMemory {
    block: Vec<u8>,
    inflater: Option<Inflater>,
}

/// A stream that returns "would block" when a turn's bytes are spent. One `read` of tungstenite goes on for as long as
/// it gets empty fragments; this bounds it.
///
/// It reads in large blocks, through memory that all connections share: each keeps a buffer of tungstenite's, which can
/// be small because of this.
#[derive(Debug)]
pub struct Metered {
    stream: Stream,
    /// Borrowed from the loop while reading; kept only while it holds unread bytes.
    block: Vec<u8>,
    /// The unread bytes of the block.
    unread: Range<usize>,
    /// Bytes that this turn may still read.
    allowance: usize,
    /// Bytes that this turn may still pass on.
    passing: usize,
    is_spent: bool,
    received: u64,
    /// The bytes received before this turn.
    received_before: u64,
    /// Reads since the latest data, without those of this turn.
    empty_reads: u32,
    written: u64,
    /// `None`: frames are passed on as they are, and texts are left to the reader to check.
    frames: Option<(Fragmenter, Frames)>,
}

impl Metered {
    pub fn new(stream: Stream) -> Self {
        Metered {
            stream,
            block: Vec::new(),
            unread: 0..0,
            allowance: TURN_BYTES,
            passing: TURN_BYTES,
            is_spent: false,
            received: 0,
            received_before: 0,
            empty_reads: 0,
            written: 0,
            frames: None,
        }
    }

    /// A stream that divides the long frames of a server and unpacks its messages, see [`Fragmenter`], and checks its
    /// texts, or with `lossy` accepts any, see [`Frames`]. `begun` holds the bytes that came with the response to the
    /// upgrade.
    pub fn with_frames(
        stream: Stream,
        begun: Vec<u8>,
        max_message: usize,
        lossy: bool,
        deflate: Option<Deflate>,
    ) -> Self {
        Metered {
            unread: 0..begun.len(),
            received: begun.len() as u64,
            block: begun,
            frames: Some((Fragmenter::new(max_message, deflate), Frames::new(lossy))),
            ..Metered::new(stream)
        }
    }

    /// Begins a turn: renews the allowance and takes the memory, unless it still has some with unread bytes.
    pub fn begin_turn(&mut self, memory: &mut ReadMemory) {
        (self.empty_reads, self.received_before) = (self.reads_since_data(), self.received);
        self.stream.socket_mut().begin_turn();
        (self.allowance, self.passing, self.is_spent) = (TURN_BYTES, usize::MAX, false);
        match &mut self.frames {
            Some((fragmenter, _)) if fragmenter.unpacks() => {
                fragmenter.begin_turn(&mut memory.inflater);
                (self.allowance, self.passing) = (PACKED_TURN_BYTES, TURN_BYTES);
            }
            _ => {}
        }
        self.allowance = self.allowance.saturating_sub(self.unread.len());
        if self.block.is_empty() {
            self.block = std::mem::take(&mut memory.block);
        }
        if self.block.is_empty() {
            self.block = vec![0; BLOCK_BYTES];
        }
    }

    /// See [`Socket::stop_short`]; after [`begin_turn`](Self::begin_turn).
    pub fn stop_short(&mut self) {
        self.stream.socket_mut().stop_short();
    }

    /// Ends a turn: returns the memory for other connections, unless it still holds unread bytes.
    pub fn end_turn(&mut self, memory: &mut ReadMemory) {
        if self.unread.is_empty() {
            self.block.resize(BLOCK_BYTES, 0);
            memory.block = std::mem::take(&mut self.block);
        }
        if let Some((fragmenter, _)) = &mut self.frames {
            fragmenter.end_turn(&mut memory.inflater);
        }
    }

    /// Returns true if the turn's bytes or reads are spent, so that more may be waiting.
    pub fn is_spent(&self) -> bool {
        self.is_spent || self.stream.socket().is_spent()
    }

    /// Returns true if the other side sends records of TLS without data and without end.
    pub fn is_flooded(&self) -> bool {
        self.reads_since_data() > MAX_EMPTY_READS
    }

    fn reads_since_data(&self) -> u32 {
        if self.received == self.received_before {
            self.empty_reads.saturating_add(self.stream.socket().reads())
        } else {
            0
        }
    }

    /// Returns the place at which a text was found not to be UTF-8. Reading fails there.
    pub fn invalid_text(&self) -> Option<InvalidText> {
        self.frames.as_ref().and_then(|(_, frames)| frames.invalid())
    }

    /// Returns the length of the latest frame that was longer than a message may be; 0 if there was none.
    pub fn oversize(&self) -> u64 {
        self.frames.as_ref().map_or(0, |(fragmenter, _)| fragmenter.oversize())
    }

    /// Describes why a compressed message cannot be unpacked. Reading fails there.
    pub fn packing_fault(&self) -> Option<&'static str> {
        self.frames.as_ref().and_then(|(fragmenter, _)| fragmenter.fault())
    }

    /// Returns true if the next binary message was a text, which a lossy reader accepts; to be called once for each.
    pub fn was_text(&mut self) -> bool {
        self.frames.as_mut().is_some_and(|(_, frames)| frames.was_text())
    }

    /// Reads the next block. Returns its length; 0 at the end of the stream.
    fn read_block(&mut self) -> io::Result<usize> {
        // The first block, which came with the response to the upgrade, is shorter.
        self.block.resize(BLOCK_BYTES, 0);
        if self.allowance == 0 {
            return Err(self.spent());
        }
        let max = self.allowance.min(self.block.len());
        let len = self.stream.read(&mut self.block[..max])?;
        self.allowance -= len;
        self.received += len as u64;
        self.unread = 0..len;
        Ok(len)
    }

    fn spent(&mut self) -> io::Error {
        self.is_spent = true;
        io::ErrorKind::WouldBlock.into()
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
        if self.invalid_text().is_some() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.passing == 0 {
            return Err(self.spent());
        }
        let most = buffer.len().min(self.passing);
        let buffer = &mut buffer[..most];
        loop {
            let unread = &self.block[self.unread.clone()];
            let (taken, len) = match &mut self.frames {
                Some((fragmenter, _)) => fragmenter.copy(unread, buffer),
                None => {
                    let len = unread.len().min(buffer.len());
                    buffer[..len].copy_from_slice(&unread[..len]);
                    (len, len)
                }
            };
            self.unread.start += taken;
            if len > 0 {
                self.passing -= len;
                let passed = self.frames.as_mut().map_or(len, |(_, frames)| frames.take(&mut buffer[..len]));
                return if passed > 0 { Ok(passed) } else { Err(io::ErrorKind::InvalidData.into()) };
            }
            if self.packing_fault().is_some() {
                return Err(io::ErrorKind::InvalidData.into());
            }
            // The fragmenter takes no more in this turn.
            if !self.unread.is_empty() {
                return Err(self.spent());
            }
            // A part of a head alone is not passed on, nor is a part of a compressed message.
            if self.read_block()? == 0 {
                return Ok(0);
            }
        }
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
    use mio::net::{TcpStream, UnixStream};

    use super::*;

    /// Returns a stream and the other end of its socket.
    fn pair() -> (Metered, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Metered::new(Stream::Plain(ours.into())), theirs)
    }

    fn is_blocked(stream: &mut Metered) -> bool {
        stream.read(&mut [0; 10]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    #[test]
    fn a_block_is_returned_for_the_next_connection_unless_it_holds_unread_bytes() {
        let mut memory = ReadMemory::default();
        let (mut first, mut to_first) = pair();
        let (mut second, mut to_second) = pair();
        to_first.write_all(b"0123456789").unwrap();
        to_second.write_all(b"abc").unwrap();
        let mut part = [0; 4];

        first.begin_turn(&mut memory);
        assert_eq!((first.read(&mut part).unwrap(), &part), (4, b"0123"));
        assert_eq!(first.received(), 10, "one system call");
        first.end_turn(&mut memory);
        assert_eq!(memory.block.len(), 0, "kept with the unread bytes");

        second.begin_turn(&mut memory);
        assert_eq!((second.read(&mut part).unwrap(), &part[..3]), (3, &b"abc"[..]));
        assert!(is_blocked(&mut second));
        second.end_turn(&mut memory);
        assert_eq!(memory.block.len(), BLOCK_BYTES, "all of it was read");
        assert!(second.block.is_empty());

        first.begin_turn(&mut memory);
        let mut rest = [0; 10];
        assert_eq!((first.read(&mut rest).unwrap(), &rest[..6]), (6, &b"456789"[..]));
        assert!(is_blocked(&mut first) && !first.is_spent());
        drop(to_first);
        assert_eq!(first.read(&mut part).unwrap(), 0, "closed");
    }

    #[test]
    fn a_short_read_of_tcp_is_the_last_one_of_its_turn_where_that_is_allowed() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut other = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let accepted = listener.accept().unwrap().0;
        let mut memory = ReadMemory::default();
        let mut stream = Metered::new(Stream::Plain(TcpStream::from_std(accepted).into()));
        // The socket blocks, so that what was written is there.
        let mut part = [0; 10];
        other.write_all(b"one").unwrap();
        stream.begin_turn(&mut memory);
        stream.stop_short();
        assert_eq!(stream.read(&mut part).unwrap(), 3);
        other.write_all(b"twothree").unwrap();
        assert!(is_blocked(&mut stream) && !stream.is_spent(), "it was read");
        stream.begin_turn(&mut memory);
        let socket = stream.stream.socket_mut();
        socket.stop_short();
        assert_eq!(socket.read(&mut [0; 3]).unwrap(), 3);
        assert_eq!(socket.read(&mut part).unwrap(), 5, "after a read that fills its buffer there may be more");
        drop(other);
        stream.begin_turn(&mut memory);
        assert_eq!(stream.read(&mut part).unwrap(), 0, "closed");
    }

    #[test]
    fn a_turn_ends_by_reads_however_little_each_brings() {
        let (mut stream, mut other) = pair();
        other.write_all(&[1; 600]).unwrap();
        for expected in [256, 256, 88] {
            let socket = stream.stream.socket_mut();
            socket.begin_turn();
            let mut reads = 0;
            while socket.read(&mut [0]).is_ok() {
                reads += 1;
            }
            assert_eq!((reads, socket.is_spent()), (expected, expected == 256));
        }
        drop(other);
        assert_eq!(stream.stream.socket_mut().read(&mut [0]).unwrap(), 0, "closed");
    }

    #[test]
    fn many_reads_in_a_row_without_data_are_a_flood() {
        let (mut stream, mut other) = pair();
        let mut memory = ReadMemory::default();
        for turn in 1..=20 {
            stream.begin_turn(&mut memory);
            // As TLS does for records without data.
            other.write_all(&[1; 300]).unwrap();
            while stream.stream.socket_mut().read(&mut [0]).is_ok() {}
            assert!(stream.is_spent());
            assert_eq!(stream.is_flooded(), turn > 16, "{turn}");
            stream.end_turn(&mut memory);
        }
        stream.begin_turn(&mut memory);
        assert!(stream.read(&mut [0]).is_ok() && !stream.is_flooded());
    }

    #[test]
    fn nothing_is_read_once_a_turns_bytes_are_spent() {
        let (mut stream, mut other) = pair();
        let mut memory = ReadMemory::default();
        for _ in 0..2 {
            stream.begin_turn(&mut memory);
            let mut read = 0;
            loop {
                // Keeps the socket from running empty.
                let _full_is_fine = other.write(&[1; 4096]);
                match stream.read(&mut [0; 1000]) {
                    Ok(len) => read += len,
                    Err(_) => break,
                }
            }
            assert!(stream.is_spent());
            assert_eq!(read, TURN_BYTES);
            stream.end_turn(&mut memory);
        }
    }
}
