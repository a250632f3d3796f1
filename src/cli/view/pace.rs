//! The pace of `--every`: what is held, until when, and what `--average` makes of it.

use std::time::{Duration, Instant};

use wsmon::{Average, Event, Processes};

use super::lines::Lines;
use crate::cli::fleet::MessageCopy;

/// The paces of one server: that of samples and that of lists of processes.
#[derive(Default)]
pub struct Paces([Pace; 2]);

/// The pace of one kind of event of one server.
#[derive(Default)]
pub struct Pace {
    shown_at: Option<Instant>,
    pub held: Option<HeldMessage>,
    /// The samples of the interval; `None` before its first one, and without `--average`.
    average: Option<Box<Average>>,
}

/// The latest message that came too early for `--every`. A newer one replaces it.
pub struct HeldMessage {
    pub lines: Lines,
    /// For the fleet, if there is one.
    pub copy: Option<MessageCopy>,
    pub received_at: Instant,
    pub due_at: Instant,
}

impl Paces {
    /// The number of the pace of samples.
    pub const SAMPLES: usize = 0;

    /// Returns the number of the pace of a message: one with a sample and a list of processes is paced as a sample.
    pub fn number(events: &[Event<'_>]) -> usize {
        usize::from(!has_sample(events))
    }

    /// Returns a pace by its number, 0 or 1.
    pub fn get(&mut self, number: usize) -> &mut Pace {
        &mut self.0[number]
    }

    /// Adds the samples of a message to those of the interval. Returns the events with one sample, the mean of them all, in
    /// the place of the last one; `None` if there is no sample.
    pub fn average<'a>(&mut self, events: &[Event<'a>]) -> Option<Vec<Event<'a>>> {
        let last = events.iter().rposition(is_sample)?;
        let average = self.0[Paces::SAMPLES].average.get_or_insert_default();
        let mut averaged = Vec::with_capacity(events.len());
        for (at, event) in events.iter().enumerate() {
            let mut event = event.clone();
            if let Event::Sample(sample) = &mut event {
                average.add(sample);
            }
            if at == last || !is_sample(&event) {
                averaged.push(event);
            }
        }
        Some(averaged)
    }
}

impl Pace {
    /// Returns the time at which a message that was received then is due.
    ///
    /// The latest one of an interval is due a while after the one before, and the first one at once. A mean is due at the
    /// end of its interval, which begins with the end of the one before, or with the first sample since.
    pub fn due_at(&self, received_at: Instant, every: Duration) -> Instant {
        let next = self.shown_at.map(|at| at + every);
        match self.average {
            Some(_) => next.filter(|at| *at > received_at).unwrap_or(received_at + every),
            None => next.unwrap_or(received_at),
        }
    }

    /// Drops the held message if lines about a later time have left, so that lines leave in the order of their receipt. The
    /// next message of its kind is then shown as soon as it comes. A mean stays: it stands for its whole interval.
    pub fn drop_overtaken(&mut self, latest_at: Option<Instant>) {
        if self.average.is_none() {
            self.held.take_if(|held| !held.lines.is_empty() && latest_at.is_some_and(|at| at > held.received_at));
        }
    }

    /// Takes the held message, which is due and ends the interval.
    pub fn take(&mut self, now: Instant) -> Option<HeldMessage> {
        let held = self.held.take()?;
        self.shown_at = Some(now);
        self.average = None;
        Some(held)
    }
}

/// Returns true if `--every` applies to the event.
pub fn is_paced(event: &Event<'_>) -> bool {
    matches!(event, Event::Sample(_) | Event::Processes(_))
}

fn is_sample(event: &Event<'_>) -> bool {
    matches!(event, Event::Sample(_))
}

fn has_sample(events: &[Event<'_>]) -> bool {
    events.iter().any(is_sample)
}

/// Splits the events into those that are shown at once and those that `--every` applies to. The changes of a list of
/// processes belong to the former, the list itself to the latter.
pub fn split<'a>(events: &[Event<'a>]) -> (Vec<Event<'a>>, Vec<Event<'a>>) {
    let (mut urgent, mut paced) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Processes(processes) if !processes.first && !processes.changes.is_empty() => {
                urgent.push(Event::Processes(Processes { list: Vec::new(), ..processes.clone() }));
                if !processes.list.is_empty() {
                    paced.push(Event::Processes(Processes { changes: Vec::new(), ..processes.clone() }));
                }
            }
            // Users beside a sample are a part of it.
            Event::Users(_) => paced.push(event.clone()),
            event if is_paced(event) => paced.push(event.clone()),
            event => urgent.push(event.clone()),
        }
    }
    (urgent, paced)
}
