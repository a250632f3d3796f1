//! One connection, from the dial to the last frame. Never blocks.
//!
//! mio's events are edge-triggered: after one, everything is tried until it would block, and a completed step starts
//! the next one at once, since no further event may come.

mod connect;
mod exchange;
mod failure;
mod fallback;
mod opening;
pub mod route;
mod trace;
mod upgrading;

use std::io;
use std::time::{Duration, Instant};

use mio::{Registry, Token};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Bytes, Error, Message, Utf8Bytes, WebSocket};

use crate::model::duration;
use crate::model::error::{Detail, Disconnect, Fault, Phase};
use crate::model::time::{Now, after};
use crate::net::resolver::ResolverFiles;
use crate::net::stream::{Metered, ReadMemory};
use crate::net::tls::Pool;
use crate::proto::dns::demotion::Choice;
use failure::{closed_by_server, read_failed, send_close};
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
    pub resolver_files: &'l mut ResolverFiles,
    pub connectors: &'l mut Pool,
    /// TLS handshakes that may still begin.
    pub handshakes: &'l mut usize,
    /// Reads the clock: true once the turn has lasted too long to take more.
    pub is_over: &'l mut dyn FnMut() -> bool,
    /// Memory that sockets are read through.
    pub memory: &'l mut ReadMemory,
    /// Takes each message and change of state for the program.
    pub on_message: &'l mut dyn FnMut(&crate::model::event::Message<'_>),
}

/// Returns a variable of the process's environment; `None` if it is not set.
pub fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// Upper bound on the bytes queued for one server.
pub const SEND_BYTES: usize = 64 << 10;
/// A step of opening that has lasted this long waits for the network, and no longer counts against the loop's limits.
const STEP_COUNTS_FOR: Duration = Duration::from_secs(1);
/// The same for the limit of TLS handshakes, which is for processor time: servers that never answer take turns quickly.
const HANDSHAKE_COUNTS_FOR: Duration = Duration::from_millis(250);
/// Initial size of tungstenite's buffer, in bytes. Small, since each connection has one; it grows with the messages.
const READ_BUFFER: usize = 1000;

#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Upper bound on a message in bytes.
    pub max_message: usize,
    /// Upper bound on queued bytes.
    pub send_bytes: usize,
    /// Accepts texts that are not UTF-8.
    pub lossy_utf8: bool,
    /// Time without progress after which a write fails.
    pub write_timeout: Duration,
}

/// A received frame or message.
#[derive(Debug)]
pub enum Frame {
    Text(Utf8Bytes),
    Binary(Bytes),
    Ping,
    /// The number that our ping carried; `None` for an unsolicited pong.
    Pong(Option<u64>),
}

/// The reason why a text was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// No connection is open. The text is not kept for the next one.
    NotOpen,
    /// The queue would exceed 64 KiB with this text, so the text is not queued. A longer one never fits.
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

/// One server's connection. Used again for each reconnection.
pub struct Transport {
    stage: ConnectionStage,
    limits: ConnectionLimits,
    /// The address that the connection was made to, and its rivals; `None` without one, and for a Unix socket.
    choice: Option<Choice>,
    /// True if the opening's reads of this turn are spent.
    is_spent: bool,
    /// The time by which a write must make progress, and the bytes written so far; `None` while nothing is queued.
    stalled: Option<(Instant, u64)>,
    /// True if a redirect has led the latest open connection to another host than the one asked for.
    pub is_elsewhere: bool,
    /// True if the latest connection that was opened is one to `/ws` although the URI has no path.
    pub at_ws: bool,
    /// True if compression is no longer offered: the server upgraded only without the offer, answered it wrongly, or broke
    /// the protocol.
    pub is_plain: bool,
    /// Bytes received on earlier connections since they were opened.
    received_before: u64,
}

enum ConnectionStage {
    Idle,
    /// A dial that failed at once. The next `advance`, in the same turn, reports it.
    Failed(Box<Disconnect>),
    Opening(Box<Opening>),
    Open(Box<WebSocket<Metered>>),
}

impl Transport {
    /// Creates it without a connection.
    pub fn new(limits: ConnectionLimits) -> Self {
        Transport {
            stage: ConnectionStage::Idle,
            limits,
            choice: None,
            is_spent: false,
            stalled: None,
            is_elsewhere: false,
            at_ws: false,
            is_plain: false,
            received_before: 0,
        }
    }

