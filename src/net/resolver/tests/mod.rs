//! Lookups against servers on loopback that answer, forge, truncate, trickle or stay silent.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::*;
use crate::proto::dns::Family;
use crate::proto::dns::message::RecordType;
use crate::testing::dns_reply::Reply;
use crate::testing::temp_dir::TempDir;
use server::{Behaviour, LoopbackServer, free_port};

mod files;
mod server;

/// Upper bound on the duration of a lookup.
const LIMIT: Duration = Duration::from_secs(20);

/// Upper bound on the turns of a lookup; a reply over TCP may cause one for each byte.
const MAX_TURNS: u32 = 1000;

/// A resolv.conf and a hosts file in a temporary directory.
struct TestFiles(TempDir);

impl TestFiles {
    fn new() -> Self {
        TestFiles(TempDir::new())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.file(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes both files; the servers are at this port.
    fn resolver_files(&self, conf: &str, hosts: &str, port: u16) -> ResolverFiles {
        ResolverFiles::at(self.write("resolv.conf", conf), self.write("hosts", hosts), port)
    }
}

/// Runs a lookup; returns its addresses or its error as text, and the time it took.
fn look_up(host: &str, family: Family, files: &mut ResolverFiles) -> (Vec<String>, Duration) {
    let (mut poll, mut events, started) = (Poll::new().unwrap(), Events::with_capacity(8), Instant::now());
    let keys = std::collections::hash_map::RandomState::new();
    let mut count = 0;
    let mut random = || {
        count += 1;
        std::hash::BuildHasher::hash_one(&keys, count)
    };
    let query = HostQuery { host, port: 9, family, within: Duration::from_secs(1) };
    let mut lookup = LookupDriver::begin(query, files, Token(7), started, &mut random);
    let (mut results, mut turns) = (Vec::new(), 0);
    loop {
        turns += 1;
        assert!(started.elapsed() < LIMIT && turns < MAX_TURNS, "{turns} {results:?}");
        match lookup.advance(poll.registry(), Instant::now(), &mut random) {
            Ok(found) => results.extend(found.into_iter().flatten().map(|address| address.to_string())),
            Err(why) => results.push(why.text),
        }
        if lookup.is_done() {
            assert_eq!(lookup.deadline(), None);
            assert!(lookup.sockets.is_empty(), "sockets left over");
            return (results, started.elapsed());
        }
        let wait = lookup.deadline().unwrap().saturating_duration_since(Instant::now());
        match poll.poll(&mut events, Some(wait)) {
            // The signals of other tests arrive in any thread.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            polled => polled.unwrap(),
        }
        assert!(events.iter().all(|event| event.token() == Token(7)));
    }
}

/// Looks up h.example with the servers 127.0.0.1, 127.0.0.2 …
fn ask(family: Family, port: u16, servers: usize) -> (Vec<String>, Duration) {
    let conf: String = (1..=servers).map(|n| format!("nameserver 127.0.0.{n}\n")).collect();
    look_up("h.example", family, &mut TestFiles::new().resolver_files(&conf, "", port))
}

fn honest(query: &[u8], record_type: RecordType) -> Reply {
    match record_type {
        RecordType::A => Reply::to(query).cname("", "x.example").a("x.example", "192.0.2.1"),
        RecordType::Aaaa => Reply::to(query).aaaa("", "2001:db8::1"),
    }
}

#[test]
fn each_query_has_a_port_and_an_id_of_its_own() {
    let port = free_port();
    let server = LoopbackServer::start(1, port, Behaviour::Answers, honest);
    let (mut found, _) = ask(Family::Both, port, 1);
    found.sort();
    assert_eq!(found, ["192.0.2.1:9", "[2001:db8::1]:9"]);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].from != requests[1].from && requests[0].id != requests[1].id, "{requests:?}");
}

#[test]
fn a_server_that_is_not_there_costs_no_time() {
    let port = free_port();
    let _server = LoopbackServer::start(2, port, Behaviour::Answers, honest);
    let (found, took) = ask(Family::V4, port, 2);
    assert_eq!(found, ["192.0.2.1:9"]);
    assert!(took < Duration::from_millis(400), "{took:?}");
    let port = free_port();
    let (found, took) = ask(Family::Both, port, 2);
    let each = [1, 2].map(|n| format!("127.0.0.{n}:{port}: connection refused"));
    assert_eq!(found, [format!("resolve h.example: {}", each.join("; "))]);
    assert!(took < Duration::from_millis(400), "{took:?}");
}

