//! Events: the common form into which every dialect translates its messages.

mod client;
mod message;
mod owned;
mod state;
mod users;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::model::request_id::RequestId;
use crate::model::sample::Sample;

pub use client::{NoAnswer, Unanswered, Warning};
pub use message::{Message, OwnedMessage, OwnedRaw, Raw};
pub use state::{Change, ClientState};
pub use users::{User, Users};

/// One statement of a message, or a change of the connection's state.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Metrics of a host.
    Sample(Box<Sample<'a>>),
    /// An alert that begins, changes or ends.
    Alert(Alert<'a>),
    /// The processes of a host: a list, or changes to it.
    Processes(Processes<'a>),
    /// The users of a host.
    Users(Users<'a>),
    /// A line of a log.
    Log(LogLine<'a>),
    /// A statement of the server about itself or the connection.
    Notice(Notice<'a>),
    /// The answer to a request.
    Answer(Answer<'a>),
    /// An error that the server reports about itself.
    Error(ServerError<'a>),
    /// A JSON ping or pong.
    KeepAlive,
    /// Any other message, as received.
    Unknown(Unknown<'a>),
    /// A change of the client's own state.
    State(Change),
    /// A remark of the client about the server or its settings.
    Warning(Warning),
    /// A request of the program that gets no answer.
    Unanswered(Unanswered),
}

/// An alert. There is an event when it begins, changes its level and ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alert<'a> {
    /// The component that it concerns: `memory`, `disk`, …; empty if unknown.
    pub component: Cow<'a, str>,
    /// The server's number of the alert. A component has several alerts at a time if they have numbers.
    pub id: Option<i64>,
    /// The metric of the component that is watched; empty if unknown.
    pub metric: Cow<'a, str>,
    /// The severity in upper case: `WARNING`, `CRITICAL`, or another word of the server.
    pub level: Cow<'a, str>,
    /// The level before a change, as `level`; empty if the alert begins or ends.
    pub from: Cow<'a, str>,
    /// The server's description; empty when the alert ends.
    pub message: Cow<'a, str>,
    /// The cause in the server's words; empty if unknown.
    pub cause: Cow<'a, str>,
    /// The value that caused the alert.
    pub value: Option<f64>,
    /// The limit that it crossed.
    pub threshold: Option<f64>,
    /// The change that this event reports.
    pub phase: AlertPhase,
    /// True if it was in force already in the first list of alerts that this client received from the server.
    pub stored: bool,
    /// The time since it began, or from its beginning to its end, by the server's clock.
    pub age: Option<Duration>,
    /// The rule of an alert that [`crate::Rules`] have raised, such as `cpu=90/5m`; `None` for an alert of the server.
    pub rule: Option<Arc<str>>,
    /// The server's time stamp of it, as the server writes it; UTC if it ends in `Z`.
    pub at: Option<Cow<'a, str>>,
}

/// A change of an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AlertPhase {
    /// The alert is new.
    #[default]
    Begins,
    /// The alert has another level than before.
    Changes,
    /// The alert is over.
    Ends,
}

impl AlertPhase {
    /// Returns `begins`, `changes` or `ends`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AlertPhase::Begins => "begins",
            AlertPhase::Changes => "changes",
            AlertPhase::Ends => "ends",
        }
    }
}

/// A list of processes, and the changes since the previous one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Processes<'a> {
    /// The processes that the message lists, in its order.
    pub list: Vec<Process<'a>>,
    /// The differences from the previous list; with the first list, all processes are new. Often empty.
    pub changes: Vec<ProcessChange<'a>>,
    /// True for the first list of a connection, which is shown in full.
    pub first: bool,
    /// The server's time stamp of it, as the server writes it; UTC if it ends in `Z`.
    pub at: Option<Cow<'a, str>>,
}

/// One process. Values that the server does not send or measure are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// The server's identifier of it.
    pub id: Cow<'a, str>,
    /// The state in the server's words: `online`, `stopped`, `errored`, …
    pub state: Cow<'a, str>,
    /// The process ID. May be outdated if the process is not running.
    pub pid: Option<i64>,
    /// The start time, as the server writes it.
    pub started_at: Option<Cow<'a, str>>,
    /// The time since the start, for servers that send this instead.
    pub uptime: Option<Duration>,
    /// The number of restarts.
    pub restarts: Option<i64>,
    /// Processor use in per cent.
    pub cpu: Option<f64>,
    /// Memory in bytes.
    pub memory: Option<f64>,
    /// The exit code of the last run.
    pub exit_code: Option<i64>,
    /// The error that the server reports for it.
    pub error: Option<Cow<'a, str>>,
    /// The group that it belongs to.
    pub namespace: Option<Cow<'a, str>>,
    /// The port assigned to it.
    pub port: Option<i64>,
    /// True if its use of the processor has moved by 5 points, or that of memory by a tenth, since this was last true.
    pub moved: bool,
}

impl Process<'_> {
    /// The states of a process that runs, in lower case.
    pub(crate) const RUNNING: [&'static str; 4] = ["online", "running", "started", "healthy"];
    /// The states of a process that has failed, in lower case.
    pub(crate) const FAILED: [&'static str; 5] = ["errored", "error", "crashed", "failed", "unhealthy"];
}

/// A change of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProcessChange<'a> {
    /// The process's name.
    pub name: Cow<'a, str>,
    /// The previous state; empty if the process is new or its state was unknown.
    pub from: Cow<'a, str>,
    /// The state now; empty if the process is gone, or if the previous state is unknown too.
    pub to: Cow<'a, str>,
    /// Details such as an error or an exit code; often empty.
    pub detail: Cow<'a, str>,
}

/// A line of a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogLine<'a> {
    /// The level in the server's words; empty if unknown.
    pub level: Cow<'a, str>,
    /// The origin: a task, a process, a service; empty if unknown.
    pub source: Cow<'a, str>,
    /// The text of the line.
    pub text: Cow<'a, str>,
    /// Its further members on one line, for people: `correlation_id=7`; often empty.
    pub extra: String,
    /// The message's type; empty if it has none.
    pub kind: Cow<'a, str>,
    /// The channel that it came on; empty if the server has none.
    pub channel: Cow<'a, str>,
    /// Set if the line is the result of a task, or news of its progress.
    pub task: Option<Box<TaskResult<'a>>>,
    /// The server's time stamp of it, as the server writes it; UTC if it ends in `Z`.
    pub at: Option<Cow<'a, str>>,
}

/// The result of a task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskResult<'a> {
    /// The function that the task runs; empty if unknown.
    pub function: Cow<'a, str>,
    /// The outcome; `None` if the task goes on, or if it is unknown.
    pub success: Option<bool>,
    /// The error of a task that failed; empty if there is none.
    pub error: Cow<'a, str>,
}

