//! What happens between the messages: the watchdog, the reconnection token, and asking again after a refusal.
//!
//! Measured with v0.63.1. A connection can be dead for messages while it answers protocol pings; a reconnection
//! token serves once within 300 s, and one build of the server falls silent for ever when it is shown a valid one.

use std::fmt;
use std::time::{Duration, Instant};

use crate::model::time::earliest;

/// How long the server may take to say `connected`; it does so at once, without waiting for the client.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
/// The server itself sends a JSON ping every 30 s: whoever is silent for longer is asked a little earlier.
const PING_AFTER: Duration = Duration::from_secs(25);
const PONG_WITHIN: Duration = Duration::from_secs(5);
/// `retry_after` is exact to the microsecond; with this on top the next try was always let through.
const RETRY_MARGIN: Duration = Duration::from_millis(50);
const RETRY_MOST: Duration = Duration::from_secs(3600);
/// Tokens are renewed at half their time, so that what is left outlasts a disturbance; never more often than this.
const RENEW_LEAST: Duration = Duration::from_secs(10);
const TOKEN_LASTS_MOST: Duration = Duration::from_secs(24 * 3600);
/// Longer tokens than the real 43 characters exist only by mistake.
const TOKEN_LONGEST: usize = 4096;
const SAID_LONGEST: usize = 1000;

/// What is asked of the server without anybody having requested it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnRequest {
    Subscribe,
    Ping,
    ReconnectToken,
}

/// What the passing of time brings.
#[derive(Debug, Default, PartialEq)]
pub struct DueActions {
    pub ask: Vec<OwnRequest>,
    pub hang_up: Option<&'static str>,
}

/// What must be remembered of a server.
#[derive(Debug, Default)]
pub struct NeurographState {
    /// Stands for the server and the credential that the token belongs to. Survives.
    place: u64,
    /// With which the next connection continues this session. Survives, and ends with its use.
    token: Option<ReconnectToken>,
    /// Reconnection tokens buy nothing with this server and credential. Survives.
    given_up: bool,
    /// Whether the session has the subscriptions that are wanted. Survives, as the session may.
    subscribed: bool,
    /// What was said of denied channels; at most [`SAID_LONGEST`] characters. Survives.
    denied: String,
    /// Whether it was said that the token went unread. Survives.
    anonymous_said: bool,
    /// Begins with the dial.
    dial: DialAttempt,
    /// Begins when the connection opens.
    line: ConnectionState,
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
    /// With a credential in the URI.
    credential: bool,
    /// With a reconnection token.
    token: bool,
    opened: bool,
    connected: bool,
}

/// One connection.
#[derive(Debug, Default)]
struct ConnectionState {
    heard: bool,
    connected_by: Option<Instant>,
    ping_at: Option<Instant>,
    pong_by: Option<Instant>,
    renew_at: Option<Instant>,
    /// What waits for its answer, oldest first; one of each kind at most.
    asked: Vec<PendingRequest>,
    /// What is to be asked, and when; one of each kind at most.
    later: Vec<(Instant, PendingRequest)>,
}

#[derive(Clone, Copy, Debug)]
struct PendingRequest {
    own: OwnRequest,
    /// Whether it was refused before.
    again: bool,
}

impl NeurographState {
    /// The next connection is about to be dialled. Returns the reconnection token that it may use.
    pub fn dialling(&mut self, place: u64, credential: bool, now: Instant) -> Option<&str> {
        // A token that was followed by silence or EOF: one more would end the same way.
        self.given_up |= self.dial.token && self.dial.opened && !self.dial.connected;
        if place != self.place {
            // Never to another server, nor in another user's name.
            (self.place, self.token, self.given_up) = (place, None, false);
        }
        let usable = |token: &&ReconnectToken| !self.given_up && now < token.expires_at;
        let token = self.token.as_ref().filter(usable);
        self.dial = DialAttempt { credential, token: token.is_some(), ..DialAttempt::default() };
        token.map(|token| &*token.text)
    }

    /// The connection is open. A token that it was dialled with is used up.
    pub fn opened(&mut self) {
        self.dial.opened = true;
        self.line = ConnectionState::default();
        if self.dial.token {
            self.token = None;
        }
    }

    /// The dialect is known. Returns whether to subscribe at once: not where the session may have been restored.
    pub fn begin(&mut self, now: Instant) -> bool {
        self.line.ping_at = Some(now + PING_AFTER);
        self.line.connected_by = Some(now + CONNECTED_WITHIN);
        let at_once = !self.dial.token;
        if at_once {
            self.subscribed = false;
            self.line.ask(OwnRequest::Subscribe, false);
        }
        at_once
    }

    /// The server greets: a user or nobody, with the subscriptions of the session before or without.
    pub fn connected(&mut self, user: bool, restored: bool, now: Instant) {
        self.line.connected_by = None;
        if std::mem::replace(&mut self.dial.connected, true) {
            return;
        }
        if self.dial.token && !(restored && self.subscribed) {
            self.subscribed = false;
            self.line.schedule(OwnRequest::Subscribe, false, now);
        }
        if user && !self.given_up {
            self.line.schedule(OwnRequest::ReconnectToken, false, now);
        }
    }

