//! Invalid command lines and files: an error text and a status before the first dial.

use crate::client::sending;
use crate::support::program::{Finished, Run, run, wsmon};
use crate::support::temp_dir::TempDir;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Asserts that the run ended with this status, and with the reason on stderr only.
fn assert_refused(finished: &Finished, code: i32, why: &str) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    assert!(finished.stderr.starts_with("wsmon: ") && finished.stderr.contains(why), "{finished:?}");
    assert!(!finished.stderr.chars().any(|c| c.is_control() && c != '\n'), "{finished:?}");
}

#[test]
fn each_invalid_part_of_a_uri_is_named() {
    for (uri, why) in [
        ("", "the host is missing"),
        ("ws://", "the host is missing"),
        ("http://h/", "the scheme is http: write ws://"),
        ("ftp://h/", "unknown scheme ftp"),
        ("ws://h:0/", "the port \"0\" is not a number from 1 to 65535"),
        ("ws://h:99999/", "the port \"99999\" is not a number from 1 to 65535"),
        ("ws://h:abc/", "the port \"abc\""),
        ("h:", "the port \"\""),
        ("ws://h/#part", "no fragment"),
        ("ws://h o/", "percent-encoded"),
        ("ws://h/\x1b[2J", "percent-encoded"),
        ("ws://::1/", "brackets"),
        ("ws://[::1/", "no ]"),
        ("ws://a%zz@h/", "user information"),
        ("router=ws://:1/", "the host is missing"),
    ] {
        let finished = run(["--uri", uri]);
        assert_refused(&finished, 2, why);
        assert!(finished.stderr.starts_with("wsmon: --uri: invalid URI "), "{finished:?}");
    }
}

#[test]
fn an_invalid_uri_is_shown_without_its_password() {
    let finished = run(["-u", "ws://me:hunter2@h:0/?token=hunter2"]);
    assert_refused(&finished, 2, "ws://h:0/?token=redacted");
    assert!(!finished.stderr.contains("hunter2"), "{finished:?}");
}

#[test]
fn an_invalid_environment_variable_is_named() {
    for (name, value) in
        [("MONITORING_WEBSOCKET_URI", "ws://h:0"), ("MONITORING_FORMAT", "xml"), ("MONITORING_LOG_LEVEL", "loud")]
    {
        let finished = Run::start(wsmon([""; 0]).env(name, value)).finish();
        assert_refused(&finished, 2, &format!("wsmon: ${name}"));
        let finished = Run::start(wsmon(["-d", "0.01", "-u", "ws://127.0.0.1:1"]).env(name, "")).finish();
        assert_eq!(finished.code, Some(1), "an empty variable is none: {finished:?}");
    }
    let finished = Run::start(wsmon([""; 0]).env("MONITORING_FORMAT", OsStr::from_bytes(b"\xff"))).finish();
    assert_refused(&finished, 2, "$MONITORING_FORMAT is not UTF-8");
}

#[test]
fn an_invalid_command_line_is_answered_with_a_valid_one() {
    for (words, why) in [
        (&["--nonsense"][..], "unknown option --nonsense"),
        (&["-x"], "unknown option -x"),
        (&["--uri"], "--uri needs a value: --uri URI"),
        (&["-f"], "--format needs a value: --format NAME"),
        (&["--stats=yes"], "--stats takes no value"),
        (&["stray:x"], "the port \"x\""),
        (&["--", "--stray:0"], "the port \"0\""),
        (&["-"], "--read - reads standard input"),
        (&["pmdaemon://h:0"], "invalid URI pmdaemon://h:0: the port"),
        (&["--format", "xml"], "--format 'xml': choose from simple, detailed, compact, json, jsonl"),
        (&["--color", "red"], "choose from auto, always, never"),
        (&["--log-level", "loud"], "choose from trace, debug, info, warning, error, critical, off"),
        (&["--log-format", "xml"], "--log-format 'xml': choose from text, json"),
        (&["--log-format", "json", "--stats-every", "-1"], "--stats-every '-1'"),
        (&["--count", "0"], "--count '0'"),
        (&["--connect-timeout", "0"], "--connect-timeout '0'"),
        (&["--ping-timeout", "0"], "--ping-timeout '0'"),
        (&["--reconnect-interval", "0"], "--reconnect-interval '0'"),
        (&["--reconnect-interval", "-1"], "--reconnect-interval '-1'"),
        (&["--duration", "nan"], "--duration 'nan'"),
        (&["--duration", "10M"], "did you mean 10m?"),
        (&["--duration", "11y"], "--duration '11y'"),
        (&["--max-reconnects", "-1"], "--max-reconnects '-1'"),
        (&["--save-data", ""], "--save-data"),
        (&["--demo", "--uri", "h"], "--demo"),
        (&["-u", "a=h", "-u", "a=i"], "two servers are called a: labels must differ"),
        (&["--nonsense\x1b[2J\n"], "unknown option"),
    ] {
        assert_refused(&run(words), 2, why);
    }
}

