//! Pings, pongs, silence, pauses and suspended machines.

use super::Action::Ping;
use super::*;

/// A connection that is never stale.
fn generic() -> SessionSim {
    SessionSim::with(|policy| policy.stale = Stale::Never).opened()
}

/// Ticks until the connection is hung up as stale; returns the time and the length of the silence, in seconds.
fn stale(sim: &mut SessionSim) -> (f64, u64) {
    loop {
        sim.tick();
        let ping =
            sim.transcript.iter().rev().find_map(|(_, _, action)| if let Ping(n) = action { Some(*n) } else { None });
        if sim.session.is_open() {
            sim.input(Input::Alive).input(Input::Pong(ping.unwrap()));
        } else {
            let found = sim.transcript.iter().rev().find_map(|(at, _, action)| match action {
                HangUp(Fault::Stale { after }) => Some((*at, after.as_secs())),
                _ => None,
            });
            return found.expect("hung up for silence");
        }
    }
}

#[test]
fn without_a_pong_the_connection_is_dead() {
    generic().tick().tick().tick().expect(&[
        (30.0, "tick", Ping(1)),
        (40.0, "tick", HangUp(NoPong)),
        (40.0, "lost NoPong", Nothing),
        (45.0, "tick", Dial),
    ]);
}

#[test]
fn a_pong_keeps_the_connection_and_gives_the_round_trip_once() {
    let mut sim = generic();
    sim.tick().at(30.25).input(Input::Alive).input(Input::Pong(1)).tick().expect(&[
        (30.0, "tick", Ping(1)),
        (30.25, "alive", Nothing),
        (30.25, "pong(1)", Nothing),
        (60.0, "tick", Ping(2)),
    ]);
    assert_eq!(sim.session.take_rtt(), Some(Duration::from_millis(250)));
    assert_eq!(sim.session.take_rtt(), None);
}

#[test]
fn any_frame_proves_life_while_the_pong_is_late() {
    let frames = [Input::Alive, GREETING, SAMPLE, Input::Pong(77)];
    for frame in frames {
        let mut sim = generic();
        sim.tick().at(39.0).input(frame).at(55.0).input(Input::Pong(1)).tick();
        assert_eq!(sim.session.take_rtt(), Some(Duration::from_secs(25)));
        assert_eq!(sim.transcript.last(), Some(&(60.0, "tick".to_owned(), Ping(2))));
    }
}

#[test]
fn the_pong_of_an_older_ping_proves_life_but_gives_no_round_trip() {
    let mut sim = generic();
    sim.tick().input(Input::Alive).tick().at(61.0).input(Input::Pong(1));
    assert_eq!(sim.session.take_rtt(), None);
    assert_eq!(sim.due(), Some(90.0));
    sim.at(62.0).input(Input::Pong(2)).input(Input::Pong(2));
    assert_eq!(sim.session.take_rtt(), Some(Duration::from_secs(2)));
}

#[test]
fn a_second_ping_does_not_extend_the_deadline_of_the_first() {
    let mut sim = SessionSim::with(|policy| {
        (policy.ping_interval, policy.stale) = (Some(Duration::from_secs(4)), Stale::Never);
    });
    sim.tick().input(Input::Opened).tick().tick().tick().tick().expect(&[
        (0.0, "tick", Dial),
        (0.0, "opened", Nothing),
        (4.0, "tick", Ping(1)),
        (8.0, "tick", Ping(2)),
        (12.0, "tick", Ping(3)),
        (14.0, "tick", HangUp(NoPong)),
        (14.0, "lost NoPong", Nothing),
    ]);
}

#[test]
fn nothing_of_a_ping_survives_the_connection() {
    let mut sim = generic();
    sim.tick().at(31.0).refused().tick().input(Input::Opened).input(Input::Pong(1)).tick().expect(&[
        (30.0, "tick", Ping(1)),
        (31.0, "lost refused", Nothing),
        (36.0, "tick", Dial),
        (36.0, "opened", Nothing),
        (36.0, "pong(1)", Nothing),
        (66.0, "tick", Ping(2)),
    ]);
    assert_eq!(sim.session.take_rtt(), None);
}

#[test]
fn without_pings_and_stale_time_there_is_no_deadline() {
    let mut sim = SessionSim::with(|policy| (policy.ping_interval, policy.stale) = (None, Stale::Never)).opened();
    assert_eq!(sim.due(), None);
    sim.asleep_until(HOUR).input(Input::Tick).input(Input::ClockJumped);
    sim.expect(&[(HOUR, "tick", Nothing), (HOUR, "clock jumped", Nothing)]);
}

#[test]
fn zero_means_never() {
    let mut sim = SessionSim::with(|policy| {
        (policy.ping_interval, policy.stale) = (Some(Duration::ZERO), Stale::After(Duration::ZERO));
    });
    assert_eq!(sim.tick().input(Input::Opened).due(), None);
}

