//! Recorded and documented messages in, output and events out.

use std::time::{Instant, SystemTime};

use super::*;
use crate::format::FORMATS;
use crate::format::style::Style;
use crate::model::event::{AlertPhase, Message};
use crate::model::sample::others::other_names;
use crate::proto::dialect::DialectOptions;
use crate::proto::dialect::conversation::{Conversation, Outgoing};
use crate::proto::dialect::requests::RequestPlan;
use crate::testing::dialect::OwnedContext;
use crate::testing::recordings::{all, sent_texts, texts};

/// The output of a format for a recording whose dialect is to be recognised.
fn printed(format: &str, recording: &str, options: DialectOptions) -> String {
    let (mut out, now, server) = (String::new(), Instant::now(), std::sync::Arc::from("s"));
    let mut conversation = Conversation::new(None, options, RequestPlan::default());
    let format = FORMATS.iter().find(|row| row.name == format).unwrap();
    for text in texts(recording) {
        let mut repaired = None;
        let mut outgoing = Outgoing::default();
        let decoded = conversation.decode(&text, &mut repaired, now, &mut outgoing);
        let message = Message {
            server: &server,
            id: crate::model::server_id::ServerId::NONE,
            received_at: SystemTime::UNIX_EPOCH,
            received_mono: now,
            dialect: crate::Dialect::Sysmedic,
            kind: &decoded.kind,
            raw: decoded.raw(),
            events: &decoded.events,
        };
        (format.write)(&mut out, &message, &Style::default());
        assert!(decoded.decoded, "{text}");
        outgoing.warn.iter().for_each(|line| out.push_str(&format!("warning: {line}\n")));
    }
    out
}

fn read<'a>(text: &'a str, context: &mut OwnedContext) -> Outcome<'a> {
    DIALECT.read(text, &mut context.lend()).unwrap()
}

fn sample(text: &str) -> Sample<'_> {
    match &read(text, &mut OwnedContext::default()).events[..] {
        [Event::Sample(sample), ..] => (**sample).clone(),
        other => panic!("{other:?}"),
    }
}

fn target(uri: &str, token: Option<&str>) -> String {
    let mut endpoint = Endpoint::parse(uri).unwrap();
    let options = DialectOptions { token: token.map(Into::into), ..DialectOptions::default() };
    prepare_dial(&mut endpoint, &mut OwnedContext::with(options).lend());
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
    for recording in all("sysmedic") {
        let first = texts(&recording).swap_remove(0);
        assert_eq!(
            crate::proto::dialect::recognise(&first).map(|dialect| dialect.name),
            Some("sysmedic"),
            "{recording}"
        );
    }
    let config = &texts("sysmedic/daemon_plain_31s")[1];
    assert!(crate::proto::dialect::recognise(config).is_some_and(|dialect| dialect.name == "sysmedic"));
}

#[test]
fn no_secret_of_a_server_is_printed_by_any_format() {
    let mut secrets = 0;
    for recording in all("sysmedic") {
        let words: Vec<_> = texts(&recording)
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
            let out = printed(format.name, &recording, DialectOptions { verbose: true, ..DialectOptions::default() });
            assert!(!words.iter().any(|word| out.contains(word)), "{recording} {}: {out}", format.name);
        }
        secrets += words.len() - 1;
    }
    assert!(secrets > 20, "the recordings hold secrets that must not be printed");
}

#[test]
fn the_three_servers_are_shown_alike() {
    let greeting = "[CONN] 1970-01-01T00:00:00Z Connected to SysMedic: version 1.0.5, Debian GNU/Linux 12 (bookworm), Light Usage, daemon Running\n";
    let config = "[config] 1970-01-01T00:00:00Z configuration (redacted)\n";
    for (file, head, line) in [
        ("sysmedic/v105_plain_31s", greeting.to_owned(), "Load: 2.66 | RAM:   4.6% | Disk:  70.2%"),
        ("sysmedic/lib_plain_31s", format!("{greeting}{config}"), "RAM:   6.4% | Disk:  70.2%"),
        ("sysmedic/daemon_plain_31s", format!("{greeting}{config}"), "Load: 2.66 | RAM:   6.4% | Disk:  70.2%"),
    ] {
        let out = printed("simple", file, DialectOptions::default());
        let rest = out.strip_prefix(&head).unwrap();
        assert_eq!(rest.lines().next(), Some(line), "{file}");
        assert!(!rest.contains("CPU"), "{rest}");
    }
}

