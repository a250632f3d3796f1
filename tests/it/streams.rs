//! Output on stdout and stderr, and readers that stall or close them.

use crate::client::{
    command, greet, json_lines, log_lines, sample, sending, statistics, watch, watched, without_times,
};
use crate::support::program::{Run, run};
use crate::support::server::{PING, PONG, Server};
use crate::support::temp_dir::TempDir;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Starts a server that sends ten samples, and ten more when the test wants them.
fn in_two_parts() -> (Server, std::sync::mpsc::Sender<()>) {
    let (go, going) = channel();
    let going = std::sync::Mutex::new(going);
    let server = Server::start(move |mut peer| {
        greet(&mut peer);
        (0..10).for_each(|n| peer.text(sample(n.into())));
        if going.lock().unwrap().recv().is_ok() {
            (10..20).for_each(|n| peer.text(sample(n.into())));
        }
        peer.hold();
    });
    (server, go)
}

#[test]
fn stdout_has_the_server_s_messages_and_stderr_the_client_s_log() {
    let finished = watched(&sending([sample(1.0)]), "-n 1");
    assert_eq!(without_times(&finished.stdout), "[CONN] Connected to monitoring server\nCPU:   1.0%\n");
    let said = log_lines(&finished.stderr, &[""]);
    assert_eq!(said.len(), 2, "{finished:?}");
    assert!(said[0].starts_with("INFO x: connecting to ws://127.0.0.1:"), "{finished:?}");
    assert_eq!(said[1], "INFO x: connected");
    for line in finished.stderr.lines() {
        let time = line.split_once(' ').unwrap().0;
        assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{line}");
    }
}

#[test]
fn a_message_is_written_when_it_arrives() {
    let (server, go) = in_two_parts();
    let run = watch(&server, "-n 20");
    run.wait_stdout("CPU:   9.0%\n");
    go.send(()).unwrap();
    assert_eq!(run.finish().stdout.lines().count(), 21);
}

#[test]
fn a_reader_that_closes_stdout_ends_the_run_quietly() {
    let (server, _go) = in_two_parts();
    let (reader, writer) = std::io::pipe().unwrap();
    let run = Run::start(command(&server, "").stdout(writer));
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    while !line.starts_with("CPU:   9.0%") {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    drop(reader);
    // The closed pipe is noticed although the server sends nothing more.
    let finished = run.finish();
    assert_eq!((finished.code, finished.signal), (Some(0), None), "{finished:?}");
    assert_eq!(log_lines(&finished.stderr, &["WARN", "ERROR"]), [""; 0], "{finished:?}");
}

#[test]
fn a_reader_that_takes_only_the_greeting_ends_the_run_quietly() {
    let server = sending([""; 0]);
    let (reader, writer) = std::io::pipe().unwrap();
    let run = Run::start(command(&server, "").stdout(writer));
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).unwrap();
    assert_eq!(without_times(&line), "[CONN] Connected to monitoring server\n");
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(log_lines(&finished.stderr, &["WARN", "ERROR"]), [""; 0], "{finished:?}");
}

#[test]
fn with_data_to_save_the_run_goes_on_without_a_reader() {
    let (server, go) = in_two_parts();
    let dir = TempDir::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let run = Run::start(command(&server, &format!("-n 20 --save-data {}", dir.path("data"))).stdout(writer));
    BufReader::new(reader).read_line(&mut String::new()).unwrap();
    go.send(()).unwrap();
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(json_lines(&dir.read("data")).len(), 21);
    assert_eq!(log_lines(&finished.stderr, &["WARN", "ERROR"]), [""; 0], "{finished:?}");
}

#[test]
fn a_full_disk_behind_stdout_is_3() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let finished = Run::start(command(&sending([sample(1.0)]), "-n 1").stdout(full())).finish();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains("ERROR stdout: no space left on device"), "{finished:?}");
    let finished = Run::start(crate::support::program::wsmon(["--help"]).stdout(full())).finish();
    assert_eq!(finished.code, Some(3), "{finished:?}");
}

