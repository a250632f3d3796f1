//! `--format table` and `--live` in pipes. On terminals: tests/steady, and tests/consumers.sh.

use std::fs;
use std::net::TcpListener;

use crate::client::{log_lines, sample, sending, watched};
use crate::support::program::run;
use crate::support::temp_dir::TempDir;

const HEAD: &str = "SERVER   CPU%  MEM% DISK%  GPU%   LOAD  HISTORY     STATE";

/// The lines with the time of the last one removed.
fn block(text: &str) -> Vec<String> {
    let time = |line: &str| line.find(", 2").filter(|_| line.contains(" up")).unwrap_or(line.len());
    text.lines().map(|line| line[..time(line)].to_owned()).collect()
}

#[test]
fn a_snapshot_waits_for_every_server_and_has_those_that_are_down_first() {
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (web, db) = (sending([sample(95.0)]), sending([sample(12.0)]));
    let uris = [format!("web={}", web.uri()), format!("db={}", db.uri()), format!("down=ws://{down}")];
    let options = ["-q", "-n", "1", "-f", "table", "--stats"];
    let finished = run(uris.iter().map(String::as_str).chain(options));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines = block(&finished.stdout);
    assert_eq!(lines[0], HEAD);
    let why = format!("reconnecting: connect to {down}: connection refused");
    assert_eq!(lines[1], format!("down        -     -     -     -      -              {why}"));
    assert_eq!(lines[2], "web      95.0     -     -     -      -           █  connected");
    assert_eq!(lines[3], "db       12.0     -     -     -      -           ▁  connected");
    assert_eq!(lines[4..], ["2 of 3 up, cpu mean 54 max 95 (web)"], "{finished:?}");
    assert!(finished.stderr.contains("=== Client Statistics ==="), "{finished:?}");
}

#[test]
fn a_snapshot_of_servers_that_are_all_down_is_shown_and_no_success() {
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let uris = [format!("a=ws://{down}"), format!("b=ws://{down}")];
    for more in [&["-n", "1"][..], &["-n", "1", "--require", "all"], &["-n", "1", "--no-reconnect"]] {
        let options = ["-q", "-f", "table"].iter().chain(more).copied();
        let finished = run(uris.iter().map(String::as_str).chain(options));
        assert_eq!((finished.code, block(&finished.stdout).len()), (Some(1), 4), "{finished:?}");
        assert!(finished.stderr.contains("ERROR nothing was received"), "{finished:?}");
    }
}

#[test]
fn blocks_are_separated_and_counted_and_show_the_rules() {
    let server = sending([sample(85.0)]);
    let finished = watched(&server, "-q -n 3 --every 0.1 -f table -w cpu=80 -c up.sum=2: --only sample --live");
    let row = "x        85.0     -     -     -      -           ▇  connected, WARNING cpu 85.0% (80)";
    let last = "1 of 1 up, cpu mean 85 max 85 (x), CRITICAL up.sum 1 (2:)";
    let lines = [HEAD, row, last, "", HEAD, row, last, "", HEAD, row, last];
    assert_eq!((finished.code, block(&finished.stdout)), (Some(0), lines.map(str::to_owned).to_vec()), "{finished:?}");
    let warnings = [
        "WARN --live has no effect: stdout is not a terminal",
        "WARN --only has no effect: table shows the latest values of all servers",
    ];
    assert_eq!(log_lines(&finished.stderr, &["WARN"]), warnings);
}

#[test]
fn a_run_that_ends_early_shows_what_it_has() {
    let finished = watched(&sending(Vec::<String>::new()), "-q -d 0.3 -f table");
    let row = "x           -     -     -     -      -              connected";
    assert_eq!(block(&finished.stdout), [HEAD, row, "1 of 1 up"], "{finished:?}");
}

#[test]
fn saved_data_has_a_block_for_each_interval_of_its_own_time() {
    let dir = TempDir::new();
    let line = |second: u32, cpu: u32| {
        let data = format!(r#""data":{{"processor":{{"usage_percent":{cpu}}}}}"#);
        format!(r#"{{"received_at":"2026-01-02T03:04:{second:02}.000Z","server":"x","type":"monitoring_data",{data}}}"#)
    };
    let lines = [line(0, 10), line(5, 50), line(12, 90), line(14, 20)];
    fs::write(dir.path("data"), lines.join("\n") + "\n").unwrap();
    let path = dir.path("data");
    let finished = run(["-q", "--read", &path, "-f", "table", "--every", "10"]);
    let usages: Vec<_> = finished.stdout.lines().filter_map(|line| line.strip_prefix("x   ")?.get(..12)).collect();
    assert_eq!(
        usages.iter().map(|usage| usage.trim_start().split(' ').next().unwrap()).collect::<Vec<_>>(),
        ["10.0", "50.0", "20.0"]
    );
    assert!(finished.stdout.contains(", 2026-01-02T03:04:10Z\n"), "{finished:?}");
    // The clock was not set at first.
    fs::write(&path, [line(0, 10).replace("2026", "1970"), line(5, 50), line(17, 90)].join("\n") + "\n").unwrap();
    let finished = run(["-q", "--read", &path, "-f", "table", "--every", "10"]);
    let shown = |time: &str| finished.stdout.matches(time).count();
    assert_eq!((shown(", 1970-01-02T03:"), shown(", 2026-01-02T03:04:")), (101, 3), "{}", finished.stdout);
}
