//! Certificates in `--ca-file` that are not the root of an authority.

use openssl::ssl::SslVersion;

use crate::certificate::{self, CertificateSpec, Issued, authority};
use crate::config::ServerConfig;
use crate::pipe::Pipe;
use crate::server::Server;
use crate::{TURNS, connect, connect_error, echo, wall};
use wsmon::internal::tls::{Connector, Progress, TlsErrorKind, TlsSettings};

const HOST: &str = "h.example";

fn trusting(anchors: &[&Issued]) -> TlsSettings {
    let bundle: String = anchors.iter().map(|issued| issued.cert_pem()).collect();
    let name = format!("anchors-{:?}.pem", std::thread::current().id());
    TlsSettings { ca_file: Some(certificate::file(&name, bundle)), ..TlsSettings::default() }
}

fn intermediate() -> Issued {
    let spec = CertificateSpec { common_name: "Between", is_authority: true, ..CertificateSpec::default() };
    CertificateSpec { issuer: Some(authority()), ..spec }.issue()
}

fn leaf<'a>(issuer: &'a Issued) -> CertificateSpec<'a> {
    CertificateSpec { names: &[HOST, "127.0.0.1"], issuer: Some(issuer), ..CertificateSpec::default() }
}

#[test]
fn each_certificate_of_a_chain_is_a_trust_anchor() {
    let between = intermediate();
    let issued = leaf(&between).issue();
    let alone = ServerConfig::new(&issued);
    let with_chain = ServerConfig { chain: &[&between], ..ServerConfig::new(&issued) };
    let whole = ServerConfig { chain: &[&between, authority()], ..ServerConfig::new(&issued) };
    let stranger = certificate::server(&["x.example"]);
    for (anchors, config) in [
        (&[&issued][..], &alone),
        (&[&issued], &with_chain),
        (&[&issued], &whole),
        (&[&between], &alone),
        (&[&between], &with_chain),
        (&[&between], &whole),
        (&[authority()], &with_chain),
        (&[authority()], &whole),
        (&[authority(), &between], &alone),
        (&[&stranger, &between], &alone),
        (&[&stranger, authority()], &with_chain),
    ] {
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let config =
                ServerConfig { versions: (version, version), chain: config.chain, ..ServerConfig::new(&issued) };
            for host in [HOST, "127.0.0.1"] {
                let (mut stream, mut server) = connect(&trusting(anchors), host, &config).unwrap();
                echo(&mut stream, &mut server).unwrap();
            }
        }
    }
}

#[test]
fn name_dates_and_purpose_are_checked_whatever_the_anchor() {
    let (between, expired_between) = (intermediate(), {
        let spec = CertificateSpec { common_name: "Between", is_authority: true, ..CertificateSpec::default() };
        CertificateSpec { issuer: Some(authority()), valid: (-2, -1), ..spec }.issue()
    });
    let good = leaf(&between).issue();
    let expired = CertificateSpec { valid: (-2, -1), ..leaf(&between) }.issue();
    let future = CertificateSpec { valid: (1, 2), ..leaf(&between) }.issue();
    let for_clients = CertificateSpec { is_for_clients: true, ..leaf(&between) }.issue();
    let under_expired = leaf(&expired_between).issue();
    for (anchor, issued, host, word) in [
        (&good, &good, "other.example", "not for other.example"),
        (&good, &good, "10.0.0.1", "not for 10.0.0.1"),
        (&between, &good, "other.example", "not for other.example"),
        (&expired, &expired, HOST, "has expired"),
        (&between, &expired, HOST, "has expired"),
        (&future, &future, HOST, "not yet valid"),
        (&expired_between, &under_expired, HOST, "has expired"),
        (&for_clients, &for_clients, HOST, "purpose"),
        (&between, &for_clients, HOST, "purpose"),
    ] {
        let error = connect_error(&trusting(&[anchor]), host, &ServerConfig::new(issued));
        assert!(error.text.contains(word), "{word:?} is not in {error}");
        assert_eq!(error.kind == TlsErrorKind::NotYetValid, word == "not yet valid");
    }
}

#[test]
fn another_certificate_of_the_same_name_is_not_the_anchor() {
    let (between, other_between) = (intermediate(), intermediate());
    let issued = leaf(&between).issue();
    let self_signed = || CertificateSpec { names: &[HOST], ..CertificateSpec::default() }.issue();
    let own = self_signed();
    for (anchor, offered) in [
        // The same subject and issuer, another key.
        (&issued, &leaf(&between).issue()),
        (&issued, &leaf(&other_between).issue()),
        (&between, &leaf(&other_between).issue()),
        (&own, &self_signed()),
        // A server's certificate is no authority.
        (&issued, &leaf(&issued).issue()),
    ] {
        let error = connect_error(&trusting(&[anchor]), HOST, &ServerConfig::new(offered));
        assert_eq!(error.kind, TlsErrorKind::Final, "{error}");
    }
}

#[test]
fn no_client_certificate_goes_to_a_server_that_is_not_verified() {
    let issued = certificate::server(&[HOST]);
    let other = certificate::server(&[HOST]);
    let client = CertificateSpec { common_name: "Client", issuer: Some(authority()), ..CertificateSpec::default() };
    let client = client.issue();
    let cert = Some(certificate::file("anchors-client.pem", client.cert_pem() + &client.key_pem()));
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        for (anchor, expected) in [(&issued, true), (&other, false)] {
            let settings = TlsSettings { cert: cert.clone(), ..trusting(&[anchor]) };
            let versions = (version, version);
            let config = ServerConfig { requires_certificate: true, versions, ..ServerConfig::new(&issued) };
            let pipe = Pipe::default();
            let mut server = Server::new(&config, pipe.server());
            let mut handshake = Some(Connector::build(&settings).unwrap().handshake(HOST, pipe.client()));
            for _ in 0..TURNS {
                handshake = match handshake.take().map(|handshake| handshake.advance(wall())) {
                    Some(Ok(Progress::Waiting(handshake))) => Some(handshake),
                    Some(Ok(Progress::Done(_))) | Some(Err(_)) | None => None,
                };
                server.turn();
            }
            assert_eq!(server.has_client_certificate(), expected);
        }
    }
}
