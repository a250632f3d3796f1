use serde_json::{Value, json};

use super::*;
use crate::format::tests::{event as unknown, *};
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
    for (phase, name) in [(AlertPhase::Begins, "begins"), (AlertPhase::Changes, "changes"), (AlertPhase::Ends, "ends")]
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
