use std::time::{Instant, SystemTime};

use super::*;
use crate::format::FORMATS;
use crate::format::style::Style;
use crate::model::event::{AlertPhase, Message};
use crate::model::sample::read::other_members;
use crate::proto::dialect::conversation::Conversation;
use crate::proto::dialect::requests::RequestPlan;

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/sysmedic");

/// The texts of a recording in one direction.
fn texts(file: &str, direction: &str) -> Vec<String> {
    let lines = std::fs::read_to_string(format!("{RECORDINGS}/{file}")).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let texts = lines.filter(|line| line["dir"] == direction && line["opcode"] == "text");
    texts.filter_map(|line| line["payload"].as_str().map(str::to_owned)).collect()
}

fn files() -> Vec<String> {
    let files = std::fs::read_dir(RECORDINGS).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

/// What a format prints for a recording, beginning without knowing the dialect.
fn printed(format: &str, file: &str, wish: DialectOptions) -> String {
    let (mut out, now, server) = (String::new(), Instant::now(), std::sync::Arc::from("s"));
    let mut conversation = Conversation::new(None, wish, RequestPlan::default());
    let format = FORMATS.iter().find(|row| row.name == format).unwrap();
    for text in texts(file, "in") {
        let mut room = None;
        let heard = conversation.hear(&text, &mut room, now);
        let shown = Message {
            server: &server,
            id: 0,
            received_at: SystemTime::UNIX_EPOCH,
            at: now,
            kind: &heard.kind,
            raw: heard.raw(),
            events: &heard.events,
        };
        (format.write)(&mut out, &shown, &Style::default());
        assert!(heard.decoded, "{text}");
        heard.say.warn.iter().for_each(|line| out.push_str(&format!("warning: {line}\n")));
    }
    out
}

fn read<'a>(text: &'a str, memory: &mut DialectState) -> Outcome<'a> {
    DIALECT.read(text, memory).unwrap()
}

fn sample(text: &str) -> Sample<'_> {
    match &read(text, &mut DialectState::default()).show[..] {
        [Event::Sample(sample), ..] => (**sample).clone(),
        other => panic!("{other:?}"),
    }
}

fn target(uri: &str, token: Option<&str>) -> String {
    let mut endpoint = Endpoint::parse(uri).unwrap();
    let wish = DialectOptions { token: token.map(Into::into), ..DialectOptions::default() };
    address(&mut endpoint, &wish, &mut DialectState::default());
    endpoint.target
}

#[test]
fn the_secret_goes_into_the_query_once() {
    for (uri, token, expected) in [
        ("sysmedic://abc@h/", None, "/ws?secret=abc"),
        ("sysmedic://abc@h", Some("other"), "/ws?secret=abc"),
        ("sysmedic://a@b%26:c@h:1/x?y=1", None, "/ws?secret=a%40b%26%3Ac"),
        ("sysmedic://h/", Some("é "), "/ws?secret=%C3%A9%20"),
        ("sysmedic://h/", None, "/ws"),
        ("ws://h:8060/ws?secret=mine&x=1", Some("other"), "/ws?secret=mine&x=1"),
        ("ws://h:8060/ws?secret=", Some("abc"), "/ws?secret=abc"),
        ("ws://h:8060", Some("abc"), "/ws?secret=abc"),
        ("ws://h/behind/ws?x=1", Some("abc"), "/behind/ws?x=1&secret=abc"),
        ("ws://h/ws", None, "/ws"),
    ] {
        assert_eq!(target(uri, token), expected, "{uri}");
    }
}

#[test]
fn every_recording_is_recognised_by_its_first_message() {
    for file in files() {
        let first = texts(&file, "in").swap_remove(0);
        assert_eq!(crate::proto::dialect::recognise(&first).map(|dialect| dialect.name), Some("sysmedic"), "{file}");
    }
    let config = &texts("daemon_plain_31s.jsonl", "in")[1];
    assert!(crate::proto::dialect::recognise(config).is_some_and(|dialect| dialect.name == "sysmedic"));
}

