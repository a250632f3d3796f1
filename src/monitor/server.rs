//! What to watch and how: one server's settings.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::json;
use crate::monitor::address::{Address, Header, SettingsError, Token, parse_endpoint};
use crate::net::tls;
use crate::proto::dialect::requests::{Request, RequestPlan};
use crate::proto::dialect::{self, Dialect, DialectOptions};
use crate::proto::dns::Family;
use crate::proto::http::header;
use crate::proto::http::proxy::{Proxy, ProxyChoice};
use crate::proto::session::{Policy, Stale};

/// A server to watch, with the command line's defaults.
///
/// ```
/// use std::time::Duration;
/// use wsmon::Server;
///
/// let server = Server::new("ws://192.168.1.100:8765")?
///     .label("router")
///     .max_reconnects(Some(5))
///     .ping_interval(Some(Duration::from_secs(60)));
/// # Ok::<(), wsmon::SettingsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Server {
    /// Boxed, since the builder moves it again and again.
    pub(crate) settings: Box<Settings>,
}

/// A server's settings.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) address: Address,
    pub(crate) label: Option<String>,
    pub(crate) policy: Policy,
    pub(crate) max_message: usize,
    /// Send each message back as it came and make nothing else of it; so many bytes may wait to be sent.
    pub(crate) echo: Option<usize>,
    pub(crate) history: bool,
    pub(crate) greetings: Vec<String>,
    pub(crate) dialect: Option<&'static Dialect>,
    pub(crate) wish: DialectOptions,
    pub(crate) questions: RequestPlan,
    pub(crate) token: Option<Token>,
    pub(crate) headers: Vec<Header>,
    pub(crate) tls: tls::TlsSettings,
    pub(crate) proxy: ProxyChoice,
    pub(crate) family: Family,
}

/// The largest message unless told otherwise: 4 MiB.
const MAX_MESSAGE: usize = 4 << 20;

impl Server {
    /// A server at `ws://HOST[:PORT][/PATH]` or `HOST[:PORT][/PATH]`.
    ///
    /// # Errors
    /// Where the URI is wrong: it says which part.
    pub fn new(uri: &str) -> Result<Self, SettingsError> {
        Ok(Server::at(Address::Endpoint(parse_endpoint(uri)?)))
    }

    /// A server whose URI stands on the first line of a file. It is read now, and again before every connection.
    ///
    /// # Errors
    /// Where the file cannot be read or holds no usable URI.
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, SettingsError> {
        let address = Address::File(path.into());
        address.endpoint()?;
        Ok(Server::at(address))
    }

    /// The form of the command line: `[NAME=]URI` or `[NAME=]@FILE`.
    ///
    /// # Errors
    /// Where the URI is wrong or the file cannot be read.
    pub fn parse(argument: &str) -> Result<Self, SettingsError> {
        let (label, place) = match argument.split_once('=') {
            Some((name, place)) if is_label(name) => (Some(name), place),
            _ => (None, argument),
        };
        let server = match place.strip_prefix('@') {
            Some(path) => Server::from_file(path)?,
            None => Server::new(place)?,
        };
        Ok(match label {
            Some(label) => server.label(label),
            None => server,
        })
    }

