use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use super::*;
use crate::cli::temp_dir::TempDir;
use std::fs::{File, OpenOptions};

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

fn reports(appender: &mut Appender) -> Vec<String> {
    appender.take_reports().iter().map(|report| report.to_string()).collect()
}

fn refusal(path: &Path) -> String {
    Appender::open(path, None, 1).err().unwrap().to_string()
}

fn open(path: &Path) -> Appender {
    Appender::open(path, None, 5).unwrap()
}

/// Replaces the open file by one that refuses every byte; returns the open one.
fn fill_disk(appender: &mut Appender) -> File {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    std::mem::replace(&mut appender.target.file, full)
}

#[test]
fn lines_are_appended_to_existing_ones() {
    let dir = TempDir::new();
    let path = dir.file("f");
    fs::write(&path, "old\n").unwrap();
    let mut appender = open(&path);
    appender.set_fsync(true);
    appender.write_line("one", Instant::now());
    appender.write_line("two", Instant::now());
    assert_eq!(text(&path), "old\none\ntwo\n");
    assert_eq!(appender.written(), Written { messages: 0, lines: 2, bytes: 8 });
    assert!(!appender.repaired() && reports(&mut appender).is_empty());
}

#[test]
fn the_torn_line_of_a_crashed_run_is_ended_first() {
    let dir = TempDir::new();
    let path = dir.file("f");
    fs::write(&path, "whole\nto").unwrap();
    let mut appender = open(&path);
    assert!(appender.repaired());
    appender.write_line("new", Instant::now());
    appender.write_line("newer", Instant::now());
    assert_eq!(text(&path), "whole\nto\nnew\nnewer\n");
}

#[test]
fn anything_but_a_regular_file_is_refused() {
    let dir = TempDir::new();
    let socket = dir.file("s");
    let _listener = UnixListener::bind(&socket).unwrap();
    assert_eq!(refusal(&socket), "it is a socket, not a regular file");
    assert!(refusal(dir.path()).ends_with("it is a directory, not a regular file"));
    assert_eq!(refusal(Path::new("/dev/full")), "it is a device, not a regular file");
    let missing = dir.file("no/such/f");
    assert!(refusal(&missing).starts_with("No such file"));
}

#[test]
fn dev_null_takes_every_line_and_never_rotates() {
    let mut appender = Appender::open("/dev/null", Some(3), 1).unwrap();
    appender.set_fsync(true);
    for _ in 0..3 {
        appender.write_line("line", Instant::now());
    }
    assert!(reports(&mut appender).is_empty());
    assert_eq!(appender.lost(), 0);
}

#[test]
fn whoever_can_only_read_the_file_cannot_keep_others_from_writing() {
    let dir = TempDir::new();
    let path = dir.file("f");
    fs::write(&path, "").unwrap();
    let reader = fs::File::open(&path).unwrap();
    reader.try_lock().unwrap();
    assert!(open(&path).write_line("line", Instant::now()));
}

#[test]
fn of_a_symbolic_link_the_target_is_rotated_and_a_link_planted_later_is_not_followed() {
    let dir = TempDir::new();
    fs::create_dir(dir.file("real")).unwrap();
    let (link, target) = (dir.file("link"), dir.file("real/f"));
    fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let mut appender = Appender::open(&link, Some(10), 2).unwrap();
    for line in ["aaaaaa", "bbbbbb", "cccccc"] {
        assert!(appender.write_line(line, Instant::now()));
    }
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!((text(target.clone()), text(rotation::numbered(&target, 1))), ("cccccc\n".into(), "bbbbbb\n".into()));
    // Somebody else puts a link in place of the file.
    let victim = dir.file("victim");
    fs::write(&victim, "untouched").unwrap();
    fs::rename(&target, dir.file("moved")).unwrap();
    std::os::unix::fs::symlink(&victim, &target).unwrap();
    appender.write_line("dddddd", Instant::now());
    assert_eq!(text(victim), "untouched");
}

