//! The credentials of one connection, and everything else of it that no text may show.

use std::path::Path;

use crate::model::api_error::Error;
use crate::monitor::settings::Settings;
use crate::monitor::sources::{self, Source};
use crate::net::file::{self, Stamp};
use crate::proto::dialect::conversation::Conversation;
use crate::proto::dialect::requests::Request;
use crate::proto::http::header;
use crate::proto::http::proxy::Proxy;
use crate::proto::http::secrets::Secrets;
use crate::proto::uri::{Endpoint, secret_parameters};

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

/// Returns the files that hold credentials of the upgrade: the URI's, the token's and those of headers.
pub fn files(settings: &Settings) -> Vec<&Path> {
    let mut files = Vec::new();
    files.extend(settings.address.path());
    files.extend(settings.token.as_ref().and_then(Source::path));
    for header in &settings.headers {
        files.extend(header.path());
    }
    files
}

/// Returns the stamps of these files.
pub fn stamps(settings: &Settings) -> Vec<Option<Stamp>> {
    files(settings).into_iter().map(file::stamp).collect()
}

impl Credentials {
    /// Reads everything anew that stands in files. The conversation fills in the port and path of its dialect.
    pub fn read(settings: &Settings, conversation: &mut Conversation) -> Result<Box<Self>, Error> {
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
            requests.push(Request { kind: kind.clone(), json, id: None });
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

    /// Returns the texts of a connection that no error may show: these credentials, those of the proxy and the query in
    /// which the dialect's are, and what is sent to the server.
    pub fn secrets(&self, target: &str, proxy: Option<&Proxy>, settings: &Settings) -> Secrets {
        let Credentials { endpoint, token, headers, messages, requests, .. } = self;
        let mut secrets = Secrets::default();
        for secret in [token, &endpoint.secret].into_iter().flatten() {
            secrets.add(secret);
        }
        if let Some((user, password)) = &endpoint.userinfo {
            secrets.add(user);
            secrets.add(password);
        }
        for (name, value) in headers.iter().chain(&endpoint.authorization()) {
            if !header::is_public(name) {
                secrets.add_header(value);
            }
        }
        secret_parameters(&endpoint.target).for_each(|value| secrets.add(value));
        secret_parameters(target).for_each(|value| secrets.add(value));
        if let Some(proxy) = proxy {
            proxy.add_secrets(&mut secrets);
        }
        settings.subprotocols.iter().for_each(|name| secrets.add_subprotocol(name));
        messages.iter().for_each(|text| secrets.add_message(text));
        requests.iter().flat_map(|request| &request.json).for_each(|json| secrets.add_message(json));
        settings.options.heartbeat_reply.iter().for_each(|text| secrets.add_message(text));
        secrets
    }
}

/// Returns a text to send. One that stands in a file is a secret.
fn read_text(
    text: &Source<String>,
    parse: fn(&str) -> Result<String, String>,
    secrets: &mut Vec<String>,
) -> Result<String, Error> {
    let read = text.read(parse)?;
    if !matches!(text, Source::Given(_)) {
        secrets.push(read.clone());
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::server::Server;

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

    fn hide(credentials: &Credentials, proxy: Option<&Proxy>, server: Server, text: &str) -> String {
        credentials.secrets("/?added=bycode", proxy, &server.settings).hide(text)
    }

    #[test]
    fn secrets_that_a_server_quotes_are_hidden_in_every_encoding() {
        let uri = credentials("ws://me@h/p?to%6ben=a%2Fbcd&x=plain&interval=5000", None, &[]);
        for (text, redacted) in [
            ("no GET /p?to%6ben=a%2Fbcd&x=plain", "no GET /p?to%6ben=redacted&x=redacted"),
            ("no such token: a/bcd a%2fbcd interval 5000", "no such token: redacted redacted interval 5000"),
            ("Authorization: Basic bWU6", "Authorization: redacted"),
            ("no bWU6 bycode", "no redacted redacted"),
            ("me", "me"),
        ] {
            assert_eq!(hide(&uri, None, Server::default(), text), redacted);
        }
        let headers = [
            ("Authorization", "Bearer abcdef"),
            ("Cookie", "id=ghijkl; b=123456"),
            ("Host", "h.example"),
            ("X", "abc"),
        ];
        let given = credentials("sysmedic://mnopqr@h", Some("st/uvw"), &headers);
        for (text, redacted) in [
            ("h.example: abcdef, Bearer abcdef", "h.example: redacted, redacted"),
            ("id=ghijkl ghijkl 123456", "id=redacted redacted redacted"),
            ("mnopqr st/uvw st%2Fuvw abc", "redacted redacted redacted abc"),
        ] {
            assert_eq!(hide(&given, None, Server::default(), text), redacted);
        }
        let proxy = Proxy::parse("http://user:pass@h").unwrap();
        assert_eq!(
            hide(&given, Some(&proxy), Server::default(), "user pass dXNlcjpwYXNz"),
            "redacted redacted redacted"
        );
    }

    #[test]
    fn messages_to_the_server_are_hidden_where_it_quotes_them() {
        let server = Server::default().heartbeat_reply(Some("ghijkl".into()));
        let login = Request { kind: "login".into(), json: Some(r#"{"password":"m\"nopqr"}"#.into()), id: None };
        let (messages, requests) = (vec!["AUTH abcdef".into()], vec![login]);
        let given = Credentials { messages, requests, ..credentials("h", None, &[]) };
        let text = r#"AUTH abcdef; abcdef; ghijkl; login; {"password":"m\"nopqr"}; m&quot;nopqr; AUTH."#;
        let shown = hide(&given, None, server, text);
        assert_eq!(shown, "redacted; redacted; redacted; login; redacted; redacted; AUTH.");
    }
}
