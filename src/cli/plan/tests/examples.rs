//! The command lines of the manual, and those of the original client.

use super::good;

/// The command lines that the original client documents.
const ORIGINAL: &[&str] = &[
    "",
    "--uri ws://192.168.1.100:8765",
    "--format simple",
    "--format detailed",
    "--format compact",
    "--format json",
    "--save-data monitoring.log",
    "--duration 60 --stats",
    "--no-color",
    "--format json --save-data data.jsonl",
    "--save-data monitoring.log --history",
    "--duration 300",
    "--duration 3600 --stats",
    "--verbose --log-file debug.log",
    "--log-file client.log --save-data monitoring.log",
    "--uri ws://server.example.com:9090 --reconnect-interval 10 --max-reconnects 5 --ping-interval 60",
];

#[test]
fn every_command_line_of_the_original_client_is_understood() {
    for line in ORIGINAL.iter().chain(&["--reconnect-interval 5.0 --ping-interval 30.0"]) {
        good(line);
    }
}

/// The lines of the manual's examples: continued lines joined, pipes and redirections cut off.
fn examples() -> Vec<String> {
    let manual = include_str!("../../../../man/wsmon.1").replace(" \\e\n", " ");
    let (_, rest) = manual.split_once("\n.Sh EXAMPLES\n").expect("examples");
    let section = rest.split("\n.Sh ").next().unwrap_or(rest);
    let lines = section.lines().filter_map(|line| line.strip_prefix("wsmon"));
    lines.map(|line| line.split(['|', '>']).next().unwrap_or(line).to_owned()).collect()
}

#[test]
fn every_example_of_the_manual_is_understood() {
    assert!(examples().len() > 15, "{:?}", examples());
    for line in examples() {
        good(&line);
    }
}

#[test]
fn the_manual_has_every_command_line_of_the_original_client() {
    let examples: Vec<String> = examples().iter().map(|line| words(line)).collect();
    for line in ORIGINAL {
        assert!(examples.contains(&words(line)), "{line}");
    }
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
