//! SysMedic's configuration, which its servers send to every client with its passwords: these are redacted.

use crate::model::duration;
use crate::model::event::{Answer, Event, Notice, Unknown};
use crate::model::json::{self, Layout, Node, Writer};
use crate::proto::dialect::{DialectContext, Outcome, Undecodable, answer, push_all, unknown};

/// Replacement of a secret.
const REDACTED: &str = "redacted";

/// Handles `config`, the second message of version 1.0.6 and undocumented: `data` is a string of YAML with
/// `email.password` and `websocket.secret` in cleartext. They are redacted in any shape, even if it is not JSON.
pub fn config<'a>(text: &'a str, _: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    let notice = Notice { text: "configuration (redacted)".into(), greeting: true, ..Notice::default() };
    Ok(redacted(Event::Notice(notice), redact("config", text)))
}

/// Handles unknown types: shows them as they came, but redacted if they could hold a secret.
pub fn other<'a>(text: &'a str, _: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    let kind = json::message_type(text).unwrap_or_default();
    if has_secret(text) {
        let safe = redact(&kind, text);
        let event = Event::Unknown(Unknown { kind, text: safe.clone().into(), undecodable: false });
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
    let text = answer(&Node::parse(&safe)?).text;
    Ok(redacted(Event::Answer(Answer { kind, text, ..Answer::default() }), safe))
}

fn redacted<'a>(event: Event<'a>, text: String) -> Outcome<'a> {
    let mut outcome = Outcome::from(event);
    outcome.effects().redacted = Some(text);
    outcome
}

/// True if a message could hold a secret. An escape could spell anything.
fn has_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["password", "secret", "token", "\\u00"].iter().any(|word| text.contains(word))
}

/// Copies the message without its secrets: of the members and of the settings in `data` those that are harmless stay.
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
        json.foreign_member(name);
        match (&**name, value) {
            ("type" | "timestamp" | "request_id", Node::Text(value)) => json.string(value),
            ("data", Node::Text(yaml)) => json.string(&redact_yaml(yaml)),
            _ => push_redacted(&mut json, name, value),
        }
    }
    json.close('}');
    out
}

fn push_redacted(json: &mut Writer<'_>, name: &str, value: &Node<'_>) {
    match value {
        _ if is_secret(name) => json.string(REDACTED),
        Node::Map(members) => {
            json.open('{');
            for (name, value) in members {
                push_redacted(json.foreign_member(name), name, value);
            }
            json.close('}');
        }
        Node::List(list) => {
            json.open('[');
            for value in list {
                json.element();
                push_redacted(json, name, value);
            }
            json.close(']');
        }
        Node::Text(text) if is_harmless(name, text) => json.string(text),
        Node::Text(_) => json.string(REDACTED),
        Node::Float(value) => json.number(*value),
        leaf => json.literal(leaf),
    }
}

/// Copies a configuration in YAML line by line. What is indented below a redacted key belongs to its value. A line that
/// is neither `key: value` nor an element of a list is the rest of a text, and redacted too.
fn redact_yaml(yaml: &str) -> String {
    let mut out = String::new();
    // Indentation of the latest redacted line.
    let mut hidden_below = None;
    for line in yaml.lines() {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        let setting = content.split_once(':').filter(|(name, value)| is_key(name, value));
        if content.is_empty() || hidden_below.is_some_and(|below| setting.is_none() || indent > below) {
            continue;
        }
        let (lead, name, value) = match (setting, content.strip_prefix("- ")) {
            (Some((name, value)), _) => (&content[..=name.len()], name, value.trim()),
            (None, Some(value)) => ("-", "", value.trim()),
            (None, None) => ("#", "", content),
        };
        let is_section = setting.is_some() && value.is_empty() && !is_secret(name);
        let is_shown = is_section || lead != "#" && is_harmless(name, value);
        hidden_below = (!is_shown).then_some(indent);
        let value = if is_shown { value } else { REDACTED };
        push_all(&mut out, &[&line[..indent], lead, if is_section { "" } else { " " }, value, "\n"]);
    }
    out
}

/// True for a plain key; a colon within a value has no space after it.
fn is_key(name: &str, value: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    !name.is_empty() && name.bytes().all(is_plain) && (value.is_empty() || value.starts_with(' '))
}

/// True if the value of a setting, with all below it, must not be shown: credentials, mail, and users by name.
fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 11] =
        ["pass", "secret", "token", "credential", "auth", "key", "mail", "smtp", "username", "login", "userthresholds"];
    let name = name.to_ascii_lowercase().replace(['_', '-'], "");
    name == "user" || WORDS.iter().any(|word| name.contains(word))
}

