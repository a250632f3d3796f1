//! The end of a connection: its cause, in words for people and in fields for the reconnection logic.

mod kind;

use std::fmt;
use std::io;
use std::time::Duration;

pub use kind::DisconnectKind;

use crate::model::text::escape;

/// The phase of a connection in which something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Working out the address to connect to.
    Address,
    /// Resolving the host's name.
    Resolve,
    /// Connecting over TCP.
    Connect,
    /// Requesting a tunnel from a proxy.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The HTTP upgrade.
    Upgrade,
    /// The open connection.
    Session,
}

impl Phase {
    /// The name in statistics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phase::Address => "address",
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Proxy => "proxy",
            Phase::Tls => "tls",
            Phase::Upgrade => "upgrade",
            Phase::Session => "session",
        }
    }
}

/// The effect of a failure on reconnection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retry {
    /// Dial again after the usual backoff.
    Usual,
    /// Dial again, but not sooner than the server asked for, e.g. by Retry-After.
    After(Duration),
    /// Dial again after the longest backoff.
    AtCap,
    /// The server refuses: dial again, at the longest wait, only if it has had a useful session, and at most until it
    /// has refused ten times in a row. Over plain `ws` anybody on the path can refuse.
    FinalUnlessUseful,
    /// Do not dial again: a setting cannot be used.
    Final,
}

/// The reason for which this side ended a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The connection was not open in time, see [`Server::connect_timeout`](crate::Server::connect_timeout).
    ConnectTimeout,
    /// No frame arrived in time after a ping, see [`Server::ping_timeout`](crate::Server::ping_timeout).
    NoPong,
    /// The server answered pings but sent no message.
    Stale {
        /// The length of the silence.
        after: Duration,
    },
    /// Writing made no progress for as long.
    WriteStalled,
    /// The server did not answer the Close frame.
    CloseTimeout,
    /// A frame violated RFC 6455.
    Protocol,
    /// A text message was not UTF-8.
    InvalidText,
    /// A message was too large, see [`Server::max_message`](crate::Server::max_message).
    TooLarge,
    /// The dialect found that the server no longer answers requests.
    Dialect,
    /// The program stopped the connection.
    Stopped,
}

/// The cause of a failed dial or of the end of a connection: one line for people, and its effect on reconnection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Disconnect {
    /// The phase in which it happened.
    pub phase: Phase,
    /// A description with the address or the server's reason.
    pub text: String,
    /// The effect on reconnection.
    pub retry: Retry,
    /// Set if this side ended it.
    pub fault: Option<Fault>,
    /// The code of the server's Close frame.
    pub code: Option<u16>,
    /// The HTTP status of a refused upgrade.
    pub status: Option<u16>,
    /// True if the server ended an open connection, by a Close frame or by closing the socket.
    pub by_server: bool,
    pub(crate) detail: Detail,
}

/// Facts that [`Disconnect::kind`] needs besides the public fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Detail {
    #[default]
    None,
    /// The cause is an I/O error.
    Io(io::ErrorKind),
    /// The server's certificate, or the strength of its TLS.
    Certificate,
    /// The other side answered, but not in TLS.
    NotTls,
    /// The upgrade was answered with an extension that was not offered, or not offered in this way.
    Extension,
}

impl Disconnect {
    /// A failure after which dialling again is worthwhile. Boxed to keep the `Result`s that carry it small.
    pub(crate) fn new(phase: Phase, text: impl Into<String>) -> Box<Self> {
        Disconnect::build(phase, text.into(), None)
    }

    fn build(phase: Phase, text: String, fault: Option<Fault>) -> Box<Self> {
        Box::new(Disconnect {
            phase,
            text,
            retry: Retry::Usual,
            fault,
            code: None,
            status: None,
            by_server: false,
            detail: Detail::None,
        })
    }

    /// An I/O error; `action` names what failed, with the address: `connect to 127.0.0.1:8765`.
    pub(crate) fn io(phase: Phase, action: &str, error: &io::Error) -> Box<Self> {
        let mut why = Disconnect::new(phase, format!("{action}: {}", reason(error)));
        why.detail = Detail::Io(error.kind());
        why
    }

    /// The server sent a Close frame, with this reason or an empty one.
    pub(crate) fn closed(code: Option<u16>, reason: &str) -> Box<Self> {
        let text = match (code, reason) {
            (None, _) => "closed by the server without a code".to_owned(),
            (Some(code), "") => format!("closed by the server with {code}{}", meaning(code)),
            (Some(code), reason) => {
                format!("closed by the server with {code}{}: {}", meaning(code), escape(reason))
            }
        };
        let mut closed = Disconnect::new(Phase::Session, text);
        (closed.code, closed.by_server) = (code, true);
        closed
    }

    /// This side ended the connection or gave up opening it.
    pub(crate) fn fault(phase: Phase, fault: Fault, text: impl Into<String>) -> Box<Self> {
        Disconnect::build(phase, text.into(), Some(fault))
    }

    /// Returns true if this side ended the connection. Such a session does not count as a success.
    #[must_use]
    pub fn ended_locally(&self) -> bool {
        self.fault.is_some()
    }

    /// Returns true for Close codes of normal operation: normal closure, going away, service restart.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        matches!(self.code, Some(1000 | 1001 | 1012))
    }

    /// Returns true if the server closed with 1000 or 1001: it has nothing more to send.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self.code, Some(1000 | 1001))
    }
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Disconnect {}

/// Describes an I/O error without its number, and with a remedy if one is known.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset => "reset by the server".into(),
        io::ErrorKind::BrokenPipe => "the server is gone".into(),
        io::ErrorKind::TimedOut => "timed out".into(),
        io::ErrorKind::HostUnreachable => "no route to the host".into(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".into(),
        // EMFILE, ENFILE: std has no kind for them.
        _ if matches!(error.raw_os_error(), Some(23 | 24)) => "out of file descriptors, see `ulimit -n`".into(),
        _ => {
            let text = error.to_string();
            text[..text.find(" (os error").unwrap_or(text.len())].to_ascii_lowercase()
        }
    }
}

/// The meaning of a Close code by RFC 6455 section 7.4.1 and IANA's registry; empty if it is not registered.
fn meaning(code: u16) -> &'static str {
    match code {
        1000 => " (normal)",
        1001 => " (going away)",
        1002 => " (protocol error)",
        1003 => " (unsupported data)",
        1007 => " (invalid data)",
        1008 => " (policy violation)",
        1009 => " (message too big)",
        1010 => " (mandatory extension)",
        1011 => " (server error)",
        1012 => " (service restart)",
        1013 => " (try again later)",
        1014 => " (bad gateway)",
        _ => "",
    }
}