#[test]
fn no_secret_of_a_server_is_printed_by_any_format() {
    let mut secrets = 0;
    for file in files() {
        let words: Vec<_> = texts(&file, "in")
            .iter()
            .filter(|text| text.contains("\"type\":\"config\""))
            .flat_map(|text| {
                let yaml = Node::parse(text).unwrap().get("data").unwrap().to_string();
                let lines = yaml.lines().filter_map(|line| line.trim().split_once(": "));
                let secret = lines.filter(|(name, value)| ["password", "secret"].contains(name) && *value != "\"\"");
                secret.map(|(_, value)| value.to_owned()).collect::<Vec<_>>()
            })
            .chain(["hunter2".to_owned()])
            .collect();
        for format in FORMATS {
            let out = printed(format.name, &file, DialectOptions { verbose: true, ..DialectOptions::default() });
            assert!(!words.iter().any(|word| out.contains(word)), "{file} {}: {out}", format.name);
        }
        secrets += words.len() - 1;
    }
    assert!(secrets > 20, "the recordings hold secrets that must not be printed");
}

#[test]
fn the_three_servers_are_shown_alike() {
    let greeting =
        "[CONN] Connected to SysMedic: version 1.0.5, Debian GNU/Linux 12 (bookworm), Light Usage, daemon Running\n";
    let config = "[CONN] configuration (redacted)\n";
    for (file, head, line) in [
        ("v105_plain_31s.jsonl", greeting.to_owned(), "CPU:   0.0% | RAM:   4.6% | Disk:  70.2%"),
        ("lib_plain_31s.jsonl", format!("{greeting}{config}"), "CPU:   0.0% | RAM:   6.4% | Disk:  70.2%"),
        ("daemon_plain_31s.jsonl", format!("{greeting}{config}"), "CPU:   0.0% | RAM:   6.4% | Disk:  70.2%"),
    ] {
        let out = printed("simple", file, DialectOptions::default());
        let rest = out.strip_prefix(&head).unwrap();
        assert_eq!(rest.lines().next(), Some(line), "{file}");
        assert!(rest.lines().all(|line| line.starts_with("CPU:   0.0% | RAM: ")), "{rest}");
    }
}

#[test]
fn all_that_a_daemon_sends_is_in_detailed() {
    let out = printed("detailed", "daemon_plain_31s.jsonl", DialectOptions::default());
    let block = out.split("\n\n=== ").nth(1).unwrap_or_else(|| out.split("=== ").nth(1).unwrap());
    for part in
        ["Load 1 min: 2.66", "Load 15 min: 0.94", "Uptime: 11m 0s", "Network: 0.0 B/s", "summary: System: Debian"]
    {
        assert!(block.contains(part), "{part}: {block}");
    }
    assert!(out.contains("=== System Monitoring - 2026-11-20T06:19:03Z ==="), "{out}");
    assert!(!out.contains("cpu_usage") && !out.contains("timestamp"), "{out}");
    let out = printed("detailed", "daemon_users_alerts_TZ.jsonl", DialectOptions::default());
    assert!(out.contains("  system.users.0.ProcessCount: 110\n"), "{out}");
    assert!(out.contains("\n\nAlerts:\n  HEAVY System Status: Heavy Load; CPU: 0.0%"), "{out}");
}

#[test]
fn units_and_notations_are_the_common_ones() {
    let sample = sample(
        r#"{"type":"system_update","data":{"cpu_usage":45,"memory_usage":67.8,"disk_usage":1e-07,"uptime":"2d 4h 32m","load_avg":"0.85, 0.92, 1.15","network_io":"2.50 MB/s"},"timestamp":"2025-01-19T00:08:42Z"}"#,
    );
    for (metric, value) in [
        (Metric::Cpu, 45.0),
        (Metric::Memory, 67.8),
        (Metric::Disk, 1e-7),
        (Metric::Uptime, 189_120.0),
        (Metric::Load1, 0.85),
        (Metric::Load5, 0.92),
        (Metric::Load15, 1.15),
        (Metric::Network, 2_621_440.0),
    ] {
        assert_eq!(sample.get(metric), Some(value), "{metric:?}");
    }
    assert_eq!(sample.at.as_deref(), Some("2025-01-19T00:08:42Z"));
}

