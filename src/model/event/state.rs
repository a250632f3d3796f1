//! The state of a connection, and its changes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::error::Disconnect;
use crate::model::number::Fixed;

/// The state of one server's connection. The names are those of the reference client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientState {
    /// Not connected: before the first dial, and after a stop.
    #[default]
    Disconnected,
    /// Dialling for the first time, up to the response to the upgrade.
    Connecting,
    /// Open.
    Connected,
    /// Waiting for the next dial, or dialling again.
    Reconnecting,
    /// Given up.
    Error,
}

impl ClientState {
    /// The name in statistics.
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

    /// Returns the state of this name.
    pub(crate) fn named(name: &str) -> Option<ClientState> {
        use ClientState::{Connected, Connecting, Disconnected, Error, Reconnecting};
        [Disconnected, Connecting, Connected, Reconnecting, Error].into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for ClientState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A change of a connection's state, or a failed dial that leaves the state as it is.
///
/// `Display` writes one line for people: `connected`, `reconnecting in 3.2 s: connect to 127.0.0.1:8765: connection refused`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Change {
    /// The previous state.
    pub from: ClientState,
    /// The state now; equal to `from` after a failed dial that will be repeated.
    pub to: ClientState,
    /// The cause of the end of a connection or of a failed dial, in one line. Empty for other changes, and if the
    /// program asked for it.
    pub why: String,
    /// The cause with its kind, where `why` is set; `None` for a change that was read from saved data.
    pub cause: Option<Arc<Disconnect>>,
    /// The time until the next dial, if one is scheduled.
    pub retry_in: Option<Duration>,
    /// Reconnections in a row without a useful session, with the next one: 1 after the first failure. 0 if neither a
    /// reconnection follows nor the server was given up.
    pub attempts: u32,
}

impl Change {
    /// A change of the state, without a cause: for tests of handlers.
    #[must_use]
    pub fn new(from: ClientState, to: ClientState) -> Self {
        Change { from, to, ..Change::default() }
    }

    /// Returns true if a connection was opened.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.from != ClientState::Connected && self.to == ClientState::Connected
    }

    /// Returns true if an open connection ended. A failed dial is not the end of a connection.
    #[must_use]
    pub fn disconnected(&self) -> bool {
        self.from == ClientState::Connected && self.to != ClientState::Connected
    }

    /// Returns true if no more events will come unless the program reconnects: the connection failed for good, or was
    /// stopped.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self.to, ClientState::Error | ClientState::Disconnected)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to.name())?;
        if let Some(wait) = self.retry_in {
            write!(f, " in {} s", Fixed(wait.as_secs_f64(), 1))?;
        }
        if self.why.is_empty() { Ok(()) } else { write!(f, ": {}", self.why) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_written_as_one_line() {
        use ClientState::{Connected, Connecting, Disconnected, Error, Reconnecting};
        let change = |from, to, why: &str, retry_in: Option<u64>| {
            let change = Change {
                from,
                to,
                why: why.into(),
                retry_in: retry_in.map(Duration::from_millis),
                ..Change::default()
            };
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
