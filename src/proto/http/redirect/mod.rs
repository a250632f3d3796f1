//! Resolves redirects (RFC 9110 sections 10.2.2 and 15.4) and decides which to follow.

use crate::model::setting::Setting;
use crate::model::text::escape;
use crate::proto::uri::{Endpoint, encode_target, find_forbidden, may_be_scheme};

/// Returns true for the statuses that are followed. 303 is not: it leads to a page about the request, not to another
/// WebSocket server.
#[must_use]
pub fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 307 | 308)
}

/// Resolves the value of `Location` in a response of `from`, after `followed` redirects in a row of at most `max`.
///
/// Credentials of the URI are kept only if [`same_host`] holds; those in the location are ignored. The caller drops
/// everything else that carries credentials.
///
/// # Errors
/// If the redirect is not followed; the text has no secrets.
pub fn follow(from: &Endpoint, location: Option<&str>, followed: u32, max: u32) -> Result<Box<Endpoint>, String> {
    let to = resolve(from, location.ok_or("redirected without a valid Location header")?)?;
    if followed >= max {
        const LIMIT: Setting = Setting("Server::max_redirects");
        return Err(format!("redirected to {to}: not followed, the limit is {max} in a row, see {LIMIT}"));
    }
    Ok(to)
}

fn resolve(from: &Endpoint, location: &str) -> Result<Box<Endpoint>, String> {
    if let Some(c) = find_forbidden(location) {
        return Err(format!("redirected to an address that contains {c:?}"));
    }
    // RFC 9110 allows a fragment, which only browsers use.
    let location = location.split('#').next().unwrap_or_default();
    match split_scheme(location) {
        Some((scheme, rest)) => absolute(from, scheme, rest),
        None if location.starts_with("//") => absolute(from, if from.secure { "wss" } else { "ws" }, location),
        None => Ok(with_target(from, &resolve_reference(&from.target, location))),
    }
}

/// Returns true if credentials for `one` may go to `other`: host and port are the same, or the default port without TLS
/// becomes the default port with TLS; TLS must not be lost.
#[must_use]
pub fn same_host(one: &Endpoint, other: &Endpoint) -> bool {
    let gains_tls = (one.secure, one.port, other.secure, other.port) == (false, 80, true, 443);
    let loses_tls = one.secure && !other.secure;
    one.unix.as_ref().map(|path| path.as_os_str()) == other.unix.as_ref().map(|path| path.as_os_str())
        && one.host.eq_ignore_ascii_case(&other.host)
        && (one.port == other.port || gains_tls)
        && !loses_tls
}

/// Splits `SCHEME:REST` (RFC 3986 section 3.1); a colon after a slash belongs to a path.
fn split_scheme(location: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = location.split_once(':')?;
    let valid = may_be_scheme(scheme) && scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    valid.then_some((scheme, rest))
}

fn absolute(from: &Endpoint, scheme: &str, rest: &str) -> Result<Box<Endpoint>, String> {
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        _ => return Err(format!("redirected to {}:, which is neither ws, wss, http nor https", escape(scheme))),
    };
    if from.secure && scheme == "ws" {
        return Err("redirected from wss to ws: not followed, since it would give up TLS".into());
    }
    // Without the slashes a scheme would be read as a user or a host, and another scheme would be assumed.
    if !rest.starts_with("//") {
        return Err(format!("redirected to {scheme}: without // and a host"));
    }
    let mut to = Endpoint::parse(&format!("{scheme}:{rest}")).map_err(|error| format!("redirected: {error}"))?;
    (to.userinfo, to.secret, to.dialect) = (None, None, from.dialect);
    // A server behind a Unix socket builds its own address from the Host header that it received.
    let is_same_socket = from.unix.is_some() && to.host_header() == from.host_header() && !to.secure;
    if is_same_socket || same_host(from, &to) {
        to.unix = from.unix.clone();
        to.userinfo = from.userinfo.clone();
        to.secret = from.secret.clone();
    }
    Ok(to)
}

/// Returns the same server with another path and query.
fn with_target(from: &Endpoint, target: &str) -> Box<Endpoint> {
    let mut to = Box::new(from.clone());
    to.target = encode_target(target);
    (to.any_port, to.any_path) = (false, false);
    to
}

/// Resolves a reference without scheme and host against the path and query of `base` (RFC 3986 section 5.2).
fn resolve_reference(base: &str, reference: &str) -> String {
    let (base_path, _) = base.split_once('?').unwrap_or((base, ""));
    let (path, query) = reference.split_at(reference.find('?').unwrap_or(reference.len()));
    if path.is_empty() {
        return if query.is_empty() { base.to_owned() } else { format!("{base_path}{query}") };
    }
    let directory = &base_path[..base_path.rfind('/').map_or(0, |at| at + 1)];
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{directory}{path}") };
    format!("{}{query}", remove_dot_segments(&whole))
}

/// Removes the segments `.` and `..` (RFC 3986 section 5.2.4).
fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments = path.strip_prefix('/').unwrap_or(path);
    for segment in segments.split('/') {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    // A dot segment at the end leaves its slash.
    if matches!(segments.rsplit('/').next(), Some("." | "..")) {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests;
