//! The log: records go into a bounded buffer, which the loop drains into stderr's queue or the log file.
//!
//! env_logger would write to stderr itself and block on its reader. Here it only filters records by level and target. The
//! loop drains the buffer at least once per turn. A line bears the time at which it was made: a turn may take long. It is
//! text, or a JSON object for collectors of logs.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use env_logger::{Builder, Logger};
use log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};
use wsmon::internal::{SERVER_TARGET, log_of_server};
use wsmon::{Event, Message};

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
pub fn install(level: LevelFilter, json: bool, stamp: Stamp) -> Result<LogBuffer, SetLoggerError> {
    let buffer = LogBuffer { json, ..LogBuffer::default() };
    log::set_logger(Box::leak(Box::new(logger(level, stamp, &buffer))))?;
    log::set_max_level(level);
    Ok(buffer)
}

/// Takes the events that are for the log alone, and logs those that are warnings about a server.
pub fn take(message: &Message<'_>) -> bool {
    if let [Event::Warning(warning)] = message.events {
        log_of_server(Level::Warn, message.server, &warning.text);
    }
    matches!(message.events, [Event::Warning(_) | Event::Unanswered(_)])
}

/// Records that wait for the loop. Clones share one buffer.
#[derive(Clone, Default)]
pub struct LogBuffer {
    buffered: Arc<Mutex<Buffered>>,
    /// True if lines are JSON objects.
    json: bool,
}

#[derive(Default)]
struct Buffered {
    /// Each with a line feed.
    lines: String,
    /// Those of the lines.
    levels: Vec<Level>,
    dropped: u64,
    /// Time of the latest line that was dropped.
    dropped_at: String,
}

impl LogBuffer {
    /// Returns true if lines are JSON objects.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Passes each line to `each`, without a line feed, and empties the buffer. A line is
    /// `2026-01-02T03:04:05.678Z LEVEL text` or a JSON object.
    ///
    /// The lines are taken out first, so that `each` may log: such records wait for the next drain.
    pub fn drain(&self, mut each: impl FnMut(&str, Level)) {
        let mut buffered = self.lock();
        // Nearly always: it is drained after each message.
        if buffered.levels.is_empty() && buffered.dropped == 0 {
            return;
        }
        let Buffered { lines, levels, dropped, dropped_at } = mem::take(&mut *buffered);
        drop(buffered);
        for (line, level) in lines.lines().zip(levels) {
            each(line, level);
        }
        if dropped > 0 {
            let text = format!("{dropped} log lines dropped, too many at once");
            each(self.line(&dropped_at, Level::Warn, &text, false).trim_end(), Level::Warn);
        }
    }

    fn push(&self, stamp: String, level: Level, text: &str, of_server: bool) {
        let line = self.line(&stamp, level, text, of_server);
        let mut buffered = self.lock();
        if buffered.lines.len() + line.len() > MAX_BYTES {
            buffered.dropped += 1;
            buffered.dropped_at = stamp;
            return;
        }
        buffered.lines.push_str(&line);
        buffered.levels.push(level);
    }

    /// Formats a line. In JSON the label, with which a text about a server begins, is a member of its own.
    fn line(&self, stamp: &str, level: Level, text: &str, of_server: bool) -> String {
        let mut line = String::new();
        if !self.json {
            for part in [stamp, " ", level.as_str(), " ", text, "\n"] {
                line.push_str(part);
            }
            return line;
        }
        let word = level.as_str().to_ascii_lowercase();
        let (server, text) = text.split_once(": ").filter(|_| of_server).unwrap_or(("", text));
        for (name, value) in
            [("{\"time\":", stamp), (",\"level\":", &word), (",\"server\":", server), (",\"message\":", text)]
        {
            if !value.is_empty() || name.ends_with("message\":") {
                line.push_str(name);
                wsmon::internal::push_json_string(&mut line, value);
            }
        }
        line.push_str("}\n");
        line
    }

    /// Nothing panics while holding the lock, so a poisoned one needs no treatment.
    fn lock(&self) -> MutexGuard<'_, Buffered> {
        self.buffered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a line of text as the journal of systemd takes it: with a priority in the place of time and level.
pub fn journal_line(line: &str, level: Level) -> String {
    let priority = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    format!("<{priority}>{}", line.splitn(3, ' ').nth(2).unwrap_or_default())
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
            let of_server = record.target() == SERVER_TARGET;
            self.buffer.push((self.stamp)(), record.level(), &wsmon::escape(&text), of_server);
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
    fn a_line_of_json_is_an_object_whose_text_is_that_of_the_line_of_text() {
        let buffer = LogBuffer { json: true, ..LogBuffer::default() };
        let logger = logger(LevelFilter::Trace, &buffer);
        let server = wsmon::internal::SERVER_TARGET;
        for (target, level, text, members) in [
            (server, Level::Warn, "nas: lost: closed", r#""level":"warn","server":"nas","message":"lost: closed"}"#),
            (server, Level::Info, "[::1]:8765: up", r#""level":"info","server":"[::1]:8765","message":"up"}"#),
            (server, Level::Trace, "a: ", r#""level":"trace","server":"a","message":""}"#),
            ("wsmon", Level::Error, "f: \"q\" \\", r#""level":"error","message":"f: \"q\" \\"}"#),
            (
                "wsmon",
                Level::Debug,
                "a\nb\u{1b}[2J\u{9b}\u{202e}é",
                r#""level":"debug","message":"a\\nb\\x1b[2J\\u{9b}\\u{202e}é"}"#,
            ),
            ("wsmon", Level::Debug, "", r#""level":"debug","message":""}"#),
        ] {
            record(&logger, target, level, text);
            let expected = format!(r#"{{"time":"2026-01-02T03:04:05.678Z",{members}"#);
            assert_eq!(drained(&buffer), [(expected, level)]);
        }
        record(&logger, "wsmon", Level::Info, &"x".repeat(MAX_BYTES));
        let (line, level) = drained(&buffer).remove(0);
        let members = r#""level":"warn","message":"1 log lines dropped, too many at once"}"#;
        assert_eq!((line, level), (format!(r#"{{"time":"2026-01-02T03:04:05.678Z",{members}"#), Level::Warn));
    }

    #[test]
    fn a_line_for_the_journal_has_a_priority_and_no_time() {
        for (level, line) in [
            (Level::Error, "<3>nas: a  b"),
            (Level::Warn, "<4>nas: a  b"),
            (Level::Info, "<6>nas: a  b"),
            (Level::Debug, "<7>nas: a  b"),
            (Level::Trace, "<7>nas: a  b"),
        ] {
            let buffer = LogBuffer::default();
            record(&logger(LevelFilter::Trace, &buffer), "wsmon", level, "nas: a  b");
            buffer.drain(|text, level| assert_eq!(journal_line(text, level), line));
        }
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
