use super::*;
use crate::proto::http::head::{MAX_FIELDS, MAX_HEAD};

fn proxy() -> Proxy {
    *Proxy::parse("http://p:3128").unwrap()
}

#[test]
fn a_proxy_is_parsed_and_displayed_without_its_credentials() {
    for (url, shown, auth) in [
        ("http://p:3128", "http://p:3128", None),
        ("HTTP://P.Example/", "http://p.example:1080", None),
        ("p:3128", "http://p:3128", None),
        ("p", "http://p:1080", None),
        ("http://[::1]:8080/x?y#z", "http://[::1]:8080", None),
        ("http://us%65r:hun%40ter2@p:1", "http://p:1", Some(("user", "hun@ter2"))),
        ("user:hunter2@p:1", "http://p:1", Some(("user", "hunter2"))),
        ("http://user:hun/ter@2@p:1", "http://p:1", Some(("user", "hun/ter@2"))),
        ("http://user@p:1", "http://p:1", Some(("user", ""))),
    ] {
        let proxy = Proxy::parse(url).unwrap();
        assert_eq!((proxy.to_string().as_str(), format!("{proxy:?}")), (shown, format!("Proxy({shown})")), "{url}");
        let auth = auth.map(|(user, password): (&str, &str)| (user.to_owned(), password.to_owned()));
        assert_eq!(proxy.auth, auth, "{url}");
    }
}

#[test]
fn an_invalid_proxy_is_refused_without_showing_its_credentials() {
    for (url, word) in [
        ("https://u:hunter2@p:1", "over TLS"),
        ("socks5h://u:hunter2@p:1", "SOCKS"),
        ("hunter2://p:1", "unknown scheme"),
        ("", "host is missing"),
        ("http://", "host is missing"),
        ("http://u:hunter2@", "host is missing"),
        ("http://u:hunter2@:80", "host is missing"),
        ("http://u:hunter2@p:0", "\"0\""),
        ("http://u:hunter2@p:x", "\"x\""),
        ("http://u:hunter2@::1:80", "brackets"),
        ("http://u:hunter2%@p", "percent-encoded"),
        ("http://u%3ax:hunter2@p", "colon"),
        ("http://p q", "' '"),
    ] {
        let why = Proxy::parse(url).unwrap_err();
        assert!(why.contains(word) && !why.contains("hunter2"), "{url}: {why}");
    }
}

/// The proxy for a URI in an environment written as `NAME=VALUE` lines.
fn chosen(uri: &str, variables: &[&str]) -> Result<Option<String>, String> {
    let endpoint = Endpoint::parse(uri).unwrap();
    // A build without TLS cannot parse wss://.
    let endpoint = Endpoint { secure: uri.contains("443"), ..*endpoint };
    let env = |name: &str| {
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix('=').map(OsString::from);
        variables.iter().find_map(|line| value(line))
    };
    Proxy::from_environment(&endpoint, &env).map(|proxy| proxy.map(|proxy| proxy.to_string()))
}

#[test]
fn a_variable_that_is_not_utf_8_is_an_error_where_it_would_be_used() {
    use std::os::unix::ffi::OsStringExt as _;
    let read = |uri: &str, bad: &str| {
        let env = |name: &str| match name {
            name if name == bad => Some(OsString::from_vec(b"http://p\xff".to_vec())),
            "http_proxy" => Some("http://p".into()),
            _ => None,
        };
        Proxy::from_environment(&Endpoint::parse(uri).unwrap(), &env).map(|proxy| proxy.is_some())
    };
    for bad in ["http_proxy", "no_proxy", "NO_PROXY"] {
        assert_eq!(read("ws://h", bad), Err(format!("{bad} is not UTF-8")));
        assert_eq!(read("ws://127.0.0.1", bad), Ok(false));
    }
    // The one in small letters takes precedence.
    assert_eq!(read("ws://h", "HTTP_PROXY"), Ok(true));
    assert_eq!(read("ws://h", "https_proxy"), Ok(true));
}

#[test]
fn the_environment_chooses_by_scheme_and_small_letters_take_precedence() {
    for (uri, variables, expected) in [
        ("ws://h", &["http_proxy=a:1", "https_proxy=b:1", "all_proxy=c:1"][..], Some("http://a:1")),
        ("ws://h:443", &["http_proxy=a:1", "https_proxy=b:1", "all_proxy=c:1"], Some("http://b:1")),
        ("ws://h:443", &["http_proxy=a:1", "all_proxy=c:1"], Some("http://c:1")),
        ("ws://h", &["HTTP_PROXY=a:1", "http_proxy=b:1"], Some("http://b:1")),
        ("ws://h", &["HTTP_PROXY=a:1", "http_proxy="], Some("http://a:1")),
        ("ws://h", &["HTTP_PROXY=a:1"], Some("http://a:1")),
        ("ws://h", &["ALL_PROXY=a:1", "http_proxy= "], Some("http://a:1")),
        ("ws://h", &["HTTP_PROXY=a:1", "REQUEST_METHOD=GET"], None),
        ("ws://h", &["http_proxy=a:1", "REQUEST_METHOD=GET"], Some("http://a:1")),
        ("ws://h:443", &["HTTPS_PROXY=a:1", "REQUEST_METHOD=GET"], Some("http://a:1")),
        ("ws://h", &["https_proxy=a:1"], None),
        ("ws://h", &[], None),
        ("ws://h", &["http_proxy=a:1", "no_proxy=x,h"], None),
        ("ws://h", &["http_proxy=a:1", "NO_PROXY=h:80"], None),
        ("ws://h", &["http_proxy=a:1", "no_proxy=x", "NO_PROXY=h"], Some("http://a:1")),
        ("ws://h", &["http_proxy=a:1", "no_proxy=h:81"], Some("http://a:1")),
        ("ws://h", &["http_proxy=socks5://a:1", "no_proxy=*"], None),
    ] {
        assert_eq!(chosen(uri, variables).unwrap().as_deref(), expected, "{uri} {variables:?}");
    }
}

