//! Detection of jumps between the two clocks: a suspend of the machine, or a step of the wall clock.

use std::time::{Duration, Instant};

use crate::model::time::Now;

/// The clocks may differ this much about the length of a turn; more is a jump of one of them.
const TOLERANCE: Duration = Duration::from_secs(5);
/// Jumps that follow another one within this time are ignored, since each makes all peers ping.
const APART: Duration = Duration::from_secs(60);

/// Remembers the latest jump.
#[derive(Debug, Default)]
pub struct ClockJumps {
    latest: Option<Instant>,
}

impl ClockJumps {
    /// Returns how far one clock has moved against the other between two readings, if that is a jump to act on.
    pub fn detect(&mut self, before: Now, now: Now) -> Option<Duration> {
        let mono = now.mono - before.mono;
        let jump = match now.wall.duration_since(before.wall) {
            Ok(wall) => wall.abs_diff(mono),
            Err(backwards) => backwards.duration() + mono,
        };
        let recent = self.latest.is_some_and(|at| now.mono - at < APART);
        if jump <= TOLERANCE || recent {
            return None;
        }
        self.latest = Some(now.mono);
        Some(jump)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn a_jump_in_either_direction_is_detected_once_a_minute() {
        let start = Now { mono: Instant::now(), wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1000) };
        let seconds = Duration::from_secs;
        let after = |mono, wall| Now { mono: start.mono + seconds(mono), wall: SystemTime::UNIX_EPOCH + seconds(wall) };
        for (mono, wall, jump) in
            [(3600, 4600, None), (10, 1015, None), (10, 1016, Some(6)), (10, 1000, Some(10)), (10, 900, Some(110))]
        {
            assert_eq!(ClockJumps::default().detect(start, after(mono, wall)), jump.map(seconds), "{mono} {wall}");
        }
        let mut jumps = ClockJumps::default();
        assert!(jumps.detect(start, after(1, 2000)).is_some());
        assert!(jumps.detect(start, after(60, 2000)).is_none(), "within a minute");
        assert!(jumps.detect(start, after(61, 2000)).is_some());
    }
}
