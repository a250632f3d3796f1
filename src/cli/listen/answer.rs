//! The answer to a request of HTTP: from the bytes of its head to those of the response, without a descriptor.

use wsmon::internal::{HeadError, read_request};

/// Upper bound on the head of a request, in bytes.
const MAX_HEAD: usize = 8 << 10;

const PLAIN: &str = "text/plain; charset=utf-8";

/// The links are relative: a reverse proxy may have put a path before them.
const INDEX: &str = "<!DOCTYPE html><title>wsmon</title><p><a href=\"metrics\">metrics</a> <a href=\"healthz\">healthz</a> \
                     <a href=\"livez\">livez</a> <a href=\"readyz\">readyz</a>\n";

/// A page that depends on the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Metrics,
    Ready,
}

/// Returns the response to the bytes received so far; `None` until the head of a request is complete and while it may
/// become one. What follows the head is ignored: each connection has one request.
///
/// `content` returns a page, and false if the status is to be 503.
pub fn answer(received: &[u8], content: &mut dyn FnMut(Page) -> (bool, String)) -> Option<Vec<u8>> {
    let head = match read_request(received) {
        Ok(Some(head)) if head.len <= MAX_HEAD => head,
        Ok(None) if received.len() <= MAX_HEAD => return None,
        Ok(_) | Err(HeadError::TooLong) => {
            return refusal("400 Bad Request", "the head of the request is too long", true);
        }
        Err(HeadError::NotHttp(_)) => return refusal("400 Bad Request", "this is no request of HTTP/1.1", true),
    };
    let has_body = head.method != "HEAD";
    if has_body && head.method != "GET" {
        return refusal("405 Method Not Allowed\r\nAllow: GET, HEAD", "only GET and HEAD are allowed", true);
    }
    let (status, kind, body) = match path(&head.target) {
        "/metrics" => ("200 OK", "text/plain; version=0.0.4; charset=utf-8", content(Page::Metrics).1),
        "/healthz" | "/livez" => ("200 OK", PLAIN, "ok\n".to_owned()),
        "/readyz" => match content(Page::Ready) {
            (true, body) => ("200 OK", PLAIN, body),
            (false, body) => ("503 Service Unavailable", PLAIN, body),
        },
        "/" => ("200 OK", "text/html; charset=utf-8", INDEX.to_owned()),
        _ => return refusal("404 Not Found", "the pages are /metrics, /healthz, /livez and /readyz", has_body),
    };
    Some(response(status, kind, &body, has_body))
}

fn refusal(status: &str, why: &str, has_body: bool) -> Option<Vec<u8>> {
    Some(response(status, PLAIN, &format!("{why}\n"), has_body))
}

/// Writes a response. `status` may have further lines. Without a body the length is that of the body of GET.
fn response(status: &str, kind: &str, body: &str, has_body: bool) -> Vec<u8> {
    let length = body.len();
    let mut text =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    if has_body {
        text.push_str(body);
    }
    text.into_bytes()
}

