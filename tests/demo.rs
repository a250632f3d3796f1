//! The demo server in an event loop of its own, with tungstenite as the client. Time is simulated: the loop jumps from
//! deadline to deadline.
#![cfg(feature = "demo")]

use mio::{Events, Poll, Token};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};
use wsmon::demo::Demo;
use wsmon::internal::upgrade;

struct Loop {
    poll: Poll,
    demo: Demo,
    mono: Instant,
}

impl Loop {
    fn new() -> Loop {
        Loop::with(false)
    }

    fn with(as_fleet: bool) -> Loop {
        let poll = Poll::new().unwrap();
        let demo = Demo::listen(poll.registry(), Token(0), Token(1), as_fleet).unwrap();
        Loop { poll, demo, mono: Instant::now() }
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    /// Runs one turn, which waits for events but not for deadlines.
    fn turn(&mut self, wait: Duration) {
        let mut events = Events::with_capacity(16);
        self.poll.poll(&mut events, Some(wait)).unwrap();
        events.iter().for_each(|event| self.demo.ready(self.poll.registry(), event.token()));
        self.demo.turn(self.mono, self.wall());
    }

    /// Runs turns until nothing more happens on loopback.
    fn run_until_idle(&mut self) {
        (0..5).for_each(|_| self.turn(Duration::from_millis(20)));
    }

    /// Jumps to the next deadline, which must be in the future.
    fn jump(&mut self) {
        let deadline = self.demo.deadline().expect("a deadline");
        assert!(deadline > self.mono, "a deadline in the past is a busy loop");
        self.mono = deadline;
        self.turn(Duration::ZERO);
    }

    fn dial(&self) -> TcpStream {
        self.dial_one(0)
    }

    fn dial_one(&self, at: usize) -> TcpStream {
        let places = self.demo.places();
        let stream = TcpStream::connect(places[at].split_once("://").unwrap().1).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// Connects a client to the first server, and reads the welcome.
    fn connect(&mut self) -> WebSocket<TcpStream> {
        let mut socket = self.connect_to(0);
        let welcome = read(&mut socket);
        assert!(welcome.starts_with(r#"{"type": "connection", "status": "connected", "#), "{welcome}");
        socket
    }

    /// Connects a client to one of the servers, which has sent its greeting.
    fn connect_to(&mut self, at: usize) -> WebSocket<TcpStream> {
        let mut stream = self.dial_one(at);
        let key = upgrade::key([1; 16]);
        let ours = upgrade::UpgradeRequest { host: "h", target: "/", key: &key, compression: true, ..<_>::default() };
        let request = upgrade::request(&ours);
        stream.write_all(request.as_bytes()).unwrap();
        self.run_until_idle();
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).unwrap();
        answer.truncate(length);
        let Ok(Some(upgrade::Granted { len: consumed, .. })) = upgrade::read_response(&answer, &ours, UNIX_EPOCH)
        else {
            panic!("{}", answer.escape_ascii())
        };
        WebSocket::from_partially_read(stream, answer.split_off(consumed), Role::Client, None)
    }
}

fn read(socket: &mut WebSocket<TcpStream>) -> String {
    socket.read().unwrap().into_text().unwrap().to_string()
}

/// Reads until the connection ends.
fn read_to_end(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_client_gets_a_sample_soon_and_then_one_a_second() {
    let mut demo = Loop::new();
    let mut socket = demo.connect();
    let start = demo.mono;
    for after in [500, 1500, 2500] {
        demo.jump();
        assert_eq!(demo.mono - start, Duration::from_millis(after));
        let sample = read(&mut socket);
        assert!(sample.starts_with(r#"{"type": "monitoring_data", "timestamp": "2023-11-14T22:13:20.000000Z", "#));
    }
}

#[test]
fn there_is_no_deadline_without_clients() {
    let mut demo = Loop::new();
    demo.turn(Duration::ZERO);
    assert_eq!(demo.demo.deadline(), None);
    let mut socket = demo.connect();
    assert!(demo.demo.deadline().is_some());
    socket.close(None).unwrap();
    demo.run_until_idle();
    assert!(matches!(socket.read(), Ok(Message::Close(_))));
    assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)));
    assert_eq!(demo.demo.deadline(), None);
}

#[test]
fn requests_are_answered_in_text_and_binary_frames() {
    let mut demo = Loop::new();
    let mut socket = demo.connect();
    for (message, expected) in [
        (Message::text(r#"{"type": "ping"}"#), r#"{"type": "pong", "#),
        (Message::binary(r#"{"type": "ping"}"#), r#"{"type": "pong", "#),
        (Message::text(r#"{"type": "get_status"}"#), r#"{"type": "status", "connected_clients": 1, "#),
        (Message::binary(vec![0xff]), r#"{"type": "error", "message": "Invalid message"}"#),
    ] {
        socket.send(message).unwrap();
        demo.run_until_idle();
        let answer = read(&mut socket);
        assert!(answer.starts_with(expected), "{answer}");
    }
    socket.send(Message::Ping(vec![7].into())).unwrap();
    demo.run_until_idle();
    assert_eq!(socket.read().unwrap(), Message::Pong(vec![7].into()));
}

#[test]
fn more_requests_than_one_turn_reads_are_answered_in_the_next() {
    let mut demo = Loop::new();
    let mut socket = demo.connect();
    (0..200).for_each(|_| socket.send(Message::text(r#"{"type": "ping"}"#)).unwrap());
    demo.turn(Duration::from_secs(1));
    assert!(demo.demo.deadline().is_some_and(|at| at <= demo.mono), "there is more to read");
    demo.run_until_idle();
    assert!((0..200).all(|_| read(&mut socket).contains("pong")));
}

#[test]
fn several_clients_are_served_and_one_too_many_is_turned_away() {
    let mut demo = Loop::new();
    let mut sockets: Vec<_> = (0..4).map(|_| demo.connect()).collect();
    let fifth = demo.dial();
    demo.run_until_idle();
    assert_eq!(read_to_end(fifth), "");
    demo.jump();
    assert!(sockets.iter_mut().all(|socket| read(socket).contains("monitoring_data")));
    sockets.pop();
    demo.run_until_idle();
    demo.connect();
}

#[test]
fn other_requests_are_refused_and_a_silent_connection_is_dropped() {
    let mut demo = Loop::new();
    let mut browser = demo.dial();
    browser.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let silent = demo.dial();
    demo.run_until_idle();
    assert!(read_to_end(browser).starts_with("HTTP/1.1 426 "));
    demo.jump();
    assert_eq!(read_to_end(silent), "");
    assert_eq!(demo.demo.deadline(), None);
}

#[test]
fn a_client_that_does_not_read_is_dropped() {
    let mut demo = Loop::new();
    let mut client = demo.connect();
    client.get_mut().set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    // It sends requests and reads no answer: first the sockets fill up, then the server's queue.
    while demo.demo.deadline().is_some() {
        (0..100).for_each(|_| drop(client.send(Message::text("?"))));
        (0..4).for_each(|_| demo.turn(Duration::ZERO));
    }
}

#[test]
fn the_fleet_sends_each_client_what_its_server_says_and_restarts_one() {
    let mut demo = Loop::with(true);
    assert_eq!(demo.demo.places().len(), 5);
    let mut sockets: Vec<_> = (0..5).map(|at| demo.connect_to(at)).collect();
    let greetings = ["connection", "welcome", "client_connected", "ProcessList", "connected"];
    for (socket, greeting) in sockets.iter_mut().zip(greetings) {
        assert!(read(socket).contains(greeting));
    }
    (0..4).for_each(|_| demo.jump());
    let brain = sockets.pop().unwrap();
    assert!(read_to_end(brain.get_ref().try_clone().unwrap()).contains("channel"), "it is away, without a Close frame");
    demo.jump();
    assert!(read(&mut demo.connect_to(4)).contains("\"connected\""));
    assert!(sockets.iter_mut().map(read).any(|text| text.contains("monitoring_data")));
}
