//! Opens a WebSocket: connects, then asks the proxy for a tunnel, does the TLS handshake and the upgrade.
//!
//! A refused upgrade may begin all steps again by another [`route`](Route::fall_back). Any other failure is the end.

use std::io;
use std::time::Instant;

use super::LoopIo;
use super::connect::{self, Connecting};
use super::exchange::{Exchange, ExchangeProgress};
use super::route::Route;
use super::trace::millis;
use super::upgrading::Upgrading;
use crate::model::error::{Detail, Disconnect, Phase, Retry, reason};
use crate::model::trace;
use crate::net::socket::Socket;
use crate::net::stream::Stream;
use crate::net::tls::{self, Handshake, TlsError};
use crate::proto::dns::HostQuery;
use crate::proto::dns::demotion::Choice;
use crate::proto::http::upgrade::{self, Deflate, Granted};

/// A connection that is being opened.
pub struct Opening {
    pub route: Box<Route>,
    /// The peer for messages: an address, or the server with the proxy's address; empty until connected.
    peer: String,
    /// The address connected to, and its rivals; `None` until connected.
    pub choice: Option<Choice>,
    begun_at: Instant,
    /// `None` while a step runs, and after a failure.
    step: Option<OpeningStep>,
    /// Start of the step.
    since: Instant,
}

/// The step under way. It is moved out of [`Opening`] while it runs; what is large is boxed, so that moving it is short.
enum OpeningStep {
    Connecting(Box<Connecting>),
    Tunnel(Socket, Box<Exchange>),
    /// Waits until fewer handshakes are under way in the loop.
    Queued(Socket),
    Tls(Handshake<Socket>),
    Upgrade(Box<Upgrading>),
}

/// The outcome of running a step.
enum StepOutcome {
    /// This step continues after the next event.
    Wait(OpeningStep),
    /// This step runs at once.
    Continue(OpeningStep),
    Open(Box<Upgrading>),
}

type StepResult = Result<StepOutcome, Box<Disconnect>>;

impl Opening {
    /// Begins the first step. Fails if a Unix socket cannot be connected, or if the files for TLS cannot be used.
    pub fn begin(route: Box<Route>, io: &mut LoopIo<'_>) -> Result<Box<Self>, Box<Disconnect>> {
        let mut opening = Box::new(Opening {
            route,
            peer: String::new(),
            choice: None,
            begun_at: io.now.mono,
            step: None,
            since: io.now.mono,
        });
        opening.step = Some(opening.first_step(io)?);
        Ok(opening)
    }

    /// Goes as far as possible without waiting; `None` while it waits. An error is final.
    pub fn advance(&mut self, io: &mut LoopIo<'_>) -> Result<Option<Box<Upgrading>>, Box<Disconnect>> {
        while let Some(step) = self.step.take() {
            let kind = std::mem::discriminant(&step);
            match self.run(step, io)? {
                StepOutcome::Wait(step) => {
                    self.step = Some(step);
                    break;
                }
                StepOutcome::Continue(step) => {
                    if std::mem::discriminant(&step) != kind {
                        self.since = io.now.mono;
                    }
                    self.step = Some(step);
                }
                StepOutcome::Open(granted) => {
                    self.route.trace(format_args!("open {} after the dial", millis(io.now.mono - self.begun_at)));
                    if let Some(Deflate { window_bits, takeover }) = granted.deflate {
                        let (label, bytes) = (&self.route.log.0, 1 << window_bits);
                        let with = if takeover { "with" } else { "without" };
                        trace::server(
                            log::Level::Debug,
                            label,
                            format_args!("the server compresses, with a window of {bytes} bytes, {with} takeover"),
                        );
                    }
                    return Ok(Some(granted));
                }
            }
        }
        Ok(None)
    }

    /// Returns the time for the next `advance` even without an event.
    pub fn deadline(&self) -> Option<Instant> {
        if let Some(OpeningStep::Connecting(connecting)) = &self.step { connecting.deadline() } else { None }
    }

