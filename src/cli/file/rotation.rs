//! Renames FILE → FILE.1 → FILE.2 …, by path only.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Renames `path` to `path.1`, `path.1` to `path.2` and so on; the file at `path.KEEP` is overwritten. `keep` is at
/// least 1.
///
/// Files behind the first free number stay as they are, so that no file is overwritten while a number is free.
///
/// # Errors
/// A rename failed, or something other than a regular file has one of the names. `path` is then where it was.
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

/// Returns true if a regular file is there. Anything else there is an error: it is not ours to rename or overwrite.
fn is_taken(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(true),
        Ok(_) => {
            let text = format!("{} is not a regular file", wsmon::escape(&path.to_string_lossy()));
            Err(io::Error::new(ErrorKind::AlreadyExists, text))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::temp_dir::TempDir;

    fn names_and_texts(dir: &TempDir) -> Vec<(String, String)> {
        let mut all: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|e| (e.file_name().into_string().unwrap(), fs::read_to_string(e.path()).unwrap_or_default()))
            .collect();
        all.sort();
        all
    }

    fn expect(dir: &TempDir, wanted: &[(&str, &str)]) {
        let wanted: Vec<_> = wanted.iter().map(|(n, t)| (n.to_string(), t.to_string())).collect();
        assert_eq!(names_and_texts(dir), wanted);
    }

    #[test]
    fn the_oldest_file_beyond_keep_is_overwritten() {
        let dir = TempDir::new();
        let path = dir.file("f");
        for n in 0..4 {
            fs::write(&path, n.to_string()).unwrap();
            shift(&path, 2).unwrap();
        }
        expect(&dir, &[("f.1", "3"), ("f.2", "2")]);
    }

    #[test]
    fn files_behind_a_free_number_stay() {
        let dir = TempDir::new();
        let path = dir.file("f");
        for (name, text) in [("f", "new"), ("f.1", "one"), ("f.3", "three")] {
            fs::write(dir.file(name), text).unwrap();
        }
        shift(&path, 3).unwrap();
        expect(&dir, &[("f.1", "new"), ("f.2", "one"), ("f.3", "three")]);
    }

    #[test]
    fn a_directory_with_one_of_the_names_is_left_alone() {
        let dir = TempDir::new();
        let path = dir.file("f");
        fs::write(&path, "new").unwrap();
        fs::write(dir.file("f.1"), "one").unwrap();
        fs::create_dir(dir.file("f.2")).unwrap();
        let why = shift(&path, 2).unwrap_err().to_string();
        assert!(why.ends_with("f.2 is not a regular file"), "{why}");
        expect(&dir, &[("f", "new"), ("f.1", "one"), ("f.2", "")]);
    }
}
