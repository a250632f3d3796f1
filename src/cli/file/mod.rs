//! A file of lines that is only ever appended to, rotates, and outlives a full disk.

mod rotation;

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// After a failure the next attempt waits this long; a file that was taken away is missed as soon.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What happened to the file, each said once. `Display` follows "PATH: ".
#[derive(Debug)]
pub enum Report {
    /// From here on lines are missing.
    Lost { why: io::Error },
    /// Lines are written again.
    Recovered { missing: u64 },
    /// It grows beyond its size.
    RotationFailed { why: io::Error },
    /// It had been moved or removed; a new one was made.
    Recreated,
    /// It had been moved and no new one can be made: lines still go to the moved one.
    NotRecreated { why: io::Error },
}

impl Report {
    /// Good news is worth a warning, since it follows bad news.
    pub fn level(&self) -> log::Level {
        match self {
            Self::Recovered { .. } | Self::Recreated => log::Level::Warn,
            Self::Lost { .. } | Self::RotationFailed { .. } | Self::NotRecreated { .. } => log::Level::Error,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = RETRY_AFTER.as_secs();
        let words = super::Failure::words;
        match self {
            Self::Lost { why } => {
                write!(f, "cannot be written ({}), lines are lost; trying every {again} s", words(why))
            }
            Self::Recovered { missing: 1 } => write!(f, "written again, 1 line is missing"),
            Self::Recovered { missing } => write!(f, "written again, {missing} lines are missing"),
            Self::RotationFailed { why } => {
                write!(f, "cannot be rotated ({}) and grows on; trying every {again} s", words(why))
            }
            Self::Recreated => write!(f, "was moved or removed, made anew"),
            Self::NotRecreated { why } => {
                write!(f, "was moved and cannot be made anew ({}); still writing to the moved one", words(why))
            }
        }
    }
}

/// How much was written by this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub lines: u64,
    pub bytes: u64,
}

struct Failing {
    /// None: at the next line.
    retry_at: Option<Instant>,
    missing: u64,
}

/// An append-only file of lines, for `--save-data` and `--log-file`.
///
/// Each line leaves in one write call, unbuffered: a process that is killed tears the last line at
/// most. The file is locked against a second writer as long as it is open.
pub struct Appender {
    path: PathBuf,
    rotate_size: Option<u64>,
    keep: u32,
    fsync: bool,
    target: OpenFile,
    repaired: bool,
    /// The line being written; kept to spare allocations.
    line: Vec<u8>,
    look_at: Option<Instant>,
    rotate_at: Option<Instant>,
    failing: Option<Failing>,
    astray: bool,
    gap_total: u64,
    written: Written,
    reports: Vec<Report>,
}

impl Appender {
    /// Opens or creates `path`. It is rotated before it grows over `rotate_size` bytes, and
    /// `keep` older ones stay beside it; with none it is emptied.
    ///
    /// # Errors
    /// Besides those of the system: `path` is no regular file (but may be /dev/null), or another
    /// process writes it. The text does not name the path.
    pub fn open(path: impl Into<PathBuf>, rotate_size: Option<u64>, keep: u32) -> io::Result<Box<Self>> {
        let path = path.into();
        let target = OpenFile::open(&path)?;
        Ok(Box::new(Self {
            repaired: target.torn,
            path,
            rotate_size,
            keep,
            fsync: false,
            target,
            line: Vec::new(),
            look_at: None,
            rotate_at: None,
            failing: None,
            astray: false,
            gap_total: 0,
            written: Written::default(),
            reports: Vec::new(),
        }))
    }

