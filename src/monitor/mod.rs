//! The event loop, one peer for each server that it watches, and the two interfaces of the library: Monitor and Watch.

pub mod clock_jumps;
pub mod connection_log;
pub mod credentials;
pub mod delivery;
pub mod event_loop;
mod inspect;
pub mod peer;
pub mod random;
mod schedule;
pub mod server;
pub mod sources;
pub mod timetable;
pub mod watch;