/// True for a number, a switch, a duration or nothing, and for the texts of a few settings.
fn is_harmless(name: &str, value: &str) -> bool {
    const TEXTS: [&str; 3] = ["period", "data_path", "version"];
    const WORDS: [&str; 7] = ["true", "false", "null", "~", "{}", "[]", "\"\""];
    !is_secret(name)
        && (TEXTS.contains(&name)
            || WORDS.contains(&value)
            || json::number(value).is_some()
            || value.ends_with(|c: char| c.is_ascii_alphabetic()) && matches!(duration::seconds(value), Ok(Some(_))))
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
        outcome.effects.unwrap().redacted.unwrap()
    }

    #[test]
    fn a_configuration_keeps_its_type_its_time_and_what_is_no_secret() {
        let text = "{\"data\":\"email:\\n  password: hunter2\\nport: 8060\\n\",\"timestamp\":\"2026-11-20T06:19:00Z\",\"type\":\"config\"}\n";
        let safe = r#"{"data":"email: redacted\nport: 8060\n","timestamp":"2026-11-20T06:19:00Z","type":"config"}"#;
        assert_eq!(redacted(text), safe);
        let text = r#"{"type":"config_response","data":{"cpu_threshold":80,"secret":"hunter2","monitoring_interval":"1m0s","email":{"port":25},"users":{"a":1.5,"names":["x",2]},"on":true,"none":null},"request_id":"wsmon-1"}"#;
        let mut context = OwnedContext::default();
        let mut outcome = DIALECT.read(text, &mut context.lend()).unwrap();
        let safe = r#"{"type":"config_response","data":{"cpu_threshold":80,"secret":"redacted","monitoring_interval":"1m0s","email":"redacted","users":{"a":1.5,"names":["redacted",2]},"on":true,"none":null},"request_id":"wsmon-1"}"#;
        assert_eq!(outcome.effects().redacted.as_deref(), Some(safe));
        let text = "cpu_threshold=80 secret=redacted monitoring_interval=1m0s email=redacted users={a=1.5 names=[redacted, 2]} on=true none=null";
        assert!(matches!(&outcome.events[..], [Event::Answer(answer)] if answer.text == text), "{outcome:?}");
    }

    #[test]
    fn thresholds_intervals_and_ports_of_a_recorded_configuration_stay() {
        let text = &crate::testing::recordings::texts("sysmedic/daemon_users_alerts_TZ")[1];
        let safe = redacted(text);
        let expected = "\
            monitoring:\n  check_interval: 3\n  cpu_threshold: 80\n  memory_threshold: 1\n  persistent_time: 60\n\
            users:\n  cpu_threshold: 80\n  memory_threshold: 80\n  persistent_time: 60\n\
            reporting:\n  period: hourly\n  retain_days: 30\n\
            email: redacted\n\
            websocket:\n  enabled: true\n  port: 18612\n  secret: redacted\n  update_interval: 0\n\
            user_thresholds: redacted\n\
            user_filtering:\n  min_uid_for_real_users: 0\n  ignore_system_users: false\n  min_cpu_percent: 0\n  \
            min_memory_percent: 0\n  min_process_count: 1\n  excluded_users: []\n  included_users:\n  - redacted\n\
            data_path: /var/lib/sysmedic\n";
        assert_eq!(Node::parse(&safe).unwrap().text("data").map(|data| &**data), Some(expected));
    }

    #[test]
    fn no_notation_of_yaml_carries_a_secret_past_its_key() {
        for (yaml, safe) in [
            ("password: |\n  hunter2\n\n  hunter2\nport: 1", "password: redacted\nport: 1\n"),
            ("note: >-\n  port: hunter2\nport: 1", "note: redacted\nport: 1\n"),
            ("a:\n  password: \"hunter2\n    hunter2\"\n  b: 5s", "a:\n  password: redacted\n  b: 5s\n"),
            ("note: \"hunter2\nhunter2\"\nport: 1", "note: redacted\nport: 1\n"),
            ("note:\n  hunter2\n hunter2", "note:\n  # redacted\n"),
            ("a: {password: hunter2}\nb: 1 # hunter2", "a: redacted\nb: redacted\n"),
            ("\"password\": hunter2\n? hunter2\n\tpassword: hunter2", "# redacted\n"),
            (
                "l:\n- hunter2\n- password: hunter2\n  x: hunter2\nm:\n- 5\n- hunter2",
                "l:\n- redacted\nm:\n- 5\n- redacted\n",
            ),
            ("- password: hunter2\n-\n  hunter2\n--- hunter2", "- redacted\n"),
            (
                "emails:\n- 5\nPass-Word: 5\nAPIKEY: 5\nport: 5\rpassword: hunter2",
                "emails: redacted\nPass-Word: redacted\nAPIKEY: redacted\nport: redacted\n",
            ),
            ("password : hunter2\nport:hunter2\nuser: 1000\r\nport: 1\r", "# redacted\nuser: redacted\nport: 1\n"),
            (
                "a: 0x1\nb: 1e3\nc: 1m0s\nd: ~\ne: \"\"\nf: .5",
                "a: redacted\nb: 1e3\nc: 1m0s\nd: ~\ne: \"\"\nf: redacted\n",
            ),
            ("", ""),
        ] {
            assert_eq!(redact_yaml(yaml), safe, "{yaml}");
        }
        let (long, lines) = ("x".repeat(100_000), "x\n".repeat(100_000));
        assert_eq!(redact_yaml(&format!("{long}: {long}\n{lines}")).lines().count(), 1);
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
            assert!(outcome.effects.unwrap().redacted.unwrap().contains("redacted"));
        }
        let mut context = OwnedContext::default();
        let outcome = DIALECT.read(r#"{"type":"mystery","a":1}"#, &mut context.lend()).unwrap();
        assert!(outcome.effects.is_none());
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
