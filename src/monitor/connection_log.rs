//! Log lines about one server's connection: in full the first time, at a lower level while they repeat.

use std::fmt::Display;
use std::time::Duration;

use log::Level;

use crate::model::error::Disconnect;
use crate::model::text::escape;

/// Remembers what has been logged about one server.
#[derive(Debug, Default)]
pub struct ConnectionLog {
    /// The latest reason why a connection was lost or a dial failed; empty while a connection is open.
    reason: String,
    /// Losses in a row for this reason.
    failures: u64,
    /// The reconnection in progress is routine for this server: its lines are debug lines.
    routine: bool,
}

impl ConnectionLog {
    /// Logs that a dial begins.
    pub fn connecting(&self, label: &str, to: &impl Display) {
        let level = if self.reason.is_empty() { self.level() } else { Level::Debug };
        log::log!(level, "{}: connecting to {to}", escape(label));
    }

    /// Logs that the connection is open.
    pub fn connected(&mut self, label: &str) {
        let after = if self.failures > 1 { format!(", after {} failures", self.failures) } else { String::new() };
        log::log!(self.level(), "{}: connected{after}", escape(label));
        self.reason.clear();
        self.failures = 0;
    }

    /// Logs that the dial failed or the connection ended: a warning, or a debug line where the reason is the same as
    /// before or the loss is routine. Without `retry_in` the server is given up, which is an error.
    pub fn lost(&mut self, label: &str, why: &Disconnect, retry_in: Option<Duration>, routine: bool) {
        let repeated = self.reason == why.text;
        self.failures = if repeated { self.failures + 1 } else { 1 };
        self.routine = routine;
        self.reason.clone_from(&why.text);
        match retry_in {
            Some(wait) => {
                let level = if repeated || routine { Level::Debug } else { Level::Warn };
                log::log!(level, "{}: {why}; retrying in {:.1} s", escape(label), wait.as_secs_f64());
            }
            None => log::error!("{}: {why}; giving up", escape(label)),
        }
    }

    fn level(&self) -> Level {
        if self.routine { Level::Debug } else { Level::Info }
    }
}