#[test]
fn a_server_on_this_machine_never_uses_a_proxy_of_the_environment() {
    for uri in [
        "ws://localhost:8765",
        "ws://LOCALHOST.",
        "ws://a.localhost",
        "ws://127.0.0.1",
        "ws://127.1.2.3",
        "ws://[::1]",
        "ws://[::ffff:127.0.0.1]",
        "ws://0.0.0.0",
        "ws+unix:///run/x.sock",
    ] {
        assert_eq!(chosen(uri, &["http_proxy=a:1", "all_proxy=a:1"]), Ok(None), "{uri}");
    }
    assert_eq!(chosen("ws://notlocalhost", &["http_proxy=a:1"]).unwrap().as_deref(), Some("http://a:1"));
}

#[test]
fn an_invalid_variable_is_named() {
    let why = chosen("ws://h", &["ALL_PROXY=socks5://u:hunter2@a:1"]).unwrap_err();
    assert!(why.starts_with("ALL_PROXY: SOCKS") && !why.contains("hunter2"), "{why}");
}

#[test]
fn a_connect_request_names_host_and_port() {
    let version = env!("CARGO_PKG_VERSION");
    for (host, shown) in [("h", "h:443"), ("::1", "[::1]:443"), ("fe80::1%eth0", "[fe80::1]:443")] {
        let expected = format!("CONNECT {shown} HTTP/1.1\r\nHost: {shown}\r\nUser-Agent: wsmon/{version}\r\n\r\n");
        assert_eq!(proxy().connect_request(host, 443), expected);
    }
    let request = Proxy::parse("Aladdin:open sesame@p").unwrap().connect_request("h", 1);
    // The example of RFC 7617 section 2.
    assert!(request.ends_with("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"), "{request}");
}

#[test]
fn a_tunnel_begins_after_the_head_of_the_response() {
    for head in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200 OK\r\nProxy-Agent: tinyproxy\r\n\r\n",
        "HTTP/1.1 204\r\nContent-Length: 99\r\n\r\n",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        for end in 0..head.len() {
            assert_eq!(proxy().read_response(&head.as_bytes()[..end], <_>::default()), Ok(None), "{head:?} {end}");
        }
        assert_eq!(
            proxy().read_response(format!("{head}tunnel").as_bytes(), <_>::default()),
            Ok(Some(head.len())),
            "{head:?}"
        );
    }
}

#[test]
fn each_refusal_has_its_advice() {
    let with = Proxy::parse("u:hunter2@p").unwrap();
    let bare = proxy();
    for (proxy, line, status, word) in [
        (&bare, "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x", 407, "USER:PASSWORD"),
        (&bare, "407 Auth", 407, "USER:PASSWORD"),
        (&with, "407 Auth\r\nProxy-Authenticate: basic", 407, "does not accept these"),
        (&with, "407 Auth\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate", 407, "NTLM, Negotiate"),
        (&bare, "403 Forbidden", 403, "403 Forbidden: it does not allow tunnels"),
        (&bare, "405", 405, "405: does it support CONNECT"),
        (&bare, "502 Bad Gateway", 502, "reach the server"),
        (&bare, "302 Found\r\nLocation: http://login/", 302, "login page"),
        (&bare, "101 Switching Protocols", 101, "answered 101"),
        (&bare, "418 \u{202e}x", 418, "418"),
    ] {
        let refused = proxy.read_response(format!("HTTP/1.1 {line}\r\n\r\n").as_bytes(), <_>::default()).unwrap_err();
        assert_eq!(refused.status, Some(status));
        assert!(refused.text.starts_with("the proxy answered ") && refused.text.contains(word), "{refused}");
        assert!(!refused.text.contains("hunter2") && !refused.text.contains('\u{202e}'), "{refused}");
    }
}

#[test]
fn a_response_that_is_not_http_is_quoted() {
    let long = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(MAX_HEAD));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(MAX_FIELDS + 1));
    for (answer, word) in [
        (&b"SSH-2.0-dropbear\r\n"[..], "(\"SSH-2.0-dropbear\"): is this an HTTP proxy?"),
        (b"\x05\x00", "is this an HTTP proxy?"),
        (b"\x15\x03\x01\0\x02\x02", "with TLS"),
        (b"\x1b[2J\n", "(\"\\x1b[2J\")"),
        (long.as_bytes(), "16 KiB"),
        (many.as_bytes(), "124 fields"),
    ] {
        let refused = proxy().read_response(answer, <_>::default()).unwrap_err();
        assert!(refused.text.contains(word) && refused.status.is_none(), "{refused}");
    }
}
