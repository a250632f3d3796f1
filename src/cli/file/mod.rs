//! An append-only file of lines that rotates and recovers from a full disk.
//!
//! It follows its path: logrotate(8) or a user may move or remove the file at any time, and lines must not go on to a
//! file that nobody can find. The path is therefore compared with the open file every few seconds, before each
//! rotation, after each failed write, and on SIGHUP.

mod batch;
mod open_file;
mod report;
mod rotation;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use batch::Batch;
use open_file::OpenFile;
pub use report::FileReport;

/// Time between two attempts after a failure, and between two checks of the path.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Amount of data written by this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Messages of servers, as the caller of `write` counts them.
    pub messages: u64,
    pub lines: u64,
    pub bytes: u64,
}

/// The state from a failed write to the next successful one.
struct Outage {
    /// `None` retries with the next line.
    retry_at: Option<Instant>,
    lost: u64,
}

/// An append-only file of lines, for `--save-data` and `--log-file`.
///
/// Each line is one write call, unbuffered unless [`Appender::collect`] asks for it: a process that is killed loses at
/// most the end of the last line. The file is locked against a second writer while it is open.
pub struct Appender {
    path: PathBuf,
    rotate_size: Option<u64>,
    keep: u32,
    fsync: bool,
    /// `None` writes each line at once.
    batch: Option<Batch>,
    /// Written before the first line of an empty file; empty for none.
    head: String,
    target: OpenFile,
    repaired: bool,
    /// The line being written; reused to save allocations.
    line: Vec<u8>,
    check_path_at: Option<Instant>,
    /// Set while rotation fails.
    rotate_at: Option<Instant>,
    outage: Option<Outage>,
    /// `NotRecreated` has been reported for the open file.
    moved_away: bool,
    lost: u64,
    written: Written,
    reports: Vec<FileReport>,
}

impl Appender {
    /// Opens or creates `path`. The file is rotated before it would exceed `rotate_size` bytes. `keep` older files are
    /// kept beside it; with 0 the file is truncated instead.
    ///
    /// # Errors
    /// `path` cannot be opened, is not a regular file (/dev/null is allowed), or is locked by another process. The text
    /// does not name the path.
    pub fn open(path: impl Into<PathBuf>, rotate_size: Option<u64>, keep: u32) -> io::Result<Self> {
        // Of a symbolic link the target is rotated. It is resolved here, once: a link that is planted later is not
        // followed.
        let path = path.into();
        let path = fs::canonicalize(&path).unwrap_or(path);
        let target = OpenFile::open(&path, None)?;
        Ok(Self {
            repaired: target.torn,
            path,
            rotate_size,
            keep,
            fsync: false,
            batch: None,
            head: String::new(),
            target,
            line: Vec::new(),
            check_path_at: None,
            rotate_at: None,
            outage: None,
            moved_away: false,
            lost: 0,
            written: Written::default(),
            reports: Vec::new(),
        })
    }

    /// Syncs each line to the disk before the next one, which blocks.
    pub fn set_fsync(&mut self, on: bool) {
        self.fsync = on;
    }

    /// Begins each empty file with `head`, one or more whole lines.
    pub fn set_head(&mut self, head: String) {
        self.head = head;
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path for messages, with control characters escaped.
    pub fn shown_path(&self) -> String {
        wsmon::escape(&self.path.to_string_lossy()).into_owned()
    }

    /// Returns true if the file ended in the middle of a line, as after a crash. The missing line feed is written before
    /// the first line of this run.
    pub fn repaired(&self) -> bool {
        self.repaired
    }

    /// Appends `line` and a line feed; a `line` that contains some is several lines, which stay together. Returns true
    /// if it was written or collected. Failures go to `take_reports`.
    pub fn write_line(&mut self, line: &str, now: Instant) -> bool {
        self.write(line, 0, now)
    }

    /// Appends lines at once, and counts them as so many messages. Returns true if they were written.
    fn write_now(&mut self, line: &str, messages: u64, now: Instant) -> bool {
        if self.outage.as_ref().and_then(|outage| outage.retry_at).is_some_and(|at| now < at) {
            self.count_lost(count_lines(line), now, None);
            return false;
        }
        match self.try_line(line, now) {
            Ok(()) => {
                self.written.messages += messages;
                if let Some(Outage { lost, .. }) = self.outage.take() {
                    self.reports.push(FileReport::Recovered { lost });
                }
                true
            }
            Err(error) => {
                self.count_lost(count_lines(line), now, Some(error));
                false
            }
        }
    }

    /// Returns the reports since the last call.
    pub fn take_reports(&mut self) -> Vec<FileReport> {
        std::mem::take(&mut self.reports)
    }

    /// Creates a new file if the open one was moved (SIGHUP after logrotate). During an outage the next line is tried
    /// at once.
    ///
    /// # Errors
    /// No new file could be created. The old one stays open, and creation is retried later.
    pub fn reopen(&mut self) -> io::Result<()> {
        if let Some(outage) = &mut self.outage {
            outage.retry_at = None;
        }
        match self.target.is_at(&self.path) {
            true => Ok(()),
            false => self.recreate(),
        }
    }

    /// Number of lines that this run could not write.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    pub fn written(&self) -> Written {
        self.written
    }

