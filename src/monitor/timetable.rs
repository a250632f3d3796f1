//! The earliest of many deadlines.

use std::time::Instant;

/// The place of an owner without a deadline.
const NOWHERE: usize = usize::MAX;

/// Deadlines by the number of their owner, of which the earliest is known. An owner has one at most.
///
/// It is a binary heap that knows the place of each entry, so that a deadline can be moved or removed where it stands:
/// nothing remains of those that were set before, and the size is bounded by the number of owners.
#[derive(Debug, Default)]
pub struct Timetable {
    /// Each entry is no earlier than its parent, which has half its place. Equal ones are in the order of their owners.
    entries: Vec<(Instant, usize)>,
    /// By owner: the place of its entry.
    places: Vec<usize>,
}

impl Timetable {
    /// Sets the owner's deadline in place of an earlier one.
    pub fn set(&mut self, owner: usize, at: Option<Instant>) {
        let place = self.places.get(owner).copied().unwrap_or(NOWHERE);
        match at {
            Some(at) if place == NOWHERE => {
                if owner >= self.places.len() {
                    self.places.resize(owner + 1, NOWHERE);
                }
                self.places[owner] = self.entries.len();
                self.entries.push((at, owner));
                self.restore(self.entries.len() - 1);
            }
            Some(at) if self.entries[place].0 != at => {
                self.entries[place].0 = at;
                self.restore(place);
            }
            None if place != NOWHERE => {
                self.swap(place, self.entries.len() - 1);
                self.entries.pop();
                self.places[owner] = NOWHERE;
                self.restore(place);
            }
            _ => {}
        }
    }

    /// Returns the earliest deadline.
    pub fn first(&self) -> Option<Instant> {
        self.entries.first().map(|(at, _)| *at)
    }

    /// Removes the earliest deadline and returns its owner.
    pub fn take(&mut self) -> Option<usize> {
        let (_, owner) = *self.entries.first()?;
        self.set(owner, None);
        Some(owner)
    }

    /// Removes the earliest deadline that is due and returns its owner.
    pub fn take_due(&mut self, now: Instant) -> Option<usize> {
        if self.first()? <= now { self.take() } else { None }
    }

    /// Returns the number of deadlines.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns true if there is no deadline.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Moves an entry up and down until the order is right.
    fn restore(&mut self, mut place: usize) {
        while place > 0 && place < self.entries.len() && self.entries[place] < self.entries[(place - 1) / 2] {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        loop {
            let mut least = place;
            for child in [2 * place + 1, 2 * place + 2] {
                if child < self.entries.len() && self.entries[child] < self.entries[least] {
                    least = child;
                }
            }
            if least == place {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.entries.swap(one, other);
        self.places[self.entries[one].1] = one;
        self.places[self.entries[other].1] = other;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::random::Random;

    #[test]
    fn the_first_is_the_earliest_of_those_that_hold_whatever_was_set_before() {
        let (start, mut random) = (Instant::now(), Random::new(7));
        let mut table = Timetable::default();
        let mut model: Vec<Option<Instant>> = vec![None; 40];
        for step in 0..20_000 {
            let owner = random.below(40);
            let at = (random.below(4) > 0).then(|| start + Duration::from_millis(step / 10 + random.below(50) as u64));
            table.set(owner, at);
            model[owner] = at;
            let now = start + Duration::from_millis(step / 10);
            if random.below(10) == 0 {
                let mut last = None;
                while let Some(owner) = table.take_due(now) {
                    let key = (model[owner].take().unwrap(), owner);
                    assert!(key.0 <= now && last.is_none_or(|last| last < key), "in order, and of equal ones by owner");
                    last = Some(key);
                }
                assert!(model.iter().flatten().all(|at| *at > now));
            }
            assert_eq!(table.first(), model.iter().flatten().min().copied());
            assert_eq!(table.len(), model.iter().flatten().count());
        }
    }
}
