//! A tunnel through an HTTP proxy (RFC 9110 section 9.3.6): which proxy, what to ask of it, what it answers. Bytes in,
//! bytes out: no socket and no environment of its own.

use std::fmt;

use httparse::{EMPTY_HEADER, Error, Header, Response, Status};

use crate::model::text::escape;
use crate::proto::http::upgrade::MAX_HEAD;
use crate::proto::uri::Endpoint;
use crate::proto::uri::authority::{basic, bracketed, check_host, check_port, is_loopback, split_port, split_userinfo};

mod no_proxy;

/// As with curl.
const DEFAULT_PORT: u16 = 1080;

/// The most header fields of an answer.
const MAX_FIELDS: usize = 124;

/// An environment: the value of a variable, if it is set.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A proxy that makes tunnels.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Name or address, without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// User name and password, decoded.
    auth: Option<(String, String)>,
}

/// By which proxy, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ProxyChoice {
    /// The environment's.
    #[default]
    Environment,
    /// This one.
    Given(Box<Proxy>),
}

impl ProxyChoice {
    /// The proxy for an endpoint.
    pub(crate) fn proxy(&self, endpoint: &Endpoint, env: Environment<'_>) -> Result<Option<Box<Proxy>>, String> {
        match self {
            ProxyChoice::Given(_) if endpoint.unix.is_some() => Ok(None),
            ProxyChoice::Given(proxy) => Ok(Some(proxy.clone())),
            ProxyChoice::Environment => Proxy::from_environment(endpoint, env),
        }
    }
}

/// Why there is no tunnel: one line that names the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelRefused {
    /// The HTTP status; `None` where the answer is not HTTP.
    pub status: Option<u16>,
    /// For people; nothing in it needs to be escaped.
    pub text: String,
}

