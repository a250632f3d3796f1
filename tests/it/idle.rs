//! An idle program does not wake up.

use crate::client::{greet, sample, watch};
use crate::support::server::Server;
use std::time::Duration;

/// Returns the number of voluntary context switches, see proc(5): each wake-up adds one.
fn sleeps(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn without_traffic_the_program_does_not_wake_up() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(sample(1.0));
        peer.hold();
    });
    let refused = "-u refused=ws://127.0.0.1:1 --reconnect-interval 60";
    let silent = Server::start(|mut peer| peer.wait_gone());
    let runs = [
        watch(&server, "--every 1h --stale-after 1h -d 1h"),
        watch(&server, refused),
        watch(&silent, "--connect-timeout 1h"),
    ];
    runs[0].wait_stdout("CPU: ");
    runs[1].wait_stdout("CPU: ");
    runs[1].wait_stderr("retrying in");
    silent.wait_accepted(1);
    // Half a second for the work after the upgrade.
    std::thread::sleep(Duration::from_millis(500));
    let before = runs.each_ref().map(|run| sleeps(run.pid()));
    for run in &runs {
        assert_eq!(std::fs::read_dir(format!("/proc/{}/task", run.pid())).unwrap().count(), 1, "one thread");
    }
    std::thread::sleep(Duration::from_secs(2));
    for (run, before) in runs.iter().zip(before) {
        let more = sleeps(run.pid()) - before;
        assert!(more <= 2, "woke up {more} times");
    }
}
