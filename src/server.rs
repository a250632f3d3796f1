//! What to watch and how: one server's settings.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::endpoint::{Endpoint, InvalidUri};
use crate::session::{Policy, Stale};

/// A server to watch, with the command line's defaults.
///
/// ```
/// use std::time::Duration;
/// use wsmon::Server;
///
/// let server = Server::new("ws://192.168.1.100:8765")?
///     .label("router")
///     .max_reconnects(Some(5))
///     .ping_interval(Some(Duration::from_secs(60)));
/// # Ok::<(), wsmon::AddressError>(())
/// ```
#[derive(Clone)]
pub struct Server {
    pub(crate) address: Address,
    pub(crate) label: Option<String>,
    pub(crate) policy: Policy,
    pub(crate) max_message: usize,
    pub(crate) history: bool,
    pub(crate) greetings: Vec<String>,
}

/// Where a server's URI stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Here.
    Endpoint(Endpoint),
    /// In a file that is read before every connection, so that it may change.
    File(PathBuf),
}

/// Why a server's address cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum AddressError {
    /// The URI is wrong.
    Uri(InvalidUri),
    /// The file that holds it cannot be read.
    File(PathBuf, std::io::Error),
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Uri(error) => error.fmt(f),
            AddressError::File(path, error) => {
                let path = path.to_string_lossy();
                write!(f, "read {}: {}", crate::style::escape(&path), crate::error::reason(error))
            }
        }
    }
}

impl std::error::Error for AddressError {}

impl From<InvalidUri> for AddressError {
    fn from(error: InvalidUri) -> Self {
        AddressError::Uri(error)
    }
}

/// The largest message unless told otherwise: 4 MiB.
const MAX_MESSAGE: usize = 4 << 20;

impl Server {
    /// A server at `ws://HOST[:PORT][/PATH]` or `HOST[:PORT][/PATH]`.
    ///
    /// # Errors
    /// Where the URI is wrong: it says which part.
    pub fn new(uri: &str) -> Result<Self, AddressError> {
        Ok(Server::at(Address::Endpoint(Endpoint::parse(uri)?)))
    }

    /// A server whose URI stands on the first line of a file. It is read now, and again before every connection.
    ///
    /// # Errors
    /// Where the file cannot be read or holds no usable URI.
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, AddressError> {
        let address = Address::File(path.into());
        address.endpoint()?;
        Ok(Server::at(address))
    }

    /// The form of the command line: `[NAME=]URI` or `[NAME=]@FILE`.
    ///
    /// # Errors
    /// Where the URI is wrong or the file cannot be read.
    pub fn parse(argument: &str) -> Result<Self, AddressError> {
        let (label, place) = match argument.split_once('=') {
            Some((name, place)) if is_label(name) => (Some(name), place),
            _ => (None, argument),
        };
        let server = match place.strip_prefix('@') {
            Some(path) => Server::from_file(path)?,
            None => Server::new(place)?,
        };
        Ok(Server { label: label.map(str::to_owned), ..server })
    }

    /// The name under which the server appears; host and port unless set.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// How many reconnections in a row without a useful session before giving up; `None` = no limit, 0 = none.
    #[must_use]
    pub fn max_reconnects(mut self, most: Option<u32>) -> Self {
        self.policy.max_reconnects = most;
        self
    }

    /// The first wait before a reconnection, which doubles with each failure up to the cap.
    #[must_use]
    pub fn reconnect_interval(mut self, interval: Duration, cap: Duration) -> Self {
        (self.policy.reconnect_interval, self.policy.reconnect_cap) = (interval, cap);
        self
    }

    /// How long name, TCP and upgrade may take together.
    #[must_use]
    pub fn connect_timeout(mut self, within: Duration) -> Self {
        self.policy.connect_timeout = within;
        self
    }

    /// How often to ping; `None` = never.
    #[must_use]
    pub fn ping_interval(mut self, every: Option<Duration>) -> Self {
        self.policy.ping_interval = every;
        self
    }

    /// How long any frame may take to arrive after a ping, and a write to make progress.
    #[must_use]
    pub fn ping_timeout(mut self, within: Duration) -> Self {
        self.policy.ping_timeout = within;
        self
    }

    /// When to reconnect because no message comes.
    #[must_use]
    pub fn stale_after(mut self, stale: Stale) -> Self {
        self.policy.stale = stale;
        self
    }

    /// The largest message in bytes; a larger one ends the connection.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// Keeps the last 1000 samples; statistics then carry the spread of each metric.
    #[must_use]
    pub fn history(mut self, keep: bool) -> Self {
        self.history = keep;
        self
    }

    /// A text to send whenever the connection opens.
    #[must_use]
    pub fn send(mut self, text: impl Into<String>) -> Self {
        self.greetings.push(text.into());
        self
    }

    fn at(address: Address) -> Self {
        Server {
            address,
            label: None,
            policy: Policy::default(),
            max_message: MAX_MESSAGE,
            history: false,
            greetings: Vec::new(),
        }
    }
}

/// Without what could hold a secret.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Server { address, label, policy, .. } = self;
        let mut out = f.debug_struct("Server");
        out.field("address", address).field("label", label).field("policy", policy).finish_non_exhaustive()
    }
}

impl Address {
    /// The endpoint as it is now.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, AddressError> {
        match self {
            Address::Endpoint(endpoint) => Ok(endpoint.clone()),
            Address::File(path) => {
                let text = read(path).map_err(|error| AddressError::File(path.clone(), error))?;
                Ok(Endpoint::parse(text.lines().next().unwrap_or_default().trim())?)
            }
        }
    }
}

/// A small file; a large one, or one that never ends, is cut.
fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(64 << 10).read_to_string(&mut text)?;
    Ok(text)
}

/// Whether what stands before the first `=` is a label and no part of a URI.
fn is_label(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(argument: &str) -> Option<String> {
        Server::parse(argument).unwrap().label
    }

    #[test]
    fn a_label_stands_before_the_first_equals_sign_or_nowhere() {
        assert_eq!(label("router-1.lan=ws://h/?a=b").as_deref(), Some("router-1.lan"));
        assert_eq!(label("x=h:1").as_deref(), Some("x"));
        for argument in ["ws://h/?a=b", "h/p?a=b", "h"] {
            assert_eq!(label(argument), None, "{argument}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let text = Server::parse("@no/such/file").unwrap_err().to_string();
        assert!(text.contains("no/such/file"), "{text}");
    }
}
