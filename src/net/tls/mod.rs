//! TLS over any stream, without ever waiting. The only file that knows the `tls` feature: without it the types are
//! uninhabited, so that everything else compiles the same.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

#[cfg(not(feature = "tls"))]
#[path = "absent.rs"]
mod imp;
#[cfg(feature = "tls")]
#[path = "native.rs"]
mod imp;

#[cfg(feature = "tls")]
mod explain;
#[cfg(feature = "tls")]
mod pem;

pub use imp::{Connector, Handshake, TlsStream};

/// Whether this build speaks TLS.
pub const AVAILABLE: bool = cfg!(feature = "tls");

/// What is said of it where it does not.
pub(crate) const MISSING: &str = "needs TLS, which this build does not have: build it with the feature `tls`";

/// What a connection expects of the other side's certificate, and which one it shows itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificates, PEM, that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, PEM, with those between it and its root.
    pub cert: Option<PathBuf>,
    /// Its key, PEM, PKCS#8; `None` = it stands in the same file.
    pub key: Option<PathBuf>,
    /// Neither issuer nor name nor dates are checked.
    pub insecure: bool,
    /// The name to ask for and to check, instead of the host's.
    pub name: Option<String>,
}

/// How far a handshake has come.
#[derive(Debug)]
pub enum Progress<S> {
    /// It waits for the stream: to be advanced again when that is ready to read or to write.
    Waiting(Handshake<S>),
    /// The stream is ready.
    Done(TlsStream<S>),
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsErrorKind {
    /// The certificate does not hold, and will not the next time.
    Final,
    /// The certificate holds later: this machine's clock may be behind.
    NotYetValid,
    /// Something else, which may be better next time.
    Usual,
}

/// Why there is no TLS: one line with the cause and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    /// For people; nothing in it needs to be escaped.
    pub text: String,
    /// What follows from it.
    pub kind: TlsErrorKind,
}

impl TlsError {
    /// What an I/O error of a [`TlsStream`] holds where TLS is to blame and not the stream below.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&TlsError> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for TlsError {}

/// Builds a connector when one is needed, and again when one of its files has changed.
///
/// To build one costs tens of milliseconds and a megabyte: connections with the same settings share it.
#[derive(Debug)]
pub struct Connectors {
    settings: TlsSettings,
    built: Option<(Connector, Vec<PemStamp>)>,
}

/// When a file was written and its length, to see that it has changed; `None` where it cannot be seen.
type PemStamp = Option<(SystemTime, u64)>;

impl Connectors {
    /// None is built yet.
    #[must_use]
    pub fn new(settings: TlsSettings) -> Self {
        Connectors { settings, built: None }
    }

    /// The connector for the files as they are now.
    ///
    /// # Errors
    /// With the option and the file that is wrong, and the way out.
    pub fn get(&mut self) -> Result<&Connector, String> {
        // Before they are read: a change in between is seen the next time.
        let stamps = self.settings.stamps();
        let connector = match self.built.take() {
            Some((connector, before)) if before == stamps => connector,
            _ => Connector::build(&self.settings)?,
        };
        Ok(&self.built.insert((connector, stamps)).0)
    }
}

/// The connectors of all settings there are.
#[derive(Debug, Default)]
pub struct Pool(Vec<Connectors>);

impl Pool {
    /// The connector for these settings, built at most once as long as their files do not change.
    ///
    /// # Errors
    /// As [`Connectors::get`].
    pub fn get(&mut self, settings: &TlsSettings) -> Result<&Connector, String> {
        let at = match self.0.iter().position(|connectors| connectors.settings == *settings) {
            Some(at) => at,
            None => {
                self.0.push(Connectors::new(settings.clone()));
                self.0.len() - 1
            }
        };
        self.0[at].get()
    }
}

impl TlsSettings {
    /// Whether more goes into a connector than what the system has.
    pub(crate) fn is_special(&self) -> bool {
        self.name.is_some() || self.files().next().is_some()
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.ca_file, &self.cert, &self.key].into_iter().flatten().map(PathBuf::as_path)
    }

    fn stamps(&self) -> Vec<PemStamp> {
        self.files().map(stamp).collect()
    }
}

fn stamp(path: &Path) -> PemStamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
