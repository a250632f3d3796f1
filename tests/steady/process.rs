//! The program under attack, and how much memory it takes.

use std::ffi::OsString;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::program::{Finished, Run, wsmon};
use crate::support::server::Server;
use crate::{SHOWN, healthy};

/// A run that goes on until it is told to end.
pub struct Watched(Run);

/// Watches one server, with reconnections as fast as they get.
pub fn watch(uri: &str, options: &[&str]) -> Watched {
    Watched(Run::start(&mut command(uri, options)))
}

/// The command behind [`watch`].
pub fn command(uri: &str, options: &[&str]) -> Command {
    let mut arguments: Vec<OsString> = ["--uri", uri, "--reconnect-interval", "0.1"].map(OsString::from).into();
    arguments.extend(options.iter().map(OsString::from));
    wsmon(arguments)
}

impl Watched {
    pub fn start(command: &mut Command) -> Self {
        Watched(Run::start(command))
    }

    pub fn wait_stdout(&self, wanted: &str) -> String {
        self.0.wait_stdout(wanted)
    }

    pub fn wait_stderr(&self, wanted: &str) -> String {
        self.0.wait_stderr(wanted)
    }

    pub fn signal(&self, name: &str) {
        self.0.signal(name);
    }

    /// The most memory that it ever held.
    pub fn peak_kb(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Memory that it holds now.
    pub fn now_kb(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Asks it to end, and waits.
    pub fn end(self) -> Finished {
        self.signal("INT");
        self.0.finish()
    }

    /// Waits until it ends by itself.
    pub fn finish(self) -> Finished {
        self.0.finish()
    }

    fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a line of /proc/PID/status");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// The peak of a run in which nothing happens.
pub fn quiet_kb() -> u64 {
    static QUIET: OnceLock<u64> = OnceLock::new();
    *QUIET.get_or_init(|| {
        let server = Server::start(|mut peer| healthy(&mut peer));
        let run = watch(&server.uri(), &[]);
        run.wait_stdout(SHOWN);
        let peak = run.peak_kb();
        assert_eq!(run.end().code, Some(0));
        peak
    })
}

/// Asks again and again until there is an answer.
pub fn until_some<T>(ask: impl Fn() -> Option<T>) -> T {
    let give_up_at = Instant::now() + PATIENCE * 3;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < give_up_at, "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}
