//! The table and the messages of `--live` on a terminal.

use super::Run;
use crate::cli::screen;

/// The least rows of a terminal on which a frame has a row for the log.
const LOG_FROM: usize = 8;

impl Run {
    /// Draws a frame on the terminal.
    pub(super) fn draw(&mut self) {
        let Run { screen: Some(screen), view, output, servers, .. } = self else { return };
        let (rows, columns) = screen::size();
        // A low screen has no room for the log.
        let log = Some(output.hold_log()).filter(|_| rows >= LOG_FROM).unwrap_or_default();
        let lines = rows.saturating_sub(1 + usize::from(!log.is_empty()));
        let text = view.frame_text(servers.now(), (lines, columns.saturating_sub(1)), servers);
        if let Some(frame) = screen.frame(&text, log, (rows, columns)) {
            output.print(&frame);
        }
    }

    /// Shows the last state of the table or of `--live`. What is printed afterwards stands below it.
    pub(super) fn end_frames(&mut self) {
        self.output.flush();
        if self.output.is_idle() {
            self.draw();
        }
        self.screen = None;
        self.output.release_log();
        let (now, is_saved) = (self.servers.now(), self.reader.is_some());
        self.view.show_last_block(now, is_saved, &mut |text| self.output.print(text));
    }
}
