//! Giving up, stopping, and starting again.

use super::*;

#[test]
fn without_reconnections_the_first_loss_is_the_end() {
    let mut sim = SessionSim::with(|policy| policy.max_reconnects = Some(0));
    sim.tick().input(Input::Opened).input(SAMPLE).closed(1000).expect(&[
        (0.0, "tick", Dial),
        (0.0, "opened", Nothing),
        (0.0, "sample", Nothing),
        (0.0, "lost 1000", Nothing),
    ]);
    assert!(sim.session.is_done());
    assert_eq!(sim.session.client_state(), ClientState::Error);
}

#[test]
fn three_reconnections_are_four_dials() {
    let mut sim = SessionSim::with(|policy| policy.max_reconnects = Some(3));
    while !sim.session.is_done() {
        sim.tick().refused();
    }
    assert_eq!(sim.session.client_state(), ClientState::Error);
    assert_eq!(sim.dials(), [0.0, 5.0, 15.0, 35.0]);
}

#[test]
fn useful_sessions_do_not_count_as_reconnections_in_a_row() {
    let mut sim = SessionSim::with(|policy| policy.max_reconnects = Some(3));
    for _ in 0..10 {
        sim.tick().refused().tick().refused().tick().input(Input::Opened).input(SAMPLE).refused();
    }
    assert!(!sim.session.is_done());
}

#[test]
fn useless_sessions_count_as_reconnections_in_a_row() {
    let mut sim = SessionSim::with(|policy| policy.max_reconnects = Some(3));
    while !sim.session.is_done() {
        sim.tick().input(Input::Opened).input(GREETING).closed(1008);
    }
    assert_eq!(sim.dials().len(), 4);
}

#[test]
fn a_setting_that_cannot_be_used_is_final_and_not_routine() {
    let mut sim = SessionSim::open();
    sim.input(SAMPLE).closed(1000);
    assert!(sim.session.is_routine());
    sim.tick().refused_for(Retry::Final);
    assert!(sim.session.is_done() && !sim.session.is_routine());
}

#[test]
fn a_refusal_is_final_until_the_server_has_been_useful() {
    let mut sim = SessionSim::new();
    sim.tick().refused().tick().input(Input::Opened).input(GREETING).closed(1011).tick();
    sim.refused_for(Retry::FinalUnlessUseful);
    assert_eq!(sim.session.client_state(), ClientState::Error);
}

#[test]
fn refusals_after_a_useful_session_are_retried_at_the_cap_and_final_after_ten_in_a_row() {
    let mut sim = SessionSim::open();
    sim.input(SAMPLE).closed(1011).tick().dials();
    for number in 1..10 {
        let wait = sim.refused_for(Retry::FinalUnlessUseful).due().unwrap() - sim.seconds();
        assert_eq!(wait, 60.0, "{number}");
        sim.tick();
    }
    sim.refused_for(Retry::FinalUnlessUseful);
    assert_eq!(sim.session.client_state(), ClientState::Error);
    assert_eq!(sim.dials().len(), 9);
}

#[test]
fn a_server_that_lasted_without_messages_is_not_given_up_for_one_refusal() {
    let mut sim = SessionSim::open();
    sim.at(20.0).input(GREETING).at(40.0).closed(1011).tick().refused_for(Retry::FinalUnlessUseful);
    assert!(!sim.session.is_done());
}

#[test]
fn refusals_are_counted_in_a_row() {
    let mut sim = SessionSim::open();
    sim.input(SAMPLE).closed(1011);
    for _ in 0..5 {
        for _ in 0..9 {
            sim.tick().refused_for(Retry::FinalUnlessUseful);
        }
        sim.tick().refused();
        for _ in 0..9 {
            sim.tick().refused_for(Retry::FinalUnlessUseful);
        }
        sim.tick().input(Input::Opened).input(GREETING).closed(1011);
    }
    assert!(!sim.session.is_done());
}

#[test]
fn the_limit_of_reconnections_holds_for_refusals_too() {
    let mut sim = SessionSim::with(|policy| policy.max_reconnects = Some(2)).opened();
    sim.input(SAMPLE).closed(1011).tick();
    sim.refused_for(Retry::FinalUnlessUseful).tick().refused_for(Retry::FinalUnlessUseful);
    assert!(sim.session.is_done());
}

#[test]
fn the_program_may_start_again_after_ten_refusals() {
    let mut sim = SessionSim::open();
    sim.input(SAMPLE).closed(1011);
    for _ in 0..10 {
        sim.tick().refused_for(Retry::FinalUnlessUseful);
    }
    sim.input(Input::Reconnect).tick().refused_for(Retry::FinalUnlessUseful);
    assert!(!sim.session.is_done());
}

#[test]
fn a_dial_that_is_not_answered_is_given_up() {
    SessionSim::new().tick().tick().tick().expect(&[
        (0.0, "tick", Dial),
        (10.0, "tick", HangUp(ConnectTimeout)),
        (10.0, "lost ConnectTimeout", Nothing),
        (15.0, "tick", Dial),
    ]);
}

