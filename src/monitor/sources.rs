//! Settings that stand in place or in a file: URI, token, headers, messages; and the error of any setting.
//!
//! Files are read before every connection, so that a URI or credential can be replaced while the program runs.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::model::api_error::{Error, ErrorKind};
use crate::model::json;
use crate::model::settings_text::{only_item, trim};
use crate::model::text::escape;
use crate::net::{file, tls};
use crate::proto::http::header;
use crate::proto::uri::{self, Endpoint};

/// Upper bound on a file in bytes.
const MAX_FILE: usize = 64 << 10;

/// A setting, or the file that holds it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Source<T> {
    Given(T),
    File(PathBuf),
    /// Read from a file that can be read only once.
    Loaded(T),
}

/// Omits the setting: it may be a credential.
impl<T> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Given(_) => f.write_str("Given"),
            Source::Loaded(_) => f.write_str("Loaded"),
            Source::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Reads a setting from the text of its file. The error is the reason alone.
type Parse<T> = fn(&str) -> Result<T, String>;

impl<T: Clone> Source<T> {
    /// Returns the setting; reads its file.
    pub(crate) fn read(&self, parse: Parse<T>) -> Result<T, Error> {
        match self {
            Source::Given(value) | Source::Loaded(value) => Ok(value.clone()),
            Source::File(path) => Ok(read_file(path, false, parse)?.0),
        }
    }

    /// Reads the file, which may be a pipe at the start; the content of a pipe takes its place.
    pub(crate) fn load(&mut self, parse: Parse<T>, at_start: bool) -> Result<(), Error> {
        let Source::File(path) = self else { return Ok(()) };
        if let (value, true) = read_file(path, at_start, parse)? {
            *self = Source::Loaded(value);
        }
        Ok(())
    }

    /// Returns the file that is read before every connection.
    pub(crate) fn path(&self) -> Option<&Path> {
        if let Source::File(path) = self { Some(path) } else { None }
    }
}

/// Returns the setting in a file, and true if the file cannot be read again.
fn read_file<T>(path: &Path, at_start: bool, parse: Parse<T>) -> Result<(T, bool), Error> {
    let (text, once) = read_text(path, at_start)?;
    let value = parse(&text).map_err(|why| invalid_content(path, &why))?;
    Ok((value, once))
}

fn read_text(path: &Path, at_start: bool) -> Result<(String, bool), Error> {
    let content = file::read(path, MAX_FILE, at_start).map_err(|error| read_error(path, error))?;
    let text = String::from_utf8(content.bytes).map_err(|_| invalid_content(path, "it is not UTF-8"))?;
    Ok((text, content.once))
}

/// The error of a file that cannot be read.
pub(crate) fn read_error(path: &Path, error: std::io::Error) -> Error {
    Error::io(ErrorKind::File, &format!("read {}", escape(&path.to_string_lossy())), error)
}

fn invalid_content(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Content, format!("{}: {why}", escape(&path.to_string_lossy())))
}

/// Reads the token in a file.
pub(crate) fn parse_token(text: &str) -> Result<String, String> {
    check_token(only_item(text, "token")?)
}

/// Returns a token; reads its file.
pub(crate) fn read_token(token: &Source<String>) -> Result<String, Error> {
    check_token(&token.read(parse_token)?).map_err(|why| Error::new(ErrorKind::Token, why))
}

/// One that is given may have white space around it, which the file of a variable had.
fn check_token(token: &str) -> Result<String, String> {
    match trim(token) {
        "" => Err("the token is empty".to_owned()),
        token if token.chars().any(char::is_control) => Err("the token contains control characters".to_owned()),
        token => Ok(token.to_owned()),
    }
}

/// Reads the message in a file, which may have several lines.
pub(crate) fn parse_message(text: &str) -> Result<String, String> {
    match trim(text) {
        "" => Err("no message is in it".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// Reads the JSON of a request in a file.
pub(crate) fn parse_json(text: &str) -> Result<String, String> {
    match trim(text) {
        text if json::is_json(text) => Ok(text.to_owned()),
        _ => Err("it does not hold JSON".to_owned()),
    }
}

/// Reads the URI in a file.
pub(crate) fn parse_address(text: &str) -> Result<Box<Endpoint>, String> {
    parse_endpoint(only_item(text, "URI")?).map_err(|error| error.to_string())
}

/// Reads the headers in a file, one per line.
pub(crate) fn parse_headers(text: &str) -> Result<Vec<(String, String)>, String> {
    header::parse_lines(text)
}

/// The server of the documentation, `ws://localhost:8765`.
pub(crate) fn default_endpoint() -> Box<Endpoint> {
    Box::new(Endpoint {
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
    })
}

/// Parses a URI. One that needs TLS is an error in a build without it.
pub(crate) fn parse_endpoint(uri: &str) -> Result<Box<Endpoint>, Error> {
    let endpoint = Endpoint::parse(uri)?;
    if endpoint.secure && !tls::AVAILABLE {
        return Err(uri::invalid(uri, &format!("wss:// {}", tls::MISSING)));
    }
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_address_is_the_documented_uri() {
        assert_eq!(default_endpoint(), parse_endpoint("ws://localhost:8765").unwrap());
    }
}
