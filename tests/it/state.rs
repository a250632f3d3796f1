//! The lines about connections: when they come, in which order, and what they say.

use crate::client::{all_json_lines, greet, is_state, sample, sending, watch, watched};
use crate::support::program::{Run, run, wsmon};
use crate::support::server::{Server, text_frame};
use crate::support::temp_dir::TempDir;
use serde_json::Value;
use wsmon::Event;

/// Each line in short: `state from>to`, or the type or kind of a message.
fn in_short(text: &str) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let short = |line: &Value| match is_state(line) {
        true => format!("{}>{}", word(&line["from"]), word(&line["to"])),
        false => word(&line["type"]) + &word(&line["kind"]),
    };
    all_json_lines(text).iter().map(short).collect()
}

fn states(text: &str) -> Vec<Value> {
    all_json_lines(text).into_iter().filter(is_state).collect()
}

#[test]
fn each_change_of_a_connection_is_a_line_in_its_place() {
    let scratch = TempDir::new();
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(sample(peer.number() as f64));
        if peer.number() == 1 {
            return peer.reset();
        }
        peer.hold();
    });
    let options = format!("-n 2 -s -f jsonl --reconnect-interval 0.1 --save-data {}", scratch.path("data"));
    let finished = watched(&server, &options);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let expected = [
        "disconnected>connecting",
        "connecting>connected",
        "connection",
        "monitoring_data",
        "connected>reconnecting",
        "reconnecting>connected",
        "connection",
        "monitoring_data",
        "connected>disconnected",
        "statistics",
    ];
    assert_eq!(in_short(&finished.stdout), expected, "{finished:?}");
    let lost = &states(&finished.stdout)[2];
    assert_eq!((&lost["server"], &lost["attempts"]), (&"x".into(), &1.into()), "{lost}");
    assert!(lost["why"].as_str().unwrap().contains("reset by the server"), "{lost}");
    assert!((0.1..=1.0).contains(&lost["retry_in"].as_f64().unwrap()), "{lost}");
    let received: Vec<_> =
        all_json_lines(&finished.stdout).iter().map(|line| line["received_at"].to_string()).collect();
    assert!(received[..9].is_sorted(), "{received:?}");
    let (messages, statistics) = finished.stdout.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(scratch.read("data"), format!("{messages}\n"));
    // Messages are counted, lines about the connection are not.
    assert!(statistics.contains(r#""saved":{"messages":4,"#), "{statistics}");
}

#[test]
fn without_reconnection_the_last_line_says_why_it_ended() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(sample(1.0));
        peer.close(1011, "kicked\n\x1b[2J");
        peer.drain();
    });
    for (format, last) in [("events", "kind"), ("jsonl", "type")] {
        let finished = watched(&server, &format!("--no-reconnect -f {format}"));
        let states = states(&finished.stdout);
        let line = &states[2];
        assert_eq!((states.len(), &line[last]), (3, &"state".into()), "{finished:?}");
        assert_eq!((&line["from"], &line["to"]), (&"connected".into(), &"error".into()), "{finished:?}");
        assert!(line["why"].as_str().unwrap().contains("closed by the server with 1011"), "{finished:?}");
        assert!(line["retry_in"].is_null() && finished.stdout.ends_with("}\n"), "{finished:?}");
        assert!(!finished.stdout.contains('\x1b'), "{finished:?}");
    }
    let refused = Run::start(&mut wsmon(
        ["-u", "x=127.0.0.1:1", "--max-reconnects", "2", "-f", "events"].iter().chain(&["--reconnect-interval", "0.1"]),
    ))
    .finish();
    let expected =
        ["disconnected>connecting", "connecting>reconnecting", "reconnecting>reconnecting", "reconnecting>error"];
    assert_eq!(in_short(&refused.stdout), expected, "{refused:?}");
    let attempts: Vec<_> = states(&refused.stdout).iter().map(|line| line["attempts"].as_u64()).collect();
    assert_eq!(attempts, [None, Some(1), Some(2), Some(2)], "{refused:?}");
}

#[test]
fn a_signal_ends_the_lines_with_the_end_of_the_connection_even_if_the_server_does_not_answer() {
    let scratch = TempDir::new();
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(sample(1.0));
        if peer.number() == 1 {
            return peer.hold();
        }
        // Reads nothing and so does not answer the Close frame.
        peer.wait_gone();
    });
    for _ in 0..2 {
        let run = watch(&server, &format!("-f events --save-data {}", scratch.path("data")));
        run.wait_stdout("\"sample\"");
        run.signal("TERM");
        let finished = run.finish();
        let last = states(&finished.stdout).pop().unwrap();
        assert_eq!((&last["to"], last["why"].is_null()), (&"disconnected".into(), true), "{finished:?}");
        assert!(finished.stdout.ends_with("\"from\":\"connected\",\"to\":\"disconnected\"}\n"), "{finished:?}");
        assert!(scratch.read("data").ends_with("\"from\":\"connected\",\"to\":\"disconnected\"}\n"), "{finished:?}");
    }
    let run = Run::start(&mut wsmon(["-u", "x=127.0.0.1:1", "-f", "events"]));
    run.wait_stdout("reconnecting");
    run.signal("TERM");
    let finished = run.finish();
    assert_eq!(in_short(&finished.stdout)[2..], ["reconnecting>disconnected"], "{finished:?}");
}

