//! Messages: every documented and measured type, and the recordings of the real server.

use std::fs;

use serde_json::Value;

use super::DIALECT;
use crate::model::event::Event;
use crate::model::json;
use crate::model::metric::Metric;
use crate::proto::dialect::conversation::Conversation;
use crate::proto::dialect::requests::RequestPlan;
use crate::proto::dialect::{self, Binary, DialectOptions, DialectState};

/// One frame of a recording.
struct RecordedFrame {
    from_server: bool,
    opcode: String,
    text: String,
    bytes: Vec<u8>,
}

fn folder(system: &str) -> String {
    format!("{}/tests/recordings/{system}", env!("CARGO_MANIFEST_DIR"))
}

fn recordings(system: &str) -> Vec<(String, Vec<RecordedFrame>)> {
    let mut paths: Vec<_> = fs::read_dir(folder(system)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    let name = |path: &std::path::Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), frames(&fs::read_to_string(path).unwrap()))).collect()
}

fn recording(name: &str) -> Vec<RecordedFrame> {
    frames(&fs::read_to_string(format!("{}/{name}.jsonl", folder("neurograph"))).unwrap())
}

fn frames(text: &str) -> Vec<RecordedFrame> {
    let frame = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let encoded = line["payload_b64"].as_str().unwrap_or_default();
        RecordedFrame {
            from_server: line["dir"] == "in",
            opcode: line["opcode"].as_str().unwrap_or_default().to_owned(),
            text: line["payload"].as_str().unwrap_or_default().to_owned(),
            bytes: data_encoding::BASE64.decode(encoded.as_bytes()).unwrap(),
        }
    };
    text.lines().map(frame).collect()
}

/// What is shown for a message, in a word and the text.
fn shown(text: &str) -> String {
    let repaired = json::repair(text);
    let read = DIALECT.read(text, &mut DialectState::default());
    let read = read.or_else(|_| DIALECT.read(repaired.as_deref().unwrap(), &mut DialectState::default()));
    let step = read.unwrap();
    let [event] = &*step.show else { panic!("{text}: {:?}", step.show) };
    word(event)
}

