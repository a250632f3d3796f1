//! Reads durations, sizes, numbers and addresses as people write them.
//!
//! Errors state only the reason; the caller prefixes option and value.

use std::net::SocketAddr;
use std::time::Duration;

use wsmon::internal::duration;

/// Reads a duration and refuses 0.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    duration_or_none(text)?.ok_or_else(|| "must be more than 0".to_owned())
}

/// Reads a duration; 0 is `None`, "never" or "no limit".
pub fn duration_or_none(text: &str) -> Result<Option<Duration>, String> {
    Ok(Some(duration::parse(text)?).filter(|duration| !duration.is_zero()))
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

/// Reads an address to listen at. A port alone is one of 127.0.0.1.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let whole = match text.split_once(':') {
        None => format!("127.0.0.1:{text}"),
        Some(("localhost", port)) => format!("127.0.0.1:{port}"),
        Some(_) => text.to_owned(),
    };
    whole.parse().map_err(|_| "write PORT or ADDRESS:PORT, such as 9109, 0.0.0.0:9109 or [::1]:9109".to_owned())
}

/// Reads the limit of a message: at most 1 GiB, and not 0.
pub fn message_size(text: &str) -> Result<usize, String> {
    match size(text)? {
        bytes if bytes > 1 << 30 => Err("must be at most 1G".to_owned()),
        _ => memory_size(text),
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
        for text in ["1073741825", "4G", "5G"] {
            assert_eq!(message_size(text), Err("must be at most 1G".to_owned()));
        }
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

    #[test]
    fn an_address_is_a_port_or_an_address_with_a_port() {
        for (text, expected) in [
            ("9109", "127.0.0.1:9109"),
            ("0", "127.0.0.1:0"),
            ("localhost:9109", "127.0.0.1:9109"),
            ("0.0.0.0:9109", "0.0.0.0:9109"),
            ("[::1]:9109", "[::1]:9109"),
            ("[::]:1", "[::]:1"),
        ] {
            assert_eq!(listen_address(text).map(|address| address.to_string()), Ok(expected.to_owned()), "{text}");
        }
        for text in [
            "",
            "x",
            "65536",
            "-1",
            "+1",
            "1.5",
            "127.0.0.1",
            ":9109",
            "::1:9109",
            "[::1]",
            "h:9109",
            "*:1",
            "9109/x",
            "1:2",
        ] {
            assert!(listen_address(text).is_err_and(|why| why.starts_with("write PORT or ADDRESS:PORT")), "{text}");
        }
    }
}
