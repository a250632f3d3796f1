//! `--textfile`: a file that is replaced as a whole, for the textfile collector of Prometheus' node_exporter.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wsmon::internal::duration;

use super::Failure;

/// Time between two writes, also after one that failed, unless `--every` is given.
pub const INTERVAL: Duration = Duration::from_secs(15);

/// The mode of the file. Its reader is another user, so the umask does not apply.
const MODE: u32 = 0o644;

/// The most symbolic links that are followed to the file.
const MAX_LINKS: usize = 8;

/// A file whose content is replaced from time to time. A reader sees the old content or the new one, never a part.
pub struct Textfile {
    path: PathBuf,
    interval: Duration,
    /// The earliest time of the next write.
    due_at: Instant,
    written: bool,
    /// The latest write has failed.
    broken: bool,
    /// A write has failed.
    failed: bool,
}

impl Textfile {
    /// Checks that a file can be created beside `path`. Nothing is written to `path` yet: its content may be more complete
    /// than the values at the start.
    ///
    /// # Errors
    /// The directory is missing or read-only, or `path` is not a regular file. The text does not name the path.
    pub fn open(path: PathBuf, interval: Duration, now: Instant) -> io::Result<Self> {
        let (_, beside) = places(&path)?;
        create(&beside)?;
        fs::remove_file(&beside)?;
        Ok(Textfile { path, interval, due_at: now + interval, written: false, broken: false, failed: false })
    }

    /// Returns the earliest time of the next write. The first one is due as soon as all values are there.
    pub fn due_at(&self, now: Instant, is_complete: &dyn Fn() -> bool) -> Instant {
        if !self.written && is_complete() { now } else { self.due_at }
    }

    /// Returns true if the latest write has failed.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Replaces the content. The first of several failures in a row is logged, and the end of them.
    pub fn write(&mut self, text: &str, now: Instant) {
        (self.due_at, self.written) = (now + self.interval, true);
        let result = replace(&self.path, text);
        let was_broken = std::mem::replace(&mut self.broken, result.is_err());
        self.failed |= self.broken;
        let path = wsmon::escape(&self.path.to_string_lossy()).into_owned();
        match result {
            Ok(()) if was_broken => log::warn!("{path}: written again"),
            Err(error) if !was_broken => {
                let (why, every) = (Failure::words(&error), duration::text(self.interval));
                log::error!("{path}: cannot be written ({why}); retrying every {every}");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Returns true once a write has failed.
    pub fn has_failed(&self) -> bool {
        self.failed
    }
}

/// Writes a new file beside the one at `path` and renames it. It is not synced: after a crash of the machine the values
/// are out of date anyway.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let (target, beside) = places(path)?;
    let result = create(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        // File systems without modes refuse it, and the file is as readable there as it can be.
        let _ = file.set_permissions(Permissions::from_mode(MODE));
        fs::rename(&beside, &target)
    });
    if result.is_err() {
        // If it cannot be removed either, the next attempt replaces it.
        let _ = fs::remove_file(&beside);
    }
    result
}

/// Returns the file that `path` leads to, which need not exist, and the path of the new file in the same directory. Its
/// name does not end in `.prom`, so that node_exporter does not read it.
fn places(path: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let target = follow(path);
    match fs::symlink_metadata(&target) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let ends_in_slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    let name = target.file_name().filter(|_| !ends_in_slash);
    let name = name.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "it names no file"))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    let beside = target.with_file_name(hidden);
    Ok((target, beside))
}

