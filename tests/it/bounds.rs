//! Compares the numbers of the manual and the README with the constants of the sources.

use std::fs;
use std::path::Path;

const MANUAL: &str = concat!(include_str!("../../man/wsmon.1"), include_str!("../../man/wsmon-events.5"));
const README: &str = include_str!("../../README.md");

/// A file, a constant in it, its value as it is written there, and what the manual says of it.
type Bound = (&'static str, &'static str, &'static str, &'static str);

const BOUNDS: [Bound; 51] = [
    ("src/model/duration.rs", "TEN_YEARS: f64", "3_653.0 * 86_400.0", "ten years at most"),
    ("src/cli/probe.rs", "WITHIN: Duration", "Duration::from_millis(4900)", "for 5 seconds in all"),
    ("src/proto/session/open.rs", "USEFUL_AFTER: Duration", "Duration::from_secs(30)", "or lasted 30 seconds"),
    ("src/proto/session/policy.rs", "SHORTEST_WAIT: Duration", "Duration::from_millis(100)", "never below 0.1 seconds"),
    ("src/proto/session/policy.rs", "LONGEST_RETRY_AFTER: Duration", "Duration::from_secs(3600)", "and up to an hour"),
    ("src/proto/session/mod.rs", "MAX_REFUSALS: u32", "10", "final after ten times in a row"),
    (
        "src/proto/session/mod.rs",
        "CLOSE_TIMEOUT: Duration",
        "Duration::from_secs(1)",
        "Close the connections (at most one second)",
    ),
    (
        "src/proto/session/staleness.rs",
        "MAX_DOUBLED: Duration",
        "Duration::from_secs(3600)",
        "It doubles, up to an hour",
    ),
    ("src/proto/http/secrets.rs", "MIN_TOKEN: usize", "16", "Those of 16 characters or more"),
    (
        "src/proto/dialect/conversation.rs",
        "STALE_UNKNOWN: Duration",
        "Duration::from_secs(120)",
        "120 seconds while the dialect is unknown",
    ),
    (
        "src/proto/dialect/neurograph/binary.rs",
        "MAX_RATIO: usize",
        "100",
        "and to 100 times its size or 64K if that is more",
    ),
    (
        "src/proto/dialect/neurograph/binary.rs",
        "MIN_LIMIT: usize",
        "64 << 10",
        "and to 100 times its size or 64K if that is more",
    ),
    ("src/proto/dialect/pmdaemon/state.rs", "MOVED_POINTS: f64", "5.0", "moved by 5 points or by 10 % of the memory"),
    ("src/proto/dialect/pmdaemon/state.rs", "MOVED_PART: f64", "0.1", "moved by 5 points or by 10 % of the memory"),
    (
        "src/proto/dialect/fastpluggy/client_id.rs",
        "GONE_AFTER: Duration",
        "Duration::from_secs(90)",
        "with 1000 after 60 to 90 seconds",
    ),
    ("src/monitor/schedule.rs", "MAX_DIALS: usize", "64", "At most 64 attempts to connect are in progress"),
    (
        "src/net/transport/mod.rs",
        "STEP_COUNTS_FOR: Duration",
        "Duration::from_secs(1)",
        "waited for the network for a second",
    ),
    (
        "src/monitor/connection_log.rs",
        "RECALL_AFTER: [u64; 4]",
        "[1, 5, 15, 60]",
        "is recalled after 1, 5, 15 and 60 minutes and then every hour",
    ),
    (
        "src/monitor/connection_log.rs",
        "STEADY_AFTER: Duration",
        "Duration::from_secs(600)",
        "again and again within ten minutes",
    ),
    ("src/monitor/sources.rs", "MAX_FILE: usize", "64 << 10", "All of these are UTF-8 and hold at most 64 KiB."),
    ("src/cli/server_list.rs", "MAX_FILE: usize", "4 << 20", "at most 10000 servers and 4 MiB, and a line 64 KiB"),
    (
        "src/cli/plan/server_lines.rs",
        "MAX_SERVERS: usize",
        "10_000",
        "at most 10000 servers and 4 MiB, and a line 64 KiB",
    ),
    (
        "src/cli/plan/server_lines.rs",
        "MAX_LINE: usize",
        "64 << 10",
        "at most 10000 servers and 4 MiB, and a line 64 KiB",
    ),
    ("src/cli/plan/check.rs", "DURATION: Duration", "Duration::from_secs(10)", "is 10 seconds (plus the time of"),
    (
        "src/cli/plan/check.rs",
        "PING_INTERVAL: Duration",
        "Duration::from_secs(1)",
        "pings are sent every second if a rule is on",
    ),
    ("src/cli/check/mod.rs", "MAX_FINDINGS: usize", "5", "each with its range, and at most five"),
    ("src/cli/textfile.rs", "INTERVAL: Duration", "Duration::from_secs(15)", "at most every 15 seconds or every"),
    ("src/cli/textfile.rs", "MODE: u32", "0o644", "by a new one with the mode 0644 beside it"),
    ("src/cli/listen/answer.rs", "MAX_HEAD: usize", "8 << 10", "with a head of at most 8 KiB, and 10 seconds"),
    (
        "src/cli/listen/mod.rs",
        "WITHIN: Duration",
        "Duration::from_secs(10)",
        "with a head of at most 8 KiB, and 10 seconds",
    ),
    ("src/cli/listen/mod.rs", "MAX_CLIENTS: usize", "16", "There are 16 at most"),
    (
        "src/cli/on_alert/queue.rs",
        "HOLD: Duration",
        "Duration::from_secs(60)",
        "none within 60 seconds of the last one",
    ),
    ("src/cli/on_alert/queue.rs", "MAX_RUNNING: usize", "4", "Four commands run at a time in all, and 64 alerts wait"),
    ("src/cli/on_alert/queue.rs", "MAX_WAITING: usize", "64", "Four commands run at a time in all, and 64 alerts wait"),
    ("src/cli/on_alert/queue.rs", "PATIENCE: Duration", "Duration::from_secs(60)", "After 60 seconds it gets a"),
    ("src/cli/on_alert/queue.rs", "GRACE: Duration", "Duration::from_secs(5)", "and 5 seconds later a"),
    ("src/cli/on_alert/notice.rs", "MAX_PART: usize", "500", "cut at some hundred characters each"),
    (
        "src/cli/notify/notices.rs",
        "STATUS_INTERVAL: Duration",
        "Duration::from_secs(1)",
        "how many servers are up, at most once a second",
    ),
    (
        "src/cli/run/finish.rs",
        "LAST_FLUSH: Duration",
        "Duration::from_secs(1)",
        "its reader did not read for a second at the end",
    ),
    ("src/cli/run/frames.rs", "LOG_FROM: usize", "8", "On a screen of at least 8 rows the latest line of the log"),
    (
        "src/cli/view/frames.rs",
        "FRAME: Duration",
        "Duration::from_secs(1)",
        "by default a second on a terminal and a minute elsewhere",
    ),
    (
        "src/cli/view/frames.rs",
        "BLOCK: Duration",
        "Duration::from_secs(60)",
        "by default a second on a terminal and a minute elsewhere",
    ),
    ("src/fleet/board/row.rs", "HISTORY: usize", "10", "processor use in the ten latest samples"),
    ("src/format/influx.rs", "MAX_TAG: usize", "4096", "Tags are cut to 4096 bytes."),
    ("src/format/lines.rs", "MAX_LINES: usize", "1000", "A section has at most 1000 lines"),
    ("src/format/style.rs", "MAX_FULL_TEXT: usize", "1 << 16", "and a text 65536 characters"),
    ("src/format/detailed.rs", "MAX_SHOWN: usize", "128", "a list on a line at most 128 elements"),
    (
        "src/format/processes.rs",
        "MAX_WIDTH: usize",
        "80",
        "has at most 80 columns of text and the first 8 characters of each ID",
    ),
    ("src/format/event_lines.rs", "NEWEST: usize", "3", "their number and the newest three"),
    ("src/format/users.rs", "BUSIEST: usize", "3", "The number of users and the busiest three"),
    ("src/model/stats.rs", "MAX_ERRORS: usize", "5", "the number of errors, and the last five with time and type"),
];

