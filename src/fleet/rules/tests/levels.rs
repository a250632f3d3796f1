//! Rules for each server: levels, holds, unknown values.

use super::*;

#[test]
fn one_jump_over_both_thresholds_is_one_change() {
    Sim::connected("cpu=80", "cpu=90")
        .cpu(12.0)
        .expect(&[])
        .cpu(95.0)
        .expect(&["0.000 s0: CRITICAL cpu 95.0% (90)"])
        .cpu(96.0)
        .expect(&[])
        .cpu(85.0)
        .expect(&["0.000 s0: WARNING cpu 85.0% (80)"])
        .cpu(12.0)
        .expect(&["0.000 s0: cpu: back to normal"])
        .cpu(85.0)
        .cpu(95.0)
        .expect(&["0.000 s0: WARNING cpu 85.0% (80)", "0.000 s0: CRITICAL cpu 95.0% (90)"]);
}

#[test]
fn an_alarm_begins_and_ends_after_its_hold() {
    let mut sim = Sim::connected("", "cpu=90/5m");
    sim.cpu(95.0).until(299.0).cpu(96.0).until(299.9).expect(&[]);
    sim.until(400.0).expect(&["300.000 s0: CRITICAL cpu 96.0% (90)"]);
    sim.cpu(50.0).until(650.0).cpu(60.0).expect(&[]);
    sim.until(1000.0).expect(&["700.000 s0: cpu: back to normal"]);
    assert_eq!(sim.due(), None);
}

#[test]
fn a_value_that_comes_back_within_the_hold_changes_nothing() {
    let mut sim = Sim::connected("", "cpu=90/5m");
    sim.cpu(95.0).until(299.0).cpu(90.0).until(1000.0).cpu(95.0).until(1299.0).expect(&[]);
    sim.until(1400.0).expect(&["1300.000 s0: CRITICAL cpu 95.0% (90)"]);
    sim.cpu(10.0).until(1699.0).cpu(91.0).until(3000.0).expect(&[]);
}

#[test]
fn each_rule_has_its_own_hold() {
    let mut sim = Sim::connected("cpu=80/1m", "cpu=95");
    sim.cpu(96.0).expect(&["0.000 s0: CRITICAL cpu 96.0% (95)"]);
    sim.until(10.0).cpu(85.0).expect(&["10.000 s0: cpu: back to normal"]);
    sim.until(100.0).expect(&["60.000 s0: WARNING cpu 85.0% (80)"]);
    sim.cpu(99.0)
        .until(101.0)
        .cpu(10.0)
        .expect(&["100.000 s0: CRITICAL cpu 99.0% (95)", "101.000 s0: WARNING cpu 10.0% (80)"]);
    sim.until(200.0).expect(&["161.000 s0: cpu: back to normal"]);
}

#[test]
fn a_late_step_counts_the_time_that_has_passed() {
    let mut sim = Sim::connected("", "cpu=90/1m");
    sim.cpu(95.0);
    sim.now = 500.0;
    sim.cpu(95.0).expect(&["500.000 s0: CRITICAL cpu 95.0% (90)"]);
}

#[test]
fn an_unknown_value_keeps_the_level_and_restarts_holds() {
    let mut sim = Sim::connected("cpu=80/1m", "");
    sim.cpu(90.0).until(59.0).say(0, &[lost("reset")]).until(100.0);
    assert_eq!(sim.due(), None);
    sim.say(0, &[connected()]).cpu(90.0).until(159.0).expect(&[]);
    sim.until(170.0).expect(&["160.000 s0: WARNING cpu 90.0% (80)"]);
    sim.say(0, &[lost("reset")]).until(1000.0).say(0, &[connected()]).until(2000.0).expect(&[]);
    assert_eq!(sim.rules.level(nth(0)), Level::Warning);
    sim.cpu(10.0).until(3000.0).expect(&["2060.000 s0: cpu: back to normal"]);
}

