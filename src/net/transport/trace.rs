//! The steps of opening a connection as trace lines, in the manner of `curl -v`: `*` for a step, `>` and `<` for the
//! heads of requests and responses. They hold no secrets.

use std::fmt;
use std::time::Duration;

use super::route::Route;
use crate::model::number::Fixed;
use crate::model::text::escape;
use crate::model::trace;
use crate::proto::http::header;
use crate::proto::uri::redact;

const REDACTED: &str = "redacted";

impl Route {
    /// Traces a step.
    pub fn trace(&self, step: fmt::Arguments<'_>) {
        if trace::is_on() {
            self.trace_line('*', &step.to_string());
        }
    }

    /// Traces the head of a request to a target, which is a path or a host. A header's value is shown only if it cannot
    /// be a secret.
    pub fn trace_request(&self, target: &str, head: &str) {
        if trace::is_on() {
            self.trace_head('>', &head.replacen(target, &redact(target), 1), header::is_public);
        }
    }

    /// Traces the head of a response as far as it came. Nothing is traced of what is not HTTP: the error quotes it.
    pub fn trace_response(&self, received: &[u8]) {
        if trace::is_on() && received.starts_with(b"HTTP/") {
            // A body that is not text makes no head unreadable.
            self.trace_head('<', &String::from_utf8_lossy(received), is_shown);
        }
    }

    fn trace_head(&self, mark: char, head: &str, is_shown: fn(&str) -> bool) {
        let mut lines = head.lines().take_while(|line| !line.is_empty());
        lines.next().into_iter().for_each(|line| self.trace_line(mark, line));
        lines.for_each(|line| self.trace_line(mark, &field(line, is_shown)));
    }

    fn trace_line(&self, mark: char, text: &str) {
        let text = self.secrets.hide(text);
        let text = escape(&text);
        // The precision is the upper bound on the line, in characters.
        trace::trace(&self.log.0, format_args!("{mark} {text:.300}"));
    }
}

/// Returns a field of a head with its value, unless that may be a secret. Responses are read although their lines are
/// crooked, so blanks before the colon are allowed for, and a line that continues the one before it is not shown.
fn field(line: &str, is_shown: fn(&str) -> bool) -> String {
    let (name, value) = line.split_once(':').unwrap_or(("", line));
    match name.trim() {
        name if name.is_empty() || line.starts_with([' ', '\t']) || !is_shown(name) => format!("{name}: {REDACTED}"),
        name if name.eq_ignore_ascii_case("Location") => format!("{name}: {}", redact(value.trim())),
        name => format!("{name}:{value}"),
    }
}

/// Returns true unless a response's header with this name may hold a credential.
fn is_shown(name: &str) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    let is_credential = is("Set-Cookie") || header::is_credential(name);
    // These two have a credential's words in their names and hold none.
    !is_credential || is("Sec-WebSocket-Accept") || is("WWW-Authenticate") || is("Proxy-Authenticate")
}

/// Displays a duration as milliseconds.
pub fn millis(duration: Duration) -> String {
    format!("{} ms", Fixed(duration.as_secs_f64() * 1000.0, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_may_hold_a_secret_is_shown_without_its_value() {
        for (line, shown) in [
            ("Server: x: y", "Server: x: y"),
            ("Sec-WebSocket-Accept: abc", "Sec-WebSocket-Accept: abc"),
            ("WWW-Authenticate: Basic realm=\"x\"", "WWW-Authenticate: Basic realm=\"x\""),
            ("Set-Cookie: id=hunter2", "Set-Cookie: redacted"),
            ("set-cookie:id=hunter2", "set-cookie: redacted"),
            ("Set-Cookie : id=hunter2", "Set-Cookie: redacted"),
            ("X-Auth-Token: hunter2", "X-Auth-Token: redacted"),
            ("Location: wss://u:hunter2@h/p?token=hunter2", "Location: wss://h/p?token=redacted"),
            ("location:/p?ticket=hunter2", "location: /p?ticket=redacted"),
            (" hunter2", ": redacted"),
            ("\tX: hunter2", "X: redacted"),
            (": hunter2", ": redacted"),
            ("hunter2", ": redacted"),
        ] {
            assert_eq!(field(line, is_shown), shown);
        }
        for (line, shown) in [
            ("Host: h:1", "Host: h:1"),
            ("X-Mine: hunter2", "X-Mine: redacted"),
            ("Authorization: Basic hunter2", "Authorization: redacted"),
            ("Cookie: hunter2", "Cookie: redacted"),
        ] {
            assert_eq!(field(line, header::is_public), shown);
        }
    }
}
