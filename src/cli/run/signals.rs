//! The signals that a run obeys.

use signal_hook::consts::SIGHUP;

use super::{Run, Source};
use crate::cli::Failure;
use crate::cli::screen::Screen;
use crate::cli::signals::Signal;

impl Run {
    /// Handles the signals that have arrived. Returns the one that asks for the end.
    ///
    /// SIGHUP asks for new files, as logrotate(8) sends it, and for a look at the file of `--servers`, or for the end if
    /// there are none. It also does if a terminal that the run began on is gone: nobody reads on, and the files of the run
    /// are closed with it.
    pub(super) fn obey_signals(&mut self) -> Option<i32> {
        let token = Source::Signals.token();
        if !self.servers.monitor.own_events().iter().any(|event| event.token() == token) {
            return None;
        }
        let now = self.servers.monitor.now().mono;
        let mut stop = None;
        for signal in self.signals.pending(now) {
            if let Some(data) = self.view.data.as_mut().filter(|_| signal != Signal::Child) {
                data.flush(self.servers.now().mono);
            }
            match signal {
                Signal::Stop(number) => stop = Some(number),
                Signal::Hangup if self.output.has_lost_terminal() => stop = Some(SIGHUP),
                Signal::Hangup if !self.can_reload() => stop = Some(SIGHUP),
                Signal::Hangup => {
                    self.notifier.iter_mut().for_each(|notifier| notifier.reload());
                    self.reload_servers();
                    self.reopen_files();
                }
                Signal::Statistics => {
                    let text = self.statistics_text();
                    self.output.print_err(&text);
                    self.screen.as_mut().into_iter().for_each(Screen::restart);
                }
                Signal::Child => self.view.on_alert.iter_mut().for_each(|on_alert| on_alert.reap(now)),
            }
        }
        stop
    }

    /// Returns true if there are files to open again, or a list of servers to read again. A check reads none again.
    fn can_reload(&mut self) -> bool {
        self.textfile.is_some() || self.files().next().is_some() || self.list.is_some() && !self.plan.check
    }

    /// Reads the file of `--servers` again.
    fn reload_servers(&mut self) {
        let Some(list) = self.list.as_mut().filter(|_| !self.plan.check) else { return };
        let print: &mut dyn FnMut(&str) = &mut |text| self.output.print(text);
        match list.reload(&mut self.plan, self.servers.monitor) {
            Ok(changes) => changes.apply(&mut self.view, &self.plan, self.servers.monitor, print),
            Err(failure) => log::error!("{}; the servers stay as they are", failure.why()),
        }
        // New rules apply to the values that are known.
        self.view.tick(self.servers.monitor, print);
    }

    /// Creates new files in place of those that logrotate(8) has moved, and writes that of `--textfile`.
    fn reopen_files(&mut self) {
        self.write_textfile();
        for file in self.files() {
            match file.reopen() {
                Ok(()) => log::info!("{}: reopened", file.shown_path()),
                Err(error) => log::error!("{}: {}", file.shown_path(), Failure::words(&error)),
            }
        }
    }
}
