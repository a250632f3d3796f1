//! `--warning` and `--critical` without `--check`: alerts among the messages.

use crate::client::{json_lines, log_lines, sample, sending, watched, without_times};
use crate::support::program::run;
use crate::support::temp_dir::TempDir;

#[test]
fn changes_of_levels_are_alerts_among_the_samples() {
    let server = sending([85.0, 95.0, 96.0, 86.0, 5.0].map(sample));
    let finished = watched(&server, "-q -n 9 -w cpu=80 -c cpu=90");
    let lines: Vec<_> = without_times(&finished.stdout).lines().skip(1).map(str::to_owned).collect();
    let expected = [
        "CPU:  85.0%",
        "[ALERT] WARNING cpu 85.0% (80)",
        "CPU:  95.0%",
        "[ALERT] CRITICAL cpu 95.0% (90)",
        "CPU:  96.0%",
        "CPU:  86.0%",
        "[ALERT] WARNING (better than CRITICAL) cpu 86.0% (80)",
        "CPU:   5.0%",
        "[ALERT] cpu: back to normal",
    ];
    assert_eq!((finished.code, lines), (Some(0), expected.map(str::to_owned).to_vec()), "{finished:?}");
}

#[test]
fn a_run_can_wait_for_the_first_alarm_also_of_a_server_that_is_down() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (rules, name) in [("up=1:", "x"), ("up.sum=1:", "*"), ("up.sum=1:,up=1:/5m", "*")] {
        let uri = format!("x=ws://{free}");
        let finished = run([&uri, "-q", "-f", "events", "--only", "alert", "-n", "1", "-c", rules]);
        let alerts = json_lines(&finished.stdout);
        assert_eq!((finished.code, alerts.len()), (Some(0), 1), "{finished:?}");
        assert_eq!((&alerts[0]["server"], &alerts[0]["level"]), (&name.into(), &"CRITICAL".into()), "{finished:?}");
    }
}

#[test]
fn the_end_of_the_run_itself_raises_no_alarm() {
    let finished = watched(&sending([sample(5.0)]), "-q -d 0.5 -f events -c up=1:,age=5");
    assert!(!json_lines(&finished.stdout).iter().any(|line| line["kind"] == "alert"), "{finished:?}");
}

#[test]
fn a_format_without_a_line_for_alerts_is_warned_of() {
    let finished = watched(&sending([sample(95.0)]), "-q -n 1 -f jsonl -w cpu=80");
    let warnings = log_lines(&finished.stderr, &["WARN"]);
    assert_eq!(warnings, ["WARN --warning and --critical have no effect: jsonl has no line for an alert, events has"]);
    assert!(!finished.stdout.contains("alert"), "{finished:?}");
}

#[test]
fn a_format_with_a_line_for_alerts_is_enough_for_saved_data() {
    let dir = TempDir::new();
    for (format, warnings) in [("events", 0), ("influx", 0), ("jsonl", 1), ("csv", 1)] {
        let data = dir.path(format);
        let options = format!("-q -n 1 -f jsonl -w cpu=80 --save-data {data} --save-format {format}");
        let finished = watched(&sending([sample(95.0)]), &options);
        assert_eq!(log_lines(&finished.stderr, &["WARN"]).len(), warnings, "{finished:?}");
        assert_eq!(dir.read(format).contains("WARNING"), warnings == 0, "{format}");
    }
}

#[test]
fn means_have_no_effect_on_messages_alone() {
    for (options, warnings) in [("-f jsonl", 1), ("-f json", 1), ("-f events", 0), ("-f jsonl -w cpu=80", 0)] {
        let finished = watched(&sending([sample(95.0)]), &format!("-q -d 0.3 --every 1m --average {options}"));
        let lines = log_lines(&finished.stderr, &["WARN"]);
        let found = lines.iter().filter(|line| line.starts_with("WARN --average has no effect: json")).count();
        assert_eq!(found, warnings, "{finished:?}");
    }
}

#[test]
fn a_wrong_rule_is_named_before_the_first_dial() {
    for (words, why) in [
        (["-w", "cpu=80,memroy=2"], "--warning 'memroy=2': no metric is called 'memroy', did you mean memory?"),
        (["-c", "cpu=80%"], "--critical 'cpu=80%': '80%' is not a number such as 80 or 7.5"),
    ] {
        let finished = run(words);
        assert_eq!((finished.code, finished.stderr), (Some(2), format!("wsmon: {why}\ntry wsmon --help\n")));
    }
}
