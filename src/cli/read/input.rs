//! The bytes of the files, one after the other, and the lines in them.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek as _};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt as _;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::stdio;
use wsmon::SavedData;
use wsmon::internal::line;

use crate::cli::Failure;
use crate::cli::plan::Plan;
use crate::cli::stream::descriptor::is_same_file;

/// Bytes that one read asks for.
const BLOCK: usize = 256 << 10;

/// Bytes of a line beside its message: the time, the label, and the names of members.
const MAX_ENVELOPE: usize = 16 << 10;

/// A line that is so many times as long as the longest that can be taken has no end: that is no file of lines.
const ENDLESS: u64 = 256;

/// Beginnings of compressed files, with the program that unpacks them.
const COMPRESSED: [(&[u8], &str); 4] =
    [(b"\x1f\x8b", "zcat"), (b"\xfd7zXZ", "xzcat"), (b"\x28\xb5\x2f\xfd", "zstdcat"), (b"BZh", "bzcat")];

/// A file of saved data.
struct InputFile {
    /// As the command line names it.
    name: String,
    file: File,
    /// False for pipes and terminals, which may have to be waited for.
    is_regular: bool,
}

/// The files and the bytes of them that were not taken yet.
pub struct Input {
    /// Those that are not read to their end, in reverse order: the last one is read.
    files: Vec<InputFile>,
    buffer: Vec<u8>,
    /// The part of the buffer that holds bytes.
    start: usize,
    end: usize,
    /// The part before it holds no line feed.
    searched: usize,
    /// The number of the latest line of the file.
    line: u64,
    /// Name of the file that the buffer is of.
    name: String,
    /// Limit of a line, in bytes.
    max_line: usize,
    /// True within a line that is too long, and was counted.
    skipping: bool,
    /// Bytes of it that were passed over.
    skipped: u64,
    /// True if the buffer ends with the file.
    at_end: bool,
    /// True while a pipe has nothing.
    waiting: bool,
    failed: bool,
}

impl Input {
    /// Opens the files of the plan.
    pub fn open(plan: &Plan, saved: &mut SavedData) -> Result<Input, Failure> {
        let mut files = Vec::new();
        let output = stdio::stdout().try_clone_to_owned().map(File::from).ok();
        for name in &plan.read {
            let file =
                open(name, saved).map_err(|why| Failure::local(format!("--read {}: {why}", wsmon::escape(name))))?;
            // Every line that is read would be appended, and read in its turn.
            let data = plan.save_data.as_ref().and_then(|path| File::open(path).ok());
            for written in [&output, &data].into_iter().flatten() {
                if file.is_regular && is_same_file(file.file.as_fd(), written.as_fd()) {
                    let why = "this run writes to it: choose another file for the output";
                    return Err(Failure::local(format!("--read {}: {why}", wsmon::escape(name))));
                }
            }
            files.insert(0, file);
        }
        let max_line = saved.max_message().saturating_mul(2).saturating_add(MAX_ENVELOPE);
        Ok(Input {
            files,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            searched: 0,
            line: 0,
            name: String::new(),
            max_line,
            skipping: false,
            skipped: 0,
            at_end: true,
            waiting: false,
            failed: false,
        })
    }

    pub fn is_done(&self) -> bool {
        self.files.is_empty() && self.at_end && self.start == self.end
    }

    pub fn is_waiting(&self) -> bool {
        self.waiting
    }

    pub fn wake(&mut self) {
        self.waiting = false;
    }

    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// The place of the latest line, for the log.
    pub fn place(&self) -> String {
        format!("{}:{}", wsmon::escape(&self.name), self.line)
    }