    /// The name under which the server appears; host and port unless set.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.settings.label = Some(label.into());
        self
    }

    /// How many reconnections in a row without a useful session before giving up; `None` = no limit, 0 = none.
    #[must_use]
    pub fn max_reconnects(mut self, most: Option<u32>) -> Self {
        self.settings.policy.max_reconnects = most;
        self
    }

    /// The first wait before a reconnection, which doubles with each failure up to the cap.
    #[must_use]
    pub fn reconnect_interval(mut self, interval: Duration, cap: Duration) -> Self {
        (self.settings.policy.reconnect_interval, self.settings.policy.reconnect_cap) = (interval, cap);
        self
    }

    /// How long name, TCP and upgrade may take together.
    #[must_use]
    pub fn connect_timeout(mut self, within: Duration) -> Self {
        self.settings.policy.connect_timeout = within;
        self
    }

    /// How often to ping; `None` = never.
    #[must_use]
    pub fn ping_interval(mut self, every: Option<Duration>) -> Self {
        self.settings.policy.ping_interval = every;
        self
    }

    /// How long any frame may take to arrive after a ping, and a write to make progress.
    #[must_use]
    pub fn ping_timeout(mut self, within: Duration) -> Self {
        self.settings.policy.ping_timeout = within;
        self
    }

    /// When to reconnect because no message comes.
    #[must_use]
    pub fn stale_after(mut self, stale: Stale) -> Self {
        self.settings.policy.stale = stale;
        self
    }

    /// The largest message in bytes; a larger one ends the connection.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.settings.max_message = bytes;
        self
    }

    /// Sends each message back as it came, of the same kind, and makes nothing else of it; at most so many bytes wait
    /// to be sent. For tests of conformance (tests/echo), which judge the connection by its echo.
    #[doc(hidden)]
    #[must_use]
    pub fn echo(mut self, most_waiting: usize) -> Self {
        self.settings.echo = Some(most_waiting);
        self
    }

    /// Keeps the last 1000 samples; statistics then carry the spread of each metric.
    #[must_use]
    pub fn history(mut self, keep: bool) -> Self {
        self.settings.history = keep;
        self
    }

    /// A text to send whenever the connection opens.
    #[must_use]
    pub fn send(mut self, text: impl Into<String>) -> Self {
        self.settings.greetings.push(text.into());
        self
    }

    /// The dialect by its name; `auto` = recognised by the first messages.
    ///
    /// # Errors
    /// Where there is none of that name: the error names all.
    pub fn dialect(mut self, name: &str) -> Result<Self, SettingsError> {
        self.settings.dialect = match name {
            "auto" => None,
            name => Some(dialect::named(name).ok_or_else(|| SettingsError::Dialect(name.to_owned()))?),
        };
        Ok(self)
    }

    /// Channels or event types to subscribe to, where the dialect has such; its default if empty.
    #[must_use]
    pub fn subscribe(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.wish.subscribe = names.into_iter().map(Into::into).collect();
        self
    }

    /// Processes to subscribe to (pmdaemon), and with what period.
    #[must_use]
    pub fn processes(mut self, names: impl IntoIterator<Item = impl Into<String>>, every: Option<Duration>) -> Self {
        self.settings.wish.process = names.into_iter().map(Into::into).collect();
        self.settings.wish.interval = every;
        self
    }

    /// What to send for each JSON ping (fastpluggy); `%id` stands for its ping id.
    #[must_use]
    pub fn heartbeat_reply(mut self, text: Option<String>) -> Self {
        self.settings.wish.heartbeat_reply = text;
        self
    }

    /// A request to send on every connection, with the JSON that goes with it: an object, for most.
    ///
    /// # Errors
    /// Where it is no JSON.
    pub fn request(mut self, kind: &str, json: Option<&str>) -> Result<Self, SettingsError> {
        if json.is_some_and(|json| !json::is_json(json)) {
            return Err(SettingsError::Request(kind.to_owned()));
        }
        self.settings.questions.asks.push(Request { kind: kind.to_owned(), json: json.map(str::to_owned) });
        Ok(self)
    }

    /// Sends the requests again and again; `None` = once per connection.
    #[must_use]
    pub fn request_every(mut self, every: Option<Duration>) -> Self {
        self.settings.questions.every = every;
        self
    }

    /// How long an answer may take.
    #[must_use]
    pub fn request_timeout(mut self, within: Duration) -> Self {
        self.settings.questions.within = within;
        self
    }

    /// The credential.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = Some(Token::Text(token.into()));
        self
    }

    /// The file that holds the credential. It is read now, and again before every connection.
    ///
    /// # Errors
    /// Where it cannot be read, is empty or holds control characters.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Result<Self, SettingsError> {
        let token = Token::File(path.into());
        token.read()?;
        self.settings.token = Some(token);
        Ok(self)
    }

    /// A header of the request, `NAME: VALUE`, or `@FILE` with one per line, which is read before every connection.
    ///
    /// # Errors
    /// Where it is no header, one of the upgrade's own, or the file cannot be read.
    pub fn header(mut self, header: &str) -> Result<Self, SettingsError> {
        let header = match header.strip_prefix('@') {
            Some(path) => Header::File(path.into()),
            None => {
                header::parse(header).map(|(name, value)| Header::Given(name, value)).map_err(SettingsError::Header)?
            }
        };
        header.read(&mut Vec::new())?;
        self.settings.headers.push(header);
        Ok(self)
    }

    /// Trusts the certificates in this PEM file instead of the system's.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.tls.ca_file = Some(path.into());
        self
    }

    /// Shows this certificate to the server, with its private key; both PEM files.
    #[must_use]
    pub fn certificate(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        (self.settings.tls.cert, self.settings.tls.key) = (Some(cert.into()), Some(key.into()));
        self
    }

    /// The name that the server's certificate must have, instead of the host's.
    #[must_use]
    pub fn tls_name(mut self, name: impl Into<String>) -> Self {
        self.settings.tls.name = Some(name.into());
        self
    }

    /// Takes any certificate: whoever is in between can read and change everything.
    #[must_use]
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.settings.tls.insecure = insecure;
        self
    }

    /// Goes through this HTTP proxy instead of the environment's: `[http://][USER:PASSWORD@]HOST[:PORT]`.
    ///
    /// # Errors
    /// Where the URL is wrong: it says which part.
    pub fn proxy(mut self, url: &str) -> Result<Self, SettingsError> {
        match Proxy::parse(url) {
            Ok(proxy) => self.settings.proxy = ProxyChoice::Given(proxy),
            Err(why) => return Err(SettingsError::Proxy(why)),
        }
        Ok(self)
    }

    /// Uses addresses of one family only.
    #[must_use]
    pub fn family(mut self, family: Family) -> Self {
        self.settings.family = family;
        self
    }

    /// Reads what is else read at the first connection: the files of TLS, where there are any.
    ///
    /// # Errors
    /// Where one of them cannot be used: it says which, and the way out.
    pub fn check(&self) -> Result<(), SettingsError> {
        let tls = &self.settings.tls;
        for path in tls.files() {
            std::fs::File::open(path).map_err(|error| SettingsError::File(path.to_owned(), error))?;
        }
        if tls.is_special() { tls::Connector::build(tls).map(drop).map_err(SettingsError::Tls) } else { Ok(()) }
    }

    /// Whether developers' details are wanted.
    #[must_use]
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.settings.wish.verbose = verbose;
        self
    }

    fn at(address: Address) -> Self {
        let settings = Settings {
            address,
            label: None,
            policy: Policy::default(),
            max_message: MAX_MESSAGE,
            echo: None,
            history: false,
            greetings: Vec::new(),
            dialect: None,
            wish: DialectOptions::default(),
            questions: RequestPlan::default(),
            token: None,
            headers: Vec::new(),
            tls: tls::TlsSettings::default(),
            proxy: ProxyChoice::default(),
            family: Family::default(),
        };
        Server { settings: Box::new(settings) }
    }
}

/// Without what could hold a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { address, label, policy, .. } = self;
        let mut out = f.debug_struct("Server");
        out.field("address", address).field("label", label).field("policy", policy).finish_non_exhaustive()
    }
}

/// Whether what stands before the first `=` is a label and no part of a URI.
fn is_label(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(argument: &str) -> Option<String> {
        Server::parse(argument).unwrap().settings.label
    }

    #[test]
    fn a_label_stands_before_the_first_equals_sign_or_nowhere() {
        assert_eq!(label("router-1.lan=ws://h/?a=b").as_deref(), Some("router-1.lan"));
        assert_eq!(label("x=h:1").as_deref(), Some("x"));
        for argument in ["ws://h/?a=b", "h/p?a=b", "h"] {
            assert_eq!(label(argument), None, "{argument}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let text = Server::parse("@no/such/file").unwrap_err().to_string();
        assert!(text.contains("no/such/file"), "{text}");
    }
}
