//! Properties of the table, and requests as they are written.

use super::*;
use crate::model::time::has_zone;
use crate::proto::dialect::conversation::{Conversation, Outgoing};
use crate::proto::dialect::requests::{Request, RequestPlan};
use crate::testing::dialect::OwnedContext;
use crate::testing::recordings;
use crate::testing::recordings::{all, texts};

#[test]
fn names_and_types_are_unique() {
    for (i, dialect) in DIALECTS.iter().enumerate() {
        assert!(!DIALECTS[..i].iter().any(|other| other.name == dialect.name));
        for (j, (name, _)) in dialect.handlers.iter().enumerate() {
            assert!(!dialect.handlers[..j].iter().any(|(other, _)| other == name), "{name} twice");
        }
    }
}

#[test]
fn every_kind_of_event_in_the_recordings_stands_in_the_row_of_its_dialect() {
    for system in recordings::systems() {
        let dialect = named(system).unwrap();
        for recording in recordings::all(system) {
            let mut context = OwnedContext::default();
            for text in recordings::texts(&recording) {
                let Ok(outcome) = dialect.read(&text, &mut context.lend()) else { continue };
                for kind in outcome.events.iter().filter_map(Event::kind_name) {
                    assert!(dialect.can_send(kind), "{recording}: {kind} in {text}");
                }
                assert!(outcome.kind.is_empty() || dialect.can_send(&outcome.kind), "{recording}: {text}");
            }
        }
    }
    for dialect in DIALECTS {
        assert!(dialect.kinds.iter().all(|kind| Event::KINDS.contains(kind)), "{}", dialect.name);
        assert_eq!(dialect.can_send("answer"), !dialect.requests.answers.is_empty() || dialect.name == "generic");
        assert_eq!(dialect.can_send("x.y"), ["fastpluggy", "neurograph", "generic"].contains(&dialect.name));
        assert_eq!(dialect.can_send("processes"), ["pmdaemon", "generic"].contains(&dialect.name));
        assert!(dialect.can_send("state") && dialect.can_send("unknown"));
    }
    assert!(
        sent_names().any(|pair| pair == ("logs", "neurograph"))
            && sent_names().any(|pair| pair == ("Error", "pmdaemon"))
    );
}

#[test]
fn every_handler_survives_rubbish() {
    let rubbish =
        ["", "null", "5", "\"x\"", "[]", "[[[", "{}", "{", "{\"type\"", "NaN", "\u{0}", "{\"a\":\"\\ud800\"}"];
    let handlers =
        DIALECTS.iter().flat_map(|dialect| dialect.handlers.iter().map(|(_, handler)| *handler).chain(dialect.other));
    let read =
        |handler: Handler, text: &str| handler.read(&"x".into(), text, &mut OwnedContext::default().lend()).map(drop);
    for handler in handlers {
        for shape in ["null", "5", "\"x\"", "[]", "[1,[2]]", "{}", "{\"a\":{\"b\":[null]}}", "true", "-1.5e300"] {
            let members = [
                "data",
                "alerts",
                "message",
                "error",
                "severity",
                "timestamp",
                "status",
                "meta",
                "content",
                "processes",
                "process",
                "metrics",
                "system",
                "channels",
                "token",
                "ID",
                "Timestamp",
                "Severity",
                "Duration",
                "recommendations",
                "memory_usage",
                "uptime",
                "load_avg",
            ];
            let members: Vec<_> = members.iter().map(|name| format!("\"{name}\":{shape}")).collect();
            let members = members.join(",");
            let flat = format!("{{\"type\":{shape},{members}}}");
            let nested = format!("{{\"type\":\"x\",\"data\":{{{members}}},\"alerts\":[{{{members}}},{shape}]}}");
            for text in [flat, nested] {
                read(handler, &text).unwrap();
            }
        }
        for text in rubbish {
            drop(read(handler, text));
        }
    }
}

