//! `--textfile`: what stands in the file at each end of a run, and places that cannot hold one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::client::{command, sample, sending, watched};
use crate::support::PATIENCE;
use crate::support::program::Run;
use crate::support::temp_dir::TempDir;

/// Returns the values of `up` and of the processor use in a file.
fn values(dir: &TempDir) -> (bool, bool) {
    let text = dir.read("x.prom");
    assert!(text.ends_with('\n') && text.contains("\nwsmon_received_messages_total{server=\"x\"} "), "{text}");
    assert_eq!(fs::metadata(dir.path("x.prom")).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(fs::read_dir(dir.path("")).unwrap().count(), 1, "nothing is left beside it");
    (text.contains("\nwsmon_up{server=\"x\"} 1\n"), text.contains("\nwsmon_cpu_ratio{server=\"x\"} 0.124\n"))
}

#[test]
fn after_a_count_or_a_duration_the_file_holds_the_values_before_the_end() {
    let dir = TempDir::new();
    let server = sending([sample(12.4)]);
    for options in ["-n 1", "-d 0.5"] {
        let finished = watched(&server, &format!("-q {options} --textfile {}", dir.path("x.prom")));
        assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:?}");
        assert_eq!(values(&dir), (true, true), "{options}");
        fs::remove_file(dir.path("x.prom")).unwrap();
    }
}

#[test]
fn after_a_signal_every_server_is_down_whatever_the_umask() {
    let dir = TempDir::new();
    let server = sending([sample(12.4)]);
    let inner = command(&server, &format!("-q --textfile {}", dir.path("x.prom")));
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 077; exec \"$@\"", "sh"]).arg(inner.get_program()).args(inner.get_args());
    let run = Run::start(shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()));
    run.wait_stdout("CPU:");
    run.signal("TERM");
    let finished = run.finish();
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:?}");
    assert_eq!(values(&dir), (false, false));
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_at_the_start_or_status_3_at_the_end() {
    let dir = TempDir::new();
    let server = sending([sample(12.4)]);
    for (path, why) in [
        (dir.path("missing/x.prom"), "no such file or directory"),
        (dir.path(""), "it is not a regular file"),
        ("/dev/null".to_owned(), "it is not a regular file"),
    ] {
        let finished = watched(&server, &format!("--textfile {path}"));
        assert_eq!((finished.code, &*finished.stderr), (Some(3), &*format!("wsmon: --textfile {path}: {why}\n")));
    }
    assert_eq!(server.accepted(), 0);
    fs::create_dir(dir.path("d")).unwrap();
    let run = Run::start(&mut command(&server, &format!("-q --textfile {}", dir.path("d/x.prom"))));
    run.wait_stdout("CPU:");
    fs::remove_dir_all(dir.path("d")).unwrap();
    run.signal("TERM");
    let finished = run.finish();
    assert!(
        finished.code == Some(3) && finished.stderr.contains("d/x.prom: cannot be written (no such"),
        "{finished:?}"
    );
}

#[test]
fn a_name_that_node_exporter_does_not_read_is_warned_of() {
    let dir = TempDir::new();
    let finished = watched(&sending([sample(1.0)]), &format!("-q -n 1 --textfile {}", dir.path("x.txt")));
    assert!(finished.code == Some(0) && dir.has("x.txt"), "{finished:?}");
    assert!(finished.stderr.contains("node_exporter reads only files whose name ends in .prom"), "{finished:?}");
}

#[test]
fn a_closed_stdout_does_not_end_the_writing() {
    let dir = TempDir::new();
    let server = sending([sample(12.4), sample(12.4)]);
    let inner = command(&server, &format!("-q -d 1 --textfile {}", dir.path("x.prom")));
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$@\" | head -n 1; echo end", "sh"]).arg(inner.get_program()).args(inner.get_args());
    let finished = Run::start(shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped())).finish();
    assert!(finished.stdout.ends_with("end\n"), "{finished:?}");
    assert_eq!(values(&dir), (true, true));
}

#[test]
fn a_hangup_writes_the_file_and_the_run_goes_on() {
    let dir = TempDir::new();
    let server = sending([sample(12.4)]);
    let run = Run::start(&mut command(&server, &format!("-q --textfile {}", dir.path("x.prom"))));
    run.wait_stdout("CPU:");
    let made = std::time::Instant::now();
    for _ in 0..2 {
        while !dir.has("x.prom") {
            assert!(made.elapsed() < PATIENCE, "no file");
            std::thread::yield_now();
        }
        assert_eq!(values(&dir), (true, true));
        fs::remove_file(dir.path("x.prom")).unwrap();
        run.signal("HUP");
    }
    run.signal("TERM");
    let finished = run.finish();
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:?}");
}
