//! From a route to an open WebSocket: reaching the server, the proxy's tunnel, TLS, the upgrade.

use std::time::Instant;

use super::exchange::{Exchange, Pumped};
use super::reach::{self, Reach, Reached};
use super::route::Route;
use super::{Ground, Limits};
use crate::endpoint::Endpoint;
use crate::error::{Disconnect, Phase, Retry, reason};
use crate::redirect;
use crate::resolve::Wish;
use crate::stream::{Socket, Stream};
use crate::tls::{self, Handshake, TlsError};
use crate::upgrade::{self, Refused};

/// A connection that is being opened.
pub struct Opening {
    route: Box<Route>,
    redirects: usize,
    /// What is at the other end, as far as it is known.
    at: String,
    step: Step,
}

/// What is boxed is moved often: from step to step, and at every waiting.
enum Step {
    Reach(Box<Reach>),
    Tunnel(Box<(Socket, Exchange)>),
    /// Waits until fewer handshakes are under way.
    Queued(Socket),
    /// A handshake, and when it began.
    Tls(Box<Handshake<Socket>>, Instant),
    Upgrade(Box<Upgrading>),
}

/// The upgrade under way.
struct Upgrading {
    stream: Stream,
    exchange: Exchange,
    key: String,
}

/// How far it has come.
pub enum Opened {
    /// It waits.
    Waiting(Opening),
    /// The upgrade was granted; these bytes have arrived behind it.
    Open(Stream, Vec<u8>),
}

/// What a step leads to.
enum Next {
    Wait(Step),
    Go(Step),
    Open(Stream, Vec<u8>),
    Redirect(Box<Endpoint>),
}

impl Opening {
    /// Begins; nothing has failed by then.
    pub fn begin(route: Box<Route>, ground: &mut Ground<'_>) -> Result<Self, Disconnect> {
        let (step, at) = start(&route, ground)?;
        Ok(Opening { route, redirects: 0, at, step })
    }

    /// Goes as far as possible without waiting.
    pub fn advance(mut self, ground: &mut Ground<'_>) -> Result<Opened, Disconnect> {
        loop {
            let Opening { route, redirects, at, step } = self;
            let mut at = at;
            match step.take(&route, redirects, &mut at, ground)? {
                Next::Wait(step) => return Ok(Opened::Waiting(Opening { route, redirects, at, step })),
                Next::Open(stream, tail) => return Ok(Opened::Open(stream, tail)),
                Next::Go(step) => self = Opening { route, redirects, at, step },
                Next::Redirect(to) => {
                    let mut route = route;
                    route.redirect(*to)?;
                    let (step, at) = start(&route, ground)?;
                    self = Opening { route, redirects: redirects + 1, at, step };
                }
            }
        }
    }

    /// When to be advanced at the latest, but for news of the socket.
    pub fn deadline(&self) -> Option<Instant> {
        if let Step::Reach(reach) = &self.step { reach.deadline() } else { None }
    }

    /// Whether it waits for its turn to begin a handshake.
    pub fn is_queued(&self) -> bool {
        matches!(self.step, Step::Queued(_))
    }

    /// Until when its handshake counts as one under way, if it has begun one.
    pub fn busy_until(&self) -> Option<Instant> {
        if let Step::Tls(_, since) = self.step { Some(since + super::HANDSHAKE_COUNTS) } else { None }
    }

    /// What did not come about in time.
    pub fn unfinished(&self) -> (Phase, String) {
        match &self.step {
            Step::Reach(reach) => reach.unfinished(self.route.next_host()),
            Step::Tunnel(..) => (Phase::Proxy, format!("tunnel through {}", self.at)),
            Step::Queued(_) | Step::Tls(..) => (Phase::Tls, format!("TLS with {}", self.at)),
            Step::Upgrade(..) => (Phase::Upgrade, format!("upgrade at {}", self.at)),
        }
    }
}

/// The first step of a route, and what is known of the other end by then.
fn start(route: &Route, ground: &mut Ground<'_>) -> Result<(Step, String), Disconnect> {
    if let Some(path) = &route.endpoint.unix {
        let (socket, at) = reach::unix(path, ground)?;
        return Ok((begin(route, socket, ground), at));
    }
    let (host, port) = route.next_hop();
    let wish = Wish { host, port, family: route.family, within: route.within };
    Ok((Step::Reach(Box::new(Reach::begin(wish, ground))), String::new()))
}

