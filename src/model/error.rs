//! Why a connection ended, in words, and whether to try again.

use std::fmt;
use std::io;
use std::time::Duration;

/// The phase of a connection in which something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Finding out where to connect to.
    Address,
    /// Resolving the host's name.
    Resolve,
    /// Connecting over TCP.
    Connect,
    /// Asking a proxy for a tunnel.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The HTTP upgrade.
    Upgrade,
    /// While the connection was open.
    Session,
}

impl Phase {
    /// Its name in statistics.
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

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// After the usual wait.
    Usual,
    /// Not before the server wants it.
    NoSooner(Duration),
    /// Only where this server has been of use before.
    FinalUnlessUseful,
    /// Not at all.
    Final,
}

/// What this side found wanting and ended a connection for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Not open within `--connect-timeout`.
    ConnectTimeout,
    /// Not a single frame within `--ping-timeout` after a ping.
    NoPong,
    /// Alive, but without a message.
    Stale {
        /// For so long.
        after: Duration,
    },
    /// No progress in writing for `--ping-timeout`.
    WriteStalled,
    /// No answer to our Close frame.
    CloseTimeout,
    /// A message or frame that RFC 6455 does not allow.
    Protocol,
    /// A message beyond `--max-message`.
    TooLarge,
    /// The dialect found that the server no longer answers.
    Dialect,
    /// The program wanted it.
    Stopped,
}

/// Why a dial failed or a connection ended: one line for people, and what follows from it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Disconnect {
    /// Where it happened.
    pub phase: Phase,
    /// What happened, with the address or the server's reason.
    pub text: String,
    /// Whether to try again.
    pub retry: Retry,
    /// Set where this side ended it.
    pub fault: Option<Fault>,
    /// The code of the server's Close frame.
    pub code: Option<u16>,
    /// The HTTP status of a refused upgrade.
    pub status: Option<u16>,
    /// Whether the server ended an open connection itself: by a Close frame, or by closing it.
    pub by_server: bool,
}

impl Disconnect {
    /// Something failed and may be better next time. Boxed, since it is handed on from function to function.
    pub(crate) fn new(phase: Phase, text: impl Into<String>) -> Box<Self> {
        Disconnect::because(phase, text.into(), None)
    }

    // Inlined into its many callers it would be some 300 bytes larger.
    #[inline(never)]
    fn because(phase: Phase, text: String, fault: Option<Fault>) -> Box<Self> {
        Box::new(Disconnect { phase, text, retry: Retry::Usual, fault, code: None, status: None, by_server: false })
    }

    /// An I/O error; `what` says what was being done, with the address.
    pub(crate) fn io(phase: Phase, what: &str, error: &io::Error) -> Box<Self> {
        Disconnect::new(phase, format!("{what}: {}", reason(error)))
    }

    /// The server sent a Close frame.
    pub(crate) fn closed(code: Option<u16>, why: &str) -> Box<Self> {
        let text = match (code, why) {
            (None, _) => "closed by the server without a code".to_owned(),
            (Some(code), "") => format!("closed by the server with {code}{}", meaning(code)),
            (Some(code), why) => {
                format!("closed by the server with {code}{}: {}", meaning(code), crate::model::text::escape(why))
            }
        };
        let mut closed = Disconnect::new(Phase::Session, text);
        (closed.code, closed.by_server) = (code, true);
        closed
    }

    /// This side ended it, or did not get it open.
    pub(crate) fn fault(phase: Phase, fault: Fault, text: impl Into<String>) -> Box<Self> {
        Disconnect::because(phase, text.into(), Some(fault))
    }

    /// Whether this side ended it for a fault of the server: such a session proves nothing good.
    #[must_use]
    pub fn is_our_doing(&self) -> bool {
        self.fault.is_some()
    }

    /// Whether servers end connections so in normal life: a restart, a heartbeat, a kick.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        matches!(self.code, Some(1000 | 1001 | 1012))
    }

    /// Whether the server ended it as one that is done: with 1000 or 1001.
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

/// The error in words, without the number, and with the way out where there is one.
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

/// What a Close code means, RFC 6455 section 7.4.1 and IANA's registry.
fn meaning(code: u16) -> &'static str {
    match code {
        1000 => " (normal)",
        1001 => " (going away)",
        1002 => " (protocol error)",
        1003 => " (unsupported data)",
        1007 => " (invalid data)",
        1008 => " (policy violation)",
        1009 => " (message too big)",
        1011 => " (server error)",
        1012 => " (service restart)",
        1013 => " (try again later)",
        _ => "",
    }
}
