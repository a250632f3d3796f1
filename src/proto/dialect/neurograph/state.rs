//! Timers and memory of a session: the watchdog, the reconnection token, and the retry after a refusal.
//!
//! Measured with v0.63.1. A connection can be dead for messages while it answers protocol pings. A reconnection token
//! is valid once within 300 s, and one build of the server sends nothing any more after it was given a valid one.

use std::fmt;
use std::time::{Duration, Instant};

use crate::model::time::earliest;

/// Longest wait for `connected`, which the server sends at once, without waiting for the client.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
/// After so much silence we send a JSON ping. The server's own come every 30 s.
const PING_AFTER: Duration = Duration::from_secs(25);
/// Longest wait for the answer to our JSON ping.
const PONG_WITHIN: Duration = Duration::from_secs(5);
/// Added to `retry_after`, which is exact to the microsecond: with it the retry was always accepted.
const RETRY_MARGIN: Duration = Duration::from_millis(50);
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// Shortest time to a renewal of the token, which is due at half its lifetime: the rest must outlast a disturbance.
const MIN_RENEW_AFTER: Duration = Duration::from_secs(10);
const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Bound on a token in bytes; real ones have 43.
const MAX_TOKEN: usize = 4096;
/// Bound on the remembered list of denied channels, in characters.
const MAX_DENIED: usize = 1000;

/// A request of this dialect, as opposed to those of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnRequest {
    Subscribe,
    Ping,
    ReconnectToken,
}

/// Actions of the timers that are due.
#[derive(Debug, Default, PartialEq)]
pub struct DueActions {
    pub requests: Vec<OwnRequest>,
    pub hang_up: Option<&'static str>,
}

/// Remembered of NeuroGraph.
#[derive(Debug, Default)]
pub struct NeurographState {
    /// Hash of the server and the credential that the token belongs to, so that neither is kept. Survives a
    /// reconnection.
    token_scope: [u8; 20],
    /// Lets the next connection continue this session. Survives, and ends with its use.
    token: Option<ReconnectToken>,
    /// Set once reconnection tokens have proved useless with this server and credential. Survives.
    tokens_useless: bool,
    /// True if the session has the wanted subscriptions. Survives, since the session may.
    subscribed: bool,
    /// True if the server has given other channels than that of the metrics. Survives, as the session may.
    pub is_without_metrics: bool,
    /// The denied channels that were last reported; at most [`MAX_DENIED`] characters. Survives.
    denied: String,
    /// Set once it was reported that the token was not used. Survives.
    anonymous_reported: bool,
    /// Set once a connection without the credential was given up for one with it. Survives.
    redialled: bool,
    /// Made anew by each dial.
    dial: DialAttempt,
    /// Made anew by each connection.
    connection: ConnectionState,
}

struct ReconnectToken {
    text: String,
    expires_at: Instant,
}

impl fmt::Debug for ReconnectToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}

/// One attempt to connect.
#[derive(Debug, Default)]
struct DialAttempt {
    /// The URI has a credential.
    credential: bool,
    /// The URI has a reconnection token.
    token: bool,
    opened: bool,
    connected: bool,
}

#[derive(Debug, Default)]
struct ConnectionState {
    received: bool,
    connected_by: Option<Instant>,
    ping_at: Option<Instant>,
    pong_by: Option<Instant>,
    renew_at: Option<Instant>,
    /// Requests in flight, oldest first; at most one of each kind.
    in_flight: Vec<PendingRequest>,
    /// Requests to send, with their times; at most one of each kind.
    scheduled: Vec<(Instant, PendingRequest)>,
}

#[derive(Clone, Copy, Debug)]
struct PendingRequest {
    request: OwnRequest,
    /// Set once it was refused and repeated.
    retried: bool,
}

impl NeurographState {
    /// Prepares a dial. Returns the reconnection token that it may use.
    pub fn begin_dial(&mut self, token_scope: [u8; 20], credential: bool, now: Instant) -> Option<&str> {
        // After the last token came silence or EOF; another one would end in the same way.
        self.tokens_useless |= self.dial.token && self.dial.opened && !self.dial.connected;
        if token_scope != self.token_scope {
            // A token must not go to another server, nor be used for another user.
            (self.token_scope, self.token, self.tokens_useless) = (token_scope, None, false);
        }
        let usable = |token: &&ReconnectToken| !self.tokens_useless && now < token.expires_at;
        let token = self.token.as_ref().filter(usable);
        self.dial = DialAttempt { credential, token: token.is_some(), ..DialAttempt::default() };
        token.map(|token| &*token.text)
    }

