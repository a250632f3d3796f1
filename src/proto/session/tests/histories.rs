//! Random histories, and the invariants that hold in each of them.

use super::*;
use crate::testing::random::Random;

const HISTORIES: u64 = 3000;
const INPUTS: u64 = 200;

/// Draws the parts of a history.
struct RandomHistory(Random);

impl RandomHistory {
    fn below(&mut self, n: u64) -> u64 {
        self.0.below(n as usize) as u64
    }

    fn jitter(&mut self) -> f64 {
        self.below(1001) as f64 / 1000.0
    }

    fn of<T: Clone>(&mut self, list: &[T]) -> T {
        self.0.pick(list).clone()
    }

    fn policy(&mut self) -> Policy {
        let seconds = Duration::from_secs;
        Policy {
            max_reconnects: self.of(&[None, None, Some(0), Some(3)]),
            reconnect_interval: self.of(&[Duration::ZERO, seconds(5), seconds(500)]),
            reconnect_cap: self.of(&[Duration::ZERO, seconds(60)]),
            connect_timeout: self.of(&[Duration::ZERO, seconds(10)]),
            ping_interval: self.of(&[None, Some(Duration::ZERO), Some(seconds(1)), Some(seconds(30))]),
            ping_timeout: self.of(&[Duration::ZERO, seconds(10), seconds(100)]),
            stale: self.of(&[Stale::Never, Stale::After(seconds(7)), Stale::Auto, Stale::Auto]),
        }
    }

    fn why(&mut self) -> Disconnect {
        match self.below(8) {
            0 => *Disconnect::fault(Phase::Session, Fault::TooLarge, "too large"),
            1 => Disconnect { retry: Retry::After(Duration::MAX), ..*Disconnect::new(Phase::Upgrade, "later") },
            2 => Disconnect { retry: Retry::FinalUnlessUseful, ..*Disconnect::new(Phase::Upgrade, "404") },
            3 if self.below(10) == 0 => Disconnect { retry: Retry::Final, ..*Disconnect::new(Phase::Upgrade, "401") },
            4 | 5 => *Disconnect::closed(Some(1000), ""),
            6 => *Disconnect::closed(None, ""),
            _ => *Disconnect::new(Phase::Connect, "refused"),
        }
    }

    fn input<'a>(&mut self, why: &'a Disconnect) -> Input<'a> {
        match self.below(24) {
            0..=5 => Input::Tick,
            6..=9 => Input::Opened,
            10 | 11 => Input::Alive,
            12 | 13 => SAMPLE,
            14 => GREETING,
            15 | 16 => Input::Pong(self.below(20)),
            17 => Input::Paused,
            18 => Input::Resumed,
            19 => Input::ClockJumped,
            20 => self.of(&[Input::Reconnect, Input::Tick]),
            21 if self.below(8) == 0 => Input::Stop,
            _ => Input::Lost { why, jitter: self.jitter() },
        }
    }

    /// Advances to the deadline, by up to 3 s, or by up to 5000 s without ticks.
    fn advance(&mut self, sim: &mut SessionSim) {
        match (self.below(10), sim.session.deadline()) {
            (0..=4, Some(at)) => sim.now = sim.now.max(at - sim.start),
            (9, _) => sim.now += Duration::from_secs(self.below(5000)),
            _ => sim.now += Duration::from_millis(self.below(3000)),
        }
    }
}

fn histories(mut check: impl FnMut(&mut RandomHistory, &mut SessionSim)) {
    for seed in 1..=HISTORIES {
        let mut random = RandomHistory(Random::new(seed));
        let policy = random.policy();
        let mut sim = SessionSim::with(|_| ());
        let now = Now { mono: sim.start, wall: UNIX_EPOCH };
        let stale_default = random.of(&[None, Some(Duration::from_secs(30))]);
        (sim.session, sim.policy) = (Session::new(policy.clone(), stale_default, now), policy);
        check(&mut random, &mut sim);
    }
}

/// Passes one random input; returns its transcript.
fn step(random: &mut RandomHistory, sim: &mut SessionSim) -> Vec<(f64, String, Action)> {
    random.advance(sim);
    sim.jitter = random.jitter();
    let why = random.why();
    let input = random.input(&why);
    sim.input(input);
    std::mem::take(&mut sim.transcript)
}

