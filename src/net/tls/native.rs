//! TLS by native-tls: on Linux that is OpenSSL.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use native_tls::{HandshakeError, MidHandshakeTlsStream, Protocol, TlsConnector};

use super::explain::{self, HandshakeBytes, Side};
use super::{Progress, TlsError, TlsErrorKind, TlsSettings, pem};
use crate::proto::uri::authority::check_host;

/// What handshakes begin with. To clone it costs nothing.
#[derive(Clone)]
pub struct Connector {
    context: TlsConnector,
    name: Option<Arc<str>>,
    side: Side,
}

/// A handshake under way.
pub struct Handshake<S> {
    step: HandshakeStep<S>,
    name: Arc<str>,
    side: Side,
    seen: Arc<Mutex<HandshakeBytes>>,
}

enum HandshakeStep<S> {
    Start(TlsConnector, RecordingStream<S>),
    Mid(MidHandshakeTlsStream<RecordingStream<S>>),
}

/// A stream inside TLS. To be dropped after any error but "would block".
pub struct TlsStream<S> {
    stream: native_tls::TlsStream<RecordingStream<S>>,
    name: Arc<str>,
    side: Side,
}

impl Connector {
    /// Reads the files of the settings, and the system's certificates where there is no other.
    ///
    /// # Errors
    /// With the option and the file that is wrong, and the way out.
    pub fn build(settings: &TlsSettings) -> Result<Self, String> {
        let mut builder = TlsConnector::builder();
        builder
            .min_protocol_version(Some(Protocol::Tlsv12))
            .danger_accept_invalid_certs(settings.insecure)
            .danger_accept_invalid_hostnames(settings.insecure);
        if let Some(path) = &settings.ca_file {
            builder.disable_built_in_roots(true);
            for certificate in pem::certificates(path)? {
                builder.add_root_certificate(certificate);
            }
        }
        let identity = pem::identity(settings)?;
        let side = Side { has_cert: identity.is_some(), has_ca_file: settings.ca_file.is_some() };
        if let Some(identity) = identity {
            builder.identity(identity);
        }
        let name = settings.name.as_deref().map(checked).transpose()?;
        let context = builder.build().map_err(|error| pem::not_built(settings, &error))?;
        Ok(Connector { context, name, side })
    }

    /// A handshake with a host over a connected stream. Nothing is sent before it is advanced.
    pub fn handshake<S>(&self, host: &str, stream: S) -> Handshake<S> {
        let seen = Arc::new(Mutex::new(HandshakeBytes::default()));
        let tap = RecordingStream { stream, seen: seen.clone() };
        let name = self.name.clone().unwrap_or_else(|| bare(host).into());
        Handshake { step: HandshakeStep::Start(self.context.clone(), tap), name, side: self.side, seen }
    }
}

/// What `--tls-name` gives, or why it is no name.
fn checked(name: &str) -> Result<Arc<str>, String> {
    let host = check_host(bare(name)).map_err(|why| format!("--tls-name: {why}"))?;
    if host.starts_with('.') {
        return Err(format!("--tls-name: {host} begins with a dot, which stands for any name below it"));
    }
    Ok(host.into())
}

/// A host as certificates name it: without brackets, zone, or the dot at its end.
fn bare(host: &str) -> &str {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let host = host.split('%').next().unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host)
}

impl<S: Read + Write> Handshake<S> {
    /// Goes as far as possible without waiting. `wall` is only shown, where dates are to blame.
    ///
    /// # Errors
    /// Where there will be no TLS; the stream is closed then.
    pub fn advance(self, wall: SystemTime) -> Result<Progress<S>, TlsError> {
        let Handshake { step, name, side, seen } = self;
        let result = match step {
            // OpenSSL would take such a name for "any".
            HandshakeStep::Start(..) if name.is_empty() || name.starts_with('.') => {
                let text = format!("no certificate can be for the name {:?}", &*name);
                return Err(TlsError { text, kind: TlsErrorKind::Usual });
            }
            HandshakeStep::Start(context, tap) => context.connect(&name, tap),
            HandshakeStep::Mid(mid) => mid.handshake(),
        };
        match result {
            Ok(stream) => Ok(Progress::Done(TlsStream { stream, name, side })),
            Err(HandshakeError::WouldBlock(mid)) => {
                Ok(Progress::Waiting(Handshake { step: HandshakeStep::Mid(mid), name, side, seen }))
            }
            Err(HandshakeError::Failure(error)) => Err(explain::handshake(&error, &name, side, looked(&seen), wall)),
        }
    }
}

impl<S: Read + Write> TlsStream<S> {
    /// The stream below.
    pub fn get_ref(&self) -> &S {
        &self.stream.get_ref().stream
    }

    /// The stream below.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream.get_mut().stream
    }

    /// With TLS 1.3 a server that does not like our certificate says so after the handshake.
    fn explain(&self, error: io::Error) -> io::Error {
        if error.get_ref().is_none() {
            return error;
        }
        io::Error::other(explain::session(&error.to_string(), &self.name, self.side))
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer).map_err(|error| self.explain(error))
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes).map_err(|error| self.explain(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Remembers how the answer begins and whether it ends: when a handshake fails, the stream is gone.
struct RecordingStream<S> {
    stream: S,
    seen: Arc<Mutex<HandshakeBytes>>,
}

impl<S: Read> Read for RecordingStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.stream.read(buffer)?;
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).note(&buffer[..len]);
        Ok(len)
    }
}

impl<S: Write> Write for RecordingStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The lock is never waited for: it only lets a monitor move to another thread.
fn looked(seen: &Mutex<HandshakeBytes>) -> HandshakeBytes {
    *seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nothing of the keys.
impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("name", &self.name).field("side", &self.side).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Handshake<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("name", &self.name).field("seen", &looked(&self.seen)).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_loses_what_no_certificate_has() {
        for (host, name) in [
            ("h.example", "h.example"),
            ("h.example.", "h.example"),
            ("[::1]", "::1"),
            ("::1", "::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%eth0]", "fe80::1"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(bare(host), name);
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused_before_anything_else() {
        for name in ["", ".", ".example", "a b", "a\0b", "b\u{fc}cher.example", "::zz"] {
            let settings = TlsSettings { name: Some(name.into()), ..TlsSettings::default() };
            let text = Connector::build(&settings).unwrap_err();
            assert!(text.starts_with("--tls-name: ") && !text.contains('\0'), "{text}");
        }
    }
}
