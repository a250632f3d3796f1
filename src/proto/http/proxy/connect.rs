//! The CONNECT request and its response (RFC 9110 section 9.3.6).

use std::fmt;

use super::Proxy;
use crate::proto::http::challenge::{self, Credentials};
use crate::proto::http::foreign::{self, Protocol, quote};
use crate::proto::http::head::{self, HeadError, ResponseHead};
use crate::proto::http::secrets::Secrets;
use crate::proto::uri::authority::{basic, bracketed};

/// The reason why a proxy opens no tunnel, in one line that names the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelRefused {
    /// The HTTP status; `None` if the response is not HTTP.
    pub status: Option<u16>,
    /// Escaped.
    pub text: String,
}

impl fmt::Display for TunnelRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for TunnelRefused {}

impl Proxy {
    /// Writes the request for a tunnel to a server.
    #[must_use]
    pub fn connect_request(&self, host: &str, port: u16) -> String {
        // The zone of an IPv6 address is valid on this machine only.
        let host = bracketed(host.split('%').next().unwrap_or_default());
        let agent = concat!("wsmon/", env!("CARGO_PKG_VERSION"));
        let mut text = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: {agent}\r\n");
        if let Some((user, password)) = &self.auth {
            text += &format!("Proxy-Authorization: Basic {}\r\n", basic(user, password));
        }
        text + "\r\n"
    }

    /// Reads the response from all bytes received so far: `None` until its head is complete, then the length of the
    /// head. The bytes after it belong to the tunnel, whatever its Content-Length says. Errors do not show `secrets`.
    ///
    /// # Errors
    /// If the proxy opens no tunnel.
    pub fn read_response(&self, buffer: &[u8], secrets: &Secrets) -> Result<Option<usize>, TunnelRefused> {
        match head::read_response(buffer) {
            Ok(None) => Ok(None),
            Ok(Some(head)) if matches!(head.status, 200..=299) => Ok(Some(head.len)),
            Ok(Some(head)) => Err(self.refused_by_status(&head, secrets)),
            Err(HeadError::TooLong) => Err(without_status("answered with a head of over 16 KiB or 124 fields")),
            Err(HeadError::NotHttp(start)) => Err(match foreign::recognise(start) {
                Protocol::Tls => without_status("answered with TLS: only proxies without TLS are supported"),
                _ => {
                    let start = foreign::first_line(start, secrets);
                    without_status(&format!("did not answer with HTTP (\"{start}\"): is this an HTTP proxy?"))
                }
            }),
        }
    }

    fn refused_by_status(&self, head: &ResponseHead, secrets: &Secrets) -> TunnelRefused {
        let status = head.status;
        let space = if head.reason.is_empty() { "" } else { " " };
        let advice = match status {
            300..=399 => ": is this the login page of a network?".into(),
            403 => ": it does not allow tunnels to this host and port".into(),
            407 => self.authentication_advice(head, secrets),
            400 | 404 | 405 | 501 => ": does it support CONNECT? is this an HTTP proxy?".into(),
            502..=504 => ": it cannot reach the server".into(),
            _ => String::new(),
        };
        let text = format!("the proxy answered {status}{space}{}{advice}", quote(&head.reason, secrets));
        TunnelRefused { status: Some(status), text }
    }

    fn authentication_advice(&self, head: &ResponseHead, secrets: &Secrets) -> String {
        let credentials = Credentials {
            sent: self.has_credentials().then_some("Basic"),
            supported: &["Basic"],
            way_out: ": write http://USER:PASSWORD@HOST:PORT",
            secrets,
        };
        challenge::advice(&head.fields, "Proxy-Authenticate", &credentials)
    }
}

fn without_status(fault: &str) -> TunnelRefused {
    TunnelRefused { status: None, text: format!("the proxy {fault}") }
}
