//! Numbers as text: percentages, sizes, durations, times.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime};

use crate::model::date;
use crate::model::time::has_zone;

/// Below this a number is written in full; from it on as `1e15`, since 1e308 would have 309 digits.
const EXPONENT_FROM: f64 = 1e15;

/// Appends a number as `{:width$.decimals$}` does, with at most 3 decimals; from 1e15 on with an exponent.
pub fn push_fixed(out: &mut String, value: f64, width: usize, decimals: usize) {
    if value.is_nan() || value.abs() >= EXPONENT_FROM {
        let text = match value {
            f64::INFINITY => "inf".to_owned(),
            f64::NEG_INFINITY => "-inf".to_owned(),
            _ if value.is_nan() => "NaN".to_owned(),
            _ => exponential(value),
        };
        // Writing to a String cannot fail.
        let _ = write!(out, "{text:>width$}");
        return;
    }
    push_digits(out, value.is_sign_negative(), scaled(value.abs(), decimals), width, decimals);
}

/// Appends the digits of a number, of which the last ones are so many decimals, in at least `width` characters.
pub fn push_digits(out: &mut String, is_negative: bool, mut digits: u64, width: usize, decimals: usize) {
    // Of 32 bytes, whole words are checked for ASCII below, which takes half the time that it takes for 5 single bytes.
    let mut text = [b' '; 32];
    let mut at = text.len();
    let mut push_front = |b: u8| {
        at -= 1;
        text[at] = b;
    };
    for _ in 0..decimals {
        push_front(b'0' + (digits % 10) as u8);
        digits /= 10;
    }
    if decimals > 0 {
        push_front(b'.');
    }
    loop {
        push_front(b'0' + (digits % 10) as u8);
        digits /= 10;
        if digits == 0 {
            break;
        }
    }
    if is_negative {
        push_front(b'-');
    }
    let start = at.min(text.len().saturating_sub(width));
    // All of it is ASCII.
    out.push_str(std::str::from_utf8(&text).ok().and_then(|text| text.get(start..)).unwrap_or_default());
}

/// Returns a number from 0 to [`EXPONENT_FROM`] times 10^`decimals`, rounded to an integer, ties to the even one.
///
/// The result is exact: a float is an integer of 53 bits divided by a power of two, and three more decimals fit into 64
/// bits.
fn scaled(value: f64, decimals: usize) -> u64 {
    let bits = value.to_bits();
    let shift = 1075 - (bits >> 52);
    // Below 2^-11, which no three decimals show.
    if shift >= 64 {
        return 0;
    }
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    let product = mantissa * 10_u64.pow(decimals as u32);
    let (whole, rest, half) = (product >> shift, product & ((1 << shift) - 1), 1 << (shift - 1));
    whole + u64::from(rest > half || (rest == half && whole % 2 == 1))
}

/// Displays a number with so many decimals, as [`push_fixed`] writes it.
pub struct Fixed(pub f64, pub usize);

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        push_fixed(&mut out, self.0, 0, self.1);
        f.write_str(&out)
    }
}

/// Returns a number from [`EXPONENT_FROM`] on in its shortest form with an exponent: `1.5e15`.
fn exponential(value: f64) -> String {
    let mut text = String::new();
    super::json::push_number(&mut text, value);
    // From 1e16 on it has an exponent already; below it is like `-1234567890123456.5`.
    let Some((whole, fraction)) = text.split_once('.').filter(|_| !text.contains('e')) else {
        return text.replace("e+", "e");
    };
    let (first, rest) = whole.split_at(whole.len() - 15);
    let rest = format!("{rest}{fraction}");
    let rest = rest.trim_end_matches('0');
    format!("{first}{}{rest}e15", if rest.is_empty() { "" } else { "." })
}

/// Appends a number with one decimal, or none if the decimal is 0.
pub fn push_short(out: &mut String, value: f64) {
    push_fixed(out, value, 0, 1);
    if out.ends_with(".0") {
        out.truncate(out.len() - 2);
    }
}

/// Appends a number of bytes like `9.4 GB`, in units of 1024 with one decimal. The reference client's notation, except
/// that 1048575 is `1.0 MB` and not `1024.0 KB`.
pub fn push_bytes(out: &mut String, bytes: f64) {
    const UNITS: [&str; 5] = [" B", " KB", " MB", " GB", " TB"];
    let mut value = bytes;
    let mut unit = 0;
    while value.abs() >= 1023.95 && unit < UNITS.len() - 1 {
        value /= 1024.0;
        unit += 1;
    }
    push_fixed(out, value, 0, 1);
    out.push_str(UNITS[unit]);
}

