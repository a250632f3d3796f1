//! The table of all servers: a row for each, the worst first, and a line about all of them.

use crate::fleet::board::{Board, BoardRow, HISTORY};
use crate::fleet::grammar::{Level, Threshold};
use crate::fleet::quantity::{Aggregate, Quantity, Subject};
use crate::fleet::rules::Rules;
use crate::format::lines::push_blanks;
use crate::format::style::{Severity, Style};
use crate::model::event::ClientState;
use crate::model::metric::{Metric, Unit};
use crate::model::number;
use crate::model::server_id::ServerId;
use crate::model::time::Now;

/// Head, width and metric of a column between label and state; without a metric the history.
type Column = (&'static str, usize, Option<Metric>);

const COLUMNS: [Column; 6] = [
    ("CPU%", 6, Some(Metric::Cpu)),
    ("MEM%", 6, Some(Metric::Memory)),
    ("DISK%", 6, Some(Metric::Disk)),
    ("GPU%", 6, Some(Metric::Gpu)),
    ("LOAD", 7, Some(Metric::Load1)),
    ("HISTORY", 2 + HISTORY, None),
];

/// Columns that a narrow screen does without, in this order.
const LEFT_OUT: [usize; 4] = [3, 4, 2, 1];

/// The least width of the column of states.
const STATE_WIDTH: usize = 9;

/// Cells of the history, from none to high.
const CELLS: &str = " ▁▂▃▄▅▆▇█";
const ASCII_CELLS: &str = " _.-~=+*#";

/// A row of the board, and the rank that it is sorted by.
struct Ranked<'b> {
    rank: u8,
    id: ServerId,
    row: &'b BoardRow,
}

const DOWN: u8 = 0;
const CRITICAL: u8 = 1;
const WARNING: u8 = 2;
const NORMAL: u8 = 3;

/// The servers of a board, and how they are shown. Without rules about servers the levels are those of the colours.
pub struct Table<'b> {
    /// The servers.
    pub board: &'b Board,
    /// The rules over the board.
    pub rules: Option<&'b Rules>,
    /// The time at which values are judged.
    pub now: Now,
    /// The appearance.
    pub style: Style,
}

impl Table<'_> {
    /// Appends the table in at most `lines` lines: the servers that are down, those in a critical state, those in a
    /// warning state, and the rest, each by label; then the number of those that have no place, and a line about all.
    ///
    /// Columns are left out so that `width` has room for the state; longer lines are left to be cut.
    pub fn push(&self, out: &mut String, (lines, width): (usize, usize)) {
        let all = self.board.rows().len();
        let room = lines.saturating_sub(if lines > 2 { 2 } else { 1 });
        let shown = self.worst(if all > room { room.saturating_sub(1) } else { room });
        let label_width =
            shown.iter().map(|ranked| self.style.escaped(ranked.row.label()).chars().count()).max().unwrap_or_default();
        let label_width = label_width.min(48).min(width / 3).max("SERVER".len());
        let columns = columns(label_width, width);
        if lines > 2 {
            push_head(out, label_width, columns);
        }
        for ranked in &shown {
            self.push_row(out, ranked, label_width, columns);
        }
        if all > room && room > 0 {
            out.push_str("... ");
            push_count(out, all - shown.len());
            out.push_str(" more\n");
        }
        if lines > 0 {
            self.push_fleet(out);
        }
    }

    /// Returns the worst rows, in their order. The list is kept in order by insertion: on a terminal it is short.
    fn worst(&self, most: usize) -> Vec<Ranked<'_>> {
        let mut worst: Vec<Ranked<'_>> = Vec::new();
        let has_rules = |rules: &&Rules, id| {
            rules.thresholds(id).list().iter().any(|threshold| threshold.subject.aggregate.is_none())
        };
        for (id, row) in self.board.rows() {
            let level = match self.rules.filter(|rules| has_rules(rules, id)) {
                Some(rules) => rules.level(id),
                None => level_of_colors(row),
            };
            let rank = match level {
                _ if !is_up(row) => DOWN,
                Level::Critical => CRITICAL,
                Level::Warning => WARNING,
                Level::Ok => NORMAL,
            };
            let key = (rank, &**row.label());
            let at = worst.partition_point(|other| (other.rank, &**other.row.label()) < key);
            if at < most {
                worst.truncate(most - 1);
                worst.insert(at, Ranked { rank, id, row });
            }
        }
        worst
    }

    fn push_row(&self, out: &mut String, ranked: &Ranked<'_>, label_width: usize, columns: [bool; COLUMNS.len()]) {
        let (row, style) = (ranked.row, self.style);
        let mut room = label_width;
        for c in style.escaped(ranked.row.label()).chars().take(room) {
            out.push(c);
            room -= 1;
        }
        push_blanks(out, room + 1);
        for &(_, width, metric) in shown(&columns) {
            let Some(metric) = metric else {
                out.push_str("  ");
                for cell in row.history() {
                    out.extend(style.glyph(CELLS, ASCII_CELLS).chars().nth(cell.into()));
                }
                continue;
            };
            match row.metric(metric) {
                None => {
                    push_blanks(out, width - 1);
                    out.push('-');
                }
                Some(value) if metric.row().unit == Unit::Percent => {
                    let color = Severity::of_percent(value, 1).color();
                    style.paint(out, color, |out| number::push_fixed(out, value, width, 1));
                }
                Some(value) => number::push_fixed(out, value, width, 2),
            }
        }
        out.push_str("  ");
        let color = match ranked.rank {
            DOWN if row.state() != ClientState::Connecting => Severity::Critical,
            CRITICAL => Severity::Critical,
            DOWN | WARNING => Severity::Warning,
            _ => Severity::Normal,
        };
        style.paint(out, color.color(), |out| self.push_state(out, ranked));
        out.push('\n');
    }

    /// Appends the state of the connection and what is wrong: the reason for which it is not open, the rules in alarm, and
    /// the server's own alerts.
    fn push_state(&self, out: &mut String, ranked: &Ranked<'_>) {
        let (row, style) = (ranked.row, self.style);
        out.push_str(if is_up(row) { ClientState::Connected.name() } else { row.state().name() });
        if !row.why().is_empty() {
            out.push_str(": ");
            style.push_escaped(out, row.why());
        }
        for (level, threshold) in self.rules.into_iter().flat_map(|rules| rules.alarms(Some(ranked.id))) {
            push_alarm(out, level, threshold, row.value(threshold.subject.quantity, self.now.mono));
        }
        for text in row.alert_texts().filter(|_| is_up(row)) {
            out.push_str(", ");
            style.push_escaped(out, text);
        }
    }

    /// Appends `27 of 30 up, cpu mean 31 max 99 (node-02), 2026-01-02T03:04:05Z`.
    fn push_fleet(&self, out: &mut String) {
        let Table { board, rules, now, style } = self;
        let up = board.rows().filter(|(_, row)| is_up(row)).count();
        push_count(out, up);
        out.push_str(" of ");
        push_count(out, board.rows().len());
        out.push_str(" up");
        let cpu = Quantity::Metric(Metric::Cpu);
        let mut highest: Option<(f64, &BoardRow)> = None;
        for (_, row) in board.rows() {
            let Some(value) = row.metric(Metric::Cpu) else { continue };
            if highest.is_none_or(|(highest, _)| value > highest) {
                highest = Some((value, row));
            }
        }
        if let (Some(mean), Some((max, row))) = (board.aggregate(Aggregate::Mean, cpu, now.mono), highest) {
            out.push_str(", cpu mean ");
            number::push_fixed(out, mean, 0, 0);
            out.push_str(" max ");
            number::push_fixed(out, max, 0, 0);
            out.push_str(" (");
            style.push_escaped(out, row.label());
            out.push(')');
        }
        for (level, threshold) in rules.iter().flat_map(|rules| rules.alarms(None)) {
            let Subject { quantity, aggregate } = threshold.subject;
            let value = aggregate.and_then(|aggregate| board.aggregate(aggregate, quantity, now.mono));
            push_alarm(out, level, threshold, value);
        }
        out.push_str(", ");
        number::push_seconds(out, now.wall);
        out.push('\n');
    }
}

