//! The route of a connection: server, proxy, TLS settings and credentials.

use std::net::SocketAddr;
use std::time::Duration;

use super::environment;
use crate::model::error::{Disconnect, Phase};
use crate::model::trace;
use crate::net::tls;
use crate::proto::dns::Family;
use crate::proto::http::proxy::{Proxy, ProxyChoice};
use crate::proto::http::redirect;
use crate::proto::http::secrets::Secrets;
use crate::proto::http::upgrade::UpgradeRequest;
use crate::proto::uri::Endpoint;

/// Everything that opening a connection needs to know. A redirect changes it.
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
    /// True once a redirect has led to another host.
    pub is_elsewhere: bool,
    /// True if the path is `/ws` although the URI has no path.
    pub at_ws: bool,
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

    /// Changes to the target of a redirect. Another server gets no credentials, no subprotocols, which may hold some, and
    /// no client certificate, and [`Server::tls_name`](crate::Server::tls_name), which names the first server, does not apply to it.
    pub fn redirect(&mut self, to: Box<Endpoint>) -> Result<(), Box<Disconnect>> {
        if !redirect::same_host(&self.endpoint, &to) {
            self.own_headers.retain(|(name, _)| name.eq_ignore_ascii_case("User-Agent"));
            (self.tls.cert, self.tls.key, self.tls.name) = (None, None, None);
            self.subprotocols.clear();
            self.is_elsewhere = true;
        }
        self.proxy = self.choice.proxy(&to, &environment).map_err(|why| Disconnect::new(Phase::Address, why))?;
        let (label, level) = &self.log;
        trace::server(*level, label, format_args!("redirected to {}", self.secrets.hide(&to.to_string())));
        self.endpoint = to;
        Ok(())
    }

    /// Turns to `/ws` after `/` was refused, if the URI has no path. Returns false otherwise.
    pub fn try_ws(&mut self) -> bool {
        if !self.endpoint.try_ws() {
            return false;
        }
        let (label, level) = &self.log;
        trace::server(*level, label, format_args!("/ was refused, trying /ws"));
        self.at_ws = true;
        true
    }

    /// Withdraws the offer of compression if the upgrade was refused with a status by which servers may answer an offer
    /// that they do not understand. Returns false otherwise.
    pub fn withdraw_offer(&mut self, why: &Disconnect) -> bool {
        let is_about_offer = matches!(why.status, Some(400 | 501));
        let withdraws = self.compression && why.phase == Phase::Upgrade && is_about_offer;
        if withdraws {
            self.compression = false;
            let text = format_args!("the upgrade was refused, trying without compression");
            trace::server(log::Level::Debug, &self.log.0, text);
        }
        withdraws
    }

    /// Names the proxy in the error of a connection that failed, if there is one.
    pub fn name_proxy(&self, mut why: Box<Disconnect>) -> Box<Disconnect> {
        if self.proxy.is_some() {
            why.text.insert_str(0, "proxy: ");
        }
        why
    }
}