    /// Returns since when it has waited for permission to begin a handshake; `None` unless it waits.
    pub fn queued_since(&self) -> Option<Instant> {
        matches!(self.step, Some(OpeningStep::Queued(_))).then_some(self.since)
    }

    /// Returns the time until which a handshake under way counts against the loop's limit.
    pub fn busy_until(&self) -> Option<Instant> {
        matches!(self.step, Some(OpeningStep::Tls(_))).then_some(self.since + super::HANDSHAKE_COUNTS_FOR)
    }

    /// Returns the time until which it counts against the loop's limit of dials; `None` while it waits for permission.
    pub fn counts_until(&self) -> Option<Instant> {
        self.queued_since().is_none().then_some(self.since + super::STEP_COUNTS_FOR)
    }

    /// Begins a turn: renews the reads of the socket.
    pub fn begin_turn(&mut self) {
        if let Some(socket) = self.socket() {
            socket.begin_turn();
        }
    }

    /// Returns true if the turn's reads are spent, so that more may be waiting.
    pub fn is_spent(&mut self) -> bool {
        self.socket().is_some_and(|socket| socket.is_spent())
    }

    fn socket(&mut self) -> Option<&mut Socket> {
        match self.step.as_mut()? {
            OpeningStep::Connecting(_) => None,
            OpeningStep::Tunnel(socket, _) | OpeningStep::Queued(socket) => Some(socket),
            OpeningStep::Tls(handshake) => Some(handshake.get_mut()),
            OpeningStep::Upgrade(upgrading) => Some(upgrading.stream.socket_mut()),
        }
    }

    /// Describes the step under way, for the text of a timeout.
    pub fn unfinished(&self) -> (Phase, String) {
        let (phase, what) = match &self.step {
            Some(OpeningStep::Connecting(connecting)) => return connecting.unfinished(self.route.next_hop().0),
            Some(OpeningStep::Tunnel(..)) => (Phase::Proxy, "tunnel through"),
            Some(OpeningStep::Queued(_) | OpeningStep::Tls(_)) => (Phase::Tls, "TLS with"),
            Some(OpeningStep::Upgrade(..)) | None => (Phase::Upgrade, "upgrade at"),
        };
        (phase, format!("{what} {}", self.peer))
    }

    /// Begins the first step of the route.
    fn first_step(&mut self, io: &mut LoopIo<'_>) -> Result<OpeningStep, Box<Disconnect>> {
        self.since = io.now.mono;
        (self.peer, self.choice) = (String::new(), None);
        if self.route.endpoint.secure {
            connector(&self.route, io)?;
        }
        Ok(if let Some(path) = &self.route.endpoint.unix {
            let (socket, path, _) = connect::unix(path, io)?;
            self.route.trace(format_args!("connected to {path}"));
            self.peer = path;
            begin_tls_or_upgrade(&self.route, socket, io)
        } else {
            let (host, port) = self.route.next_hop();
            let query = HostQuery { host, port, family: self.route.family, within: self.route.within };
            if self.route.proxy.is_some() {
                self.route.trace(format_args!("through the proxy {host}:{port}"));
            }
            OpeningStep::Connecting(Box::new(Connecting::begin(query, &self.route, io)))
        })
    }

    fn run(&mut self, step: OpeningStep, io: &mut LoopIo<'_>) -> StepResult {
        match step {
            OpeningStep::Connecting(connecting) => self.connect(connecting, io),
            OpeningStep::Tunnel(socket, exchange) => self.tunnel(socket, exchange, io),
            OpeningStep::Queued(_) if *io.handshakes == 0 => Ok(StepOutcome::Wait(step)),
            OpeningStep::Queued(socket) => begin_handshake(socket, &self.route, io),
            OpeningStep::Tls(handshake) => self.handshake(handshake, io),
            OpeningStep::Upgrade(upgrading) => self.upgrade(upgrading, io),
        }
    }

