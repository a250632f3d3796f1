//! The statistics: text for people, a JSON object for programs.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use super::lines::Lines;
use super::server_table;
use super::value::push_value;
use crate::format::style::{RULER, Severity, Style};
use crate::model::json::{Layout, Writer};
use crate::model::metric::{METRICS, Unit};
use crate::model::number::{self, Fixed};
use crate::model::stats::{PastError, Saved, Statistics, Summary};

/// Appends the statistics as text. With several servers the totals come first, then a row for each server, then,
/// with their labels, the reasons of those that delivered nothing and the histories.
pub fn push_text(out: &mut String, statistics: &Statistics, style: &Style) {
    let mut lines = Lines::unbounded(out, None, *style);
    lines.line(|_| {});
    lines.colored(RULER, |out| out.push_str("=== Client Statistics ==="));
    push_block(&mut lines, statistics);
    server_table::push(&mut lines, &statistics.servers);
    for (label, server) in &statistics.servers {
        let mut lines = Lines::unbounded(&mut *lines.out, Some(label), *style);
        push_undelivered(&mut lines, server);
        for (name, summary) in server.history.iter().flatten() {
            push_history(&mut lines, name, summary);
        }
    }
}

// Writing to a String cannot fail: the results of `write!` below are ignored.

fn push_block(lines: &mut Lines<'_>, statistics: &Statistics) {
    let style = lines.style;
    match statistics.servers.len() {
        0 => lines.entry(0, "Server", |out| style.push_escaped(out, &statistics.uri)),
        servers => lines.entry(0, "Servers", |out| {
            let _ = write!(out, "{servers}");
        }),
    }
    lines.entry(0, "State", |out| out.push_str(statistics.current_state.name()));
    lines.entry(0, "Messages", |out| {
        let _ = write!(out, "{} received, {} sent", statistics.messages_received, statistics.messages_sent);
    });
    lines.entry(0, "Data", |out| {
        number::push_bytes(out, statistics.bytes_received as f64);
        out.push_str(" received (");
        number::push_bytes(out, statistics.wire_bytes_received as f64);
        out.push_str(" on the wire), ");
        number::push_bytes(out, statistics.bytes_sent as f64);
        out.push_str(" sent");
    });
    lines.entry(0, "Duration", |out| {
        number::push_duration(out, statistics.run);
        if let Some(uptime) = statistics.uptime {
            out.push_str(", the latest connection ");
            number::push_duration(out, uptime);
        }
    });
    lines.entry(0, "Connections", |out| {
        let _ = write!(out, "{}, {} lost", statistics.connections, statistics.total_disconnections);
    });
    push_undelivered(lines, statistics);
    push_counts(lines, statistics);
    for error in &statistics.error_history {
        push_error(lines, error);
    }
    if statistics.ping_ms.samples > 0 {
        let Summary { min, max, .. } = statistics.ping_ms;
        let mean = statistics.ping_ms.mean().unwrap_or_default();
        lines.entry(0, "Ping", |out| {
            let _ = write!(out, "min {}, mean {}, max {} ms", Fixed(min, 2), Fixed(mean, 2), Fixed(max, 2));
        });
    }
    if let Some(saved) = &statistics.saved {
        lines.entry(0, "Saved", |out| {
            let _ = write!(out, "{} messages, ", saved.messages);
            number::push_bytes(out, saved.bytes as f64);
            out.push_str(" to ");
            style.push_escaped(out, &saved.file.to_string_lossy());
        });
    }
    for (name, summary) in statistics.history.iter().flatten() {
        push_history(lines, name, summary);
    }
}

fn push_counts(lines: &mut Lines<'_>, statistics: &Statistics) {
    for &(name, count) in &[
        ("Reconnections", statistics.reconnect_attempts),
        ("Dropped", statistics.dropped),
        ("Undecoded", statistics.undecoded),
        ("Errors", statistics.error_count),
        ("Rate limited", statistics.rate_limited),
        ("Lines not read", statistics.unread),
    ] {
        // Only some servers have limits, and only files have lines.
        if !["Rate limited", "Lines not read"].contains(&name) || count > 0 {
            lines.entry(0, name, |out| {
                let _ = write!(out, "{count}");
            });
        }
    }
}

