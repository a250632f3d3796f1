use super::*;

fn endpoint(uri: &str) -> Endpoint {
    match uri.strip_prefix("wss://") {
        // A build without TLS has no wss:// either.
        Some(rest) => {
            let plain = Endpoint::parse(&format!("ws://{rest}")).unwrap();
            let port = if plain.port == 80 { 443 } else { plain.port };
            Endpoint { secure: true, port, ..*plain }
        }
        None => *Endpoint::parse(uri).unwrap(),
    }
}

#[test]
fn a_location_is_resolved_against_the_address_that_sent_it() {
    for (from, location, to) in [
        ("ws://h/a/b?v=1", "/c", "ws://h:80/c"),
        ("ws://h/a/b?v=1", "c", "ws://h:80/a/c"),
        ("ws://h/a/b?v=1", "c/d?v=2", "ws://h:80/a/c/d?v=2"),
        ("ws://h/a/b?v=1", "?v=2", "ws://h:80/a/b?v=2"),
        ("ws://h/a/b?v=1", "", "ws://h:80/a/b?v=1"),
        ("ws://h/a/b?v=1", "#f", "ws://h:80/a/b?v=1"),
        ("ws://h/a/b", "../c", "ws://h:80/c"),
        ("ws://h/a/b", "../../../c", "ws://h:80/c"),
        ("ws://h/a/b/", "./", "ws://h:80/a/b/"),
        ("ws://h/a/b/", "..", "ws://h:80/a/"),
        ("ws://h/a/b/", "/x/./y/../z", "ws://h:80/x/z"),
        ("ws://h/", "/a:b", "ws://h:80/a:b"),
        ("ws://h/", "/?type=http://x/", "ws://h:80/?type=http://x/"),
        ("ws://h/", "/\u{e9}", "ws://h:80/%C3%A9"),
        ("ws://h:9/", "/c", "ws://h:9/c"),
        ("ws://h:9/", "//g/c", "ws://g:80/c"),
        ("wss://h/", "/c", "wss://h:443/c"),
        ("ws://h/", "http://g:8/c?v=d#e", "ws://g:8/c?v=d"),
        ("ws://h/", "WS://G", "ws://g:80/"),
        ("ws://h/", "http://[::1]:8/", "ws://[::1]:8/"),
        ("h:1", "/c", "ws://h:1/c"),
        ("ws+unix:///x.sock:/a", "/c", "ws+unix:///x.sock:/c"),
        ("ws+unix:///x.sock:/a", "http://localhost/c", "ws+unix:///x.sock:/c"),
        ("ws+unix:///x.sock:/a", "http://localhost:81/c", "ws://localhost:81/c"),
        ("ws+unix:///x.sock:/a", "http://g/c", "ws://g:80/c"),
        ("sysmedic://abc@h:1/", "/c", "sysmedic://h:1/c"),
    ] {
        assert_eq!(follow(&endpoint(from), Some(location), 0, 5).unwrap().to_string(), to, "{from} {location}");
    }
}

#[test]
fn tls_may_be_gained_and_is_never_lost() {
    for (from, location, to) in [
        ("ws://h/", "https://h/c", "wss://h:443/c"),
        ("ws://h/", "wss://g:8/c", "wss://g:8/c"),
        ("wss://h/", "//g/c", "wss://g:443/c"),
        ("wss://h/", "https://h:444/", "wss://h:444/"),
        ("ws+unix:///x.sock", "https://localhost/", "wss://localhost:443/"),
    ] {
        let endpoint = follow(&endpoint(from), Some(location), 4, 5).unwrap();
        assert_eq!(endpoint.to_string(), to);
    }
    for location in ["http://h/", "ws://h/", "HTTP://h:443/", "ws://g/"] {
        let why = follow(&endpoint("wss://h/"), Some(location), 0, 5).unwrap_err();
        assert!(why.contains("from wss to ws"), "{why}");
    }
}

