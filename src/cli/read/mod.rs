//! `--read`: files of saved data in the place of servers.

mod input;
#[cfg(test)]
mod tests;

use std::time::Duration;

use mio::{Registry, Token};
use wsmon::Now;
use wsmon::SavedData;
use wsmon::internal::line::{self, LineError};

use super::Failure;
use super::output::Output;
use super::plan::Plan;
use super::view::View;
use crate::cli::stream::queue::WhenFull;
use input::Input;

/// The reading of the files, and what came of it.
pub struct Reader {
    input: Input,
    /// The end of `--duration`, in the times that were recorded.
    duration: Option<Duration>,
    /// Set once a line was later than that.
    is_over: bool,
    /// Lines that could not be read.
    unread: u64,
    /// Messages that the lines about gaps stand for.
    dropped: u64,
}

/// The servers that files tell of, and the reader of the files.
pub type Opened = (&'static mut SavedData, Box<Reader>);

impl Reader {
    /// Opens the files of `--read`, if there are any. It may wait for the other end of a pipe, so no handler of a signal may be installed before.
    ///
    /// The beginning of each regular file tells of servers, so that labels are known before the first line is shown.
    ///
    /// # Errors
    /// A file cannot be opened, or holds something else.
    pub fn open(plan: &mut Plan) -> Result<Option<Opened>, Failure> {
        if plan.read.is_empty() {
            return Ok(None);
        }
        let saved = Box::leak(Box::new(SavedData::new(plan.server.clone())));
        let input = Input::open(plan, saved)?;
        plan.when_full = WhenFull::Wait;
        let reader = Reader { input, duration: plan.duration, is_over: false, unread: 0, dropped: 0 };
        Ok(Some((saved, Box::new(reader))))
    }

    /// Returns true once everything was read and written.
    pub fn is_finished(&self, output: &Output) -> bool {
        self.is_done() && !output.wants_write()
    }

    /// Returns true if nothing can be done before an event: the reader of stdout is slow, or a pipe has nothing.
    pub fn must_wait(&self, output: &Output) -> bool {
        !self.is_ready(output) && !self.is_finished(output)
    }

    fn is_done(&self) -> bool {
        self.is_over || self.input.is_done()
    }

    /// Returns true once a line was later than `--duration`.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns true if a file could not be read to its end.
    pub fn has_failed(&self) -> bool {
        self.input.has_failed()
    }

    /// Returns true if more can be read now.
    pub fn is_ready(&self, output: &Output) -> bool {
        !self.is_done() && !output.is_full() && !self.input.is_waiting()
    }

    /// Takes note of an event of the token: a pipe may have more.
    pub fn wake(&mut self) {
        self.input.wake();
    }

    /// Returns the number of lines that could not be read, and of messages that are known to be missing.
    pub fn losses(&self) -> (u64, u64) {
        (self.unread, self.dropped)
    }

    /// Reads a block. A pipe that has nothing wakes the token when it has more.
    pub fn fill(&mut self, registry: &Registry, token: Token, saved: &mut SavedData) {
        self.input.fill(registry, token, saved);
    }

    /// Shows the lines of the block until the output is full, or so much time lies between the first line and the latest
    /// one as `until`. `now` is the present time, for the log.
    pub fn show(
        &mut self,
        until: Option<Duration>,
        now: Now,
        saved: &mut SavedData,
        view: &mut View,
        output: &mut Output,
    ) {
        while !self.is_over
            && !output.is_full()
            && until.is_none_or(|until| saved.span() < until)
            && self.next_line(now, saved, view, output)
        {}
    }

    /// Shows the next line. Returns false if there is none in the block.
    fn next_line(&mut self, now: Now, saved: &mut SavedData, view: &mut View, output: &mut Output) -> bool {
        let Some(line) = self.input.next_line() else { return false };
        let result = match line.map_err(LineError::Foreign).and_then(line::parse) {
            Ok(line) => {
                let id = saved.id(&line.server);
                view.add_servers(saved);
                let at = saved.advance(&line);
                let end = self.duration.and_then(|duration| saved.span().checked_sub(duration));
                let due = end.and_then(|beyond| Some((at.mono.checked_sub(beyond)?, at.wall.checked_sub(beyond)?)));
                let due = due.map_or(at, |(mono, wall)| Now { mono, wall });
                view.catch_up(due, &mut |text| output.print(text));
                if end.is_some() {
                    self.is_over = true;
                    return true;
                }
                let result = saved.decode(&line, &mut |message| {
                    output.write_log(now);
                    view.show(message, &mut |text| output.print(text));
                });
                self.is_over = id.is_some_and(|id| view.count_reached(id)) && view.all_counts_reached();
                result
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(()) | Err(LineError::Statistics) => {}
            Err(LineError::Gap(count)) => self.dropped = self.dropped.saturating_add(count),
            Err(LineError::Foreign(cause)) => {
                if self.unread == 0 {
                    let place = self.input.place();
                    let option = if cause == line::TOO_LARGE { " (--max-message)" } else { "" };
                    log::warn!("{place}: {cause}{option}; further lines that cannot be read are only counted");
                }
                self.unread += 1;
            }
        }
        true
    }
}
