//! A standard stream that is written to without waiting for its reader.
//!
//! O_NONBLOCK belongs to the open file description, which an inherited descriptor shares with the shell and with every
//! other program that writes there; theirs would suddenly fail with EAGAIN. The flag is therefore never set on it. Each
//! kind of file has another way not to block.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::net::SendFlags;

/// A pipe that poll(2) calls writable has room for at least one page.
const PAGE: usize = 4096;

/// The way of writing to a descriptor without blocking.
enum Method {
    /// Pipes and terminals: opened again through /proc, which gives an open file description of our own, with O_NONBLOCK.
    Reopened(File),
    /// Sockets: send(2) with MSG_DONTWAIT.
    Socket,
    /// Pipes and terminals that cannot be opened again, because /proc is missing or they belong to another user, as with
    /// su and in containers: poll(2) before each page. This can still block on a terminal with less room than a page, or
    /// if another program fills the pipe in between.
    Polled,
    /// Regular files and /dev/null, which have no readiness. A file system that hangs blocks here, which one thread cannot
    /// avoid.
    Direct,
}

/// A standard stream, see the module.
pub struct Descriptor {
    /// A duplicate of the inherited descriptor.
    inherited: File,
    method: Method,
}

impl Descriptor {
    /// Opens `stream` (stdout or stderr) and registers it for writability under `token`, if it has readiness at all.
    pub fn open(stream: BorrowedFd, registry: &Registry, token: Token) -> io::Result<Self> {
        let inherited = File::from(stream.try_clone_to_owned()?);
        let kind = inherited.metadata()?.file_type();
        let method = if kind.is_socket() {
            Method::Socket
        } else if kind.is_fifo() || kind.is_char_device() {
            reopen(&inherited).map_or(Method::Polled, Method::Reopened)
        } else {
            Method::Direct
        };
        let mut descriptor = Self { inherited, method };
        descriptor.register(registry, token)?;
        Ok(descriptor)
    }

    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let fd = match &self.method {
            Method::Direct => return Ok(()),
            Method::Reopened(file) => file.as_raw_fd(),
            Method::Socket | Method::Polled => self.inherited.as_raw_fd(),
        };
        match registry.register(&mut SourceFd(&fd), token, Interest::WRITABLE) {
            // EPERM: /dev/null and the like have no readiness in epoll(7).
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                self.method = Method::Direct;
                Ok(())
            }
            result => result,
        }
    }
}

