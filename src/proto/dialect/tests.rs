//! Properties of the table, and requests as they are written.

use super::*;
use crate::testing::dialect::OwnedContext;

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
    let request = |json: Option<&str>| beside_type(&Request { kind: "x\"".into(), json: json.map(Into::into) }, "");
    assert_eq!(request(None), r#"{"type":"x\""}"#);
    assert_eq!(request(Some(" { } ")), r#"{"type":"x\""}"#);
    assert_eq!(request(Some(" [1] ")), r#"{"type":"x\"","data":[1]}"#);
    assert_eq!(request(Some(r#"{"a":{"b":1}}"#)), r#"{"type":"x\"","a":{"b":1}}"#);
}
