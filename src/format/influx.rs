//! `influx`: InfluxDB's line protocol, one line for each sample, process and alert.
//!
//! InfluxDB rejects a line for an empty tag, a tag that ends in a backslash, NaN, a carriage return, or no field, and a
//! field whose type differs from earlier lines. All numbers are therefore floats, and whatever is absent is left out. The
//! tags of a line have 64 KiB in all.

use std::time::{Duration, SystemTime};

use super::{Format, stats};
use crate::format::style::Style;
use crate::model::decimal::push_decimal;
use crate::model::event::{Alert, Event, Message, Process};
use crate::model::metric::{METRICS, Metric, Text};
use crate::model::sample::Sample;
use crate::model::text::{cut, is_hostile, push_replacing};

/// Bytes of a tag, of which a line has up to four; a backslash before each one at most doubles them.
const MAX_TAG: usize = 4096;

pub const FORMAT: Format = Format {
    name: "influx",
    about: "InfluxDB line protocol: one line for each sample, process and alert",
    head: None,
    write,
    stats: stats::push_text,
    stats_apart: true,
    whole: false,
    gap: None,
};

fn write(out: &mut String, message: &Message<'_>, _: &Style) {
    for event in message.events {
        match event {
            Event::Sample(sample) => push_sample(out, message, sample),
            Event::Processes(processes) => {
                for process in &processes.list {
                    push_process(out, message, process);
                }
            }
            Event::Alert(alert) => push_alert(out, message, alert),
            _ => {}
        }
    }
}

fn push_sample(out: &mut String, message: &Message<'_>, sample: &Sample<'_>) {
    let host = sample.text(Text::Host).unwrap_or_default();
    let mut line = Line::begin(out, "wsmon", &[("host", host), ("server", message.server)]);
    for (&metric, row) in Metric::ALL.iter().zip(METRICS) {
        line.number(row.name, sample.get(metric));
    }
    if line.fields > 0 {
        sample.each_of_spread(&mut |name, value| line.number(name, value));
    }
    line.end(message.received_at);
}

fn push_process(out: &mut String, message: &Message<'_>, process: &Process<'_>) {
    let tags = [("process", &*process.name), ("server", message.server)];
    let mut line = Line::begin(out, "wsmon_process", &tags);
    line.string("state", &process.state);
    line.number("cpu", process.cpu);
    line.number("memory", process.memory);
    line.number("restarts", process.restarts.map(|restarts| restarts as f64));
    line.end(message.received_at);
}

fn push_alert(out: &mut String, message: &Message<'_>, alert: &Alert<'_>) {
    // Points of one time and the same tags would overwrite each other.
    let id = alert.id.map(|id| id.to_string()).unwrap_or_default();
    let tags =
        [("component", &*alert.component), ("id", &*id), ("metric", &*alert.metric), ("server", &**message.server)];
    let mut line = Line::begin(out, "wsmon_alert", &tags);
    line.string("level", &alert.level);
    line.string("phase", alert.phase.name());
    line.string("message", &alert.message);
    line.number("value", alert.value);
    line.number("threshold", alert.threshold);
    line.string("rule", alert.rule.as_deref().unwrap_or_default());
    line.end(message.received_at);
}

/// A line that is being appended.
struct Line<'o> {
    out: &'o mut String,
    start: usize,
    fields: usize,
}

impl<'o> Line<'o> {
    /// Appends measurement and tags. Tags must be sorted by name; empty ones are left out.
    fn begin(out: &'o mut String, measurement: &str, tags: &[(&str, &str)]) -> Self {
        let start = out.len();
        out.push_str(measurement);
        for (name, value) in tags {
            // A backslash at the end would escape the separator that follows.
            let value = cut(value, MAX_TAG).trim_end_matches('\\');
            if !value.is_empty() {
                out.push(',');
                out.push_str(name);
                out.push('=');
                push_tag(out, value);
            }
        }
        Line { out, start, fields: 0 }
    }

    fn number(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.name(name);
            push_decimal(self.out, value);
        }
    }

    fn string(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.name(name);
            self.out.push('"');
            push_replacing(
                self.out,
                value,
                |b| matches!(b, b'"' | b'\\'),
                |out, c| match c {
                    '"' | '\\' => out.extend(['\\', c]),
                    _ => out.push(' '),
                },
            );
            self.out.push('"');
        }
    }

    fn name(&mut self, name: &str) {
        self.out.push(if self.fields == 0 { ' ' } else { ',' });
        self.out.push_str(name);
        self.out.push('=');
        self.fields += 1;
    }

    /// Appends the time in nanoseconds, which the protocol bounds at i64, or removes a line without fields.
    fn end(self, at: SystemTime) {
        if self.fields == 0 {
            self.out.truncate(self.start);
            return;
        }
        let since: Duration = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let nanoseconds = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        self.out.push_str(&format!(" {nanoseconds}\n"));
    }
}

