//! Output formats: each a row of [`FORMATS`] and a file of its own.

mod number;

use crate::event::Shown;
use crate::stats::Statistics;
use crate::style::Style;

/// An output format. Programs may make their own.
#[derive(Debug)]
pub struct Format {
    /// Its name for `--format`.
    pub name: &'static str,
    /// What it is good for, in a few words.
    pub about: &'static str,
    /// Appends the lines of one message, each with its line feed; nothing where there is nothing to show.
    pub write: fn(&mut String, &Shown<'_>, &Style),
    /// Appends the statistics, with line feed.
    pub stats: fn(&mut String, &Statistics, &Style),
    /// Appends what stands where so many messages are missing, because the reader was too slow.
    pub gap: Option<fn(u64) -> String>,
}

/// Every format, in the order in which they are named to users.
pub static FORMATS: &[Format] = &[];

/// The format of that name.
#[must_use]
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}
