//! The log: records go into a bounded buffer, which the loop drains into stderr's queue or the log file.
//!
//! env_logger would write to stderr itself and block on its reader. Here it only filters records by level and target. The
//! loop drains the buffer at least once per turn and puts the time of the turn on the lines.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

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

/// Installs a logger that writes records of `level` and above into the returned buffer.
///
/// # Errors
/// A logger has been installed before.
pub fn install(level: LevelFilter) -> Result<LogBuffer, SetLoggerError> {
    let buffer = LogBuffer::default();
    log::set_boxed_logger(Box::new(logger(level, &buffer)))?;
    log::set_max_level(level);
    Ok(buffer)
}

/// Records that wait for the loop. Clones share one buffer.
#[derive(Clone, Default)]
pub struct LogBuffer(Arc<Mutex<Buffered>>);

#[derive(Default)]
struct Buffered {
    /// One `LEVEL text` per line, each with a line feed.
    lines: String,
    dropped: u64,
}

impl LogBuffer {
    /// Passes each line to `each` as `2026-01-02T03:04:05.678Z LEVEL text`, without a line feed, and empties the buffer.
    /// `wall` is the time of the turn.
    ///
    /// The lines are taken out first, so that `each` may log: such records wait for the next drain.
    pub fn drain(&self, wall: SystemTime, mut each: impl FnMut(&str, Level)) {
        let Buffered { lines, dropped } = mem::take(&mut *self.lock());
        if lines.is_empty() && dropped == 0 {
            return;
        }
        let time = humantime::format_rfc3339_millis(wall);
        for line in lines.lines() {
            let level = Level::iter().find(|level| line.starts_with(level.as_str())).unwrap_or(Level::Info);
            each(&format!("{time} {line}"), level);
        }
        if dropped > 0 {
            each(&format!("{time} WARN {dropped} log lines dropped, too many at once"), Level::Warn);
        }
    }

    fn push(&self, line: &str) {
        let mut buffered = self.lock();
        match buffered.lines.len() + line.len() <= MAX_BYTES {
            true => buffered.lines.push_str(line),
            false => buffered.dropped += 1,
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
            self.buffer.push(&format!("{} {}\n", record.level(), wsmon::escape(&text)));
        }
    }

    fn flush(&self) {}
}

fn logger(level: LevelFilter, buffer: &LogBuffer) -> BufferedLogger {
    // The format is never used. Naming one keeps env_logger's default format out of the binary.
    let filter = Builder::new().filter(Some(TARGET), level).format(|_, _| Ok(())).build();
    BufferedLogger { filter, buffer: buffer.clone() }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn record(logger: &BufferedLogger, target: &str, level: Level, text: &str) {
        logger.log(&Record::builder().target(target).level(level).args(format_args!("{text}")).build());
    }

    fn drained(buffer: &LogBuffer) -> Vec<(String, Level)> {
        let mut lines = Vec::new();
        let wall = UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
        buffer.drain(wall, |line, level| lines.push((line.to_owned(), level)));
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
        buffer.drain(UNIX_EPOCH, |_, _| record(&logger, "wsmon", Level::Info, "two"));
        assert_eq!(texts(&buffer), ["INFO two"]);
    }
}
