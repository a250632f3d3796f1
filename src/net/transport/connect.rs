//! Connects a socket: looks up the host, and tries its addresses by Happy Eyeballs.

use std::net::SocketAddr;
use std::time::Instant;
use std::{io, path::Path};

use mio::Interest;
use mio::net::{TcpStream, UnixStream};

use super::LoopIo;
use super::route::Route;
use super::trace::millis;
use crate::model::error::{Detail, Disconnect, Phase, reason};
use crate::model::time::earliest;
use crate::net::resolver::{DNS, LookupDriver};
use crate::net::socket::Socket;
use crate::proto::dns::HostQuery;
use crate::proto::dns::demotion::Choice;
use crate::proto::dns::happy_eyeballs::{AttemptAction, AttemptInput, HappyEyeballs};

/// A socket that is being connected.
#[derive(Debug)]
pub struct Connecting {
    lookup: Option<LookupDriver>,
    happy_eyeballs: HappyEyeballs,
    attempts: Vec<OpenAttempt>,
    /// The latest failure of an attempt.
    failure: Detail,
}

#[derive(Debug)]
struct OpenAttempt {
    number: usize,
    address: SocketAddr,
    stream: TcpStream,
    begun_at: Instant,
}

/// A connected socket, the address for messages, and the choice that led to it; a Unix socket has none.
pub type Connected = (Socket, String, Option<Choice>);

impl Connecting {
    /// Begins the lookup. The demoted addresses of the route are tried last.
    pub fn begin(query: HostQuery<'_>, route: &Route, io: &mut LoopIo<'_>) -> Self {
        let now = io.now.mono;
        let lookup = LookupDriver::begin(query, io.resolver_files, io.token, now, io.random);
        if lookup.source() == DNS {
            route.trace(format_args!("{}", lookup.unfinished()));
        }
        Connecting {
            lookup: Some(lookup),
            happy_eyeballs: HappyEyeballs::begin(route.demoted.clone(), query.within, now),
            attempts: Vec::new(),
            failure: Detail::None,
        }
    }

    /// Goes as far as possible without waiting.
    pub fn advance(&mut self, route: &Route, io: &mut LoopIo<'_>) -> Result<Option<Connected>, Box<Disconnect>> {
        let mut inputs = Vec::new();
        self.advance_lookup(route, io, &mut inputs)?;
        for attempt in &self.attempts {
            match attempt.outcome() {
                Ok(true) => inputs.push(AttemptInput::Connected(attempt.number)),
                Ok(false) => {}
                Err(error) => {
                    self.failure = Detail::Io(error.kind());
                    inputs.push(AttemptInput::Failed(attempt.number, reason(&error)));
                }
            }
        }
        inputs.push(AttemptInput::Tick);
        for input in inputs {
            if let Some(connected) = self.handle(input, route, io)? {
                return Ok(Some(connected));
            }
        }
        Ok(None)
    }

    /// Returns the latest time for the next `advance`.
    pub fn deadline(&self) -> Option<Instant> {
        earliest(self.lookup.as_ref().and_then(LookupDriver::deadline), self.happy_eyeballs.deadline())
    }

    /// Describes the step under way for a timeout: the phase, and the addresses tried.
    pub fn unfinished(&self, host: &str) -> (Phase, String) {
        let lookup = self.lookup.as_ref().map_or_else(|| format!("resolve {host}"), LookupDriver::unfinished);
        if self.happy_eyeballs.is_fresh() {
            return (Phase::Resolve, lookup);
        }
        let (failures, pending) = (self.happy_eyeballs.failures(), self.happy_eyeballs.unfinished());
        let pending = if pending.is_empty() { lookup } else { pending };
        let semicolon = if failures.is_empty() || pending.is_empty() { "" } else { "; " };
        (Phase::Connect, format!("connect to {failures}{semicolon}{pending}"))
    }

