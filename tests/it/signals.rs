//! SIGINT, SIGTERM and SIGUSR1. SIGHUP is in hangup.rs.

use crate::client::{greet, json_lines, sample, statistics, watch};
use crate::support::server::{CLOSE, Server};
use serde_json::Value;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Starts a server that sends a sample, then waits for a Close frame and reports its code.
fn expecting_close(answers: bool) -> (Server, Receiver<u16>) {
    let (seen, codes) = channel();
    let server = Server::start(move |mut peer| {
        greet(&mut peer);
        peer.text(sample(5.0));
        let code = peer.expect(CLOSE).close().0;
        seen.send(code).unwrap();
        if answers {
            peer.close(code, "");
        }
        peer.drain();
    });
    (server, codes)
}

#[test]
fn a_signal_to_stop_closes_the_connection_and_prints_the_statistics() {
    for signal in ["INT", "TERM"] {
        let (server, codes) = expecting_close(true);
        let run = watch(&server, "-s -f jsonl");
        run.wait_stdout("monitoring_data");
        run.signal(signal);
        let finished = run.finish();
        assert_eq!((finished.code, finished.signal), (Some(0), None), "{finished:?}");
        assert_eq!(codes.recv().unwrap(), 1000);
        let statistics = statistics(&finished);
        assert_eq!(
            (&statistics["messages_received"], &statistics["current_state"]),
            (&2.into(), &"disconnected".into())
        );
        assert_eq!((&statistics["error_count"], &statistics["connections"]), (&0.into(), &1.into()), "{finished:?}");
        server.finish();
    }
}

#[test]
fn a_server_that_does_not_answer_the_close_is_waited_for_a_second_and_no_longer() {
    let (server, codes) = expecting_close(false);
    let run = watch(&server, "");
    run.wait_stdout("CPU:   5.0%\n");
    run.signal("INT");
    codes.recv().unwrap();
    let sent = std::time::Instant::now();
    assert_eq!(run.finish().code, Some(0));
    let waited = sent.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&waited), "{waited:?}");
}

#[test]
fn the_end_of_a_duration_or_count_closes_the_connection() {
    for options in ["-n 1", "-d 0.2"] {
        let (server, codes) = expecting_close(true);
        assert_eq!(watch(&server, options).finish().code, Some(0));
        assert_eq!(codes.recv().unwrap(), 1000);
    }
}

#[test]
fn a_second_signal_ends_the_program_at_once_with_128_and_its_number() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let (server, codes) = expecting_close(false);
        let run = watch(&server, "");
        run.wait_stdout("CPU:   5.0%\n");
        run.signal("INT");
        codes.recv().unwrap();
        // Signals within a few milliseconds count as one: timeout(1) sends each of its signals twice. A user's second
        // one comes later, and is the only one.
        std::thread::sleep(Duration::from_millis(150));
        run.signal(signal);
        assert_eq!(run.finish().code, Some(status));
    }
}

#[test]
fn usr1_prints_the_statistics_on_stderr_and_continues() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(sample(5.0));
        peer.hold();
    });
    for (format, wanted) in [("simple", "Messages: 2 received, 0 sent\n"), ("jsonl", "\"messages_received\":2,")] {
        let run = watch(&server, &format!("-q -f {format}"));
        run.wait_stdout(if format == "simple" { "CPU: " } else { "monitoring_data" });
        run.signal("USR1");
        run.wait_stderr(wanted);
        run.signal("INT");
        let finished = run.finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let messages = finished.stdout.lines().filter(|line| !line.contains("\"state\""));
        assert_eq!(messages.count(), 2, "none of it on stdout: {finished:?}");
    }
}

#[test]
fn usr1_prints_statistics_before_the_first_message() {
    let server = Server::start(|mut peer| peer.wait_gone());
    let run = watch(&server, "-q -f jsonl");
    server.wait_accepted(1);
    run.signal("USR1");
    let statistics = json_lines(&run.wait_stderr("\n"))[0]["stats"].clone();
    assert_eq!((&statistics["current_state"], &statistics["uptime_seconds"]), (&"connecting".into(), &Value::Null));
}

#[test]
fn a_run_with_an_end_of_its_own_that_a_signal_cuts_short_ends_by_it_after_its_clean_up() {
    for (options, signal, number) in [("-n 9", "INT", 2), ("-d 1h", "TERM", 15), ("-d 1h -n 9", "INT", 2)] {
        let (server, codes) = expecting_close(true);
        let run = watch(&server, &format!("{options} -s"));
        run.wait_stdout("CPU:   5.0%\n");
        run.signal(signal);
        let finished = run.finish();
        assert_eq!((finished.code, finished.signal), (None, Some(number)), "{options}: {finished:?}");
        assert_eq!(codes.recv().unwrap(), 1000);
        assert!(finished.stdout.contains("=== Client Statistics ==="), "{finished:?}");
    }
}

#[test]
fn a_service_that_is_terminated_has_succeeded_whatever_came() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        peer.hold();
    });
    let run = watch(&server, "");
    run.wait_stderr("connected");
    run.signal("TERM");
    assert_eq!(run.finish().code, Some(0));
}

#[test]
fn signals_that_were_ignored_at_the_start_stay_ignored() {
    let (server, _codes) = expecting_close(true);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' INT USR1; exec \"$@\"", "sh"]).arg(crate::support::program::binary());
    command.args(["-u", &server.uri()]).env_clear();
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let run = crate::support::program::Run::start(&mut command);
    run.wait_stdout("CPU:   5.0%\n");
    run.signal("INT");
    run.signal("USR1");
    run.signal("TERM");
    let finished = run.finish();
    assert_eq!((finished.code, finished.signal), (Some(0), None), "{finished:?}");
    assert!(!finished.stderr.contains("Client Statistics"), "{finished:?}");
}
