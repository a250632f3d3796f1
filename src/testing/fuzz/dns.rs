//! DNS answers, and the files of the resolver.

use std::net::IpAddr;

use super::harmless::assert_harmless;
use crate::proto::dns::conf::{self, Conf};
use crate::proto::dns::message::{RecordType, ReplyContent, decode_reply, encode_query};

/// Reads a DNS answer. The first byte chooses the query, and if the answer gets its id and question.
pub fn run(data: &[u8]) {
    let [choice, answer @ ..] = data else { return };
    let kind = if choice & 1 == 0 { RecordType::A } else { RecordType::Aaaa };
    let query = encode_query(0x1234, "h.example", kind).expect("a name");
    let fitted = match answer {
        [flags, code, counts @ .., _] if choice & 2 != 0 && counts.len() >= 3 => {
            let head = [0x12, 0x34, flags | 0x80, *code, 0, 1, 0, counts[0], 0, counts[1], 0, counts[2]];
            [&head[..], &query[12..], &counts[3..]].concat()
        }
        _ => answer.to_vec(),
    };
    match decode_reply(&fitted, &query) {
        ReplyContent::Addresses(found) => {
            assert!((1..=16).contains(&found.len()));
            assert!(found.iter().all(|address: &IpAddr| address.is_ipv4() == (kind == RecordType::A)));
        }
        ReplyContent::Failed(reason) => assert_harmless(&reason),
        ReplyContent::NotOurs | ReplyContent::Truncated | ReplyContent::NoAddress | ReplyContent::NoName => {}
    }
    configuration(&String::from_utf8_lossy(answer));
}

/// Reads the resolver's files, and asks for any name.
fn configuration(text: &str) {
    let zones: conf::Zones<'_> = &|zone| zone.parse().ok();
    let conf = Conf::parse(text, 53, zones);
    for line in text.lines() {
        let _address = conf::parse_hosts_line(line, "h.example", 80, zones);
        assert!(conf.candidates(line).len() <= 64);
        if let Some(query) = encode_query(1, line, RecordType::A) {
            assert!(query.len() <= 271);
            assert_eq!(decode_reply(&query, &query), ReplyContent::NotOurs);
        }
    }
}
