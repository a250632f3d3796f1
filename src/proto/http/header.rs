//! Parses the headers that the user adds to the upgrade request: `NAME: VALUE`, or a file of such lines.

use crate::model::setting::Setting;
use crate::model::settings_text::items;
use crate::model::text::escape;
use crate::proto::http::head::is_name_byte;

/// Parses `NAME: VALUE`.
///
/// # Errors
/// Names the fault, without the value.
pub fn parse(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or("a header is NAME: VALUE, and the colon is missing")?;
    if name.is_empty() || !name.bytes().all(is_name_byte) {
        return Err(format!("{:?} is not a header name", escape(name)));
    }
    if name.eq_ignore_ascii_case("Sec-WebSocket-Protocol") {
        return Err(format!(
            "the header {name} belongs to the upgrade itself: see {}",
            Setting("Server::subprotocols")
        ));
    }
    if is_reserved(name) {
        return Err(format!("the header {name} belongs to the upgrade itself and cannot be set"));
    }
    let value = value.trim_matches([' ', '\t']);
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(format!("the value of the header {name} contains control characters"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Parses the lines of a file; empty lines and those that begin with `#` are skipped.
///
/// # Errors
/// Like [`parse`], with the number of the line.
pub fn parse_lines(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut headers = Vec::new();
    for (number, line) in items(text) {
        headers.push(parse(line).map_err(|why| format!("line {number}: {why}"))?);
    }
    Ok(headers)
}

/// Checks names of subprotocols (RFC 6455 section 4.1, point 10).
///
/// # Errors
/// Names the first that is wrong.
pub fn check_subprotocols(names: &[String]) -> Result<(), String> {
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() || !name.bytes().all(is_name_byte) {
            return Err(format!("{:?} is not a name of letters, digits and !#$%&'*+-.^_`|~", escape(name)));
        }
        if names[..at].contains(name) {
            return Err(format!("{name} stands there twice"));
        }
    }
    Ok(())
}

/// Returns true if the value of this header is a credential.
pub fn is_credential(name: &str) -> bool {
    ["authorization", "cookie", "proxy-authorization"].iter().any(|credential| name.eq_ignore_ascii_case(credential))
        || crate::proto::uri::is_secret(name)
}

/// Returns true if the value of this request header is no secret and may be quoted; any other may be one.
pub fn is_public(name: &str) -> bool {
    const PUBLIC: [&str; 9] = [
        "accept-language",
        "connection",
        "host",
        "origin",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-version",
        "upgrade",
        "user-agent",
    ];
    PUBLIC.iter().any(|public| name.eq_ignore_ascii_case(public))
}

/// Returns true for headers that the upgrade sets itself, and for those that would give the request a body.
fn is_reserved(name: &str) -> bool {
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
    fn a_header_that_would_break_the_request_is_refused_without_showing_its_value() {
        for (line, word) in [
            ("secret", "colon"),
            (": secret", "not a header name"),
            ("a b: secret", "not a header name"),
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
            parse_lines("\u{feff}A: b\n\n # no\r\n\tC: d\r\n"),
            Ok(vec![("A".into(), "b".into()), ("C".into(), "d".into())])
        );
        assert!(parse_lines("A: b\nsecret\n").unwrap_err().starts_with("line 2: "));
    }

    #[test]
    fn names_of_subprotocols_are_checked() {
        let check =
            |names: &[&str]| check_subprotocols(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(check(&["v1.json", "a"]), Ok(()));
        for (names, word) in [
            (&["a", ""][..], "\"\" is not"),
            (&["a b"], "\"a b\" is not"),
            (&["a\r\n"], "is not"),
            (&["a", "A", "a"], "twice"),
        ] {
            assert!(check(names).unwrap_err().contains(word), "{names:?}");
        }
    }
}
