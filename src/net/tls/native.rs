//! TLS by OpenSSL.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use openssl::error::ErrorStack;
use openssl::ssl::{
    HandshakeError, MidHandshakeSslStream, Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions,
    SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509CheckFlags, X509VerifyFlags};

use super::certificate::subject_and_expiry;
use super::explain::{self, HandshakeBytes, HandshakeFailure, LocalSide};
use super::pem::{self, Identity};
use super::{Progress, TlsError, TlsErrorKind, TlsSettings};
use crate::model::setting::Setting;
use crate::proto::dns::message::is_name;
use crate::proto::uri::authority::check_host;

/// The cipher suites up to TLS 1.2, as the crate's own connector has them.
const CIPHERS: &str = "DEFAULT:!aNULL:!eNULL:!MD5:!3DES:!DES:!RC4:!IDEA:!SEED:!aDSS:!SRP:!PSK";

/// Begins handshakes. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    context: SslContext,
    insecure: bool,
    name: Option<Arc<str>>,
    side: LocalSide,
}

/// A handshake under way.
pub struct Handshake<S> {
    step: HandshakeStep<S>,
    name: Arc<str>,
    side: LocalSide,
    received: Arc<Mutex<HandshakeBytes>>,
}

enum HandshakeStep<S> {
    Start(Connector, RecordingStream<S>),
    Mid(MidHandshakeSslStream<RecordingStream<S>>),
}

/// A stream inside TLS. Drop it after any error but "would block".
pub struct TlsStream<S> {
    stream: SslStream<RecordingStream<S>>,
    name: Arc<str>,
    side: LocalSide,
}

impl Connector {
    /// Reads the files of the settings, or the system's certificates if there is no `ca_file`.
    ///
    /// # Errors
    /// Names the option and the file that is wrong, and the way out.
    pub fn build(settings: &TlsSettings) -> Result<Self, String> {
        let roots = settings.ca_file.as_deref().map(|path| pem::certificates(settings, path)).transpose()?;
        let identity = pem::identity(settings)?;
        let side = LocalSide {
            has_cert: identity.is_some(),
            has_ca_file: roots.is_some(),
            lacks_roots: roots.is_none() && !has_system_roots(),
        };
        let name = settings.name.as_deref().map(check_tls_name).transpose()?;
        let context = build_context(roots, identity).map_err(|error| pem::build_error(settings, &error))?;
        Ok(Connector { context, insecure: settings.insecure, name, side })
    }

    /// Begins a handshake with a host over a connected stream. Sends nothing until it is advanced.
    pub fn handshake<S>(&self, host: &str, stream: S) -> Handshake<S> {
        let received = Arc::new(Mutex::new(HandshakeBytes::default()));
        let stream = RecordingStream { stream, received: received.clone() };
        let name = self.name.clone().unwrap_or_else(|| certificate_name(host).into());
        Handshake { step: HandshakeStep::Start(self.clone(), stream), name, side: self.side, received }
    }

    fn connect<S: Read + Write>(&self, name: &str, stream: S) -> Result<SslStream<S>, HandshakeError<S>> {
        self.session(name)?.connect(stream)
    }

    /// Prepares one session: the name for SNI, and the name or address that the certificate must be for.
    fn session(&self, name: &str) -> Result<Ssl, ErrorStack> {
        let mut ssl = Ssl::new(&self.context)?;
        let address = name.parse::<IpAddr>();
        if address.is_err() {
            ssl.set_hostname(name)?;
        }
        if self.insecure {
            ssl.set_verify(SslVerifyMode::NONE);
            return Ok(ssl);
        }
        let param = ssl.param_mut();
        param.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
        match address {
            Ok(address) => param.set_ip(address)?,
            Err(_) => param.set_host(name)?,
        }
        Ok(ssl)
    }
}