#[test]
fn a_location_that_cannot_be_used_is_not_followed() {
    let from = endpoint("ws://h/");
    assert!(follow(&from, None, 0, 5).unwrap_err().contains("without a valid Location"));
    assert!(follow(&from, Some("/"), 4, 5).is_ok());
    assert!(
        follow(&from, Some("/x?k=v"), 5, 5)
            .unwrap_err()
            .contains("/x?k=redacted: not followed, the limit is 5 in a row")
    );
    assert!(follow(&from, Some("/"), 0, 0).unwrap_err().contains("Server::max_redirects"));
    for (location, word) in [
        ("ftp://h/", "ftp:"),
        ("javascript:alert(1)", "javascript:"),
        ("ws+unix:///x.sock", "ws+unix:"),
        ("http://", "host is missing"),
        ("http:/c", "without // and a host"),
        ("http://h:0/", "\"0\""),
        ("//h:99999/?token=hunter2", "\"99999\""),
        ("http://me:hunter2@h:x/", "\"x\""),
        ("/a b", "' '"),
        ("/a\r\nX: y", "'\\r'"),
        ("http://h/\u{1b}[2J", "'\\u{1b}'"),
    ] {
        let why = follow(&from, Some(location), 0, 5).unwrap_err();
        assert!(why.starts_with("redirected") && why.contains(word), "{location}: {why}");
        assert!(!why.contains("hunter2") && !why.contains('\u{1b}'), "{why}");
    }
}

#[test]
fn a_scheme_without_slashes_names_no_server() {
    for from in ["ws://u:hunter2@h/a", "wss://u:hunter2@h/a", "ws+unix:///x.sock", "sysmedic://hunter2@h"] {
        for scheme in ["http", "ws", "https", "wss", "HTTPS"] {
            for rest in ["", "/", "h", "h/", "1", "1/", "user@h", "1@h", "1:2@h:3/", "h:1", "/h/", "?k=v", "\\\\h/"] {
                let why = follow(&endpoint(from), Some(&format!("{scheme}:{rest}")), 0, 5).unwrap_err();
                assert!(
                    why.contains("without // and a host") || why.contains("from wss to ws"),
                    "{scheme}:{rest}: {why}"
                );
            }
        }
    }
}

#[test]
fn credentials_stay_with_the_host_and_port_that_they_are_for() {
    for (one, other, same) in [
        ("ws://h/", "ws://h/c", true),
        ("ws://h/", "ws://H:80/", true),
        ("ws://h/", "wss://h/", true),
        ("ws://h:8080/", "wss://h:8080/", true),
        ("ws://h:8080/", "wss://h/", false),
        ("ws://h/", "wss://h:8443/", false),
        ("ws://h/", "ws://h:81/", false),
        ("ws://h/", "ws://a.h/", false),
        ("ws://h/", "ws://g/", false),
        ("wss://h:8080/", "ws://h:8080/", false),
        ("wss://h/", "ws://h/", false),
        ("ws+unix:///x", "ws+unix:///x:/c", true),
        ("ws+unix:///x", "ws+unix:///y", false),
        ("ws+unix:///x", "ws://localhost/", false),
    ] {
        assert_eq!(same_host(&endpoint(one), &endpoint(other)), same, "{one} {other}");
    }
    let from = endpoint("ws://me:hunter2@h/");
    for (location, kept) in [
        ("/c", true),
        ("http://h/c", true),
        ("http://you:other@h/c", true),
        ("http://g/c", false),
        ("http://you:other@g/c", false),
    ] {
        let expected = if kept { from.userinfo.clone() } else { None };
        assert_eq!(follow(&from, Some(location), 0, 5).unwrap().userinfo, expected, "{location}");
    }
    let from = endpoint("sysmedic://abc@h:1/");
    assert_eq!(follow(&from, Some("http://h:1/c"), 0, 5).unwrap().secret.as_deref(), Some("abc"));
    assert_eq!(follow(&from, Some("http://g:1/c"), 0, 5).unwrap().secret, None);
}

#[test]
fn only_four_statuses_are_redirects() {
    let redirects: Vec<_> = (100..600).filter(|status| is_redirect(*status)).collect();
    assert_eq!(redirects, [301, 302, 307, 308]);
}
