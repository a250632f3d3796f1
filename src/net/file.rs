//! Reads the files that settings name, without waiting for anything but the writer of a pipe.
//!
//! A pipe, such as `<(pass show x)` of a shell, gives its content once. It is read at the start, when a
//! signal still ends the process, and its content is kept. Later, in the middle of the event loop, only regular files
//! are read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// Device, inode, length and time of the latest change of a file, which has changed when any of them has. The time is that
/// of the inode: no program can set it, and to move another file of the same length and date into the place changes it.
pub type Stamp = (u64, u64, u64, i64, i64);

/// Returns the stamp of a regular file, without opening it; `None` of anything else, such as a pipe, and of what cannot be
/// accessed.
pub fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((file.dev(), file.ino(), file.len(), file.ctime(), file.ctime_nsec()))
}

#[derive(Debug)]
pub struct FileContent {
    pub bytes: Vec<u8>,
    /// True for a pipe, which cannot be read again.
    pub once: bool,
}

/// Reads a regular file or, where `at_start` is set, a pipe up to its end.
///
/// # Errors
/// If the file holds more than `max` bytes, or is a device, which may never end and may change by being read. If it is
/// a pipe and this is not the start, or nobody has opened it for writing.
pub fn read(path: &Path, max: usize, at_start: bool) -> io::Result<FileContent> {
    // Opening a FIFO that has no writer would block otherwise. A terminal must not become the controlling one.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        return Err(io::Error::other("it is a device, not a file or a pipe"));
    }
    let once = kind.is_fifo();
    if once && !at_start {
        return Err(io::Error::other("it is a pipe, which can be read only once, at the start"));
    }
    let bytes = read_to_end(file, max)?;
    if once && bytes.is_empty() {
        return Err(io::Error::other("it is a pipe into which nothing was written"));
    }
    Ok(FileContent { bytes, once })
}

/// Reads a whole file of the system, such as one of /proc, as text. It must be one that does not block.
pub fn read_text(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    append(&mut File::open(path)?, &mut bytes, usize::MAX)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Appends the content of a file up to its end, or until there are `max` bytes.
pub(super) fn append(file: &mut File, bytes: &mut Vec<u8>, max: usize) -> io::Result<()> {
    let mut block = [0; 4096];
    loop {
        let most = block.len().min(max - bytes.len());
        match file.read(&mut block[..most]) {
            Ok(0) => return Ok(()),
            Ok(len) => bytes.extend_from_slice(&block[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn read_to_end(mut file: File, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        match append(&mut file, &mut bytes, max + 1) {
            Ok(()) if bytes.len() > max => {
                return Err(io::Error::other(format!("it holds more than {max} bytes")));
            }
            Ok(()) => return Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_readable(&file)?,
            Err(error) => return Err(error),
        }
    }
}

/// Waits until a pipe has data or its last writer has closed it.
fn wait_readable(pipe: &File) -> io::Result<()> {
    let mut poll = Poll::new()?;
    poll.registry().register(&mut SourceFd(&pipe.as_raw_fd()), Token(0), Interest::READABLE)?;
    match poll.poll(&mut Events::with_capacity(1), None) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};

    /// The reading end of a process's standard output, as a shell names it in `<(…)`.
    fn substitution(child: &Child) -> PathBuf {
        let stdout = child.stdout.as_ref().expect("a pipe").as_raw_fd();
        PathBuf::from(format!("/proc/self/fd/{stdout}"))
    }

    fn spawn(script: &str) -> Child {
        Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell")
    }

    #[test]
    fn a_pipe_is_read_to_its_end_however_slowly_it_is_written() {
        let mut child = spawn("printf a; read line; printf b");
        let path = substitution(&child);
        let mut stdin = child.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || stdin.write_all(b"\n"));
        let content = read(&path, 100, true).expect("the content");
        assert_eq!((&*content.bytes, content.once), (&b"ab"[..], true));
        writer.join().expect("a writer").expect("no error");
        child.wait().expect("an end");
    }

    #[test]
    fn what_cannot_be_read_at_once_is_refused_instead_of_waited_for() {
        let why = |path: &Path, at_start| read(path, 1024, at_start).map(drop).expect_err("an error").to_string();
        let mut child = spawn("read line");
        assert!(why(&substitution(&child), false).contains("only once"));
        drop(child.stdin.take());
        child.wait().expect("an end");
        assert!(why(&substitution(&child), true).contains("nothing was written"));
        for device in ["/dev/zero", "/dev/null"] {
            assert!(why(Path::new(device), true).contains("a device"), "{device}");
        }
        let mut endless = spawn("yes");
        assert!(why(&substitution(&endless), true).contains("more than 1024 bytes"));
        endless.kill().expect("a process");
        endless.wait().expect("an end");
        assert!(why(Path::new("/"), true).contains("directory"));
    }
}
