//! Checks of output that several targets share.

use crate::model::text::is_hostile;
use crate::proto::http::upgrade;
use crate::proto::uri::Endpoint;

/// `Sec-WebSocket-Key` of every request and of the seeds.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Panics on text that could harm a terminal or forge a line. Line feeds are the caller's own.
pub fn assert_harmless(text: &str) {
    let found = text.chars().find(|&c| c != '\n' && is_hostile(c));
    assert_eq!(found, None, "{text:?}");
}

/// Panics on text that is not one harmless line of bounded length.
pub fn assert_one_line(text: &str) {
    assert_harmless(text);
    assert!(!text.contains('\n') && text.len() < 4000, "{text:?}");
}

/// Panics if anything in the endpoint ends a line of the upgrade request.
pub fn assert_one_request(endpoint: &Endpoint) {
    assert!(endpoint.target.starts_with('/') && endpoint.target.bytes().all(|b| b.is_ascii_graphic()));
    let headers: Vec<_> = endpoint.authorization().into_iter().collect();
    let host = endpoint.host_header();
    let text = upgrade::request(&upgrade::UpgradeRequest {
        host: &host,
        target: &endpoint.target,
        key: KEY,
        headers: &headers,
        compression: true,
        ..<_>::default()
    });
    assert_eq!(text.find("\r\n\r\n"), Some(text.len() - 4), "{text:?}");
    assert_eq!(text.matches('\n').count(), 9 + headers.len(), "{text:?}");
    assert!(!host.is_empty() && endpoint.port > 0);
}
