//! The event loop and what it drives: one peer for each server.

pub mod connection_log;
pub mod credentials;
pub mod event_loop;
pub mod peer;
pub mod random;
pub mod server;
pub mod sources;
pub mod watch;
