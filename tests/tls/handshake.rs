//! Handshakes that succeed.

use openssl::ssl::SslVersion;

use crate::certificate::{self, Wanted, authority};
use crate::ways::Ways;
use crate::{echo, meet, trusting};
use wsmon::internal::tls::TlsSettings;

#[test]
fn a_good_certificate_is_accepted_for_each_of_its_names() {
    let issued = certificate::server(&["h.example", "*.w.example", "127.0.0.1", "::1", "fe80::1"]);
    for (host, asked_for) in [
        ("h.example", Some("h.example")),
        ("h.example.", Some("h.example")),
        ("a.w.example", Some("a.w.example")),
        // RFC 6066 section 3: no addresses.
        ("127.0.0.1", None),
        ("::1", None),
        ("[::1]", None),
        ("fe80::1%eth0", None),
    ] {
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let ways = Ways { versions: (version, version), ..Ways::new(&issued) };
            let (mut stream, mut server) = meet(&trusting("good"), host, &ways).unwrap();
            assert_eq!(server.asked_for(), asked_for);
            echo(&mut stream, &mut server).unwrap();
        }
    }
}

#[test]
fn another_name_can_be_asked_for_and_checked() {
    let issued = certificate::server(&["h.example", "10.0.0.1"]);
    for (name, asked_for) in [("h.example", Some("h.example")), ("10.0.0.1", None)] {
        let settings = TlsSettings { name: Some(name.into()), ..trusting("name") };
        let (mut stream, mut server) = meet(&settings, "127.0.0.1", &Ways::new(&issued)).unwrap();
        assert_eq!(server.asked_for(), asked_for);
        echo(&mut stream, &mut server).unwrap();
    }
}

#[test]
fn insecure_accepts_whatever_comes() {
    let expired = Wanted { valid: (-2, -1), names: &["h.example"], ..Wanted::default() }.issue();
    let future = Wanted { valid: (1, 2), names: &["h.example"], ..Wanted::default() }.issue();
    let nameless = Wanted::default().issue();
    for issued in [expired, future, nameless] {
        let settings = TlsSettings { insecure: true, ..TlsSettings::default() };
        let (mut stream, mut server) = meet(&settings, "h.example", &Ways::new(&issued)).unwrap();
        assert_eq!(server.asked_for(), Some("h.example"));
        echo(&mut stream, &mut server).unwrap();
    }
}

#[test]
fn every_authority_of_a_bundle_counts() {
    let others: Vec<_> = ["A", "B", "C"]
        .map(|common_name| Wanted { common_name, is_authority: true, ..Wanted::default() }.issue())
        .into();
    let bundle: String = others.iter().map(|issued| format!("# comment\n{}", issued.cert_pem())).collect();
    let settings = TlsSettings { ca_file: Some(certificate::file("bundle.pem", bundle)), ..TlsSettings::default() };
    for issuer in &others {
        let issued = Wanted { names: &["h.example"], issuer: Some(issuer), ..Wanted::default() }.issue();
        let (mut stream, mut server) = meet(&settings, "h.example", &Ways::new(&issued)).unwrap();
        echo(&mut stream, &mut server).unwrap();
    }
    let unknown = certificate::server(&["h.example"]);
    assert!(meet(&settings, "h.example", &Ways::new(&unknown)).is_err());
}

#[test]
fn a_self_signed_certificate_is_accepted_where_it_is_given() {
    let issued = Wanted { names: &["h.example"], ..Wanted::default() }.issue();
    let settings =
        TlsSettings { ca_file: Some(certificate::file("own.pem", issued.cert_pem())), ..TlsSettings::default() };
    let (mut stream, mut server) = meet(&settings, "h.example", &Ways::new(&issued)).unwrap();
    echo(&mut stream, &mut server).unwrap();
}

#[test]
fn those_in_between_come_from_the_server() {
    let between =
        Wanted { common_name: "Between", is_authority: true, issuer: Some(authority()), ..Wanted::default() }.issue();
    let issued = Wanted { names: &["h.example"], issuer: Some(&between), ..Wanted::default() }.issue();
    let ways = Ways { chain: &[&between], ..Ways::new(&issued) };
    let (mut stream, mut server) = meet(&trusting("between"), "h.example", &ways).unwrap();
    echo(&mut stream, &mut server).unwrap();
}

#[test]
fn a_client_certificate_is_shown_where_one_is_wanted() {
    let issued = certificate::server(&["h.example"]);
    let ours = Wanted { common_name: "Client", issuer: Some(authority()), ..Wanted::default() }.issue();
    let cert = certificate::file("client.pem", ours.cert_pem());
    let key = certificate::file("client.key", format!("our key\n{}", ours.key_pem()));
    let both = certificate::file("client-both.pem", ours.cert_pem() + &ours.key_pem());
    for (cert, key) in [(cert, Some(key)), (both, None)] {
        let settings = TlsSettings { cert: Some(cert), key, ..trusting("client") };
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let versions = (version, version);
            let ways = Ways { wants_certificate: true, versions, ..Ways::new(&issued) };
            let (mut stream, mut server) = meet(&settings, "h.example", &ways).unwrap();
            echo(&mut stream, &mut server).unwrap();
        }
    }
}

#[test]
fn the_servers_farewell_is_an_end_and_no_error() {
    use std::io::Read;
    let issued = certificate::server(&["h.example"]);
    let (mut stream, mut server) = meet(&trusting("farewell"), "h.example", &Ways::new(&issued)).unwrap();
    echo(&mut stream, &mut server).unwrap();
    server.close();
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0);
}
