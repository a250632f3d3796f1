//! Many servers at a time: the latest of each, means over time, and rules about them. Imports the model, and for its table
//! the style of the formats.
//!
//! All of it is pure: times are arguments, and nothing is opened, printed or waited for.

pub mod average;
pub mod board;
pub mod exposition;
pub mod grammar;
pub mod perfdata;
pub mod quantity;
pub mod range;
pub mod rules;
pub mod table;
mod value;

#[cfg(test)]
mod tests;
