//! The text, byte by byte, and a check of what consumers reject.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::*;
use crate::fleet::tests::{At, alert, connected, hosted, lost, nth, process, processes, sample};
use crate::model::event::{AlertPhase, Process};
use crate::model::text::is_hostile;

fn written(board: &Board) -> String {
    let mut statistics = Statistics { connections: 2, messages_received: 3, ..Statistics::default() };
    statistics.ping_ms.add(12.5);
    statistics.ping_ms.add(11.5);
    let mut out = String::new();
    push_exposition(&mut out, board, &|_| statistics.clone());
    check(&out);
    out
}

/// Checks what promtool and node_exporter reject a file for. Returns the series of each family.
#[track_caller]
fn check(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut open, mut seen) = (String::new(), BTreeSet::new());
    assert!(text.is_empty() || text.ends_with('\n'));
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        assert!(!line.chars().any(is_hostile), "{line:?}");
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, about) = help.split_once(' ').unwrap();
            assert!(about.len() > 5);
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap();
            assert!(["gauge", "counter", "summary"].contains(&kind));
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            assert!(families.insert(name.to_owned(), Vec::new()).is_none(), "second TYPE line: {name}");
            open = name.to_owned();
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(serde_json::from_str::<f64>(value).is_ok(), "{line}");
        assert!(seen.insert(series.to_owned()), "collected before: {series}");
        let (name, labels) = series.split_once('{').unwrap();
        let base = ["_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(name == open || base == open, "{line}");
        let names = label_names(labels);
        let first = families.get_mut(&open).unwrap();
        assert!(first.first().is_none_or(|first| label_names(first.split_once('{').unwrap().1) == names), "{line}");
        first.push(line.to_owned());
    }
    assert!(families.values().all(|series| !series.is_empty()));
    families
}

/// Reads `a="…",b="…"}` up to the brace.
fn label_names(labels: &str) -> Vec<String> {
    let (mut names, mut rest) = (Vec::new(), labels);
    loop {
        let (name, tail) = rest.split_once("=\"").unwrap();
        names.push(name.trim_start_matches(',').to_owned());
        let (mut end, mut chars) = (None, tail.char_indices());
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => assert!(matches!(chars.next(), Some((_, '\\' | '"' | 'n'))), "{labels}"),
                '"' => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        rest = &tail[end.unwrap() + 1..];
        if rest.starts_with('}') {
            return names;
        }
    }
}

fn fleet() -> (Board, At) {
    let (mut board, at) = (Board::default(), At(Instant::now(), 0.0));
    for (id, label) in ["web", "down", "pm"].into_iter().enumerate() {
        board.add(nth(id), label);
    }
    at.say(&mut board, 0, &[connected()]);
    at.say(&mut board, 0, &[hosted("router-01", &[("cpu", 12.4), ("load1", 0.52), ("frequency", 2596.122)])]);
    at.say(&mut board, 0, &[sample(&[("memory_used", 6_303_870_976.0)]), alert("disk", AlertPhase::Begins)]);
    board.set_dialect(nth(0), crate::Dialect::Monitoring);
    at.say(&mut board, 1, &[lost("refused")]);
    at.say(&mut board, 2, &[connected()]);
    let web = Process { cpu: Some(2.5), memory: Some(4e7), restarts: Some(3), ..process("web", "online") };
    at.say(&mut board, 2, &[processes(&[process("api \"x\"\\y", "errored"), web], &[])]);
    (board, at)
}

/// The beginning of the text about [`fleet`].
const START: &str = r#"# HELP wsmon_up Whether the server is connected.
# TYPE wsmon_up gauge
wsmon_up{server="web"} 1
wsmon_up{server="down"} 0
wsmon_up{server="pm"} 1
# HELP wsmon_server_info What is watched.
# TYPE wsmon_server_info gauge
wsmon_server_info{server="web",dialect="monitoring",host="router-01"} 1
wsmon_server_info{server="down",dialect="auto",host=""} 1
wsmon_server_info{server="pm",dialect="auto",host=""} 1
# HELP wsmon_last_sample_timestamp_seconds When the latest sample came.
# TYPE wsmon_last_sample_timestamp_seconds gauge
wsmon_last_sample_timestamp_seconds{server="web"} 1767323045.678
# HELP wsmon_connections_total Connections that were opened.
# TYPE wsmon_connections_total counter
wsmon_connections_total{server="web"} 2
"#;

