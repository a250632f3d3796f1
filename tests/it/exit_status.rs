//! Exit statuses, in the order of the manual.

use crate::client::{WELCOME, greet, log_lines, sample, sending, watch, watched};
use crate::support::program::{Finished, Run, wsmon};
use crate::support::server::Server;
use std::time::Duration;

/// Starts a server that sends these messages and then closes with this code.
fn closing(code: u16, messages: Vec<String>) -> Server {
    Server::start(move |mut peer| {
        peer.upgrade();
        messages.iter().for_each(|message| peer.text(message));
        peer.close(code, "");
        peer.drain();
    })
}

fn assert_status(finished: &Finished, status: i32) {
    assert_eq!((finished.code, finished.signal), (Some(status), None), "{finished:?}");
}

#[test]
fn a_server_of_another_dialect_is_named_and_its_messages_do_not_reach_the_count() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        (0..3).for_each(|_| peer.text(r#"{"type":"ProcessList","processes":[]}"#));
        peer.hold();
    });
    let finished = watched(&server, "--dialect sysmedic -n 1 -d 1 --only sample,ProcessLists,users_x");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let line = "WARN x: this looks like pmdaemon, but is read as sysmedic: see --dialect pmdaemon\n";
    assert_eq!(finished.stderr.matches(line).count(), 1, "{finished:?}");
    let warned: Vec<_> = finished.stderr.lines().filter(|line| line.contains("WARN --only ")).collect();
    assert_eq!(warned.len(), 2, "{finished:?}");
    let finished = watched(&server, "--dialect generic -n 1 -d 10 --only ProcessList");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(!finished.stderr.contains("WARN"), "{finished:?}");
}

#[test]
fn a_count_that_is_reached_is_0_even_if_the_server_fails_afterwards() {
    let server = closing(1011, vec![sample(1.0), sample(2.0)]);
    for options in ["-n 2", "-n 2 --no-reconnect", "-n 2 -d 10", "-n 1 --max-reconnects 0"] {
        assert_status(&watched(&server, options), 0);
    }
}

#[test]
fn a_count_that_is_not_reached_when_the_duration_ends_is_1() {
    let finished = watched(&sending([sample(1.0)]), "-n 2 -d 0.2");
    assert_status(&finished, 1);
    assert!(finished.stderr.contains("ERROR only 1 of 2 messages came"), "{finished:?}");
}

#[test]
fn a_duration_with_a_message_is_0_and_one_without_is_1() {
    let finished = watched(&sending([sample(1.0)]), "-d 0.3");
    assert_status(&finished, 0);
    assert!((0.3..3.0).contains(&finished.took.as_secs_f64()), "{finished:?}");
    let finished = watched(&sending([""; 0]), "-d 0.2");
    assert_status(&finished, 1);
    assert!(finished.stderr.contains("ERROR nothing was received"), "a greeting is nothing: {finished:?}");
}

#[test]
fn sigint_after_a_message_is_0_and_before_one_1_and_sigterm_is_0() {
    for (messages, signal, status) in
        [(vec![sample(1.0)], "INT", 0), (vec![], "INT", 1), (vec![sample(1.0)], "TERM", 0), (vec![], "TERM", 0)]
    {
        let server = sending(&messages);
        let run = watch(&server, "");
        run.wait_stdout(if messages.is_empty() { "[CONN]" } else { "CPU: " });
        run.signal(signal);
        assert_status(&run.finish(), status);
    }
}

#[test]
fn every_server_given_up_is_1() {
    let server = Server::start(|mut peer| peer.answer("403 Forbidden", &[], ""));
    let other = Server::start(|mut peer| peer.answer("401 Unauthorized", &[], ""));
    let finished =
        Run::start(&mut wsmon(["-u", &format!("a={}", server.uri()), "-u", &format!("b={}", other.uri())])).finish();
    assert_status(&finished, 1);
    for line in ["ERROR a: given up: upgrade at ", "ERROR b: given up: upgrade at "] {
        assert_eq!(finished.stderr.matches(line).count(), 1, "said again at the end: {finished:?}");
    }
}

