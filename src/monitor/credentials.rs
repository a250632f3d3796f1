//! The credentials of one connection, and their removal from texts that quote them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::monitor::server::Settings;
use crate::monitor::sources::{Address, Header, SettingsError, Token};
use crate::proto::dialect::conversation::Conversation;
use crate::proto::http::header;
use crate::proto::http::proxy::Proxy;
use crate::proto::uri::authority::percent_decode;
use crate::proto::uri::{Endpoint, is_secret, percent_encode};

/// Address, token and headers of one dial, as the files held them at that time.
#[derive(Clone, PartialEq)]
pub struct Credentials {
    pub endpoint: Box<Endpoint>,
    pub token: Option<String>,
    pub headers: Vec<(String, String)>,
}

/// Secrets shorter than this, in bytes, are not replaced: they occur in any text by chance.
const MIN_SECRET_LEN: usize = 4;

/// Device, inode, length and time of the latest change of a file; `None` if it cannot be accessed.
pub type FileStamp = Option<(u64, u64, u64, i64, i64)>;

/// Returns the files that hold credentials: the URI's, the token's and those of headers.
pub fn files(settings: &Settings) -> Vec<&Path> {
    let mut files = Vec::new();
    if let Address::File(path) = &settings.address {
        files.push(path.as_path());
    }
    if let Some(Token::File(path)) = &settings.token {
        files.push(path);
    }
    for header in &settings.headers {
        if let Header::File(path) = header {
            files.push(path);
        }
    }
    files
}

/// Returns the stamps of these files, without opening them: a FIFO would block.
pub fn stamps(settings: &Settings) -> Vec<FileStamp> {
    let stamp = |path: &&Path| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.dev(), file.ino(), file.len(), file.ctime(), file.ctime_nsec()))
    };
    files(settings).iter().map(stamp).collect()
}

/// Headers whose values are no secrets and may be quoted in errors.
const PUBLIC_HEADERS: [&str; 4] = ["accept-language", "host", "origin", "user-agent"];

impl Credentials {
    /// Reads address, token and headers anew, from files where they stand there. The conversation fills in the port
    /// and path of its dialect.
    pub fn read(settings: &Settings, conversation: &mut Conversation) -> Result<Box<Self>, SettingsError> {
        let mut endpoint = settings.address.endpoint()?;
        conversation.apply_defaults(&mut endpoint);
        let token = match &settings.token {
            Some(token) => Some(token.read()?),
            None => None,
        };
        let mut headers = Vec::new();
        for header in &settings.headers {
            header.read(&mut headers)?;
        }
        Ok(Box::new(Credentials { endpoint, token, headers }))
    }

    /// Returns true if there is any.
    pub fn are_given(&self) -> bool {
        let Credentials { endpoint, token, headers } = self;
        token.is_some() || endpoint.has_credentials() || headers.iter().any(|(name, _)| header::is_credential(name))
    }

    /// Returns true if one of them comes from a file. A URI in a file counts only if it has a credential.
    pub fn come_from_files(&self, settings: &Settings) -> bool {
        let has_address = matches!(settings.address, Address::File(_));
        files(settings).len() > usize::from(has_address) || has_address && self.endpoint.has_credentials()
    }

    /// Replaces these credentials and the proxy's in a text of the other side: servers quote requests in error pages.
    pub fn redact(&self, proxy: Option<&Proxy>, text: &str) -> String {
        let mut secrets = self.secrets();
        if let Some(proxy) = proxy {
            proxy.add_secrets(&mut secrets);
        }
        secrets.retain(|secret| secret.len() >= MIN_SECRET_LEN);
        // The longest first: one secret may be a part of another.
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "redacted"))
    }

    fn secrets(&self) -> Vec<String> {
        let Credentials { endpoint, token, headers } = self;
        let mut secrets = Vec::new();
        if let Some(token) = token {
            add_encodings(token, &mut secrets);
        }
        if let Some(secret) = &endpoint.secret {
            add_encodings(secret, &mut secrets);
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
                add_encodings(value, &mut secrets);
            }
        }
        secrets
    }
}

/// Adds a secret as it is, percent-encoded, and percent-decoded.
fn add_encodings(text: &str, secrets: &mut Vec<String>) {
    secrets.push(text.to_owned());
    secrets.push(percent_encode(text));
    secrets.extend(percent_decode(text));
}

/// Adds a header's value and the parts of it that are secrets by themselves, as in `Bearer SECRET` or `id=SECRET`.
fn add_header(name: &str, value: &str, secrets: &mut Vec<String>) {
    if PUBLIC_HEADERS.iter().any(|public| name.eq_ignore_ascii_case(public)) {
        return;
    }
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
    fn secrets_that_a_server_quotes_are_redacted_in_every_encoding() {
        let uri = credentials("ws://me@h/p?token=a%2Fbcd&x=plain", None, &[]);
        for (text, redacted) in [
            ("no GET /p?token=a%2Fbcd&x=plain", "no GET /p?token=redacted&x=plain"),
            ("no such token: a/bcd", "no such token: redacted"),
            ("Authorization: Basic bWU6", "Authorization: redacted"),
            ("no bWU6", "no redacted"),
            ("me", "me"),
        ] {
            assert_eq!(uri.redact(None, text), redacted);
        }
        let headers =
            [("Authorization", "Bearer abcdef"), ("Cookie", "id=ghijkl"), ("Host", "h.example"), ("X", "abc")];
        let given = credentials("sysmedic://mnopqr@h", Some("st/uvw"), &headers);
        for (text, redacted) in [
            ("h.example: abcdef, Bearer abcdef", "h.example: redacted, redacted"),
            ("id=ghijkl ghijkl", "redacted redacted"),
            ("mnopqr st/uvw st%2Fuvw abc", "redacted redacted redacted abc"),
        ] {
            assert_eq!(given.redact(None, text), redacted);
        }
        let proxy = Proxy::parse("http://user:pass@h").unwrap();
        assert_eq!(given.redact(Some(&proxy), "user pass dXNlcjpwYXNz"), "redacted redacted redacted");
    }
}
