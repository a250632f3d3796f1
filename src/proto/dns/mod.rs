//! A stub resolver as a state machine: turns names into addresses.
//!
//! Time, files, sockets and random numbers are arguments. It asks the servers of `/etc/resolv.conf` over plain DNS, by
//! UDP first and by TCP where an answer is truncated. There is no mDNS, no `/etc/nsswitch.conf`, no EDNS, no DNSSEC and
//! no cache.

pub mod conf;
pub mod demotion;
pub mod happy_eyeballs;
pub mod local;
pub mod lookup;
pub mod message;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The address families to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// IPv6 and IPv4.
    #[default]
    Both,
    /// `-4`.
    V4,
    /// `-6`.
    V6,
}

impl Family {
    /// True if an address is of this family.
    #[must_use]
    pub fn takes(self, address: IpAddr) -> bool {
        match self {
            Family::Both => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }

    /// The noun for error texts, with the family where only one is wanted.
    fn noun(self) -> &'static str {
        match self {
            Family::Both => "address",
            Family::V4 => "IPv4 address",
            Family::V6 => "IPv6 address",
        }
    }
}

/// A host to look up.
#[derive(Clone, Copy, Debug)]
pub struct HostQuery<'a> {
    /// A name or an address, without brackets.
    pub host: &'a str,
    /// Copied into the addresses.
    pub port: u16,
    /// Addresses of other families are neither asked for nor reported.
    pub family: Family,
    /// Time after which the caller gives up; every server is asked within it.
    pub within: Duration,
}

/// Alternates between the families, IPv6 first, and keeps the order within each: RFC 8305 section 4, with a First
/// Address Family Count of 1.
#[must_use]
pub fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    alternate_families(addresses, true)
}

/// Does the same, with the given family first.
fn alternate_families(addresses: Vec<SocketAddr>, v6_first: bool) -> Vec<SocketAddr> {
    let mut first = addresses.iter().filter(|a| a.is_ipv6() == v6_first);
    let mut second = addresses.iter().filter(|a| a.is_ipv6() != v6_first);
    let mut out = Vec::with_capacity(addresses.len());
    while out.len() < addresses.len() {
        out.extend(first.next());
        out.extend(second.next());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_ipv6_is_first() {
        let list = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let mixed = list(&["1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1", "[::1]:1", "[::2]:1"]);
        let turns = list(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"]);
        assert_eq!(interleave(mixed), turns);
        assert_eq!(interleave(Vec::new()), []);
    }
}
