//! Files that settings name: their common form, pipes, and what cannot be read.

use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::program::{Run, wsmon};
use crate::support::server::Server;
use crate::{SAMPLE, assert_contains, assert_shows_sample, certificate, command, file, text, watch};

/// Runs the command with a pipe as standard input, into which a shell writes. Returns when both have ended.
fn piped(command: &mut Command, script: &str) -> crate::Finished {
    let mut writer = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let finished = Run::start(command.stdin(writer.stdout.take().unwrap())).finish();
    writer.wait().unwrap();
    finished
}

/// The server asks for two connections, and checks that each has the token.
fn wants_token_twice() -> Server {
    Server::start(|mut peer| {
        assert_contains(peer.request(), &["\r\nAuthorization: Bearer s3cret\r\n"]);
        peer.upgrade();
        peer.text(SAMPLE);
        if peer.number() == 1 {
            peer.close(1012, "");
        }
        peer.drain();
    })
}

#[test]
fn a_pipe_is_read_once_and_its_content_serves_every_connection() {
    for (option, script) in [
        ("--token-file=/dev/stdin", "echo '# the token'; sleep 0.1; echo s3cret"),
        ("--header=@/dev/stdin", "sleep 0.1; printf 'Authorization: Bearer s3cret'"),
    ] {
        let server = wants_token_twice();
        let finished = piped(command(&server.uri(), &["-n", "2", option]).arg("--no-color"), script);
        assert_shows_sample(&finished);
        assert_eq!(server.accepted(), 2, "{finished:#?}");
    }
    let server = Server::start(crate::send_sample);
    let finished = piped(&mut command("@/dev/stdin", &[]), &format!("sleep 0.1; echo {}", server.uri()));
    assert_shows_sample(&finished);
}

#[test]
fn a_certificate_may_come_through_a_pipe() {
    let pem = certificate::file("reach-piped.pem", certificate::authority().cert_pem());
    let finished = piped(
        wsmon(["wss://127.0.0.1:1", "--no-reconnect"]).arg("--ca-file=/dev/stdin"),
        &format!("cat {}", text(&pem)),
    );
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert_contains(&finished.stderr, &["connection refused"]);
}

/// Opening a FIFO for reading waits for a writer, unless it is told not to.
#[test]
fn a_fifo_without_a_writer_and_a_device_are_refused_at_once_in_every_option() {
    let fifo = file("fifo", "");
    std::fs::remove_file(&fifo).unwrap();
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [text(&fifo), "/dev/zero"] {
        let at = format!("@{path}");
        let request = format!("x={at}");
        let key = &["--cert", path, "--key", path][..];
        for options in [
            &["--token-file", path][..],
            &["--header", &at],
            &["--send", &at],
            &["--request", &request],
            &["--ca-file", path],
            key,
            &["-u", &at],
        ] {
            let finished = Run::start(wsmon(["--no-reconnect", "-t", "60"]).args(options)).finish();
            assert_eq!(finished.code, Some(3), "{options:?}: {finished:#?}");
            assert_contains(&finished.stderr, &[path, "it is a "]);
        }
    }
}

#[test]
fn a_pipe_that_is_never_closed_can_be_ended_by_a_signal() {
    let mut writer = Command::new("sleep").arg("600").stdout(Stdio::piped()).spawn().unwrap();
    let run = Run::start(wsmon(["--token-file", "/dev/stdin"]).stdin(writer.stdout.take().unwrap()));
    // Nothing tells that it waits; if the signal comes before, it ends the process all the same.
    std::thread::sleep(Duration::from_millis(50));
    run.signal("TERM");
    assert_eq!(run.finish().signal, Some(15));
    writer.kill().unwrap();
    writer.wait().unwrap();
}

#[test]
fn a_hangup_while_a_pipe_is_read_waits_for_the_run() {
    let mut writer = Command::new("sleep").arg("600").stdout(Stdio::piped()).spawn().unwrap();
    let run = Run::start(wsmon(["--token-file", "/dev/stdin"]).stdin(writer.stdout.take().unwrap()));
    let is_handled = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", run.pid())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() & 1 == 1
    };
    let started = Instant::now();
    while !is_handled() {
        assert!(started.elapsed() < PATIENCE, "no handler of SIGHUP");
        std::thread::yield_now();
    }
    run.signal("HUP");
    writer.kill().unwrap();
    writer.wait().unwrap();
    let finished = run.finish();
    assert_eq!(finished.signal, None, "{finished:#?}");
    assert_contains(&finished.stderr, &["/dev/stdin"]);
}

#[test]
fn a_uri_file_with_a_second_uri_is_an_error_at_its_line() {
    let two = file("two-uris", "# first\nws://a\n\nws://b\n");
    for uri in [format!("@{}", text(&two)), format!("a=@{}", text(&two))] {
        let finished = watch(&uri, &[]);
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        assert_contains(&finished.stderr, &["two-uris: line 4: only one URI may stand in it"]);
    }
    let bad = file("bad-uri", "ws://me:hunter2@h:0\n");
    let finished = watch(&format!("@{}", text(&bad)), &[]);
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert_contains(&finished.stderr, &["bad-uri: invalid URI ws://h:0: the port"]);
    assert!(!finished.stderr.contains("hunter2"), "{finished:#?}");
}

#[test]
fn texts_and_requests_from_files_are_read_before_each_connection_and_hidden() {
    let login = file("login", "\u{feff}\n{\"pass\":\n \"hunter2\"}\r\n\n");
    let json = file("request", "{\"key\":\"hunter3\"}\n");
    let (path, (sender, texts)) = (login.clone(), channel());
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        let frames = [peer.expect(1), peer.expect(1), peer.expect(1)];
        sender.send(frames.map(|frame| frame.text().to_owned())).unwrap();
        peer.text(SAMPLE);
        if peer.number() == 1 {
            std::fs::write(&path, "new").unwrap();
            // Servers quote what they do not understand.
            peer.close(1008, "no {\"key\":\"hunter3\"}");
        }
        peer.drain();
    });
    let (send, request) = (format!("@{}", text(&login)), format!("x=@{}", text(&json)));
    let mut options = vec!["--dialect", "monitoring", "-d", "10", "--send", &send, "--send", "@@x"];
    options.extend(["--request", &request]);
    let mut command = wsmon([&*server.uri(), "--reconnect-interval", "0.1"]);
    let run = Run::start(command.args(options));
    let request = "{\"type\":\"x\",\"key\":\"hunter3\"}";
    assert_eq!(texts.recv().unwrap(), ["{\"pass\":\n \"hunter2\"}", "@x", request]);
    assert_eq!(texts.recv().unwrap(), ["new", "@x", request]);
    run.signal("INT");
    let finished = run.finish();
    assert_contains(&finished.stderr, &["no redacted"]);
    assert!(!finished.stderr.contains("hunter"), "{finished:#?}");
}
