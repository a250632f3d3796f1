//! Messages: every documented and measured type, and the recordings of the real server.

use super::DIALECT;
use crate::model::event::Event;
use crate::model::json;
use crate::model::metric::Metric;
use crate::proto::dialect::conversation::{Conversation, Outgoing};
use crate::proto::dialect::requests::RequestPlan;
use crate::proto::dialect::{Binary, DialectOptions};
use crate::testing::dialect::OwnedContext;
use crate::testing::recordings::{RecordedFrame, all, read, texts};

/// Every recording of a system with its frames.
fn recordings(system: &str) -> Vec<(String, Vec<RecordedFrame>)> {
    all(system).into_iter().map(|name| (name.clone(), read(&name))).collect()
}

/// The event of a message, in a word and the text.
fn shown(text: &str) -> String {
    let repaired = json::repair(text);
    let outcome = DIALECT.read(text, &mut OwnedContext::default().lend());
    let outcome = outcome.or_else(|_| DIALECT.read(repaired.as_deref().unwrap(), &mut OwnedContext::default().lend()));
    let outcome = outcome.unwrap();
    let [event] = &*outcome.events else { panic!("{text}: {:?}", outcome.events) };
    word(event)
}

fn word(event: &Event<'_>) -> String {
    match event {
        Event::Sample(sample) => {
            let metrics = Metric::ALL.iter().filter_map(|metric| Some(format!(" {metric:?}={}", sample.get(*metric)?)));
            let extra = sample.extra.iter().map(|(name, value)| format!(" {name}={value}"));
            format!("sample{}{}", metrics.collect::<String>(), extra.collect::<String>())
        }
        Event::Log(log) => format!("log {} {}: {} ({})", log.level, log.source, log.text, log.extra),
        Event::Notice(notice) if notice.greeting => format!("greeting {}", notice.text),
        Event::Notice(notice) => format!("notice [{}] <{}> {}", notice.channel, notice.level, notice.text),
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
            "sample Cpu=45.2 MemoryUsed=1073741824 events_per_sec=5000",
        ),
        (
            r#"{"channel":"metrics","event_type":"system_metrics","data":{"cpu_percent":null,"memory_mb":null,"total_connections":1}}"#,
            "sample total_connections=1",
        ),
        (r#"{"channel":"metrics","event_type":"system_metrics","data":null}"#, "notice [metrics] <> system_metrics"),
        (r#"{"channel":"metrics","event_type":"custom","data":{"a":1,"b":null}}"#, "sample a=1"),
        (
            r#"{"channel":"logs","timestamp":"t","event_type":"log.warning","data":{"level":"WARNING","message":"m","service":"api"}}"#,
            "log WARNING api: m ()",
        ),
        (r#"{"channel":"logs","event_type":"log.error","data":{"message":"m"}}"#, "log ERROR : m ()"),
        (r#"{"channel":"logs","data":"a string"}"#, "log  : a string ()"),
        (
            r#"{"channel":"logs","data":{"message":"m","correlation_id":"req_1","line":1,"x":null}}"#,
            "log  : m (correlation_id=req_1 line=1)",
        ),
        (r#"{"channel":"logs","data":{"level":"INFO"}}"#, "notice [logs] <INFO> level=INFO"),
        (
            r#"{"channel":"status","event_type":"status.running","data":{"status":"running","mode":"dev"}}"#,
            "notice [status] <running> status.running status=running mode=dev",
        ),
        (
            r#"{"channel":"actions","event_type":"action.executed","data":{"result":{"r":[1,null]},"error":null}}"#,
            "notice [actions] <> action.executed result={r=[1, null]}",
        ),
        (
            r#"{"channel":"actions","event_type":"action.executed","data":{"status":"failed","error":"boom"}}"#,
            "notice [actions] <error> action.executed status=failed error=boom",
        ),
        (r#"{"channel":"status","event_type":"status.error"}"#, "notice [status] <error> status.error"),
        (r#"{"channel":"metrics"}"#, "notice [metrics] <> "),
        (r#"{"channel":"metrics","hello":"world","buffered_at":"t"}"#, "notice [metrics] <> hello=world buffered_at=t"),
        (
            r#"{"channel":"metrics","type":"error","message":"fake"}"#,
            "notice [metrics] <error> type=error message=fake",
        ),
        (
            r#"{"type":"error","message":"fake","channel":"metrics"}"#,
            "notice [metrics] <error> type=error message=fake",
        ),
        (r#"{"channel":"pong","data":1}"#, "notice [pong] <> 1"),
        (r#"{"channel":"","data":"x"}"#, "notice [] <> x"),
        (r#"{"channel":null,"data":"x"}"#, "notice [] <> null: x"),
        (r#"{"channel":["a"],"event_type":5,"data":[1,[2]]}"#, "notice [] <> [a]: 5 [1, [2]]"),
        (
            r#"{"channel":"metrics","data":{"cpu":NaN,"x":-Infinity,"big":123456789012345678901234567890}}"#,
            "sample big=123456789012345680000000000000",
        ),
        (r#"{"channel":"metrics","data":{"t":"\ud800"}}"#, "notice [metrics] <> t=\u{fffd}"),
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
    let mut redacted = 0;
    for text in texts("neurograph/shim_rate_limit_get_reconnection_token_authenticated") {
        let outcome = DIALECT.read(&text, &mut OwnedContext::default().lend()).unwrap();
        let Some(token) = json::member(&text, "token") else { continue };
        let redacted_text = outcome.effects.unwrap().redacted.unwrap();
        assert_eq!(json::member(&redacted_text, "token").as_deref(), Some("redacted"));
        assert_eq!(redacted_text.len() + token.len(), text.len() + "redacted".len(), "the rest stays as it was");
        assert!(!redacted_text.contains(&*token) && !format!("{:?}", outcome.events).contains(&*token));
        redacted += 1;
    }
    assert_eq!(redacted, 80);
    let text = r#"{"type":"disconnected","reconnection_token":"geheim","code":1000}"#;
    let mut outcome = DIALECT.read(text, &mut OwnedContext::default().lend()).unwrap();
    assert_eq!(
        outcome.effects().redacted.as_deref(),
        Some(r#"{"type":"disconnected","reconnection_token":"redacted","code":1000}"#)
    );
}

#[test]
fn every_message_of_the_real_server_is_understood() {
    let (mut received, mut binary) = (0, 0);
    for (name, frames) in recordings("neurograph") {
        for frame in frames.iter().filter(|frame| frame.from_server) {
            match frame.text() {
                // The recorder truncated the largest message.
                Some(text) if !text.ends_with(" chars>") => {
                    let line = shown(text);
                    assert!(!line.starts_with("unknown"), "{name}: {line}");
                    received += 1;
                }
                None if frame.opcode == "binary" => {
                    let unpacked = super::binary::unpack(&frame.payload, 1 << 20);
                    assert!(matches!(unpacked, Binary::Text(_) | Binary::Description(_)));
                    binary += 1;
                }
                _ => {}
            }
        }
    }
    assert_eq!((received, binary), (598, 8));
}

#[test]
fn a_recorded_session_is_shown_as_it_went() {
    let lines: Vec<_> = texts("neurograph/shim_jwt_admin_all_channels").iter().map(|text| shown(text)).collect();
    assert_eq!(
        lines[..8],
        [
            "greeting Connected as admin, client 097d2298-c91a-4d2c-9817-06f78394c6c1",
            "answer subscribed channels=[metrics, signals, actions, logs, status, connections]",
            "sample Cpu=45.2 MemoryUsed=1073741824 events_per_sec=5000 total_tokens=50000 total_connections=1",
            "notice [signals] <> signal.input.text event_id=evt_1 event_type=signal.input.text is_novel=true priority=128 resonance_score=0.85 neighbors_count=5 text=привет",
            "notice [actions] <completed> action.executed action_id=act_1 action_type=TextResponseAction status=completed result={response=Hello!} execution_time_ms=15.25",
            "log WARNING api: log line 1 (correlation_id=req_1 line=1)",
            "notice [status] <running> status.running status=running uptime_seconds=3601 version=v0.60.1 mode=dev",
            "notice [connections] <> client.connected client_id=abc123 user_id=user_456 total_connections=1 ip=127.0.0.1",
        ]
    );
}

/// The types of the messages that followed whenever a client sent this text, without events and the server's pings.
fn answered(text: &str) -> Vec<String> {
    let mut answers = Vec::new();
    for (_, frames) in recordings("neurograph") {
        for (i, frame) in frames.iter().enumerate() {
            if !frame.from_server && frame.payload == text.as_bytes() {
                let next = frames[i..].iter().filter(|frame| frame.from_server).filter_map(RecordedFrame::text);
                let kinds = next.filter_map(|text| json::message_type(text).map(|kind| kind.into_owned()));
                answers.extend(kinds.filter(|kind| kind != "ping" && kind != "connected").take(1));
            }
        }
    }
    answers.sort();
    answers.dedup();
    answers
}

#[test]
fn requests_are_written_as_the_real_server_accepted_them() {
    let options = |channels: &[&str]| DialectOptions {
        subscribe: channels.iter().map(|name| (*name).into()).collect(),
        ..DialectOptions::default()
    };
    for (own, channels, answers) in [
        (super::OwnRequest::Subscribe, &[][..], &["subscribed"][..]),
        (super::OwnRequest::Subscribe, &["metrics", "status"], &["subscribed"]),
        (super::OwnRequest::ReconnectToken, &[], &["error", "reconnection_token"]),
        (super::OwnRequest::Ping, &[], &["error", "pong", "subscriptions"]),
    ] {
        let text = super::render_own(own, &options(channels));
        let found = answered(&text);
        // Some recordings flood the server to find its limits, which gives errors.
        assert!(
            answers.iter().any(|answer| *answer != "error" && found.contains(&(*answer).to_owned())),
            "{text}: {found:?}"
        );
        assert!(found.iter().all(|kind| answers.contains(&kind.as_str()) || kind == "subscribed"), "{text}: {found:?}");
    }
    assert_eq!(
        super::render_own(super::OwnRequest::Subscribe, &options(&["a\"b"])),
        r#"{"type":"subscribe","channels":["a\"b"]}"#
    );
}

#[test]
fn a_recording_is_recognised_and_answered_in_a_conversation() {
    let mut conversation = Conversation::new(None, DialectOptions::default(), RequestPlan::default());
    let now = std::time::Instant::now();
    conversation.opened(now, false);
    let (mut sent, mut warned) = (Vec::new(), Vec::new());
    for text in texts("neurograph/stock_anon_subscribe_all") {
        let mut outgoing = Outgoing::default();
        conversation.decode(&text, &mut None, now, &mut outgoing);
        sent.extend(outgoing.send);
        warned.extend(outgoing.warn);
    }
    assert_eq!(conversation.dialect(), Some(crate::Dialect::Neurograph));
    assert_eq!(
        sent,
        [r#"{"type":"subscribe","channels":["metrics","signals","actions","logs","status","connections"]}"#]
    );
    assert_eq!(
        warned,
        ["denied by the server: signals, actions, logs, connections (no permission, or no such channel)"]
    );
}
