//! What must hold whatever a server, a file or a command line says: one row of [`TARGETS`] for each reader of foreign
//! bytes, for cargo-fuzz (tests/fuzz) and, with fixed seeds, for `cargo test`.
//!
//! A target takes any bytes and panics where a law is broken. It neither reads nor writes anything else.

mod addresses;
mod answers;
mod conversation;
mod json;
#[cfg(test)]
mod random;
mod seeds;
mod shown;
mod text;

/// One reader of foreign bytes.
#[derive(Debug)]
pub struct FuzzTarget {
    /// The name of its fuzz target.
    pub name: &'static str,
    /// Panics where a law is broken.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target that lives in the library.
pub static TARGETS: &[FuzzTarget] = &[
    FuzzTarget { name: "dialects", run: conversation::run, seeds: seeds::sessions },
    FuzzTarget { name: "addresses", run: addresses::run, seeds: seeds::addresses },
    FuzzTarget { name: "resolver", run: answers::dns, seeds: seeds::dns },
    FuzzTarget { name: "binary", run: answers::binary, seeds: seeds::binaries },
    FuzzTarget { name: "numbers", run: json::numbers, seeds: seeds::messages },
    FuzzTarget { name: "layout", run: json::layout, seeds: seeds::messages },
    FuzzTarget { name: "escaping", run: text::run, seeds: seeds::texts },
    FuzzTarget { name: "answers", run: answers::http, seeds: seeds::http },
];

/// Runs the target of that name.
///
/// # Panics
/// Where a law is broken, or there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a row of the table");
    (target.run)(data);
}

/// Panics where text could harm a terminal or forge a line. Line feeds are the caller's own.
fn assert_harmless(text: &str) {
    let found = text.chars().find(|&c| c != '\n' && crate::model::text::is_hostile(c));
    assert_eq!(found, None, "{text:?}");
}
