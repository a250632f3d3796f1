//! Where a connection goes and by which way, with the credentials that go along.

use std::time::Duration;

use super::environment;
use crate::model::error::{Disconnect, Phase};
use crate::model::text::escape;
use crate::net::tls;
use crate::proto::dns::Family;
use crate::proto::http::proxy::{Proxy, ProxyChoice};
use crate::proto::http::redirect;
use crate::proto::uri::Endpoint;

/// One connection's way.
pub struct Route {
    pub endpoint: Box<Endpoint>,
    /// The proxy for this endpoint, if there is one.
    pub proxy: Option<Box<Proxy>>,
    pub choice: ProxyChoice,
    pub tls: tls::TlsSettings,
    pub family: Family,
    /// How long all of it may take.
    pub within: Duration,
    /// Headers of the user, credentials among them.
    pub own_headers: Vec<(String, String)>,
}

impl Route {
    /// The headers of the request.
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers = self.own_headers.clone();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Authorization")) {
            headers.extend(self.endpoint.authorization());
        }
        headers
    }

    /// The host to find and the port to connect to.
    pub fn next_hop(&self) -> (&str, u16) {
        match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (&self.endpoint.host, self.endpoint.port),
        }
    }

    /// The host to find.
    pub fn next_host(&self) -> &str {
        self.next_hop().0
    }

    /// Goes elsewhere. To another server no credentials go along, our certificate among them, and the name that the
    /// first one's certificate must have is not its own.
    pub fn redirect(&mut self, to: Box<Endpoint>) -> Result<(), Box<Disconnect>> {
        if !redirect::same_host(&self.endpoint, &to) {
            self.own_headers.retain(|(name, _)| name.eq_ignore_ascii_case("User-Agent"));
            (self.tls.cert, self.tls.key, self.tls.name) = (None, None, None);
        }
        self.proxy = self.choice.proxy(&to, &environment).map_err(|why| Disconnect::new(Phase::Address, why))?;
        log::debug!("{}: redirected to {}", escape(&self.endpoint.authority()), *to);
        self.endpoint = to;
        Ok(())
    }

    /// Says that it is the proxy that cannot be reached, where there is one.
    pub fn blame_proxy(&self, mut why: Box<Disconnect>) -> Box<Disconnect> {
        if self.proxy.is_some() {
            why.text.insert_str(0, "proxy: ");
        }
        why
    }
}
