//! Ranges of the Monitoring Plugins: a value outside of its range is an alarm.
//!
//! Grammar and semantics are those of the Monitoring Plugins Development Guidelines, section "Threshold and ranges". The
//! table in the tests holds the answers of perl's `Monitoring::Plugin::Range`.

use std::fmt;

use crate::model::metric::Unit;
use crate::model::{decimal, duration};

/// A closed interval. Values outside are alarms; with `@`, values inside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Minus infinity if there is no lower bound.
    low: f64,
    /// Infinity if there is no upper bound.
    high: f64,
    /// True with `@`.
    inside: bool,
}

impl Range {
    /// Parses `[@]HIGH`, `[@]LOW:`, `[@]LOW:HIGH`, `[@]:HIGH` or `[@]~:HIGH`. A missing LOW is 0, `~` minus infinity.
    ///
    /// Bounds are in `unit`. Bytes accept suffixes as in `512M` and `2G` (powers of 1024), seconds as in `500ms`, `10m`
    /// and `2d`.
    ///
    /// # Errors
    /// Returns a text that names the invalid part and gives valid examples.
    pub fn parse(text: &str, unit: Unit) -> Result<Range, String> {
        let text = text.trim();
        let (inside, bounds) = match text.strip_prefix('@') {
            Some(bounds) => (true, bounds.trim_start()),
            None => (false, text),
        };
        let (low, high) = match bounds.split_once(':') {
            None if bounds.is_empty() => return Err("a range is missing: write 80, 10:, ~:75 or 10:20".to_owned()),
            None => (0.0, bound(bounds, unit)?),
            Some((low, high)) => between(low.trim(), high.trim(), unit)?,
        };
        if low > high && !bounds.contains(':') {
            return Err(format!("'{bounds}' is 0 to {bounds}: write {bounds}: for no less, ~:{bounds} for no more"));
        }
        if low > high {
            return Err(format!("'{bounds}' begins above its end: write LOW:HIGH"));
        }
        Ok(Range { low, high, inside })
    }

    /// Returns true if the value is an alarm. NaN is outside of every range.
    #[must_use]
    pub fn alarms(&self, value: f64) -> bool {
        (self.low <= value && value <= self.high) == self.inside
    }

    /// Returns the lower bound.
    #[must_use]
    pub fn low(&self) -> Option<f64> {
        Some(self.low).filter(|low| low.is_finite())
    }

    /// Returns the upper bound.
    #[must_use]
    pub fn high(&self) -> Option<f64> {
        Some(self.high).filter(|high| high.is_finite())
    }

    /// Returns the bound that an alarming value has crossed. `None` with `@` and two bounds or none: either could be
    /// meant.
    #[must_use]
    pub fn crossed(&self, value: f64) -> Option<f64> {
        match (self.inside, self.low(), self.high()) {
            (false, Some(low), _) if value < low => Some(low),
            (false, _, high) => high.filter(|high| value > *high),
            (true, Some(bound), None) | (true, None, Some(bound)) => Some(bound),
            (true, ..) => None,
        }
    }

    /// Formats the range for performance data, in base units. `~:HIGH` is written as `HIGH` alone:
    /// many consumers accept plain numbers only.
    #[must_use]
    pub fn perfdata(&self) -> String {
        let mut out = String::new();
        if !self.inside && self.low == f64::NEG_INFINITY && self.high.is_finite() {
            decimal::push_plain(&mut out, self.high);
        } else {
            self.push(&mut out, decimal::push_plain);
        }
        out
    }

    fn push(&self, out: &mut String, push_number: fn(&mut String, f64)) {
        out.push_str(if self.inside { "@" } else { "" });
        match self.low() {
            None => out.push_str("~:"),
            Some(0.0) if self.high.is_finite() => {}
            Some(low) => {
                push_number(out, low);
                out.push(':');
            }
        }
        if let Some(high) = self.high() {
            push_number(out, high);
        }
    }
}

/// Formats the range in its shortest form and in base units: `80`, `10:`, `~:75`, `@10:20`.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.push(&mut out, decimal::push_decimal);
        f.write_str(&out)
    }
}

