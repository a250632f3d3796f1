//! A terminal that goes away, and one that stays.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::pty;

use crate::healthy;
use crate::process::{Watched, command, until_some};
use crate::support::server::Server;
use crate::support::temp_dir::TempDir;

/// Opens a terminal: the side that a user would see, and the program's.
pub fn open() -> (OwnedFd, File) {
    let ours = pty::openpt(pty::OpenptFlags::RDWR | pty::OpenptFlags::NOCTTY | pty::OpenptFlags::CLOEXEC).unwrap();
    pty::grantpt(&ours).unwrap();
    pty::unlockpt(&ours).unwrap();
    let name = pty::ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = File::options().read(true).write(true).open(name).unwrap();
    (ours, theirs)
}

/// Starts a run that saves data, with one of its streams on a terminal.
fn saving(server: &Server, scratch: &TempDir, stream: &str) -> (Watched, OwnedFd) {
    let (ours, theirs) = open();
    let file = scratch.path("data");
    let mut command = command(&server.uri(), &["--save-data", &file, "-q"]);
    match stream {
        "stdout" => command.stdout(theirs),
        _ => command.stderr(theirs),
    };
    let run = Watched::start(&mut command);
    until_some(|| scratch.has("data").then(|| scratch.read("data")).filter(|data| data.contains("45.2")));
    (run, ours)
}

#[test]
fn a_hangup_of_a_terminal_that_is_gone_ends_the_run_although_there_are_files() {
    for stream in ["stdout", "stderr"] {
        let server = Server::start(|mut peer| healthy(&mut peer));
        let scratch = TempDir::new();
        let (run, terminal) = saving(&server, &scratch, stream);
        drop(terminal);
        run.signal("HUP");
        let finished = run.finish();
        assert_eq!((finished.code, finished.signal), (Some(0), None), "{stream}: {finished:?}");
    }
}

#[test]
fn a_hangup_with_the_terminal_in_place_reopens_the_files() {
    for stream in ["stdout", "stderr"] {
        let server = Server::start(|mut peer| healthy(&mut peer));
        let scratch = TempDir::new();
        let (run, _terminal) = saving(&server, &scratch, stream);
        std::fs::rename(scratch.path("data"), scratch.path("moved")).unwrap();
        run.signal("HUP");
        until_some(|| scratch.has("data").then_some(()));
        assert!(scratch.read("moved").contains("45.2"));
        assert_eq!(run.end().code, Some(0));
    }
}