#[test]
fn a_server_that_is_down_is_an_alarm_of_up() {
    let mut sim = Sim::new("", "up=1:/2m");
    sim.board.add(nth(0), "s0");
    sim.until(1000.0).expect(&[]);
    sim.say(0, &[lost("refused")]).until(1119.0).expect(&[]);
    sim.until(1200.0).expect(&["1120.000 s0: CRITICAL up 0 (1:)"]);
    sim.say(0, &[connected()]).until(1319.0).say(0, &[lost("reset")]).until(1320.0).say(0, &[connected()]).expect(&[]);
    sim.until(2000.0).expect(&["1440.000 s0: up: back to normal"]);
}

#[test]
fn age_grows_without_a_message() {
    let mut sim = Sim::connected("age=60", "age=2m/30s");
    sim.until(500.0).expect(&[]);
    sim.cpu(1.0).until(530.0).cpu(1.0).until(589.9).expect(&[]);
    sim.until(1000.0).expect(&["590.001 s0: WARNING age 1m 0s (60)", "680.001 s0: CRITICAL age 2m 30s (2m)"]);
    sim.say(0, &[lost("reset")]).until(2000.0).expect(&[]);
    sim.say(0, &[connected()]).cpu(1.0).until(2040.0).expect(&["2030.000 s0: age: back to normal"]);
}

#[test]
fn a_range_of_ages_is_left_at_both_ends() {
    let mut sim = Sim::connected("age=@10:20", "");
    sim.cpu(1.0).until(100.0).expect(&["10.001 s0: WARNING age 10.001s (@10:20)", "20.001 s0: age: back to normal"]);
    assert_eq!(sim.due(), None);
}

#[test]
fn the_clients_own_quantities_are_evaluated_like_metrics() {
    let mut sim = Sim::connected("ping=200ms,alerts=0", "failed=0,running=1:");
    sim.say(0, &[processes(&[process("web", "errored")], &[]), alert("disk", AlertPhase::Begins)]);
    sim.expect(&[
        "0.000 s0: WARNING alerts 1 (0)",
        "0.000 s0: CRITICAL failed 1 (0)",
        "0.000 s0: CRITICAL running 0 (1:)",
    ]);
    sim.board.set_ping(nth(0), Duration::from_millis(350));
    sim.step();
    sim.say(0, &[processes(&[process("web", "online")], &[])]);
    sim.expect(&[
        "0.000 s0: WARNING ping 0.35s (200ms)",
        "0.000 s0: failed: back to normal",
        "0.000 s0: running: back to normal",
    ]);
}

#[test]
fn a_range_without_a_name_applies_to_the_percentages_that_are_sent() {
    let mut sim = Sim::connected("80", "");
    sim.send(0, &[("cpu", 85.0), ("memory", 20.0), ("load1", 900.0)]).expect(&["0.000 s0: WARNING cpu 85.0% (80)"]);
    sim.send(0, &[("gpu", 99.0)]).expect(&["0.000 s0: WARNING gpu 99.0% (80)"]);
}

#[test]
fn a_server_may_have_rules_of_its_own() {
    let mut sim = Sim::new("cpu=80", "disk=95");
    let mut own = Thresholds::default();
    own.add_warnings("cpu=10").unwrap();
    sim.rules.set_server(nth(1), &own);
    for id in 0..2 {
        sim.send(id, &[("cpu", 50.0), ("disk", 96.0)]);
    }
    sim.expect(&[
        "0.000 s0: CRITICAL disk 96.0% (95)",
        "0.000 s1: WARNING cpu 50.0% (10)",
        "0.000 s1: CRITICAL disk 96.0% (95)",
    ]);
    assert_eq!(sim.rules.thresholds(nth(1)).list()[0].warning.as_ref().unwrap().text(), "cpu=10");
    let ended: Vec<_> =
        sim.rules.remove_server(sim.start, nth(1), &sim.board).iter().map(ToString::to_string).collect();
    assert_eq!(ended, ["s1: cpu: back to normal", "s1: disk: back to normal"]);
    sim.board.remove(nth(1));
    sim.send(1, &[("cpu", 50.0)]).expect(&[]);
    assert_eq!(sim.rules.remove_server(sim.start, nth(7), &sim.board), []);
}

