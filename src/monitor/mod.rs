//! The event loop, one peer for each server that it watches, and the interfaces of the library: Monitor, Watch and Decoder.
//!
//! The `event_loop` has the only poll and the only clock. In each turn it gives the peers that are ready or due theirs, as
//! the `schedule` tells. A `peer` joins a session, a connection and a `decoder`, and passes on messages and reports.

pub mod clock;
pub mod clock_jumps;
pub mod connection_log;
pub mod credentials;
pub mod decoder;
pub mod delivery;
pub mod event_loop;
pub mod inspect;
pub mod peer;
pub mod random;
pub mod report;
pub mod saved;
mod schedule;
pub mod server;
mod settings;
pub mod sources;
pub mod timetable;
pub mod watch;
