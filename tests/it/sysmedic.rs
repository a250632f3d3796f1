//! SysMedic's daemon over a real socket: users, stored alerts, and a configuration with secrets.

use crate::client::{command, json_lines};
use crate::support::program::{Finished, Run};
use crate::support::recording;
use crate::support::server::Server;
use serde_json::Value;

/// Runs the command on recorded traffic of a daemon with users, and with alerts of the last 24 hours.
fn recorded(options: &str) -> Finished {
    let recording = recording::read("tests/recordings/sysmedic/daemon_users_alerts_TZ.jsonl");
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        peer.replay(&recording);
        peer.close(1000, "");
        peer.drain();
    });
    Run::start(&mut command(&server, &format!("--no-reconnect --dialect sysmedic {options}"))).finish()
}

fn of_kind<'l>(lines: &'l [Value], kind: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

#[test]
fn users_and_stored_alerts_are_events() {
    let lines = json_lines(&recorded("-f events").stdout);
    let (samples, users, alerts) = (of_kind(&lines, "sample"), of_kind(&lines, "users"), of_kind(&lines, "alert"));
    assert!(samples.len() >= 3 && users.len() == samples.len(), "{} {}", samples.len(), users.len());
    for line in users {
        let user = &line["users"][0];
        let numbers = ["cpu", "memory", "processes"].iter().all(|name| user[name].is_number());
        assert!(user["name"] == "root" && numbers && line["at"].is_string(), "{line}");
    }
    assert_eq!(alerts.len(), 10);
    assert!(alerts.iter().all(|alert| alert["stored"] == true && alert["id"].is_i64() && alert["age"].is_number()));
}

#[test]
fn people_see_the_number_of_stored_alerts_and_the_newest_and_users_where_they_ask() {
    for format in ["simple", "compact", "detailed"] {
        let out = recorded(&format!("-f {format}")).stdout;
        let numbers: Vec<_> = out.split([' ', ':']).filter(|word| word.starts_with('#')).collect();
        assert!(out.contains("10 open alerts of the last 24 h, the newest:"), "{out}");
        assert_eq!(numbers, ["#10", "#9", "#8"], "{out}");
        assert!(!out.contains("PIDs") && out.contains("\nUsers:\n") == (format == "detailed"), "{out}");
        let out = recorded(&format!("-f {format} --only users")).stdout;
        assert!(out.lines().all(|line| line.contains("1 user") || format == "detailed"), "{out}");
        assert!(out.contains("root") && !out.contains("RAM") && !out.contains("open alerts"), "{out}");
    }
}

#[test]
fn a_sample_with_users_is_bound_to_every_as_one_without() {
    let all = of_kind(&json_lines(&recorded("-f events").stdout), "sample").len();
    let lines = json_lines(&recorded("-f events --every 1h").stdout);
    let bound = of_kind(&lines, "sample").len();
    assert!(all > 1 && bound == 1 && of_kind(&lines, "users").len() == bound, "{bound} of {all}");
}

#[test]
fn the_configuration_keeps_its_thresholds_and_loses_its_secrets_everywhere() {
    for format in ["simple", "detailed", "compact", "json", "jsonl", "events"] {
        let finished = recorded(&format!("-v -f {format}"));
        for secret in ["hunter2", "0123456789abcdef", "mailer@", "smtp.gmail", "alice"] {
            assert!(!finished.stdout.contains(secret) && !finished.stderr.contains(secret), "{format}: {finished:?}");
        }
        let whole = format.starts_with("json");
        let for_programs = whole || format == "events";
        for setting in ["check_interval: 3", "cpu_threshold: 80", "port: 18612", "update_interval: 0"] {
            assert_eq!(finished.stdout.contains(setting), for_programs, "{format}: {setting}");
        }
        assert_eq!(finished.stdout.contains("PIDs"), whole, "{format}");
    }
}

/// Runs the command on one update with these users.
fn updated(users: String, options: &str) -> Finished {
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        peer.text(format!(
            r#"{{"alerts":null,"data":{{"cpu_usage":0,"disk_usage":70.2,"memory_usage":6.35,"uptime":"11m"}},"system":{{"users":[{users}]}},"timestamp":1795155543,"type":"system_update"}}"#
        ));
        peer.close(1000, "");
        peer.drain();
    });
    Run::start(&mut command(&server, &format!("--no-reconnect --dialect sysmedic {options}"))).finish()
}

#[test]
fn ten_thousand_users_and_their_escapes_are_shown_harmless_and_cut_only_for_people() {
    let users: Vec<_> = (0..10_000)
        .map(|i| {
            format!(r#"{{"CPUPercent":{i},"PIDs":[1,2,3],"ProcessCount":3,"Username":"u{i}\u001b[31m\n[CONN] x"}}"#)
        })
        .collect();
    for (options, shown) in [
        // The head of the table is one of the thousand lines.
        ("-f detailed", "  and 9001 more\n"),
        ("-f events --only users", "u9999"),
        ("-f simple --only users", "u9999"),
    ] {
        let finished = updated(users.join(","), options);
        assert!(finished.stdout.contains(shown) && !finished.stdout.contains('\x1b'), "{options}");
        assert!(!finished.stdout.lines().any(|line| line.starts_with("[CONN] x")), "{options}");
    }
}
