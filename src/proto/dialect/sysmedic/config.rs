//! SysMedic's configuration, which its servers send to every client with its passwords: it is redacted.

use crate::model::event::{Answer, Event, Notice, Unknown};
use crate::model::json::{self, Layout, Node, Writer};
use crate::proto::dialect::{DialectContext, Outcome, Undecodable, unknown};

/// Replacement of a secret.
const REDACTED: &str = "redacted";

/// Handles `config`, the second message of version 1.0.6 and undocumented: `data` is a string of YAML with
/// `email.password` and `websocket.secret` in cleartext. It is redacted in any shape, even if it is not JSON.
pub fn config<'a>(text: &'a str, _: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    let notice = Notice { text: "configuration (redacted)".into(), greeting: true, ..Notice::default() };
    Ok(redacted(Event::Notice(notice), redact("config", text)))
}

/// Handles unknown types: shows them as they came, but redacted if they could hold a secret.
pub fn other<'a>(text: &'a str, _: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    let kind = json::message_type(text).unwrap_or_default();
    if has_secret(text) {
        let safe = redact(&kind, text);
        let event = Event::Unknown(Unknown { kind, text: safe.clone().into() });
        return Ok(redacted(event, safe));
    }
    if json::is_json(text) { Ok(unknown(kind, text)) } else { Err(Undecodable) }
}

/// Handles the answer to `get_config`, which has only limits and a version in all known servers.
pub fn response<'a>(text: &'a str, context: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    if !has_secret(text) {
        return super::response(&Node::parse(text)?, context).ok_or(Undecodable);
    }
    let kind = json::message_type(text).unwrap_or_default();
    let safe = redact(&kind, text);
    Ok(redacted(Event::Answer(Answer { kind, text: REDACTED.into(), ..Answer::default() }), safe))
}

fn redacted<'a>(event: Event<'a>, text: String) -> Outcome<'a> {
    let mut outcome = Outcome::from(event);
    outcome.redacted = Some(text);
    outcome
}

/// True if a message could hold a secret. An escape could spell anything.
fn has_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["password", "secret", "token", "\\u00"].iter().any(|word| text.contains(word))
}

/// Writes the message with nothing left but its type, its time and the names of its members.
fn redact(kind: &str, text: &str) -> String {
    let node = Node::parse(text).unwrap_or(Node::Null);
    let mut out = String::new();
    let mut json = Writer::new(&mut out, Layout::Line);
    json.open('{');
    if node.members().is_empty() {
        json.member("type").string(kind);
        json.member("data").string(REDACTED);
    }
    for (name, value) in node.members() {
        json.member(name);
        match (&**name, value) {
            ("type" | "timestamp" | "request_id", Node::Text(value)) => json.string(value),
            ("timestamp", Node::Integer(value)) => json.literal(value),
            _ => json.string(REDACTED),
        }
    }
    json.close('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::dialect::sysmedic::DIALECT;
    use crate::testing::dialect::OwnedContext;

    fn redacted(text: &str) -> String {
        let mut context = OwnedContext::default();
        let outcome = DIALECT.read(text, &mut context.lend()).unwrap();
        assert!(matches!(&outcome.events[..], [Event::Notice(notice)] if notice.greeting));
        outcome.redacted.unwrap()
    }

    #[test]
    fn a_configuration_keeps_its_type_and_its_time() {
        let text = "{\"data\":\"email:\\n  password: hunter2\\n\",\"timestamp\":\"2026-11-20T06:19:00Z\",\"type\":\"config\"}\n";
        assert_eq!(redacted(text), r#"{"data":"redacted","timestamp":"2026-11-20T06:19:00Z","type":"config"}"#);
    }

    #[test]
    fn a_configuration_in_disguise_is_hidden_and_the_rest_shown_as_it_came() {
        for text in [
            r#"{"data":"password: hunter2 \ud800","type":"config"}"#,
            r#"{"data":"password: hunter2","type":"conf"#,
            r#"{"type":"config_response","data":{"email":{"Password":"hunter2"}},"request_id":"wsmon-1"}"#,
            r#"{"type":"settings","data":{"webSecret":"hunter2"}}"#,
        ] {
            let mut context = OwnedContext::default();
            let outcome = DIALECT.read(text, &mut context.lend()).unwrap();
            assert!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
            assert!(outcome.redacted.unwrap().contains("redacted"));
        }
        let mut context = OwnedContext::default();
        let outcome = DIALECT.read(r#"{"type":"mystery","a":1}"#, &mut context.lend()).unwrap();
        assert!(outcome.redacted.is_none());
        assert!(matches!(&outcome.events[..], [Event::Unknown(unknown)] if unknown.kind == "mystery"));
        assert!(DIALECT.read("no JSON", &mut context.lend()).is_err());
    }

    #[test]
    fn a_configuration_of_any_shape_is_hidden() {
        for text in [
            r#"{"type":"config","data":{"email":{"password":"hunter2"}},"timestamp":5}"#,
            r#"{"type":"config","data":["hunter2"],"hunter":{"a":"hunter2"}}"#,
            r#"{"type":"config","password":"hunter2","timestamp":["hunter2"]}"#,
            r#"{"type":"config","data":"hunter2"#,
            r#"{"type":"config","data":NaN,"password":"hunter2"}"#,
            r#"{"type":"config","data":"hunter2 \ud800"}"#,
        ] {
            let out = redacted(text);
            assert!(!out.contains("hunter2") && out.contains("redacted") && crate::model::json::is_json(&out), "{out}");
            assert_eq!(crate::model::json::message_type(&out).as_deref(), Some("config"));
        }
    }
}
