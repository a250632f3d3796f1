//! Formats for other programs: csv with its header, and statistics that stay out of the output.

use std::fs::OpenOptions;

use crate::client::{command, sample, sending, watched};
use crate::support::program::Run;
use crate::support::temp_dir::TempDir;

#[test]
fn csv_that_is_appended_to_a_file_has_one_header() {
    let dir = TempDir::new();
    for usage in [1.5, 2.0] {
        let server = sending([sample(usage)]);
        let file = OpenOptions::new().create(true).append(true).open(dir.path("samples.csv")).expect("a new file");
        let finished = Run::start(command(&server, "-f csv -n 1").stdout(file)).finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }
    let text = dir.read("samples.csv");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("received_at,server,host,cpu,"), "{text}");
    assert!(lines[1].contains("Z,x,,1.5,") && lines[2].contains("Z,x,,2,"), "{text}");
}

#[test]
fn a_pipe_always_gets_the_header_and_statistics_go_to_stderr() {
    for (format, first) in [("csv", "received_at,server,host,"), ("influx", "wsmon,server=x cpu=50 ")] {
        let finished = watched(&sending([sample(50.0)]), &format!("-s -n 1 -f {format}"));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.stdout.starts_with(first), "{finished:?}");
        assert!(!finished.stdout.contains("Statistics"), "{finished:?}");
        assert!(finished.stderr.contains("=== Client Statistics ==="), "{finished:?}");
    }
}

#[test]
fn a_template_is_written_for_each_sample_without_the_lines_that_name_what_is_absent() {
    let server = sending([sample(50.0), "[]".to_owned(), sample(1.5)]);
    let template = "--template={server}.cpu {cpu}\\n{server}.gpu {gpu}\\n{{}";
    let mut command = command(&server, "-s -n 2");
    let finished = Run::start(command.arg(template)).finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.stdout, "x.cpu 50\n{}\nx.cpu 1.5\n{}\n");
    assert!(finished.stderr.contains("=== Client Statistics ==="), "{finished:?}");
}

#[test]
fn a_sample_of_which_a_template_leaves_nothing_does_not_count() {
    let gpu = r#"{"type": "monitoring_data", "data": {"gpu": {"gpu_usage_percent": 7}}}"#;
    let server = sending([sample(50.0), gpu.to_owned()]);
    let finished = Run::start(command(&server, "-q -n 1").args(["--template", "{gpu}"])).finish();
    assert_eq!((finished.code, &*finished.stdout, &*finished.stderr), (Some(0), "7\n", ""));
}

#[test]
fn csv_of_means_has_further_columns_and_the_last_part_of_an_interval_has_a_row() {
    let server = sending([10.0, 20.0, 60.0].map(sample));
    let finished = watched(&server, "-q -f csv --every 1m --average -d 1");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines: Vec<_> = finished.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{finished:?}");
    assert!(lines[0].contains(",network,samples,cpu_min,cpu_max,memory_min,"), "{finished:?}");
    assert!(lines[1].contains("Z,x,,30,") && lines[1].ends_with(",3,10,60,,,,,,,,"), "{finished:?}");
}
