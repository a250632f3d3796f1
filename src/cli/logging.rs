//! The client's own words: through `log` into memory, and out by the loop when it is their turn.
//!
//! env_logger would write to stderr itself, and wait for whoever reads it. Here it only says which
//! records count; they go into a bounded tap. The loop drains it once a turn, stamps the lines with
//! the turn's time and pushes them into a queue of its own.

use std::fmt::Write;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use env_logger::{Builder, Logger};
use log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};

/// What one turn of the loop may say; more is dropped and counted.
const MOST: usize = 64 << 10;

/// Only our own records: tungstenite logs whole requests, and with them credentials.
const OURS: &str = env!("CARGO_CRATE_NAME");

/// The level of `--log-level`, in any case: `off`, `critical`, `error`, `warning`, `warn`, `info`,
/// `debug`, `trace`. Nothing is more than an error, so `critical` shows errors.
pub fn parse_level(name: &str) -> Option<LevelFilter> {
    Some(match name.to_ascii_lowercase().as_str() {
        "off" => LevelFilter::Off,
        "critical" | "error" => LevelFilter::Error,
        "warning" | "warn" => LevelFilter::Warn,
        "info" => LevelFilter::Info,
        "debug" => LevelFilter::Debug,
        "trace" => LevelFilter::Trace,
        _ => return None,
    })
}

/// Makes `log` write into the tap that is returned, from `level` on.
///
/// # Errors
/// There is a logger already.
pub fn install(level: LevelFilter) -> Result<LogBuffer, SetLoggerError> {
    let tap = LogBuffer::default();
    let logger = logger(level, &tap);
    log::set_boxed_logger(Box::new(logger))?;
    log::set_max_level(level);
    Ok(tap)
}

/// Where records wait for the loop; clones share them.
#[derive(Clone, Default)]
pub struct LogBuffer(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    /// `LEVEL text` and a line feed each.
    lines: String,
    lost: u64,
}

impl LogBuffer {
    /// Hands out each line, `2026-01-02T03:04:05.678Z LEVEL text` without a line feed, and leaves
    /// the tap empty. `wall` is the time of the turn. What `each` logs itself waits for the next.
    pub fn drain(&self, wall: SystemTime, mut each: impl FnMut(&str, Level)) {
        let taken = mem::take(&mut *self.lock());
        if taken.lines.is_empty() && taken.lost == 0 {
            return;
        }
        let mut line = humantime::format_rfc3339_millis(wall).to_string();
        line.push(' ');
        let stamp = line.len();
        let mut put = |text: &dyn std::fmt::Display, level| {
            line.truncate(stamp);
            // Writing into a String cannot fail.
            let _ = write!(line, "{text}");
            each(&line, level);
        };
        for text in taken.lines.lines() {
            put(&text, level_of(text));
        }
        if taken.lost > 0 {
            put(&format_args!("WARN {} log lines dropped, too many at once", taken.lost), Level::Warn);
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        let waiting = self.lock();
        waiting.lines.is_empty() && waiting.lost == 0
    }

    fn push(&self, line: &str) {
        let mut waiting = self.lock();
        match waiting.lines.len() + line.len() <= MOST {
            true => waiting.lines.push_str(line),
            false => waiting.lost += 1,
        }
    }

    /// There is one thread, and nothing in here panics: a poisoned tap is as good as another.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The records that count, into the tap.
struct Tapped {
    filter: Logger,
    tap: LogBuffer,
}

impl Log for Tapped {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let text = record.args().to_string();
            self.tap.push(&format!("{} {}\n", record.level(), one_line(&text)));
        }
    }

    fn flush(&self) {}
}

fn logger(level: LevelFilter, tap: &LogBuffer) -> Tapped {
    // It is never asked to write; without a format of ours, its own would be in the program.
    let filter = Builder::new().filter(Some(OURS), level).format(|_, _| Ok(())).build();
    Tapped { filter, tap: tap.clone() }
}

