//! Durations as people write them.

use std::time::Duration;

use super::decimal::{self, push_decimal};
use super::number::push_duration;

/// The longest duration in seconds. Adding it to an [`std::time::Instant`] does not overflow.
const TEN_YEARS: f64 = 3_653.0 * 86_400.0;

/// The names of each unit and its length in seconds.
const UNITS: [(&str, f64); 8] = [
    ("ns nsec nanos", 1e-9),
    ("us usec", 1e-6),
    ("ms msec millis", 1e-3),
    ("s sec secs second seconds", 1.0),
    ("m min mins minute minutes", 60.0),
    ("h hr hrs hour hours", 3_600.0),
    ("d day days", 86_400.0),
    ("w wk wks week weeks", 604_800.0),
];

/// Writes a duration as all texts do: `0.5 s`, `10 s` or, from a minute on, in whole seconds `1m 30s`.
#[must_use]
pub fn text(duration: Duration) -> String {
    let mut out = String::new();
    if duration.as_secs() < 60 {
        push_decimal(&mut out, duration.as_secs_f64());
        out.push_str(" s");
        return out;
    }
    push_duration(&mut out, duration);
    for zero in [" 0s", " 0m", " 0h"] {
        out.truncate(out.strip_suffix(zero).unwrap_or(&out).len());
    }
    out
}

/// Parses a number of seconds (`60`, `0.5`) or a sum such as `500ms`, `5m` or `1h 30m`, from 0 to ten years. The error
/// is the reason alone.
pub fn parse(text: &str) -> Result<Duration, String> {
    match seconds(text.trim())? {
        Some(length) if length < 0.0 => Err("must not be negative".to_owned()),
        Some(length) if length > TEN_YEARS => Err("longer than ten years".to_owned()),
        length => length
            .and_then(|length| Duration::try_from_secs_f64(length).ok())
            .ok_or_else(|| "not a duration such as 5, 0.5, 500ms, 5m or 1h30m".to_owned()),
    }
}

/// Parses a number of seconds of any sign and size. Returns `Ok(None)` for what is none, and an error for months and
/// years: minutes are meant by `10M`.
pub fn seconds(text: &str) -> Result<Option<f64>, String> {
    if let Some(seconds) = decimal::parse(text) {
        return Ok(Some(seconds));
    }
    let (sign, mut rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let mut sum = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let number = number.trim();
        match unit {
            "M" | "month" | "months" => return Err(format!("months are not accepted, did you mean {number}m?")),
            "y" | "yr" | "yrs" | "year" | "years" => {
                return Err("years are not accepted, did you mean days (365d)?".to_owned());
            }
            _ => {}
        }
        let known = UNITS.iter().find(|(names, _)| names.split(' ').any(|name| name == unit));
        // Only the sum has a sign.
        let number = decimal::parse(number).filter(|_| !number.starts_with(['+', '-']));
        let Some((number, (_, length))) = number.zip(known) else { return Ok(None) };
        sum += number * length;
        rest = tail.trim_start();
    }
    Ok((!text.is_empty()).then_some(sign * sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_seconds_and_units_are_those_of_humantime() {
        for (text, expected) in [
            ("60", 60.0),
            ("0.5", 0.5),
            (" 5.0 ", 5.0),
            ("0", 0.0),
            ("5m", 300.0),
            ("1h 30m", 5400.0),
            ("1h30m", 5400.0),
            ("500ms", 0.5),
            ("1.5s", 1.5),
            ("1d", 86_400.0),
            ("2 weeks", 1_209_600.0),
            ("3653d", TEN_YEARS),
        ] {
            assert_eq!(parse(text).map(|length| length.as_secs_f64()), Ok(expected), "{text}");
        }
        for unit in UNITS.iter().flat_map(|(names, _)| names.split(' ')) {
            let text = format!("3{unit} 7s");
            assert_eq!(parse(&text), Ok(humantime::parse_duration(&text).unwrap()), "{text}");
        }
    }

    #[test]
    fn a_text_is_in_seconds_below_a_minute_and_ends_in_no_zeros_above() {
        for (millis, expected) in [
            (0, "0 s"),
            (500, "0.5 s"),
            (1_500, "1.5 s"),
            (10_000, "10 s"),
            (59_999, "59.999 s"),
            (60_999, "1m"),
            (90_000, "1m 30s"),
            (3_900_000, "1h 5m"),
            (86_405_600, "1d 0h 0m 5s"),
            (3 * 86_400_000, "3d"),
        ] {
            assert_eq!(text(Duration::from_millis(millis)), expected);
        }
        assert_eq!(text(Duration::from_micros(20)), "0.00002 s");
    }

    #[test]
    fn months_and_years_are_refused_with_a_hint() {
        for (text, meant) in [
            ("10M", "did you mean 10m?"),
            ("10 months", "did you mean 10m?"),
            ("1h 5M", "did you mean 5m?"),
            ("1y", "did you mean days (365d)?"),
        ] {
            let why = parse(text).unwrap_err();
            assert!(why.contains(meant), "{text}: {why}");
        }
    }

    #[test]
    fn a_text_that_is_no_duration_is_refused() {
        for (text, why) in [
            ("-1", "must not be negative"),
            ("-5m", "must not be negative"),
            ("3654d", "longer than ten years"),
            ("315619201", "longer than ten years"),
            ("1e308", "longer than ten years"),
            ("99999999999999999d", "longer than ten years"),
            ("18446744073709551615s 1000ms", "longer than ten years"),
        ] {
            assert_eq!(parse(text), Err(why.to_owned()), "{text}");
        }
        let long = "9".repeat(400);
        for text in [
            "", "nan", "inf", "-inf", "-0.5x", "1e400", "5x", "5m5", "five", "--stats", "5S", "1é2m", "1h-5m",
            "1h +5m", "--5m", &long,
        ] {
            assert_eq!(parse(text), Err("not a duration such as 5, 0.5, 500ms, 5m or 1h30m".to_owned()), "{text}");
        }
    }
}
