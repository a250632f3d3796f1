//! A server to watch, built setting by setting: its place, and how to reach, watch and address it.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::model::api_error::{Error, ErrorKind};
use crate::model::dialect::Dialect as DialectName;
use crate::model::json;
use crate::model::text::escape;
use crate::monitor::report::MAX_HISTORY;
use crate::monitor::settings::Settings;
use crate::monitor::sources::{self, Source, parse_endpoint};
use crate::net::transport::environment;
use crate::proto::dialect;
use crate::proto::dns::Family;
use crate::proto::http::header;
use crate::proto::http::proxy::{Proxy, ProxyChoice};
use crate::proto::session::Stale;
use crate::proto::uri::Endpoint;

/// A server to watch. [`Server::default`] is `ws://localhost:8765`.
///
/// Files that a setting names are read before every connection. [`Server::load`] reads them at once.
///
/// ```
/// use std::time::Duration;
/// use wsmon::Server;
///
/// let server = Server::new("ws://192.168.1.100:8765")?
///     .label("router")
///     .max_reconnects(5)
///     .ping_interval(Duration::from_secs(60));
/// # Ok::<(), wsmon::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    /// Boxed, since each method of the builder moves it.
    pub(crate) settings: Box<Settings>,
}

impl Server {
    /// A server at one of
    ///
    /// - `ws://HOST[:PORT][/PATH][?QUERY]` with port 80, or `wss://…` with port 443 for TLS,
    /// - `HOST[:PORT][/PATH]`, where the port is 8765 unless the dialect has another,
    /// - `DIALECT://…`, or `DIALECTs://…` for TLS: `sysmedic://SECRET@HOST` and so on; it sets the dialect too,
    /// - `ws+unix:///SOCKET[:/PATH][?QUERY]`, a Unix socket.
    ///
    /// # Errors
    /// If the URI is wrong: names the part. Also for TLS in a build without the feature `tls`.
    pub fn new(uri: &str) -> Result<Self, Error> {
        Ok(Server::default().at(Source::Given(parse_endpoint(uri)?)))
    }