#[test]
fn uptimes_are_read_in_every_length() {
    for (text, seconds) in [
        ("11m", Some(660.0)),
        ("4h 32m", Some(16_320.0)),
        ("0m", Some(0.0)),
        ("1d 0h 0m", Some(86_400.0)),
        ("unknown", None),
        ("", None),
        ("4x", None),
        ("-1m", None),
    ] {
        assert_eq!(uptime(text), seconds, "{text}");
    }
}

#[test]
fn a_notation_nobody_knows_is_left_to_the_others() {
    let text = r#"{"type":"system_update","data":{"memory_usage":1,"uptime":"unknown","load_avg":"1, x, 3, 4","network_io":"9 kB/s"},"system":{"users":null},"timestamp":1795155543000}"#;
    let others = other_members(&Node::parse(text).unwrap(), &sample(text), usize::MAX);
    let names: Vec<_> = others.iter().map(|(path, value)| format!("{path}={value}")).collect();
    assert_eq!(
        names,
        ["uptime=unknown", "load_avg=1, x, 3, 4", "network_io=9 kB/s", "system.users=null", "timestamp=1795155543000"]
    );
    let text = r#"{"type":"system_update","data":{"memory_usage":1,"load_avg":[1,2.5,3]}}"#;
    assert_eq!(sample(text).get(Metric::Load5), Some(2.5));
    assert!(other_members(&Node::parse(text).unwrap(), &sample(text), usize::MAX).is_empty());
}

#[test]
fn a_server_that_cannot_measure_reports_an_error_and_no_zeros() {
    for (text, words) in [
        (
            r#"{"type":"system_update","data":{"cpu_usage":0,"disk_usage":0,"error":"Failed to get system metrics","memory_usage":0,"uptime":"unknown"}}"#,
            "Failed to get system metrics",
        ),
        (
            r#"{"alerts":null,"data":{"cpu_usage":0,"disk_usage":0,"memory_usage":0,"summary":"Error retrieving system data","uptime":"unknown"},"type":"system_update"}"#,
            "Error retrieving system data",
        ),
    ] {
        let step = read(text, &mut DialectState::default());
        assert!(matches!(&step.show[..], [Event::Error(error)] if error.text == words), "{step:?}");
    }
}

#[test]
fn what_is_never_measured_is_said_once_and_only_with_verbose() {
    let marked = |file, verbose| {
        let out = printed("simple", file, DialectOptions { verbose, ..DialectOptions::default() });
        let lines: Vec<_> = out.lines().filter(|line| line.starts_with("warning")).map(str::to_owned).collect();
        lines
    };
    let why = "not measured: SysMedic up to 1.0.6 never sends anything else";
    assert_eq!(marked("daemon_plain_31s.jsonl", false), [""; 0]);
    assert_eq!(marked("daemon_plain_31s.jsonl", true), [format!("warning: cpu 0 and network 0.00 are {why}")]);
    assert_eq!(marked("lib_plain_31s.jsonl", true), [format!("warning: cpu 0 is {why}")]);
}

#[test]
fn the_alerts_of_a_daemon_are_told_once() {
    let out = printed("simple", "daemon_users_alerts_TZ.jsonl", DialectOptions::default());
    let alerts: Vec<_> = out.lines().filter(|line| line.starts_with("[ALERT]")).collect();
    assert_eq!(alerts.len(), 10);
    assert_eq!(
        alerts[9],
        "[ALERT] HEAVY System Status: Heavy Load; CPU: 100.0%, Memory: 6.7%, Network: 0.0 MB/s; Top Users: - root: CPU 5.3%, Memory 1.8%, Processes: 118"
    );
}

