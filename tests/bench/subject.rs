//! One client under measurement.

use crate::blaster::Blaster;
use crate::process::{Drain, cpu_when_idle, peak_kb, terminate};
use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

pub struct Subject {
    pub name: String,
    program: PathBuf,
    before_uri: &'static [&'static str],
    after_uri: &'static [&'static str],
    /// Stands in the line that shows the first sample.
    sample: &'static str,
    /// True if it watches several servers at once.
    pub several: bool,
}

/// One flood of messages, start-up and greeting not counted.
pub struct Burst {
    pub took: Duration,
    pub cpu: Duration,
    pub peak_kb: u64,
    pub lines: usize,
}

/// The clients that are here, ours first, and the names of those that are not.
pub fn all() -> (Vec<Subject>, Vec<String>) {
    let (mut subjects, mut absent) = (ours(), Vec::new());
    match on_path("websocat") {
        Some(program) => subjects.push(Subject {
            name: version(&program).unwrap_or_else(|| "websocat".into()),
            program,
            before_uri: &[],
            after_uri: &[],
            sample: "monitoring_data",
            several: false,
        }),
        None => absent.push("websocat is not on the PATH".into()),
    }
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("real-servers/venv/bin");
    let client = "monitoring-websocket-client";
    match Some(venv.join(client)).filter(|program| program.exists()).or_else(|| on_path(client)) {
        Some(program) => subjects.push(Subject {
            name: "Python client".into(),
            program,
            before_uri: &["--uri"],
            after_uri: &["--format", "simple", "--no-color"],
            sample: "CPU:",
            several: false,
        }),
        None => absent.push(format!("{client} is neither in {} nor on the PATH", venv.display())),
    }
    (subjects, absent)
}

impl Subject {
    pub fn burst(&self, blaster: &Blaster, messages: usize) -> Burst {
        let connected = blaster.welcome(0);
        let mut child = self.start(blaster, 1, &[]);
        let drain = Drain::start(child.stdout.take().expect("a pipe"));
        let mut stream = self.connection(&connected);
        let before = cpu_when_idle(&child, Duration::from_millis(300));
        let (start, lines_before) = (Instant::now(), drain.lines());
        let blasted = blaster.blast(&mut stream, messages);
        blasted.unwrap_or_else(|error| panic!("{} does not read: {error}", self.name));
        let after = cpu_when_idle(&child, Duration::from_millis(500));
        let burst = Burst {
            took: drain.last_output().duration_since(start),
            cpu: after - before,
            peak_kb: peak_kb(&child),
            lines: drain.lines() - lines_before,
        };
        terminate(&mut child);
        burst
    }

    /// From exec to the line of a sample that the server sends together with its answer to the upgrade.
    pub fn first_line(&self, blaster: &Blaster) -> Duration {
        let connected = blaster.welcome(1);
        let start = Instant::now();
        // Python would keep the first 8 KiB to itself.
        let mut child = self.start(blaster, 1, &[("PYTHONUNBUFFERED", "1")]);
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).split(b'\n');
        let shown = |line: Vec<u8>| String::from_utf8_lossy(&line).contains(self.sample);
        let found = lines.map_while(Result::ok).any(shown);
        let took = start.elapsed();
        assert!(found, "{} ended without a sample", self.name);
        drop(self.connection(&connected));
        terminate(&mut child);
        took
    }

    /// The memory of each of so many servers that come after a first one and have sent their greeting and one message;
    /// `None` for a client of one server.
    pub fn further_server_kb(&self, blaster: &Blaster, further: usize) -> Option<f64> {
        let one = self.several.then(|| self.peak_kb_of(blaster, 1))?;
        let all = self.peak_kb_of(blaster, 1 + further);
        Some(all.saturating_sub(one) as f64 / further as f64)
    }

    fn peak_kb_of(&self, blaster: &Blaster, servers: usize) -> u64 {
        let connected: Vec<_> = (0..servers).map(|_| blaster.welcome(1)).collect();
        let mut child = self.start(blaster, servers, &[]);
        let drain = Drain::start(child.stdout.take().expect("a pipe"));
        let _streams: Vec<_> = connected.iter().map(|connected| self.connection(connected)).collect();
        cpu_when_idle(&child, Duration::from_millis(500));
        assert!(drain.lines() >= servers, "{} has not shown every server's message", self.name);
        let peak = peak_kb(&child);
        terminate(&mut child);
        peak
    }

    /// With an open standard input, since websocat ends with its own.
    fn start(&self, blaster: &Blaster, servers: usize, environment: &[(&str, &str)]) -> Child {
        self.start_with(&vec![blaster.uri(); servers], environment)
    }

    pub fn start_with(&self, uris: &[String], environment: &[(&str, &str)]) -> Child {
        let uris = uris.iter().flat_map(|uri| self.before_uri.iter().copied().chain([uri.as_str()]));
        Command::new(&self.program)
            .args(uris)
            .args(self.after_uri)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()))
    }

    fn connection(&self, connected: &Receiver<std::io::Result<TcpStream>>) -> TcpStream {
        let stream = connected.recv_timeout(Duration::from_secs(20));
        let stream = stream.unwrap_or_else(|_| panic!("{} does not connect", self.name));
        stream.unwrap_or_else(|error| panic!("{} does not upgrade: {error}", self.name))
    }
}

fn ours() -> Vec<Subject> {
    let built = OsString::from(env!("CARGO_BIN_EXE_wsmon"));
    let named = env::var_os("WSMON_BIN");
    env::split_paths(named.as_ref().unwrap_or(&built))
        .map(|program| Subject {
            name: if named.is_some() { program.display().to_string() } else { "wsmon".into() },
            program,
            before_uri: &["--uri"],
            after_uri: &["--format", "simple", "--no-color"],
            sample: "CPU:",
            several: true,
        })
        .collect()
}

fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.lines().next()?.to_owned())
}
