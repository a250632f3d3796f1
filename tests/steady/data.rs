//! Saved data: what a kill, a full disk or a moved file leaves of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::process::{Watched, command, until_some};
use crate::support::program::Finished;
use crate::support::server::{Peer, Server, text_frame};
use crate::support::temp_dir::TempDir;
use crate::{healthy, until_close};

/// A file of the test's own, not made yet.
fn place(scratch: &TempDir, name: &str) -> PathBuf {
    scratch.path(name).into()
}

fn saving(server: &Server, file: &Path, options: &[&str]) -> Command {
    let mut command = command(&server.uri(), &["--save-data", file.to_str().unwrap()]);
    command.args(options).stdout(Stdio::null());
    command
}

fn numbered(n: u64) -> String {
    format!(r#"{{"type":"notice","n":{n},"text":"{}"}}"#, "x".repeat(200))
}

/// Numbered messages as fast as they go.
fn number_without_end(peer: &mut Peer) {
    peer.upgrade();
    let mut n = 0;
    while peer.try_raw((n..n + 50).flat_map(|n| text_frame(numbered(n))).collect::<Vec<_>>()) {
        n += 50;
    }
}

/// A numbered message now and then, until the client leaves.
fn number_slowly(peer: &mut Peer) {
    peer.upgrade();
    let mut n = 0;
    while peer.try_raw(text_frame(numbered(n))) {
        n += 1;
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn size(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |about| about.len())
}

/// Waits until the file has grown beyond a size.
fn wait_size(file: &Path, size_wanted: u64) {
    until_some(|| (size(file) > size_wanted).then_some(()));
}

/// The lines but those about the connection.
fn messages(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.contains(r#""type":"state""#))
}

fn number(line: &str) -> Option<u64> {
    serde_json::from_str::<Value>(line).ok()?["n"].as_u64()
}

#[test]
fn a_hundred_kills_under_full_load_tear_no_line_but_the_last_and_the_next_start_ends_that_one() {
    let server = Server::start(|mut peer| number_without_end(&mut peer));
    let scratch = TempDir::new();
    let file = place(&scratch, "data");
    let (mut torn, mut read) = (0, 0);
    for round in 0..100 {
        let before = size(&file);
        let was_torn = fs::read(&file).is_ok_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
        let run = Watched::start(&mut saving(&server, &file, &["--rotate-size", "0"]));
        // Each time somewhere else in the stream.
        wait_size(&file, before + 1000 + round * 977);
        run.signal("KILL");
        let finished = run.finish();
        assert_eq!(finished.signal, Some(9));
        assert_eq!(finished.stderr.contains("ended in the middle of a line"), was_torn, "{}", finished.stderr);
        let text = fs::read_to_string(&file).unwrap();
        let (lines, rest) = text[before as usize..].rsplit_once('\n').unwrap();
        torn += u32::from(!rest.is_empty());
        // A line that the start before left unfinished ends with the first line feed of this one.
        let whole: String = lines.lines().skip(usize::from(was_torn)).map(|line| format!("{line}\n")).collect();
        for (expected, line) in messages(&whole).enumerate() {
            assert_eq!(number(line), Some(expected as u64), "round {round}: {line}");
            read += 1;
        }
    }
    println!("{read} lines read after 100 kills, {torn} torn at the end");
}

#[test]
fn a_line_that_was_torn_is_ended_by_the_next_start_which_says_so() {
    let server = Server::start(|mut peer| healthy(&mut peer));
    let scratch = TempDir::new();
    let file = place(&scratch, "data");
    fs::write(&file, "{\"whole\":1}\n{\"to").unwrap();
    let run = Watched::start(&mut saving(&server, &file, &[]));
    run.wait_stderr("ended in the middle of a line; added the missing line feed");
    until_some(|| fs::read_to_string(&file).unwrap().contains("45.2").then_some(()));
    assert_eq!(run.end().code, Some(0));
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = messages(&text).collect();
    assert_eq!((lines.len(), lines[1]), (3, "{\"to"), "{text}");
    assert!(text.ends_with('\n') && lines[2].contains("45.2"), "{text}");
}

/// The limit of a file's size is a disk that is full for this process alone: a write is cut short, the next one fails.
#[test]
fn a_full_disk_is_said_once_the_gap_is_counted_and_the_status_is_3() {
    let server = Server::start(|mut peer| number_slowly(&mut peer));
    let scratch = TempDir::new();
    let file = place(&scratch, "data");
    let inner = saving(&server, &file, &["--stats"]);
    let mut limited = Command::new("sh");
    // 8 blocks of 512 bytes; a signal that is ignored stays ignored.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""]);
    limited.arg(inner.get_program()).args(inner.get_args()).env_clear();
    limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = Watched::start(&mut limited);
    run.wait_stderr("lines are lost; retrying every 5 s");
    // Room again, as if somebody had tidied up: the next attempt succeeds.
    fs::remove_file(&file).unwrap();
    let stderr = run.wait_stderr("written again, ");
    let finished = run.end();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    // It is full again soon, and that is said again.
    let (full, again) = stderr.split_once("written again, ").unwrap();
    assert_eq!(full.matches("cannot be written (file too large), lines are lost").count(), 1, "{stderr}");
    let missing: u64 = again.split(' ').next().unwrap().parse().unwrap();
    assert!(missing > 0, "{stderr}");
    println!("{missing} lines missing");
    let kept = fs::read_to_string(&file).unwrap();
    let first = number(messages(&kept).next().unwrap()).expect("the first line after the gap is whole");
    assert!(first >= missing, "{first} after {missing} missing");
}

#[test]
fn a_file_that_is_moved_away_or_removed_is_recreated_without_a_gap() {
    let server = Server::start(|mut peer| number_slowly(&mut peer));
    let scratch = TempDir::new();
    let (file, moved) = (place(&scratch, "data"), place(&scratch, "moved"));
    let run = Watched::start(&mut saving(&server, &file, &[]));
    wait_size(&file, 1000);
    fs::rename(&file, &moved).unwrap();
    run.wait_stderr("was moved or removed; created a new one");
    wait_size(&file, 1000);
    let finished = run.end();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let all = fs::read_to_string(&moved).unwrap() + &fs::read_to_string(&file).unwrap();
    let numbers: Vec<_> = messages(&all).map(|line| number(line).unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn a_file_whose_directory_goes_is_a_gap_until_it_is_back() {
    let server = Server::start(|mut peer| number_slowly(&mut peer));
    let scratch = TempDir::new();
    let directory = place(&scratch, "d");
    fs::create_dir(&directory).unwrap();
    let file = directory.join("data");
    let run = Watched::start(&mut saving(&server, &file, &[]));
    wait_size(&file, 1000);
    fs::remove_dir_all(&directory).unwrap();
    run.wait_stderr("lines are lost; retrying every 5 s");
    fs::create_dir(&directory).unwrap();
    let stderr = run.wait_stderr("written again, ");
    let finished = run.end();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert_eq!(finished.stderr.matches("lines are lost").count(), 1, "{stderr}");
}

#[test]
fn a_directory_in_the_way_of_a_rotation_is_said_and_costs_no_line() {
    let server = Server::start(|mut peer| {
        peer.upgrade();
        (0..100).for_each(|n| peer.text(numbered(n)));
        until_close(&mut peer);
    });
    let scratch = TempDir::new();
    let file = place(&scratch, "data");
    fs::create_dir(place(&scratch, "data.1")).unwrap();
    let run = Watched::start(&mut saving(&server, &file, &["--rotate-size", "2K"]));
    run.wait_stderr("data.1 is not a regular file) and keeps growing");
    until_some(|| (messages(&fs::read_to_string(&file).unwrap()).count() == 100).then_some(()));
    let finished = run.end();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(finished.stderr.matches("cannot be rotated").count(), 1, "{}", finished.stderr);
}

fn refused(server: &Server, file: &Path) -> Finished {
    let finished = Watched::start(&mut saving(server, file, &[])).finish();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    finished
}

#[test]
fn a_second_process_on_one_file_is_refused() {
    let server = Server::start(|mut peer| healthy(&mut peer));
    let scratch = TempDir::new();
    let file = place(&scratch, "data");
    let first = Watched::start(&mut saving(&server, &file, &[]));
    wait_size(&file, 10);
    let second = refused(&server, &file);
    assert!(second.stderr.contains("another process is writing to it"), "{}", second.stderr);
    assert_eq!(first.end().code, Some(0));
}

#[test]
fn what_is_no_file_is_refused_but_for_the_null_device() {
    let server = Server::start(|mut peer| healthy(&mut peer));
    let scratch = TempDir::new();
    let fifo = place(&scratch, "fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (path, what) in [
        (&*fifo, "it is a FIFO"),
        (Path::new("/dev/full"), "it is a device"),
        (&*place(&scratch, ""), "it is a directory"),
    ] {
        let finished = refused(&server, path);
        assert!(finished.stderr.contains(what), "{}", finished.stderr);
    }
    let mut command = saving(&server, Path::new("/dev/null"), &["--count", "1"]);
    assert_eq!(Watched::start(command.stdout(Stdio::piped())).finish().code, Some(0));
}
