//! Reads the heads of HTTP/1.x messages: the one place that calls the parser and bounds what it accepts.
//!
//! The upgrade, a proxy's answer to CONNECT and the server of `--demo` read through it. Each call starts from the
//! first byte: heads are short, and the caller keeps nothing but the bytes.

use httparse::{EMPTY_HEADER, Error, Header, Request, Response, Status};

/// Upper bound on a head, with the interim responses before it, in bytes.
pub const MAX_HEAD: usize = 16 << 10;

/// Upper bound on the header fields of one head.
pub const MAX_FIELDS: usize = 124;

/// A response's status line and header fields.
#[derive(Debug)]
pub struct ResponseHead<'b> {
    pub status: u16,
    /// Trimmed, not escaped; often empty.
    pub reason: &'b str,
    /// False for HTTP/1.0.
    pub is_http_1_1: bool,
    pub fields: Fields<'b>,
    /// Bytes up to the end of the head, interim responses included.
    pub len: usize,
}

/// A request's line and header fields.
#[derive(Debug)]
pub struct RequestHead<'b> {
    pub method: &'b str,
    /// False for HTTP/1.0.
    pub is_http_1_1: bool,
    pub fields: Fields<'b>,
    /// Bytes up to the end of the head.
    pub len: usize,
}

/// A head that cannot be read, whatever would still arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError<'b> {
    /// Longer than [`MAX_HEAD`], or more fields than [`MAX_FIELDS`].
    TooLong,
    /// The bytes from here on are not HTTP.
    NotHttp(&'b [u8]),
}

/// Reads the first final response, or 101, from all bytes received so far; `None` until its head is complete.
///
/// Interim responses (100, 102 to 199) are skipped (RFC 9110 section 15.2).
pub fn read_response(buffer: &[u8]) -> Result<Option<ResponseHead<'_>>, HeadError<'_>> {
    let mut len = 0;
    loop {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut head = Response::new(&mut fields);
        let parsed = head.parse(&buffer[len..]);
        let Some(end) = end_of_head(parsed, buffer, len)? else { return Ok(None) };
        len = end;
        let status = head.code.unwrap_or_default();
        if !matches!(status, 100 | 102..=199) {
            return Ok(Some(ResponseHead {
                status,
                reason: head.reason.unwrap_or_default().trim(),
                is_http_1_1: head.version == Some(1),
                fields: Fields(head.headers.to_vec()),
                len,
            }));
        }
    }
}

/// Reads a request's head from all bytes received so far; `None` until it is complete.
pub fn read_request(buffer: &[u8]) -> Result<Option<RequestHead<'_>>, HeadError<'_>> {
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let mut head = Request::new(&mut fields);
    let parsed = head.parse(buffer);
    let Some(len) = end_of_head(parsed, buffer, 0)? else { return Ok(None) };
    Ok(Some(RequestHead {
        method: head.method.unwrap_or_default(),
        is_http_1_1: head.version == Some(1),
        fields: Fields(head.headers.to_vec()),
        len,
    }))
}

/// Returns where the head that starts at `start` ends; `None` while it is incomplete and may still become valid.
fn end_of_head(parsed: httparse::Result<usize>, buffer: &[u8], start: usize) -> Result<Option<usize>, HeadError<'_>> {
    match parsed {
        Ok(Status::Complete(len)) if start + len <= MAX_HEAD => Ok(Some(start + len)),
        Ok(Status::Partial) if buffer.len() <= MAX_HEAD => Ok(None),
        Ok(_) | Err(Error::TooManyHeaders) => Err(HeadError::TooLong),
        Err(_) => Err(HeadError::NotHttp(&buffer[start..])),
    }
}

/// The header fields of a head, in their order. Names are compared without regard to case; a value that is not UTF-8
/// counts as absent.
#[derive(Debug)]
pub struct Fields<'b>(Vec<Header<'b>>);

impl<'b> Fields<'b> {
    /// Returns the trimmed value of each line with this name.
    pub fn lines(&self, name: &str) -> Vec<&'b str> {
        let mut lines = Vec::new();
        for field in &self.0 {
            if field.name.eq_ignore_ascii_case(name)
                && let Ok(value) = std::str::from_utf8(field.value)
            {
                lines.push(value.trim());
            }
        }
        lines
    }

    /// Returns the value of a field that is not a list: its first line.
    pub fn value(&self, name: &str) -> Option<&'b str> {
        self.lines(name).first().copied()
    }

    /// Returns the members of a field that is a list, over all its lines (RFC 9110 section 5.3), without empty ones.
    pub fn members(&self, name: &str) -> Vec<&'b str> {
        let mut members = Vec::new();
        for line in self.lines(name) {
            members.extend(line.split(',').map(str::trim).filter(|member| !member.is_empty()));
        }
        members
    }

    /// Returns true if a list has this member, in any case.
    pub fn has_member(&self, name: &str, member: &str) -> bool {
        self.members(name).iter().any(|each| each.eq_ignore_ascii_case(member))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_once_its_head_is_complete_and_interim_ones_are_skipped() {
        let text =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.0 404  No \r\nA: c\r\n\r\n";
        for end in 0..text.len() {
            assert!(read_response(&text.as_bytes()[..end]).unwrap().is_none(), "{end}");
        }
        let followed = format!("{text}body");
        let head = read_response(followed.as_bytes()).unwrap().unwrap();
        assert_eq!((head.status, head.reason, head.is_http_1_1, head.len), (404, "No", false, text.len()));
        assert_eq!(head.fields.value("a"), Some("c"));
    }

    #[test]
    fn fields_are_found_in_any_case_and_lists_over_all_their_lines() {
        let text = b"GET / HTTP/1.1\r\nA: x, ,Y\r\nb:  c \r\na: z\r\nC: \xff\r\nC: d\r\n\r\n";
        let head = read_request(text).unwrap().unwrap();
        assert_eq!((head.method, head.is_http_1_1, head.len), ("GET", true, text.len()));
        assert_eq!(head.fields.members("a"), ["x", "Y", "z"]);
        assert!(head.fields.has_member("A", "y") && !head.fields.has_member("A", "c"));
        assert_eq!(
            (head.fields.value("B"), head.fields.value("C"), head.fields.value("D")),
            (Some("c"), Some("d"), None)
        );
        assert_eq!(head.fields.lines("C"), ["d"]);
    }

    #[test]
    fn a_head_over_the_bounds_is_refused_whether_or_not_it_is_complete() {
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(MAX_HEAD));
        let interim = "HTTP/1.1 100\r\n\r\n".repeat(MAX_HEAD / 16 + 1);
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(MAX_FIELDS + 1));
        for text in [&long, &format!("{long}\r\n\r\n"), &interim, &many] {
            assert_eq!(read_response(text.as_bytes()).unwrap_err(), HeadError::TooLong);
        }
    }

    #[test]
    fn bytes_that_are_not_http_are_handed_back() {
        let error = read_response(b"HTTP/1.1 100\r\n\r\nSSH-2.0").unwrap_err();
        assert_eq!(error, HeadError::NotHttp(b"SSH-2.0"));
        assert_eq!(read_request(b"\x16\x03").unwrap_err(), HeadError::NotHttp(b"\x16\x03"));
    }
}
