//! Parses the parts of an authority, `[USER[:PASSWORD]@]HOST[:PORT]`, of servers and proxies.

use std::net::IpAddr;

use crate::model::base64;

/// Splits user information into the decoded user name and password.
pub(crate) fn split_userinfo(userinfo: &str) -> Result<(String, String), String> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let (Some(user), Some(password)) = (percent_decode(user), percent_decode(password)) else {
        return Err("the user information is not valid percent-encoded UTF-8".into());
    };
    // RFC 7617 section 2: the first colon ends the user name.
    if user.contains(':') {
        return Err("a user name cannot contain a colon".into());
    }
    Ok((user, password))
}

/// Encodes user name and password for Basic authentication (RFC 7617).
pub(crate) fn basic(user: &str, password: &str) -> String {
    base64::encode(format!("{user}:{password}").as_bytes())
}

/// Splits host and port; the brackets of an IPv6 address are removed.
pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("the [ of the IPv6 address has no ]")?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(format!("{rest:?} after the IPv6 address: only a :PORT may follow")),
        };
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => Err("write an IPv6 address in brackets: [::1]:8765".into()),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

/// Parses a port, 1 to 65535.
pub(crate) fn check_port(port: &str) -> Result<u16, String> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u64>() {
        Ok(number @ 1..=65535) if digits => Ok(number as u16),
        _ => Err(format!("the port {port:?} is not a number from 1 to 65535")),
    }
}

/// Checks a host: returns a name decoded and in lower case, or an address as it is.
pub(crate) fn check_host(host: &str) -> Result<String, String> {
    if host.is_empty() {
        return Err("the host is missing: write ws://HOST[:PORT][/PATH]".into());
    }
    if host.contains(':') {
        return check_ipv6(host);
    }
    let host = percent_decode(host).ok_or("the host is not valid percent-encoded UTF-8")?;
    if !host.bytes().all(|byte| byte.is_ascii()) {
        return Err(format!("the host {host:?} is not ASCII: write it in its xn-- form"));
    }
    match host.chars().find(|c| !c.is_ascii_alphanumeric() && !"-._".contains(*c)) {
        Some(c) => Err(format!("the host {host:?} contains {c:?}")),
        None => Ok(host.to_ascii_lowercase()),
    }
}

fn check_ipv6(host: &str) -> Result<String, String> {
    // RFC 6874 requires %25 before a zone; a bare % is common.
    let host = match host.split_once("%25") {
        Some((address, zone)) => format!("{address}%{zone}"),
        None => host.to_owned(),
    };
    let (address, zone) = host.split_once('%').unwrap_or((&host, ""));
    if let Some(c) = zone.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(format!("the zone of the IPv6 address contains {c:?}"));
    }
    match address.parse::<std::net::Ipv6Addr>() {
        Ok(_) => Ok(host),
        Err(_) => Err(format!("{address:?} is not an IPv6 address")),
    }
}

/// Puts an IPv6 address into brackets; returns any other host as it is.
pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Percent-decodes; `None` if a `%` is not followed by two digits or the bytes are not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    String::from_utf8(percent_decode_bytes(text)?).ok()
}

/// Percent-decodes to bytes; `None` if a `%` is not followed by two digits.
pub(crate) fn percent_decode_bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let [high, low, after @ ..] = after else { return None };
            let digit = |byte: u8| char::from(byte).to_digit(16);
            bytes.push((digit(*high)? * 16 + digit(*low)?) as u8);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Some(bytes)
}

/// Returns true for localhost and its subdomains, loopback addresses, and the unspecified address.
pub(crate) fn is_loopback(host: &str) -> bool {
    match host.split('%').next().unwrap_or_default().parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback() || address.is_unspecified(),
        Err(_) => {
            let host = host.strip_suffix('.').unwrap_or(host);
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}
