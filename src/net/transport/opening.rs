//! From a route to an open WebSocket: reaching the server, the proxy's tunnel, TLS, the upgrade.

use std::io;
use std::time::Instant;

use tungstenite::WebSocket;
use tungstenite::protocol::{Role, WebSocketConfig};

use super::connect::{self, Connecting};
use super::exchange::{Exchange, Pumped};
use super::route::Route;
use super::{ConnectionLimits, LoopIo};
use crate::model::error::{Disconnect, Phase, Retry, reason};
use crate::net::stream::{Metered, Socket, Stream};
use crate::net::tls::{self, Handshake, TlsError};
use crate::proto::dns::HostQuery;
use crate::proto::http::redirect;
use crate::proto::http::upgrade::{self, UpgradeRefused};
use crate::proto::uri::Endpoint;

/// A connection that is being opened.
pub struct Opening {
    route: Box<Route>,
    redirects: usize,
    /// What is at the other end, as far as it is known.
    at: String,
    /// `None` while it is being taken, and when it has failed.
    step: Option<OpeningStep>,
}

/// What is boxed is moved often: from step to step, and at every waiting.
enum OpeningStep {
    Connecting(Box<Connecting>),
    Tunnel(Box<(Socket, Exchange)>),
    /// Waits until fewer handshakes are under way.
    Queued(Socket),
    /// A handshake, and when it began.
    Tls(Box<(Handshake<Socket>, Instant)>),
    Upgrade(Box<Upgrading>),
}

/// The upgrade under way. Once it is granted, what has arrived behind the answer's head stands in its place.
pub struct Upgrading {
    stream: Stream,
    exchange: Exchange,
    key: String,
}

/// What a step leads to.
enum StepResult {
    Wait(OpeningStep),
    Go(OpeningStep),
    Open(Box<Upgrading>),
    Redirect(Box<Endpoint>),
}

type Taken = Result<StepResult, Box<Disconnect>>;

impl Opening {
    /// Begins; nothing has failed by then.
    pub fn begin(route: Box<Route>, ground: &mut LoopIo<'_>) -> Result<Box<Self>, Box<Disconnect>> {
        let mut opening = Box::new(Opening { route, redirects: 0, at: String::new(), step: None });
        opening.start(ground)?;
        Ok(opening)
    }

    /// Goes as far as possible without waiting; `None` where it waits. An error is final.
    pub fn advance(&mut self, ground: &mut LoopIo<'_>) -> Result<Option<Box<Upgrading>>, Box<Disconnect>> {
        while let Some(step) = self.step.take() {
            match self.take(step, ground)? {
                StepResult::Wait(step) => {
                    self.step = Some(step);
                    break;
                }
                StepResult::Go(step) => self.step = Some(step),
                StepResult::Open(granted) => return Ok(Some(granted)),
                StepResult::Redirect(to) => {
                    self.route.redirect(to)?;
                    self.redirects += 1;
                    self.start(ground)?;
                }
            }
        }
        Ok(None)
    }

    /// When to be advanced at the latest, but for news of the socket.
    pub fn deadline(&self) -> Option<Instant> {
        if let Some(OpeningStep::Connecting(reach)) = &self.step { reach.deadline() } else { None }
    }

    /// Whether it waits for its turn to begin a handshake.
    pub fn is_queued(&self) -> bool {
        matches!(self.step, Some(OpeningStep::Queued(_)))
    }

    /// Until when its handshake counts as one under way, if it has begun one.
    pub fn busy_until(&self) -> Option<Instant> {
        if let Some(OpeningStep::Tls(shaking)) = &self.step { Some(shaking.1 + super::HANDSHAKE_COUNTS) } else { None }
    }

    /// What did not come about in time.
    pub fn unfinished(&self) -> (Phase, String) {
        let (phase, what) = match &self.step {
            Some(OpeningStep::Connecting(reach)) => return reach.unfinished(self.route.next_host()),
            Some(OpeningStep::Tunnel(..)) => (Phase::Proxy, "tunnel through"),
            Some(OpeningStep::Queued(_) | OpeningStep::Tls(..)) => (Phase::Tls, "TLS with"),
            Some(OpeningStep::Upgrade(..)) | None => (Phase::Upgrade, "upgrade at"),
        };
        (phase, format!("{what} {}", self.at))
    }

