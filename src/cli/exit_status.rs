//! What the exit status says.

use wsmon::{Disconnect, Monitor};

/// What ended the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every server was shown as often as was asked for, given up or done.
    Done,
    /// `--duration` is over.
    Duration,
    /// A signal.
    Signal,
    /// The reader of stdout has gone.
    Closed,
}

/// All that the exit status depends on.
#[derive(Clone, Copy, Debug)]
pub struct RunOutcome {
    pub end: End,
    /// How many messages were asked for.
    pub count: Option<u64>,
    /// Whether `--duration` was given.
    pub duration: bool,
    /// Most messages of content received, and shown, of one server.
    pub received: u64,
    pub shown: u64,
    /// Whether anything was received at all, be it a greeting.
    pub heard: bool,
    /// Whether a server that delivered said goodbye with 1000 or 1001, and no reconnection was wanted.
    pub clean: bool,
    /// A gap in the saved data, or an error on stdout.
    pub lossy: bool,
}

impl RunOutcome {
    /// The exit status.
    pub fn status(&self) -> u8 {
        if self.lossy { 3 } else { u8::from(self.why().is_some()) }
    }

    /// Why the run failed, in words; `None` where it did not.
    pub fn why(&self) -> Option<String> {
        let reached = self.count.is_some_and(|count| self.shown >= count);
        let fine = reached
            || match self.end {
                End::Done => self.clean && self.count.is_none() && !self.duration && self.received > 0,
                End::Duration => self.received > 0 && self.count.is_none(),
                End::Signal => self.received > 0,
                // The reader has seen what it wanted: `wsmon | head -n 1` asks for the greeting.
                End::Closed => self.heard,
            };
        if fine {
            return None;
        }
        Some(match self.count {
            Some(count) => format!("only {} of {count} messages came", self.shown),
            None if self.received == 0 => "nothing was received".to_owned(),
            None => "every connection ended".to_owned(),
        })
    }
}

/// Whether a server that is done without a reconnection ended as servers should.
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
        heard: true,
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
            let nothing = RunOutcome { end, received: 0, shown: 0, heard: false, clean: true, ..RUN };
            assert_eq!(nothing.status(), 1, "{end:?}");
            let greeting = RunOutcome { heard: true, ..nothing };
            assert_eq!(greeting.status(), u8::from(end != End::Closed), "{end:?}");
        }
    }

    #[test]
    fn connections_that_ended_are_failure_unless_the_server_said_goodbye_and_nothing_more_was_asked() {
        assert_eq!(RUN.status(), 1);
        assert_eq!(RunOutcome { clean: true, ..RUN }.status(), 0);
        assert_eq!(RunOutcome { clean: true, duration: true, ..RUN }.status(), 1);
    }

    #[test]
    fn a_loss_of_what_was_to_be_kept_is_worse_than_all_else() {
        assert_eq!(RunOutcome { lossy: true, count: Some(5), ..RUN }.status(), 3);
    }
}
