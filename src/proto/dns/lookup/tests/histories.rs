//! Random histories: every lookup ends exactly once.

use super::*;
use crate::testing::random::Random;

/// A server that answers at random times with random replies.
fn random_server(seed: u64) -> DnsServer {
    let mut random = Random::new(seed);
    Box::new(move |query| {
        let after = [0, 1, 30, 60, 4999, 5000, 5001, 12_000][random.below(8)];
        let reply = Reply::to(&query.message);
        let reply = match random.below(9) {
            0 => return None,
            1 => reply.truncated(),
            2 => reply.code(3),
            3 => reply.code(2),
            4 => reply.cname("", "x.example").a("x.example", "192.0.2.1").aaaa("x.example", "::2"),
            5 => reply.with_id_of(b"xx").a("", "192.0.2.1"),
            6 => reply.a("", "192.0.2.1"),
            7 => reply.aaaa("", "::1"),
            _ => reply,
        };
        Some((after, reply.bytes()))
    })
}

#[test]
fn every_lookup_ends_with_addresses_or_with_one_reason() {
    for seed in 0..1500 {
        let servers: Vec<_> = (0..seed % 3 + 1).map(|n| random_server(seed * 7 + n)).collect();
        let family = [Family::Both, Family::V4, Family::V6][seed as usize / 3 % 3];
        let lines = ["", "search a.example b.example", "options attempts:5 timeout:1"][seed as usize / 9 % 3];
        let transcript = LookupSim::with("h", family, lines, servers).run();
        let count = |word: &str| transcript.iter().filter(|line| line.contains(word)).count();
        let (found, failed) = (count(" found "), count(" failed: resolve h: "));
        assert!((found, failed) == (0, 1) || (1..=2).contains(&found) && failed == 0, "{seed}: {transcript:?}");
        assert!(!transcript.iter().any(|line| line.ends_with("h: ")), "{transcript:?}");
    }
}
