//! The file that an [`Appender`](super::Appender) has open: its lock, its size, and whole lines or none.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, fcntl_lock};
use rustix::io::Errno;

/// The file that is open, and what is known of it.
pub struct OpenFile {
    pub file: File,
    /// False for /dev/null.
    pub regular: bool,
    device: u64,
    inode: u64,
    /// Permissions, which a file that takes its place gets too.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// The file ends in the middle of a line.
    pub torn: bool,
}

impl OpenFile {
    /// Opens the file, or creates it with the permissions of the one whose place it takes.
    pub fn open(path: &Path, mode: Option<u32>) -> io::Result<Self> {
        // Checked before opening, since opening a FIFO waits for its reader. A link is followed only by the first
        // opening, see `Appender::open`.
        match if mode.is_some() { fs::symlink_metadata(path) } else { fs::metadata(path) } {
            Ok(metadata) => check_kind(&metadata)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = open_to_append(path, mode)?;
        let metadata = file.metadata()?;
        let mut target = Self {
            file,
            regular: metadata.is_file(),
            device: metadata.dev(),
            inode: metadata.ino(),
            mode: metadata.mode() & 0o7777,
            size: metadata.len(),
            torn: false,
        };
        if target.regular {
            target.lock()?;
            target.torn = target.ends_in_mid_line();
        }
        Ok(target)
    }

    /// Takes a lock of fcntl(2), which needs write permission: one of flock(2) can be taken by whoever can read the file,
    /// and would keep a cron job from writing.
    fn lock(&self) -> io::Result<()> {
        match fcntl_lock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::AGAIN | Errno::ACCESS) => {
                Err(io::Error::new(ErrorKind::ResourceBusy, "another process is writing to it"))
            }
            // Not every file system supports locks; saving without one is better than not saving.
            Err(_) | Ok(()) => Ok(()),
        }
    }

    /// Reads the size if a line of this length could exceed `max` by what is known, or has had room for a while: another
    /// program may have truncated the file (`copytruncate` of logrotate(8)).
    pub fn read_size(&mut self, length: u64, max: Option<u64>) {
        let near = max.is_some_and(|max| self.size + length > max);
        if (near || self.torn) && self.regular {
            self.size = self.file.metadata().map_or(self.size, |metadata| metadata.len());
            self.torn &= self.size > 0;
        }
    }

    /// Returns true if nothing stands in the file. Asks the system: another program may have truncated the file.
    pub fn is_empty(&self) -> bool {
        let length = || self.file.metadata().map_or(self.size, |metadata| metadata.len());
        self.size == 0 || self.regular && length() == 0
    }

    /// A file without read permission counts as complete.
    fn ends_in_mid_line(&self) -> bool {
        let mut last = [b'\n'];
        let read = self.size > 0 && self.file.read_at(&mut last, self.size - 1).is_ok_and(|length| length == 1);
        read && last != [b'\n']
    }

    /// Appends `bytes`. After an error, which may come after a part was written, that part is cut off again; `size` and
    /// `torn` are right in any case.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (size, torn) = (self.size, self.torn);
        let result = self.write_all(bytes);
        let is_ours = || self.file.metadata().is_ok_and(|metadata| metadata.len() == self.size);
        if result.is_err() && self.size > size && self.regular && is_ours() && self.file.set_len(size).is_ok() {
            (self.size, self.torn) = (size, torn);
        }
        result
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.size += n as u64;
                    self.torn = rest[n - 1] != b'\n';
                    rest = &rest[n..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub fn truncate(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.size = 0;
        self.torn = false;
        Ok(())
    }

    /// Returns true if `path` leads to this file. When that cannot be found out, it is assumed to.
    pub fn is_at(&self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(metadata) => (metadata.dev(), metadata.ino()) == (self.device, self.inode),
            Err(error) => error.kind() != ErrorKind::NotFound,
        }
    }

    /// Returns true if the file has no name left.
    pub fn is_unlinked(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }
}

fn open_to_append(path: &Path, mode: Option<u32>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    if let Some(mode) = mode {
        // NOFOLLOW: a link that somebody has planted where a file is made anew.
        options.mode(mode).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    }
    // Read access is for `ends_in_mid_line` only, so a file without it is accepted.
    match options.clone().read(true).open(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => options.open(path),
        result => result,
    }
}

/// Accepts regular files and /dev/null.
fn check_kind(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let is_null = || fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == metadata.rdev());
    let name = match kind {
        _ if kind.is_file() || kind.is_char_device() && is_null() => return Ok(()),
        _ if kind.is_dir() => "a directory",
        _ if kind.is_fifo() => "a FIFO",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {name}, not a regular file")))
}
