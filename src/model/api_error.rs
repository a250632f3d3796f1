//! The one error of the library's calls.

use std::fmt;
use std::io;

use crate::model::error::reason;

/// The error of a call: a setting that cannot be used, or something that cannot be done now.
///
/// Trouble with a server is none: it is an event, [`Event::State`](crate::Event::State) with a
/// [`Disconnect`](crate::Disconnect). `Display` writes one line that names the value and the way out, without secrets.
///
/// ```
/// use wsmon::{ErrorKind, Server};
///
/// let error = Server::new("ws://h:99999").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Uri);
/// assert_eq!(error.to_string(), "invalid URI ws://h:99999: the port \"99999\" is not a number from 1 to 65535");
/// ```
pub struct Error(Box<Inner>);

/// Boxed, to keep the `Result`s that carry it small.
struct Inner {
    kind: ErrorKind,
    text: String,
    cause: Option<io::Error>,
}

/// The kind of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The URI is wrong.
    Uri,
    /// A file cannot be read; [`source`](std::error::Error::source) has the cause.
    File,
    /// The content of a file is wrong.
    Content,
    /// The token is empty or contains control characters.
    Token,
    /// A header or subprotocol is wrong.
    Header,
    /// The proxy's URL is wrong, in a setting or in a variable of the environment.
    Proxy,
    /// A certificate, a key or the TLS name cannot be used.
    Tls,
    /// The JSON of a request is not valid or too long, or the dialect has no such request.
    Request,
    /// No dialect, metric or text has this name.
    Name,
    /// Another server has this label.
    Label,
    /// A rule is wrong.
    Rule,
    /// Nothing can be sent, since the connection is not open. For a request also: the dialect is not known yet.
    NotOpen,
    /// More than 64 KiB would wait to be sent, or too many requests wait for their answers.
    Full,
    /// The system has failed: no descriptors are left, say. [`source`](std::error::Error::source) has the cause.
    Io,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: String) -> Self {
        Error(Box::new(Inner { kind, text, cause: None }))
    }

    /// An error with a cause; `action` names what failed.
    pub(crate) fn io(kind: ErrorKind, action: &str, cause: io::Error) -> Self {
        let text = format!("{action}: {}", reason(&cause));
        Error(Box::new(Inner { kind, text, cause: Some(cause) }))
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("kind", &self.0.kind).field("text", &self.0.text).finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.0.cause.as_ref()?)
    }
}

/// An error of the poll, of [`Monitor::new`](crate::Monitor::new) and [`Monitor::turn`](crate::Monitor::turn).
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::io(ErrorKind::Io, "poll", error)
    }
}

/// For functions that return [`io::Result`]: the cause if there is one, else [`io::ErrorKind::Other`] with this error.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match *error.0 {
            Inner { cause: Some(cause), .. } => cause,
            inner => io::Error::other(Error(Box::new(inner))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn an_error_goes_into_an_io_error_and_back() {
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let error = Error::from(refused());
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Io, "poll: permission denied"));
        assert!(error.source().is_some());
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
        let other = io::Error::from(Error::new(ErrorKind::Uri, "text".into()));
        assert_eq!((other.kind(), other.to_string().as_str()), (io::ErrorKind::Other, "text"));
        let inner = other.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        assert_eq!(inner.map(Error::kind), Some(ErrorKind::Uri));
    }
}
