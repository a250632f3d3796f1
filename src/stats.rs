//! What one server's connection, or all of them, came to. The names are the reference client's where it has one.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::event::ClientState;

/// How many errors are remembered.
pub const ERRORS_KEPT: usize = 5;

/// Counters and times of one server, or of all of them.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// The URI, without its secrets; several are joined by a blank.
    pub uri: String,
    /// Text and binary messages received.
    pub messages_received: u64,
    /// Text messages sent.
    pub messages_sent: u64,
    /// Payload bytes of the messages received.
    pub bytes_received: u64,
    /// Payload bytes of the messages sent.
    pub bytes_sent: u64,
    /// When the latest connection was opened.
    pub connection_start: Option<SystemTime>,
    /// How long it has been, or was, open; `None` when there was none.
    pub uptime: Option<Duration>,
    /// Dials after the first one.
    pub reconnect_attempts: u64,
    /// Open connections that ended.
    pub total_disconnections: u64,
    /// The state now.
    pub current_state: ClientState,
    /// Why the latest connection or dial failed.
    pub last_error: Option<String>,
    /// How many failed.
    pub error_count: u64,
    /// The latest of them, oldest first, at most [`ERRORS_KEPT`].
    pub error_history: VecDeque<PastError>,
    /// Since the monitor was started.
    pub run: Duration,
    /// Connections that were opened.
    pub connections: u64,
    /// Round trips of pings, in milliseconds.
    pub ping_ms: Spread,
    /// Messages that could not be decoded.
    pub undecoded: u64,
    /// Messages that a slow reader of the output missed.
    pub dropped: u64,
    /// What was saved.
    pub saved: Option<Saved>,
    /// Each metric's spread over the samples kept, by its name in [`crate::METRICS`].
    pub history: Option<Vec<(&'static str, Spread)>>,
    /// Each server's own statistics by its label, where there are several.
    pub servers: Vec<(String, Statistics)>,
}

/// An error that ended a connection or a dial.
#[derive(Clone, Debug, PartialEq)]
pub struct PastError {
    /// When.
    pub at: SystemTime,
    /// Why, in one line.
    pub error: String,
    /// Its class: the phase in which it happened.
    pub kind: &'static str,
}

/// What was saved with `--save-data`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// Lines written.
    pub messages: u64,
    /// Where to.
    pub file: PathBuf,
    /// Bytes written, over all rotations.
    pub bytes: u64,
}

/// Smallest, mean, largest and latest of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// How many there were. Without any, the rest is meaningless.
    pub samples: u64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The latest.
    pub last: f64,
    sum: f64,
}

impl Spread {
    /// Counts a value in.
    pub fn add(&mut self, value: f64) {
        self.min = if self.samples == 0 { value } else { self.min.min(value) };
        self.max = if self.samples == 0 { value } else { self.max.max(value) };
        self.last = value;
        self.sum += value;
        self.samples += 1;
    }

    /// Counts all that another one counted; its latest value counts as later.
    pub fn merge(&mut self, other: &Spread) {
        if other.samples > 0 {
            self.min = if self.samples == 0 { other.min } else { self.min.min(other.min) };
            self.max = if self.samples == 0 { other.max } else { self.max.max(other.max) };
            self.last = other.last;
            self.sum += other.sum;
            self.samples += other.samples;
        }
    }

    /// The arithmetic mean; `None` without any value.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.sum / self.samples as f64)
    }
}

impl Statistics {
    /// All servers in one.
    pub(crate) fn total(servers: Vec<(String, Statistics)>) -> Statistics {
        let _ = servers;
        Statistics::default()
    }

    /// Remembers an error, and forgets the oldest where there are too many.
    pub fn remember(&mut self, error: PastError) {
        self.error_count += 1;
        self.last_error = Some(error.error.clone());
        self.error_history.push_back(error);
        if self.error_history.len() > ERRORS_KEPT {
            self.error_history.pop_front();
        }
    }
}
