//! The reports of a peer: to the program, to the log, and in statistics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Peer;
use crate::model::duration;
use crate::model::error::{Disconnect, Fault, Phase};
use crate::model::event::{Change, ClientState, Event, Warning};
use crate::model::number::Fixed;
use crate::model::setting::Setting;
use crate::model::stats::Statistics;
use crate::model::text::escape;
use crate::model::time::Now;
use crate::model::trace;
use crate::monitor::delivery::Undelivered;
use crate::monitor::report::Report;
use crate::net::transport::LoopIo;

impl Peer {
    /// Returns the statistics as of now. `started` is when the monitor was made.
    pub fn statistics(&self, now: Now, started: Instant) -> Statistics {
        let mut statistics = self.decoder.report.statistics(now, self.settings.history);
        statistics.uri = self.link.endpoint().map(ToString::to_string).unwrap_or_default();
        statistics.current_state = self.session.client_state();
        statistics.run = now.mono - started;
        statistics.wire_bytes_received = self.link.transport.total_received();
        statistics.nothing_delivered = self.nothing_delivered(now, started);
        statistics
    }

    /// Returns why the server has delivered nothing, in one line; `None` if it has delivered. A server that speaks only
    /// when something happens delivers while it is connected.
    pub fn nothing_delivered(&self, now: Now, started: Instant) -> Option<String> {
        let Report { counters, last_disconnect, .. } = &self.decoder.report;
        if self.decoder.has_delivered() {
            return None;
        }
        let stopped = last_disconnect.as_ref().filter(|why| why.fault == Some(Fault::Stopped));
        let unfinished = match self.session.is_opening() {
            true => Some(self.link.transport.unfinished()),
            false => stopped.map(|why| (why.phase, why.text.clone())),
        };
        let undelivered = Undelivered {
            run: now.mono - started,
            // The first dial is no reconnection.
            attempts: counters.reconnect_attempts + 1,
            connections: counters.connections,
            messages: counters.messages_received,
            has_server_errors: self.decoder.report.has_server_errors,
            cause: counters.last_error.as_deref(),
            unfinished,
        };
        Some(undelivered.to_string())
    }

    /// Passes on a warning that a server can cause, the first of its kind only.
    pub fn warn(&mut self, io: &mut LoopIo<'_>, line: &str) {
        if self.decoder.report.log.is_first_of_kind(line) {
            self.pass_on_warning(io, escape(&self.link.redact(line)).into_owned());
        }
    }

    /// Passes on a warning, which must be escaped and hold no secrets.
    pub fn pass_on_warning(&self, io: &mut LoopIo<'_>, text: String) {
        self.decoder.pass_on_own(io.now, &Event::Warning(Warning { text }), io.on_message);
    }

    /// Passes on which requests have been given up.
    pub fn report_unanswered(&mut self, io: &mut LoopIo<'_>) {
        if let Some(mut program) = self.decoder.conversation.program_requests().take() {
            program.report(&mut |event| self.decoder.pass_on_own(io.now, event, io.on_message));
            *self.decoder.conversation.program_requests() = Some(program);
        }
    }

    pub fn log(&self, (level, text): (log::Level, String)) {
        trace::of_server(level, &self.decoder.label, &text);
    }

    /// Describes a fault that the session has found.
    pub fn disconnect_for(&self, fault: Fault) -> Box<Disconnect> {
        let (phase, unfinished) = self.link.transport.unfinished();
        let policy = &self.settings.policy;
        let text = match &fault {
            Fault::ConnectTimeout => {
                let hint = if phase == Phase::Tls { ": is this a TLS port?" } else { "" };
                format!("{unfinished}: no answer within {}{hint}", duration::text(policy.connect_timeout))
            }
            Fault::NoPong => {
                // RFC 6455 asks for pongs, but not every server sends them.
                let mut text = format!("no answer to a ping within {}", duration::text(policy.ping_timeout));
                if !self.session.answers_pings() {
                    text += &format!(
                        ", nor to any before: for a server that never answers pings give {} 0",
                        Setting("Server::ping_interval")
                    );
                }
                text
            }
            Fault::Stale { after } => {
                format!("the connection is alive, but no message came for {} s", Fixed(after.as_secs_f64(), 1))
            }
            _ => unfinished,
        };
        Disconnect::fault(phase, fault, text)
    }

    /// Reports the connection's state to the program, with the error where there is one.
    pub fn report_state(&self, io: &mut LoopIo<'_>, from: ClientState, cause: Option<&Arc<Disconnect>>) {
        let to = self.session.client_state();
        // In whole milliseconds, as it is written: saved data then reads as the live output did.
        let retry_in = self.session.retry_in(io.now).map(|wait| Duration::from_millis(wait.as_millis() as u64));
        let why = cause.map_or_else(String::new, |why| why.text.clone());
        let change = Change { from, to, why, cause: cause.cloned(), retry_in, attempts: self.session.attempts() };
        self.decoder.pass_on_change(io.now, change, io.on_message);
    }
}
