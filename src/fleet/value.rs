//! Values with units, for the texts of alerts.

use std::fmt::Write;

use crate::model::metric::Unit;
use crate::model::number::push_plain;

/// Appends a value with its unit: `95.0%`, `1.2 GB`, `5m 3s`, `0.52`.
pub fn push_value(out: &mut String, unit: Unit, value: f64) {
    // Writing to a String cannot fail.
    let _ = match unit {
        Unit::Percent => write!(out, "{value:.1}%"),
        Unit::Load => write!(out, "{value:.2}"),
        Unit::Megahertz => write!(out, "{value:.0} MHz"),
        Unit::Bytes => write_bytes(out, value, ""),
        Unit::BytesPerSecond => write_bytes(out, value, "/s"),
        Unit::Seconds => {
            push_seconds(out, value);
            Ok(())
        }
        Unit::Celsius => push_short(out, value, " C"),
        Unit::Watt => push_short(out, value, " W"),
        Unit::Count => push_short(out, value, ""),
    };
}

/// Appends one decimal, or none if it is 0.
fn push_short(out: &mut String, value: f64, unit: &str) -> std::fmt::Result {
    write!(out, "{value:.1}")?;
    if out.ends_with(".0") {
        out.truncate(out.len() - 2);
    }
    out.push_str(unit);
    Ok(())
}

/// Appends a size in powers of 1024.
fn write_bytes(out: &mut String, bytes: f64, suffix: &str) -> std::fmt::Result {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes, 0);
    while value.abs() >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    write!(out, "{value:.1} {}{suffix}", UNITS[unit])
}

/// Appends seconds with up to three decimals below a minute, else the two largest units.
fn push_seconds(out: &mut String, seconds: f64) {
    if seconds.abs() < 60.0 {
        push_plain(out, (seconds * 1000.0).round() / 1000.0);
        out.push('s');
        return;
    }
    if seconds < 0.0 {
        out.push('-');
    }
    // The cast saturates.
    let mut left = seconds.abs() as u64;
    let mut written = 0;
    for (size, unit) in [(86_400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')] {
        if written > 0 || left >= size {
            let _ = write!(out, "{}{}{unit}", if written > 0 { " " } else { "" }, left / size);
            left %= size;
            written += 1;
        }
        if written == 2 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_unit_of_their_metric() {
        for (unit, value, text) in [
            (Unit::Percent, 95.0, "95.0%"),
            (Unit::Load, 0.519, "0.52"),
            (Unit::Megahertz, 2596.122, "2596 MHz"),
            (Unit::Bytes, 1_288_490_188.8, "1.2 GB"),
            (Unit::Bytes, 1_048_575.0, "1.0 MB"),
            (Unit::Bytes, -2048.0, "-2.0 KB"),
            (Unit::BytesPerSecond, 0.0, "0.0 B/s"),
            (Unit::Seconds, 0.0123, "0.012s"),
            (Unit::Seconds, 59.9, "59.9s"),
            (Unit::Seconds, 303.9, "5m 3s"),
            (Unit::Seconds, 11_520.0, "3h 12m"),
            (Unit::Seconds, 864_999.0, "10d 0h"),
            (Unit::Seconds, -61.0, "-1m 1s"),
            (Unit::Seconds, 1e308, "213503982334601d 7h"),
            (Unit::Celsius, 76.0, "76 C"),
            (Unit::Watt, 76.25, "76.2 W"),
            (Unit::Count, 0.0, "0"),
            (Unit::Count, 1.5, "1.5"),
        ] {
            let mut out = String::new();
            push_value(&mut out, unit, value);
            assert_eq!(out, text);
        }
    }
}
