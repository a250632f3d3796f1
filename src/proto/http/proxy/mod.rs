//! HTTP proxies: parsing their URLs, and choosing one by option or environment. [`connect`] opens the tunnel.

use std::ffi::OsString;
use std::fmt;

use crate::model::settings_text::trim;
use crate::proto::http::secrets::Secrets;
use crate::proto::uri::Endpoint;
use crate::proto::uri::authority::{basic, bracketed, check_host, check_port, is_loopback, split_port, split_userinfo};

mod connect;
mod no_proxy;

/// The same as curl's.
const DEFAULT_PORT: u16 = 1080;

/// Looks up a variable of the environment; `None` if it is not set.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// An HTTP proxy that opens tunnels with CONNECT.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Name or address, without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// User name and password, decoded.
    auth: Option<(String, String)>,
}

/// The source of a connection's proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ProxyChoice {
    /// No proxy.
    #[default]
    Direct,
    /// The variables of the environment, if any are set.
    Environment,
    /// One that is set.
    Given(Box<Proxy>),
}

impl ProxyChoice {
    /// Returns the proxy for an endpoint, or `None` to connect directly. A Unix socket never has one.
    pub(crate) fn proxy(&self, endpoint: &Endpoint, env: Environment<'_>) -> Result<Option<Box<Proxy>>, String> {
        match self {
            ProxyChoice::Direct => Ok(None),
            ProxyChoice::Given(_) if endpoint.unix.is_some() => Ok(None),
            ProxyChoice::Given(proxy) => Ok(Some(proxy.clone())),
            ProxyChoice::Environment => Proxy::from_environment(endpoint, env),
        }
    }
}

impl Proxy {
    /// Parses `[http://][USER:PASSWORD@]HOST[:PORT]`; the default port is 1080.
    ///
    /// # Errors
    /// Names the part that is wrong and the way out, without the credentials.
    pub fn parse(url: &str) -> Result<Box<Self>, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => return Err("a proxy over TLS is not supported: write http://".into()),
            "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" => {
                return Err("SOCKS is not supported: name an HTTP proxy, http://HOST:PORT".into());
            }
            _ => return Err("unknown scheme: write http://HOST:PORT".into()),
        }
        // The last @ ends the user information, which may contain slashes that should have been encoded.
        let (userinfo, rest) = rest.rsplit_once('@').map_or((None, rest), |(userinfo, rest)| (Some(userinfo), rest));
        let (host, port) = split_port(rest.split(['/', '?', '#'].as_slice()).next().unwrap_or_default())?;
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

    /// Chooses the proxy for a server: `https_proxy` for wss, `http_proxy` for ws, otherwise `all_proxy`, unless
    /// `no_proxy` lists the server. Names in capitals count if those in small letters are not set. Loopback addresses
    /// and Unix sockets have none.
    ///
    /// `HTTP_PROXY` is ignored if `REQUEST_METHOD` is set: in a CGI program the client controls it by a `Proxy` header
    /// (CVE-2016-5385).
    ///
    /// # Errors
    /// Names the variable that is wrong, and the way out.
    fn from_environment(endpoint: &Endpoint, env: Environment<'_>) -> Result<Option<Box<Self>>, String> {
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
        let Some((name, url)) = first_set(names, env)? else { return Ok(None) };
        let no_proxy = first_set(&["no_proxy", "NO_PROXY"], env)?;
        if no_proxy.is_some_and(|(_, list)| no_proxy::excludes(&list, &endpoint.host, endpoint.port)) {
            return Ok(None);
        }
        Proxy::parse(&url).map(Some).map_err(|why| format!("{name}: {why}"))
    }

    /// Returns true if the proxy gets credentials.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.auth.is_some()
    }

    /// Adds the texts that must be hidden: user name and password, plain and as sent.
    pub(crate) fn add_secrets(&self, secrets: &mut Secrets) {
        if let Some((user, password)) = &self.auth {
            secrets.add(user);
            secrets.add(password);
            secrets.add(&basic(user, password));
        }
    }
}

/// Displays host and port, without the credentials.
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

/// Returns the first of these variables that is not empty. One that is not UTF-8 is an error: a direct connection would
/// not be what its author wanted.
fn first_set<'a>(names: &[&'a str], env: Environment<'_>) -> Result<Option<(&'a str, String)>, String> {
    for name in names {
        let value = env(name).unwrap_or_default().into_string().map_err(|_| format!("{name} is not UTF-8"))?;
        let value = trim(&value);
        if !value.is_empty() {
            return Ok(Some((name, value.to_owned())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
