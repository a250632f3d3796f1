//! The statistics: a text for people, an object for programs.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use super::lines::Lines;
use super::number;
use crate::format::style::{Level, RULER, Style};
use crate::model::json::{Layout, Writer};
use crate::model::metric::{METRICS, Unit};
use crate::model::stats::{PastError, Saved, Statistics, Summary};

/// Appends the statistics for people. With several servers the totals come first, then each server's own,
/// labelled.
pub fn push_text(out: &mut String, statistics: &Statistics, style: &Style) {
    let mut lines = Lines { out, label: None, style: *style };
    lines.line(|_| {});
    lines.painted(RULER, |out| out.push_str("=== Client Statistics ==="));
    push_block(&mut lines, statistics);
    for (label, server) in &statistics.servers {
        let mut lines = Lines { out: &mut *lines.out, label: Some(label), style: *style };
        push_block(&mut lines, server);
    }
}

// Writing to a String cannot fail; what `write!` returns is dropped below.

fn push_block(lines: &mut Lines<'_>, of: &Statistics) {
    let style = lines.style;
    lines.entry("", "Server", |out| style.push_foreign(out, &of.uri));
    lines.entry("", "State", |out| out.push_str(of.current_state.name()));
    lines.entry("", "Messages", |out| {
        let _ = write!(out, "{} received, {} sent", of.messages_received, of.messages_sent);
    });
    lines.entry("", "Data", |out| {
        number::push_bytes(out, of.bytes_received as f64);
        out.push_str(" received, ");
        number::push_bytes(out, of.bytes_sent as f64);
        out.push_str(" sent");
    });
    lines.entry("", "Duration", |out| push_durations(out, of));
    lines.entry("", "Connections", |out| {
        let _ = write!(out, "{}, {} lost", of.connections, of.total_disconnections);
    });
    for &(name, count) in &[
        ("Reconnections", of.reconnect_attempts),
        ("Dropped", of.dropped),
        ("Undecoded", of.undecoded),
        ("Errors", of.error_count),
    ] {
        lines.entry("", name, |out| {
            let _ = write!(out, "{count}");
        });
    }
    of.error_history.iter().for_each(|error| push_error(lines, error));
    if of.ping_ms.samples > 0 {
        lines.entry("", "Ping", |out| push_ping(out, &of.ping_ms));
    }
    if let Some(saved) = &of.saved {
        lines.entry("", "Saved", |out| push_saved(out, saved, style));
    }
    for (name, spread) in of.history.iter().flatten() {
        push_history(lines, name, spread);
    }
}

fn push_durations(out: &mut String, of: &Statistics) {
    number::push_duration(out, of.run);
    if let Some(uptime) = of.uptime {
        out.push_str(", the latest connection ");
        number::push_duration(out, uptime);
    }
}

fn push_error(lines: &mut Lines<'_>, error: &PastError) {
    let style = lines.style;
    lines.painted(Level::Critical.color(), |out| {
        out.push_str("  ");
        number::push_time(out, error.at);
        out.push(' ');
        style.push_foreign(out, &error.error);
    });
}

fn push_ping(out: &mut String, ping: &Summary) {
    let mean = ping.mean().unwrap_or_default();
    let _ = write!(out, "min {:.2}, mean {mean:.2}, max {:.2} ms", ping.min, ping.max);
}

fn push_saved(out: &mut String, saved: &Saved, style: Style) {
    let _ = write!(out, "{} messages, ", saved.messages);
    number::push_bytes(out, saved.bytes as f64);
    out.push_str(" to ");
    style.push_foreign(out, &saved.file.to_string_lossy());
}

fn push_history(lines: &mut Lines<'_>, name: &str, spread: &Summary) {
    let unit = METRICS.iter().find(|row| row.name == name).map_or(Unit::Count, |row| row.unit);
    lines.entry("", name, |out| {
        let mean = spread.mean().unwrap_or_default();
        for &(lead, value) in
            &[("min ", spread.min), (", mean ", mean), (", max ", spread.max), (", last ", spread.last)]
        {
            out.push_str(lead);
            push_number(out, unit, value);
        }
        let _ = write!(out, " (samples: {})", spread.samples);
    });
}

fn push_number(out: &mut String, unit: Unit, value: f64) {
    match unit {
        Unit::Percent => {
            number::push_fixed(out, value, 0, 1);
            out.push('%');
        }
        // Bare numbers are clear enough where the metric's name says what it is.
        Unit::Celsius => number::push_short(out, value),
        _ => super::detailed::push_value(out, unit, value, Style::default()),
    }
}

/// Appends the statistics for programs, with line feed.
pub fn push_json(out: &mut String, statistics: &Statistics, layout: Layout) {
    let mut json = Writer::new(out, layout);
    json.open('{');
    json.member("type").string("statistics");
    json.member("stats");
    push_object(&mut json, statistics);
    json.close('}');
    out.push('\n');
}

