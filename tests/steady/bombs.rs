//! JSON that is small to send and large to read.

use std::process::Stdio;
use std::sync::mpsc::channel;

use crate::process::{self, Watched, command};
use crate::support::PATIENCE;
use crate::support::server::{PONG, Server};
use crate::support::temp_dir::TempDir;
use crate::{SAMPLE, assert_harmless, until_close};

/// Just below --max-message, for what is quick to read.
const LARGEST: usize = 4_000_000;
/// Large enough to tell a square from a multiple, also in a build for debugging.
const LARGE: usize = 500_000;
/// Largest message, the buffer it is assembled in, its output, and what a queue holds of it; an allocator keeps some
/// of what was given back. Each is a few times the message, none is its square.
const MOST_KB: u64 = 96 << 10;

/// Its name, and its text.
type Bomb = (&'static str, fn() -> String);

const BOMBS: &[Bomb] = &[
    ("100 000 lists deep", || "[".repeat(100_000) + &"]".repeat(100_000)),
    ("100 000 objects deep", || r#"{"a":"#.repeat(100_000) + "1" + &"}".repeat(100_000)),
    ("opening brackets", || "[".repeat(LARGEST)),
    ("opening braces", || "{".repeat(LARGEST)),
    ("closing brackets", || "]".repeat(LARGEST)),
    ("brackets in pairs", || "[".repeat(LARGEST / 2) + &"]".repeat(LARGEST / 2)),
    ("empty lists", || format!("[{}[]]", "[],".repeat(LARGE / 3))),
    ("deep in a sample", || {
        format!(r#"{{"type":"monitoring_data","data":{}1{}}}"#, r#"{"a":["#.repeat(50_000), "]}".repeat(50_000))
    }),
    ("deep in the type", || format!(r#"{{"type":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000))),
    ("a long type", || format!(r#"{{"type":"{}"}}"#, "t".repeat(LARGE))),
    ("a long number", || {
        format!(r#"{{"type":"monitoring_data","data":{{"processor":{{"usage_percent":{}}}}}}}"#, "9".repeat(LARGE))
    }),
    ("a long name", || format!(r#"{{"type":"monitoring_data","data":{{"{}":1}}}}"#, "n".repeat(LARGE))),
    ("many members", || {
        let members: String = (0..150_000).map(|n| format!(r#""m{n}":{n},"#)).collect();
        format!(r#"{{"type":"monitoring_data","data":{{{members}"processor":{{"usage_percent":1}}}}}}"#)
    }),
    ("many cores", || {
        let cores = "50.5,".repeat(LARGE / 5 - 100);
        format!(r#"{{"type":"monitoring_data","data":{{"processor":{{"usage_percent":1,"per_core":[{cores}1]}}}}}}"#)
    }),
    ("the same member again and again", || format!("{{{}\"type\":\"x\"}}", r#""type":"x","#.repeat(LARGE / 11))),
    ("escapes", || format!(r#"{{"type":"x","message":"{}"}}"#, r"\u001b".repeat(LARGE / 6 - 10))),
    ("controls, which become escapes", || format!(r#"{{"type":"x","message":"{}"}}"#, "\u{9b}".repeat(LARGE / 2 - 20))),
    ("quotes", || "\"".repeat(LARGE)),
    ("backslashes", || format!("\"{}", r"\".repeat(LARGE))),
    ("line feeds", || "\n".repeat(LARGE)),
];

/// Every bomb over one connection, and a sample after each that must be shown.
fn survives(format: &'static str) {
    let (done, all_done) = channel();
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        for (n, (_, bomb)) in BOMBS.iter().enumerate() {
            peer.text(bomb());
            peer.text(SAMPLE.replace("45.2", &format!("{}.2", n + 10)));
            peer.ping("");
            peer.expect(PONG);
        }
        done.send(()).unwrap();
        until_close(&mut peer);
    });
    // Output that nobody keeps: what is printed is looked at elsewhere.
    let scratch = TempDir::new();
    let saved = scratch.path("saved");
    let options = ["--format", format, "--save-data", &saved, "--rotate-size", "0", "--dialect", "monitoring"];
    let options = [&options[..], &["--ping-interval", "0"]].concat();
    let run = Watched::start(command(&server.uri(), &options).stdout(Stdio::null()));
    all_done.recv_timeout(PATIENCE * 4).expect("a pong after each");
    let (peak, quiet) = (run.peak_kb(), process::quiet_kb());
    let finished = run.end();
    let saved = scratch.read("saved");
    println!("{format}: peak {peak} kB, {quiet} kB in a quiet run");
    assert!(peak <= quiet + MOST_KB, "{format}: {peak} kB");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    // Some bombs are no JSON: the first of them is logged.
    assert_eq!(finished.stderr.matches(" WARN ").count(), 1, "{}", finished.stderr);
    assert!(finished.stderr.contains(" could not be decoded (it is nested too deeply)"), "{}", finished.stderr);
    assert_eq!(server.accepted(), 1, "{}", finished.stderr);
    let lines: Vec<_> = saved.lines().filter(|line| !line.contains(r#""type":"state""#)).collect();
    assert_eq!(lines.len(), 2 * BOMBS.len());
    for (n, (name, _)) in BOMBS.iter().enumerate() {
        assert!(lines[2 * n + 1].contains(&format!(":{}.2", n + 10)), "after {name}: {:.80}", lines[2 * n + 1]);
        assert_harmless(name, lines[2 * n]);
    }
}

#[test]
fn no_json_however_deep_or_long_keeps_the_next_sample_from_being_shown_in_simple() {
    survives("simple");
}

#[test]
fn no_json_however_deep_or_long_keeps_the_next_sample_from_being_shown_in_detailed() {
    survives("detailed");
}

#[test]
fn no_json_however_deep_or_long_keeps_the_next_sample_from_being_shown_in_json() {
    survives("json");
}

#[test]
fn no_json_however_deep_or_long_keeps_the_next_sample_from_being_shown_in_events() {
    survives("events");
}
