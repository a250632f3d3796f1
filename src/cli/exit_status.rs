//! The exit status, and the reason of a failure in words.

use signal_hook::consts::{SIGHUP, SIGTERM};
use wsmon::{Disconnect, Monitor};

/// The event that ended the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every server is done: its `--count` is reached, it was given up, or it ended without reconnection.
    Done,
    /// `--duration` has passed.
    Duration,
    /// All saved data was read.
    Read,
    /// A signal, by its number.
    Signal(i32),
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
    /// Servers that must have delivered, or reached the count.
    pub required: usize,
    /// Servers that delivered, see [`Monitor::nothing_delivered`].
    pub delivered: usize,
    /// Servers that delivered or sent any message, including greetings.
    pub heard: usize,
    /// Servers of which as many messages were shown as `--count` asks for; of those in a table only servers that delivered.
    pub complete: usize,
    /// Messages shown of the server of which the most were shown.
    pub shown: u64,
    /// True if a server closed with 1000 or 1001 and `--no-reconnect` was given.
    pub clean: bool,
    /// True if saved data has a gap, or stdout or the textfile failed.
    pub lossy: bool,
}

impl RunOutcome {
    /// The exit status.
    pub fn status(&self) -> u8 {
        if self.lossy { 3 } else { u8::from(self.why().is_some()) }
    }

    /// The reason of a failure in words; `None` on success.
    pub fn why(&self) -> Option<String> {
        let delivered = self.delivered >= self.required;
        let success = self.count.is_some() && self.complete >= self.required
            || match self.end {
                End::Done => self.clean && self.count.is_none() && !self.duration && delivered,
                End::Duration | End::Read => self.count.is_none() && delivered,
                // The usual end of a service, whatever came: systemd and `docker stop` send it.
                End::Signal(SIGTERM | SIGHUP) => true,
                End::Signal(_) => delivered,
                // A greeting suffices: it is the line that `wsmon | head -n 1` reads.
                End::Closed => self.heard >= self.required,
            };
        if success {
            return None;
        }
        let RunOutcome { required, delivered, complete, shown, .. } = self;
        let s = if self.count == Some(1) { "" } else { "s" };
        Some(match self.count.filter(|count| *delivered > 0 || shown < count) {
            Some(count) if *complete > 0 => format!("only {complete} of {required} servers sent {count} message{s}"),
            Some(count) => format!("only {shown} of {count} message{s} came"),
            None if *delivered == 0 => "nothing was received".to_owned(),
            None if delivered < required => format!("only {delivered} of {required} servers delivered"),
            None => "every connection ended".to_owned(),
        })
    }

    /// The signal that the process ends by after its clean-up: that which cut short a run with a count or a duration, so
    /// that a shell sees it, and `&&` and loops stop.
    pub fn ended_by(&self) -> Option<i32> {
        let reached = self.count.is_some() && self.complete >= self.required;
        match self.end {
            End::Signal(signal) if (self.count.is_some() || self.duration) && !reached && !self.lossy => Some(signal),
            _ => None,
        }
    }
}