    fn connect(&mut self, mut connecting: Box<Connecting>, io: &mut LoopIo<'_>) -> StepResult {
        let connected = connecting.advance(&self.route, io).map_err(|why| self.route.name_proxy(why))?;
        let Some((socket, address, choice)) = connected else {
            return Ok(StepOutcome::Wait(OpeningStep::Connecting(connecting)));
        };
        (self.peer, self.choice) = (address, choice);
        Ok(StepOutcome::Continue(match &self.route.proxy {
            Some(proxy) => {
                let request = proxy.connect_request(&self.route.endpoint.host, self.route.endpoint.port);
                self.route.trace_request(&self.route.endpoint.host, &request);
                OpeningStep::Tunnel(socket, Box::new(Exchange::new(request)))
            }
            None => begin_tls_or_upgrade(&self.route, socket, io),
        }))
    }

    fn tunnel(&mut self, mut socket: Socket, mut exchange: Box<Exchange>, io: &mut LoopIo<'_>) -> StepResult {
        let failed = |why: &str| self.failed(Phase::Proxy, why);
        let Some(proxy) = &self.route.proxy else { return Err(failed("no proxy is configured any more")) };
        let progress = exchange.advance(&mut socket);
        if self.is_blocked(Phase::Proxy, progress, &exchange)? {
            return Ok(StepOutcome::Wait(OpeningStep::Tunnel(socket, exchange)));
        }
        let response = proxy.read_response(&exchange.received, &self.route.secrets);
        if !matches!(response, Ok(None)) {
            self.route.trace_response(&exchange.received);
        }
        match response {
            Ok(None) => Ok(StepOutcome::Continue(OpeningStep::Tunnel(socket, exchange))),
            // In TLS and in HTTP the client sends first, so these bytes cannot come from the server: the proxy made
            // them up, or lets someone else answer.
            Ok(Some(len)) if exchange.received.len() > len => {
                Err(failed("sent data before the first request through its tunnel"))
            }
            Ok(Some(_)) => {
                self.peer = format!("{} through the proxy {}", self.route.endpoint.authority(), self.peer);
                Ok(StepOutcome::Continue(begin_tls_or_upgrade(&self.route, socket, io)))
            }
            Err(refused) => {
                let mut why = failed(&refused.text);
                why.status = refused.status;
                if refused.status == Some(407) {
                    why.retry = Retry::FinalUnlessUseful;
                }
                Err(why)
            }
        }
    }

    fn handshake(&self, handshake: Handshake<Socket>, io: &mut LoopIo<'_>) -> StepResult {
        match handshake.advance(io.now.wall) {
            Ok(tls::Progress::Waiting(handshake)) => Ok(StepOutcome::Wait(OpeningStep::Tls(handshake))),
            Ok(tls::Progress::Done(stream)) => {
                if trace::is_on() {
                    self.route.trace(format_args!("{} in {}", stream.describe(), millis(io.now.mono - self.since)));
                }
                Ok(StepOutcome::Continue(OpeningStep::Upgrade(Upgrading::begin(
                    &self.route,
                    Stream::Tls(Box::new(stream)),
                    io,
                ))))
            }
            Err(TlsError { text, kind }) => {
                let mut why = self.failed(Phase::Tls, &text);
                why.detail = match kind {
                    tls::TlsErrorKind::Final | tls::TlsErrorKind::NotYetValid => Detail::Certificate,
                    tls::TlsErrorKind::NotTls => Detail::NotTls,
                    tls::TlsErrorKind::Usual => Detail::None,
                };
                if kind == tls::TlsErrorKind::Final {
                    why.retry = Retry::FinalUnlessUseful;
                }
                Err(why)
            }
        }
    }

