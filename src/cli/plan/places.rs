//! The places that `--probe` tries.

use std::net::Ipv6Addr;

/// Reads the value of the option: a host as it stands in a URI.
///
/// # Errors
/// If it is more than a host.
pub fn host(text: &str) -> Result<String, String> {
    let is_bracketed = text.starts_with('[') && text.ends_with(']');
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok(format!("[{text}]"));
    }
    if text.is_empty() || text.contains(['/', '?', '#', '@', '=']) || text.contains(':') && !is_bracketed {
        return Err("name a host alone, without scheme, port and path".to_owned());
    }
    Ok(text.to_owned())
}

/// Returns the URIs to try, each once although two systems may share it.
pub fn uris(host: &str) -> Vec<String> {
    let mut uris = Vec::new();
    for place in wsmon::usual_places() {
        let uri = place_uri(host, place);
        if !uris.contains(&uri) {
            uris.push(uri);
        }
    }
    uris
}

/// Returns the URI of one of [`wsmon::usual_places`] on a host.
pub fn place_uri(host: &str, (_, port, path): (&str, u16, &str)) -> String {
    format!("ws://{host}:{port}{path}")
}
