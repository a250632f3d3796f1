//! What stdout and stderr carry, and what happens when nobody takes it.

use crate::client::{command, greet, json_lines, log_lines, sample, sending, statistics, watch, watched};
use crate::support::program::{Run, run};
use crate::support::scratch::Scratch;
use crate::support::server::{PING, Server};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::channel;

/// A server that sends ten samples, and ten more once it is told to.
fn in_two_parts() -> (Server, std::sync::mpsc::Sender<()>) {
    let (go, going) = channel();
    let going = std::sync::Mutex::new(going);
    let server = Server::start(move |mut peer| {
        greet(&mut peer);
        (0..10).for_each(|n| peer.text(sample(n.into())));
        if going.lock().unwrap().recv().is_ok() {
            (10..20).for_each(|n| peer.text(sample(n.into())));
        }
        peer.hold();
    });
    (server, go)
}

#[test]
fn stdout_carries_what_the_server_said_and_stderr_what_the_client_says() {
    let finished = watched(&sending([sample(1.0)]), "-n 1");
    assert_eq!(finished.stdout, "[CONN] Connected to monitoring server\nCPU:   1.0%\n");
    let said = log_lines(&finished.stderr, &[""]);
    assert_eq!(said.len(), 2, "{finished:?}");
    assert!(said[0].starts_with("INFO x: connecting to ws://127.0.0.1:"), "{finished:?}");
    assert_eq!(said[1], "INFO x: connected");
    for line in finished.stderr.lines() {
        let time = line.split_once(' ').unwrap().0;
        assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{line}");
    }
}

#[test]
fn a_message_is_written_when_it_arrives() {
    let (server, go) = in_two_parts();
    let run = watch(&server, "-n 20");
    run.wait_stdout("CPU:   9.0%\n");
    go.send(()).unwrap();
    assert_eq!(run.finish().stdout.lines().count(), 21);
}

#[test]
fn a_reader_that_closes_stdout_ends_the_run_quietly() {
    let (server, _go) = in_two_parts();
    let (reader, writer) = std::io::pipe().unwrap();
    let run = Run::start(command(&server, "").stdout(writer));
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    while !line.starts_with("CPU:   9.0%") {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    drop(reader);
    // The server says nothing more: that the reader has gone is noticed all the same.
    let finished = run.finish();
    assert_eq!((finished.code, finished.signal), (Some(0), None), "{finished:?}");
    assert_eq!(log_lines(&finished.stderr, &["WARN", "ERROR"]), [""; 0], "{finished:?}");
}

#[test]
fn a_reader_that_wants_the_greeting_alone_gets_it_and_no_complaint() {
    let server = sending([""; 0]);
    let (reader, writer) = std::io::pipe().unwrap();
    let run = Run::start(command(&server, "").stdout(writer));
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).unwrap();
    assert_eq!(line, "[CONN] Connected to monitoring server\n");
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(log_lines(&finished.stderr, &["WARN", "ERROR"]), [""; 0], "{finished:?}");
}

#[test]
fn with_data_to_save_the_run_goes_on_without_a_reader() {
    let (server, go) = in_two_parts();
    let scratch = Scratch::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let run = Run::start(command(&server, &format!("-n 20 --save-data {}", scratch.path("data"))).stdout(writer));
    BufReader::new(reader).read_line(&mut String::new()).unwrap();
    go.send(()).unwrap();
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(json_lines(&scratch.read("data")).len(), 21);
    assert_eq!(log_lines(&finished.stderr, &["WARN", "ERROR"]), [""; 0], "{finished:?}");
}

#[test]
fn a_full_disk_behind_stdout_is_3() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let finished = Run::start(command(&sending([sample(1.0)]), "-n 1").stdout(full())).finish();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains("ERROR stdout: no space left on device"), "{finished:?}");
    let finished = Run::start(crate::support::program::wsmon(["--help"]).stdout(full())).finish();
    assert_eq!(finished.code, Some(3), "{finished:?}");
}

