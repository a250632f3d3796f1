//! Events of the client itself, besides changes of the connection's state.

use std::fmt;

use crate::model::api_error::ErrorKind;
use crate::model::request_id::RequestId;

/// A remark of the client about a server or its settings, which people should read. It does not end the connection.
///
/// Each is passed on once where a server could cause it again and again: the first of its kind, or the first of a
/// connection. `Display` writes the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Warning {
    /// One line, without secrets and control characters. What stands before the first `: ` is the same for all of a kind.
    pub text: String,
}

impl Warning {
    /// A warning: for tests of handlers.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Warning { text: text.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A request of [`Monitor::request`](crate::Monitor::request) that has no answer, and gets none. For the requests of the
/// settings there is a warning instead.
///
/// `Display` writes one line for people: `no answer to get_status in time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Unanswered {
    /// The request.
    pub request: RequestId,
    /// The request's type; empty if it was not sent.
    pub kind: &'static str,
    /// The reason.
    pub reason: NoAnswer,
}

impl Unanswered {
    /// A request without an answer: for tests of handlers.
    #[must_use]
    pub fn new(request: RequestId, kind: &'static str, reason: NoAnswer) -> Self {
        Unanswered { request, kind, reason }
    }
}

/// The reason for which a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoAnswer {
    /// None came in the time of [`Server::request_timeout`](crate::Server::request_timeout) after it was sent. A later one is
    /// an [`Answer`](crate::Answer) to no request, or, where answers do not name their request, to the next one of its type.
    TimedOut,
    /// The connection has ended. It is not sent again.
    Disconnected,
    /// It was not sent: [`Handle::request`](crate::Handle::request) has failed with this kind of error.
    NotSent(ErrorKind),
}

impl NoAnswer {
    /// Returns `timed_out`, `disconnected` or `not_sent`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            NoAnswer::TimedOut => "timed_out",
            NoAnswer::Disconnected => "disconnected",
            NoAnswer::NotSent(_) => "not_sent",
        }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unanswered { request, kind, reason } = self;
        match reason {
            NoAnswer::TimedOut => write!(f, "no answer to {kind} in time"),
            NoAnswer::Disconnected => write!(f, "no answer to {kind}: the connection has ended"),
            NoAnswer::NotSent(why) => write!(f, "request {request} was not sent: {why:?}"),
        }
    }
}
