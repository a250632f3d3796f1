//! Recorded and documented messages in, events out.

use super::*;
use crate::testing::dialect::OwnedContext;
use crate::testing::recordings::texts;

fn read(text: &str, context: &mut OwnedContext) -> Outcome<'static> {
    let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
    DIALECT.read(text, &mut context.lend()).unwrap()
}

/// The event of a message, on one line.
fn shown(text: &str) -> String {
    match &read(text, &mut OwnedContext::default()).events[..] {
        [Event::Notice(notice)] if notice.greeting => format!("greeting {}", notice.text),
        [Event::Notice(notice)] => format!("notice [{}] <{}> {}", notice.kind, notice.level, notice.text),
        [Event::Log(line)] => {
            let task = line
                .task
                .as_ref()
                .map_or_else(String::new, |task| format!("|{}|{:?}|{}", task.function, task.success, task.error));
            format!("log {}|{}|{} ({}){task}", line.level, line.source, line.text, line.extra)
        }
        [Event::Error(error)] => format!("error {}", error.text),
        [Event::KeepAlive] => "keep-alive".into(),
        [Event::Unknown(unknown)] => format!("unknown {} {}", unknown.kind, unknown.text),
        other => panic!("{other:?}"),
    }
}

fn recorded(recording: &str) -> Vec<String> {
    texts(&format!("fastpluggy/{recording}"))
        .iter()
        .map(|text| shown(&json::repair(text).unwrap_or(text.clone())))
        .collect()
}

fn message(kind: &str, content: &str, meta: &str) -> String {
    format!(r#"{{"type":"{kind}","content":{content},"meta":{meta},"timestamp":"2026-11-20T06:30:46.424977"}}"#)
}

#[test]
fn the_log_of_tasks_bears_levels_and_their_results_come_from_the_meta_data() {
    let (first, second) = ("394ef5c6-6307-4d4b-993b-bb039cbacfff", "e445224b-d596-44f1-9fc7-555b6b9f508e");
    let expected = [
        "greeting Welcome tasks!".into(),
        format!("log INFO|{first}|demo.collect_metrics task_started: Task started ()|demo.collect_metrics|None|"),
        format!("log INFO|{first}|collecting 3 interfaces ()"),
        format!("log WARNING|{first}|eth1: link down ()"),
        format!("log DEBUG|{first}|rx=12345 tx=678 ()"),
        format!("log INFO|{first}|done in 0.4s é ()"),
        format!("log INFO|{first}|demo.collect_metrics succeeded: Task finished ()|demo.collect_metrics|Some(true)|"),
        format!("log |{first}|[END OF LOG] ()"),
        format!("log INFO|{second}|demo.collect_metrics task_started: Task started ()|demo.collect_metrics|None|"),
        format!("log INFO|{second}|collecting 3 interfaces ()"),
    ];
    let lines = recorded("task_messages");
    assert_eq!(lines[..expected.len()], expected);
    let end = [
        format!(
            "log ERROR|{second}|demo.collect_metrics failed: Task failed: TimeoutError: 5s ()|demo.collect_metrics|Some(false)|TimeoutError: 5s"
        ),
        format!("log |{second}|[END OF LOG] ()"),
    ];
    assert!(lines.ends_with(&end), "{lines:#?}");
}

#[test]
fn messages_of_other_clients_are_shown_with_their_type_and_metadata() {
    let lines = recorded("rest_messages_alpha");
    for expected in [
        "greeting Welcome alpha!",
        "notice [custom_event] <high> broadcast to all (event_id=12345 severity=high)",
        "notice [metrics] <> cpu=12.5 tags=[a, null, true] n=9007199254740993 (nested={k=[1, 2]})",
        "notice [nul] <> null",
        "notice [list] <> []",
        "notice [] <> empty type",
        "notice [uni] <> Zürich ☃ 😀 \u{0} tab\t (ключ=1)",
        "notice [status] <> null",
        "notice [seq] <> 49 (i=49)",
        "notice [admin_message] <warning> admin: hello all",
        "notice [admin_message] <info> admin: hi",
        "keep-alive",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}");
    }
    assert!(lines.iter().all(|line| !line.starts_with("unknown")));
}

#[test]
fn every_recording_begins_with_a_greeting_and_errors_are_no_content() {
    assert_eq!(recorded("connect_escaped_id"), ["greeting Welcome a bé!"]);
    assert_eq!(
        recorded("heartbeat_docs_pong"),
        [
            "greeting Welcome hb-docs-pong!",
            "keep-alive",
            "error Message type 'pong' does not follow the recommended 'plugin.action' format",
            "error No handler registered for message type: pong"
        ]
    );
}

