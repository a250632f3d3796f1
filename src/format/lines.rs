//! What the formats for people share: lines with labels, and the events that are no sample.

use anstyle::AnsiColor;

use super::{number, processes};
use crate::format::style::{Level, NOTICE, Style};
use crate::model::event::{Alert, AlertPhase, Event, LogLine, Message, Raw, ServerError};
use crate::model::json;
use crate::model::sample::Sample;

/// How much of a message is shown that nobody knows, in characters.
const UNKNOWN_SHOWN: usize = 1000;

/// How much is shown of a log line's source, in characters.
const SOURCE_SHOWN: usize = 32;

/// How a format marks each kind of event: in Unicode, and in ASCII.
pub struct Tags {
    pub notice: [&'static str; 2],
    pub error: [&'static str; 2],
    pub alert: [&'static str; 2],
    pub answer: [&'static str; 2],
    pub unknown: [&'static str; 2],
    pub log: [&'static str; 2],
    pub process: [&'static str; 2],
    /// Whether the time stands before the mark, and nothing is left out or cut short.
    pub full: bool,
}

/// Appends lines, each with the server's label where labels are wanted.
pub struct Lines<'o> {
    pub out: &'o mut String,
    pub label: Option<&'o str>,
    pub style: Style,
}

/// Appends one line for a sample, and one for each other event.
pub fn push_events(
    out: &mut String,
    shown: &Message<'_>,
    style: Style,
    tags: &Tags,
    push_sample: fn(&mut String, &Sample<'_>, Style) -> bool,
) {
    let mut lines = Lines::new(out, shown, style);
    for event in shown.events {
        match event {
            Event::Sample(sample) => {
                let start = lines.out.len();
                let mut readable = false;
                lines.line(|out| readable = push_sample(out, sample, style));
                if !readable {
                    lines.out.truncate(start);
                    lines.unreadable(shown, tags);
                }
            }
            other => lines.event(other, shown, tags),
        }
    }
}

impl<'o> Lines<'o> {
    pub fn new(out: &'o mut String, shown: &Message<'o>, style: Style) -> Self {
        Lines { out, label: style.labels.then_some(&**shown.server), style }
    }

    /// Appends a line.
    pub fn line(&mut self, write: impl FnOnce(&mut String)) {
        self.push_label();
        write(self.out);
        self.out.push('\n');
    }

    /// Appends a line in colour.
    pub fn painted(&mut self, color: AnsiColor, write: impl FnOnce(&mut String)) {
        let style = self.style;
        self.line(|out| style.paint(out, color, write));
    }

    /// Appends a line with a name and a value.
    pub fn entry(&mut self, indent: &str, name: &str, value: impl FnOnce(&mut String)) {
        self.push_name(indent, name);
        value(self.out);
        self.out.push('\n');
    }

    fn push_name(&mut self, indent: &str, name: &str) {
        self.push_label();
        for part in &[indent, name, ": "] {
            self.out.push_str(part);
        }
    }

    fn push_label(&mut self) {
        if let Some(label) = self.label {
            self.style.push_foreign(self.out, label);
            self.out.push_str(": ");
        }
    }

    /// Appends the lines of an event that is no sample; nothing for those that people need not see.
    pub fn event(&mut self, event: &Event<'_>, shown: &Message<'_>, tags: &Tags) {
        let style = self.style;
        let tag = |out: &mut String, tag| push_tag(out, shown, style, tags, tag);
        match event {
            Event::Notice(notice) => self.painted(NOTICE, |out| {
                tag(out, tags.notice);
                push_text(out, &notice.text, style, tags.full);
            }),
            Event::Error(error) => self.painted(Level::Critical.color(), |out| {
                tag(out, tags.error);
                push_error(out, error, style, tags.full);
            }),
            Event::Alert(alert) => self.painted(alert_color(alert), |out| {
                tag(out, tags.alert);
                push_alert(out, alert, style);
            }),
            Event::Answer(answer) => self.line(|out| {
                tag(out, tags.answer);
                style.push_foreign(out, &answer.kind);
                out.push(' ');
                push_text(out, &answer.text, style, tags.full);
            }),
            Event::Unknown(unknown) => self.line(|out| {
                tag(out, tags.unknown);
                push_unknown(out, &unknown.kind, &unknown.text, style);
            }),
            Event::Log(log) => self.line(|out| {
                tag(out, tags.log);
                push_log(out, log, style, tags.full);
            }),
            Event::Processes(processes) => processes::push(self, shown, processes, tags),
            Event::Sample(_) | Event::KeepAlive | Event::State(_) => {}
        }
    }

    /// Appends the line of a sample without anything that the format could show.
    pub fn unreadable(&mut self, shown: &Message<'_>, tags: &Tags) {
        let (Raw::Json(text) | Raw::Text(text)) = shown.raw else { return };
        let kind = json::message_type(text).unwrap_or_default();
        self.event(&Event::Unknown(crate::model::event::Unknown { kind, text: text.into() }), shown, tags);
    }
}

/// Appends the mark of an event, behind the time where it is wanted.
pub fn push_tag(out: &mut String, shown: &Message<'_>, style: Style, tags: &Tags, tag: [&'static str; 2]) {
    if tags.full {
        push_stamp(out, shown);
    }
    out.push_str(style.draw(tag[0], tag[1]));
}

pub fn alert_color(alert: &Alert<'_>) -> AnsiColor {
    match alert.phase {
        AlertPhase::Ends => Level::Normal.color(),
        AlertPhase::Begins | AlertPhase::Changes => Level::of_alert(&alert.level).color(),
    }
}

pub fn push_alert(out: &mut String, alert: &Alert<'_>, style: Style) {
    let subject = match (&*alert.component, &*alert.metric) {
        ("", "") => "alert",
        ("", metric) => metric,
        (component, _) => component,
    };
    if alert.phase == AlertPhase::Ends {
        style.push_foreign(out, subject);
        out.push_str(": back to normal");
        return;
    }
    if !alert.level.is_empty() {
        style.push_foreign(out, &alert.level);
        out.push(' ');
    }
    if !alert.message.is_empty() {
        style.push_foreign(out, &alert.message);
        return;
    }
    style.push_foreign(out, subject);
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
            Level::Normal => style.push_foreign(out, &name),
            level => style.paint(out, level.color(), |out| style.push_foreign(out, &name)),
        }
        out.push(' ');
    }
    if !log.source.is_empty() {
        push_source(out, &log.source, style, full);
        out.push_str(": ");
    }
    push_text(out, &log.text, style, full);
}

/// A UUID is shortened to its first group, any other name where it is long.
fn push_source(out: &mut String, source: &str, style: Style, full: bool) {
    let is_uuid = source.len() == 36 && source.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    match source.split_once('-') {
        _ if full => style.push_foreign(out, source),
        Some((group, _)) if is_uuid => out.push_str(group),
        _ => drop(style.push_cut(out, source, SOURCE_SHOWN)),
    }
}

/// A text of a server: all of it, or what fits into a line that people still read.
fn push_text(out: &mut String, text: &str, style: Style, full: bool) {
    if full || text.len() <= UNKNOWN_SHOWN {
        style.push_foreign(out, text);
    } else {
        style.push_cut(out, text, UNKNOWN_SHOWN);
    }
}

fn push_error(out: &mut String, error: &ServerError<'_>, style: Style, full: bool) {
    if let Some(severity) = &error.severity {
        style.push_foreign(out, severity);
        out.push_str(": ");
    }
    push_text(out, &error.text, style, full);
}

fn push_unknown(out: &mut String, kind: &str, text: &str, style: Style) {
    let mut room = UNKNOWN_SHOWN;
    if !kind.is_empty() {
        room = style.push_cut(out, kind, room);
        out.push_str(if room > 0 { " " } else { "" });
        room = room.saturating_sub(1);
    }
    match (kind, text) {
        ("", "") => out.push_str("(empty message)"),
        _ if room > 0 => drop(style.push_cut(out, text, room)),
        _ => {}
    }
}

/// The server's own time where it gives one, else ours in UTC, as the Z says.
fn push_stamp(out: &mut String, shown: &Message<'_>) {
    let sent = if let Raw::Json(text) = shown.raw { json::member(text, "timestamp") } else { None };
    out.push('[');
    if let Some(clock) = sent.as_deref().and_then(number::clock) {
        out.push_str(clock);
    } else {
        let mut received = String::new();
        number::push_time(&mut received, shown.received_at);
        out.push_str(number::clock(&received).unwrap_or_default());
        out.push('Z');
    }
    out.push_str("] ");
}
