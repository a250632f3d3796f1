//! Reads the authentication schemes that a server or a proxy offers (RFC 9110 section 11.6.1).

use super::foreign::quote;
use super::head::{Fields, is_name_byte};
use super::secrets::Secrets;

/// The credentials that a side gets and can get.
pub struct Credentials<'a> {
    /// The scheme that was sent; `None` if no credentials were sent. Empty if they went another way than in a header.
    pub sent: Option<&'a str>,
    /// The schemes that an option can send.
    pub supported: &'a [&'a str],
    /// Follows the sentence about missing credentials.
    pub way_out: &'a str,
    /// Texts to hide.
    pub secrets: &'a Secrets,
}

/// Explains a 401 or 407 by its challenges: credentials are missing, are not accepted, or are of another scheme.
pub fn advice(fields: &Fields, header: &str, credentials: &Credentials<'_>) -> String {
    let Credentials { sent, supported, way_out, secrets } = credentials;
    let offered = schemes(&fields.lines(header));
    let offers = |scheme: &str| offered.iter().any(|each| each.eq_ignore_ascii_case(scheme));
    let names = quote(&offered.join(", "), secrets);
    let is_possible = offered.is_empty() || supported.iter().any(|scheme| offers(scheme)) || sent.is_some_and(&offers);
    if !is_possible {
        return format!(": it requires {names}, but only {} is supported", supported.join(" or "));
    }
    match sent {
        Some(sent) if sent.is_empty() || offered.is_empty() || offers(sent) => {
            ": it does not accept these credentials".into()
        }
        Some(sent) => format!(": it does not accept {}, it requires {names}", quote(sent, secrets)),
        None => format!(": it requires credentials{way_out}"),
    }
}

/// Returns the names of the schemes in the lines of a `WWW-Authenticate` or `Proxy-Authenticate` field, without
/// repetitions.
///
/// Commas separate challenges and the parameters of one challenge alike: what begins with `NAME=` is a parameter.
fn schemes<'f>(lines: &[&'f str]) -> Vec<&'f str> {
    let mut schemes: Vec<&str> = Vec::new();
    for line in lines {
        for part in split_unquoted(line) {
            let end = part.bytes().position(|byte| !is_name_byte(byte)).unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            let is_scheme = !name.is_empty() && !rest.trim_start().starts_with('=');
            if is_scheme && !schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case(name)) {
                schemes.push(name);
            }
        }
    }
    schemes
}

/// Splits at the commas outside of quoted strings.
fn split_unquoted(line: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in line.bytes().enumerate() {
        if byte == b',' && !quoted {
            parts.push(line[start..at].trim());
            start = at + 1;
        }
        quoted ^= byte == b'"' && !escaped;
        escaped = quoted && byte == b'\\' && !escaped;
    }
    parts.push(line[start..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::head::read_response;

    #[test]
    fn schemes_are_told_from_parameters() {
        for (lines, expected) in [
            (&["Basic realm=\"x\""][..], &["Basic"][..]),
            (&["NEGOTIATE,NTLM,BASIC realm=\"x\""], &["NEGOTIATE", "NTLM", "BASIC"]),
            (&["Digest realm=\"a, Basic b\", nonce = \"\\\", Basic\" , qop=auth,Basic realm=x"], &["Digest", "Basic"]),
            (&["Negotiate YII=, Negotiate", "negotiate"], &["Negotiate"]),
            (&[" , ,Bearer", ""], &["Bearer"]),
            (&["Digest realm=\"never closed, Basic"], &["Digest"]),
            (&["\"Basic\"", "=x"], &[]),
        ] {
            assert_eq!(schemes(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_advice_tells_missing_refused_and_impossible_credentials_apart() {
        let advise = |challenge: &str, sent| {
            let text = format!("HTTP/1.1 401\r\nWWW-Authenticate: {challenge}\r\n\r\n");
            let head = read_response(text.as_bytes()).unwrap().unwrap();
            let credentials =
                Credentials { sent, supported: &["Basic", "Bearer"], way_out: "", secrets: <_>::default() };
            advice(&head.fields, "WWW-Authenticate", &credentials)
        };
        for (challenge, sent, text) in [
            ("Basic realm=x", None, ": it requires credentials"),
            ("", None, ": it requires credentials"),
            ("", Some("Basic"), ": it does not accept these credentials"),
            ("Bearer", Some(""), ": it does not accept these credentials"),
            ("Bearer, basic", Some("Basic"), ": it does not accept these credentials"),
            ("Bearer", Some("Basic"), ": it does not accept Basic, it requires Bearer"),
            ("NTLM, Negotiate", None, ": it requires NTLM, Negotiate, but only Basic or Bearer is supported"),
            ("NTLM, Negotiate", Some("Basic"), ": it requires NTLM, Negotiate, but only Basic or Bearer is supported"),
            ("Digest realm=x", Some("digest"), ": it does not accept these credentials"),
        ] {
            assert_eq!(advise(challenge, sent), text, "{challenge} {sent:?}");
        }
    }
}
