//! Lookups against servers on loopback that answer, lie, truncate, drip and keep silent.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::*;
use crate::proto::dns::Family;
use crate::proto::dns::message::RecordType;
use crate::testing::dns_reply::Reply;
use server::{Fake, Manner, free_port};

mod files;
mod server;

/// No test waits longer.
const LIMIT: Duration = Duration::from_secs(20);

/// An answer over TCP may wake a lookup with each of its bytes.
const MOST_TURNS: u32 = 1000;

/// A resolv.conf and a hosts file of a test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wsmon-lookup-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// What a machine with these files knows, its servers being at this port.
    fn names(&self, conf: &str, hosts: &str, port: u16) -> Names {
        Names::at(self.write("resolv.conf", conf), self.write("hosts", hosts), port)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// All that a lookup brings, as text, and how long it took.
fn look_up(host: &str, family: Family, names: &mut Names) -> (Vec<String>, Duration) {
    let (mut poll, mut events, started) = (Poll::new().unwrap(), Events::with_capacity(8), Instant::now());
    let keys = std::collections::hash_map::RandomState::new();
    let mut count = 0;
    let mut random = || {
        count += 1;
        std::hash::BuildHasher::hash_one(&keys, count)
    };
    let wish = HostQuery { host, port: 9, family, within: Duration::from_secs(1) };
    let mut lookup = Lookup::begin(wish, names, Token(7), started, &mut random);
    let (mut said, mut turns) = (Vec::new(), 0);
    loop {
        turns += 1;
        assert!(started.elapsed() < LIMIT && turns < MOST_TURNS, "{turns} {said:?}");
        match lookup.advance(poll.registry(), Instant::now(), &mut random) {
            Ok(found) => said.extend(found.into_iter().flatten().map(|address| address.to_string())),
            Err(why) => said.push(why),
        }
        if lookup.is_done() {
            assert_eq!(lookup.deadline(), None);
            assert!(lookup.sockets.is_empty(), "sockets left over");
            return (said, started.elapsed());
        }
        let wait = lookup.deadline().unwrap().saturating_duration_since(Instant::now());
        poll.poll(&mut events, Some(wait)).unwrap();
        assert!(events.iter().all(|event| event.token() == Token(7)));
    }
}

/// Looks up h.example at these servers, which listen at 127.0.0.1, 127.0.0.2 …
fn ask(name: &str, family: Family, port: u16, servers: usize) -> (Vec<String>, Duration) {
    let conf: String = (1..=servers).map(|n| format!("nameserver 127.0.0.{n}\n")).collect();
    look_up("h.example", family, &mut Scratch::new(name).names(&conf, "", port))
}

fn honest(query: &[u8], kind: RecordType) -> Reply {
    match kind {
        RecordType::A => Reply::to(query).cname("", "x.example").a("x.example", "192.0.2.1"),
        RecordType::Aaaa => Reply::to(query).aaaa("", "2001:db8::1"),
    }
}

#[test]
fn both_families_are_found_from_ports_and_with_ids_of_their_own() {
    let port = free_port();
    let server = Fake::start(1, port, Manner::Answers, honest);
    let (mut said, _) = ask("both", Family::Both, port, 1);
    said.sort();
    assert_eq!(said, ["192.0.2.1:9", "[2001:db8::1]:9"]);
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].from != asked[1].from && asked[0].id != asked[1].id, "{asked:?}");
}

#[test]
fn a_server_that_is_not_there_costs_no_time() {
    let port = free_port();
    let _server = Fake::start(2, port, Manner::Answers, honest);
    let (said, took) = ask("refused", Family::V4, port, 2);
    assert_eq!(said, ["192.0.2.1:9"]);
    assert!(took < Duration::from_millis(400), "{took:?}");
    let port = free_port();
    let (said, took) = ask("refused-all", Family::Both, port, 2);
    let each = [1, 2].map(|n| format!("127.0.0.{n}:{port}: connection refused"));
    assert_eq!(said, [format!("resolve h.example: {}", each.join("; "))]);
    assert!(took < Duration::from_millis(400), "{took:?}");
}

