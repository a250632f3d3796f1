//! The notice of an alert that a command gets: a text, and variables of its environment.
//!
//! Texts of servers are cut and escaped: none holds a control character, and all of them together fit into an environment
//! and a pipe.

use std::borrow::Cow;
use std::ffi::CString;
use std::sync::Arc;

use wsmon::internal::{Decimal, cut, push_alert};
use wsmon::{Alert, Event, Format, Message, Now, Rule, ServerId, Style, escape};

use super::queue::Notice;
use crate::cli::fleet::own_message;

/// Upper bound on the text in bytes: PIPE_BUF, which an empty pipe always takes at once.
pub const MAX_TEXT: usize = 4096;

/// Upper bound on each text of a server, in bytes.
const MAX_PART: usize = 500;

/// Upper bound on the first line of the text, in bytes: escapes are longer than what they stand for.
const MAX_LINE: usize = 2048;

/// Takes note of an alert in `message`, of a server that runs on `host`. Most of what a command is told is only made when
/// it is started: a thousand alerts can come at once, of which most are dropped.
pub fn notice(message: &Message<'_>, alert: &Alert<'_>, rule: Option<&Rule>, host: &str) -> Notice {
    let mut alert = alert.clone();
    shorten(&mut alert.component);
    shorten(&mut alert.metric);
    shorten(&mut alert.level);
    shorten(&mut alert.from);
    shorten(&mut alert.message);
    shorten(&mut alert.cause);
    if let Some(at) = &mut alert.at {
        shorten(at);
    }
    let mut key = [&**message.server, "\0", &alert.component].concat();
    if rule.is_none() {
        // No rule has such a name.
        key.push('/');
        key.push_str(&alert.metric);
    }
    Notice {
        key: key.into(),
        server: Arc::clone(message.server),
        alert: alert.into_owned(),
        rule: rule.cloned(),
        host: cut(host, MAX_PART).to_owned(),
        received_at: Now { mono: message.received_mono, wall: message.received_at },
    }
}

fn shorten(text: &mut Cow<'_, str>) {
    if text.len() > MAX_PART {
        *text = cut(text, MAX_PART).to_owned().into();
    }
}

/// Returns what the command for a notice is told: its standard input, whole lines, and variables of its environment.
pub fn describe(notice: Notice, events: &Format) -> (String, Vec<CString>) {
    let level = notice.level().to_owned();
    let Notice { server, mut alert, rule, host, received_at, .. } = notice;
    let (text, first_line) = text(&mut alert, &server);
    let (range, held) = match &rule {
        Some(rule) => (rule.range_text().to_owned(), Some(rule.hold)),
        None => (decimal(alert.threshold), alert.age),
    };
    let mut variables = Vec::with_capacity(10);
    let mut push = |name: &str, value: &str| {
        let variable = ["WSMON_", name, "=", &escape(value)].concat();
        // No escaped text holds a NUL.
        variables.extend(CString::new(variable.into_bytes()).ok());
    };
    push("SERVER", &server);
    push("HOST", &host);
    push("LEVEL", if level.is_empty() { "OK" } else { &level });
    push("PHASE", alert.phase.name());
    push(
        "METRIC",
        match (&*alert.component, &*alert.metric) {
            ("", "") => "alert",
            ("", metric) => metric,
            (component, _) => component,
        },
    );
    push("VALUE", &decimal(alert.value));
    push("RANGE", &range);
    push("FOR", &decimal(held.map(|time| time.as_secs_f64())));
    push("TEXT", &text[..first_line]);
    let mut json = String::new();
    let event = [Event::Alert(alert)];
    (events.write)(&mut json, &own_message(ServerId::NONE, &server, received_at, &event), &Style::default());
    // A variable has no line feed.
    json.pop();
    push("JSON", &json);
    (text, variables)
}

/// Formats a number as `events` has it; nothing for one that is absent or not finite.
fn decimal(number: Option<f64>) -> String {
    number.map_or(String::new(), |number| Decimal(number).to_string())
}

