//! `--servers` with its reload, and `$WSMON_OPTIONS`.

use crate::client::{greet, json_lines, log_lines, sample, sending, statistics};
use crate::support::program::{Run, wsmon};
use crate::support::server::{Peer, Server};
use crate::support::temp_dir::TempDir;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

/// A server that sends the number of the connection as its first sample, and then one for each value that the test wants.
fn on_demand() -> (Server, Sender<f64>) {
    let (wanted, wishes) = channel::<f64>();
    let wishes = Mutex::new(wishes);
    let server = Server::start(move |mut peer: Peer| {
        greet(&mut peer);
        peer.text(sample(peer.number() as f64));
        while let Ok(cpu) = wishes.lock().unwrap().recv() {
            peer.text(sample(cpu));
        }
        peer.hold();
    });
    (server, wanted)
}

/// Writes a file of servers, with a label for each, and starts a run with it.
fn watch(dir: &TempDir, lines: &[(&str, &Server, &str)], options: &str) -> Run {
    write(dir, lines);
    Run::start(&mut wsmon(["--servers", &dir.path("servers")].into_iter().chain(options.split_whitespace())))
}

/// Replaces the file.
fn write(dir: &TempDir, lines: &[(&str, &Server, &str)]) {
    let lines = lines.iter().map(|(label, server, options)| format!("{label}={} {options}\n", server.uri()));
    let new = dir.write("new", &lines.collect::<String>());
    std::fs::rename(new, dir.path("servers")).unwrap();
}