#[test]
fn a_server_that_answers_pings_but_sends_no_messages_is_stale() {
    let mut sim = SessionSim::open();
    sim.at(10.0).input(SAMPLE).tick().input(Input::Alive).input(Input::Pong(1)).tick().tick().expect(&[
        (10.0, "sample", Nothing),
        (30.0, "tick", Ping(1)),
        (30.0, "alive", Nothing),
        (30.0, "pong(1)", Nothing),
        (60.0, "tick", HangUp(Fault::Stale { after: Duration::from_secs(50) })),
        (60.0, "lost Stale", Nothing),
        (65.0, "tick", Dial),
    ]);
}

#[test]
fn while_a_ping_is_unanswered_its_deadline_replaces_the_stale_deadline() {
    let mut sim = SessionSim::with(|policy| policy.stale = Stale::After(Duration::from_secs(35))).opened();
    sim.tick().tick().expect(&[
        (30.0, "tick", Ping(1)),
        (40.0, "tick", HangUp(NoPong)),
        (40.0, "lost NoPong", Nothing),
    ]);
    let mut sim = SessionSim::with(|policy| policy.stale = Stale::After(Duration::from_secs(35))).opened();
    sim.tick().at(37.0).input(Input::Alive).tick().expect(&[
        (30.0, "tick", Ping(1)),
        (37.0, "alive", Nothing),
        (37.0, "tick", HangUp(Fault::Stale { after: Duration::from_secs(37) })),
        (37.0, "lost Stale", Nothing),
    ]);
}

#[test]
fn silence_may_last_five_times_the_longest_gap() {
    let mut sim = SessionSim::open();
    for at in [8.0, 28.0, 29.0] {
        sim.at(at).input(SAMPLE);
    }
    assert_eq!(stale(&mut sim), (129.0, 100));
    // The longest gap is kept over a reconnection.
    sim.tick().input(Input::Opened).input(SAMPLE);
    assert_eq!(stale(&mut sim).1, 100);
}

#[test]
fn a_fixed_stale_time_does_not_change() {
    let mut sim = SessionSim::with(|policy| policy.stale = Stale::After(Duration::from_secs(7))).opened();
    sim.at(6.0).input(SAMPLE);
    for _ in 0..5 {
        assert_eq!(stale(&mut sim).1, 7);
        sim.tick().input(Input::Opened).input(GREETING);
    }
}

#[test]
fn the_dialect_may_be_recognised_late() {
    let mut sim = generic();
    sim.session.set_stale_default(Some(Duration::from_secs(3)));
    assert_eq!(sim.due(), Some(30.0));
    let mut sim = SessionSim::open();
    sim.at(2.0).input(SAMPLE).at(3.0).session.set_stale_default(Some(Duration::from_secs(20)));
    assert_eq!(sim.due(), Some(22.0));
    sim.session.set_stale_default(None);
    assert_eq!(sim.due(), Some(30.0));
}

/// A server that greets and answers pings, but whose collector is dead.
fn dead_collector(sim: &mut SessionSim) {
    sim.input(Input::Opened).input(GREETING);
    stale(sim);
}

