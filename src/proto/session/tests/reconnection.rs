//! Waits before a lost connection is dialled again.

use super::*;

/// The seconds between dials.
fn waits(dials: &[f64]) -> Vec<f64> {
    dials.windows(2).map(|pair| ((pair[1] - pair[0]) * 1000.0).round() / 1000.0).collect()
}

#[test]
fn dials_at_once_at_the_start() {
    SessionSim::new().tick().expect(&[(0.0, "tick", Dial)]);
}

#[test]
fn while_refused_the_waits_double_up_to_the_cap() {
    let mut sim = SessionSim::new();
    for _ in 0..6 {
        sim.tick().refused();
    }
    sim.expect(&[
        (0.0, "tick", Dial),
        (0.0, "lost refused", Nothing),
        (5.0, "tick", Dial),
        (5.0, "lost refused", Nothing),
        (15.0, "tick", Dial),
        (15.0, "lost refused", Nothing),
        (35.0, "tick", Dial),
        (35.0, "lost refused", Nothing),
        (75.0, "tick", Dial),
        (75.0, "lost refused", Nothing),
        (135.0, "tick", Dial),
        (135.0, "lost refused", Nothing),
    ]);
    for _ in 0..100 {
        sim.tick().refused();
    }
    assert!(waits(&sim.dials()).iter().all(|wait| *wait == 60.0));
}

#[test]
fn half_of_each_wait_is_jitter() {
    for (jitter, wait) in [(0.0, 2.5), (0.5, 3.75), (1.0, 5.0)] {
        let mut sim = SessionSim::new();
        sim.jitter = jitter;
        sim.tick().refused();
        assert_eq!(sim.due(), Some(wait));
    }
}

#[test]
fn no_wait_is_shorter_than_a_tenth_of_a_second() {
    let mut sim = SessionSim::with(|policy| policy.reconnect_interval = Duration::ZERO);
    sim.jitter = 0.0;
    let dials = sim.hour(|sim| {
        sim.refused();
    });
    assert!(waits(&dials).iter().all(|wait| *wait == 0.1));
}

#[test]
fn a_cap_below_the_interval_holds() {
    let mut sim = SessionSim::with(|policy| policy.reconnect_cap = Duration::from_secs(2));
    sim.tick().refused();
    assert_eq!(sim.due(), Some(2.0));
}

#[test]
fn a_useful_session_resets_the_waits() {
    let mut sim = SessionSim::new();
    sim.tick().refused().tick().refused().tick().refused();
    sim.tick().expect(&[
        (0.0, "tick", Dial),
        (0.0, "lost refused", Nothing),
        (5.0, "tick", Dial),
        (5.0, "lost refused", Nothing),
        (15.0, "tick", Dial),
        (15.0, "lost refused", Nothing),
        (35.0, "tick", Dial),
    ]);
    sim.input(Input::Opened).input(SAMPLE).closed(1011).tick().expect(&[
        (35.0, "opened", Nothing),
        (35.0, "sample", Nothing),
        (35.0, "lost 1011", Nothing),
        (40.0, "tick", Dial),
    ]);
}

#[test]
fn a_session_of_thirty_seconds_is_useful_and_a_greeting_alone_is_not() {
    let mut sim = SessionSim::new();
    sim.tick().refused().tick().input(Input::Opened).input(GREETING).closed(1011);
    assert_eq!(sim.due(), Some(15.0));
    sim.tick().input(Input::Opened).at(30.0).input(GREETING).at(45.0).closed(1011);
    assert_eq!(sim.due(), Some(50.0));
}

#[test]
fn a_session_that_we_end_for_a_fault_does_not_reset_the_waits() {
    for fault in [Fault::TooLarge, Fault::Protocol, Fault::WriteStalled, NoPong] {
        let mut sim = SessionSim::new();
        let why = Disconnect { code: Some(1000), ..*Disconnect::fault(Phase::Session, fault, "fault") };
        for wait in [5.0, 10.0, 20.0, 40.0, 60.0, 60.0] {
            sim.tick().input(Input::Opened).input(SAMPLE).lost(&why);
            assert_eq!(sim.due(), Some(sim.seconds() + wait));
        }
    }
}