#[test]
fn with_one_line_changed_only_that_connection_is_made_anew() {
    let dir = TempDir::new();
    let ((a, to_a), (b, _b), (c, _c)) = (on_demand(), on_demand(), on_demand());
    let run = watch(&dir, &[("a", &a, ""), ("b", &b, ""), ("c", &c, "")], "-f jsonl -s");
    for (label, server) in [("a", &a), ("b", &b), ("c", &c)] {
        server.wait_accepted(1);
        run.wait_stdout(&format!("\"server\":\"{label}\",\"type\":\"monitoring_data\""));
    }
    write(&dir, &[("c", &c, "--stale-after 5m"), ("a", &a, "# the same"), ("longer", &b, "")]);
    run.signal("HUP");
    run.wait_stderr("/servers: 2 servers added, 2 removed, 1 kept\n");
    b.wait_accepted(2);
    c.wait_accepted(2);
    run.wait_stdout("\"server\":\"longer\",\"type\":\"monitoring_data\"");
    // The connection that was kept still delivers, and SIGHUP without a change changes nothing.
    run.signal("HUP");
    run.wait_stderr("/servers: 0 servers added, 0 removed, 3 kept\n");
    to_a.send(77.0).unwrap();
    run.wait_stdout("\"usage_percent\":77.0");
    run.signal("INT");
    let finished = run.finish();
    assert_eq!((finished.code, a.accepted(), b.accepted(), c.accepted()), (Some(0), 1, 2, 2), "{finished:?}");
    let statistics = statistics(&finished);
    let servers: Vec<_> = statistics["servers"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(servers, ["a", "c", "longer"], "{statistics}");
    // Two greetings and samples from new connections, one greeting and two samples from the old one.
    assert_eq!((&statistics["messages_received"], &statistics["connections"]), (&7.into(), &3.into()), "{statistics}");
}

#[test]
fn a_wrong_or_missing_file_changes_nothing_and_never_ends_the_run() {
    let dir = TempDir::new();
    let (a, to_a) = on_demand();
    let run = watch(&dir, &[("a", &a, "")], "");
    run.wait_stdout("CPU:   1.0%\n");
    for (text, why) in [
        ("a=h\nb=h --dialect x\n", ":2: --dialect 'x': choose from auto, "),
        ("a=h\n\na=h\n", ":3: two servers are called a: labels must differ; the servers stay as they are"),
        ("\n", ": no server is named; the servers stay as they are"),
        ("a=h --token-file /no/such\n", ":1: read /no/such: no such file or directory; the servers stay as they are"),
    ] {
        dir.write("servers", text);
        run.signal("HUP");
        run.wait_stderr(&format!("ERROR {}{why}", dir.path("servers")));
    }
    std::fs::remove_file(dir.path("servers")).unwrap();
    run.signal("HUP");
    let path = dir.path("servers");
    run.wait_stderr(&format!("ERROR read {path}: no such file or directory; the servers stay as they are"));
    to_a.send(5.0).unwrap();
    run.wait_stdout("CPU:   5.0%\n");
    run.signal("TERM");
    let finished = run.finish();
    assert_eq!((finished.code, a.accepted()), (Some(0), 1), "{finished:?}");
}

#[test]
fn lines_without_a_label_column_get_one_with_the_second_server() {
    let dir = TempDir::new();
    let (a, to_a) = on_demand();
    let b = sending([sample(2.0)]);
    let run = watch(&dir, &[("a", &a, "")], "");
    assert!(run.wait_stdout("CPU:   1.0%\n").lines().all(|line| !line.starts_with("a:")));
    write(&dir, &[("a", &a, ""), ("bb", &b, "")]);
    run.signal("HUP");
    run.wait_stdout("bb: CPU:   2.0%\n");
    to_a.send(3.0).unwrap();
    run.wait_stdout("a:  CPU:   3.0%\n");
}

#[test]
fn each_line_has_its_own_rules_and_new_ones_apply_to_what_is_known() {
    let dir = TempDir::new();
    let (a, b) = (sending([sample(50.0)]), sending([sample(50.0)]));
    let options = "-w cpu=40 -f events --only alert";
    let run = watch(&dir, &[("a", &a, ""), ("b", &b, "-w cpu=60 -c memory=5")], options);
    run.wait_stdout("\"server\":\"a\",\"kind\":\"alert\"");
    write(&dir, &[("a", &a, "-w cpu=60"), ("b", &b, "-w cpu=60 -c cpu=45")]);
    run.signal("HUP");
    let text = run.wait_stdout("\"server\":\"b\",\"kind\":\"alert\"");
    let alerts = json_lines(&text);
    let rules: Vec<_> = alerts.iter().map(|alert| (&alert["server"], &alert["level"], &alert["rule"])).collect();
    // The value of a is within its new range, and b is judged anew.
    let expected = [("a", "WARNING", "cpu=40"), ("a", "OK", "cpu=60"), ("b", "CRITICAL", "cpu=45")];
    assert_eq!(rules.len(), expected.len(), "{text}");
    for (rule, (server, level, text)) in rules.iter().zip(expected) {
        assert_eq!((rule.0, rule.1, rule.2), (&server.into(), &level.into(), &text.into()));
    }
    run.signal("INT");
    assert_eq!((run.finish().code, a.accepted(), b.accepted()), (Some(0), 1, 1));
}

#[test]
fn an_alert_whose_rule_is_gone_from_its_line_ends() {
    let dir = TempDir::new();
    let a = sending([sample(50.0)]);
    let run = watch(&dir, &[("a", &a, "-w cpu=40")], "-q");
    run.wait_stdout(" WARNING cpu 50.0% (40)\n");
    write(&dir, &[("a", &a, "")]);
    run.signal("HUP");
    run.wait_stdout(" cpu: back to normal\n");
}

#[test]
fn rules_in_lines_that_the_format_does_not_show_are_warned_of() {
    let dir = TempDir::new();
    let a = sending([sample(50.0)]);
    for (options, rules, warned) in [("", "-w cpu=40", true), ("", "", false), ("--on-alert true", "-w cpu=40", false)]
    {
        let finished = watch(&dir, &[("a", &a, rules)], &format!("-q -n 1 -f jsonl {options}")).finish();
        let warning = "--warning and --critical have no effect: jsonl has no line for an alert, events has";
        assert_eq!(finished.stderr.contains(warning), warned, "{options} {rules}: {finished:?}");
    }
}

#[test]
fn a_check_judges_each_server_by_its_line() {
    let dir = TempDir::new();
    let (a, b) = (sending([sample(50.0)]), sending([sample(50.0)]));
    let finished = watch(&dir, &[("a", &a, "-w cpu=40"), ("b", &b, "-c cpu=60")], "--check -w cpu=55").finish();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let expected = "WSMON WARNING - a: cpu 50.0% (40) | 'a::cpu'=50%;40;;0;100 'b::cpu'=50%;55;60;0;100\n\
        a WARNING - cpu 50.0% (40)\nb OK - cpu 50.0%\n";
    assert_eq!(finished.stdout, expected, "{finished:?}");
    let finished = watch(&dir, &[("a", &a, ""), ("b", &b, "-c cpu=60/5m")], "--check").finish();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    let why = "/servers:2: --critical 'cpu=60/5m': with --check nothing lasts, leave out '/5m'\n";
    assert!(finished.stdout.starts_with("WSMON UNKNOWN - ") && finished.stdout.ends_with(why), "{finished:?}");
}

#[test]
fn a_credential_goes_to_the_server_of_its_line_and_is_refused_on_the_command_line() {
    let dir = TempDir::new();
    let open = || {
        Server::start(|mut peer| {
            let request = peer.request().to_owned();
            let header = if request.contains("X-Key: s3cret") { 1.0 } else { 2.0 };
            peer.upgrade();
            peer.text(sample(header));
            peer.hold();
        })
    };
    let (a, b) = (open(), open());
    let finished = watch(&dir, &[("a", &a, "--header 'X-Key: s3cret'"), ("b", &b, "")], "-n 1").finish();
    for line in ["a: CPU:   1.0%\n", "b: CPU:   2.0%\n"] {
        assert!(finished.stdout.contains(line), "{finished:?}");
    }
    let warning = format!("WARN {}: others can read this file, and it holds a secret: chmod 600", dir.path("servers"));
    assert_eq!(log_lines(&finished.stderr, &["WARN"]), [warning], "{finished:?}");
    for options in [&["-H", "A: b"][..], &["--token-file", "f"], &["--proxy", "http://u:p@h"]] {
        let command = &mut wsmon(["--servers", &dir.path("servers")].iter().chain(options));
        let finished = Run::start(command).finish();
        assert_eq!(finished.code, Some(2));
        assert!(finished.stderr.contains(" would be sent to all of the servers: in the file"), "{finished:?}");
    }
}

#[test]
fn a_mistake_at_the_start_is_a_usage_error_with_its_line_and_a_missing_file_is_none() {
    let dir = TempDir::new();
    let path = dir.write("servers", "a=h\nb=h --zebra\n");
    let run = |path: &str| Run::start(&mut wsmon(["--servers", path])).finish();
    let finished = run(&path);
    let expected = format!("wsmon: {path}:2: unknown option --zebra\ntry wsmon --help\n");
    assert_eq!((finished.code, finished.stderr), (Some(2), expected));
    dir.write("servers", "a=h\nb=h --ca-file /no/such\n");
    let finished = run(&path);
    let expected = format!("wsmon: {path}:2: read /no/such: no such file or directory\n");
    assert_eq!((finished.code, finished.stderr), (Some(3), expected));
    let finished = run("/no/such");
    assert_eq!(finished.code, Some(3));
    assert_eq!(finished.stderr, "wsmon: read /no/such: no such file or directory\n");
    let finished = run("/dev/zero");
    assert_eq!(finished.code, Some(3));
    assert_eq!(finished.stderr, "wsmon: read /dev/zero: it is a device, not a file or a pipe\n");
}

#[test]
fn only_answers_count_of_a_server_whose_line_has_a_request() {
    let dir = TempDir::new();
    let asked = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(sample(1.0));
        let asked = peer.expect(crate::support::server::TEXT).text().to_owned();
        assert!(asked.contains("get_status"), "{asked}");
        peer.text(sample(2.0));
        peer.text(r#"{"type": "status", "data": {"running": true}}"#);
        peer.hold();
    });
    let plain = sending([sample(3.0)]);
    let lines = [("asked", &asked, "--request get_status"), ("plain", &plain, "")];
    let finished = watch(&dir, &lines, "-n 1 -d 20 -f jsonl").finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("\"server\":\"asked\",\"type\":\"status\""), "{finished:?}");
    assert!(finished.stdout.contains("\"usage_percent\":3.0"), "{finished:?}");
}

