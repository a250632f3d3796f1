//! Explains TLS errors in one line that names the way out.
//!
//! OpenSSL's reasons are read from its text, `error:0A000086:SSL routines:FUNCTION:REASON:FILE:LINE:`. Older releases
//! write `sslv3 alert …` instead of `ssl/tls alert …`, and results of the verification with a capital letter.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::ssl;
use openssl::x509::X509VerifyResult;

use super::{TlsError, TlsErrorKind};
use crate::model::error::reason;
use crate::model::number::push_seconds;
use crate::model::setting::Setting;
use crate::model::text::escape;
use crate::proto::http::foreign::{self, Protocol};

/// The local settings on which the advice depends.
#[derive(Clone, Copy, Debug)]
pub struct LocalSide {
    /// True with a client certificate.
    pub has_cert: bool,
    /// True if other certificates than the system's are trusted.
    pub has_ca_file: bool,
    /// True if no certificates of the system were found.
    pub lacks_roots: bool,
}

/// Upper bound on the bytes quoted of what is not TLS.
const MAX_QUOTED: usize = 16;
/// Upper bound on the bytes recorded: a ServerHello with the usual extensions.
const MAX_START: usize = 160;
/// The extension by which a server chooses a version above TLS 1.2.
const SUPPORTED_VERSIONS: u8 = 43;

/// The beginning of the bytes received during a handshake.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeBytes {
    start: [u8; MAX_START],
    len: usize,
    ended: bool,
}

impl Default for HandshakeBytes {
    fn default() -> Self {
        HandshakeBytes { start: [0; MAX_START], len: 0, ended: false }
    }
}

impl HandshakeBytes {
    /// Records bytes that were read; none means the end of the stream.
    pub fn record(&mut self, bytes: &[u8]) {
        let free = &mut self.start[self.len..];
        let len = bytes.len().min(free.len());
        free[..len].copy_from_slice(&bytes[..len]);
        self.len += len;
        self.ended |= bytes.is_empty();
    }

    /// Returns the version that the ServerHello chooses (RFC 8446 section 4.1.3); `None` if the bytes do not begin with
    /// one.
    pub fn version(&self) -> Option<&'static str> {
        let hello = &self.start[..self.len];
        let (0x16, 2) = (*hello.first()?, *hello.get(5)?) else { return None };
        // Record header of 5 bytes, handshake header of 4, version, random of 32; then the session id with its length,
        // cipher, compression, length of the extensions.
        let session_id = usize::from(*hello.get(43)?);
        let mut extensions = hello.get(44 + session_id + 5..).unwrap_or_default();
        while let [0, kind, 0, len, rest @ ..] = extensions {
            if (*kind, *len) == (SUPPORTED_VERSIONS, 2) && rest.starts_with(&[3, 4]) {
                return Some("TLS 1.3");
            }
            extensions = rest.get(usize::from(*len)..).unwrap_or_default();
        }
        (hello.get(9..11)? == [3, 3]).then_some("TLS 1.2")
    }

    fn is_foreign(&self) -> bool {
        self.len > 0 && foreign::recognise(&self.start[..self.len]) != Protocol::Tls
    }
}

/// A handshake that has failed.
#[derive(Debug)]
pub struct HandshakeFailure<'e> {
    pub error: &'e ssl::Error,
    /// The verdict on the server's certificate.
    pub verified: X509VerifyResult,
    pub received: HandshakeBytes,
    /// The time, which appears in the text if a date of the certificate is wrong.
    pub wall: SystemTime,
}

/// Explains a failed handshake with a server of this name.
pub fn handshake_error(failure: &HandshakeFailure<'_>, name: &str, side: LocalSide) -> TlsError {
    let HandshakeFailure { error, verified, received, wall } = failure;
    let text = error.to_string();
    if text.contains("certificate verify failed") {
        return verification_error(&verified.error_string().to_lowercase(), name, side, *wall);
    }
    if received.is_foreign() {
        return TlsError { text: not_tls(&received.start[..received.len]), kind: TlsErrorKind::NotTls };
    }
    if let Some(error) = error.io_error() {
        return retriable(format!("TLS handshake: {}", reason(error)));
    }
    if ["dh key too small", "modulus too small"].iter().any(|reason| text.contains(reason)) {
        let text = "the server's Diffie-Hellman key is too short to be safe: it needs one of 2048 bits or more".into();
        return TlsError { text, kind: TlsErrorKind::Final };
    }
    match explain_alert(&text, name, side) {
        Some(text) => retriable(text),
        None if received.ended && received.len == 0 => {
            retriable("the server closed the connection instead of answering in TLS: is this a TLS port?".into())
        }
        None if received.ended => {
            retriable("the server closed the connection in the middle of the TLS handshake".into())
        }
        None => retriable(format!("TLS handshake: {}", openssl_reason(&text))),
    }
}

/// Explains an error of TLS after the handshake.
pub fn session_error(text: &str, name: &str, side: LocalSide) -> TlsError {
    retriable(explain_alert(text, name, side).unwrap_or_else(|| format!("TLS: {}", openssl_reason(text))))
}

