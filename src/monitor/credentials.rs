//! What a connection goes out with, and what of it must not be shown wherever somebody quotes it.

use crate::proto::http::proxy::Proxy;
use crate::proto::uri::authority::percent_decode;
use crate::proto::uri::{Endpoint, is_secret, percent_encode};

/// Where to go and with what credentials, as the files were when they were read.
#[derive(Clone, PartialEq)]
pub struct Credentials {
    pub endpoint: Box<Endpoint>,
    pub token: Option<String>,
    pub headers: Vec<(String, String)>,
}

/// Shorter ones would be found in any text.
const SHORTEST: usize = 4;

/// Headers that are quoted in errors and no secret.
const PUBLIC: [&str; 4] = ["accept-language", "host", "origin", "user-agent"];

impl Credentials {
    /// A text of the other side without them: servers quote requests in their error pages.
    pub fn hide(&self, proxy: Option<&Proxy>, text: &str) -> String {
        let mut secrets = self.secrets();
        if let Some(proxy) = proxy {
            proxy.add_secrets(&mut secrets);
        }
        secrets.retain(|secret| secret.len() >= SHORTEST);
        // One may be a part of another.
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "redacted"))
    }

    fn secrets(&self) -> Vec<String> {
        let Credentials { endpoint, token, headers } = self;
        let mut secrets = Vec::new();
        if let Some(token) = token {
            add_forms(token, &mut secrets);
        }
        if let Some(secret) = &endpoint.secret {
            add_forms(secret, &mut secrets);
        }
        if let Some((user, password)) = &endpoint.userinfo {
            secrets.push(user.clone());
            secrets.push(password.clone());
        }
        for (name, value) in headers {
            add_header(name, value, &mut secrets);
        }
        if let Some((name, value)) = endpoint.authorization() {
            add_header(&name, &value, &mut secrets);
        }
        let query = endpoint.target.split_once('?').map_or("", |(_, query)| query);
        for parameter in query.split('&') {
            if let Some((name, value)) = parameter.split_once('=')
                && is_secret(name)
            {
                add_forms(value, &mut secrets);
            }
        }
        secrets
    }
}

/// As it is, percent-encoded, and percent-decoded.
fn add_forms(text: &str, secrets: &mut Vec<String>) {
    secrets.push(text.to_owned());
    secrets.push(percent_encode(text));
    secrets.extend(percent_decode(text));
}

/// What a header holds, unless it is one of the public ones.
fn add_header(name: &str, value: &str, secrets: &mut Vec<String>) {
    if PUBLIC.iter().any(|public| name.eq_ignore_ascii_case(public)) {
        return;
    }
    // `Bearer SECRET`, `session=SECRET`.
    let last = value.rsplit([' ', '=']).next().unwrap_or_default();
    let rest = value.split_once(' ').map_or("", |(_scheme, rest)| rest);
    for secret in [value, last, rest] {
        secrets.push(secret.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(uri: &str, token: Option<&str>, headers: &[(&str, &str)]) -> Credentials {
        Credentials {
            endpoint: Endpoint::parse(uri).unwrap(),
            token: token.map(str::to_owned),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    #[test]
    fn what_a_server_quotes_is_hidden_in_every_form_in_which_it_was_sent() {
        let uri = credentials("ws://me@h/p?token=a%2Fbcd&x=plain", None, &[]);
        for (text, hidden) in [
            ("no GET /p?token=a%2Fbcd&x=plain", "no GET /p?token=redacted&x=plain"),
            ("no such token: a/bcd", "no such token: redacted"),
            ("Authorization: Basic bWU6", "Authorization: redacted"),
            ("no bWU6", "no redacted"),
            ("me", "me"),
        ] {
            assert_eq!(uri.hide(None, text), hidden);
        }
        let headers =
            [("Authorization", "Bearer abcdef"), ("Cookie", "id=ghijkl"), ("Host", "h.example"), ("X", "abc")];
        let given = credentials("sysmedic://mnopqr@h", Some("st/uvw"), &headers);
        for (text, hidden) in [
            ("h.example: abcdef, Bearer abcdef", "h.example: redacted, redacted"),
            ("id=ghijkl ghijkl", "redacted redacted"),
            ("mnopqr st/uvw st%2Fuvw abc", "redacted redacted redacted abc"),
        ] {
            assert_eq!(given.hide(None, text), hidden);
        }
        let proxy = Proxy::parse("http://user:pass@h").unwrap();
        assert_eq!(given.hide(Some(&proxy), "user pass dXNlcjpwYXNz"), "redacted redacted redacted");
    }
}
