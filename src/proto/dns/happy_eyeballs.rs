//! Which address to connect to: Happy Eyeballs, RFC 8305, as a state machine.
//!
//! Addresses are tried one after the other, the families in turn, each a little after the one before; the first
//! connection wins. It reads no clock and holds no socket. How long all of it may take is the caller's affair.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::proto::dns::{interleave, take_turns};

/// Between two attempts, RFC 8305 section 5: the Connection Attempt Delay.
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// A reason that many addresses share names so many of them.
const MOST_NAMED: usize = 4;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptInput {
    /// The deadline may be due.
    Tick,
    /// More addresses have been found.
    Added(Vec<SocketAddr>),
    /// There will be no more of them.
    NoMore,
    /// This attempt is connected.
    Connected(usize),
    /// This attempt failed, for this reason.
    Failed(usize, String),
}

/// What the caller has to do. No input needs more than one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptAction {
    /// Wait.
    Nothing,
    /// Begin this attempt. One that fails at once is told like any other.
    Start(usize, SocketAddr),
    /// Keep this attempt's connection and close every other.
    Won(usize),
    /// Give up: every address failed, for these reasons.
    Lost(String),
}

/// A race from the first attempt to the first connection.
#[derive(Debug)]
pub struct HappyEyeballs {
    /// Not tried yet, the next one first.
    waiting: Vec<SocketAddr>,
    /// All that have begun; an attempt's number is its place.
    attempts: Vec<Attempt>,
    /// When the next one is due; at once where nothing runs.
    next_at: Instant,
    more_may_come: bool,
    is_over: bool,
}

#[derive(Debug)]
struct Attempt {
    address: SocketAddr,
    /// Why it failed; `None` while it runs.
    failed: Option<String>,
}

impl HappyEyeballs {
    /// A race over these addresses. A tick is due at once.
    #[must_use]
    pub fn begin(addresses: Vec<SocketAddr>, more_may_come: bool, now: Instant) -> Self {
        let waiting = interleave(addresses);
        HappyEyeballs { waiting, attempts: Vec::new(), next_at: now, more_may_come, is_over: false }
    }

    /// Takes in what happened. Attempts that are over, and anything after the end, change nothing.
    pub fn handle(&mut self, now: Instant, input: AttemptInput) -> AttemptAction {
        if self.is_over {
            return AttemptAction::Nothing;
        }
        match input {
            AttemptInput::Tick => {}
            AttemptInput::Added(addresses) => self.add(addresses),
            AttemptInput::NoMore => self.more_may_come = false,
            AttemptInput::Connected(number) if self.runs(number) => {
                self.is_over = true;
                return AttemptAction::Won(number);
            }
            AttemptInput::Connected(_) => {}
            AttemptInput::Failed(number, why) => self.note(number, why, now),
        }
        self.go_on(now)
    }

    /// When the next attempt is due; `None` when there is nothing to start.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (!self.is_over && !self.waiting.is_empty()).then_some(self.next_at)
    }

    /// The addresses that have not answered yet: `[::1]:8765, 127.0.0.1:8765`.
    #[must_use]
    pub fn unfinished(&self) -> String {
        let mut running = Vec::new();
        for attempt in &self.attempts {
            if attempt.failed.is_none() {
                running.push(attempt.address);
            }
        }
        list(&running)
    }

    /// Whether no attempt has begun.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.attempts.is_empty()
    }

    /// The addresses that have failed so far, with their reasons: `[::1]:8765: connection refused`.
    #[must_use]
    pub fn failures(&self) -> String {
        let mut reasons: Vec<(&str, Vec<SocketAddr>)> = Vec::new();
        for attempt in &self.attempts {
            let Some(why) = attempt.failed.as_deref() else { continue };
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, addresses)) => addresses.push(attempt.address),
                None => reasons.push((why, vec![attempt.address])),
            }
        }
        let mut each = Vec::new();
        for (why, addresses) in &reasons {
            each.push(format!("{}: {why}", list(addresses)));
        }
        each.join("; ")
    }

    /// New addresses take their turns among those that wait; an address takes part once.
    fn add(&mut self, addresses: Vec<SocketAddr>) {
        let waited = self.waiting.len();
        for address in addresses {
            let begun = self.attempts.iter().any(|attempt| attempt.address == address);
            if !begun && !self.waiting[..waited].contains(&address) {
                self.waiting.push(address);
            }
        }
        // The family that did not have the latest turn goes first.
        let v6_begins = self.attempts.last().is_none_or(|attempt| attempt.address.is_ipv4());
        self.waiting = take_turns(std::mem::take(&mut self.waiting), v6_begins);
    }

    fn runs(&self, number: usize) -> bool {
        self.attempts.get(number).is_some_and(|attempt| attempt.failed.is_none())
    }

    fn note(&mut self, number: usize, why: String, now: Instant) {
        if self.runs(number) {
            self.attempts[number].failed = Some(why);
            // The next one need not wait.
            self.next_at = now;
        }
    }

    fn go_on(&mut self, now: Instant) -> AttemptAction {
        let running = (0..self.attempts.len()).any(|number| self.runs(number));
        if self.waiting.is_empty() {
            return if running || self.more_may_come { AttemptAction::Nothing } else { self.lost() };
        }
        if running && now < self.next_at {
            return AttemptAction::Nothing;
        }
        let address = self.waiting.remove(0);
        self.attempts.push(Attempt { address, failed: None });
        self.next_at = now + ATTEMPT_DELAY;
        AttemptAction::Start(self.attempts.len() - 1, address)
    }

    fn lost(&mut self) -> AttemptAction {
        self.is_over = true;
        AttemptAction::Lost(self.failures())
    }
}

