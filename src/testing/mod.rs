//! What tests share: recorded traffic, fuzz targets and their inputs.

#[cfg(test)]
pub mod dns_reply;
pub mod fuzz;
#[cfg(test)]
pub mod recordings;
#[cfg(test)]
pub(crate) mod temp_dir;
