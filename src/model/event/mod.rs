//! What a server's message means, in the common form that every dialect is translated into.

mod owned;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::model::sample::Sample;

/// What a message says, or what became of a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Metrics of a host.
    Sample(Box<Sample<'a>>),
    /// Something needs attention, or no longer does.
    Alert(Alert<'a>),
    /// The processes of a host: all of them, or what has changed.
    Processes(Processes<'a>),
    /// A line of a log.
    Log(LogLine<'a>),
    /// The server says something about itself or the connection.
    Notice(Notice<'a>),
    /// The answer to a request.
    Answer(Answer<'a>),
    /// The server reports an error of its own.
    Error(ServerError<'a>),
    /// A JSON ping or pong.
    KeepAlive,
    /// Anything else, as it came.
    Unknown(Unknown<'a>),
    /// The client's own state changed.
    State(Change),
}

/// An alert. It is shown when it begins, changes level and ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert<'a> {
    /// What it is about: `memory`, `disk`, …; empty where the server does not say.
    pub component: Cow<'a, str>,
    /// The component's metric that is watched; empty where the server does not say.
    pub metric: Cow<'a, str>,
    /// How bad it is, in upper case: `WARNING`, `CRITICAL`, or what else the server says.
    pub level: Cow<'a, str>,
    /// The server's words; empty at its end.
    pub message: Cow<'a, str>,
    /// The value that caused it.
    pub value: Option<f64>,
    /// The limit that it crossed.
    pub threshold: Option<f64>,
    /// What happened to it.
    pub phase: AlertPhase,
}

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertPhase {
    /// It was not there before.
    Begins,
    /// It has another level than before.
    Changes,
    /// It is over.
    Ends,
}

/// Processes, and what has become of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Processes<'a> {
    /// The processes that the message lists, in its order.
    pub list: Vec<Process<'a>>,
    /// What is different from before; everything appears with the first list. Often nothing.
    pub changes: Vec<ProcessChange<'a>>,
    /// Whether the list is the first one, to be shown in full.
    pub first: bool,
}

/// One process. What the server does not send or does not measure is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its identity with the server.
    pub id: Cow<'a, str>,
    /// `online`, `stopped`, `errored`, … as the server says it.
    pub state: Cow<'a, str>,
    /// The system's number for it. May be stale where it does not run.
    pub pid: Option<i64>,
    /// When it was started, as the server writes it.
    pub started_at: Option<Cow<'a, str>>,
    /// How long it has been running, where the server says that instead.
    pub uptime: Option<Duration>,
    /// How often it was started again.
    pub restarts: Option<i64>,
    /// Processor use in per cent.
    pub cpu: Option<f64>,
    /// Memory in bytes.
    pub memory: Option<f64>,
    /// With what it ended.
    pub exit_code: Option<i64>,
    /// What went wrong.
    pub error: Option<Cow<'a, str>>,
    /// Its group.
    pub namespace: Option<Cow<'a, str>>,
    /// The port that was given to it.
    pub port: Option<i64>,
}

/// What has become of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessChange<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its state before; empty where it was not there or is not known.
    pub from: Cow<'a, str>,
    /// Its state now; empty where it is gone, or where the state before is not known either.
    pub to: Cow<'a, str>,
    /// More about it: an error, an exit code; often empty.
    pub detail: Cow<'a, str>,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine<'a> {
    /// How important it is, as the server says it; empty where it does not.
    pub level: Cow<'a, str>,
    /// Who wrote it: a task, a process, a service; empty where the server does not say.
    pub source: Cow<'a, str>,
    /// The line.
    pub text: Cow<'a, str>,
}

/// Something that the server says about itself or the connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice<'a> {
    /// The server's words.
    pub text: Cow<'a, str>,
    /// Whether every connection begins with it: it then counts as no content.
    pub greeting: bool,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<'a> {
    /// The message's type.
    pub kind: Cow<'a, str>,
    /// Its members on one line, for people.
    pub text: String,
}

/// An error that the server reports of itself. It does not end the connection.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerError<'a> {
    /// The server's words.
    pub text: Cow<'a, str>,
    /// How bad it is, as the server says it.
    pub severity: Option<Cow<'a, str>>,
}

/// A message that no handler knows or could decode.
#[derive(Clone, Debug, PartialEq)]
pub struct Unknown<'a> {
    /// Its type; empty where it has none.
    pub kind: Cow<'a, str>,
    /// The message as it came; for binary messages their size in words.
    pub text: Cow<'a, str>,
}

/// The state of one server's connection. The names are the reference client's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientState {
    /// Before the first dial and after the end.
    #[default]
    Disconnected,
    /// Dialling for the first time, up to the upgrade's answer.
    Connecting,
    /// Open.
    Connected,
    /// Waiting for the next dial, or dialling again.
    Reconnecting,
    /// Given up.
    Error,
}

impl ClientState {
    /// Its name in statistics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ClientState::Disconnected => "disconnected",
            ClientState::Connecting => "connecting",
            ClientState::Connected => "connected",
            ClientState::Reconnecting => "reconnecting",
            ClientState::Error => "error",
        }
    }
}

