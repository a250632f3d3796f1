//! Events as lines for people, one line each. Shared by the formats `simple`, `compact` and `detailed`.

use anstyle::AnsiColor;

use super::lines::{Lines, Tags, push_tag};
use super::processes;
use crate::format::style::{Level, NOTICE, Style};
use crate::model::event::{Alert, AlertPhase, Event, LogLine, Message, Raw, Unknown};
use crate::model::json;
use crate::model::number;
use crate::model::sample::Sample;

/// Upper bound on a text in a line, in characters, unless [`Tags::full`].
const MAX_TEXT: usize = 1000;

/// Upper bound on the source of a log line, in characters, unless [`Tags::full`].
const MAX_SOURCE: usize = 32;

/// Appends one line for a sample, and one for each other event.
///
/// `push_sample` returns false if the sample has no value that the format shows. The message is then shown as received,
/// like one of an unknown type.
pub fn push_events(
    out: &mut String,
    message: &Message<'_>,
    style: Style,
    tags: &Tags,
    push_sample: fn(&mut String, &Sample<'_>, Style) -> bool,
) {
    let mut lines = Lines::new(out, message, style);
    for event in message.events {
        match event {
            Event::Sample(sample) => {
                let start = lines.out.len();
                let mut has_values = false;
                lines.line(|out| has_values = push_sample(out, sample, style));
                if !has_values {
                    lines.out.truncate(start);
                    push_as_unknown(&mut lines, message, tags);
                }
            }
            other => push_event(&mut lines, other, message, tags),
        }
    }
}

/// Appends the lines of an event that is not a sample; none for keep-alives and changes of state.
pub fn push_event(lines: &mut Lines<'_>, event: &Event<'_>, message: &Message<'_>, tags: &Tags) {
    let style = lines.style;
    let tag = |out: &mut String, tag| push_tag(out, message, style, tags, tag);
    match event {
        Event::Notice(notice) => lines.colored(NOTICE, |out| {
            tag(out, tags.notice);
            push_text(out, &notice.text, style, tags.full);
        }),
        Event::Error(error) => lines.colored(Level::Critical.color(), |out| {
            tag(out, tags.error);
            if let Some(severity) = &error.severity {
                style.push_escaped(out, severity);
                out.push_str(": ");
            }
            push_text(out, &error.text, style, tags.full);
        }),
        Event::Alert(alert) => lines.colored(alert_color(alert), |out| {
            tag(out, tags.alert);
            push_alert(out, alert, style);
        }),
        Event::Answer(answer) => lines.line(|out| {
            tag(out, tags.answer);
            style.push_escaped(out, &answer.kind);
            out.push(' ');
            push_text(out, &answer.text, style, tags.full);
        }),
        Event::Unknown(unknown) => lines.line(|out| {
            tag(out, tags.unknown);
            push_unknown(out, &unknown.kind, &unknown.text, style);
        }),
        Event::Log(log) => lines.line(|out| {
            tag(out, tags.log);
            push_log(out, log, style, tags.full);
        }),
        Event::Processes(processes) => processes::push(lines, message, processes, tags),
        Event::Sample(_) | Event::KeepAlive | Event::State(_) => {}
    }
}

/// Appends the message as received, like one of an unknown type.
pub fn push_as_unknown(lines: &mut Lines<'_>, message: &Message<'_>, tags: &Tags) {
    let (Raw::Json(text) | Raw::Text(text)) = message.raw else { return };
    let kind = json::message_type(text).unwrap_or_default();
    push_event(lines, &Event::Unknown(Unknown { kind, text: text.into() }), message, tags);
}

/// The colour of an alert: by its level, and green when it ends.
pub fn alert_color(alert: &Alert<'_>) -> AnsiColor {
    match alert.phase {
        AlertPhase::Ends => Level::Normal.color(),
        AlertPhase::Begins | AlertPhase::Changes => Level::of_alert(&alert.level).color(),
    }
}

/// Appends the text of an alert: the server's description, or the watched metric with its value.
pub fn push_alert(out: &mut String, alert: &Alert<'_>, style: Style) {
    let subject = match (&*alert.component, &*alert.metric) {
        ("", "") => "alert",
        ("", metric) => metric,
        (component, _) => component,
    };
    if alert.phase == AlertPhase::Ends {
        style.push_escaped(out, subject);
        out.push_str(": back to normal");
        return;
    }
    if !alert.level.is_empty() {
        style.push_escaped(out, &alert.level);
        out.push(' ');
    }
    if !alert.message.is_empty() {
        style.push_escaped(out, &alert.message);
        return;
    }
    style.push_escaped(out, subject);
    push_number(out, " ", alert.value);
    push_number(out, " threshold ", alert.threshold);
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
        match Level::of_log(&name) {
            Level::Normal => style.push_escaped(out, &name),
            level => style.paint(out, level.color(), |out| style.push_escaped(out, &name)),
        }
        out.push(' ');
    }
    if !log.source.is_empty() {
        push_source(out, &log.source, style, full);
        out.push_str(": ");
    }
    push_text(out, &log.text, style, full);
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

/// Appends a server's text: all of it if `full`, else at most [`MAX_TEXT`].
fn push_text(out: &mut String, text: &str, style: Style, full: bool) {
    if full || text.len() <= MAX_TEXT {
        style.push_escaped(out, text);
    } else {
        style.push_truncated(out, text, MAX_TEXT);
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
