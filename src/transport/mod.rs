//! One connection's socket: TCP, the upgrade, frames. Never blocks but for name resolution.
//!
//! mio's readiness is edge-triggered: after an event everything is tried until it would block, and each step goes
//! on to the next one without waiting for another event.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant, SystemTime};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Bytes, Error, Message, Utf8Bytes, WebSocket};

use crate::endpoint::Endpoint;
use crate::error::{Disconnect, Fault, Phase, Retry, reason};
use crate::session::Now;
use crate::stream::Metered;
use crate::upgrade::{self, Refused};

/// The most that waits to be sent to one server.
const SEND_BYTES: usize = 64 << 10;
/// Small, since each connection has one; frames may be larger.
const READ_BUFFER: usize = 4 << 10;

/// What a connection keeps to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest message in bytes.
    pub max_message: usize,
    /// How long a write may make no progress.
    pub write_timeout: Duration,
}

/// What arrived.
#[derive(Debug)]
pub enum Frame {
    Text(Utf8Bytes),
    Binary(Bytes),
    Ping,
    /// The number that our ping carried; `None` for a pong to no ping of ours.
    Pong(Option<u64>),
}

/// Why a text could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// There is no open connection; nothing is kept for the next one.
    NotOpen,
    /// With this text more than 64 KiB would wait to be sent; it has not been queued. A longer text never fits.
    Full,
}

impl std::fmt::Display for SendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SendError::NotOpen => "not connected",
            SendError::Full => "more than 64 KiB would wait to be sent",
        })
    }
}

impl std::error::Error for SendError {}

/// A connection from the first dial to the last byte.
#[derive(Debug)]
pub struct Transport {
    stage: Stage,
    limits: Limits,
    /// When writing last made progress, while something waits to be written.
    stuck_since: Option<(Instant, u64)>,
}

#[derive(Debug)]
enum Stage {
    Idle,
    /// A dial that failed at once, to be reported in the same turn.
    Failed(Disconnect),
    Connecting(Connecting),
    Upgrading(Upgrading),
    Open(Box<WebSocket<Metered>>),
}

#[derive(Debug)]
struct Connecting {
    stream: TcpStream,
    address: SocketAddr,
    others: std::vec::IntoIter<SocketAddr>,
    token: Token,
    key: String,
    request: String,
}

#[derive(Debug)]
struct Upgrading {
    stream: TcpStream,
    address: SocketAddr,
    key: String,
    request: Vec<u8>,
    sent: usize,
    head: Vec<u8>,
}

impl Transport {
    /// No connection yet.
    pub fn new(limits: Limits) -> Self {
        Transport { stage: Stage::Idle, limits, stuck_since: None }
    }

    /// Begins a connection. What fails at once is told by the next `advance`.
    pub fn dial(&mut self, registry: &Registry, token: Token, endpoint: &Endpoint, random: [u8; 16]) {
        self.stuck_since = None;
        let key = upgrade::key(random);
        let headers: Vec<_> = endpoint.authorization().into_iter().collect();
        let request = upgrade::request(&upgrade::Request {
            host: &endpoint.host_header(),
            target: &endpoint.target,
            key: &key,
            headers: &headers,
        });
        self.stage = match resolve(endpoint) {
            Ok(addresses) => try_next(registry, token, addresses.into_iter(), key, request),
            Err(why) => Stage::Failed(why),
        };
    }

    /// Goes as far as possible without waiting; true when the connection has just opened.
    pub fn advance(&mut self, registry: &Registry, now: Now) -> Result<bool, Disconnect> {
        loop {
            self.stage = match std::mem::replace(&mut self.stage, Stage::Idle) {
                Stage::Failed(why) => return Err(why),
                Stage::Connecting(connecting) => match connecting.finish(registry)? {
                    Stage::Connecting(waiting) => {
                        self.stage = Stage::Connecting(waiting);
                        return Ok(false);
                    }
                    next => next,
                },
                Stage::Upgrading(mut upgrading) => match upgrading.exchange(now.wall)? {
                    None => {
                        self.stage = Stage::Upgrading(upgrading);
                        return Ok(false);
                    }
                    Some(consumed) => {
                        self.stage = upgrading.open(consumed, &self.limits);
                        return Ok(true);
                    }
                },
                settled => {
                    self.stage = settled;
                    return Ok(false);
                }
            };
        }
    }

