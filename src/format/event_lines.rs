//! Events as lines for people, one line each. Shared by the formats `simple`, `compact` and `detailed`.

use anstyle::AnsiColor;

use super::lines::{LineHead, Lines, Tags};
use super::processes;
use crate::format::style::{NOTICE, Severity, Style};
use crate::model::event::{Alert, AlertPhase, Change, ClientState, Event, LogLine, Message, Raw, Unknown};
use crate::model::json;
use crate::model::metric::Metric;
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
                    push_as_unknown(&mut lines, message, tags);
                }
            }
            other => push_event(&mut lines, other, message, tags),
        }
    }
}

/// Appends the lines of an event that is not a sample; none for keep-alives.
pub fn push_event(lines: &mut Lines<'_>, event: &Event<'_>, message: &Message<'_>, tags: &Tags) {
    let style = lines.style;
    let head = LineHead { message, tags, at: event.at() };
    let tag = |out: &mut String, tag| head.push(out, style, tag);
    match event {
        Event::Notice(notice) => lines.colored(NOTICE, |out| {
            tag(out, tags.notice);
            push_text(out, &notice.text, style, tags.full);
        }),
        Event::Error(error) => lines.colored(Severity::Critical.color(), |out| {
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
        Event::Processes(processes) => processes::push(lines, processes, head),
        Event::State(change) => lines.line(|out| {
            tag(out, tags.state);
            push_state(out, change, style, tags.full);
        }),
        Event::Sample(_) | Event::KeepAlive => {}
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

/// Appends the message as received, like one of an unknown type.
pub fn push_as_unknown(lines: &mut Lines<'_>, message: &Message<'_>, tags: &Tags) {
    let (Raw::Json(text) | Raw::Text(text)) = message.raw else { return };
    let kind = json::message_type(text).unwrap_or_default();
    push_event(lines, &Event::Unknown(Unknown { kind, text: text.into() }), message, tags);
}

/// The colour of an alert: by its level, and green when it ends.
pub fn alert_color(alert: &Alert<'_>) -> AnsiColor {
    match alert.phase {
        AlertPhase::Ends => Severity::Normal.color(),
        AlertPhase::Begins | AlertPhase::Changes => Severity::of_alert(&alert.level).color(),
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
    push_text(out, rest, style, full);
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
