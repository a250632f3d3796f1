//! URIs without their secrets.

/// Any URI without its secrets, also one that is no URI.
#[must_use]
pub fn redact(uri: &str) -> String {
    let (scheme, rest) = uri.split_once("://").map_or(("", uri), |(scheme, rest)| (scheme, rest));
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // An @ may also stand in a password that contains a slash: the last one before a query counts.
    let query_at = rest.find('?').unwrap_or(rest.len());
    let host_at = rest[..query_at].rfind('@').map_or(0, |at| at + 1);
    let host_at = if host_at > authority_end && scheme.is_empty() { 0 } else { host_at };
    let separator = if scheme.is_empty() { "" } else { "://" };
    crate::style::escape(&format!("{scheme}{separator}{}", redact_query(&rest[host_at..]))).into_owned()
}

pub(super) fn redact_query(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let parts: Vec<_> = query.split('&').map(redact_parameter).collect();
    format!("{path}?{}", parts.join("&"))
}

fn redact_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, value)) if is_secret(name) && !value.is_empty() => format!("{name}=redacted"),
        _ => parameter.to_owned(),
    }
}

pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["token", "key", "secret", "password", "passwd", "auth"].iter().any(|word| name.contains(word))
}
