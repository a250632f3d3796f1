//! The state machine of one connection: when to dial, ping, close and give up.
//!
//! It reads no clock, holds no socket and draws no random numbers: all of them are arguments. Every deadline
//! is a field of the state that it belongs to, so leaving the state cancels it.
//!
//! ```text
//! Waiting ──dial──► Opening ──opened──► Open ──stop──► Closing ──► Done
//!    ▲                 │ lost             │ lost
//!    └─────────────────┴──────────────────┘            (or Done: given up)
//! ```

use std::time::{Duration, Instant, SystemTime};

use crate::error::{Disconnect, Fault, Retry};
use crate::event::ClientState;

/// One reading of both clocks, taken once per turn of the loop.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For deadlines.
    pub mono: Instant,
    /// For people.
    pub wall: SystemTime,
}

/// When to reconnect because no message came although the connection is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Never.
    Never,
    /// After a fixed time.
    After(Duration),
    /// After the larger of the dialect's figure and five times the longest gap seen.
    Auto,
}

/// How a session behaves. The defaults are those of the command line.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Reconnections in a row without a useful session before giving up; `None` = no limit, 0 = none.
    pub max_reconnects: Option<u32>,
    /// The first wait is between half of this and this; it doubles with each failure.
    pub reconnect_interval: Duration,
    /// No wait is longer.
    pub reconnect_cap: Duration,
    /// For name, TCP, TLS and upgrade together.
    pub connect_timeout: Duration,
    /// Between two pings; `None` = no pings.
    pub ping_interval: Option<Duration>,
    /// How long any frame may take to arrive after a ping, and a write to make progress.
    pub ping_timeout: Duration,
    /// When silence ends a connection that answers pings.
    pub stale: Stale,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            max_reconnects: None,
            reconnect_interval: Duration::from_secs(5),
            reconnect_cap: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            ping_interval: Some(Duration::from_secs(30)),
            ping_timeout: Duration::from_secs(10),
            stale: Stale::Auto,
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A deadline may be due.
    Tick,
    /// The upgrade was accepted.
    Opened,
    /// A frame arrived, of whatever kind.
    Alive,
    /// A message arrived; useful = more than a greeting or keep-alive.
    Delivered { useful: bool },
    /// A pong arrived that carries the number of a ping.
    Pong(u64),
    /// Reading stops until further notice: silence proves nothing meanwhile.
    Paused,
    /// Reading goes on.
    Resumed,
    /// The clocks disagree about the time that has passed: the machine slept, perhaps the server is gone.
    Jumped,
    /// The dial failed or the connection ended; dice is a random number from 0 to 1.
    Lost { why: &'a Disconnect, dice: f64 },
    /// The program wants a new connection.
    Reconnect,
    /// The program wants an end.
    Stop,
}

/// What the caller has to do. No input needs more than one thing.
#[derive(Clone, Debug, PartialEq)]
pub enum Do {
    Nothing,
    /// Begin a connection.
    Dial,
    /// Send a ping with this number.
    Ping(u64),
    /// Send a Close frame and go on reading.
    Close,
    /// Drop the connection and report it as lost for this fault.
    HangUp(Fault),
}

/// How long the closing handshake may take.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// A session that lasted this long was useful whatever it delivered.
const USEFUL_AFTER: Duration = Duration::from_secs(30);
/// No reconnection comes sooner.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// What the doubling of stale deadlines ends at.
const LONGEST_STALE: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug)]
enum State {
    Waiting { dial_at: Instant },
    Opening { give_up_at: Instant },
    Open(Open),
    Closing { give_up_at: Instant, again: bool },
    Done { given_up: bool },
}

#[derive(Clone, Debug)]
struct Open {
    since: Instant,
    ping_at: Option<Instant>,
    pong_by: Option<Instant>,
    stale_at: Option<Instant>,
    last_message: Instant,
    useful: bool,
    paused: bool,
    latest_ping: Option<(u64, Instant)>,
}

/// One server's connection over its whole life.
#[derive(Clone, Debug)]
pub struct Session {
    policy: Policy,
    state: State,
    /// What the dialect thinks too long a silence is; `None` = it does not mind.
    quiet_after: Option<Duration>,
    longest_gap: Duration,
    /// 1, doubled after each reconnection that a stale deadline caused in vain.
    patience: u32,
    begun_by_stale: bool,
    /// The n of the backoff.
    failures: u32,
    /// Reconnections in a row without a useful session.
    attempts: u32,
    dials: u64,
    ever_useful: bool,
    /// The latest session was short, and its end nothing to worry about: once is enough.
    kicked: bool,
    gentle: bool,
    pings: u64,
    rtt: Option<Duration>,
}

impl Session {
    /// A session that dials at once.
    pub fn new(policy: Policy, quiet_after: Option<Duration>, now: Now) -> Self {
        Session {
            policy,
            state: State::Waiting { dial_at: now.mono },
            quiet_after,
            longest_gap: Duration::ZERO,
            patience: 1,
            begun_by_stale: false,
            failures: 0,
            attempts: 0,
            dials: 0,
            ever_useful: false,
            kicked: false,
            gentle: false,
            pings: 0,
            rtt: None,
        }
    }

