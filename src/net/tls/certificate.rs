//! Reads subject and expiry of a certificate.
//!
//! It reads as much of DER as X.509 (RFC 5280 section 4.1) needs to get there, and checks nothing else: OpenSSL has
//! accepted the certificate.

/// Upper bound on the text of a subject, in characters.
const MAX_SUBJECT: usize = 200;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;

/// Attributes of a name that are shown, by the last byte of their object identifier 2.5.4.n.
const ATTRIBUTES: [(u8, &str); 4] = [(3, "CN"), (10, "O"), (11, "OU"), (6, "C")];

/// Returns the subject, as in `CN=h.example, O=Example`, and the last moment of validity, as in `2031-01-02T03:04:05Z`;
/// `None` if the certificate is not readable. The subject is empty where only alternative names are given.
pub fn subject_and_expiry(der: &[u8]) -> Option<(String, String)> {
    let mut fields = Der(Der(Der(der).take(SEQUENCE)?).take(SEQUENCE)?);
    // The serial number, or the version before it.
    if fields.next()?.0 == VERSION {
        fields.next()?;
    }
    let (_algorithm, _issuer) = (fields.next()?, fields.next()?);
    let mut validity = Der(fields.take(SEQUENCE)?);
    let (_not_before, not_after) = (validity.next()?, validity.next()?);
    Some((subject(fields.take(SEQUENCE)?), date(not_after)?))
}

fn subject(name: &[u8]) -> String {
    let (mut text, mut sets) = (String::new(), Der(name));
    while let Some((_, set)) = sets.next() {
        let attribute = Der(set).take(SEQUENCE).unwrap_or_default();
        let mut attribute = Der(attribute);
        let (Some((_, id)), Some((_, value))) = (attribute.next(), attribute.next()) else { continue };
        let known = ATTRIBUTES.iter().find(|(last, _)| *id == [0x55, 0x04, *last]);
        if let Some((_, short)) = known {
            let comma = if text.is_empty() { "" } else { ", " };
            text.push_str(&format!("{comma}{short}={}", String::from_utf8_lossy(value)));
        }
    }
    text.char_indices().nth(MAX_SUBJECT).map_or(text.clone(), |(end, _)| text[..end].to_owned())
}

/// Reads `YYMMDDHHMMSSZ` (RFC 5280 section 4.1.2.5.1) or the same with four digits of the year.
fn date((tag, digits): (u8, &[u8])) -> Option<String> {
    let digits = std::str::from_utf8(digits).ok()?.strip_suffix('Z')?;
    let century = match tag {
        UTC_TIME if digits < "50" => "20",
        UTC_TIME => "19",
        _ => "",
    };
    let all = format!("{century}{digits}");
    if all.len() != 14 || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize| &all[from..from + 2];
    Some(format!("{}-{}-{}T{}:{}:{}Z", &all[..4], part(4), part(6), part(8), part(10), part(12)))
}

/// The elements that are left to read.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Reads the tag and the contents of the next element.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (len, rest) = match usize::from(first) {
            len @ 0..=0x7f => (len, rest),
            // The length of the length: three bytes are more than a certificate has.
            len @ 0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(len - 0x80)?;
                (bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, contents))
    }

    /// Reads the contents of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, contents)| contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::asn1::Asn1Time;
    use openssl::x509::{X509, X509Name};

    fn certificate(names: &[(&str, &str)], until: &str) -> Vec<u8> {
        let mut name = X509Name::builder().unwrap();
        names.iter().for_each(|(key, value)| name.append_entry_by_text(key, value).unwrap());
        let key = openssl::pkey::PKey::generate_ed25519().unwrap();
        let mut cert = X509::builder().unwrap();
        cert.set_version(2).unwrap();
        cert.set_subject_name(&name.build()).unwrap();
        cert.set_not_before(&Asn1Time::from_str_x509("20010101000000Z").unwrap()).unwrap();
        cert.set_not_after(&Asn1Time::from_str_x509(until).unwrap()).unwrap();
        cert.set_pubkey(&key).unwrap();
        cert.sign(&key, openssl::hash::MessageDigest::null()).unwrap();
        cert.build().to_der().unwrap()
    }

    #[test]
    fn subject_and_expiry_are_those_of_the_certificate() {
        let long = "x".repeat(60);
        let many = [("CN", &*long), ("O", &*long), ("OU", &*long), ("OU", &*long)];
        for (names, until, subject, date) in [
            (&[("CN", "h.example")][..], "20310102030405Z", "CN=h.example", "2031-01-02T03:04:05Z"),
            (&[("C", "DE"), ("L", "Bonn"), ("O", "Ä, B")], "20610102030405Z", "C=DE, O=Ä, B", "2061-01-02T03:04:05Z"),
            (&[], "20021231235959Z", "", "2002-12-31T23:59:59Z"),
        ] {
            let der = certificate(names, until);
            assert_eq!(subject_and_expiry(&der), Some((subject.to_owned(), date.to_owned())));
        }
        let (subject, _) = subject_and_expiry(&certificate(&many, "20310102030405Z")).unwrap();
        assert_eq!(subject.len(), MAX_SUBJECT);
    }

    #[test]
    fn a_damaged_certificate_is_never_read_beyond_its_end() {
        let der = certificate(&[("CN", "h.example")], "20310102030405Z");
        for end in 0..der.len() {
            assert_eq!(subject_and_expiry(&der[..end]), None, "{end}");
        }
        for at in 0..der.len() {
            for byte in [0, 0x30, 0x7f, 0x80, 0x81, 0x83, 0x84, 0xff] {
                let mut damaged = der.clone();
                damaged[at] = byte;
                let _any = subject_and_expiry(&damaged);
            }
        }
    }
}
