//! Output streams with a reader that may be slow or absent: a bounded queue in front of a descriptor that never blocks.

pub mod descriptor;
pub mod queue;
pub mod sink;
