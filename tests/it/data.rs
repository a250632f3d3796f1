//! Options that select messages (--every, --count, --history), statistics, and alerts.

use crate::client::{greet, json_lines, sample, sending, statistics, usages, watch, watched, without_times};
use crate::support::program::{Run, wsmon};
use crate::support::server::{PING, Server};
use crate::support::temp_dir::TempDir;
use serde_json::Value;
use std::time::Duration;

fn with_alert(cpu: f64) -> String {
    let alert = r#"{"component": "memory", "level": "WARNING", "message": "High"}"#;
    sample(cpu).replacen("\"data\"", &format!("\"alerts\": [{alert}], \"data\""), 1)
}

#[test]
fn every_shows_and_saves_the_latest_sample_of_each_interval() {
    let dir = TempDir::new();
    let server = sending((1..=5).map(|n| sample(n.into())));
    let finished = watched(&server, &format!("-n 2 --every 0.5 -f jsonl --save-data {}", dir.path("data")));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(usages(&finished.stdout), [1.0, 5.0]);
    assert_eq!(finished.stdout, dir.read("data"));
    assert!(finished.took >= Duration::from_millis(500), "{finished:?}");
}

#[test]
fn every_does_not_delay_messages_other_than_samples() {
    let server = sending([sample(1.0), sample(2.0), r#"{"type": "status", "connected_clients": 1}"#.to_owned()]);
    let finished = watched(&server, "-n 2 --every 1h -f jsonl");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let kinds: Vec<_> = json_lines(&finished.stdout).iter().map(|line| line["type"].clone()).collect();
    assert_eq!(kinds[..3], ["connection", "monitoring_data", "status"]);
}

#[test]
fn a_sample_that_every_holds_back_is_not_shown_at_the_end_before_its_time() {
    let finished = watched(&sending([sample(1.0), sample(2.0), sample(3.0)]), "-d 0.3 --every 1h -f jsonl");
    assert_eq!((finished.code, usages(&finished.stdout)), (Some(0), vec![1.0]), "{finished:?}");
}

#[test]
fn an_alert_does_not_carry_along_the_sample_that_every_holds_back() {
    let server = sending([sample(1.0), sample(2.0), with_alert(3.0)]);
    let finished = watched(&server, "-d 0.3 --every 1h -f events --only sample,alert");
    let kinds: Vec<_> = json_lines(&finished.stdout).iter().map(|line| line["kind"].clone()).collect();
    assert_eq!(kinds, ["sample", "alert"], "{finished:?}");
}

#[test]
fn every_shows_at_most_one_sample_in_each_interval() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        // Each ping, 20 a second, is followed by a sample.
        for n in 0..20 {
            peer.expect(PING);
            peer.text(sample(n.into()));
        }
        peer.hold();
    });
    let finished = watched(&server, "-d 1.2 --every 0.4 --ping-interval 0.05 -f jsonl");
    let shown = usages(&finished.stdout);
    // At 0, 0.4, 0.8 and perhaps 1.2 s.
    assert!((2..=4).contains(&shown.len()) && shown.is_sorted(), "{finished:?}");
}

#[test]
fn a_count_holds_for_each_server_and_leaves_out_greetings() {
    let few = sending((0..9).map(|n| sample(n.into())));
    let many = sending((10..90).map(|n| sample(n.into())));
    let mut command = wsmon(["-u", &format!("a={}", few.uri()), "-u", &format!("b={}", many.uri())]);
    let finished = Run::start(command.args(["-n", "4", "-f", "jsonl"])).finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines = json_lines(&finished.stdout);
    for (label, first) in [("a", 0.0), ("b", 10.0)] {
        let own = lines.iter().filter(|line| line["server"] == label && line["type"] == "monitoring_data");
        let usages: Vec<_> = own.map(|line| line["data"]["processor"]["usage_percent"].as_f64().unwrap()).collect();
        assert_eq!(usages, [first, first + 1.0, first + 2.0, first + 3.0]);
    }
}

#[test]
fn greetings_keep_alives_and_server_errors_are_not_counted() {
    let server = sending([
        r#"{"type": "pong"}"#.to_owned(),
        r#"{"type": "error", "message": "Invalid message"}"#.to_owned(),
        sample(1.0),
        sample(2.0),
    ]);
    let finished = watched(&server, "-n 1");
    let shown = without_times(&finished.stdout);
    assert_eq!(shown, "[CONN] Connected to monitoring server\n[ERROR] Invalid message\nCPU:   1.0%\n");
}

