//! What a server's settings are made of: where it is, what it wants to see, and why these cannot be used.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::proto::dialect::DIALECTS;
use crate::proto::http::proxy::{Environment, Proxy};
use crate::proto::uri::{Endpoint, InvalidUri};

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

/// A credential, or the file that holds it and is read before every connection.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Text(String),
    File(PathBuf),
}

/// Never the credential itself.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// The credential as it is now, without the line feed that editors leave.
    pub(crate) fn read(&self) -> Result<String, AddressError> {
        let token = match self {
            Token::Text(text) => text.clone(),
            Token::File(path) => read(path)?,
        };
        let token = token.trim_end_matches(['\r', '\n']);
        if token.is_empty() || token.chars().any(char::is_control) {
            return Err(AddressError::Token);
        }
        Ok(token.to_owned())
    }
}

/// Where a server's URI stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Here.
    Endpoint(Box<Endpoint>),
    /// In a file that is read before every connection, so that it may change.
    File(PathBuf),
}

/// Why a server's address cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum AddressError {
    /// The URI is wrong.
    Uri(InvalidUri),
    /// The file that holds it cannot be read.
    File(PathBuf, std::io::Error),
    /// The token is empty or holds control characters.
    Token,
    /// A header is wrong.
    Header(String),
    /// The proxy's URL is wrong.
    Proxy(String),
    /// A file of certificates or keys cannot be used, or the TLS name is none.
    Tls(String),
    /// No dialect of this name.
    Dialect(String),
    /// A request's JSON is none.
    Request(String),
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Uri(error) => error.fmt(f),
            AddressError::File(path, error) => {
                let path = path.to_string_lossy();
                write!(f, "read {}: {}", crate::format::style::escape(&path), crate::model::error::reason(error))
            }
            AddressError::Token => f.write_str("the token is empty or holds control characters"),
            AddressError::Header(why) | AddressError::Tls(why) => f.write_str(why),
            AddressError::Proxy(why) => write!(f, "--proxy: {why}"),
            AddressError::Dialect(name) => {
                let names: Vec<_> = DIALECTS.iter().map(|dialect| dialect.name).collect();
                write!(f, "no dialect {}: choose from auto, {}", crate::format::style::escape(name), names.join(", "))
            }
            AddressError::Request(kind) => {
                write!(f, "request {}: what follows the = must be JSON", crate::format::style::escape(kind))
            }
        }
    }
}

impl std::error::Error for AddressError {}

impl From<InvalidUri> for AddressError {
    fn from(error: InvalidUri) -> Self {
        AddressError::Uri(error)
    }
}

impl Address {
    /// The endpoint as it is now.
    pub(crate) fn endpoint(&self) -> Result<Box<Endpoint>, AddressError> {
        match self {
            Address::Endpoint(endpoint) => Ok(endpoint.clone()),
            Address::File(path) => {
                let text = read(path)?;
                Ok(Endpoint::parse(text.lines().next().unwrap_or_default().trim())?)
            }
        }
    }
}

/// A small file; a large one, or one that never ends, is cut.
pub(crate) fn read(path: &Path) -> Result<String, AddressError> {
    let read = || {
        let mut text = String::new();
        std::fs::File::open(path)?.take(64 << 10).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|error| AddressError::File(path.to_owned(), error))
}
