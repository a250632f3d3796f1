//! Settings that stand in place or in a file: URI, token and headers; and the error of any setting.
//!
//! Files are read before every connection, so that a URI or credential can be replaced while the program runs.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::model::text::escape;
use crate::net::tls;
use crate::proto::dialect::DIALECTS;
use crate::proto::http::header;
use crate::proto::uri::{Endpoint, InvalidUri};

/// A credential, or the file that holds it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Text(String),
    File(PathBuf),
}

/// Omits the credential.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// Returns the credential without a trailing line feed; reads its file.
    pub(crate) fn read(&self) -> Result<String, SettingsError> {
        let token = match self {
            Token::Text(text) => text.clone(),
            Token::File(path) => read_small_file(path)?,
        };
        let token = token.trim_end_matches(['\r', '\n']);
        if token.is_empty() || token.chars().any(char::is_control) {
            return Err(SettingsError::Token);
        }
        Ok(token.to_owned())
    }
}

/// A header of the request, or a file with one per line.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Header {
    /// Name and value.
    Given(String, String),
    File(PathBuf),
}

/// Omits the value: it is often a credential.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Header::Given(name, _) => f.debug_tuple("Given").field(name).finish_non_exhaustive(),
            Header::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl Header {
    /// Appends the headers to `headers`; reads their file.
    pub(crate) fn read(&self, headers: &mut Vec<(String, String)>) -> Result<(), SettingsError> {
        match self {
            Header::Given(name, value) => headers.push((name.clone(), value.clone())),
            Header::File(path) => {
                let mut read = header::parse_lines(&read_small_file(path)?)
                    .map_err(|why| SettingsError::Header(format!("{}: {why}", escape(&path.to_string_lossy()))))?;
                headers.append(&mut read);
            }
        }
        Ok(())
    }
}

/// A server's URI, parsed, or the file whose first line holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Endpoint(Box<Endpoint>),
    File(PathBuf),
}

/// `ws://localhost:8765`.
impl Default for Address {
    fn default() -> Self {
        Address::Endpoint(Box::new(Endpoint {
            secure: false,
            host: "localhost".to_owned(),
            port: 8765,
            unix: None,
            target: "/".to_owned(),
            userinfo: None,
            secret: None,
            dialect: None,
            any_port: false,
            any_path: false,
        }))
    }
}

/// A setting of a server that cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum SettingsError {
    /// The URI is wrong.
    Uri(InvalidUri),
    /// A file cannot be read.
    File(PathBuf, std::io::Error),
    /// The token is empty or holds control characters.
    Token,
    /// A header is wrong.
    Header(String),
    /// The proxy's URL is wrong.
    Proxy(String),
    /// A file of certificates or keys cannot be used, or the TLS name is not valid.
    Tls(String),
    /// No dialect has this name.
    Dialect(String),
    /// The JSON of a request of this type is not valid.
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
    /// Returns the endpoint; reads its file.
    pub(crate) fn endpoint(&self) -> Result<Box<Endpoint>, SettingsError> {
        match self {
            Address::Endpoint(endpoint) => Ok(endpoint.clone()),
            Address::File(path) => {
                let text = read_small_file(path)?;
                Ok(parse_endpoint(text.lines().next().unwrap_or_default().trim())?)
            }
        }
    }
}

/// Parses a URI. One that needs TLS is an error in a build without it.
pub(crate) fn parse_endpoint(uri: &str) -> Result<Box<Endpoint>, InvalidUri> {
    let endpoint = Endpoint::parse(uri)?;
    if endpoint.secure && !tls::AVAILABLE {
        return Err(InvalidUri::new(uri, format!("wss:// {}", tls::MISSING)));
    }
    Ok(endpoint)
}

/// Reads at most 64 KiB: the file may be a device that never ends.
fn read_small_file(path: &Path) -> Result<String, SettingsError> {
    let read = || {
        let mut text = String::new();
        std::fs::File::open(path)?.take(64 << 10).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|error| SettingsError::File(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_address_is_the_documented_uri() {
        assert_eq!(Address::default(), Address::Endpoint(parse_endpoint("ws://localhost:8765").unwrap()));
    }
}
