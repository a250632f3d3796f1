//! Recorded and documented messages in, events out.

use std::time::Duration;

use super::*;
use crate::model::event::ProcessChange;
use crate::model::sample::others::other_names;
use crate::proto::dialect::DialectOptions;
use crate::testing::dialect::OwnedContext;
use crate::testing::recordings::texts;

pub fn events(text: &str, context: &mut OwnedContext) -> Vec<Event<'static>> {
    let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
    DIALECT.read(text, &mut context.lend()).unwrap().events.to_vec()
}

pub fn processes(text: &str, context: &mut OwnedContext) -> Processes<'static> {
    match &events(text, context)[..] {
        [Event::Processes(processes)] => processes.clone(),
        other => panic!("{other:?}"),
    }
}

pub fn changes(text: &str, context: &mut OwnedContext) -> Vec<String> {
    processes(text, context).changes.iter().map(line).collect()
}

pub fn line(change: &ProcessChange<'_>) -> String {
    let ProcessChange { name, from, to, detail } = change;
    format!("{name}: {from}>{to} {detail}").trim_end().to_owned()
}

/// The changes of all lists of a recording, the first list of all left out.
pub fn reported(recording: &str, context: &mut OwnedContext) -> Vec<String> {
    let mut lines = Vec::new();
    for text in texts(&format!("pmdaemon/{recording}")) {
        if let [Event::Processes(processes)] = &events(&text, context)[..] {
            assert_eq!(processes.first, lines.is_empty() && processes.changes.len() == processes.list.len());
            lines.extend(processes.changes.iter().map(line).filter(|line| !processes.first || line.is_empty()));
            if processes.first {
                lines.push("first".into());
            }
        }
    }
    lines
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
        processes(text, &mut OwnedContext::default()).list.into_iter().find(|process| process.name == "web-api");
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
    let list = processes(&text, &mut OwnedContext::default()).list;
    let metrics: Vec<_> = list.iter().map(|process| (process.cpu, process.memory)).collect();
    assert_eq!(metrics, [(Some(0.0), Some(4096.0)), (Some(1.5), Some(0.0)), (None, None)]);
}

#[test]
fn actions_over_rest_are_reported_as_changes() {
    let expected = [
        "first",
        "sleeper: online>stopped",
        "sleeper: stopped>online restarted #1",
        "web-api: online>online restarted #1",
        "worker-1: online>",
        "crasher: online>online restarted #1",
    ];
    assert_eq!(reported("rest_actions", &mut OwnedContext::default()), expected);
}

#[test]
fn errors_and_exit_codes_are_reported_once_with_the_change() {
    let expected = [
        "first",
        "vanishing: online>errored Failed to start: No such file or directory (os error 2), restarted #1",
        "polite: online>online restarted #1",
        "polite: online>stopped exit code 7",
    ];
    assert_eq!(reported("errored_and_exit_code", &mut OwnedContext::default()), expected);
}

#[test]
fn a_burst_after_a_stall_reports_each_change_once() {
    assert_eq!(reported("slow_stop_stall_a", &mut OwnedContext::default()), ["first", "stubborn: online>stopped"]);
    assert_eq!(reported("plain", &mut OwnedContext::default()), ["first"]);
    assert_eq!(reported("empty_no_processes", &mut OwnedContext::default()), ["first"]);
}

