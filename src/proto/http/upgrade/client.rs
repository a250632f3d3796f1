//! The client's side: writes the request, and checks the response.

use super::deflate::{Deflate, OFFER};
use super::{UpgradeRefused, accept_key, refused};
use crate::proto::http::foreign::quote;
use crate::proto::http::head::{self, Fields, ResponseHead};
use crate::proto::http::secrets::Secrets;
use std::time::SystemTime;

/// The variable parts of the request. They are written as they are: none of them may contain a line break.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpgradeRequest<'a> {
    /// The value of `Host`: an IPv6 address in brackets, the port unless it is the scheme's default.
    pub host: &'a str,
    /// Path and query, beginning with `/`.
    pub target: &'a str,
    /// A key from [`key`](super::key).
    pub key: &'a str,
    /// Subprotocols to offer.
    pub subprotocols: &'a [String],
    /// Offers compression of what the server sends.
    pub compression: bool,
    /// Further headers. `User-Agent` and `Host` among them replace the default ones.
    pub headers: &'a [(String, String)],
    /// True if the target carries credentials.
    pub target_has_credentials: bool,
    /// Texts to hide where an error quotes the response.
    pub secrets: &'a Secrets,
}

impl<'a> UpgradeRequest<'a> {
    /// Returns the scheme of the credentials that the request carries, empty if they are not in a header; `None` without
    /// credentials.
    pub(super) fn scheme(&self) -> Option<&'a str> {
        let authorization = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Authorization"));
        match authorization {
            Some((_, value)) => value.split(' ').next(),
            None => self.target_has_credentials.then_some(""),
        }
    }
}

/// A granted upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// Length of the head. The bytes after it are WebSocket frames.
    pub len: usize,
    /// The way in which the server compresses; `None` if it does not.
    pub deflate: Option<Deflate>,
}

/// Writes the request.
pub fn request(request: &UpgradeRequest<'_>) -> String {
    let given = |name: &str| request.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let mut text = format!("GET {} HTTP/1.1\r\n", request.target);
    let mut line = |name: &str, value: &str| text.extend([name, ": ", value, "\r\n"]);
    if !given("Host") {
        line("Host", request.host);
    }
    line("Upgrade", "websocket");
    line("Connection", "Upgrade");
    line("Sec-WebSocket-Version", "13");
    line("Sec-WebSocket-Key", request.key);
    if !request.subprotocols.is_empty() {
        line("Sec-WebSocket-Protocol", &request.subprotocols.join(", "));
    }
    if request.compression {
        line(EXTENSIONS, OFFER);
    }
    if !given("User-Agent") {
        line("User-Agent", concat!("wsmon/", env!("CARGO_PKG_VERSION")));
    }
    request.headers.iter().for_each(|(name, value)| line(name, value));
    text + "\r\n"
}

/// Reads the response to a request from all bytes received so far: `None` until its head is complete. A date in
/// Retry-After counts from the response's own date, else from `wall`.
///
/// # Errors
/// If the upgrade is refused. That is final: later bytes would change nothing but the quoted line of the body.
pub fn read_response(
    buffer: &[u8],
    request: &UpgradeRequest<'_>,
    wall: SystemTime,
) -> Result<Option<Granted>, UpgradeRefused> {
    match head::read_response(buffer) {
        Ok(None) => Ok(None),
        Ok(Some(head)) if head.status == 101 => check_granted(&head, request).map(Some),
        Ok(Some(head)) => Err(refused::by_status(&head, &buffer[head.len..], request, wall)),
        Err(error) => Err(UpgradeRefused::by_head(error, request.secrets)),
    }
}

const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// Fields of a 101 that must be well-formed: two readers that read one in different ways would not agree on the frames.
const STRICT: [&str; 5] = ["Upgrade", "Connection", "Sec-WebSocket-Accept", EXTENSIONS, "Sec-WebSocket-Protocol"];

/// Checks the conditions of RFC 6455 section 4.1 for a 101.
fn check_granted(head: &ResponseHead, request: &UpgradeRequest<'_>) -> Result<Granted, UpgradeRefused> {
    let fields = &head.fields;
    if !head.is_http_1_1 {
        return Err(UpgradeRefused::OldHttp);
    }
    if let Some(header) = fields.crooked(&STRICT) {
        return Err(UpgradeRefused::Missing { header });
    }
    for &(header, required) in &[("Upgrade", "websocket"), ("Connection", "upgrade")] {
        if !fields.has_member(header, required) {
            return Err(UpgradeRefused::Missing { header });
        }
    }
    let header = "Sec-WebSocket-Accept";
    if fields.value(header).ok_or(UpgradeRefused::Missing { header })? != accept_key(request.key) {
        return Err(UpgradeRefused::WrongAccept);
    }
    let deflate = read_extensions(fields, request)?;
    let granted = fields.members("Sec-WebSocket-Protocol");
    match granted[..] {
        [] => {}
        [name] if request.subprotocols.iter().any(|offered| offered == name) => {}
        _ => return Err(UpgradeRefused::Subprotocol { name: quote(&granted.join(", "), request.secrets) }),
    }
    Ok(Granted { len: head.len, deflate })
}

/// Reads the answer to the offer of compression.
fn read_extensions(fields: &Fields, request: &UpgradeRequest<'_>) -> Result<Option<Deflate>, UpgradeRefused> {
    let members = fields.members(EXTENSIONS);
    if let Some(other) = members.iter().find(|member| !request.compression || !Deflate::is_named(member)) {
        let name = other.split(';').next().unwrap_or_default().trim();
        return Err(UpgradeRefused::Extension { name: quote(name, request.secrets) });
    }
    let read = match members[..] {
        [] => return Ok(None),
        [answer] => Deflate::parse(answer),
        [_, second, ..] => Err(second),
    };
    read.map(Some).map_err(|part| UpgradeRefused::Compression { part: quote(part, request.secrets) })
}

#[cfg(test)]
mod tests;
