//! Recorded traffic of real servers over a real socket: byte for byte in the formats that have expected output, and
//! properties that hold in all formats.
//!
//! The expected output stands beside a recording: `plain_10s.jsonl`, `plain_10s.expected.simple` and so on. After a
//! change of a format, `WSMON_TEST_WRITE=1` writes these files anew.

use crate::client::{command, is_time, json_lines, statistics};
use crate::support::program::{Finished, Run};
use crate::support::recording::{self, Recorded};
use crate::support::server::{BINARY, CLOSE, Server, TEXT};
use std::fs;
use std::path::{Path, PathBuf};

/// The formats that have expected output.
const EXPECTED_FORMATS: [&str; 5] = ["simple", "detailed", "compact", "json", "jsonl"];

/// The recordings that have expected output: alerts, commands, nulls, another mode, a GPU with and without its values,
/// samples.
const EXPECTED: [&str; 7] = [
    "alerts_memory_disk",
    "commands",
    "cpu_nulls",
    "exporter_mode_plain",
    "gpu_gputil_na",
    "gpu_nvidiasmi_ok",
    "silent_server",
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/monitoring")
}

/// All recordings by name.
fn recordings() -> Vec<(String, Vec<Recorded>)> {
    let all = recording::all("monitoring");
    assert!(all.len() >= 20, "{}", all.len());
    all
}

fn recorded(name: &str) -> Vec<Recorded> {
    recording::read(&format!("tests/recordings/monitoring/{name}.jsonl"))
}

/// Starts a server that replays the recording to each client, and closes with 1000 if the recording has no Close frame.
fn playing(recording: &[Recorded]) -> Server {
    let recording = recording.to_vec();
    Server::start(move |mut peer| {
        peer.upgrade();
        peer.replay(&recording);
        if !recording.iter().any(|frame| frame.from_server && frame.opcode == CLOSE) {
            peer.close(1000, "");
        }
        peer.drain();
    })
}

fn messages(recording: &[Recorded]) -> usize {
    recording.iter().filter(|frame| frame.from_server && [TEXT, BINARY].contains(&frame.opcode)).count()
}

fn run(server: &Server, options: &str) -> Finished {
    Run::start(&mut command(server, &format!("--no-reconnect {options}"))).finish()
}

/// Replaces the time of receipt, the only part that differs from run to run.
fn normalised(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_start_matches('[').trim_end_matches(']');
        if is_time(bare) { word.replace(bare, "…") } else { word.to_owned() }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n";
    let mut out = String::new();
    let mut rest = &*text.lines().map(line).collect::<String>();
    while let Some((before, after)) = rest.split_once("\"received_at\":") {
        let (_, after) = after.trim_start().split_at("\"2026-01-02T03:04:05.678Z\"".len());
        out.push_str(before);
        out.push_str("\"received_at\":\"…\"");
        rest = after;
    }
    out + rest
}

#[test]
fn each_format_writes_what_it_is_expected_to() {
    for name in EXPECTED {
        let server = playing(&recorded(name));
        for format in EXPECTED_FORMATS {
            let finished = run(&server, &format!("-f {format}"));
            assert_eq!(finished.code, Some(0), "{finished:?}");
            let path = directory().join(format!("{name}.expected.{format}"));
            let written = normalised(&finished.stdout);
            if std::env::var_os("WSMON_TEST_WRITE").is_some() {
                fs::write(&path, &written).unwrap();
            }
            let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(written, expected, "{name} as {format}");
        }
    }
}

#[test]
fn every_message_of_every_recording_is_a_line_of_jsonl_with_nothing_lost() {
    for (name, recording) in recordings() {
        let finished = run(&playing(&recording), "-f jsonl -s");
        let mut lines = json_lines(&finished.stdout);
        assert_eq!(lines.len(), messages(&recording) + 1, "{name}: {finished:?}");
        let statistics = statistics(&finished);
        assert_eq!(statistics["messages_received"], messages(&recording), "{name}");
        assert_eq!(statistics["undecoded"], 0, "{name}");
        lines.pop();
        let sent = recording.iter().filter(|frame| frame.from_server && frame.opcode == TEXT);
        for (line, frame) in lines.iter_mut().zip(sent) {
            let line = line.as_object_mut().unwrap();
            assert_eq!(line.remove("server"), Some("x".into()));
            assert!(line.remove("received_at").is_some());
            // Messages that a strict parser accepts keep their value.
            if let Ok(message) = serde_json::from_slice::<serde_json::Value>(&frame.payload) {
                assert_eq!(message.as_object(), Some(&*line), "{name}");
            }
        }
    }
}

#[test]
fn no_recording_makes_a_format_fail_or_print_a_control_character() {
    for (name, recording) in recordings() {
        let server = playing(&recording);
        for format in wsmon::FORMATS {
            let finished = run(&server, &format!("-f {}", format.name));
            assert!(matches!(finished.code, Some(0 | 1)), "{name}: {finished:?}");
            assert!(!finished.stderr.contains("panicked"), "{name}: {finished:?}");
            for text in [&finished.stdout, &finished.stderr] {
                assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{name}: {finished:?}");
            }
            let shows_every_message = EXPECTED_FORMATS.contains(&format.name);
            let shown = finished.stdout.lines().any(|line| !line.contains("\"state\""));
            assert!(shown == (messages(&recording) > 0) || !shows_every_message, "{name}: {finished:?}");
        }
    }
}

#[test]
fn the_real_server_s_pings_are_answered_with_their_payload() {
    let recording = recorded("keepalive_50s");
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        peer.replay(&recording);
        let pings = recording.iter().filter(|frame| frame.from_server && frame.opcode == crate::support::server::PING);
        let mut answered = 0;
        for ping in pings {
            assert_eq!(peer.expect(crate::support::server::PONG).payload, ping.payload);
            answered += 1;
        }
        assert!(answered >= 2, "{answered}");
        peer.close(1000, "");
        peer.drain();
    });
    assert_eq!(run(&server, "-q").code, Some(0));
    server.finish();
}
