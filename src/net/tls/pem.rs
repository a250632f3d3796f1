//! Reads certificates and keys from PEM files. Errors name the command that converts other formats.

use std::path::Path;

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use super::{IN_MEMORY, MAX_FILE, TlsSettings};
use crate::model::error::reason;
use crate::model::setting::Setting;
use crate::model::text::escape;
use crate::net::file;

const BEGIN_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// A client certificate, its key, and its intermediate certificates.
pub struct Identity {
    pub key: PKey<Private>,
    pub certificate: X509,
    pub chain: Vec<X509>,
}

/// Reads all certificates of authorities in the file `path`.
pub fn certificates(settings: &TlsSettings, path: &Path) -> Result<Vec<X509>, String> {
    let setting = Setting("Server::ca_file");
    let text = read(settings, setting, path)?;
    require_certificate(setting, path, &text)?;
    let bundle = X509::stack_from_pem(text.as_bytes());
    bundle
        .map_err(|_| malformed(setting, path, "certificate"))
        .and_then(|bundle| if bundle.is_empty() { Err(malformed(setting, path, "certificate")) } else { Ok(bundle) })
}

/// Reads the client certificate with its key; `None` without one.
pub fn identity(settings: &TlsSettings) -> Result<Option<Identity>, String> {
    let (cert_name, key_name) = names();
    let (cert_path, key_option, key_path) = match (&settings.cert, &settings.key) {
        (None, None) => return Ok(None),
        (None, Some(_)) => {
            return Err(format!("{key_name} needs {cert_name}: the certificate that it belongs to"));
        }
        (Some(cert), None) => (cert, cert_name, cert),
        (Some(cert), Some(key)) => (cert, key_name, key),
    };
    let cert = read(settings, cert_name, cert_path)?;
    require_certificate(cert_name, cert_path, &cert)?;
    let key = read(settings, key_option, key_path)?;
    check_key(&key).map_err(|error| key_error(error, settings.key.is_some(), key_path))?;
    let mut chain = X509::stack_from_pem(cert.as_bytes()).unwrap_or_default();
    if chain.is_empty() {
        return Err(malformed(cert_name, cert_path, "certificate"));
    }
    // With a passphrase, even an empty one, OpenSSL asks for none on the terminal.
    let key = PKey::private_key_from_pem_passphrase(key.as_bytes(), b"");
    let key = key.map_err(|_| malformed(key_option, key_path, "key"))?;
    Ok(Some(Identity { key, certificate: chain.remove(0), chain }))
}

/// Explains why a connector cannot be built from readable files: key and certificate may not belong together.
pub fn build_error(settings: &TlsSettings, error: &ErrorStack) -> String {
    let (cert_name, key_name) = names();
    let error = error.to_string();
    match (&settings.cert, error.contains("key values mismatch") || error.contains("key type mismatch")) {
        (Some(cert), true) => {
            let key = settings.key.as_ref().unwrap_or(cert);
            format!(
                "{}: the key does not belong to the certificate in {}",
                option_and_file(key_name, key),
                file_name(cert)
            )
        }
        (Some(cert), false) => format!("{}: {}", option_and_file(cert_name, cert), escape(&error)),
        (None, _) => format!("TLS: {}", escape(&error)),
    }
}

/// The names of the settings of a client certificate and of its key.
fn names() -> (Setting, Setting) {
    (Setting("Server::certificate"), Setting("its key"))
}

fn read(settings: &TlsSettings, option: Setting, path: &Path) -> Result<String, String> {
    if let Some((_, bytes)) = settings.read_once.iter().find(|(once, _)| once == path) {
        return Ok(String::from_utf8_lossy(bytes).into_owned());
    }
    match file::read(path, MAX_FILE, false) {
        Ok(content) => Ok(String::from_utf8_lossy(&content.bytes).into_owned()),
        Err(error) => Err(format!("{}: {}", option_and_file(option, path), reason(&error))),
    }
}

fn require_certificate(option: Setting, path: &Path, text: &str) -> Result<(), String> {
    if text.contains(BEGIN_CERTIFICATE) {
        return Ok(());
    }
    let file = file_name(path);
    Err(format!("{option} {file}: no PEM certificate in it: try `openssl x509 -inform DER -in {file} -out NEW`"))
}

/// The reason why a file has no usable key.
#[derive(Debug, PartialEq, Eq)]
enum KeyError {
    Encrypted,
    Missing,
}

/// Checks that there is a key in PEM that needs no passphrase.
fn check_key(text: &str) -> Result<(), KeyError> {
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(KeyError::Encrypted);
    }
    if text.contains(" PRIVATE KEY-----") { Ok(()) } else { Err(KeyError::Missing) }
}

fn key_error(error: KeyError, has_own_file: bool, path: &Path) -> String {
    let file = file_name(path);
    let convert = format!("`openssl pkcs8 -topk8 -nocrypt -in {file} -out NEW`");
    let (cert, key) = names();
    let option = if has_own_file { key } else { cert };
    match error {
        KeyError::Encrypted => format!("{option} {file}: the key is encrypted: decrypt it with {convert}"),
        KeyError::Missing if has_own_file => format!("{key} {file}: no PEM key in it: try {convert}"),
        KeyError::Missing => format!("{cert} {file}: no PEM key in it: name the file of the key with {key}"),
    }
}

fn malformed(option: Setting, path: &Path, content: &str) -> String {
    format!("{}: the {content} in it is malformed", option_and_file(option, path))
}

fn option_and_file(option: Setting, path: &Path) -> String {
    format!("{option} {}", file_name(path))
}

fn file_name(path: &Path) -> String {
    let name = path.to_string_lossy();
    if name.starts_with(IN_MEMORY) { "MEMORY".to_owned() } else { escape(&name).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_anywhere_in_a_file_and_an_encrypted_one_is_recognised() {
        for (text, expected) in [
            ("comment\n-----BEGIN PRIVATE KEY-----\nx", Ok(())),
            ("-----BEGIN RSA PRIVATE KEY-----\nx", Ok(())),
            ("-----BEGIN EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\nx", Ok(())),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nx", Err(KeyError::Encrypted)),
            ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nx", Err(KeyError::Encrypted)),
            ("-----BEGIN CERTIFICATE-----\nx", Err(KeyError::Missing)),
            ("", Err(KeyError::Missing)),
        ] {
            assert_eq!(check_key(text), expected, "{text}");
        }
    }
}
