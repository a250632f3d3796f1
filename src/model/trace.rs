//! Log records at debug and trace level, which the command shows with `-v` and `-vv`.
//!
//! They do not go through the macros of `log`: the command is built with `release_max_level_info`, which removes what its
//! dependencies would log (whole frames, 8 KB of code), and the macros here with it.

use std::fmt;

use log::{Level, LevelFilter, Record};

/// Returns true if records at trace level are wanted.
pub fn is_on() -> bool {
    log::max_level() == LevelFilter::Trace
}

/// Logs a line about a server at trace level. Label and text must be escaped and hold no secrets.
pub fn trace(label: &str, text: fmt::Arguments<'_>) {
    log(Level::Trace, format_args!("{label}: {text}"));
}

/// Logs a line at debug level. It must hold no secrets.
pub fn debug(text: fmt::Arguments<'_>) {
    log(Level::Debug, text);
}

/// Logs a line at any level.
pub fn log(level: Level, text: fmt::Arguments<'_>) {
    if level <= log::max_level() {
        log::logger().log(&Record::builder().level(level).target(module_path!()).args(text).build());
    }
}