    /// A new turn begins: as much may be read again. What was received before it.
    pub fn refill(&mut self) -> u64 {
        if let Stage::Open(socket) = &mut self.stage {
            socket.get_mut().refill();
        }
        self.received()
    }

    /// Bytes received since the connection was opened.
    pub fn received(&self) -> u64 {
        if let Stage::Open(socket) = &self.stage { socket.get_ref().received() } else { 0 }
    }

    /// The next frame that has arrived, if any. An error is final: the socket must not be read again.
    pub fn next(&mut self) -> Result<Option<Frame>, Disconnect> {
        let Stage::Open(socket) = &mut self.stage else { return Ok(None) };
        let frame = match socket.read() {
            Ok(Message::Text(text)) => Frame::Text(text),
            Ok(Message::Binary(bytes)) => Frame::Binary(bytes),
            Ok(Message::Ping(_)) => Frame::Ping,
            Ok(Message::Pong(payload)) => Frame::Pong(payload.as_ref().try_into().ok().map(u64::from_be_bytes)),
            Ok(Message::Close(frame)) => return Err(closed(socket, frame.as_ref())),
            // Only written frames are of this kind.
            Ok(Message::Frame(_)) => return Ok(None),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(fail(socket, &error)),
        };
        Ok(Some(frame))
    }

    /// Whether the turn's bytes are spent, so that more may be there to read.
    pub fn is_spent(&self) -> bool {
        matches!(&self.stage, Stage::Open(socket) if socket.get_ref().is_spent())
    }

    /// Writes what waits to be written, pongs among it, as far as the socket takes it.
    pub fn flush(&mut self, now: Now) {
        let Stage::Open(socket) = &mut self.stage else { return };
        match socket.flush() {
            Ok(()) => self.stuck_since = None,
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                let written = socket.get_ref().written();
                if self.stuck_since.is_none_or(|(_, before)| before != written) {
                    self.stuck_since = Some((now.mono, written));
                }
            }
            // Reading tells more about the end, such as a Close frame that arrived before it.
            Err(_) => {}
        }
    }

    /// When a write must have made progress.
    pub fn deadline(&self) -> Option<Instant> {
        self.stuck_since.map(|(since, _)| since + self.limits.write_timeout)
    }

    /// Fails when a write has made no progress for too long.
    pub fn tick(&mut self, now: Now) -> Result<(), Disconnect> {
        if self.deadline().is_none_or(|by| now.mono < by) {
            return Ok(());
        }
        let within = humantime::format_duration(self.limits.write_timeout);
        Err(Disconnect::fault(Phase::Session, Fault::WriteStalled, format!("the server took nothing for {within}")))
    }

    /// Sends a ping with this number. One that does not fit is left out: the write deadline runs already.
    pub fn ping(&mut self, number: u64) {
        if let Stage::Open(socket) = &mut self.stage {
            let payload = Bytes::copy_from_slice(&number.to_be_bytes());
            let _queued_or_too_much = socket.write(Message::Ping(payload));
        }
    }

    /// Sends a text, or queues it where the socket does not take it now.
    pub fn send(&mut self, text: &str) -> Result<(), SendError> {
        let Stage::Open(socket) = &mut self.stage else { return Err(SendError::NotOpen) };
        match socket.write(Message::text(text)) {
            Ok(()) => Ok(()),
            // Would block means queued: sending it again would send it twice.
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(Error::WriteBufferFull(_)) => Err(SendError::Full),
            Err(_) => Err(SendError::NotOpen),
        }
    }

    /// Sends a Close frame and goes on reading until the server's comes.
    pub fn close(&mut self) {
        if let Stage::Open(socket) = &mut self.stage {
            farewell(socket, CloseCode::Normal);
        }
    }

    /// Drops the connection; a Close frame goes ahead where the socket takes it.
    pub fn hang_up(&mut self) {
        self.close();
        self.stage = Stage::Idle;
        self.stuck_since = None;
    }

    /// What did not come about in time.
    pub fn unfinished(&self, endpoint: Option<&Endpoint>) -> (Phase, String) {
        match &self.stage {
            Stage::Connecting(connecting) => (Phase::Connect, connecting.what()),
            Stage::Upgrading(upgrading) => (Phase::Upgrade, upgrading.what()),
            _ => (Phase::Session, endpoint.map(Endpoint::authority).unwrap_or_default()),
        }
    }
}

