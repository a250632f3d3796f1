//! Processes for people: their changes as lines, and their list as a table.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use super::lines::{LineHead, Lines, push_blanks};
use crate::format::style::{Severity, Style};
use crate::model::event::{Process, Processes};
use crate::model::number;

/// A column of the table.
struct Column {
    head: &'static str,
    /// True for numbers.
    align_right: bool,
    /// The cell's text, escaped; empty if unknown. The time is the time of receipt.
    cell: fn(&Process<'_>, SystemTime, Style) -> String,
}

static COLUMNS: [Column; 11] = [
    Column { head: "NAME", align_right: false, cell: |process, _, style| style.escaped(&process.name) },
    Column { head: STATE, align_right: false, cell: |process, _, style| style.escaped(&process.state) },
    Column { head: "PID", align_right: true, cell: |process, _, _| integer(process.pid) },
    Column { head: "AGE", align_right: false, cell: age },
    Column { head: "RESTARTS", align_right: true, cell: |process, _, _| integer(process.restarts) },
    Column { head: "CPU", align_right: true, cell: |process, _, _| number(process.cpu, push_percent) },
    Column { head: "MEMORY", align_right: true, cell: |process, _, _| number(process.memory, number::push_bytes) },
    Column { head: "PORT", align_right: true, cell: |process, _, _| integer(process.port) },
    Column { head: "NAMESPACE", align_right: false, cell: |process, _, style| optional(&process.namespace, style) },
    Column { head: "EXIT", align_right: true, cell: |process, _, _| integer(process.exit_code) },
    Column { head: "ID", align_right: false, cell: |process, _, style| style.escaped(short_id(&process.id)) },
];

/// The column that is coloured.
const STATE: &str = "STATE";

/// Upper bound on the width of the table, in characters, without labels.
const MAX_WIDTH: usize = 80;
/// Columns that become narrower where the table is too wide, down to this width, in this order.
const SHRINKING: [(&str, usize); 4] = [("NAME", 16), ("NAMESPACE", 8), ("NAME", 8), (STATE, 12)];
/// Columns that are left out where the table is still too wide, in this order.
const DISPENSABLE: [&str; 8] = ["ID", "NAMESPACE", "EXIT", "PORT", "RESTARTS", "AGE", "PID", "MEMORY"];

/// Upper bound on the width of a column. Longer cells are truncated.
const MAX_CELL_WIDTH: usize = 36;

/// Tolerance for a server's clock that is ahead of ours. A start further in the future is shown as received.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Appends the list as a table and the changes if the format shows all; else the changes only, or for the first list a
/// line for each process; and a line for each process whose use of the processor or of memory has moved.
///
/// A list in which nothing has changed is shown only if the style has lists.
pub fn push(lines: &mut Lines<'_>, processes: &Processes<'_>, head: LineHead<'_>) {
    let list = &processes.list;
    let is_asked = processes.first || lines.style.lists;
    if head.tags.full && (is_asked || !processes.changes.is_empty() || list.iter().any(|process| process.moved)) {
        push_list(lines, processes, head);
    }
    match (processes.first, head.tags.full) {
        (false, full) => {
            for change in &processes.changes {
                push_change(lines, head, [&change.name, &change.from, &change.to, &change.detail]);
            }
            for process in list.iter().filter(|process| !full && (process.moved || is_asked)) {
                push_usage(lines, head, process);
            }
        }
        (true, false) if list.is_empty() => {
            push_line(lines, head, &|out| out.push_str("no processes"));
        }
        (true, false) => {
            for process in list {
                // As if the process were new.
                let state = if process.state.is_empty() { "listed" } else { &process.state };
                if !process.state.is_empty() || !push_usage(lines, head, process) {
                    push_change(lines, head, [&process.name, "", state, process.error.as_deref().unwrap_or("")]);
                }
            }
        }
        (true, true) => {}
    }
}

/// Appends a process's use of the processor and of memory. Returns false if neither is known.
fn push_usage(lines: &mut Lines<'_>, head: LineHead<'_>, process: &Process<'_>) -> bool {
    let style = lines.style;
    let is_known = process.cpu.is_some() || process.memory.is_some();
    if is_known {
        push_line(lines, head, &|out| {
            style.push_escaped(out, &process.name);
            out.push(':');
            if let Some(cpu) = process.cpu {
                out.push_str(" cpu ");
                push_percent(out, cpu);
            }
            if let Some(memory) = process.memory {
                out.push_str(" memory ");
                number::push_bytes(out, memory);
            }
        });
    }
    is_known
}

/// Appends a change: name, previous and current state, and details.
fn push_change(lines: &mut Lines<'_>, head: LineHead<'_>, [name, from, to, detail]: [&str; 4]) {
    let style = lines.style;
    push_line(lines, head, &|out| {
        style.push_escaped(out, name);
        out.push_str(": ");
        // A restart, or a repeated report, does not change the state.
        if !from.is_empty() && from != to {
            style.push_escaped(out, from);
            out.push_str(style.glyph(" → ", " -> "));
        }
        push_state(out, if to.is_empty() { "gone" } else { to }, style);
        if !detail.is_empty() {
            out.push_str(" (");
            style.push_escaped(out, detail);
            out.push(')');
        }
    });
}

fn push_state(out: &mut String, state: &str, style: Style) {
    match Severity::of_state(state) {
        Some(level) => style.paint(out, level.color(), |out| style.push_escaped(out, state)),
        None => style.push_escaped(out, state),
    }
}

fn push_line(lines: &mut Lines<'_>, head: LineHead<'_>, write: &dyn Fn(&mut String)) {
    let style = lines.style;
    lines.line(|out| {
        head.push(out, style, head.tags.process);
        write(out);
    });
}

/// Appends the list as a table; nothing if the message has changes but no list.
fn push_list(lines: &mut Lines<'_>, processes: &Processes<'_>, head: LineHead<'_>) {
    let list = &processes.list;
    match list.len() {
        0 if processes.changes.is_empty() => push_line(lines, head, &|out| out.push_str("none")),
        0 => {}
        count => {
            push_line(lines, head, &|out| {
                // Writing to a String cannot fail.
                let _ = write!(out, "{count} listed");
            });
            push_table(lines, list, head.message.received_at);
        }
    }
}

/// Appends the table without the columns that are empty for all processes. The error of a process is a line below its
/// row.
fn push_table(lines: &mut Lines<'_>, list: &[Process<'_>], now: SystemTime) {
    let style = lines.style;
    let mut columns = Vec::new();
    for column in &COLUMNS {
        let mut width = 0;
        for process in list {
            width = width.max((column.cell)(process, now, style).chars().count());
        }
        if width > 0 {
            columns.push((column, width.max(column.head.len()).min(MAX_CELL_WIDTH)));
        }
    }
    let gap = fit(&mut columns);
    let table = Table { columns, gap, style };
    lines.line(|out| table.push_row(out, None, &|column| column.head.to_owned()));
    for process in list {
        lines.line(|out| table.push_row(out, Some(&process.state), &|column| (column.cell)(process, now, style)));
        if let Some(error) = &process.error {
            lines.colored(Severity::Critical.color(), |out| {
                out.push_str("    ");
                style.push_escaped(out, error);
            });
        }
    }
}