fn push_undelivered(lines: &mut Lines<'_>, server: &Statistics) {
    let style = lines.style;
    if let Some(why) = &server.nothing_delivered {
        lines.entry(0, "Nothing delivered", |out| style.push_escaped(out, why));
    }
}

fn push_error(lines: &mut Lines<'_>, error: &PastError) {
    let style = lines.style;
    lines.colored(Severity::Critical.color(), |out| {
        out.push_str("  ");
        number::push_timestamp(out, error.at);
        out.push(' ');
        style.push_escaped(out, &error.error);
    });
}

fn push_history(lines: &mut Lines<'_>, name: &str, summary: &Summary) {
    let unit = METRICS.iter().find(|row| row.name == name).map_or(Unit::Count, |row| row.unit);
    lines.entry(0, name, |out| {
        let mean = summary.mean().unwrap_or_default();
        for &(lead, value) in
            &[("min ", summary.min), (", mean ", mean), (", max ", summary.max), (", last ", summary.last)]
        {
            out.push_str(lead);
            push_number(out, unit, value);
        }
        let _ = write!(out, " (samples: {})", summary.samples);
    });
}

fn push_number(out: &mut String, unit: Unit, value: f64) {
    match unit {
        Unit::Percent => {
            number::push_fixed(out, value, 0, 1);
            out.push('%');
        }
        // The metric's name is clear enough without a unit.
        Unit::Celsius => number::push_short(out, value),
        _ => push_value(out, unit, value, Style::default()),
    }
}

/// Appends the statistics as a JSON object and a line feed.
pub fn push_json(out: &mut String, statistics: &Statistics, layout: Layout) {
    let mut json = Writer::new(out, layout);
    json.open('{');
    json.member("type").string("statistics");
    json.member("stats");
    push_object(&mut json, statistics);
    json.close('}');
    out.push('\n');
}

/// Writes the names of the reference client in the order of its documentation, and then our own.
pub fn push_object(json: &mut Writer<'_>, statistics: &Statistics) {
    json.open('{');
    json.member("uri").string(&statistics.uri);
    for &(name, count) in &[
        ("messages_received", statistics.messages_received),
        ("messages_sent", statistics.messages_sent),
        ("bytes_received", statistics.bytes_received),
        ("bytes_sent", statistics.bytes_sent),
        ("wire_bytes_received", statistics.wire_bytes_received),
    ] {
        json.member(name).literal(count);
    }
    or_null(json.member("connection_start"), statistics.connection_start, time);
    or_null(json.member("uptime_seconds"), statistics.uptime, seconds);
    json.member("reconnect_attempts").literal(statistics.reconnect_attempts);
    json.member("total_disconnections").literal(statistics.total_disconnections);
    json.member("current_state").string(statistics.current_state.name());
    or_null(json.member("last_error"), statistics.last_error.as_deref(), |json, error| json.string(error));
    json.member("error_count").literal(statistics.error_count);
    errors(json.member("error_history"), &statistics.error_history);
    seconds(json.member("run_seconds"), statistics.run);
    json.member("connections").literal(statistics.connections);
    or_null(json.member("nothing_delivered"), statistics.nothing_delivered.as_deref(), |json, why| json.string(why));
    or_null(json.member("ping_ms"), Some(&statistics.ping_ms).filter(|ping| ping.samples > 0), |json, ping| {
        json.open('{');
        push_summary(json, ping);
        json.close('}');
    });
    json.member("undecoded").literal(statistics.undecoded);
    json.member("rate_limited").literal(statistics.rate_limited);
    json.member("dropped").literal(statistics.dropped);
    if statistics.unread > 0 {
        json.member("unread").literal(statistics.unread);
    }
    or_null(json.member("saved"), statistics.saved.as_ref(), saved);
    or_null(json.member("history"), statistics.history.as_deref(), history);
    if !statistics.servers.is_empty() {
        json.member("servers").open('{');
        statistics.servers.iter().for_each(|(label, server)| push_object(json.foreign_member(label), server));
        json.close('}');
    }
    json.close('}');
}