    /// Starts a connection. The token that it was dialled with is used up.
    pub fn opened(&mut self) {
        self.dial.opened = true;
        self.connection = ConnectionState::default();
        if self.dial.token {
            self.token = None;
        }
    }

    /// Starts the watchdog, once the dialect is known. Returns true if the subscription is to be sent at once, which is
    /// not the case while the session may have been restored.
    pub fn begin(&mut self, now: Instant) -> bool {
        self.connection.ping_at = Some(now + PING_AFTER);
        self.connection.connected_by = Some(now + CONNECTED_WITHIN);
        let subscribe = !self.dial.token;
        if subscribe {
            self.subscribed = false;
            self.connection.push_in_flight(OwnRequest::Subscribe, false);
        }
        subscribe
    }

    /// Takes the greeting: with or without a user, with a restored session or a new one.
    pub fn connected(&mut self, user: bool, restored: bool, now: Instant) {
        self.connection.connected_by = None;
        if std::mem::replace(&mut self.dial.connected, true) {
            return;
        }
        if self.dial.token && !(restored && self.subscribed) {
            self.subscribed = false;
            self.connection.schedule(OwnRequest::Subscribe, false, now);
        }
        if user && !self.tokens_useless {
            self.connection.schedule(OwnRequest::ReconnectToken, false, now);
        }
    }

    /// Takes any message as a proof of life. Without a time for a ping the watchdog is off, and stays so.
    pub fn received(&mut self, now: Instant) {
        self.connection.received = true;
        self.connection.pong_by = None;
        self.connection.ping_at = self.connection.ping_at.map(|_| now + PING_AFTER);
    }

    /// Ends a request of ours that was answered. Returns false if none of this kind is in flight.
    pub fn answered(&mut self, request: OwnRequest) -> bool {
        let in_flight = &mut self.connection.in_flight;
        let Some(at) = in_flight.iter().position(|pending| pending.request == request) else { return false };
        in_flight.remove(at);
        self.subscribed |= request == OwnRequest::Subscribe;
        true
    }

    /// Ends or reschedules the request of ours that an error answers; false if it answers none. Errors do not name
    /// their request, but answers come in the order of the requests.
    pub fn refused(&mut self, message: &str, retry_at: Option<Instant>) -> bool {
        let is_meant = |pending: &PendingRequest| retry_at.is_some() || pending.request.is_meant(message);
        let Some(at) = self.connection.in_flight.iter().position(is_meant) else { return false };
        let PendingRequest { request, retried } = self.connection.in_flight.remove(at);
        match retry_at {
            // A ping is not repeated: the error has proved life just as well.
            Some(at) if !retried && request != OwnRequest::Ping => self.connection.schedule(request, true, at),
            Some(_) => {}
            None => self.tokens_useless |= request == OwnRequest::ReconnectToken,
        }
        true
    }

    /// Reads the seconds of a `retry_after`, which may be any number.
    pub fn retry_after(seconds: f64) -> Duration {
        let otherwise = if seconds > 0.0 { MAX_RETRY_AFTER } else { Duration::ZERO };
        Duration::try_from_secs_f64(seconds).unwrap_or(otherwise).min(MAX_RETRY_AFTER)
    }

    /// Time to repeat a request that was refused with `retry_after` seconds.
    pub fn retry_at(seconds: f64, now: Instant) -> Instant {
        now + NeurographState::retry_after(seconds) + RETRY_MARGIN
    }

    /// Keeps a reconnection token for its lifetime in seconds.
    pub fn keep_token(&mut self, text: &str, seconds: f64, now: Instant) {
        let lifetime = Duration::try_from_secs_f64(seconds).unwrap_or_default().min(MAX_TOKEN_LIFETIME);
        if text.is_empty() || text.len() > MAX_TOKEN || lifetime.is_zero() {
            return;
        }
        self.token = Some(ReconnectToken { text: text.to_owned(), expires_at: now + lifetime });
        self.connection.renew_at = (!self.tokens_useless).then(|| now + (lifetime / 2).max(MIN_RENEW_AFTER));
    }