#[test]
fn a_silent_server_is_followed_by_the_next() {
    let port = free_port();
    let silent = LoopbackServer::start(1, port, Behaviour::Silent, honest);
    let _server = LoopbackServer::start(2, port, Behaviour::Answers, honest);
    let (found, took) = ask(Family::V4, port, 2);
    assert_eq!(found, ["192.0.2.1:9"]);
    assert!(took >= Duration::from_millis(500), "{took:?}");
    assert_eq!(silent.requests().len(), 1);
}

#[test]
fn replies_to_other_questions_and_from_other_ports_are_ignored() {
    let port = free_port();
    let _server = LoopbackServer::start(1, port, Behaviour::ForgesFirst, honest);
    let (found, _) = ask(Family::V4, port, 1);
    assert_eq!(found, ["192.0.2.1:9"]);
}

#[test]
fn a_flood_of_forged_replies_makes_the_next_server_be_asked() {
    let port = free_port();
    let _forger = LoopbackServer::start(1, port, Behaviour::Floods, honest);
    let _server = LoopbackServer::start(2, port, Behaviour::Answers, honest);
    let (found, _) = ask(Family::V4, port, 2);
    assert_eq!(found, ["192.0.2.1:9"]);
}

#[test]
fn a_truncated_reply_is_repeated_over_tcp_even_byte_by_byte() {
    let port = free_port();
    let server = LoopbackServer::start(1, port, Behaviour::Truncates, |query, _| {
        (0..16).fold(Reply::to(query), |reply, n| reply.a("", &format!("192.0.2.{n}")))
    });
    let (found, _) = ask(Family::V4, port, 1);
    assert_eq!((found.len(), found[15].as_str()), (16, "192.0.2.15:9"));
    let requests = server.requests();
    assert_eq!(requests.iter().map(|request| request.over_tcp).collect::<Vec<_>>(), [false, true]);
    assert_ne!(requests[0].id, requests[1].id);
}

#[test]
fn a_server_that_hangs_up_over_tcp_or_has_none_is_followed_by_the_next() {
    for (name, behaviour) in [("hangs-up", Behaviour::HangsUp), ("no-tcp", Behaviour::TruncatesWithoutTcp)] {
        let port = free_port();
        let _broken = LoopbackServer::start(1, port, behaviour, honest);
        let _server = LoopbackServer::start(2, port, Behaviour::Answers, honest);
        let (found, took) = ask(Family::V4, port, 2);
        assert_eq!(found, ["192.0.2.1:9"], "{name}");
        assert!(took < Duration::from_millis(400), "{took:?}");
    }
}

#[test]
fn the_reason_names_the_server_that_was_asked() {
    for (code, words) in [(3, "no such name, says"), (0, "the name has no address, says")] {
        let port = free_port();
        let _server = LoopbackServer::start(1, port, Behaviour::Answers, move |query, _| Reply::to(query).code(code));
        let (found, _) = ask(Family::Both, port, 1);
        assert_eq!(found, [format!("resolve h.example: {words} 127.0.0.1:{port}")]);
    }
    let port = free_port();
    let _server = LoopbackServer::start(1, port, Behaviour::Answers, |query, _| Reply::to(query).code(2));
    let (found, _) = ask(Family::Both, port, 1);
    assert_eq!(found, [format!("resolve h.example: 127.0.0.1:{port}: server failure")]);
}

#[test]
fn servers_may_have_ipv6_addresses() {
    let port = free_port();
    let Some(_server) = LoopbackServer::at("::1".parse().unwrap(), port, Behaviour::Answers, honest) else { return };
    let dir = TestFiles::new();
    let mut files = dir.resolver_files("nameserver ::1", "", port);
    assert_eq!(look_up("h.example", Family::V6, &mut files).0, ["[2001:db8::1]:9"]);
}

#[test]
fn hosts_that_are_resolved_locally_need_no_socket() {
    let dir = TestFiles::new();
    let mut files = dir.resolver_files("nameserver 127.0.0.1", "10.1.2.3 router\n", 9);
    for (host, addresses) in [
        ("192.0.2.7", ["192.0.2.7:9"].as_slice()),
        ("localhost", &["[::1]:9", "127.0.0.1:9"]),
        ("router", &["10.1.2.3:9"]),
        ("10.1", &["resolve 10.1: this is no IPv4 address: write four decimal numbers"]),
    ] {
        assert_eq!(look_up(host, Family::Both, &mut files).0, addresses, "{host}");
    }
}
