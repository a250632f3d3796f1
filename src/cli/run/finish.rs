//! The end of a run: its last output, and its exit status.

use std::time::Duration;

use wsmon::ServerId;
use wsmon::internal::{SERVER_TARGET, duration};

use super::Run;
use crate::cli::Failure;
use crate::cli::check::{self, Look, Status};
use crate::cli::exit_status::{self, End, RunOutcome};
use crate::cli::signals;
use crate::cli::textfile::Textfile;

/// Upper bound on the time for writing the last output; of a run that came to its own end, on the time in which its reader
/// takes none of it.
const LAST_FLUSH: Duration = Duration::from_secs(1);

/// Upper bound on the time for closing the connections. Each session gives up after a second by itself, and its change
/// of state is part of the output: this must be longer.
const LAST_CLOSE: Duration = Duration::from_millis(1100);

impl Run {
    /// Writes what `--flush-every` has collected, and from now on each line at once: a second signal ends the run without
    /// further writes.
    pub(super) fn write_collected(&mut self) {
        if let Some(data) = &mut self.view.data {
            data.stop_collecting(self.servers.now().mono);
        }
        self.report();
    }

    /// Closes the connections, writes the remaining output and returns the exit status.
    pub(super) fn finish(&mut self, end: End) -> Result<u8, Failure> {
        // The connections that end now are of no concern to those who ask.
        self.listener = None;
        self.stats_interval = None;
        self.notifier.take().into_iter().for_each(|notifier| notifier.stop());
        self.view.on_alert.take().into_iter().for_each(|on_alert| on_alert.stop());
        self.view.end_intervals(self.servers.now().mono, &mut |text| self.output.print(text));
        if self.plan.check {
            return self.finish_check(end);
        }
        self.end_frames();
        if let Some(fleet) = self.view.fleet.as_mut().filter(|_| matches!(end, End::Signal(_))) {
            fleet.disconnect_all(self.servers.now());
        }
        self.write_textfile();
        // The connections that end now are of no concern to the rules.
        self.view.fleet = None;
        let clean = exit_status::is_clean(self.servers.monitor, self.plan.no_reconnect);
        self.servers.monitor.stop();
        // Without a reader there is nothing to wait for: the Close frames are sent, and no answer is read.
        let patience = if end == End::Closed { Duration::ZERO } else { LAST_CLOSE };
        let give_up_at = self.servers.monitor.clock().mono + patience;
        while !self.servers.monitor.is_done() {
            self.turn(Some(give_up_at))?;
            if self.servers.monitor.now().mono >= give_up_at {
                break;
            }
        }
        let outcome = self.outcome(end, clean);
        self.log_outcome(&outcome);
        let is_own_end = !matches!(end, End::Signal(_) | End::Closed);
        if self.plan.stats {
            // Into an empty queue: in a full one the statistics would drop messages that they do not count.
            self.write_rest(is_own_end)?;
            self.print_statistics();
        }
        self.write_rest(is_own_end)?;
        if self.output.has_failed() || is_own_end && self.is_cut() {
            return Ok(3);
        }
        if let Some(signal) = outcome.ended_by() {
            signals::end_by(signal);
        }
        Ok(outcome.status())
    }

    /// Says so and returns true if the reader of stdout did not take the last output.
    fn is_cut(&mut self) -> bool {
        let is_cut = !self.output.is_idle();
        if is_cut {
            log::error!("stdout: the reader does not read, the end of the output is lost");
            self.output.write_log(self.servers.monitor.now());
            self.output.flush();
        }
        is_cut
    }

    /// Prints the result of a check and returns its status. It waits neither for answers to the Close frames nor longer than
    /// necessary for the reader: a plugin must end in time.
    fn finish_check(&mut self, end: End) -> Result<u8, Failure> {
        let Some(fleet) = self.view.fleet.take() else { return Ok(Status::Unknown.code()) };
        self.servers.monitor.stop();
        // Ends the dials, which tells where each of them was.
        let now = self.servers.monitor.clock().mono;
        self.turn(Some(now))?;
        let (status, text) = match (end, &self.servers.saved) {
            (End::Signal(_), _) => (Status::Unknown, check::unknown("interrupted by a signal")),
            (_, Some(saved)) => {
                let looks = check::look_at_saved(saved, &fleet);
                match looks.is_empty() {
                    true => (Status::Unknown, check::unknown("no line of saved data was read")),
                    false => check::result(&fleet.board, &fleet.rules, &looks, saved.now().mono),
                }
            }
            _ => {
                let waited = duration::text(self.plan.duration.unwrap_or_default());
                let looks: Vec<Look> =
                    check::look(self.servers.monitor, &fleet, &waited, &|id| self.view.count_reached(id));
                check::result(&fleet.board, &fleet.rules, &looks, self.servers.monitor.now().mono)
            }
        };
        self.output.print(&text);
        self.write_rest(false)?;
        Ok(if self.output.has_failed() || self.read_failed() { Status::Unknown.code() } else { status.code() })
    }

