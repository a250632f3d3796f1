//! The clocks of this machine, and a clock that times of receipt set.

use std::time::{Duration, Instant, SystemTime};

use crate::model::number::push_timestamp;
use crate::model::time::Now;

/// Reads both clocks. The wall clock is cut to milliseconds: so it is written everywhere, and saved data then reads as the
/// live output did.
pub fn read_clock() -> Now {
    let since = since_epoch();
    let wall = SystemTime::UNIX_EPOCH + Duration::new(since.as_secs(), since.subsec_millis() * 1_000_000);
    Now { mono: monotonic(), wall }
}

/// Reads the wall clock: the time since 1970.
#[cfg(not(all(target_env = "musl", target_pointer_width = "32", not(libc_unstable_musl_v1_2))))]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Reads the wall clock: the time since 1970. A prebuilt standard library for musl has 32 bits for it there, and ends the
/// program in January 2038; with the other setting of the crate libc it is built for 64 bits.
#[cfg(all(target_env = "musl", target_pointer_width = "32", not(libc_unstable_musl_v1_2)))]
fn since_epoch() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}

/// Returns the present time as RFC 3339 in UTC with milliseconds.
pub fn timestamp() -> String {
    let mut out = String::new();
    push_timestamp(&mut out, read_clock().wall);
    out
}

/// Reads the monotonic clock, within a turn of the loop.
pub fn monotonic() -> Instant {
    Instant::now()
}

/// A clock that goes by the times at which messages were received, for deadlines and durations among them.
#[derive(Clone, Copy, Debug)]
pub struct RecordedClock {
    now: Now,
    started: Option<Instant>,
}

impl RecordedClock {
    /// Makes a clock whose monotonic side begins at `now`. The wall clock begins with the first time.
    pub fn new(now: Now) -> Self {
        RecordedClock { now, started: None }
    }

    /// Sets the clock to the next time. A wall clock that was set back moves the monotonic side by nothing, and forwards
    /// from there: it neither goes back nor stands still until the old time is reached again.
    pub fn advance(&mut self, wall: SystemTime) -> Now {
        let passed = match self.started {
            None => Duration::ZERO,
            Some(_) => wall.duration_since(self.now.wall).unwrap_or_default(),
        };
        let mono = self.now.mono.checked_add(passed).unwrap_or(self.now.mono);
        self.started.get_or_insert(mono);
        self.now = Now { mono, wall };
        self.now
    }

    /// The latest time.
    pub fn now(&self) -> Now {
        self.now
    }

    /// The first time, by the monotonic side; the latest one if there is none.
    pub fn started(&self) -> Instant {
        self.started.unwrap_or(self.now.mono)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_goes_on_from_there() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let start = read_clock();
        let mut clock = RecordedClock::new(start);
        let passed: Vec<_> = [1000, 1010, 400, 405, 405, 2000, u64::MAX >> 2]
            .map(|seconds| {
                clock.advance(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(at(2000)))
            })
            .map(|now| (now.mono - start.mono).as_secs())
            .into();
        assert_eq!(passed[..6], [0, 10, 10, 15, 15, 1610]);
        assert_eq!((clock.started(), clock.advance(at(3)).wall), (start.mono, at(3)));
    }
}
