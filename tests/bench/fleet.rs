//! The cost of a message by the number of servers, at the same total of messages.

use crate::blaster::{Fleet, frame, message};
use crate::process::{Drain, cpu_nanos, terminate};
use crate::subject::Subject;
use std::fs;
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

const SERVERS: [usize; 3] = [1, 1000, 5000];
const PER_SECOND: u32 = 1000;
/// Time in which every server must be connected.
const CONNECTED_WITHIN: Duration = Duration::from_secs(60);
/// Descriptors besides those of the connections.
const SPARE_DESCRIPTORS: usize = 50;

/// Prints a row for each subject that watches several servers: µs of CPU per message, medians of the rounds.
pub fn print_table(subjects: &[Subject], messages: usize, rounds: usize) {
    let fleets: Vec<usize> =
        SERVERS.into_iter().filter(|&servers| servers + SPARE_DESCRIPTORS < descriptors()).collect();
    if fleets.len() < SERVERS.len() {
        println!("ulimit -n is too low for {} servers", SERVERS[fleets.len()]);
    }
    println!("CPU us/message at {PER_SECOND} messages/s in total, {messages} messages, one per wake-up, by servers:");
    let several: Vec<&Subject> = subjects.iter().filter(|subject| subject.several).collect();
    let width = several.iter().map(|subject| subject.name.len()).max().unwrap_or(0);
    let mut costs = vec![vec![Vec::new(); fleets.len()]; several.len()];
    for _ in 0..rounds {
        for (subject, costs) in several.iter().zip(&mut costs) {
            for (&servers, costs) in fleets.iter().zip(costs) {
                costs.push(cost(subject, servers, messages));
            }
        }
    }
    println!("{:width$}{}", "", fleets.iter().map(|servers| format!("  {servers:>8}")).collect::<String>());
    for (subject, costs) in several.iter().zip(&costs) {
        let medians = costs.iter().map(|costs| format!("  {:8.1}", crate::median(costs.iter().copied())));
        println!("{:width$}{}", subject.name, medians.collect::<String>());
    }
}

/// Returns the CPU time per message in µs, of messages that come to one server after the other.
fn cost(subject: &Subject, servers: usize, messages: usize) -> f64 {
    let fleet = Fleet::start(servers);
    let mut child = subject.start_with(&fleet.uris(), &[]);
    let drain = Drain::start(child.stdout.take().expect("a pipe"));
    let mut streams = fleet.connections(CONNECTED_WITHIN);
    let frame = frame(&message(0));
    for stream in &mut streams {
        stream.write_all(&frame).expect("a client that reads");
    }
    let until = Instant::now() + CONNECTED_WITHIN;
    while drain.lines() < servers {
        assert!(Instant::now() < until, "{} has not shown every server's message", subject.name);
        sleep(Duration::from_millis(20));
    }
    sleep(Duration::from_millis(500));
    let (before, start) = (cpu_nanos(&child), Instant::now());
    for number in 0..messages {
        let at = start + Duration::from_secs(1) * u32::try_from(number).expect("a small number") / PER_SECOND;
        sleep(at.saturating_duration_since(Instant::now()));
        streams[number % servers].write_all(&frame).expect("a client that reads");
    }
    sleep(Duration::from_millis(200));
    let used = cpu_nanos(&child) - before;
    assert!(drain.lines() >= servers + messages, "{} has not shown every message", subject.name);
    terminate(&mut child);
    used as f64 / 1000.0 / messages as f64
}

/// The limit of open descriptors.
fn descriptors() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").expect("limits, proc(5)");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("the limit of files");
    line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX)
}