    /// The first step of a route, and what is known of the other end by then.
    fn start(&mut self, ground: &mut LoopIo<'_>) -> Result<(), Box<Disconnect>> {
        self.at.clear();
        self.step = Some(if let Some(path) = &self.route.endpoint.unix {
            let (socket, at) = connect::unix(path, ground)?;
            self.at = at;
            begin(&self.route, socket, ground)
        } else {
            let (host, port) = self.route.next_hop();
            let wish = HostQuery { host, port, family: self.route.family, within: self.route.within };
            OpeningStep::Connecting(Box::new(Connecting::begin(wish, ground)))
        });
        Ok(())
    }

    fn take(&mut self, step: OpeningStep, ground: &mut LoopIo<'_>) -> Taken {
        match step {
            OpeningStep::Connecting(reach) => self.reached(reach, ground),
            OpeningStep::Tunnel(tunnelling) => self.tunnel(tunnelling, ground),
            OpeningStep::Queued(_) if *ground.handshakes == 0 => Ok(StepResult::Wait(step)),
            OpeningStep::Queued(socket) => shake_hands(socket, &self.route, ground),
            OpeningStep::Tls(shaking) => self.secured(*shaking, ground),
            OpeningStep::Upgrade(upgrading) => self.upgraded(upgrading, ground),
        }
    }

    fn reached(&mut self, mut reach: Box<Connecting>, ground: &mut LoopIo<'_>) -> Taken {
        let reached = reach.advance(ground).map_err(|why| self.route.blame_proxy(why))?;
        let Some((socket, address)) = reached else { return Ok(StepResult::Wait(OpeningStep::Connecting(reach))) };
        self.at = address;
        Ok(StepResult::Go(match &self.route.proxy {
            Some(proxy) => {
                let request = proxy.connect_request(&self.route.endpoint.host, self.route.endpoint.port);
                OpeningStep::Tunnel(Box::new((socket, Exchange::new(request))))
            }
            None => begin(&self.route, socket, ground),
        }))
    }

    fn tunnel(&mut self, mut tunnelling: Box<(Socket, Exchange)>, ground: &mut LoopIo<'_>) -> Taken {
        let failed = |why: &str| self.failed(Phase::Proxy, why);
        let Some(proxy) = &self.route.proxy else { return Err(failed("none is wanted any more")) };
        let (socket, exchange) = &mut *tunnelling;
        let pumped = exchange.pump(socket);
        if self.is_blocked(Phase::Proxy, pumped, exchange)? {
            return Ok(StepResult::Wait(OpeningStep::Tunnel(tunnelling)));
        }
        match proxy.read_response(&exchange.head) {
            Ok(None) => Ok(StepResult::Go(OpeningStep::Tunnel(tunnelling))),
            // A client speaks first, in TLS as in HTTP: what comes before is not from the server.
            Ok(Some(len)) if exchange.head.len() > len => Err(failed("sent data before it was asked for any")),
            Ok(Some(_)) => {
                self.at = format!("{} through the proxy {}", self.route.endpoint.authority(), self.at);
                Ok(StepResult::Go(begin(&self.route, tunnelling.0, ground)))
            }
            Err(refused) => {
                let mut why = failed(&refused.text);
                why.status = refused.status;
                if refused.status == Some(407) {
                    why.retry = Retry::Final;
                }
                Err(why)
            }
        }
    }

    fn secured(&self, (handshake, since): (Handshake<Socket>, Instant), ground: &mut LoopIo<'_>) -> Taken {
        match handshake.advance(ground.now.wall) {
            Ok(tls::Progress::Waiting(handshake)) => {
                Ok(StepResult::Wait(OpeningStep::Tls(Box::new((handshake, since)))))
            }
            Ok(tls::Progress::Done(stream)) => {
                Ok(StepResult::Go(ask(&self.route, Stream::Tls(Box::new(stream)), ground)))
            }
            Err(TlsError { text, kind }) => {
                let mut why = self.failed(Phase::Tls, &text);
                if kind == tls::TlsErrorKind::Final {
                    why.retry = Retry::Final;
                }
                Err(why)
            }
        }
    }

