//! Notices for people: statements about the connection, and messages of a server's channels and applications.

use super::lines::{LineHead, Lines, Tags, push_continuation, push_one_line, push_text};
use crate::format::style::{NOTICE, Severity};
use crate::model::decimal::push_decimal;
use crate::model::event::{Message, Notice};
use crate::model::sample::Sample;

/// Type of a greeting that is not about the connection: SysMedic's configuration, which it sends to every client.
const CONFIGURATION: &str = "config";

/// Appends a notice. A greeting is about the connection; any other has its channel, or else its type, as the mark.
pub fn push_notice(lines: &mut Lines<'_>, notice: &Notice<'_>, head: LineHead<'_>) {
    let (style, full) = (lines.style, head.tags.full);
    let level = Severity::of_log(&notice.level);
    let color = if level == Severity::Normal { NOTICE } else { level.color() };
    let name = if notice.channel.is_empty() { &notice.kind } else { &notice.channel };
    let is_greeting = notice.greeting && notice.kind != CONFIGURATION;
    lines.colored(color, |out| {
        match is_greeting {
            true => head.push(out, style, head.tags.notice),
            false if is_mark(name) => head.push_named(out, style, name),
            false => head.push_named(out, style, "notice"),
        }
        if level != Severity::Normal {
            style.push_escaped(out, &notice.level.to_ascii_uppercase());
            out.push(' ');
        }
        if !is_greeting && !name.is_empty() && !is_mark(name) {
            push_one_line(out, name, style, full);
            out.push_str(": ");
        }
        push_text(out, &notice.text, style, full);
    });
    push_continuation(lines, &notice.text, full, Some(color));
}

/// Appends a sample without a value that the format shows: its numbers by the server's names, after the message's channel
/// or type as the mark. Returns false if it has no such numbers.
pub fn push_numbers(lines: &mut Lines<'_>, sample: &Sample<'_>, message: &Message<'_>, tags: &Tags) -> bool {
    if sample.extra.is_empty() {
        return false;
    }
    let mut text = String::new();
    for (name, value) in &sample.extra {
        text.push_str(if text.is_empty() { "" } else { " " });
        text.push_str(name);
        text.push('=');
        push_decimal(&mut text, *value);
    }
    let notice = Notice { text: text.into(), kind: message.kind.into(), at: sample.at.clone(), ..Notice::default() };
    push_notice(lines, &notice, LineHead { message, tags, at: sample.at.as_deref() });
    true
}

