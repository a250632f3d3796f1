//! The program as a child process with a time limit.

use super::PATIENCE;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The path of the program: that of WSMON_BIN, such as the static binary, or else the one that cargo has built.
pub fn binary() -> std::ffi::OsString {
    std::env::var_os("WSMON_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_wsmon").into())
}

/// Builds `wsmon` with these arguments, an empty environment, and stdout and stderr captured. A test may change the
/// command before [`Run::start`].
pub fn wsmon<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs `wsmon` to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Finished {
    Run::start(&mut wsmon(arguments)).finish()
}

/// The result of a run.
#[derive(Debug)]
pub struct Finished {
    /// The exit status; `None` if a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

#[derive(Default)]
struct Captured {
    bytes: Vec<u8>,
    ended: bool,
}

/// The text of one stream so far, read by a thread.
#[derive(Clone, Default)]
struct Capture(Arc<(Mutex<Captured>, Condvar)>);

impl Capture {
    fn of(stream: Option<impl Read + Send + 'static>) -> Capture {
        let capture = Capture::default();
        let filled = capture.clone();
        match stream {
            Some(stream) => _ = thread::spawn(move || filled.fill(stream)),
            None => filled.change(|captured| captured.ended = true),
        }
        capture
    }

    fn fill(&self, mut stream: impl Read) {
        let mut piece = [0; 8192];
        while let Ok(length @ 1..) = stream.read(&mut piece) {
            self.change(|captured| captured.bytes.extend_from_slice(&piece[..length]));
        }
        self.change(|captured| captured.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut Captured)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// Waits until `done` returns true, the stream ends or [`PATIENCE`] is over; returns the text so far.
    fn until(&self, done: impl Fn(&str) -> bool) -> String {
        let text = |captured: &Captured| String::from_utf8_lossy(&captured.bytes).into_owned();
        let captured = self.0.0.lock().unwrap();
        let waiting = |captured: &mut Captured| !captured.ended && !done(&text(captured));
        let (captured, _) = self.0.1.wait_timeout_while(captured, PATIENCE, waiting).unwrap();
        text(&captured)
    }

    /// Waits until the stream ends or [`PATIENCE`] is over; returns the text so far. Nothing looks at it before: that would
    /// make a reader of megabytes slow.
    fn all(&self) -> String {
        let captured = self.0.0.lock().unwrap();
        let (captured, _) = self.0.1.wait_timeout_while(captured, PATIENCE, |captured| !captured.ended).unwrap();
        String::from_utf8_lossy(&captured.bytes).into_owned()
    }
}

/// A run in progress; killed when dropped.
pub struct Run {
    child: Child,
    started: Instant,
    stdout: Capture,
    stderr: Capture,
}

impl Run {
    /// Starts a command. A stream that it does not pipe stays empty here.
    pub fn start(command: &mut Command) -> Run {
        // Before the start: a child may run for a while before this thread goes on.
        let started = Instant::now();
        Run::attach(command.spawn().unwrap(), started)
    }

    /// Takes over a child that was started at this time.
    pub fn attach(mut child: Child, started: Instant) -> Run {
        let (stdout, stderr) = (Capture::of(child.stdout.take()), Capture::of(child.stderr.take()));
        Run { child, started, stdout, stderr }
    }

    /// Waits until stdout contains a text; returns all of it so far.
    pub fn wait_stdout(&self, wanted: &str) -> String {
        self.wait(&self.stdout, wanted)
    }

    /// Waits until stderr contains a text; returns all of it so far.
    pub fn wait_stderr(&self, wanted: &str) -> String {
        self.wait(&self.stderr, wanted)
    }

    /// Sends a signal by its name, e.g. `"INT"`.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap();
        assert!(kill.success(), "kill -s {name}");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end. Fails the test if the run does not end in time.
    pub fn finish(mut self) -> Finished {
        let (stdout, stderr) = (self.stdout.all(), self.stderr.all());
        let Some(status) = self.status() else { panic!("still running:\n{stdout}\n--- stderr:\n{stderr}") };
        let took = self.started.elapsed();
        Finished { code: status.code(), signal: status.signal(), stdout, stderr, took }
    }

    /// Waits for the exit status. A child that has closed its streams is about to end; one without pipes is polled.
    fn status(&mut self) -> Option<ExitStatus> {
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE * 2 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(2));
        }
        None
    }

    fn wait(&self, stream: &Capture, wanted: &str) -> String {
        let text = stream.until(|text| text.contains(wanted));
        let (stdout, stderr) = (self.stdout.until(|_| true), self.stderr.until(|_| true));
        assert!(text.contains(wanted), "no {wanted:?} in:\n{stdout}\n--- stderr:\n{stderr}");
        text
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Killing a process that has ended is no error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