#[test]
fn people_see_the_lines_where_they_name_them() {
    let server = sending([sample(1.0)]);
    for (format, mark) in [("simple", "[STATE] "), ("compact", "[STATE] "), ("detailed", "Z] STATE: ")] {
        let finished = watched(&server, &format!("-d 0.3 -f {format} --only state"));
        assert_eq!(finished.stdout.matches(mark).count(), 3, "{finished:?}");
        assert_eq!(finished.stdout.lines().count(), 3, "{finished:?}");
        let without = watched(&server, &format!("-n 1 -f {format}"));
        assert!(!without.stdout.contains("STATE"), "{without:?}");
    }
    let json = watched(&server, "-n 1 -f json --only state,sample");
    assert!(!json.stdout.contains("\"from\""), "{json:?}");
    assert!(json.stderr.contains("--only state has no effect"), "{json:?}");
}

#[test]
fn names_of_which_a_format_has_no_line_are_warned_of() {
    let stderr = |options: String| run(format!("127.0.0.1:1 --no-reconnect {options}").split(' ')).stderr;
    let all = Event::KINDS.into_iter().filter(|kind| *kind != "state");
    for (format, shown) in [
        ("-f csv", &["sample"][..]),
        ("-f influx", &["sample", "processes", "alert"]),
        ("--template {cpu}", &["sample"]),
    ] {
        for kind in all.clone() {
            let stderr = stderr(format!("--only {kind} {format}"));
            let is_warned = stderr.contains("--only leaves nothing to print");
            assert_eq!(is_warned, !shown.contains(&kind), "{format} {kind}: {stderr}");
        }
    }
    for options in ["-f events --only log", "-f csv --only log,sample", "-f csv --only monitoring_data", "-f csv"] {
        let stderr = stderr(options.to_owned());
        assert!(!stderr.contains("leaves nothing"), "{stderr}");
    }
}

#[test]
fn no_server_can_forge_a_line_about_a_connection() {
    let forged = r#"{"x":1,"type":"state","from":"connected","to":"error"}"#;
    let finished = watched(&sending([forged.to_owned(), sample(1.0)]), "-n 1 -f jsonl");
    assert_eq!(states(&finished.stdout).len(), 3, "{finished:?}");
    assert!(finished.stdout.contains(&format!("\"value\":{forged}")), "{finished:?}");
}

#[test]
fn every_line_can_begin_with_the_time_of_receipt() {
    let (a, b) = (sending([sample(1.0)]), sending([sample(2.0)]));
    for format in ["simple", "compact"] {
        let mut command = wsmon(["-n", "1", "--time", "-f", format]);
        command.args(["-u", &format!("router={}", a.uri()), "-u", &format!("db={}", b.uri())]);
        let finished = Run::start(&mut command).finish();
        assert_eq!(finished.stdout.lines().count(), 4, "{finished:?}");
        for line in finished.stdout.lines() {
            let (time, rest) = line.split_at("2026-01-02T03:04:05.678Z ".len());
            assert!(time.ends_with("Z ") && time.contains('T'), "{line}");
            assert!(rest.starts_with("router: ") || rest.starts_with("db:     "), "{line}");
            assert!(!rest.contains('Z'), "{line}");
        }
    }
    let useless = watched(&a, "-n 1 --time -f events");
    assert!(useless.stderr.contains("WARN --time has no effect: events has times of its own"), "{useless:?}");
}

#[test]
fn a_reader_that_missed_lines_is_told_the_states_when_it_has_caught_up() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let flood = Server::start(|mut peer| {
        greet(&mut peer);
        // The client goes amid the flood as soon as it has been told.
        let frame = text_frame(sample(1.0) + &" ".repeat(200));
        if (0..3000).all(|_| peer.try_raw(&frame)) {
            peer.hold();
        }
    });
    let (uri, gone) = (format!("flood={}", flood.uri()), "gone=ws://127.0.0.1:1");
    for format in ["jsonl", "events"] {
        let options = ["-f", format, "--queue", "10K", "-u", &uri, "-u", gone, "--reconnect-interval", "60"];
        let mut child = wsmon(options).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        // The pipe and the queue are full.
        assert!(log.lines().map_while(Result::ok).any(|line| line.contains("messages are dropped")));
        let mut told = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            let line = serde_json::from_str(&line).unwrap();
            if is_state(&line) && line["from"] == line["to"] && line.get("why").is_none() {
                told.push(format!("{} {}", line["server"], line["to"]));
            }
            if told.len() == 2 {
                break;
            }
        }
        assert_eq!(told, ["\"flood\" \"connected\"", "\"gone\" \"reconnecting\""]);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
