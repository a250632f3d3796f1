//! Log records at debug and trace level, which the command shows with `-v` and `-vv`.
//!
//! They do not go through the macros of `log`: the command is built with `release_max_level_info`, which removes what its
//! dependencies would log (whole frames, 8 KB of code), and the macros here with it.

use std::fmt;

use log::{Level, LevelFilter, Record};

use crate::model::text::escape;

/// Returns true if records at trace level are wanted.
pub fn is_on() -> bool {
    log::max_level() == LevelFilter::Trace
}

/// The target of records about one server. They begin with its label and a colon.
pub const SERVER_TARGET: &str = "wsmon::server";

/// Logs a line about a server at trace level. Label and text must be escaped and hold no secrets.
pub fn trace(label: &str, text: fmt::Arguments<'_>) {
    server(Level::Trace, label, text);
}

/// Logs a line about a server at any level. Label and text must be escaped and hold no secrets.
pub fn server(level: Level, label: &str, text: fmt::Arguments<'_>) {
    record(level, SERVER_TARGET, format_args!("{label}: {text}"));
}

/// Logs a line about the server of this label, which is escaped. The text must be escaped and hold no secrets.
pub fn of_server(level: Level, label: &str, text: &str) {
    server(level, &escape(label), format_args!("{text}"));
}

/// Logs a line at debug level. It must hold no secrets.
pub fn debug(text: fmt::Arguments<'_>) {
    record(Level::Debug, module_path!(), text);
}

fn record(level: Level, target: &str, text: fmt::Arguments<'_>) {
    if level <= log::max_level() {
        log::logger().log(&Record::builder().level(level).target(target).args(text).build());
    }
}
