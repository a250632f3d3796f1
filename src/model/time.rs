//! Reading of the clocks, and deadlines.

use std::time::{Duration, Instant, SystemTime};

/// Upper bound on every wait that a setting asks for: adding it to an instant does not overflow.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// One reading of both clocks. The event loop takes one per turn and passes it down, so that everything in a turn
/// happens at the same time and tests can choose the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Now {
    /// Monotonic clock, for deadlines and durations.
    pub mono: Instant,
    /// Wall clock, for time stamps that people read. It may jump.
    pub wall: SystemTime,
}

/// Returns true if an RFC 3339 time stamp says how far its clock is from UTC, by `Z` or by an offset.
pub fn has_zone(stamp: &str) -> bool {
    stamp.get("2026-01-02T03:04:05".len()..).is_some_and(|rest| rest.contains(['Z', 'z', '+', '-']))
}

/// Returns the end of a wait that a setting asks for, of at most [`LONGEST_WAIT`]: a program may give `Duration::MAX` for
/// never.
pub fn after(now: Instant, wait: Duration) -> Instant {
    now + wait.min(LONGEST_WAIT)
}

/// Returns the earlier of two deadlines; `None` stands for no deadline.
pub fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_later_than_any() {
        let now = Instant::now();
        let later = Some(now + Duration::from_secs(1));
        assert_eq!(earliest(Some(now), later), Some(now));
        assert_eq!(earliest(later, Some(now)), Some(now));
        assert_eq!(earliest(None, later), later);
        assert_eq!(earliest(later, None), later);
        assert_eq!(earliest(None, None), None);
    }
}
