//! The record of one server that the program can ask for: statistics, samples, the latest error; and its log lines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::model::error::Disconnect;
use crate::model::event::Event;
use crate::model::metric::Metric;
use crate::model::sample::Numbers;
use crate::model::stats::{PastError, Statistics, Summary};
use crate::model::time::Now;
use crate::monitor::connection_log::ConnectionLog;

/// The most samples that a history keeps. With times and a queue that doubles, they take 36 MiB at most.
pub const MAX_HISTORY: usize = 1 << 17;
const _: () = assert!(MAX_HISTORY * size_of::<(SystemTime, Numbers)>() <= 36 << 20);

/// Counters, samples and the log of one server. All of it survives a reconnection.
#[derive(Debug, Default)]
pub struct Report {
    /// Counters that grow; [`Report::statistics`] fills in the rest.
    pub counters: Statistics,
    pub log: ConnectionLog,
    /// Metrics of the latest samples, with the time of receipt. Numbers alone, so that its length bounds its bytes too.
    pub history: VecDeque<(SystemTime, Numbers)>,
    pub last_disconnect: Option<Arc<Disconnect>>,
    /// The text of the message with the latest sample. It is copied: a slice of the socket's buffer would keep all of
    /// the buffer alive.
    pub last_sample: String,
    /// True once a message of content has arrived.
    pub has_content: bool,
    /// True once the server has reported an error.
    pub has_server_errors: bool,
    /// True while a connection is open, and after the program has closed it.
    pub is_up: bool,
    /// Set by the first message of a connection that could not be decoded.
    pub undecodable_logged: bool,
    opened_at: Option<Instant>,
    /// End of the latest connection; `None` while one is open.
    closed_at: Option<Instant>,
}

impl Report {
    /// Records that a connection has opened.
    pub fn opened(&mut self, now: Now) {
        self.counters.connections += 1;
        self.undecodable_logged = false;
        self.counters.connection_start = Some(now.wall);
        (self.opened_at, self.closed_at, self.is_up) = (Some(now.mono), None, true);
    }

    /// Records that an open connection has ended.
    pub fn closed(&mut self, now: Now, wanted: bool) {
        self.counters.total_disconnections += u64::from(!wanted);
        self.closed_at = Some(now.mono);
    }

    /// Records why a connection ended or a dial failed; among the errors unless the program wanted it.
    pub fn disconnected(&mut self, now: Now, why: Arc<Disconnect>, wanted: bool) {
        self.is_up &= wanted;
        if !wanted {
            self.counters.record_error(PastError { at: now.wall, error: why.to_string(), kind: why.phase.name() });
        }
        self.last_disconnect = Some(why);
    }

    pub fn count_received(&mut self, bytes: usize) {
        self.counters.messages_received += 1;
        self.counters.bytes_received += bytes as u64;
    }

    pub fn count_sent(&mut self, bytes: usize) {
        self.counters.messages_sent += 1;
        self.counters.bytes_sent += bytes as u64;
    }

    /// Keeps `text`, the message's, if it holds a sample, and the sample's metrics in a history of this length.
    pub fn keep_samples(&mut self, at: SystemTime, text: &str, events: &[Event<'_>], history: usize) {
        for event in events {
            let Event::Sample(sample) = event else { continue };
            self.last_sample.clear();
            self.last_sample.push_str(text);
            if history > 0 {
                if self.history.len() >= history {
                    self.history.pop_front();
                }
                self.history.push_back((at, *sample.numbers()));
            }
        }
    }

    /// Returns the counters, the uptime, and the summaries of a history where one is kept.
    pub fn statistics(&self, now: Now, history: usize) -> Statistics {
        let until = self.closed_at.unwrap_or(now.mono);
        let mut statistics = self.counters.clone();
        statistics.uptime = self.opened_at.map(|opened| until - opened);
        statistics.history = (history > 0).then(|| self.summaries());
        statistics
    }

    /// Summarises each metric that occurs in the history, but for constants.
    fn summaries(&self) -> Vec<(&'static str, Summary)> {
        let mut summaries = Vec::new();
        for metric in Metric::ALL.iter().filter(|metric| !metric.is_constant()) {
            let mut summary = Summary::default();
            let values = self.history.iter().map(|(_, numbers)| numbers[*metric as usize]);
            values.filter(|value| !value.is_nan()).for_each(|value| summary.add(value));
            if summary.samples > 0 {
                summaries.push((metric.row().name, summary));
            }
        }
        summaries
    }
}
