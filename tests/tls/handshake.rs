//! Handshakes that succeed.

use openssl::ssl::SslVersion;

use crate::certificate::{self, CertificateSpec, authority};
use crate::config::ServerConfig;
use crate::{connect, echo, trusting};
use wsmon::internal::tls::TlsSettings;

#[test]
fn a_good_certificate_is_accepted_for_each_of_its_names() {
    let issued = certificate::server(&["h.example", "*.w.example", "127.0.0.1", "::1", "fe80::1"]);
    for (host, asked_for) in [
        ("h.example", Some("h.example")),
        ("h.example.", Some("h.example")),
        ("a.w.example", Some("a.w.example")),
        // RFC 6066 section 3 excludes addresses.
        ("127.0.0.1", None),
        ("::1", None),
        ("[::1]", None),
        ("fe80::1%eth0", None),
    ] {
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let config = ServerConfig { versions: (version, version), ..ServerConfig::new(&issued) };
            let (mut stream, mut server) = connect(&trusting("good"), host, &config).unwrap();
            assert_eq!(server.server_name(), asked_for);
            echo(&mut stream, &mut server).unwrap();
        }
    }
}

#[test]
fn tls_name_replaces_the_host_in_sni_and_check() {
    let issued = certificate::server(&["h.example", "10.0.0.1"]);
    for (name, asked_for) in [("h.example", Some("h.example")), ("10.0.0.1", None)] {
        let settings = TlsSettings { name: Some(name.into()), ..trusting("name") };
        let (mut stream, mut server) = connect(&settings, "127.0.0.1", &ServerConfig::new(&issued)).unwrap();
        assert_eq!(server.server_name(), asked_for);
        echo(&mut stream, &mut server).unwrap();
    }
}

#[test]
fn insecure_accepts_any_certificate() {
    let expired = CertificateSpec { valid: (-2, -1), names: &["h.example"], ..CertificateSpec::default() }.issue();
    let future = CertificateSpec { valid: (1, 2), names: &["h.example"], ..CertificateSpec::default() }.issue();
    let nameless = CertificateSpec::default().issue();
    for issued in [expired, future, nameless] {
        let settings = TlsSettings { insecure: true, ..TlsSettings::default() };
        let (mut stream, mut server) = connect(&settings, "h.example", &ServerConfig::new(&issued)).unwrap();
        assert_eq!(server.server_name(), Some("h.example"));
        echo(&mut stream, &mut server).unwrap();
    }
}

#[test]
fn every_authority_of_a_bundle_is_trusted() {
    let others: Vec<_> = ["A", "B", "C"]
        .map(|common_name| CertificateSpec { common_name, is_authority: true, ..CertificateSpec::default() }.issue())
        .into();
    let bundle: String = others.iter().map(|issued| format!("# comment\n{}", issued.cert_pem())).collect();
    let settings = TlsSettings { ca_file: Some(certificate::file("bundle.pem", bundle)), ..TlsSettings::default() };
    for issuer in &others {
        let issued =
            CertificateSpec { names: &["h.example"], issuer: Some(issuer), ..CertificateSpec::default() }.issue();
        let (mut stream, mut server) = connect(&settings, "h.example", &ServerConfig::new(&issued)).unwrap();
        echo(&mut stream, &mut server).unwrap();
    }
    let unknown = certificate::server(&["h.example"]);
    assert!(connect(&settings, "h.example", &ServerConfig::new(&unknown)).is_err());
}

#[test]
fn a_self_signed_certificate_is_accepted_as_ca_file() {
    let issued = CertificateSpec { names: &["h.example"], ..CertificateSpec::default() }.issue();
    let settings =
        TlsSettings { ca_file: Some(certificate::file("own.pem", issued.cert_pem())), ..TlsSettings::default() };
    let (mut stream, mut server) = connect(&settings, "h.example", &ServerConfig::new(&issued)).unwrap();
    echo(&mut stream, &mut server).unwrap();
}

#[test]
fn intermediate_certificates_come_from_the_server() {
    let between = CertificateSpec {
        common_name: "Between",
        is_authority: true,
        issuer: Some(authority()),
        ..CertificateSpec::default()
    }
    .issue();
    let issued =
        CertificateSpec { names: &["h.example"], issuer: Some(&between), ..CertificateSpec::default() }.issue();
    let config = ServerConfig { chain: &[&between], ..ServerConfig::new(&issued) };
    let (mut stream, mut server) = connect(&trusting("between"), "h.example", &config).unwrap();
    echo(&mut stream, &mut server).unwrap();
}

#[test]
fn a_client_certificate_is_presented_on_request() {
    let issued = certificate::server(&["h.example"]);
    let ours =
        CertificateSpec { common_name: "Client", issuer: Some(authority()), ..CertificateSpec::default() }.issue();
    let cert = certificate::file("client.pem", ours.cert_pem());
    let key = certificate::file("client.key", format!("our key\n{}", ours.key_pem()));
    let both = certificate::file("client-both.pem", ours.cert_pem() + &ours.key_pem());
    for (cert, key) in [(cert, Some(key)), (both, None)] {
        let settings = TlsSettings { cert: Some(cert), key, ..trusting("client") };
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let versions = (version, version);
            let config = ServerConfig { requires_certificate: true, versions, ..ServerConfig::new(&issued) };
            let (mut stream, mut server) = connect(&settings, "h.example", &config).unwrap();
            echo(&mut stream, &mut server).unwrap();
        }
    }
}

#[test]
fn close_notify_ends_the_stream_without_an_error() {
    use std::io::Read;
    let issued = certificate::server(&["h.example"]);
    let (mut stream, mut server) = connect(&trusting("farewell"), "h.example", &ServerConfig::new(&issued)).unwrap();
    echo(&mut stream, &mut server).unwrap();
    server.close();
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0);
}
