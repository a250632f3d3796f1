//! Happy Eyeballs, RFC 8305, as a state machine: chooses the address to connect to.
//!
//! Addresses are tried in order, alternating between the families, each a little later than the one before; the first
//! connection wins. Demoted addresses, which were of no use before, come last, and no sooner than the others have had
//! time to connect. Time is an argument and sockets are the caller's, and so is the limit on the total time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::proto::dns::alternate_families;
use crate::proto::dns::demotion::Choice;

/// Time between two attempts: the Connection Attempt Delay, RFC 8305 section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Time between the latest attempt and that of a demoted address. It is longer than a connection takes on any working
/// network, with a retransmission, because the quickest wins: a broken tunnel is often nearer than the server.
const DEMOTED_DELAY: Duration = Duration::from_secs(2);
/// Upper bound on the addresses listed for one reason.
const MAX_LISTED: usize = 4;

/// An event, as the caller reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptInput {
    /// The deadline may have passed.
    Tick,
    /// More addresses have been found.
    Added(Vec<SocketAddr>),
    /// No more addresses will be found.
    NoMore,
    /// This attempt is connected.
    Connected(usize),
    /// This attempt failed, for this reason.
    Failed(usize, String),
}

/// An instruction to the caller; no input needs more than one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptAction {
    /// Wait for the deadline or the next event.
    Nothing,
    /// Start this attempt. An immediate failure is reported as an event, like any other.
    Start(usize, SocketAddr),
    /// Keep this attempt's connection and close all others.
    Won(usize),
    /// Give up: every address failed, for these reasons.
    Lost(String),
}

/// The state machine of one race, from the first attempt to the first connection.
#[derive(Debug)]
pub struct HappyEyeballs {
    /// Addresses to try last, in this order.
    demoted: Vec<SocketAddr>,
    /// Time between the latest attempt and that of a demoted address.
    demoted_delay: Duration,
    /// Addresses not tried yet, in order.
    untried: Vec<SocketAddr>,
    /// All attempts started; an attempt's number is its index.
    attempts: Vec<Attempt>,
    /// Start of the latest attempt, or of the race.
    started_at: Instant,
    /// No attempt has failed since the latest one was started: the next one waits.
    delayed: bool,
    more_expected: bool,
    is_done: bool,
}

#[derive(Debug)]
struct Attempt {
    address: SocketAddr,
    /// The reason of its failure; `None` while it is running.
    failure: Option<String>,
}

impl HappyEyeballs {
    /// Creates a race whose addresses are still expected, for a caller that gives up after `within`.
    #[must_use]
    pub fn begin(demoted: Vec<SocketAddr>, within: Duration, now: Instant) -> Self {
        HappyEyeballs {
            demoted,
            demoted_delay: DEMOTED_DELAY.min(within / 2),
            untried: Vec::new(),
            attempts: Vec::new(),
            started_at: now,
            delayed: false,
            more_expected: true,
            is_done: false,
        }
    }

    /// Handles one event. Events of ended attempts, and all events after the end, change nothing.
    pub fn handle(&mut self, now: Instant, input: AttemptInput) -> AttemptAction {
        if self.is_done {
            return AttemptAction::Nothing;
        }
        match input {
            AttemptInput::Tick => {}
            AttemptInput::Added(addresses) => self.add(addresses),
            AttemptInput::NoMore => self.more_expected = false,
            AttemptInput::Connected(number) if self.is_running(number) => {
                self.is_done = true;
                return AttemptAction::Won(number);
            }
            AttemptInput::Failed(number, why) if self.is_running(number) => {
                self.attempts[number].failure = Some(why);
                // RFC 8305 section 5: a failure starts the next attempt at once.
                self.delayed = false;
            }
            AttemptInput::Connected(_) | AttemptInput::Failed(..) => {}
        }
        self.advance(now)
    }

