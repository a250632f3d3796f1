//! What real servers were recorded to say, held against every dialect.

use std::fs;

use serde_json::Value;

use crate::model::json;
use crate::proto::dialect::{DIALECTS, DialectState, named, recognise};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings");

/// The texts that a server sent in one recording, e.g. `fastpluggy/task_messages`.
pub fn texts(recording: &str) -> Vec<String> {
    let lines = fs::read_to_string(format!("{FOLDER}/{recording}.jsonl")).unwrap();
    let frames = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let received = frames.filter(|frame| frame["dir"] == "in" && frame["opcode"] == "text");
    received.filter_map(|frame| frame["payload"].as_str().map(str::to_owned)).collect()
}

/// The recordings of one system.
fn all(system: &str) -> Vec<String> {
    let names = fs::read_dir(format!("{FOLDER}/{system}")).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.filter_map(|name| name.into_string().unwrap().strip_suffix(".jsonl").map(str::to_owned));
    names.map(|name| format!("{system}/{name}")).collect()
}

const SYSTEMS: [&str; 5] = ["monitoring", "sysmedic", "fastpluggy", "pmdaemon", "neurograph"];

/// So every prefix of a recording, and every rest of one, is recognised rightly or not at all.
#[test]
fn every_recorded_message_is_recognised_rightly_or_not_at_all() {
    for system in SYSTEMS {
        let recordings = all(system);
        assert!(recordings.len() >= 3, "{system}");
        for recording in recordings {
            for text in texts(&recording) {
                let name = recognise(&text).map(|dialect| dialect.name);
                assert!(name.is_none_or(|name| name == system), "{recording}: {name:?} {text}");
            }
        }
    }
}

#[test]
fn every_recording_gives_its_dialect_away_with_its_first_message() {
    for system in SYSTEMS.into_iter().filter(|system| named(system).is_some()) {
        for recording in all(system) {
            if let Some(text) = texts(&recording).first() {
                assert_eq!(recognise(text).map(|dialect| dialect.name), Some(system), "{recording}: {text}");
            }
        }
    }
}

#[test]
fn every_recorded_message_that_is_json_or_nearly_so_can_be_read_by_every_dialect() {
    for recording in SYSTEMS.into_iter().flat_map(all) {
        for dialect in DIALECTS {
            let mut memory = DialectState::default();
            for text in texts(&recording) {
                let readable = json::repair(&text).unwrap_or(text);
                let read = dialect.read(&readable, &mut memory);
                assert!(read.is_ok() || !json::is_json(&readable), "{recording}, {}: {readable}", dialect.name);
            }
        }
    }
}
