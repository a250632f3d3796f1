//! How a session behaves, as the command line or the program says.

use std::time::Duration;

/// When to reconnect because no message came although the connection is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Never.
    Never,
    /// After a fixed time.
    After(Duration),
    /// After the larger of the dialect's figure and five times the longest gap seen; doubled, up to an hour, after
    /// each reconnection that it caused in vain.
    Auto,
}

/// How a session behaves. The defaults are those of the command line.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Reconnections in a row without a useful session before giving up; `None` = no limit, 0 = none.
    pub max_reconnects: Option<u32>,
    /// The first wait is between half of this and this; it doubles with each failure.
    pub reconnect_interval: Duration,
    /// No wait is longer, but for a Retry-After.
    pub reconnect_cap: Duration,
    /// For name, TCP, TLS and upgrade together.
    pub connect_timeout: Duration,
    /// Between two pings; `None` or zero = no pings.
    pub ping_interval: Option<Duration>,
    /// How long any frame may take to arrive after a ping, and a write to make progress.
    pub ping_timeout: Duration,
    /// When silence ends a connection that answers pings.
    pub stale: Stale,
}

/// No wait is shorter.
pub(super) const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// No wish of a server for a longer wait is heard.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// No duration is longer: an instant plus it is always an instant.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

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
    /// Keeps it within what a clock can bear: a program may well say `Duration::MAX` and mean never.
    pub(super) fn bound(&mut self) {
        self.reconnect_cap = self.reconnect_cap.min(LONGEST);
        self.connect_timeout = self.connect_timeout.min(LONGEST);
        self.ping_timeout = self.ping_timeout.min(LONGEST);
        self.ping_interval = self.ping_interval.filter(|every| !every.is_zero()).map(|every| every.min(LONGEST));
        match &mut self.stale {
            Stale::After(Duration::ZERO) => self.stale = Stale::Never,
            Stale::After(after) => *after = (*after).min(LONGEST),
            Stale::Never | Stale::Auto => {}
        }
    }

    /// The wait after so many failures: half of d = min(cap, base·2ⁿ) and a random part of the other half.
    pub(super) fn backoff(&self, failures: u32, jitter: f64) -> Duration {
        let most = self.reconnect_interval.saturating_mul(2u32.saturating_pow(failures)).min(self.reconnect_cap);
        (most / 2 + (most / 2).mul_f64(jitter)).max(SHORTEST_WAIT)
    }
}

/// The wait after the ordinary end of a useful session.
pub(super) fn routine_wait(jitter: f64) -> Duration {
    SHORTEST_WAIT + Duration::from_millis(900).mul_f64(jitter)
}

/// The wait, or the longer one that the server asked for.
pub(super) fn no_sooner(wait: Duration, least: Duration) -> Duration {
    wait.max(least.min(LONGEST_RETRY_AFTER))
}