/// Numbers of the README, and the line of another file that decides them.
const OF_FILES: [(&str, &str, &str); 4] = [
    ("Cargo.toml", "rust-version = \"1.85\"", "with Rust 1.85 or newer"),
    ("tests/denied.sh", "# The largest number of a system call of Linux 2.6.28", "Linux only, 2.6.28 or newer"),
    ("tests/autobahn.sh", "len(cases) != 517", "517 cases over ws and over wss"),
    (".ci/run", "big_endian=mips-unknown-linux-musl", "big-endian MIPS"),
];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text without macros and line ends.
fn prose(source: &str) -> String {
    let is_macro = |word: &&str| word.starts_with('.') || (word.len() == 2 && word.starts_with(char::is_uppercase));
    let lines = source.lines().map(|line| match line.starts_with('.') {
        true => line.split(' ').skip_while(is_macro).collect::<Vec<_>>().join(" "),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_numbers_of_the_manual_are_the_constants_of_the_sources() {
    let manual = prose(MANUAL);
    for (file, constant, value, said) in BOUNDS {
        assert!(read(file).contains(&format!("const {constant} = {value};")), "{file}: {constant} = {value}: {said}");
        assert!(manual.contains(said), "{constant} of {file}: the manual does not say: {said}");
    }
}

#[test]
fn the_numbers_of_the_readme_are_those_of_the_files_that_decide_them() {
    for (file, decided, said) in OF_FILES {
        assert!(read(file).contains(decided), "{file}: {decided}");
        assert!(README.contains(said), "{said}");
    }
    let checks = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/consumers")).expect("a directory");
    let checks: usize = checks
        .filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.extension().is_some_and(|end| end == "sh")))
        .map(|path| read(&path.to_string_lossy()).lines().filter(|line| line.starts_with("declare_check ")).count())
        .sum();
    assert!(README.contains(&format!("{checks} checks")), "{checks} checks");
}
