//! `--listen`: pages over HTTP for Prometheus and for probes, in the event loop of the run.
//!
//! A connection has one request. Its number, size and time are bounded, so that no client can keep another one waiting:
//! idle connections give way to new ones.

mod answer;
#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use wsmon::internal::earliest;

use super::Failure;
pub use answer::Page;

/// Upper bound on connections.
const MAX_CLIENTS: usize = 16;

/// Upper bound on the time from a connection to the end of the answer.
const WITHIN: Duration = Duration::from_secs(10);

/// Time until connections are accepted again after a failure, such as one for want of descriptors.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Upper bound in bytes on what is read and ignored of one connection after its request.
const MAX_IGNORED: usize = 256 << 10;

/// Contents of the pages, as [`answer::answer`] asks for them.
pub type Content<'c> = &'c mut dyn FnMut(Page) -> (bool, String);

/// The listening socket and its connections. Dropping it closes all of them.
pub struct Listener {
    socket: TcpListener,
    /// Those of the socket and of all connections.
    tokens: [Token; 2],
    /// In the order in which they came.
    clients: Vec<Client>,
    /// True if a connection may have something to read or room to write.
    is_ready: bool,
    /// Time at which waiting connections are to be accepted.
    accept_at: Option<Instant>,
    /// The latest attempt to accept has failed.
    is_broken: bool,
}

impl Listener {
    /// Listens. Events with one of the tokens are to be passed to [`ready`](Listener::ready). The address of a recently
    /// ended run is free: mio sets SO_REUSEADDR.
    pub fn open(address: SocketAddr, registry: &Registry, tokens: [Token; 2]) -> io::Result<Listener> {
        let mut socket = TcpListener::bind(address)?;
        registry.register(&mut socket, tokens[0], Interest::READABLE)?;
        log::info!("listening on http://{}/metrics", socket.local_addr()?);
        Ok(Listener { socket, tokens, clients: Vec::new(), is_ready: false, accept_at: None, is_broken: false })
    }

    /// Records an event. [`turn`](Listener::turn) must be called after all events of one poll.
    pub fn ready(&mut self, token: Token, now: Instant) {
        self.is_ready |= token == self.tokens[1];
        if token == self.tokens[0] {
            self.accept_at = Some(now);
        }
    }

    /// The latest time for the next [`turn`](Listener::turn).
    pub fn deadline(&self) -> Option<Instant> {
        self.clients.iter().fold(self.accept_at, |at, client| earliest(at, Some(client.give_up_at)))
    }

    /// Goes on with the connections that are ready, ends those that take too long, and accepts new ones.
    pub fn turn(&mut self, registry: &Registry, now: Instant, content: Content<'_>) {
        let is_ready = std::mem::take(&mut self.is_ready);
        self.clients.retain_mut(|client| {
            let goes_on = !is_ready || client.serve(content).is_ok();
            goes_on && now < client.give_up_at
        });
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept(registry, now, content);
        }
    }

    /// Accepts connections, as many at once as there may be. Each is served at once, so that one whose request has arrived
    /// does not give way to the next.
    fn accept(&mut self, registry: &Registry, now: Instant, content: Content<'_>) {
        for _ in 0..MAX_CLIENTS {
            let accepted = match self.socket.accept() {
                Ok((stream, _)) => Client::new(registry, stream, self.tokens[1], now),
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accept_at = None;
                    return;
                }
                Err(error) => Err(error),
            };
            let was_broken = std::mem::replace(&mut self.is_broken, accepted.is_err());
            match accepted {
                Ok(mut client) => {
                    if client.serve(content).is_ok() {
                        self.make_room();
                        self.clients.push(client);
                    }
                }
                Err(error) => {
                    if !was_broken {
                        log::warn!("--listen: cannot accept a connection: {}", Failure::words(&error));
                    }
                    self.accept_at = Some(now + RETRY_AFTER);
                    return;
                }
            }
        }
    }

    /// Closes a connection if there are as many as there may be: the oldest one that has its answer, else the oldest one
    /// that has not finished its request, else the oldest one.
    fn make_room(&mut self) {
        if self.clients.len() < MAX_CLIENTS {
            return;
        }
        let oldest = |phase: Phase| self.clients.iter().position(|client| client.phase == phase);
        let at = oldest(Phase::Closing).or_else(|| oldest(Phase::Request));
        self.clients.remove(at.unwrap_or_default());
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Request,
    Answer,
    /// All is sent. Closing the connection while something of the client is unread would reset it, and the client could
    /// lose the answer: its end is waited for.
    Closing,
}

struct Client {
    stream: TcpStream,
    give_up_at: Instant,
    phase: Phase,
    /// The part of the request that has come, or the part of the answer that is left to send.
    bytes: Vec<u8>,
    /// Bytes of the answer that were sent, then bytes that were ignored.
    count: usize,
}

impl Client {
    fn new(registry: &Registry, mut stream: TcpStream, token: Token, now: Instant) -> io::Result<Client> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Client { stream, give_up_at: now + WITHIN, phase: Phase::Request, bytes: Vec::new(), count: 0 })
    }

    /// Reads and writes until the socket is empty or full, as mio's edge-triggered events demand. After an error the
    /// connection is to be dropped; its regular end is one.
    fn serve(&mut self, content: Content<'_>) -> io::Result<()> {
        loop {
            let progress = match self.phase {
                Phase::Request => self.read(content),
                Phase::Answer => self.write(),
                Phase::Closing => self.ignore(),
            };
            match progress {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }

    fn read(&mut self, content: Content<'_>) -> io::Result<()> {
        let mut buffer = [0; 2048];
        let length = read_some(&mut self.stream, &mut buffer)?;
        self.bytes.extend_from_slice(&buffer[..length]);
        if let Some(answer) = answer::answer(&self.bytes, content) {
            (self.phase, self.bytes) = (Phase::Answer, answer);
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        self.count += self.stream.write(&self.bytes[self.count..])?;
        if self.count == self.bytes.len() {
            self.stream.shutdown(Shutdown::Write)?;
            (self.phase, self.bytes, self.count) = (Phase::Closing, Vec::new(), 0);
        }
        Ok(())
    }

    fn ignore(&mut self) -> io::Result<()> {
        self.count += read_some(&mut self.stream, &mut [0; 4096])?;
        if self.count > MAX_IGNORED { Err(ErrorKind::InvalidData.into()) } else { Ok(()) }
    }
}

/// Reads at least one byte. The end of the stream is an error.
fn read_some(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    match stream.read(buffer)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        length => Ok(length),
    }
}
