//! Removes the secrets from URIs.

use super::authority::percent_decode;
use super::scheme_named;

/// Returns a URI without its secrets, escaped; works on invalid ones too.
///
/// In an invalid URI everything before the last `@` may be a password with characters that should have been encoded,
/// so all of it is removed. The exception is `ws+unix://`, whose path may contain an `@` and has no password. What
/// contains a blank is removed whole: it is no URI, but a text that got here by mistake.
#[must_use]
pub fn redact(uri: &str) -> String {
    let (scheme, rest) = match uri.split_once("://") {
        Some((name, rest)) if is_scheme(name) => (&uri[..uri.len() - rest.len()], rest),
        _ => ("", uri),
    };
    let is_socket = scheme.eq_ignore_ascii_case("ws+unix://") && rest.starts_with('/');
    let redacted = match rest.rsplit_once('@') {
        _ if rest.contains(char::is_whitespace) => "redacted".to_owned(),
        // Either the query contains an @, or a password contains a ?: they cannot be told apart.
        Some((before, _)) if !is_socket && before.contains('?') => "redacted".to_owned(),
        Some((_, place)) if !is_socket => redact_query(place),
        _ => redact_query(rest),
    };
    crate::model::text::escape(&format!("{scheme}{redacted}")).into_owned()
}

/// Returns true for known schemes: anything else may be part of a password.
fn is_scheme(name: &str) -> bool {
    scheme_named(name).is_some() || ["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Parameters whose values are shown. All others may be credentials: each server calls them by its own name.
static HARMLESS: &[&str] = &[
    "channel",
    "channels",
    "events",
    "fields",
    "format",
    "interval",
    "lang",
    "limit",
    "stream",
    "topic",
    "topics",
    "transport",
    "type",
    "v",
    "version",
];

/// Replaces the values of query parameters that may carry credentials, and parameters without a name.
pub(super) fn redact_query(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let mut redacted = path.to_owned();
    for (i, parameter) in query.split('&').enumerate() {
        redacted.push(if i == 0 { '?' } else { '&' });
        match secret_value(parameter) {
            Some(value) => {
                redacted.push_str(&parameter[..parameter.len() - value.len()]);
                redacted.push_str("redacted");
            }
            None => redacted.push_str(parameter),
        }
    }
    redacted
}

/// Returns the values in a target's query that [`redact_query`] replaces, as they stand there.
pub(crate) fn secret_parameters(target: &str) -> impl Iterator<Item = &str> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(secret_value)
}

/// Returns true if a parameter is a credential by its name.
pub(super) fn has_credentials(target: &str) -> bool {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or_default();
        !value.is_empty() && (is_secret(name) || percent_decode(name).is_some_and(|name| is_secret(&name)))
    })
}

/// Returns a parameter's value unless it is empty or harmless by its name; all of a parameter without `=`.
fn secret_value(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, parameter));
    // The server uses the decoded name.
    let name = percent_decode(name).unwrap_or_default().to_ascii_lowercase();
    (!value.is_empty() && !HARMLESS.contains(&&*name)).then_some(value)
}

/// Returns true if a parameter or header with this name carries a credential.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["token", "key", "secret", "password", "passwd", "auth"].iter().any(|word| name.contains(word))
}