    /// Remembers the denied channels. Returns false if the same were reported before.
    pub fn report_denied(&mut self, denied: &str) -> bool {
        let denied = denied.char_indices().nth(MAX_DENIED).map_or(denied, |(end, _)| &denied[..end]);
        let is_new = self.denied != denied;
        if is_new {
            denied.clone_into(&mut self.denied);
        }
        is_new
    }

    /// Returns true once if the URI of this connection had no credential: the dialect was not known at the dial.
    pub fn take_redial(&mut self) -> bool {
        !self.dial.credential && !std::mem::replace(&mut self.redialled, true)
    }

    /// Returns true once, for the report of an anonymous session.
    pub fn report_anonymous(&mut self) -> bool {
        !std::mem::replace(&mut self.anonymous_reported, true)
    }

    /// Time of the next [`NeurographState::tick`].
    pub fn deadline(&self) -> Option<Instant> {
        let connection = &self.connection;
        let mut next = connection.pong_by.or(connection.ping_at);
        next = earliest(next, connection.connected_by);
        next = earliest(next, connection.renew_at);
        for (at, _) in &connection.scheduled {
            next = earliest(next, Some(*at));
        }
        next
    }

    /// Runs the timers that are due.
    pub fn tick(&mut self, now: Instant) -> DueActions {
        if let Some(why) = self.check_dead(now) {
            self.connection = ConnectionState::default();
            return DueActions { hang_up: Some(why), ..DueActions::default() };
        }
        let connection = &mut self.connection;
        if take_due(&mut connection.renew_at, now) {
            connection.schedule(OwnRequest::ReconnectToken, false, now);
        }
        if connection.pong_by.is_none() && take_due(&mut connection.ping_at, now) {
            connection.pong_by = Some(now + PONG_WITHIN);
            connection.ping_at = Some(now + PING_AFTER);
            connection.schedule(OwnRequest::Ping, false, now);
        }
        DueActions { requests: connection.send_due(now), ..DueActions::default() }
    }

    /// Returns the reason to hang up, if a time limit has passed.
    fn check_dead(&mut self, now: Instant) -> Option<&'static str> {
        if take_due(&mut self.connection.connected_by, now) && !self.connection.received {
            // `tokens_useless` is set by the next dial.
            return Some(match self.dial.token {
                true => "no message after the reconnection token was sent: the next session will do without one",
                false => "no message within 10 s of the upgrade, not even connected",
            });
        }
        take_due(&mut self.connection.pong_by, now).then_some(
            "no message for 25 s and no answer to a JSON ping within 5 s: only protocol pings may still be answered",
        )
    }
}

impl ConnectionState {
    fn push_in_flight(&mut self, request: OwnRequest, retried: bool) {
        self.in_flight.retain(|pending| pending.request != request);
        self.in_flight.push(PendingRequest { request, retried });
    }

    fn schedule(&mut self, request: OwnRequest, retried: bool, at: Instant) {
        self.scheduled.retain(|(_, pending)| pending.request != request);
        self.scheduled.push((at, PendingRequest { request, retried }));
    }

    fn send_due(&mut self, now: Instant) -> Vec<OwnRequest> {
        let mut due = Vec::new();
        while let Some(place) = self.scheduled.iter().position(|(at, _)| now >= *at) {
            let (_, pending) = self.scheduled.remove(place);
            self.push_in_flight(pending.request, pending.retried);
            due.push(pending.request);
        }
        due
    }
}

impl OwnRequest {
    /// True if an error without `retry_after` can only be about this request.
    fn is_meant(self, message: &str) -> bool {
        let words: &[&str] = match self {
            OwnRequest::Subscribe => &["type: subscribe"],
            OwnRequest::Ping => &["type: ping"],
            OwnRequest::ReconnectToken => &["econnection token", "get_reconnection_token", "Error processing message"],
        };
        words.iter().any(|words| message.contains(words))
    }
}

fn take_due(at: &mut Option<Instant>, now: Instant) -> bool {
    at.take_if(|at| now >= *at).is_some()
}