    fn advance_lookup(
        &mut self,
        route: &Route,
        io: &mut LoopIo<'_>,
        inputs: &mut Vec<AttemptInput>,
    ) -> Result<(), Box<Disconnect>> {
        let Some(lookup) = &mut self.lookup else { return Ok(()) };
        let is_done = match lookup.advance(io.registry, io.now.mono, io.random) {
            Ok(found) => {
                if let Some(found) = found {
                    let mut addresses = Vec::new();
                    for address in &found {
                        addresses.push(address.to_string());
                    }
                    route.trace(format_args!("addresses from {}: {}", lookup.source(), addresses.join(", ")));
                    inputs.push(AttemptInput::Added(found));
                }
                lookup.is_done()
            }
            // Addresses of the other family may already be there.
            Err(why) if self.happy_eyeballs.is_fresh() => return Err(why),
            Err(_) => true,
        };
        if is_done {
            self.lookup = None;
            inputs.push(AttemptInput::NoMore);
        }
        Ok(())
    }

    /// Passes an input to Happy Eyeballs and carries out its actions until it waits.
    fn handle(
        &mut self,
        input: AttemptInput,
        route: &Route,
        io: &mut LoopIo<'_>,
    ) -> Result<Option<Connected>, Box<Disconnect>> {
        if let AttemptInput::Failed(number, why) = &input {
            if let Some(failed) = self.remove(*number) {
                route.trace(format_args!("{}: {why}", failed.address));
            }
        }
        let mut next = self.happy_eyeballs.handle(io.now.mono, input);
        loop {
            next = match next {
                AttemptAction::Nothing => return Ok(None),
                AttemptAction::Lost(why) => {
                    let mut why = Disconnect::new(Phase::Connect, format!("connect to {why}"));
                    why.detail = self.failure;
                    return Err(why);
                }
                AttemptAction::Won(number) => {
                    let won = self.remove(number);
                    let choice = self.happy_eyeballs.choice(number);
                    // This closes the others.
                    self.attempts.clear();
                    return Ok(won.map(|OpenAttempt { stream, address, begun_at, .. }| {
                        route.trace(format_args!("connected to {address} in {}", millis(io.now.mono - begun_at)));
                        (stream.into(), address.to_string(), choice)
                    }));
                }
                AttemptAction::Start(number, address) => match connect(io, address) {
                    Ok(stream) => {
                        route.trace(format_args!("trying {address}"));
                        self.attempts.push(OpenAttempt { number, address, stream, begun_at: io.now.mono });
                        self.happy_eyeballs.handle(io.now.mono, AttemptInput::Tick)
                    }
                    Err(error) => {
                        let why = reason(&error);
                        self.failure = Detail::Io(error.kind());
                        route.trace(format_args!("{address}: {why}"));
                        self.happy_eyeballs.handle(io.now.mono, AttemptInput::Failed(number, why))
                    }
                },
            }
        }
    }

    fn remove(&mut self, number: usize) -> Option<OpenAttempt> {
        let at = self.attempts.iter().position(|attempt| attempt.number == number)?;
        Some(self.attempts.remove(at))
    }
}

impl OpenAttempt {
    /// Returns true if the attempt has succeeded; false while it is under way.
    fn outcome(&self) -> io::Result<bool> {
        match self.stream.take_error()? {
            None => match self.stream.peer_addr() {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
                Err(error) => Err(error),
            },
            Some(error) => Err(error),
        }
    }
}

/// Connects a Unix socket, which succeeds or fails at once.
pub fn unix(path: &Path, io: &LoopIo<'_>) -> Result<Connected, Box<Disconnect>> {
    let displayed = crate::model::text::escape(&path.to_string_lossy()).into_owned();
    let connect = || {
        let mut stream = UnixStream::connect(path)?;
        io.registry.register(&mut stream, io.token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(stream)
    };
    match connect() {
        Ok(stream) => Ok((stream.into(), displayed, None)),
        Err(error) => Err(Disconnect::io(Phase::Connect, &format!("connect to {displayed}"), &error)),
    }
}

fn connect(io: &LoopIo<'_>, address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    // With Nagle's algorithm a pong after a burst would wait up to 40 ms for the server's delayed acknowledgement.
    stream.set_nodelay(true)?;
    io.registry.register(&mut stream, io.token, Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}
