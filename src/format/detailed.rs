//! The format `detailed`: several lines for each message with everything that the server sent, by name or under
//! `Other`.

use std::borrow::Cow;

use super::event_lines::{alert_color, has_sample, push_alert, push_as_unknown, push_event, push_stored};
use super::lines::{Clock, Lines, Tags, is_short_and_plain, push_one_line, push_text};
use super::value::push_value;
use super::{Format, stats, users};
use crate::format::style::{RULER, Style, TITLE};
use crate::model::event::{Event, Message, Raw};
use crate::model::json::{Node, repair};
use crate::model::metric::{METRICS, Metric, Section, TEXTS, Text};
use crate::model::number;
use crate::model::sample::others::{other_members, scan_others};
use crate::model::sample::{MAX_CORES, Sample};

pub const FORMAT: Format = Format {
    name: "detailed",
    about: "several lines with all that the server sent",
    head: None,
    write,
    stats: stats::push_text,
    stats_apart: false,
    whole: false,
    gap: None,
};

const TAGS: Tags = Tags {
    notice: ["CONNECTION: "; 2],
    error: ["ERROR: "; 2],
    alert: ["ALERT: "; 2],
    answer: ["ANSWER: "; 2],
    unknown: ["UNKNOWN: "; 2],
    log: ["LOG: "; 2],
    process: ["PROCESS: "; 2],
    users: ["USERS: "; 2],
    state: ["STATE: "; 2],
    clock: Clock::BeforeMark,
    full: true,
};

const MEASURED: &[(Section, &str)] = &[
    (Section::Cpu, "CPU Information:"),
    (Section::Memory, "Memory Information:"),
    (Section::Disk, "Disk Information:"),
    (Section::Gpu, "GPU Information:"),
];

const SYSTEM: (Section, &str) = (Section::Host, "System Information:");

/// The line below all.
const RULE: &str = "==================================================";

/// Metrics that share a line: used, and total.
const PAIRS: [(Metric, Metric); 3] = [
    (Metric::MemoryUsed, Metric::MemoryTotal),
    (Metric::DiskUsed, Metric::DiskTotal),
    (Metric::GpuMemoryUsed, Metric::GpuMemoryTotal),
];

