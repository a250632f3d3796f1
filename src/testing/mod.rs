//! What tests share: recorded traffic, fuzz targets and their inputs.

pub mod fuzz;
#[cfg(test)]
pub mod recordings;
