//! Runs the examples of the README and of the manual, taken out of the pages, and holds what they print against them.

use crate::client::{greet, json_lines};
use crate::support::program::{Finished, Run, wsmon};
use crate::support::server::Server;
use crate::support::temp_dir::TempDir;
use serde_json::Value;

const MANUAL: &str = concat!(include_str!("../../man/wsmon.1"), include_str!("../../man/wsmon-events.5"));
const README: &str = include_str!("../../README.md");

/// A sample with the values that the README prints, and an alert.
const SAMPLE: &str = r#"{"type": "monitoring_data", "timestamp": "2026-01-02T03:04:05.678", "alerts": [{"component": "memory", "level": "WARNING", "message": "Memory usage is high: 38.1%"}], "data": {"processor": {"usage_percent": 12.4}, "memory": {"percentage": 38.1, "used": 6303870976}, "system": {"hostname": "router-01", "load_average": [0.52, 0.48, 0.44]}}}"#;

/// Cuts the performance data of a check.
const CUT: &str = " | cut -d '|' -f 1";

/// The command lines that begin with `wsmon`, with the lines that are printed below each of them: from the literal blocks
/// of the manual and the consoles of the README.
fn examples() -> Vec<(String, Vec<String>)> {
    let manual = MANUAL.replace(" \\e\n", " ").replace("\\(dq", "\"");
    let blocks = manual.split(".Bd -literal").skip(1).filter_map(|block| block.split(".Ed").next());
    let consoles = README.split("```console\n").skip(1).filter_map(|block| block.split("```").next());
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for block in blocks.chain(consoles) {
        let mut of_block = Vec::new();
        for line in block.lines() {
            let line = line.trim_start_matches("* * * * * ").trim_start_matches("/usr/bin/");
            match line.strip_prefix("$ ").unwrap_or(line) {
                command if command.starts_with("wsmon ") || command == "wsmon" => {
                    let (command, _comment) = command.split_once(" # ").unwrap_or((command, ""));
                    of_block.push((command.trim_end().to_owned(), Vec::new()));
                }
                _ if line.starts_with("$ ") => of_block.push((String::new(), Vec::new())),
                printed => {
                    if let Some((_, lines)) = of_block.last_mut() {
                        lines.push(printed.to_owned());
                    }
                }
            }
        }
        found.extend(of_block.into_iter().filter(|(command, _)| !command.is_empty()));
    }
    assert!(found.len() > 55, "only {} examples", found.len());
    found
}

/// Splits a command line into words as a shell does, up to a redirection.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '>') => break,
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Runs an example with the server in place of those that it names, for two seconds or so at most. Returns the filter
/// behind the pipe as well.
fn run(example: &str, server: &Server, dir: &TempDir) -> (Finished, Option<String>) {
    let example = example.strip_suffix(CUT).unwrap_or(example);
    let (command, filter) = match example.split_once(" | jq ") {
        Some((command, filter)) => (command, Some(filter.trim_start_matches("-c ").trim_matches('\'').to_owned())),
        None => (example, None),
    };
    let authority = server.uri().trim_start_matches("ws://").trim_end_matches('/').to_owned();
    let mut arguments: Vec<String> = Vec::new();
    for word in &words(command)[1..] {
        match &**word {
            "--proxy" | "--ca-file" => arguments.push("--reconnect-cap=60".into()),
            "http://proxy.example.com:3128" | "ca.pem" => {}
            // A probe takes a host alone. Nothing needs to listen on the usual ports.
            _ if command.contains("--probe") => arguments.push(word.replace("10.0.0.6", "127.0.0.1")),
            _ => arguments.push(here(word, &authority, dir)),
        }
    }
    if command.contains("--demo=fleet") && !command.contains("--check") {
        // Until a server is away, with a table for each moment.
        arguments.extend(["--duration".into(), "7".into(), "--every".into(), "0.5".into()]);
    } else if command.contains("--demo") {
        arguments.extend(["--duration".into(), "2.5".into()]);
    } else if !command.contains("--probe") {
        arguments.extend(["--duration".into(), "2".into()]);
    }
    for file in ["wsmon.jsonl.1", "wsmon.jsonl"].iter().filter(|_| example.contains("--read")) {
        let line = r#"{"received_at":"2026-01-02T03:04:05.678Z","server":"nas","#.to_owned() + &SAMPLE[1..] + "\n";
        std::fs::write(dir.path(file), line).unwrap();
    }
    let mut command = wsmon(&arguments);
    command.env("MONITORING_WEBSOCKET_URI", server.uri()).current_dir(dir.path(""));
    (Run::start(&mut command).finish(), filter)
}

