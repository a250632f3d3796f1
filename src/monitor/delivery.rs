//! The words about a server that has delivered nothing.

use std::fmt;
use std::time::Duration;

use crate::model::duration;
use crate::model::error::Phase;

/// Facts about a server that has delivered nothing so far. `Display` writes them as one line.
#[derive(Debug)]
pub struct Undelivered<'a> {
    /// Time since the monitor was started.
    pub run: Duration,
    pub attempts: u64,
    pub connections: u64,
    /// Messages without content.
    pub messages: u64,
    /// True if errors of the server were among them.
    pub has_server_errors: bool,
    /// The latest cause of a failure.
    pub cause: Option<&'a str>,
    /// The step of a dial that is under way, or was when the program stopped it; with its phase.
    pub unfinished: Option<(Phase, String)>,
}

impl fmt::Display for Undelivered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = rounded(self.run);
        match (self.connections, self.cause, &self.unfinished) {
            (0, None, Some((phase, step))) => {
                return write!(f, "no answer to the {} after {run}: {step}", asked(*phase));
            }
            (0, None, None) => return write!(f, "not dialled in {run}"),
            (0, Some(_), _) => {
                let s = if self.attempts == 1 { "" } else { "s" };
                write!(f, "never connected in {run}, {} attempt{s}", self.attempts)?;
            }
            (times, ..) => {
                let times = if times == 1 { String::new() } else { format!(" {times} times") };
                let what = match (self.messages, self.has_server_errors) {
                    (0, _) => "nothing",
                    (_, true) => "only errors of the server",
                    _ => "nothing beyond the greeting",
                };
                write!(f, "connected{times}, but {what} came in {run}")?;
            }
        }
        self.cause.map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

/// Names the request that has no answer yet.
fn asked(phase: Phase) -> &'static str {
    match phase {
        Phase::Address | Phase::Resolve => "name lookup",
        Phase::Connect => "connection attempt",
        Phase::Proxy => "proxy request",
        Phase::Tls => "TLS handshake",
        Phase::Upgrade | Phase::Session => "upgrade",
    }
}

/// Writes a duration rounded to tenths below a second, else to seconds.
fn rounded(duration: Duration) -> String {
    let step = if duration.as_secs() == 0 { 100 } else { 1000 };
    let steps = (duration.as_millis() as u64 + step / 2) / step;
    duration::text(Duration::from_millis(steps * step))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Undelivered<'_> = Undelivered {
        run: Duration::from_millis(60_004),
        attempts: 14,
        connections: 0,
        messages: 0,
        has_server_errors: false,
        cause: None,
        unfinished: None,
    };
    const REFUSED: Option<&str> = Some("connect to 10.0.0.1:8765: connection refused");

    #[test]
    fn each_way_to_deliver_nothing_has_its_words() {
        let run = Duration::from_millis(1_990);
        let unfinished = |phase| Some((phase, "STEP".to_owned()));
        for (undelivered, words) in [
            (
                Undelivered { cause: REFUSED, ..NOTHING },
                "never connected in 1m, 14 attempts: connect to 10.0.0.1:8765: connection refused",
            ),
            (
                Undelivered { cause: Some("CAUSE"), attempts: 1, unfinished: unfinished(Phase::Tls), ..NOTHING },
                "never connected in 1m, 1 attempt: CAUSE",
            ),
            (
                Undelivered { connections: 1, messages: 1, run, ..NOTHING },
                "connected, but nothing beyond the greeting came in 2 s",
            ),
            (
                Undelivered { connections: 9, cause: Some("closed"), run, ..NOTHING },
                "connected 9 times, but nothing came in 2 s: closed",
            ),
            (
                Undelivered { connections: 1, messages: 2, has_server_errors: true, ..NOTHING },
                "connected, but only errors of the server came in 1m",
            ),
            (
                Undelivered { run, unfinished: unfinished(Phase::Upgrade), ..NOTHING },
                "no answer to the upgrade after 2 s: STEP",
            ),
            (
                Undelivered { run, unfinished: unfinished(Phase::Resolve), ..NOTHING },
                "no answer to the name lookup after 2 s: STEP",
            ),
            (Undelivered { run: Duration::from_millis(250), attempts: 0, ..NOTHING }, "not dialled in 0.3 s"),
            (Undelivered { run: Duration::from_secs(3900), attempts: 0, ..NOTHING }, "not dialled in 1h 5m"),
        ] {
            assert_eq!(undelivered.to_string(), words);
        }
    }
}