    /// A message came: that is life.
    pub fn heard(&mut self, now: Option<Instant>) {
        self.line.heard = true;
        self.line.pong_by = None;
        // Only where somebody is on the watch.
        self.line.ping_at = self.line.ping_at.and(now).map(|now| now + PING_AFTER);
    }

    /// Whether the answer is one to a question of ours, which is over then.
    pub fn answered(&mut self, own: OwnRequest) -> bool {
        let found = self.line.asked.iter().position(|asked| asked.own == own);
        found.map(|at| self.line.asked.remove(at)).is_some_and(|_| {
            self.subscribed |= own == OwnRequest::Subscribe;
            true
        })
    }

    /// Whether an error is the answer to a question of ours, which is over then. Errors do not say what they are
    /// about; answers come in the order of the questions.
    pub fn refused(&mut self, message: &str, retry_at: Option<Instant>) -> bool {
        let about = |asked: &PendingRequest| retry_at.is_some() || asked.own.is_meant(message);
        let Some(at) = self.line.asked.iter().position(about) else { return false };
        let asked = self.line.asked.remove(at);
        match retry_at {
            // An error is an answer too: who sends it is alive.
            Some(at) if !asked.again && asked.own != OwnRequest::Ping => self.line.schedule(asked.own, true, at),
            Some(_) => {}
            None => self.given_up |= asked.own == OwnRequest::ReconnectToken,
        }
        true
    }

    /// When to ask again what was refused.
    pub fn retry_at(seconds: f64, now: Instant) -> Instant {
        let wait =
            Duration::try_from_secs_f64(seconds).unwrap_or(if seconds > 0.0 { RETRY_MOST } else { Duration::ZERO });
        now + wait.min(RETRY_MOST) + RETRY_MARGIN
    }

    /// Keeps a reconnection token, which lasts so many seconds.
    pub fn keep(&mut self, text: &str, seconds: f64, now: Instant) {
        let lasts = Duration::try_from_secs_f64(seconds).unwrap_or_default().min(TOKEN_LASTS_MOST);
        if text.is_empty() || text.len() > TOKEN_LONGEST || lasts.is_zero() {
            return;
        }
        self.token = Some(ReconnectToken { text: text.to_owned(), expires_at: now + lasts });
        self.line.renew_at = (!self.given_up).then(|| now + (lasts / 2).max(RENEW_LEAST));
    }

    /// Whether these channels were not yet said to be denied.
    pub fn is_news(&mut self, denied: &str) -> bool {
        let denied = denied.char_indices().nth(SAID_LONGEST).map_or(denied, |(end, _)| &denied[..end]);
        let news = self.denied != denied;
        if news {
            denied.clone_into(&mut self.denied);
        }
        news
    }

    /// Whether the credential was in the URI of this connection; `None` if that was asked before.
    pub fn went_unread(&mut self) -> Option<bool> {
        (!std::mem::replace(&mut self.anonymous_said, true)).then_some(self.dial.credential)
    }

    /// When [`NeurographState::tick`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let line = &self.line;
        let mut next = line.pong_by.or(line.ping_at);
        next = earliest(next, line.connected_by);
        next = earliest(next, line.renew_at);
        for (at, _) in &line.later {
            next = earliest(next, Some(*at));
        }
        next
    }

    /// What is due now.
    pub fn tick(&mut self, now: Instant) -> DueActions {
        if let Some(why) = self.is_dead(now) {
            self.line = ConnectionState::default();
            return DueActions { hang_up: Some(why), ..DueActions::default() };
        }
        let line = &mut self.line;
        if take_due(&mut line.renew_at, now) {
            line.schedule(OwnRequest::ReconnectToken, false, now);
        }
        if line.pong_by.is_none() && take_due(&mut line.ping_at, now) {
            line.pong_by = Some(now + PONG_WITHIN);
            line.ping_at = Some(now + PING_AFTER);
            line.schedule(OwnRequest::Ping, false, now);
        }
        DueActions { ask: line.due(now), ..DueActions::default() }
    }

    fn is_dead(&mut self, now: Instant) -> Option<&'static str> {
        if take_due(&mut self.line.connected_by, now) && !self.line.heard {
            // `given_up` follows with the next dial.
            return Some(match self.dial.token {
                true => "the server fell silent over the reconnection token: the next session will do without",
                false => "nothing came within 10 s of the upgrade, not even connected",
            });
        }
        take_due(&mut self.line.pong_by, now).then_some(
            "no message for 25 s and no answer to a JSON ping within 5 s: only protocol pings may still be answered",
        )
    }
}

impl ConnectionState {
    fn ask(&mut self, own: OwnRequest, again: bool) {
        self.asked.retain(|asked| asked.own != own);
        self.asked.push(PendingRequest { own, again });
    }

    fn schedule(&mut self, own: OwnRequest, again: bool, at: Instant) {
        self.later.retain(|(_, asked)| asked.own != own);
        self.later.push((at, PendingRequest { own, again }));
    }

    fn due(&mut self, now: Instant) -> Vec<OwnRequest> {
        let mut due = Vec::new();
        while let Some(place) = self.later.iter().position(|(at, _)| now >= *at) {
            let (_, asked) = self.later.remove(place);
            self.ask(asked.own, asked.again);
            due.push(asked.own);
        }
        due
    }
}

impl OwnRequest {
    /// Whether an error that has no `retry_after` can only be about this question.
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
