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

mod open;
mod policy;
mod silence;

use std::time::{Duration, Instant};

use crate::model::error::{Disconnect, Fault, Retry};
use crate::model::event::ClientState;
use crate::model::time::{Now, earliest};

use open::{Ended, Open};
use policy::SHORTEST_WAIT;
use silence::Staleness;

pub use policy::{Policy, Stale};

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A deadline may be due.
    Tick,
    /// The upgrade was accepted.
    Opened,
    /// A frame arrived, of whatever kind: the connection is alive.
    Alive,
    /// That frame completed a message; useful = more than a greeting or keep-alive.
    Delivered { useful: bool },
    /// That frame is a pong with the number of a ping.
    Pong(u64),
    /// Reading stops until further notice, whatever the state: silence proves nothing meanwhile.
    Paused,
    /// Reading goes on.
    Resumed,
    /// The clocks disagree about the time that has passed: the machine slept, perhaps the server is gone.
    ClockJumped,
    /// The dial failed or the connection ended; dice is a random number from 0 to 1.
    Lost { why: &'a Disconnect, jitter: f64 },
    /// The program wants a new connection now: no wait, no limit and no final error stands against it. Nothing new
    /// where a dial is under way.
    Reconnect,
    /// The program wants an end, within [`CLOSE_TIMEOUT`].
    Stop,
}

/// What the caller has to do. No input needs more than one thing.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Nothing,
    /// Begin a connection.
    Dial,
    /// Send a ping with this number.
    Ping(u64),
    /// Send a Close frame and go on reading.
    Close,
    /// Drop the connection and report it as lost for this fault, at once.
    HangUp(Fault),
}

/// How long the closing handshake may take.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// A message that finds a deadline so long overdue finds a process that was stopped: the gap before it is our own.
const OVERDUE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
enum State {
    Waiting { dial_at: Instant },
    Opening { give_up_at: Instant },
    Open(Open),
    Closing { give_up_at: Instant, again: bool },
    Done { given_up: bool },
}

/// One server's connection over its whole life.
#[derive(Clone, Debug)]
pub struct Session {
    policy: Policy,
    state: State,
    silence: Staleness,
    /// Since when nothing is read: the deadlines that the server has to meet are frozen.
    paused_at: Option<Instant>,
    /// The n of the backoff.
    failures: u32,
    /// Reconnections in a row without a useful session.
    attempts: u32,
    dials: u64,
    ever_useful: bool,
    /// Since the latest session that lasted, a shorter one had an ordinary end: the gentle wait is used up.
    fast_retry_used: bool,
    routine: bool,
    pings: u64,
    rtt: Option<Duration>,
}

impl Session {
    /// A session that dials at once. `quiet_after`: what the dialect thinks too long a silence; `None` = never.
    pub fn new(mut policy: Policy, quiet_after: Option<Duration>, now: Now) -> Self {
        policy.clamp();
        Session {
            silence: Staleness::new(policy.stale, quiet_after),
            policy,
            state: State::Waiting { dial_at: now.mono },
            paused_at: None,
            failures: 0,
            attempts: 0,
            dials: 0,
            ever_useful: false,
            fast_retry_used: false,
            routine: false,
            pings: 0,
            rtt: None,
        }
    }