    fn upgraded(&self, mut upgrading: Box<Upgrading>, ground: &mut LoopIo<'_>) -> Taken {
        let failed = |why: &str| self.failed(Phase::Upgrade, why);
        let Upgrading { stream, exchange, key } = &mut *upgrading;
        let pumped = exchange.pump(stream);
        if self.is_blocked(Phase::Upgrade, pumped, exchange)? {
            return Ok(StepResult::Wait(OpeningStep::Upgrade(upgrading)));
        }
        let refused = match upgrade::read_response(&exchange.head, key, ground.now.wall) {
            Ok(None) => return Ok(StepResult::Go(OpeningStep::Upgrade(upgrading))),
            Ok(Some(consumed)) => {
                exchange.head = exchange.head.split_off(consumed);
                return Ok(StepResult::Open(upgrading));
            }
            Err(refused) => refused,
        };
        let mut why;
        match refused {
            UpgradeRefused::Status { code, location, .. } if redirect::is_redirect(code) => {
                match redirect::follow(&self.route.endpoint, location.as_deref(), self.redirects) {
                    Ok(to) => return Ok(StepResult::Redirect(to)),
                    Err(text) => why = failed(&text),
                }
                (why.status, why.retry) = (Some(code), Retry::FinalUnlessUseful);
            }
            refused => {
                why = failed(&refused.to_string());
                if let UpgradeRefused::Status { code, retry_after, .. } = refused {
                    (why.status, why.retry) = (Some(code), retry(code, retry_after));
                }
            }
        }
        Err(why)
    }

    /// Whether an exchange must wait for its socket.
    fn is_blocked(
        &self,
        phase: Phase,
        pumped: io::Result<Pumped>,
        exchange: &Exchange,
    ) -> Result<bool, Box<Disconnect>> {
        match pumped {
            Ok(Pumped::Blocked) => Ok(true),
            Ok(Pumped::More) => Ok(false),
            Ok(Pumped::Ended) if exchange.head.is_empty() => {
                let other = if phase == Phase::Proxy { "an HTTP proxy" } else { "a WebSocket server" };
                Err(self.failed(phase, &format!("closed without an answer: is this {other}?")))
            }
            Ok(Pumped::Ended) => Err(self.failed(phase, "closed in the middle of its answer")),
            Err(error) => Err(match TlsError::of(&error) {
                Some(error) => self.failed(Phase::Tls, &error.text),
                None => self.failed(phase, &reason(&error)),
            }),
        }
    }

    fn failed(&self, phase: Phase, why: &str) -> Box<Disconnect> {
        let what = match phase {
            Phase::Proxy => "proxy",
            Phase::Tls => "TLS with",
            _ => "upgrade at",
        };
        Disconnect::new(phase, format!("{what} {}: {why}", self.at))
    }
}

impl Upgrading {
    /// The WebSocket of a granted upgrade, within these limits.
    pub fn into_socket(self, limits: &ConnectionLimits) -> Box<WebSocket<Metered>> {
        let config = WebSocketConfig::default()
            .read_buffer_size(super::READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(limits.send_bytes)
            .max_message_size(Some(limits.max_message))
            .max_frame_size(Some(limits.max_message));
        let stream = Metered::new(self.stream);
        Box::new(WebSocket::from_partially_read(stream, self.exchange.head, Role::Client, Some(config)))
    }
}

/// What comes after the connection, or the tunnel, to the server itself.
fn begin(route: &Route, socket: Socket, ground: &mut LoopIo<'_>) -> OpeningStep {
    if route.endpoint.secure { OpeningStep::Queued(socket) } else { ask(route, Stream::Plain(socket), ground) }
}

fn shake_hands(socket: Socket, route: &Route, ground: &mut LoopIo<'_>) -> Taken {
    // Without TLS no address that needs it gets so far, and nothing of the connectors need be built.
    if !tls::AVAILABLE {
        return Err(Disconnect::new(Phase::Tls, tls::MISSING));
    }
    let connector = ground.connectors.get(&route.tls).map_err(|why| Disconnect::new(Phase::Tls, why))?;
    *ground.handshakes -= 1;
    let handshake = connector.handshake(&route.endpoint.host, socket);
    Ok(StepResult::Go(OpeningStep::Tls(Box::new((handshake, ground.now.mono)))))
}

fn ask(route: &Route, stream: Stream, ground: &mut LoopIo<'_>) -> OpeningStep {
    let mut random = [0; 16];
    random[..8].copy_from_slice(&(ground.random)().to_ne_bytes());
    random[8..].copy_from_slice(&(ground.random)().to_ne_bytes());
    let key = upgrade::key(random);
    let request = upgrade::request(&upgrade::UpgradeRequest {
        host: &route.endpoint.host_header(),
        target: &route.endpoint.target,
        key: &key,
        headers: &route.headers(),
    });
    OpeningStep::Upgrade(Box::new(Upgrading { stream, exchange: Exchange::new(request), key }))
}

fn retry(status: u16, after: Option<std::time::Duration>) -> Retry {
    match (status, after) {
        (401 | 403, _) => Retry::Final,
        (_, Some(wait)) => Retry::After(wait),
        (408 | 425 | 429, None) => Retry::Usual,
        (400..=499, None) => Retry::FinalUnlessUseful,
        _ => Retry::Usual,
    }
}
