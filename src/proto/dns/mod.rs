//! Names become addresses: a stub resolver as a state machine.
//!
//! It reads no clock and no file, holds no socket and draws no random numbers: all of them are arguments. It asks the
//! servers of `/etc/resolv.conf` over plain DNS, UDP first and TCP where an answer does not fit. It does not ask mDNS,
//! does not read `/etc/nsswitch.conf`, sends no EDNS, checks no DNSSEC and keeps no answer.

pub mod conf;
pub mod happy_eyeballs;
pub mod known;
pub mod lookup;
pub mod message;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// Whether an address is of this family.
    #[must_use]
    pub fn takes(self, address: IpAddr) -> bool {
        match self {
            Family::Both => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }

    /// `an address`, as narrow as it was asked for.
    fn noun(self) -> &'static str {
        match self {
            Family::Both => "address",
            Family::V4 => "IPv4 address",
            Family::V6 => "IPv6 address",
        }
    }
}

/// What is to be found out.
#[derive(Clone, Copy, Debug)]
pub struct HostQuery<'a> {
    /// A name or an address, without brackets.
    pub host: &'a str,
    /// Goes into the addresses as it is.
    pub port: u16,
    /// Other addresses are neither asked for nor handed out.
    pub family: Family,
    /// The caller gives up after this time: every server is asked before.
    pub within: Duration,
}

/// The families in turn, IPv6 first, else in the order given: RFC 8305 section 4, with a First Address Family Count
/// of 1.
#[must_use]
pub fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    take_turns(addresses, true)
}

/// The same, with the family that is to begin.
pub(crate) fn take_turns(addresses: Vec<SocketAddr>, v6_begins: bool) -> Vec<SocketAddr> {
    let mut first = addresses.iter().filter(|a| a.is_ipv6() == v6_begins);
    let mut second = addresses.iter().filter(|a| a.is_ipv6() != v6_begins);
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
    fn families_take_turns_and_ipv6_begins() {
        let list = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let mixed = list(&["1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1", "[::1]:1", "[::2]:1"]);
        let turns = list(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"]);
        assert_eq!(interleave(mixed), turns);
        assert_eq!(interleave(Vec::new()), []);
    }
}
