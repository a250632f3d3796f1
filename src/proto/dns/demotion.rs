//! The addresses of a name that could be connected to and were of no use: they are tried after all others.
//!
//! Happy Eyeballs judges an address by its TCP connection alone. Behind a broken tunnel or a dead balancer TCP succeeds,
//! and the same address would win every race.

use std::net::SocketAddr;

use crate::model::error::{Disconnect, Retry};

/// Upper bound on the addresses kept; the first goes first.
const MAX_DEMOTED: usize = 16;

/// The address of a connection, and what else the name has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub address: SocketAddr,
    /// Addresses that may be tried instead, in order.
    pub rivals: Vec<SocketAddr>,
    /// False where the lookup was still to bring more.
    pub all_known: bool,
}

/// The demoted addresses of one server, from the first to the latest failure.
#[derive(Debug, Default)]
pub struct Demotions(Vec<Demoted>);

#[derive(Debug)]
struct Demoted {
    address: SocketAddr,
    /// Its failure was a refusal that a retry does not change.
    has_refused: bool,
}

impl Demotions {
    /// Lists the addresses in the order in which to try them, after all others.
    #[must_use]
    pub fn order(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|demoted| demoted.address).collect()
    }

    /// Forgets all failures, after a useful session.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Demotes an address whose tunnel, TLS or upgrade failed or whose session was useless, and adds to `why` what
    /// the other addresses mean for it.
    ///
    /// A refusal is final only if every address has refused. A wait that this address asked for says nothing about one
    /// that has not been tried. The text names the next address.
    pub fn demote(&mut self, choice: &Choice, why: &mut Disconnect) {
        // An error on this side says nothing about the address.
        if why.retry == Retry::Final {
            return;
        }
        self.0.retain(|demoted| demoted.address != choice.address);
        if self.0.len() == MAX_DEMOTED {
            self.0.remove(0);
        }
        let has_refused = why.retry == Retry::FinalUnlessUseful;
        self.0.push(Demoted { address: choice.address, has_refused });
        let untried = choice.rivals.iter().find(|rival| !self.0.iter().any(|demoted| demoted.address == **rival));
        // A name that has ever other addresses is refused by as many as are kept.
        let is_full = self.0.len() == MAX_DEMOTED;
        let of_name = |demoted: &&Demoted| is_full || choice.rivals.contains(&demoted.address);
        let all_refused = self.0.iter().filter(of_name).all(|demoted| demoted.has_refused);
        if has_refused && all_refused && (is_full || untried.is_none() && choice.all_known) {
            return;
        }
        if has_refused || untried.is_some() {
            why.retry = Retry::Usual;
        }
        let demoted = self.0.iter().map(|demoted| &demoted.address).find(|address| choice.rivals.contains(address));
        if let Some(next) = untried.or(demoted) {
            why.text = format!("{}; next {next}", why.text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::Phase;
    use std::time::Duration;

    fn at(number: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, number], 9))
    }

    /// Demotes `address` with these others; returns the text and the effect.
    fn demote(demotions: &mut Demotions, address: u8, rivals: &[u8], retry: Retry) -> (String, Retry) {
        let rivals = rivals.iter().map(|number| at(*number)).collect();
        let mut why = Disconnect { retry, ..*Disconnect::new(Phase::Upgrade, "why") };
        demotions.demote(&Choice { address: at(address), rivals, all_known: true }, &mut why);
        (why.text, why.retry)
    }

    fn next(number: u8, retry: Retry) -> (String, Retry) {
        (format!("why; next 10.0.0.{number}:9"), retry)
    }

    const REFUSED: Retry = Retry::FinalUnlessUseful;
    const LATER: Retry = Retry::After(Duration::from_secs(60));

    #[test]
    fn a_refusal_is_final_once_every_address_has_refused() {
        let mut demotions = Demotions::default();
        assert_eq!(demote(&mut demotions, 1, &[2, 3], REFUSED), next(2, Retry::Usual));
        assert_eq!(demote(&mut demotions, 2, &[3, 1], Retry::Usual), next(3, Retry::Usual));
        assert_eq!(demote(&mut demotions, 3, &[1, 2], REFUSED), next(1, Retry::Usual));
        assert_eq!(demote(&mut demotions, 1, &[2, 3], REFUSED), next(2, Retry::Usual));
        assert_eq!(demote(&mut demotions, 2, &[3, 1], REFUSED), ("why".into(), REFUSED));
        assert_eq!(demotions.order(), [at(3), at(1), at(2)]);
    }

    #[test]
    fn the_only_address_decides_alone() {
        let mut demotions = Demotions::default();
        for retry in [REFUSED, LATER, Retry::Usual, Retry::Final] {
            assert_eq!(demote(&mut demotions, 1, &[], retry), ("why".into(), retry));
        }
    }

    #[test]
    fn a_refusal_is_not_final_while_other_addresses_may_be_found() {
        let mut why = Disconnect { retry: REFUSED, ..*Disconnect::new(Phase::Upgrade, "why") };
        let choice = Choice { address: at(1), rivals: Vec::new(), all_known: false };
        Demotions::default().demote(&choice, &mut why);
        assert_eq!((&*why.text, why.retry), ("why", Retry::Usual));
    }

    #[test]
    fn a_wait_that_one_address_asks_for_does_not_delay_the_others() {
        let mut demotions = Demotions::default();
        assert_eq!(demote(&mut demotions, 1, &[2], LATER), next(2, Retry::Usual));
        assert_eq!(demote(&mut demotions, 2, &[1], LATER), next(1, LATER));
    }

    #[test]
    fn an_error_on_this_side_demotes_nothing() {
        let mut demotions = Demotions::default();
        assert_eq!(demote(&mut demotions, 1, &[2], Retry::Final), ("why".into(), Retry::Final));
        assert_eq!(demotions.order(), []);
    }

    #[test]
    fn after_a_useful_session_every_address_is_as_good_as_the_others() {
        let mut demotions = Demotions::default();
        demote(&mut demotions, 1, &[2], REFUSED);
        demotions.clear();
        assert_eq!(demotions.order(), []);
        assert_eq!(demote(&mut demotions, 2, &[1], REFUSED), next(1, Retry::Usual));
    }

    #[test]
    fn a_name_that_changes_its_addresses_for_ever_is_refused_in_the_end() {
        let mut demotions = Demotions::default();
        let effects: Vec<_> = (0..20).map(|n| demote(&mut demotions, n, &[n + 1], REFUSED).1).collect();
        assert_eq!(effects.iter().position(|retry| *retry == REFUSED), Some(MAX_DEMOTED - 1));
        assert_eq!(demotions.order().len(), MAX_DEMOTED);
    }
}
