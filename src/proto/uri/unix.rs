//! Parses and writes `ws+unix:///SOCKET[:/PATH][?QUERY]`.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::authority::percent_decode_bytes;
use super::{Endpoint, encode_target, push_encoded};
use crate::model::text::is_hostile;

/// Upper bound on a socket's path in bytes: `sun_path` of unix(7) without the final NUL.
const MAX_SOCKET_PATH: usize = 107;

/// Parses the part after the scheme. The Host header is `localhost`, as with curl.
pub(super) fn parse(rest: &str) -> Result<Box<Endpoint>, String> {
    let (socket, target) = rest.split_once(':').unwrap_or((rest, ""));
    if !socket.starts_with('/') {
        return Err("the path of the socket is missing: write ws+unix:///run/x.sock[:/PATH]".into());
    }
    if socket.contains('?') {
        return Err("the query follows a path: write ws+unix:///run/x.sock:/?QUERY".into());
    }
    if !(target.is_empty() || target.starts_with(['/', '?'])) {
        return Err("after the socket only :/PATH may follow; a colon in its name is written %3A".into());
    }
    Ok(Box::new(Endpoint {
        secure: false,
        host: "localhost".into(),
        port: 80,
        unix: Some(check_socket(socket)?),
        target: encode_target(target),
        userinfo: None,
        secret: None,
        dialect: None,
        any_port: false,
        any_path: false,
    }))
}

fn check_socket(socket: &str) -> Result<PathBuf, String> {
    let bytes = percent_decode_bytes(socket).ok_or("the path of the socket is not valid percent-encoding")?;
    if let Some(c) = String::from_utf8_lossy(&bytes).chars().find(|&c| is_hostile(c)) {
        return Err(format!("the path of the socket contains {c:?}"));
    }
    if bytes.len() > MAX_SOCKET_PATH {
        return Err(format!(
            "the path of the socket has {} bytes: at most {MAX_SOCKET_PATH} are possible",
            bytes.len()
        ));
    }
    Ok(OsString::from_vec(bytes).into())
}

/// Percent-encodes the path of a socket for a URI.
pub(super) fn encode(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"%:?#".contains(&byte);
    let mut out = String::new();
    for &byte in path.as_os_str().as_bytes() {
        push_encoded(&mut out, byte, plain(byte));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_and_a_path_are_told_apart_by_a_colon() {
        for (uri, socket, target, shown) in [
            ("ws+unix:///run/x.sock", "/run/x.sock", "/", "ws+unix:///run/x.sock:/"),
            ("WS+Unix:///run/x.sock:", "/run/x.sock", "/", "ws+unix:///run/x.sock:/"),
            ("ws+unix:///x:/p/q?v=b:c", "/x", "/p/q?v=b:c", "ws+unix:///x:/p/q?v=b:c"),
            ("ws+unix:///x:?token=hunter2", "/x", "/?token=hunter2", "ws+unix:///x:/?token=redacted"),
            ("ws+unix:///a%3Ab%20c%25:/", "/a:b c%", "/", "ws+unix:///a%3Ab%20c%25:/"),
            ("ws+unix:///\u{e9}", "/\u{e9}", "/", "ws+unix:///%C3%A9:/"),
            ("ws+unix:///run/user@1/x", "/run/user@1/x", "/", "ws+unix:///run/user@1/x:/"),
        ] {
            let endpoint = Endpoint::parse(uri).unwrap();
            assert_eq!(endpoint.unix.as_deref(), Some(Path::new(socket)), "{uri}");
            assert_eq!((endpoint.target.as_str(), endpoint.authority().as_str()), (target, socket), "{uri}");
            assert_eq!((endpoint.host_header().as_str(), endpoint.to_string().as_str()), ("localhost", shown), "{uri}");
        }
    }

    #[test]
    fn an_invalid_socket_address_is_refused_with_the_part_that_is_wrong() {
        let long = format!("ws+unix:///{}", "x".repeat(MAX_SOCKET_PATH));
        for (uri, word) in [
            ("ws+unix://", "missing"),
            ("ws+unix://run/x.sock", "missing"),
            ("ws+unix:///x?a=b", "query"),
            ("ws+unix:///x:y", "%3A"),
            ("ws+unix:///x:80", "%3A"),
            ("ws+unix:///x%", "percent-encoding"),
            ("ws+unix:///x%+1", "percent-encoding"),
            ("ws+unix:///x%00y", "contains '\\0'"),
            ("ws+unix:///x%1b[2J", "contains '\\u{1b}'"),
            ("ws+unix:///x%E2%80%AE", "contains '\\u{202e}'"),
            ("ws+unix:///x#y", "fragment"),
            ("wss+unix:///x", "unknown scheme"),
            (&long, "108 bytes"),
        ] {
            let text = Endpoint::parse(uri).unwrap_err().to_string();
            assert!(text.contains(word), "{uri}: {text}");
        }
    }
}
