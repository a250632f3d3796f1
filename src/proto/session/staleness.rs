//! The stale time: how long a server may send no message before its connection is replaced. Survives reconnections.

use std::time::Duration;

use super::policy::Stale;

/// Upper bound on a stale time that has been doubled.
const MAX_DOUBLED: Duration = Duration::from_secs(3600);

/// The setting, and the server's habits as far as they are known.
#[derive(Clone, Debug)]
pub(super) struct Staleness {
    setting: Stale,
    /// The dialect's stale time, for [`Stale::Auto`]; `None` = never stale.
    pub(super) stale_default: Option<Duration>,
    /// The longest time between two messages on one connection so far.
    longest_gap: Duration,
    /// Five times that. Multiplied only when it grows, which is seldom, and not for each message.
    tolerated_gap: Duration,
    /// Factor of the stale time: 1, doubled by each reconnection for silence that brought nothing useful.
    patience: u32,
    /// True if the latest connection was ended for silence.
    ended_stale: bool,
}

impl Staleness {
    pub(super) fn new(setting: Stale, stale_default: Option<Duration>) -> Self {
        Staleness {
            setting,
            stale_default,
            longest_gap: Duration::ZERO,
            tolerated_gap: Duration::ZERO,
            patience: 1,
            ended_stale: false,
        }
    }

    /// The current stale time; `None` = never stale.
    pub(super) fn limit(&self) -> Option<Duration> {
        match self.setting {
            Stale::Never => None,
            Stale::After(after) => Some(after),
            Stale::Auto => {
                let usual = self.stale_default?.max(self.tolerated_gap);
                if self.patience == 1 {
                    return Some(usual);
                }
                Some(usual.saturating_mul(self.patience).min(MAX_DOUBLED).max(usual))
            }
        }
    }

    /// Learns from a silence that ended with a message.
    pub(super) fn record_gap(&mut self, gap: Duration) {
        if gap > self.longest_gap {
            (self.longest_gap, self.tolerated_gap) = (gap, gap.saturating_mul(5));
        }
    }

    /// To be called for every useful message.
    pub(super) fn reset_patience(&mut self) {
        self.patience = 1;
    }

    /// Records the end of a connection: `stale` if for silence, `delivered` if it had a useful message.
    ///
    /// Two ends for silence in a row, without a useful message in between, show that reconnecting does not help, so
    /// the next silence may last twice as long. The duration of a connection is no evidence here: that of a dead server
    /// lasts exactly as long as our patience.
    pub(super) fn record_end(&mut self, stale: bool, delivered: bool) {
        if stale && self.ended_stale && !delivered {
            self.patience = self.patience.saturating_mul(2);
        }
        self.ended_stale = stale;
    }
}
