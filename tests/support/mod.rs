//! Shared parts of the integration tests: a WebSocket server that is scripted down to the byte ([`server`]), recordings
//! of real servers to replay ([`recording`]), the program as a child process ([`program`]), and temporary directories
//! ([`temp_dir`]).
//!
//! Every wait is bounded by [`PATIENCE`] and ends with the event that it waits for; nothing sleeps.

pub mod program;
pub mod recording;
pub mod server;
pub mod temp_dir;

use std::time::Duration;

/// Upper bound on a test's wait for an event. It leaves ample time for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// True for what no output may have from a server: control characters but the line feed, line separators, and what turns
/// text around.
pub fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
