//! The appearance of output for people: colours by thresholds, Unicode or ASCII, and the escaping of servers' text.

use anstyle::AnsiColor;

use crate::model::event::Process;
use crate::model::text::push_escaped;

/// The appearance of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Write colours, as ANSI escape sequences.
    pub color: bool,
    /// Use ASCII instead of Unicode bars, arrows and lines, and escape everything else beyond ASCII.
    pub ascii: bool,
    /// Begin each line with the server's label; `json` writes it as a member.
    pub labels: bool,
    /// Pad labels to this many characters, so that the columns of several servers stand below each other.
    pub label_width: usize,
    /// Show lists of processes although nothing changed in them, with the use of processor and memory of each.
    pub lists: bool,
    /// Begin each line of `simple` and `compact` with the time of receipt, as RFC 3339 in UTC.
    pub time: bool,
    /// Samples are means: `csv` has further columns for the number of samples and the bounds of percentages.
    pub means: bool,
    /// Only the beginning may be seen, again and again: `detailed` has what seldom changes last.
    pub live: bool,
}

/// The colour of notices. All colours are those of 31 to 36: the reference client's bright ones, 91 to 96, cannot be seen
/// on a white background.
pub(crate) const NOTICE: AnsiColor = AnsiColor::Blue;
/// The colour of the titles of sections.
pub(crate) const TITLE: AnsiColor = AnsiColor::Magenta;
/// The colour of headings and rulers.
pub(crate) const RULER: AnsiColor = AnsiColor::Cyan;

/// Upper bound on a text of a server in any line: in bytes for one that is shown whole, else in characters.
const MAX_FULL_TEXT: usize = 1 << 16;

/// The severity of a value, an alert, a log line or a process's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Normal,
    Warning,
    Critical,
}

impl Severity {
    /// Returns the level of a percentage that is displayed with `decimals` digits, 0 or 1. The displayed value decides: one
    /// that rounds up to a threshold has reached it.
    pub(crate) fn of_percent(percent: f64, decimals: usize) -> Severity {
        // Ties round to even, and both thresholds are even.
        let half = if decimals == 0 { 0.5 } else { 0.05 };
        match percent {
            _ if percent >= 90.0 - half => Severity::Critical,
            _ if percent >= 80.0 - half => Severity::Warning,
            _ => Severity::Normal,
        }
    }

    /// Returns the level of an alert by the server's name for it; an unknown name is a warning.
    pub(crate) fn of_alert(name: &str) -> Severity {
        Severity::of_known_alert(name).unwrap_or(Severity::Warning)
    }

    /// Returns the level of an alert by the server's name for it; `None` for an unknown name, such as none at all.
    pub(crate) fn of_known_alert(name: &str) -> Option<Severity> {
        let is = |names| is_among(name, names);
        match name {
            _ if is(&["info", "ok", "notice", "debug", "light", "normal", "low", "healthy"]) => Some(Severity::Normal),
            _ if is(&["warning", "warn", "medium", "moderate"]) => Some(Severity::Warning),
            _ if is(&["critical", "error", "emergency", "fatal", "severe", "heavy", "high"]) => {
                Some(Severity::Critical)
            }
            _ => None,
        }
    }

    /// Returns the level of a log line by its own name for it; an unknown name is normal.
    pub(crate) fn of_log(name: &str) -> Severity {
        let is = |names| is_among(name, names);
        match name {
            _ if is(&["error", "err", "critical", "fatal", "alert", "emergency", "panic", "severe", "failed"]) => {
                Severity::Critical
            }
            _ if is(&["warning", "warn"]) => Severity::Warning,
            _ => Severity::Normal,
        }
    }

