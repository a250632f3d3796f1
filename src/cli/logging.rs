//! The log: records go into a bounded buffer, which the loop drains into stderr's queue or the log file.
//!
//! env_logger would write to stderr itself and block on its reader. Here it only filters records by level and target. The
//! loop drains the buffer at least once per turn. A line bears the time at which it was made: a turn may take long.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use env_logger::{Builder, Logger};
use log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};

/// Upper bound on the text buffered between two drains; further lines are dropped and counted.
const MAX_BYTES: usize = 64 << 10;

/// The only target that is logged: tungstenite logs whole requests, including credentials.
const TARGET: &str = env!("CARGO_CRATE_NAME");

/// Parses a level of `--log-level`, in upper or lower case. `critical` is the same as `error`, the highest level that
/// there is.
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

/// Returns the present time as the log writes it: `2026-01-02T03:04:05.678Z`.
pub type Stamp = fn() -> String;

/// Installs a logger that writes records of `level` and above into the returned buffer.
///
/// # Errors
/// A logger has been installed before.
pub fn install(level: LevelFilter, stamp: Stamp) -> Result<LogBuffer, SetLoggerError> {
    let buffer = LogBuffer::default();
    log::set_boxed_logger(Box::new(logger(level, stamp, &buffer)))?;
    log::set_max_level(level);
    Ok(buffer)
}

/// Records that wait for the loop. Clones share one buffer.
#[derive(Clone, Default)]
pub struct LogBuffer(Arc<Mutex<Buffered>>);

#[derive(Default)]
struct Buffered {
    /// One `STAMP LEVEL text` per line, each with a line feed.
    lines: String,
    dropped: u64,
    /// Time of the latest line that was dropped.
    dropped_at: String,
}

impl LogBuffer {
    /// Passes each line to `each` as `2026-01-02T03:04:05.678Z LEVEL text`, without a line feed, and empties the buffer.
    ///
    /// The lines are taken out first, so that `each` may log: such records wait for the next drain.
    pub fn drain(&self, mut each: impl FnMut(&str, Level)) {
        let Buffered { lines, dropped, dropped_at } = mem::take(&mut *self.lock());
        for line in lines.lines() {
            let word = line.split(' ').nth(1).unwrap_or_default();
            each(line, Level::iter().find(|level| word == level.as_str()).unwrap_or(Level::Info));
        }
        if dropped > 0 {
            each(&format!("{dropped_at} WARN {dropped} log lines dropped, too many at once"), Level::Warn);
        }
    }

    fn push(&self, stamp: String, level: Level, text: &str) {
        let mut buffered = self.lock();
        if buffered.lines.len() + stamp.len() + text.len() + 8 > MAX_BYTES {
            buffered.dropped += 1;
            buffered.dropped_at = stamp;
            return;
        }
        for part in [&stamp, " ", level.as_str(), " ", text, "\n"] {
            buffered.lines.push_str(part);
        }
    }

    /// Nothing panics while holding the lock, so a poisoned one needs no treatment.
    fn lock(&self) -> MutexGuard<'_, Buffered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The logger: filters by env_logger, writes into the buffer.
struct BufferedLogger {
    filter: Logger,
    stamp: Stamp,
    buffer: LogBuffer,
}

impl Log for BufferedLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // Escaped, a record is one line, and text of a server that it quotes cannot control the terminal.
            let text = record.args().to_string();
            self.buffer.push((self.stamp)(), record.level(), &wsmon::escape(&text));
        }
    }

    fn flush(&self) {}
}

fn logger(level: LevelFilter, stamp: Stamp, buffer: &LogBuffer) -> BufferedLogger {
    // The format is never used. Naming one keeps env_logger's default format out of the binary.
    let filter = Builder::new().filter(Some(TARGET), level).format(|_, _| Ok(())).build();
    BufferedLogger { filter, stamp, buffer: buffer.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = || "2026-01-02T03:04:05.678Z".to_owned();

    fn logger(level: LevelFilter, buffer: &LogBuffer) -> BufferedLogger {
        super::logger(level, STAMP, buffer)
    }

    fn record(logger: &BufferedLogger, target: &str, level: Level, text: &str) {
        logger.log(&Record::builder().target(target).level(level).args(format_args!("{text}")).build());
    }

    fn drained(buffer: &LogBuffer) -> Vec<(String, Level)> {
        let mut lines = Vec::new();
        buffer.drain(|line, level| lines.push((line.to_owned(), level)));
        lines
    }

    fn texts(buffer: &LogBuffer) -> Vec<String> {
        drained(buffer).into_iter().map(|(line, _)| line[25..].to_owned()).collect()
    }

    #[test]
    fn a_line_has_stamp_level_and_text() {
        let buffer = LogBuffer::default();
        record(&logger(LevelFilter::Info, &buffer), "wsmon::session", Level::Warn, "home: lost");
        assert_eq!(drained(&buffer), [("2026-01-02T03:04:05.678Z WARN home: lost".to_owned(), Level::Warn)]);
        assert_eq!(drained(&buffer), []);
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
    fn records_below_the_level_are_not_logged() {
        let buffer = LogBuffer::default();
        let logger = logger(LevelFilter::Warn, &buffer);
        record(&logger, "wsmon", Level::Info, "below");
        record(&logger, "wsmon", Level::Error, "above");
        assert_eq!(texts(&buffer), ["ERROR above"]);
    }

    #[test]
    fn records_of_other_crates_are_not_logged() {
        let buffer = LogBuffer::default();
        let logger = logger(LevelFilter::Trace, &buffer);
        record(&logger, "tungstenite::handshake::client", Level::Error, "Authorization: Bearer secret");
        assert!(texts(&buffer).is_empty());
    }

    #[test]
    fn a_record_is_one_line_whatever_it_quotes() {
        let buffer = LogBuffer::default();
        record(&logger(LevelFilter::Info, &buffer), "wsmon", Level::Info, "a\nb\x1b[2J\u{9b}é\u{202e}\u{2028}");
        assert_eq!(texts(&buffer), [r"INFO a\nb\x1b[2J\u{9b}é\u{202e}\u{2028}"]);
    }

    #[test]
    fn lines_beyond_the_bound_are_counted() {
        let buffer = LogBuffer::default();
        let logger = logger(LevelFilter::Info, &buffer);
        let long = "x".repeat(MAX_BYTES / 4);
        for _ in 0..5 {
            record(&logger, "wsmon", Level::Info, &long);
        }
        let lines = texts(&buffer);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[3], "WARN 2 log lines dropped, too many at once");
        assert!(texts(&buffer).is_empty());
    }

    #[test]
    fn records_logged_while_draining_wait_for_the_next_drain() {
        let buffer = LogBuffer::default();
        let logger = logger(LevelFilter::Info, &buffer);
        record(&logger, "wsmon", Level::Info, "one");
        buffer.drain(|_, _| record(&logger, "wsmon", Level::Info, "two"));
        assert_eq!(texts(&buffer), ["INFO two"]);
    }
}
