//! One connection of the demo's server.

use super::sample;
use crate::net::stream::{Metered, Socket, Stream};
use crate::proto::http::upgrade::{self, MAX_HEAD};
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant, SystemTime};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

/// How long a connection may take to ask for its upgrade.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);

/// Messages that are read from one connection in one turn.
const MESSAGES_PER_TURN: usize = 64;

/// No request to this server is longer, and no more output waits for a guest that does not read.
const LIMIT: usize = 64 << 10;

pub(super) enum Client {
    Arriving { stream: TcpStream, request: Vec<u8>, give_up_at: Instant },
    Listening(Box<WebSocket<Metered>>),
}

impl Client {
    pub fn new(stream: TcpStream, mono: Instant) -> Client {
        Client::Arriving { stream, request: Vec::new(), give_up_at: mono + UPGRADE_WITHIN }
    }

    /// `None` for one that listens.
    pub fn give_up_at(&self) -> Option<Instant> {
        match self {
            Client::Arriving { give_up_at, .. } => Some(*give_up_at),
            Client::Listening(_) => None,
        }
    }

    /// Reads and answers what there is. The flag tells that there may be more; an error, that the
    /// connection is over.
    pub fn serve(self, clients: usize, wall: SystemTime) -> Result<(Client, bool), Error> {
        match self {
            Client::Listening(socket) => converse(socket, clients, wall),
            Client::Arriving { mut stream, mut request, give_up_at } => {
                receive(&mut stream, &mut request)?;
                match upgrade::serve(&request) {
                    Ok(None) => Ok((Client::Arriving { stream, request, give_up_at }, false)),
                    Ok(Some((answer, consumed))) => {
                        send(&mut stream, &answer)?;
                        converse(open(stream, &request[consumed..], wall)?, clients + 1, wall)
                    }
                    Err(refusal) => {
                        send(&mut stream, &refusal)?;
                        Err(io::Error::new(ErrorKind::InvalidData, "asked for something else than an upgrade").into())
                    }
                }
            }
        }
    }

    /// Sends a message to one that listens. An error means that the connection is over, or that the
    /// other side has stopped reading.
    pub fn tell(&mut self, message: &str) -> Result<(), Error> {
        match self {
            Client::Listening(socket) => unless_blocked(socket.send(Message::text(message))),
            Client::Arriving { .. } => Ok(()),
        }
    }
}

/// Reads until the socket is empty (mio tells of each arrival once) or no head can be that long.
fn receive(stream: &mut TcpStream, request: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 1024];
    while request.len() <= MAX_HEAD {
        match stream.read(&mut piece) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => request.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The first bytes on a connection: a send buffer that cannot take these few is as good as closed.
fn send(stream: &mut TcpStream, answer: &str) -> io::Result<()> {
    stream.write_all(answer.as_bytes())
}

fn open(stream: TcpStream, rest: &[u8], wall: SystemTime) -> Result<Box<WebSocket<Metered>>, Error> {
    let config = WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(LIMIT)
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT));
    let mut socket = WebSocket::from_partially_read(
        Metered::new(Stream::Plain(Socket::Tcp(stream))),
        rest.to_vec(),
        Role::Server,
        Some(config),
    );
    unless_blocked(socket.send(Message::text(sample::welcome(wall))))?;
    Ok(Box::new(socket))
}

fn converse(mut socket: Box<WebSocket<Metered>>, clients: usize, wall: SystemTime) -> Result<(Client, bool), Error> {
    // Not settled: a guest keeps its block.
    socket.get_mut().begin_turn(&mut Vec::new());
    unless_blocked(socket.flush())?;
    for _ in 0..MESSAGES_PER_TURN {
        let message = match socket.read() {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                let more = socket.get_ref().is_spent();
                return Ok((Client::Listening(socket), more));
            }
            message => message?,
        };
        // The real server, too, reads binary frames as text.
        if !(message.is_text() || message.is_binary()) {
            continue;
        }
        if let Some(answer) = sample::answer(message.to_text().unwrap_or_default(), clients, wall) {
            unless_blocked(socket.send(Message::text(answer)))?;
        }
    }
    // A pong may be waiting.
    unless_blocked(socket.flush())?;
    Ok((Client::Listening(socket), true))
}

/// What would block is queued; tungstenite sends it with the next flush.
fn unless_blocked(sent: Result<(), Error>) -> Result<(), Error> {
    match sent {
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        sent => sent,
    }
}
