//! The program as a child process, its two streams read line by line.

use serde_json::Value;
use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A running program; killed when dropped.
pub struct Client {
    child: Child,
    lines: Receiver<Line>,
    seen: Ended,
}

/// The output of a program, and its exit status once it has ended (none after a signal).
#[derive(Default)]
pub struct Ended {
    pub status: Option<i32>,
    pub out: Vec<String>,
    pub err: Vec<String>,
}

enum Line {
    Out(String),
    Err(String),
}

impl Client {
    /// Without the environment of the test, so that no variable of ours and no proxy decides.
    pub fn start(args: &[&str]) -> Self {
        let mut child = Command::new(binary())
            .args(args)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (sender, lines) = channel();
        forward(child.stdout.take().expect("a pipe"), sender.clone(), Line::Out);
        forward(child.stderr.take().expect("a pipe"), sender, Line::Err);
        Self { child, lines, seen: Ended::default() }
    }

    /// Waits for a line on stdout that no earlier wait has passed.
    pub fn wait_for_output(&mut self, what: &str, within: Duration, wanted: impl Fn(&str) -> bool) {
        self.read_until(what, within, |line, _| matches!(line, Line::Out(text) if wanted(text)));
    }

    /// Waits until stderr has a line with this word, said at any time.
    pub fn wait_for_word(&mut self, word: &str, within: Duration) {
        if !self.seen.err.iter().any(|line| line.contains(word)) {
            self.read_until(word, within, |line, _| matches!(line, Line::Err(text) if text.contains(word)));
        }
    }

    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for the end of both streams and of the process.
    pub fn end(mut self, within: Duration) -> Ended {
        self.read_until("the end", within, |_, ended| ended);
        self.seen.status = self.child.wait().expect("a status").code();
        std::mem::take(&mut self.seen)
    }

    fn read_until(&mut self, what: &str, within: Duration, wanted: impl Fn(&Line, bool) -> bool) {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let found = wanted(&line, false);
                    self.seen.push(line);
                    if found {
                        return;
                    }
                }
                Err(error) => {
                    let ended = error == std::sync::mpsc::RecvTimeoutError::Disconnected;
                    assert!(ended && wanted(&Line::Err(String::new()), true), "no {what}: {error}\n{}", self.seen);
                    return;
                }
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    pub fn assert_status(&self, expected: i32) {
        assert_eq!(self.status, Some(expected), "{self}");
    }

    /// The object that `--stats` leaves in the last line of jsonl.
    pub fn statistics(&self) -> Value {
        let last = self.out.last().unwrap_or_else(|| panic!("no output\n{self}"));
        let mut object: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}\n{self}"));
        assert_eq!(object["type"], "statistics", "{self}");
        object["stats"].take()
    }

    fn push(&mut self, line: Line) {
        match line {
            Line::Out(text) => self.out.push(text),
            Line::Err(text) => self.err.push(text),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "status {:?}, stdout:\n{}", self.status, self.out.join("\n"))?;
        writeln!(f, "stderr:\n{}", self.err.join("\n"))
    }
}

pub fn is_sample(line: &str) -> bool {
    is_type(line, "monitoring_data")
}

/// Returns true if a line of jsonl is a message of this type.
pub fn is_type(line: &str, name: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|message| message["type"] == name)
}

/// By the shell's own kill: no unsafe, and no package that a small container lacks.
pub fn signal(child: &Child, name: &str) {
    let command = format!("kill -{name} {}", child.id());
    let status = Command::new("sh").args(["-c", &command]).status().expect("a shell");
    assert!(status.success(), "{command}: {status}");
}

fn binary() -> OsString {
    std::env::var_os("WSMON_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_wsmon").into())
}

fn forward(stream: impl Read + Send + 'static, sender: Sender<Line>, wrap: fn(String) -> Line) {
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8(line).expect("output in UTF-8");
            if sender.send(wrap(text)).is_err() {
                break;
            }
        }
    });
}
