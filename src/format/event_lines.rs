//! Events as lines for people, one line each. Shared by the formats `simple`, `compact` and `detailed`.

use std::borrow::Cow;
use std::fmt::Write;

use anstyle::AnsiColor;

use super::lines::{LineHead, Lines, MAX_SOURCE, MAX_TEXT, Tags, push_continuation, push_one_line, push_text};
use super::notices::{push_notice, push_numbers};
use super::{processes, users};
use crate::format::style::{Severity, Style};
use crate::model::event::{Alert, AlertPhase, Change, ClientState, Event, LogLine, Message, Raw, Unknown};
use crate::model::json;
use crate::model::metric::Metric;
use crate::model::number;
use crate::model::sample::Sample;

/// Appends one line for a sample, and one for each other event, but none for the users that come with each sample.
///
/// `push_sample` returns false if the sample has no value that the format shows. The message is then shown as received,
/// like one of an unknown type.
pub fn push_events(
    out: &mut String,
    message: &Message<'_>,
    style: Style,
    tags: &Tags,
    push_sample: fn(&mut String, &Sample<'_>, &Message<'_>, Style) -> bool,
) {
    let mut lines = Lines::new(out, message, style);
    lines.time = style.time.then_some(message.received_at);
    for event in message.events {
        match event {
            Event::Sample(sample) => {
                let start = lines.out.len();
                let mut has_values = false;
                lines.line(|out| has_values = push_sample(out, sample, message, style));
                if !has_values {
                    lines.out.truncate(start);
                    if !push_numbers(&mut lines, sample, message, tags) {
                        push_as_unknown(&mut lines, message, tags);
                    }
                }
            }
            Event::Users(_) if has_sample(message.events) => {}
            other => push_event(&mut lines, other, message, tags),
        }
    }
    lines.finish("");
}

