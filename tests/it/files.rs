//! Files that the program writes: the saved data and the log.

use crate::client::{json_lines, log_lines, sample, sending, usages, watch, watched};
use crate::support::program::{Run, run};
use crate::support::temp_dir::TempDir;

/// Returns samples with ascending CPU usage.
fn counting(max: u32) -> Vec<String> {
    (0..max).map(|n| sample(n.into())).collect()
}

#[test]
fn saved_lines_are_those_of_the_format_jsonl() {
    let mut messages = counting(5);
    messages.extend(
        ["no JSON", "[1]", r#"{"type": "pong"}"#, r#"{"type": "error", "message": "é\u001b"}"#].map(str::to_owned),
    );
    messages.push(sample(6.0));
    let server = sending(&messages);
    let dir = TempDir::new();
    let finished = watched(&server, &format!("-n 6 -f jsonl --save-data {}", dir.path("data")));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.stdout, dir.read("data"));
    assert_eq!(json_lines(&finished.stdout).len(), 11);
    assert_eq!(json_lines(&finished.stdout)[6]["text"], "no JSON");
    // With any format on stdout.
    let other = watched(&server, &format!("-n 6 -f compact --save-data {}", dir.path("other")));
    assert_eq!(other.code, Some(0), "{other:?}");
    let without_time = |name: &str| -> Vec<_> {
        let mut lines = json_lines(&dir.read(name));
        lines.iter_mut().for_each(|line| _ = line.as_object_mut().unwrap().remove("received_at"));
        lines
    };
    assert_eq!(without_time("data"), without_time("other"));
}

#[test]
fn data_can_be_saved_in_another_format_than_that_of_stdout() {
    let processes =
        r#"{"type": "ProcessList", "data": [{"name": "a", "state": "online"}, {"name": "b", "state": "errored"}]}"#;
    let messages = [sample(1.0), "no JSON".to_owned(), processes.to_owned(), sample(2.0)];
    let server = sending(messages);
    for (format, count, lines) in [("csv", 2, 3), ("influx", 2, 2), ("events", 2, 7)] {
        let dir = TempDir::new();
        let options = format!("-n {count} -q -f {format} --save-format {format} --save-data {}", dir.path("data"));
        let finished = watched(&server, &options);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert_eq!(finished.stdout, dir.read("data"), "{format}");
        assert!(finished.stdout.lines().count() >= lines, "{lines}: {finished:?}");
    }
}

#[test]
fn each_rotated_file_of_csv_begins_with_the_header() {
    let dir = TempDir::new();
    let options = format!("-q -n 200 -f compact --save-format csv --save-data {} --rotate-size 2K", dir.path("data"));
    assert_eq!(watched(&sending(counting(200)), &options).code, Some(0));
    for name in ["data", "data.1", "data.2"] {
        let text = dir.read(name);
        assert!(text.starts_with("received_at,server,host,"), "{name}: {text}");
        assert_eq!(text.matches("received_at").count(), 1, "{name}: {text}");
        assert!(
            text.lines().all(|line| line.matches(',').count() == text.lines().next().unwrap().matches(',').count())
        );
    }
}

#[test]
fn data_is_appended_and_an_incomplete_line_is_ended_first() {
    let dir = TempDir::new();
    let data = dir.write("data", "{\"whole\":1}\n{\"to");
    let finished = watched(&sending(counting(2)), &format!("-n 2 --save-data {data}"));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let text = dir.read("data");
    let rest = text.strip_prefix("{\"whole\":1}\n{\"to\n").unwrap_or_else(|| panic!("{text}"));
    assert_eq!(usages(rest), [0.0, 1.0]);
    let why = format!("WARN {data}: ended in the middle of a line; added the missing line feed");
    assert_eq!(log_lines(&finished.stderr, &["WARN"]), [why]);
}

#[test]
fn many_rotations_within_a_second_lose_nothing() {
    let dir = TempDir::new();
    let data = dir.path("data");
    let options = format!("-q -n 1000 -s -f jsonl --save-data {data} --rotate-size 2K --rotate-keep 1000");
    let finished = watched(&sending(counting(1000)), &options);
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{}", finished.stdout);
    let old = (1..).take_while(|n| dir.has(&format!("data.{n}"))).count();
    assert!(old > 50, "{old}");
    let mut found = Vec::new();
    for n in (0..=old).rev() {
        let text = dir.read(&if n == 0 { "data".to_owned() } else { format!("data.{n}") });
        assert!(text.len() <= 2048 && text.ends_with('\n'), "{n}: {}", text.len());
        found.extend(usages(&text));
    }
    assert_eq!(found, (0..1000).map(f64::from).collect::<Vec<_>>());
    let saved = &crate::client::statistics(&finished)["saved"];
    assert_eq!((&saved["messages"], &saved["file"]), (&1001.into(), &data.into()));
}

#[test]
fn old_files_beyond_the_number_to_keep_are_removed() {
    let dir = TempDir::new();
    let data = dir.path("data");
    let options = format!("-n 200 --save-data {data} --rotate-size 1K --rotate-keep 2");
    assert_eq!(watched(&sending(counting(200)), &options).code, Some(0));
    let found: Vec<_> = ["data.2", "data.1", "data"].iter().flat_map(|name| usages(&dir.read(name))).collect();
    let newest: Vec<_> = (0..200).map(f64::from).skip(200 - found.len()).collect();
    assert!(found == newest && !dir.has("data.3"), "{found:?}");
}

