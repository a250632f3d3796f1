//! The causes of a disconnect, for programs that decide by them.

use std::io;

use super::{Detail, Disconnect, Fault, Phase, Retry};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $id:ident $name:literal;)*) => {
        /// The kind of a [`Disconnect`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum DisconnectKind { $($(#[doc = $doc])* $id,)* }

        impl DisconnectKind {
            /// Every kind.
            pub const ALL: &[DisconnectKind] = &[$(DisconnectKind::$id,)*];

            /// Returns the name: `refused`, say.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(DisconnectKind::$id => $name,)* }
            }
        }
    };
}

kinds! {
    /// A setting, or a file that it names, cannot be used.
    Settings "settings";
    /// The host's name could not be resolved.
    Name "name";
    /// Nothing listens there: the connection was refused.
    Refused "refused";
    /// There is no route to the host or its network.
    Unreachable "unreachable";
    /// The connection was not open in time.
    TimedOut "timed_out";
    /// The server's certificate is not accepted, or its TLS is too weak.
    Certificate "certificate";
    /// The other side answered, but not in TLS.
    NotTls "not_tls";
    /// TLS failed in another way.
    Tls "tls";
    /// The proxy failed or refused.
    Proxy "proxy";
    /// The server or the proxy refused the credentials, or asks for some: status 401, 403 or 407.
    Credentials "credentials";
    /// The upgrade was answered with another HTTP status, see [`Disconnect::status`].
    HttpStatus "http_status";
    /// The other side answered, but is no WebSocket server.
    NotWebSocket "not_websocket";
    /// The server sent a Close frame, see [`Disconnect::code`].
    Closed "closed";
    /// The server closed the socket without a Close frame.
    Eof "eof";
    /// The connection broke, see [`Disconnect::io_kind`].
    Lost "lost";
    /// The server broke the WebSocket protocol, or sent text that is not UTF-8.
    Protocol "protocol";
    /// A message was too large.
    TooLarge "too_large";
    /// A ping was not answered.
    NoPong "no_pong";
    /// The server answered pings but sent no message.
    Stale "stale";
    /// The server took no data.
    WriteStalled "write_stalled";
    /// The server no longer does what its dialect promises.
    Dialect "dialect";
    /// The program ended it.
    Stopped "stopped";
}

impl std::fmt::Display for DisconnectKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Disconnect {
    /// Makes the cause of a kind: for tests of handlers. Phase, fault and status are those that the kind usually has.
    ///
    /// ```
    /// use wsmon::{Disconnect, DisconnectKind, Phase};
    ///
    /// let why = Disconnect::of(DisconnectKind::Refused, "connect to 10.0.0.1:8765: connection refused");
    /// assert_eq!((why.kind(), why.phase, why.is_permanent()), (DisconnectKind::Refused, Phase::Connect, false));
    /// ```
    #[must_use]
    pub fn of(kind: DisconnectKind, text: impl Into<String>) -> Disconnect {
        use DisconnectKind as K;
        let (phase, detail) = match kind {
            K::Settings => (Phase::Address, Detail::None),
            K::Name => (Phase::Resolve, Detail::None),
            K::Refused => (Phase::Connect, Detail::Io(io::ErrorKind::ConnectionRefused)),
            K::Unreachable => (Phase::Connect, Detail::Io(io::ErrorKind::HostUnreachable)),
            K::TimedOut => (Phase::Connect, Detail::Io(io::ErrorKind::TimedOut)),
            K::Certificate => (Phase::Tls, Detail::Certificate),
            K::NotTls => (Phase::Tls, Detail::NotTls),
            K::Tls => (Phase::Tls, Detail::None),
            K::Proxy => (Phase::Proxy, Detail::None),
            K::Credentials | K::HttpStatus | K::NotWebSocket => (Phase::Upgrade, Detail::None),
            K::Eof => (Phase::Session, Detail::Io(io::ErrorKind::UnexpectedEof)),
            K::Lost => (Phase::Session, Detail::Io(io::ErrorKind::ConnectionReset)),
            _ => (Phase::Session, Detail::None),
        };
        let mut why = *Disconnect::new(phase, text);
        why.detail = detail;
        why.fault = match kind {
            K::Protocol => Some(Fault::Protocol),
            K::TooLarge => Some(Fault::TooLarge),
            K::NoPong => Some(Fault::NoPong),
            K::Stale => Some(Fault::Stale { after: std::time::Duration::ZERO }),
            K::WriteStalled => Some(Fault::WriteStalled),
            K::Dialect => Some(Fault::Dialect),
            K::Stopped => Some(Fault::Stopped),
            _ => None,
        };
        (why.status, why.retry) = match kind {
            K::Settings => (None, Retry::Final),
            K::Certificate => (None, Retry::FinalUnlessUseful),
            K::Credentials => (Some(401), Retry::FinalUnlessUseful),
            K::HttpStatus => (Some(404), Retry::FinalUnlessUseful),
            _ => (None, Retry::Usual),
        };
        why.code = (kind == K::Closed).then_some(1000);
        why.by_server = matches!(kind, K::Closed | K::Eof);
        why
    }