fn or_null<T>(json: &mut Writer<'_>, value: Option<T>, write: impl FnOnce(&mut Writer<'_>, T)) {
    match value {
        Some(value) => write(json, value),
        None => json.literal("null"),
    }
}

fn time(json: &mut Writer<'_>, at: SystemTime) {
    let mut text = String::new();
    number::push_timestamp(&mut text, at);
    json.string(&text);
}

fn seconds(json: &mut Writer<'_>, duration: Duration) {
    json.literal(Fixed(duration.as_secs_f64(), 3));
}

fn errors(json: &mut Writer<'_>, errors: &[PastError]) {
    json.open('[');
    for error in errors {
        json.element();
        json.open('{');
        time(json.member("timestamp"), error.at);
        json.member("error").string(&error.error);
        json.member("type").string(error.kind);
        json.close('}');
    }
    json.close(']');
}

fn push_summary(json: &mut Writer<'_>, summary: &Summary) {
    json.member("min").number(summary.min);
    json.member("mean").number(summary.mean().unwrap_or(f64::NAN));
    json.member("max").number(summary.max);
}

fn saved(json: &mut Writer<'_>, saved: &Saved) {
    json.open('{');
    json.member("messages").literal(saved.messages);
    json.member("file").string(&saved.file.to_string_lossy());
    json.member("bytes").literal(saved.bytes);
    json.close('}');
}