/// Returns true for a server that has delivered on its present connection, too: saved data may begin behind the line that
/// says that it opened.
fn is_up(row: &BoardRow) -> bool {
    row.is_up() || row.alerts().is_some()
}

/// Returns the level of the worst percentage, by the thresholds of the colours.
fn level_of_colors(row: &BoardRow) -> Level {
    let mut highest = 0.0;
    for metric in COLUMNS.iter().filter_map(|column| column.2).filter(|metric| metric.row().unit == Unit::Percent) {
        highest = row.metric(metric).map_or(highest, |value| value.max(highest));
    }
    match Severity::of_percent(highest, 1) {
        Severity::Critical => Level::Critical,
        Severity::Warning => Level::Warning,
        Severity::Normal => Level::Ok,
    }
}

/// Returns which of [`COLUMNS`] have room.
fn columns(label_width: usize, width: usize) -> [bool; COLUMNS.len()] {
    let mut columns = [true; COLUMNS.len()];
    for left_out in LEFT_OUT {
        let widths: usize = shown(&columns).map(|column| column.1).sum();
        if label_width + 1 + widths + 2 + STATE_WIDTH <= width {
            break;
        }
        columns[left_out] = false;
    }
    columns
}

/// Iterates over those of [`COLUMNS`] that have room.
fn shown(columns: &[bool; COLUMNS.len()]) -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().zip(columns).filter(|(_, is_shown)| **is_shown).map(|(column, _)| column)
}

fn push_count(out: &mut String, count: usize) {
    number::push_fixed(out, count as f64, 0, 0);
}

fn push_head(out: &mut String, label_width: usize, columns: [bool; COLUMNS.len()]) {
    out.push_str("SERVER");
    push_blanks(out, label_width + 1 - "SERVER".len());
    for &(head, width, metric) in shown(&columns) {
        // Numbers stand at the right of their column, the history fills its own from the third character on.
        let before = if metric.is_some() { width - head.len() } else { 2 };
        push_blanks(out, before);
        out.push_str(head);
        push_blanks(out, width - before - head.len());
    }
    out.push_str("  STATE\n");
}

fn push_alarm(out: &mut String, level: Level, threshold: &Threshold, value: Option<f64>) {
    let Threshold { subject, .. } = threshold;
    let value = value.map(|value| subject.quantity.value_text(value) + " ").unwrap_or_default();
    let rule = if level == Level::Critical { &threshold.critical } else { &threshold.warning };
    let range = rule.as_ref().map_or("", |rule| rule.range_text());
    out.push_str(&format!(", {} {subject} {value}({range})", level.name()));
}

#[cfg(test)]
mod tests;
