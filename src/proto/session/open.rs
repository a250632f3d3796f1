//! The state of one open connection.

use std::time::{Duration, Instant};

use super::Action;
use super::staleness::Staleness;

/// A connection that lasted this long counts as useful even without useful messages.
const USEFUL_AFTER: Duration = Duration::from_secs(30);

/// An open connection with its deadlines. None of it survives a reconnection.
#[derive(Clone, Debug)]
pub(super) struct Open {
    opened_at: Instant,
    pub(super) ping_at: Option<Instant>,
    /// Time by which any frame must have arrived.
    pub(super) pong_by: Option<Instant>,
    /// Time by which a message must have arrived. While a ping is unanswered, only `pong_by` counts.
    pub(super) stale_at: Option<Instant>,
    pub(super) last_message: Instant,
    /// True once a useful message has arrived: more than greetings and keep-alives.
    pub(super) delivered: bool,
    /// Number and time of the latest ping, until its pong arrives: only that gives a round-trip time.
    pub(super) latest_ping: Option<(u64, Instant)>,
}

impl Open {
    pub(super) fn new(now: Instant, ping_interval: Option<Duration>) -> Self {
        Open {
            opened_at: now,
            ping_at: ping_interval.map(|interval| now + interval),
            pong_by: None,
            stale_at: None,
            last_message: now,
            delivered: false,
            latest_ping: None,
        }
    }

    pub(super) fn alive(&mut self) -> Action {
        self.pong_by = None;
        Action::Nothing
    }

    /// Returns the round-trip time if this is the pong of the latest ping.
    pub(super) fn pong(&mut self, now: Instant, number: u64) -> Option<Duration> {
        self.alive();
        self.latest_ping.take_if(|(latest, _)| *latest == number).map(|(_, at)| now - at)
    }

    /// True if pings are enabled and none is unanswered.
    pub(super) fn wants_a_ping(&self) -> bool {
        self.ping_at.is_some() && self.pong_by.is_none()
    }

    pub(super) fn reset_stale_at(&mut self, staleness: &Staleness) {
        self.stale_at = staleness.limit().map(|limit| self.last_message + limit);
    }

    pub(super) fn ended(&self, now: Instant) -> Ended {
        Ended { lasted: now - self.opened_at >= USEFUL_AFTER, delivered: self.delivered }
    }
}

/// Summary of a connection that has ended.
#[derive(Clone, Copy)]
pub(super) struct Ended {
    pub(super) lasted: bool,
    pub(super) delivered: bool,
}

impl Ended {
    pub(super) fn is_useful(self) -> bool {
        self.lasted || self.delivered
    }
}