#[test]
fn a_text_that_is_not_utf_8_does_not_let_the_waits_of_a_useful_session_grow() {
    let mut sim = SessionSim::new();
    let why = Disconnect::fault(Phase::Session, Fault::InvalidText, "fault");
    for input in [SAMPLE, SAMPLE, SAMPLE] {
        sim.tick().input(Input::Opened).input(input).lost(&why);
        assert_eq!(sim.due(), Some(sim.seconds() + 5.0));
    }
    for wait in [10.0, 20.0] {
        sim.tick().input(Input::Opened).input(GREETING).lost(&why);
        assert_eq!(sim.due(), Some(sim.seconds() + wait));
    }
}

#[test]
fn a_connection_that_only_lasted_is_no_evidence_for_its_address_where_we_end_it() {
    let no_pong = Disconnect::fault(Phase::Session, NoPong, "no pong");
    let closed = Disconnect::closed(Some(1011), "");
    for (message, until, by_us, by_server) in
        [(GREETING, 10.0, false, false), (GREETING, 40.0, false, true), (SAMPLE, 10.0, true, true)]
    {
        let mut sim = SessionSim::open();
        sim.input(message).asleep_until(until);
        let now = Now { mono: sim.start + sim.now, wall: UNIX_EPOCH };
        assert_eq!((sim.session.is_useful(now, &no_pong), sim.session.is_useful(now, &closed)), (by_us, by_server));
    }
}

#[test]
fn every_close_code_is_retried() {
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4000, 4999] {
        let mut sim = SessionSim::open();
        sim.closed(code).tick();
        assert!(sim.session.is_opening(), "{code}");
    }
}

#[test]
fn the_ordinary_end_of_a_useful_session_waits_a_second_at_most() {
    for code in [1000, 1001, 1012] {
        for (jitter, wait) in [(0.0, 0.1), (1.0, 1.0)] {
            let mut sim = SessionSim::open();
            sim.jitter = jitter;
            sim.input(SAMPLE).closed(code);
            assert!(sim.session.is_routine());
            assert_eq!(sim.due(), Some(wait));
        }
    }
}

#[test]
fn an_ordinary_end_of_a_useless_session_is_a_failure() {
    let mut sim = SessionSim::open();
    sim.input(GREETING).closed(1000);
    assert!(!sim.session.is_routine());
    assert_eq!(sim.due(), Some(5.0));
}

#[test]
fn sessions_that_last_have_a_routine_end_every_time() {
    let mut sim = SessionSim::new();
    for _ in 0..5 {
        let begin = sim.tick().input(Input::Opened).seconds();
        sim.at(begin + 20.0).input(SAMPLE).at(begin + 40.0).closed(1000);
        assert_eq!(sim.due(), Some(begin + 41.0));
    }
}

#[test]
fn of_short_sessions_only_the_first_after_one_that_lasted_has_a_routine_end() {
    let mut sim = SessionSim::new();
    for _ in 0..3 {
        let mut routine = Vec::new();
        for lasts in [40.0, 1.0, 1.0, 1.0] {
            let begin = sim.tick().input(Input::Opened).input(SAMPLE).seconds();
            sim.at(begin + 20.0_f64.min(lasts)).input(SAMPLE).at(begin + lasts).closed(1001);
            routine.push(sim.session.is_routine());
        }
        assert_eq!(routine, [true, true, false, false]);
    }
}

#[test]
fn a_server_that_closes_with_1000_at_once_causes_no_storm() {
    let mut sim = SessionSim::new();
    sim.jitter = 0.0;
    let dials = sim.hour(|sim| {
        sim.input(Input::Opened).input(GREETING).closed(1000);
    });
    // 2.5, 5, 10, 20 and then 30 s.
    assert_eq!(dials.len(), 123);
}

