//! A TLS server on the far end of a pipe. It never waits either: test and server take turns.

use std::io::{Read, Write};
use std::pin::Pin;

use openssl::ssl::{ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslStream, SslVerifyMode, SslVersion};
use openssl::x509::store::X509StoreBuilder;

use crate::certificate::{Issued, authority};
use crate::pipe::End;

/// How the server behaves.
pub struct Ways<'a> {
    pub cert: &'a Issued,
    pub versions: (SslVersion, SslVersion),
    /// Sent along with its own.
    pub chain: &'a [&'a Issued],
    pub wants_certificate: bool,
}

impl<'a> Ways<'a> {
    pub fn new(cert: &'a Issued) -> Self {
        Ways { cert, versions: (SslVersion::TLS1_2, SslVersion::TLS1_3), chain: &[], wants_certificate: false }
    }

    fn context(&self) -> SslContext {
        let mut context = SslContextBuilder::new(SslMethod::tls_server()).unwrap();
        context.set_min_proto_version(Some(self.versions.0)).unwrap();
        context.set_max_proto_version(Some(self.versions.1)).unwrap();
        // Else TLS 1.1 is not spoken at all.
        context.set_cipher_list("DEFAULT@SECLEVEL=0").unwrap();
        context.set_certificate(&self.cert.cert).unwrap();
        context.set_private_key(&self.cert.key).unwrap();
        for issued in self.chain {
            context.add_extra_chain_cert(issued.cert.clone()).unwrap();
        }
        if self.wants_certificate {
            let mut store = X509StoreBuilder::new().unwrap();
            store.add_cert(authority().cert.clone()).unwrap();
            context.set_verify_cert_store(store.build()).unwrap();
            context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        context.build()
    }
}

/// It echoes what it gets.
pub struct Server {
    stream: SslStream<End>,
    is_open: bool,
    failed: bool,
}

impl Server {
    pub fn new(ways: &Ways<'_>, end: End) -> Self {
        let stream = SslStream::new(Ssl::new(&ways.context()).unwrap(), end).unwrap();
        Server { stream, is_open: false, failed: false }
    }

    /// Does what can be done without waiting.
    pub fn turn(&mut self) {
        if self.failed {
            return;
        }
        if !self.is_open {
            match Pin::new(&mut self.stream).accept() {
                Ok(()) => self.is_open = true,
                Err(error) => {
                    self.failed = !matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE);
                    return;
                }
            }
        }
        let mut buffer = [0; 256];
        while let Ok(len @ 1..) = self.stream.read(&mut buffer) {
            self.stream.write_all(&buffer[..len]).unwrap();
        }
    }

    /// The name that the client asked for.
    pub fn asked_for(&self) -> Option<&str> {
        self.stream.ssl().servername(openssl::ssl::NameType::HOST_NAME)
    }

    pub fn close(&mut self) {
        let _best_effort = self.stream.shutdown();
    }
}
