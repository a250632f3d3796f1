//! Why there is no TLS, in one line that names the way out.
//!
//! native-tls tells no more than OpenSSL's text: `error:0A000086:SSL routines:FUNCTION:REASON:FILE:LINE:`, with the
//! verdict on the certificate in parentheses at the end. Older releases write a reason in capitals, or as
//! `sslv3 alert …` what is `ssl/tls alert …` now.

use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{TlsError, TlsErrorKind};
use crate::model::error::reason;
use crate::model::text::escape;

/// What we bring to a handshake, since advice depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    /// Whether we show a certificate.
    pub has_cert: bool,
    /// Whether other certificates than the system's are trusted.
    pub has_ca_file: bool,
}

/// What came from the other side during a handshake.
#[derive(Clone, Copy, Debug, Default)]
pub struct HandshakeBytes {
    start: [u8; 16],
    len: usize,
    ended: bool,
}

impl HandshakeBytes {
    /// More arrived; nothing means the end.
    pub fn note(&mut self, bytes: &[u8]) {
        let room = &mut self.start[self.len..];
        let len = bytes.len().min(room.len());
        room[..len].copy_from_slice(&bytes[..len]);
        self.len += len;
        self.ended |= bytes.is_empty();
    }

    /// An alert or a part of a handshake, then the major version 3 (RFC 8446 section 5.1).
    fn is_tls(&self) -> bool {
        matches!(self.start[..self.len], [] | [0x15 | 0x16] | [0x15 | 0x16, 3, ..])
    }
}

/// A handshake that came to nothing. `wall` is shown where dates are to blame.
pub fn handshake(
    error: &native_tls::Error,
    name: &str,
    side: Side,
    seen: HandshakeBytes,
    wall: SystemTime,
) -> TlsError {
    let text = error.to_string();
    if text.contains("certificate verify failed") {
        let verdict = text.rsplit_once(" (").map_or("", |(_, verdict)| verdict.trim_end_matches(')'));
        return verification(&verdict.to_lowercase(), name, side, wall);
    }
    if !seen.is_tls() {
        return usual(not_tls(&seen.start[..seen.len]));
    }
    if let Some(error) = error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        return usual(format!("TLS handshake: {}", reason(error)));
    }
    match refusal(&text, name, side) {
        Some(text) => usual(text),
        None if seen.ended && seen.len == 0 => {
            usual("the server closed the connection instead of answering in TLS: is this a TLS port?".into())
        }
        None if seen.ended => usual("the server closed the connection in the middle of the TLS handshake".into()),
        None => usual(format!("TLS handshake: {}", said(&text))),
    }
}

/// An error of TLS after the handshake.
pub fn session(text: &str, name: &str, side: Side) -> TlsError {
    usual(refusal(text, name, side).unwrap_or_else(|| format!("TLS: {}", said(text))))
}

fn usual(text: String) -> TlsError {
    TlsError { text, kind: TlsErrorKind::Usual }
}

fn verification(verdict: &str, name: &str, side: Side, wall: SystemTime) -> TlsError {
    // OpenSSL 3.6 adds "or the system clock is incorrect".
    let is_early = verdict.starts_with("certificate is not yet valid");
    let kind = if is_early { TlsErrorKind::NotYetValid } else { TlsErrorKind::Final };
    let other = if side.has_ca_file { "the right one" } else { "its certificate" };
    let text = match verdict {
        _ if is_early => {
            format!("the server's certificate is not yet valid: the date here is {}, is the clock right?", date(wall))
        }
        "certificate has expired" => {
            format!("the server's certificate has expired: renew it, or set the clock, the date here is {}", date(wall))
        }
        "hostname mismatch" | "ip address mismatch" => {
            format!("the server's certificate is not for {name}: check the host, or give a name of it with --tls-name")
        }
        "self-signed certificate" | "self signed certificate" => {
            "the server's certificate is self-signed: if it is the right one, give it with --ca-file".into()
        }
        _ if verdict.contains("certificate chain") => {
            format!("the server's certificate comes from an unknown authority: give {other} with --ca-file")
        }
        _ if verdict.starts_with("unable to") => format!(
            "the server's certificate comes from an unknown issuer: give {other} with --ca-file, or let the server \
             send those in between"
        ),
        _ => format!("the server's certificate is not accepted: {}", escape(verdict)),
    };
    TlsError { text, kind }
}

/// What the server did not like, or we not about it but for its certificate.
fn refusal(text: &str, name: &str, side: Side) -> Option<String> {
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
    let is = |reason: &&str| text.contains(*reason);
    let alert = |reason: &str| reason.trim_start_matches("alert ").to_owned();
    if is(&"alert certificate required") {
        // OpenSSL shows none where the key is of another kind, and says nothing of it.
        let way_out = if side.has_cert { "does --key belong to --cert?" } else { "give one with --cert and --key" };
        return Some(format!("the server wants a client certificate: {way_out}"));
    }
    if let Some(reason) = about_certificate.iter().find(|reason| is(reason)) {
        let whose = if side.has_cert { "check --cert" } else { "does it want one from us? then give --cert and --key" };
        return Some(format!("the server refused over certificates ({}): {whose}", alert(reason)));
    }
    if is(&"alert handshake failure") {
        let why = if side.has_cert { "not our certificate: check" } else { "it wants a client certificate: see" };
        return Some(format!("the server refused the TLS handshake: no cipher in common, or {why} --cert and --key"));
    }
    if ["alert protocol version", "unsupported protocol", "wrong ssl version"].iter().any(is) {
        return Some("the server speaks no TLS 1.2 or newer, which is the least that is accepted".into());
    }
    is(&"unrecognized name").then(|| format!("the server knows nothing of the name {name}: see --tls-name"))
}

