use super::*;

fn parts(uri: &str) -> (String, u16, String) {
    let endpoint = Endpoint::parse(uri).unwrap();
    (endpoint.host, endpoint.port, endpoint.target)
}

#[test]
fn a_uri_is_split_into_host_port_and_target() {
    for (uri, host, port, target) in [
        ("ws://h", "h", 80, "/"),
        ("ws://h/", "h", 80, "/"),
        ("WS://H.Example:9/a/b?x=1&y=2", "h.example", 9, "/a/b?x=1&y=2"),
        ("ws://h?x=1", "h", 80, "/?x=1"),
        ("ws://[::1]:9/", "::1", 9, "/"),
        ("ws://[fe80::1%25eth0]/", "fe80::1%eth0", 80, "/"),
        ("ws://h/é b".trim_end_matches(" b"), "h", 80, "/%C3%A9"),
        ("h", "h", 8765, "/"),
        ("h:1/p", "h", 1, "/p"),
        ("192.168.1.100:8765", "192.168.1.100", 8765, "/"),
    ] {
        assert_eq!(parts(uri), (host.into(), port, target.into()), "{uri}");
    }
}

#[test]
fn each_wrong_part_is_named() {
    for (uri, word) in [
        ("", "host is missing"),
        ("ws://", "host is missing"),
        ("ws://:80/", "host is missing"),
        ("ws:///x", "host is missing"),
        ("ws://h:0/", "\"0\""),
        ("ws://h:99999/", "\"99999\""),
        ("ws://h:abc/", "\"abc\""),
        ("ws://h:/", "\"\""),
        ("ws://h:+1/", "\"+1\""),
        ("ws://h/p#f", "fragment"),
        ("http://h/", "write ws://"),
        ("https://h/", "write wss://"),
        ("ftp://h/", "unknown scheme ftp"),
        ("ws://h/a b", "percent-encoded"),
        ("ws://h/\u{1b}[2J", "percent-encoded"),
        ("ws://b\u{fc}cher.example/", "xn--"),
        ("ws://h_$/", "'$'"),
        ("ws://::1:80/", "brackets"),
        ("ws://[::1/", "no ]"),
        ("ws://[::1]x/", "only a :PORT"),
        ("ws://[::zz]/", "not an IPv6 address"),
        ("ws://[fe80::1%e\u{202e}]/", "zone"),
        ("ws://[fe80::1%25\u{e9}]/", "zone"),
        ("ws://a%3ab:c@h/", "colon"),
        ("ws://a%zz@h/", "percent-encoded"),
        ("ws://u:p/x@h/", "write them as %2F"),
    ] {
        let text = Endpoint::parse(uri).unwrap_err().to_string();
        assert!(text.contains(word), "{uri}: {text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}

#[test]
fn wss_has_its_own_default_port() {
    let table = [("wss://h", "wss://h:443/", "h"), ("WSS://[::1]:80/p", "wss://[::1]:80/p", "[::1]:80")];
    for (uri, displayed, header) in table {
        let endpoint = Endpoint::parse(uri).unwrap();
        assert!(endpoint.secure, "{uri}");
        assert_eq!((endpoint.to_string(), endpoint.host_header()), (displayed.into(), header.into()));
    }
}

#[test]
fn slash_ws_takes_the_place_of_a_path_that_was_not_given_and_only_once() {
    for (uri, target) in [("h", "/ws"), ("h:1", "/ws"), ("pmdaemon://h", "/ws")] {
        let mut endpoint = Endpoint::parse(uri).unwrap();
        assert!(endpoint.try_ws() && !endpoint.try_ws(), "{uri}");
        assert_eq!(endpoint.target, target);
    }
    for uri in ["h/", "h?x", "ws://h", "ws://h/?x", "ws://h/p", "ws+unix:///x"] {
        let mut endpoint = Endpoint::parse(uri).unwrap();
        let before = endpoint.clone();
        assert!(!endpoint.try_ws() && endpoint == before, "{uri}");
    }
}

#[test]
fn the_host_header_leaves_out_the_default_port_and_the_zone() {
    for (uri, header) in [
        ("ws://h/", "h"),
        ("ws://h:80/", "h"),
        ("ws://h:81/", "h:81"),
        ("ws://[::1]:9/", "[::1]:9"),
        ("ws://[fe80::1%25e]/", "[fe80::1]"),
    ] {
        assert_eq!(Endpoint::parse(uri).unwrap().host_header(), header);
    }
}

#[test]
fn a_sysmedic_uri_is_split_at_the_last_at_sign() {
    for (uri, secret, host, port) in [
        ("sysmedic://abc@h/", "abc", "h", 8060),
        ("sysmedic://abc@h", "abc", "h", 8060),
        ("SYSMEDIC://a@b@[::1]:9/x?y=1", "a@b", "::1", 9),
        ("sysmedic://a:b@h:1/", "a:b", "h", 1),
        ("sysmedic://a%40b@h:1", "a@b", "h", 1),
    ] {
        let endpoint = Endpoint::parse(uri).unwrap();
        assert_eq!(
            (endpoint.secret.as_deref(), endpoint.host.as_str(), endpoint.port),
            (Some(secret), host, port),
            "{uri}"
        );
        assert!(!endpoint.to_string().contains(secret), "{endpoint}");
    }
    assert!(Endpoint::parse("sysmedic://@h/").unwrap_err().to_string().contains("empty"));
    assert_eq!(Endpoint::parse("sysmedic://h/").unwrap().secret, None);
}

#[test]
fn each_dialect_but_the_generic_one_is_a_scheme_with_its_port_and_with_an_s_for_tls() {
    for dialect in crate::proto::dialect::DIALECTS {
        let name = dialect.name;
        for (scheme, secure) in [(name.to_owned(), false), (format!("{name}s"), true), (name.to_uppercase(), false)] {
            let parsed = Endpoint::parse(&format!("{scheme}://me:pass@h"));
            let Ok(endpoint) = parsed else {
                assert_eq!(name, "generic");
                continue;
            };
            let expected = (Some(name), secure, dialect.port, true);
            assert_eq!((endpoint.dialect, endpoint.secure, endpoint.port, endpoint.any_path), expected, "{scheme}");
            let shown = endpoint.to_string();
            assert_eq!(shown, format!("{}://h:{}/", scheme.to_lowercase(), dialect.port));
            assert_eq!(Endpoint::parse(&shown).unwrap().to_string(), shown);
            let credentials = (endpoint.userinfo.is_some(), endpoint.secret.is_some());
            assert_eq!(credentials, (name != "sysmedic", name == "sysmedic"), "{scheme}");
        }
    }
    let endpoint = Endpoint::parse("pmdaemon://h:1/p?a=b").unwrap();
    assert_eq!((endpoint.port, &*endpoint.target, endpoint.any_path), (1, "/p?a=b", false));
    for uri in ["generics://h", "wsss://h", "ws+unixs:///x", "pmdaemonss://h", "s://h"] {
        assert!(Endpoint::parse(uri).unwrap_err().to_string().contains("unknown scheme"), "{uri}");
    }
    for uri in ["pmdaemons://u:hunter2@h:0/", "neurograph://h:0/?token=hunter2"] {
        let text = Endpoint::parse(uri).unwrap_err().to_string();
        assert!(text.contains(uri.split(':').next().unwrap()) && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn secrets_are_never_displayed() {
    let endpoint = Endpoint::parse("ws://us%65r:hun%40ter2@h:1/p?token=abc&x=1&Secret=def&api_key=ghi").unwrap();
    assert_eq!(endpoint.userinfo, Some(("user".into(), "hun@ter2".into())));
    assert_eq!(endpoint.to_string(), "ws://h:1/p?token=redacted&x=redacted&Secret=redacted&api_key=redacted");
    for uri in [
        "foo://hunter2@h/",
        "ws://u:hunter2@h:0/",
        "ws://h:0/?token=hunter2",
        "hunter2@h:0",
        "ws://u:hunter2/x@h:0/#f",
        "sysmedic://hunter2@h:x/",
        "ws://u:hunter2/x@h/",
        "ws://u:hunter2?x@h/",
        "ws://u:x/?y#hunter2@h:0/",
        "u:hunter2/x@h:0",
        "hunter2://x@h:0",
        "hunter2@h:0://",
        "h?token=hunter2://",
        "ws://[::1]u:hunter2/x@h/",
        "ws://h:0/?a=b@c&token=hunter2",
        "ws://h:0/?to%6ben=hunter2",
        "login hunter2",
        "ws://h/ hunter2",
    ] {
        let text = Endpoint::parse(uri).unwrap_err().to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }
}
