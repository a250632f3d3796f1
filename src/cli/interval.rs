//! The times of a report that comes again and again.

use std::time::Duration;

/// A report every so often, in time since the start of the run.
#[cfg_attr(test, derive(Debug))]
pub struct Interval {
    every: Duration,
    due_at: Duration,
}

impl Interval {
    /// Makes one whose first report is due after `every`, which is not zero.
    pub fn new(every: Duration) -> Self {
        Interval { every, due_at: every }
    }

    /// Returns the time since the start at which the next report is due.
    pub fn due_at(&self) -> Duration {
        self.due_at
    }

    /// Returns true if a report is due, and schedules the next one. Those that were missed do not come in a row: after a
    /// suspend, or a gap in saved data, there is one.
    pub fn take_due(&mut self, elapsed: Duration) -> bool {
        if elapsed < self.due_at {
            return false;
        }
        self.due_at = self.due_at.saturating_add(self.every);
        if self.due_at <= elapsed {
            self.due_at = elapsed.saturating_add(self.every);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_keep_their_rhythm_and_missed_ones_are_one() {
        let mut interval = Interval::new(Duration::from_millis(100));
        let due: Vec<u64> = [0, 99, 100, 101, 210, 299, 300, 1000, 1001, 1099, 1100, 1200]
            .into_iter()
            .filter(|&elapsed| interval.take_due(Duration::from_millis(elapsed)))
            .collect();
        assert_eq!(due, [100, 210, 300, 1000, 1100, 1200]);
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        let mut interval = Interval::new(Duration::MAX - Duration::from_secs(1));
        assert!(interval.take_due(Duration::MAX));
        assert_eq!(interval.due_at(), Duration::MAX);
    }
}