#[test]
fn after_a_due_tick_the_deadline_has_moved_or_the_session_has_acted() {
    histories(|random, sim| {
        for _ in 0..INPUTS {
            step(random, sim);
            if sim.session.deadline().is_some() {
                sim.tick();
                let acted = sim.transcript.iter().any(|(_, _, action)| *action != Nothing);
                let moved = sim.session.deadline().is_none_or(|at| at > sim.start + sim.now);
                assert!(acted || moved, "{:?}", sim.transcript);
                sim.transcript.clear();
            }
        }
    });
}

#[test]
fn there_is_a_deadline_unless_done_or_open_without_pings() {
    histories(|random, sim| {
        for _ in 0..INPUTS {
            step(random, sim);
            let pings = sim.policy.ping_interval.is_some_and(|every| !every.is_zero());
            match sim.session.deadline() {
                None => assert!(sim.session.is_done() || (sim.session.is_open() && !pings)),
                Some(_) => assert!(!sim.session.is_done()),
            }
        }
    });
}

#[test]
fn after_the_end_nothing_but_reconnect_does_anything() {
    histories(|random, sim| {
        for _ in 0..INPUTS {
            let done = sim.session.is_done();
            let transcript = step(random, sim);
            if done && transcript[0].1 != "reconnect" {
                assert_eq!(transcript.len(), 1);
                assert_eq!(transcript[0].2, Nothing);
                assert!(sim.session.is_done());
            } else if done {
                assert!(sim.session.retry_in(Now { mono: sim.start + sim.now, wall: UNIX_EPOCH }).is_some());
            }
        }
    });
}

#[test]
fn after_a_hang_up_the_session_is_neither_opening_nor_open() {
    histories(|random, sim| {
        for _ in 0..INPUTS {
            let transcript = step(random, sim);
            if matches!(transcript[0].2, HangUp(_)) {
                assert_eq!(transcript.len(), 2);
                assert!(transcript[1].1.starts_with("lost") && transcript[1].2 == Nothing, "{transcript:?}");
                assert!(!sim.session.is_opening() && !sim.session.is_open());
            }
        }
    });
}

#[test]
fn a_dial_keeps_the_shortest_wait_after_a_loss_unless_the_program_wants_it() {
    histories(|random, sim| {
        let mut lost_at = None;
        for _ in 0..INPUTS {
            let connected = sim.session.is_opening() || sim.session.client_state() == ClientState::Connected;
            for (_, input, action) in step(random, sim) {
                if action == Dial {
                    assert_eq!(input, "tick");
                    assert!(lost_at.is_none_or(|at| sim.now - at >= policy::SHORTEST_WAIT));
                } else if input == "reconnect" {
                    lost_at = None;
                } else if connected && input.starts_with("lost") {
                    lost_at = Some(sim.now);
                }
            }
        }
    });
}

#[test]
fn pings_and_close_frames_belong_to_open_connections() {
    histories(|random, sim| {
        for _ in 0..INPUTS {
            let open = sim.session.is_open();
            let transcript = step(random, sim);
            assert!(
                open || !transcript.iter().any(|(_, _, action)| matches!(action, Action::Ping(_) | Close)),
                "{transcript:?}"
            );
        }
    });
}

#[test]
fn a_wait_is_never_longer_than_the_cap_or_the_hour_that_a_server_may_ask_for() {
    histories(|random, sim| {
        for _ in 0..INPUTS {
            step(random, sim);
            let wait = sim.session.retry_in(Now { mono: sim.start + sim.now, wall: UNIX_EPOCH });
            assert!(wait.is_none_or(|wait| wait <= Duration::from_secs(3600)), "{wait:?}");
        }
    });
}

#[test]
fn a_stop_takes_a_second_at_most_in_any_state() {
    histories(|random, sim| {
        for _ in 0..random.below(INPUTS) {
            step(random, sim);
        }
        let stopped_at = sim.now;
        sim.input(Input::Stop);
        while !sim.session.is_done() {
            sim.tick();
        }
        assert!(sim.now <= stopped_at + CLOSE_TIMEOUT);
    });
}