#[test]
fn a_request_is_one_object_with_its_members_beside_the_type() {
    let request = |json: Option<&str>| {
        beside_type(&Request { kind: "x\"".into(), json: json.map(Into::into), ..Request::default() }, "")
    };
    assert_eq!(request(None), r#"{"type":"x\""}"#);
    assert_eq!(request(Some(" { } ")), r#"{"type":"x\""}"#);
    assert_eq!(request(Some(" [1] ")), r#"{"type":"x\"","data":[1]}"#);
    assert_eq!(request(Some(r#"{"a":{"b":1}}"#)), r#"{"type":"x\"","a":{"b":1}}"#);
}

/// Naive stamps of fastpluggy and neurograph are UTC; the greetings of sysmedic write the local time with a Z.
#[test]
fn every_event_of_a_recorded_message_with_a_time_stamp_has_it() {
    let mut stamped = 0;
    for (dialect, recording) in DIALECTS.iter().flat_map(|dialect| {
        let recordings = if dialect.name == "generic" { Vec::new() } else { all(dialect.name) };
        recordings.into_iter().map(move |recording| (dialect, recording))
    }) {
        let mut context = OwnedContext::default();
        for text in texts(&recording) {
            let Ok(mut outcome) = dialect.read(&text, &mut context.lend()) else { continue };
            let lies = dialect.name == "sysmedic" && ["welcome", "config"].contains(&&*outcome.kind);
            let has_stamp = json::member(&text, "timestamp").is_some() && !lies;
            for event in &mut outcome.events {
                let Some(at) = event.at() else {
                    let missing = event.missing_at().is_some();
                    assert!(!(missing && has_stamp), "{recording}: {text}");
                    continue;
                };
                stamped += 1;
                let is_sample = matches!(event, Event::Sample(_));
                let known = is_sample || dialect.name == "monitoring" || has_zone(at);
                assert!(known && at.len() <= 40, "{recording}: {at}");
            }
        }
    }
    assert!(stamped > 500, "{stamped}");
}

#[test]
fn a_time_stamp_that_is_endless_or_none_is_not_given_to_events() {
    for stamp in [format!("\"{}\"", "9".repeat(100_000)), "5".into(), "null".into(), "{}".into(), "\"\"".into()] {
        let text = format!(r#"{{"type":"error","message":"x","timestamp":{stamp}}}"#);
        for dialect in DIALECTS {
            let outcome = dialect.read(&text, &mut OwnedContext::default().lend()).unwrap();
            assert!(outcome.events.iter().all(|event| event.at().is_none()), "{}", dialect.name);
        }
    }
}

/// Reads a recording as if the user had named `dialect`, over two connections; returns the warnings.
fn warnings(dialect: &'static Dialect, texts: &[String]) -> Vec<String> {
    let now = Instant::now();
    let (options, plan) = (DialectOptions::default(), RequestPlan::default());
    let mut conversation = Conversation::new(Some(dialect), options, plan);
    let mut warnings = Vec::new();
    for _ in 0..2 {
        conversation.opened(now, false);
        for text in texts {
            let mut outgoing = Outgoing::default();
            conversation.decode(text, &mut None, now, &mut outgoing);
            warnings.extend(outgoing.warn);
        }
        conversation.ended(true);
    }
    warnings.retain(|warning| warning.contains("looks like"));
    warnings
}

#[test]
fn a_server_of_another_dialect_is_named_once_and_the_right_one_never() {
    for system in recordings::systems() {
        for recording in recordings::all(system) {
            let texts = recordings::texts(&recording);
            let recognised = texts.iter().take(16).any(|text| recognise(text).is_some());
            for dialect in DIALECTS {
                let foreign = recognised && dialect.name != system && dialect.name != "generic";
                let expected =
                    format!("this looks like {system}, but is read as {0}: see Server::dialect {system}", dialect.name);
                let expected = if foreign { vec![expected] } else { Vec::new() };
                assert_eq!(warnings(dialect, &texts), expected, "{recording}");
            }
        }
    }
}

/// A greeting or message by which each dialect but generic is recognised.
const TELLTALES: [(&str, &str); 5] = [
    (
        "monitoring",
        r#"{"type":"connection","status":"connected","message":"Connected to monitoring server","timestamp":"t"}"#,
    ),
    ("sysmedic", r#"{"type":"welcome","data":{"message":"Connected to SysMedic"}}"#),
    ("fastpluggy", r#"{"type":"system.client_connected","content":"Welcome x!","meta":{}}"#),
    ("pmdaemon", r#"{"type":"ProcessList","processes":[]}"#),
    ("neurograph", r#"{"type":"connected","client_id":"x","user_id":null}"#),
];

fn conversing(subscribe: &[&str]) -> Conversation {
    let subscribe = subscribe.iter().map(|name| (*name).to_owned()).collect();
    Conversation::new(None, DialectOptions { subscribe, ..DialectOptions::default() }, RequestPlan::default())
}

#[test]
fn a_server_that_was_recognised_is_dialled_again_where_it_was_found() {
    use crate::proto::uri::Endpoint;
    for (name, text) in TELLTALES {
        let place = |conversation: &mut Conversation, uri: &str| {
            let mut endpoint = Endpoint::parse(uri).unwrap();
            conversation.apply_defaults(&mut endpoint);
            (endpoint.port, endpoint.target)
        };
        let (mut recognised, now) = (conversing(&[]), std::time::Instant::now());
        let before = place(&mut recognised, "host");
        recognised.opened(now, false);
        recognised.decode(text, &mut None, now, &mut Outgoing::default());
        assert_eq!(recognised.dialect().map(crate::Dialect::name), Some(name), "{text}");
        assert_eq!(place(&mut recognised, "host"), before, "{name}");
        let dialect = named(name).unwrap();
        let by_scheme = place(&mut conversing(&[]), &format!("{name}://host"));
        assert_eq!(by_scheme, (dialect.port, dialect.path.to_owned()));
    }
}

#[test]
fn neurograph_without_metrics_speaks_only_when_something_happens_whoever_leaves_them_out() {
    for (channels, is_quiet) in [
        (r#"["metrics"]"#, false),
        (r#"["logs","metrics"]"#, false),
        (r#"["logs","status"]"#, true),
        (r#"["metrics.x"]"#, true),
        // Nothing will come at all.
        ("[]", false),
        ("null", false),
    ] {
        let (mut conversation, now) = (conversing(&[]), std::time::Instant::now());
        conversation.opened(now, false);
        conversation.decode(TELLTALES[4].1, &mut None, now, &mut Outgoing::default());
        assert!(!conversation.is_quiet(), "no answer has come");
        let answer = format!(r#"{{"type":"subscribed","channels":{channels}}}"#);
        conversation.decode(&answer, &mut None, now, &mut Outgoing::default());
        assert_eq!(conversation.is_quiet(), is_quiet, "{channels}");
    }
}

#[test]
fn subscriptions_to_types_that_a_server_does_not_have_are_warned_of_once() {
    for (name, text) in TELLTALES {
        let (mut conversation, now) =
            (conversing(&["system_metrics", "nonsense", "x\u{1b}"]), std::time::Instant::now());
        conversation.opened(now, false);
        let (mut first, mut second) = (Outgoing::default(), Outgoing::default());
        conversation.decode(text, &mut None, now, &mut first);
        conversation.opened(now, false);
        conversation.decode(text, &mut None, now, &mut second);
        let warned = [first.warn, second.warn].concat();
        let expected = match name {
            "pmdaemon" => vec!["Server::subscribe: pmdaemon is not known to send nonsense, x\u{1b}".to_owned()],
            "neurograph" => Vec::new(),
            name => vec![format!("Server::subscribe is ignored: {name} has no such setting")],
        };
        assert_eq!(warned, expected, "{name}");
    }
}

#[test]
fn a_message_that_is_nested_too_deeply_is_undecodable_and_kept_as_text_wherever_the_depth_is() {
    let deep =
        [("[", "]"), ("{\"a\":", "}")].map(|(open, close)| [open.repeat(128), "1".into(), close.repeat(128)].concat());
    for dialect in DIALECTS {
        for name in dialect.handlers.iter().map(|(name, _)| *name).chain(["nobody_knows"]) {
            for deep in &deep {
                for text in [
                    format!(r#"{{"type":"{name}","x":{deep}}}"#),
                    format!(r#"{{"type":"{name}","data":{{"x":NaN,"message":"\n","y":{deep}}}}}"#),
                    format!(r#"{{"type":"{name}","list":[{}{deep}]}}"#, "0,".repeat(6000)),
                    deep.clone(),
                ] {
                    let mut conversation =
                        Conversation::new(Some(dialect), DialectOptions::default(), RequestPlan::default());
                    let mut repaired = None;
                    let decoded = conversation.decode(&text, &mut repaired, Instant::now(), &mut Outgoing::default());
                    if decoded.json {
                        // What sysmedic redacts is written anew.
                        assert_eq!((dialect.name, name), ("sysmedic", "config"), "{text:.60}");
                        assert!(json::is_json(&decoded.text));
                        continue;
                    }
                    assert_eq!(decoded.decoded, dialect.name == "generic", "{}: {text:.60}", dialect.name);
                    assert_eq!(decoded.raw().text(), Some(&*text));
                }
            }
        }
    }
}