/// What comes after the connection, or the tunnel, to the server itself.
fn begin(route: &Route, socket: Socket, ground: &mut Ground<'_>) -> Step {
    if route.endpoint.secure { Step::Queued(socket) } else { ask(route, Stream::Plain(socket), ground) }
}

fn ask(route: &Route, stream: Stream, ground: &mut Ground<'_>) -> Step {
    let mut random = [0; 16];
    random[..8].copy_from_slice(&(ground.random)().to_ne_bytes());
    random[8..].copy_from_slice(&(ground.random)().to_ne_bytes());
    let key = upgrade::key(random);
    let request = upgrade::request(&upgrade::Request {
        host: &route.endpoint.host_header(),
        target: &route.endpoint.target,
        key: &key,
        headers: &route.headers(),
    });
    Step::Upgrade(Box::new(Upgrading { stream, exchange: Exchange::new(request), key }))
}

impl Step {
    fn take(
        self,
        route: &Route,
        redirects: usize,
        at: &mut String,
        ground: &mut Ground<'_>,
    ) -> Result<Next, Disconnect> {
        match self {
            Step::Reach(reach) => reached(reach, route, at, ground),
            Step::Tunnel(tunnelling) => tunnel(tunnelling, route, at, ground),
            Step::Queued(socket) if *ground.handshakes == 0 => Ok(Next::Wait(Step::Queued(socket))),
            Step::Queued(socket) => shake_hands(socket, route, ground),
            Step::Tls(handshake, since) => secured(*handshake, since, route, at, ground),
            Step::Upgrade(upgrading) => upgraded(upgrading, route, redirects, at, ground),
        }
    }
}

fn reached(mut reach: Box<Reach>, route: &Route, at: &mut String, ground: &mut Ground<'_>) -> Result<Next, Disconnect> {
    let Some((socket, address)): Option<Reached> = reach.advance(ground).map_err(|why| route.blame_proxy(why))? else {
        return Ok(Next::Wait(Step::Reach(reach)));
    };
    *at = address;
    Ok(Next::Go(match &route.proxy {
        Some(proxy) => {
            let request = proxy.connect_request(&route.endpoint.host, route.endpoint.port);
            Step::Tunnel(Box::new((socket, Exchange::new(request))))
        }
        None => begin(route, socket, ground),
    }))
}

fn tunnel(
    mut tunnelling: Box<(Socket, Exchange)>,
    route: &Route,
    at: &mut String,
    ground: &mut Ground<'_>,
) -> Result<Next, Disconnect> {
    let failed = |why: &str| Disconnect::new(Phase::Proxy, format!("proxy {at}: {why}"));
    let Some(proxy) = &route.proxy else { return Err(failed("none is wanted any more")) };
    let (socket, exchange) = &mut *tunnelling;
    match exchange.pump(socket).map_err(|error| failed(&reason(&error)))? {
        Pumped::Blocked => return Ok(Next::Wait(Step::Tunnel(tunnelling))),
        Pumped::Ended if exchange.head.is_empty() => {
            return Err(failed("closed without an answer: is this an HTTP proxy?"));
        }
        Pumped::Ended => return Err(failed("closed in the middle of its answer")),
        Pumped::More => {}
    }
    match proxy.read(&exchange.head) {
        Ok(None) => Ok(Next::Go(Step::Tunnel(tunnelling))),
        // A client speaks first, in TLS as in HTTP: what comes before is not from the server.
        Ok(Some(len)) if exchange.head.len() > len => Err(failed("sent data before it was asked for any")),
        Ok(Some(_)) => {
            *at = format!("{} through the proxy {at}", route.endpoint.authority());
            Ok(Next::Go(begin(route, tunnelling.0, ground)))
        }
        Err(refused) => {
            let retry = if refused.status == Some(407) { Retry::Final } else { Retry::Usual };
            Err(Disconnect { retry, status: refused.status, ..failed(&refused.text) })
        }
    }
}

