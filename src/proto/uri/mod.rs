//! Parses a server's URI into the address to connect to and the path to request, and displays it without secrets.

use std::fmt;
use std::path::PathBuf;

use crate::model::api_error::{Error, ErrorKind};

pub(crate) mod authority;
mod redaction;
mod unix;

pub use redaction::redact;
pub(crate) use redaction::{is_secret, secret_parameters};

use authority::{basic, bracketed, check_host, check_port, percent_decode, split_port, split_userinfo};
use redaction::redact_query;

/// The address of a server, and the target of its upgrade request.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// True for TLS.
    pub secure: bool,
    /// Name or address, without brackets; `localhost` for a Unix socket.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// The Unix socket that replaces host and port.
    pub unix: Option<PathBuf>,
    /// Path and query of the request, with a leading `/`.
    pub target: String,
    /// User name and password, decoded.
    pub userinfo: Option<(String, String)>,
    /// The secret of a `sysmedic://` URI, decoded.
    pub secret: Option<String>,
    /// The dialect, if the scheme names one.
    pub dialect: Option<&'static str>,
    /// True if the bare form has no port, so that the dialect may choose it.
    pub any_port: bool,
    /// True if the bare form, or the one whose scheme is a dialect, has no path, so that the dialect may choose it.
    pub any_path: bool,
}

/// A scheme and the defaults that it implies. The name of a dialect with an `s` at its end is the same with TLS.
#[derive(Clone, Copy)]
struct Scheme {
    name: &'static str,
    secure: bool,
    port: u16,
    unix: bool,
    dialect: Option<&'static str>,
}

static SCHEMES: &[Scheme] = &[
    Scheme { name: "ws", secure: false, port: 80, unix: false, dialect: None },
    Scheme { name: "wss", secure: true, port: 443, unix: false, dialect: None },
    Scheme { name: "ws+unix", secure: false, port: 80, unix: true, dialect: None },
    dialect("monitoring", 8765),
    dialect("sysmedic", 8060),
    dialect("fastpluggy", 8000),
    dialect("pmdaemon", 9615),
    dialect("neurograph", 8000),
];

const fn dialect(name: &'static str, port: u16) -> Scheme {
    Scheme { name, secure: false, port, unix: false, dialect: Some(name) }
}

/// Finds a scheme by its name, in any case.
fn scheme_named(name: &str) -> Option<Scheme> {
    let find = |name: &str| SCHEMES.iter().find(|scheme| scheme.name.eq_ignore_ascii_case(name)).copied();
    let with_tls = || {
        let scheme = find(name.strip_suffix(['s', 'S'])?)?;
        scheme.dialect.map(|_| Scheme { secure: true, ..scheme })
    };
    find(name).or_else(with_tls)
}

/// The error of a URI that cannot be used, without its secrets.
pub(crate) fn invalid(uri: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Uri, format!("invalid URI {}: {reason}", redact(uri)))
}

/// The defaults of the bare form `HOST[:PORT][/PATH]`; a dialect may have another port.
const BARE: Scheme = Scheme { name: "", secure: false, port: 8765, unix: false, dialect: None };

impl Endpoint {
    /// Parses `ws://HOST[:PORT][/PATH][?QUERY]`, the same with `wss` or the name of a dialect, `ws+unix:///SOCKET[:/PATH]`,
    /// or the bare form `HOST[:PORT][/PATH]`, whose default port is 8765. Boxed, since it is large and moved often.
    ///
    /// # Errors
    /// Names the part that is wrong and the way out.
    pub fn parse(uri: &str) -> Result<Box<Self>, Error> {
        parse(uri).map_err(|why| invalid(uri, &why))
    }

    /// Returns `HOST:PORT`, an IPv6 address in brackets, or the path of the Unix socket: the default label of a server.
    #[must_use]
    pub fn authority(&self) -> String {
        if let Some(path) = &self.unix {
            return path.to_string_lossy().into_owned();
        }
        let host = bracketed(&self.host);
        format!("{host}:{}", self.port)
    }

    /// Returns the value of the Host header, without the scheme's default port and without an IPv6 zone.
    #[must_use]
    pub fn host_header(&self) -> String {
        let host = bracketed(self.host.split('%').next().unwrap_or_default());
        let default_port = if self.secure { 443 } else { 80 };
        if self.port == default_port { host } else { format!("{host}:{}", self.port) }
    }

    /// Returns the Authorization header for the URI's user information (RFC 7617).
    #[must_use]
    pub fn authorization(&self) -> Option<(String, String)> {
        let (user, password) = self.userinfo.as_ref()?;
        Some(("Authorization".into(), format!("Basic {}", basic(user, password))))
    }

    /// Returns true if the server is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.unix.is_some() || authority::is_loopback(&self.host)
    }

    /// Changes the path from `/` to `/ws`, where several servers listen, if the URI leaves the choice. Returns false otherwise.
    pub fn try_ws(&mut self) -> bool {
        // A dialect may have added a query.
        let query = self.target.strip_prefix('/').filter(|rest| rest.is_empty() || rest.starts_with('?'));
        let Some(query) = query.filter(|_| self.any_path) else { return false };
        self.target = format!("/ws{query}");
        self.any_path = false;
        true
    }

    /// Returns true if the URI carries a credential.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.userinfo.is_some() || self.secret.is_some() || redaction::has_credentials(&self.target)
    }
}

