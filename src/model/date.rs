//! Times in UTC as RFC 3339 text, and the days of the calendar.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The end of the year 9999, less a millisecond.
const END: Duration = Duration::from_millis(253_402_300_799_999);

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: u64 = 719_468;

/// Appends a time with so many decimals of the second, up to nine. Times before 1970 or after 9999 are clamped.
pub fn push(out: &mut String, at: SystemTime, decimals: usize) {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().min(END);
    let seconds = since.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let mut text = *b"0000-00-00T00:00:00.000000000";
    // The end of each number, and the number.
    for (mut at, mut number) in [
        (4, year),
        (7, month),
        (10, day),
        (13, seconds / 3_600 % 24),
        (16, seconds / 60 % 60),
        (19, seconds % 60),
        (29, since.subsec_nanos().into()),
    ] {
        while number > 0 {
            at -= 1;
            text[at] += (number % 10) as u8;
            number /= 10;
        }
    }
    let len = if decimals > 0 { 20 + decimals } else { 19 };
    out.push_str(std::str::from_utf8(&text[..len]).unwrap_or_default());
    out.push('Z');
}

/// Parses a time, which may lack the `Z`, and have a blank in the place of the `T`. Accepts leap seconds as the second
/// before.
#[must_use]
pub fn parse(text: &str) -> Option<SystemTime> {
    let (text, fraction) = text.as_bytes().split_at_checked(19)?;
    let [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b' ', _, _, b':', _, _, b':', _, _] = text else {
        return None;
    };
    let (year, month, day) = (number(&text[..4])?, number(&text[5..7])?, number(&text[8..10])?);
    let (hour, minute, second) = (number(&text[11..13])?, number(&text[14..16])?, number(&text[17..])?);
    let is_within = year >= 1970 && (1..=12).contains(&month) && hour < 24 && minute < 60 && second <= 60;
    if !is_within || day == 0 || date(days(year, month, day)) != (year, month, day) {
        return None;
    }
    let nanos = match fraction.strip_suffix(b"Z").unwrap_or(fraction) {
        [] | [b'.'] => 0,
        [b'.', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
            let digits = &digits[..digits.len().min(9)];
            number(digits)? * 10_u64.pow(9 - digits.len() as u32)
        }
        _ => return None,
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second.min(59);
    Some(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanos))
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

/// Counts the days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that the
/// leap day is the last of its year and the lengths of the months before it follow one formula.
#[must_use]
pub fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - EPOCH
}

/// Returns year, month and day of a number of days since 1970-01-01, as [`days`] counts them.
fn date(days: u64) -> (u64, u64, u64) {
    // 400 years have 146 097 days, 100 of them 36 524, and 4 of them 1 461.
    let (centuries, day) = ((days + EPOCH) / 146_097 * 400, (days + EPOCH) % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (year * 365 + year / 4 - year / 100);
    let month = (day * 5 + 2) / 153;
    let day = day - (month * 153 + 2) / 5 + 1;
    let year = centuries + year;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random::Random;

    fn text(at: SystemTime, decimals: usize) -> String {
        let mut out = String::new();
        push(&mut out, at, decimals);
        out
    }

    #[test]
    fn times_agree_with_another_implementation() {
        let mut random = Random::new(5);
        for _ in 0..5000 {
            let at = UNIX_EPOCH + Duration::from_nanos(random.next_u64()) * random.below(14) as u32;
            for (decimals, expected) in [
                (0, humantime::format_rfc3339_seconds(at).to_string()),
                (3, humantime::format_rfc3339_millis(at).to_string()),
                (6, humantime::format_rfc3339_micros(at).to_string()),
                (9, humantime::format_rfc3339_nanos(at).to_string()),
            ] {
                assert_eq!(text(at, decimals), expected);
                assert_eq!(parse(&expected), humantime::parse_rfc3339_weak(&expected).ok());
            }
            assert_eq!(parse(&text(at, 9)), Some(at));
        }
    }

    #[test]
    fn every_day_of_four_centuries_has_its_own_date() {
        for day in 0..146_097 {
            let (year, month, date) = date(day);
            assert_eq!(days(year, month, date), day);
            assert!((1..=12).contains(&month) && (1..=31).contains(&date));
        }
    }

    #[test]
    fn odd_texts_are_accepted_and_refused_as_by_another_implementation() {
        for stamp in [
            "2026-02-28 23:59:60",
            "2026-02-29T00:00:00",
            "2024-02-29T00:00:00Z",
            "2000-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999999999",
            "2026-04-31T00:00:00",
            "2026-01-00T00:00:00",
            "2026-00-01T00:00:00",
            "2026-13-01T00:00:00",
            "2026-01-01T24:00:00",
            "2026-01-01T00:60:00",
            "2026-01-01T00:00:61",
            "2026-01-01T00:00:00.1234567890",
            "2026-01-01T00:00:00x",
            "2026-01-01T00:00:00.5ZZ",
            "2026-01-01t00:00:00",
            "+026-01-01T00:00:00",
            "éé-01-01T00:00:00Z",
            "2026-01-01",
            "",
        ] {
            assert_eq!(parse(stamp), humantime::parse_rfc3339_weak(stamp).ok(), "{stamp}");
        }
        assert_eq!(parse("2026-01-01T00:00:00ZZ"), None);
    }
}
