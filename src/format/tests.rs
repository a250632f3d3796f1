use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::fleet::average::Average;
use crate::model::event::{
    Alert, AlertPhase, Answer, Change, ClientState, Event, LogLine, Notice, Process, ProcessChange, Processes, Raw,
    ServerError, Unknown, User, Users,
};
use crate::model::json::repair;
use crate::model::metric::{Metric, Text};
use crate::model::sample::field::{Field, FieldRule};
use crate::model::sample::read::read_sample;

pub const PLAIN: Style = Style {
    color: false,
    ascii: false,
    labels: false,
    label_width: 0,
    lists: false,
    time: false,
    means: false,
    live: false,
};
pub const COLOR: Style = Style { color: true, ..PLAIN };
pub const ASCII: Style = Style { ascii: true, ..PLAIN };
pub const LABELS: Style = Style { labels: true, ..PLAIN };

pub const SAMPLE: &str = r#"{"type": "monitoring_data", "timestamp": "2026-11-20T06:35:14.872567", "data": {"memory": {"total": 16000000000, "available": 5900000000, "used": 10050000000, "percentage": 62.8}, "processor": {"usage_percent": 45.2, "core_count": 2, "logical_count": 4, "frequency_current": 2596.122, "frequency_max": 0.0, "per_core_usage": [100.0, null, 33.3]}, "disk": {"used": 142500000000, "total": 500000000000, "percentage": 28.5, "path": "/"}, "system": {"os_name": "Linux", "python_version": "3.11.7", "hostname": "router-01"}}}"#;

pub const GPU: &str = r#"{"timestamp": "2026-11-20T06:28:57", "data": {"memory": {"total": 25276510208, "used": 1400000000, "percentage": 80.0}, "processor": {"usage_percent": 50.0}, "disk": {"percentage": 85.0}, "gpu": {"name": "NVIDIA RTX A4000", "memory_total": 17171480576.0, "memory_used": 6442450944.0, "memory_percentage": 37.51831949193942, "gpu_usage_percent": 37.0, "temperature": 61.0, "power_draw": null}}}"#;

static ROWS: &[Field] =
    &[Field("type", FieldRule::Envelope), Field("timestamp", FieldRule::At), Field("data", FieldRule::Into(DATA))];

static DATA: &[Field] = &[
    Field(
        "processor",
        FieldRule::Into(&[
            Field("usage_percent", FieldRule::Number(Metric::Cpu, 1.0)),
            Field("core_count", FieldRule::Number(Metric::Cores, 1.0)),
            Field("logical_count", FieldRule::Number(Metric::LogicalCores, 1.0)),
            Field("frequency_current", FieldRule::NonZero(Metric::Frequency, 1.0)),
            Field("frequency_max", FieldRule::NonZero(Metric::FrequencyMax, 1.0)),
            Field("per_core_usage", FieldRule::PerCore),
            Field("temperature", FieldRule::Number(Metric::Temperature, 1.0)),
            Field("load", FieldRule::Numbers(&[Metric::Load1, Metric::Load5])),
        ]),
    ),
    Field(
        "memory",
        FieldRule::Into(&[
            Field("percentage", FieldRule::Number(Metric::Memory, 1.0)),
            Field("used", FieldRule::Number(Metric::MemoryUsed, 1.0)),
            Field("total", FieldRule::Number(Metric::MemoryTotal, 1.0)),
            Field("available", FieldRule::Number(Metric::MemoryAvailable, 1.0)),
        ]),
    ),
    Field(
        "disk",
        FieldRule::Into(&[
            Field("percentage", FieldRule::Number(Metric::Disk, 1.0)),
            Field("used", FieldRule::Number(Metric::DiskUsed, 1.0)),
            Field("total", FieldRule::Number(Metric::DiskTotal, 1.0)),
            Field("path", FieldRule::Text(Text::DiskPath)),
        ]),
    ),
    Field(
        "gpu",
        FieldRule::Into(&[
            Field("name", FieldRule::Text(Text::GpuName)),
            Field("gpu_usage_percent", FieldRule::Number(Metric::Gpu, 1.0)),
            Field("memory_percentage", FieldRule::Number(Metric::GpuMemory, 1.0)),
            Field("memory_used", FieldRule::Number(Metric::GpuMemoryUsed, 1.0)),
            Field("memory_total", FieldRule::Number(Metric::GpuMemoryTotal, 1.0)),
            Field("temperature", FieldRule::Number(Metric::GpuTemperature, 1.0)),
        ]),
    ),
    Field(
        "system",
        FieldRule::Into(&[
            Field("os_name", FieldRule::Text(Text::Os)),
            Field("hostname", FieldRule::Text(Text::Host)),
            Field("uptime", FieldRule::Number(Metric::Uptime, 1.0)),
        ]),
    ),
];

