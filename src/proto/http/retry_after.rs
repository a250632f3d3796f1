//! `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Returns the wait; one until a date counts from `now`, and a date in the past means zero. The session bounds it.
pub(super) fn parse(text: &str, now: SystemTime) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    Some(date(text)?.duration_since(now).unwrap_or_default())
}

/// Parses an IMF-fixdate, the one form that servers may send (RFC 9110 section 5.6.7):
/// `Sun, 06 Nov 1994 08:49:37 GMT`. humantime parses only RFC 3339.
pub(super) fn date(text: &str) -> Option<SystemTime> {
    let (_weekday, text) = text.split_once(", ")?;
    let [day, month, year, time, "GMT"] = text.split(' ').collect::<Vec<_>>()[..] else { return None };
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>()[..] else { return None };
    let month = 1 + MONTHS.iter().position(|name| *name == month)? as u64;
    let days = days(number(year, 1970, 9999)?, month, number(day, 1, 31)?);
    // 60 is a leap second.
    let seconds = (number(hour, 0, 23)? * 60 + number(minute, 0, 59)?) * 60 + number(second, 0, 60)?;
    Some(UNIX_EPOCH + Duration::from_secs(days * 86_400 + seconds))
}

fn number(text: &str, min: u64, max: u64) -> Option<u64> {
    text.parse().ok().filter(|n| (min..=max).contains(n))
}

/// Counts the days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that the
/// leap day is the last of its year and the lengths of the months before it follow one formula.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_parsed() {
        let wall = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, expected) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("3601", Some(3601)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Mon, 07 Nov 1994 00:00:00 GMT", Some(54_623)),
            ("", None),
            ("-1", None),
            ("7.5", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("Sun, 32 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Foo 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 0000 08:49:37 GMT", None),
        ] {
            assert_eq!(parse(text, wall), expected.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn dates_agree_with_an_independent_calendar() {
        // As date(1) of GNU writes them with `-u -d … +%s`.
        for (text, seconds) in [
            ("01 Jan 1970 00:00:00", 0),
            ("29 Feb 2000 12:00:00", 951_825_600),
            ("01 Mar 2000 00:00:00", 951_868_800),
            ("31 Dec 2023 23:59:59", 1_704_067_199),
            ("28 Feb 2100 01:02:03", 4_107_459_723),
            ("01 Mar 2100 01:02:03", 4_107_546_123),
        ] {
            let expected = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(date(&format!("Wed, {text} GMT")), Some(expected), "{text}");
        }
    }
}
