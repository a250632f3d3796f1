//! Reaching servers with the program itself: TLS, credentials, redirects, proxies, Unix sockets, names, the upgrade.
//! All servers are on loopback.

#[path = "../tls/certificate.rs"]
mod certificate;
#[expect(dead_code, reason = "what other tests use of it")]
#[path = "../support/mod.rs"]
mod support;
#[path = "../tls/ways.rs"]
mod ways;

mod credentials;
mod front;
mod names;
mod proxies;
mod redirects;
mod secrets;
mod stalls;
mod tls;
mod unix;
mod upgrade;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::program::{Finished, Run, wsmon};
use support::server::{Peer, Server};

const SAMPLE: &str = r#"{"type":"monitoring_data","data":{"processor":{"usage_percent":12.5}}}"#;
/// How a line of `simple` begins that shows it.
const SHOWN: &str = "CPU:  12.5%";

/// What most runs have in common: one message, soon, or none.
fn once(uri: &str, options: &[&str]) -> Command {
    let mut command = wsmon(["-u", uri, "-n", "1", "--reconnect-interval", "0.1", "--connect-timeout", "15"]);
    command.args(options);
    command
}

/// One run to its end.
fn watch(uri: &str, options: &[&str]) -> Finished {
    Run::start(&mut once(uri, options)).finish()
}

/// A run that was shown the sample.
#[track_caller]
fn shown(finished: &Finished) {
    assert!(finished.code == Some(0) && finished.stdout.contains(SHOWN), "{finished:#?}");
}

/// A run that gave up at once: status 1, no second try, and these words in what it said.
#[track_caller]
fn given_up(finished: &Finished, words: &[&str]) {
    assert_eq!((finished.code, &*finished.stdout), (Some(1), ""), "{finished:#?}");
    said(&finished.stderr, words);
    said(&finished.stderr, &["giving up"]);
    assert!(!finished.stderr.contains("retrying"), "{finished:#?}");
}

#[track_caller]
fn said(text: &str, words: &[&str]) {
    words.iter().for_each(|word| assert!(text.contains(word), "no {word:?} in:\n{text}"));
}

/// Grants the upgrade, sends a sample and waits for the client to go.
fn one_sample(mut peer: Peer) {
    peer.upgrade();
    peer.text(SAMPLE);
    peer.drain();
}

/// Answers every client with a sample.
fn sampling() -> Server {
    Server::start(one_sample)
}

/// Sends so many messages at a pace, each with the time when it left, and waits for the client to go.
fn ticking(count: usize, every: Duration) -> Server {
    Server::start(move |mut peer| {
        peer.upgrade();
        for _ in 0..count {
            peer.text(format!(r#"{{"type":"tick","left_at":{}}}"#, since_epoch(SystemTime::now())));
            // The pace is what is played, not something to wait for.
            std::thread::sleep(every);
        }
        peer.drain();
    })
}

fn since_epoch(at: SystemTime) -> u128 {
    at.duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// How late the latest of the messages of [`ticking`] came, of one server, and how many there were; from jsonl.
fn lateness(stdout: &str, label: &str) -> (Duration, usize) {
    let lines = stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let late = lines.filter(|line| line["server"] == label && line["type"] == "tick").map(|line| {
        let received = humantime::parse_rfc3339(line["received_at"].as_str().unwrap()).unwrap();
        since_epoch(received).saturating_sub(line["left_at"].as_u64().unwrap().into())
    });
    let late: Vec<_> = late.collect();
    let worst = late.iter().max().copied().unwrap_or_default();
    (Duration::from_millis(u64::try_from(worst).unwrap()), late.len())
}

/// A busy machine is late by itself; a thread that waits for a server is late by whole time-outs.
const LATE: Duration = Duration::from_millis(900);

/// A file of a test's own.
fn file(name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    certificate::file(&format!("reach-{name}"), content)
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}
