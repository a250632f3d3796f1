//! Attempts to bring the program down: servers that break every rule, readers that stall, a process that is killed.
//!
//! Figures that are worth knowing (peak memory, the worst lateness of a ping) are printed: `-- --nocapture`.

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;

mod bombs;
mod closing;
mod compression;
mod data;
mod fairness;
mod floods;
mod frames;
mod odd;
mod output;
mod peaks;
mod process;
mod slow;
mod stopped;
mod terminal;
mod upgrade;
mod wall_clock;

use process::watch;
use support::is_harmful;
use support::server::{CLOSE, Peer, Server};

/// A message of every healthy server of these tests.
const SAMPLE: &str = r#"{"type":"monitoring_data","data":{"processor":{"usage_percent":45.2}}}"#;
/// The same in the format `simple`.
const SHOWN: &str = "CPU:  45.2%";
/// The line of the log that ends a connection ends so.
const LOST: &str = "; retrying in ";

/// A first connection that harms the client.
struct Attack {
    name: &'static str,
    script: fn(&mut Peer),
    options: &'static [&'static str],
    /// A text that stderr must have.
    says: &'static str,
}

impl Attack {
    const fn new(name: &'static str, script: fn(&mut Peer), says: &'static str) -> Self {
        Attack { name, script, options: &[], says }
    }

    const fn with(self, options: &'static [&'static str]) -> Self {
        Attack { options, ..self }
    }

    /// The first connection ends with one line that says why, the second one is as good as any; the memory never
    /// was larger than `most_kb` beyond that of a quiet run.
    fn run(&self, most_kb: u64) {
        let script = self.script;
        let server = Server::start(move |mut peer| match peer.number() {
            1 => script(&mut peer),
            _ => healthy(&mut peer),
        });
        let run = watch(&server.uri(), self.options);
        run.wait_stdout(SHOWN);
        let peak = run.peak_kb();
        let finished = run.end();
        println!("{}: {peak} kB", self.name);
        assert_eq!(finished.code, Some(0), "{}: {finished:?}", self.name);
        let lines: Vec<_> = finished.stderr.lines().filter(|line| line.contains(LOST)).collect();
        assert!(lines.len() == 1 && lines[0].contains(self.says), "{}: {}", self.name, finished.stderr);
        assert!(lines[0].contains(" WARN "), "{}: {}", self.name, finished.stderr);
        assert_harmless(self.name, &finished.stderr);
        assert_eq!(server.accepted(), 2, "{}", self.name);
        let quiet = process::quiet_kb();
        assert!(peak <= quiet + most_kb, "{}: {peak} kB, {quiet} kB in a quiet run", self.name);
    }
}

/// A server as it should be: one sample, and a Close frame answered by the end.
fn healthy(peer: &mut Peer) {
    peer.upgrade();
    peer.text(SAMPLE);
    until_close(peer);
}

/// Takes whatever the client sends, up to its Close frame.
fn until_close(peer: &mut Peer) {
    while peer.next().is_some_and(|frame| frame.opcode != CLOSE) {}
}

fn upgraded(peer: &mut Peer, attack: impl FnOnce(&mut Peer)) {
    peer.upgrade();
    attack(peer);
}

fn assert_harmless(what: &str, text: &str) {
    let at = text.find(is_harmful);
    assert_eq!(at, None, "{what}: {:?}", &text[at.unwrap_or(0)..].chars().take(40).collect::<String>());
}