#[test]
fn a_server_that_closes_with_1000_after_each_sample_causes_no_storm() {
    let mut sim = SessionSim::new();
    sim.jitter = 0.0;
    let dials = sim.hour(|sim| {
        sim.input(Input::Opened).input(SAMPLE).closed(1000);
    });
    assert_eq!(waits(&dials)[..4], [0.1, 2.5, 2.5, 2.5]);
    assert_eq!(dials.len(), 1441);
}

#[test]
fn no_mixture_of_short_sessions_causes_a_storm() {
    let mut sim = SessionSim::new();
    sim.jitter = 0.0;
    let dials = sim.hour(|sim| {
        match sim.session.dials % 3 {
            0 => sim.refused(),
            1 => sim.input(Input::Opened).input(SAMPLE).closed(1012),
            _ => sim.input(Input::Opened).input(SAMPLE).closed(1011),
        };
    });
    assert!(waits(&dials).iter().filter(|wait| **wait < 2.5).count() <= 1);
}

#[test]
fn retry_after_is_honoured_up_to_ten_times_the_cap_and_an_hour() {
    for (cap, longest) in [(60, 600.0), (6, 60.0), (1000, HOUR), (u64::MAX, HOUR)] {
        for seconds in [2, 50, 90, 3600, u64::MAX] {
            let mut sim = SessionSim::new();
            let policy = Policy { reconnect_cap: Duration::from_secs(cap), ..Policy::default() };
            let now = Now { mono: sim.start, wall: UNIX_EPOCH };
            sim.session = Session::new(policy, None, now);
            sim.tick().refused_for(Retry::After(Duration::from_secs(seconds)));
            assert_eq!(sim.due(), Some((seconds as f64).clamp(5.0, longest)));
        }
    }
}

#[test]
fn a_refused_credential_that_may_change_is_retried_at_the_cap_until_the_limit() {
    let mut sim = SessionSim::with(|policy| policy.max_reconnects = Some(3));
    for dial in 0..3 {
        sim.tick().refused_for(Retry::AtCap);
        assert_eq!(sim.due(), Some(f64::from(dial + 1) * 60.0));
    }
    sim.tick().refused_for(Retry::AtCap);
    assert!(sim.session.is_done());
}

#[test]
fn reconnect_ends_a_wait() {
    let mut sim = SessionSim::new();
    sim.tick().refused().at(1.0).input(Input::Reconnect).tick().expect(&[
        (0.0, "tick", Dial),
        (0.0, "lost refused", Nothing),
        (1.0, "reconnect", Nothing),
        (1.0, "tick", Dial),
    ]);
}

#[test]
fn reconnect_is_ignored_during_a_dial() {
    SessionSim::new().tick().at(1.0).input(Input::Reconnect).tick().expect(&[
        (0.0, "tick", Dial),
        (1.0, "reconnect", Nothing),
        (10.0, "tick", HangUp(ConnectTimeout)),
        (10.0, "lost ConnectTimeout", Nothing),
    ]);
}

#[test]
fn reconnect_closes_an_open_connection_first() {
    SessionSim::open().input(Input::Reconnect).at(0.25).closed(1000).tick().input(Input::Opened).expect(&[
        (0.0, "reconnect", Close),
        (0.25, "lost 1000", Nothing),
        (0.35, "tick", Dial),
        (0.35, "opened", Nothing),
    ]);
}

#[test]
fn reconnect_does_not_wait_for_a_server_that_never_closes() {
    SessionSim::open().input(Input::Reconnect).tick().tick().expect(&[
        (0.0, "reconnect", Close),
        (1.0, "tick", HangUp(CloseTimeout)),
        (1.0, "lost CloseTimeout", Nothing),
        (1.1, "tick", Dial),
    ]);
}

#[test]
fn a_useful_session_that_the_program_replaces_resets_the_waits() {
    let mut sim = SessionSim::with(|policy| policy.max_reconnects = Some(1));
    sim.tick()
        .refused()
        .tick()
        .input(Input::Opened)
        .input(SAMPLE)
        .input(Input::Reconnect)
        .closed(1000)
        .tick()
        .refused();
    assert!(!sim.session.is_done());
    assert_eq!(sim.due(), Some(sim.seconds() + 5.0));
}