    fn outcome(&self, end: End, clean: bool) -> RunOutcome {
        let servers: Vec<_> = self.servers.ids().collect();
        let count_of = |is: &dyn Fn(ServerId) -> bool| servers.iter().filter(|&&id| is(id)).count();
        let has_delivered = |id| self.servers.nothing_delivered(id).is_none();
        let has_own_end = self.plan.duration.is_some() || self.reader.is_some();
        let (delivered, mut complete) = (count_of(&has_delivered), count_of(&|id| self.view.count_reached(id)));
        if self.plan.format == "table" {
            // One of servers that have all failed counts as shown, but is no success.
            complete = complete.min(delivered);
        }
        RunOutcome {
            end,
            count: self.plan.count,
            duration: has_own_end,
            required: self.plan.require.unwrap_or(self.servers.len().max(1)),
            delivered,
            heard: count_of(&|id| has_delivered(id) || self.servers.statistics_of(id).messages_received > 0),
            complete,
            shown: servers.iter().fold(0, |most, &id| most.max(self.view.shown(id))),
            clean,
            lossy: self.output.has_failed()
                || self.read_failed()
                || self.view.data.as_ref().is_some_and(|data| data.lost() > 0)
                || self.textfile.as_ref().is_some_and(Textfile::has_failed),
        }
    }

    /// Returns true if a file of `--read` could not be read to its end.
    fn read_failed(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.has_failed())
    }

    /// Logs which servers were given up or delivered nothing, and what the run dies of. A run that its reader ended
    /// says nothing.
    fn log_outcome(&mut self, outcome: &RunOutcome) {
        let why = outcome.why();
        if why.is_none() && outcome.end == End::Closed {
            return;
        }
        let level = if why.is_some() { log::Level::Error } else { log::Level::Warn };
        for id in self.servers.ids() {
            let label = wsmon::escape(self.servers.label(id));
            let watched = Some(&self.servers.monitor).filter(|_| self.reader.is_none());
            let given_up = watched.filter(|monitor| monitor.state(id) == wsmon::ClientState::Error);
            match given_up.and_then(|monitor| monitor.last_disconnect(id)) {
                // The line before the end has said it of a single server.
                Some(_) if self.servers.len() == 1 => {}
                Some(disconnect) => log::error!(target: SERVER_TARGET, "{label}: given up: {disconnect}"),
                None => {
                    if let Some(words) = self.servers.nothing_delivered(id) {
                        log::log!(target: SERVER_TARGET, level, "{label}: {words}");
                    }
                }
            }
            // The buffer of the log is smaller than the lines of a thousand servers.
            self.output.write_log(self.servers.monitor.now());
        }
        if let Some(why) = why {
            log::error!("{why}");
        }
    }

    /// Writes all output. A reader that takes longer than [`LAST_FLUSH`] does not get the rest; one that goes on reading
    /// does, if the run `is_patient`.
    fn write_rest(&mut self, is_patient: bool) -> Result<(), Failure> {
        self.output.write_log(self.servers.monitor.now());
        self.output.flush();
        // A failed flush has added a line to the log.
        self.output.write_log(self.servers.monitor.now());
        let mut left = self.output.unwritten();
        let mut give_up_at = self.servers.monitor.clock().mono + LAST_FLUSH;
        while self.output.wants_write() && self.servers.monitor.now().mono < give_up_at {
            self.turn(Some(give_up_at))?;
            self.output.flush();
            if is_patient && self.output.unwritten() < left {
                left = self.output.unwritten();
                give_up_at = self.servers.monitor.now().mono + LAST_FLUSH;
            }
        }
        Ok(())
    }
}
