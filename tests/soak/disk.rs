//! A disk that is full for a while: a small file system of its own, made by tests/soak.sh.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::thread::{sleep, spawn};
use std::time::Duration;

use crate::Outcome;
use crate::client::Client;
use crate::server::message;
use crate::wire::{self, Wire};

pub fn run(wsmon: &str, directory: &Path) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let uri = format!("ws://{}", listener.local_addr()?);
    // It lives as long as the process.
    spawn(move || number(&listener));
    let (data, filler) = (directory.join("data"), directory.join("filler"));
    // All but a little is taken; that little is for the data.
    let room = fs::File::create(&filler)?;
    let taken = fill(&room);
    room.set_len(taken.saturating_sub(64 << 10))?;
    // Room is made by removing it, which an open file would outlive.
    drop(room);
    let arguments = ["--uri", &uri, "--quiet", "--rotate-size", "0", "--save-data"].map(str::to_owned);
    let arguments = [&arguments[..], &[data.display().to_string()]].concat();
    let log = std::env::temp_dir().join(format!("wsmon-soak-disk-{}", std::process::id()));
    fs::create_dir_all(&log)?;
    let mut client = Client::start(wsmon, &log, &arguments, Stdio::null())?;
    client.wait_stderr("lines are lost; retrying every 5 s", Duration::from_secs(30))?;
    sleep(Duration::from_secs(1));
    fs::remove_file(&filler)?;
    client.wait_stderr("written again, ", Duration::from_secs(30))?;
    sleep(Duration::from_secs(1));
    let status = client.end()?;
    let stderr = client.stderr();
    println!("{}", stderr.trim_end());
    fs::remove_dir_all(&log)?;
    if status.code() != Some(3) {
        return Err(format!("{status} instead of 3").into());
    }
    whole(&fs::read_to_string(&data)?, &stderr)
}

/// The lines that could not be written are one gap, as long as was said. The line that the full disk cut short counts as missing.
fn whole(text: &str, stderr: &str) -> Outcome {
    let said = stderr.split("written again, ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let missing: u32 = said.parse()?;
    let number = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["n"].as_u64();
    let numbers: Vec<_> = text.lines().filter_map(number).collect();
    let states = text.lines().filter(|line| line.contains(r#""type":"state""#)).count();
    let torn = text.lines().count() - numbers.len() - states;
    let gaps: Vec<_> = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
    println!("{} lines, {torn} torn, gaps {gaps:?}, {missing} said to be missing", numbers.len());
    match gaps[..] {
        [gap] if torn <= 1 && gap[1] - gap[0] - 1 == u64::from(missing) => Ok(()),
        _ => Err("the gap is not what was said".into()),
    }
}

/// Writes until the file system is full; how much went in.
fn fill(mut file: &fs::File) -> u64 {
    use io::Write as _;
    let mut sum = 0;
    while let Ok(n @ 1..) = file.write(&[0; 4096]) {
        sum += n as u64;
    }
    sum
}

/// A numbered message each millisecond or so, to every client.
fn number(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        let Ok(wire) = Wire::open(stream) else { continue };
        for n in 0.. {
            if wire.raw(&wire::text(&message(1, n))).is_err() {
                break;
            }
            sleep(Duration::from_millis(1));
        }
    }
}
