//! The format `events`: one line of JSON for each event, in a form common to all servers, for programs.
//!
//! Values that a server does not send are left out. The manual has a table of the members and their origin.

use super::event_lines::{is_better, one_line};
use super::{Format, stats};
use crate::format::style::Style;
use crate::model::event::{Alert, Event, Message, Process, ProcessChange, Processes, Raw, Users};
use crate::model::json::{self, Layout, Node, Writer};
use crate::model::metric::{METRICS, Metric, TEXTS, Text};
use crate::model::sample::Sample;

pub const FORMAT: Format = Format {
    name: "events",
    about: "one line of JSON for each event, in a form common to all servers",
    head: None,
    write,
    stats: |out, statistics, _| stats::push_json(out, statistics, Layout::Line),
    stats_apart: false,
    whole: false,
    gap: Some(super::json::gap),
};

/// Written as one list `load`, in the place of the first.
const LOAD: [Metric; 3] = [Metric::Load1, Metric::Load5, Metric::Load15];

fn write(out: &mut String, message: &Message<'_>, _: &Style) {
    for event in message.events {
        let Some(kind) = event.kind_name() else { continue };
        let mut json = Writer::new(out, Layout::Line);
        super::json::open(&mut json, message);
        json.member("kind").string(kind);
        push_members(&mut json, event, message.raw, message.events.len() == 1);
        json.close('}');
        out.push('\n');
    }
}

/// Writes the members of an event. `raw` is its message, to which `alone` says that it is the only event.
pub fn push_members(json: &mut Writer<'_>, event: &Event<'_>, raw: Raw<'_>, alone: bool) {
    match event {
        Event::Sample(sample) => push_sample(json, sample),
        Event::Processes(processes) => push_processes(json, processes),
        Event::Users(users) => push_users(json, users),
        Event::Alert(alert) => push_alert(json, alert),
        Event::Log(log) => {
            text(json, "level", &log.level);
            text(json, "source", &log.source);
            json.member("text").string(&log.text);
            if let Some(task) = &log.task {
                text(json, "function", &task.function);
                if let Some(success) = task.success {
                    json.member("success").literal(success);
                }
                text(json, "error", &task.error);
            }
            push_origin(json, &log.kind, &log.channel);
            push_data(json, (raw, alone), event, &log.kind, &log.channel);
        }
        Event::Notice(notice) => {
            json.member("text").string(&notice.text);
            json.member("greeting").literal(notice.greeting);
            text(json, "level", &notice.level);
            push_origin(json, &notice.kind, &notice.channel);
            push_data(json, (raw, alone), event, &notice.kind, &notice.channel);
        }
        Event::Answer(answer) => {
            text(json, "type", &answer.kind);
            json.member("text").string(&answer.text);
            // A message of several events is not the answer alone.
            if let (Raw::Json(text), true) = (raw, alone) {
                json.member("answer").raw(text);
            }
        }
        Event::Error(error) => {
            json.member("text").string(&error.text);
            optional(json, "severity", error.severity.as_deref());
            number(json, "retry_after", error.retry_after.map(|wait| wait.as_secs_f64()));
        }
        Event::Unknown(unknown) => {
            push_origin(json, &unknown.kind, "");
            json.member("text").string(&one_line(raw, &unknown.text));
            push_data(json, (raw, alone), event, &unknown.kind, "");
        }
        Event::State(change) => super::json::push_state(json, change),
        Event::KeepAlive | Event::Warning(_) | Event::Unanswered(_) => {}
    }
    if !matches!(event, Event::Sample(_)) {
        optional(json, "at", event.at());
    }
}

fn push_origin(json: &mut Writer<'_>, kind: &str, channel: &str) {
    text(json, "type", kind);
    text(json, "channel", channel);
}

