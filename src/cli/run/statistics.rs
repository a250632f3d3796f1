//! The statistics of a run.

use wsmon::Statistics;

use super::Run;
use crate::cli::screen::Screen;

impl Run {
    fn statistics(&self) -> Statistics {
        let mut statistics = self.servers.statistics();
        statistics.dropped = self.output.dropped();
        if let Some(reader) = &self.reader {
            (statistics.unread, statistics.dropped) = reader.losses();
        }
        statistics.saved = self.view.data.as_ref().map(|data| wsmon::Saved {
            messages: self.view.saved(),
            file: data.path().to_owned(),
            bytes: data.written().bytes,
        });
        statistics
    }

    pub(super) fn statistics_text(&self) -> String {
        let mut text = String::new();
        let options = &self.view.options;
        (options.format.stats)(&mut text, &self.statistics(), &options.style);
        text
    }

    /// Prints the statistics where the format has them: on stdout, or on stderr if its lines are for programs.
    pub(super) fn print_statistics(&mut self) {
        let text = self.statistics_text();
        match self.view.options.format.stats_apart {
            true => self.output.print_err(&text),
            false => self.output.print(&text),
        }
        self.screen.as_mut().into_iter().for_each(Screen::restart);
    }
}
