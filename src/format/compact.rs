//! The format `compact`, a short line for each message: `[14:30:25] │ CPU: 45% │ RAM: 63%(8.2/13G) │ DSK: 29% │ GPU: 15%/ 45%`.

use super::event_lines::{push_events, push_load};
use super::lines::{Clock, Tags, push_receipt};
use super::{Format, stats};
use crate::format::style::{Severity, Style};
use crate::model::event::Message;
use crate::model::metric::Metric;
use crate::model::number;
use crate::model::sample::Sample;

pub const FORMAT: Format = Format {
    name: "compact",
    about: "a short line with the server's time and memory in GiB",
    head: None,
    write: |out, message, style| push_events(out, message, *style, &TAGS, push_sample),
    stats: stats::push_text,
    stats_apart: false,
    whole: false,
    gap: None,
};

const TAGS: Tags = Tags {
    notice: ["► ", "> "],
    error: ["✗ ", "x "],
    alert: ["! "; 2],
    answer: ["← ", "<- "],
    unknown: ["? "; 2],
    log: ["[LOG] "; 2],
    process: ["[PROC] "; 2],
    users: ["[USERS] "; 2],
    state: ["[STATE] "; 2],
    clock: Clock::Receipt,
    full: false,
};

const GIB: f64 = (1_u64 << 30) as f64;

/// Appends the reference client's line, byte for byte, without the values that are missing. Returns false if all are.
///
/// The line of a single server has the server's own time of day. Those of several servers have the time of receipt in
/// UTC, as every other line: their clocks may be in different zones.
fn push_sample(out: &mut String, sample: &Sample<'_>, message: &Message<'_>, style: Style) -> bool {
    let start = out.len();
    let own = sample.at.as_deref().filter(|_| !style.labels).and_then(number::time_of_day);
    if own.is_some() || !style.time {
        out.push('[');
        match own {
            Some(clock) => out.push_str(clock),
            None => push_receipt(out, message.received_at),
        }
        out.push(']');
    }
    let mut has_values = false;
    for push in [push_cpu, push_memory, push_disk, push_gpu] {
        let before = out.len();
        if before > start {
            out.push_str(style.glyph(" │ ", " | "));
        }
        if push(out, sample, style) {
            has_values = true;
        } else {
            out.truncate(before);
        }
    }
    has_values
}

fn push_cpu(out: &mut String, sample: &Sample<'_>, style: Style) -> bool {
    push_load(out, sample) || push_percent(out, "CPU:", sample.get(Metric::Cpu), style)
}

fn push_memory(out: &mut String, sample: &Sample<'_>, style: Style) -> bool {
    let percent = push_percent(out, "RAM:", sample.get(Metric::Memory), style);
    let sizes = (sample.get(Metric::MemoryUsed), sample.get(Metric::MemoryTotal));
    if sizes == (None, None) {
        return percent;
    }
    out.push_str(if percent { "(" } else { "RAM:(" });
    if let (Some(used), _) = sizes {
        number::push_fixed(out, used / GIB, 0, 1);
    }
    if let (_, Some(total)) = sizes {
        out.push('/');
        number::push_fixed(out, total / GIB, 0, 0);
    }
    out.push_str("G)");
    true
}

fn push_disk(out: &mut String, sample: &Sample<'_>, style: Style) -> bool {
    push_percent(out, "DSK:", sample.get(Metric::Disk), style)
}

/// Appends the use of the graphics processor and, after a slash, of its memory. The slash stays if only the memory's use
/// is known.
fn push_gpu(out: &mut String, sample: &Sample<'_>, style: Style) -> bool {
    let used = push_percent(out, "GPU:", sample.get(Metric::Gpu), style);
    let memory = push_percent(out, if used { "/" } else { "GPU:/" }, sample.get(Metric::GpuMemory), style);
    used || memory
}

fn push_percent(out: &mut String, name: &str, percent: Option<f64>, style: Style) -> bool {
    let Some(percent) = percent else { return false };
    out.push_str(name);
    style.paint(out, Severity::of_percent(percent, 0).color(), |out| {
        number::push_fixed(out, percent, 3, 0);
        out.push('%');
    });
    true
}