/// The lines of a format for a message with these events.
pub fn written(format: &str, raw: Raw<'_>, events: &[Event<'_>], style: Style) -> String {
    let server: Arc<str> = "nas\x1b".into();
    let received_at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
    let format = FORMATS.iter().find(|row| row.name == format).unwrap();
    let mut out = String::new();
    (format.write)(
        &mut out,
        &Message {
            server: &server,
            id: crate::model::server_id::ServerId::NONE,
            received_at,
            received_mono: std::time::Instant::now(),
            dialect: crate::Dialect::Generic,
            kind: "",
            raw,
            events,
        },
        &style,
    );
    out
}

/// The lines of a format for a message with a sample.
pub fn sample(format: &str, text: &str, style: Style) -> String {
    sample_with(format, text, &[], style)
}

/// The lines of a format for a message with a sample and further events.
pub fn sample_with(format: &str, text: &str, more: &[Event<'_>], style: Style) -> String {
    let readable = repair(text).map_or(Cow::Borrowed(text), Cow::Owned);
    let mut events = vec![Event::Sample(read_sample(&readable, ROWS).unwrap().sample)];
    events.extend_from_slice(more);
    written(format, Raw::Json(text), &events, style)
}

/// The lines of a format for the mean of these samples, beside the last message.
pub fn mean(format: &str, texts: &[&str], style: Style) -> String {
    let mut average = Average::default();
    let mut mean = Vec::new();
    for text in texts {
        let mut sample = read_sample(text, ROWS).unwrap().sample;
        average.add(&mut sample);
        mean = vec![Event::Sample(sample)];
    }
    written(format, Raw::Json(texts.last().unwrap()), &mean, style)
}

/// An unknown message.
pub fn event<'a>(kind: &'a str, text: &'a str) -> Event<'a> {
    Event::Unknown(Unknown { kind: kind.into(), text: text.into(), undecodable: false })
}

pub fn alert<'a>(component: &'a str, level: &'a str, message: &'a str, phase: AlertPhase) -> Alert<'a> {
    Alert {
        component: component.into(),
        metric: "usage_percent".into(),
        level: level.into(),
        message: message.into(),
        value: Some(96.2),
        threshold: Some(95.0),
        phase,
        ..Alert::default()
    }
}

pub fn log<'a>(level: &'a str, source: &'a str, text: &'a str) -> Event<'a> {
    Event::Log(LogLine { level: level.into(), source: source.into(), text: text.into(), ..LogLine::default() })
}

pub fn change<'a>(name: &'a str, from: &'a str, to: &'a str, detail: &'a str) -> ProcessChange<'a> {
    ProcessChange { name: name.into(), from: from.into(), to: to.into(), detail: detail.into() }
}

/// A process with every value, and one with its name only.
pub fn processes<'a>(changes: Vec<ProcessChange<'a>>, first: bool) -> Event<'a> {
    let web = Process {
        name: "web".into(),
        id: "7".into(),
        state: "errored".into(),
        pid: Some(18899),
        started_at: Some("2026-01-01T23:52:01.5Z".into()),
        restarts: Some(0),
        cpu: Some(1.75),
        memory: Some(6_442_450_944.0),
        exit_code: Some(-3),
        error: Some("no such file".into()),
        namespace: Some("default".into()),
        port: Some(31080),
        ..Process::default()
    };
    let idle = Process { name: "idle".into(), uptime: Some(Duration::from_millis(7_890_500)), ..Process::default() };
    Event::Processes(Processes { list: vec![web, idle], changes, first, ..Processes::default() })
}

/// One event of each kind that is shown, and some that are not.
pub fn events() -> Vec<Event<'static>> {
    let warning = "High memory usage: 85.5% (threshold: 80.0%)";
    vec![
        Event::Notice(Notice { text: "Connected to monitoring server".into(), greeting: true, ..Notice::default() }),
        Event::KeepAlive,
        Event::Error(ServerError { text: "Invalid message".into(), severity: None, ..ServerError::default() }),
        Event::Error(ServerError { text: "slow".into(), severity: Some("warning".into()), ..ServerError::default() }),
        Event::Alert(alert("memory", "WARNING", warning, AlertPhase::Begins)),
        Event::Alert(alert("disk", "CRITICAL", "", AlertPhase::Changes)),
        Event::Alert(alert("memory", "", "", AlertPhase::Ends)),
        Event::Answer(Answer { kind: "status".into(), text: "connected_clients=1".into(), ..Answer::default() }),
        event("mystery", "{\"type\":\"mystery\"}"),
    ]
}

/// One event of each kind that has a time stamp, with this one; each is one line.
pub fn stamped(at: Option<&'static str>) -> Vec<Event<'static>> {
    let at = || at.map(Cow::Borrowed);
    vec![
        Event::Notice(Notice { text: "n".into(), at: at(), ..Notice::default() }),
        Event::Error(ServerError { text: "e".into(), at: at(), ..ServerError::default() }),
        Event::Alert(Alert { message: "a".into(), at: at(), ..Alert::default() }),
        Event::Answer(Answer { kind: "k".into(), at: at(), ..Answer::default() }),
        Event::Log(LogLine { text: "l".into(), at: at(), ..LogLine::default() }),
        Event::Processes(Processes { changes: vec![change("p", "a", "b", "")], at: at(), ..Processes::default() }),
        Event::Users(Users { at: at(), ..Users::default() }),
    ]
}

/// A change of state with this cause.
pub fn state(to: ClientState, why: &str) -> Event<'static> {
    let retry_in = (to == ClientState::Reconnecting).then_some(Duration::from_micros(4_600_900));
    let attempts = u32::from(retry_in.is_some());
    Event::State(Change { why: why.into(), retry_in, attempts, ..Change::new(ClientState::Connected, to) })
}

