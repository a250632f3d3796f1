//! Races with a simulated clock.

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
        AttemptSim::demoting(&[], addresses, more_expected)
    }

    /// The caller gives up after 10 s. The first action is that of the first tick.
    fn demoting(demoted: &[&str], addresses: &[&str], more_expected: bool) -> Self {
        let start = Instant::now();
        let mut race = HappyEyeballs::begin(list(demoted), Duration::from_secs(10), start);
        race.add(list(addresses));
        race.more_expected = more_expected;
        AttemptSim { race, start, now: 0 }
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
    let expected = [(0, Start(0, at("[::1]:1"))), (250, Start(1, at("1.1.1.1:1"))), (500, Start(2, at("2.2.2.2:1")))];
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
    let expected = [(250, Start(1, at("[::1]:1"))), (500, Start(2, at("2.2.2.2:1"))), (750, Start(3, at("[::2]:1")))];
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
fn a_demoted_address_waits_until_the_others_have_failed() {
    let mut sim = AttemptSim::demoting(&["[::1]:1"], &["[::1]:1", "1.1.1.1:1", "2.2.2.2:1"], false);
    assert_eq!(sim.handle(Tick), Start(0, at("1.1.1.1:1")));
    assert_eq!(sim.handle(refused(0)), Start(1, at("2.2.2.2:1")));
    assert_eq!(sim.due(), Some(2000));
    assert_eq!(sim.handle(refused(1)), Start(2, at("[::1]:1")));
    assert_eq!(sim.handle(Connected(2)), Won(2));
}

#[test]
fn a_demoted_address_gets_its_turn_before_silent_ones_cost_the_whole_time() {
    let mut sim = AttemptSim::demoting(&["[::1]:1"], &["[::1]:1", "1.1.1.1:1", "2.2.2.2:1"], false);
    let expected = [(0, Start(0, at("1.1.1.1:1"))), (250, Start(1, at("2.2.2.2:1"))), (2250, Start(2, at("[::1]:1")))];
    assert_eq!(sim.run(), expected);
    let mut race = HappyEyeballs::begin(list(&["[::1]:1"]), Duration::from_secs(1), sim.start);
    race.add(list(&["[::1]:1", "1.1.1.1:1"]));
    assert_eq!(race.handle(sim.start, Tick), Start(0, at("1.1.1.1:1")));
    assert_eq!(race.deadline(), Some(sim.start + Duration::from_millis(500)));
}

#[test]
fn a_demoted_address_waits_for_others_that_the_lookup_still_brings() {
    let mut sim = AttemptSim::demoting(&["[::1]:1"], &["[::1]:1"], true);
    assert_eq!((sim.handle(Tick), sim.due()), (Nothing, Some(2000)));
    sim.now = 70;
    assert_eq!(sim.handle(Added(list(&["1.1.1.1:1"]))), Start(0, at("1.1.1.1:1")));
    for no_more in [true, false] {
        let mut sim = AttemptSim::demoting(&["[::1]:1"], &["[::1]:1"], true);
        sim.handle(Tick);
        sim.now = if no_more { 70 } else { 2000 };
        assert_eq!(sim.handle(if no_more { NoMore } else { Tick }), Start(0, at("[::1]:1")));
    }
}

#[test]
fn demoted_addresses_are_tried_in_their_order_and_far_apart() {
    let demoted = ["2.2.2.2:1", "[::1]:1", "1.1.1.1:1"];
    let mut sim = AttemptSim::demoting(&demoted, &["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"], false);
    let expected = [(0, Start(0, at("2.2.2.2:1"))), (2000, Start(1, at("[::1]:1"))), (4000, Start(2, at("1.1.1.1:1")))];
    assert_eq!(sim.run(), expected);
}

#[test]
fn the_rivals_of_a_choice_are_the_addresses_that_may_still_be_of_use() {
    let rivals = |sim: &AttemptSim, number| sim.race.choice(number).map(|choice| (choice.rivals, choice.all_known));
    let mut sim = AttemptSim::new(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1"], true);
    sim.handle(Tick);
    sim.handle(refused(0));
    sim.now = 250;
    sim.handle(Tick);
    assert_eq!(rivals(&sim, 2), Some((list(&["1.1.1.1:1", "2.2.2.2:1"]), false)));
    sim.handle(NoMore);
    assert_eq!(rivals(&sim, 1), Some((list(&["[::2]:1", "2.2.2.2:1"]), true)));
    assert_eq!(rivals(&sim, 7), None);
    // Silent ones have had their chance before a demoted one.
    let mut sim = AttemptSim::demoting(&["[::1]:1", "[::2]:1"], &["[::1]:1", "1.1.1.1:1", "[::2]:1"], true);
    sim.handle(Tick);
    sim.now = 2000;
    sim.handle(Tick);
    assert_eq!(rivals(&sim, 1), Some((list(&["[::2]:1"]), true)));
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
