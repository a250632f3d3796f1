//! `--demo`: a monitoring server on loopback that samples this machine, in the loop of the program
//! that watches it.
//!
//! It speaks as monitoring-websocket-server does, so that a newcomer sees the ordinary client path at
//! work. It never blocks, never reads a clock and starts no thread: the loop tells it about events
//! with [`Demo::ready`] and about time with [`Demo::turn`].

mod guest;
mod proc;
mod sample;

use crate::model::time::earliest;
use guest::Client;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use sample::Machine;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

/// The real server's is 0.7 s.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Long enough for the processors to have spent time that can be measured.
const FIRST_SAMPLE_AFTER: Duration = Duration::from_millis(500);

/// The program itself, a reconnection of its own that overtakes the end of the last one, and the
/// curious.
const MOST_GUESTS: usize = 4;

/// The server. Dropping it closes every connection.
pub struct Demo {
    listener: TcpListener,
    address: SocketAddr,
    tokens: (Token, Token),
    /// Accepted since the last turn.
    arrivals: Vec<TcpStream>,
    guests: Vec<Client>,
    /// Some guest has something to read, or could not read all of it in the last turn.
    stirred: bool,
    /// When the last turn was, for a deadline that is due at once.
    turned_at: Option<Instant>,
    /// While somebody listens.
    sample_at: Option<Instant>,
    machine: Machine,
}

impl Demo {
    /// Listens on a free port of 127.0.0.1. Events with the tokens `listener` and `client` are to go
    /// to [`ready`](Demo::ready); all connections share `client`.
    pub fn listen(registry: &Registry, listener: Token, client: Token) -> io::Result<Demo> {
        let mut socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        registry.register(&mut socket, listener, Interest::READABLE)?;
        Ok(Demo {
            address: socket.local_addr()?,
            listener: socket,
            tokens: (listener, client),
            arrivals: Vec::new(),
            guests: Vec::new(),
            stirred: false,
            turned_at: None,
            sample_at: None,
            machine: Machine::new(),
        })
    }

    /// Where to connect to, `ws://127.0.0.1:PORT`.
    pub fn uri(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Takes note of an event. [`turn`](Demo::turn) does what follows from it, and must come after all
    /// events of one poll.
    pub fn ready(&mut self, registry: &Registry, token: Token) {
        if token == self.tokens.0 {
            self.accept(registry);
        }
        self.stirred |= token == self.tokens.1;
    }

    /// When [`turn`](Demo::turn) must come even without an event. It may lie in the past, for a
    /// connection that had more to read than one turn does.
    pub fn deadline(&self) -> Option<Instant> {
        let mut deadline = self.sample_at;
        if self.stirred {
            deadline = earliest(deadline, self.turned_at);
        }
        for guest in &self.guests {
            deadline = earliest(deadline, guest.give_up_at());
        }
        deadline
    }

    /// Lets in who has come, answers what was asked, and sends a sample if one is due.
    pub fn turn(&mut self, mono: Instant, wall: SystemTime) {
        self.turned_at = Some(mono);
        for stream in std::mem::take(&mut self.arrivals) {
            self.guests.push(Client::new(stream, mono));
        }
        if std::mem::take(&mut self.stirred) {
            self.serve(wall);
        }
        self.keep(&mut |guest| guest.give_up_at().is_none_or(|at| mono < at));
        self.tell(mono, wall);
    }

    fn accept(&mut self, registry: &Registry) {
        loop {
            match self.listener.accept() {
                // One too many: closed without a word.
                Ok(_) if self.guests.len() + self.arrivals.len() == MOST_GUESTS => {}
                Ok((stream, _)) => self.welcome(registry, stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // Out of descriptors: whoever waits is accepted together with the next to come.
                Err(error) => return complain("accept", &error),
            }
        }
    }

    fn welcome(&mut self, registry: &Registry, mut stream: TcpStream) {
        let both = Interest::READABLE | Interest::WRITABLE;
        let ready = registry.register(&mut stream, self.tokens.1, both).and_then(|()| stream.set_nodelay(true));
        match ready {
            Ok(()) => self.arrivals.push(stream),
            Err(error) => complain("watch", &error),
        }
        // What it sent before it was registered causes an event of its own, but need not wait for it.
        self.stirred = true;
    }

    fn serve(&mut self, wall: SystemTime) {
        let clients = self.listening();
        for guest in std::mem::take(&mut self.guests) {
            match guest.serve(clients, wall) {
                Ok((guest, more)) => {
                    self.guests.push(guest);
                    self.stirred |= more;
                }
                Err(gone) => log::debug!("demo: a connection has ended: {gone}"),
            }
        }
    }

    fn listening(&self) -> usize {
        self.guests.iter().filter(|guest| guest.give_up_at().is_none()).count()
    }

    /// Closes the connections of all others.
    fn keep(&mut self, is_kept: &mut dyn FnMut(&mut Client) -> bool) {
        self.guests.retain_mut(is_kept);
    }

    /// Samples while somebody listens, so that an idle server causes no wake-up.
    fn tell(&mut self, mono: Instant, wall: SystemTime) {
        match self.sample_at {
            _ if self.listening() == 0 => self.sample_at = None,
            None => {
                self.machine.start();
                self.sample_at = Some(mono + FIRST_SAMPLE_AFTER);
            }
            Some(at) if at <= mono => {
                let message = self.machine.sample(wall);
                self.keep(&mut |guest| guest.tell(&message).is_ok());
                // After a pause the rhythm starts anew; nothing is made up for.
                self.sample_at = Some((at + SAMPLE_EVERY).max(mono + SAMPLE_EVERY / 2));
            }
            Some(_) => {}
        }
    }
}

fn complain(what: &str, error: &io::Error) {
    log::warn!("demo: cannot {what} a connection: {error}");
}