#[test]
fn options_in_the_environment_come_before_those_of_the_command_line() {
    let (a, b, c) = (sending([sample(1.0)]), sending([sample(2.0)]), sending([sample(3.0)]));
    let options = format!("-n 1 -f json # a comment\n-u a={}\n  b={} --every='1 m'", a.uri(), b.uri());
    let mut command = wsmon(["-f", "simple", &format!("c={}", c.uri())]);
    let finished = Run::start(command.env("WSMON_OPTIONS", options)).finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for line in ["a: CPU:   1.0%\n", "b: CPU:   2.0%\n", "c: CPU:   3.0%\n"] {
        assert!(finished.stdout.contains(line), "{finished:?}");
    }
    for (options, status, text) in [
        ("--every x", 2, "wsmon: $WSMON_OPTIONS: --every 'x': not a duration"),
        ("-H 'A: b", 2, "wsmon: $WSMON_OPTIONS: a quote is not closed\n"),
        ("--help", 2, "wsmon: $WSMON_OPTIONS: --help belongs on the command line\n"),
        ("--zebra", 2, "wsmon: $WSMON_OPTIONS: unknown option --zebra\n"),
        ("-u a -u b -H A:b", 2, "wsmon: $WSMON_OPTIONS: --header would be sent to all of the servers"),
        ("-H A:b", 2, "wsmon: --header would be sent to all of the servers"),
        ("--check --every x", 3, "WSMON UNKNOWN - $WSMON_OPTIONS: --every 'x': not a duration"),
    ] {
        let arguments: &[&str] = if options == "-H A:b" { &["a", "b"] } else { &[] };
        let finished = Run::start(wsmon(arguments).env("WSMON_OPTIONS", options)).finish();
        let output = if status == 3 { &finished.stdout } else { &finished.stderr };
        assert_eq!(finished.code, Some(status), "{options}: {finished:?}");
        assert!(output.starts_with(text), "{options}: {finished:?}");
    }
}