/// The addresses of a host. Blocks for a name that is neither an address nor `localhost`.
fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Disconnect> {
    if endpoint.secure || endpoint.unix.is_some() {
        let text = format!("{endpoint}: neither TLS nor Unix sockets are supported yet");
        return Err(Disconnect { retry: Retry::Final, ..Disconnect::new(Phase::Connect, text) });
    }
    let host = endpoint.host.as_str();
    if host == "localhost" || host.ends_with(".localhost") {
        // RFC 6761 section 6.3: always loopback, also where there is neither /etc/hosts nor a resolver.
        let loopback = [
            SocketAddr::from(([0u16, 0, 0, 0, 0, 0, 0, 1], endpoint.port)),
            SocketAddr::from(([127, 0, 0, 1], endpoint.port)),
        ];
        return Ok(loopback.to_vec());
    }
    let what = || format!("resolve {host}");
    match (host, endpoint.port).to_socket_addrs() {
        Ok(addresses) => {
            let addresses: Vec<_> = addresses.collect();
            if addresses.is_empty() {
                Err(Disconnect::new(Phase::Resolve, format!("{}: no address", what())))
            } else {
                Ok(addresses)
            }
        }
        Err(error) => {
            let text = error.to_string();
            let text = text.rsplit(": ").next().unwrap_or_default().to_ascii_lowercase();
            Err(Disconnect::new(Phase::Resolve, format!("{}: {text}", what())))
        }
    }
}

/// Begins with the next address that does not fail at once.
fn try_next(
    registry: &Registry,
    token: Token,
    mut addresses: std::vec::IntoIter<SocketAddr>,
    key: String,
    request: String,
) -> Stage {
    loop {
        let Some(address) = addresses.next() else {
            return Stage::Failed(Disconnect::new(Phase::Resolve, "no address"));
        };
        match connect(registry, token, address) {
            Ok(stream) => {
                return Stage::Connecting(Connecting { stream, address, others: addresses, token, key, request });
            }
            Err(error) if addresses.as_slice().is_empty() => {
                return Stage::Failed(Disconnect::io(Phase::Connect, &format!("connect to {address}"), &error));
            }
            Err(_) => {}
        }
    }
}

fn connect(registry: &Registry, token: Token, address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    // Without it a pong after a burst waits up to 40 ms for the server's delayed acknowledgement.
    stream.set_nodelay(true)?;
    registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}

impl Connecting {
    fn what(&self) -> String {
        format!("connect to {}", self.address)
    }

    /// Connected, still waiting, or on to the next address.
    fn finish(self, registry: &Registry) -> Result<Stage, Disconnect> {
        let error = match self.stream.take_error() {
            Ok(None) => match self.stream.peer_addr() {
                Ok(_) => return Ok(Stage::Upgrading(self.connected())),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotConnected) => {
                    return Ok(Stage::Connecting(self));
                }
                Err(error) => error,
            },
            Ok(Some(error)) | Err(error) => error,
        };
        if self.others.as_slice().is_empty() {
            return Err(Disconnect::io(Phase::Connect, &self.what(), &error));
        }
        drop(self.stream);
        match try_next(registry, self.token, self.others, self.key, self.request) {
            Stage::Failed(why) => Err(why),
            next => Ok(next),
        }
    }

    fn connected(self) -> Upgrading {
        Upgrading {
            stream: self.stream,
            address: self.address,
            key: self.key,
            request: self.request.into_bytes(),
            sent: 0,
            head: Vec::new(),
        }
    }
}

