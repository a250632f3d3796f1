//! What stands between a session and a descriptor that does not take more.

pub mod descriptor;
pub mod queue;
pub mod sink;
