//! Messages to a service manager, and the prefixes of log lines for its journal.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::client::{command, command_at, sample, sending};
use crate::support::PATIENCE;
use crate::support::program::{Run, wsmon};
use crate::support::temp_dir::TempDir;

/// A port of this machine at which nothing listens.
const DOWN: &str = "ws://127.0.0.1:1";

/// The socket of a service manager in the abstract namespace, and its name.
fn manager(test: &str) -> (UnixDatagram, String) {
    let name = format!("wsmon-test-{}-{test}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    (socket, format!("@{name}"))
}

fn start(mut command: Command, socket: &str) -> Run {
    Run::start(command.env("NOTIFY_SOCKET", socket))
}

/// Receives until a message has this line; returns all lines so far.
fn until(socket: &UnixDatagram, wanted: &str) -> Vec<String> {
    let (mut lines, mut message) = (Vec::new(), [0; 4096]);
    while !lines.iter().any(|line| line == wanted) {
        let length = match socket.recv(&mut message) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result.unwrap_or_else(|error| panic!("{error}: no {wanted} in {lines:?}")),
        };
        let text = std::str::from_utf8(&message[..length]).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

#[test]
fn a_run_is_ready_before_any_server_is_up_and_says_when_it_stops() {
    let dir = TempDir::new();
    let socket = UnixDatagram::bind(dir.path("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let run = start(command_at(DOWN, "-q"), &dir.path("notify"));
    assert_eq!(until(&socket, "READY=1"), ["READY=1", "STATUS=0 of 1 server up"]);
    run.signal("TERM");
    assert_eq!(until(&socket, "STOPPING=1")[0], "STOPPING=1");
    assert_eq!(run.finish().code, Some(0));
}

#[test]
fn a_run_that_cannot_start_is_never_ready() {
    let (socket, name) = manager("start");
    let finished = start(command_at(DOWN, "--save-data /nonexistent/f"), &name).finish();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 100]).is_err());
}

#[test]
fn the_status_follows_the_servers() {
    let (socket, name) = manager("status");
    let server = sending([sample(5.0)]);
    let mut command = command(&server, "-q --no-reconnect");
    command.args(["-u", DOWN]);
    let run = start(command, &name);
    let lines = until(&socket, "STATUS=1 of 2 servers up");
    assert_eq!(lines[..2], ["READY=1", "STATUS=0 of 2 servers up"], "{lines:?}");
    run.signal("INT");
    let lines = until(&socket, "STOPPING=1");
    assert!(!lines.contains(&"STATUS=0 of 2 servers up".to_owned()), "{lines:?}");
    run.finish();
}

#[test]
fn the_watchdog_hears_of_a_run_that_has_nothing_else_to_do() {
    let (socket, name) = manager("watchdog");
    let mut command = command_at(DOWN, "-q --reconnect-interval 1h");
    command.env("WATCHDOG_USEC", "200000");
    let run = start(command, &name);
    until(&socket, "READY=1");
    let began = Instant::now();
    for _ in 0..3 {
        until(&socket, "WATCHDOG=1");
    }
    assert!(began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());
    run.signal("INT");
    run.finish();
}

#[test]
fn a_hangup_that_opens_files_anew_is_a_reload() {
    let (socket, name) = manager("reload");
    let dir = TempDir::new();
    let run = start(command_at(DOWN, &format!("-q --log-file {}", dir.path("log"))), &name);
    until(&socket, "READY=1");
    run.signal("HUP");
    let lines = until(&socket, "READY=1");
    assert_eq!(lines[0], "RELOADING=1", "{lines:?}");
    let time: u64 = lines[1].strip_prefix("MONOTONIC_USEC=").and_then(|time| time.parse().ok()).expect("a time");
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    // The clock of /proc/uptime counts the time of suspends too.
    assert!(time > 0 && time as f64 / 1e6 <= uptime + 1.0, "{time} {uptime}");
    run.signal("TERM");
    run.finish();
}

#[test]
fn a_hangup_that_reads_the_servers_again_is_one_reload_with_that_of_the_files() {
    let dir = TempDir::new();
    let list = dir.path("servers");
    for (name, more) in [("list", String::new()), ("both", format!(" --log-file {}", dir.path("log")))] {
        std::fs::write(&list, format!("{DOWN}\n")).unwrap();
        let (socket, name) = manager(name);
        let run = start(wsmon(format!("-q --servers {list}{more}").split(' ')), &name);
        until(&socket, "READY=1");
        // A list that is wrong leaves the run as it is, and ready.
        for text in [format!("{DOWN}\n{DOWN}/other\n"), "no://server\n".to_owned()] {
            std::fs::write(&list, text).unwrap();
            run.signal("HUP");
            let lines = until(&socket, "READY=1");
            assert_eq!(lines.iter().filter(|line| *line == "RELOADING=1").count(), 1, "{lines:?}");
        }
        run.signal("TERM");
        run.finish();
    }
}

#[test]
fn a_hangup_without_files_is_no_reload() {
    let (socket, name) = manager("hangup");
    let run = start(command_at(DOWN, "-q"), &name);
    until(&socket, "READY=1");
    run.signal("HUP");
    assert_eq!(until(&socket, "STOPPING=1")[0], "STOPPING=1");
    run.finish();
}

#[test]
fn a_manager_that_does_not_read_holds_nothing_up() {
    let (_socket, name) = manager("deaf");
    let mut command = command_at(DOWN, "-q -d 1 --reconnect-interval 1h");
    command.env("WATCHDOG_USEC", "1");
    let finished = start(command, &name).finish();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.took < PATIENCE / 2, "{finished:?}");
}