#[cfg(test)]
mod tests {
    use crate::format::tests::{ASCII, COLOR, GPU, LABELS, PLAIN, SAMPLE, events, hostile_events, sample, written};
    use crate::model::event::Raw;

    #[test]
    fn a_complete_message_is_the_line_of_the_reference_client() {
        let line = "[06:35:14] │ CPU: 45% │ RAM: 63%(9.4/15G) │ DSK: 28%\n";
        assert_eq!(sample("compact", SAMPLE, PLAIN), line);
        let received = line.replace("[06:35:14]", "[03:04:05Z]");
        assert_eq!(sample("compact", SAMPLE, LABELS), format!("nas\\x1b: {received}"));
        assert_eq!(sample("compact", SAMPLE, ASCII), line.replace('│', "|"));
        let line = "[06:28:57] │ CPU: 50% │ RAM: 80%(1.3/24G) │ DSK: 85% │ GPU: 37%/ 38%\n";
        assert_eq!(sample("compact", GPU, PLAIN), line);
        let colored = "[06:28:57] │ CPU:\x1b[32m 50%\x1b[0m │ RAM:\x1b[33m 80%\x1b[0m(1.3/24G) │ DSK:\x1b[33m 85%\x1b[0m │ GPU:\x1b[32m 37%\x1b[0m/\x1b[32m 38%\x1b[0m\n";
        assert_eq!(sample("compact", GPU, COLOR), colored);
    }

    #[test]
    fn ties_round_to_even_and_a_value_that_rounds_up_to_a_threshold_has_its_colour() {
        let text =
            r#"{"data":{"processor":{"usage_percent":79.6},"memory":{"percentage":2.5},"disk":{"percentage":89.5}}}"#;
        let colored = "[03:04:05Z] │ CPU:\x1b[33m 80%\x1b[0m │ RAM:\x1b[32m  2%\x1b[0m │ DSK:\x1b[31m 90%\x1b[0m\n";
        assert_eq!(sample("compact", text, COLOR), colored);
    }

    #[test]
    fn missing_values_are_left_out() {
        for (data, line) in [
            (r#""memory":{"used":1073741824}"#, "RAM:(1.0G)"),
            (r#""memory":{"total":2147483648},"disk":{"percentage":7}"#, "RAM:(/2G) │ DSK:  7%"),
            (r#""memory":{"percentage":7}"#, "RAM:  7%"),
            (r#""gpu":{"memory_percentage":7}"#, "GPU:/  7%"),
            (r#""gpu":{"gpu_usage_percent":7}"#, "GPU:  7%"),
        ] {
            let text = format!(r#"{{"timestamp":"Tuesday","data":{{{data}}}}}"#);
            assert_eq!(sample("compact", &text, PLAIN), format!("[03:04:05Z] │ {line}\n"));
        }
    }

    #[test]
    fn a_sample_without_values_is_shown_as_received() {
        let text = r#"{"timestamp":"2026-11-20T06:35:14","data":{}}"#;
        assert_eq!(sample("compact", text, PLAIN), format!("? 03:04:05Z {text}\n"));
    }

    #[test]
    fn other_events_have_a_mark_each() {
        let marks = |style| -> Vec<String> {
            written("compact", Raw::None, &events(), style)
                .lines()
                .map(|line| line.replace("03:04:05Z ", "").chars().take(3).collect())
                .collect()
        };
        assert_eq!(marks(PLAIN), ["► C", "✗ I", "✗ w", "! W", "! C", "! m", "← s", "? m"]);
        assert_eq!(marks(ASCII), ["> C", "x I", "x w", "! W", "! C", "! m", "<- ", "? m"]);
        let colored = written("compact", Raw::None, &events(), COLOR);
        assert!(colored.starts_with("\x1b[34m► 03:04:05Z Connected to monitoring server\x1b[0m\n"));
    }

    #[test]
    fn no_text_of_a_server_can_forge_a_line_or_reach_the_terminal() {
        for style in [PLAIN, ASCII, LABELS] {
            let out = written("compact", Raw::None, &hostile_events(), style);
            assert_eq!(out.lines().count(), 12);
            assert!(!out.chars().any(|c| c != '\n' && crate::model::text::is_hostile(c)), "{out:?}");
            assert!(!style.ascii || out.is_ascii());
        }
    }
}
