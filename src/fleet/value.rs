//! Values with units, for the texts of alerts.

use std::time::Duration;

use crate::model::decimal::push_decimal;
use crate::model::metric::Unit;
use crate::model::number::{push_age, push_bytes, push_fixed, push_short};

/// Appends a value with its unit: `95.0%`, `1.2 GB`, `5m 3s`, `0.52`.
pub fn push_value(out: &mut String, unit: Unit, value: f64) {
    match unit {
        Unit::Percent => push_fixed(out, value, 0, 1),
        Unit::Bytes | Unit::BytesPerSecond => push_bytes(out, value),
        Unit::Load => push_fixed(out, value, 0, 2),
        Unit::Seconds => push_seconds(out, value),
        Unit::Megahertz => push_fixed(out, value, 0, 0),
        Unit::Celsius | Unit::Watt | Unit::Count => push_short(out, value),
    }
    out.push_str(match unit {
        Unit::Percent => "%",
        Unit::BytesPerSecond => "/s",
        Unit::Megahertz => " MHz",
        Unit::Celsius => " C",
        Unit::Watt => " W",
        Unit::Bytes | Unit::Load | Unit::Seconds | Unit::Count => "",
    });
}

/// Appends seconds with up to three decimals below a minute, else the two largest units.
fn push_seconds(out: &mut String, seconds: f64) {
    if seconds.abs() < 60.0 {
        push_decimal(out, (seconds * 1000.0).round() / 1000.0);
        out.push('s');
        return;
    }
    out.push_str(if seconds < 0.0 { "-" } else { "" });
    // The cast saturates.
    push_age(out, Duration::from_secs(seconds.abs() as u64));
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