impl fmt::Display for ClientState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A change of a connection's state, or another failed dial on the way to it.
///
/// Shown as one line for people: `connected`, `reconnecting in 3.2 s: connect to 127.0.0.1:8765: connection refused`.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The state before.
    pub from: ClientState,
    /// The state now; the same as before where a dial failed and the next one is waited for.
    pub to: ClientState,
    /// Why a connection ended or a dial failed, in one line. Empty for the better kinds of change, and where the
    /// program wanted it.
    pub why: String,
    /// How long until the next dial, where one is waited for.
    pub retry_in: Option<Duration>,
}

impl Change {
    /// Whether a connection has opened.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.from != ClientState::Connected && self.to == ClientState::Connected
    }

    /// Whether an open connection has ended. A dial that fails ends none.
    #[must_use]
    pub fn disconnected(&self) -> bool {
        self.from == ClientState::Connected && self.to != ClientState::Connected
    }

    /// Whether nothing more will come, unless the program reconnects: the server was given up, or stopped.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self.to, ClientState::Error | ClientState::Disconnected)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to.name())?;
        if let Some(wait) = self.retry_in {
            write!(f, " in {:.1} s", wait.as_secs_f64())?;
        }
        if self.why.is_empty() { Ok(()) } else { write!(f, ": {}", self.why) }
    }
}

/// A message as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw<'a> {
    /// JSON, or what becomes JSON when NaN, Infinity and lone surrogates are rewritten.
    Json(&'a str),
    /// Text that is no JSON, or is nested too deeply to be read.
    Text(&'a str),
    /// Binary that is no UTF-8 text.
    Binary(&'a [u8]),
    /// No message: the event is the client's own.
    None,
}

/// One message and what it means: what formats write and handlers get.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The server's label.
    pub server: &'a Arc<str>,
    /// Which server: the position in which it was added.
    pub id: usize,
    /// When it was received, by this machine's clock.
    pub received_at: SystemTime,
    /// The same by a clock that never jumps.
    pub at: Instant,
    /// The message's type or channel, for those who choose by it; empty where it has none.
    pub kind: &'a str,
    /// The message as it came.
    pub raw: Raw<'a>,
    /// What it means; a message may mean several things, a keep-alive or an unchanged list of alerts nothing new.
    pub events: &'a [Event<'a>],
}

impl Message<'_> {
    /// Whether the message carries content: not only a greeting, a keep-alive, a server's error or a change of state.
    #[must_use]
    pub fn is_content(&self) -> bool {
        self.events.iter().any(Event::is_content)
    }
}

impl Event<'_> {
    /// The names of the kinds that are shown, in the order in which they are named to users.
    pub const KINDS: [&'static str; 8] =
        ["sample", "processes", "alert", "log", "notice", "answer", "error", "unknown"];

    /// The name of the event's kind, one of [`Event::KINDS`]; `None` for keep-alives and changes of state.
    #[must_use]
    pub fn kind_name(&self) -> Option<&'static str> {
        match self {
            Event::Sample(_) => Some("sample"),
            Event::Processes(_) => Some("processes"),
            Event::Alert(_) => Some("alert"),
            Event::Log(_) => Some("log"),
            Event::Notice(_) => Some("notice"),
            Event::Answer(_) => Some("answer"),
            Event::Error(_) => Some("error"),
            Event::Unknown(_) => Some("unknown"),
            Event::KeepAlive | Event::State(_) => None,
        }
    }

    /// Whether the event is content: not a greeting, a keep-alive, a server's error or a change of state.
    #[must_use]
    pub fn is_content(&self) -> bool {
        match self {
            Event::Notice(notice) => !notice.greeting,
            Event::KeepAlive | Event::Error(_) | Event::State(_) => false,
            Event::Sample(_)
            | Event::Processes(_)
            | Event::Log(_)
            | Event::Alert(_)
            | Event::Answer(_)
            | Event::Unknown(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_in_one_line_what_has_become_of_the_connection() {
        use ClientState::{Connected, Connecting, Disconnected, Error, Reconnecting};
        let change = |from, to, why: &str, retry_in: Option<u64>| {
            let change = Change { from, to, why: why.into(), retry_in: retry_in.map(Duration::from_millis) };
            (change.to_string(), change.connected(), change.disconnected(), change.is_last())
        };
        for (change, line, connected, disconnected, last) in [
            (change(Disconnected, Connecting, "", None), "connecting", false, false, false),
            (change(Connecting, Connected, "", None), "connected", true, false, false),
            (change(Connected, Reconnecting, "gone", Some(3210)), "reconnecting in 3.2 s: gone", false, true, false),
            (change(Reconnecting, Reconnecting, "no", Some(100)), "reconnecting in 0.1 s: no", false, false, false),
            (change(Reconnecting, Error, "no", None), "error: no", false, false, true),
            (change(Connected, Disconnected, "", None), "disconnected", false, true, true),
        ] {
            assert_eq!(change, (line.to_owned(), connected, disconnected, last));
        }
    }
}