    fn upgrade(&mut self, mut upgrading: Box<Upgrading>, io: &mut LoopIo<'_>) -> StepResult {
        let Upgrading { stream, exchange, key, .. } = &mut *upgrading;
        let progress = exchange.advance(stream);
        if self.is_blocked(Phase::Upgrade, progress, exchange)? {
            return Ok(StepOutcome::Wait(OpeningStep::Upgrade(upgrading)));
        }
        let response =
            self.route.with_request(key, |request| upgrade::read_response(&exchange.received, request, io.now.wall));
        if !matches!(response, Ok(None)) {
            self.route.trace_response(&exchange.received);
        }
        match response {
            Ok(None) => Ok(StepOutcome::Continue(OpeningStep::Upgrade(upgrading))),
            Ok(Some(Granted { len, deflate })) => {
                exchange.received = exchange.received.split_off(len);
                upgrading.deflate = deflate;
                Ok(StepOutcome::Open(upgrading))
            }
            Err(refused) => {
                // The connection is closed before the next one begins.
                drop(upgrading);
                self.route.fall_back(&refused, &self.peer)?;
                Ok(StepOutcome::Continue(self.first_step(io)?))
            }
        }
    }

    /// Returns true if an exchange must wait for its socket. Fails if the stream ended or broke.
    fn is_blocked(
        &self,
        phase: Phase,
        progress: io::Result<ExchangeProgress>,
        exchange: &Exchange,
    ) -> Result<bool, Box<Disconnect>> {
        let unanswered = |cause: &str| {
            let expected = match phase {
                Phase::Proxy => "an HTTP proxy",
                _ if self.route.endpoint.secure => "a WebSocket server",
                // Many servers with TLS close or reset a connection that begins with plain text.
                _ => "a WebSocket server, or a TLS port",
            };
            self.failed(phase, &format!("{cause}: is this {expected}?"))
        };
        match progress {
            Ok(ExchangeProgress::Blocked) => Ok(true),
            Ok(ExchangeProgress::Received) => Ok(false),
            Ok(ExchangeProgress::Closed) if exchange.received.is_empty() => Err(unanswered("closed without an answer")),
            Ok(ExchangeProgress::Closed) => Err(self.failed(phase, "closed in the middle of its answer")),
            Err(error) => Err(match TlsError::of(&error) {
                Some(error) => self.failed(Phase::Tls, &error.text),
                None => {
                    let cause = reason(&error);
                    let is_reset = error.kind() == io::ErrorKind::ConnectionReset && exchange.received.is_empty();
                    let mut why = if is_reset { unanswered(&cause) } else { self.failed(phase, &cause) };
                    why.detail = Detail::Io(error.kind());
                    why
                }
            }),
        }
    }

    fn failed(&self, phase: Phase, why: &str) -> Box<Disconnect> {
        let what = match phase {
            Phase::Proxy => "proxy",
            Phase::Tls => "TLS with",
            _ => "upgrade at",
        };
        Disconnect::new(phase, format!("{what} {}: {why}", self.peer))
    }
}

/// Begins the step after the connection or the tunnel.
fn begin_tls_or_upgrade(route: &Route, socket: Socket, io: &mut LoopIo<'_>) -> OpeningStep {
    match route.endpoint.secure {
        true => OpeningStep::Queued(socket),
        false => OpeningStep::Upgrade(Upgrading::begin(route, Stream::Plain(socket), io)),
    }
}

fn begin_handshake(socket: Socket, route: &Route, io: &mut LoopIo<'_>) -> StepResult {
    let handshake = connector(route, io)?.handshake(&route.endpoint.host, socket);
    *io.handshakes -= 1;
    Ok(StepOutcome::Continue(OpeningStep::Tls(handshake)))
}

/// Returns the connector for the route's settings. Those that stand in no file stay wrong.
fn connector<'c>(route: &Route, io: &'c mut LoopIo<'_>) -> Result<&'c tls::Connector, Box<Disconnect>> {
    // Never reached in a build without TLS, which refuses wss:// at the start: lets the compiler drop the rest.
    if !tls::AVAILABLE {
        return Err(Disconnect::new(Phase::Tls, tls::MISSING));
    }
    io.connectors.get(&route.tls).map_err(|why| {
        let mut why = Disconnect::new(Phase::Tls, why);
        if route.tls.files().next().is_none() {
            // After a redirect the server can name another target next time.
            why.retry = if route.redirects == 0 { Retry::Final } else { Retry::FinalUnlessUseful };
        }
        why
    })
}