/// Appends a tag's value. Control characters become blanks: the protocol has no escape for them.
fn push_tag(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            ',' | '=' => out.extend(['\\', c]),
            _ if c == ' ' || is_hostile(c) => out.push_str("\\ "),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::tests::{GPU, PLAIN, SAMPLE, alert, events, hostile_events, sample, written};
    use crate::model::event::{AlertPhase, Processes, Raw};
    use crate::model::text::is_hostile;

    const TIME: &str = " 1767323045678000000\n";

    fn line(event: Event<'_>) -> String {
        written("influx", Raw::None, &[event], PLAIN)
    }

    #[test]
    fn a_sample_is_a_line_of_floats() {
        let expected = concat!(
            r"wsmon,host=router-01,server=nas\  cpu=45.2,logical_cores=4,cores=2,frequency=2596.122,memory=62.8,",
            "memory_used=10050000000,memory_total=16000000000,memory_available=5900000000,disk=28.5,",
            "disk_used=142500000000,disk_total=500000000000"
        );
        assert_eq!(sample("influx", SAMPLE, PLAIN), format!("{expected}{TIME}"));
        let gpu = sample("influx", GPU, PLAIN);
        assert!(gpu.starts_with(r"wsmon,server=nas\  cpu=50,memory=80,"), "{gpu}");
        assert!(gpu.ends_with(&format!(",gpu_temperature=61{TIME}")), "{gpu}");
    }

    #[test]
    fn a_line_without_fields_is_left_out() {
        for text in [r#"{"data":{}}"#, r#"{"data":{"processor":{"usage_percent":NaN},"system":{"hostname":"h"}}}"#] {
            assert_eq!(sample("influx", text, PLAIN), "");
        }
        let nameless = Process { name: "a".into(), cpu: Some(f64::INFINITY), ..Process::default() };
        assert_eq!(line(Event::Processes(Processes { list: vec![nameless], ..Processes::default() })), "");
    }

    #[test]
    fn processes_have_a_line_each() {
        let list = vec![
            Process {
                name: r"web api\".into(),
                state: "online".into(),
                cpu: Some(2.5),
                memory: Some(47_185_920.0),
                restarts: Some(0),
                ..Process::default()
            },
            Process { state: "a\"b\\".into(), ..Process::default() },
        ];
        let expected = [
            r#"wsmon_process,process=web\ api,server=nas\  state="online",cpu=2.5,memory=47185920,restarts=0"#,
            TIME,
            r#"wsmon_process,server=nas\  state="a\"b\\""#,
            TIME,
        ];
        assert_eq!(line(Event::Processes(Processes { list, ..Processes::default() })), expected.concat());
    }

    #[test]
    fn alerts_have_a_line_each_and_ours_their_rule() {
        let begins = alert("memory", "WARNING", "High, \"85.5%\"", AlertPhase::Begins);
        let expected = concat!(
            r#"wsmon_alert,component=memory,metric=usage_percent,server=nas\  level="WARNING",phase="begins","#,
            r#"message="High, \"85.5%\"",value=96.2,threshold=95"#
        );
        assert_eq!(line(Event::Alert(begins.clone())), format!("{expected}{TIME}"));
        let ours = Alert { rule: Some("cpu=90/5m".into()), ..begins };
        assert_eq!(line(Event::Alert(ours)), format!("{expected},rule=\"cpu=90/5m\"{TIME}"));
        let ends = Alert { value: None, threshold: None, ..alert("a,b=c", "", "", AlertPhase::Ends) };
        let expected = r#"wsmon_alert,component=a\,b\=c,metric=usage_percent,server=nas\  phase="ends""#;
        assert_eq!(line(Event::Alert(ends)), format!("{expected}{TIME}"));
    }

    #[test]
    fn nothing_else_is_written_and_no_text_breaks_a_line() {
        let of = |all: Vec<Event<'_>>| -> Vec<String> {
            written("influx", Raw::None, &all, PLAIN).lines().map(str::to_owned).collect()
        };
        assert_eq!(of(events()).len(), 3, "alerts only");
        let lines = of(hostile_events());
        assert_eq!(lines.len(), 4);
        for line in lines {
            assert!(line.starts_with("wsmon_") && line.ends_with(TIME.trim_end()), "{line}");
            assert!(!line.chars().any(is_hostile), "{line:?}");
        }
    }

    #[test]
    fn the_tags_of_a_line_are_bounded() {
        let long = "=".repeat(100_000);
        let mut all = alert(&long, "HIGH", "", AlertPhase::Begins);
        all.metric = long.clone().into();
        let line = line(Event::Alert(all));
        let tags = line.split_once(" level=").unwrap().0;
        assert!(tags.len() < 1 << 16, "{}", tags.len());
        assert!(tags.contains(&format!(",component={},", r"\=".repeat(MAX_TAG))), "{}", tags.len());
    }

    #[test]
    fn a_clock_before_1970_or_far_ahead_is_still_a_number() {
        let written = |at| {
            let mut out = String::new();
            let mut line = Line::begin(&mut out, "m", &[]);
            line.number("a", Some(1e-7));
            line.end(at);
            out
        };
        assert_eq!(written(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), "m a=1e-7 0\n");
        assert_eq!(written(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40)), format!("m a=1e-7 {}\n", i64::MAX));
    }
}
