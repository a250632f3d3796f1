//! From a host's name to a connected socket: the lookup, and the race of its addresses.

use std::net::SocketAddr;
use std::time::Instant;
use std::{io, path::Path};

use mio::Interest;
use mio::net::{TcpStream, UnixStream};

use super::LoopIo;
use crate::model::error::{Disconnect, Phase, reason};
use crate::model::time::earliest;
use crate::net::resolver::LookupDriver;
use crate::net::stream::Socket;
use crate::proto::dns::HostQuery;
use crate::proto::dns::happy_eyeballs::{AttemptAction, AttemptInput, HappyEyeballs};

/// On the way to a connected socket.
#[derive(Debug)]
pub struct Connecting {
    lookup: Option<LookupDriver>,
    race: HappyEyeballs,
    attempts: Vec<OpenAttempt>,
}

#[derive(Debug)]
struct OpenAttempt {
    number: usize,
    address: SocketAddr,
    stream: TcpStream,
}

/// A socket that is connected, and to what.
pub type Reached = (Socket, String);

impl Connecting {
    /// Begins with the lookup.
    pub fn begin(wish: HostQuery<'_>, ground: &mut LoopIo<'_>) -> Self {
        let now = ground.now.mono;
        let lookup = LookupDriver::begin(wish, ground.names, ground.token, now, ground.random);
        Connecting { lookup: Some(lookup), race: HappyEyeballs::begin(Vec::new(), true, now), attempts: Vec::new() }
    }

    /// Goes as far as possible without waiting.
    pub fn advance(&mut self, ground: &mut LoopIo<'_>) -> Result<Option<Reached>, Box<Disconnect>> {
        let mut inputs = Vec::new();
        self.look(ground, &mut inputs)?;
        for attempt in &self.attempts {
            inputs.extend(attempt.outcome());
        }
        inputs.push(AttemptInput::Tick);
        for input in inputs {
            if let Some(reached) = self.run(input, ground)? {
                return Ok(Some(reached));
            }
        }
        Ok(None)
    }

    /// When to be advanced at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        earliest(self.lookup.as_ref().and_then(LookupDriver::deadline), self.race.deadline())
    }

    /// What has not come about yet, for a time-out: the phase, and the addresses tried.
    pub fn unfinished(&self, host: &str) -> (Phase, String) {
        let looking = self.lookup.as_ref().map_or_else(|| format!("resolve {host}"), LookupDriver::unfinished);
        if self.race.is_fresh() {
            return (Phase::Resolve, looking);
        }
        let (failures, running) = (self.race.failures(), self.race.unfinished());
        let open = if running.is_empty() { looking } else { running };
        let semicolon = if failures.is_empty() || open.is_empty() { "" } else { "; " };
        (Phase::Connect, format!("connect to {failures}{semicolon}{open}"))
    }

    fn look(&mut self, ground: &mut LoopIo<'_>, inputs: &mut Vec<AttemptInput>) -> Result<(), Box<Disconnect>> {
        let Some(lookup) = &mut self.lookup else { return Ok(()) };
        let is_done = match lookup.advance(ground.registry, ground.now.mono, ground.random) {
            Ok(found) => {
                if let Some(found) = found {
                    inputs.push(AttemptInput::Added(found));
                }
                lookup.is_done()
            }
            // The one family may have come before the other failed.
            Err(why) if self.race.is_fresh() => return Err(Disconnect::new(Phase::Resolve, why)),
            Err(_) => true,
        };
        if is_done {
            self.lookup = None;
            inputs.push(AttemptInput::NoMore);
        }
        Ok(())
    }

    /// Lets the race go on until it waits.
    fn run(&mut self, input: AttemptInput, ground: &mut LoopIo<'_>) -> Result<Option<Reached>, Box<Disconnect>> {
        if let AttemptInput::Failed(number, _) = &input {
            drop(self.take(*number));
        }
        let mut next = self.race.handle(ground.now.mono, input);
        loop {
            next = match next {
                AttemptAction::Nothing => return Ok(None),
                AttemptAction::Lost(why) => return Err(Disconnect::new(Phase::Connect, format!("connect to {why}"))),
                AttemptAction::Won(number) => {
                    let won = self.take(number);
                    // The others are closed; the race hands out numbers of attempts that were begun.
                    self.attempts.clear();
                    return Ok(won.map(|won| (Socket::Tcp(won.stream), won.address.to_string())));
                }
                AttemptAction::Start(number, address) => match connect(ground, address) {
                    Ok(stream) => {
                        self.attempts.push(OpenAttempt { number, address, stream });
                        self.race.handle(ground.now.mono, AttemptInput::Tick)
                    }
                    Err(error) => self.race.handle(ground.now.mono, AttemptInput::Failed(number, reason(&error))),
                },
            }
        }
    }

    fn take(&mut self, number: usize) -> Option<OpenAttempt> {
        let at = self.attempts.iter().position(|attempt| attempt.number == number)?;
        Some(self.attempts.remove(at))
    }
}

impl OpenAttempt {
    /// Connected, failed, or neither yet.
    fn outcome(&self) -> Option<AttemptInput> {
        let error = match self.stream.take_error() {
            Ok(None) => match self.stream.peer_addr() {
                Ok(_) => return Some(AttemptInput::Connected(self.number)),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return None,
                Err(error) => error,
            },
            Ok(Some(error)) | Err(error) => error,
        };
        Some(AttemptInput::Failed(self.number, reason(&error)))
    }
}

/// A Unix socket is connected at once or not at all.
pub fn unix(path: &Path, ground: &LoopIo<'_>) -> Result<Reached, Box<Disconnect>> {
    let at = crate::model::text::escape(&path.to_string_lossy()).into_owned();
    let connect = || {
        let mut stream = UnixStream::connect(path)?;
        ground.registry.register(&mut stream, ground.token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(stream)
    };
    match connect() {
        Ok(stream) => Ok((Socket::Unix(stream), at)),
        Err(error) => Err(Disconnect::io(Phase::Connect, &format!("connect to {at}"), &error)),
    }
}

fn connect(ground: &LoopIo<'_>, address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    // Without it a pong after a burst waits up to 40 ms for the server's delayed acknowledgement.
    stream.set_nodelay(true)?;
    ground.registry.register(&mut stream, ground.token, Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}
