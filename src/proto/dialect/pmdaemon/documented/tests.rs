//! The documentation's examples in, events out.

use std::time::Duration;

use crate::model::event::{Alert, AlertPhase, Event, Notice};
use crate::model::metric::Metric;
use crate::model::sample::others::other_names;
use crate::proto::dialect::pmdaemon::tests::{changes, documented, events, line, processes};
use crate::testing::dialect::OwnedContext;

fn alerts(events: &[Event<'_>]) -> Vec<(String, String, AlertPhase)> {
    let alert = |event: &Event<'_>| match event {
        Event::Alert(Alert { component, message, phase, .. }) => (component.to_string(), message.to_string(), *phase),
        other => panic!("{other:?}"),
    };
    events.iter().map(alert).collect()
}

#[test]
fn documented_system_metrics_are_a_sample_without_rest() {
    let text = documented(
        "system_metrics",
        r#"{"cpu":{"usage":15.2,"cores":8},"memory":{"total":8589934592,"used":2147483648,"available":6442450944,"usage_percent":25.0},"load":{"one":0.85,"five":1.2,"fifteen":0.9}}"#,
    );
    let Event::Sample(sample) = &events(&text, &mut OwnedContext::default())[0] else { panic!("{text}") };
    for (metric, value) in [
        (Metric::Cpu, 15.2),
        (Metric::LogicalCores, 8.0),
        (Metric::Memory, 25.0),
        (Metric::MemoryUsed, 2147483648.0),
        (Metric::MemoryAvailable, 6442450944.0),
        (Metric::Load5, 1.2),
    ] {
        assert_eq!(sample.get(metric), Some(value), "{metric:?}");
    }
    assert_eq!(other_names(&text, sample), [""; 0]);
}

