//! `csv`: one row for each sample, with the same columns for every server.

use super::{Format, stats};
use crate::format::style::Style;
use crate::model::decimal::push_decimal;
use crate::model::event::{Event, Message};
use crate::model::metric::{METRICS, Metric, Text};
use crate::model::number::push_timestamp;
use crate::model::sample::Sample;
use crate::model::text::push_replacing;

pub const FORMAT: Format = Format {
    name: "csv",
    about: "one row for each sample, with a header",
    head: Some(push_head),
    write,
    stats: stats::push_text,
    stats_apart: true,
    whole: false,
    gap: None,
};

/// The header. The columns of metrics follow [`METRICS`], to which new ones are appended: rows of two versions of the
/// program can stand in one file. Means have further columns after them.
fn push_head(out: &mut String, style: &Style) {
    out.push_str("received_at,server,host");
    for row in METRICS {
        out.push(',');
        out.push_str(row.name);
    }
    if style.means {
        Sample::new(&[]).each_of_spread(&mut |name, _| out.extend([",", name]));
    }
    out.push('\n');
}

fn write(out: &mut String, message: &Message<'_>, style: &Style) {
    for event in message.events {
        let Event::Sample(sample) = event else { continue };
        // A row without a cell would say nothing: the numbers of such a sample have no columns.
        if !sample.is_empty() || sample.extra.is_empty() {
            push_row(out, message, sample, *style);
        }
    }
}

/// An absent value is an empty cell.
fn push_row(out: &mut String, message: &Message<'_>, sample: &Sample<'_>, style: Style) {
    push_timestamp(out, message.received_at);
    for text in [message.server, sample.text(Text::Host).unwrap_or_default()] {
        out.push(',');
        push_text(out, text);
    }
    for &metric in Metric::ALL {
        push_number(out, sample.get(metric));
    }
    if style.means {
        sample.each_of_spread(&mut |_, value| push_number(out, value));
    }
    out.push('\n');
}

fn push_number(out: &mut String, value: Option<f64>) {
    out.push(',');
    if let Some(value) = value.filter(|value| value.is_finite()) {
        push_decimal(out, value);
    }
}

/// Appends a cell as RFC 4180 has it, control characters as blanks.
fn push_text(out: &mut String, text: &str) {
    let quotes = text.contains([',', '"']);
    if quotes {
        out.push('"');
    }
    push_replacing(out, text, |b| b == b'"', |out, c| out.push_str(if c == '"' { "\"\"" } else { " " }));
    if quotes {
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::tests::{LABELS, PLAIN, SAMPLE, events, hostile_events, sample, written};
    use crate::model::event::Raw;

    const HEAD: &str = "received_at,server,host,cpu,logical_cores,cores,frequency,frequency_max,temperature,load1,load5,load15,memory,memory_used,memory_total,memory_available,disk,disk_used,disk_total,disk_free,gpu,gpu_memory,gpu_memory_used,gpu_memory_total,gpu_memory_free,gpu_temperature,gpu_power,gpu_power_limit,uptime,processes,network";

    #[test]
    fn the_columns_never_change_their_places() {
        let mut out = String::new();
        push_head(&mut out, &PLAIN);
        assert!(out.starts_with(HEAD), "a new metric is appended: {out}");
        assert_eq!(out.matches('\n').count(), 1);
    }

    #[test]
    fn a_sample_is_a_row_with_a_cell_for_every_column() {
        let row = "2026-01-02T03:04:05.678Z,nas ,router-01,45.2,4,2,2596.122,,,,,,62.8,10050000000,16000000000,5900000000,28.5,142500000000,500000000000,,,,,,,,,,,,\n";
        assert_eq!(sample("csv", SAMPLE, PLAIN), row);
        assert_eq!(sample("csv", SAMPLE, LABELS), row, "the label is a column");
        let cells = |row: &str| row.matches(',').count();
        assert_eq!(cells(row), cells(HEAD) + METRICS.len() - 28);
        let empty = sample("csv", r#"{"data":{"processor":{"usage_percent":NaN}}}"#, PLAIN);
        assert_eq!(empty, format!("2026-01-02T03:04:05.678Z,nas ,{}\n", ",".repeat(METRICS.len())));
    }

    #[test]
    fn texts_are_quoted_where_they_must_be() {
        for (text, cell) in [
            ("web-01", "web-01"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("a\r\nb\x1b\u{202e}", "a  b  "),
            ("\n\",", "\" \"\",\""),
        ] {
            let mut out = String::new();
            push_text(&mut out, text);
            assert_eq!(out, cell);
        }
    }

    #[test]
    fn a_sample_of_numbers_without_a_column_is_no_row() {
        let extra = |metrics: &[(Metric, f64)]| {
            let mut sample = Sample::from_metrics(metrics.iter().copied());
            sample.extra.push(("buffered_events".into(), 1.0));
            written("csv", Raw::None, &[Event::Sample(Box::new(sample))], PLAIN).lines().count()
        };
        assert_eq!((extra(&[]), extra(&[(Metric::Cpu, 0.0)])), (0, 1));
    }

    #[test]
    fn only_samples_are_rows() {
        assert_eq!(written("csv", Raw::None, &events(), PLAIN), "");
        assert_eq!(written("csv", Raw::None, &hostile_events(), PLAIN), "");
    }
}
