//! Binary messages that hold something else.

use crate::proto::dialect::{Binary, named};

/// Bound on unpacked JSON.
const LIMIT: usize = 1 << 16;

/// Unpacks a message in the layout of NeuroGraph, or packed JSON: the output is bounded.
pub fn run(data: &[u8]) {
    let unpack = named("neurograph").and_then(|dialect| dialect.unpack).expect("a reader of binary messages");
    match unpack(data, LIMIT) {
        Binary::Text(text) => assert!(text.len() <= LIMIT.max(data.len())),
        Binary::Description(text) | Binary::Broken(text) => assert!(text.len() <= 8 * data.len() + 200, "{text:?}"),
    }
    match unpack(data, 16) {
        Binary::Text(text) => assert!(text.len() <= 16.max(data.len())),
        Binary::Description(_) | Binary::Broken(_) => {}
    }
}
