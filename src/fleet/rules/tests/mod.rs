//! Transcripts on a simulated clock, which jumps from deadline to deadline.

use super::*;
use crate::fleet::tests::{At, alert, connected, lost, nth, process, processes, sample};

mod fleets;
mod histories;
mod levels;

/// A board, rules, the clock, and the changes so far.
struct Sim {
    board: Board,
    rules: Rules,
    start: Instant,
    now: f64,
    changes: Vec<String>,
}

impl Sim {
    fn new(warnings: &str, criticals: &str) -> Sim {
        let mut thresholds = Thresholds::default();
        if !warnings.is_empty() {
            thresholds.add_warnings(warnings).unwrap();
        }
        if !criticals.is_empty() {
            thresholds.add_criticals(criticals).unwrap();
        }
        let (board, rules) = (Board::default(), Rules::new(thresholds));
        Sim { board, rules, start: Instant::now(), now: 0.0, changes: Vec::new() }
    }

    /// Creates a simulation with the server s0, connected.
    fn connected(warnings: &str, criticals: &str) -> Sim {
        let mut sim = Sim::new(warnings, criticals);
        sim.say(0, &[connected()]);
        sim
    }

    fn at(&self) -> At {
        At(self.start, self.now)
    }

    fn due(&self) -> Option<f64> {
        self.rules.deadline().map(|at| (at - self.start).as_secs_f64())
    }

    fn step(&mut self) {
        let at = self.at();
        let now = at.now();
        for change in self.rules.step(now, &mut self.board) {
            self.changes.push(format!("{:.3} {change}", self.now));
        }
        assert!(self.rules.deadline().is_none_or(|due| due > now), "a deadline that is over is a busy loop");
    }

    /// Updates the board with a message of a server.
    fn say(&mut self, id: usize, events: &[Event<'_>]) -> &mut Sim {
        let at = self.at();
        at.say(&mut self.board, id, events);
        self.step();
        self
    }

    fn send(&mut self, id: usize, values: &[(&str, f64)]) -> &mut Sim {
        self.say(id, &[sample(values)])
    }

    /// Updates the processor use of s0.
    fn cpu(&mut self, percent: f64) -> &mut Sim {
        self.send(0, &[("cpu", percent)])
    }

    /// Advances the clock, and steps at each deadline on the way.
    fn until(&mut self, seconds: f64) -> &mut Sim {
        while let Some(due) = self.due().filter(|due| *due <= seconds) {
            self.now = self.now.max(due);
            // The conversion to seconds and back may lose a nanosecond.
            while self.rules.deadline().is_some_and(|at| at > self.at().now()) {
                self.now += 1e-9;
            }
            self.step();
        }
        self.now = self.now.max(seconds);
        self
    }

    /// Compares and clears the changes so far.
    #[track_caller]
    fn expect(&mut self, expected: &[&str]) -> &mut Sim {
        assert_eq!(std::mem::take(&mut self.changes), expected);
        self
    }
}
