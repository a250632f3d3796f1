//! The state machine of one connection: when to dial, ping, close and give up.
//!
//! Time and random numbers are arguments, and the socket is the caller's. Every deadline is a field of the state that
//! it belongs to, so leaving the state cancels it.
//!
//! ```text
//! Waiting ──dial──► Opening ──opened──► Open ──stop──► Closing ──► Done
//!    ▲                 │ lost             │ lost
//!    └─────────────────┴──────────────────┘            (or Done: given up)
//! ```

mod open;
mod policy;
mod staleness;

use std::time::{Duration, Instant};

use crate::model::error::{Disconnect, Fault, Retry};
use crate::model::event::ClientState;
use crate::model::time::{Now, earliest};

use open::{Ended, Open};
use policy::SHORTEST_WAIT;
use staleness::Staleness;

pub use policy::{Policy, Stale};

/// An event, as the caller reports it.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The deadline may have passed.
    Tick,
    /// The upgrade was accepted.
    Opened,
    /// A frame of any kind arrived: the connection is alive.
    Alive,
    /// That frame completed a message; it is useful if it is more than a greeting or keep-alive.
    Delivered { useful: bool },
    /// That frame is the pong of the ping with this number.
    Pong(u64),
    /// Reading stops, in any state, until [`Input::Resumed`]: silence proves nothing meanwhile.
    Paused,
    /// Reading continues.
    Resumed,
    /// The clocks disagree about the elapsed time: the machine was suspended, and the connection may be dead.
    ClockJumped,
    /// The dial failed or the connection ended. `jitter` is a random number from 0 to 1.
    Lost { why: &'a Disconnect, jitter: f64 },
    /// The program wants a new connection now, regardless of waits, limits and final errors. Ignored during a dial.
    Reconnect,
    /// The program wants the session to end, within [`CLOSE_TIMEOUT`].
    Stop,
}

/// An instruction to the caller; no input needs more than one.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Nothing,
    /// Start to connect.
    Dial,
    /// Send a ping with this number.
    Ping(u64),
    /// Send a Close frame and continue to read.
    Close,
    /// Drop the connection and report it as [`Input::Lost`] at once, with this fault.
    HangUp(Fault),
}

/// Upper bound on the closing handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Delay of an input after a deadline from which the process must have been stopped: see [`Session::delivered`].
const STOPPED_AFTER: Duration = Duration::from_secs(1);
/// Refusals in a row that end a session which has been useful.
const MAX_REFUSALS: u32 = 10;

#[derive(Clone, Debug)]
enum State {
    Waiting { dial_at: Instant },
    Opening { give_up_at: Instant },
    Open(Open),
    Closing { give_up_at: Instant, reconnect: bool },
    Done { given_up: bool },
}

/// One server's connection, over all its reconnections.
#[derive(Clone, Debug)]
pub struct Session {
    policy: Policy,
    state: State,
    staleness: Staleness,
    /// Start of the pause. While set, the deadlines that the server has to meet are frozen.
    paused_at: Option<Instant>,
    /// Exponent of the backoff.
    failures: u32,
    /// Reconnections in a row without a useful session.
    attempts: u32,
    /// Refusals in a row.
    refusals: u32,
    dials: u64,
    /// True once any connection was useful.
    ever_useful: bool,
    /// A short connection has already had the fast reconnect; the next one backs off. Reset by one that lasted.
    fast_retry_used: bool,
    /// See [`Session::is_routine`].
    routine: bool,
    /// Pings sent so far, over all connections.
    pings: u64,
    /// True once any ping was answered by its pong.
    ever_answered: bool,
    /// Set by a pong, until it is taken.
    rtt: Option<Duration>,
}

impl Session {
    /// Creates a session that dials at once. `stale_default` is the dialect's stale time for [`Stale::Auto`]; `None` =
    /// never stale.
    pub fn new(mut policy: Policy, stale_default: Option<Duration>, now: Now) -> Self {
        policy.clamp();
        Session {
            staleness: Staleness::new(policy.stale, stale_default),
            policy,
            state: State::Waiting { dial_at: now.mono },
            paused_at: None,
            failures: 0,
            attempts: 0,
            refusals: 0,
            dials: 0,
            ever_useful: false,
            fast_retry_used: false,
            routine: false,
            pings: 0,
            ever_answered: false,
            rtt: None,
        }
    }

