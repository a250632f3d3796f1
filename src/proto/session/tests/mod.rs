//! Transcripts of sessions: a simulated clock jumps from deadline to deadline, and all inputs and actions are compared.

use std::time::UNIX_EPOCH;

use super::Action::{Close, Dial, HangUp, Nothing};
use super::*;
use crate::model::error::Phase;
use Fault::{CloseTimeout, ConnectTimeout, NoPong, Stopped};

mod endings;
mod histories;
mod liveness;
mod reconnection;

const HOUR: f64 = 3600.0;
/// The first message of a server: not useful by itself.
const GREETING: Input<'_> = Input::Delivered { useful: false };
const SAMPLE: Input<'_> = Input::Delivered { useful: true };

/// A session, a simulated clock, and the transcript. The jitter is 1, so the waits are 5, 10, 20 … s.
struct SessionSim {
    session: Session,
    policy: Policy,
    jitter: f64,
    start: Instant,
    now: Duration,
    transcript: Vec<(f64, String, Action)>,
}

impl SessionSim {
    /// A dialect with a stale time of 30 s, and the default policy.
    fn new() -> Self {
        SessionSim::with(|_| ())
    }

    fn with(change: fn(&mut Policy)) -> Self {
        let mut policy = Policy::default();
        change(&mut policy);
        let start = Instant::now();
        let now = Now { mono: start, wall: UNIX_EPOCH };
        let session = Session::new(policy.clone(), Some(Duration::from_secs(30)), now);
        SessionSim { session, policy, jitter: 1.0, start, now: Duration::ZERO, transcript: Vec::new() }
    }

    /// A session that is open at 0 s, with an empty transcript.
    fn open() -> Self {
        SessionSim::new().opened()
    }

    fn opened(mut self) -> Self {
        self.tick().input(Input::Opened).transcript.clear();
        self
    }

    fn seconds(&self) -> f64 {
        self.now.as_millis() as f64 / 1000.0
    }

    /// The deadline, in seconds.
    fn due(&self) -> Option<f64> {
        self.session.deadline().map(|at| (at - self.start).as_millis() as f64 / 1000.0)
    }

    /// Passes an input to the session. A connection that it hangs up is lost at once, as in the loop.
    fn input(&mut self, input: Input<'_>) -> &mut Self {
        let now = Now { mono: self.start + self.now, wall: UNIX_EPOCH + self.now };
        let action = self.session.handle(now, input);
        self.transcript.push((self.seconds(), name(&input), action.clone()));
        if let HangUp(fault) = action {
            let text = format!("{fault:?}").split(' ').next().unwrap().to_owned();
            self.lost(&Disconnect::fault(Phase::Session, fault, text));
        }
        self
    }

    fn lost(&mut self, why: &Disconnect) -> &mut Self {
        let jitter = self.jitter;
        self.input(Input::Lost { why, jitter })
    }

    fn refused(&mut self) -> &mut Self {
        self.lost(&Disconnect::new(Phase::Connect, "refused"))
    }

    fn closed(&mut self, code: u16) -> &mut Self {
        self.lost(&Disconnect { text: code.to_string(), ..*Disconnect::closed(Some(code), "") })
    }

    fn refused_for(&mut self, retry: Retry) -> &mut Self {
        self.lost(&Disconnect { retry, ..*Disconnect::new(Phase::Upgrade, "refused") })
    }

    /// Jumps to the deadline.
    fn tick(&mut self) -> &mut Self {
        let at = self.session.deadline().expect("something is timed") - self.start;
        self.now = self.now.max(at);
        self.input(Input::Tick)
    }

    /// Advances to a time, with a tick at each deadline before it.
    fn at(&mut self, seconds: f64) -> &mut Self {
        while self.due().is_some_and(|due| due < seconds) {
            self.tick();
        }
        self.asleep_until(seconds)
    }

    /// Jumps to a time without any tick.
    fn asleep_until(&mut self, seconds: f64) -> &mut Self {
        self.now = Duration::from_secs_f64(seconds);
        self
    }

    /// Compares the transcript, and clears it.
    #[track_caller]
    fn expect(&mut self, expected: &[(f64, &str, Action)]) -> &mut Self {
        let transcript = std::mem::take(&mut self.transcript);
        let transcript: Vec<_> =
            transcript.iter().map(|(at, input, action)| (*at, input.as_str(), action.clone())).collect();
        assert_eq!(transcript, expected);
        self
    }

    /// Returns the times of the dials, and clears the transcript.
    fn dials(&mut self) -> Vec<f64> {
        let transcript = std::mem::take(&mut self.transcript);
        transcript.iter().filter(|(_, _, action)| *action == Dial).map(|(at, _, _)| *at).collect()
    }

    /// Plays a server for an hour; returns the times of the dials.
    fn hour(&mut self, server: fn(&mut SessionSim)) -> Vec<f64> {
        while self.due().is_some_and(|due| due <= HOUR) {
            if self.tick().session.is_opening() {
                server(self);
            }
        }
        self.dials()
    }
}

fn name(input: &Input<'_>) -> String {
    match input {
        Input::Lost { why, .. } => format!("lost {}", why.text),
        Input::Delivered { useful: true } => "sample".to_owned(),
        Input::Delivered { useful: false } => "greeting".to_owned(),
        Input::ClockJumped => "clock jumped".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}
