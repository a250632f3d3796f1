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
mod tests {
    use super::*;

    fn parts(uri: &str) -> (String, u16, String) {
        let endpoint = Endpoint::parse(uri).unwrap();
        (endpoint.host, endpoint.port, endpoint.target)
    }

    #[test]
    fn a_uri_is_split_into_host_port_and_target() {
        for (uri, host, port, target) in [
            ("ws://h", "h", 80, "/"),
            ("ws://h/", "h", 80, "/"),
            ("WS://H.Example:9/a/b?x=1&y=2", "h.example", 9, "/a/b?x=1&y=2"),
            ("ws://h?x=1", "h", 80, "/?x=1"),
            ("ws://[::1]:9/", "::1", 9, "/"),
            ("ws://[fe80::1%25eth0]/", "fe80::1%eth0", 80, "/"),
            ("ws://h/é b".trim_end_matches(" b"), "h", 80, "/%C3%A9"),
            ("h", "h", 8765, "/"),
            ("h:1/p", "h", 1, "/p"),
            ("192.168.1.100:8765", "192.168.1.100", 8765, "/"),
        ] {
            assert_eq!(parts(uri), (host.into(), port, target.into()), "{uri}");
        }
    }

    #[test]
    fn each_wrong_part_is_named() {
        for (uri, word) in [
            ("", "host is missing"),
            ("ws://", "host is missing"),
            ("ws://:80/", "host is missing"),
            ("ws:///x", "host is missing"),
            ("ws://h:0/", "\"0\""),
            ("ws://h:99999/", "\"99999\""),
            ("ws://h:abc/", "\"abc\""),
            ("ws://h:/", "\"\""),
            ("ws://h:+1/", "\"+1\""),
            ("ws://h/p#f", "fragment"),
            ("http://h/", "write ws://"),
            ("https://h/", "write wss://"),
            ("ftp://h/", "unknown scheme ftp"),
            ("ws://h/a b", "percent-encoded"),
            ("ws://h/\u{1b}[2J", "percent-encoded"),
            ("ws://b\u{fc}cher.example/", "xn--"),
            ("ws://h_$/", "'$'"),
            ("ws://::1:80/", "brackets"),
            ("ws://[::1/", "no ]"),
            ("ws://[::1]x/", "only a :PORT"),
            ("ws://[::zz]/", "not an IPv6 address"),
            ("ws://[fe80::1%e\u{202e}]/", "zone"),
            ("ws://[fe80::1%25\u{e9}]/", "zone"),
            ("ws://a%3ab:c@h/", "colon"),
            ("ws://a%zz@h/", "percent-encoded"),
            ("ws://u:p/x@h/", "write them as %2F"),
        ] {
            let text = Endpoint::parse(uri).unwrap_err().to_string();
            assert!(text.contains(word), "{uri}: {text}");
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn wss_has_its_own_default_port() {
        let table = [("wss://h", "wss://h:443/", "h"), ("WSS://[::1]:80/p", "wss://[::1]:80/p", "[::1]:80")];
        for (uri, displayed, header) in table {
            let endpoint = Endpoint::parse(uri).unwrap();
            assert!(endpoint.secure, "{uri}");
            assert_eq!((endpoint.to_string(), endpoint.host_header()), (displayed.into(), header.into()));
        }
    }

    #[test]
    fn slash_ws_takes_the_place_of_a_path_that_was_not_given_and_only_once() {
        for (uri, target) in [("h", "/ws"), ("h:1", "/ws"), ("pmdaemon://h", "/ws")] {
            let mut endpoint = Endpoint::parse(uri).unwrap();
            assert!(endpoint.try_ws() && !endpoint.try_ws(), "{uri}");
            assert_eq!(endpoint.target, target);
        }
        for uri in ["h/", "h?x", "ws://h", "ws://h/?x", "ws://h/p", "ws+unix:///x"] {
            let mut endpoint = Endpoint::parse(uri).unwrap();
            let before = endpoint.clone();
            assert!(!endpoint.try_ws() && endpoint == before, "{uri}");
        }
    }

    #[test]
    fn the_host_header_leaves_out_the_default_port_and_the_zone() {
        for (uri, header) in [
            ("ws://h/", "h"),
            ("ws://h:80/", "h"),
            ("ws://h:81/", "h:81"),
            ("ws://[::1]:9/", "[::1]:9"),
            ("ws://[fe80::1%25e]/", "[fe80::1]"),
        ] {
            assert_eq!(Endpoint::parse(uri).unwrap().host_header(), header);
        }
    }

    #[test]
    fn a_sysmedic_uri_is_split_at_the_last_at_sign() {
        for (uri, secret, host, port) in [
            ("sysmedic://abc@h/", "abc", "h", 8060),
            ("sysmedic://abc@h", "abc", "h", 8060),
            ("SYSMEDIC://a@b@[::1]:9/x?y=1", "a@b", "::1", 9),
            ("sysmedic://a:b@h:1/", "a:b", "h", 1),
            ("sysmedic://a%40b@h:1", "a@b", "h", 1),
        ] {
            let endpoint = Endpoint::parse(uri).unwrap();
            assert_eq!(
                (endpoint.secret.as_deref(), endpoint.host.as_str(), endpoint.port),
                (Some(secret), host, port),
                "{uri}"
            );
            assert!(!endpoint.to_string().contains(secret), "{endpoint}");
        }
        assert!(Endpoint::parse("sysmedic://@h/").unwrap_err().to_string().contains("empty"));
        assert_eq!(Endpoint::parse("sysmedic://h/").unwrap().secret, None);
    }

    #[test]
    fn each_dialect_but_the_generic_one_is_a_scheme_with_its_port_and_with_an_s_for_tls() {
        for dialect in crate::proto::dialect::DIALECTS {
            let name = dialect.name;
            for (scheme, secure) in [(name.to_owned(), false), (format!("{name}s"), true), (name.to_uppercase(), false)]
            {
                let parsed = Endpoint::parse(&format!("{scheme}://me:pass@h"));
                let Ok(endpoint) = parsed else {
                    assert_eq!(name, "generic");
                    continue;
                };
                let expected = (Some(name), secure, dialect.port, true);
                assert_eq!((endpoint.dialect, endpoint.secure, endpoint.port, endpoint.any_path), expected, "{scheme}");
                let shown = endpoint.to_string();
                assert_eq!(shown, format!("{}://h:{}/", scheme.to_lowercase(), dialect.port));
                assert_eq!(Endpoint::parse(&shown).unwrap().to_string(), shown);
                let credentials = (endpoint.userinfo.is_some(), endpoint.secret.is_some());
                assert_eq!(credentials, (name != "sysmedic", name == "sysmedic"), "{scheme}");
            }
        }
        let endpoint = Endpoint::parse("pmdaemon://h:1/p?a=b").unwrap();
        assert_eq!((endpoint.port, &*endpoint.target, endpoint.any_path), (1, "/p?a=b", false));
        for uri in ["generics://h", "wsss://h", "ws+unixs:///x", "pmdaemonss://h", "s://h"] {
            assert!(Endpoint::parse(uri).unwrap_err().to_string().contains("unknown scheme"), "{uri}");
        }
        for uri in ["pmdaemons://u:hunter2@h:0/", "neurograph://h:0/?token=hunter2"] {
            let text = Endpoint::parse(uri).unwrap_err().to_string();
            assert!(text.contains(uri.split(':').next().unwrap()) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn secrets_are_never_displayed() {
        let endpoint = Endpoint::parse("ws://us%65r:hun%40ter2@h:1/p?token=abc&x=1&Secret=def&api_key=ghi").unwrap();
        assert_eq!(endpoint.userinfo, Some(("user".into(), "hun@ter2".into())));
        assert_eq!(endpoint.to_string(), "ws://h:1/p?token=redacted&x=redacted&Secret=redacted&api_key=redacted");
        for uri in [
            "foo://hunter2@h/",
            "ws://u:hunter2@h:0/",
            "ws://h:0/?token=hunter2",
            "hunter2@h:0",
            "ws://u:hunter2/x@h:0/#f",
            "sysmedic://hunter2@h:x/",
            "ws://u:hunter2/x@h/",
            "ws://u:hunter2?x@h/",
            "ws://u:x/?y#hunter2@h:0/",
            "u:hunter2/x@h:0",
            "hunter2://x@h:0",
            "hunter2@h:0://",
            "h?token=hunter2://",
            "ws://[::1]u:hunter2/x@h/",
            "ws://h:0/?a=b@c&token=hunter2",
            "ws://h:0/?to%6ben=hunter2",
            "login hunter2",
            "ws://h/ hunter2",
        ] {
            let text = Endpoint::parse(uri).unwrap_err().to_string();
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