    fn try_line(&mut self, line: &str, now: Instant) -> io::Result<()> {
        self.check_path(now)?;
        self.rotate_if_due(line.len() as u64 + 1, now);
        match self.append(line) {
            Err(_) if !self.target.is_at(&self.path) => {
                self.recreate()?;
                self.reports.push(FileReport::Recreated);
                self.append(line)
            }
            result => result,
        }
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        self.line.clear();
        if self.target.torn {
            self.line.push(b'\n');
        }
        let repair = self.line.len();
        if !self.head.is_empty() && self.target.is_empty() {
            self.line.extend_from_slice(self.head.as_bytes());
        }
        self.line.extend_from_slice(line.as_bytes());
        self.line.push(b'\n');
        self.target.append(&self.line)?;
        if self.fsync && self.target.regular {
            self.target.file.sync_data()?;
        }
        self.written.lines += count_lines(line);
        self.written.bytes += (self.line.len() - repair) as u64;
        Ok(())
    }

    /// Counts lost lines. `error` is the failed attempt; `None` means that none was made.
    fn count_lost(&mut self, lines: u64, now: Instant, error: Option<io::Error>) {
        self.lost += lines;
        let first = self.outage.is_none();
        let outage = self.outage.get_or_insert(Outage { retry_at: None, lost: 0 });
        outage.lost += lines;
        let Some(error) = error else { return };
        outage.retry_at = Some(now + RETRY_AFTER);
        if first {
            self.reports.push(FileReport::Lost { error });
        }
    }

    /// Checks every few seconds that the path still leads to the open file, and recreates it if not.
    ///
    /// A file that was moved can still be read by whoever moved it: lines go on to it while no new one can be created,
    /// and that is no error. A file without a name left is lost with everything in it: that is one.
    fn check_path(&mut self, now: Instant) -> io::Result<()> {
        if self.check_path_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        if !self.target.is_at(&self.path) {
            match self.recreate() {
                Ok(()) => self.reports.push(FileReport::Recreated),
                Err(error) if self.target.is_unlinked() => return Err(error),
                Err(_) if self.moved_away => {}
                Err(error) => {
                    self.moved_away = true;
                    self.reports.push(FileReport::NotRecreated { error });
                }
            }
        }
        self.check_path_at = Some(now + RETRY_AFTER);
        Ok(())
    }

    /// Rotates if `length` more bytes would exceed the size. Failing to is reported once; the file then keeps growing.
    fn rotate_if_due(&mut self, length: u64, now: Instant) {
        self.target.read_size(length, self.rotate_size);
        let full = self.rotate_size.is_some_and(|max| self.target.size + length > max);
        let too_early = self.rotate_at.is_some_and(|at| now < at);
        if !full || too_early || self.target.size == 0 || !self.target.regular {
            return;
        }
        match self.rotate() {
            Ok(()) => self.rotate_at = None,
            Err(error) => {
                if self.rotate_at.is_none() {
                    self.reports.push(FileReport::RotationFailed { error });
                }
                self.rotate_at = Some(now + RETRY_AFTER);
            }
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        if !self.target.is_at(&self.path) {
            // Another file is there now, which is not ours to rename.
            return self.recreate();
        }
        if self.keep == 0 {
            return self.target.truncate();
        }
        rotation::shift(&self.path, self.keep)?;
        self.recreate().inspect_err(|_| {
            // Moves the file back to its path. If that fails too, the next `check_path` handles it.
            let _ = fs::rename(rotation::numbered(&self.path, 1), &self.path);
        })
    }

    /// Opens or creates the file at the path in place of the open one, which stays open on an error.
    fn recreate(&mut self) -> io::Result<()> {
        self.target = OpenFile::open(&self.path, Some(self.target.mode))?;
        self.rotate_at = None;
        self.moved_away = false;
        Ok(())
    }
}

/// The lines in a text whose last line feed is not written yet.
fn count_lines(text: &str) -> u64 {
    1 + text.matches('\n').count() as u64
}

#[cfg(test)]
mod tests;
