//! `--check`: one line of text and performance data, and a status, for each fate of a server.

use std::time::Duration;

use crate::client::{WELCOME, command_at, greet, sample, sending, watch};
use crate::support::PATIENCE;
use crate::support::program::{Finished, Run, run, wsmon};
use crate::support::server::Server;

/// Checks a server, with options that are separated by blanks.
fn check(uri: &str, options: &str) -> Finished {
    Run::start(&mut command_at(uri, &format!("--check {options}"))).finish()
}

/// Asserts the status and the output up to the performance data; nothing is on stderr.
fn assert_result(finished: &Finished, status: i32, text: &str) {
    let line = finished.stdout.split(" | ").next().unwrap_or_default().trim_end();
    assert_eq!((finished.code, line, &*finished.stderr), (Some(status), text, ""), "{finished:?}");
}

#[test]
fn a_value_within_its_range_is_ok_and_others_are_warnings_and_critical() {
    for (rules, status, text) in [
        ("", 0, "WSMON OK - cpu 85.0%"),
        ("-w cpu=90 -c cpu=95", 0, "WSMON OK - cpu 85.0%"),
        ("-w cpu=80 -c cpu=95", 1, "WSMON WARNING - cpu 85.0% (80)"),
        ("-w 80 -c cpu=@80:90", 2, "WSMON CRITICAL - cpu 85.0% (@80:90)"),
        ("-w up=1:,ping=10", 0, "WSMON OK - up 1, ping"),
    ] {
        let finished = check(&sending([sample(85.0)]).uri(), rules);
        let line = finished.stdout.split(" | ").next().unwrap_or_default();
        assert!(line.starts_with(text) && finished.code == Some(status), "{rules}: {finished:?}");
        assert!(finished.stdout.contains("'cpu'=85%;") && finished.stdout.lines().count() == 1, "{finished:?}");
        assert!(finished.took < Duration::from_secs(8), "{finished:?}");
    }
}

