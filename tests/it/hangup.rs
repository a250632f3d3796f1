//! SIGHUP: files are reopened, as logrotate(8) needs it; without files the run ends.

use crate::client::{greet, json_lines, sample, watch};
use crate::support::PATIENCE;
use crate::support::program::Run;
use crate::support::server::{Peer, Server};
use crate::support::temp_dir::TempDir;
use std::fs;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

/// Starts a server that sends a sample for each value that the test passes to it.
fn on_demand() -> (Server, Sender<f64>) {
    let (wanted, wishes) = channel();
    let wishes = Mutex::new(wishes);
    let server = Server::start(move |mut peer: Peer| {
        greet(&mut peer);
        let wishes = wishes.lock().unwrap();
        while let Ok(cpu) = wishes.recv_timeout(PATIENCE) {
            peer.text(sample(cpu));
        }
        peer.hold();
    });
    (server, wanted)
}

#[test]
fn a_hangup_without_files_ends_the_run_normally() {
    let (server, wanted) = on_demand();
    let run = watch(&server, "-s");
    wanted.send(1.0).unwrap();
    run.wait_stdout("CPU: ");
    run.signal("HUP");
    let finished = run.finish();
    assert_eq!((finished.code, finished.signal), (Some(0), None), "{finished:?}");
    assert!(finished.stdout.contains("=== Client Statistics ==="), "{finished:?}");
}

#[test]
fn a_hangup_creates_new_files_after_the_old_ones_were_moved() {
    let (server, wanted) = on_demand();
    let dir = TempDir::new();
    let (data, log) = (dir.path("data"), dir.path("log"));
    let run = watch(&server, &format!("-v --save-data {data} --log-file {log}"));
    wanted.send(1.0).unwrap();
    run.wait_stdout("CPU:   1.0%\n");
    fs::rename(&data, dir.path("data.moved")).unwrap();
    fs::rename(&log, dir.path("log.moved")).unwrap();
    run.signal("HUP");
    let made = std::time::Instant::now();
    while !(dir.has("data") && dir.has("log") && dir.read("log").contains("reopened")) {
        assert!(made.elapsed() < PATIENCE, "no new files");
        std::thread::yield_now();
    }
    wanted.send(2.0).unwrap();
    run.wait_stdout("CPU:   2.0%\n");
    run.signal("TERM");
    let finished = run.finish();
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:?}");
    let usage = |name: &str| -> Vec<_> {
        let lines = json_lines(&dir.read(name));
        lines.iter().filter_map(|line| line["data"]["processor"]["usage_percent"].as_f64()).collect()
    };
    assert_eq!((usage("data.moved"), usage("data")), (vec![1.0], vec![2.0]));
    assert!(dir.read("log.moved").contains("connected"));
}

#[test]
fn a_hangup_that_nohup_ignores_stays_ignored() {
    let (server, wanted) = on_demand();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(crate::support::program::binary()).args([
        "-q",
        "-u",
        &server.uri(),
    ]);
    command.env_clear().stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let run = Run::start(&mut command);
    wanted.send(1.0).unwrap();
    run.wait_stdout("CPU:   1.0%\n");
    run.signal("HUP");
    // Signals arrive in this order or not at all.
    run.signal("USR1");
    run.wait_stderr("State: connected");
    wanted.send(2.0).unwrap();
    run.wait_stdout("CPU:   2.0%\n");
    run.signal("INT");
    assert_eq!(run.finish().code, Some(0));
}
