use super::*;
use crate::format::tests::{ASCII, COLOR, LABELS, PLAIN, change, processes, written};
use crate::model::event::{Event, Raw};

/// The time of receipt in the formats with one line for each event.
const TIMES: [(&str, &str); 2] = [("simple", "2026-01-02T03:04:05Z"), ("compact", "03:04:05Z")];

fn listed(list: Vec<Process<'_>>, first: bool) -> Event<'_> {
    Event::Processes(Processes { list, changes: vec![], first, ..Processes::default() })
}

fn process(name: &str) -> Process<'_> {
    Process { name: name.into(), ..Process::default() }
}

#[test]
fn the_first_list_is_a_line_for_each_process() {
    let event = [processes(vec![change("web", "", "errored", "")], true)];
    let lines = "[PROC] TIME web: errored (no such file)\n[PROC] TIME idle: listed\n";
    for (format, time) in TIMES {
        assert_eq!(written(format, Raw::None, &event, PLAIN), lines.replace("TIME", time));
        let none = written(format, Raw::None, &[listed(vec![], true)], PLAIN);
        assert_eq!(none, format!("[PROC] {time} no processes\n"));
    }
}

#[test]
fn later_lists_are_shown_by_their_changes() {
    let changes = || {
        vec![
            change("web", "online", "errored", "exit code 3"),
            change("new", "", "online", ""),
            change("old", "stopped", "", ""),
        ]
    };
    let lines =
        "[PROC] TIME web: online → errored (exit code 3)\n[PROC] TIME new: online\n[PROC] TIME old: stopped → gone\n";
    let event = [processes(changes(), false)];
    for (format, time) in TIMES {
        let lines = lines.replace("TIME", time);
        assert_eq!(written(format, Raw::None, &event, PLAIN), lines);
        assert_eq!(written(format, Raw::None, &event, ASCII), lines.replace('→', "->"));
        assert_eq!(written(format, Raw::None, &[processes(vec![], false)], PLAIN), "");
    }
    let colored = written("simple", Raw::None, &event, COLOR);
    assert!(
        colored.starts_with("[PROC] 2026-01-02T03:04:05Z web: online → \x1b[31merrored\x1b[0m (exit code 3)\n"),
        "{colored}"
    );
    assert!(colored.contains("new: \x1b[32monline\x1b[0m\n") && colored.contains("→ \x1b[33mgone\x1b[0m\n"));
}

#[test]
fn detailed_has_a_table_without_empty_columns() {
    let expected = "\
[03:04:05Z] PROCESS: 2 listed
 NAME STATE     PID AGE    RESTARTS  CPU MEMORY  PORT NAMESPACE EXIT ID
 web  errored 18899 3h 12m        0 1.8% 6.0 GB 31080 default     -3 7
    no such file
 idle               2h 11m
";
    assert_eq!(written("detailed", Raw::None, &[processes(vec![], true)], PLAIN), expected);
    let changed = written("detailed", Raw::None, &[processes(vec![change("idle", "a", "b", "")], false)], PLAIN);
    assert_eq!(changed, format!("{expected}[03:04:05Z] PROCESS: idle: a → b\n"));
    let labelled = written("detailed", Raw::None, &[processes(vec![], true)], LABELS);
    assert!(labelled.lines().zip(expected.lines()).all(|(line, plain)| line == format!("nas\\x1b: {plain}")));
    let colored = written("detailed", Raw::None, &[processes(vec![], true)], COLOR);
    assert!(colored.contains("\n web  \x1b[31merrored\x1b[0m 18899"), "{colored}");
    assert!(colored.contains("\n\x1b[31m    no such file\x1b[0m\n idle "), "{colored}");
}

