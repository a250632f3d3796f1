//! Decides which peers a turn serves: those with events or work left, those whose deadlines are due, and those that get
//! a place for a dial or a TLS handshake.
//!
//! Peers are known by their indices. Nothing here looks at all of them: a turn costs what is ready.

use std::time::Instant;

use crate::model::time::earliest;
use crate::monitor::timetable::Timetable;

/// The most dials in progress at a time; further ones wait. A dial that has waited for the network for a second no longer
/// counts: servers that never answer would keep those behind them from their turn.
const MAX_DIALS: usize = 64;
/// The most TLS handshakes in progress at a time: each takes milliseconds of processor time, in which no other peer is
/// served. A handshake that has lasted for a second waits for the network and no longer counts.
const MAX_HANDSHAKES: usize = 8;

/// Times that a peer waits for, as of now. Those that are over count for nothing in the last two.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    /// The time to serve it at the latest. A dial that is due is not part of it.
    pub deadline: Option<Instant>,
    /// Set while its dial is due: true for a repetition, and the time since when.
    pub dial: Option<(bool, Instant)>,
    /// The time since when a TLS handshake waits for permission.
    pub queued_since: Option<Instant>,
    /// The time until which its dial under way counts; none while it is queued.
    pub counts_until: Option<Instant>,
    /// The time until which its TLS handshake under way counts.
    pub busy_until: Option<Instant>,
}

/// The peers that the next turn serves, and when that is.
#[derive(Debug, Default)]
pub struct Schedule {
    /// In the order in which they are served.
    marked: Vec<usize>,
    is_marked: Vec<bool>,
    deadlines: Timetable,
    /// Dials that are due, by the time since when: first ones and repetitions.
    first_dials: Timetable,
    redials: Timetable,
    /// Handshakes that wait, by the time since when.
    queued: Timetable,
    counting: Timetable,
    busy: Timetable,
}

impl Schedule {
    /// Marks a peer to be served in the next turn, after those that are marked already.
    pub fn mark(&mut self, peer: usize) {
        if peer >= self.is_marked.len() {
            self.is_marked.resize(peer + 1, false);
        }
        if !std::mem::replace(&mut self.is_marked[peer], true) {
            self.marked.push(peer);
        }
    }

    /// Returns the marked peers, and unmarks them. `spare` gives its memory to those that are marked next.
    pub fn take_marked(&mut self, spare: Vec<usize>) -> Vec<usize> {
        for &peer in &self.marked {
            self.is_marked[peer] = false;
        }
        std::mem::replace(&mut self.marked, spare)
    }

    /// Notes what a peer waits for; to be called after everything that may have changed it.
    pub fn note(&mut self, peer: usize, waits: &Waits) {
        self.deadlines.set(peer, waits.deadline);
        self.note_dial(peer, waits.dial);
        self.queued.set(peer, waits.queued_since);
        self.counting.set(peer, waits.counts_until);
        self.busy.set(peer, waits.busy_until);
    }

    /// Notes since when a peer's dial is due, if it is. First dials go before repetitions.
    pub fn note_dial(&mut self, peer: usize, dial: Option<(bool, Instant)>) {
        let of = |repeated| dial.filter(|dial| dial.0 == repeated).map(|(_, at)| at);
        self.first_dials.set(peer, of(false));
        self.redials.set(peer, of(true));
    }

    /// Marks the next peer whose deadline is due, and returns it.
    pub fn take_due(&mut self, now: Instant) -> Option<usize> {
        let peer = self.deadlines.take_due(now)?;
        self.mark(peer);
        Some(peer)
    }

    /// Returns how many dials and handshakes may begin.
    pub fn free_places(&mut self, now: Instant) -> (usize, usize) {
        while self.counting.take_due(now).is_some() {}
        while self.busy.take_due(now).is_some() {}
        (MAX_DIALS.saturating_sub(self.dials()), MAX_HANDSHAKES.saturating_sub(self.busy.len()))
    }

    /// Marks the peer whose dial is the next to begin, and returns it.
    pub fn take_dial(&mut self) -> Option<usize> {
        let peer = self.first_dials.take().or_else(|| self.redials.take())?;
        self.mark(peer);
        Some(peer)
    }

    /// Marks the peer whose TLS handshake is the next to begin, and returns it.
    pub fn take_handshake(&mut self) -> Option<usize> {
        let peer = self.queued.take()?;
        self.mark(peer);
        Some(peer)
    }

    /// Returns when the next turn is due without an event; `now` if it has something to do.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        if !self.marked.is_empty() {
            return Some(now);
        }
        let mut deadline = self.deadlines.first();
        if self.first_dials.len() + self.redials.len() > 0 {
            let place_at = if self.dials() < MAX_DIALS { Some(now) } else { self.counting.first() };
            deadline = earliest(deadline, place_at);
        }
        if self.queued.len() > 0 {
            let place_at = if self.busy.len() < MAX_HANDSHAKES { Some(now) } else { self.busy.first() };
            deadline = earliest(deadline, place_at);
        }
        deadline
    }

    /// Counts the dials in progress. One that waits for its handshake counts for as long as it waits.
    fn dials(&self) -> usize {
        self.counting.len() + self.queued.len()
    }
}