#[test]
fn a_dead_collector_is_noticed_and_reconnected_ever_more_rarely() {
    let mut sim = SessionSim::new();
    let mut silences = Vec::new();
    for _ in 0..11 {
        sim.tick().input(Input::Opened).input(GREETING);
        silences.push(stale(&mut sim).1);
    }
    assert_eq!(silences, [30, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    assert!(SessionSim::new().hour(dead_collector).len() <= 9);
}

#[test]
fn a_failed_dial_in_between_does_not_reset_the_patience() {
    let mut sim = SessionSim::new();
    let mut silences = Vec::new();
    for _ in 0..5 {
        sim.tick().input(Input::Opened).input(GREETING);
        silences.push(stale(&mut sim).1);
        sim.tick().refused();
    }
    assert_eq!(silences, [30, 30, 60, 120, 240]);
}

#[test]
fn the_first_sample_resets_the_patience() {
    let mut sim = SessionSim::new();
    for _ in 0..5 {
        sim.tick();
        dead_collector(&mut sim);
    }
    sim.tick().input(Input::Opened).input(SAMPLE);
    assert_eq!(stale(&mut sim).1, 30);
    sim.tick().input(Input::Opened).input(GREETING);
    assert_eq!(stale(&mut sim).1, 30);
}

#[test]
fn after_a_suspend_every_connection_is_pinged_at_once() {
    generic().at(7.0).input(Input::ClockJumped).input(Input::ClockJumped).tick().expect(&[
        (7.0, "clock jumped", Ping(1)),
        (7.0, "clock jumped", Nothing),
        (17.0, "tick", HangUp(NoPong)),
        (17.0, "lost NoPong", Nothing),
    ]);
    generic().at(7.0).input(Input::ClockJumped).input(Input::Alive).tick().expect(&[
        (7.0, "clock jumped", Ping(1)),
        (7.0, "alive", Nothing),
        (37.0, "tick", Ping(2)),
    ]);
}

#[test]
fn a_suspend_does_not_change_a_wait() {
    let mut sim = SessionSim::new();
    sim.tick().refused().at(2.0).input(Input::ClockJumped);
    assert_eq!(sim.due(), Some(5.0));
}

#[test]
fn a_process_that_was_stopped_for_a_minute_does_not_blame_the_server() {
    // Messages that have arrived meanwhile are read before deadlines are checked.
    let mut sim = SessionSim::open();
    for second in 1..=31 {
        sim.at(f64::from(second)).input(Input::Alive).input(SAMPLE);
    }
    sim.transcript.clear();
    sim.asleep_until(91.0)
        .input(Input::Alive)
        .input(SAMPLE)
        .input(Input::Alive)
        .input(SAMPLE)
        .input(Input::Tick)
        .expect(&[
            (91.0, "alive", Nothing),
            (91.0, "sample", Nothing),
            (91.0, "alive", Nothing),
            (91.0, "sample", Nothing),
            (91.0, "tick", Ping(2)),
        ]);
    // The minute is not recorded as a gap of the server.
    sim.input(Input::Alive);
    assert_eq!(sim.due(), Some(121.0));
    assert_eq!(stale(&mut sim).1, 30);
}

#[test]
fn a_process_that_was_stopped_during_a_ping_finds_the_pong() {
    let mut sim = generic();
    sim.tick().asleep_until(90.0).input(Input::Alive).input(Input::Pong(1)).input(Input::Tick).expect(&[
        (30.0, "tick", Ping(1)),
        (90.0, "alive", Nothing),
        (90.0, "pong(1)", Nothing),
        (90.0, "tick", Ping(2)),
    ]);
}

#[test]
fn a_pause_freezes_the_pong_deadline_and_pings_go_on() {
    let mut sim = generic();
    sim.tick().at(34.0).input(Input::Paused).at(134.0).input(Input::Resumed).input(Input::Resumed).tick().expect(&[
        (30.0, "tick", Ping(1)),
        (34.0, "paused", Nothing),
        (60.0, "tick", Ping(2)),
        (90.0, "tick", Ping(3)),
        (120.0, "tick", Ping(4)),
        (134.0, "resumed", Nothing),
        (134.0, "resumed", Nothing),
        (140.0, "tick", HangUp(NoPong)),
        (140.0, "lost NoPong", Nothing),
    ]);
}

#[test]
fn a_pause_freezes_the_stale_deadline() {
    let mut sim = SessionSim::open();
    sim.at(5.0).input(SAMPLE).at(15.0).input(Input::Paused).at(16.0).input(Input::Paused);
    sim.at(115.0).input(Input::Resumed);
    // The silence before and after the pause together.
    assert_eq!(stale(&mut sim), (135.0, 30));
}

#[test]
fn many_short_pauses_do_not_keep_a_dead_connection() {
    let mut sim = generic();
    sim.tick();
    while sim.session.is_open() {
        let now = sim.seconds();
        sim.at(now + 1.0).input(Input::Paused).at(now + 2.0).input(Input::Resumed);
    }
    assert!(sim.seconds() < 60.0);
}

#[test]
fn a_pause_is_not_recorded_as_a_gap() {
    let mut sim = SessionSim::open();
    sim.at(1.0).input(SAMPLE).input(Input::Paused).at(300.0).input(Input::Resumed).input(Input::Alive).input(SAMPLE);
    assert_eq!(stale(&mut sim).1, 30);
}

#[test]
fn a_pong_that_waited_unread_gives_no_round_trip() {
    let mut sim = generic();
    sim.tick().input(Input::Paused).at(70.0).input(Input::Resumed).input(Input::Pong(1)).input(Input::Pong(2));
    assert_eq!(sim.session.take_rtt(), None);
}

#[test]
fn a_connection_that_opens_in_a_pause_is_paused() {
    let mut sim = SessionSim::new();
    sim.tick().input(Input::Paused).input(Input::Opened).at(100.0).input(Input::Resumed).expect(&[
        (0.0, "tick", Dial),
        (0.0, "paused", Nothing),
        (0.0, "opened", Nothing),
        (30.0, "tick", Ping(1)),
        (60.0, "tick", Ping(2)),
        (90.0, "tick", Ping(3)),
        (100.0, "resumed", Nothing),
    ]);
    assert_eq!(stale(&mut sim), (130.0, 30));
}
