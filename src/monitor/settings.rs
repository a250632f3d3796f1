//! The settings of a server as its peer reads them.

use std::fmt;

use crate::model::api_error::{Error, ErrorKind};
use crate::monitor::sources::{self, Source};
use crate::net::tls;
use crate::proto::dialect::requests::RequestPlan;
use crate::proto::dialect::{Dialect, DialectOptions};
use crate::proto::dns::Family;
use crate::proto::http::proxy::ProxyChoice;
use crate::proto::session::Policy;
use crate::proto::uri::Endpoint;

/// The settings of a server, which [`Server`](crate::Server) fills. [`Default`] holds every default there is.
#[derive(Clone, PartialEq)]
pub struct Settings {
    pub address: Source<Box<Endpoint>>,
    pub label: Option<String>,
    pub policy: Policy,
    pub max_message: usize,
    /// Sends each message back and does nothing else with it, with at most so many bytes waiting to be sent.
    pub echo: Option<usize>,
    pub history: usize,
    pub last_sample: bool,
    /// Texts to send when a connection opens.
    pub messages: Vec<Source<String>>,
    /// `None`: recognised by the first messages.
    pub dialect: Option<&'static Dialect>,
    pub options: DialectOptions,
    /// The timing of the requests. The requests themselves are filled in for each connection.
    pub request_plan: RequestPlan,
    /// Types of requests, and their JSON.
    pub requests: Vec<(String, Option<Source<String>>)>,
    pub token: Option<Source<String>>,
    pub headers: Vec<Source<Vec<(String, String)>>>,
    pub tls: tls::TlsSettings,
    pub proxy: ProxyChoice,
    pub max_redirects: u32,
    pub lossy_utf8: bool,
    pub compression: bool,
    pub subprotocols: Vec<String>,
    pub family: Family,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            address: Source::Given(sources::default_endpoint()),
            label: None,
            policy: Policy::default(),
            max_message: 4 << 20,
            echo: None,
            history: 0,
            last_sample: true,
            messages: Vec::new(),
            dialect: None,
            options: DialectOptions::default(),
            request_plan: RequestPlan::default(),
            requests: Vec::new(),
            token: None,
            headers: Vec::new(),
            tls: tls::TlsSettings::default(),
            proxy: ProxyChoice::default(),
            max_redirects: 5,
            lossy_utf8: false,
            compression: true,
            subprotocols: Vec::new(),
            family: Family::default(),
        }
    }
}

impl Settings {
    /// Reads the files, of which pipes are possible at the start only; the content of a pipe takes its place.
    pub fn load(&mut self, at_start: bool) -> Result<(), Error> {
        let Settings { address, headers, tls, token, messages, requests, .. } = self;
        address.load(sources::parse_address, at_start)?;
        for header in headers {
            header.load(sources::parse_headers, at_start)?;
        }
        for message in messages {
            message.load(sources::parse_message, at_start)?;
        }
        for json in requests.iter_mut().filter_map(|(_, json)| json.as_mut()) {
            json.load(sources::parse_json, at_start)?;
        }
        tls.load(at_start).map_err(|(path, error)| sources::read_error(&path, error))?;
        if tls.is_special() {
            check_tls(tls)?;
        }
        if let Some(token) = token {
            token.load(sources::parse_token, at_start)?;
            sources::read_token(token)?;
        }
        Ok(())
    }

    /// Checks the certificates and the key that were given in memory: no later dial could find them better.
    pub fn check_memory(&self) -> Result<(), Error> {
        if tls::AVAILABLE && self.tls.is_in_memory() { check_tls(&self.tls) } else { Ok(()) }
    }

    /// Returns true if one of them is itself a secret, and not a file with one.
    pub fn hold_secret(&self) -> bool {
        let Settings { address, headers, proxy, .. } = self;
        matches!(address, Source::Given(endpoint) if endpoint.has_credentials())
            || headers.iter().any(|header| matches!(header, Source::Given(_)))
            || matches!(proxy, ProxyChoice::Given(proxy) if proxy.has_credentials())
    }
}

fn check_tls(settings: &tls::TlsSettings) -> Result<(), Error> {
    tls::Connector::build(settings).map(drop).map_err(|why| Error::new(ErrorKind::Tls, why))
}

/// Omits everything that may hold a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { address, label, policy, .. } = self;
        let mut out = f.debug_struct("Server");
        match address {
            Source::Given(endpoint) | Source::Loaded(endpoint) => out.field("address", endpoint),
            Source::File(path) => out.field("address", path),
        };
        out.field("label", label).field("policy", policy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proto::session::Stale;

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let Settings { policy, max_message, history, dialect, options, request_plan, .. } = Settings::default();
        let expected = Policy {
            max_reconnects: None,
            reconnect_interval: Duration::from_secs(5),
            reconnect_cap: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            ping_interval: Some(Duration::from_secs(30)),
            ping_timeout: Duration::from_secs(10),
            stale: Stale::Auto,
        };
        assert_eq!((policy, max_message, history), (expected, 4 << 20, 0));
        assert!(dialect.is_none() && options == DialectOptions::default());
        assert_eq!((request_plan.every, request_plan.within), (None, Duration::from_secs(5)));
    }
}