#[test]
fn stopped_while_waiting_is_done_at_once() {
    let mut sim = SessionSim::new();
    sim.tick().refused().at(1.0).input(Input::Stop).expect(&[
        (0.0, "tick", Dial),
        (0.0, "lost refused", Nothing),
        (1.0, "stop", Nothing),
    ]);
    assert_eq!(sim.session.client_state(), ClientState::Disconnected);
    assert_eq!(sim.due(), None);
}

#[test]
fn stopped_while_opening_is_done_at_once() {
    let mut sim = SessionSim::new();
    sim.tick().at(1.0).input(Input::Stop).expect(&[
        (0.0, "tick", Dial),
        (1.0, "stop", HangUp(Stopped)),
        (1.0, "lost Stopped", Nothing),
    ]);
    assert_eq!(sim.session.client_state(), ClientState::Disconnected);
}

#[test]
fn stopped_while_open_closes_and_waits_for_the_answer() {
    let mut sim = SessionSim::open();
    sim.at(1.0).input(Input::Stop).at(1.25).input(Input::Alive).input(SAMPLE).closed(1000).expect(&[
        (1.0, "stop", Close),
        (1.25, "alive", Nothing),
        (1.25, "sample", Nothing),
        (1.25, "lost 1000", Nothing),
    ]);
    assert_eq!(sim.session.client_state(), ClientState::Disconnected);
}

#[test]
fn stopped_without_an_answer_is_done_within_a_second() {
    let mut sim = SessionSim::open();
    sim.at(1.0).input(Input::Stop).tick().expect(&[
        (1.0, "stop", Close),
        (2.0, "tick", HangUp(CloseTimeout)),
        (2.0, "lost CloseTimeout", Nothing),
    ]);
    assert!(sim.session.is_done());
}

#[test]
fn stopped_while_closing_for_another_connection_is_done_within_the_same_second() {
    let mut sim = SessionSim::open();
    sim.input(Input::Reconnect).at(0.5).input(Input::Stop).tick().expect(&[
        (0.0, "reconnect", Close),
        (0.5, "stop", Nothing),
        (1.0, "tick", HangUp(CloseTimeout)),
        (1.0, "lost CloseTimeout", Nothing),
    ]);
    assert!(sim.session.is_done());
}

#[test]
fn of_stop_and_reconnect_while_closing_the_latest_counts() {
    let mut sim = SessionSim::open();
    sim.input(Input::Stop).at(0.5).input(Input::Reconnect).input(Input::Stop).input(Input::Reconnect).tick().tick();
    sim.expect(&[
        (0.0, "stop", Close),
        (0.5, "reconnect", Nothing),
        (0.5, "stop", Nothing),
        (0.5, "reconnect", Nothing),
        (1.0, "tick", HangUp(CloseTimeout)),
        (1.0, "lost CloseTimeout", Nothing),
        (1.1, "tick", Dial),
    ]);
}

#[test]
fn after_the_end_only_reconnect_has_an_effect() {
    let mut sim = SessionSim::with(|policy| policy.max_reconnects = Some(1));
    sim.tick().refused().tick().refused().dials();
    sim.asleep_until(HOUR)
        .input(Input::Tick)
        .input(Input::Opened)
        .input(Input::Alive)
        .input(Input::ClockJumped)
        .input(Input::Stop);
    sim.refused().input(Input::Reconnect).tick().refused().tick().refused().expect(&[
        (HOUR, "tick", Nothing),
        (HOUR, "opened", Nothing),
        (HOUR, "alive", Nothing),
        (HOUR, "clock jumped", Nothing),
        (HOUR, "stop", Nothing),
        (HOUR, "lost refused", Nothing),
        (HOUR, "reconnect", Nothing),
        (HOUR, "tick", Dial),
        (HOUR, "lost refused", Nothing),
        (HOUR + 5.0, "tick", Dial),
        (HOUR + 5.0, "lost refused", Nothing),
    ]);
    assert!(sim.session.is_done());
}

#[test]
fn states_have_the_names_of_the_reference_client() {
    let mut sim = SessionSim::new();
    let mut states = vec![sim.session.client_state()];
    states.push(sim.tick().session.client_state());
    states.push(sim.input(Input::Opened).session.client_state());
    states.push(sim.closed(1011).session.client_state());
    states.push(sim.tick().session.client_state());
    states.push(sim.refused_for(Retry::Final).session.client_state());
    let names: Vec<_> = states.iter().map(|state| state.name()).collect();
    assert_eq!(names, ["disconnected", "connecting", "connected", "reconnecting", "reconnecting", "error"]);
}

#[test]
fn durations_of_the_maximum_cause_no_overflow() {
    let mut sim = SessionSim::with(|policy| {
        *policy = Policy {
            max_reconnects: None,
            reconnect_interval: Duration::MAX,
            reconnect_cap: Duration::MAX,
            connect_timeout: Duration::MAX,
            ping_interval: Some(Duration::MAX),
            ping_timeout: Duration::MAX,
            stale: Stale::After(Duration::MAX),
        };
    });
    sim.tick().input(Input::Opened).input(GREETING).input(Input::ClockJumped).closed(1011).tick();
    assert!(sim.session.is_opening());
}