fn shake_hands(socket: Socket, route: &Route, ground: &mut Ground<'_>) -> Result<Next, Disconnect> {
    let connector = ground.connectors.get(&route.tls).map_err(|why| Disconnect::new(Phase::Tls, why))?;
    *ground.handshakes -= 1;
    let handshake = connector.handshake(&route.endpoint.host, socket);
    Ok(Next::Go(Step::Tls(Box::new(handshake), ground.now.mono)))
}

fn secured(
    handshake: Handshake<Socket>,
    since: Instant,
    route: &Route,
    at: &str,
    ground: &mut Ground<'_>,
) -> Result<Next, Disconnect> {
    match handshake.advance(ground.now.wall) {
        Ok(tls::Progress::Waiting(handshake)) => Ok(Next::Wait(Step::Tls(Box::new(handshake), since))),
        Ok(tls::Progress::Done(stream)) => Ok(Next::Go(ask(route, Stream::Tls(Box::new(stream)), ground))),
        Err(TlsError { text, kind }) => {
            let retry = if kind == tls::Kind::Final { Retry::Final } else { Retry::Usual };
            Err(Disconnect { retry, ..Disconnect::new(Phase::Tls, format!("TLS with {at}: {text}")) })
        }
    }
}

fn upgraded(
    mut upgrading: Box<Upgrading>,
    route: &Route,
    redirects: usize,
    at: &str,
    ground: &mut Ground<'_>,
) -> Result<Next, Disconnect> {
    let failed = |why: &str| Disconnect::new(Phase::Upgrade, format!("upgrade at {at}: {why}"));
    let Upgrading { stream, exchange, key } = &mut *upgrading;
    let pumped = exchange.pump(stream).map_err(|error| match TlsError::of(&error) {
        Some(error) => Disconnect::new(Phase::Tls, format!("TLS with {at}: {error}")),
        None => failed(&reason(&error)),
    })?;
    match pumped {
        Pumped::Blocked => return Ok(Next::Wait(Step::Upgrade(upgrading))),
        Pumped::Ended if exchange.head.is_empty() => {
            return Err(failed("closed without an answer: is this a WebSocket server?"));
        }
        Pumped::Ended => return Err(failed("closed in the middle of its answer")),
        Pumped::More => {}
    }
    match upgrade::read(&exchange.head, key, ground.now.wall) {
        Ok(upgrade::Read::Incomplete) => Ok(Next::Go(Step::Upgrade(upgrading))),
        Ok(upgrade::Read::Upgraded { consumed }) => {
            let tail = exchange.head.split_off(consumed);
            Ok(Next::Open(upgrading.stream, tail))
        }
        Err(Refused::Status { code, location, .. }) if redirect::is_redirect(code) => {
            redirect::follow(&route.endpoint, location.as_deref(), redirects)
                .map(|to| Next::Redirect(Box::new(to)))
                .map_err(|why| Disconnect { status: Some(code), retry: Retry::FinalUnlessUseful, ..failed(&why) })
        }
        Err(refused) => Err(refusal(&refused, failed)),
    }
}

fn refusal(refused: &Refused, failed: impl Fn(&str) -> Disconnect) -> Disconnect {
    let (status, retry) = match refused {
        Refused::Status { code, retry_after, .. } => (Some(*code), retry(*code, *retry_after)),
        _ => (None, Retry::Usual),
    };
    Disconnect { retry, status, ..failed(&refused.to_string()) }
}

fn retry(status: u16, after: Option<std::time::Duration>) -> Retry {
    match (status, after) {
        (401 | 403, _) => Retry::Final,
        (_, Some(wait)) => Retry::NoSooner(wait),
        (408 | 425 | 429, None) => Retry::Usual,
        (400..=499, None) => Retry::FinalUnlessUseful,
        _ => Retry::Usual,
    }
}

/// What an open connection keeps to.
pub fn config(limits: &Limits) -> tungstenite::protocol::WebSocketConfig {
    tungstenite::protocol::WebSocketConfig::default()
        .read_buffer_size(super::READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(limits.send_bytes)
        .max_message_size(Some(limits.max_message))
        .max_frame_size(Some(limits.max_message))
}
