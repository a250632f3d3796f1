//! Compares the public interface with tests/it/api.txt, so that no change of it goes unseen.
//!
//! The listing is read from the sources: what lib.rs exports, with fields, variants, derives and methods as they are
//! written. It needs neither a nightly compiler nor a published version. WSMON_TEST_WRITE=1 writes it anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

struct Source {
    path: PathBuf,
    text: String,
}

/// A name that lib.rs exports, and the module that defines it: `["monitor", "watch"]`.
struct Export {
    module: Vec<String>,
    name: String,
}

fn read_sources(folder: &Path, sources: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in entries {
        if path.is_dir() {
            read_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let end = text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(text.len());
            sources.push(Source { path, text: text[..end].to_owned() });
        }
    }
}

/// Reads the `pub use` items of lib.rs, but for those of other crates and of the hidden module.
fn exports(lib: &str) -> Vec<Export> {
    let mut exports = Vec::new();
    let visible = &lib[..lib.find("pub mod internal {").unwrap_or(lib.len())];
    for item in visible.split("\npub use ").skip(1) {
        let item: String = item[..item.find(';').unwrap()].split_whitespace().collect();
        let Some((module, names)) = item.rsplit_once("::{").or_else(|| item.rsplit_once("::")) else { continue };
        let module: Vec<_> = module.split("::").map(str::to_owned).collect();
        for name in names.trim_end_matches('}').split(',').filter(|name| !name.is_empty()) {
            exports.push(Export { module: module.clone(), name: name.to_owned() });
        }
    }
    assert!(exports.len() > 60, "only {} exports", exports.len());
    exports
}

impl Export {
    fn folder(&self, root: &Path) -> PathBuf {
        self.module.iter().fold(root.to_owned(), |path, part| path.join(part))
    }

    /// Returns true if the file is that of the module, or below it.
    fn is_defined_in(&self, source: &Source, root: &Path) -> bool {
        let folder = self.folder(root);
        source.path.starts_with(&folder) || source.path == folder.with_extension("rs")
    }

    /// Returns true if the name means this item in the file, which defines or imports it.
    fn is_known_in(&self, source: &Source, root: &Path) -> bool {
        let import = format!("crate::{}::", self.module.join("::"));
        let imports = source.text.split(&*import).skip(1).any(|rest| {
            let rest = rest.split(';').next().unwrap_or_default();
            rest.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == self.name)
        });
        self.is_defined_in(source, root) || imports
    }
}

/// Returns the text from an item's line to its body or end, on one line.
fn signature(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim());
        if (line.ends_with([';', '{', ',']) || line.ends_with("{}")) && balanced(&text) {
            break;
        }
        text.push(' ');
    }
    text.trim_end_matches(['{', '}', ' ', ';', ',']).to_owned()
}

fn balanced(text: &str) -> bool {
    let count = |c| text.matches(c).count();
    count('(') == count(')') && count('[') == count(']')
}

/// Returns the name that an item's line declares, without generic parameters.
fn declared(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ")?;
    let rest = ["const fn ", "struct ", "enum ", "fn ", "const ", "static ", "trait ", "type "]
        .iter()
        .find_map(|keyword| rest.strip_prefix(keyword))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// Returns the trait and the type of a block of methods: `impl Display for Change {`.
fn implemented(line: &str) -> Option<(Option<&str>, &str)> {
    let head = line.strip_prefix("impl")?;
    let head = head.strip_prefix('<').map_or(head, |generic| generic.split_once("> ").map_or("", |(_, rest)| rest));
    let head = head.trim_start();
    let (of, name) = head.split_once(" for ").map_or((None, head), |(of, name)| (Some(of), name));
    name.split(|c: char| !c.is_alphanumeric() && c != '_').find(|word| !word.is_empty()).map(|name| (of, name))
}

/// Returns the attributes above a line that are part of the interface, and false if they hide it.
fn attributes(lines: &[&str], at: usize) -> (String, bool) {
    let mut shown = String::new();
    for line in lines[..at].iter().rev().map(|line| line.trim()).take_while(|line| line.starts_with(['#', '/'])) {
        if line == "#[doc(hidden)]" {
            return (shown, false);
        }
        if line.starts_with("#[derive") || line == "#[non_exhaustive]" {
            shown = format!("{line} {shown}");
        }
    }
    (shown, true)
}

/// Appends the public lines of the body that begins below `at`: fields, variants, methods, constants.
fn push_body(listing: &mut BTreeSet<String>, lines: &[&str], at: usize, owner: &str, is_enum: bool) {
    for (number, line) in lines.iter().enumerate().skip(at + 1).take_while(|(_, line)| !line.starts_with('}')) {
        let Some(item) = line.strip_prefix("    ").filter(|item| !item.starts_with(' ')) else { continue };
        let is_public = item.starts_with("pub ") || is_enum && item.starts_with(|c: char| c.is_ascii_uppercase());
        if is_public && attributes(lines, number).1 {
            listing.insert(format!("{owner}: {}", signature(&lines[number..])));
        }
    }
}

fn listing() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut sources, mut listing) = (Vec::new(), BTreeSet::new());
    read_sources(&root, &mut sources);
    let exports = exports(&fs::read_to_string(root.join("lib.rs")).unwrap());
    for source in sources.iter().filter(|source| !source.path.starts_with(root.join("cli"))) {
        let lines: Vec<_> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let (item, body) = (declared(line), implemented(line));
            let Some(name) = item.or(body.map(|(_, name)| name)) else { continue };
            let Some(export) = exports.iter().find(|export| export.name == name && export.is_known_in(source, &root))
            else {
                continue;
            };
            let (attributes, shown) = attributes(&lines, at);
            if !shown {
                continue;
            }
            match body {
                None if export.is_defined_in(source, &root) => {
                    listing.insert(format!("{name}: {attributes}{}", signature(&lines[at..])));
                    if line.ends_with('{') && !line.contains(" fn ") {
                        push_body(&mut listing, &lines, at, name, line.starts_with("pub enum"));
                    }
                }
                Some((None, _)) => push_body(&mut listing, &lines, at, name, false),
                Some((Some(_), _)) => _ = listing.insert(format!("{name}: {}", signature(&lines[at..]))),
                None => {}
            }
        }
    }
    for export in &exports {
        let is_listed = listing.iter().any(|line| line.starts_with(&format!("{}: ", export.name)));
        assert!(is_listed || in_macro(&export.name), "{} is not found", export.name);
    }
    listing
}

/// Returns true for the items that macros declare, whose rows are compared elsewhere.
fn in_macro(name: &str) -> bool {
    ["Metric", "Text", "METRICS", "TEXTS", "DisconnectKind"].contains(&name)
}

#[test]
fn the_public_interface_is_the_one_that_is_listed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/api.txt");
    let listing: Vec<_> = listing().into_iter().collect();
    if std::env::var_os("WSMON_TEST_WRITE").is_some() {
        fs::write(&path, listing.join("\n") + "\n").unwrap();
    }
    let known = fs::read_to_string(&path).unwrap();
    let (known, found): (BTreeSet<_>, BTreeSet<_>) =
        (known.lines().collect(), listing.iter().map(|line| &**line).collect());
    let (gone, new): (Vec<_>, Vec<_>) = (known.difference(&found).collect(), found.difference(&known).collect());
    assert!(
        gone.is_empty() && new.is_empty(),
        "the public interface differs from tests/it/api.txt; if that is intended, WSMON_TEST_WRITE=1 writes it anew\ngone or changed: {gone:#?}\nnew: {new:#?}"
    );
}
