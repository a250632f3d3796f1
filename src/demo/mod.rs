//! `--demo`: a monitoring server on loopback that samples this machine, in the event loop of the program that watches it.
//!
//! It speaks the protocol of monitoring-websocket-server, so that `--demo` takes the same path as any other server. It
//! never blocks and starts no thread. The loop passes events with [`Demo::ready`] and the time with [`Demo::turn`].

mod client;
mod proc;
mod sample;

use crate::model::time::earliest;
use crate::model::trace;
use crate::net::violation;
use client::Client;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use sample::Machine;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

/// Time between samples; 0.7 s in the real server.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Time to the first sample, in which processor usage is measured.
const FIRST_SAMPLE_AFTER: Duration = Duration::from_millis(500);

/// Upper bound on connections: the program's own, its next one while the last is still closing, and others.
const MAX_CLIENTS: usize = 4;

/// The demo server. Dropping it closes every connection.
pub struct Demo {
    listener: TcpListener,
    address: SocketAddr,
    tokens: (Token, Token),
    /// Connections accepted since the last turn.
    accepted: Vec<TcpStream>,
    clients: Vec<Client>,
    /// True if a client may have something to read.
    is_readable: bool,
    /// Time of the last turn: the deadline while a client may have something to read.
    turned_at: Option<Instant>,
    /// Time of the next sample; set while a connection is open.
    sample_at: Option<Instant>,
    machine: Machine,
}

impl Demo {
    /// Listens on a free port of 127.0.0.1. Events with the tokens `listener` and `client` are to be passed to
    /// [`ready`](Demo::ready); all connections share `client`.
    pub fn listen(registry: &Registry, listener: Token, client: Token) -> io::Result<Demo> {
        let mut socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        registry.register(&mut socket, listener, Interest::READABLE)?;
        Ok(Demo {
            address: socket.local_addr()?,
            listener: socket,
            tokens: (listener, client),
            accepted: Vec::new(),
            clients: Vec::new(),
            is_readable: false,
            turned_at: None,
            sample_at: None,
            machine: Machine::new(),
        })
    }

    /// The server's URI, `ws://127.0.0.1:PORT`.
    pub fn uri(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Records an event, and accepts connections. [`turn`](Demo::turn) must be called after all events of one poll.
    pub fn ready(&mut self, registry: &Registry, token: Token) {
        if token == self.tokens.0 {
            self.accept(registry);
        }
        self.is_readable |= token == self.tokens.1;
    }

    /// The latest time for the next [`turn`](Demo::turn). It lies in the past if a connection has more to read than one
    /// turn reads.
    pub fn deadline(&self) -> Option<Instant> {
        let mut deadline = self.sample_at;
        if self.is_readable {
            deadline = earliest(deadline, self.turned_at);
        }
        for client in &self.clients {
            deadline = earliest(deadline, client.give_up_at());
        }
        deadline
    }

    /// Serves new connections, answers requests, and sends a sample if one is due.
    pub fn turn(&mut self, mono: Instant, wall: SystemTime) {
        self.turned_at = Some(mono);
        for stream in std::mem::take(&mut self.accepted) {
            self.clients.push(Client::new(stream, mono));
        }
        if std::mem::take(&mut self.is_readable) {
            self.serve(wall);
        }
        self.keep(&mut |client| client.give_up_at().is_none_or(|at| mono < at));
        self.send_sample(mono, wall);
    }

    fn accept(&mut self, registry: &Registry) {
        loop {
            match self.listener.accept() {
                // One too many: dropping the stream closes it.
                Ok(_) if self.clients.len() + self.accepted.len() == MAX_CLIENTS => {}
                Ok((stream, _)) => self.register(registry, stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // Out of descriptors: the connections that wait are accepted together with the next one.
                Err(error) => return warn("accept", &error),
            }
        }
    }

    fn register(&mut self, registry: &Registry, mut stream: TcpStream) {
        let both = Interest::READABLE | Interest::WRITABLE;
        let ready = registry.register(&mut stream, self.tokens.1, both).and_then(|()| stream.set_nodelay(true));
        match ready {
            Ok(()) => self.accepted.push(stream),
            Err(error) => warn("watch", &error),
        }
        // Data that arrived before the registration causes an event, but need not wait for it.
        self.is_readable = true;
    }

    fn serve(&mut self, wall: SystemTime) {
        let open = self.open_clients();
        for client in std::mem::take(&mut self.clients) {
            match client.serve(open, wall) {
                Ok((client, more)) => {
                    self.clients.push(client);
                    self.is_readable |= more;
                }
                Err(error) => {
                    trace::debug(format_args!("demo: a connection has ended: {}", violation::describe(&error)))
                }
            }
        }
    }

    fn keep(&mut self, is_kept: &mut dyn FnMut(&mut Client) -> bool) {
        self.clients.retain_mut(is_kept);
    }

    fn open_clients(&self) -> usize {
        self.clients.iter().filter(|client| client.give_up_at().is_none()).count()
    }

    /// Sends a sample if one is due. Without an open connection there is no deadline, so an idle server never wakes up.
    fn send_sample(&mut self, mono: Instant, wall: SystemTime) {
        match self.sample_at {
            _ if self.open_clients() == 0 => self.sample_at = None,
            None => {
                self.machine.start();
                self.sample_at = Some(mono + FIRST_SAMPLE_AFTER);
            }
            Some(at) if at <= mono => {
                let message = self.machine.sample(wall);
                self.keep(&mut |client| client.send(&message).is_ok());
                // After a delay the interval restarts; missed samples are not made up for.
                self.sample_at = Some((at + SAMPLE_EVERY).max(mono + SAMPLE_EVERY / 2));
            }
            Some(_) => {}
        }
    }
}

fn warn(what: &str, error: &io::Error) {
    log::warn!("demo: cannot {what} a connection: {error}");
}
