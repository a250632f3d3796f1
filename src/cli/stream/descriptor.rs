//! A standard stream, written to without ever waiting for its reader.
//!
//! The flags of the inherited descriptor are left alone where that is possible at all: its open
//! file description is shared with the shell and with whoever else writes there.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};

/// What epoll calls writable in a pipe has room for one page at least.
const PAGE: usize = 4096;

// std takes flags for open(2) but does not name them; they differ by architecture.
const MIPS: bool =
    cfg!(any(target_arch = "mips", target_arch = "mips64", target_arch = "mips32r6", target_arch = "mips64r6"));
const O_NONBLOCK: i32 = if MIPS {
    0x80
} else if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
    0x4000
} else {
    0o4000
};
const O_NOCTTY: i32 = if MIPS {
    0x800
} else if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
    0x8000
} else {
    0o400
};

/// How a descriptor is written to.
enum Way {
    /// An open file description of our own, non-blocking: pipes, terminals.
    Reopened(File),
    /// The inherited one, as it is. It has no readiness: regular files, /dev/null. A file system
    /// that stalls blocks here; nothing can be done about that from one thread.
    Direct,
    /// The inherited one, set non-blocking for as long as we live: sockets cannot be reopened.
    Socket(UnixStream),
    /// The inherited one, asked before each page whether it would take it: the reopening was
    /// refused (no /proc, or somebody else's pipe or terminal, as with `su` and in containers).
    /// Another writer that fills it in between can still make us wait.
    Asked(WritablePoll),
}

/// A standard stream: see the module. Dropping it undoes what had to be done to it.
pub struct Descriptor {
    /// A duplicate of the inherited descriptor.
    inherited: File,
    way: Way,
    restore_blocking: bool,
}

impl Descriptor {
    /// Finds out what `stream` (stdout or stderr) is and registers it for writability where that
    /// means something.
    pub fn open(stream: BorrowedFd, registry: &Registry, token: Token) -> io::Result<Self> {
        let number = stream.as_raw_fd();
        let inherited = File::from(stream.try_clone_to_owned()?);
        let mut opened = Self { inherited, way: Way::Direct, restore_blocking: false };
        let kind = opened.inherited.metadata()?.file_type();
        if kind.is_socket() {
            opened.take_socket(number)?;
        } else if kind.is_fifo() || kind.is_char_device() {
            opened.way = match reopen(number) {
                Ok(file) => Way::Reopened(file),
                Err(_) => Way::Asked(WritablePoll::new()?),
            };
        }
        opened.register(registry, token)?;
        Ok(opened)
    }

    /// Makes a socket blocking again if it was, for whoever shares it. Also done when dropped.
    pub fn restore(&mut self) {
        if let Way::Socket(socket) = &self.way
            && std::mem::take(&mut self.restore_blocking)
        {
            // Nobody is left to be told.
            let _ = socket.set_nonblocking(false);
        }
    }

    fn take_socket(&mut self, number: i32) -> io::Result<()> {
        let socket = UnixStream::from(OwnedFd::from(self.inherited.try_clone()?));
        let before = flags(number);
        socket.set_nonblocking(true)?;
        // The flags are octal digits whose meaning differs by architecture; whether they changed
        // is all there is to know. Without /proc, blocking is what everybody starts with.
        self.restore_blocking = before.is_none() || before != flags(number);
        self.way = Way::Socket(socket);
        Ok(())
    }

    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let fd = match &self.way {
            Way::Direct => return Ok(()),
            Way::Reopened(file) => file.as_raw_fd(),
            Way::Socket(socket) => socket.as_raw_fd(),
            Way::Asked(_) => self.inherited.as_raw_fd(),
        };
        let registered = registry.register(&mut SourceFd(&fd), token, Interest::WRITABLE);
        match registered {
            // EPERM: epoll knows no readiness of /dev/null and the like.
            Err(e) if e.kind() == ErrorKind::PermissionDenied => {
                self.way = Way::Direct;
                Ok(())
            }
            other => other,
        }
    }
}

impl Write for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.way {
            Way::Reopened(file) => file.write_vectored(parts),
            Way::Direct => self.inherited.write_vectored(parts),
            Way::Socket(socket) => socket.write_vectored(parts),
            Way::Asked(asking) => {
                if !asking.writable(&self.inherited)? {
                    return Err(ErrorKind::WouldBlock.into());
                }
                let part = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |p| p);
                self.inherited.write(&part[..part.len().min(PAGE)])
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Whether both lead to the same file, pipe, socket or terminal.
pub fn is_same_file(one: BorrowedFd, other: BorrowedFd) -> bool {
    let identity = |stream: BorrowedFd<'_>| -> io::Result<(u64, u64)> {
        let about = File::from(stream.try_clone_to_owned()?).metadata()?;
        Ok((about.dev(), about.ino()))
    };
    match (identity(one), identity(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// What poll(2) with no timeout would be, which std does not offer: an epoll of its own.
struct WritablePoll {
    poll: Poll,
    events: Events,
    registered: bool,
}

impl WritablePoll {
    fn new() -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, events: Events::with_capacity(1), registered: false })
    }

    fn writable(&mut self, file: &File) -> io::Result<bool> {
        let fd = file.as_raw_fd();
        let registry = self.poll.registry();
        // Each registration reports the present state once more, although edges only are told.
        match self.registered {
            false => registry.register(&mut SourceFd(&fd), Token(0), Interest::WRITABLE)?,
            true => registry.reregister(&mut SourceFd(&fd), Token(0), Interest::WRITABLE)?,
        }
        self.registered = true;
        self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
        Ok(!self.events.is_empty())
    }
}