#[test]
fn one_connection_that_ended_normally_is_0_without_a_count_or_duration() {
    for code in [1000, 1001] {
        assert_status(&watched(&closing(code, vec![sample(1.0)]), "--no-reconnect"), 0);
    }
}

#[test]
fn one_connection_that_ended_abnormally_is_1() {
    let greeting = vec![WELCOME.to_owned()];
    for (code, messages, options) in [
        (1011, vec![sample(1.0)], "--no-reconnect"),
        (1000, vec![], "--no-reconnect"),
        (1000, greeting, "--no-reconnect"),
        (1000, vec![sample(1.0)], "--no-reconnect -n 2"),
        (1000, vec![sample(1.0)], "--no-reconnect -d 10"),
    ] {
        let server = closing(code, messages);
        let finished = watched(&server, options);
        assert_status(&finished, 1);
        assert_eq!(server.accepted(), 1);
        assert!(finished.took < Duration::from_secs(5), "{finished:?}");
    }
    let eof = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(sample(1.0));
    });
    assert_status(&watched(&eof, "--no-reconnect"), 1);
}

#[test]
fn with_several_servers_one_that_delivered_suffices() {
    let (good, mute) = (sending([sample(1.0)]), sending([""; 0]));
    for options in [&["-d", "0.3"][..], &["-d", "0.3", "-n", "1"]] {
        let mut command = wsmon(["-u", &format!("a={}", good.uri()), "-u", &format!("b={}", mute.uri())]);
        assert_status(&Run::start(command.args(options)).finish(), 0);
    }
}

#[test]
fn a_gap_in_the_saved_data_is_3() {
    let dir = crate::support::temp_dir::TempDir::new();
    let data = dir.path("data");
    // Files may not grow beyond 512 bytes; SIGXFSZ is ignored, so that a write returns an error.
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
    let server = sending((0..20).map(|n| sample(n.into())));
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script, "sh"]).arg(crate::support::program::binary()).args(["-u", &server.uri(), "-n", "20"]);
    command.args(["--save-data", &data]).env_clear();
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let finished = Run::start(&mut command).finish();
    assert_status(&finished, 3);
    assert_eq!(finished.stdout.lines().count(), 21, "{finished:?}");
    assert_eq!(finished.stderr.matches("lines are lost").count(), 1, "{finished:?}");
}