    /// Returns the kind of the cause.
    #[must_use]
    pub fn kind(&self) -> DisconnectKind {
        use DisconnectKind as K;
        match (&self.fault, self.status) {
            (Some(Fault::ConnectTimeout), _) => return K::TimedOut,
            (Some(Fault::NoPong), _) => return K::NoPong,
            (Some(Fault::Stale { .. }), _) => return K::Stale,
            (Some(Fault::WriteStalled), _) => return K::WriteStalled,
            (Some(Fault::Protocol | Fault::InvalidText), _) => return K::Protocol,
            (Some(Fault::TooLarge), _) => return K::TooLarge,
            (Some(Fault::Dialect), _) => return K::Dialect,
            (Some(Fault::Stopped | Fault::CloseTimeout), _) => return K::Stopped,
            (None, Some(401 | 403 | 407)) => return K::Credentials,
            (None, Some(_)) if self.phase == Phase::Upgrade => return K::HttpStatus,
            (None, _) => {}
        }
        match (self.phase, self.detail) {
            (_, Detail::Certificate) => K::Certificate,
            (_, Detail::NotTls) => K::NotTls,
            (Phase::Address, _) => K::Settings,
            (Phase::Resolve, _) => K::Name,
            (Phase::Connect, Detail::Io(kind)) => connect_kind(kind),
            (Phase::Connect, _) => K::Unreachable,
            (Phase::Proxy, _) => K::Proxy,
            (Phase::Tls, _) => K::Tls,
            (Phase::Upgrade, Detail::Io(_)) => K::Lost,
            (Phase::Upgrade, _) => K::NotWebSocket,
            (Phase::Session, Detail::Io(io::ErrorKind::UnexpectedEof)) => K::Eof,
            (Phase::Session, Detail::None) if self.by_server => K::Closed,
            (Phase::Session, _) => K::Lost,
        }
    }

    /// Returns the kind of the I/O error that was the cause. Of several addresses that failed it is that of the latest.
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        if let Detail::Io(kind) = self.detail { Some(kind) } else { None }
    }

    /// Returns true if dialling again is of no use until something has been changed: a setting here, or something at the
    /// server. A server that was useful before is dialled again all the same, see [`Retry::FinalUnlessUseful`].
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self.retry, Retry::Final | Retry::FinalUnlessUseful)
    }
}

fn connect_kind(kind: io::ErrorKind) -> DisconnectKind {
    match kind {
        io::ErrorKind::ConnectionRefused => DisconnectKind::Refused,
        io::ErrorKind::TimedOut => DisconnectKind::TimedOut,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            DisconnectKind::Unreachable
        }
        // A Unix socket that is not there.
        io::ErrorKind::NotFound => DisconnectKind::Refused,
        _ => DisconnectKind::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_can_be_made_and_is_found_again() {
        for &kind in DisconnectKind::ALL {
            let why = Disconnect::of(kind, "why");
            assert_eq!((why.kind(), why.to_string().as_str()), (kind, "why"));
            assert!(!(why.ended_locally() && why.by_server), "{kind}");
        }
        assert_eq!(Disconnect::of(DisconnectKind::Eof, "").io_kind(), Some(io::ErrorKind::UnexpectedEof));
        assert!(Disconnect::of(DisconnectKind::Settings, "").is_permanent());
    }
}
