//! Certificates made for a test: an authority, and those that it issues.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};

const DAY: i64 = 86_400;

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Issued {
    pub cert: X509,
    pub key: PKey<Private>,
}

/// Returns the authority that tests trust.
pub fn authority() -> &'static Issued {
    static AUTHORITY: OnceLock<Issued> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        CertificateSpec { common_name: "Authority", is_authority: true, ..CertificateSpec::default() }.issue()
    })
}

/// The contents of a certificate to be issued.
pub struct CertificateSpec<'a> {
    pub common_name: &'a str,
    pub names: &'a [&'a str],
    /// First and last day, counted from now.
    pub valid: (i64, i64),
    pub is_authority: bool,
    /// Issued for clients and not for servers.
    pub is_for_clients: bool,
    /// `None` for a self-signed certificate.
    pub issuer: Option<&'a Issued>,
}

impl Default for CertificateSpec<'_> {
    fn default() -> Self {
        CertificateSpec {
            common_name: "Server",
            names: &[],
            valid: (-1, 1),
            is_authority: false,
            is_for_clients: false,
            issuer: None,
        }
    }
}

impl CertificateSpec<'_> {
    pub fn issue(&self) -> Issued {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let name = name(self.common_name);
        let mut cert = X509::builder().unwrap();
        cert.set_version(2).unwrap();
        cert.set_serial_number(&serial()).unwrap();
        cert.set_subject_name(&name).unwrap();
        cert.set_issuer_name(self.issuer.map_or(&name, |issuer| issuer.cert.subject_name())).unwrap();
        cert.set_not_before(&days(self.valid.0)).unwrap();
        cert.set_not_after(&days(self.valid.1)).unwrap();
        cert.set_pubkey(&key).unwrap();
        if self.is_authority {
            cert.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        }
        if self.is_for_clients {
            cert.append_extension(ExtendedKeyUsage::new().client_auth().build().unwrap()).unwrap();
        }
        if !self.names.is_empty() {
            let names = alternative_names(self.names).build(&cert.x509v3_context(None, None)).unwrap();
            cert.append_extension(names).unwrap();
        }
        cert.sign(self.issuer.map_or(&key, |issuer| &issuer.key), MessageDigest::sha256()).unwrap();
        Issued { cert: cert.build(), key }
    }
}

/// Issues a server's certificate.
pub fn server(names: &[&str]) -> Issued {
    CertificateSpec { names, issuer: Some(authority()), ..CertificateSpec::default() }.issue()
}

impl Issued {
    pub fn cert_pem(&self) -> String {
        String::from_utf8(self.cert.to_pem().unwrap()).unwrap()
    }

    pub fn key_pem(&self) -> String {
        String::from_utf8(self.key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }
}

/// Writes a file for a test.
pub fn file(name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{}-{name}", std::process::id()));
    std::fs::write(&path, content).unwrap();
    path
}

fn name(common_name: &str) -> X509Name {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, common_name).unwrap();
    name.build()
}

fn serial() -> openssl::asn1::Asn1Integer {
    let mut bytes = [0; 8];
    openssl::rand::rand_bytes(&mut bytes).unwrap();
    BigNum::from_slice(&bytes).unwrap().to_asn1_integer().unwrap()
}

fn days(from_now: i64) -> Asn1Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let then = now.checked_add_signed(from_now * DAY).unwrap();
    // time_t has 32 bits on some systems.
    Asn1Time::from_unix(then.try_into().unwrap()).unwrap()
}

fn alternative_names(names: &[&str]) -> SubjectAlternativeName {
    let mut all = SubjectAlternativeName::new();
    for name in names {
        if name.parse::<IpAddr>().is_ok() {
            all.ip(name)
        } else {
            all.dns(name)
        };
    }
    all
}