fn not_tls(start: &[u8]) -> String {
    // Some servers answer what is no HTTP to them with a page and nothing before it.
    if start.starts_with(b"HTTP/") || start.starts_with(b"<") {
        return "the server answered with plain HTTP instead of TLS: use ws://, or check the port".into();
    }
    let start = String::from_utf8_lossy(start);
    let start = start.lines().next().unwrap_or_default().trim_end_matches('\u{fffd}');
    format!("the server answered with something else than TLS (\"{}\"): check the port", escape(start))
}

/// OpenSSL's reason, without codes, functions, files and lines.
fn said(text: &str) -> String {
    let reason = match text.split_once("error:") {
        Some((_, error)) => error.split(':').nth(3).unwrap_or(error),
        None => text,
    };
    escape(reason.trim()).into_owned()
}

fn date(wall: SystemTime) -> String {
    // humantime panics outside of these years.
    let end = UNIX_EPOCH + Duration::from_secs(253_402_300_800);
    if (UNIX_EPOCH..end).contains(&wall) {
        return humantime::format_rfc3339_seconds(wall).to_string();
    }
    "none that can be shown".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: Side = Side { has_cert: false, has_ca_file: false };

    #[test]
    fn each_verdict_names_its_way_out_and_only_the_clock_is_worth_a_retry() {
        let wall = UNIX_EPOCH + Duration::from_secs(7);
        for (verdict, word, kind) in [
            ("certificate is not yet valid", "1970-01-01T00:00:07Z", TlsErrorKind::NotYetValid),
            (
                "certificate is not yet valid or the system clock is incorrect",
                "1970-01-01T00:00:07Z",
                TlsErrorKind::NotYetValid,
            ),
            ("certificate has expired", "1970-01-01T00:00:07Z", TlsErrorKind::Final),
            ("hostname mismatch", "not for h.example", TlsErrorKind::Final),
            ("ip address mismatch", "--tls-name", TlsErrorKind::Final),
            ("self signed certificate", "--ca-file", TlsErrorKind::Final),
            ("self-signed certificate", "--ca-file", TlsErrorKind::Final),
            ("self-signed certificate in certificate chain", "--ca-file", TlsErrorKind::Final),
            ("unable to get local issuer certificate", "--ca-file", TlsErrorKind::Final),
            ("unable to verify the first certificate", "--ca-file", TlsErrorKind::Final),
            ("crl is not yet valid", "crl is not yet valid", TlsErrorKind::Final),
            ("ca md too weak", "ca md too weak", TlsErrorKind::Final),
        ] {
            let error = verification(verdict, "h.example", BARE, wall);
            assert!(error.text.contains(word), "{error}");
            assert_eq!(error.kind, kind, "{verdict}");
        }
    }

    #[test]
    fn releases_of_openssl_say_the_same_in_different_words() {
        for (text, word) in [
            (
                "error:14094410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:s.c:1:SSL alert number 40",
                "--cert",
            ),
            (
                "error:0A000410:SSL routines:ssl3_read_bytes:ssl/tls alert handshake failure:s.c:1:SSL alert number 40",
                "--cert",
            ),
            ("error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:s.c:1:SSL alert", "--cert"),
            ("error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:s.c:1:SSL alert", "TLS 1.2"),
            ("error:0A000102:SSL routines:ssl_choose_client_version:unsupported protocol:s.c:1:", "TLS 1.2"),
            ("error:0A000458:SSL routines:ssl3_read_bytes:tlsv1 unrecognized name:s.c:1:", "h.example"),
            ("error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:s.c:1:", "(unknown ca)"),
            (
                "error:0A000152:SSL routines:final_renegotiate:unsafe legacy renegotiation disabled:s.c:1:",
                "TLS: unsafe",
            ),
            ("what is \u{1b}[2J this", "TLS: what is \\x1b[2J this"),
        ] {
            let error = session(text, "h.example", BARE);
            assert!(error.text.contains(word) && !error.text.contains("s.c"), "{error}");
        }
    }

    #[test]
    fn what_is_not_tls_is_quoted_as_far_as_it_is_text() {
        for (start, word) in [
            (&b"HTTP/1.1 400 Bad"[..], "plain HTTP"),
            (b"<!DOCTYPE", "plain HTTP"),
            (b"SSH-2.0-dropbear", "(\"SSH-2.0-dropbear\")"),
            (b"220 ready\r\nnext.", "(\"220 ready\")"),
            (b"\x1b[2J\xff", "(\"\\x1b[2J\")"),
        ] {
            let mut seen = HandshakeBytes::default();
            start.iter().for_each(|byte| seen.note(&[*byte]));
            assert!(!seen.is_tls());
            let text = not_tls(&seen.start[..seen.len]);
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn no_date_is_too_far_off_to_be_shown() {
        let far = Duration::from_secs(253_402_300_800);
        assert_eq!(date(UNIX_EPOCH + far), "none that can be shown");
        assert_eq!(date(UNIX_EPOCH - far), "none that can be shown");
        assert_eq!(date(UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }
}