#[test]
fn after_a_reconnection_the_first_list_is_compared_with_the_last_one_before() {
    let mut context = OwnedContext::default();
    let first = processes(&list(&process("a", "online", r#","pid":5"#)), &mut context);
    assert_eq!((first.first, line(&first.changes[0])), (true, "a: >online".into()));
    context.state.opened();
    let again = processes(&list(&process("a", "stopped", r#","pid":5,"uptime":null"#)), &mut context);
    assert_eq!((again.first, line(&again.changes[0])), (false, "a: online>stopped".into()));
}

#[test]
fn processes_appear_vanish_and_come_back_under_another_id() {
    let mut context = OwnedContext::default();
    changes(&list(&process("a", "online", "")), &mut context);
    let two = format!("{},{}", process("b", "errored", r#","error":"no""#), process("a", "online", ""));
    assert_eq!(changes(&list(&two), &mut context), ["b: >errored no"]);
    assert_eq!(changes(&list(&two), &mut context), [""; 0]);
    let other = r#"{"id":"x","name":"a","state":"online"}"#;
    assert_eq!(changes(&list(other), &mut context), ["b: errored>"]);
    assert_eq!(changes(&list(""), &mut context), ["a: online>"]);
}

#[test]
fn processes_of_one_name_are_distinguished_by_their_ids() {
    let mut context = OwnedContext::default();
    let twins = |one: &str, two: &str| {
        list(&format!(r#"{{"id":"1","name":"a","state":"{one}"}},{{"id":"2","name":"a","state":"{two}"}}"#))
    };
    changes(&twins("online", "stopped"), &mut context);
    assert_eq!(changes(&twins("online", "stopped"), &mut context), [""; 0]);
    assert_eq!(changes(&twins("online", "online"), &mut context), ["a: stopped>online"]);
}

#[test]
fn only_the_pid_of_a_running_process_says_something() {
    let mut context = OwnedContext::default();
    let one = |state, more: &str| list(&process("a", state, more));
    changes(&one("stopped", r#","pid":5,"restarts":3"#), &mut context);
    assert_eq!(changes(&one("stopped", r#","pid":4,"restarts":3"#), &mut context), [""; 0]);
    assert_eq!(changes(&one("online", r#","pid":6,"restarts":0"#), &mut context), ["a: stopped>online"]);
    assert_eq!(
        changes(&one("online", r#","pid":7,"restarts":0"#), &mut context),
        ["a: online>online restarted, now pid 7"]
    );
}

#[test]
fn the_state_is_bounded_whatever_the_server_invents() {
    let mut context = OwnedContext::default();
    let long = "ü".repeat(100_000);
    let many: Vec<_> = (0..1500).map(|i| process(&format!("{i}ü"), "online", "")).collect();
    let read = events(&list(&many.join(",")), &mut context);
    assert!(
        matches!(&read[..], [Event::Processes(all)] if all.list.len() == MAX_PROCESSES && all.changes.len() == MAX_PROCESSES)
    );
    let warn = DIALECT.read(&list(&many.join(",")), &mut OwnedContext::default().lend()).unwrap().effects().warn.take();
    assert!(warn.unwrap().starts_with("too many processes to watch: only"));
    for i in 0..1500 {
        let data = format!(r#"{{"id":{i},"name":"{i}","status":"{}"}}"#, &long[..2000]);
        events(&documented("process_status", &data), &mut context);
    }
    let known = format!("{:?}", context.state.pmdaemon).len();
    assert!(known < MAX_PROCESSES * 2000, "{known}");
}

#[test]
fn a_recorded_system_update_is_a_sample_without_rest() {
    let text = &texts("pmdaemon/plain")[1];
    let Event::Sample(sample) = &events(text, &mut OwnedContext::default())[0] else { panic!("{text}") };
    assert_eq!(sample.get(Metric::MemoryTotal), Some(25276510208.0));
    assert_eq!(sample.get(Metric::MemoryAvailable), None);
    for metric in [Metric::Cpu, Metric::Memory, Metric::MemoryUsed, Metric::Load1, Metric::Load15, Metric::Uptime] {
        assert!(sample.get(metric).is_some(), "{metric:?}");
    }
    assert!(sample.at.as_ref().unwrap().ends_with('Z'));
    assert_eq!(other_names(text, sample), [""; 0]);
}

#[test]
fn types_of_the_source_are_read_though_they_are_never_sent() {
    let mut context = OwnedContext::default();
    changes(&list(&process("a", "online", "")), &mut context);
    let update = format!(r#"{{"type":"ProcessUpdate","process":{}}}"#, process("a", "stopping", ""));
    assert_eq!(changes(&update, &mut context), ["a: online>stopping"]);
    let error = events(r#"{"type":"Error","message":"no"}"#, &mut context);
    assert!(matches!(&error[..], [Event::Error(error)] if error.text == "no"));
}

#[test]
fn odd_shapes_are_shown_as_they_came_and_make_nothing_vanish() {
    let mut context = OwnedContext::default();
    changes(&list(&process("a", "online", "")), &mut context);
    for shape in ["null", "5", "\"x\"", "true", r#"{"a":[{}]}"#] {
        for kind in EVENTS.iter().filter(|kind| **kind != "system_metrics").chain(&["ProcessList", "ProcessUpdate"]) {
            let text = format!(r#"{{"type":"{kind}","data":{shape},"processes":{shape},"process":{shape}}}"#);
            let events = events(&text, &mut context);
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
            events(&text, &mut context);
        }
    }
    assert_eq!(processes(&list("5,null,{},[]"), &mut OwnedContext::default()).list, []);
}

#[test]
fn a_subscription_is_sent_only_if_an_option_asks_for_it() {
    let greet = |options: DialectOptions| greet(&mut OwnedContext::with(options).lend());
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
    let render = |kind: &str, json: Option<&str>| {
        render(&Request { kind: kind.into(), json: json.map(Into::into), ..Request::default() }, "w-1")
    };
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