/// Returns true if one of the events is a sample.
pub fn has_sample(events: &[Event<'_>]) -> bool {
    events.iter().any(|event| matches!(event, Event::Sample(_)))
}

/// Appends the lines of an event that is not a sample; none for keep-alives.
pub fn push_event(lines: &mut Lines<'_>, event: &Event<'_>, message: &Message<'_>, tags: &Tags) {
    let style = lines.style;
    let head = LineHead { message, tags, at: event.at() };
    let tag = |out: &mut String, tag| head.push(out, style, tag);
    match event {
        Event::Notice(notice) => push_notice(lines, notice, head),
        Event::Error(error) => {
            let red = Severity::Critical.color();
            lines.colored(red, |out| {
                tag(out, tags.error);
                if let Some(severity) = &error.severity {
                    style.push_escaped(out, severity);
                    out.push_str(": ");
                }
                push_text(out, &error.text, style, tags.full);
            });
            push_continuation(lines, &error.text, tags.full, Some(red));
        }
        Event::Alert(alert) if alert.stored => {
            // All of the message in one place: that of the first.
            if stored_alerts(message.events).next().is_some_and(|first| std::ptr::eq(first, alert)) {
                push_stored(lines, message.events, &|out, at| LineHead { at, ..head }.push(out, style, tags.alert));
            }
        }
        Event::Alert(alert) => lines.colored(alert_color(alert), |out| {
            tag(out, tags.alert);
            push_alert(out, alert, style);
        }),
        Event::Answer(answer) => {
            lines.line(|out| {
                tag(out, tags.answer);
                style.push_escaped(out, &answer.kind);
                out.push(' ');
                push_text(out, &answer.text, style, tags.full);
            });
            push_continuation(lines, &answer.text, tags.full, None);
        }
        Event::Unknown(unknown) => lines.line(|out| {
            tag(out, tags.unknown);
            push_unknown(out, &unknown.kind, &one_line(message.raw, &unknown.text), style);
        }),
        Event::Log(log) => {
            lines.line(|out| {
                match log.task {
                    Some(_) => head.push_named(out, style, "task"),
                    None => tag(out, tags.log),
                }
                push_log(out, log, style, tags.full);
            });
            push_continuation(lines, &log.text, tags.full, None);
        }
        Event::Processes(processes) => processes::push(lines, processes, head),
        Event::Users(users) => users::push(lines, users, head),
        Event::State(change) => lines.line(|out| {
            tag(out, tags.state);
            push_state(out, change, style, tags.full);
        }),
        Event::Sample(_) | Event::KeepAlive | Event::Warning(_) | Event::Unanswered(_) => {}
    }
}

/// Appends the load average of a sample without processor use, `Load: 1.54`. Returns false if there is none, or if the
/// processor use is known.
pub fn push_load(out: &mut String, sample: &Sample<'_>) -> bool {
    let Some(load) = sample.get(Metric::Load1).filter(|_| sample.get(Metric::Cpu).is_none()) else { return false };
    out.push_str("Load: ");
    number::push_fixed(out, load, 0, 2);
    true
}

/// Returns the text of a message that is shown as it came: JSON on one line without spaces, also if `text` was repaired.
pub fn one_line<'t>(raw: Raw<'_>, text: &'t str) -> Cow<'t, str> {
    let shown = match raw {
        Raw::Json(message) if message == text || json::repair(message).as_deref() == Some(text) => message,
        Raw::Json(_) if json::is_json(text) => text,
        // A binary message is described in words.
        _ => return text.into(),
    };
    let mut line = String::with_capacity(shown.len());
    json::push_shown(&mut line, shown);
    line.into()
}

/// Appends the message as received, like one of an unknown type.
pub fn push_as_unknown(lines: &mut Lines<'_>, message: &Message<'_>, tags: &Tags) {
    let (Raw::Json(text) | Raw::Text(text)) = message.raw else { return };
    let kind = json::message_type(text).unwrap_or_default();
    push_event(lines, &Event::Unknown(Unknown { kind, text: text.into(), undecodable: false }), message, tags);
}

/// The colour of an alert: by its level, and green when it ends.
pub fn alert_color(alert: &Alert<'_>) -> AnsiColor {
    match alert.phase {
        AlertPhase::Ends => Severity::Normal.color(),
        AlertPhase::Begins | AlertPhase::Changes => Severity::of_alert(&alert.level).color(),
    }
}

/// Returns true for an alert whose level is lower than before, if both levels are known ones.
pub fn is_better(alert: &Alert<'_>) -> bool {
    let levels = Severity::of_known_alert(&alert.level).zip(Severity::of_known_alert(&alert.from));
    levels.is_some_and(|(level, from)| level < from)
}

fn stored_alerts<'e>(events: &'e [Event<'_>]) -> impl DoubleEndedIterator<Item = &'e Alert<'e>> {
    events.iter().filter_map(|event| match event {
        Event::Alert(alert) if alert.stored => Some(alert),
        _ => None,
    })
}

/// Appends a line with the number of stored alerts, if there are any, and the newest of them. `lead` appends the
/// beginning of a line about an alert with this time stamp.
pub fn push_stored(lines: &mut Lines<'_>, events: &[Event<'_>], lead: &dyn Fn(&mut String, Option<&str>)) {
    /// Most stored alerts that are shown one by one.
    const NEWEST: usize = 3;
    let count = stored_alerts(events).count();
    let Some(worst) = stored_alerts(events).map(|alert| Severity::of_alert(&alert.level)).max() else { return };
    lines.colored(worst.color(), |out| {
        lead(out, None);
        let (plural, end) = (if count == 1 { "" } else { "s" }, if count > NEWEST { ", the newest:" } else { ":" });
        // Writing to a String cannot fail.
        let _ = write!(out, "{count} open alert{plural} of the last 24 h{end}");
    });
    let style = lines.style;
    for alert in stored_alerts(events).rev().take(NEWEST) {
        lines.colored(alert_color(alert), |out| {
            lead(out, alert.at.as_deref());
            push_alert(out, alert, style);
        });
    }
}

/// Appends the text of an alert: the server's description, or the watched metric with its value.
pub fn push_alert(out: &mut String, alert: &Alert<'_>, style: Style) {
    let ends = alert.phase == AlertPhase::Ends;
    if !ends && !alert.level.is_empty() {
        style.push_escaped(out, &alert.level);
        out.push(' ');
    }
    if is_better(alert) {
        out.push_str("(better than ");
        style.push_escaped(out, &alert.from);
        out.push_str(") ");
    }
    let has_message = !ends && !alert.message.is_empty();
    if !has_message || alert.id.is_some() {
        push_subject(out, alert, style);
        out.push_str(if ends {
            ": back to normal"
        } else if has_message {
            ": "
        } else {
            ""
        });
    }
    if has_message {
        push_one_line(out, &alert.message, style, true);
    } else if !ends {
        push_number(out, " ", alert.value);
        push_number(out, " threshold ", alert.threshold);
    }
    if !ends && !alert.cause.is_empty() {
        out.push_str("; cause: ");
        push_one_line(out, &alert.cause, style, true);
    }
    if let Some(age) = alert.age {
        out.push_str(if ends { " after " } else { "; " });
        number::push_age(out, age);
        out.push_str(if ends { "" } else { " ago" });
    }
}

/// Appends the name by which the lines about an alert, from its beginning to its end, are told from those of others.
fn push_subject(out: &mut String, alert: &Alert<'_>, style: Style) {
    let name = [&*alert.component, &*alert.metric, "alert"].into_iter().find(|name| !name.is_empty());
    style.push_escaped(out, name.unwrap_or_default());
    if let Some(id) = alert.id {
        // Writing to a String cannot fail.
        let _ = write!(out, " #{id}");
    }
}

