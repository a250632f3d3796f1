//! The route of a connection: server, proxy, TLS settings and credentials.

use std::net::SocketAddr;
use std::time::Duration;

use crate::model::error::Disconnect;
use crate::net::tls;
use crate::proto::dns::Family;
use crate::proto::http::proxy::{Proxy, ProxyChoice};
use crate::proto::http::secrets::Secrets;
use crate::proto::http::upgrade::UpgradeRequest;
use crate::proto::uri::Endpoint;

/// Everything that opening a connection needs to know, and the [fallbacks](super::fallback) taken so far, which change it.
pub struct Route {
    pub endpoint: Box<Endpoint>,
    /// The proxy chosen for this endpoint.
    pub proxy: Option<Box<Proxy>>,
    /// Chooses the proxy again after a redirect.
    pub choice: ProxyChoice,
    pub tls: tls::TlsSettings,
    pub family: Family,
    /// Addresses to try after all others, in this order.
    pub demoted: Vec<SocketAddr>,
    /// Time limit for all steps together.
    pub within: Duration,
    /// The user's headers, credentials among them.
    pub own_headers: Vec<(String, String)>,
    /// Subprotocols to offer.
    pub subprotocols: Vec<String>,
    /// Offers compression.
    pub compression: bool,
    /// Limit of redirects in a row.
    pub max_redirects: u32,
    /// Redirects followed so far.
    pub redirects: u32,
    /// True once a redirect has led to another host.
    pub is_elsewhere: bool,
    /// True if the path is `/ws` although the URI has no path.
    pub at_ws: bool,
    /// The refusal of `/`, while `/ws` is tried.
    pub refusal: Option<Box<Disconnect>>,
    /// The server's label, escaped, and the level at which redirects are logged.
    pub log: (String, log::Level),
    /// Texts to hide in errors.
    pub secrets: Secrets,
}

impl Route {
    /// Returns the headers of the upgrade request. The user's own Authorization wins over the URI's.
    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = self.own_headers.clone();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Authorization")) {
            headers.extend(self.endpoint.authorization());
        }
        headers
    }

    /// Calls `f` with the upgrade request that has this key.
    pub fn with_request<T>(&self, key: &str, f: impl FnOnce(&UpgradeRequest<'_>) -> T) -> T {
        f(&UpgradeRequest {
            host: &self.endpoint.host_header(),
            target: &self.endpoint.target,
            key,
            subprotocols: &self.subprotocols,
            compression: self.compression,
            headers: &self.headers(),
            target_has_credentials: self.endpoint.has_credentials(),
            secrets: &self.secrets,
        })
    }

    /// Returns host and port of the TCP connection: the proxy's, or the server's.
    pub fn next_hop(&self) -> (&str, u16) {
        match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (&self.endpoint.host, self.endpoint.port),
        }
    }

    /// Names the proxy in the error of a connection that failed, if there is one.
    pub fn name_proxy(&self, mut why: Box<Disconnect>) -> Box<Disconnect> {
        if self.proxy.is_some() {
            why.text.insert_str(0, "proxy: ");
        }
        why
    }
}
