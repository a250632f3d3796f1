//! Tests of the tests' own server and process helper, with tungstenite as the client.

use crate::support::PATIENCE;
use crate::support::program::{Run, run};
use crate::support::recording;
use crate::support::server::{BINARY, CLOSE, PONG, Peer, Server, TEXT, text_frame};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::UNIX_EPOCH;
use tungstenite::protocol::Role;
use tungstenite::{Error, Message, WebSocket};
use wsmon::internal::upgrade::{self, UpgradeRefused};

/// Connects a blocking client.
fn connect(server: &Server) -> Result<WebSocket<TcpStream>, UpgradeRefused> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let key = upgrade::key([3; 16]);
    let request = upgrade::UpgradeRequest { host: "x", target: "/a", key: &key, ..<_>::default() };
    stream.write_all(upgrade::request(&request).as_bytes()).unwrap();
    let mut answer = Vec::new();
    loop {
        let mut piece = [0; 512];
        let length = stream.read(&mut piece).unwrap_or(0);
        answer.extend_from_slice(&piece[..length]);
        match upgrade::read_response(&answer, &request, UNIX_EPOCH)? {
            Some(granted) => {
                let rest = answer.split_off(granted.len);
                return Ok(WebSocket::from_partially_read(stream, rest, Role::Client, None));
            }
            None => assert!(length > 0, "EOF after {answer:?}"),
        }
    }
}

fn refused(script: impl Fn(Peer) + Send + Sync + 'static) -> String {
    connect(&Server::start(script)).unwrap_err().to_string()
}

#[test]
fn a_granted_upgrade_carries_frames_both_ways() {
    let server = Server::start(|mut peer| {
        assert!(peer.request().starts_with("GET /a HTTP/1.1\r\n"));
        peer.upgrade();
        peer.text("welcome");
        peer.binary([0, 255]);
        peer.fragments(&["one ", "two ", "three"]);
        let text = peer.expect(TEXT);
        assert!(text.masked && text.fin && text.text() == "x".repeat(70_000), "{text:?}");
        peer.text("x".repeat(70_000));
        assert_eq!(peer.expect(PONG).text(), "between");
        peer.close(1001, "restart");
        assert_eq!(peer.expect(CLOSE).close(), (1001, "restart"));
        assert_eq!(peer.drain(), []);
    });
    let mut socket = connect(&server).unwrap();
    socket.send(Message::text("x".repeat(70_000))).unwrap();
    let mut received = Vec::new();
    let end = loop {
        match socket.read() {
            Ok(Message::Text(text)) => received.push(text.len().min(13)),
            Ok(Message::Close(close)) => break close.unwrap(),
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!((received, u16::from(end.code)), (vec![7, 13, 13], 1001));
    drop((socket.flush(), socket));
    server.finish();
}

#[test]
fn every_kind_of_refused_upgrade_can_be_scripted() {
    let limited = refused(|mut peer| peer.answer("429 Too Many", &["Retry-After: 7"], "slow down"));
    assert_eq!(limited, "answered 429 Too Many: too many connections or requests, retry after 7 s (\"slow down\")");
    let garbage = refused(|mut peer| peer.raw("SSH-2.0-x\r\n"));
    assert!(garbage.starts_with("answered as an SSH server"), "{garbage}");
    let wrong = refused(|mut peer| {
        let granted = peer.granted().replace("Accept: ", "Accept: x");
        peer.raw(granted);
        peer.wait_gone();
    });
    assert!(wrong.contains("does not match our key"), "{wrong}");
}

#[test]
fn an_upgrade_sent_byte_by_byte_is_granted() {
    let server = Server::start(|mut peer| {
        let granted = peer.granted();
        peer.drip(granted);
        peer.drain();
    });
    connect(&server).unwrap();
}

#[test]
fn frames_that_break_the_protocol_can_be_sent() {
    type Script = fn(&mut Peer);
    let table: [(Script, &str); 4] = [
        (|peer| peer.text([0xff]), "UTF-8"),
        (|peer| peer.frame(true, 0x40 | TEXT, "rsv"), "Reserved bits"),
        (|peer| peer.frame(true, 3, ""), "invalid opcode"),
        (|peer| peer.announce(BINARY, 1 << 40), "too long"),
    ];
    for (script, expected) in table {
        let server = Server::start(move |mut peer| {
            peer.upgrade();
            script(&mut peer);
            peer.drain();
        });
        let error = connect(&server).unwrap().read().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_script_can_end_a_connection_with_eof_or_rst() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        match peer.number() {
            1 => {}
            2 => {
                peer.end();
                peer.drain();
            }
            _ => peer.reset(),
        }
    });
    let end = || {
        let mut socket = connect(&server).unwrap();
        // Unread data makes the server's close a reset.
        let _ = socket.send(Message::text("unread"));
        std::iter::from_fn(|| Some(socket.read())).find_map(Result::err).unwrap()
    };
    assert!(matches!(end(), Error::Protocol(_)));
    assert!(matches!(end(), Error::Protocol(_)));
    let reset = end();
    assert!(matches!(&reset, Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionReset), "{reset}");
    server.wait_accepted(3);
    assert_eq!(server.accepted(), 3);
}

#[test]
fn a_server_can_be_restarted_on_its_port() {
    let first = Server::start(|mut peer| peer.upgrade());
    connect(&first).unwrap();
    let (uri, port) = (first.uri(), first.port());
    first.finish();
    let second = Server::start_on(port, |mut peer| peer.upgrade());
    connect(&second).unwrap();
    assert_eq!(second.uri(), uri);
}

#[test]
#[should_panic(expected = "a script failed")]
fn a_script_that_fails_fails_the_test() {
    let server = Server::start(|_| panic!("on purpose"));
    drop(TcpStream::connect(("127.0.0.1", server.port())));
    server.finish();
}

#[test]
fn a_recording_is_replayed_frame_by_frame() {
    let text = r#"
        {"t": 0.0, "dir": "in", "opcode": "text", "payload": "é"}
        {"t": 0.01, "dir": "out", "opcode": "text", "payload": "not played"}
        {"t": 0.02, "dir": "in", "opcode": "ping", "payload_b64": "AAE="}
        {"t": 0.03, "dir": "in", "opcode": "pong", "payload": "not played"}
        {"t": 0.04, "dir": "in", "opcode": "0", "payload_b64": ""}
        {"t": 0.05, "dir": "in", "opcode": "close", "code": 1008, "payload": "full"}"#;
    let recorded = recording::parse(text);
    assert_eq!(recorded.len(), 5);
    let (seen, played) = channel();
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        if peer.number() == 1 {
            peer.replay(&recorded)
        } else {
            peer.replay_timed(&recorded, 10.0)
        }
        seen.send(peer.expect(PONG).payload).unwrap();
        peer.drain();
    });
    for _ in 0..2 {
        let mut socket = connect(&server).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("é"));
        assert_eq!(socket.read().unwrap(), Message::Ping(vec![0, 1].into()));
        let close = socket.read().unwrap();
        assert!(matches!(&close, Message::Close(Some(frame)) if frame.reason == "full"), "{close}");
        let _ = socket.flush();
        assert_eq!(played.recv().unwrap(), [0, 1]);
    }
}

