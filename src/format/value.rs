//! A metric's value with its unit, for people.

use std::time::Duration;

use crate::format::style::{Severity, Style};
use crate::model::metric::Unit;
use crate::model::number;

/// The width of a bar in characters.
pub const BAR_WIDTH: usize = 20;
const FULL_BAR: &str = "████████████████████";
const EMPTY_BAR: &str = "░░░░░░░░░░░░░░░░░░░░";

/// Appends a value with its unit, a percentage with a bar and its level.
pub fn push_value(out: &mut String, unit: Unit, value: f64, style: Style) {
    match unit {
        Unit::Percent => push_gauge(out, value, style),
        Unit::Bytes => number::push_bytes(out, value),
        Unit::BytesPerSecond => {
            number::push_bytes(out, value);
            out.push_str("/s");
        }
        Unit::Load => number::push_fixed(out, value, 0, 2),
        // The cast saturates: a negative number becomes 0.
        Unit::Seconds => number::push_duration(out, Duration::from_secs(value as u64)),
        Unit::Megahertz => {
            number::push_fixed(out, value, 0, 0);
            out.push_str(" MHz");
        }
        Unit::Count | Unit::Celsius | Unit::Watt => {
            number::push_short(out, value);
            out.push_str(match unit {
                Unit::Celsius => style.glyph("°C", " C"),
                Unit::Watt => " W",
                _ => "",
            });
        }
    }
}

fn push_gauge(out: &mut String, percent: f64, style: Style) {
    let level = Severity::of_percent(percent, 1);
    style.paint(out, level.color(), |out| number::push_fixed(out, percent, 5, 1));
    out.push_str("% [");
    // Truncated as the reference client does. The cast saturates, so no value makes the bar longer.
    let filled = ((percent / 100.0 * BAR_WIDTH as f64) as usize).min(BAR_WIDTH);
    let (full, empty) = (style.glyph(FULL_BAR, "####################"), style.glyph(EMPTY_BAR, "...................."));
    for (bar, cells) in [(full, filled), (empty, BAR_WIDTH - filled)] {
        out.push_str(&bar[..bar.len() / BAR_WIDTH * cells]);
    }
    out.push_str("] (");
    out.push_str(level.name());
    out.push(')');
}
