//! Times in UTC as RFC 3339 text.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The end of the year 9999, less a millisecond.
const END: Duration = Duration::from_millis(253_402_300_799_999);

/// Appends a time with 0, 3, 6 or 9 decimals of the second. Times before 1970 or after 9999 are clamped.
pub fn push(out: &mut String, at: SystemTime, decimals: u8) {
    let at = at.clamp(UNIX_EPOCH, UNIX_EPOCH + END);
    let text = match decimals {
        0 => humantime::format_rfc3339_seconds(at),
        3 => humantime::format_rfc3339_millis(at),
        6 => humantime::format_rfc3339_micros(at),
        _ => humantime::format_rfc3339_nanos(at),
    };
    // Formatting cannot fail within these bounds.
    let _ = write!(out, "{text}");
}

/// Parses a time, which may lack the `Z`, and have a blank in the place of the `T`. Accepts leap seconds as the second
/// before.
#[must_use]
pub fn parse(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339_weak(text).ok()
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