/// Displays the URI without user information and without the values of parameters that may carry credentials.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.unix {
            return write!(f, "ws+unix://{}:{}", unix::encode(path), redact_query(&self.target));
        }
        let scheme = match (self.dialect, self.secure) {
            (Some(dialect), true) => &format!("{dialect}s"),
            (Some(dialect), false) => dialect,
            (None, true) => "wss",
            (None, false) => "ws",
        };
        write!(f, "{scheme}://{}{}", self.authority(), redact_query(&self.target))
    }
}

/// Like `Display`, so that secrets do not reach a log this way either.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn parse(uri: &str) -> Result<Box<Endpoint>, String> {
    if let Some(c) = find_forbidden(uri) {
        return Err(format!("it contains {c:?}; write it percent-encoded"));
    }
    let (scheme, rest) = split_scheme(uri)?;
    if rest.contains('#') {
        return Err("a WebSocket URI has no fragment: leave out the # and what follows".into());
    }
    if scheme.unix {
        return unix::parse(rest);
    }
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (userinfo, authority) = match authority.rsplit_once('@') {
        Some((userinfo, authority)) => (Some(userinfo), authority),
        None => (None, authority),
    };
    // With an @ after it this may be the beginning of a password, which no error may quote.
    let (host, port) =
        host_and_port(authority).map_err(|why| if target.contains('@') { SPLIT_USERINFO.to_owned() } else { why })?;
    let mut endpoint = Box::new(Endpoint {
        secure: scheme.secure,
        host,
        port: port.unwrap_or(scheme.port),
        unix: None,
        target: encode_target(target),
        userinfo: None,
        secret: None,
        dialect: scheme.dialect,
        any_port: scheme.name.is_empty() && port.is_none(),
        any_path: (scheme.name.is_empty() || scheme.dialect.is_some()) && target.is_empty(),
    });
    match (userinfo, scheme.dialect) {
        (None, _) => {}
        (Some(secret), Some("sysmedic")) => endpoint.secret = Some(decode_secret(secret)?),
        (Some(userinfo), _) => endpoint.userinfo = Some(split_userinfo(userinfo)?),
    }
    Ok(endpoint)
}

const SPLIT_USERINFO: &str = "a / or ? comes before the @: write them as %2F and %3F in a user name or password";

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = split_port(authority)?;
    let host = check_host(host)?;
    let port = match port {
        Some(port) => Some(check_port(port)?),
        None => None,
    };
    Ok((host, port))
}

fn split_scheme(uri: &str) -> Result<(Scheme, &str), String> {
    let Some((name, rest)) = uri.split_once("://") else { return Ok((BARE, uri)) };
    match (scheme_named(name), name.to_ascii_lowercase().as_str()) {
        (Some(scheme), _) => Ok((scheme, rest)),
        (None, "http") => Err("the scheme is http: write ws://".into()),
        (None, "https") => Err("the scheme is https: write wss://".into()),
        // This may be part of a password or a query, which no error may quote.
        (None, _) if uri.contains('@') || !may_be_scheme(name) => {
            Err("unknown scheme: write ws://HOST[:PORT][/PATH]".into())
        }
        (None, _) => Err(format!("unknown scheme {name}: write ws://HOST[:PORT][/PATH]")),
    }
}

/// Returns the first character that must not stand in a URI unencoded.
pub(crate) fn find_forbidden(uri: &str) -> Option<char> {
    uri.chars().find(|c| c.is_control() || *c == ' ')
}

/// Checks the characters of RFC 3986 section 3.1, but not that the first one is a letter.
pub(crate) fn may_be_scheme(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Decodes the secret: all of the user information, colons included.
fn decode_secret(secret: &str) -> Result<String, String> {
    match percent_decode(secret) {
        Some(secret) if secret.is_empty() => Err("the secret is empty: write sysmedic://SECRET@HOST".into()),
        Some(secret) => Ok(secret),
        None => Err("the secret is not valid percent-encoded UTF-8".into()),
    }
}

/// Makes a request target: never empty, always ASCII.
pub(crate) fn encode_target(target: &str) -> String {
    let mut out = String::from(if target.starts_with('/') { "" } else { "/" });
    for &byte in target.as_bytes() {
        push_encoded(&mut out, byte, byte.is_ascii());
    }
    out
}

/// Percent-encodes all but the unreserved characters of RFC 3986 section 2.3, for a path segment or a parameter.
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        push_encoded(&mut out, byte, byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    }
    out
}

/// Appends a byte, percent-encoded unless `is_plain`.
fn push_encoded(out: &mut String, byte: u8, is_plain: bool) {
    if is_plain { out.push(byte.into()) } else { out.push_str(&format!("%{byte:02X}")) }
}

#[cfg(test)]
mod tests;
