//! One connection's socket: from the dial to the last frame. Never blocks.
//!
//! mio's readiness is edge-triggered: after an event everything is tried until it would block, and each step goes
//! on to the next one without waiting for another event.

mod connect;
mod exchange;
mod opening;
pub mod route;

use std::io;
use std::time::{Duration, Instant};

use mio::{Registry, Token};
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Error, Message, Utf8Bytes, WebSocket};

use crate::model::error::{Disconnect, Fault, Phase, reason};
use crate::model::time::Now;
use crate::net::resolver::ResolverFiles;
use crate::net::stream::Metered;
use crate::net::tls::{Pool, TlsError};
use opening::Opening;
use route::Route;

/// Everything that the event loop lends to a peer and its transport for one turn.
pub struct LoopIo<'l> {
    pub registry: &'l Registry,
    /// The peer's number. Its sockets are registered under it.
    pub token: Token,
    pub now: Now,
    /// Draws 64 random bits.
    pub random: &'l mut dyn FnMut() -> u64,
    pub names: &'l mut ResolverFiles,
    pub connectors: &'l mut Pool,
    /// TLS handshakes that may still begin.
    pub handshakes: &'l mut usize,
    /// Memory that sockets are read through.
    pub block: &'l mut Vec<u8>,
    /// Takes each message and change of state for the program.
    pub on_message: &'l mut dyn FnMut(&crate::model::event::Message<'_>),
}

/// A variable of the process's environment.
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

/// The most that waits to be sent to one server.
pub const SEND_BYTES: usize = 64 << 10;
/// What is left of a TLS handshake after so long is waiting, which costs nothing: it keeps no other from its turn.
const HANDSHAKE_COUNTS: Duration = Duration::from_secs(1);
/// Small, since each connection has one; it grows with the messages.
const READ_BUFFER: usize = 1000;

/// What a connection keeps to.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// The largest message in bytes.
    pub max_message: usize,
    /// The most bytes that wait to be sent.
    pub send_bytes: usize,
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
pub struct Transport {
    stage: ConnectionStage,
    limits: ConnectionLimits,
    /// When writing last made progress, while something waits to be written.
    stuck_since: Option<(Instant, u64)>,
}

enum ConnectionStage {
    Idle,
    /// A dial that failed at once, to be reported in the same turn.
    Failed(Box<Disconnect>),
    Opening(Box<Opening>),
    Open(Box<WebSocket<Metered>>),
}

impl Transport {
    /// No connection yet.
    pub fn new(limits: ConnectionLimits) -> Self {
        Transport { stage: ConnectionStage::Idle, limits, stuck_since: None }
    }

    /// Begins a connection. What fails at once is told by the next `advance`.
    pub fn dial(&mut self, route: Box<Route>, ground: &mut LoopIo<'_>) {
        self.stuck_since = None;
        self.stage = match Opening::begin(route, ground) {
            Ok(opening) => ConnectionStage::Opening(opening),
            Err(why) => ConnectionStage::Failed(why),
        };
    }

    /// Goes as far as possible without waiting; true when the connection has just opened.
    pub fn advance(&mut self, ground: &mut LoopIo<'_>) -> Result<bool, Box<Disconnect>> {
        let stage = std::mem::replace(&mut self.stage, ConnectionStage::Idle);
        self.stage = match stage {
            ConnectionStage::Failed(why) => return Err(why),
            ConnectionStage::Opening(mut opening) => match opening.advance(ground)? {
                None => ConnectionStage::Opening(opening),
                Some(granted) => {
                    self.stage = ConnectionStage::Open(granted.into_socket(&self.limits));
                    return Ok(true);
                }
            },
            settled => settled,
        };
        Ok(false)
    }

    /// Whether it waits for its turn to begin a TLS handshake.
    pub fn is_queued(&self) -> bool {
        matches!(&self.stage, ConnectionStage::Opening(opening) if opening.is_queued())
    }

    /// Until when a TLS handshake counts as one under way, if there is one.
    pub fn busy_until(&self) -> Option<Instant> {
        if let ConnectionStage::Opening(opening) = &self.stage { opening.busy_until() } else { None }
    }

    /// A new turn begins: as much may be read again, through this block. What was received before it.
    pub fn refill(&mut self, block: &mut Vec<u8>) -> u64 {
        if let ConnectionStage::Open(socket) = &mut self.stage {
            socket.get_mut().refill(block);
        }
        self.received()
    }

    /// The turn is over: gives the block back, if it can.
    pub fn settle(&mut self, block: &mut Vec<u8>) {
        if let ConnectionStage::Open(socket) = &mut self.stage {
            socket.get_mut().settle(block);
        }
    }

    /// Bytes received since the connection was opened.
    pub fn received(&self) -> u64 {
        if let ConnectionStage::Open(socket) = &self.stage { socket.get_ref().received() } else { 0 }
    }

    /// The next frame that has arrived, if any. An error is final: the socket must not be read again.
    pub fn next(&mut self) -> Result<Option<Frame>, Box<Disconnect>> {
        let ConnectionStage::Open(socket) = &mut self.stage else { return Ok(None) };
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
        matches!(&self.stage, ConnectionStage::Open(socket) if socket.get_ref().is_spent())
    }

