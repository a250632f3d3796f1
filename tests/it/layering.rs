//! Rules for the sources: imports between folders, circles, and words that only certain files may contain.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// One folder of src: the folders that it may import, and words that its code must not contain.
struct Ring {
    folder: &'static str,
    may_import: &'static [&'static str],
    may_not_say: &'static [&'static [&'static str]],
}

const CLOCK: &[&str] = &["Instant::now", "SystemTime::now", ".elapsed()"];
const SOCKETS: &[&str] = &["mio::", "TcpStream", "TcpListener", "UdpSocket", "UnixStream", "UnixListener"];
const FILES: &[&str] = &["std::fs", "fs::", "File::", "std::env", "std::process"];
const THREADS: &[&str] = &["thread::", "std::thread", "park_timeout", "async fn", ".await"];
const PRINTING: &[&str] = &["print!", "println!", "dbg!", "io::stdout", "io::stderr"];
const ENDINGS: &[&str] = &[".unwrap()", ".expect(", "panic!(", "unreachable!(", "todo!(", "unimplemented!("];

/// The command is built without them: see src/model/trace.rs.
const DEBUG_MACROS: &[&str] = &["debug!(", "trace!("];

/// From the innermost ring outwards. There are no rules for the files of src itself, lib.rs and main.rs.
const RINGS: [Ring; 8] = [
    Ring {
        folder: "model",
        may_import: &[],
        may_not_say: &[CLOCK, SOCKETS, FILES, THREADS, PRINTING, ENDINGS, DEBUG_MACROS],
    },
    Ring {
        folder: "format",
        may_import: &["model"],
        may_not_say: &[CLOCK, SOCKETS, FILES, THREADS, PRINTING, ENDINGS, DEBUG_MACROS],
    },
    Ring {
        folder: "fleet",
        may_import: &["model", "format"],
        may_not_say: &[CLOCK, SOCKETS, FILES, THREADS, PRINTING, ENDINGS, DEBUG_MACROS],
    },
    Ring {
        folder: "proto",
        may_import: &["model"],
        may_not_say: &[CLOCK, SOCKETS, FILES, THREADS, PRINTING, ENDINGS, DEBUG_MACROS],
    },
    Ring {
        folder: "net",
        may_import: &["model", "proto"],
        may_not_say: &[CLOCK, THREADS, PRINTING, ENDINGS, DEBUG_MACROS],
    },
    Ring {
        folder: "monitor",
        may_import: &["model", "format", "fleet", "proto", "net"],
        may_not_say: &[THREADS, PRINTING, ENDINGS, DEBUG_MACROS],
    },
    Ring {
        folder: "demo",
        may_import: &["model", "proto", "net"],
        may_not_say: &[CLOCK, THREADS, PRINTING, ENDINGS, DEBUG_MACROS],
    },
    // The command uses the library through its public interface.
    Ring { folder: "cli", may_import: &[], may_not_say: &[CLOCK, THREADS, ENDINGS, DEBUG_MACROS] },
];

/// A source file without comments and tests.
struct Source {
    /// The path below src, with slashes.
    path: String,
    code: String,
}

impl Source {
    fn folder(&self) -> &str {
        self.path.split_once('/').map_or("", |(folder, _)| folder)
    }

    /// The path of its module: `["net", "tls"]` for net/tls/mod.rs.
    fn module(&self) -> Vec<&str> {
        let mut parts: Vec<_> = self.path.trim_end_matches(".rs").split('/').collect();
        if matches!(parts.last(), Some(&("mod" | "lib" | "main"))) {
            parts.pop();
        }
        parts
    }

    /// Returns each `crate::…` and `super::…` as an absolute path, with one path for each name in braces.
    fn imports(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for (start, root) in ["crate::", "super::"].iter().flat_map(|root| self.code.match_indices(*root)) {
            let before = self.code[..start].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || "_:$".contains(c)) {
                continue;
            }
            let base: Vec<String> = match root {
                "crate::" => Vec::new(),
                _ => self.module().iter().map(|part| (*part).to_owned()).collect(),
            };
            paths(base, &self.code[start + if root == "crate::" { 7 } else { 0 }..], &mut found);
        }
        found
    }
}

/// Reads the path at the beginning of `text`, which may have braces, and adds the paths that it names.
fn paths(mut base: Vec<String>, text: &str, found: &mut Vec<Vec<String>>) {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if let Some(inner) = text.strip_prefix('{') {
        let mut depth = 0;
        for (at, c) in text.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let inner = &inner[..at - 1];
                let mut level = 0;
                for part in inner.split(|c| {
                    level += i32::from(c == '{') - i32::from(c == '}');
                    c == ',' && level == 0
                }) {
                    paths(base.clone(), part.trim(), found);
                }
                return;
            }
        }
    }
    match word.as_str() {
        "super" => drop(base.pop()),
        "self" | "" => {}
        _ => base.push(word.clone()),
    }
    match text[word.len()..].strip_prefix("::") {
        Some(rest) => paths(base, rest, found),
        None => found.push(base),
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            let is_test = name.ends_with("tests.rs")
                || ["/tests", "testing", "cli/properties.rs"].iter().any(|part| name.contains(part));
            if path.is_dir() {
                directories.push(path);
            } else if !is_test {
                found.push(Source { path: name, code: code(&fs::read_to_string(path).unwrap()) });
            }
        }
    }
    assert!(found.len() > 90, "only {} sources", found.len());
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Removes comments and the tests, which stand last in a file.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// Finds these words in the selected files. Returns `path: word` for each.
fn find_words(words: &[&str], is_selected: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for Source { path, code } in sources().iter().filter(|source| is_selected(&source.path)) {
        found.extend(words.iter().filter(|word| code.contains(**word)).map(|word| format!("{path}: {word}")));
    }
    found
}

