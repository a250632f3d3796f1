//! The line writer of the formats for people: times, labels, colours, and marks before each kind of event.

use std::time::SystemTime;

use anstyle::AnsiColor;

use crate::format::style::Style;
use crate::model::event::{Message, Raw};
use crate::model::json;
use crate::model::number;
use crate::model::text::is_plain;

/// The marks of a format before each kind of event, in Unicode and in ASCII.
pub struct Tags {
    pub notice: [&'static str; 2],
    pub error: [&'static str; 2],
    pub alert: [&'static str; 2],
    pub answer: [&'static str; 2],
    pub unknown: [&'static str; 2],
    pub log: [&'static str; 2],
    pub process: [&'static str; 2],
    pub users: [&'static str; 2],
    pub state: [&'static str; 2],
    pub clock: Clock,
    /// If true, nothing is left out or truncated.
    pub full: bool,
}

/// The time in a line about an event that is not a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The server's time of day, else that of receipt in UTC, before the mark.
    BeforeMark,
    /// Date and time of the event in UTC: the server's where it is known to be UTC, else that of receipt.
    Event,
    /// The time of day of receipt, in UTC.
    Receipt,
}

/// Upper bound on a text in a line, in characters, unless [`Tags::full`].
pub const MAX_TEXT: usize = 1000;

/// Upper bound on the source of a log line and the name of a user, in characters, unless [`Tags::full`].
pub const MAX_SOURCE: usize = 32;

/// Most lines about one message, or in one section of it.
const MAX_LINES: usize = 1000;

/// Appends lines, each with the server's label if there is one. Those of a message have a bound, whatever lists it holds.
pub struct Lines<'o> {
    pub out: &'o mut String,
    label: Option<&'o str>,
    /// The time before each line.
    pub time: Option<SystemTime>,
    pub style: Style,
    /// Number of lines that may follow.
    room: usize,
    left_out: usize,
}

impl<'o> Lines<'o> {
    /// Writes lines about a message, with its server's label if the style has labels, and with its time of receipt if
    /// the style and the format have that.
    pub fn new(out: &'o mut String, message: &Message<'o>, style: Style) -> Self {
        let label = style.labels.then_some(&**message.server);
        Lines { room: MAX_LINES, ..Lines::unbounded(out, label, style) }
    }

    /// Writes lines about no message, in any number.
    pub fn unbounded(out: &'o mut String, label: Option<&'o str>, style: Style) -> Self {
        Lines { out, label, time: None, style, room: usize::MAX, left_out: 0 }
    }

    /// Appends a line, if there is room for it.
    pub fn line(&mut self, write: impl FnOnce(&mut String)) {
        if self.begin() {
            write(self.out);
            self.end();
        }
    }

    fn end(&mut self) {
        self.out.push('\n');
    }

    /// Counts lines that were not even made.
    pub fn leave_out(&mut self, count: usize) {
        self.left_out += count;
    }

    /// Takes back all lines of a section, which began at this length of `out`.
    pub fn take_back(&mut self, start: usize) {
        self.out.truncate(start);
        (self.room, self.left_out) = (MAX_LINES, 0);
    }

    /// Ends a message or a section: says how much was left out, and makes room again.
    pub fn finish(&mut self, indent: &str) {
        self.room = MAX_LINES;
        if self.left_out > 0 {
            let text = format!("{indent}and {} more", self.left_out);
            self.line(|out| out.push_str(&text));
            self.left_out = 0;
        }
    }

    /// Appends a line in colour.
    pub fn colored(&mut self, color: AnsiColor, write: impl FnOnce(&mut String)) {
        let style = self.style;
        self.line(|out| style.paint(out, color, write));
    }

    /// Appends the lines of a text after its first one, indented. [`first_line`] is the other part.
    pub fn continuation(&mut self, indent: &str, text: &str, color: Option<AnsiColor>) {
        let style = self.style;
        if is_plain(text) {
            return;
        }
        let Some((_, rest)) = text.trim_end_matches(['\r', '\n']).split_once('\n') else { return };
        for line in rest.split('\n') {
            let write = |out: &mut String| {
                out.push_str(indent);
                push_one_line(out, line.trim_end_matches('\r'), style, true);
            };
            match color {
                Some(color) => self.colored(color, write),
                None => self.line(write),
            }
        }
    }

    /// Appends a line with so many blanks, a name and a value.
    pub fn entry(&mut self, indent: usize, name: &str, value: impl FnOnce(&mut String)) {
        if self.begin_entry(indent, name) {
            value(self.out);
            self.end();
        }
    }

    fn begin_entry(&mut self, indent: usize, name: &str) -> bool {
        let begun = self.begin();
        if begun {
            push_blanks(self.out, indent);
            self.out.push_str(name);
            self.out.push(':');
            self.out.push(' ');
        }
        begun
    }

    /// Appends what is before each line. Returns false if there is no room for a line.
    fn begin(&mut self) -> bool {
        let Some(room) = self.room.checked_sub(1) else {
            self.left_out += 1;
            return false;
        };
        self.room = room;
        if let Some(time) = self.time {
            number::push_timestamp(self.out, time);
            self.out.push(' ');
        }
        if let Some(label) = self.label {
            let start = self.out.len();
            self.style.push_escaped(self.out, label);
            self.out.push_str(": ");
            let padding = self.style.label_width.saturating_sub(self.out[start..].chars().count() - ": ".len());
            push_blanks(self.out, padding);
        }
        true
    }
}

/// Appends so many blanks.
pub fn push_blanks(out: &mut String, count: usize) {
    for _ in 0..count {
        out.push(' ');
    }
}

/// Appends a cell of a table, padded to a width in characters.
pub fn push_cell(out: &mut String, text: &str, width: usize, align_right: bool) {
    let padding = width.saturating_sub(text.chars().count());
    let (before, after) = if align_right { (padding, 0) } else { (0, padding) };
    push_blanks(out, before);
    out.push_str(text);
    push_blanks(out, after);
}

/// Appends a server's text: its first line if `full`, else at most [`MAX_TEXT`] on one line.
pub fn push_text(out: &mut String, text: &str, style: Style, full: bool) {
    push_one_line(out, first_line(text, full), style, full);
}

/// Appends a server's text on one line, with escapes for line feeds: at most [`MAX_TEXT`] of it, unless `full`.
pub fn push_one_line(out: &mut String, text: &str, style: Style, full: bool) {
    if full || text.len() <= MAX_TEXT {
        style.push_escaped(out, text);
    } else {
        style.push_truncated(out, text, MAX_TEXT);
    }
}

/// Appends the further lines of a text of which [`push_text`] has appended the first.
pub fn push_continuation(lines: &mut Lines<'_>, text: &str, full: bool, color: Option<AnsiColor>) {
    if full {
        lines.continuation("    ", text, color);
    }
}

/// Returns the first line of a text of several lines, where the format shows them all; else the whole text.
pub fn first_line(text: &str, full: bool) -> &str {
    let end = if full && !is_plain(text) { text.find('\n') } else { None };
    end.map_or(text, |end| text[..end].trim_end_matches('\r'))
}

/// Returns true for a text that every format shows as it is, on one line.
pub fn is_short_and_plain(text: &str) -> bool {
    text.len() <= MAX_TEXT && is_plain(text)
}

/// The mark and the time of a line about an event.
#[derive(Clone, Copy)]
pub struct LineHead<'m> {
    pub message: &'m Message<'m>,
    pub tags: &'m Tags,
    /// The server's time stamp of the event.
    pub at: Option<&'m str>,
}

impl LineHead<'_> {
    /// Appends a mark of this name, such as a channel's, and the time.
    pub fn push_named(self, out: &mut String, style: Style, name: &str) {
        let mark = if self.tags.full { format!("{name}: ") } else { format!("[{name}] ") };
        self.push(out, style, [&mark; 2]);
    }

    /// Appends one of the marks, and the time. The time of receipt is not repeated if the line begins with it.
    pub fn push(self, out: &mut String, style: Style, tag: [&str; 2]) {
        let mark = style.glyph(tag[0], tag[1]);
        let received_at = self.message.received_at;
        match self.tags.clock {
            Clock::BeforeMark => {
                push_time_of_day(out, self.message);
                out.push_str(mark);
                return;
            }
            Clock::Event => {
                out.push_str(mark);
                match self.at.and_then(number::parse_zoned) {
                    Some(at) => number::push_seconds(out, at),
                    None if style.time => return,
                    None => number::push_seconds(out, received_at),
                }
            }
            Clock::Receipt => {
                out.push_str(mark);
                if style.time {
                    return;
                }
                push_receipt(out, received_at);
            }
        }
        out.push(' ');
    }
}

/// Appends the time of day of the message's own time stamp; if it has none, the time of receipt in UTC, marked by a Z.
fn push_time_of_day(out: &mut String, message: &Message<'_>) {
    let stamp = if let Raw::Json(text) = message.raw { json::member(text, "timestamp") } else { None };
    out.push('[');
    match stamp.as_deref().and_then(number::time_of_day) {
        Some(time) => out.push_str(time),
        None => push_receipt(out, message.received_at),
    }
    out.push_str("] ");
}

/// Appends a time of day in UTC: `03:04:05Z`.
pub fn push_receipt(out: &mut String, received_at: SystemTime) {
    let mut received = String::new();
    number::push_seconds(&mut received, received_at);
    out.push_str(received.split_once('T').map_or("", |(_, time)| time));
}
