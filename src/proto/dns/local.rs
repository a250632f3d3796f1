//! Hosts that need no DNS server: numeric addresses, `localhost`, and the names in `/etc/hosts`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::conf::{Zones, parse_address};
use super::{HostQuery, interleave};
use crate::model::error::{Disconnect, Phase, Retry};

/// Resolves a host without a DNS server; `None` where one has to be asked.
///
/// `hosts` returns the addresses of a name in `/etc/hosts`, in the file's order.
///
/// # Errors
/// If no server could help: the host is neither a name nor an address, or an address of the other family. That is final,
/// but for a network interface that may still come up.
#[must_use]
pub fn resolve_locally(
    query: HostQuery<'_>,
    zones: Zones<'_>,
    hosts: &mut dyn FnMut(&str) -> Vec<SocketAddr>,
) -> Option<Result<Vec<SocketAddr>, Box<Disconnect>>> {
    let (host, family) = (query.host.strip_suffix('.').unwrap_or(query.host), query.family);
    let wanted = |mut found: Vec<SocketAddr>| {
        found.retain(|address| family.takes(address.ip()));
        found
    };
    let refused = |why: String| {
        let mut why = Disconnect::new(Phase::Resolve, format!("resolve {host}: {why}"));
        if !host.contains('%') {
            why.retry = Retry::Final;
        }
        Some(Err(why))
    };
    // RFC 6761 section 6.3: always loopback, also without `/etc/hosts` and without a server.
    let last_label = host.rsplit('.').next().unwrap_or_default();
    if last_label.eq_ignore_ascii_case("localhost") {
        return Some(Ok(wanted(vec![
            (Ipv6Addr::LOCALHOST, query.port).into(),
            (Ipv4Addr::LOCALHOST, query.port).into(),
        ])));
    }
    match parse_address(host, query.port, zones) {
        Some(address) if family.takes(address.ip()) => return Some(Ok(vec![address])),
        Some(_) => return refused(format!("this is no {}, and no other is wanted", family.noun())),
        None => {}
    }
    if let Some(why) = invalid_name(host) {
        return refused(why);
    }
    let found = wanted(hosts(host));
    (!found.is_empty()).then(|| Ok(interleave(found)))
}

/// Explains why this is neither an address nor a name; `None` for a name.
fn invalid_name(host: &str) -> Option<String> {
    if let Some((_, zone)) = host.split_once('%') {
        return Some(format!("there is no network interface {}", crate::model::text::escape(zone)));
    }
    // No top-level domain is a number, RFC 3696 section 2; glibc would read `10.1` as 10.0.0.1.
    let last = host.rsplit('.').next().unwrap_or_default();
    let number = last.strip_prefix("0x").unwrap_or(last);
    let is_number = !number.is_empty() && number.len() < last.len() && number.bytes().all(|b| b.is_ascii_hexdigit())
        || !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
    if is_number {
        return Some("this is no IPv4 address: write four decimal numbers".into());
    }
    // RFC 1035 section 2.3.4.
    if host.len() > 253 || host.split('.').any(|label| label.is_empty() || label.len() > 63) {
        return Some("this is no name: it has parts of 1 to 63 letters with dots between, 253 letters in all".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::dns::Family;
    use std::time::Duration;

    fn find(host: &str, family: Family) -> Option<Result<Vec<String>, String>> {
        let query = HostQuery { host, port: 9, family, within: Duration::from_secs(10) };
        let mut hosts = |name: &str| {
            let addresses: &[&str] = if name == "router" { &["10.0.0.1:9", "10.0.0.2:9", "[fd00::1]:9"] } else { &[] };
            addresses.iter().map(|text| text.parse().unwrap()).collect()
        };
        let found = resolve_locally(query, &|zone| (zone == "eth0").then_some(2), &mut hosts)?;
        Some(match found {
            Ok(list) => Ok(list.iter().map(ToString::to_string).collect()),
            Err(why) => {
                assert_eq!(why.retry == Retry::Final, !host.contains('%'), "{host}");
                Err(why.text)
            }
        })
    }

    fn good(host: &str, family: Family) -> Vec<String> {
        find(host, family).unwrap().unwrap()
    }

    #[test]
    fn numeric_addresses_are_resolved_locally() {
        assert_eq!(good("192.0.2.1", Family::Both), ["192.0.2.1:9"]);
        assert_eq!(good("192.0.2.1.", Family::V4), ["192.0.2.1:9"]);
        assert_eq!(good("2001:db8::1", Family::Both), ["[2001:db8::1]:9"]);
        assert_eq!(good("fe80::1%eth0", Family::V6), ["[fe80::1%2]:9"]);
    }

    #[test]
    fn localhost_is_loopback_without_any_server() {
        for host in ["localhost", "localhost.", "LocalHost", "x.localhost", "a.b.localhost."] {
            assert_eq!(good(host, Family::Both), ["[::1]:9", "127.0.0.1:9"], "{host}");
        }
        assert_eq!(good("localhost", Family::V4), ["127.0.0.1:9"]);
        assert_eq!(good("localhost", Family::V6), ["[::1]:9"]);
        assert_eq!(find("notlocalhost", Family::Both), None);
        assert_eq!(find("localhost.example", Family::Both), None);
    }

    #[test]
    fn the_addresses_of_a_hosts_file_alternate_between_families() {
        assert_eq!(good("router", Family::Both), ["[fd00::1]:9", "10.0.0.1:9", "10.0.0.2:9"]);
        assert_eq!(good("router.", Family::V4), ["10.0.0.1:9", "10.0.0.2:9"]);
        assert_eq!(good("router", Family::V6), ["[fd00::1]:9"]);
        assert_eq!(find("other", Family::Both), None);
    }

    #[test]
    fn invalid_names_and_addresses_of_the_other_family_are_refused_locally() {
        let long = "a.".repeat(128);
        for (host, family, words) in [
            ("192.0.2.1", Family::V6, "resolve 192.0.2.1: this is no IPv6 address"),
            ("::1", Family::V4, "this is no IPv4 address, and no other is wanted"),
            ("fe80::1%eth0", Family::V4, "this is no IPv4 address, and no other is wanted"),
            ("fe80::1%eth9", Family::Both, "no network interface eth9"),
            ("10.1", Family::Both, "write four decimal numbers"),
            ("256.1.1.1", Family::Both, "write four decimal numbers"),
            ("2130706433", Family::Both, "write four decimal numbers"),
            ("0x7f.0x1", Family::Both, "write four decimal numbers"),
            ("a..b", Family::Both, "this is no name"),
            (".", Family::Both, "this is no name"),
            (&long, Family::Both, "this is no name"),
            (&"a".repeat(64), Family::Both, "this is no name"),
        ] {
            let text = find(host, family).unwrap().unwrap_err();
            assert!(text.contains(words), "{text}");
        }
    }
}
