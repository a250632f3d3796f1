//! Reads `no_proxy`, the list of servers to connect to directly, as curl does; entries may also have ports.

use std::net::IpAddr;

/// Returns true if a list of names, addresses and networks, separated by commas or spaces, contains a host and port.
///
/// A name matches itself and its subdomains, with or without a leading dot or `*.`; `*` matches everything;
/// `10.0.0.0/8` is a network; `:PORT` after a name or an address restricts it to this port.
pub(super) fn excludes(list: &str, host: &str, port: u16) -> bool {
    let host = Host::new(host);
    list.split([',', ' ', '\t'].as_slice()).any(|entry| !entry.is_empty() && host.matches(entry, port))
}

enum Host<'a> {
    Address(IpAddr),
    Name(&'a str),
}

impl<'a> Host<'a> {
    fn new(host: &'a str) -> Self {
        match host.split('%').next().unwrap_or_default().parse::<IpAddr>() {
            Ok(address) => Host::Address(address.to_canonical()),
            Err(_) => Host::Name(host.strip_suffix('.').unwrap_or(host)),
        }
    }

    fn matches(&self, entry: &str, port: u16) -> bool {
        if entry == "*" {
            return true;
        }
        let (entry, entry_port) = split(entry);
        if entry_port.is_some_and(|entry_port| entry_port.parse::<u64>() != Ok(port.into())) {
            return false;
        }
        match self {
            Host::Address(address) => address_matches(entry, *address),
            Host::Name(name) => name_matches(name, entry),
        }
    }
}

/// Splits an entry into host and port, without brackets.
fn split(entry: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':'));
    }
    match entry.split_once(':') {
        // With more than one colon it is an IPv6 address without a port.
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

fn name_matches(name: &str, entry: &str) -> bool {
    let entry = entry.strip_prefix('*').unwrap_or(entry);
    let entry = entry.strip_prefix('.').unwrap_or(entry);
    let entry = entry.strip_suffix('.').unwrap_or(entry);
    let Some(at) = name.len().checked_sub(entry.len()) else { return false };
    let (before, tail) = name.as_bytes().split_at(at);
    !entry.is_empty() && tail.eq_ignore_ascii_case(entry.as_bytes()) && matches!(before, [] | [.., b'.'])
}

fn address_matches(entry: &str, address: IpAddr) -> bool {
    let (network, bits) = entry.split_once('/').map_or((entry, None), |(network, bits)| (network, Some(bits)));
    let Ok(network) = network.parse::<IpAddr>() else { return false };
    match bits.map(str::parse::<u32>) {
        None => network.to_canonical() == address,
        Some(Ok(bits)) => is_within(network, bits, address),
        Some(Err(_)) => false,
    }
}

fn is_within(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    let (network, address, width) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => (network.to_bits().into(), address.to_bits().into(), 32),
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let (network, address): (u128, u128) = (network, address);
    // A prefix of 0 bits would shift by the full width: checked_shr is None then, and everything matches.
    bits <= width && (network ^ address).checked_shr(width - bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_name_an_address_or_a_network_with_or_without_a_port() {
        for (list, host, listed) in [
            ("h.example", "h.example", true),
            ("h.example", "a.h.example", true),
            (".h.example", "h.example", true),
            (".h.example", "a.b.h.example", true),
            ("*.h.example", "a.h.example", true),
            ("H.Example.", "h.example", true),
            ("h.example", "h.example.", true),
            ("h.example", "ah.example", false),
            ("h.example", "example", false),
            ("a.h.example", "h.example", false),
            ("example", "h.example", true),
            ("x, h.example\ty", "h.example", true),
            ("x,,h.example", "h.example", true),
            ("*", "h.example", true),
            ("x,*", "10.1.2.3", true),
            ("h.example:80", "h.example", true),
            ("h.example:81", "h.example", false),
            ("h.example:x", "h.example", false),
            ("", "h.example", false),
            (".", "h.example", false),
            (",", "h.example", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3:80", "10.1.2.3", true),
            ("10.1.2.3:81", "10.1.2.3", false),
            ("10.1.2", "10.1.2.3", false),
            ("2.3", "10.1.2.3", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.1.2.0/23", "10.1.3.3", true),
            ("10.1.2.0/24", "10.1.3.3", false),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("0.0.0.0/0", "10.1.2.3", true),
            ("10.0.0.0/33", "10.1.2.3", false),
            ("10.0.0.0/", "10.1.2.3", false),
            ("10.0.0.0/-1", "10.1.2.3", false),
            ("0.0.0.0/0", "::1", false),
            ("::1", "::1", true),
            ("[::1]", "::1", true),
            ("[::1]:80", "::1", true),
            ("[::1]:81", "::1", false),
            ("fe80::1", "fe80::1%eth0", true),
            ("fe80::/10", "fe80::1%eth0", true),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("10.1.2.3", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "h.example", false),
        ] {
            assert_eq!(excludes(list, host, 80), listed, "{list} {host}");
        }
    }
}
