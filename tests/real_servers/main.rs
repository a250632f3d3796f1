//! The program and the library against real servers: monitoring-websocket-server, and FastPluggy in its own module.
//!
//! `cargo test --features real-servers --test real_servers` needs python3 with venv, pip's package index, and room for
//! 2 000 descriptors. A server that cannot be installed is a failure, never a skipped test. WSMON_BIN names another
//! binary to try, such as the static one.

mod client;
mod fastpluggy;
mod library;
mod server;
mod venv;

use client::{Client, is_sample, is_type};
use serde_json::Value;
use server::{Server, unused_port};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A healthy machine needs a tenth of this.
const SOON: Duration = Duration::from_secs(20);

/// The server's WEBSOCKET_MAX_CLIENTS, a constant of its config module.
const CAPACITY: usize = 1000;

#[test]
fn simple_prints_one_line_for_each_sample() {
    let out = two_samples("simple");
    assert!(out[0].starts_with("[CONN] ") && out[0].ends_with("Z Connected to monitoring server"), "{}", out[0]);
    for line in &out[1..] {
        let cells: Vec<_> = line.split(" | ").collect();
        for (cell, name) in cells.iter().zip(["CPU: ", "RAM: ", "Disk: "]) {
            assert!(is_percentage(cell.strip_prefix(name)), "{line}");
        }
    }
}

#[test]
fn compact_prints_one_line_for_each_sample() {
    let out = two_samples("compact");
    assert!(out[0].starts_with("► ") && out[0].ends_with("Z Connected to monitoring server"), "{}", out[0]);
    for line in &out[1..] {
        let cells: Vec<_> = line.split(" │ ").collect();
        assert!(cells.len() >= 4, "{line}");
        assert!(cells[0].starts_with('[') && cells[0].ends_with(']'), "{line}");
        for (cell, name) in cells[1..].iter().zip(["CPU:", "RAM:", "DSK:"]) {
            assert!(cell.starts_with(name) && cell.contains('%'), "{line}");
        }
    }
}

#[test]
fn detailed_prints_a_block_with_the_bars_and_the_host() {
    let out = two_samples("detailed").join("\n");
    for word in ["CPU", "Memory", "Disk", "█", "░", "Linux", "GB"] {
        assert!(out.contains(word), "no {word} in:\n{out}");
    }
    assert!(!out.contains("GPU") || std::path::Path::new("/proc/driver/nvidia").exists(), "a GPU invented:\n{out}");
}

#[test]
fn json_prints_indented_documents() {
    let out = two_samples("json").join("\n");
    let documents: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&out).into_iter().collect();
    let documents = documents.unwrap_or_else(|error| panic!("{error} in:\n{out}"));
    assert_eq!(documents[0]["type"], "connection");
    assert_eq!(documents.iter().filter(|document| document["type"] == "monitoring_data").count(), 2);
    assert!(out.contains("\n  \"data\": {\n    \"memory\": {\n"), "{out}");
}

#[test]
fn jsonl_prints_one_object_in_each_line_with_its_origin() {
    let out = two_samples("jsonl");
    for line in &out {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in: {line}"));
        let received_at = object["received_at"].as_str().expect(line);
        assert!(received_at.len() == "2026-01-02T03:04:05.678Z".len() && received_at.ends_with('Z'), "{line}");
        assert!(object["server"].as_str().expect(line).starts_with("127.0.0.1:"), "{line}");
    }
    assert_eq!(out.iter().filter(|line| is_sample(line)).count(), 2);
}

#[test]
fn one_message_asked_for_and_received_is_success() {
    let server = Server::start();
    let ended = Client::start(&["--uri", &server.uri(), "--count", "1"]).end(SOON);
    ended.assert_status(0);
}

#[test]
fn a_refused_connection_without_a_second_try_is_failure_and_says_why() {
    let port = unused_port();
    let ended = Client::start(&["--uri", &format!("ws://127.0.0.1:{port}"), "--no-reconnect"]).end(SOON);
    ended.assert_status(1);
    assert!(ended.err.iter().any(|line| line.contains("refused") && line.contains(&port.to_string())), "{ended}");
}

#[test]
fn an_interrupted_server_says_1001_and_is_tried_again() {
    let server = Server::start();
    let mut client = Client::start(&["--uri", &server.uri(), "--verbose", "--reconnect-interval", "0.5"]);
    client.wait_for_output("a sample", SOON, |line| line.starts_with("CPU: "));
    server.interrupt();
    client.wait_for_word("1001", SOON);
    client.wait_for_word("retrying", SOON);
    client.signal("TERM");
    client.end(SOON).assert_status(0);
}