#[test]
fn a_documented_status_is_a_change_from_its_previous_one() {
    let mut context = OwnedContext::default();
    let text = documented(
        "process_status",
        r#"{"id":0,"name":"web-api","status":"online","pid":1234,"port":3000,"previous_status":"starting"}"#,
    );
    let read = processes(&text, &mut context);
    assert_eq!((line(&read.changes[0]), read.first), ("web-api: starting>online".into(), false));
    let process = &read.list[0];
    assert_eq!((&*process.id, process.pid, process.port), ("0", Some(1234), Some(3000)));
    let errored = documented("process_status", r#"{"id":0,"name":"web-api","status":"errored"}"#);
    assert_eq!(changes(&errored, &mut context), ["web-api: online>errored"]);
    assert_eq!(changes(&errored, &mut context), [""; 0]);
}

#[test]
fn documented_metrics_have_ages_and_tell_of_restarts_only() {
    let mut context = OwnedContext::default();
    let metrics = |restarts: u32| {
        let one = format!(
            r#"{{"id":0,"name":"web-api","cpu":2.5,"memory":47185920,"uptime":7890000,"restarts":{restarts}}}"#
        );
        documented("process_metrics", &format!(r#"{{"processes":[{one},{{"id":1,"name":"worker","uptime":-1}}]}}"#))
    };
    let first = processes(&metrics(0), &mut context);
    assert_eq!((first.first, &first.changes[..]), (true, &[][..]));
    let process = &first.list[0];
    assert_eq!((process.cpu, process.memory), (Some(2.5), Some(47185920.0)));
    assert_eq!((process.uptime, &process.started_at), (Some(Duration::from_secs(7890)), &None));
    assert_eq!(first.list[1].uptime, None);
    events(&documented("process_status", r#"{"id":0,"name":"web-api","status":"online"}"#), &mut context);
    let second = processes(&metrics(1), &mut context);
    assert_eq!((second.first, line(&second.changes[0])), (false, "web-api: online>online restarted #1".into()));
    let fewer = documented("process_metrics", r#"{"processes":[]}"#);
    assert_eq!(changes(&fewer, &mut context), [""; 0], "a subscription may leave some out");
}

#[test]
fn documented_events_are_changes_with_their_details() {
    let mut context = OwnedContext::default();
    let event = |event: &str, details: &str| {
        documented("process_event", &format!(r#"{{"event":"{event}","process":"new-api","details":{details}}}"#))
    };
    let started = event("started", r#"{"pid":5678,"port":3001,"startup_time":1250}"#);
    let read = processes(&started, &mut context);
    assert_eq!(line(&read.changes[0]), "new-api: >online started pid=5678 port=3001 startup_time=1250ms");
    assert_eq!((read.list[0].pid, read.list[0].port), (Some(5678), Some(3001)));
    assert_eq!(changes(&event("crashed", "{}"), &mut context), ["new-api: online>errored crashed"]);
    assert_eq!(changes(&event("restarted", "null"), &mut context), ["new-api: errored>online restarted"]);
    assert_eq!(changes(&event("stopped", "{}"), &mut context), ["new-api: online>stopped stopped"]);
    let scaled = &events(&event("scaled", r#"{"to":3}"#), &mut context)[0];
    assert!(matches!(scaled, Event::Notice(Notice { text, greeting: false, .. }) if text == "new-api: scaled to=3"));
}

#[test]
fn a_crossed_limit_is_an_alert_each_time() {
    let mut context = OwnedContext::default();
    let text = documented("process_event", r#"{"event":"memory_limit_exceeded","process":"a","details":{"limit":5}}"#);
    let expected = [("a".to_owned(), "a: memory_limit_exceeded limit=5".to_owned(), AlertPhase::Begins)];
    assert_eq!(alerts(&events(&text, &mut context)), expected);
    assert_eq!(alerts(&events(&text, &mut context)), expected);
}

#[test]
fn bad_health_is_an_alert_until_it_is_good_again() {
    let mut context = OwnedContext::default();
    let health = |status: &str, was: &str| {
        documented(
            "health_update",
            &format!(
                r#"{{"process":"web-api","status":"{status}","previous_status":"{was}","check_type":"http","details":{{"url":"http://localhost:3000/health","response_time":45,"status_code":200}}}}"#
            ),
        )
    };
    let found = "(http check, url=http://localhost:3000/health response_time=45ms status_code=200)";
    let well = events(&health("healthy", "unhealthy"), &mut context);
    let words = format!("web-api is healthy, was unhealthy {found}");
    assert!(matches!(&well[..], [Event::Notice(notice)] if notice.text == words), "{well:?}");
    let words = format!("web-api is unhealthy, was healthy {found}");
    let ill = alerts(&events(&health("unhealthy", "healthy"), &mut context));
    assert_eq!(ill, [("web-api".into(), words, AlertPhase::Begins)]);
    let failed = documented("process_event", r#"{"event":"health_check_failed","process":"web-api"}"#);
    assert_eq!(alerts(&events(&failed, &mut context)), [], "the same thing in other words");
    let well = alerts(&events(&health("healthy", "unhealthy"), &mut context));
    assert_eq!(well, [("web-api".into(), String::new(), AlertPhase::Ends)]);
}

#[test]
fn a_documented_log_line_bears_its_level_and_its_source() {
    let log = |data: &str| match &events(&documented("log_message", data), &mut OwnedContext::default())[..] {
        [Event::Log(line)] => (line.level.to_string(), line.source.to_string(), line.text.to_string()),
        other => panic!("{other:?}"),
    };
    let whole = r#"{"process":"web-api","instance":0,"level":"info","message":"Server started on port 3000","stream":"stdout"}"#;
    assert_eq!(log(whole), ("info".into(), "web-api[0]".into(), "Server started on port 3000".into()));
    let bare = r#"{"process":"web-api","message":"oops","stream":"stderr"}"#;
    assert_eq!(log(bare), ("stderr".into(), "web-api".into(), "oops".into()));
}