#[test]
fn every_folder_has_a_row_and_imports_only_the_folders_in_it() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.folder().is_empty()) {
        let ring = RINGS.iter().find(|ring| ring.folder == source.folder()).expect("a row for each folder");
        for import in source.imports() {
            let from = import.first().map_or("", String::as_str);
            if RINGS.iter().any(|ring| ring.folder == from) && from != ring.folder && !ring.may_import.contains(&from) {
                wrong.push(format!("{} imports {}", source.path, import.join("::")));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn no_folder_contains_words_that_its_ring_forbids() {
    let mut wrong = Vec::new();
    for ring in &RINGS {
        let words: Vec<&str> = ring.may_not_say.iter().flat_map(|words| words.iter().copied()).collect();
        wrong.extend(find_words(&words, |path| path.starts_with(ring.folder)));
    }
    assert_eq!(wrong, [""; 0]);
}

/// A module and those below it count as one unit: the upper one names the lower ones, which share its types.
#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = sources();
    let by_module: BTreeMap<Vec<&str>, &str> =
        sources.iter().map(|source| (source.module(), source.path.as_str())).collect();
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.folder().is_empty()) {
        for import in source.imports() {
            let import: Vec<&str> = import.iter().map(String::as_str).collect();
            let module = (1..=import.len()).rev().map(|len| &import[..len]).find(|part| by_module.contains_key(*part));
            let Some(module) = module else { continue };
            let own = source.module();
            if !own.starts_with(module) && !module.starts_with(&own) {
                imports.entry(&source.path).or_default().insert(by_module[module]);
            }
        }
    }
    assert!(imports.len() > 50, "only {} files import anything", imports.len());
    // A file that imports none of the remaining files is in no circle. Removing it may free others.
    while let Some(&outer) = imports.keys().find(|path| !imports[*path].iter().any(|to| imports.contains_key(to))) {
        imports.remove(outer);
    }
    assert!(imports.is_empty(), "{imports:#?}");
}

#[test]
fn one_file_reads_the_clock() {
    assert_eq!(find_words(CLOCK, |path| path != "monitor/clock.rs"), [""; 0]);
}

#[test]
fn unsafe_code_is_forbidden() {
    let manifest = include_str!("../../Cargo.toml");
    assert!(manifest.contains("\n[lints.rust]\nunsafe_code = \"forbid\"\n"));
    assert_eq!(find_words(&["unsafe {", "unsafe fn", "unsafe impl"], |_| true), [""; 0]);
}

#[test]
fn one_file_names_the_feature_tls() {
    assert_eq!(find_words(&["feature = \"tls\""], |path| path != "net/tls/mod.rs"), [""; 0]);
}

/// The texts of every source but those of the command and its demonstration, with comments and without tests.
fn library_texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_command = |path: &str| path == "main.rs" || path.starts_with("cli/") || path.starts_with("demo/");
    let mut found = Vec::new();
    for Source { path, .. } in sources().into_iter().filter(|source| !is_command(&source.path)) {
        let text = fs::read_to_string(root.join(&path)).unwrap();
        found.push((path, text.split("\n#[cfg(test)]\nmod tests").next().unwrap().to_owned()));
    }
    found
}

/// Users of the library have no options.
#[test]
fn no_text_and_no_comment_of_the_library_names_an_option() {
    let mut named = Vec::new();
    for (path, text) in library_texts() {
        for (at, _) in text.match_indices("--") {
            let before = text[..at].chars().next_back();
            if text[at + 2..].starts_with(|c: char| c.is_ascii_lowercase()) && before != Some('-') {
                named.push(format!("{path}: {}", text[at..].lines().next().unwrap()));
            }
        }
    }
    assert_eq!(named, [""; 0]);
}

/// Texts of the library name settings by their methods, and the command has an option for each.
#[test]
fn every_setting_in_a_text_of_the_library_is_one_and_has_an_option() {
    let hints = include_str!("../../src/cli/hints.rs");
    let server = include_str!("../../src/monitor/server.rs");
    let mut names = BTreeSet::new();
    for (_, text) in library_texts() {
        for (at, _) in text.match_indices("\"Server::") {
            names.insert(text[at + 1..].split('"').next().unwrap().to_owned());
        }
    }
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let method = name.strip_prefix("Server::").unwrap();
        assert!(["(", "<"].iter().any(|end| server.contains(&format!("pub fn {method}{end}"))), "{name} is no method");
        assert!(hints.contains(&format!("(\"{name}\", \"--")), "{name} is not tested in src/cli/hints.rs");
    }
}
