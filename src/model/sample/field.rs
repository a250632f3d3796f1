//! The members of servers' messages that hold a sample, as rows of a table.

use std::fmt;

use crate::model::metric::{Metric, Text};

/// One member that a dialect knows: its key and what becomes of its value.
pub struct Field(pub &'static str, pub FieldRule);

/// The key alone: rows may contain themselves.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What becomes of a member's value.
#[derive(Debug)]
pub enum FieldRule {
    /// An object with rows of its own.
    Into(&'static [Field]),
    /// A list of objects, of which the first has rows.
    First(&'static &'static [Field]),
    /// A number, multiplied by the factor to get the metric's unit.
    Number(Metric, f64),
    /// As `Number`, but any other spelling of the same metric wins.
    Else(Metric, f64),
    /// As `Number`, but the server writes 0 for what it does not know.
    NonZero(Metric, f64),
    /// A list of numbers, one metric each.
    Numbers(&'static [Metric]),
    /// A text of values with commas between them, one metric each, in the server's own notation; or a list of numbers.
    Words(&'static [Metric], fn(&str) -> Option<f64>),
    /// A text; an empty one counts as absent.
    Text(Text),
    /// The message's time stamp: a text, or seconds since 1970.
    At,
    /// A list of percentages, one for each logical processor.
    PerCore,
    /// Alerts that come with the sample.
    Alerts,
    /// A member that says what the message is, and nothing about the host.
    Envelope,
}
