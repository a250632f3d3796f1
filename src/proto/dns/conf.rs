//! Parsers of `/etc/resolv.conf` and `/etc/hosts`: resolv.conf(5) and hosts(5).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

/// The port of DNS, RFC 1035 section 4.2.
pub const PORT: u16 = 53;
/// MAXNS of resolv.conf(5): further servers are ignored.
const MAX_SERVERS: usize = 3;
/// Upper bound on search domains. glibc had 6 until 2.25 and has no limit since; container platforms write up to 32.
const MAX_SEARCH: usize = 32;

/// Maps the name of a network interface to its index, for zones such as `%eth0`.
pub type Zones<'a> = &'a dyn Fn(&str) -> Option<u32>;

/// The resolver's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conf {
    /// 1 to 3 servers.
    pub servers: Vec<SocketAddr>,
    /// True if the file names a server; else the local one is asked.
    pub is_configured: bool,
    /// Domains appended to short names, without leading and trailing dots.
    pub search: Vec<String>,
    /// A name with at least this many dots is first tried as it is; at most 15.
    pub ndots: usize,
    /// Timeout of one try; 1 to 30 s.
    pub timeout: Duration,
    /// Tries for each server; 1 to 5.
    pub attempts: usize,
    /// True if each lookup begins with another server.
    pub rotate: bool,
}

impl Conf {
    /// Parses a resolv.conf. As in glibc, anything invalid is ignored.
    #[must_use]
    pub fn parse(text: &str, port: u16, zones: Zones<'_>) -> Self {
        let mut conf = Conf {
            servers: Vec::new(),
            is_configured: true,
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotate: false,
        };
        for line in text.lines() {
            conf.parse_line(line, port, zones);
        }
        if conf.servers.is_empty() {
            conf.is_configured = false;
            conf.servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        }
        conf
    }