/// Events of every kind with hostile text in every place.
pub fn hostile_events() -> Vec<Event<'static>> {
    events_of("a\n[CONN] é\x1b[2J\0\u{9b}\u{202e}\u{2028}\x7f")
}

/// Events of every kind with this text in every place.
fn events_of(bad: &str) -> Vec<Event<'_>> {
    vec![
        Event::Notice(Notice {
            text: bad.into(),
            kind: bad.into(),
            channel: bad.into(),
            level: bad.into(),
            ..Notice::default()
        }),
        Event::Error(ServerError { text: bad.into(), severity: Some(bad.into()), ..ServerError::default() }),
        Event::Alert(alert(bad, bad, bad, AlertPhase::Begins)),
        Event::Alert(Alert {
            from: bad.into(),
            cause: bad.into(),
            id: Some(-1),
            ..alert(bad, bad, "", AlertPhase::Changes)
        }),
        Event::Alert(alert(bad, "", "", AlertPhase::Ends)),
        Event::Answer(Answer { kind: bad.into(), text: bad.into(), ..Answer::default() }),
        event(bad, bad),
        log(bad, bad, bad),
        Event::Processes(Processes {
            list: vec![hostile_process(bad)],
            changes: vec![],
            first: true,
            ..Processes::default()
        }),
        Event::Processes(Processes {
            list: vec![],
            changes: vec![change(bad, bad, bad, bad)],
            first: false,
            ..Processes::default()
        }),
        Event::Users(Users { list: vec![hostile_user(bad)], ..Users::default() }),
        state(ClientState::Reconnecting, bad),
    ]
}

fn hostile_user(bad: &str) -> User<'_> {
    User { name: bad.into(), metric: bad.into(), since: Some(bad.into()), cpu: Some(f64::NAN), ..User::default() }
}

fn hostile_process(bad: &str) -> Process<'_> {
    Process {
        name: bad.into(),
        id: bad.into(),
        state: bad.into(),
        started_at: Some(bad.into()),
        error: Some(bad.into()),
        namespace: Some(bad.into()),
        ..Process::default()
    }
}

#[test]
fn no_text_makes_a_line_for_people_longer_than_its_bound() {
    let long = "é".repeat(500_000);
    for format in ["simple", "compact", "detailed"] {
        for event in events_of(&long) {
            let out = written(format, Raw::Text(""), std::slice::from_ref(&event), PLAIN);
            let longest = out.lines().map(|line| line.chars().count()).max().unwrap_or_default();
            assert!(longest < 5 << 16, "{format}: {longest} in {out:.80}");
        }
    }
}

#[test]
fn every_format_has_a_unique_name_and_a_description() {
    let names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
    assert!(names.iter().enumerate().all(|(i, name)| !names[..i].contains(name)), "{names:?}");
    assert!(FORMATS.iter().all(|format| !format.about.is_empty()));
}

#[test]
fn every_format_but_json_shows_changes_of_state_and_only_json_shows_keep_alives() {
    let why = "connect to 127.0.0.1:1: connection refused";
    let text = format!("reconnecting in 4.6 s: {why}");
    let head = r#"{"received_at":"2026-01-02T03:04:05.678Z","server":"nas\u001b","#;
    let members = format!(r#""from":"connected","to":"reconnecting","why":"{why}","retry_in":4.6,"attempts":1}}"#);
    for (format, line) in [
        ("simple", format!("[STATE] 2026-01-02T03:04:05Z {text}\n")),
        ("compact", format!("[STATE] 03:04:05Z {text}\n")),
        ("detailed", format!("[03:04:05Z] STATE: {text}\n")),
        ("json", String::new()),
        ("jsonl", format!("{head}\"type\":\"state\",{members}\n")),
        ("events", format!("{head}\"kind\":\"state\",{members}\n")),
    ] {
        assert_eq!(written(format, Raw::None, &[state(ClientState::Reconnecting, why)], PLAIN), line);
    }
    let last = written("events", Raw::None, &[state(ClientState::Disconnected, "")], PLAIN);
    assert_eq!(last, format!("{head}\"kind\":\"state\",\"from\":\"connected\",\"to\":\"disconnected\"}}\n"));
    for format in FORMATS {
        let pong = written(format.name, Raw::Json("{}"), &[Event::KeepAlive], PLAIN);
        assert_eq!(pong.is_empty(), !format.name.starts_with("json"), "{}", format.name);
    }
}