/// A function that appends the lines of a section.
type PushLines<'a> = &'a dyn Fn(&mut Lines<'_>);

/// Alerts and users that came in the same message as a sample are part of its block.
fn write(out: &mut String, message: &Message<'_>, style: &Style) {
    let mut lines = Lines::new(out, message, *style);
    let in_block = has_sample(message.events);
    for event in message.events {
        match event {
            Event::Sample(sample) => push_sample(&mut lines, message, sample),
            Event::Alert(_) | Event::Users(_) if in_block => {}
            other => push_event(&mut lines, other, message, &TAGS),
        }
    }
    lines.finish("");
}

fn push_sample(lines: &mut Lines<'_>, message: &Message<'_>, sample: &Sample<'_>) {
    let start = lines.out.len();
    push_heading(lines, message, sample);
    let head = lines.out.len();
    for &(section, title) in MEASURED {
        push_titled(lines, title, &|lines| push_section(lines, section, sample));
    }
    let (section, title) = SYSTEM;
    let rest: [(&str, PushLines<'_>); 4] = [
        (title, &|lines| push_section(lines, section, sample)),
        ("Users:", &|lines| push_users(lines, message.events)),
        ("Other:", &|lines| push_others(lines, message.raw, sample)),
        ("Alerts:", &|lines| push_alerts(lines, message.events)),
    ];
    for part in if lines.style.live { [3, 1, 0, 2] } else { [0, 1, 2, 3] } {
        push_titled(lines, rest[part].0, rest[part].1);
    }
    if lines.out.len() > head {
        lines.colored(RULER, |out| out.push_str(RULE));
    } else {
        lines.out.truncate(start);
        push_as_unknown(lines, message, &TAGS);
    }
}

fn push_heading(lines: &mut Lines<'_>, message: &Message<'_>, sample: &Sample<'_>) {
    let style = lines.style;
    lines.line(|_| {});
    lines.colored(RULER, |out| {
        out.push_str("=== System Monitoring - ");
        match &sample.at {
            Some(at) => style.push_escaped(out, at),
            None => number::push_timestamp(out, message.received_at),
        }
        out.push_str(" ===");
    });
}

/// Appends a title and the lines that `inner` appends, of which a number has a bound; nothing if it appends none.
fn push_titled(lines: &mut Lines<'_>, title: &str, inner: PushLines<'_>) {
    let start = lines.out.len();
    lines.line(|_| {});
    lines.colored(TITLE, |out| out.push_str(title));
    lines.finish("");
    let head = lines.out.len();
    inner(lines);
    lines.finish("  ");
    if lines.out.len() == head {
        lines.out.truncate(start);
    }
}

fn push_section(lines: &mut Lines<'_>, section: Section, sample: &Sample<'_>) {
    let names_first = matches!(section, Section::Gpu | Section::Host);
    if names_first {
        push_texts(lines, section, sample);
    }
    push_metrics(lines, section, sample);
    if section == Section::Cpu && !sample.per_core.is_empty() {
        push_cores(lines, &sample.per_core);
    }
    if !names_first {
        push_texts(lines, section, sample);
    }
}

fn push_texts(lines: &mut Lines<'_>, section: Section, sample: &Sample<'_>) {
    for (&text, row) in Text::ALL.iter().zip(TEXTS).filter(|(_, row)| row.section == section) {
        if let Some(value) = sample.text(text) {
            push_text_entry(lines, row.label, value);
        }
    }
}

/// Appends an entry with a server's text, which may have several lines.
fn push_text_entry(lines: &mut Lines<'_>, name: &str, text: &str) {
    if is_short_and_plain(text) {
        return lines.entry(2, name, |out| out.push_str(text));
    }
    let style = lines.style;
    lines.entry(2, name, |out| push_text(out, text, style, true));
    lines.continuation("      ", text, None);
}

fn push_metrics(lines: &mut Lines<'_>, section: Section, sample: &Sample<'_>) {
    let style = lines.style;
    for (&metric, row) in Metric::ALL.iter().zip(METRICS).filter(|(_, row)| row.section == section) {
        let Some(value) = sample.get(metric) else { continue };
        if PAIRS.iter().any(|pair| pair.1 == metric && sample.get(pair.0).is_some()) {
            continue;
        }
        lines.entry(2, row.label, |out| {
            push_value(out, row.unit, value, style);
            if let Some(total) = PAIRS.iter().find(|pair| pair.0 == metric).and_then(|pair| sample.get(pair.1)) {
                out.push_str(" / ");
                push_value(out, row.unit, total, style);
            }
        });
    }
}

fn push_cores(lines: &mut Lines<'_>, cores: &[f64]) {
    /// Most cores that are shown.
    const MAX_SHOWN: usize = 128;
    lines.entry(2, "Per core", |out| {
        for (i, &core) in cores.iter().take(MAX_SHOWN).enumerate() {
            out.push_str(if i > 0 { " " } else { "" });
            if core.is_nan() {
                out.push('-');
            } else {
                number::push_fixed(out, core, 0, 1);
                out.push('%');
            }
        }
        if let Some(more @ 1..) = cores.len().checked_sub(MAX_SHOWN) {
            let least = if cores.len() == MAX_CORES { "at least " } else { "" };
            out.push_str(&format!(" and {least}{more} more"));
        }
    });
}

/// Appends the members that no section shows; nothing if the message is nested too deeply to be parsed into a tree.
fn push_others(lines: &mut Lines<'_>, raw: Raw<'_>, sample: &Sample<'_>) {
    /// Bytes that the lines may have beyond those of the message; real messages stay far below.
    const MAX_GROWTH: usize = 1 << 16;
    let Raw::Json(text) = raw else { return };
    let max_bytes = text.len() + MAX_GROWTH;
    let start = lines.out.len();
    let push = &mut |lines: &mut Lines<'_>, path: &str, value: &str| {
        let style = lines.style;
        let mut name = Cow::Borrowed(path);
        if !is_short_and_plain(path) {
            name = Cow::Owned(String::new());
            push_one_line(name.to_mut(), path, style, true);
        }
        push_text_entry(lines, &name, value);
    };
    if let Some(left_out) = scan_others(text, sample, max_bytes, &mut |path, value| push(lines, path, value)) {
        return lines.leave_out(left_out);
    }
    lines.take_back(start);
    let repaired;
    let (node, cut) = match Node::parse_counted(text) {
        Ok(parsed) => parsed,
        Err(_) => {
            repaired = repair(text).unwrap_or_default();
            let Ok(parsed) = Node::parse_counted(&repaired) else { return };
            parsed
        }
    };
    let left_out = other_members(&node, sample, max_bytes, &mut |path, value| push(lines, path, value));
    lines.leave_out(left_out);
    if cut {
        lines.finish("  ");
        lines.line(|out| out.push_str("  and more, left out unread"));
    }
}

fn push_users(lines: &mut Lines<'_>, events: &[Event<'_>]) {
    for event in events {
        if let Event::Users(list) = event {
            users::push_table(lines, list);
        }
    }
}

