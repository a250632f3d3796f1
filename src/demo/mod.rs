//! `--demo`: servers on loopback in the event loop of the program that watches them. One samples this machine; or five, of
//! the five dialects, follow a script in which something fails.
//!
//! They speak the protocols of the real servers, so that `--demo` takes the same path as any other server. They never
//! block and start no thread. The loop passes events with [`Demo::ready`] and the time with [`Demo::turn`].

mod client;
mod proc;
mod sample;
mod script;

use crate::model::time::earliest;
use crate::model::trace;
use crate::net::violation;
use client::Client;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use sample::Machine;
use script::{CYCLE, FLEET, Scene};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

/// Time between samples; 0.7 s in the real server.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Time to the first sample, in which processor usage is measured.
const FIRST_SAMPLE_AFTER: Duration = Duration::from_millis(500);

/// Upper bound on connections to one server: the program's own, its next one while the last is still closing, and others.
const MAX_CLIENTS: usize = 4;

/// The demo servers. Dropping them closes every connection.
pub struct Demo {
    /// One that samples this machine, or one for each of [`FLEET`].
    listeners: Vec<(TcpListener, SocketAddr)>,
    tokens: (Token, Token),
    /// Connections accepted since the last turn.
    accepted: Vec<(TcpStream, usize)>,
    /// Each with the place of its server among the listeners.
    clients: Vec<(Client, usize)>,
    /// True if a client may have something to read.
    is_readable: bool,
    /// Time of the last turn: the deadline while a client may have something to read.
    turned_at: Option<Instant>,
    /// Time of the next sample; set while a connection is open.
    sample_at: Option<Instant>,
    /// Place in the scripts.
    tick: u8,
    machine: Machine,
}

impl Demo {
    /// Listens on a free port of 127.0.0.1 as a server that samples this machine, or on five as servers of the five
    /// dialects, which follow a script of 20 seconds. Events with the tokens `listener` and `client` are to be passed to
    /// [`ready`](Demo::ready); all connections share `client`.
    pub fn listen(registry: &Registry, listener: Token, client: Token, as_fleet: bool) -> io::Result<Demo> {
        let servers = if as_fleet { FLEET.len() } else { 1 };
        let mut listeners = Vec::new();
        for _ in 0..servers {
            let mut socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
            registry.register(&mut socket, listener, Interest::READABLE)?;
            let address = socket.local_addr()?;
            listeners.push((socket, address));
        }
        Ok(Demo {
            listeners,
            tokens: (listener, client),
            accepted: Vec::new(),
            clients: Vec::new(),
            is_readable: false,
            turned_at: None,
            sample_at: None,
            tick: 0,
            machine: Machine::new(),
        })
    }

    /// The servers as they are written on a command line, `NAME=SCHEME://127.0.0.1:PORT`.
    pub fn places(&self) -> Vec<String> {
        let mut places = Vec::new();
        for ((_, address), script) in self.listeners.iter().zip(FLEET) {
            let of_fleet = script.split('\n').next().unwrap_or_default();
            places.push(format!("{}://{address}", if self.is_fleet() { of_fleet } else { "demo=ws" }));
        }
        places
    }

    fn is_fleet(&self) -> bool {
        self.listeners.len() > 1
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
        for (client, _) in &self.clients {
            deadline = earliest(deadline, client.give_up_at());
        }
        deadline
    }

    /// Serves new connections, answers requests, and sends a sample if one is due.
    pub fn turn(&mut self, mono: Instant, wall: SystemTime) {
        self.turned_at = Some(mono);
        for (stream, server) in std::mem::take(&mut self.accepted) {
            self.clients.push((Client::new(stream, mono), server));
        }
        if std::mem::take(&mut self.is_readable) {
            self.serve(wall);
        }
        self.keep(&mut |client, _| client.give_up_at().is_none_or(|at| mono < at));
        self.send_sample(mono, wall);
    }

    fn accept(&mut self, registry: &Registry) {
        let mut at = 0;
        while let Some((listener, _)) = self.listeners.get(at) {
            let is_full = self.clients.len() + self.accepted.len() == MAX_CLIENTS * self.listeners.len();
            match listener.accept() {
                // One too many: dropping the stream closes it.
                Ok(_) if is_full => {}
                Ok((stream, _)) => self.register(registry, stream, at),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => at += 1,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // Out of descriptors: the connections that wait are accepted together with the next one.
                Err(error) => return warn("accept", &error),
            }
        }
    }

    fn register(&mut self, registry: &Registry, mut stream: TcpStream, server: usize) {
        let both = Interest::READABLE | Interest::WRITABLE;
        let ready = registry.register(&mut stream, self.tokens.1, both).and_then(|()| stream.set_nodelay(true));
        match ready {
            Ok(()) => self.accepted.push((stream, server)),
            Err(error) => warn("watch", &error),
        }
        // Data that arrived before the registration causes an event, but need not wait for it.
        self.is_readable = true;
    }

    fn serve(&mut self, wall: SystemTime) {
        let open = self.open_clients();
        for (client, server) in std::mem::take(&mut self.clients) {
            match client.serve(self.scene(server, open, wall)) {
                Ok((client, more)) => {
                    self.clients.push((client, server));
                    self.is_readable |= more;
                }
                Err(error) => {
                    trace::debug(format_args!("demo: a connection has ended: {}", violation::describe(&error)))
                }
            }
        }
    }

    fn scene(&self, server: usize, clients: usize, wall: SystemTime) -> Scene {
        let script = FLEET.get(server).copied().unwrap_or_default();
        Scene { script, tick: self.tick, clients, wall }
    }

    fn keep(&mut self, is_kept: &mut dyn FnMut(&mut Client, usize) -> bool) {
        self.clients.retain_mut(|(client, server)| is_kept(client, *server));
    }

    fn open_clients(&self) -> usize {
        self.clients.iter().filter(|(client, _)| client.give_up_at().is_none()).count()
    }

    /// Sends a sample if one is due. Without an open connection there is no deadline, so an idle server never wakes up.
    fn send_sample(&mut self, mono: Instant, wall: SystemTime) {
        match self.sample_at {
            _ if self.open_clients() == 0 => (self.sample_at, self.tick) = (None, 0),
            None => {
                self.machine.start();
                self.sample_at = Some(mono + FIRST_SAMPLE_AFTER);
            }
            Some(at) if at <= mono => {
                self.play(wall);
                self.tick = (self.tick + 1) % CYCLE;
                // After a delay the interval restarts; missed samples are not made up for.
                self.sample_at = Some((at + SAMPLE_EVERY).max(mono + SAMPLE_EVERY / 2));
            }
            Some(_) => {}
        }
    }

    /// Sends what the servers have to say at this tick.
    fn play(&mut self, wall: SystemTime) {
        if !self.is_fleet() {
            let sample = self.machine.sample(wall);
            self.send(0, &sample);
            return;
        }
        let open = self.open_clients();
        for server in 0..self.listeners.len() {
            let scene = self.scene(server, open, wall);
            if scene.is_lost() {
                self.keep(&mut |_, of| of != server);
            }
            scene.each_due(&mut |text| self.send(server, &text));
        }
    }

    fn send(&mut self, server: usize, text: &str) {
        self.keep(&mut |client, of| of != server || client.send(text).is_ok());
    }
}

fn warn(what: &str, error: &io::Error) {
    log::warn!("demo: cannot {what} a connection: {error}");
}
