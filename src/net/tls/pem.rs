//! Certificates and keys in PEM files. What native-tls cannot read is said with the command that converts it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use native_tls::{Certificate, Identity};

use super::TlsSettings;
use crate::model::error::reason;
use crate::model::text::escape;

/// The largest file that is read: twenty times the system's bundle.
const LARGEST: u64 = 4 << 20;

const BEGIN_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const BEGIN_KEY: &str = "-----BEGIN PRIVATE KEY-----";

/// All certificates of `--ca-file`.
pub fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let text = read("--ca-file", path)?;
    has_certificate("--ca-file", path, &text)?;
    let bundle = Certificate::stack_from_pem(text.as_bytes());
    bundle.map_err(|_| malformed("--ca-file", path, "certificate")).and_then(|bundle| {
        if bundle.is_empty() { Err(malformed("--ca-file", path, "certificate")) } else { Ok(bundle) }
    })
}

/// The certificate of `--cert` with its key, if any is given.
pub fn identity(settings: &TlsSettings) -> Result<Option<Identity>, String> {
    let (cert_path, key_option, key_path) = match (&settings.cert, &settings.key) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err("--key needs --cert: the certificate that it belongs to".into()),
        (Some(cert), None) => (cert, "--cert", cert),
        (Some(cert), Some(key)) => (cert, "--key", key),
    };
    let cert = read("--cert", cert_path)?;
    has_certificate("--cert", cert_path, &cert)?;
    let key = read(key_option, key_path)?;
    let key = private_key(&key).map_err(|why| no_key(why, settings.key.is_some(), key_path))?;
    // To tell which of both is malformed.
    if Certificate::stack_from_pem(cert.as_bytes()).is_err() {
        return Err(malformed("--cert", cert_path, "certificate"));
    }
    let identity = Identity::from_pkcs8(cert.as_bytes(), key.as_bytes());
    identity.map(Some).map_err(|_| malformed(key_option, key_path, "key"))
}

/// What else can be wrong: that key and certificate do not belong together.
pub fn not_built(settings: &TlsSettings, error: &native_tls::Error) -> String {
    let error = error.to_string();
    match (&settings.cert, error.contains("key values mismatch") || error.contains("key type mismatch")) {
        (Some(cert), true) => {
            let key = settings.key.as_ref().unwrap_or(cert);
            format!("{}: the key does not belong to the certificate in {}", shown("--key", key), name(cert))
        }
        (Some(cert), false) => format!("{}: {}", shown("--cert", cert), escape(&error)),
        (None, _) => format!("TLS: {}", escape(&error)),
    }
}

fn read(option: &str, path: &Path) -> Result<String, String> {
    let failed = |error: io::Error| format!("{}: {}", shown(option, path), reason(&error));
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("{}: over 4 MiB, which no PEM file needs", shown(option, path)));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn has_certificate(option: &str, path: &Path, text: &str) -> Result<(), String> {
    if text.contains(BEGIN_CERTIFICATE) {
        return Ok(());
    }
    let file = name(path);
    Err(format!("{option} {file}: no PEM certificate in it, try `openssl x509 -inform DER -in {file} -out NEW`"))
}

/// Why there is no key that native-tls reads.
#[derive(Debug, PartialEq, Eq)]
enum NoKey {
    Encrypted,
    /// RSA or EC in the form that OpenSSL wrote before PKCS#8.
    Traditional,
    Missing,
}

/// The key and what follows it: native-tls reads no key that something stands before.
fn private_key(text: &str) -> Result<&str, NoKey> {
    if let Some(at) = text.find(BEGIN_KEY) {
        return Ok(&text[at..]);
    }
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(NoKey::Encrypted);
    }
    Err(if text.contains(" PRIVATE KEY-----") { NoKey::Traditional } else { NoKey::Missing })
}

fn no_key(why: NoKey, has_own_file: bool, path: &Path) -> String {
    let file = name(path);
    let convert = format!("`openssl pkcs8 -topk8 -nocrypt -in {file} -out NEW`");
    let option = if has_own_file { "--key" } else { "--cert" };
    match why {
        NoKey::Encrypted => format!("{option} {file}: the key is encrypted, which {convert} undoes"),
        NoKey::Traditional => format!("{option} {file}: the key is not PKCS#8, convert it with {convert}"),
        NoKey::Missing if has_own_file => format!("--key {file}: no PEM key in it, try {convert}"),
        NoKey::Missing => format!("--cert {file}: no PEM key in it, name the file that has it with --key"),
    }
}

fn malformed(option: &str, path: &Path, what: &str) -> String {
    format!("{}: the {what} in it is malformed", shown(option, path))
}

fn shown(option: &str, path: &Path) -> String {
    format!("{option} {}", name(path))
}

fn name(path: &Path) -> String {
    escape(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_wherever_it_stands_and_others_are_told_apart() {
        for (text, expected) in [
            ("comment\n-----BEGIN PRIVATE KEY-----\nx", Ok("-----BEGIN PRIVATE KEY-----\nx")),
            ("-----BEGIN RSA PRIVATE KEY-----\nx", Err(NoKey::Traditional)),
            ("-----BEGIN EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\nx", Err(NoKey::Traditional)),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nx", Err(NoKey::Encrypted)),
            ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nx", Err(NoKey::Encrypted)),
            ("-----BEGIN CERTIFICATE-----\nx", Err(NoKey::Missing)),
            ("", Err(NoKey::Missing)),
        ] {
            assert_eq!(private_key(text), expected, "{text}");
        }
    }
}