    /// Takes what happened; says what to do about it.
    pub fn handle(&mut self, now: Now, input: Input<'_>) -> Action {
        let now = now.mono;
        match (&mut self.state, input) {
            (_, Input::Paused) => self.pause(now),
            (_, Input::Resumed) => self.resume(now),
            (State::Done { .. }, Input::Reconnect) => self.begin_anew(now),
            (State::Done { .. }, _) => Action::Nothing,
            (State::Waiting { dial_at }, Input::Tick) if now >= *dial_at => self.dial(now),
            (State::Waiting { .. }, Input::Reconnect) => self.wait_until(now),
            (State::Waiting { .. }, Input::Stop) => self.end(false),
            (State::Opening { give_up_at }, Input::Tick) if now >= *give_up_at => Action::HangUp(Fault::ConnectTimeout),
            (State::Opening { .. }, Input::Opened) => self.opened(now),
            (State::Opening { .. }, Input::Stop) => {
                self.end(false);
                Action::HangUp(Fault::Stopped)
            }
            (State::Opening { .. }, Input::Lost { why, jitter }) => self.retry(now, why, jitter, false),
            (State::Open(open), Input::Alive) => open.alive(),
            (State::Open(_), Input::Delivered { useful }) => self.delivered(now, useful),
            (State::Open(open), Input::Pong(number)) => {
                self.rtt = open.pong(now, number).or(self.rtt);
                Action::Nothing
            }
            (State::Open(_), Input::Tick) => self.tick(now),
            (State::Open(open), Input::ClockJumped) if open.wants_a_ping() => self.ping(now),
            (State::Open(_), Input::Stop) => self.close(now, false, Action::Close),
            (State::Open(open), Input::Reconnect) => {
                let ended = open.ended(now);
                self.replace(now, ended)
            }
            (State::Open(open), Input::Lost { why, jitter }) => {
                let ended = open.ended(now);
                self.lost(now, why, jitter, ended)
            }
            (State::Closing { give_up_at, .. }, Input::Tick) if now >= *give_up_at => {
                Action::HangUp(Fault::CloseTimeout)
            }
            (State::Closing { again, .. }, Input::Stop) => {
                *again = false;
                Action::Nothing
            }
            (State::Closing { again: true, .. }, Input::Lost { .. }) => self.wait_until(now + SHORTEST_WAIT),
            (State::Closing { again: false, .. }, Input::Lost { .. }) => self.end(false),
            _ => Action::Nothing,
        }
    }

    /// When to be called with [`Input::Tick`] at the latest; `None` when nothing is timed.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { dial_at } => Some(*dial_at),
            State::Opening { give_up_at } | State::Closing { give_up_at, .. } => Some(*give_up_at),
            State::Open(open) if self.paused_at.is_some() => open.ping_at,
            State::Open(open) => earliest(open.ping_at, open.pong_by.or(open.stale_at)),
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

    /// Whether the latest wait is this server's normal life, or the program's wish, and nothing to worry about.
    pub fn is_routine(&self) -> bool {
        self.routine
    }

    /// The round trip of the latest ping that was answered, once.
    pub fn take_rtt(&mut self) -> Option<Duration> {
        self.rtt.take()
    }

    /// Says that the dialect has been recognised, and with it what too long a silence is.
    pub fn quiet_after(&mut self, figure: Option<Duration>) {
        self.silence.figure = figure;
        if let State::Open(open) = &mut self.state {
            open.expect_message(&self.silence);
        }
    }

    fn wait_until(&mut self, dial_at: Instant) -> Action {
        self.state = State::Waiting { dial_at };
        Action::Nothing
    }

    fn end(&mut self, given_up: bool) -> Action {
        self.routine = false;
        self.state = State::Done { given_up };
        Action::Nothing
    }

    fn begin_anew(&mut self, now: Instant) -> Action {
        (self.failures, self.attempts) = (0, 0);
        self.wait_until(now)
    }

    fn close(&mut self, now: Instant, again: bool, how: Action) -> Action {
        self.state = State::Closing { give_up_at: now + CLOSE_TIMEOUT, again };
        how
    }

    fn dial(&mut self, now: Instant) -> Action {
        self.state = State::Opening { give_up_at: now + self.policy.connect_timeout };
        self.dials += 1;
        Action::Dial
    }

    fn opened(&mut self, now: Instant) -> Action {
        let mut open = Open::new(now, self.policy.ping_interval);
        open.expect_message(&self.silence);
        self.state = State::Open(open);
        Action::Nothing
    }

    fn delivered(&mut self, now: Instant, useful: bool) -> Action {
        let overdue = self.deadline().is_some_and(|at| now > at + OVERDUE);
        let State::Open(open) = &mut self.state else { return Action::Nothing };
        if !overdue {
            self.silence.was(now - open.last_message);
        }
        if useful {
            self.silence.broken();
            (open.delivered, self.ever_useful) = (true, true);
        }
        open.last_message = now;
        open.expect_message(&self.silence);
        open.alive()
    }