impl Upgrading {
    fn what(&self) -> String {
        format!("upgrade at {}", self.address)
    }

    /// Sends the request and reads the answer; the length of its head once it is there and good.
    fn exchange(&mut self, wall: SystemTime) -> Result<Option<usize>, Disconnect> {
        let failed = |this: &Self, error: &io::Error| Disconnect::io(Phase::Upgrade, &this.what(), error);
        while self.sent < self.request.len() {
            match self.stream.write(&self.request[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(self, &error)),
            }
        }
        let mut buffer = [0; 2048];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(self.ended()),
                Ok(len) => self.head.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(self, &error)),
            }
            match upgrade::read(&self.head, &self.key, wall) {
                Ok(upgrade::Read::Incomplete) => {}
                Ok(upgrade::Read::Upgraded { consumed }) => return Ok(Some(consumed)),
                Err(refused) => return Err(self.refused(&refused)),
            }
        }
    }

    fn ended(&self) -> Disconnect {
        let text = if self.head.is_empty() {
            "closed without an answer: is this a WebSocket server?"
        } else {
            "closed in the middle of its answer"
        };
        Disconnect::new(Phase::Upgrade, format!("{}: {text}", self.what()))
    }

    fn refused(&self, refused: &Refused) -> Disconnect {
        let retry = match refused {
            Refused::Status { code: 401 | 403, .. } => Retry::Final,
            Refused::Status { retry_after: Some(wait), .. } => Retry::NoSooner(*wait),
            Refused::Status { code: 408 | 425 | 429, .. } => Retry::Usual,
            Refused::Status { code: 400..=499, .. } => Retry::FinalUnlessUseful,
            _ => Retry::Usual,
        };
        let status = if let Refused::Status { code, .. } = refused { Some(*code) } else { None };
        Disconnect { retry, status, ..Disconnect::new(Phase::Upgrade, format!("{}: {refused}", self.what())) }
    }

    fn open(self, consumed: usize, limits: &Limits) -> Stage {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(SEND_BYTES)
            .max_message_size(Some(limits.max_message))
            .max_frame_size(Some(limits.max_message));
        let metered = Metered::new(self.stream);
        let tail = self.head[consumed..].to_vec();
        Stage::Open(Box::new(WebSocket::from_partially_read(metered, tail, Role::Client, Some(config))))
    }
}

/// The server's Close frame. The reply is queued by then; it goes out as far as the socket takes it.
fn closed(socket: &mut WebSocket<Metered>, frame: Option<&CloseFrame>) -> Disconnect {
    let _best_effort = socket.flush();
    match frame {
        Some(frame) => Disconnect::closed(Some(frame.code.into()), &frame.reason),
        None => Disconnect::closed(None, ""),
    }
}

/// What ended the connection, said to the server too where it broke the protocol.
fn fail(socket: &mut WebSocket<Metered>, error: &Error) -> Disconnect {
    let session = |text: &str| Disconnect::new(Phase::Session, text);
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => session("closed"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            Disconnect { by_server: true, ..session("the server closed the connection without a Close frame") }
        }
        Error::Io(error) => session(&format!("connection lost: {}", reason(error))),
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            farewell(socket, CloseCode::Size);
            let text = format!("a message of {size} bytes is over the limit of {max_size}: see --max-message");
            Disconnect::fault(Phase::Session, Fault::TooLarge, text)
        }
        Error::Utf8(_) => {
            farewell(socket, CloseCode::Invalid);
            Disconnect::fault(Phase::Session, Fault::Protocol, "the server sent a text message that is not UTF-8")
        }
        error => {
            farewell(socket, CloseCode::Protocol);
            let text = format!("the server broke the WebSocket protocol: {}", error.to_string().to_ascii_lowercase());
            Disconnect::fault(Phase::Session, Fault::Protocol, text)
        }
    }
}

/// A Close frame, as far as the socket takes it.
fn farewell(socket: &mut WebSocket<Metered>, code: CloseCode) {
    let _best_effort = socket.close(Some(CloseFrame { code, reason: Utf8Bytes::from_static("") }));
}