/// Returns the path of a request's target, which may be a whole URI (RFC 9112 section 3.2.2), without the query.
fn path(target: &str) -> &str {
    let target = target.split(['?', '#']).next().unwrap_or_default();
    match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::random::Random;

    fn content(page: Page) -> (bool, String) {
        match page {
            Page::Metrics => (true, "wsmon_up 1\n".to_owned()),
            Page::Ready => (false, "0 of 1 servers up\n".to_owned()),
        }
    }

    /// Returns the response as text; empty while the request is incomplete.
    fn ask(request: impl AsRef<[u8]>) -> String {
        let response = answer(request.as_ref(), &mut content).unwrap_or_default();
        String::from_utf8(response).unwrap()
    }

    const METRICS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
                           Content-Length: 11\r\nConnection: close\r\n\r\nwsmon_up 1\n";

    #[test]
    fn the_metrics_are_found_in_every_form_of_a_request() {
        for request in [
            "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /metrics HTTP/1.0\r\n\r\n",
            "GET /metrics HTTP/1.1\nHost: h\n\n",
            "\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
            "GET /metrics?x HTTP/1.1\r\n\r\n",
            "GET /metrics?name[]=a%20b&://x/ HTTP/1.1\r\n\r\n",
            "GET /metrics#x HTTP/1.1\r\n\r\n",
            "GET http://h:1/metrics HTTP/1.1\r\n\r\n",
            "GET HTTPS://[::1]:9/metrics?x HTTP/1.1\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nHost: [::1]:9109\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            "GET /metrics HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(ask(request), METRICS, "{request:?}");
        }
    }

    #[test]
    fn nothing_is_answered_before_the_head_is_complete() {
        let request = b"GET /metrics HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n";
        for end in 0..request.len() {
            assert_eq!(ask(&request[..end]), "", "{end}");
        }
    }

    #[test]
    fn each_page_has_its_status_and_content() {
        let page = |target: &str| {
            let response = ask(format!("GET {target} HTTP/1.1\r\n\r\n"));
            let (head, body) = response.split_once("\r\n\r\n").unwrap();
            (head.lines().next().unwrap()[9..].to_owned(), body.to_owned())
        };
        let row = |status: &str, body: &str| (status.to_owned(), body.to_owned());
        assert_eq!(page("/healthz"), row("200 OK", "ok\n"));
        assert_eq!(page("/livez"), row("200 OK", "ok\n"));
        assert_eq!(page("/readyz"), row("503 Service Unavailable", "0 of 1 servers up\n"));
        assert_eq!(page("/"), row("200 OK", INDEX));
        assert_eq!(page("http://h"), page("/"));
        for target in ["/x", "/metrics/", "//metrics", "/%6detrics", "*", "metrics", "/a/http://h/metrics", "/METRICS"]
        {
            assert_eq!(page(target), row("404 Not Found", "the pages are /metrics, /healthz, /livez and /readyz\n"));
        }
        let mut ready = |_| (true, "1 of 1 servers up\n".to_owned());
        let response = answer(b"GET /readyz HTTP/1.1\r\n\r\n", &mut ready).unwrap();
        assert!(response.starts_with(b"HTTP/1.1 200 OK\r\n") && response.ends_with(b"\r\n\r\n1 of 1 servers up\n"));
    }

    #[test]
    fn the_answer_to_head_is_that_to_get_without_the_body() {
        for target in ["/metrics", "/healthz", "/readyz", "/", "/x"] {
            let (get, head) = (ask(format!("GET {target} HTTP/1.1\n\n")), ask(format!("HEAD {target} HTTP/1.1\n\n")));
            assert_eq!(get.split_once("\r\n\r\n").unwrap().0.to_owned() + "\r\n\r\n", head, "{target}");
        }
    }

    #[test]
    fn other_methods_are_refused_with_those_that_are_allowed() {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X"] {
            let response = ask(format!("{method} /metrics HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"));
            assert!(response.starts_with("HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n"), "{response}");
        }
    }

    #[test]
    fn what_is_no_request_or_too_long_is_a_bad_request() {
        let long = format!("GET /metrics HTTP/1.1\r\nA: {}", "a".repeat(20 << 10));
        let line = format!("GET /{}", "a".repeat(MAX_HEAD));
        let fields = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(200));
        let blank = "\r\n".repeat(MAX_HEAD);
        for request in [
            "GARBAGE\r\n\r\n",
            "\x16\x03\x01\x02",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET /metrics\r\n\r\n",
            "GET /metrics HTTP/1.2\r\n\r\n",
            "GET /met\0rics HTTP/1.1\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nA: \0\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nA b\r\n\r\n",
            &long,
            &format!("{long}\r\n\r\n"),
            &line,
            &fields,
            &blank,
        ] {
            let response = ask(request);
            assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{request:?}: {response}");
        }
        // Just short enough.
        let mut head = format!("GET /healthz HTTP/1.1\r\nA: {}", "a".repeat(MAX_HEAD));
        head.truncate(MAX_HEAD - 4);
        assert!(ask(head + "\r\n\r\n").ends_with("ok\n"));
    }

    #[test]
    fn any_bytes_get_one_whole_response_or_none() {
        let seeds: [&[u8]; 4] = [
            b"GET http://h/metrics?x HTTP/1.1\r\nHost: [::1]\r\n\r\n",
            b"HEAD / HTTP/1.0\n\n",
            b"POST /readyz HTTP/1.1\r\nA:b\r\n\r\n",
            b"GET /nothing HTTP/1.1\r\n\r\n",
        ];
        let mut random = Random::new(1);
        for _ in 0..20_000 {
            let mut request = random.pick(&seeds).to_vec();
            for _ in 0..random.below(4) {
                let at = random.below(request.len());
                match random.below(3) {
                    0 => request[at] = random.below(256) as u8,
                    1 => request.insert(at, *random.pick(b"\r\n\0 /:?#%\xff")),
                    _ => drop(request.remove(at)),
                }
            }
            let response = ask(&request);
            if let Some((head, body)) = response.split_once("\r\n\r\n") {
                let (_, length) = head.split_once("Content-Length: ").unwrap();
                let length: usize = length.split_once("\r\n").unwrap().0.parse().unwrap();
                assert!(body.is_empty() || body.len() == length && body.ends_with('\n'), "{request:?}: {response}");
                assert!(head.ends_with("\r\nConnection: close"), "{response}");
            }
        }
    }
}
