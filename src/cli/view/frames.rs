//! The table of all servers and the messages of `--live`: the times at which they are shown, and their text.

use std::time::{Duration, Instant};

use wsmon::internal::cut;
use wsmon::{Now, ServerId};

use super::View;
use crate::cli::fleet::Fleet;
use crate::cli::servers::Servers;

/// The period of frames on a terminal, and of looks at servers of which the first block waits.
const FRAME: Duration = Duration::from_secs(1);
/// The period of blocks in a pipe or file.
pub const BLOCK: Duration = Duration::from_secs(60);
/// Most blocks of saved data in a row between which nothing was recorded: a clock that was set can be years ahead.
pub const MOST_BLOCKS: u32 = 100;
/// The least time between two frames of `--live`.
const LIVE: Duration = Duration::from_millis(100);
/// Most bytes that are kept of a message of `--live`: more than a screen holds.
const MOST_LIVE: usize = 16 << 10;

/// The table or the latest messages, shown again and again: in place on a terminal, else as blocks of lines.
pub struct Frames {
    every: Duration,
    /// True on a terminal, where the loop draws.
    in_place: bool,
    /// The intervals of `--average`.
    means: Option<Duration>,
    /// `--live`: the latest text of each server, by the index of its id. `None` for the table.
    live: Option<Vec<String>>,
    started_at: Option<Instant>,
    /// Every server has delivered or failed: blocks begin, and frames count.
    settled: bool,
    shown_at: Option<Instant>,
    due_at: Option<Instant>,
    /// Frames or blocks that counted.
    count: u64,
}

impl Frames {
    /// Creates the table, on a terminal or not. `means` are the intervals of `--average`.
    pub fn table(every: Option<Duration>, in_place: bool, means: Option<Duration>) -> Self {
        Frames {
            every: every.unwrap_or(if in_place { FRAME } else { BLOCK }),
            in_place,
            means,
            live: None,
            started_at: None,
            settled: false,
            shown_at: None,
            due_at: None,
            count: 0,
        }
    }

    /// Creates the latest messages, for a terminal.
    pub fn live() -> Self {
        Frames { live: Some(Vec::new()), settled: true, ..Frames::table(None, true, None) }
    }

    /// Returns true if a frame or block is due.
    fn is_due(&mut self, now: Instant, fleet: Option<&Fleet>) -> bool {
        let started_at = *self.started_at.get_or_insert(now);
        if !self.settled {
            // A server shows a mean at the end of an interval, which its first sample begins.
            let means_due = self.means.is_none_or(|every| now.saturating_duration_since(started_at) >= 2 * every);
            self.settled = fleet.is_some_and(|fleet| fleet.has_settled_rows(now, !means_due));
            if self.settled {
                self.due_at = Some(now);
            }
        }
        let due = self.due_at.is_none_or(|at| now >= at);
        if due && !self.settled && !self.in_place {
            self.due_at = Some(now + FRAME);
            return false;
        }
        due
    }

    /// Drops the text of a server that was removed.
    pub fn remove(&mut self, index: usize) {
        if let Some(text) = self.live.as_mut().and_then(|texts| texts.get_mut(index)) {
            text.clear();
        }
    }

    fn note_shown(&mut self, now: Instant) {
        self.shown_at = Some(now);
        self.due_at = Some(now + self.every);
    }
}

/// Prints the text of a server, or keeps it for the next frame of `--live`.
pub fn put(frames: &mut Option<Frames>, index: usize, text: &str, print: &mut dyn FnMut(&str)) {
    if text.is_empty() {
        return;
    }
    let Some(Frames { live: Some(texts), shown_at, due_at, .. }) = frames else { return print(text) };
    // An alert about all servers has no place.
    if index == ServerId::NONE.index() {
        return;
    }
    if texts.len() <= index {
        texts.resize(index + 1, String::new());
    }
    let kept = &mut texts[index];
    kept.clear();
    kept.push_str(cut(text, MOST_LIVE));
    if kept.len() < text.len() {
        // The end may have been within a colour.
        kept.push_str("\x1b[0m\n");
    }
    let soon = shown_at.map(|at| at + LIVE);
    *due_at = soon.and_then(|soon| Some(soon.min((*due_at)?)));
}