fn between(low: &str, high: &str, unit: Unit) -> Result<(f64, f64), String> {
    let from = match low {
        "" if high.is_empty() => return Err("':' stands alone: write LOW:, :HIGH or LOW:HIGH".to_owned()),
        "" => 0.0,
        "~" => f64::NEG_INFINITY,
        _ => bound(low, unit)?,
    };
    let to = match high {
        "" => f64::INFINITY,
        "~" => return Err("'~' is minus infinity and stands before ':': write LOW: for no upper bound".to_owned()),
        _ => bound(high, unit)?,
    };
    Ok((from, to))
}

/// Parses one bound in the given unit.
fn bound(text: &str, unit: Unit) -> Result<f64, String> {
    let (value, example) = match unit {
        Unit::Bytes | Unit::BytesPerSecond => (bytes(text), "a size such as 65536, 512M or 2G"),
        Unit::Seconds => {
            (duration::seconds(text).map_err(|why| format!("'{text}': {why}"))?, "a time such as 60, 500ms, 10m or 2d")
        }
        _ => (decimal::parse(text), "a number such as 80 or 7.5"),
    };
    match value {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => Err(format!("'{text}' is too large")),
        None if text == "~" => Err("'~' is minus infinity and stands before ':': write ~:75".to_owned()),
        None => Err(format!("'{text}' is not {example}")),
    }
}

