//! The listener in a loop of its own, with sockets and a simulated clock.

use super::*;
use std::io::{Read as _, Write as _};
use std::net::TcpStream as Socket;

/// A listener in a loop of its own, whose pages of metrics are as long as `length`.
struct Loop {
    poll: mio::Poll,
    listener: Listener,
    address: SocketAddr,
    now: Instant,
    length: usize,
    /// Pages of metrics that were made.
    made: usize,
}

impl Loop {
    fn new(length: usize) -> Loop {
        let poll = mio::Poll::new().unwrap();
        let listener = Listener::open(([127, 0, 0, 1], 0).into(), poll.registry(), [Token(0), Token(1)]).unwrap();
        let address = listener.socket.local_addr().unwrap();
        Loop { poll, listener, address, now: Instant::now(), length, made: 0 }
    }

    /// Runs a turn that waits so long at most. Returns true if something happened.
    fn turn(&mut self, wait: Duration) -> bool {
        let mut events = mio::Events::with_capacity(64);
        self.poll.poll(&mut events, Some(wait)).unwrap();
        for event in &events {
            self.listener.ready(event.token(), self.now);
        }
        let (length, made) = (self.length, &mut self.made);
        self.listener.turn(self.poll.registry(), self.now, &mut |_| {
            *made += 1;
            (true, "x".repeat(length))
        });
        !events.is_empty() || self.listener.accept_at.is_some()
    }

    /// Runs turns until there is nothing left to do.
    fn run(&mut self) {
        while self.turn(Duration::from_millis(50)) {}
    }

    fn connect(&mut self) -> Socket {
        let socket = Socket::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        self.run();
        socket
    }

    fn ask(&mut self, text: &str) -> Socket {
        let mut socket = self.connect();
        socket.write_all(text.as_bytes()).unwrap();
        self.run();
        socket
    }
}

/// Reads to the end, however it comes.
fn rest(socket: &mut Socket) -> String {
    let mut bytes = Vec::new();
    let _reset = socket.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\n\r\n";
const METRICS: &str = "GET /metrics HTTP/1.1\r\n\r\n";

/// More than the buffers of a connection hold.
const LONG: usize = 16 << 20;

#[test]
fn a_further_connection_takes_the_place_of_the_oldest_that_has_not_asked() {
    let mut all = Loop::new(LONG);
    let mut slow = all.ask(METRICS);
    let mut idle: Vec<Socket> = (0..MAX_CLIENTS).map(|_| all.ask("GET /hea")).collect();
    assert_eq!(all.listener.clients.len(), MAX_CLIENTS);
    let mut probe = all.ask(HEALTH);
    assert!(rest(&mut probe).ends_with("\r\n\r\nok\n"));
    drop(probe);
    all.run();
    // Two had to go, and the others can still ask.
    assert_eq!((&*rest(&mut idle[0]), &*rest(&mut idle[1])), ("", ""));
    idle[2].write_all(b"lthz HTTP/1.1\r\n\r\n").unwrap();
    all.run();
    assert!(rest(&mut idle[2]).ends_with("\r\n\r\nok\n"));
    // The slow reader is still served.
    slow.set_nonblocking(true).unwrap();
    let (mut received, mut buffer) = (0, vec![0; 1 << 20]);
    while received < LONG {
        match slow.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => drop(all.turn(Duration::from_millis(50))),
            length => received += length.unwrap(),
        }
    }
}

#[test]
fn readers_that_are_all_slow_keep_no_probe_waiting() {
    let mut all = Loop::new(LONG);
    let slow: Vec<Socket> = (0..MAX_CLIENTS).map(|_| all.ask(METRICS)).collect();
    assert!(rest(&mut all.ask(HEALTH)).ends_with("\r\n\r\nok\n"));
    assert_eq!(all.listener.clients.len(), MAX_CLIENTS);
    drop(slow);
    all.run();
}

#[test]
fn no_connection_lasts_longer_than_its_time() {
    let mut all = Loop::new(LONG);
    assert_eq!(all.listener.deadline(), None);
    let sockets = [all.ask(""), all.ask("GET"), all.ask(METRICS), all.ask(HEALTH)];
    assert_eq!(all.listener.clients.len(), 4);
    assert_eq!(all.listener.deadline(), Some(all.now + WITHIN));
    all.now += WITHIN;
    all.run();
    assert_eq!((all.listener.clients.len(), all.listener.deadline()), (0, None));
    drop(sockets);
}

#[test]
fn a_client_that_has_its_answer_or_goes_away_leaves_nothing_behind() {
    let mut all = Loop::new(5);
    for (text, end) in [
        (METRICS, "\r\n\r\nxxxxx"),
        (HEALTH, "\r\n\r\nok\n"),
        ("GARBAGE\r\n\r\n", "HTTP/1.1\n"),
        ("", ""),
        ("GET /", ""),
    ] {
        let mut socket = all.ask(text);
        // The other direction stays open.
        socket.shutdown(Shutdown::Write).unwrap();
        all.run();
        assert!(rest(&mut socket).ends_with(end), "{text:?}");
        assert!(all.listener.clients.is_empty(), "{text:?}");
    }
    assert_eq!(all.made, 1);
}

#[test]
fn an_answer_is_not_lost_by_what_follows_the_request() {
    let mut all = Loop::new(5);
    let body = "x".repeat(100_000);
    for text in
        [format!("POST /metrics HTTP/1.1\r\n\r\n{body}"), format!("GET /{body} HTTP/1.1\r\n\r\n"), METRICS.repeat(1000)]
    {
        let answer = rest(&mut all.ask(&text));
        assert!(answer.starts_with("HTTP/1.1 ") && answer.matches("HTTP/1.1 ").count() <= 2, "{answer}");
    }
    all.run();
    assert!(all.listener.clients.is_empty());
    // Without an end it ends nevertheless.
    let mut socket = all.ask("POST / HTTP/1.1\r\n\r\n");
    let mut sent = 0;
    while let Ok(length) = socket.write(&[b'x'; 4096]) {
        sent += length;
        assert!(sent < 64 * MAX_IGNORED);
        all.run();
    }
}