/// Returns true for a server's name that can be a mark: short, plain, and unlike our own, which are of capitals.
fn is_mark(name: &str) -> bool {
    /// Longest mark, in bytes.
    const MAX_MARK: usize = 40;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    name.len() <= MAX_MARK && name.bytes().all(is_plain) && name.bytes().any(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::tests::{ASCII, COLOR, LABELS, PLAIN, written};
    use crate::model::event::{Event, LogLine, Raw, TaskResult};

    const TIME: &str = "2026-01-02T03:04:05Z";

    fn notice<'a>(channel: &'a str, kind: &'a str, level: &'a str) -> Event<'a> {
        let (channel, kind, level) = (channel.into(), kind.into(), level.into());
        Event::Notice(Notice { text: "text".into(), channel, kind, level, ..Notice::default() })
    }

    #[test]
    fn the_mark_is_the_channel_or_the_type_and_bad_levels_are_named_and_red() {
        for (channel, kind, level, line) in [
            ("status", "status.running", "running", "[status] TIME text"),
            ("", "custom_event", "", "[custom_event] TIME text"),
            ("", "", "", "[notice] TIME text"),
            ("actions", "action.executed", "failed", "[actions] TIME FAILED text"),
            ("status", "", "Warning", "[status] TIME WARNING text"),
        ] {
            let event = [notice(channel, kind, level)];
            let simple = format!("{}\n", line.replace("TIME", TIME));
            assert_eq!(written("simple", Raw::None, &event, PLAIN), simple);
            let compact = simple.replace(TIME, "03:04:05Z");
            assert_eq!(written("compact", Raw::None, &event, ASCII), compact);
            let (mark, rest) = line.split_once("] TIME").unwrap();
            let detailed = format!("[03:04:05Z] {}:{rest}\n", &mark[1..]);
            assert_eq!(written("detailed", Raw::None, &event, PLAIN), detailed);
            let color = if level == "failed" {
                31
            } else if level == "Warning" {
                33
            } else {
                34
            };
            let colored = written("simple", Raw::None, &event, COLOR);
            assert!(colored.starts_with(&format!("\x1b[{color}m[")), "{colored}");
        }
    }

    #[test]
    fn no_name_of_a_server_can_forge_a_mark() {
        let long = "x".repeat(41);
        for name in ["CONN", "ALERT", "ERROR", "LOG", "PROC", "a] b", "a b", "é", "\x1b[2Ja", "a\n[ALERT", &long] {
            for event in [notice(name, "x", ""), notice("", name, "")] {
                for (format, mark) in
                    [("simple", "[notice] 2"), ("compact", "[notice] 0"), ("detailed", "[03:04:05Z] notice: ")]
                {
                    let out = written(format, Raw::None, std::slice::from_ref(&event), PLAIN);
                    assert!(out.starts_with(mark) && out.ends_with(": text\n"), "{out}");
                    assert_eq!(out.lines().count(), 1, "{out}");
                    assert!(!out.contains('\x1b'), "{out}");
                }
            }
        }
    }

    #[test]
    fn a_result_of_a_task_has_its_own_mark_and_its_members() {
        let task = TaskResult { function: "demo.run".into(), success: Some(false), error: "5s".into() };
        let line = LogLine {
            level: "ERROR".into(),
            source: "t".into(),
            text: "demo.run failed: x: 5s".into(),
            extra: "try=2".into(),
            kind: "tasks.task_failed".into(),
            task: Some(Box::new(task)),
            ..LogLine::default()
        };
        let event = [Event::Log(line)];
        let out = written("simple", Raw::None, &event, COLOR);
        assert_eq!(out, format!("[task] {TIME} \x1b[31mERROR\x1b[0m t: demo.run failed: x: 5s (try=2)\n"));
        let raw = r#"{"type":"tasks.task_failed","content":"x","meta":{"try":2},"timestamp":"t"}"#;
        let out = written("events", Raw::Json(raw), &event, PLAIN);
        let members = r#""text":"demo.run failed: x: 5s","function":"demo.run","success":false,"error":"5s","type":"tasks.task_failed","data":{"content":"x","meta":{"try":2},"timestamp":"t"}}"#;
        assert!(out.trim_end().ends_with(members), "{out}");
    }

    #[test]
    fn the_lines_of_a_text_are_indented_in_detailed_and_escaped_elsewhere() {
        let text = "Traceback:\r\n  File \"a\"\n[ALERT] \x1b[2J\n\nValueError\n\n";
        let log = Event::Log(LogLine { level: "ERROR".into(), text: text.into(), ..LogLine::default() });
        let out = written("detailed", Raw::None, std::slice::from_ref(&log), LABELS);
        let expected =
            ["[03:04:05Z] LOG: ERROR Traceback:", "      File \"a\"", "    [ALERT] \\x1b[2J", "    ", "    ValueError"];
        assert_eq!(out, expected.map(|line| format!("nas\\x1b: {line}\n")).concat());
        let out = written("simple", Raw::None, &[log], PLAIN);
        assert!(out.lines().count() == 1 && out.contains("Traceback:\\r\\n  File"), "{out}");
        let many = "a\n".repeat(100_000);
        let log = Event::Log(LogLine { text: many.into(), ..LogLine::default() });
        let out = written("detailed", Raw::None, &[log], LABELS);
        assert_eq!(out.lines().count(), 1001, "line feeds beyond a bound are escaped");
    }
}