fn list(addresses: &[SocketAddr]) -> String {
    let mut named = Vec::new();
    for address in addresses.iter().take(MOST_NAMED) {
        named.push(address.to_string());
    }
    let rest = addresses.len() - named.len();
    let named = named.join(", ");
    if rest > 0 { format!("{named} and {rest} more") } else { named }
}

#[cfg(test)]
mod tests {
    use super::AttemptAction::{Lost, Nothing, Start, Won};
    use super::*;
    use AttemptInput::{Added, Connected, Failed, NoMore, Tick};

    /// A race and its clock, in milliseconds.
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
        fn new(addresses: &[&str], more_may_come: bool) -> Self {
            let start = Instant::now();
            AttemptSim { race: HappyEyeballs::begin(list(addresses), more_may_come, start), start, now: 0 }
        }

        fn say(&mut self, input: AttemptInput) -> AttemptAction {
            let done = self.race.handle(self.start + Duration::from_millis(self.now), input);
            let due = self.due();
            assert!(due.is_none_or(|at| at > self.now), "a deadline of the past: {due:?} at {}", self.now);
            done
        }

        fn due(&self) -> Option<u64> {
            self.race.deadline().map(|at| (at - self.start).as_millis() as u64)
        }

        /// Ticks when it is due, until nothing is.
        fn run(&mut self) -> Vec<(u64, AttemptAction)> {
            let mut said = Vec::new();
            while let Some(due) = self.due() {
                self.now = due;
                said.push((due, self.say(Tick)));
            }
            said
        }
    }

    #[test]
    fn silent_addresses_are_tried_a_quarter_of_a_second_apart_families_in_turn() {
        let mut sim = AttemptSim::new(&["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"], false);
        let said = sim.run();
        let expected =
            [(0, Start(0, at("[::1]:1"))), (250, Start(1, at("1.1.1.1:1"))), (500, Start(2, at("2.2.2.2:1")))];
        assert_eq!(said, expected);
        assert_eq!(sim.race.unfinished(), "[::1]:1, 1.1.1.1:1, 2.2.2.2:1");
    }

    #[test]
    fn a_failed_attempt_starts_the_next_at_once_and_the_delay_anew() {
        let mut sim = AttemptSim::new(&["[::1]:1", "1.1.1.1:1", "2.2.2.2:1"], false);
        assert_eq!(sim.say(Tick), Start(0, at("[::1]:1")));
        sim.now = 10;
        assert_eq!(sim.say(refused(0)), Start(1, at("1.1.1.1:1")));
        assert_eq!(sim.due(), Some(260));
        assert_eq!(sim.race.unfinished(), "1.1.1.1:1");
        assert_eq!(sim.say(refused(0)), Nothing, "told twice");
        sim.now = 260;
        assert_eq!(sim.say(Tick), Start(2, at("2.2.2.2:1")));
        assert_eq!(sim.due(), None);
    }

    #[test]
    fn the_first_connection_wins_and_ends_the_race() {
        let mut sim = AttemptSim::new(&["[::1]:1", "1.1.1.1:1", "2.2.2.2:1"], true);
        sim.say(Tick);
        sim.now = 250;
        sim.say(Tick);
        assert_eq!(sim.say(Connected(1)), Won(1));
        assert_eq!(sim.due(), None);
        for input in [Tick, Connected(0), refused(0), NoMore, Added(list(&["3.3.3.3:1"]))] {
            assert_eq!(sim.say(input), Nothing);
        }
    }

    #[test]
    fn a_connection_of_an_attempt_that_failed_or_never_began_is_no_win() {
        let mut sim = AttemptSim::new(&["[::1]:1", "1.1.1.1:1"], false);
        sim.say(Tick);
        assert_eq!(sim.say(Connected(1)), Nothing);
        sim.say(refused(0));
        assert_eq!(sim.say(Connected(0)), Nothing);
        assert_eq!(sim.say(Connected(1)), Won(1));
    }

    #[test]
    fn when_all_failed_the_reasons_are_told_together() {
        let mut sim = AttemptSim::new(&["[::1]:8765", "127.0.0.1:8765"], false);
        sim.say(Tick);
        sim.say(refused(0));
        assert_eq!(sim.say(refused(1)), Lost("[::1]:8765, 127.0.0.1:8765: connection refused".into()));

        let mut sim = AttemptSim::new(&["[::1]:8765", "127.0.0.1:8765"], false);
        sim.say(Tick);
        sim.say(Failed(0, "network unreachable".into()));
        let both = "[::1]:8765: network unreachable; 127.0.0.1:8765: connection refused";
        assert_eq!(sim.say(refused(1)), Lost(both.into()));
    }

    #[test]
    fn many_addresses_with_the_same_fate_are_counted() {
        let texts: Vec<_> = (1..8).map(|n| format!("10.0.0.{n}:1")).collect();
        let mut sim = AttemptSim::new(&texts.iter().map(String::as_str).collect::<Vec<_>>(), false);
        sim.say(Tick);
        let last = (0..7).map(|number| sim.say(refused(number))).last();
        let text = "10.0.0.1:1, 10.0.0.2:1, 10.0.0.3:1, 10.0.0.4:1 and 3 more: connection refused";
        assert_eq!(last, Some(Lost(text.into())));
    }

    #[test]
    fn the_family_that_comes_late_has_the_next_turn() {
        let mut sim = AttemptSim::new(&["1.1.1.1:1", "2.2.2.2:1"], true);
        assert_eq!(sim.say(Tick), Start(0, at("1.1.1.1:1")));
        sim.now = 100;
        assert_eq!(sim.say(Added(list(&["[::1]:1", "[::2]:1", "1.1.1.1:1"]))), Nothing);
        let said = sim.run();
        let expected =
            [(250, Start(1, at("[::1]:1"))), (500, Start(2, at("2.2.2.2:1"))), (750, Start(3, at("[::2]:1")))];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_race_waits_for_addresses_that_may_still_come() {
        let mut sim = AttemptSim::new(&["1.1.1.1:1"], true);
        sim.say(Tick);
        assert_eq!(sim.say(refused(0)), Nothing);
        sim.now = 30;
        assert_eq!(sim.say(Added(list(&["[::1]:1"]))), Start(1, at("[::1]:1")));
        assert_eq!(sim.say(refused(1)), Nothing);
        assert_eq!(sim.say(NoMore), Lost("1.1.1.1:1, [::1]:1: connection refused".into()));
    }

    #[test]
    fn without_more_addresses_those_that_run_decide() {
        let mut sim = AttemptSim::new(&["1.1.1.1:1"], true);
        sim.say(Tick);
        assert_eq!(sim.say(NoMore), Nothing);
        assert_eq!(sim.say(Connected(0)), Won(0));
    }

    #[test]
    fn over_random_histories_each_address_is_tried_once_until_one_wins_or_all_have_lost() {
        let all = list(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        for seed in 0..2000u64 {
            let mut dice = seed;
            let mut roll = |sides: u64| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (dice >> 33) % sides
            };
            let mut sim = AttemptSim::new(&[], true);
            let (mut started, mut end) = (Vec::new(), None);
            for _ in 0..60 {
                let number = roll(4) as usize;
                let input = match roll(8) {
                    0 => Connected(number),
                    1..4 => refused(number),
                    4 | 5 => Added(vec![all[number]]),
                    6 => NoMore,
                    _ => Tick,
                };
                sim.now = sim.due().unwrap_or(sim.now).min(sim.now + roll(200));
                match sim.say(input) {
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
