//! Several servers at once.

use crate::client::{greet, json_lines, log_lines, sample, sending, statistics};
use crate::support::program::{Run, wsmon};
use crate::support::server::Server;
use crate::support::temp_dir::TempDir;
use std::sync::Mutex;
use std::sync::mpsc::channel;

fn watch(servers: &[(&str, String)], options: &str) -> Run {
    let mut command = wsmon(options.split_whitespace());
    for (label, uri) in servers {
        command.args(["-u", &format!("{label}={uri}")]);
    }
    Run::start(&mut command)
}

#[test]
fn every_line_begins_with_the_label_of_its_server() {
    let (a, b) = (sending([sample(1.0)]), sending([sample(2.0)]));
    for format in ["simple", "compact", "detailed"] {
        let servers = [("router", a.uri()), ("nas-2", b.uri())];
        let finished = watch(&servers, &format!("-n 1 -f {format}")).finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        for line in finished.stdout.lines() {
            assert!(line.starts_with("router: ") || line.starts_with("nas-2:  "), "{line:?}");
        }
        for (label, value) in [("router: ", " 1"), ("nas-2: ", " 2")] {
            let own = finished.stdout.lines().filter(|line| line.starts_with(label) && line.contains(value));
            assert_ne!(own.count(), 0, "{finished:?}");
        }
    }
    let finished = watch(&[("a", a.uri()), ("b", b.uri())], "-n 1 -f json").finish();
    assert!(finished.stdout.contains("\n  \"server\": \"a\",\n  \"type\": \"monitoring_data\""), "{finished:?}");
}

#[test]
fn without_a_label_a_server_is_named_by_host_and_port() {
    let (a, b) = (sending([sample(1.0)]), sending([sample(2.0)]));
    let bare = b.uri().replace("ws://", "");
    let finished = Run::start(&mut wsmon(["-n", "1", "-u", &a.uri(), "-u", &bare])).finish();
    for server in [&a, &b] {
        let label = format!("127.0.0.1:{}: CPU: ", server.port());
        assert_eq!(finished.stdout.matches(&label).count(), 1, "{finished:?}");
    }
    // Two entries of one server need different labels.
    let finished = Run::start(&mut wsmon(["-n", "1", "-u", &a.uri(), "-u", &a.uri()])).finish();
    let label = format!("127.0.0.1:{}", a.port());
    // Labels are padded to the longest.
    for label in [format!("{label}:   CPU: "), format!("{label}#2: CPU: ")] {
        assert_eq!(finished.stdout.matches(&label).count(), 1, "{finished:?}");
    }
}

#[test]
fn servers_that_never_answer_do_not_keep_those_behind_them_from_their_turn() {
    let good = sending([sample(1.0)]);
    // Accepts nothing and so answers nothing; its queue takes all connections.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("ws://{}", silent.local_addr().unwrap());
    let mut command = wsmon(["-f", "jsonl", "--connect-timeout", "60", "--only", "sample"]);
    for _ in 0..100 {
        command.args(["-u", &uri]);
    }
    let run = Run::start(command.args(["-u", &good.uri()]));
    // 64 dials at a time: with places that are held until the timeout, the last server waits for a minute.
    run.wait_stdout("monitoring_data");
    run.signal("INT");
    drop(run.finish());
}

#[test]
fn dead_servers_do_not_delay_a_healthy_one() {
    let good = sending((0..50).map(|n| sample(n.into())));
    let mute = Server::start(|mut peer| peer.wait_gone());
    let rude = Server::start(|mut peer| {
        peer.request();
        peer.raw("rubbish\n");
    });
    let gone = "ws://127.0.0.1:1".to_owned();
    let servers = [("gone", gone), ("mute", mute.uri()), ("rude", rude.uri()), ("good", good.uri())];
    let run = watch(&servers, "-s -f jsonl --reconnect-interval 0.1 --connect-timeout 0.3");
    run.wait_stdout("\"usage_percent\":49.0");
    run.wait_stderr("mute: upgrade at");
    run.signal("INT");
    let finished = run.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines = json_lines(&finished.stdout);
    assert!(lines.iter().all(|line| line["server"] == "good" || line["type"] == "statistics"), "{finished:?}");
    for label in ["gone", "mute", "rude"] {
        let said = log_lines(&finished.stderr, &[&format!("WARN {label}: ")]);
        assert!(said.len() == 2 && said[1].contains(": never connected in "), "{finished:?}");
    }
    let statistics = statistics(&finished);
    let each = &statistics["servers"];
    assert_eq!((&each["good"]["messages_received"], &each["mute"]["messages_received"]), (&51.into(), &0.into()));
    assert_eq!((&each["good"]["error_count"], &statistics["messages_received"]), (&0.into(), &51.into()));
    assert_eq!(each["gone"]["error_history"][0]["type"], "connect");
}