    /// Whether each line is to be on the disk before the next; that blocks.
    pub fn fsync(&mut self, on: bool) {
        self.fsync = on;
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file ended in the middle of a line, as after a crash: the first line of this
    /// run begins with the line feed that was missing.
    pub fn repaired(&self) -> bool {
        self.repaired
    }

    /// Appends `line`, which has no line feed, and one line feed. What goes wrong is in `reports`.
    pub fn write_line(&mut self, line: &str, now: Instant) {
        if self.failing.as_ref().and_then(|f| f.retry_at).is_some_and(|at| now < at) {
            return self.miss(now, None);
        }
        match self.try_line(line, now) {
            Ok(()) => self.recovered(),
            Err(why) => self.miss(now, Some(why)),
        }
    }

    /// What happened since this was last asked.
    pub fn reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// After SIGHUP: if the file was moved, makes a new one; if it fails, tries at once.
    ///
    /// # Errors
    /// No new one could be made. The old one stays open, and making a new one is tried again.
    pub fn reopen(&mut self) -> io::Result<()> {
        if let Some(failing) = &mut self.failing {
            failing.retry_at = None;
        }
        match self.target.has_left(&self.path) {
            true => self.open_anew(),
            false => Ok(()),
        }
    }

    /// Lines that this run could not write.
    pub fn gap_total(&self) -> u64 {
        self.gap_total
    }

    /// What this run has written.
    pub fn written(&self) -> Written {
        self.written
    }

    fn try_line(&mut self, line: &str, now: Instant) -> io::Result<()> {
        self.follow_path(now)?;
        self.rotate_if_due(line.len() as u64 + 1, now);
        match self.append(line) {
            Err(_) if self.target.has_left(&self.path) => {
                self.open_anew()?;
                self.reports.push(Report::Recreated);
                self.append(line)
            }
            other => other,
        }
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        self.line.clear();
        if self.target.torn {
            self.line.push(b'\n');
        }
        self.line.extend_from_slice(line.as_bytes());
        self.line.push(b'\n');
        self.target.append(&self.line)?;
        if self.fsync && self.target.regular {
            self.target.file.sync_data()?;
        }
        self.written.lines += 1;
        self.written.bytes += line.len() as u64 + 1;
        Ok(())
    }

    fn miss(&mut self, now: Instant, why: Option<io::Error>) {
        self.gap_total += 1;
        let first = self.failing.is_none();
        let failing = self.failing.get_or_insert(Failing { retry_at: None, missing: 0 });
        failing.missing += 1;
        let Some(why) = why else { return };
        failing.retry_at = Some(now + RETRY_AFTER);
        if first {
            self.reports.push(Report::Lost { why });
        }
    }

    fn recovered(&mut self) {
        if let Some(Failing { missing, .. }) = self.failing.take() {
            self.reports.push(Report::Recovered { missing });
        }
    }

    /// Looks now and then whether the file still stands at its path. An error only where lines
    /// would go to a file that nobody can read any more.
    fn follow_path(&mut self, now: Instant) -> io::Result<()> {
        if self.look_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        if self.target.has_left(&self.path) {
            match self.open_anew() {
                Ok(()) => self.reports.push(Report::Recreated),
                Err(why) if self.target.is_removed() => return Err(why),
                Err(_) if self.astray => {}
                Err(why) => {
                    self.astray = true;
                    self.reports.push(Report::NotRecreated { why });
                }
            }
        }
        self.look_at = Some(now + RETRY_AFTER);
        Ok(())
    }

    fn rotate_if_due(&mut self, more: u64, now: Instant) {
        let over = self.rotate_size.is_some_and(|most| self.target.size + more > most);
        let resting = self.rotate_at.is_some_and(|at| now < at);
        if !over || resting || self.target.size == 0 || !self.target.regular {
            return;
        }
        match self.rotate() {
            Ok(()) => self.rotate_at = None,
            Err(why) => {
                if self.rotate_at.is_none() {
                    self.reports.push(Report::RotationFailed { why });
                }
                self.rotate_at = Some(now + RETRY_AFTER);
            }
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.target.has_left(&self.path) {
            // What stands there now is not ours to move.
            return self.open_anew();
        }
        if self.keep == 0 {
            return self.target.empty();
        }
        rotation::shift(&self.path, self.keep)?;
        self.open_anew().inspect_err(|_| {
            // Back to where the file is looked for; if that fails too, `follow_path` sees to it.
            let _ = fs::rename(rotation::numbered(&self.path, 1), &self.path);
        })
    }

    fn open_anew(&mut self) -> io::Result<()> {
        self.target = OpenFile::open(&self.path)?;
        self.rotate_at = None;
        self.astray = false;
        Ok(())
    }
}

/// The open file.
struct OpenFile {
    file: File,
    /// False for /dev/null.
    regular: bool,
    device: u64,
    inode: u64,
    size: u64,
    /// It ends in the middle of a line.
    torn: bool,
}

impl OpenFile {
    fn open(path: &Path) -> io::Result<Self> {
        // Before opening: opening a FIFO would wait for its reader.
        match fs::metadata(path) {
            Ok(about) => refuse_special(&about)?,
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        let file = open_to_append(path)?;
        let about = file.metadata()?;
        let mut target = Self {
            file,
            regular: about.is_file(),
            device: about.dev(),
            inode: about.ino(),
            size: about.len(),
            torn: false,
        };
        if target.regular {
            target.lock()?;
            target.torn = target.ends_in_a_line();
        }
        Ok(target)
    }

    fn lock(&self) -> io::Result<()> {
        match self.file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::new(ErrorKind::ResourceBusy, "it is being written by another process"))
            }
            // Not every file system can lock; that is no reason to save nothing.
            Err(TryLockError::Error(_)) | Ok(()) => Ok(()),
        }
    }

    /// A file that may not be read counts as whole.
    fn ends_in_a_line(&self) -> bool {
        let mut last = [b'\n'];
        let read = self.size > 0 && self.file.read_at(&mut last, self.size - 1).is_ok_and(|length| length == 1);
        read && last != [b'\n']
    }

    /// Keeps account of how far it came even if it fails on the way.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.size += n as u64;
                    self.torn = rest[n - 1] != b'\n';
                    rest = &rest[n..];
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn empty(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.size = 0;
        self.torn = false;
        Ok(())
    }

    /// Whether something else, or nothing, stands at `path` now.
    fn has_left(&self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(about) => (about.dev(), about.ino()) != (self.device, self.inode),
            Err(e) => e.kind() == ErrorKind::NotFound,
        }
    }

    fn is_removed(&self) -> bool {
        self.file.metadata().is_ok_and(|about| about.nlink() == 0)
    }
}

fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // Reading is for the last byte alone, and for that it need not be permitted.
    match options.clone().read(true).open(path) {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => options.open(path),
        other => other,
    }
}

fn refuse_special(about: &Metadata) -> io::Result<()> {
    let kind = about.file_type();
    let is_null = || fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == about.rdev());
    let what = match kind {
        _ if kind.is_file() || kind.is_char_device() && is_null() => return Ok(()),
        _ if kind.is_dir() => "a directory",
        _ if kind.is_fifo() => "a FIFO",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {what}, not a file")))
}

#[cfg(test)]
mod tests;