#[test]
fn a_full_disk_behind_stdout_ends_a_run_that_would_go_on() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let finished = Run::start(command(&sending([sample(1.0)]), "").stdout(full)).finish();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert_eq!(finished.stderr.matches("no space left on device").count(), 1, "{finished:?}");
}

#[test]
fn a_reader_that_stalls_delays_no_ping_and_what_it_misses_is_counted() {
    const MESSAGES: u64 = 3000;
    let (pinged, pings) = channel();
    let server = Server::start(move |mut peer| {
        greet(&mut peer);
        let text = format!(r#"{{"type": "large", "data": "{}"}}"#, "x".repeat(1000));
        (0..MESSAGES).for_each(|_| peer.text(&text));
        for _ in 0..3 {
            peer.expect(PING);
            pinged.send(()).unwrap();
        }
        peer.hold();
    });
    let (mut reader, writer) = std::io::pipe().unwrap();
    let run = Run::start(command(&server, "-f jsonl -s --queue 100K --ping-interval 0.1").stdout(writer));
    (0..3).for_each(|_| pings.recv().unwrap());
    run.wait_stderr("WARN the reader of stdout is too slow");
    run.signal("INT");
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines = json_lines(&text);
    let missing: u64 = lines.iter().filter(|l| l["type"] == "dropped").map(|l| l["count"].as_u64().unwrap()).sum();
    let shown = lines.iter().filter(|line| line["type"] == "large").count() as u64;
    assert!(missing > 1000, "{missing}");
    // The greeting came first and may have left.
    let greetings = lines.iter().filter(|line| line["type"] == "connection").count() as u64;
    assert_eq!(shown + greetings + missing, MESSAGES + 1);
    assert_eq!(lines.last().unwrap()["stats"]["dropped"], missing);
}

#[test]
fn quiet_leaves_out_what_goes_well_and_verbose_adds_details() {
    let server = sending([sample(1.0), "no JSON".to_owned()]);
    assert_eq!(watched(&server, "-q -n 2").stderr, "");
    let verbose = watched(&server, "-v -n 2");
    let details = log_lines(&verbose.stderr, &["DEBUG"]);
    assert!(details.contains(&"DEBUG x: a message of 7 bytes could not be decoded"), "{verbose:?}");
    let quiet = run(["-q", "-u", "x=ws://127.0.0.1:1", "--no-reconnect"]);
    assert_eq!(log_lines(&quiet.stderr, &["ERROR"]).len(), 2, "{quiet:?}");
    assert_eq!(watched(&server, "--log-level error -v -n 2").stderr, "");
}

#[test]
fn the_statistics_are_the_last_thing_on_stdout() {
    let server = sending([sample(1.0)]);
    for format in ["simple", "compact", "detailed"] {
        let finished = watched(&server, &format!("-s -n 1 -f {format}"));
        let (_, statistics) = finished.stdout.split_once("\n=== Client Statistics ===\n").unwrap();
        assert!(statistics.contains("State: disconnected\nMessages: 2 received, 0 sent\n"), "{finished:?}");
    }
    let finished = watched(&server, "-s -n 1 -f json");
    assert!(finished.stdout.contains("\n{\n  \"type\": \"statistics\",\n  \"stats\": {\n"), "{finished:?}");
    let statistics = statistics(&watched(&server, "-s -n 1 -f jsonl"));
    assert_eq!((&statistics["undecoded"], &statistics["dropped"]), (&0.into(), &0.into()));
}

#[test]
fn a_terminal_is_not_needed_and_colours_come_only_when_asked_for() {
    let server = sending([sample(95.0)]);
    for (options, line) in [
        ("-n 1", "CPU:  95.0%"),
        ("-n 1 --no-color", "CPU:  95.0%"),
        ("-n 1 --color always", "CPU: \x1b[91m 95.0\x1b[0m%"),
    ] {
        let finished = watched(&server, options);
        assert_eq!(finished.stdout.lines().last(), Some(line), "{finished:?}");
    }
}
