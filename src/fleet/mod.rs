//! Many servers at a time: the latest of each, means over time, and rules about them. Imports the model only.
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
mod value;

#[cfg(test)]
mod tests;
