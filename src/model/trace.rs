//! Log records at trace level, which the command shows with `-vv`.
//!
//! They do not go through the macros of `log`: the command is built with `release_max_level_debug`, which removes what
//! its dependencies would trace (whole frames, 5 KB of code), and the macros here with it.

use std::fmt;

use log::{Level, LevelFilter, Record};

/// Returns true if records at trace level are wanted.
pub fn is_on() -> bool {
    log::max_level() == LevelFilter::Trace
}

/// Logs a line about a server at trace level. Label and text must be escaped and hold no secrets.
pub fn trace(label: &str, text: fmt::Arguments<'_>) {
    if is_on() {
        let record = &mut Record::builder();
        record.level(Level::Trace).target(module_path!());
        log::logger().log(&record.args(format_args!("{label}: {text}")).build());
    }
}
