//! Happy Eyeballs, RFC 8305, as a state machine: chooses the address to connect to.
//!
//! Addresses are tried in order, alternating between the families, each a little later than the one before; the first
//! connection wins. Time is an argument and sockets are the caller's, and so is the limit on the total time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::proto::dns::{alternate_families, interleave};

/// Time between two attempts: the Connection Attempt Delay, RFC 8305 section 5.
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
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
    /// Addresses not tried yet, in order.
    untried: Vec<SocketAddr>,
    /// All attempts started; an attempt's number is its index.
    attempts: Vec<Attempt>,
    /// Start of the next attempt; it is not waited for when no attempt is running.
    next_at: Instant,
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
    /// Creates a race over these addresses. A tick is due at once.
    #[must_use]
    pub fn begin(addresses: Vec<SocketAddr>, more_expected: bool, now: Instant) -> Self {
        let untried = interleave(addresses);
        HappyEyeballs { untried, attempts: Vec::new(), next_at: now, more_expected, is_done: false }
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
                self.next_at = now;
            }
            AttemptInput::Connected(_) | AttemptInput::Failed(..) => {}
        }
        self.advance(now)
    }

    /// The time of the next attempt; `None` when there is nothing to start.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (!self.is_done && !self.untried.is_empty()).then_some(self.next_at)
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

    /// Adds addresses, alternating between the families again. Each address is tried once.
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
        self.untried = alternate_families(std::mem::take(&mut self.untried), v6_first);
    }

    fn is_running(&self, number: usize) -> bool {
        self.attempts.get(number).is_some_and(|attempt| attempt.failure.is_none())
    }

    fn advance(&mut self, now: Instant) -> AttemptAction {
        let running = (0..self.attempts.len()).any(|number| self.is_running(number));
        if self.untried.is_empty() {
            if running || self.more_expected {
                return AttemptAction::Nothing;
            }
            self.is_done = true;
            return AttemptAction::Lost(self.failures());
        }
        if running && now < self.next_at {
            return AttemptAction::Nothing;
        }
        let address = self.untried.remove(0);
        self.attempts.push(Attempt { address, failure: None });
        self.next_at = now + ATTEMPT_DELAY;
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
mod tests {
    use super::AttemptAction::{Lost, Nothing, Start, Won};
    use super::*;
    use crate::testing::random::Random;
    use AttemptInput::{Added, Connected, Failed, NoMore, Tick};

    /// A race with a simulated clock in milliseconds.
    struct AttemptSim {
        race: HappyEyeballs,
        start: Instant,
        now: u64,
    }

    fn list(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| at(text)).collect()
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn refused(number: usize) -> AttemptInput {
        Failed(number, "connection refused".into())
    }

    impl AttemptSim {
        fn new(addresses: &[&str], more_expected: bool) -> Self {
            let start = Instant::now();
            AttemptSim { race: HappyEyeballs::begin(list(addresses), more_expected, start), start, now: 0 }
        }

        fn handle(&mut self, input: AttemptInput) -> AttemptAction {
            let action = self.race.handle(self.start + Duration::from_millis(self.now), input);
            let due = self.due();
            assert!(due.is_none_or(|at| at > self.now), "a deadline in the past: {due:?} at {}", self.now);
            action
        }

        fn due(&self) -> Option<u64> {
            self.race.deadline().map(|at| (at - self.start).as_millis() as u64)
        }

        /// Ticks at each deadline until there is none.
        fn run(&mut self) -> Vec<(u64, AttemptAction)> {
            let mut actions = Vec::new();
            while let Some(due) = self.due() {
                self.now = due;
                actions.push((due, self.handle(Tick)));
            }
            actions
        }
    }

    #[test]
    fn silent_addresses_are_tried_250_ms_apart_alternating_between_families() {
        let mut sim = AttemptSim::new(&["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"], false);
        let actions = sim.run();
        let expected =
            [(0, Start(0, at("[::1]:1"))), (250, Start(1, at("1.1.1.1:1"))), (500, Start(2, at("2.2.2.2:1")))];
        assert_eq!(actions, expected);
        assert_eq!(sim.race.unfinished(), "[::1]:1, 1.1.1.1:1, 2.2.2.2:1");
    }

    #[test]
    fn a_failed_attempt_starts_the_next_at_once_and_restarts_the_delay() {
        let mut sim = AttemptSim::new(&["[::1]:1", "1.1.1.1:1", "2.2.2.2:1"], false);
        assert_eq!(sim.handle(Tick), Start(0, at("[::1]:1")));
        sim.now = 10;
        assert_eq!(sim.handle(refused(0)), Start(1, at("1.1.1.1:1")));
        assert_eq!(sim.due(), Some(260));
        assert_eq!(sim.race.unfinished(), "1.1.1.1:1");
        assert_eq!(sim.handle(refused(0)), Nothing, "reported twice");
        sim.now = 260;
        assert_eq!(sim.handle(Tick), Start(2, at("2.2.2.2:1")));
        assert_eq!(sim.due(), None);
    }

    #[test]
    fn the_first_connection_wins_and_ends_the_race() {
        let mut sim = AttemptSim::new(&["[::1]:1", "1.1.1.1:1", "2.2.2.2:1"], true);
        sim.handle(Tick);
        sim.now = 250;
        sim.handle(Tick);
        assert_eq!(sim.handle(Connected(1)), Won(1));
        assert_eq!(sim.due(), None);
        for input in [Tick, Connected(0), refused(0), NoMore, Added(list(&["3.3.3.3:1"]))] {
            assert_eq!(sim.handle(input), Nothing);
        }
    }

    #[test]
    fn a_connection_of_a_failed_or_unknown_attempt_does_not_win() {
        let mut sim = AttemptSim::new(&["[::1]:1", "1.1.1.1:1"], false);
        sim.handle(Tick);
        assert_eq!(sim.handle(Connected(1)), Nothing);
        sim.handle(refused(0));
        assert_eq!(sim.handle(Connected(0)), Nothing);
        assert_eq!(sim.handle(Connected(1)), Won(1));
    }

    #[test]
    fn when_all_have_failed_the_reasons_are_listed_together() {
        let mut sim = AttemptSim::new(&["[::1]:8765", "127.0.0.1:8765"], false);
        sim.handle(Tick);
        sim.handle(refused(0));
        assert_eq!(sim.handle(refused(1)), Lost("[::1]:8765, 127.0.0.1:8765: connection refused".into()));

        let mut sim = AttemptSim::new(&["[::1]:8765", "127.0.0.1:8765"], false);
        sim.handle(Tick);
        sim.handle(Failed(0, "network unreachable".into()));
        let both = "[::1]:8765: network unreachable; 127.0.0.1:8765: connection refused";
        assert_eq!(sim.handle(refused(1)), Lost(both.into()));
    }

    #[test]
    fn many_addresses_with_the_same_reason_are_counted() {
        let texts: Vec<_> = (1..8).map(|n| format!("10.0.0.{n}:1")).collect();
        let mut sim = AttemptSim::new(&texts.iter().map(String::as_str).collect::<Vec<_>>(), false);
        sim.handle(Tick);
        let last = (0..7).map(|number| sim.handle(refused(number))).last();
        let text = "10.0.0.1:1, 10.0.0.2:1, 10.0.0.3:1, 10.0.0.4:1 and 3 more: connection refused";
        assert_eq!(last, Some(Lost(text.into())));
    }

    #[test]
    fn the_family_that_comes_late_is_tried_next() {
        let mut sim = AttemptSim::new(&["1.1.1.1:1", "2.2.2.2:1"], true);
        assert_eq!(sim.handle(Tick), Start(0, at("1.1.1.1:1")));
        sim.now = 100;
        assert_eq!(sim.handle(Added(list(&["[::1]:1", "[::2]:1", "1.1.1.1:1"]))), Nothing);
        let actions = sim.run();
        let expected =
            [(250, Start(1, at("[::1]:1"))), (500, Start(2, at("2.2.2.2:1"))), (750, Start(3, at("[::2]:1")))];
        assert_eq!(actions, expected);
    }

    #[test]
    fn a_race_waits_for_addresses_that_are_still_expected() {
        let mut sim = AttemptSim::new(&["1.1.1.1:1"], true);
        sim.handle(Tick);
        assert_eq!(sim.handle(refused(0)), Nothing);
        sim.now = 30;
        assert_eq!(sim.handle(Added(list(&["[::1]:1"]))), Start(1, at("[::1]:1")));
        assert_eq!(sim.handle(refused(1)), Nothing);
        assert_eq!(sim.handle(NoMore), Lost("1.1.1.1:1, [::1]:1: connection refused".into()));
    }

    #[test]
    fn without_more_addresses_the_running_attempts_decide() {
        let mut sim = AttemptSim::new(&["1.1.1.1:1"], true);
        sim.handle(Tick);
        assert_eq!(sim.handle(NoMore), Nothing);
        assert_eq!(sim.handle(Connected(0)), Won(0));
    }

    #[test]
    fn over_random_histories_each_address_is_tried_once_until_one_wins_or_all_have_lost() {
        let all = list(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        for seed in 0..2000u64 {
            let mut random = Random::new(seed);
            let mut sim = AttemptSim::new(&[], true);
            let (mut started, mut end) = (Vec::new(), None);
            for _ in 0..60 {
                let number = random.below(4);
                let input = match random.below(8) {
                    0 => Connected(number),
                    1..4 => refused(number),
                    4 | 5 => Added(vec![all[number]]),
                    6 => NoMore,
                    _ => Tick,
                };
                sim.now = sim.due().unwrap_or(sim.now).min(sim.now + random.below(200) as u64);
                match sim.handle(input) {
                    Nothing => {}
                    Start(number, address) => {
                        assert!(end.is_none() && number == started.len() && !started.contains(&address));
                        started.push(address);
                    }
                    other => assert_eq!(end.replace(other), None),
                }
            }
            match end {
                Some(Won(number)) => assert!(number < started.len()),
                Some(Lost(why)) => assert!(started.iter().all(|address| why.contains(&address.to_string())), "{why}"),
                _ => {}
            }
        }
    }
}