impl View {
    /// Returns the time at which a frame is due on a terminal; `None` if there are no frames.
    pub fn frame_due_at(&self, now: Instant) -> Option<Instant> {
        let frames = self.frames.as_ref().filter(|frames| frames.in_place)?;
        Some(frames.due_at.unwrap_or(now))
    }

    /// Returns the time at which a block is due.
    pub fn block_due_at(&self) -> Option<Instant> {
        self.frames.as_ref().filter(|frames| !frames.in_place)?.due_at
    }

    /// Leaves out the blocks until this time.
    pub fn skip_blocks(&mut self, until: Instant) {
        if let Some(frames) = &mut self.frames {
            frames.due_at = frames.due_at.max(Some(until));
        }
    }

    /// Returns true if a frame is due, and lets it count as shown.
    pub fn take_frame(&mut self, now: Instant) -> bool {
        let fleet = self.fleet.as_deref();
        let due = self.frames.as_mut().is_some_and(|frames| frames.in_place && frames.is_due(now, fleet));
        if due {
            self.count_frame(now);
        }
        due
    }

    /// Returns the text of a frame, in at most so many lines where that is known.
    pub fn frame_text(&self, now: Now, (lines, width): (usize, usize), servers: &Servers) -> String {
        let mut text = String::new();
        let live = self.frames.as_ref().and_then(|frames| frames.live.as_ref());
        if let Some(texts) = live {
            // Kept in order by insertion; there are few servers in a live view.
            let mut ids: Vec<ServerId> = Vec::new();
            for server in &self.servers {
                if texts.get(server.id.index()).is_some_and(|text| !text.is_empty()) {
                    let label = |id: ServerId| if servers.contains(id) { servers.label(id) } else { "" };
                    let at = ids.partition_point(|other| label(*other) <= label(server.id));
                    ids.insert(at, server.id);
                }
            }
            for id in ids {
                if text.matches('\n').count() >= lines {
                    break;
                }
                text.push_str(texts[id.index()].trim_start_matches('\n'));
            }
        } else if let Some(fleet) = &self.fleet {
            fleet.push_table(&mut text, now, (lines, width), self.options.style);
        }
        text
    }

    /// Shows a block of the table if one is due.
    pub fn show_block(&mut self, now: Now, print: &mut dyn FnMut(&str)) {
        let fleet = self.fleet.as_deref();
        if self.frames.as_mut().is_some_and(|frames| !frames.in_place && frames.is_due(now.mono, fleet)) {
            self.print_block(now, print);
        }
    }

    /// Shows a block at the end of a run that has shown none, or that has read saved data to its end.
    pub fn show_last_block(&mut self, now: Now, is_saved: bool, print: &mut dyn FnMut(&str)) {
        let is_over = |frames: &Frames| self.options.count.is_some_and(|count| frames.count >= count);
        let is_left = |frames: &Frames| !frames.in_place && !is_over(frames) && (is_saved || frames.shown_at.is_none());
        if self.frames.as_ref().is_some_and(is_left) {
            self.print_block(now, print);
        }
    }

    fn print_block(&mut self, now: Now, print: &mut dyn FnMut(&str)) {
        let Some(fleet) = &self.fleet else { return };
        let mut text = String::new();
        text.push_str(if self.frames.as_ref().is_some_and(|frames| frames.shown_at.is_some()) { "\n" } else { "" });
        fleet.push_table(&mut text, now, (usize::MAX, usize::MAX), self.options.style);
        print(&text);
        self.count_frame(now.mono);
    }

    /// Takes note of a frame or block. Those of the table are what `--count` counts, once every server has delivered or
    /// failed.
    fn count_frame(&mut self, now: Instant) {
        let Some(frames) = &mut self.frames else { return };
        frames.note_shown(now);
        if frames.live.is_some() || !frames.settled {
            return;
        }
        frames.count += 1;
        for server in &mut self.servers {
            server.shown = frames.count;
            if self.options.count == Some(frames.count) {
                self.complete.push(server.id);
            }
        }
    }
}