fn push_state(out: &mut String, change: &Change, style: Style, full: bool) {
    let text = change.to_string();
    // The wait and the cause may be of any colour: only the state itself tells good from bad.
    let (state, rest) = text.split_at(change.to.name().len());
    let level = match change.to {
        ClientState::Connected => Severity::Normal,
        ClientState::Disconnected | ClientState::Connecting | ClientState::Reconnecting => Severity::Warning,
        ClientState::Error => Severity::Critical,
    };
    style.paint(out, level.color(), |out| out.push_str(state));
    push_one_line(out, rest, style, full);
}

fn push_number(out: &mut String, lead: &str, number: Option<f64>) {
    if let Some(number) = number {
        out.push_str(lead);
        number::push_short(out, number);
    }
}

fn push_log(out: &mut String, log: &LogLine<'_>, style: Style, full: bool) {
    if !log.level.is_empty() {
        let name = log.level.to_ascii_uppercase();
        match Severity::of_log(&name) {
            Severity::Normal => style.push_escaped(out, &name),
            level => style.paint(out, level.color(), |out| style.push_escaped(out, &name)),
        }
        out.push(' ');
    }
    if !log.source.is_empty() {
        push_source(out, &log.source, style, full);
        out.push_str(": ");
    }
    push_text(out, &log.text, style, full);
    if !log.extra.is_empty() {
        out.push_str(" (");
        push_one_line(out, &log.extra, style, full);
        out.push(')');
    }
}

/// Shortens a UUID to its first group, and any other source to [`MAX_SOURCE`].
fn push_source(out: &mut String, source: &str, style: Style, full: bool) {
    let is_uuid = source.len() == 36 && source.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    match source.split_once('-') {
        _ if full => style.push_escaped(out, source),
        Some((group, _)) if is_uuid => out.push_str(group),
        _ => drop(style.push_truncated(out, source, MAX_SOURCE)),
    }
}

