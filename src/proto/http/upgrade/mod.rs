//! The HTTP/1.1 upgrade to WebSocket (RFC 6455 section 4), both sides.
//!
//! Replaces tungstenite's own handshake, which is larger, fails on responses that arrive byte by byte, and rejects
//! `Connection` headers that proxies have rewritten.

mod client;
mod deflate;
mod refused;
mod server;

pub use super::head::MAX_HEAD;
pub use client::{Granted, UpgradeRequest, read_response, request};
pub use deflate::Deflate;
pub use refused::UpgradeRefused;
pub use server::serve;

use super::sha1;
use crate::model::base64;

/// Returns the value of `Sec-WebSocket-Key` for 16 random bytes (RFC 6455 section 4.1, point 7).
pub fn key(random: [u8; 16]) -> String {
    base64::encode(&random)
}

/// Returns the `Sec-WebSocket-Accept` that answers `key` (RFC 6455 section 4.2.2, point 5).
pub fn accept_key(key: &str) -> String {
    base64::encode(&sha1::digest(&format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_key_agrees_with_the_example_of_the_rfc() {
        assert_eq!(key(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn the_client_accepts_the_servers_answer_to_its_request() {
        let key = key([7; 16]);
        let ours = UpgradeRequest { host: "h", target: "/", key: &key, ..UpgradeRequest::default() };
        let asked = request(&ours);
        let (answer, consumed) = serve(asked.as_bytes()).unwrap().unwrap();
        assert_eq!(consumed, asked.len());
        let read = read_response(answer.as_bytes(), &ours, std::time::UNIX_EPOCH);
        assert_eq!(read, Ok(Some(Granted { len: answer.len(), deflate: None })));
    }
}
