//! Times in UTC as RFC 3339 text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The end of the year 9999, less a millisecond.
const END: Duration = Duration::from_millis(253_402_300_799_999);

/// Appends a time with 0, 3, 6 or 9 decimals of the second. Times before 1970 or after 9999 are clamped.
pub fn push(out: &mut String, at: SystemTime, decimals: u8) {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().min(END);
    let seconds = since.as_secs();
    let (year, month, day) = civil(seconds / 86400);
    push_pair(out, year / 100);
    push_pair(out, year % 100);
    for (before, value) in
        [('-', month), ('-', day), ('T', seconds / 3600 % 24), (':', seconds / 60 % 60), (':', seconds % 60)]
    {
        out.push(before);
        push_pair(out, value);
    }
    if decimals > 0 {
        out.push('.');
    }
    let mut fraction = since.subsec_nanos();
    for _ in 0..decimals {
        push_digit(out, u64::from(fraction / 100_000_000));
        fraction = fraction % 100_000_000 * 10;
    }
    out.push('Z');
}

/// Appends the last two digits of a number.
fn push_pair(out: &mut String, value: u64) {
    push_digit(out, value / 10);
    push_digit(out, value);
}

/// Appends the last digit of a number.
fn push_digit(out: &mut String, value: u64) {
    out.push(char::from(b'0' + (value % 10) as u8));
}

/// Returns the year, month and day of a day since 1970 in the Gregorian calendar.
///
/// It counts from 1 March 0000, so that a leap day is the last one of its year, and of its 400 years, which are an era.
fn civil(day: u64) -> (u64, u64, u64) {
    const DAYS_BEFORE_1970: u64 = 719_468;
    const DAYS_OF_ERA: u64 = 146_097;
    let day = day + DAYS_BEFORE_1970;
    let (era, day) = (day / DAYS_OF_ERA, day % DAYS_OF_ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Five months of 153 days follow each other twice, and a part of a third time.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let is_next_year = month >= 10;
    (400 * era + year + u64::from(is_next_year), if is_next_year { month - 9 } else { month + 3 }, day)
}

/// Parses a time, which may lack the `Z`, and have a blank in the place of the `T`. Accepts leap seconds as the second
/// before.
#[must_use]
pub fn parse(text: &str) -> Option<SystemTime> {
    #[cfg(target_pointer_width = "32")]
    if text >= "2038" {
        return parse_late(text);
    }
    humantime::parse_rfc3339_weak(text).ok()
}

/// Parses a time after the year 2001. On 32 bits humantime refuses times after January 2038: it gets the same day of 2000,
/// a leap year, or 2001, and the years since then are added.
#[cfg(any(test, target_pointer_width = "32"))]
fn parse_late(text: &str) -> Option<SystemTime> {
    let year: u64 = text.get(..4)?.parse().ok()?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let alike = if is_leap { 2000 } else { 2001 };
    let days_before = |year: u64| (year - 1) * 365 + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let days = days_before(year).checked_sub(days_before(alike))?;
    let at = humantime::parse_rfc3339_weak(&format!("{alike}{}", text.get(4..)?)).ok()?;
    at.checked_add(Duration::from_secs(days * 86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_their_decimals_and_read_again() {
        let at = UNIX_EPOCH + Duration::new(1_767_323_045, 678_901_234);
        for (decimals, expected) in [
            (0, "2026-01-02T03:04:05Z"),
            (3, "2026-01-02T03:04:05.678Z"),
            (6, "2026-01-02T03:04:05.678901Z"),
            (9, "2026-01-02T03:04:05.678901234Z"),
        ] {
            let mut out = String::new();
            push(&mut out, at, decimals);
            assert_eq!(out, expected);
        }
        assert_eq!(parse("2026-01-02T03:04:05.678901234Z"), Some(at));
        assert_eq!(parse("2026-01-02 03:04:05.678901234"), Some(at));
    }

    #[test]
    fn every_day_is_the_one_of_another_implementation() {
        let days = END.as_secs() / 86400;
        for day in (0..days).step_by(7).chain(days - 1000..=days).chain(0..1500) {
            let at =
                UNIX_EPOCH + Duration::new(day * 86400 + day * 7919 % 86400, (day * 7_919_113 % 1_000_000_000) as u32);
            let mut out = String::new();
            push(&mut out, at, 9);
            assert_eq!(out, humantime::format_rfc3339_nanos(at).to_string());
        }
    }

    #[test]
    fn times_after_january_2038_are_read_on_32_bits_too() {
        let mut at = UNIX_EPOCH + Duration::from_secs(2_147_483_647);
        while at < UNIX_EPOCH + END {
            let mut text = String::new();
            push(&mut text, at, 3);
            assert_eq!((parse(&text), parse_late(&text)), (Some(at), Some(at)), "{text}");
            at += Duration::from_millis(86_400_000 * 97 + 1);
        }
        for text in [
            "2038",
            "2039-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2o40-01-01T00:00:00Z",
            "204\u{e9}-01-01T00:00:00Z",
        ] {
            assert_eq!((parse(text), parse_late(text)), (None, None), "{text}");
        }
    }

    #[test]
    fn times_out_of_range_are_clamped_and_texts_that_are_no_time_are_refused() {
        let mut out = String::new();
        push(&mut out, UNIX_EPOCH - Duration::from_secs(1), 0);
        push(&mut out, UNIX_EPOCH + END + Duration::from_secs(1), 3);
        assert_eq!(out, "1970-01-01T00:00:00Z9999-12-31T23:59:59.999Z");
        for text in ["", "2026-01-02", "2026-02-29T00:00:00", "2026-01-02T24:00:00Z", "2026-01-02T03:04:05x"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
