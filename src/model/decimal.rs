//! Decimal numbers: parsing as the Monitoring Plugins do, and the shortest form.

use std::fmt::{self, Write};

use super::json;
use super::number::push_digits;

/// Parses a decimal number as the Monitoring Plugins do: a sign, digits with a point anywhere, an exponent.
///
/// Returns `None` for anything else and for a number beyond f64. The text is rewritten as JSON and parsed by serde_json:
/// `str::parse::<f64>` would add 12 KB to a binary that has no other use for it. Numbers of up to 15 digits without a
/// large exponent are exact, others may differ in the last bit.
#[must_use]
pub fn parse(text: &str) -> Option<f64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = digits.split_at(digits.find(['e', 'E']).unwrap_or(digits.len()));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let sign = if negative { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    // No `.0` is added: serde_json computes with the digits that it gets, and 1.0e30 is not exactly 1e30 to it.
    let point = if fraction.is_empty() { "" } else { "." };
    json::number(&format!("{sign}{whole}{point}{fraction}{exponent}"))
}

/// Displays a finite number with the fewest digits that parse to the same value, and without `.0`.
#[derive(Clone, Copy, Debug)]
pub struct Decimal(pub f64);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        push_decimal(&mut out, self.0);
        f.write_str(&out)
    }
}

/// Appends a finite number as [`Decimal`] displays it; nothing for any other.
///
/// Nearly all numbers are integers or have few decimals, and are written without a search for the fewest digits: of all
/// numbers with up to 15 digits no two are the same in f64.
pub fn push_decimal(out: &mut String, value: f64) {
    /// Below this, integers are exact.
    const EXACT: f64 = 9e15;
    const UNIQUE: i64 = 1_000_000_000_000_000;
    let size = value.abs();
    let digits = size as i64;
    if size < EXACT && digits as f64 == size {
        return push_digits(out, value < 0.0, digits as u64, 0, 0);
    }
    for (decimals, scale) in [(1, 10.0), (2, 100.0), (3, 1000.0)] {
        let digits = (size * scale + 0.5) as i64;
        if digits < UNIQUE && digits as f64 / scale == size {
            return push_digits(out, value < 0.0, digits as u64, 0, decimals);
        }
    }
    if let Some(number) = serde_json::Number::from_f64(value) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{number}");
    }
}

/// Appends a finite number as [`push_decimal`] does, but a small one with nine decimals instead of an exponent: not all
/// readers of performance data know one. From 1e16 on it stays, so that the value does.
pub fn push_plain(out: &mut String, value: f64) {
    /// Below this, numbers have an exponent.
    const SMALL: f64 = 1e-5;
    match value.abs() {
        size if size > 0.0 && size < SMALL => push_digits(out, value < 0.0, (size * 1e9 + 0.5) as u64, 0, 9),
        _ => push_decimal(out, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random::Random;

    #[test]
    fn a_number_is_read_as_the_plugins_read_it() {
        for (text, value) in [
            ("80", 80.0),
            ("-7.25", -7.25),
            ("+5", 5.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("007", 7.0),
            ("0", 0.0),
            ("00.10", 0.1),
            ("1e3", 1000.0),
            ("1e30", 1e30),
            ("2E-3", 0.002),
            ("1e308", 1e308),
            ("0.1", 0.1),
            ("1797693134862315700000", 1_797_693_134_862_315_700_000.0),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            "-",
            "+",
            ".",
            "-.",
            "a",
            "1a",
            "--5",
            "+-5",
            "1.2.3",
            "1e",
            "e5",
            "1e+",
            "0x10",
            "inf",
            "nan",
            "NaN",
            "1_0",
            "1,0",
            "1 0",
            " 1",
            "1 ",
            "\u{663}",
            "1e309",
            "-1e999",
            "1e99999999999999999999",
            "1\n",
            "\"1\"",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_have_the_fewest_digits_and_are_read_back() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (-20.0, "-20"),
            (0.124, "0.124"),
            (1.7369727, "1.7369727"),
            (12.4 / 100.0, "0.124"),
            (0.1 + 0.2, "0.30000000000000004"),
            (25_276_510_208.0, "25276510208"),
            (999_999_999_999_999.0, "999999999999999"),
            (-999_999_999_999.125, "-999999999999.125"),
            (8_999_999_999_999_999.0, "8999999999999999"),
            (1e300, "1e+300"),
            (1e-7, "1e-7"),
        ] {
            let mut out = String::new();
            push_decimal(&mut out, value);
            assert_eq!(out, text);
            assert_eq!(parse(&out), Some(value));
        }
    }

    #[test]
    fn a_plain_number_below_1e16_has_no_exponent_and_is_the_same_number_in_nine_decimals() {
        let mut random = Random::new(8);
        let given = [5e-324, -1.5e-7, 1e-5, 9.9e-6, 123.5, 0.0, 9e15];
        let random = (0..20_000).map(|_| f64::from_bits(random.next_u64()));
        for value in random.filter(|value| value.abs() < 1e16).chain(given) {
            let mut out = String::from("x=");
            push_plain(&mut out, value);
            let plain = out.strip_prefix("x=").unwrap();
            assert!(plain.bytes().all(|b| matches!(b, b'-' | b'.' | b'0'..=b'9')), "{plain}");
            assert!((plain.parse::<f64>().unwrap() - value).abs() <= 5.1e-10, "{value:e}: {plain}");
        }
        let mut out = String::new();
        push_plain(&mut out, 1e308);
        assert_eq!(out, "1e+308");
    }
}