/// Builds what connections share. With `roots` the system's certificates are not trusted, and each of them is a trust
/// anchor, as for curl: an intermediate or a server's own certificate too.
fn build_context(roots: Option<Vec<X509>>, identity: Option<Identity>) -> Result<SslContext, ErrorStack> {
    let mut builder = context_builder()?;
    if let Some(roots) = roots {
        let mut store = X509StoreBuilder::new()?;
        store.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        for certificate in roots {
            store.add_cert(certificate)?;
        }
        builder.set_cert_store(store.build());
    } else {
        builder.set_default_verify_paths()?;
        let openssl_probe::ProbeResult { cert_file, cert_dir } = openssl_probe::probe();
        // A path that is not UTF-8 would panic. One that cannot be loaded may still be made up for by another.
        let utf8 = |path: &PathBuf| path.to_str().is_some();
        if let Some(path) = cert_file.filter(utf8) {
            let _best_effort = builder.load_verify_locations(Some(&path), None);
        }
        for path in cert_dir.into_iter().filter(utf8) {
            let _best_effort = builder.load_verify_locations(None, Some(&path));
        }
    }
    if let Some(Identity { key, certificate, chain }) = identity {
        builder.set_certificate(&certificate)?;
        builder.set_private_key(&key)?;
        for certificate in chain {
            builder.add_extra_chain_cert(certificate)?;
        }
    }
    Ok(builder.build())
}

/// Begins a context as the crate's `SslConnector` does, but without the system's certificates: to read its bundle takes
/// longer than all the rest of the start.
fn context_builder() -> Result<SslContextBuilder, ErrorStack> {
    let mut builder = SslContextBuilder::new(SslMethod::tls_client())?;
    let mut options = SslOptions::ALL | SslOptions::NO_COMPRESSION;
    options &= !SslOptions::DONT_INSERT_EMPTY_FRAGMENTS;
    builder.set_options(options);
    // tungstenite's buffer may have moved when a write is tried again.
    builder.set_mode(
        SslMode::AUTO_RETRY
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::RELEASE_BUFFERS,
    );
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_cipher_list(CIPHERS)?;
    builder.set_verify(SslVerifyMode::PEER);
    Ok(builder)
}

/// Returns true if there are certificates where those of the system are looked for.
fn has_system_roots() -> bool {
    let openssl_probe::ProbeResult { cert_file, cert_dir } = openssl_probe::probe();
    let has_entries = |path| std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    cert_file.is_some_and(|path| std::fs::metadata(path).is_ok_and(|file| file.len() > 0))
        || cert_dir.into_iter().any(has_entries)
}

/// Checks a name that the server's certificate is to have.
fn check_tls_name(name: &str) -> Result<Arc<str>, String> {
    let setting = Setting("Server::tls_name");
    let name = certificate_name(name);
    if name.is_empty() {
        return Err(format!("{setting}: the name is empty"));
    }
    let host = check_host(name).map_err(|why| format!("{setting}: {why}"))?;
    if host.starts_with('.') {
        return Err(format!("{setting}: {host} begins with a dot, which would match any subdomain"));
    }
    if !is_name(&host) && !host.contains(':') {
        return Err(format!("{setting}: {host:.80} is no name: it has parts of 1 to 63 letters, 253 letters in all"));
    }
    Ok(host.into())
}

/// Returns a host as certificates name it: without brackets, zone and final dot.
fn certificate_name(host: &str) -> &str {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let host = host.split('%').next().unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host)
}

impl<S: Read + Write> Handshake<S> {
    /// Returns the stream under TLS.
    pub fn get_mut(&mut self) -> &mut S {
        match &mut self.step {
            HandshakeStep::Start(_, stream) => &mut stream.stream,
            HandshakeStep::Mid(mid) => &mut mid.get_mut().stream,
        }
    }

