//! Recorded sessions: one JSON object per line with `t` (seconds since the upgrade), `dir` (`in` is a frame of the
//! server), `opcode` (a name), and `payload` (text) or `payload_b64`.

use super::server::{BINARY, CLOSE, PING, PONG, Peer, TEXT};
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};

/// One frame of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub at: Duration,
    pub from_server: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

/// Reads a recording, e.g. `tests/recordings/monitoring/commands.jsonl`; paths are relative to the
/// package. Frames with another opcode than the six of RFC 6455 are left out.
pub fn read(path: &str) -> Vec<Recorded> {
    let text = std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR")))
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    parse(&text)
}

/// Reads all recordings of a system, by name.
pub fn all(system: &str) -> Vec<(String, Vec<Recorded>)> {
    let folder = format!("tests/recordings/{system}");
    let mut names: Vec<_> = std::fs::read_dir(format!("{}/{folder}", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".jsonl")?.to_owned()))
        .filter(|name| !name.ends_with(".expected"))
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), read(&format!("{folder}/{name}.jsonl")))).collect()
}

/// Parses the lines of a recording.
pub fn parse(text: &str) -> Vec<Recorded> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .filter_map(|line| frame(&serde_json::from_str(line).unwrap()))
        .collect()
}

fn frame(line: &Value) -> Option<Recorded> {
    let opcode = match line["opcode"].as_str()? {
        "text" => TEXT,
        "binary" => BINARY,
        "close" => CLOSE,
        "ping" => PING,
        "pong" => PONG,
        _ => return None,
    };
    Some(Recorded {
        at: Duration::from_secs_f64(line["t"].as_f64()?),
        from_server: line["dir"] == "in",
        opcode,
        payload: payload(line, opcode),
    })
}

fn payload(line: &Value, opcode: u8) -> Vec<u8> {
    if let Some(encoded) = line["payload_b64"].as_str() {
        return data_encoding::BASE64.decode(encoded.as_bytes()).unwrap();
    }
    let text = line["payload"].as_str().unwrap_or_default().as_bytes();
    match line["code"].as_u64() {
        // Some recordings store a Close as code and reason.
        Some(code) if opcode == CLOSE => {
            let reason = line["reason"].as_str().unwrap_or_default().as_bytes();
            let reason = if reason.is_empty() { text } else { reason };
            [&u16::try_from(code).unwrap().to_be_bytes(), reason].concat()
        }
        _ => text.to_vec(),
    }
}

impl Peer {
    /// Sends the server's frames of a recording at once. Pongs are left out: they answer pings that this client may not
    /// send.
    pub fn replay(&mut self, recording: &[Recorded]) {
        self.replay_from(recording, |_| {});
    }

    /// Sends them at the pace of the recording, `speed` times as fast.
    pub fn replay_timed(&mut self, recording: &[Recorded], speed: f64) {
        let start = Instant::now();
        // The only sleep: the pace is part of the recording, not a wait for an event.
        self.replay_from(recording, |at| thread::sleep(at.div_f64(speed).saturating_sub(start.elapsed())));
    }

    fn replay_from(&mut self, recording: &[Recorded], pace: impl Fn(Duration)) {
        for frame in recording.iter().filter(|frame| frame.from_server && frame.opcode != PONG) {
            pace(frame.at);
            self.frame(true, frame.opcode, &frame.payload);
        }
    }
}