/// Appends a duration like `2d 4h 32m 5s`, rounded down to seconds.
pub fn push_duration(out: &mut String, duration: Duration) {
    let mut left = duration.as_secs();
    let mut lead = "";
    for &(size, unit) in &[(86400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')] {
        let count = left / size;
        left %= size;
        if count > 0 || !lead.is_empty() || size == 1 {
            // Writing to a String cannot fail.
            let _ = write!(out, "{lead}{count}{unit}");
            lead = " ";
        }
    }
}

/// Appends the two largest units of a duration, like `3h 12m`.
pub fn push_age(out: &mut String, duration: Duration) {
    let start = out.len();
    push_duration(out, duration);
    if let Some((end, _)) = out[start..].match_indices(' ').nth(1) {
        out.truncate(start + end);
    }
}

/// Parses an RFC 3339 time. Without `Z` or an offset it is taken as UTC.
pub fn parse_timestamp(stamp: &str) -> Option<SystemTime> {
    const SECONDS: usize = "2026-01-02T03:04:05".len();
    let (local, offset) = match stamp.get(SECONDS..)?.find(['+', '-']) {
        Some(at) => stamp.split_at(SECONDS + at),
        None => (stamp, "+00:00"),
    };
    let (hours, minutes) = offset[1..].split_once(':')?;
    let ahead =
        Duration::from_secs((hours.parse::<u64>().ok()?.min(24) * 60 + minutes.parse::<u64>().ok()?.min(60)) * 60);
    let local = date::parse(local)?;
    if offset.starts_with('+') { local.checked_sub(ahead) } else { local.checked_add(ahead) }
}

/// Parses an RFC 3339 time that says how far it is from UTC; `None` for any other.
pub fn parse_zoned(stamp: &str) -> Option<SystemTime> {
    if has_zone(stamp) { parse_timestamp(stamp) } else { None }
}

/// Appends a time in UTC as RFC 3339 with milliseconds. Times before 1970 or after 9999 are clamped.
pub fn push_timestamp(out: &mut String, at: SystemTime) {
    date::push(out, at, 3);
}

/// Appends a time like [`push_timestamp`], without the fraction of the second.
pub fn push_seconds(out: &mut String, at: SystemTime) {
    date::push(out, at, 0);
}

/// Returns the `HH:MM:SS` of a time stamp like `2026-01-02T03:04:05`; a fraction or an offset may follow.
pub fn time_of_day(stamp: &str) -> Option<&str> {
    let time = stamp.get(stamp.find('T')? + 1..)?.get(..8)?;
    let fits = |(b, pattern)| if pattern == b':' { b == b':' } else { u8::is_ascii_digit(&b) };
    time.bytes().zip(*b"00:00:00").all(fits).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random::Random;

    fn text(push: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        push(&mut out);
        out
    }

    #[test]
    fn fixed_point_is_what_the_standard_library_writes() {
        let mut generator = Random::new(42);
        let check = |value: f64| {
            assert_eq!(text(|out| push_fixed(out, value, 5, 1)), format!("{value:5.1}"));
            assert_eq!(text(|out| push_fixed(out, value, 3, 0)), format!("{value:3.0}"));
            assert_eq!(text(|out| push_fixed(out, value, 0, 2)), format!("{value:.2}"));
            assert_eq!(Fixed(value, 3).to_string(), format!("{value:.3}"));
        };
        for value in [0.0, -0.0, 2.5, 3.5, 0.25, 79.95, 99.95, -0.04, 1e15_f64.next_down(), 999_999_999.95, 1e8 - 0.05]
        {
            check(value);
            check(-value);
        }
        check(f64::NAN);
        check(f64::INFINITY);
        check(f64::NEG_INFINITY);
        for power in -1074..50 {
            check(2.0_f64.powi(power));
            check(-(2.0_f64.powi(power).next_down()));
        }
        for i in 0..50_000_u32 {
            let random = (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            check(random * 110.0 - 5.0);
            check(random * 1e9);
            let tie = f64::from(i) / 20.0;
            check(tie);
            check(tie.next_up());
            check(tie.next_down());
        }
    }

    #[test]
    fn large_numbers_have_an_exponent_and_keep_their_value() {
        for (value, expected) in [
            (1e15, " 1e15"),
            (-1e15, "-1e15"),
            (1.5e15, "1.5e15"),
            (1_234_567_890_123_456.0, "1.234567890123456e15"),
            (9.2e18, "9.2e18"),
            (f64::MAX, "1.7976931348623157e308"),
        ] {
            assert_eq!(text(|out| push_fixed(out, value, 5, 1)), expected);
            assert_eq!(expected.trim().parse(), Ok(value));
        }
        let mut random = Random::new(3);
        for _ in 0..20_000 {
            let value = f64::from_bits(random.next_u64());
            let short = text(|out| push_short(out, value));
            assert!(short.len() <= 24, "{short}");
            if value.is_finite() && value.abs() >= EXPONENT_FROM {
                assert!(short.contains('e') && short.parse() == Ok(value), "{short}");
            }
            assert!(text(|out| push_bytes(out, value)).len() <= 28);
        }
    }

    #[test]
    fn sizes_change_their_unit_before_they_reach_1024() {
        for (bytes, expected) in [
            (0.0, "0.0 B"),
            (1023.0, "1023.0 B"),
            (1024.0, "1.0 KB"),
            (1_048_575.0, "1.0 MB"),
            (25_276_510_208.0, "23.5 GB"),
            (1e18, "909494.7 TB"),
            (-2048.0, "-2.0 KB"),
        ] {
            assert_eq!(text(|out| push_bytes(out, bytes)), expected);
        }
    }

    #[test]
    fn durations_are_right_at_every_boundary() {
        for (seconds, expected) in [
            (0.9, "0s"),
            (59.99, "59s"),
            (60.0, "1m 0s"),
            (119.9, "1m 59s"),
            (3599.0, "59m 59s"),
            (5400.0, "1h 30m 0s"),
            (7199.0, "1h 59m 59s"),
            (86400.0, "1d 0h 0m 0s"),
            (189_125.0, "2d 4h 32m 5s"),
        ] {
            assert_eq!(text(|out| push_duration(out, Duration::from_secs_f64(seconds))), expected);
        }
    }

    #[test]
    fn times_are_utc_with_milliseconds_and_clamped() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
        assert_eq!(text(|out| push_timestamp(out, at)), "2026-01-02T03:04:05.678Z");
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(text(|out| push_timestamp(out, before)), "1970-01-01T00:00:00.000Z");
        let late = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(text(|out| push_timestamp(out, late)), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn an_age_has_two_units_at_most() {
        for (seconds, expected) in
            [(0, "0s"), (42, "42s"), (303, "5m 3s"), (11_520, "3h 12m"), (86_400, "1d 0h"), (864_999, "10d 0h")]
        {
            assert_eq!(text(|out| push_age(out, Duration::from_secs(seconds))), expected);
        }
    }

    #[test]
    fn times_are_read_with_and_without_fraction_and_offset() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_767_323_045_678_901_234);
        for stamp in [
            "2026-01-02T03:04:05.678901234Z",
            "2026-01-02T03:04:05.678901234",
            "2026-01-02T03:04:05.678901234+00:00",
            "2026-01-01T23:34:05.678901234-03:30",
            "2026-01-02T04:04:05.678901234+01:00",
        ] {
            assert_eq!(parse_timestamp(stamp), Some(at), "{stamp}");
        }
        assert_eq!(
            text(|out| push_timestamp(out, parse_timestamp("2026-01-02T03:04:05").unwrap())),
            "2026-01-02T03:04:05.000Z"
        );
    }

    #[test]
    fn malformed_times_are_rejected() {
        for stamp in [
            "",
            "Tuesday",
            "1767323045",
            "2026-01-02",
            "2026-13-02T03:04:05Z",
            "2026-01-02T03:04:05+",
            "2026-01-02T03:04:05+1",
            "2026-01-02T03:04:05+é:00",
            "2026-01-02T03:04:05-99999999999999999999:00",
            "2026-01-02T03:04:0é",
            "é026-01-02T03:04:05é+01:00",
        ] {
            assert_eq!(parse_timestamp(stamp), None, "{stamp}");
        }
    }

    #[test]
    fn only_a_time_stamp_has_a_time_of_day() {
        assert_eq!(time_of_day("2026-11-20T06:15:54.976600"), Some("06:15:54"));
        assert_eq!(time_of_day("2026-11-20T06:15:54+01:00"), Some("06:15:54"));
        for stamp in ["", "Tuesday", "2026-11-20T6:15:54", "06:15:54", "2026T06:15", "T06:15:5é", "T0é:15:54"] {
            assert_eq!(time_of_day(stamp), None, "{stamp}");
        }
    }
}