    /// A server whose URI stands in a file, alone but for empty lines and those that begin with `#`. Reads it, and again
    /// before every connection.
    ///
    /// # Errors
    /// If the file cannot be read or holds no valid URI.
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Server::default().at_file(path.into())
    }

    /// Sets the place and, if given, the label, from one text: `[NAME=]URI` or `[NAME=]@FILE`. All
    /// other settings stay, so that one `Server` can be the template of several.
    ///
    /// # Errors
    /// If the URI is wrong or the file cannot be read.
    pub fn place(self, argument: &str) -> Result<Self, Error> {
        let mut server = self.place_unread(argument)?;
        server.settings.address.load(sources::parse_address, true)?;
        Ok(server)
    }

    /// Sets the place like [`Server::place`], but leaves the reading of a file to [`Server::load_files`].
    #[doc(hidden)]
    pub fn place_unread(self, argument: &str) -> Result<Self, Error> {
        let (label, place) = match argument.split_once('=') {
            Some((name, place)) if is_label(name) => (Some(name), place),
            _ => (None, argument),
        };
        let server = match place.strip_prefix('@') {
            Some(path) => self.at(Source::File(path.into())),
            None => self.at(Source::Given(parse_endpoint(place)?)),
        };
        Ok(match label {
            Some(label) => server.label(label),
            None => server,
        })
    }

    /// Sets the name under which the server appears. The default is host and port.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.settings.label = Some(label.into());
        self
    }

    /// Limits the reconnections in a row without a useful session; `None` (default) = no limit, 0 = no reconnection.
    #[must_use]
    pub fn max_reconnects(mut self, max: impl Into<Option<u32>>) -> Self {
        self.settings.policy.max_reconnects = max.into();
        self
    }

    /// Sets the first wait before a reconnection (default 5 s), which doubles with each failure up to the cap. Raises the cap
    /// to the interval if that is longer. Each wait is cut at random, to no less than its half.
    #[must_use]
    pub fn reconnect_interval(mut self, interval: Duration) -> Self {
        let policy = &mut self.settings.policy;
        policy.reconnect_interval = interval;
        policy.reconnect_cap = policy.reconnect_cap.max(interval);
        self
    }

    /// Sets the longest wait before a reconnection (default 60 s). To be called after [`Server::reconnect_interval`], which may raise it.
    #[must_use]
    pub fn reconnect_cap(mut self, cap: Duration) -> Self {
        self.settings.policy.reconnect_cap = cap;
        self
    }

    /// Limits the time for name, TCP, TLS and upgrade together (default 10 s).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.policy.connect_timeout = timeout;
        self
    }

    /// Sets the time between two pings (default 30 s); `None` or zero = no pings.
    #[must_use]
    pub fn ping_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.settings.policy.ping_interval = interval.into();
        self
    }

    /// Limits the time until any frame arrives after a ping, and the time that a write makes no progress (default 10 s).
    #[must_use]
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.settings.policy.ping_timeout = timeout;
        self
    }

    /// Sets after which silence to reconnect although pings are answered (default [`Stale::Auto`]).
    #[must_use]
    pub fn stale_after(mut self, stale: Stale) -> Self {
        self.settings.policy.stale = stale;
        self
    }

    /// Limits a message, in bytes (default 4 MiB), unpacked if it was compressed; a larger one ends the connection. More than
    /// 1 GiB is taken as 1 GiB.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.settings.max_message = bytes.min(1 << 30);
        self
    }

    /// Accepts texts that are not UTF-8, with U+FFFD in place of what is wrong. Otherwise one ends the connection.
    #[must_use]
    pub fn lossy_utf8(mut self, lossy: bool) -> Self {
        self.settings.lossy_utf8 = lossy;
        self
    }

    /// Lets the server compress its messages (permessage-deflate, RFC 7692), which is the default. Each connection then
    /// keeps a window of up to 32 KiB, as the server chooses. Messages to the server are never compressed.
    #[must_use]
    pub fn compression(mut self, offered: bool) -> Self {
        self.settings.compression = offered;
        self
    }

    /// Limits the redirects in a row that a connection follows (default 5); 0 = none.
    #[must_use]
    pub fn max_redirects(mut self, max: u32) -> Self {
        self.settings.max_redirects = max;
        self
    }

    /// Sets the subprotocols to offer; the server may choose one of them or none. Empty = none is offered.
    ///
    /// # Errors
    /// If a name holds other characters than those of a token (RFC 9110), or stands there twice.
    pub fn subprotocols(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, Error> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        header::check_subprotocols(&names).map_err(|why| Error::new(ErrorKind::Header, why))?;
        self.settings.subprotocols = names;
        Ok(self)
    }

    /// Sends each message back unchanged and does nothing else with it; at most `max_waiting` bytes wait to be sent.
    /// For tests of conformance (tests/echo), which judge the connection by its echo.
    #[doc(hidden)]
    #[must_use]
    pub fn echo(mut self, max_waiting: usize) -> Self {
        self.settings.echo = Some(max_waiting);
        self
    }

    /// Keeps the metrics of the last samples, so many; the statistics then summarise each metric. A sample takes less than
    /// 300 bytes. More than 131 072 are not kept, which is 36 MiB. 0 (default) = none.
    #[must_use]
    pub fn history(mut self, samples: usize) -> Self {
        self.settings.history = samples.min(MAX_HISTORY);
        self
    }

    /// Keeps the text of the message with the latest sample (default), which
    /// [`Monitor::last_sample`](crate::Monitor::last_sample) decodes. A program that does not ask for it saves those
    /// bytes of each server, and their copying.
    #[must_use]
    pub fn keep_last_sample(mut self, keep: bool) -> Self {
        self.settings.last_sample = keep;
        self
    }

    /// Adds a text to send whenever the connection opens.
    #[must_use]
    pub fn send(mut self, text: impl Into<String>) -> Self {
        self.settings.messages.push(Source::Given(text.into()));
        self
    }

    /// Adds a file whose content is sent whenever the connection opens, without white space at both ends. It is treated
    /// as a credential.
    #[must_use]
    pub fn send_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.messages.push(Source::File(path.into()));
        self
    }

    /// Sets the dialect; `None` = recognised by the first messages.
    #[must_use]
    pub fn dialect(mut self, dialect: impl Into<Option<DialectName>>) -> Self {
        self.settings.dialect = dialect.into().map(dialect::row);
        self
    }

    /// Sets the channels or event types to subscribe to, for dialects that have them; empty = the dialect's default. What
    /// pmdaemon sends all the same is left out.
    #[must_use]
    pub fn subscribe(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.options.subscribe = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the processes to subscribe to and to show (pmdaemon), by name or id; empty = all.
    #[must_use]
    pub fn processes(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.options.process = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the period to subscribe with (pmdaemon). A list of processes in which nothing has changed is shown only that
    /// often, whatever the server does with it; `None` = every list, in the server's period.
    #[must_use]
    pub fn interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.settings.options.interval = interval.into();
        self
    }

    /// Sets the text to send for each JSON ping (fastpluggy); `%id` stands for its ping id; `None` = nothing is sent.
    #[must_use]
    pub fn heartbeat_reply(mut self, text: impl Into<Option<String>>) -> Self {
        self.settings.options.heartbeat_reply = text.into();
        self
    }

    /// Adds a request to send on every connection, with its JSON: an object for most dialects. The first that is not
    /// answered in time is an [`Event::Warning`](crate::Event::Warning). To send one at run time, and to know which answer
    /// belongs to it, there is [`Monitor::request`](crate::Monitor::request).
    ///
    /// # Errors
    /// If the JSON is not valid.
    pub fn request<'j>(mut self, kind: &str, json: impl Into<Option<&'j str>>) -> Result<Self, Error> {
        let json = json.into();
        if json.is_some_and(|json| !json::is_json(json)) {
            let text = format!("request {}: the body must be JSON", escape(kind));
            return Err(Error::new(ErrorKind::Request, text));
        }
        let json = json.map(|json| Source::Given(json.to_owned()));
        self.settings.requests.push((kind.to_owned(), json));
        Ok(self)
    }

    /// Adds a request whose JSON stands in a file. It is treated as a credential.
    #[must_use]
    pub fn request_file(mut self, kind: &str, path: impl Into<PathBuf>) -> Self {
        self.settings.requests.push((kind.to_owned(), Some(Source::File(path.into()))));
        self
    }

    /// Repeats the requests with this period; `None` = once per connection.
    #[must_use]
    pub fn request_every(mut self, every: impl Into<Option<Duration>>) -> Self {
        self.settings.request_plan.every = every.into();
        self
    }

    /// Limits the time that an answer may take (default 5 s).
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.settings.request_plan.within = timeout;
        self
    }

    /// Sets the credential. White space around it is ignored.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = Some(Source::Given(token.into()));
        self
    }

    /// Sets the file that holds the credential.
    #[must_use]
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.token = Some(Source::File(path.into()));
        self
    }

    /// Adds a header of the request: `NAME: VALUE`, or `@FILE` with one per line.
    ///
    /// # Errors
    /// If it is not a header, or one of the upgrade's own.
    pub fn header(mut self, header: &str) -> Result<Self, Error> {
        let header = match header.strip_prefix('@') {
            Some(path) => Source::File(path.into()),
            None => Source::Given(vec![header::parse(header).map_err(|why| Error::new(ErrorKind::Header, why))?]),
        };
        self.settings.headers.push(header);
        Ok(self)
    }

    /// Trusts the certificates in this PEM file instead of the system's.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.tls.ca_file = Some(path.into());
        self
    }

    /// Trusts these certificates in PEM instead of the system's. A wrong one is an error of [`Server::load`] and of
    /// [`Monitor::add`](crate::Monitor::add).
    #[must_use]
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        let tls = &mut self.settings.tls;
        tls.ca_file = Some(tls.give("ca", pem.into()));
        self
    }

    /// Sends this certificate in PEM to the server, with its private key; intermediate certificates follow it.
    #[must_use]
    pub fn certificate_pem(mut self, cert: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        let tls = &mut self.settings.tls;
        tls.cert = Some(tls.give("cert", cert.into()));
        tls.key = Some(tls.give("key", key.into()));
        self
    }

    /// Sends this certificate to the server, with its private key; both PEM files.
    #[must_use]
    pub fn certificate(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        (self.settings.tls.cert, self.settings.tls.key) = (Some(cert.into()), Some(key.into()));
        self
    }

    /// Sets the name that the server's certificate must have, instead of the host's.
    #[must_use]
    pub fn tls_name(mut self, name: impl Into<String>) -> Self {
        self.settings.tls.name = Some(name.into());
        self
    }

    /// Accepts any certificate: whoever is in between can read and change everything.
    #[must_use]
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.settings.tls.insecure = insecure;
        self
    }

    /// Connects through the HTTP proxy that the environment names, if it names one: `https_proxy`, `http_proxy`, `all_proxy`
    /// and `no_proxy`, also in capitals; `HTTP_PROXY` not in a CGI program, where a client controls it. Otherwise the
    /// environment is not read.
    #[must_use]
    pub fn proxy_from_env(mut self) -> Self {
        self.settings.proxy = ProxyChoice::Environment;
        self
    }

    /// Connects through this HTTP proxy: `[http://][USER:PASSWORD@]HOST[:PORT]`.
    ///
    /// # Errors
    /// If the URL is wrong: names the part.
    pub fn proxy(mut self, url: &str) -> Result<Self, Error> {
        match Proxy::parse(url) {
            Ok(proxy) => self.settings.proxy = ProxyChoice::Given(proxy),
            Err(why) => return Err(Error::new(ErrorKind::Proxy, format!("proxy: {why}"))),
        }
        Ok(self)
    }

    /// Uses addresses of one family only.
    #[must_use]
    pub fn family(mut self, family: Family) -> Self {
        self.settings.family = family;
        self
    }

    /// Reads the files that are otherwise read at the first connection, and keeps the content of those that can be read
    /// only once: pipes. It waits for the end of a pipe.
    ///
    /// # Errors
    /// If one of them cannot be used: names it and the way out.
    pub fn load(self) -> Result<Self, Error> {
        self.load_files(true)
    }

    /// Reads the files like [`Server::load`]. If this is not the start, a pipe is an error, and nothing is waited for.
    #[doc(hidden)]
    pub fn load_files(mut self, at_start: bool) -> Result<Self, Error> {
        self.settings.load(at_start)?;
        Ok(self)
    }

    /// Checks the variables of the environment that name a proxy for this server, if they are used.
    ///
    /// # Errors
    /// If one of them cannot be used: names it and the way out.
    pub fn check_proxy(&self) -> Result<(), Error> {
        let endpoint = self.settings.address.read(sources::parse_address)?;
        self.settings.proxy.proxy(&endpoint, &environment).map(drop).map_err(|why| Error::new(ErrorKind::Proxy, why))
    }

    /// Returns the label, if one was given.
    #[doc(hidden)]
    #[must_use]
    pub fn given_label(&self) -> Option<&str> {
        self.settings.label.as_deref()
    }

    /// Returns true if one of these settings themselves is a secret, and not a file with one: a header, or credentials in
    /// the URI of the server or of its proxy.
    #[doc(hidden)]
    #[must_use]
    pub fn holds_secret(&self) -> bool {
        self.settings.hold_secret()
    }

    /// Shows messages that only developers need, and asks for them where the dialect can.
    #[must_use]
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.settings.options.verbose = verbose;
        self
    }

    fn at(mut self, address: Source<Box<Endpoint>>) -> Self {
        self.settings.address = address;
        self
    }

    fn at_file(self, path: PathBuf) -> Result<Self, Error> {
        let mut address = Source::File(path);
        address.load(sources::parse_address, true)?;
        Ok(self.at(address))
    }
}