#[test]
fn a_new_file_has_the_permissions_of_the_old_one() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new();
    let path = dir.file("f");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let mut appender = Appender::open(&path, Some(10), 2).unwrap();
    ["aaaaaa", "bbbbbb"].iter().for_each(|line| assert!(appender.write_line(line, Instant::now())));
    for file in [path.clone(), rotation::numbered(&path, 1)] {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn a_file_that_another_program_truncates_is_rotated_by_its_real_size() {
    let dir = TempDir::new();
    let path = dir.file("f");
    let mut appender = Appender::open(&path, Some(20), 2).unwrap();
    ["aaaaaa", "bbbbbb"].iter().for_each(|line| assert!(appender.write_line(line, Instant::now())));
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    assert!(appender.write_line("cccccc", Instant::now()));
    assert_eq!(text(path.clone()), "cccccc\n");
    assert!(!rotation::numbered(&path, 1).exists());
}

#[test]
fn a_file_without_read_permission_is_written() {
    let dir = TempDir::new();
    let path = dir.file("f");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o200)).unwrap();
    open(&path).write_line("line", Instant::now());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(text(&path), "line\n");
}

#[test]
fn many_rotations_lose_nothing_but_files_beyond_keep() {
    let dir = TempDir::new();
    let path = dir.file("f");
    let mut appender = Appender::open(&path, Some(12), 3).unwrap();
    for n in 10..50 {
        appender.write_line(&format!("line {n}"), Instant::now());
    }
    assert!(reports(&mut appender).is_empty());
    assert_eq!(text(&path), "line 49\n");
    for n in 1..=3 {
        assert_eq!(text(rotation::numbered(&path, n)), format!("line {}\n", 49 - n));
    }
    assert!(!rotation::numbered(&path, 4).exists());
}

#[test]
fn a_file_is_filled_up_to_its_size_and_a_longer_line_is_a_file_of_its_own() {
    let dir = TempDir::new();
    let path = dir.file("f");
    let mut appender = Appender::open(&path, Some(8), 2).unwrap();
    for line in ["aaa", "bbb", "longer than the size", "ccc"] {
        appender.write_line(line, Instant::now());
    }
    assert_eq!(text(&path), "ccc\n");
    assert_eq!(text(dir.file("f.1")), "longer than the size\n");
    assert_eq!(text(dir.file("f.2")), "aaa\nbbb\n");
}

