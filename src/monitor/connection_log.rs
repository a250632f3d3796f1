//! What is said about a connection, through `log`: in full the first time, and not again and again.

use std::fmt::Display;
use std::time::Duration;

use log::Level;

use crate::model::error::Disconnect;
use crate::model::text::escape;

/// What has been said about one server.
#[derive(Debug, Default)]
pub struct ConnectionLog {
    /// The latest reason why a connection was lost or not opened; empty while one is open.
    why: String,
    /// How often it was the reason since.
    times: u64,
    /// The reconnection under way is this server's normal life.
    quiet: bool,
}

impl ConnectionLog {
    /// A dial begins.
    pub fn connecting(&self, label: &str, to: &impl Display) {
        let level = if self.why.is_empty() { self.level() } else { Level::Debug };
        log::log!(level, "{}: connecting to {to}", escape(label));
    }

    /// The connection is open.
    pub fn connected(&mut self, label: &str) {
        let failures = if self.times > 1 { format!(", after {} failures", self.times) } else { String::new() };
        log::log!(self.level(), "{}: connected{failures}", escape(label));
        self.why.clear();
        self.times = 0;
    }

    /// The dial failed or the connection ended. The same reason again is worth no more than a line for developers.
    pub fn lost(&mut self, label: &str, why: &Disconnect, retry_in: Option<Duration>, routine: bool) {
        let again = self.why == why.text;
        self.times = if again { self.times + 1 } else { 1 };
        self.quiet = routine;
        self.why.clone_from(&why.text);
        match retry_in {
            Some(wait) => {
                let level = if again || routine { Level::Debug } else { Level::Warn };
                log::log!(level, "{}: {why}; retrying in {:.1} s", escape(label), wait.as_secs_f64());
            }
            None => log::error!("{}: {why}; giving up", escape(label)),
        }
    }

    fn level(&self) -> Level {
        if self.quiet { Level::Debug } else { Level::Info }
    }
}