    /// Writes what waits to be written, pongs among it, as far as the socket takes it.
    pub fn flush(&mut self, now: Now) {
        let ConnectionStage::Open(socket) = &mut self.stage else { return };
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

    /// When it must be advanced, or a write must have made progress.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            ConnectionStage::Opening(opening) => opening.deadline(),
            _ => self.stuck_since.map(|(since, _)| since + self.limits.write_timeout),
        }
    }

    /// Fails when a write has made no progress for too long.
    pub fn tick(&mut self, now: Now) -> Result<(), Box<Disconnect>> {
        let stuck = self.stuck_since.is_some_and(|(since, _)| now.mono >= since + self.limits.write_timeout);
        if !stuck {
            return Ok(());
        }
        let within = humantime::format_duration(self.limits.write_timeout);
        Err(Disconnect::fault(Phase::Session, Fault::WriteStalled, format!("the server took nothing for {within}")))
    }

    /// Sends a ping with this number. One that does not fit is left out: the write deadline runs already.
    pub fn ping(&mut self, number: u64) {
        if let ConnectionStage::Open(socket) = &mut self.stage {
            let payload = Bytes::copy_from_slice(&number.to_be_bytes());
            let _queued_or_too_much = socket.write(Message::Ping(payload));
        }
    }

    /// Sends a text, or queues it where the socket does not take it now.
    pub fn send(&mut self, text: &str) -> Result<(), SendError> {
        let ConnectionStage::Open(socket) = &mut self.stage else { return Err(SendError::NotOpen) };
        match socket.write(Message::text(text)) {
            Ok(()) => Ok(()),
            // Would block means queued: sending it again would send it twice.
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(Error::WriteBufferFull(_)) => Err(SendError::Full),
            Err(_) => Err(SendError::NotOpen),
        }
    }

    /// Sends a message back. One that does not fit is left out.
    pub fn echo(&mut self, frame: Frame) {
        let message = match frame {
            Frame::Text(text) => Message::Text(text),
            Frame::Binary(bytes) => Message::Binary(bytes),
            Frame::Ping | Frame::Pong(_) => return,
        };
        if let ConnectionStage::Open(socket) = &mut self.stage {
            let _queued_or_too_much = socket.write(message);
        }
    }

    /// Sends a Close frame and goes on reading until the server's comes.
    pub fn close(&mut self) {
        if let ConnectionStage::Open(socket) = &mut self.stage {
            farewell(socket, CloseCode::Normal);
        }
    }

    /// Drops the connection; a Close frame goes ahead where the socket takes it.
    pub fn hang_up(&mut self) {
        self.close();
        self.stage = ConnectionStage::Idle;
        self.stuck_since = None;
    }

    /// What did not come about in time.
    pub fn unfinished(&self) -> (Phase, String) {
        match &self.stage {
            ConnectionStage::Opening(opening) => opening.unfinished(),
            _ => (Phase::Session, "the connection".to_owned()),
        }
    }
}

/// The server's Close frame. The reply is queued by then; it goes out as far as the socket takes it.
fn closed(socket: &mut WebSocket<Metered>, frame: Option<&CloseFrame>) -> Box<Disconnect> {
    let _best_effort = socket.flush();
    match frame {
        // This is what tungstenite makes of a code that must not be sent, such as 1005; the code itself is lost.
        Some(frame) if frame.code == CloseCode::Protocol && frame.reason == "Protocol violation" => {
            let text = "the server broke the WebSocket protocol: a Close frame with a reserved code";
            by_server(Disconnect::fault(Phase::Session, Fault::Protocol, text))
        }
        Some(frame) => Disconnect::closed(Some(frame.code.into()), &frame.reason),
        None => Disconnect::closed(None, ""),
    }
}

fn by_server(mut why: Box<Disconnect>) -> Box<Disconnect> {
    why.by_server = true;
    why
}

/// What ended the connection, said to the server too where it broke the protocol.
fn fail(socket: &mut WebSocket<Metered>, error: &Error) -> Box<Disconnect> {
    let session = |text: &str| Disconnect::new(Phase::Session, text);
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => session("closed"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            by_server(session("the server closed the connection without a Close frame"))
        }
        Error::Io(error) => match TlsError::of(error) {
            Some(error) => session(&format!("TLS failed: {error}")),
            None => session(&format!("connection lost: {}", reason(error))),
        },
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
            let what: &dyn std::fmt::Display = match error {
                Error::Protocol(what) => what,
                other => other,
            };
            let what = what.to_string().to_ascii_lowercase();
            let text = format!("the server broke the WebSocket protocol: {what}");
            Disconnect::fault(Phase::Session, Fault::Protocol, text)
        }
    }
}

/// A Close frame, as far as the socket takes it.
fn farewell(socket: &mut WebSocket<Metered>, code: CloseCode) {
    let _best_effort = socket.close(Some(CloseFrame { code, reason: Utf8Bytes::from_static("") }));
}
