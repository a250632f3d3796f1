//! Recorded and documented messages in, events out.

use std::time::Duration;

use super::*;
use crate::model::event::ProcessChange;
use crate::model::sample::read::other_members;
use crate::testing::recordings::texts;

pub fn events(text: &str, memory: &mut DialectState) -> Vec<Event<'static>> {
    let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
    DIALECT.read(text, memory).unwrap().show.to_vec()
}

pub fn processes(text: &str, memory: &mut DialectState) -> Processes<'static> {
    match &events(text, memory)[..] {
        [Event::Processes(processes)] => processes.clone(),
        other => panic!("{other:?}"),
    }
}

pub fn changes(text: &str, memory: &mut DialectState) -> Vec<String> {
    processes(text, memory).changes.iter().map(line).collect()
}

pub fn line(change: &ProcessChange<'_>) -> String {
    let ProcessChange { name, from, to, detail } = change;
    format!("{name}: {from}>{to} {detail}").trim_end().to_owned()
}

/// The changes of all lists of a recording, the first list of all left out.
pub fn told(recording: &str, memory: &mut DialectState) -> Vec<String> {
    let mut told = Vec::new();
    for text in texts(&format!("pmdaemon/{recording}")) {
        if let [Event::Processes(processes)] = &events(&text, memory)[..] {
            assert_eq!(processes.first, told.is_empty() && processes.changes.len() == processes.list.len());
            told.extend(processes.changes.iter().map(line).filter(|line| !processes.first || line.is_empty()));
            if processes.first {
                told.push("first".into());
            }
        }
    }
    told
}

