//! Rules over all servers.

use super::*;

/// Creates a simulation with servers that have not been dialled.
fn fleet(warnings: &str, criticals: &str, servers: usize) -> Sim {
    let mut sim = Sim::new(warnings, criticals);
    for id in 0..servers {
        sim.board.add(nth(id), &format!("s{id}"));
    }
    sim
}

#[test]
fn a_quorum_waits_until_every_server_has_delivered_or_failed() {
    let mut sim = fleet("", "up.sum=2:", 3);
    sim.say(0, &[connected()]).send(0, &[("cpu", 1.0)]).expect(&[]);
    sim.say(1, &[lost("refused")]).expect(&[]);
    sim.say(2, &[lost("refused")]).expect(&["0.000 *: CRITICAL up.sum 1 (2:)"]);
    sim.say(2, &[connected()]).expect(&["0.000 *: up.sum: back to normal"]);
    assert_eq!(sim.rules.fleet_level(), Level::Ok);
}

#[test]
fn a_mean_is_over_those_that_are_up_and_send_the_metric() {
    let mut sim = fleet("cpu.mean=80", "", 3);
    for (id, percent) in [(0, 90.0), (1, 90.0)] {
        sim.say(id, &[connected()]).send(id, &[("cpu", percent)]).expect(&[]);
    }
    sim.say(2, &[connected()]).send(2, &[("memory", 1.0)]).expect(&["0.000 *: WARNING cpu.mean 90.0% (80)"]);
    sim.send(2, &[("cpu", 30.0)]).expect(&["0.000 *: cpu.mean: back to normal"]);
    sim.say(2, &[lost("reset")]).expect(&["0.000 *: WARNING cpu.mean 90.0% (80)"]);
    sim.say(0, &[lost("reset")]).say(1, &[lost("reset")]).expect(&[]);
    assert_eq!(sim.rules.fleet_level(), Level::Warning, "nobody has a value: it stays as it is");
}

#[test]
fn a_silent_server_delays_aggregates_for_30_seconds() {
    let mut sim = fleet("cpu.max=80", "", 2);
    sim.say(0, &[connected()]).send(0, &[("cpu", 90.0)]).until(5.0).say(1, &[connected()]).until(34.0).expect(&[]);
    sim.until(40.0).expect(&["35.000 *: WARNING cpu.max 90.0% (80)"]);
}

#[test]
fn a_server_that_is_added_later_does_not_suspend_aggregates() {
    let mut sim = fleet("up.min=1:,cpu.min=10:/1m", "", 1);
    sim.say(0, &[connected()]).send(0, &[("cpu", 1.0)]).until(30.0);
    sim.board.add(nth(1), "s1");
    sim.step();
    sim.until(70.0).expect(&["60.000 *: WARNING cpu.min 1.0% (10:)"]);
    sim.say(1, &[lost("refused")]).expect(&["70.000 *: WARNING up.min 0 (1:)"]);
    sim.board.remove(nth(1));
    sim.step();
    sim.expect(&["70.000 *: up.min: back to normal"]);
}

#[test]
fn ages_grow_together() {
    let mut sim = fleet("age.mean=60,age.max=100,age.sum=100", "age.min=@0:5", 2);
    for id in 0..2 {
        sim.say(id, &[connected()]).until(10.0 * id as f64).send(id, &[("cpu", 1.0)]);
    }
    sim.until(200.0).expect(&[
        "10.000 *: CRITICAL age.min 0s (@0:5)",
        "15.001 *: age.min: back to normal",
        "55.001 *: WARNING age.sum 1m 40s (100)",
        "65.001 *: WARNING age.mean 1m 0s (60)",
        "100.001 *: WARNING age.max 1m 40s (100)",
    ]);
    assert_eq!(sim.due(), None);
}

#[test]
fn each_server_and_all_of_them_have_levels_of_their_own() {
    let mut sim = fleet("cpu=80,cpu.mean=60", "", 2);
    sim.say(0, &[connected()]).send(0, &[("cpu", 90.0)]).expect(&["0.000 s0: WARNING cpu 90.0% (80)"]);
    sim.say(1, &[connected()]).send(1, &[("cpu", 50.0)]).expect(&["0.000 *: WARNING cpu.mean 70.0% (60)"]);
    assert_eq!([0, 1, 2].map(|id| sim.rules.level(nth(id))), [Level::Warning, Level::Ok, Level::Ok]);
    let mut own = Thresholds::default();
    own.add_warnings("cpu.mean=1").unwrap();
    sim.rules.set_server(nth(1), &own);
    sim.send(1, &[("cpu", 40.0)]).expect(&[]);
}

#[test]
fn no_servers_have_no_value() {
    let mut sim = fleet("", "up.sum=1:,cpu.mean=1", 0);
    sim.step();
    sim.until(100.0).expect(&[]);
}

#[test]
fn servers_with_the_same_rules_of_their_own_share_their_memory() {
    let mut sim = fleet("cpu=80", "", 4);
    for (id, criticals) in ["cpu=95", "cpu=95", "cpu=96", "cpu=96"].into_iter().enumerate() {
        let mut own = Thresholds::default();
        own.add_criticals(criticals).unwrap();
        sim.rules.set_server(nth(id), &own);
    }
    let shared = |a: usize, b: usize| Arc::ptr_eq(&sim.rules.own[a].1, &sim.rules.own[b].1);
    assert_eq!([shared(0, 1), shared(1, 2), shared(2, 3)], [true, false, true]);
}
