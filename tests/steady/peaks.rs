//! The memory that a single large message takes.

use std::process::Stdio;
use std::sync::mpsc::channel;

use crate::process::{Watched, command, quiet_kb};
use crate::support::PATIENCE;
use crate::support::server::{PONG, Server};
use crate::until_close;

/// The size of the messages.
const LARGE: usize = 2 << 20;
/// The most memory that a message may take, in its own size.
const MOST: u64 = 16;
/// The same for `json`, whose output has a line for each number and bracket, and is queued.
const MOST_INDENTED: u64 = 24;

/// Messages that repeat a part: the beginning, the part, and the end.
const DENSE: [[&str; 3]; 8] = [
    [r#"{"type":"monitoring_data","data":{"#, r#""k":1,"#, r#""disk":{"percentage":1}}}"#],
    [r#"{"type":"monitoring_data","data":{"disk":{"percentage":1},"x":["#, "0,", "0]}}"],
    [r#"{"type":"monitoring_data","data":{"processor":{"per_core_usage":["#, "0,", "0]}}}"],
    [r#"{"type":"monitoring_data","data":{"disk":{"percentage":1},"x":["#, "[0],", "0]}}"],
    [r#"{"type":"mystery","x":["#, r#"{"a":1},"#, "0]}"],
    [r#"{"type":"monitoring_data","data":{"disk":{"percentage":NaN,"k":2},"#, r#""k":1,"#, r#""z":1}}"#],
    [r#"{"type":"system_update","data":{"cpu_usage":1},"system":{"users":["#, r#"{"name":"a"},"#, "0]}}"],
    [r#"{"type":"monitoring_data","data":{"disk":{"percentage":1}},"alerts":["#, r#"{"type":"a"},"#, "0]}"],
];

fn peaks(format: &'static str, most: u64) {
    for [head, part, tail] in DENSE {
        let (told, taken) = channel();
        let server = Server::start(move |mut peer| {
            peer.upgrade();
            peer.text(format!("{head}{}{tail}", part.repeat((LARGE - head.len() - tail.len()) / part.len())));
            peer.ping("");
            peer.expect(PONG);
            told.send(()).unwrap();
            until_close(&mut peer);
        });
        let options = ["--format", format, "--ping-interval", "0"];
        let run = Watched::start(command(&server.uri(), &options).stdout(Stdio::null()));
        taken.recv_timeout(PATIENCE * 2).expect("a pong after the message");
        let (peak, quiet) = (run.peak_kb(), quiet_kb());
        println!("{format}: {peak} kB, {quiet} kB in a quiet run, for {part}");
        assert!(peak <= quiet + most * (LARGE as u64 >> 10), "{format}: {peak} kB for {part}");
        assert_eq!(run.end().code, Some(0));
    }
}

#[test]
fn no_message_takes_more_than_sixteen_times_its_size_in_a_line_or_a_block() {
    peaks("simple", MOST);
    peaks("detailed", MOST);
}

#[test]
fn no_message_takes_much_more_than_that_as_json_or_events() {
    peaks("json", MOST_INDENTED);
    peaks("events", MOST);
}