#[test]
fn a_socket_that_cannot_be_one_is_ignored_with_a_debug_line() {
    for (name, why) in
        [("run/notify", "neither an absolute path nor @NAME"), (&*format!("/{}", "x".repeat(300)), "path")]
    {
        let finished = start(command_at(DOWN, "-v --max-reconnects 0"), name).finish();
        assert_eq!(finished.code, Some(1), "{finished:?}");
        let line = finished.stderr.lines().find(|line| line.contains("DEBUG $NOTIFY_SOCKET")).expect("a line");
        assert!(line.contains(why) && line.len() < 400, "{line}");
    }
    // Nobody listens there.
    let finished = start(command_at(DOWN, "-v --max-reconnects 0"), "/nonexistent/notify").finish();
    assert!(finished.code == Some(1) && !finished.stderr.contains("NOTIFY_SOCKET"), "{finished:?}");
}

/// Runs with stderr in a file that JOURNAL_STREAM names, with this added to its inode; returns what was written.
fn logged(options: &str, inode_added: u64) -> String {
    let dir = TempDir::new();
    let file = File::create(dir.path("stderr")).unwrap();
    let metadata = file.metadata().unwrap();
    let mut command = command_at(DOWN, options);
    command.env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino() + inode_added));
    assert_eq!(Run::start(command.stderr(file)).finish().code, Some(1));
    dir.read("stderr")
}

#[test]
fn log_lines_have_a_priority_in_the_journal_and_a_time_elsewhere() {
    let options = "-vv -k --max-reconnects 0";
    let text = logged(options, 0);
    let priorities: BTreeSet<_> = text.lines().filter_map(|line| line.get(..3)).collect();
    assert_eq!(priorities, BTreeSet::from(["<3>", "<4>", "<6>", "<7>"]), "{text}");
    assert!(text.contains("<6>x: connecting to ws://127.0.0.1:1/\n"), "{text}");
    let elsewhere = logged(options, 1);
    assert!(elsewhere.lines().all(|line| line.starts_with("20")), "{elsewhere}");
    let json = logged(&format!("{options} --log-format json"), 0);
    assert!(json.lines().all(|line| line.starts_with("{\"time\":\"20")), "{json}");
}

#[test]
fn a_log_file_keeps_its_times_and_the_journal_gets_the_errors() {
    let dir = TempDir::new();
    let text = logged(&format!("--max-reconnects 0 --log-file {}", dir.path("log")), 0);
    assert!(text.lines().count() > 0 && text.lines().all(|line| line.starts_with("<3>")), "{text}");
    assert!(dir.read("log").lines().all(|line| line.starts_with("20")));
}

#[test]
fn reports_wait_for_a_slow_reader_and_do_not_pile_up() {
    let (socket, name) = manager("slow");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = command_at(DOWN, "-q --stats-every 1ms --when-full wait --queue 4K");
    command.env("WATCHDOG_USEC", "100000").stdout(writer);
    let run = start(command, &name);
    // Half a second, in which the loop goes on.
    for _ in 0..10 {
        until(&socket, "WATCHDOG=1");
    }
    run.signal("TERM");
    let mut text = String::new();
    until(&socket, "STOPPING=1");
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    assert_eq!(run.finish().code, Some(0));
    assert!((1..100_000).contains(&text.len()), "{}", text.len());
}
