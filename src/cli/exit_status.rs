//! The exit status, and the reason of a failure in words.

use wsmon::{Disconnect, Monitor};

/// The event that ended the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every server is done: its `--count` is reached, it was given up, or it ended without reconnection.
    Done,
    /// `--duration` has passed.
    Duration,
    /// A signal.
    Signal,
    /// The reader of stdout closed it.
    Closed,
}

/// Everything that the exit status depends on.
#[derive(Clone, Copy, Debug)]
pub struct RunOutcome {
    pub end: End,
    /// The value of `--count`.
    pub count: Option<u64>,
    /// True if `--duration` was given.
    pub duration: bool,
    /// Messages of content received from the server that sent the most.
    pub received: u64,
    /// Messages of content shown from the server of which the most were shown.
    pub shown: u64,
    /// True if any message was received, including greetings.
    pub any_received: bool,
    /// True if a server closed with 1000 or 1001 and `--no-reconnect` was given.
    pub clean: bool,
    /// True if saved data has a gap or stdout failed.
    pub lossy: bool,
}

impl RunOutcome {
    /// The exit status.
    pub fn status(&self) -> u8 {
        if self.lossy { 3 } else { u8::from(self.why().is_some()) }
    }

    /// The reason of a failure in words; `None` on success.
    pub fn why(&self) -> Option<String> {
        let reached = self.count.is_some_and(|count| self.shown >= count);
        let success = reached
            || match self.end {
                End::Done => self.clean && self.count.is_none() && !self.duration && self.received > 0,
                End::Duration => self.received > 0 && self.count.is_none(),
                End::Signal => self.received > 0,
                // A greeting suffices: it is the line that `wsmon | head -n 1` reads.
                End::Closed => self.any_received,
            };
        if success {
            return None;
        }
        Some(match self.count {
            Some(count) => format!("only {} of {count} messages came", self.shown),
            None if self.received == 0 => "nothing was received".to_owned(),
            None => "every connection ended".to_owned(),
        })
    }
}

/// Returns true if a server ended its only connection with a Close frame of 1000 or 1001.
pub fn is_clean(monitor: &Monitor, no_reconnect: bool) -> bool {
    no_reconnect && (0..monitor.len()).any(|id| monitor.last_disconnect(id).is_some_and(Disconnect::is_clean))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunOutcome = RunOutcome {
        end: End::Done,
        count: None,
        duration: false,
        received: 5,
        shown: 5,
        any_received: true,
        clean: false,
        lossy: false,
    };

    #[test]
    fn a_count_that_is_reached_is_success_however_the_run_ended() {
        for end in [End::Done, End::Duration, End::Signal, End::Closed] {
            assert_eq!(RunOutcome { end, count: Some(5), ..RUN }.status(), 0, "{end:?}");
        }
    }

    #[test]
    fn a_count_that_is_not_reached_is_failure_unless_somebody_ended_the_run() {
        for (end, status) in [(End::Done, 1), (End::Duration, 1), (End::Signal, 0), (End::Closed, 0)] {
            assert_eq!(RunOutcome { end, count: Some(6), clean: true, ..RUN }.status(), status, "{end:?}");
        }
    }

    #[test]
    fn nothing_received_is_failure_however_the_run_ended() {
        for end in [End::Done, End::Duration, End::Signal, End::Closed] {
            let nothing = RunOutcome { end, received: 0, shown: 0, any_received: false, clean: true, ..RUN };
            assert_eq!(nothing.status(), 1, "{end:?}");
            let greeting = RunOutcome { any_received: true, ..nothing };
            assert_eq!(greeting.status(), u8::from(end != End::Closed), "{end:?}");
        }
    }

    #[test]
    fn connections_that_ended_are_failure_unless_the_server_closed_cleanly_and_nothing_more_was_asked() {
        assert_eq!(RUN.status(), 1);
        assert_eq!(RunOutcome { clean: true, ..RUN }.status(), 0);
        assert_eq!(RunOutcome { clean: true, duration: true, ..RUN }.status(), 1);
    }

    #[test]
    fn lost_data_outweighs_any_success() {
        assert_eq!(RunOutcome { lossy: true, count: Some(5), ..RUN }.status(), 3);
    }
}
