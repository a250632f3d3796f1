//! The line writer of the formats for people: labels, colours, and marks before each kind of event.

use anstyle::AnsiColor;

use crate::format::style::Style;
use crate::model::event::{Message, Raw};
use crate::model::json;
use crate::model::number;

/// The marks of a format before each kind of event, in Unicode and in ASCII.
pub struct Tags {
    pub notice: [&'static str; 2],
    pub error: [&'static str; 2],
    pub alert: [&'static str; 2],
    pub answer: [&'static str; 2],
    pub unknown: [&'static str; 2],
    pub log: [&'static str; 2],
    pub process: [&'static str; 2],
    /// If true, the time stands before the mark, and nothing is left out or truncated.
    pub full: bool,
}

/// Appends lines, each with the server's label if there is one.
pub struct Lines<'o> {
    pub out: &'o mut String,
    pub label: Option<&'o str>,
    pub style: Style,
}

impl<'o> Lines<'o> {
    /// Writes lines about a message, with its server's label if the style has labels.
    pub fn new(out: &'o mut String, message: &Message<'o>, style: Style) -> Self {
        Lines { out, label: style.labels.then_some(&**message.server), style }
    }

    /// Appends a line.
    pub fn line(&mut self, write: impl FnOnce(&mut String)) {
        self.push_label();
        write(self.out);
        self.out.push('\n');
    }

    /// Appends a line in colour.
    pub fn colored(&mut self, color: AnsiColor, write: impl FnOnce(&mut String)) {
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
        for part in [indent, name, ": "] {
            self.out.push_str(part);
        }
    }

    fn push_label(&mut self) {
        if let Some(label) = self.label {
            self.style.push_escaped(self.out, label);
            self.out.push_str(": ");
        }
    }
}

/// Appends the mark of an event, with the time before it if `tags.full`.
pub fn push_tag(out: &mut String, message: &Message<'_>, style: Style, tags: &Tags, tag: [&'static str; 2]) {
    if tags.full {
        push_time_of_day(out, message);
    }
    out.push_str(style.glyph(tag[0], tag[1]));
}

/// Appends the time of day of the message's own time stamp; if it has none, the time of receipt in UTC, marked by a Z.
fn push_time_of_day(out: &mut String, message: &Message<'_>) {
    let stamp = if let Raw::Json(text) = message.raw { json::member(text, "timestamp") } else { None };
    out.push('[');
    if let Some(time) = stamp.as_deref().and_then(number::time_of_day) {
        out.push_str(time);
    } else {
        let mut received = String::new();
        number::push_timestamp(&mut received, message.received_at);
        out.push_str(number::time_of_day(&received).unwrap_or_default());
        out.push('Z');
    }
    out.push_str("] ");
}
