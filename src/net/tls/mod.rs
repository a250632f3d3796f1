//! TLS over any non-blocking stream. The only file that knows the feature `tls`: without it the types are uninhabited,
//! so that everything else compiles the same.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::net::file::{self, Stamp, stamp};

#[cfg(not(feature = "tls"))]
#[path = "absent.rs"]
mod imp;
#[cfg(feature = "tls")]
#[path = "native.rs"]
mod imp;

#[cfg(feature = "tls")]
mod certificate;
#[cfg(feature = "tls")]
mod explain;
#[cfg(feature = "tls")]
mod pem;

pub use imp::{Connector, Handshake, TlsStream};

/// True if this build has TLS.
pub const AVAILABLE: bool = cfg!(feature = "tls");

/// The error text of a build without TLS, after the thing that needs it.
pub(crate) const MISSING: &str = "needs TLS, which this build does not have: build it with the feature `tls`";

/// The beginning of the names that stand for contents in memory. No file has such a name.
const IN_MEMORY: &str = "\0";

/// Upper bound on a file of certificates or keys in bytes: twenty times the system's bundle.
const MAX_FILE: usize = 4 << 20;

/// The certificates that a connection trusts, and the one that it presents.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM certificates that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The client certificate in PEM, followed by its intermediate certificates.
    pub cert: Option<PathBuf>,
    /// Its key in PEM, without a passphrase; `None` if it is in the same file.
    pub key: Option<PathBuf>,
    /// Accepts any certificate: neither issuer nor name nor dates are checked.
    pub insecure: bool,
    /// The content of those of the files that can be read only once.
    pub read_once: Vec<(PathBuf, Arc<[u8]>)>,
    /// The name for SNI and for the check of the certificate, instead of the host's.
    pub name: Option<String>,
}

/// Omits the contents of files, of which one may be a key.
impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TlsSettings { ca_file, cert, key, insecure, read_once: _, name } = self;
        let mut out = f.debug_struct("TlsSettings");
        out.field("ca_file", ca_file).field("cert", cert).field("key", key);
        out.field("insecure", insecure).field("name", name).finish_non_exhaustive()
    }
}

/// The result of advancing a handshake.
#[derive(Debug)]
pub enum Progress<S> {
    /// Waits for the stream: advance it again when that is readable or writable.
    Waiting(Handshake<S>),
    /// The handshake is complete.
    Done(TlsStream<S>),
}

/// Says if a retry can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsErrorKind {
    /// The certificate is not valid or the server's TLS is too weak, and a retry would not change that.
    Final,
    /// The certificate is valid later, or this machine's clock is behind.
    NotYetValid,
    /// The other side answers, but not in TLS; a retry may help.
    NotTls,
    /// Anything else; a retry may help.
    Usual,
}

/// A failed handshake or session, in one line with the cause and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    /// Escaped.
    pub text: String,
    /// Says if a retry can help.
    pub kind: TlsErrorKind,
}

impl TlsError {
    /// Returns the error inside an I/O error of a [`TlsStream`], if TLS failed and not the stream under it.
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

/// Builds a connector when it is needed, and again after one of its files has changed.
///
/// Building one costs tens of milliseconds and a megabyte, so connections with the same settings share it.
#[derive(Debug)]
pub struct CachedConnector {
    settings: TlsSettings,
    built: Option<(Connector, Vec<Option<Stamp>>)>,
}

impl CachedConnector {
    /// Creates the cache without building a connector.
    #[must_use]
    pub fn new(settings: TlsSettings) -> Self {
        CachedConnector { settings, built: None }
    }

    /// Returns a connector for the present content of the files.
    ///
    /// # Errors
    /// Names the option and the file that is wrong, and the way out.
    pub fn get(&mut self) -> Result<&Connector, String> {
        // Taken before the files are read: a change in between is noticed by the next call.
        let stamps = self.settings.stamps();
        let connector = match self.built.take() {
            Some((connector, before)) if before == stamps => connector,
            _ => Connector::build(&self.settings)?,
        };
        Ok(&self.built.insert((connector, stamps)).0)
    }
}

/// Upper bound on the cached connectors. With more different settings than that in use, some are built again.
const MAX_CONNECTORS: usize = 256;

/// One cached connector for each different settings; the latest one used is the last.
#[derive(Debug, Default)]
pub struct Pool(Vec<CachedConnector>);

impl Pool {
    /// Returns the connector for these settings.
    ///
    /// # Errors
    /// As for [`CachedConnector::get`].
    pub fn get(&mut self, settings: &TlsSettings) -> Result<&Connector, String> {
        let known = self.0.iter().position(|connector| connector.settings == *settings);
        let connector = known.map(|at| self.0.remove(at)).unwrap_or_else(|| CachedConnector::new(settings.clone()));
        if self.0.len() == MAX_CONNECTORS {
            self.0.remove(0);
        }
        self.0.push(connector);
        let latest = self.0.len() - 1;
        self.0[latest].get()
    }
}

impl TlsSettings {
    /// Returns true if a connector needs more than the system's certificates, so that building it may fail.
    pub(crate) fn is_special(&self) -> bool {
        self.name.is_some() || self.files().next().is_some()
    }

    /// Returns true if one of the contents was given, which no file can change: a wrong one stays wrong.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.read_once.iter().any(|(path, _)| path.as_os_str().as_encoded_bytes().first() == Some(&0))
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.ca_file, &self.cert, &self.key].into_iter().flatten().map(PathBuf::as_path)
    }

    /// Reads every file once, to find wrong ones, and keeps the content of pipes.
    pub(crate) fn load(&mut self, at_start: bool) -> Result<(), (PathBuf, io::Error)> {
        let mut read_once = Vec::new();
        for path in
            self.files().filter(|path| self.read_once.iter().all(|(known, _)| known.as_os_str() != path.as_os_str()))
        {
            match file::read(path, MAX_FILE, at_start) {
                Ok(content) if content.once => read_once.push((path.to_owned(), content.bytes.into())),
                Ok(_) => {}
                Err(error) => return Err((path.to_owned(), error)),
            }
        }
        self.read_once.append(&mut read_once);
        Ok(())
    }

    /// Gives the content of a file that exists in memory only, under a name that no file has. Returns the name.
    pub(crate) fn give(&mut self, name: &str, pem: Vec<u8>) -> PathBuf {
        let path = PathBuf::from(format!("{IN_MEMORY}{name}"));
        self.read_once.retain(|(known, _)| *known != path);
        self.read_once.push((path.clone(), pem.into()));
        path
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        self.files().map(stamp).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connectors_are_kept_for_the_settings_that_were_used_last() {
        let settings =
            |n: usize| TlsSettings { ca_file: Some(format!("no/such/{n}").into()), ..TlsSettings::default() };
        let mut pool = Pool::default();
        for n in 0..3 * MAX_CONNECTORS {
            assert!(pool.get(&settings(0)).is_err() && pool.get(&settings(n)).is_err());
        }
        let kept: Vec<_> = pool.0.iter().map(|connector| &connector.settings).collect();
        assert_eq!(kept.len(), MAX_CONNECTORS);
        assert!(kept.contains(&&settings(0)) && kept.contains(&&settings(2 * MAX_CONNECTORS + 1)));
    }
}