fn push_unknown(out: &mut String, kind: &str, text: &str, style: Style) {
    let mut room = MAX_TEXT;
    if !kind.is_empty() {
        room = style.push_truncated(out, kind, room);
        out.push_str(if room > 0 { " " } else { "" });
        room = room.saturating_sub(1);
    }
    match (kind, text) {
        ("", "") => out.push_str("(empty message)"),
        _ if room > 0 => drop(style.push_truncated(out, text, room)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::format::tests::{ASCII, COLOR, LABELS, PLAIN, alert, event, sample_with, written};

    fn numbered(id: i64, level: &'static str, phase: AlertPhase) -> Alert<'static> {
        let at = Some("2026-01-01T23:04:05.5Z".into());
        Alert {
            id: Some(id),
            cause: "root".into(),
            at,
            age: Some(Duration::from_secs(14_400)),
            ..alert("user", level, "m", phase)
        }
    }

    /// Open alerts of a first list; each with its number as message.
    fn stored(count: i64) -> Vec<Event<'static>> {
        let alert =
            |id| Alert { stored: true, ..numbered(id, if id == 1 { "HEAVY" } else { "MEDIUM" }, AlertPhase::Begins) };
        (1..=count).map(|id| Event::Alert(alert(id))).collect()
    }

    #[test]
    fn the_beginning_the_change_and_the_end_of_an_alert_name_the_same_thing() {
        let events = [
            Event::Alert(numbered(7, "HEAVY", AlertPhase::Begins)),
            Event::Alert(Alert { from: "HEAVY".into(), ..numbered(7, "LIGHT", AlertPhase::Changes) }),
            Event::Alert(Alert { from: "LIGHT".into(), ..numbered(7, "HEAVY", AlertPhase::Changes) }),
            Event::Alert(numbered(7, "HEAVY", AlertPhase::Ends)),
        ];
        let lines = "\
            [ALERT] 2026-01-01T23:04:05Z HEAVY user #7: m; cause: root; 4h 0m ago\n\
            [ALERT] 2026-01-01T23:04:05Z LIGHT (better than HEAVY) user #7: m; cause: root; 4h 0m ago\n\
            [ALERT] 2026-01-01T23:04:05Z HEAVY user #7: m; cause: root; 4h 0m ago\n\
            [ALERT] 2026-01-01T23:04:05Z user #7: back to normal after 4h 0m\n";
        assert_eq!(written("simple", Raw::None, &events, PLAIN), lines);
        let out = written("events", Raw::None, &events[1..2], PLAIN);
        let members = r#""component":"user","id":7,"metric":"usage_percent","level":"LIGHT","from":"HEAVY","better":true,"message":"m","cause":"root","value":96.2,"threshold":95,"phase":"changes","age":14400,"at":"2026-01-01T23:04:05.5Z"}"#;
        assert!(out.trim_end().ends_with(members), "{out}");
        assert!(!written("events", Raw::None, &events[2..3], PLAIN).contains("better"));
        let out = written("compact", Raw::None, &events[1..2], COLOR);
        assert!(out.starts_with("\x1b[32m! 03:04:05Z LIGHT (better than HEAVY) user #7: m"), "{out}");
    }

    #[test]
    fn of_two_levels_the_lower_one_is_better_and_an_unknown_one_says_nothing() {
        for (from, level, better) in [
            ("CRITICAL", "WARNING", true),
            ("WARNING", "CRITICAL", false),
            ("HEAVY", "MEDIUM", true),
            ("HIGH", "MODERATE", true),
            ("MODERATE", "LIGHT", true),
            ("LIGHT", "INFO", false),
            ("MEDIUM", "NORMAL", true),
            ("NORMAL", "OK", false),
            ("HEAVY", "UNKNOWN", false),
            ("HEAVY", "", false),
            ("UNKNOWN", "LIGHT", false),
            ("RED", "GREEN", false),
            ("", "LIGHT", false),
        ] {
            let alert = Alert { from: from.into(), ..alert("a", level, "m", AlertPhase::Changes) };
            assert_eq!(is_better(&alert), better, "{from} {level}");
        }
    }

    #[test]
    fn a_message_of_an_unknown_type_keeps_its_digits_also_where_it_was_repaired() {
        let sent = r#"{"type": "x", "a": [1e400, NaN]}"#;
        for text in [sent, r#"{"type": "x", "a": [null, null]}"#] {
            for format in ["simple", "compact", "detailed"] {
                let out = written(format, Raw::Json(sent), &[event("x", text)], PLAIN);
                assert!(out.ends_with("x {\"type\":\"x\",\"a\":[1e400,null]}\n"), "{out}");
            }
            let out = written("events", Raw::Json(sent), &[event("x", text)], PLAIN);
            assert!(out.contains(r#""data":{"a":[null,null]}"#), "{out}");
        }
    }

    #[test]
    fn stored_alerts_are_one_line_and_the_newest_three() {
        for (count, shown, head) in [
            (1, 1, "1 open alert of the last 24 h:"),
            (3, 3, "3 open alerts of the last 24 h:"),
            (1400, 3, "1400 open alerts of the last 24 h, the newest:"),
        ] {
            let mut events = stored(count);
            for format in ["simple", "compact", "detailed"] {
                for style in [PLAIN, ASCII, LABELS, COLOR] {
                    let out = written(format, Raw::None, &events, style);
                    assert_eq!(out.lines().count(), 1 + shown, "{out}");
                    assert!(out.lines().next().is_some_and(|line| line.contains(head)), "{out}");
                }
            }
            assert_eq!(
                written("events", Raw::None, &events, PLAIN).matches(r#""stored":true"#).count(),
                count as usize
            );
            events.push(Event::Alert(numbered(5000, "HEAVY", AlertPhase::Begins)));
            let out = written("simple", Raw::None, &events, PLAIN);
            assert_eq!(out.lines().count(), 2 + shown, "a new alert is shown beside the stored ones: {out}");
        }
        let out = written("simple", Raw::None, &stored(5), PLAIN);
        let numbers: Vec<_> =
            out.lines().filter_map(|line| line.split([' ', ':']).find(|word| word.starts_with('#'))).collect();
        assert_eq!(numbers, ["#5", "#4", "#3"]);
        assert!(out.starts_with("[ALERT] 2026-01-02T03:04:05Z 5 open"), "{out}");
        let colored = written("simple", Raw::None, &stored(5), COLOR);
        assert!(colored.starts_with("\x1b[31m[ALERT] "), "the worst level: {colored}");
    }

    #[test]
    fn stored_alerts_of_a_sample_stand_in_its_block() {
        let mut alerts = stored(4);
        alerts.push(Event::Alert(numbered(9, "HEAVY", AlertPhase::Ends)));
        let out = sample_with("detailed", r#"{"data":{"disk":{"percentage":7}}}"#, &alerts, PLAIN);
        let block = "\n\nAlerts:\n  4 open alerts of the last 24 h, the newest:\n  MEDIUM user #4: m; cause: root; 4h 0m ago\n  MEDIUM user #3: m";
        assert!(
            out.contains(block)
                && out.ends_with(
                    "\n  user #9: back to normal after 4h 0m\n==================================================\n"
                ),
            "{out}"
        );
    }
}