/// Parses a number with an optional suffix K, M, G or T (powers of 1024), in any case, `KB` and `KiB` too.
fn bytes(text: &str) -> Option<f64> {
    let end = text.find(|c: char| "kKmMgGtTbB".contains(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let exponent = match &*unit.to_ascii_lowercase() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return None,
    };
    Some(decimal::parse(number.trim_end())? * f64::from(1024_u32).powi(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns of the table below.
    const VALUES: [f64; 10] = [-6.0, -1.0, 0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 80.0, 81.0];

    fn verdicts(text: &str) -> Option<String> {
        let range = Range::parse(text, Unit::Count).ok()?;
        Some(VALUES.map(|value| if range.alarms(value) { 'A' } else { '.' }).iter().collect())
    }

    #[test]
    fn values_alarm_as_the_monitoring_plugins_say() {
        for (range, alarms) in [
            ("80", "AA.......A"),
            ("10:", "AAAA......"),
            ("~:10", ".....AAAAA"),
            ("10:20", "AAAA...AAA"),
            ("@10:20", "....AAA..."),
            (":20", "AA.....AAA"),
            ("0", "AA.AAAAAAA"),
            ("0:0", "AA.AAAAAAA"),
            ("~:", ".........."),
            ("@10:", "....AAAAAA"),
            ("@~:10", "AAAAA....."),
            ("@20", "..AAAAA..."),
            ("@:20", "..AAAAA..."),
            ("-5:", "A........."),
            ("-6:-1", "..AAAAAAAA"),
            ("@-6:-1", "AA........"),
            ("~:-1", "..AAAAAAAA"),
            ("-1:0", "A..AAAAAAA"),
            ("10:10", "AAAA.AAAAA"),
            ("@10:10", "....A....."),
            ("0:", "AA........"),
            ("~:0", "...AAAAAAA"),
            ("1e1:2e1", "AAAA...AAA"),
            ("+5:+15", "AAA...AAAA"),
            (".5:", "AAA......."),
            ("5.", "AA..AAAAAA"),
            ("007:", "AAAA......"),
            (" @ 10 : 20 ", "....AAA..."),
            ("1e308", "AA........"),
            ("-1e308:", ".........."),
        ] {
            assert_eq!(verdicts(range).as_deref(), Some(alarms), "{range}");
        }
        // The perl module never alarms here. The guidelines and the plugins in C do.
        assert_eq!(verdicts("@~:").as_deref(), Some("AAAAAAAAAA"));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for range in [
            "20:10", "a", "-5", "", "@", "~", ":", "~:~", "@:", "10:~", "::", "1:2:3", "@@10", "~10", "10@", "5:-5",
            "--5", "1e", "e5", "0x10", "inf", "nan", "1_0", "1,0", "10:20:", "80%", "512M", "\u{663}", "1e309",
            "~:1e999", "-~:5", "5m",
        ] {
            assert_eq!(verdicts(range), None, "{range}");
        }
    }

    #[test]
    fn the_reason_names_the_part_and_what_could_stand_there() {
        for (range, unit, why) in [
            ("", Unit::Count, "a range is missing: write 80, 10:, ~:75 or 10:20"),
            ("@", Unit::Count, "a range is missing: write 80, 10:, ~:75 or 10:20"),
            (":", Unit::Count, "':' stands alone: write LOW:, :HIGH or LOW:HIGH"),
            ("~", Unit::Count, "'~' is minus infinity and stands before ':': write ~:75"),
            ("10:~", Unit::Count, "'~' is minus infinity and stands before ':': write LOW: for no upper bound"),
            ("20:10", Unit::Count, "'20:10' begins above its end: write LOW:HIGH"),
            ("-5", Unit::Count, "'-5' is 0 to -5: write -5: for no less, ~:-5 for no more"),
            ("80%", Unit::Percent, "'80%' is not a number such as 80 or 7.5"),
            ("1e309", Unit::Percent, "'1e309' is not a number such as 80 or 7.5"),
            ("5X:", Unit::Bytes, "'5X' is not a size such as 65536, 512M or 2G"),
            ("1e308G", Unit::Bytes, "'1e308G' is too large"),
            (":5x", Unit::Seconds, "'5x' is not a time such as 60, 500ms, 10m or 2d"),
            ("10M", Unit::Seconds, "'10M': months are not accepted, did you mean 10m?"),
        ] {
            assert_eq!(Range::parse(range, unit), Err(why.to_owned()), "{range}");
        }
    }

    #[test]
    fn bounds_may_have_the_units_of_their_metric() {
        for (range, unit, written) in [
            ("512M", Unit::Bytes, "536870912"),
            ("1G:", Unit::Bytes, "1073741824:"),
            ("1.5g:2TiB", Unit::Bytes, "1610612736:2199023255552"),
            ("7b:64kb", Unit::BytesPerSecond, "7:65536"),
            ("~:1 K", Unit::BytesPerSecond, "~:1024"),
            ("10m", Unit::Seconds, "600"),
            ("2d:", Unit::Seconds, "172800:"),
            ("@500ms:1h 30m", Unit::Seconds, "@0.5:5400"),
            ("-1m:60", Unit::Seconds, "-60:60"),
            ("1.5h:1w", Unit::Seconds, "5400:604800"),
        ] {
            assert_eq!(Range::parse(range, unit).map(|range| range.to_string()), Ok(written.to_owned()), "{range}");
        }
    }

    #[test]
    fn a_range_is_written_as_it_can_be_read_again() {
        for (range, written, perfdata) in [
            ("0:80", "80", "80"),
            ("~:80", "~:80", "80"),
            ("10:", "10:", "10:"),
            ("0:", "0:", "0:"),
            ("@10:20.50", "@10:20.5", "@10:20.5"),
            ("@~:5", "@~:5", "@~:5"),
            ("~:", "~:", "~:"),
            ("0", "0", "0"),
            ("-1e19:1e-7", "-1e+19:1e-7", "-1e+19:0.000000100"),
        ] {
            let parsed = Range::parse(range, Unit::Count).unwrap();
            assert_eq!((parsed.to_string().as_str(), parsed.perfdata().as_str()), (written, perfdata));
            assert_eq!(Range::parse(written, Unit::Count), Ok(parsed));
        }
    }

    #[test]
    fn the_bound_that_was_crossed_is_known_where_there_is_one() {
        for (range, value, bound) in [
            ("80", 81.0, Some(80.0)),
            ("80", -1.0, Some(0.0)),
            ("10:20", 5.0, Some(10.0)),
            ("10:", 5.0, Some(10.0)),
            ("~:5", 6.0, Some(5.0)),
            ("@10:20", 15.0, None),
            ("@90:", 95.0, Some(90.0)),
            ("@~:5", 3.0, Some(5.0)),
            ("@~:", 3.0, None),
        ] {
            assert_eq!(Range::parse(range, Unit::Count).unwrap().crossed(value), bound, "{range}");
        }
    }

    #[test]
    fn absurd_input_is_refused_and_never_panics() {
        for text in ["é:é", "@é", "5é", "~é:", "1é2m", "\0", "é".repeat(100_000).as_str(), &"1".repeat(100_000)]
        {
            for unit in [Unit::Count, Unit::Bytes, Unit::Seconds] {
                assert!(Range::parse(text, unit).is_err());
            }
        }
    }
}
