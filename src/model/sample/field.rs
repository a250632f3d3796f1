//! Table rows that tell how the members of a server's message become a sample.

use std::fmt;

use crate::model::metric::{Metric, Text};

/// A member that a dialect knows: its key and the rule for its value.
pub struct Field(pub &'static str, pub FieldRule);

/// Prints the key only: rows may contain themselves.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The rule for a member's value.
#[derive(Debug)]
pub enum FieldRule {
    /// An object with its own rows.
    Into(&'static [Field]),
    /// A list of objects; the rows apply to the first.
    First(&'static &'static [Field]),
    /// A number; multiplied by the factor it is in the metric's unit.
    Number(Metric, f64),
    /// As `Number`, but any other member with the same metric takes precedence.
    Else(Metric, f64),
    /// As `Number`, but 0 means unknown.
    NonZero(Metric, f64),
    /// A list of numbers, one for each metric.
    Numbers(&'static [Metric]),
    /// A text of values separated by commas, one for each metric, parsed by the function; or a list of numbers.
    Words(&'static [Metric], fn(&str) -> Option<f64>),
    /// A text; empty means absent.
    Text(Text),
    /// The message's time stamp: a text, or seconds since 1970.
    At,
    /// A list of percentages, one for each logical processor.
    PerCore,
    /// The alerts that are part of the message.
    Alerts,
    /// The users that are part of the message.
    Users,
    /// A member about the message itself, such as its type; not shown under `Other`.
    Envelope,
}
