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
/// served. A handshake that has lasted for a quarter of a second waits for the network and no longer counts.
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
        if !(self.first_dials.is_empty() && self.redials.is_empty()) {
            let place_at = if self.dials() < MAX_DIALS { Some(now) } else { self.counting.first() };
            deadline = earliest(deadline, place_at);
        }
        if !self.queued.is_empty() {
            let place_at = if self.busy.len() < MAX_HANDSHAKES { Some(now) } else { self.busy.first() };
            deadline = earliest(deadline, place_at);
        }
        deadline
    }

    /// Counts the dials in progress. One that waits for its handshake keeps its place: its socket is connected, and while
    /// it waits the time limit of its dial runs, and that of the server. So no more are connected than are soon served;
    /// where servers never answer, that is after two seconds.
    fn dials(&self) -> usize {
        self.counting.len() + self.queued.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::random::Random;

    /// The waits of all peers, looked at one by one: slow and plain.
    #[derive(Default)]
    struct Model(Vec<Waits>);

    impl Model {
        fn places(&self, now: Instant) -> (usize, usize) {
            let counts = |until: Option<Instant>| until.is_some_and(|until| until > now);
            let is_dialling = |peer: &&Waits| peer.queued_since.is_some() || counts(peer.counts_until);
            let dials = self.0.iter().filter(is_dialling).count();
            let busy = self.0.iter().filter(|peer| counts(peer.busy_until)).count();
            (MAX_DIALS.saturating_sub(dials), MAX_HANDSHAKES.saturating_sub(busy))
        }

        /// Returns the peers whose dials and handshakes are the next ones, in their order.
        fn waiting(&self) -> (Vec<usize>, Vec<usize>) {
            let mut dials: Vec<_> =
                self.0.iter().enumerate().filter_map(|(peer, waits)| waits.dial.map(|dial| (dial, peer))).collect();
            let queued = self.0.iter().enumerate().filter_map(|(peer, waits)| Some((waits.queued_since?, peer)));
            let mut queued: Vec<_> = queued.collect();
            dials.sort_unstable();
            queued.sort_unstable();
            (dials.into_iter().map(|(_, peer)| peer).collect(), queued.into_iter().map(|(_, peer)| peer).collect())
        }

        fn deadline(&self, now: Instant) -> Option<Instant> {
            let (dials, handshakes) = self.places(now);
            let (dialling, queued) = self.waiting();
            let first = |of: fn(&Waits) -> Option<Instant>| self.0.iter().filter_map(of).filter(|at| *at > now).min();
            let mut deadline = self.0.iter().filter_map(|peer| peer.deadline).min();
            if !dialling.is_empty() {
                deadline = earliest(deadline, if dials > 0 { Some(now) } else { first(|peer| peer.counts_until) });
            }
            if !queued.is_empty() {
                deadline = earliest(deadline, if handshakes > 0 { Some(now) } else { first(|peer| peer.busy_until) });
            }
            deadline
        }
    }

    /// A state that a peer may be in.
    fn state(random: &mut Random, now: Instant) -> Waits {
        let mut soon = || now + Duration::from_millis(1 + random.below(1500) as u64);
        let (later, since) = (Some(soon()), Some(now));
        match random.below(6) {
            0 => Waits { deadline: later, ..Waits::default() },
            1 | 2 => Waits { dial: Some((random.below(3) > 0, now)), ..Waits::default() },
            3 => Waits { deadline: later, queued_since: since, ..Waits::default() },
            4 => Waits { deadline: later, counts_until: Some(now + Duration::from_secs(1)), ..Waits::default() },
            _ => Waits { counts_until: later, busy_until: later, ..Waits::default() },
        }
    }

    #[test]
    fn places_go_to_those_who_wait_the_longest_and_no_turn_looks_at_more_than_is_due() {
        let (mut now, mut random) = (Instant::now(), Random::new(3));
        let (mut schedule, mut model) = (Schedule::default(), Model(vec![Waits::default(); 300]));
        for _ in 0..3000 {
            for _ in 0..random.below(20) {
                let peer = random.below(model.0.len());
                model.0[peer] = state(&mut random, now);
                schedule.note(peer, &model.0[peer]);
            }
            assert_eq!(schedule.free_places(now), model.places(now));
            assert_eq!(schedule.deadline(now), model.deadline(now));
            now += Duration::from_millis(random.below(300) as u64);

            let mut due = Vec::new();
            while let Some(peer) = schedule.take_due(now) {
                assert!(model.0[peer].deadline.take().is_some_and(|at| at <= now));
                due.push(peer);
            }
            assert!(model.0.iter().filter_map(|peer| peer.deadline).all(|at| at > now));
            let (dials, handshakes) = schedule.free_places(now);
            assert_eq!((dials, handshakes), model.places(now));
            let (dialling, queued) = model.waiting();
            let granted: Vec<_> = (0..dials).map_while(|_| schedule.take_dial()).collect();
            assert_eq!(granted, dialling[..dials.min(dialling.len())]);
            let begun: Vec<_> = (0..handshakes).map_while(|_| schedule.take_handshake()).collect();
            assert_eq!(begun, queued[..handshakes.min(queued.len())]);

            let mut expected = [due, granted, begun].concat();
            let mut marked = schedule.take_marked(Vec::new());
            expected.sort_unstable();
            expected.dedup();
            marked.sort_unstable();
            assert_eq!(marked, expected, "each once, and nobody else");
            for peer in marked {
                model.0[peer] = state(&mut random, now);
                schedule.note(peer, &model.0[peer]);
            }
        }
    }

    #[test]
    fn a_dial_that_has_waited_for_the_network_for_a_second_leaves_its_place_to_the_next() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut schedule = Schedule::default();
        for peer in 0..MAX_DIALS {
            schedule.note(peer, &Waits { counts_until: Some(at(1000 + peer as u64)), ..Waits::default() });
        }
        schedule.note(100, &Waits { dial: Some((true, at(0))), ..Waits::default() });
        schedule.note(101, &Waits { dial: Some((false, at(1))), ..Waits::default() });
        assert_eq!((schedule.free_places(at(999)).0, schedule.deadline(at(999))), (0, Some(at(1000))));
        assert_eq!((schedule.free_places(at(1000)).0, schedule.take_dial()), (1, Some(101)), "first dials go first");
        schedule.note(101, &Waits { counts_until: Some(at(2000)), ..Waits::default() });
        schedule.take_marked(Vec::new());
        assert_eq!((schedule.free_places(at(1000)).0, schedule.deadline(at(1000))), (0, Some(at(1001))));
    }

    #[test]
    fn marked_peers_are_served_in_their_order_each_once() {
        let mut schedule = Schedule::default();
        [5, 2, 5, 9, 2].into_iter().for_each(|peer| schedule.mark(peer));
        let now = Instant::now();
        assert_eq!(schedule.deadline(now), Some(now));
        assert_eq!(schedule.take_marked(Vec::new()), [5, 2, 9]);
        assert_eq!(schedule.deadline(now), None);
        schedule.mark(2);
        assert_eq!(schedule.take_marked(Vec::new()), [2]);
    }
}
