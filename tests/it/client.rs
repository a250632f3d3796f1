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

/// Parses each line as JSON.
pub fn json_lines(text: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
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