#[test]
fn a_killed_and_restarted_server_is_one_reconnection() {
    let server = Server::start();
    let (uri, port) = (server.uri(), server.port);
    let options = ["--format", "jsonl", "--stats", "--reconnect-interval", "0.2", "--reconnect-cap", "0.4"];
    let mut client = Client::start(&[&["--uri", &uri], &options[..]].concat());
    client.wait_for_output("the first greeting", SOON, |line| is_type(line, "connection"));
    client.wait_for_output("a sample", SOON, is_sample);
    server.kill();
    client.wait_for_word("retrying", SOON);
    let _server = Server::start_on(port);
    client.wait_for_output("the second greeting", SOON, |line| is_type(line, "connection"));
    client.wait_for_output("a sample of the second server", SOON, is_sample);
    client.signal("INT");
    let ended = client.end(SOON);
    ended.assert_status(0);
    let stats = ended.statistics();
    assert_eq!(stats["connections"], 2, "{ended}");
    assert_eq!(stats["current_state"], "disconnected", "{ended}");
    assert!(stats["messages_received"].as_u64() >= Some(4), "{ended}");
}

#[test]
fn a_full_server_closes_with_1008_after_the_upgrade_and_its_reason_is_shown() {
    let server = Server::start();
    let others: Vec<TcpStream> = (0..CAPACITY).map(|_| greeted(&server)).collect();
    let ended = Client::start(&["--uri", &server.uri(), "--no-reconnect"]).end(SOON);
    drop(others);
    ended.assert_status(1);
    assert!(ended.err.iter().any(|line| line.contains("1008") && line.contains("Server at capacity")), "{ended}");
    assert!(ended.out.is_empty(), "{ended}");
}

#[test]
fn a_session_of_25_s_survives_the_ping_of_the_server_at_20_s() {
    let server = Server::start();
    let options = ["--format", "jsonl", "--stats", "--ping-interval", "5", "--duration", "25"];
    let ended = Client::start(&[&["--uri", &server.uri()], &options[..]].concat()).end(SOON + SOON);
    ended.assert_status(0);
    let stats = ended.statistics();
    assert_eq!(stats["connections"], 1, "{ended}");
    assert_eq!(stats["total_disconnections"], 0, "{ended}");
    assert_eq!(stats["error_count"], 0, "{ended}");
    assert!(stats["ping_ms"]["mean"].as_f64() > Some(0.0), "{ended}");
    let samples = ended.out.iter().filter(|line| is_sample(line)).count();
    assert!(samples >= 25, "{samples} samples in 25 s\n{ended}");
}

#[test]
fn compressed_samples_take_a_fifth_of_their_bytes_at_most() {
    let server = Server::start();
    let uri = server.uri();
    let options = ["--uri", &uri, "--format", "jsonl", "--stats", "--count", "20"];
    let [packed, plain] = [&[][..], &["--no-compression"]].map(|more| Client::start(&[&options, more].concat()));
    for (client, is_packed) in [(packed, true), (plain, false)] {
        let ended = client.end(SOON + SOON);
        ended.assert_status(0);
        let stats = ended.statistics();
        let [bytes, wire] = ["bytes_received", "wire_bytes_received"].map(|name| stats[name].as_u64().unwrap());
        println!("{bytes} bytes, {wire} on the wire");
        assert!(if is_packed { wire * 5 < bytes } else { wire > bytes }, "{ended}");
        assert_eq!(stats["undecoded"], 0, "{ended}");
    }
}

/// All lines of a run that stops after two samples.
fn two_samples(format: &str) -> Vec<String> {
    let server = Server::start();
    let ended = Client::start(&["--uri", &server.uri(), "--format", format, "--count", "2"]).end(SOON);
    ended.assert_status(0);
    assert!(ended.out.len() >= 3, "a greeting and two samples expected: {ended}");
    ended.out
}

/// As in ` 45.2%`: five characters wide.
fn is_percentage(cell: Option<&str>) -> bool {
    cell.and_then(|cell| cell.strip_suffix('%'))
        .is_some_and(|number| number.len() == 5 && number.trim().parse::<f64>().is_ok())
}

/// A client of the barest kind that the server has counted: upgraded and greeted.
fn greeted(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a descriptor; is `ulimit -n` below 2048?");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let request = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("a server that reads");
    let (mut seen, mut chunk) = (Vec::new(), [0; 1024]);
    while !String::from_utf8_lossy(&seen).contains("Connected to monitoring server") {
        let length = stream.read(&mut chunk).expect("a greeting");
        assert_ne!(length, 0, "closed before the greeting: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&chunk[..length]);
    }
    stream
}
