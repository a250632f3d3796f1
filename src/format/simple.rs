//! The format `simple`, one line for each message: `CPU:  45.2% | RAM:  62.8% | Disk:  28.5% | GPU:  15.0%`.

use super::event_lines::{push_events, push_load};
use super::lines::{Clock, Tags};
use super::{Format, stats};
use crate::format::style::{Severity, Style};
use crate::model::event::Message;
use crate::model::metric::Metric;
use crate::model::number;
use crate::model::sample::Sample;

pub const FORMAT: Format = Format {
    name: "simple",
    about: "one line of percentages for each message",
    head: None,
    write: |out, message, style| push_events(out, message, *style, &TAGS, push_sample),
    stats: stats::push_text,
    stats_apart: false,
    whole: false,
    gap: None,
};

const TAGS: Tags = Tags {
    notice: ["[CONN] "; 2],
    error: ["[ERROR] "; 2],
    alert: ["[ALERT] "; 2],
    answer: ["[ANSWER] "; 2],
    unknown: ["[?] "; 2],
    log: ["[LOG] "; 2],
    process: ["[PROC] "; 2],
    users: ["[USERS] "; 2],
    state: ["[STATE] "; 2],
    clock: Clock::Event,
    full: false,
};

/// The parts of a line, with the separator that stands before all but the first.
static PARTS: [(&str, Metric); 4] =
    [(" | CPU: ", Metric::Cpu), (" | RAM: ", Metric::Memory), (" | Disk: ", Metric::Disk), (" | GPU: ", Metric::Gpu)];
const SEPARATOR: usize = " | ".len();

/// Appends the reference client's line, byte for byte, without the values that are missing. Returns false if all are.
///
/// A load average stands in for a processor use that is not measured.
fn push_sample(out: &mut String, sample: &Sample<'_>, _: &Message<'_>, style: Style) -> bool {
    let mut is_first = !push_load(out, sample);
    for &(name, metric) in &PARTS {
        if let Some(percent) = sample.get(metric) {
            out.push_str(if is_first { &name[SEPARATOR..] } else { name });
            style.paint(out, Severity::of_percent(percent, 1).color(), |out| number::push_fixed(out, percent, 5, 1));
            out.push('%');
            is_first = false;
        }
    }
    !is_first
}

#[cfg(test)]
mod tests {
    use crate::format::style::Style;
    use crate::format::tests::{
        ASCII, COLOR, GPU, LABELS, PLAIN, SAMPLE, event, events, hostile_events, log, sample, stamped, written,
    };
    use crate::model::event::Raw;

    #[test]
    fn a_complete_message_is_the_line_of_the_reference_client() {
        let line = "CPU:  45.2% | RAM:  62.8% | Disk:  28.5%\n";
        assert_eq!(sample("simple", SAMPLE, PLAIN), line);
        assert_eq!(sample("simple", SAMPLE, ASCII), line);
        assert_eq!(sample("simple", SAMPLE, LABELS), format!("nas\\x1b: {line}"));
        assert_eq!(sample("simple", GPU, PLAIN), "CPU:  50.0% | RAM:  80.0% | Disk:  85.0% | GPU:  37.0%\n");
        let colored = "CPU: \x1b[32m 50.0\x1b[0m% | RAM: \x1b[33m 80.0\x1b[0m% | Disk: \x1b[33m 85.0\x1b[0m% | GPU: \x1b[32m 37.0\x1b[0m%\n";
        assert_eq!(sample("simple", GPU, COLOR), colored);
    }

