//! Certificate files that are invalid, and files that change.

use std::path::{Path, PathBuf};

use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::symm::Cipher;

use crate::certificate::{self, CertificateSpec, authority};
use crate::config::ServerConfig;
use crate::{connect, trusting};
use wsmon::internal::tls::{CachedConnector, Connector, TlsSettings};

fn why(settings: &TlsSettings) -> String {
    let why = Connector::build(settings).unwrap_err();
    assert!(!why.chars().any(char::is_control), "{why:?}");
    why
}

fn with_ca(path: impl Into<PathBuf>) -> TlsSettings {
    TlsSettings { ca_file: Some(path.into()), ..TlsSettings::default() }
}

#[test]
fn an_invalid_ca_file_is_named_with_what_is_wrong() {
    let pem = authority().cert_pem();
    let cut = &pem[..pem.len() / 2];
    let der = authority().cert.to_der().unwrap();
    for (path, word) in [
        (PathBuf::from("/no/such\u{1b}/ca.pem"), "/no/such\\x1b/ca.pem: no such file"),
        (PathBuf::from("/"), "Server::ca_file /: is a directory"),
        (certificate::file("empty.pem", ""), "no PEM certificate"),
        (certificate::file("text.pem", "hello"), "no PEM certificate"),
        (certificate::file("der.pem", der), "openssl x509 -inform DER"),
        (certificate::file("cut.pem", cut), "malformed"),
        (certificate::file("half.pem", format!("{pem}{cut}")), "malformed"),
        (certificate::file("rubbish.pem", pem.replace("MII", "!!!")), "malformed"),
        (certificate::file("large.pem", vec![b'x'; (4 << 20) + 1]), "more than 4194304 bytes"),
        (PathBuf::from("/dev/zero"), "a device"),
    ] {
        let text = why(&with_ca(&path));
        assert!(text.starts_with("Server::ca_file /") && text.contains(word), "{word}: {text}");
    }
}

fn with_key(cert: &Path, key: Option<PathBuf>) -> TlsSettings {
    TlsSettings { cert: Some(cert.into()), key, ..TlsSettings::default() }
}

#[test]
fn a_key_that_cannot_be_used_is_named_with_the_command_that_converts_it() {
    let issued = CertificateSpec::default().issue();
    let other = CertificateSpec::default().issue();
    let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let cert = certificate::file("key-cert.pem", issued.cert_pem());
    let encrypted = issued.key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"x").unwrap();
    let old_encrypted = rsa.rsa().unwrap().private_key_to_pem_passphrase(Cipher::aes_128_cbc(), b"x").unwrap();
    for (name, key, words) in [
        ("encrypted.key", encrypted, ["encrypted", "openssl pkcs8 -topk8 -nocrypt"]),
        ("old-encrypted.key", old_encrypted, ["encrypted", "openssl pkcs8 -topk8 -nocrypt"]),
        ("none.key", b"hello".to_vec(), ["no PEM key", "openssl pkcs8"]),
        ("broken.key", issued.key_pem().replace("M", "!").into_bytes(), ["malformed", "key"]),
        ("other.key", other.key_pem().into_bytes(), ["does not belong", "key-cert.pem"]),
    ] {
        let path = certificate::file(name, key);
        let text = why(&with_key(&cert, Some(path.clone())));
        assert!(text.starts_with(&format!("its key {}", path.display())), "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
    }
    assert!(why(&with_key(&cert, None)).contains("name the file of the key with its key"));
    assert!(why(&with_key(Path::new("/no/such"), None)).starts_with("Server::certificate /no/such: no such file"));
    assert!(
        why(&TlsSettings { key: Some("/k".into()), ..TlsSettings::default() })
            .starts_with("its key needs Server::certificate")
    );
    let broken = certificate::file("key-broken.pem", issued.cert_pem().replace("MII", "!!!") + &issued.key_pem());
    assert!(why(&with_key(&broken, None)).contains("the certificate in it is malformed"));
}

/// Runs the command that the error names, if it is installed.
#[test]
fn the_command_in_the_error_converts_the_key() {
    let issued = CertificateSpec::default().issue();
    let cert = certificate::file("convert-cert.pem", issued.cert_pem());
    let old = certificate::file("convert-old.key", issued.key.private_key_to_der().unwrap());
    let new = certificate::file("convert-new.key", "");
    let text = why(&with_key(&cert, Some(old)));
    let command = text.split('`').nth(1).unwrap().replace("NEW", new.to_str().unwrap());
    let mut words = command.split(' ');
    let Ok(status) = std::process::Command::new(words.next().unwrap()).args(words).status() else { return };
    assert!(status.success(), "{command}");
    Connector::build(&with_key(&cert, Some(new))).unwrap();
}

#[test]
fn a_key_in_the_older_format_is_read() {
    let issued = CertificateSpec::default().issue();
    let key = String::from_utf8(issued.key.ec_key().unwrap().private_key_to_pem().unwrap()).unwrap();
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let cert = certificate::file("older-cert.pem", issued.cert_pem());
    for text in [key.clone(), format!("{parameters}{key}"), format!("a comment\n{key}")] {
        Connector::build(&with_key(&cert, Some(certificate::file("older.key", text)))).unwrap();
    }
    let both = certificate::file("older-both.pem", issued.cert_pem() + &key);
    Connector::build(&with_key(&both, None)).unwrap();
}

#[test]
fn a_connector_is_built_again_when_one_of_its_files_has_changed() {
    let issued = certificate::server(&["h.example"]);
    let settings = trusting("changes");
    let path = settings.ca_file.clone().unwrap();
    let mut cached = CachedConnector::new(settings.clone());
    cached.get().unwrap();
    connect(&settings, "h.example", &ServerConfig::new(&issued)).unwrap();

    std::fs::write(&path, "half of it").unwrap();
    assert!(cached.get().unwrap_err().contains("no PEM certificate"));
    std::fs::remove_file(&path).unwrap();
    assert!(cached.get().unwrap_err().contains("no such file"));
    std::fs::write(&path, authority().cert_pem()).unwrap();
    cached.get().unwrap();
}