impl Proxy {
    /// Reads `[http://][USER:PASSWORD@]HOST[:PORT]`; the port is 1080 unless given, as with curl.
    ///
    /// # Errors
    /// With the part that is wrong and the way out, and without the credentials.
    pub fn parse(url: &str) -> Result<Box<Self>, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => return Err("a proxy that is itself reached over TLS is not supported: write http://".into()),
            "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" => {
                return Err("SOCKS is not supported: name an HTTP proxy, http://HOST:PORT".into());
            }
            _ => return Err("unknown scheme: write http://HOST:PORT".into()),
        }
        // The last @ ends the user information, which may hold slashes that ought to be encoded.
        let (userinfo, rest) = rest.rsplit_once('@').map_or((None, rest), |(userinfo, rest)| (Some(userinfo), rest));
        let (host, port) = split_port(rest.split(['/', '?', '#']).next().unwrap_or_default())?;
        if host.is_empty() {
            return Err("the host is missing: write http://HOST:PORT".into());
        }
        let mut proxy = Box::new(Proxy { host: check_host(host)?, port: DEFAULT_PORT, auth: None });
        if let Some(port) = port {
            proxy.port = check_port(port)?;
        }
        if let Some(userinfo) = userinfo {
            proxy.auth = Some(split_userinfo(userinfo)?);
        }
        Ok(proxy)
    }

    /// The proxy that the environment has for a server: `https_proxy` for wss, `http_proxy` for ws, else `all_proxy`,
    /// but for what `no_proxy` lists; also in capitals, where the small ones are not set. Loopback and Unix sockets
    /// need none. `HTTP_PROXY` does not count where `REQUEST_METHOD` is set: in a CGI program the client sets it.
    ///
    /// # Errors
    /// With the variable that is wrong, and the way out.
    pub fn from_environment(endpoint: &Endpoint, env: Environment<'_>) -> Result<Option<Box<Self>>, String> {
        if endpoint.unix.is_some() || is_loopback(&endpoint.host) {
            return Ok(None);
        }
        let names: &[_] = if endpoint.secure {
            &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        } else if env("REQUEST_METHOD").is_some() {
            &["http_proxy", "all_proxy", "ALL_PROXY"]
        } else {
            &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        };
        let Some((name, url)) = lookup(names, env) else { return Ok(None) };
        if let Some((_, list)) = lookup(&["no_proxy", "NO_PROXY"], env)
            && no_proxy::lists(&list, &endpoint.host, endpoint.port)
        {
            return Ok(None);
        }
        Proxy::parse(&url).map(Some).map_err(|why| format!("{name}: {why}"))
    }

    /// Whether it gets credentials.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.auth.is_some()
    }

    /// What must not be shown: user name and password, as they are and as they are sent.
    pub(crate) fn add_secrets(&self, secrets: &mut Vec<String>) {
        if let Some((user, password)) = &self.auth {
            secrets.push(user.clone());
            secrets.push(password.clone());
            secrets.push(basic(user, password));
        }
    }

    /// Asks for a tunnel.
    #[must_use]
    pub fn connect_request(&self, host: &str, port: u16) -> String {
        // A zone means something on this machine only.
        let host = bracketed(host.split('%').next().unwrap_or_default());
        let agent = concat!("wsmon/", env!("CARGO_PKG_VERSION"));
        let mut text = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {agent}\r\n");
        if let Some((user, password)) = &self.auth {
            text += &format!("Proxy-Authorization: Basic {}\r\n", basic(user, password));
        }
        text + "\r\n"
    }

    /// Reads the answer from all that has arrived so far: `None` while its head is not all there, then the length of
    /// the head. What follows it belongs to the tunnel.
    ///
    /// # Errors
    /// Where the proxy makes no tunnel.
    pub fn read(&self, buffer: &[u8]) -> Result<Option<usize>, TunnelRefused> {
        let mut consumed = 0;
        loop {
            let mut fields = [EMPTY_HEADER; MAX_FIELDS];
            let mut head = Response::new(&mut fields);
            consumed += match head.parse(&buffer[consumed..]) {
                Ok(Status::Complete(length)) if consumed + length <= MAX_HEAD => length,
                Ok(Status::Partial) if buffer.len() <= MAX_HEAD => return Ok(None),
                Ok(_) | Err(Error::TooManyHeaders) => return Err(odd("with a head of over 16 KiB or 124 fields", "")),
                Err(_) => return Err(not_http(&buffer[consumed..])),
            };
            match head.code.unwrap_or_default() {
                // RFC 9110 section 9.3.6: any of them, and its Content-Length means nothing.
                200..=299 => return Ok(Some(consumed)),
                100 | 102..=199 => {}
                _ => return Err(self.refused(&head)),
            }
        }
    }

    fn refused(&self, head: &Response<'_, '_>) -> TunnelRefused {
        let code = head.code.unwrap_or_default();
        let reason = escape(head.reason.unwrap_or_default().trim());
        let space = if reason.is_empty() { "" } else { " " };
        let advice = match code {
            407 => self.credentials(head.headers),
            _ => advice(code).into(),
        };
        TunnelRefused { status: Some(code), text: format!("the proxy answered {code}{space}{reason}{advice}") }
    }

    fn credentials(&self, fields: &[Header<'_>]) -> String {
        let mut schemes = Vec::new();
        for field in fields {
            if field.name.eq_ignore_ascii_case("Proxy-Authenticate")
                && let Ok(value) = std::str::from_utf8(field.value)
            {
                schemes.extend(value.split_whitespace().next());
            }
        }
        if !schemes.is_empty() && !schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("Basic")) {
            let schemes = schemes.join(", ");
            return format!(": it wants credentials by way of {}, only Basic is supported", escape(&schemes));
        }
        let text = if self.has_credentials() {
            ": it does not accept user name and password"
        } else {
            ": it wants credentials, write http://USER:PASSWORD@HOST:PORT"
        };
        text.into()
    }
}

/// Host and port, without the credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", bracketed(&self.host), self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl fmt::Display for TunnelRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for TunnelRefused {}

/// The first of these variables that is not empty.
fn lookup<'a>(names: &[&'a str], env: Environment<'_>) -> Option<(&'a str, String)> {
    for name in names {
        let value = env(name).unwrap_or_default();
        if !value.trim().is_empty() {
            return Some((name, value.trim().to_owned()));
        }
    }
    None
}

fn advice(code: u16) -> &'static str {
    match code {
        300..=399 => ": is this the login page of a network?",
        403 => ": it does not let us through to this host and port",
        400 | 404 | 405 | 501 => ": does it make tunnels (CONNECT)? is this an HTTP proxy?",
        502..=504 => ": it does not reach the server",
        _ => "",
    }
}

fn not_http(buffer: &[u8]) -> TunnelRefused {
    if matches!(buffer, [0x15 | 0x16, 3, ..] | [0x15]) {
        return odd("with TLS", ": only proxies that are reached without it are supported");
    }
    let start = String::from_utf8_lossy(&buffer[..buffer.len().min(40)]);
    let start = escape(start.lines().next().unwrap_or_default());
    odd(&format!("with something else than HTTP (\"{start}\")"), ": is this an HTTP proxy?")
}

fn odd(what: &str, advice: &str) -> TunnelRefused {
    TunnelRefused { status: None, text: format!("the proxy answered {what}{advice}") }
}

#[cfg(test)]
mod tests;