/// Returns true if a server ended its only connection with a Close frame of 1000 or 1001.
pub fn is_clean(monitor: &Monitor, no_reconnect: bool) -> bool {
    no_reconnect && monitor.ids().any(|id| monitor.last_disconnect(id).is_some_and(Disconnect::is_clean))
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::SIGINT;

    use super::*;

    const RUN: RunOutcome = RunOutcome {
        end: End::Done,
        count: None,
        duration: false,
        required: 1,
        delivered: 1,
        heard: 1,
        complete: 0,
        shown: 5,
        clean: false,
        lossy: false,
    };
    const ENDS: [End; 4] = [End::Done, End::Duration, End::Signal(SIGINT), End::Closed];

    #[test]
    fn a_count_that_is_reached_is_success_however_the_run_ended() {
        for end in ENDS {
            assert_eq!(RunOutcome { end, count: Some(5), complete: 1, ..RUN }.status(), 0, "{end:?}");
        }
    }

    #[test]
    fn a_count_that_is_not_reached_is_failure_unless_somebody_ended_the_run() {
        for (end, status) in [(End::Done, 1), (End::Duration, 1), (End::Signal(SIGINT), 0), (End::Closed, 0)] {
            assert_eq!(RunOutcome { end, count: Some(6), clean: true, ..RUN }.status(), status, "{end:?}");
        }
    }

    #[test]
    fn nothing_received_is_failure_however_the_run_ended() {
        for end in ENDS {
            let nothing = RunOutcome { end, delivered: 0, heard: 0, shown: 0, clean: true, ..RUN };
            assert_eq!(nothing.status(), 1, "{end:?}");
            let greeting = RunOutcome { heard: 1, ..nothing };
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
    fn as_many_servers_must_have_delivered_as_are_required_however_the_run_ended() {
        for end in ENDS {
            for (required, delivered) in [(1, 1), (1, 3), (2, 1), (2, 2), (3, 2), (3, 3), (2, 0)] {
                let run = RunOutcome { end, required, delivered, heard: delivered, clean: true, ..RUN };
                assert_eq!(run.status(), u8::from(delivered < required), "{run:?}");
                let counted = RunOutcome { count: Some(5), complete: delivered, ..run };
                assert_eq!(counted.status(), u8::from(delivered < required), "{counted:?}");
            }
        }
    }

    #[test]
    fn a_failure_says_what_is_missing() {
        let missing = RunOutcome { end: End::Duration, required: 3, delivered: 2, ..RUN };
        for (run, why) in [
            (RunOutcome { delivered: 0, ..missing }, "nothing was received"),
            (missing, "only 2 of 3 servers delivered"),
            (RunOutcome { count: Some(9), ..missing }, "only 5 of 9 messages came"),
            (RunOutcome { count: Some(5), delivered: 0, ..missing }, "nothing was received"),
            (RunOutcome { count: Some(5), complete: 1, ..missing }, "only 1 of 3 servers sent 5 messages"),
            (RunOutcome { count: Some(1), complete: 1, ..missing }, "only 1 of 3 servers sent 1 message"),
            (RunOutcome { end: End::Done, required: 1, ..missing }, "every connection ended"),
        ] {
            assert_eq!(run.why().as_deref(), Some(why));
        }
    }

    #[test]
    fn a_run_with_an_end_of_its_own_that_a_signal_cuts_short_ends_by_the_signal() {
        let cut = RunOutcome { end: End::Signal(SIGINT), ..RUN };
        let counted = RunOutcome { count: Some(6), ..cut };
        for (run, signal) in [
            (cut, None),
            (counted, Some(SIGINT)),
            (RunOutcome { duration: true, ..cut }, Some(SIGINT)),
            (RunOutcome { end: End::Signal(SIGTERM), ..counted }, Some(SIGTERM)),
            (RunOutcome { complete: 1, ..counted }, None),
            (RunOutcome { lossy: true, ..counted }, None),
            (RunOutcome { end: End::Duration, ..counted }, None),
        ] {
            assert_eq!(run.ended_by(), signal, "{run:?}");
        }
    }

    #[test]
    fn a_service_that_is_stopped_has_succeeded_whatever_came() {
        let nothing = RunOutcome { delivered: 0, heard: 0, shown: 0, ..RUN };
        for (signal, status) in [(SIGTERM, 0), (SIGHUP, 0), (SIGINT, 1)] {
            assert_eq!(RunOutcome { end: End::Signal(signal), ..nothing }.status(), status, "{signal}");
        }
    }

    #[test]
    fn lost_data_outweighs_any_success() {
        assert_eq!(RunOutcome { lossy: true, count: Some(5), complete: 1, ..RUN }.status(), 3);
    }
}