    /// Handles one event.
    pub fn handle(&mut self, now: Now, input: Input<'_>) -> Action {
        let now = now.mono;
        match (&mut self.state, input) {
            (_, Input::Paused) => self.pause(now),
            (_, Input::Resumed) => self.resume(now),
            (State::Done { .. }, Input::Reconnect) => self.restart(now),
            (State::Done { .. }, _) => Action::Nothing,
            (State::Waiting { dial_at }, Input::Tick) if now >= *dial_at => self.dial(now),
            (State::Waiting { .. }, Input::Reconnect) => self.wait_until(now),
            (State::Waiting { .. }, Input::Stop) => self.finish(false),
            (State::Opening { give_up_at }, Input::Tick) if now >= *give_up_at => Action::HangUp(Fault::ConnectTimeout),
            (State::Opening { .. }, Input::Opened) => self.opened(now),
            (State::Opening { .. }, Input::Stop) => {
                self.finish(false);
                Action::HangUp(Fault::Stopped)
            }
            (State::Opening { .. }, Input::Lost { why, jitter }) => self.retry(now, why, jitter, false),
            (State::Open(open), Input::Alive) => open.alive(),
            (State::Open(_), Input::Delivered { useful }) => self.delivered(now, useful),
            (State::Open(open), Input::Pong(number)) => {
                self.rtt = open.pong(now, number).or(self.rtt);
                self.ever_answered = true;
                Action::Nothing
            }
            (State::Open(_), Input::Tick) => self.tick(now),
            (State::Open(open), Input::ClockJumped) if open.wants_a_ping() => self.ping(now),
            (State::Open(_), Input::Stop) => self.close(now, false),
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
            (State::Closing { reconnect, .. }, Input::Stop) => {
                *reconnect = false;
                Action::Nothing
            }
            // It was stopped and is not closed yet: the same as after the end.
            (State::Closing { reconnect: reconnect @ false, .. }, Input::Reconnect) => {
                *reconnect = true;
                (self.failures, self.attempts, self.refusals) = (0, 0, 0);
                Action::Nothing
            }
            (State::Closing { reconnect: true, .. }, Input::Lost { .. }) => self.wait_until(now + SHORTEST_WAIT),
            (State::Closing { reconnect: false, .. }, Input::Lost { .. }) => self.finish(false),
            _ => Action::Nothing,
        }
    }