#[test]
fn with_nothing_to_keep_a_full_file_is_truncated() {
    let dir = TempDir::new();
    let path = dir.file("f");
    let mut appender = Appender::open(&path, Some(8), 0).unwrap();
    for line in ["aaa", "bbb", "ccc"] {
        appender.write_line(line, Instant::now());
    }
    assert_eq!(text(&path), "ccc\n");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_failed_rotation_is_reported_once_and_retried() {
    let dir = TempDir::new();
    let path = dir.file("f");
    let now = Instant::now();
    fs::create_dir(dir.file("f.1")).unwrap();
    let mut appender = Appender::open(&path, Some(4), 1).unwrap();
    for line in ["aaa", "bbb", "ccc"] {
        appender.write_line(line, now);
    }
    appender.write_line("ddd", now + RETRY_AFTER);
    let reported = reports(&mut appender);
    assert_eq!(reported.len(), 1);
    assert!(
        reported[0].starts_with("cannot be rotated (") && reported[0].contains("f.1 is not a regular file"),
        "{reported:?}"
    );
    fs::remove_dir(dir.file("f.1")).unwrap();
    appender.write_line("eee", now + RETRY_AFTER);
    appender.write_line("fff", now + RETRY_AFTER * 2);
    assert_eq!(text(dir.file("f.1")), "aaa\nbbb\nccc\nddd\neee\n");
    assert_eq!(text(&path), "fff\n");
}

#[test]
fn a_full_disk_is_reported_once_and_lost_lines_are_counted() {
    let dir = TempDir::new();
    let path = dir.file("f");
    let now = Instant::now();
    let mut appender = open(&path);
    let good = fill_disk(&mut appender);
    for _ in 0..3 {
        appender.write_line("lost", now);
    }
    let reported = reports(&mut appender);
    assert_eq!(reported.len(), 1);
    assert!(reported[0].contains("no space left on device"), "{reported:?}");
    appender.target.file = good;
    appender.write_line("lost", now + RETRY_AFTER / 2);
    appender.write_line("back", now + RETRY_AFTER);
    assert_eq!(reports(&mut appender), ["written again, 4 lines were lost"]);
    assert_eq!((appender.lost(), text(&path).as_str()), (4, "back\n"));
}

#[test]
fn a_line_after_a_torn_one_begins_a_new_line() {
    let dir = TempDir::new();
    let path = dir.file("f");
    let mut appender = open(&path);
    appender.target.append(b"half a li").unwrap();
    appender.write_line("whole", Instant::now());
    assert_eq!(text(&path), "half a li\nwhole\n");
}

#[test]
fn reopening_creates_a_new_file_if_the_old_one_was_moved() {
    let dir = TempDir::new();
    let path = dir.file("f");
    let mut appender = open(&path);
    appender.write_line("one", Instant::now());
    appender.reopen().unwrap();
    fs::rename(&path, dir.file("moved")).unwrap();
    appender.write_line("two", Instant::now());
    appender.reopen().unwrap();
    appender.write_line("three", Instant::now());
    assert_eq!(text(dir.file("moved")), "one\ntwo\n");
    assert_eq!(text(&path), "three\n");
}

#[test]
fn a_removed_file_is_recreated_within_seconds() {
    let dir = TempDir::new();
    let path = dir.file("f");
    let now = Instant::now();
    let mut appender = open(&path);
    appender.write_line("one", now);
    fs::remove_file(&path).unwrap();
    appender.write_line("two", now + RETRY_AFTER);
    assert_eq!(text(&path), "two\n");
    assert_eq!(reports(&mut appender), ["was moved or removed; created a new one"]);
}

#[test]
fn without_its_directory_lines_are_lost_until_it_is_back() {
    let dir = TempDir::new();
    let now = Instant::now();
    fs::create_dir(dir.file("d")).unwrap();
    let path = dir.file("d/f");
    let mut appender = open(&path);
    fs::remove_dir_all(dir.file("d")).unwrap();
    appender.write_line("lost", now);
    assert!(matches!(appender.take_reports().first(), Some(FileReport::Lost { .. })));
    fs::create_dir(dir.file("d")).unwrap();
    appender.reopen().unwrap();
    appender.write_line("back", now);
    assert_eq!(reports(&mut appender), ["written again, 1 line was lost"]);
    assert_eq!(text(&path), "back\n");
}

#[test]
fn lines_go_to_the_moved_file_while_its_path_is_blocked() {
    let dir = TempDir::new();
    let path = dir.file("f");
    let now = Instant::now();
    let mut appender = open(&path);
    fs::rename(&path, dir.file("moved")).unwrap();
    fs::create_dir(&path).unwrap();
    for n in 0..3 {
        appender.write_line("line", now + RETRY_AFTER * n);
    }
    assert!(appender.reopen().is_err());
    assert_eq!(text(dir.file("moved")), "line\nline\nline\n");
    let reported = reports(&mut appender);
    assert!(reported.len() == 1 && reported[0].contains("still writing to the moved one"), "{reported:?}");
}

#[test]
fn a_header_begins_each_file_and_no_file_twice() {
    let dir = TempDir::new();
    let path = dir.file("f");
    for _ in 0..2 {
        let mut appender = Appender::open(&path, Some(20), 9).unwrap();
        appender.set_head("a,b\n".to_owned());
        for line in ["1,2", "3,4\n5,6", "7,8"] {
            assert!(appender.write_line(line, Instant::now()));
        }
        assert_eq!(appender.written().lines, 4);
    }
    assert_eq!(text(dir.file("f.1")), "a,b\n1,2\n3,4\n5,6\n7,8\n");
    assert_eq!(text(&path), "a,b\n1,2\n3,4\n5,6\n7,8\n");
    let mut appender = Appender::open(&path, Some(20), 0).unwrap();
    appender.set_head("a,b\n".to_owned());
    appender.write_line("0,0", Instant::now());
    assert_eq!(text(&path), "a,b\n0,0\n", "truncated in place");
    // Another program does the same.
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    appender.write_line("9,9", Instant::now());
    assert_eq!(text(&path), "a,b\n9,9\n");
    assert_eq!(appender.written().bytes, 16);
}

#[test]
fn the_lines_of_one_text_are_lost_or_written_together() {
    let dir = TempDir::new();
    let now = Instant::now();
    let mut appender = open(&dir.file("f"));
    let good = fill_disk(&mut appender);
    appender.write_line("one\ntwo\nthree", now);
    appender.target.file = good;
    appender.write_line("four\nfive", now + RETRY_AFTER);
    assert_eq!((appender.lost(), appender.written().lines), (3, 2));
    assert_eq!(text(dir.file("f")), "four\nfive\n");
}

#[test]
fn collected_lines_are_written_when_they_are_due_or_too_many() {
    let dir = TempDir::new();
    let path = dir.file("f");
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let mut appender = open(&path);
    appender.collect(Duration::from_secs(10), 12);
    assert_eq!(appender.flush_at(), None);
    appender.write("one", 1, now);
    appender.write("two", 1, at(4));
    assert_eq!((appender.flush_at(), &*text(&path)), (Some(at(10)), ""));
    assert_eq!(appender.written(), Written::default());
    appender.flush(at(10));
    assert_eq!((appender.flush_at(), &*text(&path)), (None, "one\ntwo\n"));
    assert_eq!(appender.written(), Written { messages: 2, lines: 2, bytes: 8 });
    // The third line has no room, and a line that is longer than all the room is written with the next.
    ["aaaa", "bbbb", "cccc"].iter().for_each(|line| assert!(appender.write(line, 1, at(11))));
    assert_eq!(text(&path), "one\ntwo\naaaa\nbbbb\n");
    appender.write("much longer than all the room", 1, at(12));
    appender.write_line("end", at(12));
    assert!(text(&path).ends_with("cccc\nmuch longer than all the room\n"));
    appender.stop_collecting(at(13));
    appender.write_line("at once", at(13));
    assert!(text(&path).ends_with("\nend\nat once\n"));
    assert_eq!(appender.written().messages, 6);
}

#[test]
fn collected_lines_fill_rotated_files_as_single_lines_do() {
    let (one, other) = (TempDir::new(), TempDir::new());
    for (dir, collects) in [(&one, false), (&other, true)] {
        let mut appender = Appender::open(dir.file("f"), Some(30), 99).unwrap();
        appender.set_head("head\n".to_owned());
        if collects {
            appender.collect(Duration::from_secs(1), 1000);
        }
        for n in 0..50_usize {
            appender.write(&"x".repeat(1 + n * 7 % 13), 1, Instant::now());
        }
        appender.flush(Instant::now());
        assert_eq!((appender.lost(), appender.written().messages), (0, 50));
    }
    let names = |dir: &TempDir| fs::read_dir(dir.path()).unwrap().count();
    assert!(names(&one) > 10 && names(&one) == names(&other));
    for entry in fs::read_dir(one.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert_eq!(text(one.file(&name)), text(other.file(&name)), "{name}");
    }
}

#[test]
fn collected_lines_that_cannot_be_written_are_counted_as_lost_and_not_as_messages() {
    let dir = TempDir::new();
    let now = Instant::now();
    let mut appender = open(&dir.file("f"));
    appender.collect(Duration::from_secs(1), 1000);
    let good = fill_disk(&mut appender);
    ["a", "b", "c"].iter().for_each(|line| assert!(appender.write(line, 1, now)));
    appender.flush(now);
    assert_eq!((appender.lost(), appender.written()), (3, Written::default()));
    appender.target.file = good;
    appender.write("d", 1, now + RETRY_AFTER);
    appender.flush(now + RETRY_AFTER);
    assert_eq!(reports(&mut appender).last().unwrap(), "written again, 3 lines were lost");
    assert_eq!((text(dir.file("f")).as_str(), appender.written().messages), ("d\n", 1));
}