#[test]
fn a_flood_lasts_until_the_client_disconnects_and_can_be_answered_meanwhile() {
    let (seen, read) = channel();
    let server = Server::start(move |mut peer| {
        peer.upgrade();
        let mut reader = peer.reader();
        let seen = seen.clone();
        let reading = std::thread::spawn(move || seen.send(reader.expect(TEXT).payload).unwrap());
        assert!(peer.flood(text_frame("again")) > 3 && !peer.try_raw("gone"));
        reading.join().unwrap();
    });
    let mut socket = connect(&server).unwrap();
    for _ in 0..3 {
        assert_eq!(socket.read().unwrap(), Message::text("again"));
    }
    socket.send(Message::text("enough")).unwrap();
    assert_eq!(read.recv().unwrap(), b"enough");
    drop(socket);
    server.finish();
}

#[test]
fn a_real_servers_recording_is_read() {
    let recorded = recording::read("tests/recordings/monitoring/capacity_1008.jsonl");
    assert_eq!(recorded.len(), 2);
    assert!(recorded[0].from_server && recorded[0].opcode == CLOSE);
    assert_eq!(recorded[0].payload, b"\x03\xf0Server at capacity");
}

#[test]
fn the_program_runs_and_ends() {
    let finished = run(["--version"]);
    assert_eq!((finished.code, finished.signal), (Some(0), None), "{finished:?}");
}

#[test]
fn a_process_can_be_watched_signalled_and_waited_for() {
    let mut command = Command::new("sh");
    command.args(["-c", "trap 'echo caught; exit 3' INT; echo out; echo err >&2; while :; do sleep 0.01; done"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = Run::start(&mut command);
    assert_eq!(run.wait_stdout("out"), "out\n");
    assert_eq!(run.wait_stderr("err"), "err\n");
    run.signal("INT");
    let finished = run.finish();
    assert_eq!((finished.code, &*finished.stdout), (Some(3), "out\ncaught\n"), "{finished:?}");
    assert!(finished.stderr.starts_with("err\n") && finished.took < PATIENCE);
}

#[test]
fn the_signal_that_ended_a_process_is_reported() {
    let run = Run::start(Command::new("sleep").arg("60"));
    assert!(run.pid() > 0);
    run.signal("TERM");
    assert_eq!(run.finish().signal, Some(15));
}

#[test]
fn a_script_can_use_the_socket_below_http() {
    let server = Server::start(|peer| peer.stream().write_all(b"no HTTP").unwrap());
    let mut said = Vec::new();
    TcpStream::connect(("127.0.0.1", server.port())).unwrap().read_to_end(&mut said).unwrap();
    assert_eq!(said, b"no HTTP");
}
