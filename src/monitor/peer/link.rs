//! The connection to one server, and the way to it: address, credentials, proxy.

use std::time::{Duration, Instant};

use crate::model::api_error::ErrorKind;
use crate::model::dialect::Dialect;
use crate::model::error::{Disconnect, DisconnectKind, Phase, Retry};
use crate::model::setting::Setting;
use crate::model::text::escape;
use crate::model::time::Now;
use crate::model::trace;
use crate::monitor::credentials::{self, Credentials};
use crate::monitor::decoder::Decoder;
use crate::monitor::settings::Settings;
use crate::monitor::sources::parse_address;
use crate::net::file::Stamp;
use crate::net::transport::route::Route;
use crate::net::transport::{ConnectionLimits, SEND_BYTES, Transport, environment};
use crate::proto::dialect::{self, conversation::Conversation};
use crate::proto::dns::demotion::Demotions;
use crate::proto::http::secrets::Secrets;
use crate::proto::uri::Endpoint;
use crate::proto::uri::authority::bracketed;

/// Time between two looks at the files that hold a refused credential. It also bounds the dials that a file which
/// changes all the time can cause.
const CHECK_FILES_EVERY: Duration = Duration::from_secs(1);

/// A connection, and what its latest dial went out with.
pub struct Link {
    pub transport: Transport,
    /// Addresses that were of no use since the latest useful session.
    demotions: Demotions,
    /// The endpoint of the first dial, until that has one in its credentials.
    first_endpoint: Option<Box<Endpoint>>,
    /// Credentials of the latest dial. Their endpoint is without the secrets that a dialect adds to it.
    credentials: Option<Box<Credentials>>,
    /// The files that hold them, as they were before the latest dial read them.
    stamps: Vec<Option<Stamp>>,
    /// Set after a refusal: time to see if one of these files has changed.
    pub check_files_at: Option<Instant>,
    /// Texts of the latest dial that no error may show.
    secrets: Secrets,
    /// The warning about credentials in cleartext is given once per server.
    warned: bool,
    /// Set by the dial that is the cause of it.
    pub warns_of_cleartext: bool,
    /// The warning about texts that are not sent to another host is given once per server.
    withheld: bool,
}

impl Link {
    /// Reads the address for the label and the statistics. A file that cannot be read is an error only when dialled.
    pub fn new(settings: &Settings, conversation: &mut Conversation) -> Self {
        let mut endpoint = settings.address.read(parse_address).ok();
        if let Some(endpoint) = &mut endpoint {
            conversation.apply_defaults(endpoint);
        }
        let transport = Transport::new(ConnectionLimits {
            max_message: settings.max_message,
            send_bytes: settings.echo.unwrap_or(SEND_BYTES),
            lossy_utf8: settings.lossy_utf8,
            write_timeout: settings.policy.ping_timeout,
        });
        Link {
            transport,
            demotions: Demotions::default(),
            first_endpoint: endpoint,
            credentials: None,
            stamps: Vec::new(),
            check_files_at: None,
            secrets: Secrets::default(),
            warned: false,
            warns_of_cleartext: false,
            withheld: false,
        }
    }