/// Returns the lines about an alert: the one that the format `simple` has, without its mark and time, then the further
/// lines of the server's description, indented. Returns the length of the first one as well.
fn text(alert: &mut Alert<'_>, server: &str) -> (String, usize) {
    let message = std::mem::take(&mut alert.message);
    let mut lines = message.lines();
    alert.message = lines.next().unwrap_or_default().to_owned().into();
    let mut text = [&*escape(server), ": "].concat();
    push_alert(&mut text, alert, Style::default());
    let first_line = cut(&text, MAX_LINE).len();
    text.truncate(first_line);
    text.push('\n');
    for line in lines {
        let line = escape(line);
        if text.len() + line.len() + 3 <= MAX_TEXT {
            text += "  ";
            text += &line;
            text.push('\n');
        }
    }
    alert.message = message;
    (text, first_line)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, UNIX_EPOCH};

    use wsmon::{AlertPhase, Thresholds};

    use super::*;

    /// A notice about an alert of the server `web` at 2026-01-02T03:04:05.678Z, with its key and level.
    struct Told {
        key: String,
        level: String,
        text: String,
        variables: Vec<(String, String)>,
    }

    impl Told {
        fn values(&self, range: std::ops::Range<usize>) -> Vec<&str> {
            self.variables[range].iter().map(|(_, value)| &**value).collect()
        }
    }

    fn told(alert: &Alert<'_>, rule: Option<&Rule>, host: &str) -> Told {
        let wall = UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
        let server = "web".into();
        let message = own_message(ServerId::NONE, &server, Now { mono: Instant::now(), wall }, &[]);
        let notice = notice(&message, alert, rule, host);
        let (key, level) = (notice.key.to_string(), notice.level().to_owned());
        let (text, variables) = describe(notice, wsmon::format("events").unwrap());
        let pair = |variable: CString| {
            let variable = variable.into_string().unwrap();
            let (name, value) = variable.strip_prefix("WSMON_").unwrap().split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        };
        Told { key, level, text, variables: variables.into_iter().map(pair).collect() }
    }

    fn server_alert(phase: AlertPhase) -> Alert<'static> {
        Alert {
            component: "memory".into(),
            metric: "usage_percent".into(),
            level: "WARNING".into(),
            message: "High memory usage: 85.5%".into(),
            value: Some(85.5),
            threshold: Some(80.0),
            phase,
            ..Alert::default()
        }
    }

    #[test]
    fn an_alarm_of_a_rule_is_told_in_parts_and_as_a_whole() {
        let mut thresholds = Thresholds::default();
        thresholds.add_criticals("cpu=90/5m").unwrap();
        let rule = thresholds.list()[0].critical.as_ref().unwrap();
        let alert = Alert {
            component: "cpu".into(),
            metric: "cpu".into(),
            level: "CRITICAL".into(),
            message: "cpu 95.0% (90)".into(),
            value: Some(95.0),
            threshold: Some(90.0),
            rule: Some("cpu=90/5m".into()),
            ..Alert::default()
        };
        let notice = told(&alert, Some(rule), "router-01");
        let json = concat!(
            r#"{"received_at":"2026-01-02T03:04:05.678Z","server":"web","kind":"alert","component":"cpu","#,
            r#""metric":"cpu","level":"CRITICAL","message":"cpu 95.0% (90)","value":95,"threshold":90,"#,
            r#""phase":"begins","rule":"cpu=90/5m"}"#
        );
        let expected = [
            ("SERVER", "web"),
            ("HOST", "router-01"),
            ("LEVEL", "CRITICAL"),
            ("PHASE", "begins"),
            ("METRIC", "cpu"),
            ("VALUE", "95"),
            ("RANGE", "90"),
            ("FOR", "300"),
            ("TEXT", "web: CRITICAL cpu 95.0% (90)"),
            ("JSON", json),
        ];
        assert_eq!(notice.variables, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!((&*notice.text, &*notice.key), ("web: CRITICAL cpu 95.0% (90)\n", "web\0cpu"));
        let ends =
            Alert { level: "OK".into(), message: "".into(), phase: AlertPhase::Ends, value: Some(5.25), ..alert };
        let notice = told(&ends, Some(rule), "");
        assert_eq!(notice.values(1..9), ["", "OK", "ends", "cpu", "5.25", "90", "300", "web: cpu: back to normal"]);
    }

    #[test]
    fn an_alert_of_a_server_is_told_in_its_words_and_never_taken_for_that_of_a_rule() {
        let notice = told(&server_alert(AlertPhase::Begins), None, "");
        let text = "web: WARNING High memory usage: 85.5%";
        assert_eq!(notice.values(2..9), ["WARNING", "begins", "memory", "85.5", "80", "", text]);
        assert_eq!((&*notice.key, &*notice.level), ("web\0memory/usage_percent", "WARNING"));
        // It ends as normal, whatever level it had.
        let notice = told(&server_alert(AlertPhase::Ends), None, "");
        assert_eq!((notice.values(2..4), &*notice.level), (vec!["OK", "ends"], ""));
        // Without a level it is in force all the same.
        let bare = Alert { value: Some(f64::NAN), ..Alert::default() };
        let notice = told(&bare, None, "");
        assert_eq!(notice.values(2..8), ["ALERT", "begins", "alert", "", "", ""]);
    }

    #[test]
    fn a_description_of_several_lines_is_several_lines() {
        let message = "first\r\nsecond\n\n\x1b[31mthird".into();
        let notice = told(&Alert { message, ..server_alert(AlertPhase::Begins) }, None, "");
        assert_eq!(notice.text, "web: WARNING first\n  second\n  \n  \\x1b[31mthird\n");
        assert_eq!(notice.values(8..9), ["web: WARNING first"]);
    }

    #[test]
    fn hostile_texts_are_cut_and_escaped_everywhere() {
        for hostile in ["\0", "\x1b\n=", "\u{9b}", "\u{202e}", "\"\\", "é", "\n", "a\nb"] {
            let text = hostile.repeat(20_000);
            let alert = Alert {
                component: text.as_str().into(),
                metric: text.as_str().into(),
                level: text.as_str().into(),
                from: text.as_str().into(),
                message: text.as_str().into(),
                cause: text.as_str().into(),
                at: Some(text.as_str().into()),
                id: Some(i64::MIN),
                age: Some(Duration::MAX),
                value: Some(f64::MAX),
                threshold: Some(f64::NEG_INFINITY),
                phase: AlertPhase::Changes,
                ..Alert::default()
            };
            let notice = told(&alert, None, &text);
            assert!(notice.text.len() <= MAX_TEXT && notice.text.ends_with('\n'), "{}", notice.text.len());
            let values = notice.values(0..10);
            let bytes: usize = values.iter().map(|value| value.len()).sum();
            assert!(bytes < 32 << 10, "{bytes}");
            for value in values.iter().copied().chain(notice.text.lines()) {
                assert_eq!(escape(value), value);
            }
            let json: serde_json::Value = serde_json::from_str(values[9]).unwrap();
            assert_eq!(json["phase"], "changes");
        }
    }
}
