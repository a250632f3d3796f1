//! Reads the heads of HTTP/1.x messages: the one place that parses them and bounds what it accepts.
//!
//! The upgrade, a proxy's answer to CONNECT, the demo and the command's HTTP server read through it. Each call starts from the
//! first byte: heads are short, and the caller keeps nothing but the bytes.
//!
//! A response is read although some of its lines are crooked: without a colon, folded, with blanks or umlauts in the
//! name, with control characters in the value. Many devices send such lines, and the status beside them is what the
//! user needs. [`Fields::crooked`] tells the caller of a field that must not be guessed. A request with such lines is
//! refused.

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
    const VERSION: &[u8] = b"HTTP/1.";
    let may_begin = |start: &[u8]| start.starts_with(VERSION) || VERSION.starts_with(start);
    let mut start = 0;
    loop {
        let (lines, len) = lines(buffer, start, may_begin, |line| status_line(line).is_some())?;
        let [first, rest @ ..] = &lines[..] else { return Ok(None) };
        let (is_http_1_1, status, reason) = status_line(first).ok_or(HeadError::NotHttp(&buffer[start..]))?;
        if !matches!(status, 100 | 102..=199) {
            return Ok(Some(ResponseHead { status, reason, is_http_1_1, fields: Fields::read(rest)?.0, len }));
        }
        start = len;
    }
}

/// Reads a request's head from all bytes received so far; `None` until it is complete.
pub fn read_request(buffer: &[u8]) -> Result<Option<RequestHead>, HeadError<'_>> {
    let may_begin = |start: &[u8]| {
        let method = start.iter().take_while(|byte| is_name_byte(**byte)).count();
        matches!(start.get(method), None | Some(b' ')) && (method > 0 || start.is_empty())
    };
    let (lines, len) = lines(buffer, 0, may_begin, |line| request_line(line).is_some())?;
    let [first, rest @ ..] = &lines[..] else { return Ok(None) };
    let (fields, is_straight) = Fields::read(rest)?;
    match request_line(first) {
        Some((method, target, is_http_1_1)) if is_straight => {
            Ok(Some(RequestHead { method, target, is_http_1_1, fields, len }))
        }
        _ => Err(HeadError::NotHttp(buffer)),
    }
}

/// Splits the head that starts at `start` into lines without their ends, and returns them with the place where it ends.
/// There are none while it is incomplete and may still become valid, to judge by its first line.
fn lines<'b>(
    buffer: &'b [u8],
    start: usize,
    may_begin: fn(&[u8]) -> bool,
    is_first: fn(&[u8]) -> bool,
) -> Result<(Vec<&'b [u8]>, usize), HeadError<'b>> {
    let mut lines = Vec::new();
    let mut end = start;
    for line in buffer[start..].split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let is_complete = text.len() < line.len();
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if lines.is_empty() && !if is_complete && !text.is_empty() { is_first(text) } else { may_begin(text) } {
            return Err(HeadError::NotHttp(&buffer[start..]));
        }
        end += line.len();
        if !is_complete || end > MAX_HEAD {
            break;
        }
        match text {
            // Empty lines before the first one are skipped.
            [] if lines.is_empty() => {}
            [] => return Ok((lines, end)),
            text => lines.push(text),
        }
    }
    if end > MAX_HEAD { Err(HeadError::TooLong) } else { Ok((Vec::new(), start)) }
}

/// Reads a status line: true for HTTP/1.1, the status, and the reason unless that holds anything but ASCII.
fn status_line(line: &[u8]) -> Option<(bool, u16, String)> {
    let (version, rest) = line.split_at_checked(8)?;
    let is_http_1_1 = is_http_1_1(version)?;
    let (status, reason) = rest.strip_prefix(b" ")?.trim_ascii_start().split_at_checked(3)?;
    if !status.iter().all(u8::is_ascii_digit) || !matches!(reason.first(), None | Some(b' ')) {
        return None;
    }
    let status = status.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    let reason =
        std::str::from_utf8(reason).ok().filter(|reason| reason.bytes().all(|b| b.is_ascii() && !is_control(b)));
    Some((is_http_1_1, status, reason.unwrap_or_default().trim().to_owned()))
}

/// Reads a request line: method, target, and true for HTTP/1.1.
fn request_line(line: &[u8]) -> Option<(String, String, bool)> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return None;
    };
    let is_valid = is_token(method) && !target.is_empty() && !target.bytes().any(|byte| byte.is_ascii_control());
    is_valid.then_some((method.to_owned(), target.to_owned(), is_http_1_1(version.as_bytes())?))
}

/// Returns true for HTTP/1.1, false for HTTP/1.0; `None` for any other version.
fn is_http_1_1(version: &[u8]) -> Option<bool> {
    match version {
        b"HTTP/1.1" => Some(true),
        b"HTTP/1.0" => Some(false),
        _ => None,
    }
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
    /// Reads the lines after the first one. Also returns true if every line is `NAME: VALUE`, with any bytes but control
    /// characters in the value.
    fn read(lines: &[&[u8]]) -> Result<(Self, bool), HeadError<'static>> {
        let mut head = Fields { fields: Vec::new(), crooked: Vec::new() };
        let mut is_straight = true;
        // The latest field without crookedness; and true if the latest line is a field, or continues one.
        let (mut previous, mut is_open) = (String::new(), false);
        for line in lines {
            let colon = line.iter().position(|byte| *byte == b':');
            if matches!(line.first(), Some(b' ' | b'\t')) {
                is_straight = false;
                is_open = is_open && head.continue_field(line);
                if !previous.is_empty() {
                    head.crooked.push(previous.clone());
                    // Some readers take it for a field of its own.
                    if colon.is_none() {
                        continue;
                    }
                }
                head.add_crooked(&line[..colon.unwrap_or(line.len())]);
                continue;
            }
            let (name, value) = line.split_at(colon.unwrap_or(line.len()));
            let value = value.strip_prefix(b":");
            let text = value.and_then(text_of);
            let bare = std::str::from_utf8(name).unwrap_or_default().trim_end_matches([' ', '\t']);
            is_open = is_token(bare) && text.is_some();
            if let Some(text) = text.filter(|_| is_open) {
                head.fields.push((bare.to_owned(), text.trim_matches([' ', '\t']).to_owned()));
            }
            let is_name = bare.len() == name.len() && is_token(bare);
            is_straight &= is_name && value.is_some_and(|value| !value.iter().copied().any(is_control));
            if is_name && text.is_some() {
                previous = bare.to_owned();
            } else {
                head.add_crooked(name);
            }
        }
        if head.fields.len() > MAX_FIELDS { Err(HeadError::TooLong) } else { Ok((head, is_straight)) }
    }

    /// Appends a folded line to the latest field; removes the field and returns false if the line is not text.
    fn continue_field(&mut self, line: &[u8]) -> bool {
        match (text_of(line), self.fields.last_mut()) {
            (Some(text), Some((_, value))) => {
                value.push(' ');
                value.push_str(text.trim_matches([' ', '\t']));
                true
            }
            _ => {
                self.fields.pop();
                false
            }
        }
    }

    /// Takes the letters before the first other character of a crooked line for its name.
    fn add_crooked(&mut self, name: &[u8]) {
        let name = String::from_utf8_lossy(name);
        let mut words = name.split(|c: char| !c.is_ascii() || !is_name_byte(c as u8));
        self.crooked.extend(words.find(|word| !word.is_empty()).map(str::to_owned));
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

/// Returns bytes as text, if they are UTF-8 without control characters.
fn text_of(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.bytes().any(is_control))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_name_byte)
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
