//! How a peer dials: the way of its next connection, with everything read anew that stands in files.

use super::{Context, Peer};
use crate::model::error::{Disconnect, Phase, Retry};
use crate::model::event::ClientState;
use crate::model::text::escape;
use crate::model::time::Now;
use crate::monitor::address::SettingsError;
use crate::monitor::credentials::Credentials;
use crate::monitor::server::Settings;
use crate::net::transport::environment;
use crate::net::transport::route::Route;
use crate::proto::http::header;

impl Peer {
    pub(super) fn dial(&mut self, context: &mut Context<'_>) {
        if self.session.client_state() == ClientState::Reconnecting {
            self.counters.reconnect_attempts += 1;
        }
        let route = match self.route(context.now) {
            Ok(route) => route,
            Err(why) => return self.lost(context, Disconnect::new(Phase::Address, why)),
        };
        self.transport.dial(route, &mut context.ground());
        self.marked = true;
    }

    /// The way of the next connection, with everything read anew that stands in files.
    pub(super) fn route(&mut self, now: Now) -> Result<Box<Route>, String> {
        let credentials = self.credentials().map_err(|error| error.to_string())?;
        let Credentials { mut endpoint, token, headers: mut own_headers } = (*credentials).clone();
        self.used = Some(credentials);
        self.said.connecting(&self.label, &endpoint);
        self.endpoint = Some(endpoint.clone());
        let proxy = self.server.proxy.proxy(&endpoint, &environment)?;
        let clear = !endpoint.secure && !endpoint.is_local();
        let credential = token.is_some() || own_headers.iter().any(|(name, _)| header::is_credential(name));
        match token {
            Some(token) if !self.conversation.takes_token() => {
                own_headers.push(("Authorization".into(), format!("Bearer {token}")));
                self.conversation.address(&mut endpoint, None, now.mono);
            }
            token => self.conversation.address(&mut endpoint, token, now.mono),
        }
        if clear && (credential || endpoint.has_credentials()) && !std::mem::replace(&mut self.warned, true) {
            log::warn!(
                "{}: a credential goes over the network in clear: use wss:// where you can",
                escape(&self.label)
            );
        }
        let Settings { tls, proxy: choice, family, policy, .. } = &*self.server;
        let (tls, choice, family, within) = (tls.clone(), choice.clone(), *family, policy.connect_timeout);
        Ok(Box::new(Route { endpoint, proxy, choice, tls, family, within, own_headers }))
    }

    pub(super) fn credentials(&mut self) -> Result<Box<Credentials>, SettingsError> {
        let mut endpoint = self.server.address.endpoint()?;
        self.conversation.locate(&mut endpoint);
        let token = match &self.server.token {
            Some(token) => Some(token.read()?),
            None => None,
        };
        let mut headers = Vec::new();
        for header in &self.server.headers {
            header.read(&mut headers)?;
        }
        Ok(Box::new(Credentials { endpoint, token, headers }))
    }

    /// Adds what an HTTP status means with this kind of server.
    pub(super) fn advised(&mut self, mut why: Box<Disconnect>) -> Box<Disconnect> {
        // A secret that has been renewed since heals a refusal that would else be final.
        if why.phase == Phase::Upgrade && matches!(why.status, Some(401 | 403)) && self.credentials().ok() != self.used
        {
            why.retry = Retry::Usual;
        }
        // A proxy's answer says nothing of the server.
        let status = why.status.filter(|_| why.phase == Phase::Upgrade);
        if let Some(advice) = status.and_then(|status| self.conversation.advice(status)) {
            why.text = format!("{}; {advice}", why.text);
        }
        why
    }

    /// The same without our credentials, which the other side may have quoted.
    pub(super) fn hidden(&self, mut why: Box<Disconnect>) -> Box<Disconnect> {
        let Some(used) = &self.used else { return why };
        // One that cannot be read was not used either.
        let proxy = self.server.proxy.proxy(&used.endpoint, &environment).unwrap_or_default();
        why.text = used.hide(proxy.as_deref(), &why.text);
        why
    }
}