#[test]
fn a_silent_server_is_followed_by_the_next() {
    let port = free_port();
    let silent = Fake::start(1, port, Manner::Silent, honest);
    let _server = Fake::start(2, port, Manner::Answers, honest);
    let (said, took) = ask("silent", Family::V4, port, 2);
    assert_eq!(said, ["192.0.2.1:9"]);
    assert!(took >= Duration::from_millis(500), "{took:?}");
    assert_eq!(silent.asked().len(), 1);
}

#[test]
fn lies_about_other_questions_and_from_other_ports_are_ignored() {
    let port = free_port();
    let _server = Fake::start(1, port, Manner::LiesFirst, honest);
    let (said, _) = ask("lies", Family::V4, port, 1);
    assert_eq!(said, ["192.0.2.1:9"]);
}

#[test]
fn a_flood_of_wrong_answers_ends_with_the_next_server() {
    let port = free_port();
    let _liar = Fake::start(1, port, Manner::Floods, honest);
    let _server = Fake::start(2, port, Manner::Answers, honest);
    let (said, _) = ask("flood", Family::V4, port, 2);
    assert_eq!(said, ["192.0.2.1:9"]);
}

#[test]
fn what_does_not_fit_is_fetched_over_tcp_even_byte_by_byte() {
    let port = free_port();
    let server = Fake::start(1, port, Manner::Truncates, |query, _| {
        (0..16).fold(Reply::to(query), |reply, n| reply.a("", &format!("192.0.2.{n}")))
    });
    let (said, _) = ask("tcp", Family::V4, port, 1);
    assert_eq!((said.len(), said[15].as_str()), (16, "192.0.2.15:9"));
    let asked = server.asked();
    assert_eq!(asked.iter().map(|asked| asked.over_tcp).collect::<Vec<_>>(), [false, true]);
    assert_ne!(asked[0].id, asked[1].id);
}

#[test]
fn a_server_that_hangs_up_over_tcp_or_has_none_is_followed_by_the_next() {
    for (name, manner) in [("hangs-up", Manner::HangsUp), ("no-tcp", Manner::TruncatesWithoutTcp)] {
        let port = free_port();
        let _broken = Fake::start(1, port, manner, honest);
        let _server = Fake::start(2, port, Manner::Answers, honest);
        let (said, took) = ask(name, Family::V4, port, 2);
        assert_eq!(said, ["192.0.2.1:9"], "{name}");
        assert!(took < Duration::from_millis(400), "{took:?}");
    }
}

#[test]
fn the_reason_names_the_server_that_was_asked() {
    for (name, code, words) in [("nx", 3, "no such name, says"), ("none", 0, "the name has no address, says")] {
        let port = free_port();
        let _server = Fake::start(1, port, Manner::Answers, move |query, _| Reply::to(query).code(code));
        let (said, _) = ask(name, Family::Both, port, 1);
        assert_eq!(said, [format!("resolve h.example: {words} 127.0.0.1:{port}")]);
    }
    let port = free_port();
    let _server = Fake::start(1, port, Manner::Answers, |query, _| Reply::to(query).code(2));
    let (said, _) = ask("servfail", Family::Both, port, 1);
    assert_eq!(said, [format!("resolve h.example: 127.0.0.1:{port}: server failure")]);
}

#[test]
fn servers_may_have_ipv6_addresses() {
    let port = free_port();
    let Some(_server) = Fake::at("::1".parse().unwrap(), port, Manner::Answers, honest) else { return };
    let scratch = Scratch::new("v6");
    let mut names = scratch.names("nameserver ::1", "", port);
    assert_eq!(look_up("h.example", Family::V6, &mut names).0, ["[2001:db8::1]:9"]);
}

#[test]
fn what_is_known_takes_no_socket() {
    let scratch = Scratch::new("known");
    let mut names = scratch.names("nameserver 127.0.0.1", "10.1.2.3 router\n", 9);
    for (host, addresses) in [
        ("192.0.2.7", ["192.0.2.7:9"].as_slice()),
        ("localhost", &["[::1]:9", "127.0.0.1:9"]),
        ("router", &["10.1.2.3:9"]),
        ("10.1", &["resolve 10.1: this is no IPv4 address: write four decimal numbers"]),
    ] {
        assert_eq!(look_up(host, Family::Both, &mut names).0, addresses, "{host}");
    }
}
