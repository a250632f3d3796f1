//! What holds for one open connection.

use std::time::{Duration, Instant};

use super::Action;
use super::silence::Staleness;

/// A session that lasted this long was useful whatever it delivered.
const USEFUL_AFTER: Duration = Duration::from_secs(30);

/// An open connection and what it has to do by when. Nothing of it survives.
#[derive(Clone, Debug)]
pub(super) struct Open {
    since: Instant,
    pub(super) ping_at: Option<Instant>,
    /// Any frame must have come by then.
    pub(super) pong_by: Option<Instant>,
    /// A message must have come by then, but while a ping is unanswered that comes first.
    pub(super) stale_at: Option<Instant>,
    pub(super) last_message: Instant,
    /// Whether there was more than greetings and keep-alives.
    pub(super) delivered: bool,
    /// Only its pong tells the round trip.
    pub(super) latest_ping: Option<(u64, Instant)>,
}

impl Open {
    pub(super) fn new(now: Instant, ping_interval: Option<Duration>) -> Self {
        Open {
            since: now,
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

    /// The round trip, where it is the latest ping's pong.
    pub(super) fn pong(&mut self, now: Instant, number: u64) -> Option<Duration> {
        self.alive();
        self.latest_ping.take_if(|(latest, _)| *latest == number).map(|(_, at)| now - at)
    }

    /// Not where one is under way, nor where pings are not wanted at all.
    pub(super) fn wants_a_ping(&self) -> bool {
        self.ping_at.is_some() && self.pong_by.is_none()
    }

    pub(super) fn expect_message(&mut self, silence: &Staleness) {
        self.stale_at = silence.limit().map(|limit| self.last_message + limit);
    }

    pub(super) fn ended(&self, now: Instant) -> Ended {
        Ended { lasted: now - self.since >= USEFUL_AFTER, delivered: self.delivered }
    }
}

/// What an open connection came to.
#[derive(Clone, Copy)]
pub(super) struct Ended {
    pub(super) lasted: bool,
    pub(super) delivered: bool,
}

impl Ended {
    pub(super) fn useful(self) -> bool {
        self.lasted || self.delivered
    }
}
