//! How long a server may say nothing: what its earlier connections have taught. Survives a reconnection.

use std::time::Duration;

use super::policy::Stale;

/// What the doubling ends at.
const LONGEST: Duration = Duration::from_secs(3600);

/// What is known about a server's silences.
#[derive(Clone, Debug)]
pub(super) struct Staleness {
    stale: Stale,
    /// What the dialect thinks too long; `None` = it does not mind.
    pub(super) figure: Option<Duration>,
    longest_gap: Duration,
    /// 1, doubled after each reconnection that silence caused in vain.
    patience: u32,
    /// Whether silence caused the latest reconnection.
    caused: bool,
}

impl Staleness {
    pub(super) fn new(stale: Stale, figure: Option<Duration>) -> Self {
        Staleness { stale, figure, longest_gap: Duration::ZERO, patience: 1, caused: false }
    }

    /// How long a silence is borne; `None` = for ever.
    pub(super) fn limit(&self) -> Option<Duration> {
        match self.stale {
            Stale::Never => None,
            Stale::After(after) => Some(after),
            Stale::Auto => {
                let usual = self.figure?.max(self.longest_gap.saturating_mul(5));
                Some(usual.saturating_mul(self.patience).min(LONGEST).max(usual))
            }
        }
    }

    /// So long the server said nothing, and all was well.
    pub(super) fn was(&mut self, gap: Duration) {
        self.longest_gap = self.longest_gap.max(gap);
    }

    /// The server has said something of use.
    pub(super) fn broken(&mut self) {
        self.patience = 1;
    }

    /// A connection has ended, because of silence or not, and has delivered something of use or not. That it lasted
    /// proves nothing here: a dead server's connection lasts as long as our patience.
    pub(super) fn judge(&mut self, stale: bool, delivered: bool) {
        if stale && self.caused && !delivered {
            self.patience = self.patience.saturating_mul(2);
        }
        self.caused = stale;
    }
}