fn own(warnings: &str, criticals: &str) -> Thresholds {
    let mut own = Thresholds::default();
    if !warnings.is_empty() {
        own.add_warnings(warnings).unwrap();
    }
    if !criticals.is_empty() {
        own.add_criticals(criticals).unwrap();
    }
    own
}

#[test]
fn an_alert_whose_rule_is_taken_away_while_its_server_is_down_ends_with_the_other_rule() {
    for (left, text) in [(own("cpu=80", ""), "cpu=80"), (own("", "cpu=90"), "cpu=90")] {
        let mut sim = Sim::connected("", "up=1:");
        sim.rules.set_server(nth(0), &own("cpu=80", "cpu=90"));
        sim.cpu(95.0).expect(&["0.000 s0: CRITICAL cpu 95.0% (90)"]);
        sim.say(0, &[lost("x")]);
        sim.rules.set_server(nth(0), &left);
        sim.step();
        sim.expect(&["0.000 s0: CRITICAL up 0 (1:)"]);
        sim.say(0, &[connected()]).expect(&["0.000 s0: up: back to normal"]);
        let at = sim.at();
        at.say(&mut sim.board, 0, &[sample(&[("cpu", 50.0)])]);
        let changes = sim.rules.step(at.now(), &mut sim.board);
        assert_eq!(changes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["s0: cpu: back to normal"], "{text}");
        assert_eq!(changes[0].rule.text(), text);
        assert_eq!(sim.rules.level(nth(0)), Level::Ok);
    }
}

#[test]
fn an_alert_ends_when_its_rule_is_taken_away_and_goes_on_when_it_is_not() {
    let mut sim = Sim::connected("", "up=1:");
    sim.rules.set_server(nth(0), &own("cpu=80,disk=50/5s", "cpu=90,memory=60/5s"));
    sim.send(0, &[("cpu", 95.0), ("disk", 70.0), ("memory", 70.0)]);
    sim.until(6.0).expect(&[
        "0.000 s0: CRITICAL cpu 95.0% (90)",
        "5.000 s0: WARNING disk 70.0% (50)",
        "5.000 s0: CRITICAL memory 70.0% (60)",
    ]);
    // The critical rule goes, and its warning is in alarm already; that on memory goes; that on the disk stays.
    sim.rules.set_server(nth(0), &own("disk=50/5s,cpu=80", "load1=5"));
    sim.step();
    sim.expect(&["6.000 s0: memory: back to normal", "6.000 s0: WARNING cpu 95.0% (80)"]);
    // Another limit for the same name: the alert ends after the time of the new rule.
    sim.rules.set_server(nth(0), &own("disk=90/2s", ""));
    sim.step();
    sim.until(20.0).expect(&["6.000 s0: cpu: back to normal", "8.000 s0: disk: back to normal"]);
    // Neither rule nor value is left to speak of, and the end is told once.
    sim.rules.set_server(nth(0), &own("", "disk=60"));
    sim.step();
    sim.expect(&["20.000 s0: CRITICAL disk 70.0% (60)"]);
    sim.say(0, &[lost("x")]);
    sim.rules.set_server(nth(0), &own("", ""));
    sim.rules.set_server(nth(0), &own("", ""));
    sim.step();
    sim.step();
    sim.expect(&["20.000 s0: CRITICAL up 0 (1:)", "20.000 s0: disk: back to normal"]);
}

