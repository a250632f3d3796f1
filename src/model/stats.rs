//! Counters and times of one server or of all servers. Names are those of the reference client if it has the value.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::model::event::ClientState;

/// Upper bound on the length of [`Statistics::error_history`].
const MAX_ERRORS: usize = 5;

/// Counters and times of one server, or of all of them.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Statistics {
    /// The URI without secrets; URIs of several servers are joined by spaces.
    pub uri: String,
    /// Text and binary messages received.
    pub messages_received: u64,
    /// Text messages sent.
    pub messages_sent: u64,
    /// Payload bytes of the messages received, unpacked if they were compressed.
    pub bytes_received: u64,
    /// Bytes received on open connections: frames with their heads, compressed as they came, without TLS.
    pub wire_bytes_received: u64,
    /// Payload bytes of the messages sent.
    pub bytes_sent: u64,
    /// The time at which the latest connection was opened.
    pub connection_start: Option<SystemTime>,
    /// The time for which the latest connection has been or was open; `None` if there was none.
    pub uptime: Option<Duration>,
    /// Dials after the first one.
    pub reconnect_attempts: u64,
    /// Open connections that ended without the program asking for it.
    pub total_disconnections: u64,
    /// The current state.
    pub current_state: ClientState,
    /// The cause of the latest failure of a connection or dial.
    pub last_error: Option<String>,
    /// The number of failures.
    pub error_count: u64,
    /// The latest failures, oldest first, at most five.
    pub error_history: Vec<PastError>,
    /// The time since the monitor started.
    pub run: Duration,
    /// Connections that were opened.
    pub connections: u64,
    /// The reason why this server has delivered nothing, in one line; `None` if it has delivered, and in totals.
    pub nothing_delivered: Option<String>,
    /// Round trips of pings, in milliseconds.
    pub ping_ms: Summary,
    /// Messages that could not be decoded.
    pub undecoded: u64,
    /// Requests that the server refused because of a limit of rate.
    pub rate_limited: u64,
    /// Messages that were dropped because the reader of the output was too slow.
    pub dropped: u64,
    /// Lines of saved data that could not be read.
    pub unread: u64,
    /// Messages saved to a file; `None` if none are to be saved.
    pub saved: Option<Saved>,
    /// A summary of each metric over the history, by its name in [`crate::METRICS`]. Constants such as the memory's size
    /// are left out.
    pub history: Option<Vec<(&'static str, Summary)>>,
    /// The statistics of each server by its label; empty for a single server.
    pub servers: Vec<(String, Statistics)>,
}

/// An error that ended a connection or a dial.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PastError {
    /// The time of the failure.
    pub at: SystemTime,
    /// The cause in one line.
    pub error: String,
    /// The phase in which it happened, see [`crate::Phase::name`].
    pub kind: &'static str,
}

/// The messages that the command has saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Saved {
    /// Lines written.
    pub messages: u64,
    /// The path of the file.
    pub file: PathBuf,
    /// Bytes written, including rotated files.
    pub bytes: u64,
}

/// Smallest, mean, largest and latest of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// The number of values. The other fields are meaningless if it is 0.
    pub samples: u64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The latest.
    pub last: f64,
    sum: f64,
}

impl Summary {
    pub(crate) fn add(&mut self, value: f64) {
        self.min = if self.samples == 0 { value } else { self.min.min(value) };
        self.max = if self.samples == 0 { value } else { self.max.max(value) };
        self.last = value;
        self.sum += value;
        self.samples += 1;
    }

    /// Adds all values of `other`; its latest value becomes the latest.
    fn merge(&mut self, other: &Summary) {
        if other.samples > 0 {
            self.min = if self.samples == 0 { other.min } else { self.min.min(other.min) };
            self.max = if self.samples == 0 { other.max } else { self.max.max(other.max) };
            self.last = other.last;
            self.sum += other.sum;
            self.samples += other.samples;
        }
    }

    /// Returns the sum of the values.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Returns the arithmetic mean; `None` if there are no values.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.sum / self.samples as f64)
    }
}

impl Statistics {
    /// Counts an error and appends it to the history, which drops the oldest beyond [`MAX_ERRORS`].
    pub(crate) fn record_error(&mut self, error: PastError) {
        self.error_count += 1;
        self.last_error = Some(error.error.clone());
        self.insert_error(self.error_history.len(), error);
    }

    /// Combines the statistics of several servers. A single server's are returned unchanged.
    ///
    /// Counters are added. The state is the worst one; the connection's times and the last error are the latest ones.
    #[must_use]
    pub(crate) fn total(mut servers: Vec<(String, Statistics)>) -> Statistics {
        if servers.len() == 1 {
            return servers.swap_remove(0).1;
        }
        let mut total = Statistics::default();
        let worst = servers.iter().map(|(_, server)| server.current_state).max_by_key(|state| severity(*state));
        total.current_state = worst.unwrap_or_default();
        for (_, server) in &servers {
            total.add_server(server);
        }
        let uris: Vec<_> = servers.iter().map(|(_, server)| server.uri.as_str()).collect();
        total.uri = uris.join(" ");
        total.last_error = total.error_history.last().map(|error| error.error.clone());
        total.servers = servers;
        total
    }

