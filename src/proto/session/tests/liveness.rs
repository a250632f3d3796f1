//! Pings, pongs, silence, pauses and sleep.

use super::Action::Ping;
use super::*;

/// A connection that is never too silent.
fn generic() -> SessionSim {
    SessionSim::with(|policy| policy.stale = Stale::Never).opened()
}

/// Ticks until the connection is hung up; when, and after how long a silence.
fn stale(sim: &mut SessionSim) -> (f64, u64) {
    loop {
        sim.tick();
        let ping = sim.said.iter().rev().find_map(|(_, _, act)| if let Ping(n) = act { Some(*n) } else { None });
        if sim.session.is_open() {
            sim.say(Input::Alive).say(Input::Pong(ping.unwrap()));
        } else {
            let found = sim.said.iter().rev().find_map(|(at, _, act)| match act {
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
fn a_pong_keeps_the_connection_and_tells_the_round_trip_once() {
    let mut sim = generic();
    sim.tick().at(30.25).say(Input::Alive).say(Input::Pong(1)).tick().expect(&[
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
        sim.tick().at(39.0).say(frame).at(55.0).say(Input::Pong(1)).tick();
        assert_eq!(sim.session.take_rtt(), Some(Duration::from_secs(25)));
        assert_eq!(sim.said.last(), Some(&(60.0, "tick".to_owned(), Ping(2))));
    }
}

#[test]
fn the_pong_of_an_older_ping_proves_life_but_tells_no_round_trip() {
    let mut sim = generic();
    sim.tick().say(Input::Alive).tick().at(61.0).say(Input::Pong(1));
    assert_eq!(sim.session.take_rtt(), None);
    assert_eq!(sim.due(), Some(90.0));
    sim.at(62.0).say(Input::Pong(2)).say(Input::Pong(2));
    assert_eq!(sim.session.take_rtt(), Some(Duration::from_secs(2)));
}

#[test]
fn a_second_ping_does_not_put_off_the_answer_to_the_first() {
    let mut sim = SessionSim::with(|policy| {
        (policy.ping_interval, policy.stale) = (Some(Duration::from_secs(4)), Stale::Never);
    });
    sim.tick().say(Input::Opened).tick().tick().tick().tick().expect(&[
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
    sim.tick().at(31.0).refused().tick().say(Input::Opened).say(Input::Pong(1)).tick().expect(&[
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
fn without_pings_and_silence_nothing_is_timed() {
    let mut sim = SessionSim::with(|policy| (policy.ping_interval, policy.stale) = (None, Stale::Never)).opened();
    assert_eq!(sim.due(), None);
    sim.asleep_until(HOUR).say(Input::Tick).say(Input::ClockJumped);
    sim.expect(&[(HOUR, "tick", Nothing), (HOUR, "clock jumped", Nothing)]);
}

#[test]
fn zero_means_never() {
    let mut sim = SessionSim::with(|policy| {
        (policy.ping_interval, policy.stale) = (Some(Duration::ZERO), Stale::After(Duration::ZERO));
    });
    assert_eq!(sim.tick().say(Input::Opened).due(), None);
}

#[test]
fn a_server_that_answers_pings_but_says_nothing_is_left() {
    let mut sim = SessionSim::open();
    sim.at(10.0).say(SAMPLE).tick().say(Input::Alive).say(Input::Pong(1)).tick().tick().expect(&[
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
fn while_a_ping_is_unanswered_its_deadline_comes_before_that_of_silence() {
    let mut sim = SessionSim::with(|policy| policy.stale = Stale::After(Duration::from_secs(35))).opened();
    sim.tick().tick().expect(&[
        (30.0, "tick", Ping(1)),
        (40.0, "tick", HangUp(NoPong)),
        (40.0, "lost NoPong", Nothing),
    ]);
    let mut sim = SessionSim::with(|policy| policy.stale = Stale::After(Duration::from_secs(35))).opened();
    sim.tick().at(37.0).say(Input::Alive).tick().expect(&[
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
        sim.at(at).say(SAMPLE);
    }
    assert_eq!(stale(&mut sim), (129.0, 100));
    // What was learnt holds for the next connection.
    sim.tick().say(Input::Opened).say(SAMPLE);
    assert_eq!(stale(&mut sim).1, 100);
}

#[test]
fn a_fixed_time_of_silence_stays_what_it_is() {
    let mut sim = SessionSim::with(|policy| policy.stale = Stale::After(Duration::from_secs(7))).opened();
    sim.at(6.0).say(SAMPLE);
    for _ in 0..5 {
        assert_eq!(stale(&mut sim).1, 7);
        sim.tick().say(Input::Opened).say(GREETING);
    }
}

#[test]
fn the_dialect_may_be_recognised_late() {
    let mut sim = generic();
    sim.session.quiet_after(Some(Duration::from_secs(3)));
    assert_eq!(sim.due(), Some(30.0));
    let mut sim = SessionSim::open();
    sim.at(2.0).say(SAMPLE).at(3.0).session.quiet_after(Some(Duration::from_secs(20)));
    assert_eq!(sim.due(), Some(22.0));
    sim.session.quiet_after(None);
    assert_eq!(sim.due(), Some(30.0));
}

/// Greets, answers pings, and its collector is dead.
fn dead_collector(sim: &mut SessionSim) {
    sim.say(Input::Opened).say(GREETING);
    stale(sim);
}

#[test]
fn a_dead_collector_is_noticed_and_tried_ever_more_rarely() {
    let mut sim = SessionSim::new();
    let mut silences = Vec::new();
    for _ in 0..11 {
        sim.tick().say(Input::Opened).say(GREETING);
        silences.push(stale(&mut sim).1);
    }
    assert_eq!(silences, [30, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    assert!(SessionSim::new().hour(dead_collector).len() <= 9);
}

#[test]
fn a_failed_dial_in_between_does_not_make_a_vain_reconnection_less_vain() {
    let mut sim = SessionSim::new();
    let mut silences = Vec::new();
    for _ in 0..5 {
        sim.tick().say(Input::Opened).say(GREETING);
        silences.push(stale(&mut sim).1);
        sim.tick().refused();
    }
    assert_eq!(silences, [30, 30, 60, 120, 240]);
}

#[test]
fn patience_ends_with_the_first_sample() {
    let mut sim = SessionSim::new();
    for _ in 0..5 {
        sim.tick();
        dead_collector(&mut sim);
    }
    sim.tick().say(Input::Opened).say(SAMPLE);
    assert_eq!(stale(&mut sim).1, 30);
    sim.tick().say(Input::Opened).say(GREETING);
    assert_eq!(stale(&mut sim).1, 30);
}

#[test]
fn after_a_suspend_every_connection_is_pinged_at_once() {
    generic().at(7.0).say(Input::ClockJumped).say(Input::ClockJumped).tick().expect(&[
        (7.0, "clock jumped", Ping(1)),
        (7.0, "clock jumped", Nothing),
        (17.0, "tick", HangUp(NoPong)),
        (17.0, "lost NoPong", Nothing),
    ]);
    generic().at(7.0).say(Input::ClockJumped).say(Input::Alive).tick().expect(&[
        (7.0, "clock jumped", Ping(1)),
        (7.0, "alive", Nothing),
        (37.0, "tick", Ping(2)),
    ]);
}

#[test]
fn a_suspend_changes_no_wait() {
    let mut sim = SessionSim::new();
    sim.tick().refused().at(2.0).say(Input::ClockJumped);
    assert_eq!(sim.due(), Some(5.0));
}

#[test]
fn a_process_that_was_stopped_for_a_minute_does_not_blame_the_server() {
    // What has arrived meanwhile is read before anything due is looked at.
    let mut sim = SessionSim::open();
    for second in 1..=31 {
        sim.at(f64::from(second)).say(Input::Alive).say(SAMPLE);
    }
    sim.said.clear();
    sim.asleep_until(91.0).say(Input::Alive).say(SAMPLE).say(Input::Alive).say(SAMPLE).say(Input::Tick).expect(&[
        (91.0, "alive", Nothing),
        (91.0, "sample", Nothing),
        (91.0, "alive", Nothing),
        (91.0, "sample", Nothing),
        (91.0, "tick", Ping(2)),
    ]);
    // Nor does it learn that a minute's silence was the server's way.
    sim.say(Input::Alive);
    assert_eq!(sim.due(), Some(121.0));
    assert_eq!(stale(&mut sim).1, 30);
}

#[test]
fn a_process_that_was_stopped_with_a_ping_under_way_finds_the_pong() {
    let mut sim = generic();
    sim.tick().asleep_until(90.0).say(Input::Alive).say(Input::Pong(1)).say(Input::Tick).expect(&[
        (30.0, "tick", Ping(1)),
        (90.0, "alive", Nothing),
        (90.0, "pong(1)", Nothing),
        (90.0, "tick", Ping(2)),
    ]);
}

#[test]
fn a_pause_freezes_the_pong_deadline_and_pings_go_on() {
    let mut sim = generic();
    sim.tick().at(34.0).say(Input::Paused).at(134.0).say(Input::Resumed).say(Input::Resumed).tick().expect(&[
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
    sim.at(5.0).say(SAMPLE).at(15.0).say(Input::Paused).at(16.0).say(Input::Paused);
    sim.at(115.0).say(Input::Resumed);
    // The silence before and after the pause together.
    assert_eq!(stale(&mut sim), (135.0, 30));
}

#[test]
fn many_short_pauses_do_not_save_a_dead_connection() {
    let mut sim = generic();
    sim.tick();
    while sim.session.is_open() {
        let now = sim.seconds();
        sim.at(now + 1.0).say(Input::Paused).at(now + 2.0).say(Input::Resumed);
    }
    assert!(sim.seconds() < 60.0);
}

#[test]
fn a_pause_is_no_gap_of_the_server() {
    let mut sim = SessionSim::open();
    sim.at(1.0).say(SAMPLE).say(Input::Paused).at(300.0).say(Input::Resumed).say(Input::Alive).say(SAMPLE);
    assert_eq!(stale(&mut sim).1, 30);
}

#[test]
fn a_pong_that_waited_unread_tells_no_round_trip() {
    let mut sim = generic();
    sim.tick().say(Input::Paused).at(70.0).say(Input::Resumed).say(Input::Pong(1)).say(Input::Pong(2));
    assert_eq!(sim.session.take_rtt(), None);
}

#[test]
fn a_connection_that_opens_in_a_pause_is_paused() {
    let mut sim = SessionSim::new();
    sim.tick().say(Input::Paused).say(Input::Opened).at(100.0).say(Input::Resumed).expect(&[
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
