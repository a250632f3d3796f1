//! FILE → FILE.1 → FILE.2 …, without a clock and without an open file.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Moves `path` to `path.1` and the older ones one further; what stood at `path.KEEP` is gone.
///
/// A gap in the row is filled first, so nothing is lost that need not be. An error leaves `path`
/// where it is. `keep` is at least 1.
pub fn shift(path: &Path, keep: u32) -> io::Result<()> {
    let mut free = 1;
    while free < keep && is_taken(&numbered(path, free))? {
        free += 1;
    }
    is_taken(&numbered(path, free))?;
    for n in (1..free).rev() {
        fs::rename(numbered(path, n), numbered(path, n + 1))?;
    }
    fs::rename(path, numbered(path, 1))
}

/// `path.N`.
pub fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{n}"));
    name.into()
}

/// An error if what stands there is no file: it is not ours to move or to replace.
fn is_taken(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_file() => Ok(true),
        Ok(_) => {
            let why = format!("{} is in the way and not a file", path.display());
            Err(io::Error::new(ErrorKind::AlreadyExists, why))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::temp_dir::TempDir;

    fn names_and_texts(scratch: &TempDir) -> Vec<(String, String)> {
        let mut all: Vec<_> = fs::read_dir(scratch.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|e| (e.file_name().into_string().unwrap(), fs::read_to_string(e.path()).unwrap_or_default()))
            .collect();
        all.sort();
        all
    }

    fn expect(scratch: &TempDir, wanted: &[(&str, &str)]) {
        let wanted: Vec<_> = wanted.iter().map(|(n, t)| (n.to_string(), t.to_string())).collect();
        assert_eq!(names_and_texts(scratch), wanted);
    }

    #[test]
    fn the_oldest_beyond_keep_goes() {
        let scratch = TempDir::new();
        let path = scratch.file("f");
        for n in 0..4 {
            fs::write(&path, n.to_string()).unwrap();
            shift(&path, 2).unwrap();
        }
        expect(&scratch, &[("f.1", "3"), ("f.2", "2")]);
    }

    #[test]
    fn a_gap_in_the_row_saves_the_older_ones() {
        let scratch = TempDir::new();
        let path = scratch.file("f");
        for (name, text) in [("f", "new"), ("f.1", "one"), ("f.3", "three")] {
            fs::write(scratch.file(name), text).unwrap();
        }
        shift(&path, 3).unwrap();
        expect(&scratch, &[("f.1", "new"), ("f.2", "one"), ("f.3", "three")]);
    }

    #[test]
    fn a_directory_in_the_way_is_left_alone() {
        let scratch = TempDir::new();
        let path = scratch.file("f");
        fs::write(&path, "new").unwrap();
        fs::write(scratch.file("f.1"), "one").unwrap();
        fs::create_dir(scratch.file("f.2")).unwrap();
        let why = shift(&path, 2).unwrap_err().to_string();
        assert!(why.ends_with("f.2 is in the way and not a file"), "{why}");
        expect(&scratch, &[("f", "new"), ("f.1", "one"), ("f.2", "")]);
    }
}