/// Fits the columns into [`MAX_WIDTH`]. Returns the width of the gap before each.
fn fit(columns: &mut Vec<(&Column, usize)>) -> usize {
    let width = |columns: &[(&Column, usize)], gap| columns.iter().map(|(_, width)| width + gap).sum::<usize>();
    if width(columns, 2) <= MAX_WIDTH {
        return 2;
    }
    for (head, least) in SHRINKING {
        let excess = width(columns, 1).saturating_sub(MAX_WIDTH);
        if let Some((_, width)) = columns.iter_mut().find(|(column, _)| column.head == head) {
            *width = width.saturating_sub(excess).max(least.min(*width));
        }
    }
    for head in DISPENSABLE {
        if width(columns, 1) > MAX_WIDTH {
            columns.retain(|(column, _)| column.head != head);
        }
    }
    1
}

/// A table whose columns fit.
struct Table<'c> {
    /// With their widths.
    columns: Vec<(&'c Column, usize)>,
    /// Blanks before each column.
    gap: usize,
    style: Style,
}

impl Table<'_> {
    /// Appends a row; the state of a process, if there is one, in its colour.
    fn push_row(&self, out: &mut String, state: Option<&str>, cell: &dyn Fn(&Column) -> String) {
        let Table { columns, gap, style } = self;
        let start = out.len();
        for &(column, width) in columns {
            let text = cell(column);
            let mut shown = String::new();
            if text.chars().count() > width {
                // The text is escaped already, and the mark takes the place of one character, or three.
                let mark = style.glyph("…", "...");
                shown.extend(text.chars().take(width.saturating_sub(mark.chars().count())));
                shown.push_str(mark);
            } else {
                shown = text;
            }
            let padding = width.saturating_sub(shown.chars().count());
            let (before, after) = if column.align_right { (padding, 0) } else { (0, padding) };
            push_blanks(out, gap + before);
            match state.filter(|_| column.head == STATE).and_then(Severity::of_state) {
                Some(level) => style.paint(out, level.color(), |out| out.push_str(&shown)),
                None => out.push_str(&shown),
            }
            push_blanks(out, after);
        }
        out.truncate(start + out[start..].trim_end().len());
    }
}

/// Returns the first 8 characters, which tell the UUIDs of one server apart.
fn short_id(id: &str) -> &str {
    id.char_indices().nth(8).map_or(id, |(end, _)| &id[..end])
}

/// Returns the time since the start; the start as received if that is unknown.
fn age(process: &Process<'_>, now: SystemTime, style: Style) -> String {
    let Some(started_at) = &process.started_at else { return process.uptime.map(age_text).unwrap_or_default() };
    let since = number::parse_timestamp(started_at).and_then(|at| match now.duration_since(at) {
        Ok(age) => Some(age),
        Err(ahead) => (ahead.duration() <= MAX_CLOCK_SKEW).then_some(Duration::ZERO),
    });
    process.uptime.or(since).map_or_else(|| style.escaped(started_at), age_text)
}

fn age_text(age: Duration) -> String {
    let mut out = String::new();
    number::push_age(&mut out, age);
    out
}

fn push_percent(out: &mut String, percent: f64) {
    number::push_fixed(out, percent, 0, 1);
    out.push('%');
}

fn number(value: Option<f64>, push: fn(&mut String, f64)) -> String {
    let mut out = String::new();
    if let Some(value) = value {
        push(&mut out, value);
    }
    out
}

fn integer(value: Option<i64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn optional(text: &Option<Cow<'_, str>>, style: Style) -> String {
    style.escaped(text.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests;
