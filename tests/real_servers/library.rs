//! The library against the real server: what it sends is answered.

use crate::SOON;
use crate::server::Server;
use serde_json::Value;
use std::time::{Duration, Instant};
use wsmon::{Message, Monitor, Raw};

#[test]
fn the_library_sends_get_status_and_ping_and_receives_the_answers() {
    let server = Server::start();
    let messages = ask(&server.uri(), &[r#"{"type":"get_status"}"#, r#"{"type":"ping"}"#]);
    let of_type = |name: &str| messages.iter().find(|message| message["type"] == name);
    let status = of_type("status").unwrap_or_else(|| panic!("no status in {messages:?}"));
    assert_eq!(status["connected_clients"], 1);
    assert_eq!(status["monitoring_active"], true);
    let pong = of_type("pong").unwrap_or_else(|| panic!("no pong in {messages:?}"));
    assert!(pong["timestamp"].is_string());
}

/// Sends the texts after the first message and collects what comes until the pong, the last answer.
fn ask(uri: &str, texts: &[&str]) -> Vec<Value> {
    let mut monitor = Monitor::new().expect("a monitor");
    let id = monitor.add(wsmon::Server::new(uri).expect("a server")).expect("the only label");
    let (mut messages, mut sent) = (Vec::<Value>::new(), false);
    let until = Instant::now() + SOON;
    while !messages.iter().any(|message| message["type"] == "pong") {
        assert!(Instant::now() < until, "no pong in {messages:?}");
        let mut keep = |shown: &Message<'_>| {
            if let Raw::Json(text) = shown.raw {
                messages.push(serde_json::from_str(text).expect("JSON"));
            }
        };
        monitor.turn(Some(Duration::from_millis(500)), &mut keep).expect("a turn");
        if !sent && !messages.is_empty() {
            for text in texts {
                monitor.send(id, text).expect("an open connection");
            }
            sent = true;
        }
    }
    messages
}
