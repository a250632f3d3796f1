//! The cost of a message: the program beside other clients of the same server, interleaved in one run.
//!
//! `cargo bench --bench blaster [-- --messages N] [--rounds N] [--fleets N]`. `--fleets N` measures fleets alone, with N messages each.
//! WSMON_BIN names the binaries to measure instead of the
//! one that cargo built, separated by colons: the static ones, for instance. Peers: `websocat` on the PATH, and
//! `monitoring-websocket-client` in target/real-servers/venv or on the PATH.
//! A measurement, not a test: it fails only where it cannot measure.

mod blaster;
mod fleet;
mod process;
mod subject;

use blaster::Blaster;
use std::time::Duration;
use subject::Subject;

const FIRST_LINES: usize = 20;
const FURTHER_SERVERS: usize = 200;
const FLEET_MESSAGES: usize = 5000;

struct Options {
    messages: usize,
    rounds: usize,
    /// Messages to each fleet, if only fleets are measured.
    fleets: Option<usize>,
}

/// The medians of one subject.
struct Row {
    per_second: f64,
    cpu_us: f64,
    peak_kb: f64,
    lines: f64,
    first_line_ms: f64,
}

fn main() {
    // `cargo test --all-targets` runs this file too, without the flag that `cargo bench` adds.
    if !std::env::args().any(|arg| arg == "--bench") {
        println!("a benchmark: cargo bench --bench blaster");
        return;
    }
    let options = Options::from_args();
    let (subjects, absent) = subject::all();
    if let Some(messages) = options.fleets {
        return fleet::print_table(&subjects, messages, options.rounds);
    }
    println!(
        "{} messages of {} bytes into a pipe, medians of {} interleaved rounds; first line: of {FIRST_LINES} runs",
        options.messages,
        blaster::MESSAGE_BYTES,
        options.rounds
    );
    let rows = measure(&subjects, &options);
    print_table(&subjects, &rows, &options);
    print_ratios(&subjects, &rows);
    print_further_servers(&subjects);
    fleet::print_table(&subjects, FLEET_MESSAGES, 3);
    for peer in absent {
        println!("absent: {peer}");
    }
}

impl Options {
    fn from_args() -> Self {
        let args: Vec<String> = std::env::args().collect();
        let given = |name: &str| {
            args.iter().position(|arg| arg == name).map(|at| {
                args.get(at + 1).and_then(|text| text.parse().ok()).filter(|&n| n > 0).unwrap_or_else(|| {
                    eprintln!("blaster: {name} needs a number above 0");
                    std::process::exit(2)
                })
            })
        };
        let number = |name: &str, default: usize| given(name).unwrap_or(default);
        Self { messages: number("--messages", 300_000), rounds: number("--rounds", 5), fleets: given("--fleets") }
    }
}

fn measure(subjects: &[Subject], options: &Options) -> Vec<Row> {
    let blaster = Blaster::new();
    let mut bursts: Vec<Vec<subject::Burst>> = subjects.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.rounds {
        for (subject, bursts) in subjects.iter().zip(&mut bursts) {
            bursts.push(subject.burst(&blaster, options.messages));
        }
    }
    let mut first_lines: Vec<Vec<Duration>> = subjects.iter().map(|_| Vec::new()).collect();
    for _ in 0..FIRST_LINES {
        for (subject, times) in subjects.iter().zip(&mut first_lines) {
            times.push(subject.first_line(&blaster));
        }
    }
    let row = |(bursts, times): (&Vec<subject::Burst>, &Vec<Duration>)| Row {
        per_second: median(bursts.iter().map(|burst| options.messages as f64 / burst.took.as_secs_f64())),
        cpu_us: median(bursts.iter().map(|burst| burst.cpu.as_secs_f64() * 1e6 / options.messages as f64)),
        peak_kb: median(bursts.iter().map(|burst| burst.peak_kb as f64)),
        lines: median(bursts.iter().map(|burst| burst.lines as f64)),
        first_line_ms: median(times.iter().map(|time| time.as_secs_f64() * 1e3)),
    };
    bursts.iter().zip(&first_lines).map(row).collect()
}

fn print_table(subjects: &[Subject], rows: &[Row], options: &Options) {
    let width = subjects.iter().map(|subject| subject.name.len()).max().unwrap_or(0);
    println!("{:width$}  messages/s  CPU us/message  peak kB     lines  first line ms", "");
    for (subject, row) in subjects.iter().zip(rows) {
        println!(
            "{:width$}  {:10.0}  {:14.2}  {:7.0}  {:8.0}  {:13.2}{}",
            subject.name,
            row.per_second,
            row.cpu_us,
            row.peak_kb,
            row.lines,
            row.first_line_ms,
            if row.lines < 0.99 * options.messages as f64 { "  LINES ARE MISSING" } else { "" }
        );
    }
}

/// The first subject against each of the others.
fn print_ratios(subjects: &[Subject], rows: &[Row]) {
    for (subject, row) in subjects.iter().zip(rows).skip(1) {
        let ours = &rows[0];
        println!(
            "{} / {}: CPU {:.2}, peak memory {:.2}, first line {:.2}",
            subjects[0].name,
            subject.name,
            ours.cpu_us / row.cpu_us,
            ours.peak_kb / row.peak_kb,
            ours.first_line_ms / row.first_line_ms
        );
    }
}

fn print_further_servers(subjects: &[Subject]) {
    let blaster = Blaster::new();
    for subject in subjects {
        if let Some(kb) = subject.further_server_kb(&blaster, FURTHER_SERVERS) {
            println!("{}: {kb:.2} kB for each of {FURTHER_SERVERS} further servers", subject.name);
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