fn retriable(text: String) -> TlsError {
    TlsError { text, kind: TlsErrorKind::Usual }
}

/// Explains the result of OpenSSL's verification, given in small letters.
fn verification_error(result: &str, name: &str, side: LocalSide, wall: SystemTime) -> TlsError {
    // OpenSSL 3.6 adds "or the system clock is incorrect".
    let is_early = result.starts_with("certificate is not yet valid");
    let kind = if is_early { TlsErrorKind::NotYetValid } else { TlsErrorKind::Final };
    let text = match result {
        _ if is_early => {
            format!("the server's certificate is not yet valid: the date here is {}, is the clock right?", date(wall))
        }
        "certificate has expired" => {
            format!("the server's certificate has expired: renew it, or set the clock, the date here is {}", date(wall))
        }
        "hostname mismatch" | "ip address mismatch" => {
            let setting = Setting("Server::tls_name");
            format!("the server's certificate is not for {name}: check the host, or give a name of it with {setting}")
        }
        "self-signed certificate" | "self signed certificate" => {
            let setting = Setting("Server::ca_file");
            format!("the server's certificate is self-signed: if it is the right one, give it with {setting}")
        }
        _ if result.contains("certificate chain") || result.starts_with("unable to") => unknown_issuer(result, side),
        _ => format!("the server's certificate is not accepted: {}", escape(result)),
    };
    TlsError { text, kind }
}

/// Explains that no trusted authority has issued the certificate.
fn unknown_issuer(result: &str, side: LocalSide) -> String {
    let ca_file = Setting("Server::ca_file");
    if side.lacks_roots {
        return format!(
            "no certificates of authorities were found on this machine, so none of a server can be checked: install \
                ca-certificates, or give the authority's with {ca_file}"
        );
    }
    let issuer = if result.contains("chain") { "authority" } else { "issuer" };
    let way_out = if side.has_ca_file {
        format!("{ca_file} must hold the certificate of its authority, of the intermediate that issued it, or its own")
    } else {
        format!("give the root certificate of its authority with {ca_file}")
    };
    let or = if issuer == "issuer" { ", or let the server send the intermediate certificates" } else { "" };
    format!("the server's certificate comes from an unknown {issuer}: {way_out}{or}")
}

/// Explains a TLS alert, or a local error, that is not about the server's certificate.
fn explain_alert(text: &str, name: &str, side: LocalSide) -> Option<String> {
    let about_certificate = [
        "alert bad certificate",
        "alert unsupported certificate",
        "alert certificate revoked",
        "alert certificate expired",
        "alert certificate unknown",
        "alert unknown ca",
        "alert access denied",
        "alert decrypt error",
    ];
    let [cert, key] = ["Server::certificate", "its key"].map(Setting);
    let is = |reason: &&str| text.contains(*reason);
    let alert = |reason: &str| reason.trim_start_matches("alert ").to_owned();
    if is(&"alert certificate required") {
        // OpenSSL silently sends no certificate if the key is of another type.
        let way_out = match side.has_cert {
            true => format!("does {key} belong to {cert}?"),
            false => format!("give one with {cert} and {key}"),
        };
        return Some(format!("the server requires a client certificate: {way_out}"));
    }
    if let Some(reason) = about_certificate.iter().find(|reason| is(reason)) {
        let way_out = match side.has_cert {
            true => format!("check {cert}"),
            false => format!("if it requires a client certificate, give {cert} and {key}"),
        };
        return Some(format!("the server sent the TLS alert \"{}\": {way_out}", alert(reason)));
    }
    if is(&"alert handshake failure") {
        let cause = if side.has_cert {
            "it rejects the client certificate: check"
        } else {
            "it requires a client certificate: see"
        };
        return Some(format!("the server refused the TLS handshake: no common cipher, or {cause} {cert} and {key}"));
    }
    if ["alert protocol version", "unsupported protocol", "wrong ssl version"].iter().any(is) {
        return Some("the server does not support TLS 1.2 or newer, which is required".into());
    }
    is(&"unrecognized name")
        .then(|| format!("the server does not know the name {name}: see {}", Setting("Server::tls_name")))
}

fn not_tls(start: &[u8]) -> String {
    let start = &start[..start.len().min(MAX_QUOTED)];
    match foreign::recognise(start) {
        Protocol::Http => "the server answered with plain HTTP instead of TLS: use ws://, or check the port".into(),
        _ => format!(
            "the server did not answer with TLS (\"{}\"): check the port",
            foreign::first_line(start, <_>::default())
        ),
    }
}

/// Returns the reason in OpenSSL's text, escaped.
fn openssl_reason(text: &str) -> String {
    let reason = match text.split_once("error:") {
        Some((_, error)) => error.split(':').nth(3).unwrap_or(error),
        None => text,
    };
    escape(reason.trim()).into_owned()
}