#[test]
fn everything_that_a_daemon_sends_is_in_detailed() {
    let out = printed("detailed", "sysmedic/daemon_plain_31s", DialectOptions::default());
    let block = out.split("\n\n=== ").nth(1).unwrap_or_else(|| out.split("=== ").nth(1).unwrap());
    for part in ["Load 1 min: 2.66", "Load 15 min: 0.94", "Uptime: 11m 0s", "Other:\n  summary: System: Debian"] {
        assert!(block.contains(part), "{part}: {block}");
    }
    assert!(out.contains("=== System Monitoring - 2026-11-20T06:19:03Z ==="), "{out}");
    assert!(!out.contains("Network: ") && !out.contains("timestamp"), "{out}");
    let out = printed("detailed", "sysmedic/daemon_users_alerts_TZ", DialectOptions::default());
    let users = "\n\nUsers:\n  NAME   CPU  MEMORY  PROCESSES\n  root  5.0%    1.3%        110\n\nOther:\n";
    assert!(out.contains(users) && !out.contains("PIDs"), "{out}");
    let alerts = "\n\nAlerts:\n  10 open alerts of the last 24 h, the newest:\n  HEAVY system #10: System Status: Heavy Load; CPU: 100.0%";
    assert!(out.contains(alerts), "{out}");
}

#[test]
fn a_processor_and_a_network_of_zero_are_not_measured_and_anything_else_is() {
    for (cpu, network, measured) in [
        ("0", "0.00 MB/s", (None, None)),
        ("0.0", "0 MB/s", (None, None)),
        ("-0.0", "-0 MB/s", (None, None)),
        ("1e-9", "0.01 MB/s", (Some(1e-9), Some(0.01 * MIB))),
        ("45.2", "0.00 MB/s", (Some(45.2), None)),
        ("null", "x", (None, None)),
    ] {
        let text = format!(
            r#"{{"type":"system_update","data":{{"cpu_usage":{cpu},"memory_usage":0,"disk_usage":0,"uptime":"1m","load_avg":"0, 0, 0","network_io":"{network}"}}}}"#
        );
        let sample = sample(&text);
        assert_eq!((sample.get(Metric::Cpu), sample.get(Metric::Network)), measured, "{text}");
        for zero in [Metric::Memory, Metric::Disk, Metric::Load1] {
            assert_eq!(sample.get(zero), Some(0.0), "{zero:?} can be 0");
        }
    }
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
fn an_unknown_notation_is_left_to_the_others() {
    let text = r#"{"type":"system_update","data":{"memory_usage":1,"uptime":"unknown","load_avg":"1, x, 3, 4","network_io":"9 kB/s"},"system":{"users":null},"timestamp":1795155543000}"#;
    let names = other_names(text, &sample(text));
    assert_eq!(names, ["uptime=unknown", "load_avg=1, x, 3, 4", "network_io=9 kB/s", "timestamp=1795155543000"]);
    let text = r#"{"type":"system_update","data":{"memory_usage":1,"load_avg":[1,2.5,3]}}"#;
    assert_eq!(sample(text).get(Metric::Load5), Some(2.5));
    assert!(other_names(text, &sample(text)).is_empty());
}

#[test]
fn a_zero_that_is_not_measured_is_not_among_the_others_either() {
    for zero in ["0", "0.0", "-0", "0e9"] {
        let text = format!(
            r#"{{"type":"system_update","data":{{"cpu_usage":{zero},"memory_usage":1,"network_io":"0.00 MB/s"}},"system":{{"system":{{"cpu":{zero},"network":{zero},"load1":{zero}}}}}}}"#
        );
        assert!(other_names(&text, &sample(&text)).is_empty(), "{text}");
        assert_eq!(sample(&text).get(Metric::Load1), Some(0.0), "an idle machine has such a load");
    }
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
        let outcome = read(text, &mut OwnedContext::default());
        assert!(matches!(&outcome.events[..], [Event::Error(error)] if error.text == words), "{outcome:?}");
    }
}

#[test]
fn values_that_are_never_measured_are_reported_once_and_only_with_verbose() {
    let marked = |file, verbose| {
        let out = printed("simple", file, DialectOptions { verbose, ..DialectOptions::default() });
        let lines: Vec<_> = out.lines().filter(|line| line.starts_with("warning")).map(str::to_owned).collect();
        lines
    };
    let why = "not measured: SysMedic up to 1.0.6 never sends anything else";
    assert_eq!(marked("sysmedic/daemon_plain_31s", false), [""; 0]);
    assert_eq!(marked("sysmedic/daemon_plain_31s", true), [format!("warning: cpu 0 and network 0.00 are {why}")]);
    assert_eq!(marked("sysmedic/lib_plain_31s", true), [format!("warning: cpu 0 is {why}")]);
}