    /// The endpoint of the latest dial, or of the first one to come.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.credentials.as_ref().map(|credentials| &*credentials.endpoint).or(self.first_endpoint.as_deref())
    }

    /// Returns the user's texts for this connection, in their order.
    pub fn messages(&self) -> &[String] {
        if self.transport.is_elsewhere {
            return &[];
        }
        self.credentials.as_ref().map_or(&[], |credentials| &credentials.messages)
    }

    /// Returns true if texts are withheld from the host that a redirect has led to, and no call has returned true yet.
    pub fn begins_to_withhold(&mut self, settings: &Settings) -> bool {
        let Some(Credentials { messages, requests, .. }) = self.credentials.as_deref() else { return false };
        let has_texts = !messages.is_empty() || !requests.is_empty() || settings.options.heartbeat_reply.is_some();
        self.transport.is_elsewhere && has_texts && !std::mem::replace(&mut self.withheld, true)
    }

    /// Makes the route of the next connection. Everything that stands in files is read again.
    pub fn route(
        &mut self,
        settings: &Settings,
        decoder: &mut Decoder,
        now: Now,
    ) -> Result<Box<Route>, Box<Disconnect>> {
        let conversation = &mut decoder.conversation;
        (self.stamps, self.check_files_at) = (credentials::stamps(settings), None);
        let mut credentials = Credentials::read(settings, conversation).map_err(|error| {
            let in_file = matches!(error.kind(), ErrorKind::File | ErrorKind::Content);
            unusable(error.to_string(), in_file)
        })?;
        let credential = credentials.are_given() || !credentials.secret_texts.is_empty();
        conversation.set_requests(credentials.requests.clone());
        // If this dial fails, the next one begins with / again.
        let at_ws = std::mem::take(&mut self.transport.at_ws) && credentials.endpoint.try_ws();
        let (mut endpoint, token) = (credentials.endpoint.clone(), credentials.token.clone());
        let mut own_headers = credentials.headers.clone();
        let credentials = self.credentials.insert(credentials);
        let (level, text) = decoder.report.log.connecting(&endpoint);
        let label = escape(&decoder.label).into_owned();
        trace::server(level, &label, format_args!("{text}"));
        trace::trace(&label, format_args!("* dialect {}", conversation.dialect().map_or("auto", Dialect::name)));
        self.first_endpoint = None;
        // The process's own variables do not change.
        let proxy = settings.proxy.proxy(&endpoint, &environment).map_err(|why| unusable(why, false))?;
        let cleartext = !endpoint.secure && !endpoint.is_local();
        if let Some(token) = token.as_ref().filter(|_| !conversation.takes_token()) {
            own_headers.push(("Authorization".into(), format!("Bearer {token}")));
        }
        conversation.prepare_dial(&mut endpoint, token, now.mono);
        self.warns_of_cleartext =
            cleartext && (credential || endpoint.has_credentials()) && !std::mem::replace(&mut self.warned, true);
        self.secrets = credentials.secrets(&endpoint.target, proxy.as_deref(), settings);
        Ok(Box::new(Route {
            endpoint,
            proxy,
            choice: settings.proxy.clone(),
            tls: settings.tls.clone(),
            family: settings.family,
            demoted: self.demotions.order(),
            within: settings.policy.connect_timeout,
            own_headers,
            subprotocols: settings.subprotocols.clone(),
            compression: settings.compression && !self.transport.is_plain,
            max_redirects: settings.max_redirects,
            redirects: 0,
            is_elsewhere: false,
            at_ws,
            refusal: None,
            log: (label, level),
            secrets: self.secrets.clone(),
        }))
    }

    /// Records the end of a connection, or of a dial that had one. After a useless one its address is demoted, and
    /// `why` says what is next.
    pub fn judge_address(&mut self, useful: bool, why: &mut Disconnect) {
        if useful {
            self.demotions.clear();
        } else if let Some(choice) = self.transport.choice() {
            self.demotions.demote(choice, why);
        }
    }

    /// Adds what an HTTP status of the server means in its dialect, and what can be done about a refused credential. A
    /// status of a proxy says nothing of the server.
    pub fn explain(
        &self,
        mut why: Box<Disconnect>,
        settings: &Settings,
        conversation: &Conversation,
    ) -> Box<Disconnect> {
        let (Phase::Upgrade, Some(status), Some(credentials)) = (why.phase, why.status, &self.credentials) else {
            return why;
        };
        let is_refusal = matches!(status, 401 | 403);
        // A dialect's advice on 401 is about a credential that was sent.
        let missing = is_refusal && !credentials.are_given();
        let advice = conversation.advice(status).filter(|_| !missing || status != 401);
        if let Some(advice) = advice {
            why.text = format!("{}; {advice}", why.text);
        }
        if is_refusal && credentials.come_from_files(settings) {
            why.retry = Retry::AtCap;
            let mut names = Vec::new();
            for path in credentials::files(settings) {
                names.push(escape(&path.to_string_lossy()).into_owned());
            }
            why.text = format!("{}; check the credential in {}", why.text, names.join(", "));
        } else if missing && advice.is_none() {
            why.text += &format!(
                "; no credential was sent: see {} and {}",
                Setting("Server::token_file"),
                Setting("Server::header")
            );
        }
        why
    }

    /// Returns the server's host if a port where servers usually listen refused the connection: another may not.
    pub fn host_to_probe(&self, why: &Disconnect, settings: &Settings) -> Option<String> {
        let endpoint = self.endpoint().filter(|_| why.kind() == DisconnectKind::Refused)?;
        let is_usual = dialect::usual_places().any(|(_, port, _)| port == endpoint.port);
        // Otherwise the proxy has refused.
        let is_direct = matches!(settings.proxy.proxy(endpoint, &environment), Ok(None));
        (is_usual && is_direct && endpoint.unix.is_none()).then(|| bracketed(&endpoint.host))
    }

    /// Begins to watch the files of the credentials, if there are any and they may be the cause.
    pub fn watch_files(&mut self, why: &Disconnect, now: Now) {
        let is_refusal = why.phase == Phase::Upgrade && matches!(why.status, Some(401 | 403));
        if !self.stamps.is_empty() && (is_refusal || why.phase == Phase::Address) {
            self.check_files_at = Some(now.mono + CHECK_FILES_EVERY);
        }
    }

    /// Returns true if one of the files has changed since the latest dial; to be called when the check is due.
    pub fn files_have_changed(&mut self, settings: &Settings, now: Now) -> bool {
        self.check_files_at = Some(now.mono + CHECK_FILES_EVERY);
        credentials::stamps(settings) != self.stamps
    }

    /// Removes what we sent from a text of the other side, which may have quoted it.
    pub fn redact(&self, text: &str) -> String {
        self.secrets.hide(text)
    }
}

/// The error of a setting. It is final unless the setting stands in a file, which can be mended.
fn unusable(why: String, in_file: bool) -> Box<Disconnect> {
    let mut why = Disconnect::new(Phase::Address, why);
    if !in_file {
        why.retry = Retry::Final;
    }
    why
}