pub fn list(processes: &str) -> String {
    format!(r#"{{"type":"ProcessList","processes":[{processes}]}}"#)
}

pub fn process(name: &str, state: &str, more: &str) -> String {
    format!(r#"{{"id":"id of {name}","name":"{name}","state":"{state}"{more}}}"#)
}

pub fn documented(kind: &str, data: &str) -> String {
    format!(r#"{{"type":"{kind}","data":{data},"timestamp":"2024-01-15T14:30:25.123Z","id":"unique-message-id"}}"#)
}

#[test]
fn a_recorded_process_has_no_metrics_and_a_start_instead_of_an_age() {
    let text = &texts("pmdaemon/plain")[0];
    let process =
        processes(text, &mut DialectState::default()).list.into_iter().find(|process| process.name == "web-api");
    let process = process.unwrap();
    assert_eq!((process.cpu, process.memory, process.uptime), (None, None, None));
    assert_eq!((&*process.state, process.port, process.restarts), ("online", Some(31080), Some(0)));
    assert!(process.started_at.unwrap().ends_with('Z') && process.pid.is_some());
    assert_eq!((process.namespace.as_deref(), process.error, process.exit_code), (Some("default"), None, None));
    assert_eq!(process.id.len(), 36);
}

#[test]
fn metrics_of_a_server_that_measures_are_shown() {
    let text =
        list(r#"{"name":"a","cpu_usage":0.0,"memory_usage":4096},{"name":"b","cpu":1.5,"memory":0},{"name":"c"}"#);
    let list = processes(&text, &mut DialectState::default()).list;
    let metrics: Vec<_> = list.iter().map(|process| (process.cpu, process.memory)).collect();
    assert_eq!(metrics, [(Some(0.0), Some(4096.0)), (Some(1.5), Some(0.0)), (None, None)]);
}

#[test]
fn what_is_done_over_rest_is_told_as_changes() {
    let expected = [
        "first",
        "sleeper: online>stopped",
        "sleeper: stopped>online restarted #1",
        "web-api: online>online restarted #1",
        "worker-1: online>",
        "crasher: online>online restarted #1",
    ];
    assert_eq!(told("rest_actions", &mut DialectState::default()), expected);
}

#[test]
fn errors_and_exit_codes_are_told_once_with_the_change() {
    let expected = [
        "first",
        "vanishing: online>errored Failed to start: No such file or directory (os error 2), restarted #1",
        "polite: online>online restarted #1",
        "polite: online>stopped exit code 7",
    ];
    assert_eq!(told("errored_and_exit_code", &mut DialectState::default()), expected);
}

#[test]
fn a_burst_after_a_stall_tells_what_changed_once() {
    assert_eq!(told("slow_stop_stall_a", &mut DialectState::default()), ["first", "stubborn: online>stopped"]);
    assert_eq!(told("plain", &mut DialectState::default()), ["first"]);
    assert_eq!(told("empty_no_processes", &mut DialectState::default()), ["first"]);
}

#[test]
fn after_a_reconnection_the_first_list_is_compared_with_the_last_one_before() {
    let mut memory = DialectState::default();
    let first = processes(&list(&process("a", "online", r#","pid":5"#)), &mut memory);
    assert_eq!((first.first, line(&first.changes[0])), (true, "a: >online".into()));
    memory.opened();
    let again = processes(&list(&process("a", "stopped", r#","pid":5,"uptime":null"#)), &mut memory);
    assert_eq!((again.first, line(&again.changes[0])), (false, "a: online>stopped".into()));
}

#[test]
fn processes_appear_vanish_and_come_back_under_another_id() {
    let mut memory = DialectState::default();
    changes(&list(&process("a", "online", "")), &mut memory);
    let two = format!("{},{}", process("b", "errored", r#","error":"no""#), process("a", "online", ""));
    assert_eq!(changes(&list(&two), &mut memory), ["b: >errored no"]);
    assert_eq!(changes(&list(&two), &mut memory), [""; 0]);
    let other = r#"{"id":"x","name":"a","state":"online"}"#;
    assert_eq!(changes(&list(other), &mut memory), ["b: errored>"]);
    assert_eq!(changes(&list(""), &mut memory), ["a: online>"]);
}

#[test]
fn processes_of_one_name_are_told_apart_by_their_ids() {
    let mut memory = DialectState::default();
    let twins = |one: &str, two: &str| {
        list(&format!(r#"{{"id":"1","name":"a","state":"{one}"}},{{"id":"2","name":"a","state":"{two}"}}"#))
    };
    changes(&twins("online", "stopped"), &mut memory);
    assert_eq!(changes(&twins("online", "stopped"), &mut memory), [""; 0]);
    assert_eq!(changes(&twins("online", "online"), &mut memory), ["a: stopped>online"]);
}

#[test]
fn only_the_pid_of_a_running_process_says_something() {
    let mut memory = DialectState::default();
    let one = |state, more: &str| list(&process("a", state, more));
    changes(&one("stopped", r#","pid":5,"restarts":3"#), &mut memory);
    assert_eq!(changes(&one("stopped", r#","pid":4,"restarts":3"#), &mut memory), [""; 0]);
    assert_eq!(changes(&one("online", r#","pid":6,"restarts":0"#), &mut memory), ["a: stopped>online"]);
    assert_eq!(
        changes(&one("online", r#","pid":7,"restarts":0"#), &mut memory),
        ["a: online>online restarted, now pid 7"]
    );
}

#[test]
fn memory_is_bounded_whatever_the_server_invents() {
    let mut memory = DialectState::default();
    let long = "ü".repeat(100_000);
    let many: Vec<_> = (0..1500).map(|i| process(&format!("{i}ü"), "online", "")).collect();
    let step = events(&list(&many.join(",")), &mut memory);
    assert!(matches!(&step[..], [Event::Processes(all)] if all.list.len() == MOST && all.changes.len() == MOST));
    let warn = DIALECT.read(&list(&many.join(",")), &mut DialectState::default()).unwrap().warn;
    assert!(warn.unwrap().starts_with("1500 processes"));
    for i in 0..1500 {
        let data = format!(r#"{{"id":{i},"name":"{i}","status":"{}"}}"#, &long[..2000]);
        events(&documented("process_status", &data), &mut memory);
    }
    let known = format!("{:?}", memory.pmdaemon).len();
    assert!(known < MOST * 2000, "{known}");
}

#[test]
fn a_recorded_system_update_is_a_sample_without_rest() {
    let text = &texts("pmdaemon/plain")[1];
    let Event::Sample(sample) = &events(text, &mut DialectState::default())[0] else { panic!("{text}") };
    assert_eq!(sample.get(Metric::MemoryTotal), Some(25276510208.0));
    assert_eq!(sample.get(Metric::MemoryAvailable), None);
    for metric in [Metric::Cpu, Metric::Memory, Metric::MemoryUsed, Metric::Load1, Metric::Load15, Metric::Uptime] {
        assert!(sample.get(metric).is_some(), "{metric:?}");
    }
    assert!(sample.at.as_ref().unwrap().ends_with('Z'));
    assert_eq!(other_members(&Node::parse(text).unwrap(), sample, usize::MAX), []);
}

#[test]
fn what_the_source_declares_is_read_though_it_is_never_sent() {
    let mut memory = DialectState::default();
    changes(&list(&process("a", "online", "")), &mut memory);
    let update = format!(r#"{{"type":"ProcessUpdate","process":{}}}"#, process("a", "stopping", ""));
    assert_eq!(changes(&update, &mut memory), ["a: online>stopping"]);
    let error = events(r#"{"type":"Error","message":"no"}"#, &mut memory);
    assert!(matches!(&error[..], [Event::Error(error)] if error.text == "no"));
}

#[test]
fn odd_shapes_are_shown_as_they_came_and_make_nothing_vanish() {
    let mut memory = DialectState::default();
    changes(&list(&process("a", "online", "")), &mut memory);
    for shape in ["null", "5", "\"x\"", "true", r#"{"a":[{}]}"#] {
        for kind in EVENTS.iter().filter(|kind| **kind != "system_metrics").chain(&["ProcessList", "ProcessUpdate"]) {
            let text = format!(r#"{{"type":"{kind}","data":{shape},"processes":{shape},"process":{shape}}}"#);
            let events = events(&text, &mut memory);
            assert!(matches!(&events[..], [Event::Unknown(unknown)] if unknown.text == text), "{text} {events:?}");
        }
    }
    let members =
        ["id", "name", "state", "status", "pid", "uptime", "cpu_usage", "error", "details", "event", "process"];
    for shape in ["null", "-5", "1e300", "\"x\"", "[[]]", "{}", "true"] {
        let object: Vec<_> = members.iter().map(|name| format!("\"{name}\":{shape}")).collect();
        let object = format!("{{{}}}", object.join(","));
        for kind in EVENTS.iter().chain(&["ProcessList", "ProcessUpdate"]) {
            let text = format!(r#"{{"type":"{kind}","data":{object},"processes":[{object}],"process":{object}}}"#);
            events(&text, &mut memory);
        }
    }
    assert_eq!(processes(&list("5,null,{},[]"), &mut DialectState::default()).list, []);
}

#[test]
fn nothing_is_sent_unless_something_is_wanted() {
    let greet = |wish: DialectOptions| greet(&wish, &mut DialectState::default());
    assert_eq!(greet(DialectOptions { verbose: true, token: Some("x".into()), ..DialectOptions::default() }), [""; 0]);
    let whole = DialectOptions {
        subscribe: vec!["process_status".into(), "process_metrics".into()],
        process: vec!["web-api".into(), "wörker".into()],
        interval: Some(Duration::from_secs(1)),
        ..DialectOptions::default()
    };
    assert_eq!(
        greet(whole),
        [
            r#"{"type":"subscribe","data":{"events":["process_status","process_metrics"],"processes":["web-api","wörker"],"interval":1000}}"#
        ]
    );
    let process = DialectOptions { process: vec!["a\"".into()], ..DialectOptions::default() };
    assert_eq!(
        greet(process),
        [
            r#"{"type":"subscribe","data":{"events":["process_status","process_metrics","system_metrics","health_update","process_event","log_message"],"processes":["a\""]}}"#
        ]
    );
}

#[test]
fn requests_are_written_as_documented() {
    let render =
        |kind: &str, json: Option<&str>| render(&Request { kind: kind.into(), json: json.map(Into::into) }, "w-1");
    assert_eq!(render("get_system", None), r#"{"type":"get_system","data":{},"id":"w-1"}"#);
    assert_eq!(
        render("get_info", Some(r#"{"process":"web-api"}"#)),
        r#"{"type":"get_info","data":{"process":"web-api"},"id":"w-1"}"#
    );
    assert_eq!(
        render("command", Some(r#" {"action": "start", "config":{"port":1.0}} "#)),
        r#"{"type":"command","data":{"action":"start","config":{"port":1.0}},"id":"w-1"}"#
    );
}

#[test]
fn documented_messages_give_the_dialect_away_and_others_do_not() {
    let name = |text: &str| crate::proto::dialect::recognise(text).map(|dialect| dialect.name);
    for (kind, data) in [
        ("process_status", r#"{"id":0,"name":"a","status":"online"}"#),
        ("process_metrics", r#"{"processes":[]}"#),
        ("system_metrics", r#"{"cpu":{"usage":1},"memory":{}}"#),
        ("health_update", r#"{"process":"a","status":"healthy"}"#),
        ("process_event", r#"{"event":"started","process":"a"}"#),
        ("log_message", r#"{"process":"a","message":"b"}"#),
    ] {
        assert_eq!(name(&documented(kind, data)), Some("pmdaemon"), "{kind}");
    }
    assert_eq!(name(&list("")), Some("pmdaemon"));
    assert_eq!(name(r#"{"type":"ProcessUpdate","process":{"name":"a"}}"#), Some("pmdaemon"));
    for text in [r#"{"type":"ProcessList"}"#, r#"{"type":"Error","message":"x"}"#, r#"{"type":"log_message"}"#] {
        assert_eq!(name(text), None, "{text}");
    }
    assert_eq!(name(r#"{"channel":"logs","type":"log_message","data":{"process":"a"}}"#), None);
}