#[test]
fn more_servers_than_are_dialled_at_a_time_are_all_watched() {
    let server = sending([sample(1.0)]);
    let mut command = wsmon(["-q", "-n", "1", "-s", "-f", "jsonl"]);
    command.args((0..150).flat_map(|n| ["-u".to_owned(), format!("s{n}={}", server.uri())]));
    let finished = Run::start(&mut command).finish();
    assert_eq!((finished.code, server.accepted()), (Some(0), 150), "{}", finished.stderr);
    let statistics = statistics(&finished);
    assert_eq!((&statistics["messages_received"], &statistics["connections"]), (&300.into(), &150.into()));
}

#[test]
fn a_lack_of_descriptors_is_logged_with_a_remedy_and_survived() {
    let server = sending([sample(1.0)]);
    let script = "ulimit -n 20; exec \"$@\"";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script, "sh"]).arg(crate::support::program::binary()).args([
        "-n",
        "1",
        "--reconnect-interval",
        "0.1",
    ]);
    command.args((0..30).flat_map(|n| ["-u".to_owned(), format!("s{n}={}", server.uri())]));
    command.env_clear().stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let finished = Run::start(&mut command).finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.contains(": out of file descriptors, see `ulimit -n`; retrying in"), "{finished:?}");
    assert_eq!(finished.stdout.matches("CPU: ").count(), 30, "{finished:?}");
}

#[test]
fn servers_that_are_given_up_do_not_end_the_run_of_the_others() {
    let closed = Server::start(|mut peer| peer.answer("403 Forbidden", &[], ""));
    let good = Server::start(move |mut peer| {
        greet(&mut peer);
        peer.text(sample(peer.number() as f64));
        if peer.number() > 1 {
            peer.hold();
        }
    });
    let servers = [("closed", closed.uri()), ("good", good.uri())];
    let run = watch(&servers, "--reconnect-interval 0.1");
    run.wait_stdout("good:   CPU:   2.0%\n");
    run.signal("INT");
    let finished = run.finish();
    assert_eq!((finished.code, closed.accepted()), (Some(0), 1), "{finished:?}");
    assert_eq!(finished.stderr.matches("ERROR closed: given up: upgrade at").count(), 1, "{finished:?}");
}

#[test]
fn a_file_that_holds_the_uri_is_read_before_each_connection() {
    let dir = TempDir::new();
    let (moved, moves) = channel();
    let moves = Mutex::new(moves);
    let old = Server::start(move |mut peer| {
        greet(&mut peer);
        peer.text(sample(1.0));
        moves.lock().unwrap().recv().unwrap();
    });
    let new = sending([sample(2.0)]);
    let file = dir.write("uri", &format!("# now\n{}\n\n", old.uri()));
    let run = watch(&[("x", format!("@{file}"))], "-n 2 --reconnect-interval 0.1");
    run.wait_stdout("CPU:   1.0%\n");
    dir.write("uri", &format!("  {}  \r\n", new.uri()));
    moved.send(()).unwrap();
    let finished = run.finish();
    assert_eq!((finished.code, old.accepted(), new.accepted()), (Some(0), 1, 1), "{finished:?}");
}

#[test]
fn a_uri_file_that_is_missing_or_invalid_is_read_again_later() {
    let dir = TempDir::new();
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(sample(peer.number() as f64));
        if peer.number() == 2 {
            peer.hold();
        }
    });
    let uri = server.uri();
    let file = dir.write("uri", &uri);
    let (label, place) = ("x", format!("@{file}"));
    let (at, run) = (server.port(), watch(&[(label, place)], "-n 2 --reconnect-interval 0.3 --reconnect-cap 0.3"));
    run.wait_stdout("CPU:   1.0%\n");
    std::fs::remove_file(&file).unwrap();
    run.wait_stderr(&format!("WARN x: read {file}: no such file or directory; retrying in"));
    dir.write("uri", "ws://h:0");
    let invalid = "invalid URI ws://h:0: the port \"0\" is not a number from 1 to 65535; retrying in";
    run.wait_stderr(&format!("WARN x: {file}: {invalid}"));
    dir.write("uri", &uri);
    let finished = run.finish();
    assert_eq!((finished.code, server.accepted()), (Some(0), 2), "{at}: {finished:?}");
}