#[test]
fn another_server_with_the_same_id_starts_at_ok() {
    let mut sim = Sim::connected("cpu=80", "");
    sim.cpu(90.0).expect(&["0.000 s0: WARNING cpu 90.0% (80)"]);
    sim.board.remove(nth(0));
    sim.step();
    assert_eq!(sim.rules.level(nth(0)), Level::Ok);
    sim.cpu(90.0).expect(&["0.000 s0: WARNING cpu 90.0% (80)"]);
    sim.board.add(nth(0), "other");
    sim.cpu(91.0).expect(&["0.000 other: WARNING cpu 91.0% (80)"]);
}

#[test]
fn a_change_is_an_alert_in_the_words_of_the_rule() {
    let mut sim = Sim::connected("memory_available=1G:", "cpu=90/5m");
    let at = sim.at();
    at.say(&mut sim.board, 0, &[sample(&[("cpu", 95.0), ("memory_available", 5.5e8)])]);
    let changes = sim.rules.step(at.now() + Duration::from_secs(1), &mut sim.board);
    let event = |change: &LevelChange| match change.event() {
        Event::Alert(alert) => alert,
        event => panic!("{event:?}"),
    };
    let memory = event(&changes[0]);
    assert_eq!(
        (&*memory.component, &*memory.metric, &*memory.level),
        ("memory_available", "memory_available", "WARNING")
    );
    assert_eq!(&*memory.message, "memory_available 524.5 MB (1G:)");
    assert_eq!(
        (memory.value, memory.threshold, memory.phase),
        (Some(5.5e8), Some(1_073_741_824.0), AlertPhase::Begins)
    );
    sim.now = 400.0;
    let changes = sim.rules.step(sim.at().now(), &mut sim.board);
    assert_eq!((changes[0].rule.text(), changes[0].rule.hold.as_secs()), ("cpu=90/5m", 300));
    let at = sim.at();
    at.say(&mut sim.board, 0, &[sample(&[("memory_available", 2e9)])]);
    let changes = sim.rules.step(at.now(), &mut sim.board);
    let end = event(&changes[0]);
    assert_eq!((&*end.level, &*end.message, end.value, end.threshold), ("OK", "", Some(2e9), None));
    assert_eq!((end.phase, changes[0].rule.text()), (AlertPhase::Ends, "memory_available=1G:"));
}

#[test]
fn absurd_thresholds_are_evaluated_like_others() {
    let mut sim = Sim::connected("cpu=1e308,load1=~:,age=1e308,network=-1e308:", "disk=@~:,memory=@1e308:/10d");
    let values = [("cpu", f64::MAX), ("load1", f64::MIN), ("network", f64::MIN), ("disk", 0.0), ("memory", 1e308)];
    sim.send(0, &values).until(1e6);
    let changes = std::mem::take(&mut sim.changes);
    assert_eq!(changes.len(), 4, "{changes:?}");
    assert!(changes[0].starts_with("0.000 s0: WARNING cpu 1.7976931348623157e308%"), "{}", changes[0]);
    assert!(changes[2].ends_with("(@~:)") && changes[3].starts_with("864000.000 s0: CRITICAL memory 1"), "{changes:?}");
    assert_eq!(sim.due(), None, "an age beyond all clocks is never waited for");
}

#[test]
fn ten_thousand_rules_come_to_one_of_each_name_and_level() {
    let names: Vec<_> = Quantity::names().collect();
    let rule = |i: usize| format!("{}={}/{}", names[i % names.len()], i % 100, i % 7);
    let list: Vec<_> = (0..10_000).map(rule).collect();
    let mut sim = Sim::connected(&list.join(","), &list.join(","));
    for i in 0..1000 {
        let value = f64::from(i % 120);
        sim.until(f64::from(i)).send(0, &[("cpu", value), ("memory", value), ("load1", value)]);
    }
    assert_eq!(sim.rules.thresholds(nth(0)).list().len(), names.len());
    assert!(!sim.changes.is_empty());
}
