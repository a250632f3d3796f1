//! No text of a server reaches the terminal unescaped, in any format or log line.

use std::collections::BTreeSet;

use crate::client::{all_json_lines, command_at, greet, watched};
use crate::support::is_harmful;
use crate::support::program::{Finished, Run};
use crate::support::server::{Peer, Server};
use crate::support::temp_dir::TempDir;

/// Escape sequences, C0, DEL and C1 controls, bidirectional controls, and a line separator.
const HOSTILE: &str = "a\u{1b}]0;b\u{7}\r\n\u{8}\u{7f}\u{9b}2J\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}c";

fn assert_harmless(text: &str, of: &Finished) {
    assert!(!text.contains(is_harmful), "{of:?}");
}

/// The hostile text as a JSON string: with all characters escaped, or with only those that JSON requires replaced.
fn quoted(escaped: bool) -> String {
    if !escaped {
        return format!("\"{}\"", HOSTILE.replace(|c| c < ' ', "?"));
    }
    let unit = |unit: u16| format!("\\u{unit:04x}");
    format!("\"{}\"", HOSTILE.encode_utf16().map(unit).collect::<String>())
}

/// Messages of every type with hostile text in every place for text, including the names of members.
fn hostile_messages() -> Vec<String> {
    let mut messages = Vec::new();
    for escaped in [true, false] {
        let s = quoted(escaped);
        let system = ["os_name", "os_version", "os_release", "architecture", "platform", "machine", "hostname"];
        let system = system.map(|name| format!("\"{name}\": {s}")).join(", ");
        messages.extend([
            format!(r#"{{"type": "connection", "status": {s}, "timestamp": {s}, "message": {s}}}"#),
            format!(
                r#"{{"type": "monitoring_data", "timestamp": {s}, "data": {{"processor": {{"usage_percent": 1.0, {s}: {s}}}, "memory": {{"percentage": {s}}}, "disk": {{"percentage": 2, "path": {s}}}, "system": {{{system}, "boot_time": {s}}}, "gpu": {{"name": {s}, "driver_version": {s}, "gpu_usage_percent": 3.0}}, {s}: [{s}, {{{s}: {s}}}]}}, "alerts": [{{"component": {s}, "metric": {s}, "level": {s}, "message": {s}, "timestamp": {s}}}], {s}: {s}}}"#
            ),
            format!(r#"{{"type": "alert", "component": {s}, "level": {s}, "message": {s}}}"#),
            format!(r#"{{"type": "status", {s}: {s}, "connected_clients": {s}}}"#),
            format!(r#"{{"type": "error", "message": {s}, "severity": {s}}}"#),
            format!(r#"{{"type": "error_message", "error": {s}, "severity": {s}}}"#),
            format!(r#"{{"type": {s}, {s}: {s}}}"#),
            format!("[{s}]"),
            s,
        ]);
    }
    messages.push(HOSTILE.to_owned());
    messages.push(format!("{{\"type\": \"connection\", \"message\": \"{HOSTILE}\"}}"));
    messages
}

fn hostile(peer: &mut Peer) {
    peer.upgrade();
    for message in hostile_messages() {
        peer.text(&message);
        peer.binary(&message);
    }
    peer.binary(HOSTILE);
}

#[test]
fn every_line_of_a_json_log_is_an_object_whatever_a_server_sends() {
    let reason = String::from_iter(HOSTILE.chars().take(30));
    let server = Server::start(move |mut peer| {
        hostile(&mut peer);
        peer.close(1011, &reason);
        peer.drain();
    });
    let dir = TempDir::new();
    let log = dir.path("log");
    for options in ["", &format!("--log-file {log}")] {
        let options = format!("-f csv -vv --no-reconnect --log-format json {options}");
        let finished = watched(&server, &options);
        let text = if options.contains(&log) { dir.read("log") } else { finished.stderr.clone() };
        assert_harmless(&text, &finished);
        let (mut of_server, mut levels) = (0, BTreeSet::new());
        for line in all_json_lines(&text) {
            let member = |name: &str| line[name].as_str();
            assert!(member("time").is_some_and(|time| time.len() == 24 && time.ends_with('Z')), "{line}");
            assert!(member("message").is_some_and(|text| !text.starts_with("x: ")), "{line}");
            levels.insert(member("level").expect("a level").to_owned());
            of_server += usize::from(member("server") == Some("x"));
            assert_eq!(line.as_object().map(|line| line.len()), Some(3 + usize::from(!line["server"].is_null())));
        }
        assert!(of_server > 10 && levels.len() >= 4, "{of_server} {levels:?}\n{text}");
    }
}

#[test]
fn no_format_prints_a_control_character_of_a_server() {
    let server = Server::start(|mut peer| {
        hostile(&mut peer);
        peer.close(1000, "");
        peer.drain();
    });
    for wsmon::Format { name: format, stats_apart, .. } in wsmon::FORMATS {
        // Those whose statistics go to stderr show samples, processes and alerts alone.
        let least = if *stats_apart { 1 } else { 10 };
        let dir = TempDir::new();
        let data = dir.path("data");
        let finished = watched(&server, &format!("-f {format} -s -v --no-reconnect --save-data {data}"));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.stdout.lines().count() > least, "{finished:?}");
        assert_harmless(&finished.stdout, &finished);
        assert_harmless(&finished.stderr, &finished);
        assert_harmless(&dir.read("data"), &finished);
    }
}

#[test]
fn colours_are_the_only_escape_sequences() {
    let server = Server::start(|mut peer| {
        hostile(&mut peer);
        peer.close(1000, "");
        peer.drain();
    });
    for format in wsmon::FORMATS {
        let format = format.name;
        let finished = watched(&server, &format!("-f {format} -s --no-reconnect --color always"));
        let mut bare = String::new();
        for piece in finished.stdout.split("\x1b[") {
            let end = piece.find(|c: char| c != ';' && !c.is_ascii_digit()).unwrap_or(piece.len());
            bare.push_str(piece[end..].strip_prefix('m').unwrap_or(piece));
        }
        assert_harmless(&bare, &finished);
    }
}

#[test]
fn the_log_quotes_a_server_s_text_harmlessly() {
    let scripts: [fn(&mut Peer); 6] = [
        |peer| {
            greet(peer);
            peer.close(1008, HOSTILE);
            peer.drain();
        },
        |peer| peer.answer(&format!("418 {}", HOSTILE.replace(['\r', '\n'], "")), &[], HOSTILE),
        |peer| peer.answer("301 Moved", &["Location: ws://h/\u{1b}[2J\u{9b}\u{202e}"], ""),
        |peer| {
            peer.request();
            peer.raw(HOSTILE);
        },
        |peer| {
            peer.upgrade_with("\u{9b}2J\u{202e}");
            peer.wait_gone();
        },
        |peer| {
            peer.upgrade_with("permessage-deflate; \u{9b}2J\u{202e}");
            peer.wait_gone();
        },
    ];
    for script in scripts {
        let server = Server::start(move |mut peer| script(&mut peer));
        let finished = watched(&server, "-f jsonl -s -v --no-reconnect");
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("giving up"), "{finished:?}");
        assert_harmless(&finished.stdout, &finished);
        assert_harmless(&finished.stderr, &finished);
    }
}

#[test]
fn a_user_name_and_password_reach_the_server_and_nobody_else() {
    let server = Server::start(|mut peer| {
        let request = peer.request().to_owned();
        // user:hunter2
        assert!(request.contains("\r\nAuthorization: Basic dXNlcjpodW50ZXIy\r\n"), "{request}");
        assert!(request.starts_with("GET /p?token=hunter2 HTTP/1.1\r\n"), "{request}");
        greet(&mut peer);
        peer.close(1011, "");
        peer.drain();
    });
    let dir = TempDir::new();
    let (data, log) = (dir.path("data"), dir.path("log"));
    let uri = format!("ws://user:hunter2@127.0.0.1:{}/p?token=hunter2", server.port());
    for log_format in ["text", "json"] {
        let options =
            format!("-f jsonl -s -vv --no-reconnect --save-data {data} --log-file {log} --log-format {log_format}");
        let finished = Run::start(&mut command_at(&uri, &options)).finish();
        assert!(finished.stdout.contains("token=redacted"), "{finished:?}");
        for text in [&finished.stdout, &finished.stderr, &dir.read("data"), &dir.read("log")] {
            assert!(!text.contains("hunter2") && !text.contains("dXNlcjpodW50ZXIy"), "{text}");
        }
    }
    server.finish();
}