    /// Begins a connection. The next `advance` reports an immediate failure.
    pub fn dial(&mut self, route: Box<Route>, io: &mut LoopIo<'_>) {
        (self.choice, self.stalled) = (None, None);
        self.stage = match Opening::begin(route, io) {
            Ok(opening) => ConnectionStage::Opening(opening),
            Err(why) => ConnectionStage::Failed(why),
        };
    }

    /// Goes as far as possible without waiting. Returns true if the connection has just been opened.
    pub fn advance(&mut self, io: &mut LoopIo<'_>) -> Result<bool, Box<Disconnect>> {
        let stage = std::mem::replace(&mut self.stage, ConnectionStage::Idle);
        self.is_spent = false;
        self.stage = match stage {
            ConnectionStage::Failed(why) => return Err(why),
            ConnectionStage::Opening(mut opening) => {
                opening.begin_turn();
                let progress = opening.advance(io);
                self.is_spent = opening.is_spent();
                self.choice = opening.choice.clone();
                self.is_plain |= progress.as_ref().is_err_and(|why| why.detail == Detail::Extension);
                match progress? {
                    None => ConnectionStage::Opening(opening),
                    Some(upgraded) => {
                        let Route { is_elsewhere, at_ws, compression, .. } = *opening.route;
                        (self.is_elsewhere, self.at_ws, self.is_plain) = (is_elsewhere, at_ws, !compression);
                        self.stage = ConnectionStage::Open(upgraded.into_socket(&self.limits));
                        return Ok(true);
                    }
                }
            }
            stage => stage,
        };
        Ok(false)
    }

    /// Returns the address that the connection was made to, and its rivals; `None` without one, and for a Unix socket.
    pub fn choice(&self) -> Option<&Choice> {
        self.choice.as_ref()
    }

    /// Returns since when it has waited for permission to begin a TLS handshake; `None` unless it waits.
    pub fn queued_since(&self) -> Option<Instant> {
        if let ConnectionStage::Opening(opening) = &self.stage { opening.queued_since() } else { None }
    }

    /// Returns the time until which a handshake under way counts against the loop's limit.
    pub fn busy_until(&self) -> Option<Instant> {
        if let ConnectionStage::Opening(opening) = &self.stage { opening.busy_until() } else { None }
    }

    /// Returns the time until which an opening under way counts against the loop's limit of dials; `None` if it counts
    /// for as long as it waits for permission.
    pub fn counts_until(&self) -> Option<Instant> {
        if let ConnectionStage::Opening(opening) = &self.stage { opening.counts_until() } else { None }
    }

    /// Begins a turn of reading through `memory`, with a new allowance. `ends` is true once an event has reported the end of
    /// the stream or an error. Returns [`received`](Self::received).
    pub fn begin_turn(&mut self, memory: &mut ReadMemory, ends: bool) -> u64 {
        if let ConnectionStage::Open(socket) = &mut self.stage {
            socket.get_mut().begin_turn(memory);
            if !ends {
                socket.get_mut().stop_short();
            }
        }
        self.received()
    }

    /// Ends a turn of reading: returns the memory unless it holds unread bytes.
    pub fn end_turn(&mut self, memory: &mut ReadMemory) {
        if let ConnectionStage::Open(socket) = &mut self.stage {
            socket.get_mut().end_turn(memory);
        }
    }

    /// Returns the bytes received since the connection was opened.
    pub fn received(&self) -> u64 {
        if let ConnectionStage::Open(socket) = &self.stage { socket.get_ref().received() } else { 0 }
    }

    /// Returns the bytes received on all connections since each was opened.
    pub fn total_received(&self) -> u64 {
        self.received_before + self.received()
    }