#[test]
fn pushed_alerts_are_told_in_both_spellings() {
    let out = printed("simple", "lib_alert_then_shutdown.jsonl", DialectOptions::default());
    let alerts: Vec<_> = out.lines().filter(|line| line.starts_with("[ALERT]")).collect();
    assert_eq!(alerts, ["[ALERT] LIGHT Light Usage; cause: user123 (cpu: 95.2% for 5m0s)"; 2]);
    let step = read(r#"{"type":"alert","data":{"status":"Heavy Load"}}"#, &mut DialectState::default()).show;
    assert!(matches!(&step[..], [Event::Alert(alert)] if alert.phase == AlertPhase::Begins));
}

#[test]
fn requests_are_written_as_real_servers_accepted_them() {
    let mut compared = 0;
    for file in ["lib_requests.jsonl", "v105_requests_with_null_data.jsonl", "lib_requests_with_null_data.jsonl"] {
        for sent in texts(file, "out") {
            let sent = Node::parse(&sent).unwrap();
            let ask = Request {
                kind: sent.text("type").unwrap().to_string(),
                json: sent.get("data").map(|_| " null ".to_owned()),
            };
            let ours = request(&ask, sent.text("request_id").unwrap());
            assert_eq!(Node::parse(&ours).unwrap(), sent);
            compared += 1;
        }
    }
    assert_eq!(compared, 18);
    let ask = Request { kind: "get_config".into(), json: None };
    assert_eq!(request(&ask, "req_004"), texts("lib_requests.jsonl", "out")[3]);
}

/// Asks what a recording was asked, and hears it answer.
fn answers(file: &str, id: &str) -> Vec<String> {
    let (now, mut told) = (Instant::now(), Vec::new());
    let kinds = ["get_system_info", "get_alerts", "get_user_metrics", "get_config", "get_uptime", "ping"];
    let asks = kinds.iter().map(|kind| Request { kind: (*kind).into(), json: None }).collect();
    let questions = RequestPlan { asks, ..RequestPlan::default() };
    let mut conversation = Conversation::new(Some(&DIALECT), DialectOptions::default(), questions);
    let mut sent = conversation.opened(now).send;
    for text in texts(file, "in") {
        let asked = sent.len();
        let text = text.replace(id, "wsmon-").replace("wsmon-00", "wsmon-").replace("_1700000000", "");
        let mut room = None;
        let heard = conversation.hear(&text, &mut room, now);
        let Some(Event::Answer(answer)) = heard.events.first() else { continue };
        told.push(format!("{} {}", answer.kind, answer.text));
        sent.extend(heard.say.send);
        assert_eq!(sent.len(), kinds.len().min(asked + 1), "one after the other");
    }
    assert!(sent.iter().all(|text| text.len() <= 512));
    told
}

#[test]
fn all_six_requests_are_answered() {
    let expected = [
        "system_info_response cpu_usage=0 disk_usage=70.26422909559277 load_avg=0.86, 1.66, 0.92 memory_usage=3.577915687561041 network_io=0.00 MB/s uptime=13m",
        "alerts_response recent_alerts=[] status=No active alerts total_count=0 unresolved_count=0",
        "user_metrics_response []",
        "config_response cpu_threshold=80 memory_threshold=80 monitoring_interval=1m0s version=1.0.5",
        "uptime_response uptime=13m",
        "pong message=pong",
    ];
    assert_eq!(answers("lib_requests.jsonl", "req_"), expected);
    assert_eq!(answers("v105_requests_with_null_data.jsonl", "req_").len(), 6);
}

#[test]
fn errors_are_told_and_pings_of_nobody_are_keep_alives() {
    let error = r#"{"type":"error","data":{"error":"Unknown request type: \u003ca\u003e"},"request_id":"wsmon-1"}"#;
    assert!(
        matches!(&read(error, &mut DialectState::default()).show[..], [Event::Error(e)] if e.text == "Unknown request type: <a>")
    );
    let pong = r#"{"type":"pong","data":{"message":"pong"}}"#;
    assert!(matches!(&read(pong, &mut DialectState::default()).show[..], [Event::KeepAlive]));
}
