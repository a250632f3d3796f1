//! Shared by tests: recorded traffic, a random generator, and the fuzz targets with their inputs.

#[cfg(test)]
pub mod dialect;
#[cfg(test)]
pub mod dns_reply;
pub mod fuzz;
#[cfg(test)]
pub mod random;
pub mod recordings;
#[cfg(test)]
pub(crate) mod temp_dir;
#[cfg(test)]
pub mod tokens;
