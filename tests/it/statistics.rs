//! Statistics that come again and again. Those at the end are in signals.rs and others.

use crate::client::{json_lines, sample, sending, watch, watched};
use crate::support::program::run;
use crate::support::temp_dir::TempDir;

#[test]
fn statistics_come_periodically_among_the_messages() {
    let server = sending([10.0, 20.0].map(sample));
    let finished = watched(&server, "-q -f jsonl --history --stats-every 200ms -d 1");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines = json_lines(&finished.stdout);
    let reports: Vec<_> = lines.iter().filter(|line| line["type"] == "statistics").collect();
    assert!((1..=5).contains(&reports.len()), "{finished:?}");
    let last = &reports[reports.len() - 1]["stats"];
    assert_eq!(
        (&last["messages_received"], &last["history"]["cpu"]["mean"]),
        (&3.into(), &15.0.into()),
        "{finished:?}"
    );
    let runs: Vec<_> = reports.iter().filter_map(|report| report["stats"]["run_seconds"].as_f64()).collect();
    assert!(runs.is_sorted() && runs[0] >= 0.2, "{runs:?}");
}

#[test]
fn formats_for_other_programs_have_them_on_stderr() {
    let server = sending([sample(10.0)]);
    for options in ["-f csv", "-f influx", "--template {cpu}"] {
        let run = watch(&server, &format!("-q --stats-every 100ms {options}"));
        run.wait_stderr("=== Client Statistics ===");
        run.signal("INT");
        let finished = run.finish();
        assert!(!finished.stdout.contains("Statistics"), "{finished:?}");
    }
}

#[test]
fn they_go_by_the_times_of_saved_data() {
    let dir = TempDir::new();
    let lines: String = [0, 10, 29, 30, 59, 200, 201]
        .iter()
        .map(|second| {
            let (minute, second) = (second / 60, second % 60);
            let at = format!("2026-01-02T03:{minute:02}:{second:02}.000Z");
            format!("{{\"received_at\":\"{at}\",\"server\":\"x\",{}\n", &sample(5.0)[1..])
        })
        .collect();
    let file = dir.write("saved", &lines);
    let finished = run(["-q", "-f", "jsonl", "--read", &file, "--stats-every", "30", "--stats"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let reports: Vec<_> =
        json_lines(&finished.stdout).into_iter().filter(|line| line["type"] == "statistics").collect();
    let reports: Vec<_> = reports
        .iter()
        .map(|line| (line["stats"]["run_seconds"].as_f64(), line["stats"]["messages_received"].as_u64()))
        .collect();
    let expected = [(30.0, 4), (200.0, 6), (201.0, 7)].map(|(seconds, messages)| (Some(seconds), Some(messages)));
    assert_eq!(reports, expected, "{finished:?}");
}