/// The names are the reference client's where it has one; the order is that of its documentation.
fn push_object(json: &mut Writer<'_>, of: &Statistics) {
    json.open('{');
    json.member("uri").string(&of.uri);
    json.member("messages_received").plain(of.messages_received);
    json.member("messages_sent").plain(of.messages_sent);
    json.member("bytes_received").plain(of.bytes_received);
    json.member("bytes_sent").plain(of.bytes_sent);
    or_null(json.member("connection_start"), of.connection_start, time);
    or_null(json.member("uptime_seconds"), of.uptime, seconds);
    json.member("reconnect_attempts").plain(of.reconnect_attempts);
    json.member("total_disconnections").plain(of.total_disconnections);
    json.member("current_state").string(of.current_state.name());
    or_null(json.member("last_error"), of.last_error.as_deref(), |json, error| json.string(error));
    json.member("error_count").plain(of.error_count);
    list_errors(json.member("error_history"), of.error_history.iter());
    seconds(json.member("run_seconds"), of.run);
    json.member("connections").plain(of.connections);
    or_null(json.member("ping_ms"), Some(&of.ping_ms).filter(|ping| ping.samples > 0), |json, ping| {
        json.open('{');
        push_spread(json, ping);
        json.close('}');
    });
    json.member("undecoded").plain(of.undecoded);
    json.member("dropped").plain(of.dropped);
    or_null(json.member("saved"), of.saved.as_ref(), saved);
    or_null(json.member("history"), of.history.as_deref(), history);
    if !of.servers.is_empty() {
        json.member("servers").open('{');
        of.servers.iter().for_each(|(label, server)| push_object(json.member(label), server));
        json.close('}');
    }
    json.close('}');
}

fn or_null<T>(json: &mut Writer<'_>, value: Option<T>, write: impl FnOnce(&mut Writer<'_>, T)) {
    match value {
        Some(value) => write(json, value),
        None => json.plain("null"),
    }
}

fn time(json: &mut Writer<'_>, at: SystemTime) {
    let mut text = String::new();
    number::push_time(&mut text, at);
    json.string(&text);
}

fn seconds(json: &mut Writer<'_>, duration: Duration) {
    json.plain(format_args!("{:.3}", duration.as_secs_f64()));
}

fn finite(json: &mut Writer<'_>, value: f64) {
    json.number(value);
}

fn list_errors<'e>(json: &mut Writer<'_>, errors: impl Iterator<Item = &'e PastError>) {
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

fn push_spread(json: &mut Writer<'_>, spread: &Summary) {
    finite(json.member("min"), spread.min);
    finite(json.member("mean"), spread.mean().unwrap_or(f64::NAN));
    finite(json.member("max"), spread.max);
}

fn saved(json: &mut Writer<'_>, saved: &Saved) {
    json.open('{');
    json.member("messages").plain(saved.messages);
    json.member("file").string(&saved.file.to_string_lossy());
    json.member("bytes").plain(saved.bytes);
    json.close('}');
}

fn history(json: &mut Writer<'_>, history: &[(&'static str, Summary)]) {
    json.open('{');
    for (name, spread) in history {
        json.member(name).open('{');
        push_spread(json, spread);
        finite(json.member("last"), spread.last);
        json.member("samples").plain(spread.samples);
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
        let mut of = Statistics {
            uri: "ws://nas:8765".into(),
            messages_received: 5,
            bytes_received: 3891,
            connection_start: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678)),
            uptime: Some(Duration::from_millis(119_900)),
            current_state: ClientState::Connected,
            run: Duration::from_secs(7199),
            connections: 2,
            saved: Some(Saved { messages: 5, file: "data\n.log".into(), bytes: 2048 }),
            history: Some(vec![("cpu", Summary::default()), ("memory_used", Summary::default())]),
            ..Statistics::default()
        };
        of.remember(PastError { at: SystemTime::UNIX_EPOCH, error: "refused\x1b".into(), kind: "connect" });
        of.ping_ms.add(0.25);
        of.ping_ms.add(0.75);
        of.history.iter_mut().flatten().for_each(|(_, spread)| spread.add(45.25));
        of
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
Data: 3.8 KB received, 0.0 B sent
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
    fn several_servers_have_their_own_labelled_lines_below_the_totals() {
        let total = Statistics::total(vec![("a".into(), one()), ("b".into(), one())]);
        let mut out = String::new();
        push_text(&mut out, &total, &Style::default());
        assert!(out.contains("\nMessages: 10 received, 0 sent\n"), "{out}");
        assert!(out.contains("\na: Messages: 5 received, 0 sent\n") && out.contains("\nb: Server: ws://nas:8765\n"));
    }

    #[test]
    fn programs_get_one_object_with_every_name() {
        let mut line = String::new();
        push_json(&mut line, &one(), Layout::Line);
        let expected = concat!(
            r#"{"type":"statistics","stats":{"uri":"ws://nas:8765","messages_received":5,"messages_sent":0,"#,
            r#""bytes_received":3891,"bytes_sent":0,"connection_start":"2026-01-02T03:04:05.678Z","#,
            r#""uptime_seconds":119.900,"reconnect_attempts":0,"total_disconnections":0,"current_state":"connected","#,
            r#""last_error":"refused\u001b","error_count":1,"error_history":[{"timestamp":"1970-01-01T00:00:00.000Z","#,
            r#""error":"refused\u001b","type":"connect"}],"run_seconds":7199.000,"connections":2,"#,
            r#""ping_ms":{"min":0.25,"mean":0.5,"max":0.75},"undecoded":0,"dropped":0,"#,
            r#""saved":{"messages":5,"file":"data\n.log","bytes":2048},"history":{"#,
            r#""cpu":{"min":45.25,"mean":45.25,"max":45.25,"last":45.25,"samples":1},"#,
            r#""memory_used":{"min":45.25,"mean":45.25,"max":45.25,"last":45.25,"samples":1}}}}"#,
            "\n"
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn what_never_was_is_null_and_servers_stand_below_the_totals() {
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
