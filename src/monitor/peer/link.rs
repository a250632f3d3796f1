//! The connection to one server, and the way to it: address, credentials, proxy.

use crate::model::error::{Disconnect, Phase, Retry};
use crate::model::text::escape;
use crate::model::time::Now;
use crate::monitor::connection_log::ConnectionLog;
use crate::monitor::credentials::Credentials;
use crate::monitor::server::Settings;
use crate::net::transport::route::Route;
use crate::net::transport::{ConnectionLimits, SEND_BYTES, Transport, environment};
use crate::proto::dialect::conversation::Conversation;
use crate::proto::http::header;
use crate::proto::uri::Endpoint;

/// A connection, and what its latest dial went out with.
pub struct Link {
    pub transport: Transport,
    /// The endpoint of the latest dial, or of the first one to come, without the secrets that a dialect adds to it.
    endpoint: Option<Box<Endpoint>>,
    /// Credentials of the latest dial.
    credentials: Option<Box<Credentials>>,
    /// The warning about credentials in cleartext is given once per server.
    warned: bool,
}

impl Link {
    /// Reads the address for the label and the statistics. A file that cannot be read is an error only when dialled.
    pub fn new(settings: &Settings, conversation: &mut Conversation) -> Self {
        let mut endpoint = settings.address.endpoint().ok();
        if let Some(endpoint) = &mut endpoint {
            conversation.apply_defaults(endpoint);
        }
        let transport = Transport::new(ConnectionLimits {
            max_message: settings.max_message,
            send_bytes: settings.echo.unwrap_or(SEND_BYTES),
            write_timeout: settings.policy.ping_timeout,
        });
        Link { transport, endpoint, credentials: None, warned: false }
    }

    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_deref()
    }

    /// Makes the route of the next connection. Everything that stands in files is read again.
    pub fn route(
        &mut self,
        label: &str,
        settings: &Settings,
        conversation: &mut Conversation,
        log: &ConnectionLog,
        now: Now,
    ) -> Result<Box<Route>, String> {
        let credentials = Credentials::read(settings, conversation).map_err(|error| error.to_string())?;
        let Credentials { mut endpoint, token, headers: mut own_headers } = (*credentials).clone();
        self.credentials = Some(credentials);
        let (level, text) = log.connecting(&endpoint);
        log::log!(level, "{}: {text}", escape(label));
        self.endpoint = Some(endpoint.clone());
        let proxy = settings.proxy.proxy(&endpoint, &environment)?;
        let cleartext = !endpoint.secure && !endpoint.is_local();
        let credential = token.is_some() || own_headers.iter().any(|(name, _)| header::is_credential(name));
        match token {
            Some(token) if !conversation.takes_token() => {
                own_headers.push(("Authorization".into(), format!("Bearer {token}")));
                conversation.prepare_dial(&mut endpoint, None, now.mono);
            }
            token => conversation.prepare_dial(&mut endpoint, token, now.mono),
        }
        if cleartext && (credential || endpoint.has_credentials()) && !std::mem::replace(&mut self.warned, true) {
            log::warn!("{}: a credential goes over the network in cleartext: use wss:// where you can", escape(label));
        }
        let Settings { tls, proxy: choice, family, policy, .. } = settings;
        let (tls, choice, family, within) = (tls.clone(), choice.clone(), *family, policy.connect_timeout);
        Ok(Box::new(Route { endpoint, proxy, choice, tls, family, within, own_headers }))
    }

    /// Adds what an HTTP status of the server means in its dialect. A status of a proxy says nothing of the server.
    pub fn explain(
        &self,
        mut why: Box<Disconnect>,
        settings: &Settings,
        conversation: &mut Conversation,
    ) -> Box<Disconnect> {
        if why.phase != Phase::Upgrade {
            return why;
        }
        // 401 and 403 are final, unless a secret in a file has been renewed since this dial read it.
        if matches!(why.status, Some(401 | 403)) && Credentials::read(settings, conversation).ok() != self.credentials {
            why.retry = Retry::Usual;
        }
        if let Some(advice) = why.status.and_then(|status| conversation.advice(status)) {
            why.text = format!("{}; {advice}", why.text);
        }
        why
    }

    /// Removes our credentials from an error's text: the other side may have quoted them.
    pub fn redact(&self, mut why: Box<Disconnect>, settings: &Settings) -> Box<Disconnect> {
        let Some(credentials) = &self.credentials else { return why };
        // A proxy setting that cannot be read was not used for the dial either.
        let proxy = settings.proxy.proxy(&credentials.endpoint, &environment).unwrap_or_default();
        why.text = credentials.redact(proxy.as_deref(), &why.text);
        why
    }
}