fn word(event: &Event<'_>) -> String {
    match event {
        Event::Sample(sample) => {
            let metrics = Metric::ALL.iter().filter_map(|metric| Some(format!(" {metric:?}={}", sample.get(*metric)?)));
            format!("sample{}", metrics.collect::<String>())
        }
        Event::Log(log) => format!("log {} {}: {}", log.level, log.source, log.text),
        Event::Notice(notice) => format!("{} {}", if notice.greeting { "greeting" } else { "notice" }, notice.text),
        Event::Answer(answer) => format!("answer {} {}", answer.kind, answer.text),
        Event::Error(error) => format!("error {}", error.text),
        Event::KeepAlive => "keep-alive".to_owned(),
        Event::Unknown(unknown) => format!("unknown {}", unknown.kind),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_type_has_its_event() {
    for (text, expected) in [
        (
            r#"{"type":"connected","client_id":"c","user_id":null,"timestamp":"2024-12-29T12:00:00Z"}"#,
            "greeting Connected anonymously, client c",
        ),
        (
            r#"{"type":"connected","client_id":"c","user_id":"admin","reconnected":false}"#,
            "greeting Connected as admin, client c",
        ),
        (
            r#"{"type":"connected","client_id":"c","user_id":"admin","reconnected":true}"#,
            "greeting Reconnected as admin, client c",
        ),
        (r#"{"type":"subscribed","channels":["metrics"],"timestamp":"t"}"#, "answer subscribed channels=[metrics]"),
        (r#"{"type":"unsubscribed","channels":["metrics"],"timestamp":"t"}"#, "answer unsubscribed channels=[metrics]"),
        (r#"{"type":"subscriptions","channels":[],"timestamp":"t"}"#, "answer subscriptions channels=[]"),
        (
            r#"{"type":"reconnection_token","token":"geheim","expires_in":300}"#,
            "answer reconnection_token token=redacted expires_in=300",
        ),
        (r#"{"type":"disconnected","reconnection_token":"geheim"}"#, "greeting Disconnected"),
        (r#"{"type":"ping","timestamp":"t"}"#, "keep-alive"),
        (r#"{"type":"pong","timestamp":"t"}"#, "keep-alive"),
        (r#"{"type":"error","message":"Invalid JSON format"}"#, "error Invalid JSON format"),
        (
            r#"{"type":"error","message":"Rate limit exceeded","retry_after":0.4706}"#,
            "error Rate limit exceeded (retry after 0.47 s)",
        ),
        (r#"{"type":"announcement","text":"x"}"#, "unknown announcement"),
        (r#"[1]"#, "unknown "),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn an_event_of_any_shape_has_its_line() {
    for (text, expected) in [
        (
            r#"{"channel":"metrics","event_type":"system_metrics","data":{"cpu_percent":45.2,"memory_mb":1024,"events_per_sec":5000}}"#,
            "sample Cpu=45.2 MemoryUsed=1073741824",
        ),
        (
            r#"{"channel":"metrics","event_type":"system_metrics","data":{"cpu_percent":null,"memory_mb":null,"total_connections":1}}"#,
            "notice metrics: system_metrics total_connections=1",
        ),
        (r#"{"channel":"metrics","event_type":"system_metrics","data":null}"#, "notice metrics: system_metrics"),
        (r#"{"channel":"metrics","event_type":"custom","data":{"a":1,"b":null}}"#, "notice metrics: custom a=1"),
        (
            r#"{"channel":"logs","timestamp":"t","event_type":"log.warning","data":{"level":"WARNING","message":"m","service":"api"}}"#,
            "log WARNING api: m",
        ),
        (r#"{"channel":"logs","event_type":"log.error","data":{"message":"m"}}"#, "log ERROR : m"),
        (r#"{"channel":"logs","data":"a string"}"#, "log  : a string"),
        (r#"{"channel":"logs","data":{"level":"INFO"}}"#, "notice logs: level=INFO"),
        (
            r#"{"channel":"status","event_type":"status.running","data":{"status":"running","mode":"dev"}}"#,
            "notice status: status.running status=running mode=dev",
        ),
        (
            r#"{"channel":"actions","event_type":"action.executed","data":{"result":{"r":[1,null]},"error":null}}"#,
            "notice actions: action.executed result={r=[1, null]}",
        ),
        (r#"{"channel":"metrics"}"#, "notice metrics"),
        (r#"{"channel":"metrics","hello":"world","buffered_at":"t"}"#, "notice metrics: hello=world buffered_at=t"),
        (r#"{"channel":"metrics","type":"error","message":"fake"}"#, "notice metrics: type=error message=fake"),
        (r#"{"type":"error","message":"fake","channel":"metrics"}"#, "notice metrics: type=error message=fake"),
        (r#"{"channel":"pong","data":1}"#, "notice pong: 1"),
        (r#"{"channel":null,"data":"x"}"#, "notice null: x"),
        (r#"{"channel":["a"],"event_type":5,"data":[1,[2]]}"#, "notice [a]: 5 [1, [2]]"),
        (
            r#"{"channel":"metrics","data":{"cpu":NaN,"x":-Infinity,"big":123456789012345678901234567890}}"#,
            "notice metrics: big=1.2345678901234568e+29",
        ),
        (r#"{"channel":"metrics","data":{"t":"\ud800"}}"#, "notice metrics: t=\u{fffd}"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn an_event_is_chosen_by_its_channel_and_never_mistaken_for_an_answer() {
    let kind = |text| (DIALECT.kind)(text).unwrap_or_default().into_owned();
    assert_eq!(kind(r#"{"channel":"logs","type":"error"}"#), "logs");
    assert_eq!(kind(r#"{"type":"error","ch\u0061nnel":"logs"}"#), "logs");
    assert_eq!(kind(r#"{"channel":"pong"}"#), "channel");
    assert_eq!(kind(r#"{"channel":5,"type":"pong"}"#), "channel");
    assert_eq!(kind(r#"{"type":"pong","data":{"channel":"logs"}}"#), "pong");
    assert_eq!(kind(r#"{"type":"pong","a":"channel"}"#), "pong");
}

#[test]
fn secrets_are_redacted_wherever_they_come() {
    let frames = recording("shim_rate_limit_get_reconnection_token_authenticated");
    let mut redacted = 0;
    for frame in frames.iter().filter(|frame| frame.from_server && frame.opcode == "text") {
        let step = DIALECT.read(&frame.text, &mut DialectState::default()).unwrap();
        let Some(token) = json::member(&frame.text, "token") else { continue };
        let text = step.redacted.unwrap();
        assert_eq!(json::member(&text, "token").as_deref(), Some("redacted"));
        assert_eq!(text.len() + token.len(), frame.text.len() + "redacted".len(), "the rest stays as it was");
        assert!(!text.contains(&*token) && !format!("{:?}", step.show).contains(&*token));
        redacted += 1;
    }
    assert_eq!(redacted, 80);
    let text = r#"{"type":"disconnected","reconnection_token":"geheim","code":1000}"#;
    let step = DIALECT.read(text, &mut DialectState::default()).unwrap();
    assert_eq!(
        step.redacted.as_deref(),
        Some(r#"{"type":"disconnected","reconnection_token":"redacted","code":1000}"#)
    );
}

#[test]
fn every_message_of_the_real_server_is_understood() {
    let (mut heard, mut binary) = (0, 0);
    for (name, frames) in recordings("neurograph") {
        for frame in frames.iter().filter(|frame| frame.from_server) {
            match &*frame.opcode {
                // The recorder cut the largest message.
                "text" if !frame.text.ends_with(" chars>") => {
                    let line = shown(&frame.text);
                    assert!(!line.starts_with("unknown"), "{name}: {line}");
                    heard += 1;
                }
                "binary" => {
                    assert!(matches!(super::binary::open(&frame.bytes, 1 << 20), Binary::Text(_) | Binary::Words(_)));
                    binary += 1;
                }
                _ => {}
            }
        }
    }
    assert_eq!((heard, binary), (598, 8));
}

#[test]
fn a_recorded_session_reads_as_it_went() {
    let frames = recording("shim_jwt_admin_all_channels");
    let lines: Vec<_> = frames
        .iter()
        .filter(|frame| frame.from_server && frame.opcode == "text")
        .map(|frame| shown(&frame.text))
        .collect();
    assert_eq!(
        lines[..8],
        [
            "greeting Connected as admin, client 097d2298-c91a-4d2c-9817-06f78394c6c1",
            "answer subscribed channels=[metrics, signals, actions, logs, status, connections]",
            "sample Cpu=45.2 MemoryUsed=1073741824",
            "notice signals: signal.input.text event_id=evt_1 event_type=signal.input.text is_novel=true priority=128 resonance_score=0.85 neighbors_count=5 text=привет",
            "notice actions: action.executed action_id=act_1 action_type=TextResponseAction status=completed result={response=Hello!} execution_time_ms=15.25",
            "log WARNING api: log line 1",
            "notice status: status.running status=running uptime_seconds=3601 version=v0.60.1 mode=dev",
            "notice connections: client.connected client_id=abc123 user_id=user_456 total_connections=1 ip=127.0.0.1",
        ]
    );
}

/// A text that was sent, and the type of what came next from the server but for events and its own pings.
fn answered(text: &str) -> Vec<String> {
    let mut answers = Vec::new();
    for (_, frames) in recordings("neurograph") {
        for (i, frame) in frames.iter().enumerate().filter(|(_, frame)| !frame.from_server && frame.text == text) {
            let next = frames[i..].iter().filter(|frame| frame.from_server && frame.opcode == "text");
            let kinds = next.filter_map(|frame| json::message_type(&frame.text).map(|kind| kind.into_owned()));
            answers.extend(kinds.filter(|kind| kind != "ping" && kind != "connected").take(1));
            assert!(i < frames.len(), "{}", frame.text);
        }
    }
    answers.sort();
    answers.dedup();
    answers
}

#[test]
fn what_is_sent_is_what_the_real_server_accepted() {
    let wish = |channels: &[&str]| DialectOptions {
        subscribe: channels.iter().map(|name| (*name).into()).collect(),
        ..DialectOptions::default()
    };
    for (own, channels, answers) in [
        (super::OwnRequest::Subscribe, &[][..], &["subscribed"][..]),
        (super::OwnRequest::Subscribe, &["metrics", "status"], &["subscribed"]),
        (super::OwnRequest::ReconnectToken, &[], &["error", "reconnection_token"]),
        (super::OwnRequest::Ping, &[], &["error", "pong", "subscriptions"]),
    ] {
        let text = super::text_of(own, &wish(channels));
        let found = answered(&text);
        // Errors: of the floods that look for the limits.
        assert!(
            answers.iter().any(|answer| *answer != "error" && found.contains(&(*answer).to_owned())),
            "{text}: {found:?}"
        );
        assert!(found.iter().all(|kind| answers.contains(&kind.as_str()) || kind == "subscribed"), "{text}: {found:?}");
    }
    assert_eq!(
        super::text_of(super::OwnRequest::Subscribe, &wish(&["a\"b"])),
        r#"{"type":"subscribe","channels":["a\"b"]}"#
    );
}

#[test]
fn it_is_recognised_rightly_or_not_at_all() {
    for system in ["monitoring", "sysmedic", "fastpluggy", "pmdaemon", "neurograph"] {
        let recordings = recordings(system);
        assert!(recordings.len() >= 3, "{system}");
        for (name, frames) in recordings {
            let texts =
                || frames.iter().filter(|frame| frame.from_server && frame.opcode == "text").map(|frame| &*frame.text);
            for text in texts() {
                let found = dialect::recognise(text).is_some_and(|dialect| dialect.name == "neurograph");
                assert!(!found || system == "neurograph", "{system}/{name}: {text}");
                let cut = &text[..text.char_indices().map(|(i, _)| i).nth(text.chars().count() / 2).unwrap_or(0)];
                assert!(dialect::recognise(cut).is_none(), "{cut}");
            }
            let first = texts().next().and_then(dialect::recognise);
            assert!(system != "neurograph" || first.is_some_and(|dialect| dialect.name == system), "{name}");
        }
    }
}

#[test]
fn a_recording_is_recognised_and_answered_in_a_conversation() {
    let mut conversation = Conversation::new(None, DialectOptions::default(), RequestPlan::default());
    let now = std::time::Instant::now();
    conversation.opened(now);
    let (mut sent, mut warned) = (Vec::new(), Vec::new());
    for frame in
        recording("stock_anon_subscribe_all").iter().filter(|frame| frame.from_server && frame.opcode == "text")
    {
        let heard = conversation.hear(&frame.text, &mut None, now).say;
        sent.extend(heard.send);
        warned.extend(heard.warn);
    }
    assert_eq!(conversation.dialect(), "neurograph");
    assert_eq!(
        sent,
        [r#"{"type":"subscribe","channels":["metrics","signals","actions","logs","status","connections"]}"#]
    );
    assert_eq!(
        warned,
        ["denied by the server: signals, actions, logs, connections (not for this user, or there is no such channel)"]
    );
}
