//! Frames in place on a terminal.
//!
//! Nothing of the terminal is changed that would have to be restored: no alternate screen, no hidden cursor, no raw mode. A
//! killed run leaves the last frame, and the cursor below it.

use rustix::stdio;

/// The size where the terminal does not tell its own: rows and columns.
const USUAL: (usize, usize) = (24, 80);
/// Upper bound on rows and columns.
const LARGEST: usize = 1000;

/// The frames of a run.
#[derive(Default)]
pub struct Screen {
    /// The old content of the screen is in the scrollback.
    begun: bool,
}

/// Returns the rows and columns of the terminal that stdout is.
pub fn size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(stdio::stdout()).ok();
    let size = size.map_or((0, 0), |size| (usize::from(size.ws_row), usize::from(size.ws_col)));
    if size.0 == 0 || size.1 == 0 { USUAL } else { (size.0.min(LARGEST), size.1.min(LARGEST)) }
}

impl Screen {
    /// Lets the next frame scroll the screen's content into the scrollback: something else was printed.
    pub fn restart(&mut self) {
        self.begun = false;
    }

    /// Returns the frame of these lines and, in its last row, the latest line of the log, if there is one. Lines are cut to
    /// the screen. `None` on a screen of one row, which has no room beside the cursor.
    pub fn frame(&mut self, text: &str, log: &str, (rows, columns): (usize, usize)) -> Option<String> {
        let room = rows.checked_sub(1).filter(|room| *room > 0)?;
        // Behind a character in the last column terminals differ.
        let width = columns.saturating_sub(1);
        let mut frame = String::new();
        if !std::mem::replace(&mut self.begun, true) {
            for _ in 0..rows {
                frame.push_str("\r\n");
            }
        }
        frame.push_str("\x1b[H");
        for line in text.lines().take(room - usize::from(!log.is_empty())).chain(log.lines().take(1)) {
            push_cut(&mut frame, line, width);
            frame.push_str("\x1b[K\r\n");
        }
        // The frame ends with a line feed, as everything in the queue does. The rest of the screen is erased before it.
        if frame.ends_with("\x1b[K\r\n") {
            frame.truncate(frame.len() - 5);
        }
        frame.push_str("\x1b[J\r\n");
        Some(frame)
    }
}

/// Appends as much of a line as fits into so many columns, and all of its colours.
fn push_cut(out: &mut String, line: &str, mut room: usize) {
    let mut in_code = false;
    for c in line.chars() {
        if in_code || c == '\x1b' {
            in_code = c != 'm';
            out.push(c);
            continue;
        }
        match room.checked_sub(most_columns(c)) {
            Some(rest) => {
                room = rest;
                out.push(c);
            }
            None => room = 0,
        }
    }
}

/// Returns the columns that a terminal may use for a character: two in the blocks that hold wide ones. A combining
/// character counts as one, so that the length of a line is bounded.
fn most_columns(c: char) -> usize {
    let is_wide = matches!(c,
        '\u{1100}'..='\u{115f}' | '\u{231a}'..='\u{24ff}' | '\u{25fd}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}'
        | '\u{2e80}'..='\u{a4cf}' | '\u{a960}'..='\u{a97f}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}'
        | '\u{fe10}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{16fe0}'..='\u{1b2ff}'
        | '\u{1d300}'..='\u{1d37f}' | '\u{1f000}'..='\u{3ffff}');
    1 + usize::from(is_wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str, log: &str, size: (usize, usize)) -> String {
        Screen { begun: true }.frame(text, log, size).unwrap_or_default()
    }

    #[test]
    fn the_first_frame_scrolls_the_screen_and_the_others_draw_over_it() {
        let mut screen = Screen::default();
        let lines = "\x1b[Hone\x1b[K\r\ntwo\x1b[J\r\n";
        assert_eq!(screen.frame("one\ntwo\n", "", (4, 80)), Some(format!("\r\n\r\n\r\n\r\n{lines}")));
        assert_eq!(screen.frame("one\ntwo\n", "", (4, 80)).as_deref(), Some(lines));
        screen.restart();
        assert_eq!(screen.frame("one\ntwo\n", "", (3, 80)), Some(format!("\r\n\r\n\r\n{lines}")));
    }

    #[test]
    fn a_frame_never_fills_the_last_row_or_the_last_column() {
        assert_eq!(frame("abcdef\nb\nc\nd", "", (3, 5)), "\x1b[Habcd\x1b[K\r\nb\x1b[J\r\n");
        assert_eq!(frame("a\nb\nc\nd", "log\nmore", (4, 5)), "\x1b[Ha\x1b[K\r\nb\x1b[K\r\nlog\x1b[J\r\n");
        assert_eq!(frame("a\nb", "log", (2, 1)), "\x1b[H\x1b[J\r\n");
        assert_eq!(frame("", "", (2, 1)), "\x1b[H\x1b[J\r\n");
        assert_eq!(Screen::default().frame("a", "", (1, 1)), None);
    }

    #[test]
    fn lines_are_cut_by_columns_and_keep_their_colours() {
        let cut = |line: &str, room| {
            let mut out = String::new();
            push_cut(&mut out, line, room);
            out
        };
        assert_eq!(cut("\x1b[31mabc\x1b[0mdef", 2), "\x1b[31mab\x1b[0m");
        assert_eq!(cut("日本語", 5), "日本");
        assert_eq!(cut("日本語a", 5), "日本");
        assert_eq!(cut("e\u{301}\u{301}x", 3), "e\u{301}\u{301}");
        assert_eq!(cut("▁▂█ │ …é", 8), "▁▂█ │ …é");
        assert_eq!(cut("😀", 1), "");
    }
}