    /// Reads the next frame that has arrived. After an error the socket must not be read again.
    pub fn next(&mut self) -> Result<Option<Frame>, Box<Disconnect>> {
        let ConnectionStage::Open(socket) = &mut self.stage else { return Ok(None) };
        let frame = match socket.read() {
            Ok(Message::Text(text)) => Frame::Text(text),
            Ok(Message::Binary(bytes)) if socket.get_mut().was_text() => Frame::Text(lossy(&bytes)),
            Ok(Message::Binary(bytes)) => Frame::Binary(bytes),
            Ok(Message::Ping(_)) => Frame::Ping,
            Ok(Message::Pong(payload)) => Frame::Pong(payload.as_ref().try_into().ok().map(u64::from_be_bytes)),
            Ok(Message::Close(frame)) => return Err(closed_by_server(socket, frame.as_ref())),
            // Never returned by `read`.
            Ok(Message::Frame(_)) => return Ok(None),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                if socket.get_ref().is_flooded() {
                    let text = "the server sends records of TLS without data and without end";
                    return Err(Disconnect::fault(Phase::Session, Fault::Protocol, text));
                }
                return Ok(None);
            }
            Err(error) => {
                let why = read_failed(socket, &error);
                // A text that is not UTF-8 may be unpacked with another window than it was packed with.
                self.is_plain |= matches!(why.fault, Some(Fault::Protocol | Fault::InvalidText));
                return Err(why);
            }
        };
        Ok(Some(frame))
    }

    /// Returns true if the turn's bytes or reads are spent, so that more may be waiting.
    pub fn is_spent(&self) -> bool {
        self.is_spent || matches!(&self.stage, ConnectionStage::Open(socket) if socket.get_ref().is_spent())
    }

    /// Writes queued frames, pongs among them, until it would block.
    pub fn flush(&mut self, now: Now) {
        let ConnectionStage::Open(socket) = &mut self.stage else { return };
        match socket.flush() {
            Ok(()) => self.stalled = None,
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                let written = socket.get_ref().written();
                if self.stalled.is_none_or(|(_, before)| before != written) {
                    self.stalled = Some((after(now.mono, self.limits.write_timeout), written));
                }
            }
            // Reading explains the end better, by a Close frame that arrived before it.
            Err(_) => {}
        }
    }

    /// Returns the time by which `advance` is due while opening, or by which a write must make progress.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            ConnectionStage::Opening(opening) => opening.deadline(),
            _ => self.stalled.map(|(by, _)| by),
        }
    }

    /// Fails if a write has made no progress for the write timeout.
    pub fn tick(&mut self, now: Now) -> Result<(), Box<Disconnect>> {
        if self.stalled.is_none_or(|(by, _)| now.mono < by) {
            return Ok(());
        }
        let within = duration::text(self.limits.write_timeout);
        Err(Disconnect::fault(Phase::Session, Fault::WriteStalled, format!("the server accepted no data for {within}")))
    }

    /// Sends a ping with this number. If the queue is full the ping is dropped: a write has stalled then, and its
    /// timeout is running.
    pub fn ping(&mut self, number: u64) {
        if let ConnectionStage::Open(socket) = &mut self.stage {
            let payload = Bytes::copy_from_slice(&number.to_be_bytes());
            let _queued_or_dropped = socket.write(Message::Ping(payload));
        }
    }

    /// Sends a text, or queues it if the socket would block.
    pub fn send(&mut self, text: &str) -> Result<(), SendError> {
        let ConnectionStage::Open(socket) = &mut self.stage else { return Err(SendError::NotOpen) };
        match socket.write(Message::text(text)) {
            Ok(()) => Ok(()),
            // tungstenite has queued it; sending it again would send it twice.
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(Error::WriteBufferFull(_)) => Err(SendError::Full),
            Err(_) => Err(SendError::NotOpen),
        }
    }

    /// Sends a message back. If the queue is full it is dropped.
    pub fn echo(&mut self, frame: Frame) {
        let message = match frame {
            Frame::Text(text) => Message::Text(text),
            Frame::Binary(bytes) => Message::Binary(bytes),
            Frame::Ping | Frame::Pong(_) => return,
        };
        if let ConnectionStage::Open(socket) = &mut self.stage {
            let _queued_or_dropped = socket.write(message);
        }
    }

    /// Sends a Close frame. The caller reads on until the server's arrives.
    pub fn close(&mut self) {
        if let ConnectionStage::Open(socket) = &mut self.stage {
            send_close(socket, CloseCode::Normal);
        }
    }

    /// Drops the connection, after a Close frame unless that would block.
    pub fn hang_up(&mut self) {
        self.close();
        self.received_before = self.total_received();
        self.stage = ConnectionStage::Idle;
        (self.choice, self.stalled) = (None, None);
    }

    /// Describes the step under way, for the text of a timeout.
    pub fn unfinished(&self) -> (Phase, String) {
        match &self.stage {
            ConnectionStage::Opening(opening) => opening.unfinished(),
            _ => (Phase::Session, "the connection".to_owned()),
        }
    }
}

/// Replaces what is not UTF-8 by U+FFFD.
fn lossy(bytes: &Bytes) -> Utf8Bytes {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => text,
        Err(_) => String::from_utf8_lossy(bytes).into_owned().into(),
    }
}