    fn add_server(&mut self, server: &Statistics) {
        self.messages_received += server.messages_received;
        self.messages_sent += server.messages_sent;
        self.bytes_received += server.bytes_received;
        self.wire_bytes_received += server.wire_bytes_received;
        self.bytes_sent += server.bytes_sent;
        if server.connection_start >= self.connection_start {
            self.connection_start = server.connection_start;
            self.uptime = server.uptime;
        }
        self.reconnect_attempts += server.reconnect_attempts;
        self.total_disconnections += server.total_disconnections;
        self.error_count += server.error_count;
        for error in &server.error_history {
            let later = self.error_history.iter().rev().take_while(|other| other.at > error.at).count();
            self.insert_error(self.error_history.len() - later, error.clone());
        }
        self.run = self.run.max(server.run);
        self.connections += server.connections;
        self.ping_ms.merge(&server.ping_ms);
        self.undecoded += server.undecoded;
        self.rate_limited += server.rate_limited;
        self.dropped += server.dropped;
        if let Some(saved) = &server.saved {
            let sum = self.saved.get_or_insert_with(|| Saved { file: saved.file.clone(), ..Saved::default() });
            sum.messages += saved.messages;
            sum.bytes += saved.bytes;
        }
        for (name, summary) in server.history.iter().flatten() {
            let history = self.history.get_or_insert_default();
            match history.iter_mut().find(|(known, _)| known == name) {
                Some((_, total)) => total.merge(summary),
                None => history.push((name, *summary)),
            }
        }
    }

    /// Inserts an error into the history, and drops the oldest beyond [`MAX_ERRORS`].
    fn insert_error(&mut self, at: usize, error: PastError) {
        self.error_history.insert(at, error);
        if self.error_history.len() > MAX_ERRORS {
            self.error_history.remove(0);
        }
    }
}

fn severity(state: ClientState) -> u8 {
    match state {
        ClientState::Connected => 0,
        ClientState::Disconnected => 1,
        ClientState::Connecting => 2,
        ClientState::Reconnecting => 3,
        ClientState::Error => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn failed(times: std::ops::Range<u64>) -> Statistics {
        let mut server = Statistics::default();
        times.for_each(|t| server.record_error(PastError { at: at(t), error: format!("error {t}"), kind: "connect" }));
        server
    }

    #[test]
    fn the_last_five_errors_are_kept_and_all_are_counted() {
        let server = failed(0..7);
        assert_eq!((server.error_count, server.error_history.len()), (7, MAX_ERRORS));
        assert_eq!(server.error_history[0].error, "error 2");
        assert_eq!(server.last_error.as_deref(), Some("error 6"));
    }

    #[test]
    fn the_total_of_one_server_is_its_own_statistics() {
        let total = Statistics::total(vec![("a".into(), failed(0..1))]);
        assert_eq!((total.error_count, total.servers.len()), (1, 0));
    }

    #[test]
    fn a_total_adds_up_and_takes_the_worst_state_and_the_latest_error() {
        let mut summary = Summary::default();
        summary.add(1.0);
        let a = Statistics {
            uri: "ws://a".into(),
            messages_received: 2,
            connection_start: Some(at(9)),
            uptime: Some(Duration::from_secs(1)),
            current_state: ClientState::Reconnecting,
            history: Some(vec![("cpu", summary)]),
            ..failed(10..14)
        };
        summary.add(3.0);
        let b = Statistics {
            uri: "ws://b".into(),
            messages_received: 3,
            current_state: ClientState::Connected,
            history: Some(vec![("memory", summary), ("cpu", summary)]),
            ..failed(0..4)
        };
        let total = Statistics::total(vec![("a".into(), a), ("b".into(), b)]);
        assert_eq!((total.uri.as_str(), total.messages_received, total.error_count), ("ws://a ws://b", 5, 8));
        assert_eq!(total.current_state, ClientState::Reconnecting);
        assert_eq!((total.connection_start, total.uptime), (Some(at(9)), Some(Duration::from_secs(1))));
        assert_eq!(total.last_error.as_deref(), Some("error 13"));
        assert_eq!(total.error_history.iter().map(|error| error.at).collect::<Vec<_>>(), [3, 10, 11, 12, 13].map(at));
        let history = total.history.unwrap();
        assert_eq!((history[0].0, history[0].1.samples, history[0].1.max), ("cpu", 3, 3.0));
        assert_eq!(total.servers.len(), 2);
    }
}
