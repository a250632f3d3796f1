//! Lines of files as they are read block by block.

use std::fs;

use mio::Poll;
use wsmon::Server;

use super::*;
use crate::cli::temp_dir::TempDir;

/// The lines of files with these contents, `None` for those that cannot be taken.
fn lines(files: &[&[u8]], max_message: usize) -> Vec<Option<String>> {
    let dir = TempDir::new();
    let mut plan = Plan { server: Server::default().max_message(max_message), ..Plan::default() };
    for (number, content) in files.iter().enumerate() {
        let path = dir.file(&number.to_string());
        fs::write(&path, content).unwrap();
        plan.read.push(path.to_str().unwrap().to_owned());
    }
    let mut saved = SavedData::new(plan.server.clone());
    let Ok(mut input) = Input::open(&plan, &mut saved) else { panic!("files that can be opened") };
    let poll = Poll::new().unwrap();
    let mut found = Vec::new();
    while !input.is_done() {
        input.fill(poll.registry(), Token(0), &mut saved);
        while let Some(line) = input.next_line() {
            found.push(line.ok().map(|line| String::from_utf8_lossy(line).into_owned()));
        }
    }
    assert!(!input.has_failed());
    found
}

#[test]
fn every_line_is_found_wherever_a_block_ends_in_it() {
    let mut expected = Vec::new();
    let mut content = Vec::new();
    for number in 0..4000_usize {
        let line = format!("{number}-{}", "x".repeat(number * 7919 % 701));
        content.extend_from_slice(line.as_bytes());
        content.extend_from_slice(if number % 3 == 0 { b"\r\n" } else { b"\n" });
        expected.push(Some(line));
    }
    assert!(content.len() > 4 * (256 << 10));
    assert_eq!(lines(&[&content], 1024), expected);
    content.pop();
    assert_eq!(lines(&[b"", &content, b"\n\n", b"end"], 1024)[..4000], expected);
}

#[test]
fn a_line_that_is_too_long_is_one_loss_and_the_next_line_is_found() {
    let long = vec![b'x'; 3 << 20];
    let some = |text: &str| Some(text.to_owned());
    let after = [&long[..], b"\nshort\n"].concat();
    assert_eq!(lines(&[&after], 1024), [None, some("short")]);
    assert_eq!(lines(&[b"a\n", &long, b"b"], 1024), [some("a"), None, some("b")]);
    assert_eq!(lines(&[&[b"a\n", &long[..17 << 10], b"\nb"].concat()], 256), [some("a"), None, some("b")]);
}

#[test]
fn a_line_without_an_end_is_one_loss_that_is_told_at_once_and_its_file_is_given_up() {
    let dir = TempDir::new();
    let next = dir.file("next");
    fs::write(&next, "a\n").unwrap();
    let read = vec!["/dev/zero".to_owned(), next.to_str().unwrap().to_owned()];
    let plan = Plan { server: Server::default().max_message(256), read, ..Plan::default() };
    let mut saved = SavedData::new(plan.server.clone());
    let Ok(mut input) = Input::open(&plan, &mut saved) else { panic!("a device that can be opened") };
    let poll = Poll::new().unwrap();
    let mut lines = Vec::new();
    for block in 0..100 {
        input.fill(poll.registry(), Token(0), &mut saved);
        while let Some(line) = input.next_line() {
            lines.push((block > 0, line.map(|line| line.to_vec())));
        }
    }
    assert_eq!(lines, [(false, Err(wsmon::internal::line::TOO_LARGE)), (true, Ok(b"a".to_vec()))]);
    assert!(input.is_done() && input.has_failed());
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line() {
    assert_eq!(lines(&["\u{feff}a\n\u{feff}b".as_bytes()], 1024), [Some("a".to_owned()), Some("\u{feff}b".to_owned())]);
}
