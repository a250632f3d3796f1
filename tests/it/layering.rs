//! The shape of the sources: what must stand in a few files stands nowhere else.

use std::fs;
use std::path::Path;

/// The folders and files that touch sockets, clocks and descriptors. Every other one is pure.
const OUTER: [&str; 5] = ["main.rs", "monitor/", "net/", "cli/", "demo/"];

/// All sources below src, by their path, without comments, tests and what only fuzzing runs.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                directories.push(path);
            } else if !name.ends_with("tests.rs") && !name.contains("/tests/") && !name.starts_with("testing/") {
                found.push((name, code(&fs::read_to_string(path).unwrap())));
            }
        }
    }
    found
}

/// Tests stand last in a file.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn is_outer(name: &str) -> bool {
    OUTER.iter().any(|outer| name == *outer || (outer.ends_with('/') && name.starts_with(outer)))
}

/// Where these words stand, among the files that are chosen.
fn standing(words: &[&str], among: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (name, code) in sources().into_iter().filter(|(name, _)| among(name)) {
        found.extend(words.iter().filter(|word| code.contains(**word)).map(|word| format!("{name}: {word}")));
    }
    found
}

#[test]
fn pure_files_have_no_clock_no_socket_no_thread_and_print_nothing() {
    let forbidden = [
        "Instant::now",
        "SystemTime::now",
        ".elapsed()",
        "mio::",
        "std::net",
        "std::thread",
        "thread::",
        "print!",
        "println!",
        "dbg!",
        "std::process",
        "std::env",
    ];
    assert_eq!(standing(&forbidden, |name| !is_outer(name)), [""; 0]);
}

#[test]
fn one_file_reads_the_clock() {
    let clock = ["Instant::now", "SystemTime::now", ".elapsed()"];
    assert_eq!(standing(&clock, |name| name != "monitor/event_loop.rs"), [""; 0]);
}

#[test]
fn nothing_runs_on_a_second_thread_or_sleeps() {
    assert_eq!(standing(&["thread::spawn", "thread::sleep", "std::thread", "park_timeout"], |_| true), [""; 0]);
}

#[test]
fn the_library_prints_nothing() {
    let prints = ["print!", "println!", "dbg!", "io::stdout", "io::stderr"];
    assert_eq!(standing(&prints, |name| !name.starts_with("cli/")), [""; 0]);
}

#[test]
fn unsafe_code_is_forbidden() {
    let manifest = include_str!("../../Cargo.toml");
    assert!(manifest.contains("\n[lints.rust]\nunsafe_code = \"forbid\"\n"));
    assert_eq!(standing(&["unsafe {", "unsafe fn", "unsafe impl"], |_| true), [""; 0]);
}

#[test]
fn one_file_knows_the_feature_tls() {
    assert_eq!(standing(&["feature = \"tls\""], |name| name != "net/tls/mod.rs"), [""; 0]);
}
