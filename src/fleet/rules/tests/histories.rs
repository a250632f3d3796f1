//! Random histories, and what holds in every one of them.

use super::*;
use crate::testing::random::Random;

const HISTORIES: u64 = 400;
const STEPS: usize = 150;

/// Draws rules and events.
struct RandomHistory(Random);

impl RandomHistory {
    fn below(&mut self, n: usize) -> usize {
        self.0.below(n)
    }

    fn list(&mut self) -> String {
        let names = ["cpu", "up", "age", "alerts", "cpu.mean", "up.sum", "age.max", "age.sum", "cpu.min"];
        let ranges = ["50", "20:80", "@30:60", "1:", "~:2", "0", "@~:"];
        let holds = ["", "/0", "/1", "/30", "/5m"];
        let mut pick = |list: &[&'static str]| *self.0.pick(list);
        (0..4).map(|_| format!("{}={}{}", pick(&names), pick(&ranges), pick(&holds))).collect::<Vec<_>>().join(",")
    }

    /// Applies a random event.
    fn happen(&mut self, sim: &mut Sim) {
        let id = self.below(3);
        match self.below(12) {
            0..=5 => drop(sim.send(id, &[("cpu", self.below(100) as f64)])),
            6 => drop(sim.say(id, &[connected()])),
            7 => drop(sim.say(id, &[lost("reset")])),
            8 => drop(sim.say(id, &[alert("a", [AlertPhase::Begins, AlertPhase::Ends][self.below(2)])])),
            9 if self.below(5) == 0 => {
                sim.board.remove(nth(id));
                sim.step();
            }
            _ => sim.step(),
        }
    }
}

/// The levels as the changes tell them, by server and subject.
#[derive(Default)]
struct Levels(Vec<(Arc<str>, Subject, Level)>);

fn histories(mut check: impl FnMut(&mut RandomHistory, &mut Sim)) {
    for seed in 1..=HISTORIES {
        let mut random = RandomHistory(Random::new(seed));
        let (warnings, criticals) = (random.list(), random.list());
        let mut sim = Sim::new(&warnings, &criticals);
        check(&mut random, &mut sim);
    }
}

#[test]
fn the_deadline_is_never_over_and_nothing_happens_before_it() {
    histories(|random, sim| {
        for _ in 0..STEPS {
            random.happen(sim);
            let next = sim.now + random.below(40) as f64;
            // `step` asserts that the deadline lies in the future.
            sim.changes.clear();
            if let Some(due) = sim.due().filter(|due| *due > sim.now + 0.002) {
                sim.now = next.min(due - 0.002).max(sim.now);
                let now = sim.at().now();
                // A step that looks at every row finds nothing to change.
                sim.rules.due_at = Some(now);
                sim.step();
                assert_eq!(sim.changes, [""; 0], "due at {due}, at {}", sim.now);
            }
            sim.until(next);
        }
    });
}

#[test]
fn the_clock_alone_comes_to_rest() {
    histories(|random, sim| {
        for _ in 0..20 {
            random.happen(sim);
        }
        let mut wakes = 0;
        while let Some(due) = sim.due() {
            sim.until(due);
            wakes += 1;
            assert!(wakes < 60, "{:?}", sim.rules);
        }
    });
}

#[test]
fn changes_of_a_level_are_consecutive_and_agree_with_the_value() {
    histories(|random, sim| {
        let mut levels = Levels::default();
        for _ in 0..STEPS {
            let id = random.below(3);
            let at = sim.at();
            at.say(&mut sim.board, id, &[sample(&[("cpu", random.below(100) as f64)])]);
            match random.below(8) {
                0 => at.say(&mut sim.board, id, &[lost("reset")]),
                1 => at.say(&mut sim.board, id, &[connected()]),
                2 => {
                    sim.board.remove(nth(id));
                    levels.0.retain(|(server, ..)| **server != format!("s{id}"));
                }
                _ => {}
            }
            for change in sim.rules.step(at.now(), &mut sim.board) {
                levels.take(&change);
            }
            sim.now += random.below(20) as f64;
        }
    });
}

impl Levels {
    fn take(&mut self, change: &LevelChange) {
        assert_ne!(change.from, change.to);
        let known =
            self.0.iter_mut().find(|(server, subject, _)| (server, *subject) == (&change.server, change.subject));
        let from = match known {
            Some((.., level)) => std::mem::replace(level, change.to),
            None => {
                self.0.push((change.server.clone(), change.subject, change.to));
                Level::Ok
            }
        };
        assert_eq!(from, change.from, "{change}");
        if change.to > change.from || change.to == Level::Ok {
            assert_eq!(change.rule.range.alarms(change.value), change.to != Level::Ok, "{change}");
        }
    }
}

#[test]
fn without_holds_the_level_is_that_of_the_value() {
    for seed in 1..=HISTORIES {
        let mut random = RandomHistory(Random::new(seed));
        let ranges = ["cpu=50", "cpu=20:80", "cpu=@30:60", "cpu=1:", "cpu=~:2", "cpu=0"];
        let mut pick = || *random.0.pick(&ranges);
        let mut sim = Sim::connected(pick(), pick());
        for _ in 0..STEPS {
            let value = random.below(100) as f64;
            sim.cpu(value);
            let expected = sim.rules.thresholds(nth(0)).list()[0].level_of(value);
            assert_eq!(sim.rules.level(nth(0)), expected);
        }
    }
}