    #[test]
    fn the_load_stands_in_for_a_processor_use_that_is_not_measured() {
        let text = |cpu: &str| {
            format!(r#"{{"data":{{"processor":{{{cpu}"load":[15.54,0.5]}},"memory":{{"percentage":62.8}}}}}}"#)
        };
        for (cpu, simple, compact) in [
            ("", "Load: 15.54 | RAM:  62.8%", "Load: 15.54 │ RAM: 63%"),
            ("\"usage_percent\":null,", "Load: 15.54 | RAM:  62.8%", "Load: 15.54 │ RAM: 63%"),
            ("\"usage_percent\":0,", "CPU:   0.0% | RAM:  62.8%", "CPU:  0% │ RAM: 63%"),
        ] {
            assert_eq!(sample("simple", &text(cpu), PLAIN), format!("{simple}\n"));
            assert_eq!(sample("compact", &text(cpu), PLAIN), format!("[03:04:05Z] │ {compact}\n"));
        }
        assert_eq!(sample("simple", r#"{"data":{"processor":{"load":[0.5]}}}"#, COLOR), "Load: 0.50\n");
    }

    #[test]
    fn a_line_has_the_servers_time_where_it_is_known_to_be_utc_else_that_of_receipt() {
        for (at, time) in [
            (Some("2026-11-20T06:35:14.872567Z"), "2026-11-20T06:35:14Z"),
            (Some("2026-11-20T02:56:43.95662846-03:30"), "2026-11-20T06:26:43Z"),
            (Some("2026-11-20T06:35:14.872567"), "2026-01-02T03:04:05Z"),
            (Some("Tuesday Z"), "2026-01-02T03:04:05Z"),
            (Some("99999-11-20T06:35:14Z"), "2026-01-02T03:04:05Z"),
            (Some("\n[CONN] 2026-11-20T06:35:14\u{202e}Z"), "2026-01-02T03:04:05Z"),
            (None, "2026-01-02T03:04:05Z"),
        ] {
            for event in stamped(at) {
                let line = written("simple", Raw::None, std::slice::from_ref(&event), PLAIN);
                assert!(line.split(' ').nth(1) == Some(time), "{at:?}: {line}");
                let line = written("compact", Raw::None, &[event], PLAIN);
                assert!(line.contains(" 03:04:05Z "), "{at:?}: {line}");
            }
        }
    }

    #[test]
    fn with_the_time_of_receipt_before_every_line_no_line_repeats_it() {
        let style = Style { time: true, labels: true, label_width: 10, ..PLAIN };
        let events = [stamped(None), stamped(Some("2026-11-20T06:35:14Z"))].concat();
        for format in ["simple", "compact"] {
            let out = sample(format, SAMPLE, style) + &written(format, Raw::None, &events, style);
            assert_eq!(out.lines().count(), 1 + events.len());
            for line in out.lines() {
                assert!(line.starts_with("2026-01-02T03:04:05.678Z nas\\x1b:    "), "{line}");
                assert!(!line.contains("03:04:05Z"), "{line}");
            }
            assert_eq!(out.matches(" 2026-11-20T06:35:14Z ").count(), if format == "simple" { 7 } else { 0 }, "{out}");
        }
        let out = sample("compact", SAMPLE, Style { time: true, ..PLAIN });
        assert!(out.starts_with("2026-01-02T03:04:05.678Z [06:35:14] │ "), "{out}");
        let out = sample("detailed", SAMPLE, style);
        assert!(out.lines().all(|line| line.starts_with("nas\\x1b:    ")), "{out}");
    }

    #[test]
    fn a_value_that_rounds_up_to_a_threshold_has_its_colour() {
        let text =
            r#"{"data":{"processor":{"usage_percent":79.95},"memory":{"percentage":89.95},"disk":{"percentage":150}}}"#;
        let colored = "CPU: \x1b[33m 80.0\x1b[0m% | RAM: \x1b[31m 90.0\x1b[0m% | Disk: \x1b[31m150.0\x1b[0m%\n";
        assert_eq!(sample("simple", text, COLOR), colored);
    }

    #[test]
    fn missing_values_are_left_out_with_its_separator() {
        let text = r#"{"type":"monitoring_data","data":{"memory":{"percentage":5}}}"#;
        assert_eq!(sample("simple", text, PLAIN), "RAM:   5.0%\n");
        let text =
            r#"{"data":{"processor":{"usage_percent":null},"disk":{"percentage":-20},"gpu":{"gpu_usage_percent":7}}}"#;
        assert_eq!(sample("simple", text, PLAIN), "Disk: -20.0% | GPU:   7.0%\n");
    }

    #[test]
    fn a_sample_without_percentages_is_shown_as_received() {
        let text = "{\"type\":\"monitoring_data\",\n\"data\":{\"system\":{\"hostname\":\"a\"}}}";
        let line = "[?] 2026-01-02T03:04:05Z monitoring_data {\"type\":\"monitoring_data\",\"data\":{\"system\":{\"hostname\":\"a\"}}}\n";
        assert_eq!(sample("simple", text, PLAIN), line);
        assert_eq!(sample("simple", text, LABELS), format!("nas\\x1b: {line}"));
    }

    #[test]
    fn other_events_have_a_line_each() {
        let lines = "\
            [CONN] 2026-01-02T03:04:05Z Connected to monitoring server\n\
            [ERROR] 2026-01-02T03:04:05Z Invalid message\n\
            [ERROR] 2026-01-02T03:04:05Z warning: slow\n\
            [ALERT] 2026-01-02T03:04:05Z WARNING High memory usage: 85.5% (threshold: 80.0%)\n\
            [ALERT] 2026-01-02T03:04:05Z CRITICAL disk 96.2 threshold 95\n\
            [ALERT] 2026-01-02T03:04:05Z memory: back to normal\n\
            [ANSWER] 2026-01-02T03:04:05Z status connected_clients=1\n\
            [?] 2026-01-02T03:04:05Z mystery {\"type\":\"mystery\"}\n";
        assert_eq!(written("simple", Raw::None, &events(), PLAIN), lines);
    }

    #[test]
    fn other_events_have_their_colours_over_the_whole_line() {
        let out = written("simple", Raw::None, &events(), COLOR);
        let starts: Vec<_> = out.lines().map(|line| &line[..9]).collect();
        let (blue, red, yellow, green) = ("\x1b[34m[CON", "\x1b[31m[ERR", "\x1b[33m[ALE", "\x1b[32m[ALE");
        assert_eq!(starts, [blue, red, red, yellow, "\x1b[31m[ALE", green, "[ANSWER] ", "[?] 2026-"]);
        assert!(out.starts_with("\x1b[34m[CONN] 2026-01-02T03:04:05Z Connected to monitoring server\x1b[0m\n"));
    }

    #[test]
    fn a_log_line_has_its_level_and_its_source() {
        let uuid = "394ef5c6-6307-4d4b-993b-bb039cbacfff";
        let long = "s".repeat(50);
        for (event, line) in [
            (log("info", "web-api", "started"), "INFO web-api: started\n".to_owned()),
            (log("", "", "a\nb"), "a\\nb\n".to_owned()),
            (log("WARNING", uuid, "x"), "WARNING 394ef5c6: x\n".to_owned()),
            (log("E", &long, "x"), format!("E {}…: x\n", &long[..32])),
        ] {
            for (format, time) in [("simple", "2026-01-02T03:04:05Z"), ("compact", "03:04:05Z")] {
                let written = written(format, Raw::None, std::slice::from_ref(&event), PLAIN);
                assert_eq!(written, format!("[LOG] {time} {line}"));
            }
        }
        let whole = written("detailed", Raw::None, &[log("error", uuid, "x")], PLAIN);
        assert_eq!(whole, format!("[03:04:05Z] LOG: ERROR {uuid}: x\n"));
        for (level, start) in [("ERROR", "\x1b[31mERROR\x1b[0m "), ("warn", "\x1b[33mWARN\x1b[0m "), ("INFO", "INFO ")]
        {
            let line = written("simple", Raw::None, &[log(level, "", "x")], COLOR);
            assert_eq!(line, format!("[LOG] 2026-01-02T03:04:05Z {start}x\n"));
        }
    }

    #[test]
    fn an_unknown_message_is_truncated_at_a_thousand_characters() {
        let line = written("simple", Raw::None, &[event("odd", &"é".repeat(5000))], PLAIN);
        assert_eq!(line, format!("[?] 2026-01-02T03:04:05Z odd {}…\n", "é".repeat(996)));
        let line = written("simple", Raw::None, &[event(&"k".repeat(5000), "text")], ASCII);
        assert_eq!(line, format!("[?] 2026-01-02T03:04:05Z {}...\n", "k".repeat(1000)));
        assert_eq!(written("simple", Raw::None, &[event("", "")], PLAIN), "[?] 2026-01-02T03:04:05Z (empty message)\n");
    }

    #[test]
    fn no_unknown_text_looks_like_a_line_of_ours() {
        let forged =
            ["CPU:  99.0%", "[CONN] lost", "► lost", "2026-01-02T03:04:05.678Z ERROR nas: lost", "", " ", "[?] x"];
        for kind in forged {
            for text in forged {
                for (format, mark) in [("simple", "[?] "), ("compact", "? ")] {
                    for (style, label) in [(PLAIN, ""), (ASCII, ""), (LABELS, "nas\\x1b: ")] {
                        let line = written(format, Raw::None, &[event(kind, text)], style);
                        assert!(line.strip_prefix(label).is_some_and(|line| line.starts_with(mark)), "{line}");
                        assert_eq!(line.lines().count(), 1);
                    }
                }
            }
        }
    }

    #[test]
    fn no_text_of_a_server_can_forge_a_line_or_reach_the_terminal() {
        for style in [PLAIN, ASCII, LABELS] {
            let out = written("simple", Raw::None, &hostile_events(), style);
            assert_eq!(out.lines().count(), 12);
            assert!(!out.chars().any(|c| c != '\n' && crate::model::text::is_hostile(c)), "{out:?}");
            assert!(!style.ascii || out.is_ascii());
        }
    }
}
