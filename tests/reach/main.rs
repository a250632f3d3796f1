//! Reaching servers with the program itself: TLS, credentials, redirects, proxies, Unix sockets, names, the upgrade.
//! All servers are on loopback.

#[path = "../tls/certificate.rs"]
mod certificate;
#[path = "../tls/config.rs"]
mod config;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;

mod credentials;
mod files;
mod front;
mod names;
mod places;
mod proxies;
mod redirects;
mod secrets;
mod stalls;
mod tls;
mod trace;
mod unix;
mod upgrade;

use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use certificate::authority;
use support::program::{Finished, Run, wsmon};
use support::server::{Peer, Server};

const SAMPLE: &str = r#"{"type":"monitoring_data","data":{"processor":{"usage_percent":12.5}}}"#;
/// The beginning of a line of `simple` for it.
const SHOWN: &str = "CPU:  12.5%";

/// Makes the command for most runs: it ends after one message.
fn command(uri: &str, options: &[&str]) -> Command {
    let mut command = wsmon(["-u", uri, "-n", "1", "--reconnect-interval", "0.1", "--connect-timeout", "15"]);
    command.args(options);
    command
}

/// Runs the command to its end.
fn watch(uri: &str, options: &[&str]) -> Finished {
    Run::start(&mut command(uri, options)).finish()
}

/// Asserts success and a line for the sample.
#[track_caller]
fn assert_shows_sample(finished: &Finished) {
    assert!(finished.code == Some(0) && finished.stdout.contains(SHOWN), "{finished:#?}");
}

/// Asserts that a run gave up at the first failure, with status 1 and these words on stderr.
#[track_caller]
fn assert_gave_up(finished: &Finished, words: &[&str]) {
    assert_eq!((finished.code, &*finished.stdout), (Some(1), ""), "{finished:#?}");
    assert_contains(&finished.stderr, words);
    assert_contains(&finished.stderr, &["giving up"]);
    assert!(!finished.stderr.contains("retrying"), "{finished:#?}");
}

#[track_caller]
fn assert_contains(text: &str, words: &[&str]) {
    words.iter().for_each(|word| assert!(text.contains(word), "no {word:?} in:\n{text}"));
}

/// Grants the upgrade, sends a sample and waits until the client has gone.
fn send_sample(mut peer: Peer) {
    peer.upgrade();
    peer.text(SAMPLE);
    peer.drain();
}

/// Starts a server that sends every client a sample.
fn sample_server() -> Server {
    Server::start(send_sample)
}

/// Returns a server that sends samples, and the requests that it gets.
fn recording_server() -> (Server, Receiver<String>) {
    let (sender, receiver) = channel();
    let server = Server::start(move |mut peer| {
        sender.send(peer.request().to_owned()).unwrap();
        send_sample(peer);
    });
    (server, receiver)
}

/// Starts a server that sends `count` messages at a pace, each with its time of sending.
fn ticking(count: usize, every: Duration) -> Server {
    Server::start(move |mut peer| {
        peer.upgrade();
        for _ in 0..count {
            peer.text(format!(r#"{{"type":"tick","left_at":{}}}"#, since_epoch(SystemTime::now())));
            // The pace of the server, not a wait for something.
            std::thread::sleep(every);
        }
        peer.drain();
    })
}

fn since_epoch(at: SystemTime) -> u128 {
    at.duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// Reads jsonl: returns the largest delay of a message of [`ticking`] from one server, and the number of messages.
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

/// Upper bound on a delay. A busy machine causes smaller ones; waiting for another server would cost a whole timeout.
const LATE: Duration = Duration::from_millis(900);

/// Writes a file for a test.
fn file(name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    certificate::file(&format!("reach-{name}"), content)
}

/// Writes the certificate of the authority into a file for a test. Returns its path.
fn ca_file(test: &str) -> String {
    text(&file(&format!("{test}-ca.pem"), authority().cert_pem())).to_owned()
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}
