//! The configuration of the tests' TLS servers.

use openssl::ssl::{SslContext, SslContextBuilder, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::store::X509StoreBuilder;

use crate::certificate::{Issued, authority};

/// The configuration of a TLS server.
pub struct ServerConfig<'a> {
    pub cert: &'a Issued,
    pub versions: (SslVersion, SslVersion),
    /// Intermediate certificates that it sends with its own.
    pub chain: &'a [&'a Issued],
    pub requires_certificate: bool,
}

impl<'a> ServerConfig<'a> {
    pub fn new(cert: &'a Issued) -> Self {
        ServerConfig {
            cert,
            versions: (SslVersion::TLS1_2, SslVersion::TLS1_3),
            chain: &[],
            requires_certificate: false,
        }
    }

    pub fn context(&self) -> SslContext {
        let mut context = SslContextBuilder::new(SslMethod::tls_server()).unwrap();
        context.set_min_proto_version(Some(self.versions.0)).unwrap();
        context.set_max_proto_version(Some(self.versions.1)).unwrap();
        // TLS 1.1 needs security level 0.
        context.set_cipher_list("DEFAULT@SECLEVEL=0").unwrap();
        context.set_certificate(&self.cert.cert).unwrap();
        context.set_private_key(&self.cert.key).unwrap();
        for issued in self.chain {
            context.add_extra_chain_cert(issued.cert.clone()).unwrap();
        }
        if self.requires_certificate {
            let mut store = X509StoreBuilder::new().unwrap();
            store.add_cert(authority().cert.clone()).unwrap();
            context.set_verify_cert_store(store.build()).unwrap();
            context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        context.build()
    }
}
