//! The client as a process: what it prints, what it holds.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The running program; killed when dropped.
pub struct Client {
    child: Child,
    log: PathBuf,
}

/// The lines that it printed.
#[derive(Default)]
pub struct Printed {
    /// Messages of each session of each server.
    pub sessions: HashMap<(String, u32), u32>,
    /// Messages and their bytes, by server.
    pub servers: HashMap<String, (u64, u64)>,
    /// The statistics at the end.
    pub statistics: Value,
    pub dropped: u64,
}

impl Client {
    pub fn start(wsmon: &str, directory: &Path, arguments: &[String], stdout: Stdio) -> Result<Self, Box<dyn Error>> {
        let log = directory.join("stderr");
        let child = Command::new(wsmon)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(File::create(&log)?)
            .spawn()?;
        Ok(Client { child, log })
    }

    /// Its stdout, read to the end on a thread.
    pub fn read(&mut self, length_of: fn(u32, u32) -> usize) -> JoinHandle<Result<Printed, String>> {
        let stdout = self.child.stdout.take();
        spawn(move || match stdout {
            Some(stdout) => printed(stdout, length_of),
            None => Ok(Printed::default()),
        })
    }

    pub fn signal(&self, name: &str) -> Result<(), Box<dyn Error>> {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status()?;
        if sent.success() { Ok(()) } else { Err(format!("kill -s {name} failed").into()) }
    }

    /// Resident memory in kB.
    pub fn memory(&self) -> Result<u64, Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("the client has ended")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> Result<usize, Box<dyn Error>> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until stderr has a text.
    pub fn wait_stderr(&self, wanted: &str, within: Duration) -> Result<(), Box<dyn Error>> {
        let until = Instant::now() + within;
        while !self.stderr().contains(wanted) {
            if Instant::now() > until {
                return Err(format!("no {wanted:?} in:\n{}", self.stderr()).into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Asks it to end, and waits.
    pub fn end(&mut self) -> Result<ExitStatus, Box<dyn Error>> {
        self.signal("INT")?;
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > until {
                return Err("the client does not end".into());
            }
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn printed(stdout: ChildStdout, length_of: fn(u32, u32) -> usize) -> Result<Printed, String> {
    let mut printed = Printed::default();
    for line in BufReader::new(stdout).lines() {
        let line = line.map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
        match value["type"].as_str() {
            Some("statistics") => printed.statistics = value,
            Some("state") => {}
            Some("dropped") => printed.dropped += value["count"].as_u64().unwrap_or(0),
            _ => {
                let number = |key: &str| value[key].as_u64().and_then(|n| u32::try_from(n).ok());
                let (Some(server), Some(session), Some(n)) = (value["server"].as_str(), number("session"), number("n"))
                else {
                    return Err(format!("not a line of ours: {line}"));
                };
                *printed.sessions.entry((server.to_owned(), session)).or_default() += 1;
                let (messages, bytes) = printed.servers.entry(server.to_owned()).or_default();
                *messages += 1;
                *bytes += length_of(session, n) as u64;
            }
        }
    }
    Ok(printed)
}