/// Writes as `data` the message's members but for those that stand beside it: the contents of a member `data` if that is
/// the only one. A message of several events is not this event alone.
fn push_data(json: &mut Writer<'_>, message: (Raw<'_>, bool), event: &Event<'_>, kind: &str, channel: &str) {
    let (Raw::Json(message), true) = message else { return };
    let mut members = json::members(message);
    members.retain(|(name, value)| {
        let is = |text: &str| Node::parse(value).is_ok_and(|value| value.as_text() == Some(text));
        !match &**name {
            "type" | "event_type" => is(kind),
            "channel" => is(channel),
            "timestamp" => event.at().is_some(),
            _ => false,
        }
    });
    match &members[..] {
        [] => {}
        [(name, value)] if name == "data" => json.member("data").raw(value),
        members => {
            json.member("data").open('{');
            for (name, value) in members {
                json.foreign_member(name).raw(value);
            }
            json.close('}');
        }
    }
}

pub fn push_sample(json: &mut Writer<'_>, sample: &Sample<'_>) {
    for (&metric, row) in Metric::ALL.iter().zip(METRICS) {
        match LOAD.iter().position(|&load| load == metric) {
            Some(0) if LOAD.iter().any(|&load| sample.get(load).is_some()) => {
                push_list(json.member("load"), LOAD.iter().map(|&load| sample.get(load)));
            }
            Some(_) => {}
            None => {
                if let Some(value) = sample.get(metric).filter(|value| value.is_finite()) {
                    json.row_member(row.member).decimal(value);
                }
            }
        }
    }
    sample.each_of_spread(&mut |name, value| number(json, name, value));
    for (&text, row) in Text::ALL.iter().zip(TEXTS) {
        if let Some(value) = sample.text(text) {
            json.row_member(row.member).string(value);
        }
    }
    optional(json, "at", sample.at.as_deref());
    if !sample.per_core.is_empty() {
        push_list(json.member("per_core"), sample.per_core.iter().map(|&core| Some(core)));
    }
    if !sample.extra.is_empty() {
        json.member("extra").open('{');
        for (name, value) in sample.extra.iter().filter(|(_, value)| value.is_finite()) {
            json.foreign_member(name).decimal(*value);
        }
        json.close('}');
    }
}

/// Writes a list of numbers, with null for absent ones.
fn push_list(json: &mut Writer<'_>, values: impl Iterator<Item = Option<f64>>) {
    json.open('[');
    for value in values {
        json.element();
        match value.filter(|value| value.is_finite()) {
            Some(value) => json.decimal(value),
            None => json.literal("null"),
        }
    }
    json.close(']');
}

fn push_processes(json: &mut Writer<'_>, processes: &Processes<'_>) {
    json.member("processes").open('[');
    for process in &processes.list {
        json.element();
        push_process(json, process);
    }
    json.close(']');
    json.member("changes").open('[');
    for change in &processes.changes {
        json.element();
        push_change(json, change);
    }
    json.close(']');
}

fn push_process(json: &mut Writer<'_>, process: &Process<'_>) {
    json.open('{');
    text(json, "name", &process.name);
    text(json, "id", &process.id);
    text(json, "state", &process.state);
    integer(json, "pid", process.pid);
    optional(json, "started_at", process.started_at.as_deref());
    number(json, "uptime", process.uptime.map(|uptime| uptime.as_secs_f64()));
    integer(json, "restarts", process.restarts);
    number(json, "cpu", process.cpu);
    number(json, "memory", process.memory);
    integer(json, "exit_code", process.exit_code);
    optional(json, "error", process.error.as_deref());
    optional(json, "namespace", process.namespace.as_deref());
    integer(json, "port", process.port);
    json.close('}');
}

fn push_change(json: &mut Writer<'_>, change: &ProcessChange<'_>) {
    json.open('{');
    text(json, "name", &change.name);
    text(json, "from", &change.from);
    text(json, "to", &change.to);
    text(json, "detail", &change.detail);
    json.close('}');
}

fn push_users(json: &mut Writer<'_>, users: &Users<'_>) {
    flag(json, "persistent", users.persistent);
    json.member("users").open('[');
    for user in &users.list {
        json.element();
        json.open('{');
        text(json, "name", &user.name);
        number(json, "cpu", user.cpu);
        number(json, "memory", user.memory);
        integer(json, "processes", user.processes);
        text(json, "metric", &user.metric);
        optional(json, "since", user.since.as_deref());
        number(json, "duration", user.lasted.map(|lasted| lasted.as_secs_f64()));
        json.close('}');
    }
    json.close(']');
}