    /// Returns the level of a process's state; `None` for an unknown name.
    pub(crate) fn of_state(name: &str) -> Option<Severity> {
        let is = |names| is_among(name, names);
        match name {
            _ if is(&Process::RUNNING) => Some(Severity::Normal),
            _ if is(&Process::FAILED) => Some(Severity::Critical),
            _ if is(&["starting", "stopping", "stopped", "restarting", "gone"]) => Some(Severity::Warning),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Severity::Normal => "normal",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }

    pub(crate) fn color(self) -> AnsiColor {
        match self {
            Severity::Normal => AnsiColor::Green,
            Severity::Warning => AnsiColor::Yellow,
            Severity::Critical => AnsiColor::Red,
        }
    }
}

fn is_among(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn push_color(out: &mut String, color: AnsiColor) {
    out.push_str("\x1b[3");
    out.push(char::from(b'0' + color as u8));
    out.push('m');
}

impl Style {
    /// Appends what `inner` appends, in colour if the style has colours.
    pub(crate) fn paint(self, out: &mut String, color: AnsiColor, inner: impl FnOnce(&mut String)) {
        if self.color {
            push_color(out, color);
        }
        inner(out);
        if self.color {
            out.push_str("\x1b[0m");
        }
    }

    /// Returns `ascii` if the style is ASCII, else `unicode`.
    pub(crate) fn glyph<'t>(self, unicode: &'t str, ascii: &'t str) -> &'t str {
        if self.ascii { ascii } else { unicode }
    }

    /// Appends a server's text with hostile characters escaped; if the style is ASCII, everything beyond ASCII too. A text
    /// of more than [`MAX_FULL_TEXT`] is truncated.
    pub(crate) fn push_escaped(self, out: &mut String, text: &str) {
        push_bounded(out, text, self.ascii);
    }

    /// Returns what [`Style::push_escaped`] appends.
    pub(crate) fn escaped(self, text: &str) -> String {
        let mut out = String::new();
        self.push_escaped(&mut out, text);
        out
    }

    /// Appends a server's text like [`Style::push_escaped`], truncated if it would take more than `room` characters. Returns
    /// the remaining room; 0 if the text was truncated.
    pub(crate) fn push_truncated(self, out: &mut String, text: &str, mut room: usize) -> usize {
        for c in text.chars() {
            let before = out.len();
            self.push_escaped(out, c.encode_utf8(&mut [0; 4]));
            let width = out[before..].chars().count();
            if width > room {
                out.truncate(before);
                out.push_str(self.glyph("…", "..."));
                return 0;
            }
            room -= width;
        }
        room
    }
}

/// Does the work of [`Style::push_escaped`], whose many callers need not lend their whole style.
#[inline(never)]
fn push_bounded(out: &mut String, text: &str, ascii: bool) {
    if text.len() <= MAX_FULL_TEXT {
        push_escaped(out, text, ascii);
    } else {
        Style { ascii, ..Style::default() }.push_truncated(out, text, MAX_FULL_TEXT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truncated(text: &str, room: usize, ascii: bool) -> (String, usize) {
        let mut out = String::new();
        let left = Style { ascii, ..Style::default() }.push_truncated(&mut out, text, room);
        (out, left)
    }

    #[test]
    fn colours_can_be_read_on_a_white_and_on_a_black_background() {
        for (color, bytes) in [
            (Severity::Critical.color(), "\x1b[31mx\x1b[0m"),
            (Severity::Warning.color(), "\x1b[33mx\x1b[0m"),
            (Severity::Normal.color(), "\x1b[32mx\x1b[0m"),
            (NOTICE, "\x1b[34mx\x1b[0m"),
            (TITLE, "\x1b[35mx\x1b[0m"),
            (RULER, "\x1b[36mx\x1b[0m"),
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
                    assert_eq!(Severity::of_percent(value, decimals), Severity::of_percent(displayed, 1), "{value}");
                }
            }
        }
        assert_eq!(Severity::of_percent(79.95, 1), Severity::Warning);
        assert_eq!(Severity::of_percent(79.6, 1), Severity::Normal);
        assert_eq!(Severity::of_percent(79.6, 0), Severity::Warning);
        assert_eq!(Severity::of_percent(150.0, 1), Severity::Critical);
        assert_eq!(Severity::of_percent(-20.0, 1), Severity::Normal);
    }

    #[test]
    fn long_text_is_truncated_between_characters_and_never_inside_an_escape() {
        assert_eq!(truncated("abcde", 5, false), ("abcde".into(), 0));
        assert_eq!(truncated("abcdef", 5, false), ("abcde…".into(), 0));
        assert_eq!(truncated("ééé", 2, false), ("éé…".into(), 0));
        assert_eq!(truncated("ab\x1bc", 5, true), ("ab...".into(), 0));
        assert_eq!(truncated("ab\x1bc", 6, true), ("ab\\x1b...".into(), 0));
        assert_eq!(truncated("ab\x1bc", 9, true), ("ab\\x1bc".into(), 2));
        assert_eq!(truncated("", 0, true), (String::new(), 0));
    }
}
