//! System calls by strace(1): one thread that waits in epoll_wait and nowhere else.

use std::process::Command;
use std::time::Duration;

use crate::support::program::{Run, wsmon};
use crate::support::server::{CLOSE, PING, PONG, Server, text_frame};
use crate::{SAMPLE, sampling_server, set_resolvers};

/// System calls that may block, besides epoll_wait. With the second text in its line a call does not block.
const BLOCKING: [(&str, Option<&str>); 14] = [
    ("poll(", Some(", 0)")),
    ("ppoll(", Some("tv_sec=0, tv_nsec=0}")),
    ("select(", None),
    ("pselect6(", None),
    ("nanosleep(", None),
    ("clock_nanosleep(", None),
    ("pause(", None),
    ("wait4(", None),
    ("flock(", Some("LOCK_NB")),
    ("clone(", None),
    ("clone3(", None),
    ("fork(", None),
    ("vfork(", None),
    ("futex(", Some("FUTEX_WAKE")),
];

/// Returns `wsmon` under strace, and the path of its trace.
fn traced(name: &str) -> (Command, std::path::PathBuf) {
    let trace = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let program = wsmon::<&str>([]);
    let mut command = Command::new("strace");
    command.args(["-f", "-o"]).arg(&trace).arg(program.get_program()).env_clear();
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    (command, trace)
}

/// Runs it with TLS, a name without an answer, black holes, refusals, a Unix socket and files; returns the trace.
fn trace() -> String {
    set_resolvers(&["10.99.0.53"]);
    let (mut command, trace) = traced("strace");
    let (healthy, silent) = (sampling_server(), Server::start(|mut peer| peer.wait_gone()));
    for uri in [
        healthy.uri(),
        format!("silent=wss://127.0.0.1:{}", silent.port()),
        "refused=ws://127.0.0.1:1".to_owned(),
        "name=wss://name.example".to_owned(),
        "hole=ws://hole".to_owned(),
        "socket=ws+unix:///no/such".to_owned(),
    ] {
        command.args(["-u", &uri]);
    }
    command.args(["--duration", "3", "--connect-timeout", "0.5", "--reconnect-interval", "0.2", "-s", "--save-data"]);
    command.arg(trace.with_extension("jsonl"));
    let finished = Run::start(&mut command).finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    std::fs::read_to_string(trace).unwrap()
}

#[test]
fn nothing_waits_but_epoll_and_no_socket_blocks() {
    let trace = trace();
    let calls = || trace.lines().map(|line| line.split_once(' ').map_or(line, |(_process, call)| call.trim_start()));
    for call in calls() {
        let waits = BLOCKING.iter().find(|(name, _)| call.starts_with(name));
        let allowed = waits.is_none_or(|(_, unless)| unless.is_some_and(|unless| call.contains(unless)));
        assert!(allowed, "{call}");
        if call.starts_with("socket(") || call.starts_with("socketpair(") || call.starts_with("accept4(") {
            assert!(call.contains("SOCK_NONBLOCK"), "{call}");
        }
    }
    let count = |start: &str, word: &str| calls().filter(|call| call.starts_with(start) && call.contains(word)).count();
    assert!(count("connect(", "EINPROGRESS") > 3 && count("connect(", "AF_UNIX") > 1, "connections");
    assert!(count("sendto(", "") > 1, "questions to the resolver");
    assert!(count("epoll_wait(", "") > 3, "waits");
}

/// A wait ends only for arriving data and for deadlines.
#[test]
fn an_idle_connection_causes_no_wake_up() {
    const MESSAGES: usize = 20;
    let (tell, told) = std::sync::mpsc::channel();
    let server = Server::start(move |mut peer| {
        let mut reader = peer.reader();
        let mut writer = peer.reader();
        peer.upgrade();
        let writing = std::thread::spawn(move || {
            for _ in 0..MESSAGES {
                std::thread::sleep(Duration::from_millis(150));
                writer.text(SAMPLE);
            }
        });
        while let Some(frame) = reader.next().filter(|frame| frame.opcode != CLOSE) {
            if frame.opcode == PING {
                _ = tell.send(());
                peer.frame(true, PONG, frame.payload);
            }
        }
        peer.close(1000, "");
        writing.join().unwrap();
    });
    let (mut command, trace) = traced("strace-idle");
    command.args(["-u", &server.uri(), "--duration", "5", "--ping-interval", "0.7"]);
    let finished = Run::start(&mut command).finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let pings = told.try_iter().count();
    let trace = std::fs::read_to_string(trace).unwrap();
    let waits: Vec<_> = trace.lines().filter(|line| line.contains(" epoll_wait(")).collect();
    let without_waiting = waits.iter().filter(|line| line.contains(", 256, 0)")).count();
    println!("{} waits, {without_waiting} of them for no time; {MESSAGES} messages, {pings} pings", waits.len());
    // Four more: connected, upgraded, the end of --duration, and the server's Close.
    assert!(waits.len() - without_waiting <= MESSAGES + 2 * pings + 4, "{waits:#?}");
    // Before the dial, at the end, and for a ping that is due right after a message: not one for each message.
    assert!(without_waiting <= 2 + pings, "{waits:#?}");
}

/// Returns the names of the system calls between the lines of messages that come one by one.
fn calls_per_message(name: &str, options: &[&str]) -> Vec<Vec<String>> {
    const MESSAGES: usize = 20;
    let (order, ordered) = std::sync::mpsc::channel::<String>();
    let ordered = std::sync::Mutex::new(ordered);
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        while let Ok(message) = ordered.lock().unwrap().recv() {
            // Head and text in one segment.
            peer.raw(text_frame(message));
        }
        peer.drain();
    });
    let (mut command, trace) = traced(name);
    let run = Run::start(command.args(["-u", &server.uri(), "-n", &MESSAGES.to_string()]).args(options));
    for number in 0..MESSAGES {
        order.send(SAMPLE.replace("12.5", &format!("{number}.5"))).unwrap();
        run.wait_stdout(&format!("{number}.5%"));
    }
    drop(order);
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let trace = std::fs::read_to_string(trace).unwrap();
    let call = |line: &str| line.split_once(' ').map_or(line, |(_process, call)| call.trim_start()).to_owned();
    let calls: Vec<_> = trace.lines().map(call).collect();
    let prints = |call: &String| call.starts_with("write(") && call.contains("\"CPU:");
    let name = |call: &String| call.split('(').next().unwrap_or_default().replace("epoll_pwait", "epoll_wait");
    let groups = calls.split_inclusive(prints).map(|group| group.iter().map(name).collect());
    // The first line comes after all of the start, whose last event may come with the second; the end after the last one.
    groups.skip(2).take(MESSAGES - 2).collect()
}

#[test]
fn a_message_that_comes_alone_takes_three_system_calls() {
    let saved = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("strace-alone.jsonl");
    for (options, expected) in [
        (&[][..], &["epoll_wait", "recvfrom", "write"][..]),
        (&["--stats", "--duration", "60", "--ping-interval", "20", "--history"], &["epoll_wait", "recvfrom", "write"]),
        (&["--save-data", saved.to_str().unwrap()], &["epoll_wait", "recvfrom", "write", "write"]),
    ] {
        let messages = calls_per_message("strace-alone", options);
        assert_eq!(messages.len(), 18, "{messages:#?}");
        // Room to write is now and then an event of its own, which comes between two messages.
        let others: Vec<_> = messages.iter().filter(|calls| *calls != expected).collect();
        assert!(others.len() < 3, "{options:?}: {others:#?}");
    }
}