fn push_alert(json: &mut Writer<'_>, alert: &Alert<'_>) {
    text(json, "component", &alert.component);
    integer(json, "id", alert.id);
    text(json, "metric", &alert.metric);
    text(json, "level", &alert.level);
    text(json, "from", &alert.from);
    flag(json, "better", is_better(alert));
    text(json, "message", &alert.message);
    text(json, "cause", &alert.cause);
    number(json, "value", alert.value);
    number(json, "threshold", alert.threshold);
    json.member("phase").string(alert.phase.name());
    flag(json, "stored", alert.stored);
    number(json, "age", alert.age.map(|age| age.as_secs_f64()));
    optional(json, "rule", alert.rule.as_deref());
}

/// Writes a text unless it is empty.
fn text(json: &mut Writer<'_>, name: &'static str, value: &str) {
    optional(json, name, Some(value).filter(|value| !value.is_empty()));
}

fn optional(json: &mut Writer<'_>, name: &'static str, value: Option<&str>) {
    if let Some(value) = value {
        json.member(name).string(value);
    }
}

/// Writes true; nothing if false.
fn flag(json: &mut Writer<'_>, name: &'static str, value: bool) {
    if value {
        json.member(name).literal(value);
    }
}

fn integer(json: &mut Writer<'_>, name: &'static str, value: Option<i64>) {
    if let Some(value) = value {
        json.member(name).literal(value);
    }
}

