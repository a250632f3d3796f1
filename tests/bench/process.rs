//! The kernel's figures about a child, and a reader that keeps its pipe empty.

use std::fs;
use std::io::Read;
use std::process::{Child, ChildStdout, Command};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// Reads a pipe to its end in the background.
pub struct Drain(Arc<Mutex<Progress>>);

struct Progress {
    lines: usize,
    at: Instant,
}

impl Drain {
    pub fn start(mut stream: ChildStdout) -> Self {
        let progress = Arc::new(Mutex::new(Progress { lines: 0, at: Instant::now() }));
        let shared = Arc::clone(&progress);
        thread::spawn(move || {
            let mut chunk = vec![0; 1 << 16];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                let lines = chunk[..length].iter().filter(|&&byte| byte == b'\n').count();
                let mut progress = shared.lock().expect("no panic");
                progress.lines += lines;
                progress.at = Instant::now();
            }
        });
        Self(progress)
    }

    pub fn lines(&self) -> usize {
        self.0.lock().expect("no panic").lines
    }

    pub fn last_output(&self) -> Instant {
        self.0.lock().expect("no panic").at
    }
}

/// User and system time of all threads, once it has not grown for a while; the kernel counts in steps of 10 ms.
pub fn cpu_when_idle(child: &Child, flat_for: Duration) -> Duration {
    let (mut used, mut since) = (cpu(child), Instant::now());
    while since.elapsed() < flat_for {
        sleep(Duration::from_millis(20));
        let now = cpu(child);
        if now != used {
            (used, since) = (now, Instant::now());
        }
    }
    used
}

/// User and system time of all threads so far, in nanoseconds.
pub fn cpu_nanos(child: &Child) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).expect("a child that runs");
    let times = tasks.filter_map(Result::ok).map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or_default()
    });
    times.sum()
}

/// The most memory that was ever resident.
pub fn peak_kb(child: &Child) -> u64 {
    let status = read(child, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM, proc(5)");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// SIGTERM, and after 2 s SIGKILL: some clients wait for the server's own Close.
pub fn terminate(child: &mut Child) {
    let command = format!("kill -TERM {}", child.id());
    Command::new("sh").args(["-c", &command]).status().expect("a shell");
    let until = Instant::now() + Duration::from_secs(2);
    while child.try_wait().expect("a child").is_none() {
        if Instant::now() > until {
            child.kill().expect("a child of ours");
        }
        sleep(Duration::from_millis(1));
    }
}

fn cpu(child: &Child) -> Duration {
    let stat = read(child, "stat");
    // utime and stime are fields 14 and 15 of proc(5); the name in field 2 may hold anything, so count behind it.
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number"));
    Duration::from_millis(10 * ticks.sum::<u64>())
}

fn read(child: &Child, file: &str) -> String {
    fs::read_to_string(format!("/proc/{}/{file}", child.id())).expect("a child that runs")
}