fn level_of(line: &str) -> Level {
    Level::iter().find(|level| line.starts_with(level.as_str())).unwrap_or(Level::Info)
}

/// Controls and bidirectional overrides as escapes: a record is one line, and no text of a server
/// that it quotes commands the terminal.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if c.is_control() || is_bidirectional(c) => line.extend(c.escape_default()),
            _ => line.push(c),
        }
    }
    line
}

fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn say(logger: &Tapped, target: &str, level: Level, text: &str) {
        logger.log(&Record::builder().target(target).level(level).args(format_args!("{text}")).build());
    }

    fn drained(tap: &LogBuffer) -> Vec<(String, Level)> {
        let mut lines = Vec::new();
        let wall = UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
        tap.drain(wall, |line, level| lines.push((line.to_owned(), level)));
        lines
    }

    fn texts(tap: &LogBuffer) -> Vec<String> {
        drained(tap).into_iter().map(|(line, _)| line[25..].to_owned()).collect()
    }

    #[test]
    fn a_line_has_stamp_level_and_text() {
        let tap = LogBuffer::default();
        say(&logger(LevelFilter::Info, &tap), "wsmon::session", Level::Warn, "home: lost");
        assert_eq!(drained(&tap), [("2026-01-02T03:04:05.678Z WARN home: lost".to_owned(), Level::Warn)]);
        assert_eq!(drained(&tap), []);
    }

    #[test]
    fn levels_are_known_by_every_name() {
        for (name, level) in [
            ("debug", LevelFilter::Debug),
            ("INFO", LevelFilter::Info),
            ("Warning", LevelFilter::Warn),
            ("warn", LevelFilter::Warn),
            ("ERROR", LevelFilter::Error),
            ("Critical", LevelFilter::Error),
            ("trace", LevelFilter::Trace),
            ("off", LevelFilter::Off),
        ] {
            assert_eq!(parse_level(name), Some(level), "{name}");
        }
        assert_eq!((parse_level("loud"), parse_level("")), (None, None));
    }

    #[test]
    fn what_is_below_the_level_is_not_said() {
        let tap = LogBuffer::default();
        let logger = logger(LevelFilter::Warn, &tap);
        say(&logger, "wsmon", Level::Info, "quiet");
        say(&logger, "wsmon", Level::Error, "loud");
        assert_eq!(texts(&tap), ["ERROR loud"]);
    }

    #[test]
    fn other_crates_are_not_let_through() {
        let tap = LogBuffer::default();
        let logger = logger(LevelFilter::Trace, &tap);
        say(&logger, "tungstenite::handshake::client", Level::Error, "Authorization: Bearer secret");
        assert!(texts(&tap).is_empty());
    }

    #[test]
    fn a_record_is_one_line_whatever_it_quotes() {
        let tap = LogBuffer::default();
        say(&logger(LevelFilter::Info, &tap), "wsmon", Level::Info, "a\nb\x1b[2J\u{9b}é\u{202e}");
        assert_eq!(texts(&tap), [r"INFO a\nb\u{1b}[2J\u{9b}é\u{202e}"]);
    }

    #[test]
    fn more_than_fits_is_counted() {
        let tap = LogBuffer::default();
        let logger = logger(LevelFilter::Info, &tap);
        let long = "x".repeat(MOST / 4);
        for _ in 0..5 {
            say(&logger, "wsmon", Level::Info, &long);
        }
        let lines = texts(&tap);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[3], "WARN 2 log lines dropped, too many at once");
        assert!(texts(&tap).is_empty());
    }

    #[test]
    fn what_is_logged_while_draining_waits_for_the_next_turn() {
        let tap = LogBuffer::default();
        let logger = logger(LevelFilter::Info, &tap);
        say(&logger, "wsmon", Level::Info, "one");
        tap.drain(UNIX_EPOCH, |_, _| say(&logger, "wsmon", Level::Info, "two"));
        assert_eq!(texts(&tap), ["INFO two"]);
    }
}