impl Write for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.method {
            Method::Reopened(file) => file.write(bytes),
            Method::Socket => Ok(rustix::net::send(&self.inherited, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?),
            Method::Polled => {
                let mut fds = [PollFd::new(&self.inherited, PollFlags::OUT)];
                match rustix::event::poll(&mut fds, Some(&Timespec::default()))? {
                    0 => Err(ErrorKind::WouldBlock.into()),
                    _ => self.inherited.write(&bytes[..bytes.len().min(PAGE)]),
                }
            }
            Method::Direct => self.inherited.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns true if both lead to the same file, pipe, socket or terminal.
pub fn is_same_file(one: BorrowedFd, other: BorrowedFd) -> bool {
    match (rustix::fs::fstat(one), rustix::fs::fstat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

/// Opens a new open file description of the pipe or terminal.
///
/// Non-blocking already while opening: opening a pipe without a reader would wait for one (now it is ENXIO), and a serial
/// line would wait for its carrier. O_NOCTTY: the terminal must not become our controlling one.
fn reopen(file: &File) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    OpenOptions::new().write(true).custom_flags(flags).open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;
    use crate::cli::temp_dir::TempDir;

    fn open(stream: impl AsFd) -> (Poll, Descriptor) {
        let poll = Poll::new().unwrap();
        let descriptor = Descriptor::open(stream.as_fd(), poll.registry(), Token(1)).unwrap();
        (poll, descriptor)
    }

    fn flags(stream: impl AsFd) -> OFlags {
        rustix::fs::fcntl_getfl(stream).unwrap()
    }

    /// Writes until it would block; returns the bytes written.
    fn fill(descriptor: &mut Descriptor) -> usize {
        let mut sum = 0;
        loop {
            match descriptor.write(&[b'x'; 10_000]) {
                Ok(n) => sum += n,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    return sum;
                }
            }
        }
    }

    fn becomes_writable(poll: &mut Poll) -> bool {
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
        events.iter().any(|event| event.token() == Token(1) && event.is_writable())
    }

    #[test]
    fn a_full_pipe_would_block_and_its_inherited_flags_stay() {
        let (mut reader, writer) = io::pipe().unwrap();
        let before = flags(&writer);
        let (mut poll, mut descriptor) = open(&writer);
        assert!(matches!(descriptor.method, Method::Reopened(_)));
        assert!(becomes_writable(&mut poll), "writable at first");
        let filled = fill(&mut descriptor);
        assert_eq!(flags(&writer), before);
        reader.read_exact(&mut vec![0; filled]).unwrap();
        assert!(becomes_writable(&mut poll), "writable again once the pipe was read");
        assert!(descriptor.write(b"more").is_ok());
    }

    #[test]
    fn a_pipe_without_a_reader_is_broken_and_opening_it_does_not_wait() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let (_poll, mut descriptor) = open(&writer);
        assert_eq!(descriptor.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_pipe_that_cannot_be_reopened_would_block_as_well() {
        let (mut reader, writer) = io::pipe().unwrap();
        let before = flags(&writer);
        let (mut poll, mut descriptor) = open(&writer);
        poll.registry().deregister(&mut SourceFd(&file_of(&descriptor).as_raw_fd())).unwrap();
        descriptor.method = Method::Polled;
        descriptor.register(poll.registry(), Token(1)).unwrap();
        assert!(becomes_writable(&mut poll));
        let filled = fill(&mut descriptor);
        assert!(filled >= 15 * PAGE);
        reader.read_exact(&mut vec![0; filled]).unwrap();
        assert!(becomes_writable(&mut poll));
        assert!(descriptor.write(b"more").is_ok());
        assert_eq!(flags(&writer), before);
    }

    fn file_of(descriptor: &Descriptor) -> &File {
        match &descriptor.method {
            Method::Reopened(file) => file,
            _ => panic!("a pipe is reopened"),
        }
    }

    #[test]
    fn a_regular_file_is_written_at_its_inherited_offset() {
        let dir = TempDir::new();
        let mut file = OpenOptions::new().create_new(true).read(true).write(true).open(dir.file("f")).unwrap();
        file.write_all(b"head ").unwrap();
        let (_poll, mut descriptor) = open(&file);
        assert!(matches!(descriptor.method, Method::Direct));
        descriptor.write_all(b"tail").unwrap();
        file.rewind().unwrap();
        assert_eq!(io::read_to_string(file).unwrap(), "head tail");
    }

    #[test]
    fn dev_null_is_written_directly() {
        let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
        let (_poll, mut descriptor) = open(&null);
        assert!(matches!(descriptor.method, Method::Direct));
        assert_eq!(descriptor.write(b"away").unwrap(), 4);
    }

    #[test]
    fn a_full_socket_would_block_and_its_inherited_flags_stay() {
        let (inherited, mut peer) = UnixStream::pair().unwrap();
        let before = flags(&inherited);
        let (mut poll, mut descriptor) = open(&inherited);
        assert!(matches!(descriptor.method, Method::Socket));
        assert!(becomes_writable(&mut poll));
        let filled = fill(&mut descriptor);
        assert_eq!(flags(&inherited), before);
        assert!(filled > 0 && !before.contains(OFlags::NONBLOCK));
        peer.read_exact(&mut vec![0; filled]).unwrap();
        assert!(becomes_writable(&mut poll));
        assert!(descriptor.write(b"more").is_ok());
        drop(peer);
        assert_eq!(descriptor.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn two_descriptors_of_one_pipe_are_the_same_file() {
        let (_reader, writer) = io::pipe().unwrap();
        let (_other_reader, other) = io::pipe().unwrap();
        let twin = writer.try_clone().unwrap();
        assert!(is_same_file(writer.as_fd(), twin.as_fd()) && !is_same_file(writer.as_fd(), other.as_fd()));
    }
}
