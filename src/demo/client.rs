//! One connection to the demo server.

use super::script::Scene;
use crate::net::stream::{Metered, ReadMemory, Stream};
use crate::proto::http::upgrade::{self, MAX_HEAD};
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

/// Upper bound on the time from the connection to its complete upgrade request.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);

/// Upper bound on the messages read from one connection in one turn.
const MESSAGES_PER_TURN: usize = 64;

/// Upper bound in bytes on a message from a client, and on the output queued for a client that does not read.
const MAX_BYTES: usize = 64 << 10;

pub(super) enum Client {
    Upgrading { stream: TcpStream, request: Vec<u8>, give_up_at: Instant },
    Open(Box<WebSocket<Metered>>),
}

impl Client {
    pub fn new(stream: TcpStream, mono: Instant) -> Client {
        Client::Upgrading { stream, request: Vec::new(), give_up_at: mono + UPGRADE_WITHIN }
    }

    /// The deadline of the upgrade; `None` once the connection is open.
    pub fn give_up_at(&self) -> Option<Instant> {
        match self {
            Client::Upgrading { give_up_at, .. } => Some(*give_up_at),
            Client::Open(_) => None,
        }
    }

    /// Reads requests and answers them. The flag is true if there may be more to read; after an error the connection is
    /// to be dropped.
    pub fn serve(self, mut scene: Scene) -> Result<(Client, bool), Error> {
        match self {
            Client::Open(socket) => answer_requests(socket, &scene),
            Client::Upgrading { mut stream, mut request, give_up_at } => {
                read_request(&mut stream, &mut request)?;
                match upgrade::serve(&request) {
                    Ok(None) => Ok((Client::Upgrading { stream, request, give_up_at }, false)),
                    Ok(Some((answer, consumed))) => {
                        // The first bytes on a connection: a send buffer that is full already counts as an error.
                        stream.write_all(answer.as_bytes())?;
                        scene.clients += 1;
                        answer_requests(open(stream, &request[consumed..], scene.greeting())?, &scene)
                    }
                    Err(refusal) => {
                        stream.write_all(refusal.as_bytes())?;
                        Err(io::Error::new(ErrorKind::InvalidData, "not an upgrade request").into())
                    }
                }
            }
        }
    }

    /// Sends a message if the connection is open. An error means that it has ended, or that the client has stopped
    /// reading.
    pub fn send(&mut self, message: &str) -> Result<(), Error> {
        match self {
            Client::Open(socket) => ignore_would_block(socket.send(Message::text(message))),
            Client::Upgrading { .. } => Ok(()),
        }
    }
}

/// Reads until the socket is empty, as mio's edge-triggered events demand, or the head is too long.
fn read_request(stream: &mut TcpStream, request: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 1024];
    while request.len() <= MAX_HEAD {
        match stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => request.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn open(stream: TcpStream, rest: &[u8], greeting: String) -> Result<Box<WebSocket<Metered>>, Error> {
    let config = WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_BYTES)
        .max_message_size(Some(MAX_BYTES))
        .max_frame_size(Some(MAX_BYTES));
    let mut socket = WebSocket::from_partially_read(
        Metered::new(Stream::Plain(stream.into())),
        rest.to_vec(),
        Role::Server,
        Some(config),
    );
    ignore_would_block(socket.send(Message::text(greeting)))?;
    Ok(Box::new(socket))
}

fn answer_requests(mut socket: Box<WebSocket<Metered>>, scene: &Scene) -> Result<(Client, bool), Error> {
    // The stream allocates a read block of its own, and keeps it: there are few clients.
    socket.get_mut().begin_turn(&mut ReadMemory::default());
    ignore_would_block(socket.flush())?;
    for _ in 0..MESSAGES_PER_TURN {
        let message = match socket.read() {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                let more = socket.get_ref().is_spent();
                return Ok((Client::Open(socket), more));
            }
            message => message?,
        };
        // The real server reads binary frames as text, too.
        if !(message.is_text() || message.is_binary()) {
            continue;
        }
        if let Some(answer) = scene.answer(message.to_text().unwrap_or_default()) {
            ignore_would_block(socket.send(Message::text(answer)))?;
        }
    }
    // A pong may be queued.
    ignore_would_block(socket.flush())?;
    Ok((Client::Open(socket), true))
}

/// A write that would block has been queued: tungstenite sends it with the next flush.
fn ignore_would_block(sent: Result<(), Error>) -> Result<(), Error> {
    match sent {
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        sent => sent,
    }
}