/// Its end.
const END: &str = r#"# HELP wsmon_ping_seconds Round trips of pings.
# TYPE wsmon_ping_seconds summary
wsmon_ping_seconds_sum{server="web"} 0.024
wsmon_ping_seconds_count{server="web"} 2
wsmon_ping_seconds_sum{server="down"} 0.024
wsmon_ping_seconds_count{server="down"} 2
wsmon_ping_seconds_sum{server="pm"} 0.024
wsmon_ping_seconds_count{server="pm"} 2
# HELP wsmon_alerts Alerts of the server's own that are in force.
# TYPE wsmon_alerts gauge
wsmon_alerts{server="web"} 1
wsmon_alerts{server="pm"} 0
# HELP wsmon_cpu_ratio Processor use, all cores together.
# TYPE wsmon_cpu_ratio gauge
wsmon_cpu_ratio{server="web"} 0.124
# HELP wsmon_frequency_hertz Current clock frequency of the processor.
# TYPE wsmon_frequency_hertz gauge
wsmon_frequency_hertz{server="web"} 2596122000
# HELP wsmon_load1 Load average over 1 minute.
# TYPE wsmon_load1 gauge
wsmon_load1{server="web"} 0.52
# HELP wsmon_memory_used_bytes Memory in use.
# TYPE wsmon_memory_used_bytes gauge
wsmon_memory_used_bytes{server="web"} 6303870976
# HELP wsmon_process_running Whether the process runs.
# TYPE wsmon_process_running gauge
wsmon_process_running{server="pm",process="api \"x\"\\y"} 0
wsmon_process_running{server="pm",process="web"} 1
# HELP wsmon_process_cpu_ratio Processor use of the process.
# TYPE wsmon_process_cpu_ratio gauge
wsmon_process_cpu_ratio{server="pm",process="web"} 0.025
# HELP wsmon_process_memory_bytes Memory of the process.
# TYPE wsmon_process_memory_bytes gauge
wsmon_process_memory_bytes{server="pm",process="web"} 40000000
# HELP wsmon_process_restarts_total Restarts of the process.
# TYPE wsmon_process_restarts_total counter
wsmon_process_restarts_total{server="pm",process="web"} 3
"#;

#[test]
fn a_fleet_is_written_byte_by_byte() {
    let (board, _) = fleet();
    let text = written(&board);
    assert!(text.starts_with(START), "{text}");
    let from = text.find("# HELP wsmon_ping_seconds").unwrap();
    assert_eq!(&text[from..], END);
}

#[test]
fn a_server_that_is_down_keeps_its_counters_and_loses_its_values() {
    let (mut board, at) = fleet();
    at.say(&mut board, 0, &[lost("reset")]);
    let text = written(&board);
    for gone in ["wsmon_cpu_ratio", "wsmon_alerts{server=\"web\"}"] {
        assert!(!text.contains(gone), "{text}");
    }
    for kept in [
        "wsmon_up{server=\"web\"} 0\n",
        "timestamp_seconds{server=\"web\"} 1767323045.678\n",
        "_total{server=\"web\"} 2\n",
    ] {
        assert!(text.contains(kept), "{text}");
    }
}

#[test]
fn an_empty_board_is_an_empty_text() {
    assert_eq!(written(&Board::default()), "");
}

#[test]
fn every_metric_has_a_family_with_a_base_unit() {
    let (mut board, at) = fleet();
    let all: Vec<_> = METRICS.iter().map(|row| (row.name, 1.0)).collect();
    at.say(&mut board, 0, &[sample(&all)]);
    let families = check(&written(&board));
    for name in families.keys() {
        assert!(!["_percent", "_milliseconds", "_megahertz", "_kilobytes"].iter().any(|unit| name.contains(unit)));
    }
    let sampled = families.keys().filter(|name| !name.contains("_process_")).count();
    assert_eq!(sampled, METRICS.len() + 11);
}

#[test]
fn values_that_are_not_finite_in_base_units_are_left_out() {
    let (mut board, at) = fleet();
    at.say(&mut board, 0, &[sample(&[("frequency", 1e308), ("cpu", f64::NEG_INFINITY), ("memory", -0.0)])]);
    let list = [Process { cpu: Some(f64::INFINITY), restarts: Some(-1), ..process("web", "online") }];
    at.say(&mut board, 2, &[processes(&list, &[])]);
    let text = written(&board);
    assert!(!text.contains("hertz") && !text.contains("wsmon_cpu_ratio"), "{text}");
    assert!(text.contains("wsmon_memory_ratio{server=\"web\"} 0\n"), "{text}");
    assert!(!text.contains("wsmon_process_cpu_ratio") && !text.contains("restarts"), "{text}");
}

#[test]
fn hostile_names_are_escaped_and_never_make_a_series_twice() {
    let (mut board, at) = fleet();
    let names = ["a\x1bb", "a\\x1bb", "a\nb", "a\\nb", "{}=,\"", "\u{202e}", "é\u{ff}", "", "}", "\" 1\nwsmon_up 1"];
    let list = names.map(|name| process(name, "online"));
    at.say(&mut board, 2, &[hosted("h\"\\\n\x07", &[]), processes(&list, &[])]);
    let families = check(&written(&board));
    let series = &families["wsmon_process_running"];
    for line in [
        r#"wsmon_process_running{server="pm",process="a\\x1bb"} 1"#,
        r#"wsmon_process_running{server="pm",process="a\nb"} 1"#,
        r#"wsmon_process_running{server="pm",process="a\\nb"} 1"#,
        r#"wsmon_process_running{server="pm",process="{}=,\""} 1"#,
        r#"wsmon_process_running{server="pm",process="\\u{202e}"} 1"#,
        r#"wsmon_process_running{server="pm",process="\" 1\nwsmon_up 1"} 1"#,
    ] {
        assert_eq!(series.iter().filter(|known| *known == line).count(), 1, "{line}");
    }
    assert!(families["wsmon_server_info"][2].ends_with(r#"host="h\"\\\n\\x07"} 1"#));
    for (id, label) in (3..).zip(["x\x1b", "x\\x1b", "x\n", "\""]) {
        board.add(nth(id), label);
    }
    assert_eq!(check(&written(&board))["wsmon_up"].len(), 6);
}