fn history(json: &mut Writer<'_>, history: &[(&'static str, Summary)]) {
    json.open('{');
    for (name, summary) in history {
        json.member(name).open('{');
        push_summary(json, summary);
        json.member("last").number(summary.last);
        json.member("samples").literal(summary.samples);
        json.close('}');
    }
    json.close('}');
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::event::ClientState;

    fn one() -> Statistics {
        let mut statistics = Statistics {
            uri: "ws://nas:8765".into(),
            messages_received: 5,
            bytes_received: 3891,
            wire_bytes_received: 498,
            connection_start: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678)),
            uptime: Some(Duration::from_millis(119_900)),
            current_state: ClientState::Connected,
            run: Duration::from_secs(7199),
            connections: 2,
            saved: Some(Saved { messages: 5, file: "data\n.log".into(), bytes: 2048 }),
            history: Some(vec![("cpu", Summary::default()), ("memory_used", Summary::default())]),
            ..Statistics::default()
        };
        statistics.record_error(PastError { at: SystemTime::UNIX_EPOCH, error: "refused\x1b".into(), kind: "connect" });
        statistics.ping_ms.add(0.25);
        statistics.ping_ms.add(0.75);
        statistics.history.iter_mut().flatten().for_each(|(_, summary)| summary.add(45.25));
        statistics
    }

    #[test]
    fn people_get_every_figure_and_no_control_character() {
        let mut out = String::new();
        push_text(&mut out, &one(), &Style::default());
        let expected = "
=== Client Statistics ===
Server: ws://nas:8765
State: connected
Messages: 5 received, 0 sent
Data: 3.8 KB received (498.0 B on the wire), 0.0 B sent
Duration: 1h 59m 59s, the latest connection 1m 59s
Connections: 2, 0 lost
Reconnections: 0
Dropped: 0
Undecoded: 0
Errors: 1
  1970-01-01T00:00:00.000Z refused\\x1b
Ping: min 0.25, mean 0.50, max 0.75 ms
Saved: 5 messages, 2.0 KB to data\\n.log
cpu: min 45.2%, mean 45.2%, max 45.2%, last 45.2% (samples: 1)
memory_used: min 45.2 B, mean 45.2 B, max 45.2 B, last 45.2 B (samples: 1)
";
        assert_eq!(out, expected);
    }

    #[test]
    fn a_server_that_delivered_nothing_has_the_reason() {
        let silent =
            Statistics { nothing_delivered: Some("never connected in 2 s\x1b".into()), ..Statistics::default() };
        let (mut text, mut json) = (String::new(), String::new());
        push_text(&mut text, &silent, &Style::default());
        assert!(text.contains("\nNothing delivered: never connected in 2 s\\x1b\n"), "{text}");
        push_json(&mut json, &silent, Layout::Line);
        assert!(json.contains(r#""nothing_delivered":"never connected in 2 s\u001b""#), "{json}");
        text.clear();
        let total = Statistics::total(vec![("a".into(), silent), ("b".into(), one())]);
        push_text(&mut text, &total, &Style::default());
        assert_eq!(text.matches("othing delivered").count(), 1, "{text}");
        assert!(text.contains("\na: Nothing delivered: never connected in 2 s\\x1b\n"), "{text}");
    }

    #[test]
    fn several_servers_have_a_row_each_below_the_totals_and_labelled_histories() {
        let given_up = Statistics { current_state: ClientState::Error, ..Statistics::default() };
        let servers = vec![("router".into(), one()), ("a\x1b".into(), given_up)];
        let (mut out, style) = (String::new(), Style { label_width: 6, ..Style::default() });
        push_text(&mut out, &Statistics::total(servers.clone()), &style);
        let (totals, rest) = out.split_once("\n\nSERVER").unwrap();
        assert!(totals.contains("\nServers: 2\nState: error\nMessages: 5 received, 0 sent\n"), "{totals}");
        let expected = "  STATE      RECEIVED    DATA  CONN  LOST  ERRORS     PING  LAST ERROR
router  connected         5  3.8 KB     2     0       1  0.50 ms  refused\\x1b
a\\x1b   error             0   0.0 B     0     0       0        -
router: cpu: min 45.2%, mean 45.2%, max 45.2%, last 45.2% (samples: 1)
router: memory_used: min 45.2 B, mean 45.2 B, max 45.2 B, last 45.2 B (samples: 1)
";
        assert_eq!(rest, expected);
        let mut colored = String::new();
        push_text(&mut colored, &Statistics::total(servers), &Style { color: true, ..style });
        assert!(colored.contains("\x1b[31ma\\x1b   error  "), "{colored}");
    }

    #[test]
    fn programs_get_one_object_with_every_name() {
        let mut line = String::new();
        push_json(&mut line, &one(), Layout::Line);
        let expected = concat!(
            r#"{"type":"statistics","stats":{"uri":"ws://nas:8765","messages_received":5,"messages_sent":0,"#,
            r#""bytes_received":3891,"bytes_sent":0,"wire_bytes_received":498,"connection_start":"2026-01-02T03:04:05.678Z","#,
            r#""uptime_seconds":119.900,"reconnect_attempts":0,"total_disconnections":0,"current_state":"connected","#,
            r#""last_error":"refused\u001b","error_count":1,"error_history":[{"timestamp":"1970-01-01T00:00:00.000Z","#,
            r#""error":"refused\u001b","type":"connect"}],"run_seconds":7199.000,"connections":2,"nothing_delivered":null,"#,
            r#""ping_ms":{"min":0.25,"mean":0.5,"max":0.75},"undecoded":0,"rate_limited":0,"dropped":0,"#,
            r#""saved":{"messages":5,"file":"data\n.log","bytes":2048},"history":{"#,
            r#""cpu":{"min":45.25,"mean":45.25,"max":45.25,"last":45.25,"samples":1},"#,
            r#""memory_used":{"min":45.25,"mean":45.25,"max":45.25,"last":45.25,"samples":1}}}}"#,
            "\n"
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn absent_values_are_null_and_servers_stand_below_the_totals() {
        let mut out = String::new();
        let total = Statistics::total(vec![("a".into(), one()), ("b".into(), Statistics::default())]);
        push_json(&mut out, &total, Layout::Indented);
        assert!(out.starts_with("{\n  \"type\": \"statistics\",\n  \"stats\": {\n    \"uri\""), "{out}");
        let json: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["stats"]["servers"]["a"]["messages_received"], 5);
        let never = &json["stats"]["servers"]["b"];
        for name in ["connection_start", "uptime_seconds", "last_error", "ping_ms", "saved", "history"] {
            assert_eq!(never[name], Value::Null, "{name}");
        }
        assert_eq!(never["error_history"], serde_json::json!([]));
        assert_eq!(never["servers"], Value::Null);
    }
}
