//! What every other part speaks of: events, samples, statistics, errors, times. Imports nothing else of the crate.

pub mod error;
pub mod event;
pub mod json;
pub mod metric;
pub mod sample;
pub mod stats;
pub mod text;
pub mod time;