/// A statement of the server about itself or the connection, or a message of one of its channels or applications.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notice<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// True if every connection begins with it. It then does not count as content.
    pub greeting: bool,
    /// The message's type; empty if it has none.
    pub kind: Cow<'a, str>,
    /// The channel that it came on; empty if the server has none.
    pub channel: Cow<'a, str>,
    /// The level, severity or status in the server's words; empty if unknown.
    pub level: Cow<'a, str>,
    /// The server's time stamp of it, as the server writes it; UTC if it ends in `Z`.
    pub at: Option<Cow<'a, str>>,
}

/// The answer to a request, or a refusal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer<'a> {
    /// The message's type: `error` if the server has refused the request.
    pub kind: Cow<'a, str>,
    /// The members on one line, for people. Empty where the other events of the message hold them.
    pub text: String,
    /// The request of [`Monitor::request`](crate::Monitor::request) that it answers; `None` for one of the server's settings,
    /// and for an answer that nobody waits for any more.
    ///
    /// Of sysmedic's servers an answer names its request. Others answer in the order of the requests, so it is the oldest
    /// open one of this type, or for an error the oldest of all.
    pub request: Option<RequestId>,
    /// The server's time stamp of it, as the server writes it; UTC if it ends in `Z`.
    pub at: Option<Cow<'a, str>>,
}

/// An error that the server reports about itself. It does not end the connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerError<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// The severity in the server's words.
    pub severity: Option<Cow<'a, str>>,
    /// Set if a limit of rate was the cause: the time after which the server would take the request.
    pub retry_after: Option<Duration>,
    /// The server's time stamp of it, as the server writes it; UTC if it ends in `Z`.
    pub at: Option<Cow<'a, str>>,
}

