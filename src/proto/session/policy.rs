//! The user's settings of a session: reconnection, pings, staleness.

use std::time::Duration;

use crate::model::time::LONGEST_WAIT;

/// The silence after which to reconnect although pings are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stale {
    /// Never.
    Never,
    /// After a fixed time.
    After(Duration),
    /// The larger of the dialect's default and five times the longest gap between messages. It doubles, up to an
    /// hour, after each reconnection that it caused and that brought no message.
    Auto,
}

/// The settings of a session. The defaults are those of the command line.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Limit of reconnections in a row without a useful session; `None` = no limit, 0 = no reconnection.
    pub max_reconnects: Option<u32>,
    /// The first wait is between half of this and this; it doubles with each failure.
    pub reconnect_interval: Duration,
    /// Upper bound on the wait. A Retry-After may ask for ten times as long, and an hour at most.
    pub reconnect_cap: Duration,
    /// Limit for name, TCP, TLS and upgrade together.
    pub connect_timeout: Duration,
    /// Time between two pings; `None` or zero = no pings.
    pub ping_interval: Option<Duration>,
    /// Limit for any frame to arrive after a ping, and for a write to make progress.
    pub ping_timeout: Duration,
    /// The silence that ends a connection although pings are answered.
    pub stale: Stale,
}

/// Lower bound on the wait before a reconnection.
pub(super) const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// Upper bound on a wait that the server asked for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

impl Default for Policy {
    fn default() -> Self {
        Policy {
            max_reconnects: None,
            reconnect_interval: Duration::from_secs(5),
            reconnect_cap: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            ping_interval: Some(Duration::from_secs(30)),
            ping_timeout: Duration::from_secs(10),
            stale: Stale::Auto,
        }
    }
}

impl Policy {
    /// Limits every duration to [`LONGEST_WAIT`] and reads zero as never. A program may pass `Duration::MAX` for never, and
    /// the session adds durations to instants without checking for overflow.
    pub(super) fn clamp(&mut self) {
        self.reconnect_cap = self.reconnect_cap.min(LONGEST_WAIT);
        self.connect_timeout = self.connect_timeout.min(LONGEST_WAIT);
        self.ping_timeout = self.ping_timeout.min(LONGEST_WAIT);
        self.ping_interval = self.ping_interval.filter(|every| !every.is_zero()).map(|every| every.min(LONGEST_WAIT));
        match &mut self.stale {
            Stale::After(Duration::ZERO) => self.stale = Stale::Never,
            Stale::After(after) => *after = (*after).min(LONGEST_WAIT),
            Stale::Never | Stale::Auto => {}
        }
    }

    /// The wait after n failures in a row: half of d = min(cap, interval·2ⁿ) plus a random part of the other half.
    /// `jitter` is from 0 to 1.
    pub(super) fn backoff(&self, failures: u32, jitter: f64) -> Duration {
        spread(self.reconnect_interval.saturating_mul(2u32.saturating_pow(failures)).min(self.reconnect_cap), jitter)
    }

    /// The wait after however many failures.
    pub(super) fn longest_wait(&self, jitter: f64) -> Duration {
        spread(self.reconnect_cap, jitter)
    }

    /// The longer of our wait and the one that the server asked for, within bounds: over plain `ws` anybody on the path
    /// can ask.
    pub(super) fn no_sooner(&self, wait: Duration, retry_after: Duration) -> Duration {
        wait.max(retry_after.min(self.reconnect_cap.saturating_mul(10)).min(LONGEST_RETRY_AFTER))
    }
}

/// Half of the wait plus a random part of the other half.
fn spread(longest: Duration, jitter: f64) -> Duration {
    (longest / 2 + (longest / 2).mul_f64(jitter)).max(SHORTEST_WAIT)
}

/// The wait after the ordinary end of a useful session: 0.1 to 1 second.
pub(super) fn routine_wait(jitter: f64) -> Duration {
    SHORTEST_WAIT + Duration::from_millis(900).mul_f64(jitter)
}
