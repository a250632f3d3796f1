//! URIs without their secrets.

use super::SCHEMES;
use super::authority::percent_decode;

/// Any URI without its secrets, also one that is no URI.
///
/// What is no URI may have its @ anywhere: a password may hold what ought to be encoded. Only the path of a socket has
/// none before it.
#[must_use]
pub fn redact(uri: &str) -> String {
    let (scheme, rest) = match uri.split_once("://") {
        Some((name, rest)) if is_scheme(name) => (&uri[..uri.len() - rest.len()], rest),
        _ => ("", uri),
    };
    let is_socket = scheme.eq_ignore_ascii_case("ws+unix://") && rest.starts_with('/');
    let shown = match rest.rsplit_once('@') {
        // A query may hold an @, and so may a password that a query seems to begin in.
        Some((before, _)) if !is_socket && before.contains('?') => "redacted".to_owned(),
        Some((_, place)) if !is_socket => redact_query(place),
        _ => redact_query(rest),
    };
    crate::model::text::escape(&format!("{scheme}{shown}")).into_owned()
}

/// Whether it is one that is known: anything else may be a part of a password.
fn is_scheme(name: &str) -> bool {
    SCHEMES.iter().any(|scheme| scheme.name.eq_ignore_ascii_case(name))
        || ["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

pub(super) fn redact_query(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let mut shown = path.to_owned();
    for (i, parameter) in query.split('&').enumerate() {
        shown.push(if i == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name, value)) if is_secret_parameter(name) && !value.is_empty() => {
                shown.push_str(name);
                shown.push_str("=redacted");
            }
            _ => shown.push_str(parameter),
        }
    }
    shown
}

/// A server decodes the name before it looks at it.
fn is_secret_parameter(name: &str) -> bool {
    is_secret(name) || percent_decode(name).is_some_and(|name| is_secret(&name))
}

pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["token", "key", "secret", "password", "passwd", "auth"].iter().any(|word| name.contains(word))
}