fn date(wall: SystemTime) -> String {
    let end = UNIX_EPOCH + Duration::from_secs(253_402_300_800);
    if (UNIX_EPOCH..end).contains(&wall) {
        let mut out = String::new();
        push_seconds(&mut out, wall);
        return out;
    }
    "outside of the years 1970 to 9999".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: LocalSide = LocalSide { has_cert: false, has_ca_file: false, lacks_roots: false };

    #[test]
    fn each_result_names_its_way_out_and_only_a_future_date_is_retried() {
        let wall = UNIX_EPOCH + Duration::from_secs(7);
        for (result, word, kind) in [
            ("certificate is not yet valid", "1970-01-01T00:00:07Z", TlsErrorKind::NotYetValid),
            (
                "certificate is not yet valid or the system clock is incorrect",
                "1970-01-01T00:00:07Z",
                TlsErrorKind::NotYetValid,
            ),
            ("certificate has expired", "1970-01-01T00:00:07Z", TlsErrorKind::Final),
            ("hostname mismatch", "not for h.example", TlsErrorKind::Final),
            ("ip address mismatch", "Server::tls_name", TlsErrorKind::Final),
            ("self signed certificate", "Server::ca_file", TlsErrorKind::Final),
            ("self-signed certificate", "Server::ca_file", TlsErrorKind::Final),
            ("self-signed certificate in certificate chain", "Server::ca_file", TlsErrorKind::Final),
            ("unable to get local issuer certificate", "Server::ca_file", TlsErrorKind::Final),
            ("unable to verify the first certificate", "Server::ca_file", TlsErrorKind::Final),
            ("crl is not yet valid", "crl is not yet valid", TlsErrorKind::Final),
            ("ca md too weak", "ca md too weak", TlsErrorKind::Final),
        ] {
            let error = verification_error(result, "h.example", BARE, wall);
            assert!(error.text.contains(word), "{error}");
            assert_eq!(error.kind, kind, "{result}");
        }
    }

    #[test]
    fn an_unknown_issuer_names_what_is_missing_here() {
        let unable = "unable to get local issuer certificate";
        for (result, side, word) in [
            (unable, BARE, "give the root certificate of its authority with Server::ca_file, or let the server"),
            (
                unable,
                LocalSide { has_ca_file: true, ..BARE },
                "Server::ca_file must hold the certificate of its authority",
            ),
            (
                "unable to get issuer certificate",
                LocalSide { has_ca_file: true, ..BARE },
                "the intermediate that issued it",
            ),
            (
                unable,
                LocalSide { lacks_roots: true, ..BARE },
                "no certificates of authorities were found on this machine",
            ),
            ("self-signed certificate in certificate chain", BARE, "unknown authority: give the root certificate"),
            ("self-signed certificate in certificate chain", LocalSide { lacks_roots: true, ..BARE }, "install"),
        ] {
            let error = verification_error(result, "h.example", side, UNIX_EPOCH);
            assert!(error.text.contains(word), "{error}");
        }
    }

    #[test]
    fn the_texts_of_all_releases_of_openssl_are_understood() {
        for (text, word) in [
            (
                "error:14094410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:s.c:1:SSL alert number 40",
                "Server::certificate",
            ),
            (
                "error:0A000410:SSL routines:ssl3_read_bytes:ssl/tls alert handshake failure:s.c:1:SSL alert number 40",
                "Server::certificate",
            ),
            (
                "error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:s.c:1:SSL alert",
                "Server::certificate",
            ),
            ("error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:s.c:1:SSL alert", "TLS 1.2"),
            ("error:0A000102:SSL routines:ssl_choose_client_version:unsupported protocol:s.c:1:", "TLS 1.2"),
            ("error:0A000458:SSL routines:ssl3_read_bytes:tlsv1 unrecognized name:s.c:1:", "h.example"),
            ("error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:s.c:1:", "\"unknown ca\""),
            (
                "error:0A000152:SSL routines:final_renegotiate:unsafe legacy renegotiation disabled:s.c:1:",
                "TLS: unsafe",
            ),
            ("what is \u{1b}[2J this", "TLS: what is \\x1b[2J this"),
        ] {
            let error = session_error(text, "h.example", BARE);
            assert!(error.text.contains(word) && !error.text.contains("s.c"), "{error}");
        }
    }

    #[test]
    fn another_protocol_is_quoted_up_to_the_end_of_its_first_line() {
        for (start, word) in [
            (&b"HTTP/1.1 400 Bad"[..], "plain HTTP"),
            (b"<!DOCTYPE", "plain HTTP"),
            (b"SSH-2.0-dropbear", "(\"SSH-2.0-dropbear\")"),
            (b"220 ready\r\nnext.", "(\"220 ready\")"),
            (b"\x1b[2J\xff", "(\"\\x1b[2J\")"),
        ] {
            let mut received = HandshakeBytes::default();
            start.iter().for_each(|byte| received.record(&[*byte]));
            assert!(received.is_foreign());
            let text = not_tls(&received.start[..received.len]);
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn a_date_that_cannot_be_formatted_does_not_panic() {
        let far = Duration::from_secs(253_402_300_800);
        assert_eq!(date(UNIX_EPOCH + far), "outside of the years 1970 to 9999");
        assert_eq!(date(UNIX_EPOCH - far), "outside of the years 1970 to 9999");
        assert_eq!(date(UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }
}