/// The word with its address replaced by the server's. Files stand in the directory.
fn here(word: &str, authority: &str, dir: &TempDir) -> String {
    let hosts = ["10.0.0.", "192.168.", "server.example.com", "monitor.example.com", "/run/monitor.sock"];
    let Some(host) = hosts.iter().find_map(|host| word.find(host)) else {
        return match word {
            "/var/lib/prometheus/node-exporter/wsmon.prom" => dir.path("wsmon.prom"),
            "@headers" | "@sysmedic.uri" | "@/etc/wsmon/sysmedic.uri" | "token" => {
                let content = match word {
                    "@headers" => "X-Test: 1\n".to_owned(),
                    "token" => "secret\n".to_owned(),
                    _ => format!("sysmedic://secret@{authority}/\n"),
                };
                let path = dir.path(word.rsplit('/').next().unwrap_or(word).trim_start_matches('@'));
                std::fs::write(&path, content).unwrap();
                if word.starts_with('@') { format!("@{path}") } else { path }
            }
            "/etc/wsmon/servers" => dir.write("servers", &format!("web={authority} -w cpu=80 # a comment\n")),
            "nas" => authority.to_owned(),
            "9109" | "0.0.0.0:9109" => "0".to_owned(),
            word if word.starts_with("/tmp/") => dir.path(&word["/tmp/".len()..]),
            // No mail leaves a test.
            word if word.starts_with("mail ") => "cat >/dev/null".to_owned(),
            _ => word.to_owned(),
        };
    };
    // The label, scheme and credentials stay; TLS and sockets have tests of their own.
    let before = word[..host].replace("wss://", "ws://").replace("ws+unix://", "ws://");
    format!("{before}{authority}")
}

fn serving() -> Server {
    Server::start(|mut peer| {
        greet(&mut peer);
        (0..3).for_each(|_| peer.text(SAMPLE));
        peer.hold();
    })
}

/// Applies a filter of jq: a path, or an object of some members.
fn filtered(line: &Value, filter: &str) -> Vec<Value> {
    match filter.strip_prefix('{') {
        Some(members) => members.trim_end_matches('}').split(", ").map(|name| line[name].clone()).collect(),
        None => {
            let path = filter.split('.').skip(1);
            vec![path.fold(line.clone(), |value, name| value[name].clone())]
        }
    }
}

/// The line without its digits and bars, which differ from run to run.
fn shape(line: &str) -> String {
    let mut out = String::new();
    for c in line.trim_end().chars().filter(|c| !"█▓▒░▁▂▃▄▅▆▇".contains(*c)) {
        match c {
            '0'..='9' | ' ' | '.' if out.ends_with('0') => {}
            '0'..='9' | ' ' => out.push('0'),
            c => out.push(c),
        }
    }
    let out = out.replace("MB", "GB");
    match (out.find("\"server\":"), out.find(",\"kind\"")) {
        (Some(start), Some(end)) if start < end => out[..start].to_owned() + &out[end..],
        _ => out,
    }
}

#[test]
fn every_example_runs_and_prints_what_stands_below_it() {
    let server = serving();
    let examples = examples();
    let mut lines = 0;
    for some in examples.chunks(12) {
        let runs = std::thread::scope(|scope| {
            let start = |(example, _): &'_ (String, _)| {
                let (server, example) = (&server, example.clone());
                scope.spawn(move || run(&example, server, &TempDir::new()).0)
            };
            let started: Vec<_> = some.iter().map(start).collect();
            started.into_iter().map(|run| run.join().unwrap()).collect::<Vec<_>>()
        });
        for ((example, printed), finished) in some.iter().zip(runs) {
            if cfg!(not(feature = "demo")) && example.contains("--demo") {
                // The result of a check is unknown.
                let status = if example.contains("--check") { 3 } else { 2 };
                assert_eq!(finished.code, Some(status), "{example}: {finished:?}");
                continue;
            }
            // A server of another kind delivers nothing here, and nobody answers the request.
            let may_be_empty =
                ["--probe", "pmdaemon", "neurograph", "fastpluggy", "sysmedic", "--request", "--only alert -n 1"];
            // A check of the fleet is a warning.
            let may_fail = may_be_empty.iter().any(|word| example.contains(word)) || example.contains("=fleet --check");
            assert!(finished.code == Some(0) || (may_fail && finished.code == Some(1)), "{example}: {finished:?}");
            // The alerts and changes that are printed need servers that fail.
            let needs_trouble = ["--only state", " -c "].iter().any(|word| example.contains(word));
            lines += if needs_trouble && !example.contains("--check") && !example.contains("--demo") {
                // See `the_lines_about_trouble_are_printed_when_there_is_some`.
                0
            } else {
                compare(example, printed, &finished.stdout)
            };
        }
    }
    assert!(lines > 0);
}

/// Fails unless each line has been printed, but for its digits. Returns the number of lines.
fn compare(example: &str, expected: &[String], stdout: &str) -> usize {
    let is_cut = example.ends_with(CUT);
    let lines = stdout.lines().map(|line| if is_cut { line.split('|').next().unwrap_or(line) } else { line });
    let shapes: Vec<String> = lines.map(shape).collect();
    let expected: Vec<_> = expected.iter().filter(|line| !line.is_empty() && *line != "...").collect();
    for line in &expected {
        assert!(shapes.contains(&shape(line)), "{example}: {line}\n{stdout}");
    }
    expected.len()
}

