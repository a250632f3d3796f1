//! URIs: what is shown of them has no secret in it, what is sent of them cannot forge a request.

use super::answers::KEY;
use super::assert_harmless;
use crate::proto::http::proxy::Proxy;
use crate::proto::http::upgrade;
use crate::proto::uri::{Endpoint, redact};

/// What must not be shown. No input makes it up.
const SECRET: &str = "hUnTeR2xYz";

const SCHEMES: [&str; 7] = ["ws://", "wss://", "ws+unix://", "sysmedic://", "", "WS://", "foo://"];
const PARAMETERS: [&str; 5] = ["token", "api_key", "Secret", "x-auth", "password"];

/// As it stands, and with a secret put where secrets stand.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Without an @ it may come together in what follows one.
    if text.replace('@', "").to_ascii_lowercase().contains(&SECRET.to_ascii_lowercase()) {
        return;
    }
    any(&text);
    let mut parts = text.split('\n');
    let (before, after, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
    let rest = rest.unwrap_or("h/");
    for scheme in SCHEMES {
        // An @ in what follows would end the user information there.
        credentials(&format!("{scheme}{before}{SECRET}{after}@{}", rest.replace('@', "")));
        for name in PARAMETERS {
            parameter(&format!("{scheme}{before}?{after}&{name}={SECRET}{rest}"));
        }
    }
    proxy(&format!("http://u:{SECRET}{after}@{rest}"));
}

/// What is displayed names the same place.
fn any(uri: &str) {
    assert_harmless(&redact(uri));
    let endpoint = match Endpoint::parse(uri) {
        Ok(endpoint) => endpoint,
        Err(error) => return assert_harmless(&error.to_string()),
    };
    let shown = endpoint.to_string();
    assert_harmless(&format!("{shown} {}", endpoint.authority()));
    let again = Endpoint::parse(&shown).unwrap_or_else(|error| panic!("{uri:?}: {error}"));
    // What is shown has % for the %25 before a zone, as people write it: one that begins with 25 would need both.
    assert!(again.to_string() == shown || endpoint.host.contains("%25"), "{uri:?}");
    assert_eq!((again.port, &again.unix), (endpoint.port, &endpoint.unix));
    assert!(again.host == endpoint.host || endpoint.host.contains("%25"), "{uri:?}");
    assert_eq!((again.secure, again.dialect), (endpoint.secure, endpoint.dialect));
    request(&endpoint);
}

/// The request is one request: nothing in an address ends a line.
pub fn request(endpoint: &Endpoint) {
    assert!(endpoint.target.starts_with('/') && endpoint.target.bytes().all(|b| b.is_ascii_graphic()));
    let headers: Vec<_> = endpoint.authorization().into_iter().collect();
    let host = endpoint.host_header();
    let text = upgrade::request(&upgrade::UpgradeRequest {
        host: &host,
        target: &endpoint.target,
        key: KEY,
        headers: &headers,
    });
    assert_eq!(text.find("\r\n\r\n"), Some(text.len() - 4), "{text:?}");
    assert_eq!(text.matches('\n').count(), 8 + headers.len(), "{text:?}");
    assert!(!host.is_empty() && endpoint.port > 0);
}

/// A secret before the last `@` is not shown, unless it is a part of the place. A socket has no user.
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
                hidden(&format!("{endpoint} {endpoint:?} {}", endpoint.authority()));
            }
        }
        Err(error) => hidden(&format!("{error} {error:?}")),
    }
}

fn parameter(uri: &str) {
    match Endpoint::parse(uri) {
        Ok(endpoint) => {
            hidden(&format!("{endpoint} {endpoint:?}"));
            assert!(endpoint.has_credentials());
        }
        Err(error) => hidden(&error.to_string()),
    }
}

fn proxy(url: &str) {
    match Proxy::parse(url) {
        Ok(proxy) => {
            hidden(&format!("{proxy} {proxy:?}"));
            let text = proxy.connect_request("h", 1);
            assert_eq!(text.find("\r\n\r\n"), Some(text.len() - 4), "{text:?}");
        }
        Err(why) => hidden(&why),
    }
}

fn hidden(text: &str) {
    assert!(!text.contains(SECRET) && !text.contains(&SECRET.to_ascii_lowercase()), "{text:?}");
}
