//! Reads durations, sizes and numbers as people write them.
//!
//! Errors state only the reason; the caller prefixes option and value.

use std::time::Duration;

/// The longest duration. Adding it to an instant does not overflow.
const TEN_YEARS: Duration = Duration::from_secs(3_653 * 86_400);

/// Reads seconds (`60`, `0.5`) or humantime's form (`500ms`, `5m`, `1h 30m`), from 0 to ten years.
pub fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let duration = match text.strip_prefix('-') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => return Err("must not be negative".to_owned()),
        _ if plain => with_unit(&format!("{text}s"))?,
        _ => with_unit(text)?,
    };
    match duration <= TEN_YEARS {
        true => Ok(duration),
        false => Err("longer than ten years".to_owned()),
    }
}

/// Reads a duration and refuses 0.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    duration_or_none(text)?.ok_or_else(|| "must be more than 0".to_owned())
}

/// Reads a duration; 0 is `None`, "never" or "no limit".
pub fn duration_or_none(text: &str) -> Result<Option<Duration>, String> {
    Ok(Some(duration(text)?).filter(|duration| !duration.is_zero()))
}

/// Reads bytes, or a whole number of K, M or G (powers of 1024), in any case; also `KB` and `KiB`.
pub fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let bytes = shift(unit).zip(number.parse::<u64>().ok());
    let (shift, number) = bytes.ok_or("not a size such as 65536, 64K, 10M or 1G")?;
    number.checked_mul(1 << shift).ok_or_else(|| "too large".to_owned())
}

/// Reads a size that must fit into memory, and refuses 0.
pub fn memory_size(text: &str) -> Result<usize, String> {
    match usize::try_from(size(text)?) {
        Ok(0) => Err("must be more than 0".to_owned()),
        Ok(bytes) => Ok(bytes),
        Err(_) => Err("too large for this machine".to_owned()),
    }
}

/// Reads the limit of a message: at most 1 GiB, and not 0.
pub fn message_size(text: &str) -> Result<usize, String> {
    match memory_size(text)? {
        bytes if bytes > 1 << 30 => Err("must be at most 1G".to_owned()),
        bytes => Ok(bytes),
    }
}

/// Reads a size; 0 is `None`, "never".
pub fn size_or_none(text: &str) -> Result<Option<u64>, String> {
    Ok(Some(size(text)?).filter(|&bytes| bytes > 0))
}

/// Reads a whole number from 0.
pub fn number(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| "not a whole number".to_owned())
}

/// Reads a whole number from 1.
pub fn positive_number(text: &str) -> Result<u64, String> {
    match number(text)? {
        0 => Err("must be at least 1".to_owned()),
        number => Ok(number),
    }
}

fn with_unit(text: &str) -> Result<Duration, String> {
    refuse_unit(text)?;
    let duration = if is_overlong(text) { None } else { humantime::parse_duration(text).ok() };
    duration.ok_or_else(|| "not a duration such as 5, 0.5, 500ms, 5m or 1h30m".to_owned())
}

/// Finds numbers that must not reach humantime: it panics where a sum exceeds `u64::MAX` seconds.
fn is_overlong(text: &str) -> bool {
    let mut digits = 0;
    text.len() > 64
        || text.bytes().any(|byte| {
            digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
            digits > 18
        })
}

/// Refuses months and years: humantime reads `10M` as ten months, but minutes are meant.
fn refuse_unit(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        let (number, tail) = rest.split_at(start);
        let end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let number = number.trim();
        match unit {
            "M" | "month" | "months" => {
                return Err(format!("months are not accepted, did you mean {number}m?"));
            }
            "y" | "yr" | "yrs" | "year" | "years" => {
                return Err("years are not accepted, did you mean days (365d)?".to_owned());
            }
            _ => rest = tail,
        }
    }
    Ok(())
}

/// The power of two that a unit stands for.
fn shift(unit: &str) -> Option<u32> {
    match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => Some(0),
        "k" | "kb" | "kib" => Some(10),
        "m" | "mb" | "mib" => Some(20),
        "g" | "gb" | "gib" => Some(30),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> f64 {
        duration(text).unwrap_or_else(|why| panic!("{text}: {why}")).as_secs_f64()
    }

    #[test]
    fn a_plain_number_is_seconds() {
        assert_eq!(seconds("60"), 60.0);
        assert_eq!(seconds("0.5"), 0.5);
        assert_eq!(seconds(" 5.0 "), 5.0);
        assert_eq!(seconds("0"), 0.0);
    }

    #[test]
    fn units_are_those_of_humantime() {
        assert_eq!(seconds("5m"), 300.0);
        assert_eq!(seconds("1h 30m"), 5400.0);
        assert_eq!(seconds("500ms"), 0.5);
        assert_eq!(seconds("1.5s"), 1.5);
        assert_eq!(seconds("1d"), 86_400.0);
    }

    #[test]
    fn months_and_years_are_refused_with_a_hint() {
        for (text, meant) in [
            ("10M", "did you mean 10m?"),
            ("10 months", "did you mean 10m?"),
            ("1h 5M", "did you mean 5m?"),
            ("1y", "did you mean days (365d)?"),
        ] {
            let why = duration(text).unwrap_err();
            assert!(why.contains(meant), "{text}: {why}");
        }
    }

    #[test]
    fn a_text_that_is_no_duration_is_refused() {
        for text in ["", "nan", "inf", "-1", "-0.5", "-inf", "1e400", "5x", "five", "--stats", "5S"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ten_years_is_the_longest() {
        assert_eq!(duration("3653d"), Ok(TEN_YEARS));
        for text in ["3654d", "315619201", "1e300", "99999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_overflowing_sum_is_an_error_and_no_panic() {
        assert!(duration("18446744073709551615s 1000ms").is_err());
        assert!(duration(&"999999999999999999s ".repeat(20)).is_err());
    }

    #[test]
    fn zero_is_never_or_an_error_as_the_option_says() {
        assert_eq!(duration_or_none("0"), Ok(None));
        assert_eq!(duration_or_none("2s"), Ok(Some(Duration::from_secs(2))));
        assert!(positive_duration("0").is_err());
        assert!(positive_duration("0ms").is_err());
        assert_eq!(positive_duration("1"), Ok(Duration::from_secs(1)));
    }

    #[test]
    fn sizes_are_bytes_or_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("64k", 65_536),
            ("4M", 4 << 20),
            ("4mb", 4 << 20),
            ("4 MiB", 4 << 20),
            ("2G", 2 << 30),
            ("7B", 7),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_size_is_refused() {
        for text in ["", "M", "-1", "1.5M", "4T", "4Mi", "99999999999G", "99999999999999999999"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(memory_size("0").is_err());
        assert_eq!(message_size("1G"), Ok(1 << 30));
        assert_eq!(message_size("1073741825"), Err("must be at most 1G".to_owned()));
        assert!(message_size("0").is_err());
        assert_eq!(size_or_none("0"), Ok(None));
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        assert_eq!(number("0"), Ok(0));
        assert_eq!(positive_number("5"), Ok(5));
        for text in ["-1", "1.5", "", "x", "99999999999999999999"] {
            assert!(number(text).is_err(), "{text}");
        }
        assert!(positive_number("0").is_err());
    }
}