#[test]
fn documented_types_are_known_without_their_prefix() {
    assert_eq!(shown(&message("logs", r#""line""#, r#"{"task_id":"t","level":"INFO"}"#)), "log INFO|t|line ()");
    assert_eq!(shown(&message("log", r#""line""#, r#"{"host":"h"}"#)), "log ||line (host=h)");
    assert_eq!(shown(&message("app.log", r#""line""#, "{}")), "log |app|line ()");
    assert_eq!(shown(&message("backup.logs", r#"{"a":1}"#, r#"{"host":"h"}"#)), "log |backup|a=1 (host=h)");
    assert_eq!(shown(&message("catalogs", r#""x""#, "{}")), "notice [catalogs] <> x");
    let success = message("task_success", r#""Done""#, r#"{"task_id":"t"}"#);
    assert_eq!(shown(&success), "log INFO|t|task_success: Done ()||None|");
    let liar = message("tasks_worker.task_success", r#""Done""#, r#"{"task_id":"t","success":false,"error":"boom"}"#);
    assert_eq!(shown(&liar), "log ERROR|t|failed: Done: boom ()||Some(false)|boom");
    let nobody = message("job", r#""Done""#, r#"{"success":true,"retries":2}"#);
    assert_eq!(shown(&nobody), "log INFO||succeeded: Done (retries=2)||Some(true)|");
}

#[test]
fn an_error_keeps_its_words_and_its_level() {
    let text = message("error", r#"{"code":5}"#, r#"{"level":"warning"}"#);
    let Event::Error(error) = &read(&text, &mut OwnedContext::default()).events[0] else { panic!("{text}") };
    assert_eq!((&*error.text, error.severity.as_deref()), ("code=5", Some("warning")));
    assert!(!Event::Error(error.clone()).is_content());
}

#[test]
fn a_message_without_envelope_is_shown_as_it_came() {
    for text in [r#"{"type":"x","content":1}"#, r#"{"type":"x","content":1,"meta":5}"#, "[1]", "5", "{}"] {
        let kind = json::message_type(text).unwrap_or_default();
        assert_eq!(shown(text), format!("unknown {kind} {text}"));
    }
    assert!(DIALECT.read("{\"type\":\"x\",\"content\":NaN}", &mut OwnedContext::default().lend()).is_err());
}

#[test]
fn a_number_or_an_escape_that_no_reader_takes_leaves_the_rest_of_the_message_its_meaning() {
    for (meta, shown) in
        [(r#"{"n":1e400}"#, "notice [app] <> x (n=null)"), (r#"{"n":"\ud800"}"#, "notice [app] <> x (n=\u{fffd})")]
    {
        let text = message("app", r#""x""#, meta);
        assert!(json::is_json(&text) && DIALECT.read(&text, &mut OwnedContext::default().lend()).is_err());
        assert_eq!(self::shown(&json::repair(&text).unwrap()), shown);
    }
}

#[test]
fn odd_shapes_are_no_harm() {
    for shape in ["null", "5", "\"x\"", "[]", "{}", "true", r#"{"task_id":[],"success":5,"level":{},"ping_id":null}"#] {
        for kind in ["system.client_connected", "ping", "pong", "error", "admin_message", "a.logs", "logs", "x"] {
            shown(&message(kind, shape, shape));
            shown(&format!(r#"{{"type":"{kind}"}}"#));
        }
    }
}

#[test]
fn a_json_ping_is_answered_only_as_the_user_says() {
    let ping = &texts("fastpluggy/heartbeat_unanswered")[1];
    let mut context = OwnedContext::default();
    assert_eq!(read(ping, &mut context).effects().reply, None);
    context.options.heartbeat_reply = Some(r#"{"type":"app.pong","meta":{"ping_id":"%id"},"again":"%id"}"#.into());
    let reply = r#"{"type":"app.pong","meta":{"ping_id":"ping_1795156264"},"again":"ping_1795156264"}"#;
    assert_eq!(read(ping, &mut context).effects().reply.as_deref(), Some(reply));
    context.options.heartbeat_reply = Some(r#"{"id":"%id"}"#.into());
    let reply = |meta: &str, context: &mut OwnedContext| {
        read(&message("ping", "\"ping\"", meta), context).effects().reply.take().unwrap()
    };
    assert_eq!(reply(r#"{"ping_id":"x\",\"y\":\"z"}"#, &mut context), r#"{"id":"x\",\"y\":\"z"}"#);
    assert_eq!(reply(r#"{"ping_id":7}"#, &mut context), r#"{"id":"7"}"#);
    assert_eq!(reply("{}", &mut context), r#"{"id":""}"#);
}

#[test]
fn requests_are_envelopes() {
    let render = |json: Option<&str>| {
        render(&Request { kind: "x.y".into(), json: json.map(Into::into), ..Request::default() }, "w-1")
    };
    assert_eq!(render(None), r#"{"type":"x.y","content":null}"#);
    assert_eq!(render(Some(r#""from the first""#)), r#"{"type":"x.y","content":"from the first"}"#);
    assert_eq!(render(Some(r#"{"a": 1.0}"#)), r#"{"type":"x.y","content":{"a":1.0}}"#);
    assert_eq!(render(Some(r#"{"meta":{"a":1},"content":2}"#)), r#"{"type":"x.y","meta":{"a":1},"content":2}"#);
    let three = r#"{"content":1,"meta":{},"x":1}"#;
    assert_eq!(render(Some(three)), format!(r#"{{"type":"x.y","content":{three}}}"#));
}

#[test]
fn any_envelope_gives_the_dialect_away() {
    let name = |text: &str| crate::proto::dialect::recognise(text).map(|dialect| dialect.name);
    assert_eq!(name(&message("", "null", "{}")), Some("fastpluggy"));
    assert_eq!(name(r#"{"type":"system.client_connected","content":"Welcome a!","meta":{}}"#), Some("fastpluggy"));
    for text in [
        r#"{"type":"x","content":1,"meta":{}}"#,
        r#"{"type":"x","content":1,"meta":5,"timestamp":"t"}"#,
        r#"{"type":"x","content":1,"meta":{},"timestamp":"t","channel":"logs"}"#,
    ] {
        assert_eq!(name(text), None, "{text}");
    }
}
