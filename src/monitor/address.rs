//! What a server's settings are made of: where it is, what it wants to see, and why these cannot be used.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::model::text::escape;
use crate::net::tls;
use crate::proto::dialect::DIALECTS;
use crate::proto::http::header;
use crate::proto::uri::{Endpoint, InvalidUri};

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
    pub(crate) fn read(&self) -> Result<String, SettingsError> {
        let token = match self {
            Token::Text(text) => text.clone(),
            Token::File(path) => read(path)?,
        };
        let token = token.trim_end_matches(['\r', '\n']);
        if token.is_empty() || token.chars().any(char::is_control) {
            return Err(SettingsError::Token);
        }
        Ok(token.to_owned())
    }
}

/// Where headers stand.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Header {
    /// Here.
    Given(String, String),
    /// In a file with one header per line, read before every connection.
    File(PathBuf),
}

/// Never the value: it is often a credential.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Header::Given(name, _) => f.debug_tuple("Given").field(name).finish_non_exhaustive(),
            Header::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl Header {
    /// Adds the headers as they are now.
    pub(crate) fn read(&self, headers: &mut Vec<(String, String)>) -> Result<(), SettingsError> {
        match self {
            Header::Given(name, value) => headers.push((name.clone(), value.clone())),
            Header::File(path) => {
                let mut read = header::parse_lines(&read(path)?)
                    .map_err(|why| SettingsError::Header(format!("{}: {why}", escape(&path.to_string_lossy()))))?;
                headers.append(&mut read);
            }
        }
        Ok(())
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
pub enum SettingsError {
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

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::Uri(error) => error.fmt(f),
            SettingsError::File(path, error) => {
                let path = path.to_string_lossy();
                write!(f, "read {}: {}", escape(&path), crate::model::error::reason(error))
            }
            SettingsError::Token => f.write_str("the token is empty or holds control characters"),
            SettingsError::Header(why) | SettingsError::Tls(why) => f.write_str(why),
            SettingsError::Proxy(why) => write!(f, "--proxy: {why}"),
            SettingsError::Dialect(name) => {
                let names: Vec<_> = DIALECTS.iter().map(|dialect| dialect.name).collect();
                write!(f, "no dialect {}: choose from auto, {}", escape(name), names.join(", "))
            }
            SettingsError::Request(kind) => {
                write!(f, "request {}: what follows the = must be JSON", escape(kind))
            }
        }
    }
}

impl std::error::Error for SettingsError {}

impl From<InvalidUri> for SettingsError {
    fn from(error: InvalidUri) -> Self {
        SettingsError::Uri(error)
    }
}

impl Address {
    /// The endpoint as it is now.
    pub(crate) fn endpoint(&self) -> Result<Box<Endpoint>, SettingsError> {
        match self {
            Address::Endpoint(endpoint) => Ok(endpoint.clone()),
            Address::File(path) => {
                let text = read(path)?;
                Ok(parse_endpoint(text.lines().next().unwrap_or_default().trim())?)
            }
        }
    }
}

/// Reads a URI; one that needs TLS is refused where this build has none.
pub(crate) fn parse_endpoint(uri: &str) -> Result<Box<Endpoint>, InvalidUri> {
    let endpoint = Endpoint::parse(uri)?;
    if endpoint.secure && !tls::AVAILABLE {
        return Err(InvalidUri::new(uri, format!("wss:// {}", tls::MISSING)));
    }
    Ok(endpoint)
}

/// A small file; a large one, or one that never ends, is cut.
pub(crate) fn read(path: &Path) -> Result<String, SettingsError> {
    let read = || {
        let mut text = String::new();
        std::fs::File::open(path)?.take(64 << 10).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|error| SettingsError::File(path.to_owned(), error))
}