    /// Takes what happened; says what to do about it.
    pub fn handle(&mut self, now: Now, input: Input<'_>) -> Do {
        let now = now.mono;
        match (&mut self.state, input) {
            (State::Done { .. }, Input::Reconnect) => self.wait_until(now),
            (State::Done { .. }, _) => Do::Nothing,
            (State::Waiting { dial_at }, Input::Tick) if now >= *dial_at => self.dial(now),
            (State::Waiting { .. }, Input::Reconnect) => self.wait_until(now),
            (State::Waiting { .. }, Input::Stop) => self.end(false),
            (State::Opening { give_up_at }, Input::Tick) if now >= *give_up_at => Do::HangUp(Fault::ConnectTimeout),
            (State::Opening { .. }, Input::Opened) => self.opened(now),
            (State::Opening { .. }, Input::Stop) => self.close(now, false, Do::HangUp(Fault::Stopped)),
            (State::Opening { .. }, Input::Lost { why, dice }) => self.lost(now, why, dice, None),
            (State::Open(open), Input::Alive) => {
                open.pong_by = None;
                Do::Nothing
            }
            (State::Open(_), Input::Delivered { useful }) => self.delivered(now, useful),
            (State::Open(open), Input::Pong(number)) => {
                if let Some((_, at)) = open.latest_ping.take_if(|(latest, _)| *latest == number) {
                    self.rtt = Some(now - at);
                }
                Do::Nothing
            }
            (State::Open(_), Input::Tick) => self.tick(now),
            (State::Open(open), Input::Jumped) if open.pong_by.is_none() => self.ping(now),
            (State::Open(open), Input::Paused) => {
                (open.paused, open.pong_by, open.stale_at) = (true, None, None);
                Do::Nothing
            }
            (State::Open(open), Input::Resumed) => {
                (open.paused, open.last_message) = (false, now);
                open.stale_at =
                    stale_after(&self.policy, self.quiet_after, self.longest_gap, self.patience).map(|d| now + d);
                Do::Nothing
            }
            (State::Open(_), Input::Stop) => self.close(now, false, Do::Close),
            (State::Open(_), Input::Reconnect) => self.close(now, true, Do::Close),
            (State::Open(open), Input::Lost { why, dice }) => {
                let open = open.clone();
                self.lost(now, why, dice, Some(&open))
            }
            (State::Closing { give_up_at, .. }, Input::Tick) if now >= *give_up_at => Do::HangUp(Fault::CloseTimeout),
            (State::Closing { again, .. }, Input::Stop) => {
                *again = false;
                Do::Nothing
            }
            (State::Closing { again: true, .. }, Input::Lost { .. }) => self.wait_until(now + SHORTEST_WAIT),
            (State::Closing { again: false, .. }, Input::Lost { .. }) => self.end(false),
            _ => Do::Nothing,
        }
    }

