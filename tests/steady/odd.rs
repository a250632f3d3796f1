//! Small messages that are odd: hostile characters, numbers beyond every range, times that never were.

use crate::assert_harmless;
use crate::process::watch;
use crate::support::server::Server;
use serde_json::Value;

const TYPES: &[&str] =
    &["monitoring_data", "alert", "log", "connection", "error", "pong", "process_update", "x\\u001b[2J", "\u{202e}x"];

/// Values in the place of a text, a number or a time, as JSON.
const VALUES: &[&str] = &[
    r#""\u001b[31m\u0000\u0007\r\n\t\u0085\u009b2J\u202e\u2066\u2028\u061c\u007f""#,
    "\"\u{9b}2J\u{85}\u{202e}\u{2066}\u{2028}\u{2029}\u{61c}\u{7f}\u{feff}\"",
    r#""\ud800""#,
    r#""\udfff\ud800\ud83d\ude00\ude00""#,
    r#""\uD83D""#,
    "1e400",
    "-1e400",
    "1e-400",
    "-0",
    "1e308",
    "123456789012345678901234567890",
    "-9223372036854775809",
    "NaN",
    "Infinity",
    "-Infinity",
    "null",
    "true",
    "[]",
    "{}",
    "[[[1]]]",
    r#""1969-12-31T23:59:59Z""#,
    r#""9999-12-31T23:59:60Z""#,
    r#""-0001-13-32T25:61:61+99:99""#,
    r#""99999-01-01T00:00:00Z""#,
    r#""2026-02-30T00:00:00""#,
    r#""2026-01-02T03:04""#,
    r#""٢٠٢٦-01-02T03:04:05Z""#,
    "9e18",
    "-9e18",
    "253402300800",
    "1.7976931348623157e308",
    r#""""#,
];

/// Texts that are no message at all.
const TEXTS: &[&str] = &[
    "",
    " ",
    "{",
    "}",
    "\"",
    "\\",
    "null",
    "1e400",
    "\u{feff}{\"type\":\"monitoring_data\"}",
    "\u{1b}[2J\u{0}\u{7}\u{9b}\u{202e}\r\nCPU:  99.9%",
    "{\"type\":\"monitoring_data\"",
    "{'type':'monitoring_data'}",
    "{\"type\":\"a\",\"type\":\"b\"}",
    "{\"type\":\"\u{1}\"}",
    "<html>",
];

fn messages() -> Vec<String> {
    let mut all: Vec<String> = TEXTS.iter().map(|text| (*text).to_owned()).collect();
    for kind in TYPES {
        for value in VALUES {
            all.push(format!(
                r#"{{"type":"{kind}","timestamp":{value},"message":{value},"level":{value},"data":{value}}}"#
            ));
            all.push(format!(
                r#"{{"type":"{kind}","timestamp":{value},"data":{{"timestamp":{value},"level":{value},"message":{value},"component":{value},"processor":{{"usage_percent":{value},"core_count":{value},"per_core":[{value},{value}]}},"memory":{{"percentage":{value},"used":{value},"total":{value}}},"disk":{{"percentage":{value}}},"gpu":{{"utilization":{value}}},"host":{{"hostname":{value},"uptime":{value},"boot_time":{value}}}}}}}"#
            ));
            all.push(format!(r#"{{"type":"{kind}","{kind}":{value},"data":[{value},{value}]}}"#));
        }
    }
    for value in VALUES {
        all.push(format!(r#"{{"type":{value}}}"#));
        all.push((*value).to_owned());
    }
    all
}

fn shown(format: &str, dialect: &str) -> (usize, String) {
    let messages = messages();
    let sent = messages.len();
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        messages.iter().for_each(|message| peer.text(message));
        peer.text(r#"{"type":"the_last_one"}"#);
        peer.close(1000, "");
        peer.drain();
    });
    let run = watch(&server.uri(), &["--format", format, "--dialect", dialect, "--no-reconnect", "--queue", "64M"]);
    let finished = run.finish();
    // These have no lines for it.
    let is_shown = !["csv", "influx", "table"].contains(&format);
    assert_eq!(finished.stdout.contains("the_last_one"), is_shown, "{format}, {dialect}: {}", finished.stdout);
    assert_eq!(finished.code, Some(0), "{format}, {dialect}: {}", finished.stderr);
    assert_harmless(&format!("{format}, {dialect}"), &finished.stdout);
    assert_harmless(&format!("{format}, {dialect}: stderr"), &finished.stderr);
    (sent + 1, finished.stdout)
}

#[test]
fn odd_messages_leave_every_format_harmless_and_the_session_going_on() {
    for format in wsmon::FORMATS {
        shown(format.name, "auto");
    }
}

#[test]
fn odd_messages_become_one_line_of_json_each_with_every_dialect() {
    for dialect in ["monitoring", "sysmedic", "fastpluggy", "pmdaemon", "neurograph", "generic"] {
        let (sent, stdout) = shown("jsonl", dialect);
        let lines: Vec<_> = stdout.lines().filter(|line| !line.contains(r#""type":"state""#)).collect();
        assert_eq!(lines.len(), sent, "{dialect}");
        for line in lines {
            let number_beyond = line.contains("e400");
            assert!(number_beyond || serde_json::from_str::<Value>(line).is_ok(), "{dialect}: {line}");
        }
        for line in shown("events", dialect).1.lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok(), "{dialect}: {line}");
        }
        shown("detailed", dialect);
    }
}
