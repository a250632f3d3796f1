//! The messages that `--every` holds, until they are due.

use std::time::{Duration, Instant};

use wsmon::{Message, ServerId};

use super::View;
use super::lines::Lines;
use super::pace::{HeldMessage, Paces};
use crate::cli::fleet::MessageCopy;

/// Messages due at once for which room is kept.
const KEPT_DUE: usize = 4;

impl View {
    /// Holds the lines of a message until they are due, which may be at once. They are formatted here already, because a
    /// message does not outlive the call.
    pub(super) fn hold(&mut self, message: &Message<'_>, every: Duration, print: &mut dyn FnMut(&str)) {
        let View { servers, fleet, lines, .. } = self;
        let (received_at, number) = (message.received_mono, Paces::number(message.events));
        let pace = servers[message.id.index()].paces.get(number);
        let due_at = pace.due_at(received_at, every);
        let empty = || HeldMessage { lines: Lines::default(), copy: None, received_at, due_at };
        let held = pace.held.get_or_insert_with(empty);
        held.received_at = received_at;
        held.copy = fleet.as_ref().map(|_| MessageCopy::of(message));
        std::mem::swap(&mut held.lines, lines);
        self.held.set(2 * message.id.index() + number, Some(held.due_at));
        self.release(received_at, print);
    }

    /// Ends the intervals of `--average` at the end of a run: the mean of a part of one is shown. Of other held messages
    /// nothing is shown, since their interval has had its line.
    pub fn end_intervals(&mut self, now: Instant, print: &mut dyn FnMut(&str)) {
        if !self.options.average {
            return;
        }
        let count = self.options.count.unwrap_or(u64::MAX);
        for (index, server) in self.servers.iter_mut().enumerate().filter(|(_, server)| server.shown < count) {
            if let Some(held) = &mut server.paces.get(Paces::SAMPLES).held {
                held.due_at = now;
                self.held.set(2 * index + Paces::SAMPLES, Some(now));
            }
        }
        self.release(now, print);
    }

    /// Shows and saves the held messages that are due, in the order of their receipt, but for those that other lines have
    /// overtaken.
    pub fn release(&mut self, now: Instant, print: &mut dyn FnMut(&str)) {
        if self.held.first().is_none_or(|at| at > now) {
            return;
        }
        // The list is kept: for one message after the other, the allocator would map and unmap a page each time.
        let mut due = std::mem::take(&mut self.due);
        while let Some(number) = self.held.take_due(now) {
            let pace = self.servers[number / 2].paces.get(number % 2);
            pace.drop_overtaken(self.latest_at);
            let Some(held) = pace.take(now) else { continue };
            let at = due.partition_point(|(_, earlier)| earlier.received_at <= held.received_at);
            due.insert(at, (number / 2, held));
        }
        for (index, held) in due.drain(..) {
            self.lines = held.lines;
            self.emit_lines(ServerId::from_index(index), held.received_at, now, print);
            if let Some(copy) = &held.copy {
                self.observe(&copy.message(), now, print);
            }
        }
        due.shrink_to(KEPT_DUE);
        self.due = due;
    }
}
