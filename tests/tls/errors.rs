//! Handshakes that fail: each error names the cause and the way out.

use std::io::Write;

use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::ssl::SslVersion;

use crate::certificate::{self, CertificateSpec, Issued, authority};
use crate::config::ServerConfig;
use crate::pipe::Pipe;
use crate::{connect, connect_error, echo, trusting, wall};
use wsmon::internal::tls::{Connector, Progress, TlsError, TlsErrorKind, TlsSettings};

fn check(error: &TlsError, words: &[&str], kind: TlsErrorKind) {
    for word in words {
        assert!(error.text.contains(word), "{word:?} is not in {error}");
    }
    assert!(!error.text.contains("routines") && !error.text.contains(".c:"), "{error}");
    assert!(error.text.starts_with("the server") && !error.text.ends_with('.'), "{error}");
    assert_eq!(error.kind, kind, "{error}");
}

fn issued(valid: (i64, i64), names: &[&str]) -> Issued {
    CertificateSpec { names, valid, issuer: Some(authority()), ..CertificateSpec::default() }.issue()
}

#[test]
fn errors_about_dates_show_the_date_and_only_a_future_one_is_retried() {
    let settings = trusting("dates");
    let expired = connect_error(&settings, "h.example", &ServerConfig::new(&issued((-2, -1), &["h.example"])));
    check(&expired, &["has expired", "1970-01-02T00:00:00Z"], TlsErrorKind::Final);
    let future = connect_error(&settings, "h.example", &ServerConfig::new(&issued((1, 2), &["h.example"])));
    check(&future, &["not yet valid", "1970-01-02T00:00:00Z", "clock"], TlsErrorKind::NotYetValid);
}

#[test]
fn a_certificate_for_another_host_is_refused_with_the_name_that_was_expected() {
    let settings = trusting("hosts");
    let issued_for_three = issued((-1, 1), &["h.example", "*.w.example", "10.0.0.1"]);
    for host in ["other.example", "w.example", "a.b.w.example", "127.0.0.1", "::1"] {
        let error = connect_error(&settings, host, &ServerConfig::new(&issued_for_three));
        check(&error, &[&format!("not for {host}"), "Server::tls_name"], TlsErrorKind::Final);
    }
    let settings = TlsSettings { name: Some("x.example".into()), ..settings };
    let error = connect_error(&settings, "h.example", &ServerConfig::new(&issued_for_three));
    check(&error, &["not for x.example"], TlsErrorKind::Final);
}

#[test]
fn an_unknown_issuer_points_to_the_option_that_names_it() {
    let own = CertificateSpec { names: &["h.example"], ..CertificateSpec::default() }.issue();
    let error = connect_error(&trusting("unknown"), "h.example", &ServerConfig::new(&own));
    check(&error, &["self-signed", "Server::ca_file"], TlsErrorKind::Final);

    let from_authority = certificate::server(&["h.example"]);
    let system = TlsSettings::default();
    let error = connect_error(&system, "h.example", &ServerConfig::new(&from_authority));
    check(&error, &["issuer", "unknown", "Server::ca_file"], TlsErrorKind::Final);
    let config = ServerConfig { chain: &[authority()], ..ServerConfig::new(&from_authority) };
    let error = connect_error(&system, "h.example", &config);
    check(&error, &["unknown authority", "Server::ca_file"], TlsErrorKind::Final);
}

#[test]
fn a_missing_client_certificate_is_distinguished_from_a_rejected_one() {
    let issued = certificate::server(&["h.example"]);
    let stranger = CertificateSpec { common_name: "Stranger", ..CertificateSpec::default() }.issue();
    let cert = Some(certificate::file("stranger.pem", stranger.cert_pem() + &stranger.key_pem()));
    let unlike = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let key = Some(certificate::file("unlike.key", unlike.private_key_to_pem_pkcs8().unwrap()));
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let config =
            ServerConfig { requires_certificate: true, versions: (version, version), ..ServerConfig::new(&issued) };
        for (settings, word) in [
            (trusting("wanted"), "a client certificate"),
            (TlsSettings { cert: cert.clone(), ..trusting("refused") }, "check Server::certificate"),
            (TlsSettings { cert: cert.clone(), key: key.clone(), ..trusting("unlike") }, "certificate"),
        ] {
            // With TLS 1.3 the client is done before the server has checked its certificate.
            let error = match connect(&settings, "h.example", &config) {
                Ok((mut stream, mut server)) => {
                    let error = echo(&mut stream, &mut server).unwrap_err();
                    TlsError::of(&error).unwrap().clone()
                }
                Err(error) => error,
            };
            check(&error, &[word, "Server::certificate"], TlsErrorKind::Usual);
        }
    }
}

#[test]
fn a_server_without_tls_1_2_is_too_old() {
    let issued = certificate::server(&["h.example"]);
    let config = ServerConfig { versions: (SslVersion::TLS1, SslVersion::TLS1_1), ..ServerConfig::new(&issued) };
    for settings in [trusting("old"), TlsSettings { insecure: true, ..TlsSettings::default() }] {
        check(&connect_error(&settings, "h.example", &config), &["TLS 1.2"], TlsErrorKind::Usual);
    }
}

/// Returns the error for a server that answers with these bytes and may then close the connection.
fn answered(answer: &[u8], ends: bool) -> TlsError {
    let pipe = Pipe::default();
    pipe.server().write_all(answer).unwrap();
    pipe.down.borrow_mut().closed = ends;
    let connector = Connector::build(&trusting("answered")).unwrap();
    let handshake = connector.handshake("h.example", pipe.client());
    handshake.advance(wall()).map(|_| ()).unwrap_err()
}

#[test]
fn another_protocol_than_tls_is_named() {
    for ends in [false, true] {
        let http = answered(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", ends);
        check(&http, &["plain HTTP", "ws://"], TlsErrorKind::NotTls);
        check(&answered(b"SSH-2.0-dropbear_2022.83\r\n", ends), &["SSH-2", "port"], TlsErrorKind::NotTls);
        check(&answered(b"\x1b[2J\x07\0\0\0\0\0\0", ends), &["\\x1b[2J", "port"], TlsErrorKind::NotTls);
    }
    check(&answered(b"", true), &["instead of answering"], TlsErrorKind::Usual);
    check(&answered(b"H", true), &["\"H\""], TlsErrorKind::NotTls);
    check(&answered(b"\x16\x03\x03\0", true), &["middle of the TLS handshake"], TlsErrorKind::Usual);
}

#[test]
fn a_name_that_openssl_would_accept_for_any_is_refused() {
    let issued = issued((-1, 1), &["h.example"]);
    for host in ["", ".", ".example"] {
        let error = connect_error(&trusting("any"), host, &ServerConfig::new(&issued));
        assert!(error.text.starts_with("no certificate can be for"), "{error}");
    }
}

#[test]
fn a_failed_handshake_does_not_affect_the_next_one() {
    let connector = Connector::build(&trusting("next")).unwrap();
    for names in [&["other.example"][..], &["h.example"], &["other.example"], &["h.example"]] {
        let issued = certificate::server(names);
        let pipe = Pipe::default();
        let mut server = crate::Server::new(&ServerConfig::new(&issued), pipe.server());
        let mut handshake = connector.handshake("h.example", pipe.client());
        let accepted = loop {
            handshake = match handshake.advance(wall()) {
                Ok(Progress::Waiting(handshake)) => handshake,
                Ok(Progress::Done(_)) => break true,
                Err(_) => break false,
            };
            server.turn();
        };
        assert_eq!(accepted, names == ["h.example"]);
    }
}