/// Reads a URI, as [`Server::new`] does.
impl FromStr for Server {
    type Err = Error;

    fn from_str(uri: &str) -> Result<Self, Error> {
        Server::new(uri)
    }
}

/// Returns true if the part before the first `=` is a label and not part of a URI.
fn is_label(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(argument: &str) -> Option<String> {
        Server::default().place(argument).unwrap().settings.label
    }

    #[test]
    fn a_longer_interval_raises_the_cap_unless_one_is_given() {
        let cap = |server: Server| server.settings.policy.reconnect_cap.as_secs();
        let interval = |seconds| Server::default().reconnect_interval(Duration::from_secs(seconds));
        assert_eq!((cap(interval(30)), cap(interval(300))), (60, 300));
        assert_eq!(cap(interval(300).reconnect_cap(Duration::from_secs(30))), 30);
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
    fn a_missing_file_is_named_when_it_is_read() {
        let text = Server::default().place("@no/such/file").unwrap_err().to_string();
        assert!(text.contains("no/such/file"), "{text}");
        for server in [
            Server::default().token_file("no/such/file"),
            Server::default().header("@no/such/file").unwrap(),
            Server::default().ca_file("no/such/file"),
        ] {
            let text = server.load().unwrap_err().to_string();
            assert!(text.contains("no/such/file"), "{text}");
        }
    }
}
