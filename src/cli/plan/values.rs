//! The values of options that are names or numbers of the command's own, and the words about wrong ones.

use std::path::PathBuf;

use log::LevelFilter;

use super::{SAVE_FORMATS, When};
use crate::cli::help;
use crate::cli::logging;
use crate::cli::stream::queue::WhenFull;

/// Stores a value that could be read.
pub(super) fn put<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

/// Formats the error in a value, which may be as long as a command line can be: only its beginning is quoted.
pub(super) fn value_error(name: &str, text: &str, why: &str) -> String {
    const MOST_CHARS: usize = 200;
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{name} '{}...': {why}", &text[..end]),
        None => format!("{name} '{text}': {why}"),
    }
}

pub(super) fn file(text: &str) -> Result<PathBuf, String> {
    match text {
        "" => Err("no file is named".to_owned()),
        path => Ok(PathBuf::from(path)),
    }
}

pub(super) fn command(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("no command is given".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

pub(super) fn format_name(text: &str) -> Result<&'static str, String> {
    wsmon::format(text).map(|format| format.name).ok_or_else(|| choose_from(&help::formats()))
}

pub(super) fn save_format(text: &str) -> Result<&'static str, String> {
    let name = SAVE_FORMATS.into_iter().find(|name| *name == text);
    name.ok_or_else(|| choose_from(&SAVE_FORMATS.join(", ")))
}

pub(super) fn when(text: &str) -> Result<When, String> {
    match text {
        "auto" => Ok(When::Auto),
        "always" => Ok(When::Always),
        "never" => Ok(When::Never),
        _ => Err(choose_from("auto, always, never")),
    }
}

pub(super) fn when_full(text: &str) -> Result<WhenFull, String> {
    match text {
        "drop" => Ok(WhenFull::Drop),
        "wait" => Ok(WhenFull::Wait),
        _ => Err(choose_from("drop, wait")),
    }
}

/// Reads the level names of the original client and those of this log; `critical` shows errors only.
pub(super) fn log_level(text: &str) -> Result<LevelFilter, String> {
    logging::parse_level(text).ok_or_else(|| choose_from("trace, debug, info, warning, error, critical, off"))
}

/// Returns true for JSON.
pub(super) fn log_format(text: &str) -> Result<bool, String> {
    match text {
        "text" => Ok(false),
        "json" => Ok(true),
        _ => Err(choose_from("text, json")),
    }
}

/// Reads a number of servers; `all` is `None`.
pub(super) fn required(text: &str) -> Result<Option<usize>, String> {
    match text.trim().parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Err(_) if text.trim() != "all" => Err("not a number of servers, nor all".to_owned()),
        number => Ok(number.ok()),
    }
}

pub(super) fn choose_from(names: &str) -> String {
    format!("choose from {names}")
}
