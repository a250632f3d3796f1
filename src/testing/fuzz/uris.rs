//! URIs: no secret of theirs is shown, and nothing in them can forge a request.

use super::harmless::{assert_harmless, assert_one_request};
use crate::proto::http::proxy::Proxy;
use crate::proto::uri::{Endpoint, redact};

/// A secret that must not be shown. Inputs that contain it themselves are skipped.
const SECRET: &str = "hUnTeR2xYz";

const SCHEMES: [&str; 8] = ["ws://", "wss://", "ws+unix://", "sysmedic://", "pmdaemons://", "", "WS://", "foo://"];
const PARAMETERS: [&str; 5] = ["token", "api_key", "Secret", "x-auth", "password"];

/// Checks the input as a URI, and with a secret put in each place for secrets.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // The @ is removed below, which must not put the secret together.
    if text.replace('@', "").to_ascii_lowercase().contains(&SECRET.to_ascii_lowercase()) {
        return;
    }
    check(&text);
    let mut parts = text.split('\n');
    let (before, after, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
    let rest = rest.unwrap_or("h/");
    for scheme in SCHEMES {
        // A later @ would move the end of the user information.
        credentials(&format!("{scheme}{before}{SECRET}{after}@{}", rest.replace('@', "")));
        for name in PARAMETERS {
            parameter(&format!("{scheme}{before}?{after}&{name}={SECRET}{rest}"));
        }
    }
    proxy(&format!("http://u:{SECRET}{after}@{rest}"));
}

/// The displayed URI names the same endpoint.
fn check(uri: &str) {
    assert_harmless(&redact(uri));
    let endpoint = match Endpoint::parse(uri) {
        Ok(endpoint) => endpoint,
        Err(error) => return assert_harmless(&error.to_string()),
    };
    let displayed = endpoint.to_string();
    assert_harmless(&format!("{displayed} {}", endpoint.authority()));
    let again = Endpoint::parse(&displayed).unwrap_or_else(|error| panic!("{uri:?}: {error}"));
    // The displayed URI has % instead of %25 before a zone, as people write it; a zone that begins with 25 would need both.
    assert!(again.to_string() == displayed || endpoint.host.contains("%25"), "{uri:?}");
    assert_eq!((again.port, &again.unix), (endpoint.port, &endpoint.unix));
    assert!(again.host == endpoint.host || endpoint.host.contains("%25"), "{uri:?}");
    assert_eq!((again.secure, again.dialect), (endpoint.secure, endpoint.dialect));
    assert_one_request(&endpoint);
}

/// A secret before the last `@` is not shown, unless it is part of the host or path. A socket has no user.
fn credentials(uri: &str) {
    if uri.to_ascii_lowercase().starts_with("ws+unix://") {
        return;
    }
    match Endpoint::parse(uri) {
        Ok(endpoint) => {
            let holds = |text: &String| text.contains(SECRET);
            let (user, password) = endpoint.userinfo.clone().unwrap_or_default();
            let secret = endpoint.secret.clone().unwrap_or_default();
            if [user, password, secret].iter().any(holds) {
                assert_hidden(&format!("{endpoint} {endpoint:?} {}", endpoint.authority()));
            }
        }
        Err(error) => assert_hidden(&format!("{error} {error:?}")),
    }
}

fn parameter(uri: &str) {
    match Endpoint::parse(uri) {
        Ok(endpoint) => {
            assert_hidden(&format!("{endpoint} {endpoint:?}"));
            assert!(endpoint.has_credentials());
        }
        Err(error) => assert_hidden(&error.to_string()),
    }
}

fn proxy(url: &str) {
    match Proxy::parse(url) {
        Ok(proxy) => {
            assert_hidden(&format!("{proxy} {proxy:?}"));
            let text = proxy.connect_request("h", 1);
            assert_eq!(text.find("\r\n\r\n"), Some(text.len() - 4), "{text:?}");
        }
        Err(reason) => assert_hidden(&reason),
    }
}

fn assert_hidden(text: &str) {
    assert!(!text.contains(SECRET) && !text.contains(&SECRET.to_ascii_lowercase()), "{text:?}");
}