#[test]
fn a_full_disk_behind_stdout_ends_a_run_that_would_go_on() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let finished = Run::start(command(&sending([sample(1.0)]), "").stdout(full)).finish();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert_eq!(finished.stderr.matches("no space left on device").count(), 1, "{finished:?}");
}

#[test]
fn a_reader_that_stalls_delays_no_ping_and_dropped_output_is_counted() {
    const MESSAGES: u64 = 3000;
    let (pinged, pings) = channel();
    let server = Server::start(move |mut peer| {
        greet(&mut peer);
        let text = format!(r#"{{"type": "large", "data": "{}"}}"#, "x".repeat(1000));
        (0..MESSAGES).for_each(|_| peer.text(&text));
        // It has read all of them.
        peer.ping("");
        peer.expect(PONG);
        for _ in 0..3 {
            peer.expect(PING);
            pinged.send(()).unwrap();
        }
        peer.hold();
    });
    let (reader, writer) = std::io::pipe().unwrap();
    let run = Run::start(command(&server, "-f jsonl -s --queue 100K --ping-interval 0.1").stdout(writer));
    (0..3).for_each(|_| pings.recv().unwrap());
    run.wait_stderr("WARN the reader of stdout is too slow");
    let text = std::thread::spawn(|| std::io::read_to_string(reader).unwrap());
    run.signal("INT");
    let text = text.join().unwrap();
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines = json_lines(&text);
    let missing: u64 = lines.iter().filter(|l| l["type"] == "dropped").map(|l| l["count"].as_u64().unwrap()).sum();
    let shown = lines.iter().filter(|line| line["type"] == "large").count() as u64;
    assert!(missing > 1000, "{missing}");
    // The greeting came first and may have been written.
    let greetings = lines.iter().filter(|line| line["type"] == "connection").count() as u64;
    assert_eq!(shown + greetings + missing, MESSAGES + 1);
    assert_eq!(lines.last().unwrap()["stats"]["dropped"], missing);
}

#[test]
fn a_reader_that_still_stalls_at_the_end_costs_a_second_or_two() {
    for when_full in ["drop", "wait"] {
        let server = Server::start(|mut peer| {
            greet(&mut peer);
            let text = format!(r#"{{"type": "large", "data": "{}"}}"#, "x".repeat(1000));
            let frame = [&[0x81, 126][..], &u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat();
            while peer.try_raw(&frame) {}
        });
        let (reader, mut writer) = std::io::pipe().unwrap();
        // The capacity of the pipe, see pipe(7).
        writer.write_all(&[b'\n'; 64 << 10]).unwrap();
        let options = format!("--log-level off -f jsonl --queue 10K --when-full {when_full} --save-data /dev/null");
        let run = Run::start(command(&server, &options).stdout(writer));
        // The signal handlers are installed before the first dial.
        server.wait_accepted(1);
        let received =
            |told: &str| json_lines(told.rsplit_once('\n')?.0).last()?["stats"]["messages_received"].as_u64();
        while received(&run.wait_stderr("")) < Some(2) {
            run.signal("USR1");
        }
        let sent = Instant::now();
        run.signal("TERM");
        let finished = run.finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(sent.elapsed() < Duration::from_secs(4), "{finished:?}");
        drop(reader);
    }
}

#[test]
fn waiting_for_a_slow_reader_loses_nothing() {
    const MESSAGES: usize = 5000;
    let server = sending((0..MESSAGES).map(|n| format!(r#"{{"type": "n", "n": {n}, "data": "{}"}}"#, "x".repeat(500))));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let run = Run::start(
        command(&server, &format!("-q -n {MESSAGES} -f jsonl --queue 10K --when-full wait --only n")).stdout(writer),
    );
    let mut text = String::new();
    let mut piece = vec![0; 60_000];
    loop {
        match reader.read(&mut piece).unwrap() {
            0 => break,
            length => text.push_str(std::str::from_utf8(&piece[..length]).unwrap()),
        }
        std::thread::yield_now();
    }
    assert_eq!(run.finish().code, Some(0));
    let numbers: Vec<_> = json_lines(&text).iter().filter_map(|line| line["n"].as_u64()).collect();
    assert!(numbers.len() == MESSAGES && numbers.is_sorted(), "{}", numbers.len());
}

#[test]
fn stdout_and_stderr_in_one_file_keep_their_order() {
    let (reader, writer) = std::io::pipe().unwrap();
    let server = sending([sample(1.0)]);
    let run = Run::start(command(&server, "-n 1").stdout(writer.try_clone().unwrap()).stderr(writer));
    let text = std::io::read_to_string(reader).unwrap();
    assert_eq!(run.finish().code, Some(0));
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].contains("INFO x: connecting") && lines[1].ends_with("INFO x: connected"), "{text}");
    assert_eq!(without_times(&lines[2..].join("\n")), "[CONN] Connected to monitoring server\nCPU:   1.0%\n");
}

#[test]
fn stdout_may_be_a_file_or_a_socket_which_stays_blocking() {
    let server = sending((0..500).map(|n| sample(n.into())));
    let dir = TempDir::new();
    let file = File::create(dir.path("out")).unwrap();
    assert_eq!(Run::start(command(&server, "-n 500").stdout(file)).finish().code, Some(0));
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let kept = theirs.try_clone().unwrap();
    let run = Run::start(command(&server, "-n 500").stdout(std::os::fd::OwnedFd::from(theirs)));
    let mut reader = BufReader::new(ours);
    let mut text = String::new();
    (0..501).for_each(|_| assert_ne!(reader.read_line(&mut text).unwrap(), 0));
    assert_eq!(run.finish().code, Some(0));
    assert_eq!(without_times(&text), without_times(&dir.read("out")));
    // O_NONBLOCK belongs to the open file description, which other processes share: see proc(5), fdinfo.
    let about = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", kept.as_raw_fd())).unwrap();
    let flags = about.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
    assert_eq!(u32::from_str_radix(flags, 8).unwrap() & 0o4000, 0, "{about}");
}

#[test]
fn quiet_logs_only_problems_and_verbose_adds_details() {
    let server = sending([sample(1.0), sample(2.0)]);
    assert_eq!(watched(&server, "-q -n 2").stderr, "");
    let verbose = watched(&server, "-v -n 2");
    let details = log_lines(&verbose.stderr, &["DEBUG"]);
    assert!(details.iter().any(|line| line.starts_with("DEBUG x: recognised as monitoring")), "{verbose:?}");
    let quiet = run(["-q", "-u", "x=ws://127.0.0.1:1", "--no-reconnect"]);
    assert_eq!(log_lines(&quiet.stderr, &["ERROR"]).len(), 2, "{quiet:?}");
    assert_eq!(watched(&server, "--log-level error -v -n 2").stderr, "");
}

#[test]
fn the_statistics_are_the_last_thing_on_stdout() {
    let server = sending([sample(1.0)]);
    for format in ["simple", "compact", "detailed"] {
        let finished = watched(&server, &format!("-s -n 1 -f {format}"));
        let (_, statistics) = finished.stdout.split_once("\n=== Client Statistics ===\n").unwrap();
        assert!(statistics.contains("State: disconnected\nMessages: 2 received, 0 sent\n"), "{finished:?}");
    }
    let finished = watched(&server, "-s -n 1 -f json");
    assert!(finished.stdout.contains("\n{\n  \"type\": \"statistics\",\n  \"stats\": {\n"), "{finished:?}");
    let statistics = statistics(&watched(&server, "-s -n 1 -f jsonl"));
    assert_eq!((&statistics["undecoded"], &statistics["dropped"]), (&0.into(), &0.into()));
}

#[test]
fn without_a_terminal_there_are_colours_only_on_request() {
    let server = sending([sample(95.0)]);
    for (options, line) in [
        ("-n 1", "CPU:  95.0%"),
        ("-n 1 --no-color", "CPU:  95.0%"),
        ("-n 1 --color always", "CPU: \x1b[31m 95.0\x1b[0m%"),
    ] {
        let finished = watched(&server, options);
        assert_eq!(finished.stdout.lines().last(), Some(line), "{finished:?}");
    }
}
