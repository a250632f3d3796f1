//! Runs the examples beside this file, as `cargo test` has built them, against servers on the loopback interface.

#[expect(dead_code, reason = "other tests use the rest of it")]
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use support::program::{Finished, Run};
use support::server::{Peer, Server, TEXT};
use support::temp_dir::TempDir;

/// Returns the path of an example, beside that of the tests.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: `cargo test` without --test or `cargo build --examples` builds it",
        path.display()
    );
    path
}

fn start(name: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new(example(name));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Run::start(&mut command)
}

/// Runs an example to its end, which must be this status.
fn run(name: &str, arguments: &[&str], code: i32) -> String {
    let Finished { code: ended, stdout, stderr, .. } = start(name, arguments).finish();
    assert_eq!((ended, &*stderr), (Some(code), ""), "{name}: {stdout}");
    stdout
}

fn sample(cpu: u32) -> String {
    format!(
        r#"{{"type":"monitoring_data","data":{{"processor":{{"usage_percent":{cpu}}},"memory":{{"percentage":62.5}}}}}}"#
    )
}

fn greet(peer: &mut Peer) {
    peer.upgrade();
    peer.text(r#"{"type":"connection","status":"connected","message":"hello"}"#);
}

/// Sends samples and closes the connection.
fn closing(cpus: &'static [u32]) -> Server {
    Server::start(|mut peer| {
        greet(&mut peer);
        cpus.iter().for_each(|&cpu| peer.text(sample(cpu)));
        peer.close(1000, "");
        peer.drain();
    })
}

/// Sends a sample and keeps the connection, until the client closes it.
fn lasting(cpu: u32) -> Server {
    Server::start(move |mut peer| {
        greet(&mut peer);
        peer.text(sample(cpu));
        peer.drain();
    })
}

#[test]
fn callbacks_are_called_by_kind_and_their_error_ends_the_program() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(sample(60));
        let alert = r#"{"component":"cpu","level":"WARNING","message":"CPU usage is high"}"#;
        peer.text(sample(90).replacen('{', &format!(r#"{{"alerts":[{alert}],"#), 1));
        peer.close(1000, "");
        peer.drain();
    });
    let out = run("callbacks", &[&server.uri()], 0);
    assert!(out.contains("nas: connected\n") && out.contains("cpu 60\n"), "{out}");
    assert!(out.contains("WARNING: CPU usage is high\n") && out.ends_with("at most 90, 1 alerts\n"), "{out}");
    // The error of a handler is that of the program.
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(r#"{"type":"monitoring_data","data":{"memory":{"percentage":62.5}}}"#);
        peer.drain();
    });
    let failed = start("callbacks", &[&server.uri()]).finish();
    assert_eq!(failed.code, Some(1));
    assert!(failed.stderr.contains("without the processor's use"), "{}", failed.stderr);
}

#[test]
fn thresholds_hold_for_each_server_and_for_the_fleet() {
    let (web, db) = (closing(&[60, 80, 60]), closing(&[10]));
    let (web, db) = (format!("web={}", web.uri()), format!("db={}", db.uri()));
    let out = run("thresholds", &[&web, &db], 1);
    assert!(out.contains("web: WARNING cpu 80.0% (75)\n"), "{out}");
    let (quiet, hot) = (closing(&[10]), closing(&[99]));
    assert_eq!(run("thresholds", &[&format!("db={}", quiet.uri())], 0), "");
    quiet.wait_accepted(1);
    let out = run("thresholds", &[&format!("db={}", hot.uri())], 2);
    assert!(out.contains("db: CRITICAL cpu 99.0% (90)\n"), "{out}");
    // Of equal values the mean is the same, whichever server is connected first.
    let (web, db) = (lasting(87), lasting(87));
    let run = start("thresholds", &[&format!("web={}", web.uri()), &format!("db={}", db.uri())]);
    run.wait_stdout("*: CRITICAL cpu.mean 87.0% (85)\n");
}

#[test]
fn cluster_mean_counts_those_that_are_up() {
    let (one, other) = (lasting(20), lasting(40));
    let run = start("cluster_mean", &["0.05", &one.uri(), &other.uri(), "ws://127.0.0.1:1"]);
    run.wait_stdout("mean of 2 servers: 30.0 %\n");
}

#[test]
fn sqlite_keeps_each_sample() {
    let dir = TempDir::new();
    let file = dir.path("samples.db");
    for server in [closing(&[60, 70]), closing(&[80])] {
        let out = run("sqlite", &[&file, &server.uri()], 0);
        assert!(out.contains("closed"), "{out}");
    }
    let database = rusqlite::Connection::open(&file).unwrap();
    let count = |metric: &str| {
        let row = "SELECT count(*), max(value), count(DISTINCT server), min(at) > 1e12 FROM samples WHERE metric = ?1";
        database.query_row(row, [metric], |row| <(i64, f64, i64, bool)>::try_from(row)).unwrap()
    };
    assert_eq!((count("cpu"), count("memory")), ((3, 80.0, 1, true), (3, 62.5, 1, true)));
}

#[test]
fn async_fd_runs_beside_another_task() {
    let out = run("async_fd", &[&closing(&[60, 70, 80]).uri()], 0);
    assert_eq!(out.replacen("another task\n", "", 1), "cpu 60\ncpu 70\ncpu 80\n", "{out}");
}

#[test]
fn own_loop_serves_the_monitor_and_standard_input() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        while let Some(frame) = peer.next().filter(|frame| frame.opcode == TEXT) {
            peer.text(format!(r#"{{"type":"reply","to":{:?}}}"#, frame.text()));
        }
    });
    let mut command = Command::new(example("own_loop"));
    let mut child = command.arg(server.uri()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"one\ntwo\n").unwrap();
    let input = child.stdin.take();
    let run = Run::attach(child, Instant::now());
    run.wait_stdout(r#"{"type":"reply","to":"two"}"#);
    drop(input);
    let finished = run.finish();
    assert_eq!(finished.code, Some(0));
    assert!(finished.stdout.contains(r#"{"type":"reply","to":"one"}"#), "{}", finished.stdout);
}

#[test]
fn replay_shows_what_was_saved() {
    let dir = TempDir::new();
    let at = |second: u32, server: &str| {
        format!(r#"{{"received_at":"2026-01-02T03:04:0{second}.000Z","server":"{server}","#)
    };
    let lines = [
        at(1, "web") + r#""type":"state","from":"connecting","to":"connected"}"#,
        at(1, "web") + &sample(60)[1..],
        at(2, "db") + &sample(10)[1..],
        at(3, "web") + &sample(80)[1..],
        at(3, "web") + &sample(99)[1..60],
        at(4, "web") + r#""alerts":[{"component":"cpu","level":"WARNING","message":"high"}],"# + &sample(70)[1..],
    ];
    let file = dir.write("saved.log", &lines.join("\n"));
    let finished = start("replay", &[&file]).finish();
    assert_eq!(finished.stdout, "web: high\ndb: at most 10 %\nweb: at most 80 %\n4 messages\n");
    assert!(finished.stderr.starts_with(&format!("{file}:5: ")), "{}", finished.stderr);
}

#[test]
fn stop_signal_closes_the_connection() {
    for signal in ["TERM", "INT"] {
        let server = lasting(60);
        let run = start("stop_signal", &[&server.uri()]);
        run.wait_stdout("connected\n");
        run.signal(signal);
        let finished = run.finish();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(
            finished.stdout.contains("disconnected") && finished.stdout.ends_with(" messages\n"),
            "{}",
            finished.stdout
        );
    }
}
