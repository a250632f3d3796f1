//! Transcripts: a simulated clock jumps from deadline to deadline, and the whole conversation is compared.

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
/// What is heard first of a server, and proves little.
const GREETING: Input<'_> = Input::Delivered { useful: false };
const SAMPLE: Input<'_> = Input::Delivered { useful: true };

/// A session, its clock, and what was said so far. The dice always show 1, so waits are d itself: 5, 10, 20 … s.
struct SessionSim {
    session: Session,
    policy: Policy,
    jitter: f64,
    start: Instant,
    now: Duration,
    said: Vec<(f64, String, Action)>,
}

impl SessionSim {
    /// A monitoring server, 30 s of silence being too long, and the defaults of the command line.
    fn new() -> Self {
        SessionSim::with(|_| ())
    }

    fn with(change: fn(&mut Policy)) -> Self {
        let mut policy = Policy::default();
        change(&mut policy);
        let start = Instant::now();
        let now = Now { mono: start, wall: UNIX_EPOCH };
        let session = Session::new(policy.clone(), Some(Duration::from_secs(30)), now);
        SessionSim { session, policy, jitter: 1.0, start, now: Duration::ZERO, said: Vec::new() }
    }

    /// One that is open at 0 s, and no more said of it.
    fn open() -> Self {
        SessionSim::new().opened()
    }

    fn opened(mut self) -> Self {
        self.tick().say(Input::Opened).said.clear();
        self
    }

    fn seconds(&self) -> f64 {
        self.now.as_millis() as f64 / 1000.0
    }

    /// When the next tick is due.
    fn due(&self) -> Option<f64> {
        self.session.deadline().map(|at| (at - self.start).as_millis() as f64 / 1000.0)
    }

    /// Tells the session something now. What it hangs up is lost at once, as in the loop.
    fn say(&mut self, input: Input<'_>) -> &mut Self {
        let now = Now { mono: self.start + self.now, wall: UNIX_EPOCH + self.now };
        let act = self.session.handle(now, input);
        self.said.push((self.seconds(), name(&input), act.clone()));
        if let HangUp(fault) = act {
            let text = format!("{fault:?}").split(' ').next().unwrap().to_owned();
            self.lost(&Disconnect::fault(Phase::Session, fault, text));
        }
        self
    }

    fn lost(&mut self, why: &Disconnect) -> &mut Self {
        let jitter = self.jitter;
        self.say(Input::Lost { why, jitter })
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
        self.say(Input::Tick)
    }

    /// Goes on to a time; what is due before then is done when it is due.
    fn at(&mut self, seconds: f64) -> &mut Self {
        while self.due().is_some_and(|due| due < seconds) {
            self.tick();
        }
        self.asleep_until(seconds)
    }

    /// Jumps to a time; nothing is done before.
    fn asleep_until(&mut self, seconds: f64) -> &mut Self {
        self.now = Duration::from_secs_f64(seconds);
        self
    }

    /// Compares all that was said, and forgets it.
    #[track_caller]
    fn expect(&mut self, expected: &[(f64, &str, Action)]) -> &mut Self {
        let said = std::mem::take(&mut self.said);
        let said: Vec<_> = said.iter().map(|(at, input, act)| (*at, input.as_str(), act.clone())).collect();
        assert_eq!(said, expected);
        self
    }

    /// When it dialled. Forgets all that was said.
    fn dials(&mut self) -> Vec<f64> {
        let said = std::mem::take(&mut self.said);
        said.iter().filter(|(_, _, act)| *act == Dial).map(|(at, _, _)| *at).collect()
    }

    /// Plays a server for an hour; when it was dialled.
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