    fn tick(&mut self, now: Instant) -> Action {
        let State::Open(open) = &self.state else { return Action::Nothing };
        let due = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        let frozen = self.paused_at.is_some();
        if !frozen && due(open.pong_by) {
            Action::HangUp(Fault::NoPong)
        } else if !frozen && open.pong_by.is_none() && due(open.stale_at) {
            Action::HangUp(Fault::Stale { after: now - open.last_message })
        } else if due(open.ping_at) {
            self.ping(now)
        } else {
            Action::Nothing
        }
    }

    /// While nothing is read no pong can be expected, and the round trip of a late one would be a lie.
    fn ping(&mut self, now: Instant) -> Action {
        let State::Open(open) = &mut self.state else { return Action::Nothing };
        self.pings += 1;
        open.ping_at = self.policy.ping_interval.map(|interval| now + interval);
        if self.paused_at.is_none() {
            open.latest_ping = Some((self.pings, now));
            open.pong_by.get_or_insert(now + self.policy.ping_timeout);
        }
        Action::Ping(self.pings)
    }

    fn pause(&mut self, now: Instant) -> Action {
        self.paused_at.get_or_insert(now);
        if let State::Open(open) = &mut self.state {
            open.latest_ping = None;
        }
        Action::Nothing
    }

    fn resume(&mut self, now: Instant) -> Action {
        if let (Some(paused_at), State::Open(open)) = (self.paused_at, &mut self.state) {
            let frozen = now - paused_at;
            open.pong_by = open.pong_by.map(|by| by + frozen);
            open.last_message = now.min(open.last_message + frozen);
            open.expect_message(&self.silence);
        }
        self.paused_at = None;
        Action::Nothing
    }

    /// The program wants another connection instead of this one.
    fn replace(&mut self, now: Instant, ended: Ended) -> Action {
        self.silence.judge(false, ended.delivered);
        self.credit(ended, true);
        self.routine = true;
        self.close(now, true, Action::Close)
    }

    fn lost(&mut self, now: Instant, why: &Disconnect, jitter: f64, ended: Ended) -> Action {
        self.silence.judge(matches!(why.fault, Some(Fault::Stale { .. })), ended.delivered);
        self.credit(ended, !why.ended_locally());
        let ordinary = ended.useful() && why.is_ordinary() && !why.ended_locally();
        let routine = ordinary && (ended.lasted || !self.fast_retry_used);
        self.fast_retry_used |= routine && !ended.lasted;
        self.retry(now, why, jitter, routine)
    }

    /// Counts failures anew after a useful session, unless it had an end that proves nothing good.
    fn credit(&mut self, ended: Ended, good: bool) {
        self.ever_useful |= ended.useful();
        self.fast_retry_used &= !ended.lasted;
        if ended.useful() && good {
            (self.failures, self.attempts) = (0, 0);
        }
    }

    fn retry(&mut self, now: Instant, why: &Disconnect, jitter: f64, routine: bool) -> Action {
        if self.is_final(why) {
            return self.end(true);
        }
        self.routine = routine;
        self.attempts = self.attempts.saturating_add(1);
        let wait = if routine { policy::routine_wait(jitter) } else { self.backoff(jitter) };
        let wait = if let Retry::After(least) = why.retry { policy::no_sooner(wait, least) } else { wait };
        self.wait_until(now + wait)
    }

    fn backoff(&mut self, jitter: f64) -> Duration {
        let wait = self.policy.backoff(self.failures, jitter);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    fn is_final(&self, why: &Disconnect) -> bool {
        match why.retry {
            Retry::Final => true,
            Retry::FinalUnlessUseful if !self.ever_useful => true,
            _ => self.policy.max_reconnects.is_some_and(|most| self.attempts >= most),
        }
    }
}

#[cfg(test)]
mod tests;