#[test]
fn a_server_that_does_not_deliver_is_critical_with_the_reason() {
    let closing = Server::start(|mut peer| {
        greet(&mut peer);
        peer.close(1011, "out of | order");
        peer.drain();
    });
    let refusing = Server::start(|mut peer| peer.answer("401 Unauthorized", &[], ""));
    let silent = Server::start(|mut peer| {
        peer.request();
        peer.wait_gone();
    });
    let greeting = sending([""; 0]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (uri, text) in [
        (closing.uri(), "closed by the server with 1011 (server error): out of / order".to_owned()),
        (format!("ws://{free}"), format!("connect to {free}: connection refused")),
        (silent.uri(), format!("no answer within 0.5 s: upgrade at 127.0.0.1:{}", silent.port())),
    ] {
        assert_result(&check(&uri, "-t 0.5 -w cpu=80"), 2, &format!("WSMON CRITICAL - {text}"));
    }
    // The time is that of the turn that ends it, which a busy machine delays.
    let finished = check(&greeting.uri(), "-t 0.5 -w cpu=80");
    let text = "WSMON CRITICAL - connected, but nothing beyond the greeting came in ";
    assert!(finished.stdout.starts_with(text) && finished.code == Some(2), "{finished:?}");
    let finished = check(&refusing.uri(), "");
    assert!(finished.code == Some(2) && finished.stdout.contains("401"), "{finished:?}");
    assert_eq!(refusing.accepted(), 1);
}

#[test]
fn several_servers_have_a_line_each_and_a_quorum_decides() {
    let (web, db) = (sending([sample(95.0)]), sending([sample(5.0)]));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let servers = [format!("web={}", web.uri()), format!("db={}", db.uri()), format!("down=ws://{free}")];
    let servers = servers.iter().map(String::as_str);
    let finished = run(["--check", "-c", "cpu=90"].into_iter().chain(servers.clone()));
    let refused = format!("connect to {free}: connection refused");
    let expected = format!(
        "WSMON CRITICAL - down: {refused}; web: cpu 95.0% (90) | 'web::cpu'=95%;;90;0;100 'db::cpu'=5%;;90;0;100\n\
         down CRITICAL - {refused}\nweb CRITICAL - cpu 95.0% (90)\ndb OK - cpu 5.0%\n"
    );
    assert_eq!((finished.code, finished.stdout), (Some(2), expected));
    let finished = run(["--check", "-c", "up.sum=2:"].into_iter().chain(servers));
    assert_result(&finished, 0, "WSMON OK - 3 servers");
}

#[test]
fn values_that_do_not_come_and_messages_that_cannot_be_decoded_are_unknown() {
    let finished = check(&sending([sample(5.0)]).uri(), "-t 0.5 -w gpu=80");
    assert_result(&finished, 3, "WSMON UNKNOWN - no sample carried gpu");
    let finished = check(&sending([r#"{"type": "monitoring_data", "data":"#]).uri(), "-t 0.5 -c 90");
    assert_result(&finished, 3, "WSMON UNKNOWN - no message could be decoded");
    let finished = check(&sending(["any text"]).uri(), "-t 0.5 -c 90 --dialect generic");
    assert_result(&finished, 0, "WSMON OK - connected");
}

#[test]
fn whatever_is_wrong_before_the_look_is_unknown_on_stdout() {
    for (words, text) in [
        (
            &["--check", "-w", "bogus=1"][..],
            "--warning 'bogus=1': no metric is called 'bogus': write cpu, memory, up, age or another of the manual",
        ),
        (&["--nonsense", "--check"], "unknown option --nonsense"),
        (&["--check", "-c"], "--critical needs a value: --critical LIST"),
        (&["--check", "--ca-file", "/nonexistent"], "read /nonexistent: no such file or directory"),
        (&["--check", "-u", "@/nonexistent"], "read /nonexistent: no such file or directory"),
        (&["--check", "-u", "a=h", "-u", "a=i"], "--uri: two servers are called a: labels must differ"),
        (&["--check", "--format", "a|b\n"], "--format 'a/b\\n': choose from"),
    ] {
        let finished = run(words);
        let line = finished.stdout.strip_suffix('\n').unwrap_or_default();
        assert!(
            line.starts_with(&format!("WSMON UNKNOWN - {text}")) && !line.contains('\n'),
            "{words:?}: {finished:?}"
        );
        assert_eq!((finished.code, &*finished.stderr), (Some(3), ""), "{finished:?}");
    }
}

#[test]
fn a_signal_ends_a_check_as_unknown_and_verbose_goes_to_stderr() {
    for signal in ["INT", "TERM", "HUP"] {
        let server = sending([""; 0]);
        let run = watch(&server, "--check -v");
        run.wait_stderr("connected");
        run.signal(signal);
        let finished = run.finish();
        assert_eq!((finished.code, &*finished.stdout), (Some(3), "WSMON UNKNOWN - interrupted by a signal\n"));
    }
}

#[test]
fn messages_that_are_no_samples_do_not_end_a_check() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        for message in [WELCOME, r#"{"type": "odd", "x": 1}"#, r#"{"type": "monitoring_data", "data": {}}"#] {
            peer.text(message);
        }
        peer.text(sample(12.5));
        peer.hold();
    });
    let finished = check(&server.uri(), "-c cpu=10");
    assert_result(&finished, 2, "WSMON CRITICAL - cpu 12.5% (10)");
    assert!(finished.took < PATIENCE, "{finished:?}");
    let mut command = wsmon(["--check"]);
    let variables = [("MONITORING_WEBSOCKET_URI", server.uri()), ("MONITORING_FORMAT", "csv".to_owned())];
    let finished = Run::start(command.envs(variables)).finish();
    assert_result(&finished, 0, "WSMON OK - cpu 12.5%");
}

#[test]
fn a_check_can_judge_a_mean_but_not_of_a_connection_that_ends_before() {
    let finished = check(&sending([90.0, 80.0, 10.0].map(sample)).uri(), "-c cpu=70 --every 0.5 --average -n 1");
    assert_result(&finished, 0, "WSMON OK - cpu 60.0%");
    let finished = check(&sending([90.0, 80.0, 10.0].map(sample)).uri(), "-c cpu=50 --every 1m --average -d 0.5");
    assert_result(&finished, 2, "WSMON CRITICAL - cpu 60.0% (50)");
    let server = Server::start(|mut peer| {
        peer.upgrade();
        peer.text(sample(12.5));
    });
    let finished = check(&server.uri(), "-c cpu=50 --every 1m --average");
    assert!(finished.code == Some(2) && finished.stdout.starts_with("WSMON CRITICAL - the server"), "{finished:?}");
}
