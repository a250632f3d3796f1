//! Starts the program, and servers for it to watch.

use crate::support::program::{Finished, Run, wsmon};
use crate::support::server::{Peer, Server};
use serde_json::Value;
use std::process::Command;

/// The first message of the real server.
pub const WELCOME: &str =
    r#"{"type": "connection", "status": "connected", "message": "Connected to monitoring server"}"#;

/// A sample with this CPU usage.
pub fn sample(cpu: f64) -> String {
    format!(r#"{{"type": "monitoring_data", "data": {{"processor": {{"usage_percent": {cpu:?}}}}}}}"#)
}

/// Builds a command that watches a server under the name `x`; options are separated by blanks.
pub fn command(server: &Server, options: &str) -> Command {
    command_at(&server.uri(), options)
}

pub fn command_at(uri: &str, options: &str) -> Command {
    wsmon(["-u", &format!("x={uri}")].into_iter().chain(options.split_whitespace()))
}

pub fn watch(server: &Server, options: &str) -> Run {
    Run::start(&mut command(server, options))
}

/// Runs such a command to its end.
pub fn watched(server: &Server, options: &str) -> Finished {
    watch(server, options).finish()
}

/// Starts a server that greets, sends these messages and holds the connection until the client closes it.
pub fn sending(messages: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Server {
    let messages: Vec<Vec<u8>> = messages.into_iter().map(|message| message.as_ref().to_vec()).collect();
    Server::start(move |mut peer| {
        greet(&mut peer);
        messages.iter().for_each(|message| peer.text(message));
        peer.hold();
    })
}

/// Grants the upgrade and sends the welcome.
pub fn greet(peer: &mut Peer) {
    peer.upgrade();
    peer.text(WELCOME);
}

/// The text without the time that stands after the mark of each line that is not a sample.
pub fn without_times(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').filter(|word| !is_time(word)).collect();
        out.push_str(&words.join(" "));
        out.push('\n');
    }
    out
}

/// Returns true for `2026-01-02T03:04:05Z` and `03:04:05Z`.
pub fn is_time(word: &str) -> bool {
    let shape: String = word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    ["0000-00-00T00:00:00Z", "00:00:00Z"].contains(&&*shape)
}

/// Returns the processor use in each line of jsonl that has one.
pub fn usages(text: &str) -> Vec<f64> {
    json_lines(text).iter().filter_map(|line| line["data"]["processor"]["usage_percent"].as_f64()).collect()
}

/// Parses each line as JSON, but those about the connection.
pub fn json_lines(text: &str) -> Vec<Value> {
    all_json_lines(text).into_iter().filter(|line| !is_state(line)).collect()
}

/// Each line as JSON.
pub fn all_json_lines(text: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

/// Returns true for a line of `jsonl` or `events` about the connection.
pub fn is_state(line: &Value) -> bool {
    line["type"] == "state" || line["kind"] == "state"
}

/// Returns the statistics at the end of the output of `-s -f jsonl`.
pub fn statistics(finished: &Finished) -> Value {
    let last = json_lines(&finished.stdout).pop().unwrap_or_default();
    assert_eq!(last["type"], "statistics", "{finished:?}");
    last["stats"].clone()
}

/// Returns the lines of the log at these levels, without their time.
pub fn log_lines<'a>(stderr: &'a str, levels: &[&str]) -> Vec<&'a str> {
    let lines = stderr.lines().filter_map(|line| line.split_once(' ')).map(|(_, rest)| rest);
    lines.filter(|line| levels.iter().any(|level| line.starts_with(level))).collect()
}
