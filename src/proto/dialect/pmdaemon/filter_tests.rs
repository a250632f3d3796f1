//! Messages that the user did not subscribe to are left out, since the real server sends everything to all clients.

use std::time::Duration;

use super::tests::{changes, documented, list, process, processes};
use super::*;
use crate::testing::dialect::OwnedContext;

fn subscribed(events: &[&str], processes: &[&str]) -> OwnedContext {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    OwnedContext::with(DialectOptions { subscribe: own(events), process: own(processes), ..DialectOptions::default() })
}

fn is_unwanted(text: &str, context: &mut OwnedContext) -> bool {
    let outcome = DIALECT.read(text, &mut context.lend()).unwrap();
    assert!(!outcome.unwanted || outcome.events.is_empty());
    outcome.unwanted
}

/// A message of each type about the process `web`.
fn messages() -> Vec<(&'static str, String)> {
    vec![
        ("ProcessList", list(&process("web", "online", ""))),
        ("SystemUpdate", r#"{"type":"SystemUpdate","metrics":{"cpu_usage":5}}"#.to_owned()),
        ("ProcessUpdate", format!(r#"{{"type":"ProcessUpdate","process":{}}}"#, process("web", "stopped", ""))),
        ("process_status", documented("process_status", r#"{"id":0,"name":"web","status":"online"}"#)),
        ("process_metrics", documented("process_metrics", r#"{"processes":[{"name":"web","cpu":2.5,"memory":1}]}"#)),
        ("system_metrics", documented("system_metrics", r#"{"cpu":{"usage":1},"memory":{}}"#)),
        ("health_update", documented("health_update", r#"{"process":"web","status":"healthy"}"#)),
        ("process_event", documented("process_event", r#"{"event":"started","process":"web"}"#)),
        ("log_message", documented("log_message", r#"{"process":"web","message":"m"}"#)),
    ]
}

#[test]
fn types_that_were_not_subscribed_to_are_left_out() {
    for (wanted, kinds) in [
        ("ProcessList", &["ProcessList"][..]),
        ("process_status", &["ProcessList", "ProcessUpdate", "process_status"]),
        ("process_metrics", &["ProcessList", "process_metrics"]),
        ("system_metrics", &["SystemUpdate", "system_metrics"]),
        ("log_message", &["log_message"]),
        ("no_such_type", &[]),
    ] {
        for (kind, text) in messages() {
            let mut context = subscribed(&[wanted], &[]);
            assert_eq!(is_unwanted(&text, &mut context), !kinds.contains(&kind), "{wanted} {kind}");
        }
    }
    let mut context = subscribed(&["process_status"], &["other"]);
    assert!(!is_unwanted(r#"{"type":"Error","message":"m"}"#, &mut context));
    assert!(!is_unwanted(r#"{"type":"an_answer","data":{}}"#, &mut context), "a type that cannot be subscribed to");
    assert!(DIALECT.read(r#"{"type":"SystemUpdate","#, &mut context.lend()).is_err());
}

#[test]
fn other_processes_are_left_out_of_lists_and_with_their_changes() {
    for (kind, text) in messages() {
        let is_about_one = !["SystemUpdate", "system_metrics", "ProcessList", "process_metrics"].contains(&kind);
        assert_eq!(is_unwanted(&text, &mut subscribed(&[], &["db"])), is_about_one, "{kind}");
        assert!(!is_unwanted(&text, &mut subscribed(&[], &["db", "web"])), "{kind}");
    }
    let mut context = subscribed(&[], &["web", "id of c", "w\u{f6}rker"]);
    let names = ["web", "web-0", "web-12", "web-", "web-a", "web2", "a", "c", "wörker-1", "id of c"];
    let text = |state: &str| list(&names.map(|name| process(name, state, "")).join(","));
    let shown = processes(&text("online"), &mut context);
    let listed: Vec<_> = shown.list.iter().map(|process| &*process.name).collect();
    assert_eq!(listed, ["web", "web-0", "web-12", "c", "wörker-1", "id of c"]);
    assert_eq!(changes(&text("stopped"), &mut context).len(), 6);
    assert_eq!(changes(&list(""), &mut context).len(), 6, "only those can be gone");
}

#[test]
fn a_list_without_changes_comes_at_the_interval_and_one_with_changes_at_once() {
    let mut context = subscribed(&[], &[]);
    context.options.interval = Some(Duration::from_secs(4));
    let start = context.now;
    let mut shown = Vec::new();
    for tick in 0..10_u64 {
        // The server's period is 2 s, give or take.
        context.now = start + Duration::from_millis(2000 * tick - tick % 2 * 3 + tick % 3 * 5);
        let state = if tick < 5 { "online" } else { "stopped" };
        if !is_unwanted(&list(&process("a", state, "")), &mut context) {
            shown.push(tick);
        }
    }
    assert_eq!(shown, [0, 2, 4, 5, 7, 9]);
    context.options.interval = Some(Duration::MAX);
    assert!(is_unwanted(&list(&process("a", "stopped", "")), &mut context));
    context.options.interval = None;
    assert!(!is_unwanted(&list(&process("a", "stopped", "")), &mut context));
}

#[test]
fn a_process_has_moved_by_5_points_or_a_tenth_since_it_last_had() {
    let mut context = OwnedContext::default();
    for (cpu, memory, moved) in [
        ("1", "1000", true),
        ("5.9", "1099", false),
        ("6", "1099", true),
        ("1.1", "1200", false),
        ("6", "1209", true),
        ("6", "1088.1", true),
        ("null", "1088.1", false),
        ("6", "0", true),
        ("6.5", "0", false),
        ("6", "1", true),
        ("-1e308", "1e308", true),
    ] {
        let text = documented(
            "process_metrics",
            &format!(r#"{{"processes":[{{"name":"w","cpu":{cpu},"memory":{memory}}}]}}"#),
        );
        assert_eq!(processes(&text, &mut context).list[0].moved, moved, "{cpu} {memory}");
    }
    let real = list(&process("r", "online", r#","cpu_usage":0.0,"memory_usage":0"#));
    for _ in 0..2 {
        assert!(!processes(&real, &mut context).list[0].moved, "not measured");
    }
}

#[test]
fn names_that_the_first_list_does_not_have_are_warned_of_once() {
    let warning = |wanted: &[&str]| {
        let mut context = subscribed(&[], wanted);
        let text = list(&process("web-0", "online", ""));
        let first = DIALECT.read(&text, &mut context.lend()).unwrap().effects().warn.take();
        assert_eq!(DIALECT.read(&text, &mut context.lend()).unwrap().effects().warn, None);
        first
    };
    assert_eq!([warning(&[]), warning(&["web"]), warning(&["web-0"])], [None, None, None]);
    assert_eq!(
        warning(&["we", "web", "a\u{1b}"]).as_deref(),
        Some("Server::processes: the server has no process we, a\u{1b} now"),
        "escaped where it is logged"
    );
}
