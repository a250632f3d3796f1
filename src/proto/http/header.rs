//! Headers that the user wants in the request of the upgrade: `NAME: VALUE`, or a file of such lines.

use crate::model::text::escape;

/// Reads `NAME: VALUE`.
///
/// # Errors
/// Says what is wrong, without the value.
pub fn parse(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or("a header is NAME: VALUE, and the colon is missing")?;
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("{:?} is no name of a header", escape(name)));
    }
    if is_ours(name) {
        return Err(format!("the header {name} is part of the upgrade itself and cannot be set"));
    }
    let value = value.trim_matches([' ', '\t']);
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(format!("the value of the header {name} holds control characters"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads a file's lines; empty ones and those that begin with `#` say nothing.
///
/// # Errors
/// As [`parse`], with the number of the line.
pub fn parse_lines(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut headers = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if !line.trim().is_empty() && !line.starts_with('#') {
            match parse(line) {
                Ok(header) => headers.push(header),
                Err(why) => return Err(format!("line {}: {why}", i + 1)),
            }
        }
    }
    Ok(headers)
}

/// Whether a header is worth as much as a password.
pub fn is_credential(name: &str) -> bool {
    ["authorization", "cookie", "proxy-authorization"].iter().any(|credential| name.eq_ignore_ascii_case(credential))
        || crate::proto::uri::is_secret(name)
}

/// Headers without which, or with another value of which, there is no upgrade.
fn is_ours(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "upgrade" | "connection" | "content-length" | "transfer-encoding")
        || name.starts_with("sec-websocket-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value() {
        for (line, name, value) in [("A: b", "A", "b"), ("x-y:  a: b ", "x-y", "a: b"), ("Empty:", "Empty", "")] {
            assert_eq!(parse(line), Ok((name.into(), value.into())), "{line}");
        }
    }

    #[test]
    fn what_would_break_the_request_is_refused_and_the_value_not_shown() {
        for (line, word) in [
            ("secret", "colon"),
            (": secret", "no name"),
            ("a b: secret", "no name"),
            ("a: secret\r\nb: c", "control"),
            ("Upgrade: secret", "cannot be set"),
            ("connection: secret", "cannot be set"),
            ("Sec-WebSocket-Key: secret", "cannot be set"),
        ] {
            let why = parse(line).unwrap_err();
            assert!(why.contains(word) && !why.contains("secret"), "{line:?}: {why}");
        }
    }

    #[test]
    fn a_file_has_one_header_per_line() {
        assert_eq!(
            parse_lines("A: b\n\n# no\r\nC: d\r\n"),
            Ok(vec![("A".into(), "b".into()), ("C".into(), "d".into())])
        );
        assert!(parse_lines("A: b\nsecret\n").unwrap_err().starts_with("line 2: "));
    }
}
