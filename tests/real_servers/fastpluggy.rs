//! FastPluggy with its websocket tool, served by uvicorn.

use crate::SOON;
use crate::client::{Client, Ended};
use crate::server::{Server, unused_port};
use crate::venv::{Venv, home};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

static FASTPLUGGY: Venv = Venv::new(
    "fastpluggy",
    &[
        ("fastpluggy", "0.4.73"),
        ("fastpluggy-websocket-tool", "0.1.24"),
        ("fastpluggy-ui-tools", "0.1.1"),
        ("fastapi", "0.163.2"),
        ("uvicorn", "0.54.0"),
        ("websockets", "17.4"),
    ],
);

/// The answer that the README of the tool asks of a client.
const DOCUMENTED_PONG: &str = r#"{"type":"pong","content":"pong","meta":{"ping_id":"%id"}}"#;

#[test]
fn it_is_recognised_by_its_welcome_and_what_is_posted_is_shown() {
    let server = start(Heartbeat::DEFAULT);
    let mut client = Client::start(&["--uri", &uri(&server, "a%20b"), "--verbose"]);
    client.wait_for_output("the welcome", SOON, |line| says(line, "[CONN] Welcome a b!"));
    client.wait_for_word("recognised as fastpluggy", SOON);
    post(&server, r#"{"type":"custom_event","content":"Something happened","meta":{"severity":"high"}}"#);
    let shown = "[custom_event] Something happened (severity=high)";
    client.wait_for_output("what was posted", SOON, |line| says(line, shown));
    let meta = r#"{"task_id":"394ef5c6-6307-4d4b-993b-bb039cbacfff","level":"WARNING"}"#;
    post(&server, &format!(r#"{{"type":"tasks_worker.logs","content":"eth1: link down","meta":{meta}}}"#));
    client.wait_for_output("the log", SOON, |line| line.starts_with("[LOG] ") && line.contains("eth1: link down"));
    client.signal("TERM");
    client.end(SOON).assert_status(0);
}

#[test]
fn a_named_dialect_knows_the_path_and_a_welcome_is_no_message_of_content() {
    let server = start(Heartbeat::DEFAULT);
    let address = format!("127.0.0.1:{}", server.port);
    let options = ["--dialect", "fastpluggy", "--format", "events", "--count", "1"];
    let mut client = Client::start(&[&["--uri", &address], &options[..]].concat());
    client.wait_for_output("the welcome", SOON, |line| line.contains("Welcome anon-"));
    post(&server, r#"{"type":"metrics","content":{"cpu":12.5},"meta":{}}"#);
    let ended = client.end(SOON);
    ended.assert_status(0);
    let events: Vec<Value> = ended
        .out
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|event: &Value| event["kind"] != "state")
        .collect();
    assert_eq!(events.len(), 2, "{ended}");
    assert_eq!((&events[0]["kind"], &events[0]["greeting"]), (&"notice".into(), &true.into()), "{ended}");
    assert_eq!((&events[1]["type"], &events[1]["text"]), (&"metrics".into(), &"cpu=12.5".into()), "{ended}");
}

#[test]
fn the_close_after_the_heartbeat_timeout_is_quiet_and_the_next_connection_is_useful() {
    let server = start(Heartbeat { interval: 3, timeout: 5 });
    let mut client = watch(&server, &["--verbose"]);
    for text in ["first", "second"] {
        client.wait_for_output("a welcome", SOON, is_welcome);
        post(&server, &format!(r#"{{"type":"note","content":"{text}"}}"#));
        client.wait_for_output(text, SOON, |line| says(line, &format!("[note] {text}")));
    }
    client.signal("TERM");
    let ended = client.end(SOON);
    ended.assert_status(0);
    assert_quiet(&ended);
}

/// The life of a connection with the settings as published, in half the time: nothing but JSON pings, then the Close.
#[test]
fn a_connection_that_lasted_ends_as_quietly_even_if_there_was_nothing_to_say() {
    let server = start(Heartbeat { interval: 11, timeout: 31 });
    let mut client = watch(&server, &["--verbose", "--ping-interval", "5"]);
    client.wait_for_output("the welcome", SOON, is_welcome);
    client.wait_for_output("the next welcome", Duration::from_secs(33) + SOON, is_welcome);
    post(&server, r#"{"type":"note","content":"at last"}"#);
    client.wait_for_output("what was posted", SOON, |line| says(line, "[note] at last"));
    client.signal("TERM");
    let ended = client.end(SOON);
    ended.assert_status(0);
    assert_quiet(&ended);
    assert_eq!(ended.out.len(), 3, "{ended}");
}

#[test]
fn an_answer_that_nobody_registered_a_handler_for_is_refused_and_the_connection_made_anew() {
    let server = start(Heartbeat { interval: 1, timeout: 60 });
    let options = ["--heartbeat-reply", DOCUMENTED_PONG, "--reconnect-interval", "0.2"];
    let mut client = watch(&server, &options);
    client.wait_for_output("the welcome", SOON, is_welcome);
    client.wait_for_output("the warning", SOON, |line| {
        says(line, "[ERROR] Message type 'pong' does not follow the recommended 'plugin.action' format")
    });
    client.wait_for_output("the refusal", SOON, |line| {
        says(line, "[ERROR] No handler registered for message type: pong")
    });
    client.wait_for_word("closed by the server with 1000", SOON);
    client.wait_for_word("retrying", SOON);
    client.wait_for_output("the next welcome", SOON, is_welcome);
}

#[test]
fn an_answer_with_a_handler_is_taken() {
    let server = start(Heartbeat { interval: 1, timeout: 60 });
    let reply = DOCUMENTED_PONG.replacen(r#""pong""#, r#""app.pong""#, 1);
    let options = ["--heartbeat-reply", &reply, "--format", "jsonl", "--stats", "--duration", "5"];
    let ended = watch(&server, &options).end(SOON);
    let statistics = ended.statistics();
    assert_eq!((&statistics["connections"], &statistics["total_disconnections"]), (&1.into(), &0.into()), "{ended}");
    let answered = ended.out.iter().filter(|line| line.contains(r#""type":"app.seen","content":"ping_"#)).count();
    assert!(answered >= 2, "{ended}");
}

#[test]
fn a_restart_says_1012_and_a_kill_nothing_and_the_id_stays() {
    let mut server = start(Heartbeat::DEFAULT);
    let (port, uri) = (server.port, uri(&server, "monitor"));
    let mut client = Client::start(&["--uri", &uri, "--reconnect-interval", "0.5", "--reconnect-cap", "1"]);
    client.wait_for_output("the welcome", SOON, |line| says(line, "[CONN] Welcome monitor!"));
    server.end_by("TERM");
    client.wait_for_word("1012", SOON);
    server = start_on(port, Heartbeat::DEFAULT);
    client.wait_for_output("the second welcome", SOON, |line| says(line, "[CONN] Welcome monitor!"));
    server.kill();
    client.wait_for_word("without a Close frame", SOON);
    server = start_on(port, Heartbeat::DEFAULT);
    client.wait_for_output("the third welcome", SOON, |line| says(line, "[CONN] Welcome monitor!"));
    post(&server, r#"{"type":"note","content":"still there"}"#);
    client.wait_for_output("what was posted", SOON, |line| says(line, "[note] still there"));
    client.signal("TERM");
    client.end(SOON).assert_status(0);
}

/// The server still holds the connection that was given up, and would break both under one id.
#[test]
fn a_server_that_stood_still_is_left_and_then_asked_for_another_id() {
    let server = start(Heartbeat::DEFAULT);
    let options = ["--ping-interval", "1", "--ping-timeout", "2", "--reconnect-interval", "0.5", "--verbose"];
    let mut client = Client::start(&[&["--uri", &uri(&server, "monitor")], &options[..]].concat());
    client.wait_for_output("the welcome", SOON, |line| says(line, "[CONN] Welcome monitor!"));
    server.signal("STOP");
    client.wait_for_word("retrying", SOON);
    server.signal("CONT");
    client.wait_for_output("a welcome under another id", SOON, |line| {
        line.starts_with("[CONN] ") && line.contains(" Welcome monitor-")
    });
    post(&server, r#"{"type":"note","content":"one of them hears it"}"#);
    client.wait_for_output("what was posted", SOON, |line| says(line, "[note] one of them hears it"));
    client.signal("TERM");
    let ended = client.end(SOON);
    ended.assert_status(0);
    assert!(!ended.err.iter().any(|line| line.contains("1000") || line.contains("without a Close")), "{ended}");
}

/// Seconds.
struct Heartbeat {
    interval: u32,
    timeout: u32,
}

impl Heartbeat {
    const DEFAULT: Self = Self { interval: 30, timeout: 60 };
}

fn start(heartbeat: Heartbeat) -> Server {
    start_on(unused_port(), heartbeat)
}

fn start_on(port: u16, heartbeat: Heartbeat) -> Server {
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_servers");
    let python = FASTPLUGGY.python();
    let database = home().join(format!("fastpluggy-{port}.db"));
    let mut command = Command::new(python);
    command
        .args(["-B", "-m", "uvicorn", "fastpluggy_app:app", "--host", "127.0.0.1", "--app-dir"])
        .arg(app)
        .args(["--port", &port.to_string()])
        .current_dir(home())
        .env("DATABASE_URL", format!("sqlite:///{}", database.display()))
        .env("INSTALL_MODULE_REQUIREMENT_AT_START", "false")
        .env("HEARTBEAT_INTERVAL", heartbeat.interval.to_string())
        .env("HEARTBEAT_TIMEOUT", heartbeat.timeout.to_string());
    Server::listening(&mut command, port)
}

fn uri(server: &Server, id: &str) -> String {
    format!("{}/ws/{id}", server.uri())
}

/// Without an id: the server gives one.
fn watch(server: &Server, options: &[&str]) -> Client {
    Client::start(&[&["--uri", &format!("{}/ws", server.uri())], options].concat())
}

/// Returns true for a line with this mark and text, whatever the time between them.
fn says(line: &str, expected: &str) -> bool {
    let (mark, text) = expected.split_once(' ').unwrap_or_default();
    line.strip_prefix(mark).is_some_and(|rest| rest.ends_with(&format!("Z {text}")))
}

fn is_welcome(line: &str) -> bool {
    line.starts_with("[CONN] ") && line.contains(" Welcome anon-")
}

/// That a Close 1000 came and was not worth a line but for developers.
fn assert_quiet(ended: &Ended) {
    let closes: Vec<_> = ended.err.iter().filter(|line| line.contains("with 1000")).collect();
    assert_eq!(closes.len(), 1, "{ended}");
    assert!(closes[0].contains(" DEBUG ") && closes[0].contains("retrying in"), "{ended}");
    let again = ended.err.iter().rev().find(|line| line.contains(": connected"));
    assert!(again.is_some_and(|line| line.contains(" DEBUG ")), "{ended}");
    assert!(ended.err.iter().all(|line| !line.contains(" WARN ") && !line.contains(" ERROR ")), "{ended}");
}

/// Has the server send a message to all its clients.
fn post(server: &Server, json: &str) {
    let length = json.len();
    let request = format!(
        "POST /ws/send-message?method=api HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{json}"
    );
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a server");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("a server that reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
