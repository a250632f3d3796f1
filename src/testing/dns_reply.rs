//! Writes DNS replies byte by byte, independently of the codec that reads them.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::proto::dns::message::RecordType;

/// A reply in the making. A record with an empty name has that of the question.
pub struct Reply(Vec<u8>);

/// Reads the name and the record type that a query asks for.
pub fn question_of(query: &[u8]) -> (String, RecordType) {
    let (mut labels, mut rest) = (Vec::new(), &query[12..]);
    while rest[0] > 0 {
        let (label, after) = rest[1..].split_at(rest[0].into());
        labels.push(String::from_utf8(label.to_vec()).unwrap());
        rest = after;
    }
    (labels.join("."), if rest[2] == 1 { RecordType::A } else { RecordType::Aaaa })
}

impl Reply {
    /// Starts a reply that repeats the question, with recursion available.
    pub fn to(query: &[u8]) -> Self {
        let mut bytes = query.to_vec();
        bytes[2..4].copy_from_slice(&[0x81, 0x80]);
        Reply(bytes)
    }

    pub fn code(mut self, code: u8) -> Self {
        self.0[3] |= code;
        self
    }

    pub fn truncated(mut self) -> Self {
        self.0[2] |= 2;
        self
    }

    pub fn without_recursion(mut self) -> Self {
        self.0[3] &= 0x7f;
        self
    }

    pub fn with_id_of(mut self, query: &[u8]) -> Self {
        self.0[..2].copy_from_slice(&query[..2]);
        self
    }

    pub fn a(self, name: &str, address: &str) -> Self {
        self.record(name, 1, &address.parse::<Ipv4Addr>().unwrap().octets())
    }

    pub fn aaaa(self, name: &str, address: &str) -> Self {
        self.record(name, 28, &address.parse::<Ipv6Addr>().unwrap().octets())
    }

    pub fn cname(self, name: &str, target: &str) -> Self {
        self.record(name, 5, &encode(target))
    }

    pub fn bytes(self) -> Vec<u8> {
        self.0
    }

    fn record(mut self, name: &str, record_type: u8, data: &[u8]) -> Self {
        let name = if name.is_empty() { vec![0xc0, 12] } else { encode(name) };
        self.0[7] += 1;
        self.0.extend(name);
        self.0.extend([0, record_type, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        self.0.extend(data);
        self
    }
}

fn encode(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([0]).collect()
}