#[test]
fn an_argument_that_is_not_utf_8_is_refused() {
    for words in [&[OsStr::from_bytes(b"--\xff")][..], &[OsStr::new("--uri"), OsStr::from_bytes(b"ws://h\xff")]] {
        assert_refused(&run(words), 2, "not UTF-8");
    }
}

#[test]
fn a_file_that_cannot_be_opened_ends_the_run_before_the_first_dial() {
    let server = sending([""; 0]);
    let dir = TempDir::new();
    let (directory, missing) = (dir.path(""), dir.path("missing/file"));
    for (option, file) in [
        ("--save-data", &directory),
        ("--save-data", &missing),
        ("--log-file", &directory),
        ("--log-file", &missing),
        ("--save-data", &"/dev/full".to_owned()),
    ] {
        let finished = run(["-u", &server.uri(), option, file]);
        assert_refused(&finished, 3, file.trim_end_matches('/'));
        assert!(finished.stderr.contains(option), "{finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    }
    assert_eq!(server.accepted(), 0);
}

#[test]
fn a_uri_file_that_cannot_be_read_is_a_local_failure_and_one_without_a_uri_a_usage_error() {
    let dir = TempDir::new();
    for (file, code, why) in [
        (dir.path("missing"), 3, "no such file or directory"),
        (dir.path(""), 3, "is a directory"),
        (dir.write("empty", ""), 2, "no URI is in it"),
        (dir.write("wrong", "ws://h:0/\n"), 2, "the port \"0\""),
    ] {
        for label in ["", "router="] {
            assert_refused(&run(["-u", &format!("{label}@{file}")]), code, why);
        }
    }
}

#[cfg(feature = "demo")]
#[test]
fn the_demo_shows_this_machine_without_a_server() {
    let finished = Run::start(wsmon(["--demo", "-n", "1", "-q"]).env("MONITORING_WEBSOCKET_URI", "ws://h:0")).finish();
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:?}");
    assert!(finished.stdout.lines().last().unwrap().starts_with("CPU: "), "{finished:?}");
}

#[cfg(feature = "demo")]
#[test]
fn the_demo_of_a_fleet_has_alerts_processes_logs_and_an_outage_within_seconds() {
    let finished =
        Run::start(&mut wsmon(["--demo=fleet", "-q", "-f", "events", "-d", "7", "-c", "up.sum=5:"])).finish();
    assert_eq!((finished.code, finished.stderr.lines().count()), (Some(0), 1), "{finished:?}");
    let lines = crate::client::all_json_lines(&finished.stdout);
    let has = |server: &str, name: &str, value: &str| {
        lines.iter().any(|line| {
            (server, value) == (line["server"].as_str().unwrap_or_default(), line[name].as_str().unwrap_or_default())
        })
    };
    for (server, name, value) in [
        ("web", "kind", "sample"),
        ("web", "level", "WARNING"),
        ("db", "kind", "alert"),
        ("queue", "kind", "processes"),
        ("tasks", "kind", "log"),
        ("brain", "kind", "sample"),
        ("brain", "to", "reconnecting"),
        ("*", "level", "CRITICAL"),
    ] {
        assert!(has(server, name, value), "{server} {name} {value}: {finished:?}");
    }
}

#[cfg(not(feature = "demo"))]
#[test]
fn a_build_without_the_demo_says_so() {
    for demo in ["--demo", "--demo=fleet"] {
        assert_refused(&run([demo]), 2, "--demo: this build does not have it");
    }
}

#[test]
fn an_unknown_host_is_logged_with_the_phase_in_one_line() {
    let finished = run(["-u", "x=ws://nonexistent.invalid:8765", "--no-reconnect"]);
    assert_eq!((finished.code, &*finished.stdout), (Some(1), ""), "{finished:?}");
    let said: Vec<_> = finished.stderr.lines().filter(|line| line.contains("resolve nonexistent.invalid: ")).collect();
    assert_eq!(said.len(), 1, "{finished:?}");
}