/// A new open file description of what descriptor `number` leads to.
///
/// Non-blocking from the start: opening a pipe whose reader has gone would wait for a new one
/// (this way it is ENXIO), a serial line for its carrier. And no terminal becomes ours by it.
fn reopen(number: i32) -> io::Result<File> {
    OpenOptions::new().write(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(format!("/proc/self/fd/{number}"))
}

/// The line of the open flags of descriptor `number`, if /proc is there.
fn flags(number: i32) -> Option<String> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
    info.lines().find(|line| line.starts_with("flags:")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::os::fd::AsFd;

    use super::*;

    fn open(stream: impl AsFd) -> (Poll, Descriptor) {
        let poll = Poll::new().unwrap();
        let opened = Descriptor::open(stream.as_fd(), poll.registry(), Token(1)).unwrap();
        (poll, opened)
    }

    /// Writes until it would block; how much that was.
    fn fill(descriptor: &mut Descriptor) -> usize {
        let mut sum = 0;
        loop {
            match descriptor.write(&[b'x'; 10_000]) {
                Ok(n) => sum += n,
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::WouldBlock);
                    return sum;
                }
            }
        }
    }

    fn told_writable(poll: &mut Poll) -> bool {
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
        events.iter().any(|event| event.token() == Token(1) && event.is_writable())
    }

    #[test]
    fn a_full_pipe_would_block_and_its_inherited_flags_stay() {
        let (mut reader, writer) = io::pipe().unwrap();
        let before = flags(writer.as_raw_fd());
        let (mut poll, mut ours) = open(&writer);
        assert!(matches!(ours.way, Way::Reopened(_)));
        assert!(told_writable(&mut poll), "it is writable at first");
        let filled = fill(&mut ours);
        assert_eq!(flags(writer.as_raw_fd()), before);
        let mut some = vec![0; filled];
        reader.read_exact(&mut some).unwrap();
        assert!(told_writable(&mut poll), "and told again once somebody has read");
        assert!(ours.write(b"more").is_ok());
    }

    #[test]
    fn a_pipe_whose_reader_has_gone_is_broken_and_not_waited_for() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let (_poll, mut ours) = open(&writer);
        assert_eq!(ours.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn where_reopening_is_refused_a_full_pipe_would_block_all_the_same() {
        let (mut reader, writer) = io::pipe().unwrap();
        let before = flags(writer.as_raw_fd());
        let (mut poll, mut ours) = open(&writer);
        poll.registry().deregister(&mut SourceFd(&file_of(&ours).as_raw_fd())).unwrap();
        ours.way = Way::Asked(WritablePoll::new().unwrap());
        ours.register(poll.registry(), Token(1)).unwrap();
        assert!(told_writable(&mut poll));
        let filled = fill(&mut ours);
        assert!(filled >= 15 * PAGE);
        reader.read_exact(&mut vec![0; filled]).unwrap();
        assert!(told_writable(&mut poll));
        assert!(ours.write(b"more").is_ok());
        assert_eq!(flags(writer.as_raw_fd()), before);
    }

    fn file_of(descriptor: &Descriptor) -> &File {
        match &descriptor.way {
            Way::Reopened(file) => file,
            _ => panic!("a pipe is reopened"),
        }
    }

    #[test]
    fn a_regular_file_is_written_where_its_inherited_offset_stands() {
        let path = std::env::temp_dir().join(format!("wsmon-descriptor-{}", std::process::id()));
        let mut file = OpenOptions::new().create_new(true).read(true).write(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(b"head ").unwrap();
        let (_poll, mut ours) = open(&file);
        assert!(matches!(ours.way, Way::Direct));
        ours.write_all(b"tail").unwrap();
        file.rewind().unwrap();
        assert_eq!(io::read_to_string(file).unwrap(), "head tail");
    }

    #[test]
    fn dev_null_takes_everything() {
        let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
        let (_poll, mut ours) = open(&null);
        assert!(matches!(ours.way, Way::Direct));
        assert_eq!(ours.write(b"away").unwrap(), 4);
    }

    #[test]
    fn a_socket_blocks_again_after_us() {
        let (inherited, _peer) = UnixStream::pair().unwrap();
        let before = flags(inherited.as_raw_fd());
        let (_poll, mut ours) = open(&inherited);
        assert!(fill(&mut ours) > 0);
        assert_ne!(flags(inherited.as_raw_fd()), before);
        drop(ours);
        assert_eq!(flags(inherited.as_raw_fd()), before);
    }

    #[test]
    fn a_socket_that_did_not_block_before_does_not_block_after() {
        let (inherited, _peer) = UnixStream::pair().unwrap();
        inherited.set_nonblocking(true).unwrap();
        let before = flags(inherited.as_raw_fd());
        drop(open(&inherited));
        assert_eq!(flags(inherited.as_raw_fd()), before);
    }

    #[test]
    fn two_descriptors_of_one_pipe_are_the_same_file() {
        let (_reader, writer) = io::pipe().unwrap();
        let (_other_reader, other) = io::pipe().unwrap();
        let twin = writer.try_clone().unwrap();
        assert!(is_same_file(writer.as_fd(), twin.as_fd()) && !is_same_file(writer.as_fd(), other.as_fd()));
    }
}