/// Writes a number; nothing if it is absent, NaN or infinite.
fn number(json: &mut Writer<'_>, name: &'static str, value: Option<f64>) {
    if let Some(value) = value.filter(|value| value.is_finite()) {
        json.member(name).decimal(value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{event as unknown, *};
    use super::*;
    use crate::model::event::{AlertPhase, Answer, Notice};

    const HEAD: &str = r#"{"received_at":"2026-01-02T03:04:05.678Z","server":"nas\u001b","kind":"#;

    fn line(event: Event<'_>) -> String {
        let out = written("events", Raw::None, &[event], PLAIN);
        out.strip_prefix(HEAD).unwrap().strip_suffix("}\n").unwrap().to_owned()
    }

    fn of_sample(text: &str) -> String {
        sample("events", text, PLAIN).strip_prefix(HEAD).unwrap().to_owned()
    }

    #[test]
    fn a_sample_has_the_names_of_the_tables_and_only_values_that_were_sent() {
        let expected = concat!(
            r#""sample","cpu":45.2,"logical_cores":4,"cores":2,"frequency":2596.122,"memory":62.8,"#,
            r#""memory_used":10050000000,"memory_total":16000000000,"memory_available":5900000000,"disk":28.5,"#,
            r#""disk_used":142500000000,"disk_total":500000000000,"disk_path":"/","host":"router-01","os":"Linux","#,
            r#""at":"2026-11-20T06:35:14.872567","per_core":[100,null,33.3]}"#,
            "\n"
        );
        assert_eq!(of_sample(SAMPLE), expected);
        assert_eq!(of_sample(r#"{"data":{"disk":{"percentage":0}}}"#), "\"sample\",\"disk\":0}\n");
        assert_eq!(of_sample(r#"{"data":{}}"#), "\"sample\"}\n");
    }

    #[test]
    fn load_is_a_list_in_which_absent_numbers_keep_their_place() {
        let text = r#"{"data":{"processor":{"load":[0.5,2]},"memory":{"percentage":NaN}}}"#;
        assert_eq!(of_sample(text), "\"sample\",\"load\":[0.5,2,null]}\n");
        let text = r#"{"data":{"processor":{"load":[null,0.25]}}}"#;
        assert_eq!(of_sample(text), "\"sample\",\"load\":[null,0.25,null]}\n");
    }

    #[test]
    fn no_metric_has_the_name_of_another_member() {
        let names = METRICS.iter().map(|row| row.name).chain(TEXTS.iter().map(|row| row.name));
        for name in names {
            assert!(!["received_at", "server", "kind", "load", "at", "per_core", "extra"].contains(&name), "{name}");
        }
    }

    #[test]
    fn infinite_numbers_and_absent_ones_are_left_out() {
        let alert = Alert { value: Some(f64::INFINITY), threshold: None, ..alert("", "", "", AlertPhase::Ends) };
        assert_eq!(line(Event::Alert(alert)), r#""alert","metric":"usage_percent","phase":"ends""#);
    }

    #[test]
    fn an_alert_has_its_phase() {
        let whole = r#""alert","component":"memory","metric":"usage_percent","level":"WARNING","message":"high","value":96.2,"threshold":95,"phase":"#;
        for (phase, name) in
            [(AlertPhase::Begins, "begins"), (AlertPhase::Changes, "changes"), (AlertPhase::Ends, "ends")]
        {
            assert_eq!(line(Event::Alert(alert("memory", "WARNING", "high", phase))), format!("{whole}\"{name}\""));
        }
    }

    #[test]
    fn an_alert_of_ours_has_its_rule() {
        let alert = Alert { rule: Some("cpu=90/5m".into()), ..alert("cpu", "OK", "", AlertPhase::Ends) };
        assert!(line(Event::Alert(alert)).ends_with(r#""phase":"ends","rule":"cpu=90/5m""#));
    }

    #[test]
    fn processes_have_the_values_that_the_server_sends() {
        let expected = concat!(
            r#""processes","processes":[{"name":"web","id":"7","state":"errored","pid":18899,"#,
            r#""started_at":"2026-01-01T23:52:01.5Z","restarts":0,"cpu":1.75,"memory":6442450944,"exit_code":-3,"#,
            r#""error":"no such file","namespace":"default","port":31080},{"name":"idle","uptime":7890.5}],"#,
            r#""changes":[{"name":"web","from":"online","to":"errored","detail":"exit"},{"name":"new","to":"online"},"#,
            r#"{"name":"old","from":"online"}]"#
        );
        let changes = vec![
            change("web", "online", "errored", "exit"),
            change("new", "", "online", ""),
            change("old", "online", "", ""),
        ];
        assert_eq!(line(processes(changes, false)), expected);
        assert!(line(processes(vec![], false)).ends_with(r#""changes":[]"#));
    }

    #[test]
    fn the_other_kinds_have_their_texts() {
        assert_eq!(line(log("WARN", "", "a\nb")), r#""log","level":"WARN","text":"a\nb""#);
        assert_eq!(line(log("", "task", "")), r#""log","source":"task","text":"""#);
        let lines: Vec<_> = events().into_iter().filter(|event| event.kind_name().is_some()).map(line).collect();
        for expected in [
            r#""notice","text":"Connected to monitoring server","greeting":true"#,
            r#""error","text":"Invalid message""#,
            r#""error","text":"slow","severity":"warning""#,
            r#""answer","type":"status","text":"connected_clients=1""#,
            r#""unknown","type":"mystery","text":"{\"type\":\"mystery\"}""#,
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}");
        }
    }

    #[test]
    fn events_have_the_servers_time_stamp_as_it_came() {
        for at in ["2026-11-20T06:35:14.872567", "2026-11-20T02:56:43.95662846-03:30", "Tuesday\n"] {
            for event in stamped(Some(at)) {
                let line: Value = serde_json::from_str(&written("events", Raw::None, &[event], PLAIN)).unwrap();
                assert_eq!(line["at"], at, "{line}");
            }
        }
        for event in stamped(None) {
            assert!(!written("events", Raw::None, &[event], PLAIN).contains("\"at\":"));
        }
    }

    #[test]
    fn every_kind_that_is_written_has_its_name_among_the_kinds() {
        let mut all = events();
        all.extend(hostile_events());
        all.push(Event::Sample(Box::new(Sample::new(&[]))));
        let mut named: Vec<_> = all.iter().filter_map(Event::kind_name).collect();
        named.sort_unstable();
        named.dedup();
        let mut kinds = Event::KINDS;
        kinds.sort_unstable();
        assert_eq!(named, kinds);
    }

    #[test]
    fn an_answer_carries_its_message() {
        let answer = || Event::Answer(Answer { kind: "status".into(), text: "a=1".into(), ..Answer::default() });
        let out = written("events", Raw::Json(r#"{"type": "status", "a": NaN}"#), &[answer()], PLAIN);
        assert!(out.ends_with(",\"text\":\"a=1\",\"answer\":{\"type\":\"status\",\"a\":null}}\n"), "{out}");
        let out = written("events", Raw::Json("{}"), &[answer(), answer()], PLAIN);
        assert!(!out.contains("\"answer\":"), "{out}");
    }

    #[test]
    fn data_is_what_does_not_stand_beside_it_as_the_server_wrote_it() {
        let notice = |kind: &'static str, channel: &'static str, at: Option<&'static str>| {
            let at = at.map(Into::into);
            Event::Notice(Notice { kind: kind.into(), channel: channel.into(), at, ..Notice::default() })
        };
        for (event, raw, members) in [
            (
                notice("status.x", "status", Some("tZ")),
                r#"{"channel":"status","timestamp":"t","event_type":"status.x","data":{"n":1.50, "b":[NaN]}}"#,
                r#""type":"status.x","channel":"status","data":{"n":1.50,"b":[null]},"at":"tZ""#,
            ),
            (
                notice("a", "c", None),
                r#"{"channel":"c","type":"b","event_type":"a","timestamp":5,"data":1,"x":{}}"#,
                r#""type":"a","channel":"c","data":{"type":"b","timestamp":5,"data":1,"x":{}}"#,
            ),
            (notice("a", "", None), r#"{"type":"a","channel":"c"}"#, r#""type":"a","data":{"channel":"c"}"#),
            (notice("a", "", None), r#"{"type":"a"}"#, r#""type":"a""#),
            (unknown("", "[1]"), "[1]", r#""text":"[1]""#),
            (unknown("m", "…"), r#"{"type":"m","data":"d"}"#, r#""type":"m","text":"…","data":"d""#),
        ] {
            let out = written("events", Raw::Json(raw), std::slice::from_ref(&event), PLAIN);
            assert!(out.ends_with(&format!("{members}}}\n")), "{out}");
            let two = written("events", Raw::Json(raw), &[event, Event::KeepAlive], PLAIN);
            assert!(!two.contains("\"data\""), "{two}");
        }
    }

    #[test]
    fn numbers_that_are_no_metric_stand_under_the_servers_names() {
        let mut sample = Sample::new(&[]);
        sample.extra = vec![("cpu".into(), 5.0), ("a\n".into(), 0.25)];
        let sample = [Event::Sample(Box::new(sample))];
        let out = written("events", Raw::Json("{}"), &sample, PLAIN);
        assert!(out.ends_with("\"sample\",\"extra\":{\"cpu\":5,\"a\\n\":0.25}}\n"), "{out}");
        for (format, line) in [
            ("simple", "[notice] 2026-01-02T03:04:05Z cpu=5 a\\n=0.25\n"),
            ("compact", "[notice] 03:04:05Z cpu=5 a\\n=0.25\n"),
        ] {
            assert_eq!(written(format, Raw::Json("{}"), &sample, PLAIN), line);
        }
    }

    #[test]
    fn each_event_is_a_line_of_json_that_no_text_can_break() {
        let mut all = hostile_events();
        all.extend(events());
        let shown = all.iter().filter(|event| event.kind_name().is_some()).count();
        let out = written("events", Raw::Text("x"), &all, PLAIN);
        assert!(!out.chars().any(|c| c != '\n' && crate::model::text::is_hostile(c)), "{out:?}");
        let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), shown);
        assert!(lines.iter().all(|line| line["server"] == json!("nas\u{1b}")));
    }
}
