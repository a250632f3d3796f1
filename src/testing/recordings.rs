//! Recorded traffic of real servers, from tests/recordings: one JSON object per line with `dir` (`in` is from the
//! server), `opcode` (a name), and `payload` (text) or `payload_b64`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::model::base64;
use crate::proto::dialect::{self, DIALECTS};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings");

/// Names the systems with recordings, which are the dialects in the order of their table.
pub fn systems() -> impl Iterator<Item = &'static str> {
    DIALECTS.iter().map(|dialect| dialect.name).filter(|name| *name != dialect::GENERIC.name)
}

pub struct RecordedFrame {
    pub from_server: bool,
    pub opcode: String,
    pub payload: Vec<u8>,
}

impl RecordedFrame {
    /// The payload of a text frame.
    pub fn text(&self) -> Option<&str> {
        if self.opcode == "text" { std::str::from_utf8(&self.payload).ok() } else { None }
    }
}

/// Reads one recording, e.g. `fastpluggy/task_messages`.
pub fn read(recording: &str) -> Vec<RecordedFrame> {
    let lines = fs::read_to_string(format!("{FOLDER}/{recording}.jsonl")).expect("a recording");
    let frame = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let text = line["payload"].as_str().unwrap_or_default().as_bytes();
        let encoded = line["payload_b64"].as_str().map(|encoded| base64::decode(encoded).expect("base64"));
        RecordedFrame {
            from_server: line["dir"] == "in",
            opcode: line["opcode"].as_str().unwrap_or_default().to_owned(),
            payload: encoded.unwrap_or_else(|| text.to_vec()),
        }
    };
    lines.lines().map(frame).collect()
}

/// Reads the texts that the server sent in one recording.
pub fn texts(recording: &str) -> Vec<String> {
    texts_of(recording, true)
}

/// Reads the texts that the client sent in one recording.
pub fn sent_texts(recording: &str) -> Vec<String> {
    texts_of(recording, false)
}

fn texts_of(recording: &str, from_server: bool) -> Vec<String> {
    let frames = read(recording);
    let frames = frames.iter().filter(|frame| frame.from_server == from_server);
    frames.filter_map(|frame| frame.text().map(str::to_owned)).collect()
}

/// Lists the recordings of one system, sorted by name.
pub fn all(system: &str) -> Vec<String> {
    let folder = Path::new(FOLDER).join(system);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = entries.filter_map(|entry| entry.expect("a file").file_name().into_string().ok());
    let mut names: Vec<_> =
        names.filter_map(|name| Some(format!("{system}/{}", name.strip_suffix(".jsonl")?))).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::json;
    use crate::proto::dialect::recognise;
    use crate::testing::dialect::OwnedContext;

    /// So every part of a recording is recognised rightly or not at all.
    #[test]
    fn every_recorded_message_is_recognised_rightly_or_not_at_all() {
        for system in systems() {
            let recordings = all(system);
            assert!(recordings.len() >= 3, "{system}");
            for recording in recordings {
                for text in texts(&recording) {
                    let name = recognise(&text).map(|dialect| dialect.name);
                    assert!(name.is_none_or(|name| name == system), "{recording}: {name:?} {text}");
                    let half = &text[..text.floor_char_boundary(text.len() / 2)];
                    assert!(recognise(half).is_none(), "{half}");
                }
            }
        }
    }

    #[test]
    fn every_recording_gives_its_dialect_away_with_its_first_message() {
        for recording in systems().flat_map(all) {
            let system = recording.split('/').next();
            if let Some(text) = texts(&recording).first() {
                assert_eq!(recognise(text).map(|dialect| dialect.name), system, "{recording}: {text}");
            }
        }
    }

    #[test]
    fn every_recorded_message_that_is_json_or_nearly_so_can_be_read_by_every_dialect() {
        for recording in systems().flat_map(all) {
            for dialect in DIALECTS {
                let mut context = OwnedContext::default();
                for text in texts(&recording) {
                    let readable = json::repair(&text).unwrap_or(text);
                    let read = dialect.read(&readable, &mut context.lend());
                    assert!(read.is_ok() || !json::is_json(&readable), "{recording}, {}: {readable}", dialect.name);
                }
            }
        }
    }
}
