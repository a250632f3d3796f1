//! The messages that `--every` holds, until they are due.

use std::time::{Duration, Instant};

use wsmon::Message;

use super::frames::put;
use super::pace::{HeldMessage, Paces, split};
use super::{View, format_message, write_lines};
use crate::cli::fleet::MessageCopy;

/// Messages due at once for which room is kept.
const KEPT_DUE: usize = 4;

impl View {
    /// Holds a message until it is due, which may be at once. It is formatted here already, because a message does not
    /// outlive the call.
    pub(super) fn hold(&mut self, message: &Message<'_>, every: Duration, print: &mut dyn FnMut(&str)) {
        let count_answers = self.counts_answers(message.id);
        let View { options, data, data_format, servers, fleet, .. } = self;
        let received_at = message.received_mono;
        let number = Paces::number(message.events);
        let pace = servers[message.id.index()].paces.get(number);
        let due_at = pace.due_at(received_at, every);
        let empty = || HeldMessage {
            text: String::new(),
            counts: false,
            data_lines: String::new(),
            copy: None,
            received_at,
            due_at,
        };
        let held = pace.held.get_or_insert_with(empty);
        held.received_at = received_at;
        held.copy = fleet.as_ref().map(|_| MessageCopy::of(message));
        held.text.clear();
        held.counts = format_message(&mut held.text, message, options) && !count_answers;
        if data.is_some() {
            held.data_lines.clear();
            // The other events are saved already, see `show_paced`.
            let paced;
            let events = match data_format.whole {
                true => message.events,
                false => {
                    paced = split(message.events).1;
                    &paced
                }
            };
            (data_format.write)(&mut held.data_lines, &message.with_events(events), &options.style);
        }
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
            self.count(number / 2, held.counts);
            let at = due.partition_point(|(_, earlier)| earlier.received_at <= held.received_at);
            due.insert(at, (number / 2, held));
        }
        for (index, held) in due.drain(..) {
            put(&mut self.frames, index, &held.text, print);
            if held.has_lines() {
                self.latest_at = self.latest_at.max(Some(held.received_at));
            }
            write_lines(&mut self.data, &held.data_lines, 1, now);
            if let Some(copy) = &held.copy {
                self.observe(&copy.message(), now, print);
            }
        }
        due.shrink_to(KEPT_DUE);
        self.due = due;
    }
}
