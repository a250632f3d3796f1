//! Lines that wait in memory for `--flush-every`.

use std::time::{Duration, Instant};

use super::Appender;

/// Lines that are appended to the file at once.
pub struct Batch {
    every: Duration,
    /// In bytes.
    limit: usize,
    /// The lines, with line feeds between them.
    text: String,
    /// Messages among them.
    messages: u64,
    due_at: Option<Instant>,
}

impl Batch {
    /// Creates an empty batch, which is due `every` after its first line, or when it holds `limit` bytes.
    pub fn new(every: Duration, limit: usize) -> Self {
        Batch { every, limit, text: String::new(), messages: 0, due_at: None }
    }

    /// Bytes that appending the batch and a further line would add to the file.
    fn length_with(&self, line: &str) -> usize {
        self.text.len() + usize::from(!self.text.is_empty()) + line.len() + 1
    }

    /// Returns true if there is no room for a further line.
    fn is_full_with(&self, line: &str) -> bool {
        !self.text.is_empty() && self.length_with(line) > self.limit
    }

    pub fn push(&mut self, line: &str, messages: u64, now: Instant) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(line);
        self.messages += messages;
        self.due_at = self.due_at.or_else(|| now.checked_add(self.every));
    }

    /// Takes the lines and the number of messages among them; `None` if there are none.
    pub fn take(&mut self) -> Option<(String, u64)> {
        self.due_at = None;
        let messages = std::mem::take(&mut self.messages);
        Some((std::mem::take(&mut self.text), messages)).filter(|(text, _)| !text.is_empty())
    }

    pub fn due_at(&self) -> Option<Instant> {
        self.due_at
    }
}

impl Appender {
    /// Collects lines in memory, `limit` bytes at most, and writes them together `every` so often, before a rotation, and
    /// when [`flush`](Self::flush) is called.
    pub fn collect(&mut self, every: Duration, limit: usize) {
        self.batch = Some(Batch::new(every, limit));
    }

    /// Writes the collected lines, and from now on each line at once.
    pub fn stop_collecting(&mut self, now: Instant) {
        self.flush(now);
        self.batch = None;
    }

    /// Writes the collected lines.
    pub fn flush(&mut self, now: Instant) {
        if let Some((text, messages)) = self.batch.as_mut().and_then(Batch::take) {
            self.write_now(&text, messages, now);
        }
    }

    /// Returns the time at which `flush` is due.
    pub fn flush_at(&self) -> Option<Instant> {
        self.batch.as_ref().and_then(Batch::due_at)
    }

    /// Appends lines like `write_line`, and counts them as so many messages once they are written.
    pub fn write(&mut self, line: &str, messages: u64, now: Instant) -> bool {
        let Some(batch) = &self.batch else { return self.write_now(line, messages, now) };
        let head = if self.target.size == 0 { self.head.len() } else { 0 };
        let size = self.target.size + (head + batch.length_with(line)) as u64;
        if batch.is_full_with(line) || self.rotate_size.is_some_and(|max| size > max) {
            self.flush(now);
        }
        if let Some(batch) = &mut self.batch {
            batch.push(line, messages, now);
        }
        true
    }
}