/// A message of a type that the dialect does not know, or that could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unknown<'a> {
    /// The message's type; empty if it has none.
    pub kind: Cow<'a, str>,
    /// The message as received; for a binary message a description of its size.
    pub text: Cow<'a, str>,
    /// True if the message could not be decoded. It then does not count as content.
    pub undecodable: bool,
}

impl<'a> Event<'a> {
    /// Returns the place of the time stamp that the message as a whole may give, where the event has none of its own.
    pub(crate) fn missing_at(&mut self) -> Option<&mut Option<Cow<'a, str>>> {
        let at = match self {
            Event::Alert(Alert { at, .. })
            | Event::Processes(Processes { at, .. })
            | Event::Users(Users { at, .. })
            | Event::Log(LogLine { at, .. })
            | Event::Notice(Notice { at, .. })
            | Event::Answer(Answer { at, .. })
            | Event::Error(ServerError { at, .. }) => at,
            Event::Sample(_)
            | Event::KeepAlive
            | Event::Unknown(_)
            | Event::State(_)
            | Event::Warning(_)
            | Event::Unanswered(_) => return None,
        };
        at.is_none().then_some(at)
    }

    /// Returns the place of the message's type, where the event has one that is still empty. A message of a channel has its
    /// own.
    pub(crate) fn missing_kind(&mut self) -> Option<&mut Cow<'a, str>> {
        match self {
            Event::Log(LogLine { kind, channel, .. }) | Event::Notice(Notice { kind, channel, .. }) => {
                (kind.is_empty() && channel.is_empty()).then_some(kind)
            }
            _ => None,
        }
    }

    /// Returns the sample, if the event is one.
    #[must_use]
    pub fn sample(&self) -> Option<&Sample<'a>> {
        if let Event::Sample(sample) = self { Some(sample) } else { None }
    }

    /// Returns the change of the connection's state, if the event is one.
    #[must_use]
    pub fn change(&self) -> Option<&Change> {
        if let Event::State(change) = self { Some(change) } else { None }
    }
}

impl Event<'_> {
    /// The names of the kinds that `events` writes, in the order in which users read them.
    pub const KINDS: [&'static str; 10] =
        ["sample", "processes", "users", "alert", "log", "notice", "answer", "error", "state", "unknown"];

    /// Returns the name of the event's kind, one of [`Event::KINDS`]; `None` for those that no format writes: keep-alives,
    /// warnings, requests without an answer.
    #[must_use]
    pub fn kind_name(&self) -> Option<&'static str> {
        match self {
            Event::Sample(_) => Some("sample"),
            Event::Processes(_) => Some("processes"),
            Event::Users(_) => Some("users"),
            Event::Alert(_) => Some("alert"),
            Event::Log(_) => Some("log"),
            Event::Notice(_) => Some("notice"),
            Event::Answer(_) => Some("answer"),
            Event::Error(_) => Some("error"),
            Event::Unknown(_) => Some("unknown"),
            Event::State(_) => Some("state"),
            Event::KeepAlive | Event::Warning(_) | Event::Unanswered(_) => None,
        }
    }

    /// Returns the server's time stamp of the event, as the server writes it; `None` if it has none.
    #[must_use]
    pub fn at(&self) -> Option<&str> {
        match self {
            Event::Sample(sample) => sample.at.as_deref(),
            Event::Alert(Alert { at, .. })
            | Event::Processes(Processes { at, .. })
            | Event::Users(Users { at, .. })
            | Event::Log(LogLine { at, .. })
            | Event::Notice(Notice { at, .. })
            | Event::Answer(Answer { at, .. })
            | Event::Error(ServerError { at, .. }) => at.as_deref(),
            Event::KeepAlive | Event::Unknown(_) | Event::State(_) | Event::Warning(_) | Event::Unanswered(_) => None,
        }
    }

    /// Returns true unless the event is a greeting, a keep-alive, a server's error, a message that could not be decoded, or
    /// one of the client itself: a change of state, a warning, a request without an answer.
    #[must_use]
    pub fn is_content(&self) -> bool {
        match self {
            Event::Notice(notice) => !notice.greeting,
            Event::Unknown(unknown) => !unknown.undecodable,
            Event::KeepAlive | Event::Error(_) | Event::State(_) | Event::Warning(_) | Event::Unanswered(_) => false,
            Event::Sample(_)
            | Event::Processes(_)
            | Event::Users(_)
            | Event::Log(_)
            | Event::Alert(_)
            | Event::Answer(_) => true,
        }
    }
}