    /// When to be called with [`Input::Tick`] at the latest; `None` when nothing is timed.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { dial_at } => Some(*dial_at),
            State::Opening { give_up_at } | State::Closing { give_up_at, .. } => Some(*give_up_at),
            State::Open(open) => [open.ping_at, open.pong_by, open.stale_at].into_iter().flatten().min(),
            State::Done { .. } => None,
        }
    }

    /// The state under the reference client's names.
    pub fn client_state(&self) -> ClientState {
        match self.state {
            State::Waiting { .. } if self.dials == 0 => ClientState::Disconnected,
            State::Opening { .. } if self.dials == 1 => ClientState::Connecting,
            State::Waiting { .. } | State::Opening { .. } => ClientState::Reconnecting,
            State::Open(_) | State::Closing { .. } => ClientState::Connected,
            State::Done { given_up: true } => ClientState::Error,
            State::Done { given_up: false } => ClientState::Disconnected,
        }
    }

    /// How long until the next dial, where one is waited for.
    pub fn retry_in(&self, now: Now) -> Option<Duration> {
        match self.state {
            State::Waiting { dial_at } => Some(dial_at.saturating_duration_since(now.mono)),
            _ => None,
        }
    }

    /// Whether a dial is under way.
    pub fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening { .. })
    }

    /// Whether the connection is open and not closing.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether nothing will happen any more.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done { .. })
    }

    /// Whether the latest wait is this server's normal life and nothing to worry about.
    pub fn is_gentle(&self) -> bool {
        self.gentle
    }

    /// The round trip of the latest ping that was answered, once.
    pub fn take_rtt(&mut self) -> Option<Duration> {
        self.rtt.take()
    }

    /// Says that the dialect has been recognised, and with it what too long a silence is.
    pub fn quiet_after(&mut self, figure: Option<Duration>) {
        self.quiet_after = figure;
        let after = self.stale_after();
        if let State::Open(open) = &mut self.state {
            open.stale_at = after.filter(|_| !open.paused).map(|after| open.last_message + after);
        }
    }

    fn wait_until(&mut self, dial_at: Instant) -> Do {
        self.state = State::Waiting { dial_at };
        Do::Nothing
    }

    fn end(&mut self, given_up: bool) -> Do {
        self.state = State::Done { given_up };
        Do::Nothing
    }

    fn close(&mut self, now: Instant, again: bool, how: Do) -> Do {
        self.state = State::Closing { give_up_at: now + CLOSE_TIMEOUT, again };
        how
    }

    fn dial(&mut self, now: Instant) -> Do {
        self.state = State::Opening { give_up_at: now + self.policy.connect_timeout };
        self.dials += 1;
        Do::Dial
    }

    fn opened(&mut self, now: Instant) -> Do {
        self.state = State::Open(Open {
            since: now,
            ping_at: self.policy.ping_interval.map(|interval| now + interval),
            pong_by: None,
            stale_at: self.stale_after().map(|after| now + after),
            last_message: now,
            useful: false,
            paused: false,
            latest_ping: None,
        });
        Do::Nothing
    }

    fn delivered(&mut self, now: Instant, useful: bool) -> Do {
        let State::Open(open) = &mut self.state else { return Do::Nothing };
        self.longest_gap = self.longest_gap.max(now - open.last_message);
        open.last_message = now;
        if useful {
            open.useful = true;
            self.ever_useful = true;
            self.patience = 1;
        }
        if !open.paused {
            open.stale_at =
                stale_after(&self.policy, self.quiet_after, self.longest_gap, self.patience).map(|d| now + d);
        }
        Do::Nothing
    }

    fn tick(&mut self, now: Instant) -> Do {
        let State::Open(open) = &self.state else { return Do::Nothing };
        let due = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        if due(open.pong_by) {
            Do::HangUp(Fault::NoPong)
        } else if due(open.stale_at) {
            Do::HangUp(Fault::Stale { after: now - open.last_message })
        } else if due(open.ping_at) {
            self.ping(now)
        } else {
            Do::Nothing
        }
    }

    fn ping(&mut self, now: Instant) -> Do {
        let State::Open(open) = &mut self.state else { return Do::Nothing };
        self.pings += 1;
        open.latest_ping = Some((self.pings, now));
        open.ping_at = self.policy.ping_interval.map(|interval| now + interval);
        if !open.paused {
            open.pong_by.get_or_insert(now + self.policy.ping_timeout);
        }
        Do::Ping(self.pings)
    }

    fn lost(&mut self, now: Instant, why: &Disconnect, dice: f64, open: Option<&Open>) -> Do {
        let lasted = open.is_some_and(|open| now - open.since >= USEFUL_AFTER);
        let useful = lasted || open.is_some_and(|open| open.useful);
        self.ever_useful |= useful;
        self.judge_patience(why, useful);
        if useful && !why.is_our_doing() {
            (self.failures, self.attempts) = (0, 0);
        }
        if self.is_final(why) {
            return self.end(true);
        }
        self.gentle = useful && why.is_ordinary() && (lasted || !self.kicked);
        self.kicked = !lasted && (self.gentle || self.kicked);
        let wait =
            if self.gentle { SHORTEST_WAIT + Duration::from_millis(900).mul_f64(dice) } else { self.backoff(dice) };
        let wait = if let Retry::NoSooner(least) = why.retry { wait.max(least) } else { wait };
        self.attempts = self.attempts.saturating_add(1);
        self.wait_until(now + wait)
    }

    /// Doubles the patience when a reconnection for staleness has brought nothing.
    fn judge_patience(&mut self, why: &Disconnect, useful: bool) {
        let stale = matches!(why.fault, Some(Fault::Stale { .. }));
        if stale && self.begun_by_stale && !useful {
            self.patience = self.patience.saturating_mul(2);
        }
        self.begun_by_stale = stale;
    }

    fn is_final(&self, why: &Disconnect) -> bool {
        match why.retry {
            Retry::Final => true,
            Retry::FinalUnlessUseful if !self.ever_useful => true,
            _ => self.policy.max_reconnects.is_some_and(|most| self.attempts >= most),
        }
    }

    /// Half of min(cap, base·2ⁿ) and a random part of the other half.
    fn backoff(&mut self, dice: f64) -> Duration {
        let doubled = 2u32.checked_pow(self.failures).and_then(|n| self.policy.reconnect_interval.checked_mul(n));
        let most = doubled.map_or(self.policy.reconnect_cap, |d| d.min(self.policy.reconnect_cap));
        self.failures = self.failures.saturating_add(1);
        (most / 2 + (most / 2).mul_f64(dice)).max(SHORTEST_WAIT)
    }

    fn stale_after(&self) -> Option<Duration> {
        stale_after(&self.policy, self.quiet_after, self.longest_gap, self.patience)
    }
}

fn stale_after(policy: &Policy, figure: Option<Duration>, longest_gap: Duration, patience: u32) -> Option<Duration> {
    let base = match policy.stale {
        Stale::Never => return None,
        Stale::After(after) => after,
        Stale::Auto => figure?.max(longest_gap.saturating_mul(5)),
    };
    Some(base.saturating_mul(patience).min(LONGEST_STALE).max(base))
}

#[cfg(test)]
mod tests;