    /// The time of the next attempt; `None` when there is nothing to start.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let next = self.untried.first().filter(|_| !self.is_done)?;
        let running = self.any_running();
        Some(match self.is_demoted(next) {
            true if running || self.more_expected => self.started_at + self.demoted_delay,
            false if running && self.delayed => self.started_at + ATTEMPT_DELAY,
            _ => self.started_at,
        })
    }

    /// Returns the address of a connected attempt, and the others that may be tried instead of it.
    ///
    /// Those are the addresses that have not failed. Where this one is demoted, all others that are not had their
    /// chance before it.
    #[must_use]
    pub fn choice(&self, number: usize) -> Option<Choice> {
        let address = self.attempts.get(number)?.address;
        let is_demoted = self.is_demoted(&address);
        let running = self.attempts.iter().filter(|attempt| attempt.failure.is_none()).map(|attempt| &attempt.address);
        let mut rivals = Vec::new();
        for rival in running.chain(&self.untried) {
            if *rival != address && (!is_demoted || self.is_demoted(rival)) {
                rivals.push(*rival);
            }
        }
        Some(Choice { address, rivals, all_known: is_demoted || !self.more_expected })
    }

    /// Lists the addresses of running attempts: `[::1]:8765, 127.0.0.1:8765`.
    #[must_use]
    pub fn unfinished(&self) -> String {
        let mut running = Vec::new();
        for attempt in &self.attempts {
            if attempt.failure.is_none() {
                running.push(attempt.address);
            }
        }
        list(&running)
    }

    /// True before the first attempt.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Lists the failed addresses by reason: `[::1]:8765: connection refused`.
    #[must_use]
    pub fn failures(&self) -> String {
        let mut reasons: Vec<(&str, Vec<SocketAddr>)> = Vec::new();
        for attempt in &self.attempts {
            let Some(why) = attempt.failure.as_deref() else { continue };
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, addresses)) => addresses.push(attempt.address),
                None => reasons.push((why, vec![attempt.address])),
            }
        }
        let mut texts = Vec::new();
        for (why, addresses) in &reasons {
            texts.push(format!("{}: {why}", list(addresses)));
        }
        texts.join("; ")
    }

    /// Adds addresses, alternating between the families again, the demoted ones last. Each address is tried once.
    fn add(&mut self, addresses: Vec<SocketAddr>) {
        let known = self.untried.len();
        for address in addresses {
            let tried = self.attempts.iter().any(|attempt| attempt.address == address);
            if !tried && !self.untried[..known].contains(&address) {
                self.untried.push(address);
            }
        }
        // The family of the latest attempt does not come next.
        let v6_first = self.attempts.last().is_none_or(|attempt| attempt.address.is_ipv4());
        let untried = std::mem::take(&mut self.untried);
        let mut others = Vec::new();
        for address in &untried {
            if !self.is_demoted(address) {
                others.push(*address);
            }
        }
        self.untried = alternate_families(others, v6_first);
        for address in &self.demoted {
            if untried.contains(address) {
                self.untried.push(*address);
            }
        }
    }

    fn is_demoted(&self, address: &SocketAddr) -> bool {
        self.demoted.contains(address)
    }

    fn is_running(&self, number: usize) -> bool {
        self.attempts.get(number).is_some_and(|attempt| attempt.failure.is_none())
    }

    fn any_running(&self) -> bool {
        (0..self.attempts.len()).any(|number| self.is_running(number))
    }

    fn advance(&mut self, now: Instant) -> AttemptAction {
        let Some(next_at) = self.deadline() else {
            if self.any_running() || self.more_expected {
                return AttemptAction::Nothing;
            }
            self.is_done = true;
            return AttemptAction::Lost(self.failures());
        };
        if now < next_at {
            return AttemptAction::Nothing;
        }
        let address = self.untried.remove(0);
        self.attempts.push(Attempt { address, failure: None });
        (self.started_at, self.delayed) = (now, true);
        AttemptAction::Start(self.attempts.len() - 1, address)
    }
}

fn list(addresses: &[SocketAddr]) -> String {
    let mut listed = Vec::new();
    for address in addresses.iter().take(MAX_LISTED) {
        listed.push(address.to_string());
    }
    let rest = addresses.len() - listed.len();
    let listed = listed.join(", ");
    if rest > 0 { format!("{listed} and {rest} more") } else { listed }
}

#[cfg(test)]
mod tests;