#[test]
fn the_alerts_of_a_daemon_are_reported_once() {
    let out = printed("simple", "sysmedic/daemon_users_alerts_TZ", DialectOptions::default());
    let alerts: Vec<_> = out.lines().filter(|line| line.starts_with("[ALERT]")).collect();
    assert_eq!(alerts.len(), 1 + 3);
    assert_eq!(alerts[0], "[ALERT] 1970-01-01T00:00:00Z 10 open alerts of the last 24 h, the newest:");
    assert_eq!(
        alerts[1],
        "[ALERT] 2026-11-20T06:26:43Z HEAVY system #10: System Status: Heavy Load; CPU: 100.0%, Memory: 6.7%, Network: 0.0 MB/s; Top Users: - root: CPU 5.3%, Memory 1.8%, Processes: 118; cause: root:5.3%:1.8%:118; 7s ago"
    );
    assert!(alerts[2].contains(" system #9: ") && alerts[3].contains(" system #8: "), "{alerts:?}");
    let out = printed("events", "sysmedic/daemon_users_alerts_TZ", DialectOptions::default());
    let alerts: Vec<_> = out.lines().filter(|line| line.contains(r#""kind":"alert""#)).collect();
    assert_eq!(alerts.len(), 10);
    for (line, id) in alerts.iter().zip(1..) {
        let number = format!(r#""component":"system","id":{id},"level":"HEAVY","message":"System Status: Heavy Load"#);
        assert!(line.contains(&number) && line.contains(r#""cause":"root:"#), "{line}");
        assert!(line.contains(r#""phase":"begins","stored":true,"age":"#), "{line}");
        assert!(line.contains(r#","at":"2026-11-20T02:56:"#), "{line}");
    }
}

#[test]
fn pushed_alerts_are_shown_in_both_spellings() {
    let out = printed("simple", "sysmedic/lib_alert_then_shutdown", DialectOptions::default());
    let alerts: Vec<_> = out.lines().filter(|line| line.starts_with("[ALERT]")).collect();
    assert_eq!(alerts, ["[ALERT] 2026-11-20T06:28:47Z LIGHT Light Usage; cause: user123 (cpu: 95.2% for 5m0s)"; 2]);
    let events = read(r#"{"type":"alert","data":{"status":"Heavy Load"}}"#, &mut OwnedContext::default()).events;
    assert!(matches!(&events[..], [Event::Alert(alert)] if alert.phase == AlertPhase::Begins));
}

#[test]
fn requests_are_written_as_real_servers_accepted_them() {
    let mut compared = 0;
    for file in
        ["sysmedic/lib_requests", "sysmedic/v105_requests_with_null_data", "sysmedic/lib_requests_with_null_data"]
    {
        for sent in sent_texts(file) {
            let sent = Node::parse(&sent).unwrap();
            let request = Request {
                kind: sent.text("type").unwrap().to_string(),
                json: sent.get("data").map(|_| " null ".to_owned()),
                id: None,
            };
            let ours = render(&request, sent.text("request_id").unwrap());
            assert_eq!(Node::parse(&ours).unwrap(), sent);
            compared += 1;
        }
    }
    assert_eq!(compared, 18);
    let request = Request { kind: "get_config".into(), ..Request::default() };
    assert_eq!(render(&request, "req_004"), sent_texts("sysmedic/lib_requests")[3]);
}

/// Sends the requests of a recording and returns the answers to them.
fn answers(recording: &str, id: &str) -> Vec<String> {
    let (now, mut answers) = (Instant::now(), Vec::new());
    let kinds = ["get_system_info", "get_alerts", "get_user_metrics", "get_config", "get_uptime", "ping"];
    let requests = kinds.iter().map(|kind| Request { kind: (*kind).into(), ..Request::default() }).collect();
    let plan = RequestPlan { requests, ..RequestPlan::default() };
    let mut conversation = Conversation::new(Some(&DIALECT), DialectOptions::default(), plan);
    let mut sent = conversation.opened(now, false).send;
    for text in texts(recording) {
        let sent_before = sent.len();
        let text = text.replace(id, "wsmon-").replace("wsmon-00", "wsmon-").replace("_1700000000", "");
        let mut repaired = None;
        let mut outgoing = Outgoing::default();
        let decoded = conversation.decode(&text, &mut repaired, now, &mut outgoing);
        let Some(Event::Answer(answer)) = decoded.events.first() else { continue };
        answers.push(format!("{} {}", answer.kind, answer.text));
        sent.extend(outgoing.send);
        assert_eq!(sent.len(), kinds.len().min(sent_before + 1), "one after the other");
    }
    assert!(sent.iter().all(|text| text.len() <= 512));
    answers
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
    assert_eq!(answers("sysmedic/lib_requests", "req_"), expected);
    assert_eq!(answers("sysmedic/v105_requests_with_null_data", "req_").len(), 6);
}

#[test]
fn errors_are_shown_and_unrequested_pongs_are_keep_alives() {
    let error = r#"{"type":"error","data":{"error":"Unknown request type: \u003ca\u003e"},"request_id":"wsmon-1"}"#;
    assert!(
        matches!(&read(error, &mut OwnedContext::default()).events[..], [Event::Error(e)] if e.text == "Unknown request type: <a>")
    );
    let pong = r#"{"type":"pong","data":{"message":"pong"}}"#;
    assert!(matches!(&read(pong, &mut OwnedContext::default()).events[..], [Event::KeepAlive]));
}
