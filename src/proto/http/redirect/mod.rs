//! Where a redirect leads (RFC 9110 sections 10.2.2 and 15.4), and whether to follow it.

use crate::model::text::escape;
use crate::proto::uri::{Endpoint, encode_target, find_odd, may_be_scheme};

/// How many redirects in a row are followed.
pub const MOST: usize = 5;

/// Whether an answer with this status says where to ask instead.
#[must_use]
pub fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 307 | 308)
}

/// Where to ask instead: `location` as it came, seen from `from`, after so many redirects in a row.
///
/// Credentials of the URI are kept only where [`same_host`] holds, and those of the location are not used; what else
/// carries credentials is the caller's to drop.
///
/// # Errors
/// Where the redirect is not followed: it says why, without secrets.
pub fn follow(from: &Endpoint, location: Option<&str>, followed: usize) -> Result<Box<Endpoint>, String> {
    let location = location.ok_or("redirected without saying where to")?;
    if followed >= MOST {
        return Err(format!("redirected more than {MOST} times in a row: not followed any further"));
    }
    if let Some(odd) = find_odd(location) {
        return Err(format!("redirected to an address that contains {odd:?}"));
    }
    // RFC 9110 allows a fragment, which is for browsers.
    let location = location.split('#').next().unwrap_or_default();
    match split_scheme(location) {
        Some((scheme, rest)) => absolute(from, scheme, rest),
        None if location.starts_with("//") => absolute(from, if from.secure { "wss" } else { "ws" }, location),
        None => Ok(elsewhere(from, &resolve(&from.target, location))),
    }
}

/// Whether both are the same server, so that credentials for one may go to the other: the same host and port, or from
/// the usual port without TLS to the usual port with it.
#[must_use]
pub fn same_host(one: &Endpoint, other: &Endpoint) -> bool {
    let gains_tls = (one.secure, one.port, other.secure, other.port) == (false, 80, true, 443);
    let loses_tls = one.secure && !other.secure;
    one.unix == other.unix
        && one.host.eq_ignore_ascii_case(&other.host)
        && (one.port == other.port || gains_tls)
        && !loses_tls
}

/// `SCHEME:REST`, RFC 3986 section 3.1; a colon after a slash belongs to a path.
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
        return Err("redirected from wss to ws, which would give up TLS: not followed".into());
    }
    let mut to = Endpoint::parse(&format!("{scheme}:{rest}")).map_err(|error| format!("redirected: {error}"))?;
    (to.userinfo, to.secret, to.dialect) = (None, None, from.dialect);
    // What is behind a socket knows itself by the Host that we have sent.
    let is_itself = from.unix.is_some() && to.host_header() == from.host_header() && !to.secure;
    if is_itself || same_host(from, &to) {
        // The same server with the same credentials.
        to.unix = from.unix.clone();
        to.userinfo = from.userinfo.clone();
        to.secret = from.secret.clone();
    }
    Ok(to)
}

fn elsewhere(from: &Endpoint, target: &str) -> Box<Endpoint> {
    let mut to = Box::new(from.clone());
    to.target = encode_target(target);
    (to.any_port, to.any_path) = (false, false);
    to
}

/// A reference without scheme and host, RFC 3986 section 5.2.
fn resolve(base: &str, reference: &str) -> String {
    let (base_path, _) = base.split_once('?').unwrap_or((base, ""));
    let (path, query) = reference.split_at(reference.find('?').unwrap_or(reference.len()));
    if path.is_empty() {
        return if query.is_empty() { base.to_owned() } else { format!("{base_path}{query}") };
    }
    let directory = &base_path[..base_path.rfind('/').map_or(0, |at| at + 1)];
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{directory}{path}") };
    format!("{}{query}", without_dots(&whole))
}

/// Section 5.2.4: `.` and `..` are gone.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments = path.strip_prefix('/').unwrap_or(path);
    for segment in segments.split('/') {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    // One that stood at the end leaves its slash.
    if matches!(segments.rsplit('/').next(), Some("." | "..")) {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests;
