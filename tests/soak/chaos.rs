//! Twenty servers at random, one client, and what must hold of it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Outcome;
use crate::client::{Client, Printed};
use crate::server::{Act, Server, Stop, Tally, message};

const SERVERS: usize = 20;
/// From here on memory and descriptors may not grow any more.
const SETTLED: Duration = Duration::from_secs(60);
/// Before that the first half minute is not looked at: not every server has done its worst yet.
const WARM: Duration = Duration::from_secs(20);
/// Memory that the allocator may add later on.
const GROWTH_KB: u64 = 1024;
/// Dials of all servers in the second after the client was stopped: more is a storm.
const MOST_DIALS: u32 = 3 * SERVERS as u32;

type Tallies = Vec<Arc<Mutex<Tally>>>;

pub fn run(wsmon: &str, directory: &Path, seconds: &str, seed: Option<&str>) -> Outcome {
    let lasting = Duration::from_secs(seconds.parse()?);
    let seed = match seed {
        Some(seed) => seed.parse()?,
        None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64,
    };
    println!("{SERVERS} servers for {} s, seed {seed}", lasting.as_secs());
    let (over, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Stop::default())));
    let mut arguments: Vec<String> = options();
    let mut tallies: Tallies = Vec::new();
    for n in 0..SERVERS {
        let listener = listener(seed, n)?;
        arguments.extend(["--uri".into(), format!("s{n}=ws://{}", listener.local_addr()?)]);
        let tally = Arc::new(Mutex::new(Tally::default()));
        tallies.push(tally.clone());
        let server = Server::new(seed ^ (n as u64 + 1) << 32, over.clone(), stop.clone(), tally);
        spawn(move || server.run(listener));
    }
    let mut client = Client::start(wsmon, directory, &arguments, Stdio::piped())?;
    let reading = client.read(|session, n| message(session, n).len());
    let held = match watch(&client, lasting, &stop) {
        Ok(held) => held,
        Err(why) => {
            let stderr = client.stderr();
            // Killed, if it still runs: only then has everything been read.
            drop(client);
            let read = reading.join().map_err(|_| "the reader failed")?.map(|_| "all was as it should be");
            return Err(format!("{why}; its output: {read:?}; its last words:\n{}", tail(&stderr)).into());
        }
    };
    let status = client.end()?;
    over.store(true, Ordering::Relaxed);
    let printed = reading.join().map_err(|_| "the reader failed")??;
    let mut faults = Vec::new();
    if status.code() != Some(0) {
        faults.push(format!("the client ended with {status}:\n{}", client.stderr()));
    }
    faults.extend(held);
    faults.extend(compare(&tallies, &printed));
    faults.extend(summary(&tallies));
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

/// On a port that no other program is given while this server restarts: below those that the system hands out.
fn listener(seed: u64, n: usize) -> std::io::Result<TcpListener> {
    let first = 10_000 + (seed % 20_000) as u16;
    let free = (0..50).find_map(|k| TcpListener::bind(("127.0.0.1", first + 50 * (n as u16) % 2_000 + k)).ok());
    free.ok_or_else(|| std::io::ErrorKind::AddrInUse.into())
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

fn options() -> Vec<String> {
    "--format jsonl --stats --quiet --dialect monitoring --reconnect-interval 0.2 --reconnect-cap 1 --connect-timeout 2 \
     --ping-interval 1 --ping-timeout 1 --stale-after 8 --when-full wait"
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// Looks at memory and descriptors each half second, and stops the client for a while in between.
fn watch(client: &Client, lasting: Duration, stop: &Mutex<Stop>) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let stopped_for = Duration::from_secs(if lasting >= Duration::from_secs(300) { 60 } else { 10 });
    let began = Instant::now();
    let (mut before, mut after) = ((0, 0), (0, 0));
    let mut stopped = false;
    while began.elapsed() < lasting {
        sleep(Duration::from_millis(500));
        let now = (client.memory()?, client.descriptors()?);
        let at = began.elapsed();
        if at > SETTLED {
            after = (after.0.max(now.0), after.1.max(now.1));
        } else if at > WARM {
            before = (before.0.max(now.0), before.1.max(now.1));
        }
        if !stopped && at > lasting / 2 {
            stopped = true;
            client.signal("STOP")?;
            stop.lock().expect("no panic").from = Some(Instant::now());
            sleep(stopped_for);
            client.signal("CONT")?;
            stop.lock().expect("no panic").to = Some(Instant::now());
            println!("stopped for {} s at {} s", stopped_for.as_secs(), at.as_secs());
        }
    }
    println!("memory: at most {} kB in the first minute, {} kB later", before.0, after.0);
    println!("descriptors: at most {} in the first minute, {} later", before.1, after.1);
    let mut faults = Vec::new();
    if after.0 > before.0 + GROWTH_KB {
        faults.push(format!("memory grew from {} to {} kB", before.0, after.0));
    }
    // As many sockets as there are servers may be open at one moment and not at another.
    if after.1 > before.1 + SERVERS / 2 {
        faults.push(format!("descriptors grew from {} to {}", before.1, after.1));
    }
    Ok(faults)
}

/// Sessions that ended in order: what the server counted against what was printed. And what was printed against the
/// statistics.
fn compare(tallies: &Tallies, printed: &Printed) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut sessions, mut messages) = (0, 0);
    for (n, tally) in tallies.iter().enumerate() {
        for (session, sent) in &tally.lock().expect("no panic").sure {
            let got = printed.sessions.get(&(format!("s{n}"), *session)).copied().unwrap_or(0);
            if got != *sent {
                faults.push(format!("s{n}, session {session}: {sent} sent, {got} printed"));
            }
            sessions += 1;
            messages += u64::from(*sent);
        }
    }
    println!("{sessions} sessions ended with Close or EOF, {messages} messages in them");
    if sessions == 0 {
        faults.push("no session ended in order: nothing was compared".into());
    }
    let of_servers = &printed.statistics["stats"]["servers"];
    for (server, (messages, bytes)) in &printed.servers {
        let stats = &of_servers[server];
        let counted = (stats["messages_received"].as_u64(), stats["bytes_received"].as_u64());
        if counted != (Some(*messages), Some(*bytes)) {
            faults.push(format!("{server}: {messages} messages, {bytes} bytes printed; statistics say {counted:?}"));
        }
    }
    if printed.dropped > 0 {
        faults.push(format!("{} messages dropped", printed.dropped));
    }
    faults
}

fn summary(tallies: &Tallies) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut accepted, mut since_waking, mut worst) = (0, 0, Duration::ZERO);
    let mut acts: BTreeMap<Act, u32> = BTreeMap::new();
    for (n, tally) in tallies.iter().enumerate() {
        let tally = tally.lock().expect("no panic");
        accepted += tally.accepted;
        since_waking += tally.since_waking;
        worst = worst.max(tally.worst_return);
        tally.acts.iter().for_each(|act| *acts.entry(*act).or_default() += 1);
        faults.extend(tally.faults.iter().map(|fault| format!("s{n}: {fault}")));
    }
    println!("{accepted} connections, back after at most {worst:?}, {since_waking} within a second of waking up");
    println!("{}", acts.iter().map(|(act, count)| format!("{act:?} {count}")).collect::<Vec<_>>().join(", "));
    if since_waking > MOST_DIALS {
        faults.push(format!("a storm: {since_waking} dials in the second after waking up"));
    }
    faults
}