    fn parse_line(&mut self, line: &str, port: u16, zones: Zones<'_>) {
        let line = line.split('#').next().and_then(|line| line.split(';').next()).unwrap_or_default();
        // A keyword begins in the first column.
        let (keyword, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        // The last line of either kind replaces those before.
        if matches!(keyword, "search" | "domain") {
            self.search.clear();
        }
        for (i, word) in rest.split_whitespace().enumerate() {
            match keyword {
                "nameserver" if i == 0 && self.servers.len() < MAX_SERVERS => {
                    self.servers.extend(parse_address(word, port, zones));
                }
                "search" if self.search.len() < MAX_SEARCH => self.add_search_domain(word),
                "domain" if self.search.is_empty() => self.add_search_domain(word),
                "options" => self.set_option(word),
                _ => {}
            }
        }
    }

    fn add_search_domain(&mut self, domain: &str) {
        let name = domain.trim_start_matches('.').trim_end_matches('.');
        if !name.is_empty() {
            self.search.push(name.to_owned());
        }
    }

    fn set_option(&mut self, option: &str) {
        let (name, value) = option.split_once(':').unwrap_or((option, ""));
        match (name, value.parse::<u64>()) {
            ("ndots", Ok(n)) => self.ndots = n.min(15) as usize,
            ("timeout", Ok(n)) => self.timeout = Duration::from_secs(n.clamp(1, 30)),
            ("attempts", Ok(n)) => self.attempts = n.clamp(1, 5) as usize,
            ("rotate", _) => self.rotate = true,
            _ => {}
        }
    }

    /// Lists the names to ask for, in order: resolv.conf(5), `ndots` and `search`. A trailing dot disables the search.
    #[must_use]
    pub fn candidates(&self, host: &str) -> Vec<String> {
        if let Some(absolute) = host.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let mut names = Vec::new();
        for domain in &self.search {
            names.push(format!("{host}.{domain}"));
        }
        let dots = host.bytes().filter(|byte| *byte == b'.').count();
        let position = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(position, host.to_owned());
        names
    }
}

/// Parses a line of `/etc/hosts`: its address if the line names this host, in any case.
#[must_use]
pub fn parse_hosts_line(line: &str, host: &str, port: u16, zones: Zones<'_>) -> Option<SocketAddr> {
    let line = line.split('#').next().unwrap_or_default();
    let mut words = line.split_whitespace();
    let text = words.next()?;
    words.any(|name| name.eq_ignore_ascii_case(host)).then(|| parse_address(text, port, zones)).flatten()
}

/// Parses a numeric address; IPv6 may have a zone, RFC 4007 section 11.
#[must_use]
pub fn parse_address(text: &str, port: u16, zones: Zones<'_>) -> Option<SocketAddr> {
    let Some((address, zone)) = text.split_once('%') else {
        return Some(SocketAddr::new(text.parse().ok()?, port));
    };
    let address: Ipv6Addr = address.parse().ok()?;
    let id = zone.parse().ok().or_else(|| zones(zone))?;
    Some(SocketAddrV6::new(address, port, 0, id).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Conf {
        Conf::parse(text, PORT, &|zone| (zone == "eth0").then_some(2))
    }

    fn servers(text: &str) -> Vec<String> {
        parse(text).servers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_empty_file_means_the_local_server_twice_for_five_seconds() {
        for text in ["", "\n\n", "# nameserver 10.0.0.1", " nameserver 10.0.0.1", "nameserver nonsense", "\0\u{fffd}"] {
            let conf = parse(text);
            assert_eq!(conf.servers, ["127.0.0.1:53".parse().unwrap()], "{text:?}");
            assert_eq!((conf.ndots, conf.attempts, conf.timeout.as_secs()), (1, 2, 5));
            assert!(!conf.is_configured && !conf.rotate && conf.search.is_empty());
        }
    }

    #[test]
    fn the_first_three_servers_count_in_either_family() {
        let text =
            "nameserver 10.0.0.1\nnameserver\t2001:db8::1 # the router\nnameserver fe80::1%eth0\nnameserver 1.1.1.1";
        assert_eq!(servers(text), ["10.0.0.1:53", "[2001:db8::1]:53", "[fe80::1%2]:53"]);
        assert!(parse(text).is_configured);
        assert_eq!(servers("nameserver fe80::1%wlan9\nnameserver fe80::1%7"), ["[fe80::1%7]:53"]);
        assert_eq!(servers("nameserver 10.0.0.1;x\r\nnameserver 10.0.0.2\r\n"), ["10.0.0.1:53", "10.0.0.2:53"]);
    }

    #[test]
    fn the_last_of_search_and_domain_counts() {
        assert_eq!(parse("domain a.example\nsearch b.example. c.example .").search, ["b.example", "c.example"]);
        assert_eq!(parse("search b.example c.example\ndomain a.example x").search, ["a.example"]);
        let many = format!("search {}", "x.example ".repeat(100));
        assert_eq!(parse(&many).search.len(), 32);
    }

    #[test]
    fn options_stay_within_the_bounds_of_glibc() {
        let conf = parse("options ndots:99 timeout:99 attempts:99 rotate edns0 ndots:x");
        assert_eq!((conf.ndots, conf.timeout.as_secs(), conf.attempts, conf.rotate), (15, 30, 5, true));
        let conf = parse("options ndots:0\noptions timeout:0 attempts:0");
        assert_eq!((conf.ndots, conf.timeout.as_secs(), conf.attempts, conf.rotate), (0, 1, 1, false));
    }

    #[test]
    fn short_names_are_searched_first_and_long_ones_last() {
        let conf = parse("search lan home.example\noptions ndots:2");
        assert_eq!(conf.candidates("web"), ["web.lan", "web.home.example", "web"]);
        assert_eq!(conf.candidates("a.b"), ["a.b.lan", "a.b.home.example", "a.b"]);
        assert_eq!(conf.candidates("a.b.c"), ["a.b.c", "a.b.c.lan", "a.b.c.home.example"]);
        assert_eq!(conf.candidates("web."), ["web"]);
        assert_eq!(parse("").candidates("web"), ["web"]);
    }

    #[test]
    fn a_line_of_hosts_names_one_address_and_its_aliases() {
        let find = |line, host| parse_hosts_line(line, host, 80, &|_| Some(3)).map(|address| address.to_string());
        let line = "192.168.1.1\trouter.lan  Router # gateway";
        assert_eq!(find(line, "router").as_deref(), Some("192.168.1.1:80"));
        assert_eq!(find(line, "ROUTER.lan").as_deref(), Some("192.168.1.1:80"));
        assert_eq!(find("fe80::1%br0 router", "router").as_deref(), Some("[fe80::1%3]:80"));
        for (line, host) in [(line, "gateway"), (line, "192.168.1.1"), (line, "rout"), ("x router", "router"), ("", "")]
        {
            assert_eq!(find(line, host), None, "{line} {host}");
        }
    }
}
