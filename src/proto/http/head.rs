//! Reads the heads of HTTP/1.x messages: the one place that calls the parser and bounds what it accepts.
//!
//! The upgrade, a proxy's answer to CONNECT, the server of `--demo` and that of `--listen` read through it. Each call starts from the
//! first byte: heads are short, and the caller keeps nothing but the bytes.
//!
//! A response is read although some of its lines are crooked: without a colon, folded, with blanks or umlauts in the
//! name, with control characters in the value. Many devices send such lines, and the status beside them is what the
//! user needs. [`Fields::crooked`] tells the caller of a field that must not be guessed.

use httparse::{EMPTY_HEADER, Error, Header, ParserConfig, Request, Response, Status};

/// Upper bound on a head, with the interim responses before it, in bytes.
pub const MAX_HEAD: usize = 16 << 10;

/// Upper bound on the header fields of one head.
pub const MAX_FIELDS: usize = 124;

/// A response's status line and header fields.
#[derive(Debug)]
pub struct ResponseHead {
    pub status: u16,
    /// Trimmed, not escaped; often empty.
    pub reason: String,
    /// False for HTTP/1.0.
    pub is_http_1_1: bool,
    pub fields: Fields,
    /// Bytes up to the end of the head, interim responses included.
    pub len: usize,
}

/// A request's line and header fields.
#[derive(Debug)]
pub struct RequestHead {
    /// In its own case.
    pub method: String,
    /// The path with the query, a whole URI, or `*`.
    pub target: String,
    /// False for HTTP/1.0.
    pub is_http_1_1: bool,
    /// The header fields.
    pub fields: Fields,
    /// Bytes up to the end of the head.
    pub len: usize,
}

/// A head that cannot be read, whatever would still arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError<'b> {
    /// Longer than `MAX_HEAD`, or more fields than `MAX_FIELDS`.
    TooLong,
    /// The bytes from here on are not HTTP.
    NotHttp(&'b [u8]),
}

/// Reads the first final response, or 101, from all bytes received so far; `None` until its head is complete.
///
/// Interim responses (100, 102 to 199) are skipped (RFC 9110 section 15.2).
pub fn read_response(buffer: &[u8]) -> Result<Option<ResponseHead>, HeadError<'_>> {
    let readable = without_controls(&buffer[..buffer.len().min(MAX_HEAD + 1)]);
    let mut config = ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .ignore_invalid_headers_in_responses(true);
    let mut len = 0;
    loop {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut head = Response::new(&mut fields);
        let parsed = config.parse_response(&mut head, &readable[len..]);
        let start = len;
        let Some(end) = end_of_head(parsed, buffer, start)? else { return Ok(None) };
        len = end;
        let status = head.code.unwrap_or_default();
        if !matches!(status, 100 | 102..=199) {
            return Ok(Some(ResponseHead {
                status,
                reason: head.reason.unwrap_or_default().trim().to_owned(),
                is_http_1_1: head.version == Some(1),
                fields: Fields::new(head.headers, &buffer[start..end]),
                len,
            }));
        }
    }
}

/// Reads a request's head from all bytes received so far; `None` until it is complete.
pub fn read_request(buffer: &[u8]) -> Result<Option<RequestHead>, HeadError<'_>> {
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let mut head = Request::new(&mut fields);
    let parsed = head.parse(buffer);
    let Some(len) = end_of_head(parsed, buffer, 0)? else { return Ok(None) };
    Ok(Some(RequestHead {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        is_http_1_1: head.version == Some(1),
        fields: Fields::new(head.headers, &buffer[..len]),
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

/// Replaces control characters by a byte that is not UTF-8: the parser refuses a whole head for a NUL or a carriage
/// return inside a line, whatever it is configured to accept.
fn without_controls(buffer: &[u8]) -> Vec<u8> {
    let mut readable = buffer.to_vec();
    for (at, byte) in readable.iter_mut().enumerate() {
        let ends_a_line = *byte == b'\n' || *byte == b'\r' && matches!(buffer.get(at + 1), None | Some(b'\n'));
        if is_control(*byte) && !ends_a_line {
            *byte = 0xff;
        }
    }
    readable
}

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

/// The header fields of a head, in their order. Names are compared without regard to case; a value that is not UTF-8
/// counts as absent.
#[derive(Debug)]
pub struct Fields {
    fields: Vec<(String, String)>,
    /// Names that a crooked line has or seems to have.
    crooked: Vec<String>,
}

impl Fields {
    fn new(parsed: &[Header<'_>], head: &[u8]) -> Self {
        let mut fields = Vec::new();
        for Header { name, value } in parsed {
            if let Ok(value) = std::str::from_utf8(value) {
                // A folded line continues after a line break and blanks.
                fields
                    .push(((*name).to_owned(), value.trim_matches([' ', '\t', '\r', '\n']).replace(['\r', '\n'], " ")));
            }
        }
        Fields { fields, crooked: crooked_names(head) }
    }

    /// Returns the first of these names that stands in a line which can be read in more than one way.
    pub fn crooked<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|name| self.crooked.iter().any(|crooked| crooked.eq_ignore_ascii_case(name)))
    }

    /// Returns the trimmed value of each line with this name.
    pub fn lines(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(each, _)| each.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Returns the value of a field that is not a list: its first line.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.lines(name).first().copied()
    }

    /// Returns the members of a field that is a list, over all its lines (RFC 9110 section 5.3), without empty ones.
    pub fn members(&self, name: &str) -> Vec<&str> {
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

/// Returns the names in the lines of a head that are not `NAME: VALUE`: the letters before the first other character,
/// and the name of a field that is folded.
fn crooked_names(head: &[u8]) -> Vec<String> {
    let mut crooked = Vec::new();
    let mut previous = String::new();
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = line.iter().position(|byte| *byte == b':');
        if line.first().is_some_and(|first| matches!(first, b' ' | b'\t')) && !previous.is_empty() {
            crooked.push(previous.clone());
            // Some readers take it for a field of its own.
            if colon.is_none() {
                continue;
            }
        }
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let name = String::from_utf8_lossy(name).into_owned();
        let is_token = !name.is_empty() && name.bytes().all(is_name_byte);
        let is_text = std::str::from_utf8(value).is_ok() && !value.iter().copied().any(is_control);
        if is_token && is_text && !value.is_empty() {
            previous = name;
        } else {
            let mut words = name.split(|c: char| !c.is_ascii() || !is_name_byte(c as u8));
            crooked.extend(words.find(|word| !word.is_empty()).map(str::to_owned));
        }
    }
    crooked
}

/// Returns true for the characters of a token (RFC 9110 section 5.6.2).
pub fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
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
        assert_eq!((head.status, &*head.reason, head.is_http_1_1, head.len), (404, "No", false, text.len()));
        assert_eq!(head.fields.value("a"), Some("c"));
    }

    #[test]
    fn fields_are_found_in_any_case_and_lists_over_all_their_lines() {
        let text = b"GET / HTTP/1.1\r\nA: x, ,Y\r\nb:  c \r\na: z\r\nC: \xff\r\nC: d\r\n\r\n";
        let head = read_request(text).unwrap().unwrap();
        assert_eq!((&*head.method, &*head.target, head.is_http_1_1, head.len), ("GET", "/", true, text.len()));
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