fn push_alerts(lines: &mut Lines<'_>, events: &[Event<'_>]) {
    let style = lines.style;
    push_stored(lines, events, &|out, _| out.push_str("  "));
    for event in events {
        let Event::Alert(alert) = event else { continue };
        if !alert.stored {
            lines.colored(alert_color(alert), |out| {
                out.push_str("  ");
                push_alert(out, alert, style);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::BAR_WIDTH;
    use super::*;
    use crate::format::tests::*;
    use crate::model::event::AlertPhase;

    #[test]
    fn a_live_view_has_what_seldom_changes_last() {
        let titles = |style| -> Vec<String> {
            let whole = SAMPLE.replace(r#""data": {"#, r#""extra": {"a": 1}, "data": {"#);
            let lines = sample("detailed", &whole, style);
            lines.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).map(str::to_owned).collect()
        };
        let measured = ["CPU Information:", "Memory Information:", "Disk Information:"].map(str::to_owned);
        let plain = titles(PLAIN);
        assert_eq!(
            (&plain[..3], &plain[3..]),
            (&measured[..], &["System Information:", "Other:"].map(str::to_owned)[..])
        );
        let alerts = [Event::Alert(alert("disk", "WARNING", "full", AlertPhase::Begins))];
        let style = Style { live: true, ..PLAIN };
        assert_eq!(titles(style), plain);
        let both = [Event::Sample(Box::new(Sample::from_metrics([(Metric::Cpu, 1.0)]))), alerts[0].clone()];
        assert!(written("detailed", Raw::None, &both, style).contains("Alerts:\n"));
    }

    #[test]
    fn the_latest_values_are_not_listed_beside_their_means() {
        let other = |lines: &str| lines.split_once("Other:").map(|(_, other)| other.to_owned());
        let latest = SAMPLE.replace("45.2", "55.2").replace("28.5", "30.5").replace("10050000000", "10050000001");
        let lines = mean("detailed", &[SAMPLE, &latest], PLAIN);
        assert!(lines.contains("Usage:  50.2% ") && lines.contains("Usage:  29.5% "), "{lines}");
        assert_eq!(other(&lines), other(&sample("detailed", &latest, PLAIN)), "{lines}");
    }

    #[test]
    fn a_long_name_above_many_values_cannot_grow_the_output_without_bound() {
        let text = format!(r#"{{"{}":{{{}"z":0}}}}"#, "k".repeat(50_000), "\"a\":1,".repeat(10_000));
        let out = sample("detailed", &text, PLAIN);
        assert!(out.len() < 2 * text.len() + (1 << 16), "{}", out.len());
        assert!(out.contains("\n  and 9998 more\n"), "{}", &out[out.len() - 200..]);
        assert!(!out.contains(".z: 0"));
    }

    #[test]
    fn every_list_is_cut_and_says_how_much_is_left_out() {
        let list = |element: &str| format!("[{}{element}]", format!("{element},").repeat(99_999));
        let many: String = (0..5000).map(|n| format!(r#""m{n}":{n},"#)).collect();
        for (text, shown) in [
            (format!(r#"{{"data":{{"processor":{{"per_core_usage":{}}}}}}}"#, list("1")), " and at least 65408 more\n"),
            (format!(r#"{{"data":{{"processor":{{"per_core_usage":[{}0]}}}}}}"#, "1,".repeat(255)), "% and 128 more\n"),
            (format!(r#"{{"data":{{"disk":{{"percentage":1}},"x":{}}}}}"#, list("7")), ", 7, and "),
            (format!(r#"{{"data":{{"disk":{{"percentage":1}},{many}"z":0}}}}"#), "\n  m999: 999\n  and 4001 more\n="),
        ] {
            let out = sample("detailed", &text, PLAIN);
            assert!(out.contains(shown), "{shown} is not in {}", &out[out.len().saturating_sub(500)..]);
            assert!(out.len() < 30_000, "{}", out.len());
        }
    }

    #[test]
    fn a_message_is_shown_whole() {
        let expected = "
=== System Monitoring - 2026-11-20T06:35:14.872567 ===

CPU Information:
  Usage:  45.2% [█████████░░░░░░░░░░░] (normal)
  Logical cores: 4
  Physical cores: 2
  Current frequency: 2596 MHz
  Per core: 100.0% - 33.3%

Memory Information:
  Usage:  62.8% [████████████░░░░░░░░] (normal)
  Used: 9.4 GB / 14.9 GB
  Available: 5.5 GB

Disk Information:
  Usage:  28.5% [█████░░░░░░░░░░░░░░░] (normal)
  Used: 132.7 GB / 465.7 GB
  Mount: /

System Information:
  Hostname: router-01
  OS: Linux

Other:
  processor.frequency_max: 0.0
  system.python_version: 3.11.7
==================================================
";
        assert_eq!(sample("detailed", SAMPLE, PLAIN), expected);
        let labelled = sample("detailed", SAMPLE, LABELS);
        assert!(labelled.lines().zip(expected.lines()).all(|(line, plain)| line == format!("nas\\x1b: {plain}")));
        let ascii = expected.replace('█', "#").replace('░', ".");
        assert_eq!(sample("detailed", SAMPLE, ASCII), ascii);
    }

    #[test]
    fn a_graphics_processor_has_its_section_and_its_units() {
        let expected = "
GPU Information:
  Name: NVIDIA RTX A4000
  Usage:  37.0% [███████░░░░░░░░░░░░░] (normal)
  Memory:  37.5% [███████░░░░░░░░░░░░░] (normal)
  Memory used: 6.0 GB / 16.0 GB
  Temperature: 61°C
";
        assert!(sample("detailed", GPU, PLAIN).contains(expected));
        assert!(sample("detailed", GPU, PLAIN).contains("Other:\n  gpu.power_draw: null\n"));
        assert!(sample("detailed", GPU, ASCII).contains("Temperature: 61 C\n"));
    }

    #[test]
    fn headings_titles_and_values_have_their_colours() {
        let out = sample("detailed", GPU, COLOR);
        assert!(out.starts_with("\n\x1b[36m=== System Monitoring - 2026-11-20T06:28:57 ===\x1b[0m\n"));
        assert!(out.contains("\x1b[35mMemory Information:\x1b[0m\n  Usage: \x1b[33m 80.0\x1b[0m% ["));
        assert!(out.ends_with(&format!("\x1b[36m{}\x1b[0m\n", "=".repeat(50))));
    }

    #[test]
    fn no_value_makes_a_bar_longer_or_shorter() {
        for percent in ["150", "-20", "1e300", "100"] {
            let text = format!(r#"{{"data":{{"disk":{{"percentage":{percent}}}}}}}"#);
            let out = sample("detailed", &text, PLAIN);
            let bar = out.split(['[', ']']).nth(1).unwrap();
            assert_eq!(bar.chars().count(), BAR_WIDTH, "{out}");
        }
    }

    #[test]
    fn values_that_are_not_a_number_or_unexpected_stand_under_other() {
        let text = r#"{"data":{"gpu":{"gpu_usage_percent":NaN},"processor":{"usage_percent":"x","load":[0.5,1]},"system":{"uptime":189125.9},"net":[{"if\n":"\u001b[2J"}]}}"#;
        let out = sample("detailed", text, PLAIN);
        assert!(out.contains("Load 1 min: 0.50\n  Load 5 min: 1.00\n"), "{out}");
        assert!(out.contains("Uptime: 2d 4h 32m 5s\n"), "{out}");
        let other = "Other:\n  gpu.gpu_usage_percent: null\n  processor.usage_percent: x\n  net.0.if\\n: \\x1b[2J\n";
        assert!(out.contains(other), "{out}");
    }

    #[test]
    fn alerts_of_a_sample_stand_in_its_block_and_an_empty_sample_is_shown_as_received() {
        let alerts = [Event::Alert(alert("memory", "WARNING", "high", AlertPhase::Begins))];
        let out = sample_with("detailed", r#"{"data":{"disk":{"percentage":7}}}"#, &alerts, PLAIN);
        assert!(out.contains("\n\nAlerts:\n  WARNING high\n====="), "{out}");
        assert_eq!(out.matches("WARNING").count(), 1);
        assert_eq!(sample("detailed", r#"{"data":{}}"#, PLAIN), "[03:04:05Z] UNKNOWN: {\"data\":{}}\n");
    }

    #[test]
    fn other_events_have_a_line_with_the_time() {
        let raw = Raw::Json(r#"{"timestamp":"2026-11-20T06:34:49.1"}"#);
        let out = written("detailed", raw, &events(), PLAIN);
        let expected = "\
            [06:34:49] CONNECTION: Connected to monitoring server\n\
            [06:34:49] ERROR: Invalid message\n\
            [06:34:49] ERROR: warning: slow\n\
            [06:34:49] ALERT: WARNING High memory usage: 85.5% (threshold: 80.0%)\n\
            [06:34:49] ALERT: CRITICAL disk 96.2 threshold 95\n\
            [06:34:49] ALERT: memory: back to normal\n\
            [06:34:49] ANSWER: status connected_clients=1\n\
            [06:34:49] UNKNOWN: mystery {\"type\":\"mystery\"}\n";
        assert_eq!(out, expected);
        let raw = Raw::Json(r#"{"content":NaN,"timestamp":"2026-11-20T06:34:49.1"}"#);
        assert!(written("detailed", raw, &events(), PLAIN).starts_with("[06:34:49] "));
    }

    #[test]
    fn no_text_of_a_server_can_forge_a_line_or_reach_the_terminal() {
        let bad = r#"a\n\u001b[2J\u0000\u009b\u202e\u2028é"#;
        let text = format!(
            r#"{{"timestamp":"{bad}","data":{{"disk":{{"path":"{bad}","{bad}":"{bad}"}},"system":{{"hostname":"{bad}"}}}}}}"#
        );
        for style in [PLAIN, ASCII, LABELS] {
            let out = sample_with("detailed", &text, &hostile_events(), style);
            assert!(!out.chars().any(|c| c != '\n' && crate::model::text::is_hostile(c)), "{out:?}");
            assert!(out.lines().all(|line| !line.starts_with("[CONN]")), "{out}");
            assert!(!style.ascii || out.is_ascii());
        }
    }
}