#[test]
fn the_history_gives_a_summary_of_each_metric() {
    let message = |cpu: f64| {
        sample(cpu).replacen(
            "\"data\": {",
            "\"data\": {\"memory\": {\"percentage\": 50.0, \"used\": 1024, \"total\": 2048}, ",
            1,
        )
    };
    let server = sending([message(10.0), message(40.0), message(25.0)]);
    let finished = watched(&server, "-n 3 --history --stats -f jsonl");
    let statistics = statistics(&finished);
    let cpu = &statistics["history"]["cpu"];
    for (name, value) in [("min", 10.0), ("mean", 25.0), ("max", 40.0), ("last", 25.0)] {
        assert_eq!(cpu[name], value, "{statistics}");
    }
    assert_eq!((&cpu["samples"], &statistics["history"]["memory"]["mean"]), (&3.into(), &50.0.into()));
    // It is the same in every sample.
    assert_eq!(statistics["history"]["memory_total"], Value::Null, "{statistics}");
    let text = watched(&server, "-n 3 --history --stats");
    let line = "\ncpu: min 10.0%, mean 25.0%, max 40.0%, last 25.0% (samples: 3)\n";
    assert!(text.stdout.contains(line), "{text:?}");
    assert_eq!(crate::client::statistics(&watched(&server, "-n 3 -s -f jsonl"))["history"], Value::Null);
}

#[test]
fn a_history_keeps_the_last_thousand_samples() {
    let server = sending((0..1500).map(|n| sample(f64::from(n) / 15.0)));
    let finished = watched(&server, "-q -n 1500 --history --stats -f jsonl");
    let cpu = statistics(&finished)["history"]["cpu"].clone();
    assert_eq!((cpu["samples"].as_u64(), cpu["min"].as_f64()), (Some(1000), Some(500.0 / 15.0)));
}

#[test]
fn the_statistics_count_messages_and_their_bytes() {
    let messages = [sample(1.0), "no JSON".to_owned(), "é".to_owned(), sample(2.0)];
    let bytes = crate::client::WELCOME.len() + messages.iter().map(String::len).sum::<usize>();
    let server = sending(&messages);
    let statistics = statistics(&watched(&server, "-n 2 -s -f jsonl"));
    for (name, value) in [("messages_received", 5), ("undecoded", 2), ("bytes_received", bytes), ("error_count", 0)] {
        assert_eq!(statistics[name], value, "{name}: {statistics}");
    }
    assert_eq!(statistics["uri"], format!("{}/", server.uri()));
    assert_eq!((&statistics["last_error"], &statistics["saved"]), (&Value::Null, &Value::Null));
    assert!(statistics["connection_start"].as_str().unwrap().ends_with('Z'), "{statistics}");
}

#[test]
fn a_server_that_was_never_reached_has_no_times_in_the_statistics() {
    let finished = crate::support::program::run(["-u", "x=ws://127.0.0.1:1", "--no-reconnect", "-s", "-f", "jsonl"]);
    let statistics = statistics(&finished);
    assert_eq!((&statistics["connection_start"], &statistics["uptime_seconds"]), (&Value::Null, &Value::Null));
    assert_eq!((&statistics["current_state"], &statistics["connections"]), (&"error".into(), &0.into()));
    assert_eq!(statistics["error_history"][0]["type"], "connect");
}

#[test]
fn an_alert_is_shown_when_it_begins_and_when_it_ends() {
    let server = sending([sample(1.0), with_alert(2.0), with_alert(3.0), sample(4.0)]);
    let finished = watched(&server, "-n 4");
    assert_eq!(
        alerts(&without_times(&finished.stdout)),
        ["[ALERT] WARNING High", "[ALERT] memory: back to normal"],
        "{finished:?}"
    );
    assert_eq!(finished.stdout.matches("CPU: ").count(), 4);
}

fn alerts(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("[ALERT]")).collect()
}

#[test]
fn a_flood_is_shown_completely_and_in_order_to_a_reader_that_reads() {
    const MOST: u32 = 20_000;
    let server = sending((0..MOST).map(|n| format!("{{\"type\":\"n\",\"n\":{n}}}")));
    let run = watch(&server, &format!("-q -f jsonl -s -n {MOST} --when-full wait --only n"));
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let numbers: Vec<_> = json_lines(&finished.stdout).iter().filter_map(|line| line["n"].as_u64()).collect();
    assert!(numbers.len() == MOST as usize && numbers.is_sorted(), "{}", numbers.len());
    assert_eq!(statistics(&finished)["dropped"], 0);
}
