//! The credentials of one connection, and their removal from texts that quote them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::monitor::server::Settings;
use crate::monitor::sources::{self, SettingsError, Source};
use crate::proto::dialect::conversation::Conversation;
use crate::proto::dialect::requests::Request;
use crate::proto::http::header;
use crate::proto::http::proxy::Proxy;
use crate::proto::uri::authority::percent_decode;
use crate::proto::uri::{Endpoint, is_secret, percent_encode};

/// Address, token, headers and texts of one connection, as the files held them at the time of its dial.
#[derive(Clone, PartialEq)]
pub struct Credentials {
    pub endpoint: Box<Endpoint>,
    pub token: Option<String>,
    pub headers: Vec<(String, String)>,
    /// Texts to send when the connection opens.
    pub messages: Vec<String>,
    /// Requests of the dialect.
    pub requests: Vec<Request>,
    /// Those of the texts to send, and of the JSON of requests, that stand in files.
    pub secret_texts: Vec<String>,
}

/// Secrets shorter than this, in bytes, are not replaced: they occur in any text by chance.
const MIN_SECRET_LEN: usize = 4;

/// Device, inode, length and time of the latest change of a file; `None` if it cannot be accessed.
pub type FileStamp = Option<(u64, u64, u64, i64, i64)>;

/// Returns the files that hold credentials of the upgrade: the URI's, the token's and those of headers.
pub fn files(settings: &Settings) -> Vec<&Path> {
    let token = settings.token.as_ref().and_then(Source::path);
    let headers = settings.headers.iter().filter_map(Source::path);
    settings.address.path().into_iter().chain(token).chain(headers).collect()
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
    /// Reads everything anew that stands in files. The conversation fills in the port and path of its dialect.
    pub fn read(settings: &Settings, conversation: &mut Conversation) -> Result<Box<Self>, SettingsError> {
        let mut endpoint = settings.address.read(sources::parse_address)?;
        conversation.apply_defaults(&mut endpoint);
        let token = match &settings.token {
            Some(token) => Some(sources::read_token(token)?),
            None => None,
        };
        let mut headers = Vec::new();
        for header in &settings.headers {
            headers.append(&mut header.read(sources::parse_headers)?);
        }
        let mut secret_texts = Vec::new();
        let mut messages = Vec::new();
        for message in &settings.messages {
            messages.push(read_text(message, sources::parse_message, &mut secret_texts)?);
        }
        let mut requests = Vec::new();
        for (kind, json) in &settings.requests {
            let json = json.as_ref().map(|json| read_text(json, sources::parse_json, &mut secret_texts)).transpose()?;
            requests.push(Request { kind: kind.clone(), json });
        }
        Ok(Box::new(Credentials { endpoint, token, headers, messages, requests, secret_texts }))
    }

    /// Returns true if there is any for the upgrade.
    pub fn are_given(&self) -> bool {
        let Credentials { endpoint, token, headers, .. } = self;
        token.is_some() || endpoint.has_credentials() || headers.iter().any(|(name, _)| header::is_credential(name))
    }

    /// Returns true if one of them comes from a file. A URI in a file counts only if it has a credential.
    pub fn come_from_files(&self, settings: &Settings) -> bool {
        let has_address = settings.address.path().is_some();
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
        let Credentials { endpoint, token, headers, secret_texts, .. } = self;
        let mut secrets = secret_texts.clone();
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

/// Returns a text to send. One that stands in a file is a secret.
fn read_text(
    text: &Source<String>,
    parse: fn(&str) -> Result<String, String>,
    secrets: &mut Vec<String>,
) -> Result<String, SettingsError> {
    let read = text.read(parse)?;
    if !matches!(text, Source::Given(_)) {
        secrets.push(read.clone());
    }
    Ok(read)
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
            messages: Vec::new(),
            requests: Vec::new(),
            secret_texts: Vec::new(),
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
