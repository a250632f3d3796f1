//! The statistics of several servers for people: a table with a row for each.

use super::lines::{Lines, push_cell};
use crate::format::style::{Severity, Style};
use crate::model::event::ClientState;
use crate::model::number;
use crate::model::stats::Statistics;

/// The heads of the table of servers. The last column is as wide as its texts, the others are padded.
const HEADS: [&str; COLUMNS] = ["SERVER", "STATE", "RECEIVED", "DATA", "CONN", "LOST", "ERRORS", "PING", "LAST ERROR"];
const COLUMNS: usize = 9;
/// Columns of text; those between this one and the last one hold numbers.
const TEXT_COLUMNS: usize = 2;
/// Upper bound on the width of a column. A longer cell does not widen the others.
const MAX_CELL_WIDTH: usize = 48;

/// Appends a table with a row for each server; nothing if there are none.
pub fn push(lines: &mut Lines<'_>, servers: &[(String, Statistics)]) {
    if servers.is_empty() {
        return;
    }
    let style = lines.style;
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(servers.iter().map(|(label, server)| cells(label, server, style)));
    let width = |column: usize| {
        let widest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        widest.min(MAX_CELL_WIDTH)
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    lines.line(|_| {});
    for (n, row) in rows.iter().enumerate() {
        let write = |out: &mut String| push_row(out, row, &widths);
        let given_up = n.checked_sub(1).is_some_and(|n| servers[n].1.current_state == ClientState::Error);
        if given_up { lines.colored(Severity::Critical.color(), write) } else { lines.line(write) }
    }
}

fn cells(label: &str, server: &Statistics, style: Style) -> [String; COLUMNS] {
    let mut data = String::new();
    number::push_bytes(&mut data, server.bytes_received as f64);
    [
        style.escaped(label),
        server.current_state.name().to_owned(),
        server.messages_received.to_string(),
        data,
        server.connections.to_string(),
        server.total_disconnections.to_string(),
        server.error_count.to_string(),
        server.ping_ms.mean().map_or_else(|| "-".to_owned(), |mean| format!("{} ms", number::Fixed(mean, 2))),
        style.escaped(server.last_error.as_deref().unwrap_or_default()),
    ]
}

fn push_row(out: &mut String, row: &[String; COLUMNS], widths: &[usize; COLUMNS]) {
    let start = out.len();
    for (column, (cell, &width)) in row.iter().zip(widths).enumerate() {
        out.push_str(if column > 0 { "  " } else { "" });
        let is_text = column < TEXT_COLUMNS || column == COLUMNS - 1;
        push_cell(out, cell, width, !is_text);
    }
    out.truncate(start + out[start..].trim_end().len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_label_does_not_widen_the_other_rows() {
        let mut servers = vec![("n".repeat(5000), Statistics::default())];
        servers.extend((0..100).map(|n| (format!("s{n}"), Statistics::default())));
        let mut out = String::new();
        push(&mut Lines::unbounded(&mut out, None, Style::default()), &servers);
        assert_eq!(out.lines().count(), 1 + 1 + 101);
        assert!(out.len() < 20_000, "{}", out.len());
    }
}
