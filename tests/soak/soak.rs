//! A client among servers that fail in every way they can, for minutes. Run by tests/soak.sh:
//!
//! `soak chaos WSMON DIRECTORY SECONDS [SEED]`: 20 servers at random restart, reset, go silent, refuse, stall, flood and
//! pause, and the client is stopped for a while; its memory, descriptors, reconnections and counts are looked at.
//! `soak disk WSMON DIRECTORY`: the disk under DIRECTORY is filled and freed again while data is saved there.

mod chaos;
mod client;
mod disk;
mod server;
mod wire;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["chaos", wsmon, directory, seconds] => chaos::run(wsmon, Path::new(directory), seconds, None),
        ["chaos", wsmon, directory, seconds, seed] => chaos::run(wsmon, Path::new(directory), seconds, Some(seed)),
        ["disk", wsmon, directory] => disk::run(wsmon, Path::new(directory)),
        _ => Err("usage: soak chaos WSMON DIRECTORY SECONDS [SEED] | soak disk WSMON DIRECTORY".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("soak: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The error says in words what went wrong.
type Outcome = Result<(), Box<dyn std::error::Error>>;
