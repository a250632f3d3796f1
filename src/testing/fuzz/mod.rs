//! Properties that must hold for any input from a server, a file or a command line: one row of [`TARGETS`] for each
//! reader of foreign bytes, for cargo-fuzz (tests/fuzz) and, with fixed seeds, for `cargo test`.
//!
//! A target takes any bytes and panics if a property is broken. It neither reads nor writes anything else.

mod binary;
mod conversation;
mod dns;
mod escaping;
mod formats;
mod harmless;
mod http;
mod inflate;
mod json;
#[cfg(test)]
mod mutations;
mod rules;
mod samples;
mod seeds;
mod stream;
mod texts;
mod uris;

/// One reader of foreign bytes.
#[derive(Debug)]
pub struct FuzzTarget {
    /// Name of its file in tests/fuzz/fuzz_targets.
    pub name: &'static str,
    /// Panics if a property is broken.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target that lives in the library.
pub static TARGETS: &[FuzzTarget] = &[
    FuzzTarget { name: "dialects", run: conversation::run, seeds: seeds::sessions },
    FuzzTarget { name: "uris", run: uris::run, seeds: seeds::uris },
    FuzzTarget { name: "dns", run: dns::run, seeds: seeds::dns },
    FuzzTarget { name: "binary", run: binary::run, seeds: seeds::binaries },
    FuzzTarget { name: "inflate", run: inflate::run, seeds: seeds::packed },
    FuzzTarget { name: "numbers", run: json::numbers, seeds: seeds::messages },
    FuzzTarget { name: "samples", run: samples::run, seeds: seeds::messages },
    FuzzTarget { name: "layout", run: json::layout, seeds: seeds::messages },
    FuzzTarget { name: "escaping", run: escaping::run, seeds: seeds::texts },
    FuzzTarget { name: "http", run: http::run, seeds: seeds::http },
    FuzzTarget { name: "documents", run: json::documents, seeds: seeds::documents },
    FuzzTarget { name: "frames", run: stream::run, seeds: seeds::frames },
    FuzzTarget { name: "foreign", run: texts::foreign, seeds: seeds::foreign },
    FuzzTarget { name: "challenges", run: texts::challenge, seeds: seeds::challenges },
    FuzzTarget { name: "settings", run: texts::settings, seeds: seeds::settings },
    FuzzTarget { name: "rules", run: rules::run, seeds: seeds::rules },
];

/// Runs the target of that name.
///
/// # Panics
/// If a property is broken, or there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a row of the table");
    (target.run)(data);
}
