//! The server's side, for the demo and for tests.

use super::accept_key;
use crate::proto::http::head::{self, HeadError, RequestHead};

/// Answers a request, from all bytes received so far: `None` until its head is complete, then the response and the
/// length of the head.
///
/// # Errors
/// The response to a request that is refused; the connection is to be closed after it.
pub fn serve(buffer: &[u8]) -> Result<Option<(String, usize)>, String> {
    match head::read_request(buffer) {
        Ok(None) => Ok(None),
        Ok(Some(head)) => Ok(Some((grant(&head)?, head.len))),
        Err(HeadError::TooLong) => Err(error("431 Request Header Fields Too Large", "")),
        Err(HeadError::NotHttp(_)) => Err(error("400 Bad Request", "")),
    }
}

/// Checks the conditions of RFC 6455 section 4.2.1 and writes the 101.
fn grant(head: &RequestHead) -> Result<String, String> {
    let fields = &head.fields;
    if head.method != "GET" {
        return Err(error("405 Method Not Allowed", "Allow: GET\r\n"));
    }
    let is_upgrade = fields.has_member("Upgrade", "websocket") && fields.has_member("Connection", "upgrade");
    if !head.is_http_1_1 || !is_upgrade || fields.value("Sec-WebSocket-Version") != Some("13") {
        return Err(error("426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
    }
    let key =
        fields.value("Sec-WebSocket-Key").filter(|key| is_key(key)).ok_or_else(|| error("400 Bad Request", ""))?;
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(key)
    ))
}

/// Returns true for base64 of 16 bytes: 22 letters, the last of which carries only two bits, and the padding.
fn is_key(key: &str) -> bool {
    let letters = key.strip_suffix("==").unwrap_or_default();
    letters.len() == 22
        && letters.ends_with(['A', 'Q', 'g', 'w'])
        && letters.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

fn error(status: &str, headers: &str) -> String {
    let body = "this is a WebSocket server\n";
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::head::MAX_HEAD;

    const GOOD: &str = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    #[test]
    fn a_good_request_is_answered_once_it_is_complete() {
        for end in 0..GOOD.len() {
            assert_eq!(serve(&GOOD.as_bytes()[..end]), Ok(None));
        }
        let (answer, consumed) = serve(format!("{GOOD}rest").as_bytes()).unwrap().unwrap();
        assert_eq!(consumed, GOOD.len());
        assert!(answer.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
    }

    #[test]
    fn a_refused_request_gets_the_status_that_says_why() {
        for (from, to, status) in [
            ("GET", "POST", "405"),
            ("HTTP/1.1", "HTTP/1.0", "426"),
            ("HTTP/1.1", "rubbish", "400"),
            ("Upgrade: websocket", "Upgrade: h2c", "426"),
            ("keep-alive, Upgrade", "keep-alive", "426"),
            ("Version: 13", "Version: 8", "426"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", "400"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==", "400"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ===", "400"),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZS-ub25jZQ==", "400"),
            ("Sec-WebSocket-Key", "X", "400"),
        ] {
            let refusal = serve(GOOD.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(refusal.starts_with(&format!("HTTP/1.1 {status} ")), "{to}: {refusal}");
        }
        let long = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(MAX_HEAD));
        assert!(serve(long.as_bytes()).unwrap_err().starts_with("HTTP/1.1 431 "));
    }
}