    /// Goes as far as possible without waiting. `wall` appears in errors about the dates of a certificate.
    ///
    /// # Errors
    /// If the handshake fails; the stream is closed then.
    pub fn advance(self, wall: SystemTime) -> Result<Progress<S>, TlsError> {
        let Handshake { step, name, side, received } = self;
        let result = match step {
            // OpenSSL would accept a certificate for any name.
            HandshakeStep::Start(..) if name.is_empty() || name.starts_with('.') => {
                let text = format!("no certificate can be for the name {:?}", &*name);
                return Err(TlsError { text, kind: TlsErrorKind::Final });
            }
            HandshakeStep::Start(connector, stream) => connector.connect(&name, stream),
            HandshakeStep::Mid(mid) => mid.handshake(),
        };
        match result {
            Ok(stream) => Ok(Progress::Done(TlsStream { stream, name, side })),
            Err(HandshakeError::WouldBlock(mid)) => {
                Ok(Progress::Waiting(Handshake { step: HandshakeStep::Mid(mid), name, side, received }))
            }
            Err(HandshakeError::Failure(failed)) => {
                let (verified, received) = (failed.ssl().verify_result(), copy_of(&received));
                let failure = HandshakeFailure { error: failed.error(), verified, received, wall };
                Err(explain::handshake_error(&failure, &name, side))
            }
            Err(HandshakeError::SetupFailure(error)) => Err(explain::session_error(&error.to_string(), &name, side)),
        }
    }
}

impl<S: Read + Write> TlsStream<S> {
    /// Describes the session: version, subject and expiry of the server's certificate, as far as they can be read.
    pub fn describe(&self) -> String {
        let version = copy_of(&self.stream.get_ref().received).version().unwrap_or("TLS");
        let der = self.stream.ssl().peer_certificate().and_then(|certificate| certificate.to_der().ok());
        match der.as_deref().and_then(subject_and_expiry) {
            Some((subject, expiry)) => format!("{version}, certificate of {subject:?} until {expiry}"),
            None => format!("{version}, no readable certificate"),
        }
    }

    /// Returns the stream under TLS.
    pub fn get_ref(&self) -> &S {
        &self.stream.get_ref().stream
    }

    /// Returns the stream under TLS.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream.get_mut().stream
    }

    /// Adds advice to an error of TLS. With TLS 1.3 a server rejects a client certificate after the handshake.
    fn explain(&self, error: io::Error) -> io::Error {
        if error.get_ref().is_none() {
            return error;
        }
        io::Error::other(explain::session_error(&error.to_string(), &self.name, self.side))
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

/// Records the first bytes received: after a failed handshake the stream is gone.
struct RecordingStream<S> {
    stream: S,
    received: Arc<Mutex<HandshakeBytes>>,
}

impl<S: Read> Read for RecordingStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.stream.read(buffer)?;
        self.received.lock().unwrap_or_else(PoisonError::into_inner).record(&buffer[..len]);
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

/// Copies the record. The lock is never contended: it makes a monitor `Send`, so that it may move to another thread.
fn copy_of(received: &Mutex<HandshakeBytes>) -> HandshakeBytes {
    *received.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves out the context, which holds the key.
impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("name", &self.name).field("side", &self.side).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Handshake<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("name", &self.name)
            .field("received", &copy_of(&self.received))
            .finish_non_exhaustive()
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
    fn brackets_zone_and_final_dot_are_removed_from_a_name() {
        for (host, name) in [
            ("h.example", "h.example"),
            ("h.example.", "h.example"),
            ("[::1]", "::1"),
            ("::1", "::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%eth0]", "fe80::1"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(certificate_name(host), name);
        }
    }

    #[test]
    fn an_invalid_tls_name_is_refused_at_once() {
        let long = "a.".repeat(128);
        for name in [
            "",
            "[]",
            ".",
            "a..b",
            &"a".repeat(64),
            &format!("{long}a"),
            ".example",
            "a b",
            "a\0b",
            "b\u{fc}cher.example",
            "::zz",
        ] {
            let settings = TlsSettings { name: Some(name.into()), ..TlsSettings::default() };
            let text = Connector::build(&settings).unwrap_err();
            assert!(text.starts_with("Server::tls_name: ") && !text.contains('\0'), "{text}");
        }
    }
}