/// Follows symbolic links, so that a link stays one: it may lead to another file system.
fn follow(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        // An absolute target replaces the path.
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

/// Creates a file. One that an earlier process with the same number has left is removed first; a link is not followed.
fn create(path: &Path) -> io::Result<File> {
    let create_new = || OpenOptions::new().write(true).create_new(true).open(path);
    match create_new() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            create_new()
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::temp_dir::TempDir;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn open(path: &Path, now: Instant) -> Textfile {
        Textfile::open(path.to_owned(), INTERVAL, now).unwrap()
    }

    fn names(dir: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(dir.file("")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_file_is_replaced_as_a_whole_and_readable_for_all() {
        let (dir, now) = (TempDir::new(), Instant::now());
        let path = dir.file("a b'\n.prom");
        let mut textfile = open(&path, now);
        assert_eq!(names(&dir), [""; 0], "nothing is written at the start");
        textfile.write("one\n", now);
        let mut old = File::open(&path).unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        textfile.write("two\n", now);
        assert_eq!(io::read_to_string(&mut old).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        let metadata = fs::metadata(&path).unwrap();
        assert!(metadata.ino() != inode && metadata.mode() & 0o777 == 0o644);
        assert_eq!(names(&dir), ["a b'\n.prom"]);
        assert!(!textfile.has_failed());
    }

    #[test]
    fn it_is_written_once_per_interval_and_the_first_time_as_soon_as_all_is_known() {
        let (dir, now) = (TempDir::new(), Instant::now());
        let mut textfile = open(&dir.file("x.prom"), now);
        assert_eq!((textfile.due_at(now, &|| false), textfile.due_at(now, &|| true)), (now + INTERVAL, now));
        textfile.write("", now + INTERVAL / 2);
        assert_eq!(textfile.due_at(now, &|| true), now + INTERVAL * 3 / 2);
    }

    #[test]
    fn symbolic_links_stay_and_their_target_is_replaced() {
        let (dir, elsewhere, now) = (TempDir::new(), TempDir::new(), Instant::now());
        symlink(elsewhere.file("x"), dir.file("two.prom")).unwrap();
        symlink("two.prom", dir.file("one.prom")).unwrap();
        for text in ["1", "2"] {
            open(&dir.file("one.prom"), now).write(text, now);
            assert_eq!(fs::read_to_string(elsewhere.file("x")).unwrap(), text);
        }
        assert_eq!((names(&dir), names(&elsewhere)), (vec!["one.prom".into(), "two.prom".into()], vec!["x".into()]));
    }

    #[test]
    fn a_place_that_cannot_hold_the_file_is_refused_at_the_start() {
        let (dir, now) = (TempDir::new(), Instant::now());
        symlink("circle", dir.file("circle")).unwrap();
        // Its number and words are not the same on all machines.
        let too_long = io::Error::from_raw_os_error(libc::ENAMETOOLONG).to_string();
        for (path, why) in [
            (dir.file("missing/x.prom"), "No such file or directory (os error 2)"),
            (dir.file("x.prom/"), "it names no file"),
            (dir.file(""), "it is not a regular file"),
            (dir.file("circle"), "it is not a regular file"),
            (dir.file(&"x".repeat(255)), &*too_long),
            ("/dev/null".into(), "it is not a regular file"),
            ("/".into(), "it is not a regular file"),
            ("/proc/x.prom".into(), "No such file or directory (os error 2)"),
        ] {
            let error = Textfile::open(path.clone(), INTERVAL, now).err().unwrap();
            assert_eq!(error.to_string(), why, "{path:?}");
        }
        assert_eq!(names(&dir), ["circle"]);
    }

    #[test]
    fn a_failure_leaves_nothing_behind_is_tried_again_and_remembered() {
        let (dir, now) = (TempDir::new(), Instant::now());
        fs::create_dir(dir.file("d")).unwrap();
        let path = dir.file("d/x.prom");
        let mut textfile = open(&path, now);
        fs::rename(dir.file("d"), dir.file("e")).unwrap();
        textfile.write("1", now);
        assert!(textfile.has_failed() && textfile.broken);
        fs::rename(dir.file("e"), dir.file("d")).unwrap();
        // Left by another process with the same number.
        fs::write(places(&path).unwrap().1, "torn").unwrap();
        textfile.write("2", now);
        assert!(textfile.has_failed() && !textfile.broken);
        assert_eq!(fs::read_to_string(&path).unwrap(), "2");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        textfile.write("3", now);
        assert!(textfile.broken);
        assert_eq!(fs::read_dir(dir.file("d")).unwrap().count(), 1);
    }
}
