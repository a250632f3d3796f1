//! What the integration tests stand on: a WebSocket server that does as it is told, down to the byte
//! ([`server`]), recordings of real servers to play back ([`recording`]), the program itself as a
//! child process ([`program`]), and directories that go away again ([`scratch`]).
//!
//! Every wait has a bound of [`PATIENCE`] and ends early; nothing sleeps.

pub mod program;
pub mod recording;
pub mod server;
pub mod temp_dir;

use std::time::Duration;

/// How long a test waits for what must happen. Far above what it takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