#[test]
fn an_unchanged_list_is_shown_where_it_is_asked_for_and_a_moved_one_always() {
    let list = |moved| {
        let (cpu, memory) = (Some(99.5), Some(946_864_128.0));
        let used = Process { cpu, memory, moved, ..process("w") };
        vec![Process { cpu: None, ..used.clone() }, Process { moved: false, ..used }, process("v")]
    };
    let asked = Style { lists: true, ..PLAIN };
    let (used, memory) = ("w: cpu 99.5% memory 903.0 MB", "w: memory 903.0 MB");
    for (moved, style, simple, detailed) in [
        (false, PLAIN, vec![], 0),
        (true, PLAIN, vec![memory], 5),
        (false, asked, vec![memory, used], 5),
        (true, asked, vec![memory, used], 5),
    ] {
        let event = [listed(list(moved), false)];
        for (format, time) in TIMES {
            let lines = simple.iter().map(|line| format!("[PROC] {time} {line}\n"));
            assert_eq!(written(format, Raw::None, &event, style), lines.collect::<String>());
        }
        assert_eq!(written("detailed", Raw::None, &event, style).lines().count(), detailed);
    }
    let out = written("simple", Raw::None, &[listed(list(true), true)], PLAIN);
    assert!(out.contains(used) && out.ends_with(" v: listed\n") && out.lines().count() == 3, "{out}");
    let changed = Processes { list: list(false), changes: vec![change("v", "a", "b", "")], ..Processes::default() };
    let out = written("detailed", Raw::None, &[Event::Processes(changed)], PLAIN);
    assert_eq!(out.lines().count(), 6, "{out}");
}

#[test]
fn no_table_is_wider_than_80_columns() {
    let wide = "\u{202e}".repeat(50);
    for texts in ["a", "0123456789abcdef-0123456789abcdef-0123456789abcdef", "é", &wide] {
        for number in [None, Some(1), Some(99_999), Some(i64::MIN)] {
            let full = Process {
                name: texts.into(),
                id: texts.into(),
                state: texts.into(),
                pid: number,
                started_at: Some(texts.into()),
                restarts: number,
                cpu: number.map(|number| number as f64 * 1e30),
                memory: number.map(|number| number as f64 * 1e30),
                exit_code: number,
                namespace: Some(texts.into()),
                port: number,
                ..Process::default()
            };
            for style in [PLAIN, ASCII] {
                let out = written("detailed", Raw::None, &[listed(vec![full.clone()], true)], style);
                let widest = out.lines().map(|line| line.chars().count()).max();
                assert!(widest.is_some_and(|width| width <= MAX_WIDTH), "{out}");
                assert!(out.lines().nth(1).is_some_and(|head| head.contains("NAME") && head.contains(STATE)), "{out}");
            }
        }
    }
    let id = "71755dbf-27e8-45d4-8759-641449a9cbfb";
    let out = written("detailed", Raw::None, &[listed(vec![Process { id: id.into(), ..process("a") }], true)], PLAIN);
    assert!(out.ends_with(" a     71755dbf\n"), "{out}");
}

#[test]
fn detailed_shows_an_empty_list_but_not_a_missing_one() {
    assert_eq!(written("detailed", Raw::None, &[listed(vec![], true)], PLAIN), "[03:04:05Z] PROCESS: none\n");
    let told =
        Processes { list: vec![], changes: vec![change("a", "", "started", "")], first: false, ..Processes::default() };
    let out = written("detailed", Raw::None, &[Event::Processes(told)], PLAIN);
    assert_eq!(out, "[03:04:05Z] PROCESS: a: started\n");
}

#[test]
fn a_start_without_a_plausible_age_is_shown_as_received() {
    let started = |at: &'static str| Process { started_at: Some(at.into()), ..process("a") };
    for (at, shown) in [
        ("Tuesday", "Tuesday"),
        ("2026-01-02T03:04:06Z", "0s"),
        ("2027-01-02T03:04:06Z", "2027-01-02T03:04:06Z"),
        ("2026-01-02T02:04:05.678", "1h 0m"),
    ] {
        let out = written("detailed", Raw::None, &[listed(vec![started(at)], true)], PLAIN);
        assert!(out.ends_with(&format!("AGE\n  a     {shown}\n")), "{out}");
    }
}

#[test]
fn a_long_cell_does_not_widen_the_others() {
    let long = "n".repeat(5000);
    let list = std::iter::repeat_n(process("a"), 1000)
        .chain([process(&long)])
        .map(|process| Process { port: Some(1), ..process });
    let out = written("detailed", Raw::None, &[listed(list.collect(), true)], PLAIN);
    assert!(out.len() < 60_000, "{}", out.len());
    assert!(out.contains(&format!("\n  a{}1\n", " ".repeat(MAX_CELL_WIDTH - 1 + 2 + 3))), "{out}");
}
