//! How output looks: colours by thresholds, Unicode or ASCII, and the escaping of foreign text.

use std::fmt::Write;

use anstyle::{AnsiColor, Reset};

use crate::model::text::push_escaped;

/// How output looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Colours.
    pub color: bool,
    /// ASCII instead of bars, arrows and lines.
    pub ascii: bool,
    /// Lines begin with the server's label, json objects carry it.
    pub labels: bool,
}

/// Notices.
pub(crate) const NOTICE: AnsiColor = AnsiColor::BrightBlue;
/// Titles of sections.
pub(crate) const TITLE: AnsiColor = AnsiColor::BrightMagenta;
/// Headings and rulers.
pub(crate) const RULER: AnsiColor = AnsiColor::BrightCyan;

/// What a percentage amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Normal,
    Warning,
    Critical,
}

impl Level {
    /// The level of a percentage that is displayed with no or with one decimal. What is displayed decides:
    /// a value that rounds up to a threshold has reached it.
    pub(crate) fn of(percent: f64, decimals: usize) -> Level {
        // Ties round to even, which both thresholds are.
        let half = if decimals == 0 { 0.5 } else { 0.05 };
        match percent {
            _ if percent >= 90.0 - half => Level::Critical,
            _ if percent >= 80.0 - half => Level::Warning,
            _ => Level::Normal,
        }
    }

    /// The level of an alert, by the server's name for it.
    pub(crate) fn of_alert(name: &str) -> Level {
        let is = |names| is_among(name, names);
        match name {
            _ if is(&["info", "ok", "notice", "debug", "light"]) => Level::Normal,
            _ if is(&["critical", "error", "emergency", "fatal", "severe", "heavy", "high"]) => Level::Critical,
            _ => Level::Warning,
        }
    }

    /// The level of a line of a log, by its own name for it. Most are nothing to look at.
    pub(crate) fn of_log(name: &str) -> Level {
        let is = |names| is_among(name, names);
        match name {
            _ if is(&["error", "err", "critical", "fatal", "alert", "emergency", "panic", "severe"]) => Level::Critical,
            _ if is(&["warning", "warn"]) => Level::Warning,
            _ => Level::Normal,
        }
    }

    /// The level of a process's state; `None` where the name tells nothing.
    pub(crate) fn of_state(name: &str) -> Option<Level> {
        let is = |names| is_among(name, names);
        match name {
            _ if is(&["online", "running", "started", "healthy"]) => Some(Level::Normal),
            _ if is(&["errored", "error", "crashed", "failed", "unhealthy"]) => Some(Level::Critical),
            _ if is(&["starting", "stopping", "stopped", "restarting", "gone"]) => Some(Level::Warning),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Normal => "normal",
            Level::Warning => "warning",
            Level::Critical => "critical",
        }
    }

    pub(crate) fn color(self) -> AnsiColor {
        match self {
            Level::Normal => AnsiColor::BrightGreen,
            Level::Warning => AnsiColor::BrightYellow,
            Level::Critical => AnsiColor::BrightRed,
        }
    }
}

fn is_among(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

impl Style {
    /// Appends what `inner` appends, in colour where there are colours.
    pub(crate) fn paint(self, out: &mut String, color: AnsiColor, inner: impl FnOnce(&mut String)) {
        self.begin(out, color);
        inner(out);
        self.end(out);
    }

    fn begin(self, out: &mut String, color: AnsiColor) {
        if self.color {
            // Writing to a String cannot fail.
            let _ = write!(out, "{}", color.render_fg());
        }
    }

    fn end(self, out: &mut String) {
        if self.color {
            let _ = write!(out, "{Reset}");
        }
    }

    /// Our own drawing: the first where Unicode is wanted, else the second.
    pub(crate) fn draw(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { unicode }
    }

    /// Appends foreign text with everything escaped that could do harm, in ASCII all that is not.
    pub(crate) fn push_foreign(self, out: &mut String, text: &str) {
        push_escaped(out, text, self.ascii);
    }

    /// The same, cut where it would need more than so many characters. Returns how many are left;
    /// none also where it was cut.
    pub(crate) fn push_cut(self, out: &mut String, text: &str, mut room: usize) -> usize {
        for c in text.chars() {
            let before = out.len();
            self.push_foreign(out, c.encode_utf8(&mut [0; 4]));
            let width = out[before..].chars().count();
            if width > room {
                out.truncate(before);
                out.push_str(self.draw("…", "..."));
                return 0;
            }
            room -= width;
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, room: usize, ascii: bool) -> (String, usize) {
        let mut out = String::new();
        let left = Style { ascii, ..Style::default() }.push_cut(&mut out, text, room);
        (out, left)
    }

    #[test]
    fn colours_are_the_bytes_of_the_reference_client() {
        for (color, bytes) in [
            (Level::Critical.color(), "\x1b[91mx\x1b[0m"),
            (Level::Warning.color(), "\x1b[93mx\x1b[0m"),
            (Level::Normal.color(), "\x1b[92mx\x1b[0m"),
            (NOTICE, "\x1b[94mx\x1b[0m"),
            (TITLE, "\x1b[95mx\x1b[0m"),
            (RULER, "\x1b[96mx\x1b[0m"),
        ] {
            let mut out = String::new();
            Style { color: true, ..Style::default() }.paint(&mut out, color, |out| out.push('x'));
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn a_value_that_rounds_up_to_a_threshold_has_its_level() {
        for threshold in [80.0_f64, 90.0] {
            for (decimals, half) in [(0, 0.5), (1, 0.05)] {
                let border = threshold - half;
                for value in [border.next_down().next_down(), border.next_down(), border, border.next_up()] {
                    let displayed: f64 = format!("{value:.decimals$}").parse().unwrap();
                    assert_eq!(Level::of(value, decimals), Level::of(displayed, 1), "{value}");
                }
            }
        }
        assert_eq!(Level::of(79.95, 1), Level::Warning);
        assert_eq!(Level::of(79.6, 1), Level::Normal);
        assert_eq!(Level::of(79.6, 0), Level::Warning);
        assert_eq!(Level::of(150.0, 1), Level::Critical);
        assert_eq!(Level::of(-20.0, 1), Level::Normal);
    }

    #[test]
    fn long_text_is_cut_at_characters_and_never_inside_an_escape() {
        assert_eq!(cut("abcde", 5, false), ("abcde".into(), 0));
        assert_eq!(cut("abcdef", 5, false), ("abcde…".into(), 0));
        assert_eq!(cut("ééé", 2, false), ("éé…".into(), 0));
        assert_eq!(cut("ab\x1bc", 5, true), ("ab...".into(), 0));
        assert_eq!(cut("ab\x1bc", 6, true), ("ab\\x1b...".into(), 0));
        assert_eq!(cut("ab\x1bc", 9, true), ("ab\\x1bc".into(), 2));
        assert_eq!(cut("", 0, true), (String::new(), 0));
    }
}