#[test]
fn a_crontab_line_writes_one_row_per_run() {
    let server = serving();
    let crontab: Vec<_> = examples().into_iter().filter(|(example, _)| example.contains(">>")).collect();
    assert_eq!(crontab.len(), 2);
    for (example, _) in crontab {
        let (finished, _) = run(&example, &server, &TempDir::new());
        assert_eq!(finished.stdout.lines().count(), 1, "{example}: {finished:?}");
        assert_eq!(finished.stderr, "", "{example}");
    }
}

#[test]
fn examples_with_jq_select_lines_that_have_what_the_filter_names() {
    let server = serving();
    let mut seen = 0;
    for (example, _) in examples().iter().filter(|(example, _)| example.contains("jq")) {
        let (finished, filter) = run(example, &server, &TempDir::new());
        let filter = filter.expect("a filter");
        let lines = json_lines(&finished.stdout);
        assert!(lines.len() >= 3, "{example}: {finished:?}");
        for line in lines.iter().filter(|line| line["kind"] != "alert") {
            assert!(!filtered(line, &filter).contains(&Value::Null), "{example}: {line}");
        }
        seen += 1;
    }
    assert!(seen >= 3);
}

/// With nobody at its addresses: a mistake in a file is reported with its path and line.
#[test]
fn the_file_of_servers_in_the_readme_is_one_for_every_command_that_names_it() {
    const PATH: &str = "/etc/wsmon/servers";
    let (_, listed) = README.split_once(&format!("$ cat {PATH}\n")).expect("a file");
    let listed: Vec<_> = listed.lines().take_while(|line| !line.starts_with("$ ")).collect();
    assert!(listed.len() > 2, "{listed:?}");
    let dir = TempDir::new();
    let token = dir.write("token", "secret");
    let file = dir
        .write("servers", &listed.join("\n").replace("/etc/wsmon/neuro.token", &token).replace("10.0.0.", "127.0.0."));
    let mut seen = 0;
    for (example, _) in examples().iter().filter(|(example, _)| example.contains(PATH)) {
        let words = words(&example.replace(PATH, &file));
        let finished = Run::start(wsmon(&words[1..]).args(["--duration", "1", "--reconnect-interval", "60"])).finish();
        assert!(!finished.stderr.contains("try wsmon --help"), "{example}: {finished:?}");
        assert!(!(finished.stdout + &finished.stderr).contains("servers:"), "{example}");
        seen += 1;
    }
    assert!(seen >= 3, "only {seen}");
}

/// Returns what the README shows below the first example with these words.
fn printed_below(words: &str) -> (String, Vec<String>) {
    let is_meant = |(example, printed): &(String, Vec<String>)| example.contains(words) && !printed.is_empty();
    examples().into_iter().find(is_meant).expect(words)
}

#[test]
fn the_lines_about_trouble_are_printed_when_there_is_some() {
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text(SAMPLE);
        peer.expect(crate::support::server::PING);
        peer.reset();
    });
    let (example, printed) = printed_below("--only state");
    let (finished, _) = run(&format!("{example} --ping-interval 0.2"), &server, &TempDir::new());
    assert_eq!(compare(&example, &printed, &finished.stdout), 1);
}

/// The messages that the manual quotes, but for their digits.
#[test]
fn the_messages_in_the_manual_are_the_programs_own() {
    let dir = TempDir::new();
    let server = Server::start(|mut peer| {
        greet(&mut peer);
        peer.text("{\"a\": undefined}");
        peer.hold();
    });
    let (finished, _) = run("wsmon nas", &server, &dir);
    let usage = run("wsmon --every 10M", &server, &dir).0.stderr;
    let refused = run("wsmon 127.0.0.1:1 -q", &server, &dir).0.stderr;
    for (head, text, output) in [
        ("INFO localhost:8765", ": connected\n", &finished.stderr),
        (
            "WARN nas",
            ": a message of 812 bytes could not be decoded (byte 312: undefined); further ones",
            &finished.stderr,
        ),
        ("WARN b", ": connected, but nothing beyond the greeting came in 30 s", &finished.stderr),
        ("WARN a", ": never connected in 30 s, 14 attempts: connect to 10.0.0.1:8765: connection refused", &refused),
        ("", "wsmon: --every '10M': months are not accepted, did you mean 10m?\ntry wsmon --help\n", &usage),
    ] {
        assert!(MANUAL.contains(&format!("{head}{text}")), "{head}{text}");
        let plain = |text: &str| shape(&text.replace("attempts", "attempt"));
        assert!(output.contains(text) || plain(output).contains(&plain(text)), "{text}\n{output}");
    }
}