    /// The latest time for the next [`Input::Tick`]; `None` without any deadline.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { dial_at } => Some(*dial_at),
            State::Opening { give_up_at } | State::Closing { give_up_at, .. } => Some(*give_up_at),
            State::Open(open) if self.paused_at.is_some() => open.ping_at,
            State::Open(open) => earliest(open.ping_at, open.pong_by.or(open.stale_at)),
            State::Done { .. } => None,
        }
    }

    /// The state by the reference client's names.
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

    /// Time until the next dial; `None` unless waiting for it.
    pub fn retry_in(&self, now: Now) -> Option<Duration> {
        match self.state {
            State::Waiting { dial_at } => Some(dial_at.saturating_duration_since(now.mono)),
            _ => None,
        }
    }

    /// Reconnections in a row without a useful session, with the one that follows. 0 unless one follows or the server
    /// was given up.
    pub fn attempts(&self) -> u32 {
        match self.state {
            State::Waiting { .. } | State::Done { given_up: true } => self.attempts,
            _ => 0,
        }
    }

    /// True while waiting for the next dial.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// The rank of a dial among those of other sessions; `None` unless it is due. First dials come before repetitions,
    /// and then the one that has been due for longer.
    pub fn dial_rank(&self, now: Now) -> Option<(bool, Instant)> {
        match self.state {
            State::Waiting { dial_at } if now.mono >= dial_at => Some((self.dials > 0, dial_at)),
            _ => None,
        }
    }

    /// True from the dial until the connection is open or lost.
    pub fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening { .. })
    }

    /// True while the connection is open and not closing.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// True if the connection, which ends now, is evidence for its address: it was useful, and not by mere duration
    /// where we end it.
    pub fn is_useful(&self, now: Now, why: &Disconnect) -> bool {
        let State::Open(open) = &self.state else { return false };
        let ended = open.ended(now.mono);
        ended.delivered || ended.lasted && !why.ended_locally()
    }

    /// True after the end: only [`Input::Reconnect`] has an effect.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done { .. })
    }

    /// True if the latest loss is nothing to warn about: the ordinary end of a useful connection, or a reconnection that
    /// the program wanted.
    pub fn is_routine(&self) -> bool {
        self.routine
    }

    /// True once any ping was answered, over all connections.
    pub fn answers_pings(&self) -> bool {
        self.ever_answered
    }

    /// Returns the round-trip time of the latest answered ping; `None` when called again.
    pub fn take_rtt(&mut self) -> Option<Duration> {
        self.rtt.take()
    }

    /// Sets the dialect's stale time once the dialect has been recognised; `None` = never stale.
    pub fn set_stale_default(&mut self, stale_default: Option<Duration>) {
        self.staleness.stale_default = stale_default;
        if let State::Open(open) = &mut self.state {
            open.reset_stale_at(&self.staleness);
        }
    }

    fn wait_until(&mut self, dial_at: Instant) -> Action {
        self.state = State::Waiting { dial_at };
        Action::Nothing
    }

    fn finish(&mut self, given_up: bool) -> Action {
        self.routine = false;
        self.state = State::Done { given_up };
        Action::Nothing
    }

    fn restart(&mut self, now: Instant) -> Action {
        (self.failures, self.attempts, self.refusals) = (0, 0, 0);
        self.wait_until(now)
    }

    fn close(&mut self, now: Instant, reconnect: bool) -> Action {
        self.state = State::Closing { give_up_at: now + CLOSE_TIMEOUT, reconnect };
        Action::Close
    }

    fn dial(&mut self, now: Instant) -> Action {
        self.state = State::Opening { give_up_at: now + self.policy.connect_timeout };
        self.dials += 1;
        Action::Dial
    }

    fn opened(&mut self, now: Instant) -> Action {
        let mut open = Open::new(now, self.policy.ping_interval);
        open.reset_stale_at(&self.staleness);
        self.state = State::Open(open);
        Action::Nothing
    }

    /// Handles a complete message: restarts the stale deadline, and learns how long the server's silences usually are.
    ///
    /// A process that was stopped (SIGSTOP, a suspended machine) wakes up with its deadlines long past and with messages
    /// waiting in the socket. The loop reads before it ticks, so these messages arrive here first and move `stale_at`
    /// and `pong_by` on: the server is not blamed for our absence. The gap before the first of them is not the server's
    /// silence either. If it were learnt, [`Stale::Auto`] would from then on tolerate five times our absence. Such a
    /// gap is recognised by a deadline that passed more than [`STOPPED_AFTER`] ago: a running loop would have handled it.
    fn delivered(&mut self, now: Instant, useful: bool) -> Action {
        let was_stopped = self.deadline().is_some_and(|at| now > at + STOPPED_AFTER);
        let State::Open(open) = &mut self.state else { return Action::Nothing };
        if !was_stopped {
            self.staleness.record_gap(now - open.last_message);
        }
        if useful {
            self.staleness.reset_patience();
            (open.delivered, self.ever_useful) = (true, true);
        }
        open.last_message = now;
        open.reset_stale_at(&self.staleness);
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

    /// Sends a ping. During a pause it has no deadline and no round-trip time, for its pong is not read.
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
            open.reset_stale_at(&self.staleness);
        }
        self.paused_at = None;
        Action::Nothing
    }

    /// Closes the connection so that another one replaces it.
    fn replace(&mut self, now: Instant, ended: Ended) -> Action {
        self.staleness.record_end(false, ended.delivered);
        self.reset_failures(ended, true);
        self.routine = true;
        self.close(now, true)
    }

    fn lost(&mut self, now: Instant, why: &Disconnect, jitter: f64, ended: Ended) -> Action {
        self.staleness.record_end(matches!(why.fault, Some(Fault::Stale { .. })), ended.delivered);
        // A garbled text is rare and says nothing against the next connection.
        self.reset_failures(ended, !why.ended_locally() || why.fault == Some(Fault::InvalidText));
        let ordinary = ended.is_useful() && why.is_ordinary() && !why.ended_locally();
        let routine = ordinary && (ended.lasted || !self.fast_retry_used);
        self.fast_retry_used |= routine && !ended.lasted;
        self.retry(now, why, jitter, routine)
    }

    /// Resets the failure counts after a useful connection, unless we ended it for a fault of the server.
    fn reset_failures(&mut self, ended: Ended, no_fault: bool) {
        self.ever_useful |= ended.is_useful();
        self.fast_retry_used &= !ended.lasted;
        if ended.is_useful() && no_fault {
            (self.failures, self.attempts) = (0, 0);
        }
    }

    fn retry(&mut self, now: Instant, why: &Disconnect, jitter: f64, routine: bool) -> Action {
        let refused = why.retry == Retry::FinalUnlessUseful;
        self.refusals = if refused { self.refusals.saturating_add(1) } else { 0 };
        if self.is_final(why) {
            return self.finish(true);
        }
        self.routine = routine;
        self.attempts = self.attempts.saturating_add(1);
        let wait = if routine {
            policy::routine_wait(jitter)
        } else {
            let wait = self.policy.backoff(self.failures, jitter);
            self.failures = self.failures.saturating_add(1);
            if refused || why.retry == Retry::AtCap { self.policy.longest_wait(jitter) } else { wait }
        };
        let wait = if let Retry::After(least) = why.retry { self.policy.no_sooner(wait, least) } else { wait };
        self.wait_until(now + wait)
    }

    fn is_final(&self, why: &Disconnect) -> bool {
        match why.retry {
            Retry::Final => true,
            Retry::FinalUnlessUseful if !self.ever_useful || self.refusals >= MAX_REFUSALS => true,
            _ => self.policy.max_reconnects.is_some_and(|max| self.attempts >= max),
        }
    }
}

#[cfg(test)]
mod tests;
