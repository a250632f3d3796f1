//! Handshakes that fail: each error names the cause and the way out.

use std::io::Write;

use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::ssl::SslVersion;

use crate::certificate::{self, Issued, Wanted, authority};
use crate::pipe::Line;
use crate::ways::Ways;
use crate::{echo, meet, refused, trusting, wall};
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
    Wanted { names, valid, issuer: Some(authority()), ..Wanted::default() }.issue()
}

#[test]
fn a_date_is_shown_where_dates_are_to_blame_and_only_the_future_is_retried() {
    let settings = trusting("dates");
    let expired = refused(&settings, "h.example", &Ways::new(&issued((-2, -1), &["h.example"])));
    check(&expired, &["has expired", "1970-01-02T00:00:00Z"], TlsErrorKind::Final);
    let future = refused(&settings, "h.example", &Ways::new(&issued((1, 2), &["h.example"])));
    check(&future, &["not yet valid", "1970-01-02T00:00:00Z", "clock"], TlsErrorKind::NotYetValid);
}

#[test]
fn a_certificate_for_another_host_is_refused_with_the_name_that_was_expected() {
    let settings = trusting("hosts");
    let ways_issued = issued((-1, 1), &["h.example", "*.w.example", "10.0.0.1"]);
    for host in ["other.example", "w.example", "a.b.w.example", "127.0.0.1", "::1"] {
        let error = refused(&settings, host, &Ways::new(&ways_issued));
        check(&error, &[&format!("not for {host}"), "--tls-name"], TlsErrorKind::Final);
    }
    let settings = TlsSettings { name: Some("x.example".into()), ..settings };
    let error = refused(&settings, "h.example", &Ways::new(&ways_issued));
    check(&error, &["not for x.example"], TlsErrorKind::Final);
}

#[test]
fn an_unknown_issuer_points_to_the_option_that_names_it() {
    let own = Wanted { names: &["h.example"], ..Wanted::default() }.issue();
    let error = refused(&trusting("unknown"), "h.example", &Ways::new(&own));
    check(&error, &["self-signed", "--ca-file"], TlsErrorKind::Final);

    let from_authority = certificate::server(&["h.example"]);
    let system = TlsSettings::default();
    let error = refused(&system, "h.example", &Ways::new(&from_authority));
    check(&error, &["issuer", "unknown", "--ca-file"], TlsErrorKind::Final);
    let ways = Ways { chain: &[authority()], ..Ways::new(&from_authority) };
    let error = refused(&system, "h.example", &ways);
    check(&error, &["unknown authority", "--ca-file"], TlsErrorKind::Final);
}

#[test]
fn a_server_that_wants_a_client_certificate_is_told_from_one_that_refuses_ours() {
    let issued = certificate::server(&["h.example"]);
    let stranger = Wanted { common_name: "Stranger", ..Wanted::default() }.issue();
    let cert = Some(certificate::file("stranger.pem", stranger.cert_pem() + &stranger.key_pem()));
    let unlike = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let key = Some(certificate::file("unlike.key", unlike.private_key_to_pem_pkcs8().unwrap()));
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let ways = Ways { wants_certificate: true, versions: (version, version), ..Ways::new(&issued) };
        for (settings, word) in [
            (trusting("wanted"), "a client certificate"),
            (TlsSettings { cert: cert.clone(), ..trusting("refused") }, "check --cert"),
            (TlsSettings { cert: cert.clone(), key: key.clone(), ..trusting("unlike") }, "certificate"),
        ] {
            // With TLS 1.3 our side is done before the server has looked.
            let error = match meet(&settings, "h.example", &ways) {
                Ok((mut stream, mut server)) => {
                    let error = echo(&mut stream, &mut server).unwrap_err();
                    TlsError::of(&error).unwrap().clone()
                }
                Err(error) => error,
            };
            check(&error, &[word, "--cert"], TlsErrorKind::Usual);
        }
    }
}

#[test]
fn a_server_without_tls_1_2_is_too_old() {
    let issued = certificate::server(&["h.example"]);
    let ways = Ways { versions: (SslVersion::TLS1, SslVersion::TLS1_1), ..Ways::new(&issued) };
    for settings in [trusting("old"), TlsSettings { insecure: true, ..TlsSettings::default() }] {
        check(&refused(&settings, "h.example", &ways), &["TLS 1.2"], TlsErrorKind::Usual);
    }
}

/// What comes back when something that is no TLS server answers so and closes the connection.
fn answered(answer: &[u8], ends: bool) -> TlsError {
    let line = Line::default();
    line.server().write_all(answer).unwrap();
    line.down.borrow_mut().closed = ends;
    let connector = Connector::build(&trusting("answered")).unwrap();
    let handshake = connector.handshake("h.example", line.client());
    handshake.advance(wall()).map(|_| ()).unwrap_err()
}

#[test]
fn what_is_no_tls_is_said_to_be_none() {
    for ends in [false, true] {
        let http = answered(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", ends);
        check(&http, &["plain HTTP", "ws://"], TlsErrorKind::Usual);
        check(&answered(b"SSH-2.0-dropbear_2022.83\r\n", ends), &["SSH-2", "port"], TlsErrorKind::Usual);
        check(&answered(b"\x1b[2J\x07\0\0\0\0\0\0", ends), &["\\x1b[2J", "port"], TlsErrorKind::Usual);
    }
    check(&answered(b"", true), &["instead of answering"], TlsErrorKind::Usual);
    check(&answered(b"H", true), &["\"H\""], TlsErrorKind::Usual);
    check(&answered(b"\x16\x03\x03\0", true), &["middle of the TLS handshake"], TlsErrorKind::Usual);
}

#[test]
fn a_name_that_would_stand_for_any_is_never_asked_for() {
    let issued = issued((-1, 1), &["h.example"]);
    for host in ["", ".", ".example"] {
        let error = refused(&trusting("any"), host, &Ways::new(&issued));
        assert!(error.text.starts_with("no certificate can be for"), "{error}");
    }
}

#[test]
fn a_failed_handshake_leaves_nothing_behind_for_the_next_one() {
    let connector = Connector::build(&trusting("next")).unwrap();
    for names in [&["other.example"][..], &["h.example"], &["other.example"], &["h.example"]] {
        let issued = certificate::server(names);
        let line = Line::default();
        let mut server = crate::Server::new(&Ways::new(&issued), line.server());
        let mut handshake = connector.handshake("h.example", line.client());
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