#[test]
fn two_programs_do_not_write_to_one_file() {
    let dir = TempDir::new();
    let options = format!("--save-data {}", dir.path("data"));
    let server = sending(counting(1));
    let first = watch(&server, &options);
    first.wait_stdout("CPU:   0.0%\n");
    let second = watched(&server, &options);
    assert_eq!((second.code, server.accepted()), (Some(3), 1), "{second:?}");
    assert!(second.stderr.starts_with("wsmon: --save-data "), "{second:?}");
}

#[test]
fn the_log_goes_to_its_file_and_a_fatal_error_to_stderr_as_well() {
    let dir = TempDir::new();
    let log = dir.path("log");
    let server = sending(counting(1));
    let finished = watched(&server, &format!("-n 1 --log-file {log}"));
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:?}");
    let text = dir.read("log");
    assert_eq!(log_lines(&text, &["INFO x: connect"]).len(), 2, "{text}");
    drop(server);
    let run = crate::support::program::run(["-u", "x=ws://127.0.0.1:1", "--no-reconnect", "--log-file", &log]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let why = "ERROR x: connect to 127.0.0.1:1: connection refused; giving up";
    assert_eq!(log_lines(&run.stderr, &[""]), [why, "ERROR nothing was received"]);
    let all = dir.read("log");
    assert!(all.starts_with(&text), "appended: {all}");
    assert_eq!(log_lines(&all, &["ERROR"]).len(), 2, "{all}");
}

#[test]
fn data_can_be_saved_to_dev_null() {
    let finished = watched(&sending(counting(1)), "-n 1 --save-data /dev/null --log-file /dev/null");
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:?}");
}

#[test]
fn collected_lines_are_written_at_the_end_and_on_a_signal() {
    let dir = TempDir::new();
    let server = sending(counting(3));
    let data = dir.path("data");
    let finished = watched(&server, &format!("-n 3 -s -f jsonl --flush-every 1h --save-data {data}"));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(usages(&dir.read("data")), [0.0, 1.0, 2.0]);
    assert_eq!(crate::client::statistics(&finished)["saved"]["messages"], 4);
    let run = watch(&server, &format!("--flush-every 1h --save-data {}", dir.path("other")));
    run.wait_stdout("CPU:   2.0%");
    assert_eq!(dir.read("other"), "");
    run.signal("HUP");
    run.wait_stderr("reopened");
    assert_eq!(usages(&dir.read("other")), [0.0, 1.0, 2.0]);
}

#[test]
fn a_second_writer_is_refused_until_the_first_has_ended() {
    let dir = TempDir::new();
    let data = dir.path("data");
    let server = sending([sample(1.0)]);
    let first = watch(&server, &format!("--save-data {data}"));
    first.wait_stdout("CPU:");
    let second = watched(&server, &format!("-n 1 --save-data {data}"));
    assert_eq!(second.code, Some(3), "{second:?}");
    assert!(second.stderr.contains("another process is writing to it"), "{second:?}");
    first.signal("TERM");
    assert_eq!(first.finish().code, Some(0));
    assert_eq!(watched(&server, &format!("-n 1 --save-data {data}")).code, Some(0));
}

#[test]
fn a_file_beyond_its_size_limit_is_a_gap_and_no_death() {
    let dir = TempDir::new();
    let server = sending((0..2000).map(|n| sample(n.into())));
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -f 1; exec \"$@\"", "sh"]).arg(crate::support::program::binary());
    command.args(["-q", "-n", "2000", "-u", &server.uri(), "--save-data", &dir.path("data")]);
    command.env_clear().stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let finished = Run::start(&mut command).finish();
    assert_eq!((finished.code, finished.signal), (Some(3), None), "{}", finished.stderr);
    assert!(finished.stderr.contains("file too large"), "{}", finished.stderr);
    let data = dir.read("data");
    assert!(!data.is_empty() && data.ends_with('\n'), "the line that was cut off is gone");
}

#[test]
fn the_log_is_not_written_into_the_saved_data_or_its_rotated_files() {
    let dir = TempDir::new();
    let data = dir.path("data");
    for (log, status) in [("data", 2), ("data.1", 2), ("data.5", 2), ("data.6", 1), ("other", 1)] {
        let options = format!("--no-reconnect --save-data {data} --log-file {}", dir.path(log));
        let finished = run(format!("-u ws://127.0.0.1:1 {options}").split(' '));
        assert_eq!(finished.code, Some(status), "{log}: {finished:?}");
    }
}

#[test]
fn options_of_files_are_warned_of_where_there_is_no_file() {
    let options = "127.0.0.1:1 --no-reconnect --flush-every 5 --fsync --save-format csv --rotate-keep 9";
    let warnings = [
        "WARN --flush-every has no effect without --save-data",
        "WARN --fsync has no effect without --save-data",
        "WARN --save-format has no effect without --save-data",
        "WARN --rotate-size and --rotate-keep have no effect without --save-data or --log-file",
    ];
    let warned = |more: &[&str]| run(options.split(' ').chain(more.iter().copied())).stderr;
    assert_eq!(log_lines(&warned(&[]), &["WARN --"]), warnings);
    let dir = TempDir::new();
    assert!(!warned(&["--save-data", &dir.path("data")]).contains("no effect"));
    assert!(!warned(&["--log-file", &dir.path("log")]).contains("no effect"));
    let log = std::fs::read_to_string(dir.path("log")).unwrap();
    assert_eq!(log_lines(&log, &["WARN --"]), warnings[..3]);
}
