//! A scripted server for one test. Each connection runs the script on a thread of its own:
//!
//! ```ignore
//! let server = Server::start(|mut peer| {
//!     peer.upgrade();
//!     peer.text(r#"{"type": "connection"}"#);
//!     peer.close(1001, "restart");
//!     peer.drain();
//! });
//! ```
//! A connection ends with its script: with EOF, unless the script called [`Peer::reset`]. A script that panics fails the
//! test when the server is dropped.

use super::PATIENCE;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;
/// RSV1, the mark of a compressed message.
pub const PACKED: u8 = 0x40;

#[derive(Default)]
struct State {
    accepted: usize,
    running: usize,
    over: bool,
    panics: Vec<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    /// Ignores poisoning: a script that panicked while it held the lock must not hide its own message.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `wanted` returns true.
    fn until(&self, what: &str, wanted: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.lock();
        let (state, wait) = self.changed.wait_timeout_while(state, PATIENCE, |state| !wanted(state)).unwrap();
        assert!(!wait.timed_out(), "waited in vain for {what}");
        state
    }
}

/// A server that listens on loopback until it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on a free port.
    pub fn start(script: impl Fn(Peer) + Send + Sync + 'static) -> Server {
        Server::start_on(0, script)
    }

    /// Starts a server on the port of an earlier one.
    pub fn start_on(port: u16, script: impl Fn(Peer) + Send + Sync + 'static) -> Server {
        Server::listen((Ipv4Addr::LOCALHOST, port).into(), script).unwrap()
    }

    /// Starts a server at `::1`, on the port of one at 127.0.0.1; `None` on a machine without IPv6.
    pub fn start_v6(port: u16, script: impl Fn(Peer) + Send + Sync + 'static) -> Option<Server> {
        Server::listen((Ipv6Addr::LOCALHOST, port).into(), script)
    }

    /// Starts a server at any address of loopback; `None` if it cannot be bound.
    pub fn listen(address: SocketAddr, script: impl Fn(Peer) + Send + Sync + 'static) -> Option<Server> {
        let listener = TcpListener::bind(address).ok()?;
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let its = shared.clone();
        let accepting = thread::spawn(move || accept(&listener, &its, &Arc::new(script)));
        Some(Server { address, shared, accepting: Some(accepting) })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn uri(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port())
    }

    /// The number of connections so far.
    pub fn accepted(&self) -> usize {
        self.shared.lock().accepted
    }

    /// Waits for the connection with this number, the first being 1.
    pub fn wait_accepted(&self, number: usize) {
        drop(self.shared.until("a connection", |state| state.accepted >= number));
    }

    /// Waits until every script has ended; fails if one of them has failed.
    pub fn finish(self) {
        drop(self.shared.until("the end of the scripts", |state| state.running == 0 && state.accepted > 0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.change(|state| state.over = true);
        // Wakes the accepting thread; once it has ended, the port is free.
        let _ = TcpStream::connect(self.address);
        let _ = self.accepting.take().map(JoinHandle::join);
        let panics = std::mem::take(&mut self.shared.lock().panics);
        assert!(panics.is_empty() || thread::panicking(), "a script failed: {panics:?}");
    }
}

fn accept<S: Fn(Peer) + Send + Sync + 'static>(listener: &TcpListener, shared: &Arc<Shared>, script: &Arc<S>) {
    for stream in listener.incoming() {
        if shared.lock().over {
            return;
        }
        let mut number = 0;
        shared.change(|state| {
            state.accepted += 1;
            state.running += 1;
            number = state.accepted;
        });
        let (shared, script, stream) = (shared.clone(), script.clone(), stream.unwrap());
        thread::spawn(move || {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            stream.set_nodelay(true).unwrap();
            // The failure is stored before the connection is dropped: otherwise a client that sees the end of the
            // connection could end the test before the failure is known.
            let last = stream.try_clone().unwrap();
            let peer = Peer { stream, number, request: String::new(), reset: false };
            let panic = catch_unwind(AssertUnwindSafe(|| script(peer))).err();
            shared.change(|state| {
                state.running -= 1;
                state.panics.extend(panic.map(|panic| message(&*panic)));
            });
            drop(last);
        });
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// A frame of the client, unmasked.
#[derive(Clone, PartialEq)]
pub struct Frame {
    pub fin: bool,
    pub opcode: u8,
    pub masked: bool,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }

    /// The code and reason of a Close frame; 1005 without a code, RFC 6455 section 7.1.5.
    pub fn close(&self) -> (u16, &str) {
        match self.payload.split_at_checked(2) {
            Some((code, reason)) => (u16::from_be_bytes([code[0], code[1]]), std::str::from_utf8(reason).unwrap()),
            None => (1005, ""),
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame(opcode {}, fin {}, {:?})", self.opcode, self.fin, self.payload.escape_ascii().to_string())
    }
}

/// The server's end of one connection. Its methods panic if the client has closed the connection.
pub struct Peer {
    stream: TcpStream,
    number: usize,
    request: String,
    reset: bool,
}

impl Drop for Peer {
    /// Ends the connection with EOF. Unread data is read first, for it would turn EOF into RST.
    fn drop(&mut self) {
        let wanted = !self.reset && !thread::panicking();
        if wanted && self.stream.shutdown(Shutdown::Write).is_ok() && self.stream.set_nonblocking(true).is_ok() {
            while self.stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {}
        }
    }
}

/// Before the upgrade.
impl Peer {
    /// The number of this connection to the server, from 1.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Reads the request, once, and returns its head.
    pub fn request(&mut self) -> &str {
        while !self.request.ends_with("\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("a whole request");
            self.request.push(byte[0].into());
        }
        &self.request
    }

    /// Returns the 101 response to the request, for scripts that send it themselves.
    pub fn granted(&mut self) -> String {
        wsmon::internal::upgrade::serve(self.request().as_bytes()).unwrap().unwrap().0
    }

    /// Reads the request and grants it.
    pub fn upgrade(&mut self) {
        let granted = self.granted();
        self.raw(granted);
    }

    /// Grants the request with this answer to the offer of extensions.
    pub fn upgrade_with(&mut self, extensions: &str) {
        let granted = self.granted_with(extensions);
        self.raw(granted);
    }

    /// Returns what [`upgrade_with`](Peer::upgrade_with) sends.
    pub fn granted_with(&mut self, extensions: &str) -> String {
        self.granted().replace("\r\n\r\n", &format!("\r\nSec-WebSocket-Extensions: {extensions}\r\n\r\n"))
    }

    /// Reads the request and answers with a status, further header lines (`"Retry-After: 7"`) and a body.
    pub fn answer(&mut self, status: &str, headers: &[&str], body: &str) {
        self.request();
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let length = body.len();
        self.raw(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"));
    }
}

/// Below HTTP.
impl Peer {
    /// Returns the socket, for other protocols; its reads and writes wait for [`PATIENCE`] at most.
    pub fn stream(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }
}

/// Sending.
impl Peer {
    /// Sends any bytes.
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("a client that is there");
    }

    /// Sends any bytes; false if the client has closed the connection.
    pub fn try_raw(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends the same bytes repeatedly until the client has closed the connection; returns the number of times.
    pub fn flood(&mut self, bytes: impl AsRef<[u8]>) -> u64 {
        (0..).take_while(|_| self.try_raw(&bytes)).count() as u64
    }

    /// Sends any bytes, each in a packet of its own.
    pub fn drip(&mut self, bytes: impl AsRef<[u8]>) {
        bytes.as_ref().iter().for_each(|byte| self.raw([*byte]));
    }

    /// Sends any frame; `opcode` may have reserved bits (0x40 is RSV1).
    pub fn frame(&mut self, fin: bool, opcode: u8, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref();
        let head = head(fin, opcode, payload.len() as u64);
        self.raw([&head, payload].concat());
    }

    /// Sends the head of a frame only, for payloads that never come or come slowly.
    pub fn announce(&mut self, opcode: u8, length: u64) {
        self.raw(head(true, opcode, length));
    }

    pub fn text(&mut self, text: impl AsRef<[u8]>) {
        self.frame(true, TEXT, text);
    }

    pub fn binary(&mut self, bytes: impl AsRef<[u8]>) {
        self.frame(true, BINARY, bytes);
    }

    pub fn ping(&mut self, payload: impl AsRef<[u8]>) {
        self.frame(true, PING, payload);
    }

    /// Sends one text in fragments, with a ping before each but the first.
    pub fn fragments(&mut self, pieces: &[&str]) {
        for (at, piece) in pieces.iter().enumerate() {
            if at > 0 {
                self.ping("between");
            }
            let opcode = if at == 0 { TEXT } else { CONTINUATION };
            self.frame(at + 1 == pieces.len(), opcode, piece);
        }
    }

    /// Sends a Close frame. [`drain`](Peer::drain) then waits for the client's answer.
    pub fn close(&mut self, code: u16, reason: &str) {
        self.frame(true, CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat());
    }
}

/// Receiving, and ends.
impl Peer {
    /// Reads the next frame; `None` once the client has closed or reset the connection.
    pub fn next(&mut self) -> Option<Frame> {
        let [first, second] = self.bytes()?;
        let length = match second & 0x7f {
            126 => u16::from_be_bytes(self.bytes()?).into(),
            127 => u64::from_be_bytes(self.bytes()?),
            length => length.into(),
        };
        let masked = second & 0x80 != 0;
        let mask: [u8; 4] = if masked { self.bytes()? } else { [0; 4] };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.fill(&mut payload)?;
        payload.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= mask[at % 4]);
        Some(Frame { fin: first & 0x80 != 0, opcode: first & 0x0f, masked, payload })
    }

    /// Reads the next frame with this opcode and skips others.
    pub fn expect(&mut self, opcode: u8) -> Frame {
        loop {
            let frame = self.next().unwrap_or_else(|| panic!("the client left before opcode {opcode}"));
            if frame.opcode == opcode {
                return frame;
            }
        }
    }

    /// Reads all frames until the client has closed the connection, and sends nothing.
    pub fn drain(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Holds the connection as a healthy server does: answers pings and the Close, until the client closes it.
    pub fn hold(&mut self) {
        while let Some(frame) = self.next() {
            match frame.opcode {
                PING => self.answer_with(PONG, &frame.payload),
                CLOSE => return self.answer_with(CLOSE, &frame.payload),
                _ => {}
            }
        }
    }

    /// Sends an answer. Errors are ignored: a client that is closing does not wait for every answer.
    fn answer_with(&mut self, opcode: u8, payload: &[u8]) {
        let head = head(true, opcode, payload.len() as u64);
        let _gone = self.try_raw([&head, payload].concat());
    }

    /// Waits until the client has closed the connection, without reading frames: for clients that are not upgraded.
    pub fn wait_gone(&mut self) {
        let mut rest = [0; 1024];
        while self.stream.read(&mut rest).is_ok_and(|length| length > 0) {}
    }

    /// Sends EOF to the client; its frames can still be read.
    pub fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends the connection with RST, which Linux sends when a socket with unread data is closed: before the upgrade the
    /// request, after it the client's pong.
    pub fn reset(mut self) {
        if !self.request.is_empty() {
            self.ping("reset");
        }
        self.reset_on_data();
    }

    /// Ends the connection with RST once the client has sent data.
    pub fn reset_on_data(mut self) {
        self.reset = true;
        self.stream.peek(&mut [0]).expect("something to leave unread");
    }

    /// Returns a second handle of the connection, for another thread that reads the client's frames.
    pub fn reader(&self) -> Peer {
        let stream = self.stream.try_clone().unwrap();
        // Only the first handle ends the connection.
        Peer { stream, number: self.number, request: self.request.clone(), reset: true }
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Some(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(bytes) {
            Ok(()) => Some(()),
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => None,
            Err(error) => panic!("no frame from the client within {PATIENCE:?}: {error}"),
        }
    }
}

/// Encodes a text frame, for scripts that send raw bytes.
pub fn text_frame(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&head(true, TEXT, text.len() as u64), text].concat()
}

fn head(fin: bool, opcode: u8, length: u64) -> Vec<u8> {
    let first = u8::from(fin) << 7 | opcode;
    match length {
        0..126 => vec![first, length as u8],
        126..0x1_0000 => [&[first, 126], &(length as u16).to_be_bytes()[..]].concat(),
        _ => [&[first, 127], &length.to_be_bytes()[..]].concat(),
    }
}
