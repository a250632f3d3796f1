//! The HTTP/1.1 upgrade to WebSocket (RFC 6455 section 4), both sides: bytes in, bytes out.
//!
//! Ours instead of tungstenite's, which is larger, gives up on answers that arrive byte by byte, and
//! refuses what proxies make of a `Connection` header. No socket, no clock and no random number here:
//! the caller keeps what it has read, and asks again when there is more of it.

mod client;
mod refused;
mod retry_after;
mod server;

pub use client::{Read, UpgradeRequest, read, request};
pub use refused::UpgradeRefused;
pub use server::serve;

use data_encoding::BASE64;
use httparse::Header;
use sha1::{Digest, Sha1};

/// The longest head that is read, in bytes; nothing sends as much in good faith.
pub const MAX_HEAD: usize = 16 << 10;

/// The most header fields that are read.
const MAX_FIELDS: usize = 124;

/// The value of `Sec-WebSocket-Key` for 16 random bytes (RFC 6455 section 4.1, point 7).
pub fn key(random: [u8; 16]) -> String {
    BASE64.encode(&random)
}

/// What a server must answer to `key` in `Sec-WebSocket-Accept` (RFC 6455 section 4.2.2, point 5).
pub fn accept_key(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(&hash.finalize())
}

/// The members of a header that is a list, over all its lines (RFC 9110 section 5.3). A value that is
/// not UTF-8 counts as absent.
fn members<'a>(fields: &[Header<'a>], name: &str) -> Vec<&'a str> {
    let mut members = Vec::new();
    for field in fields {
        if field.name.eq_ignore_ascii_case(name) {
            for member in std::str::from_utf8(field.value).unwrap_or_default().split(',') {
                if !member.trim().is_empty() {
                    members.push(member.trim());
                }
            }
        }
    }
    members
}

fn lists(fields: &[Header<'_>], name: &str, wanted: &str) -> bool {
    members(fields, name).iter().any(|member| member.eq_ignore_ascii_case(wanted))
}

/// The value of a header that is no list, trimmed.
fn value<'a>(fields: &'a [Header<'_>], name: &str) -> Option<&'a str> {
    let field = (fields.iter()).find(|field| field.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(field.value).ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_gets_the_answer_of_the_rfc() {
        assert_eq!(key(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_the_client_asks_the_server_grants_and_the_client_believes_it() {
        let key = key([7; 16]);
        let asked = request(&UpgradeRequest { host: "h", target: "/", key: &key, headers: &[] });
        let (answer, consumed) = serve(asked.as_bytes()).unwrap().unwrap();
        assert_eq!(consumed, asked.len());
        let read = read(answer.as_bytes(), &key, std::time::UNIX_EPOCH);
        assert_eq!(read, Ok(Read::Upgraded { consumed: answer.len() }));
    }
}