    /// Reads a block, unless the buffer still has a whole line. A file that ends gives way to the next one.
    pub fn fill(&mut self, registry: &Registry, token: Token, saved: &mut SavedData) {
        if self.at_end && self.start < self.end || self.find_line_feed().is_some() {
            return;
        }
        if self.skipped > ENDLESS.saturating_mul(self.max_line as u64) {
            return self.fail(registry, "a line does not end: this is no file of lines");
        }
        self.make_room();
        let Some(current) = self.files.last_mut() else { return };
        let begins = self.at_end;
        if begins {
            (self.at_end, self.line) = (false, 0);
            self.name.clone_from(&current.name);
            if !current.is_regular {
                let fd = current.file.as_raw_fd();
                // EPERM: /dev/null and the like have no readiness in epoll(7), and need none.
                current.is_regular = registry.register(&mut SourceFd(&fd), token, Interest::READABLE).is_err();
            }
        }
        if !current.is_regular && !is_readable(&current.file) {
            (self.waiting, self.at_end) = (true, false);
            return;
        }
        match current.file.read(&mut self.buffer[self.end..]) {
            Ok(0) => self.end_file(registry),
            Ok(len) => {
                let first = self.line == 0 && !self.skipping && self.start == 0;
                self.end += len;
                if first {
                    self.begin_file(registry, saved);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => self.fail(registry, &Failure::words(&error)),
        }
    }

    /// Returns the next line without its line feed, or the reason for which it cannot be taken; `None` if the block has no
    /// further one. The last line of a file needs no line feed. Empty lines are left out.
    pub fn next_line(&mut self) -> Option<Result<&mut [u8], &'static str>> {
        loop {
            let (mut line, next) = match self.find_line_feed() {
                Some(at) => (self.start..at, at + 1),
                None if self.at_end && self.start < self.end => (self.start..self.end, self.end),
                None if self.skipping || self.end - self.start > self.max_line => {
                    self.skipped += (self.end - self.start) as u64;
                    (self.start, self.searched) = (self.end, self.end);
                    if std::mem::replace(&mut self.skipping, true) {
                        return None;
                    }
                    // It is told at once: the line may have no end.
                    self.line += 1;
                    return Some(Err(line::TOO_LARGE));
                }
                None => return None,
            };
            (self.start, self.searched) = (next, next);
            if std::mem::take(&mut self.skipping) {
                self.skipped = 0;
                continue;
            }
            self.line += 1;
            if line.len() > self.max_line {
                return Some(Err(line::TOO_LARGE));
            }
            line.end -= self.buffer[line.clone()].iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
            if !line.is_empty() {
                return Some(Ok(&mut self.buffer[line]));
            }
        }
    }

    /// Looks at the beginning of a file.
    fn begin_file(&mut self, registry: &Registry, saved: &mut SavedData) {
        let block = &self.buffer[self.start..self.end];
        if let Some(program) = compression(block) {
            let why = compressed(&self.name, program);
            return self.fail(registry, &why);
        }
        learn_servers(block, saved);
        if block.starts_with(b"\xef\xbb\xbf") {
            self.start += 3;
        }
    }

    fn end_file(&mut self, registry: &Registry) {
        self.at_end = true;
        if let Some(file) = self.files.pop().filter(|file| !file.is_regular) {
            // Closing the file does it too, unless it is standard input.
            let _ = registry.deregister(&mut SourceFd(&file.file.as_raw_fd()));
        }
        self.skipped = 0;
        if std::mem::take(&mut self.skipping) {
            (self.start, self.end, self.searched) = (0, 0, 0);
        }
    }

    fn fail(&mut self, registry: &Registry, why: &str) {
        log::error!("--read {}: {why}", wsmon::escape(&self.name));
        self.failed = true;
        (self.start, self.end, self.searched, self.skipping) = (0, 0, 0, false);
        self.end_file(registry);
    }

    /// Moves what is left to the beginning, and makes room for a block behind it.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.searched -= self.start;
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.buffer.len() < self.end + BLOCK {
            self.buffer.resize(self.end + BLOCK, 0);
        } else if self.buffer.len() > 2 * (self.end + BLOCK) {
            // A long line is over.
            self.buffer.truncate(self.end + BLOCK);
            self.buffer.shrink_to_fit();
        }
    }

    /// Finds the end of the line that begins at `start`.
    fn find_line_feed(&mut self) -> Option<usize> {
        let at = find_byte(&self.buffer[self.searched..self.end], b'\n');
        self.searched = at.map_or(self.end, |at| self.searched + at);
        at.map(|_| self.searched)
    }
}

/// Finds a byte. Whole blocks without it are passed over at once, which the compiler turns into vector instructions.
fn find_byte(bytes: &[u8], wanted: u8) -> Option<usize> {
    const STEP: usize = 64;
    let is_absent = |block: &&[u8]| !block.iter().fold(false, |found, byte| found | (*byte == wanted));
    let skipped = STEP * bytes.chunks_exact(STEP).take_while(is_absent).count();
    Some(skipped + bytes[skipped..].iter().position(|byte| *byte == wanted)?)
}

/// Opens a file, and learns the servers in its beginning if that can be read twice. `-` is standard input. The error does
/// not name the file.
fn open(name: &str, saved: &mut SavedData) -> Result<InputFile, String> {
    let opened = match name {
        "-" => stdio::stdin().try_clone_to_owned().map(File::from),
        path => File::open(path),
    };
    let words = |error: io::Error| Failure::words(&error);
    let mut file = opened.map_err(words)?;
    let kind = file.metadata().map_err(words)?.file_type();
    if kind.is_dir() {
        return Err("is a directory".to_owned());
    }
    let is_regular = kind.is_file();
    if is_regular {
        let mut block = vec![0; BLOCK];
        let at = file.stream_position().map_err(words)?;
        let len = file.read_at(&mut block, at).map_err(words)?;
        if let Some(program) = compression(&block[..len]) {
            return Err(compressed(name, program));
        }
        learn_servers(&block[..len], saved);
    }
    Ok(InputFile { name: name.to_owned(), file, is_regular })
}

/// Adds the servers of the whole lines in a block.
fn learn_servers(block: &[u8], saved: &mut SavedData) {
    for line in block.split(|byte| *byte == b'\n') {
        if let Some(label) = line::server(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)) {
            saved.id(&label);
        }
    }
}

/// Returns the program that unpacks a file with this beginning.
fn compression(block: &[u8]) -> Option<&'static str> {
    COMPRESSED.iter().find(|(magic, _)| block.starts_with(magic)).map(|(_, program)| *program)
}

fn compressed(name: &str, program: &str) -> String {
    let file = if name == "-" { "FILE" } else { name };
    format!("looks compressed: {program} {} | wsmon --read -", wsmon::escape(file))
}

/// Returns true if a read from a pipe or terminal does not wait. An error is left to the read.
fn is_readable(file: &File) -> bool {
    let mut fds = [PollFd::new(file, PollFlags::IN)];
    !matches!(rustix::event::poll(&mut fds, Some(&Timespec::default())), Ok(0))
}