#[test]
fn a_reader_that_does_not_take_the_last_output_is_3() {
    let large = format!(r#"{{"type":"large","data":"{}"}}"#, "x".repeat(1 << 19));
    let server = sending([large, sample(1.0)]);
    let mut command = wsmon(["-u", &server.uri(), "-n", "1", "-f", "jsonl"]);
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    let run = Run::start(&mut command);
    drop(command);
    let finished = run.finish();
    drop(reader);
    assert_status(&finished, 3);
    assert!(finished.stderr.contains("the reader does not read"), "{finished:?}");
}

/// Starts a run of these servers; options are separated by blanks.
fn several(servers: &[(&str, String)], options: &str) -> Run {
    let mut command = wsmon(options.split_whitespace());
    command.args(servers.iter().map(|(label, uri)| format!("{label}={uri}")));
    Run::start(&mut command)
}

#[test]
fn a_server_that_delivered_nothing_has_a_line_at_the_end_of_a_successful_run() {
    let (good, greets, silent) = (sending([sample(1.0)]), sending([""; 0]), Server::start(|mut peer| peer.wait_gone()));
    let mute = Server::start(|mut peer| {
        peer.upgrade();
        peer.hold();
    });
    let servers = [
        ("good", good.uri()),
        ("gone", "ws://127.0.0.1:1".to_owned()),
        ("greets", greets.uri()),
        ("mute", mute.uri()),
        ("silent", silent.uri()),
    ];
    let finished = several(&servers, "-d 1 --reconnect-interval 0.3 -q").finish();
    assert_status(&finished, 0);
    let warned = log_lines(&finished.stderr, &["WARN"]);
    for (line, text) in warned[1..].iter().zip([
        "gone: never connected in 1 s, ",
        "greets: connected, but nothing beyond the greeting came in 1 s",
        "mute: connected, but nothing came in 1 s",
        &format!("silent: no answer to the upgrade after 1 s: upgrade at 127.0.0.1:{}", silent.port()),
    ]) {
        assert!(line.starts_with(&format!("WARN {text}")), "{line}: {finished:?}");
    }
    assert!(warned[1].ends_with(" attempts: connect to 127.0.0.1:1: connection refused"), "{finished:?}");
    assert_eq!(warned.len(), 5, "{finished:?}");
}

#[test]
fn as_many_servers_must_deliver_as_are_required() {
    let (one, two, mute) = (sending([sample(1.0)]), sending([sample(2.0)]), sending([""; 0]));
    let servers = [("one", one.uri()), ("two", two.uri()), ("mute", mute.uri())];
    let start = |required, count| several(&servers, &format!("-d 2 --require {required}{count}"));
    let runs = ["1", "2", "3", "all"].map(|required| (required, ["", " -n 1"].map(|count| start(required, count))));
    for (required, run) in runs.into_iter().flat_map(|(required, runs)| runs.map(|run| (required, run))) {
        let finished = run.finish();
        let (status, level) = if required < "3" { (0, "WARN") } else { (1, "ERROR") };
        assert_status(&finished, status);
        let said = format!("{level} mute: connected, but nothing beyond the greeting came in ");
        assert!(finished.stderr.contains(&said), "{finished:?}");
        assert_eq!(finished.stderr.contains("ERROR only 2 of 3 servers "), status != 0, "{finished:?}");
    }
    let finished = several(&servers[..2], "-n 1 --require all").finish();
    assert_status(&finished, 0);
}

#[test]
fn a_server_that_speaks_only_when_something_happens_delivers_while_it_is_connected() {
    let open = || {
        Server::start(|mut peer| {
            peer.upgrade();
            peer.hold();
        })
    };
    let closing = Server::start(|mut peer| {
        peer.upgrade();
        peer.close(1001, "");
        peer.drain();
    });
    let runs = [
        ("--dialect generic", 0),
        ("--dialect fastpluggy", 0),
        ("--dialect neurograph --subscribe logs", 0),
        ("--dialect neurograph", 1),
        ("--dialect neurograph --subscribe logs,metrics", 1),
        ("--dialect monitoring", 1),
        ("--dialect auto", 1),
    ]
    .map(|(options, status)| {
        let (open, options) = (open(), format!("-d 2 {options}"));
        (status, watch(&open, &options), watch(&closing, &options), open)
    });
    for (status, open, closing, _server) in runs {
        let finished = open.finish();
        assert_status(&finished, status);
        assert_eq!(finished.stderr.contains("x: connected, but nothing came in "), status == 1, "{finished:?}");
        let finished = closing.finish();
        assert_status(&finished, 1);
        assert!(
            finished.stderr.contains("ERROR x: connected, but nothing came in ")
                && finished.stderr.contains(": closed by"),
            "{finished:?}"
        );
    }
}

#[test]
fn sigusr1_says_what_a_server_that_delivered_nothing_is_at() {
    let mute = Server::start(|mut peer| peer.wait_gone());
    for (format, text) in [
        ("simple", "\nNothing delivered: no answer to the upgrade after "),
        ("events", "\"nothing_delivered\":\"no answer to the upgrade after "),
    ] {
        let run = watch(&mute, &format!("-f {format}"));
        run.wait_stderr("connecting to");
        run.signal("USR1");
        run.wait_stderr(text);
    }
}
