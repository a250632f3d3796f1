//! Performance data of the Monitoring Plugins: values with their thresholds, for programs that draw graphs.
//!
//! The form is that of the Monitoring Plugins Development Guidelines, section "Performance data".

use crate::fleet::grammar::{Rule, Threshold};
use crate::fleet::quantity::Quantity;
use crate::model::decimal::push_plain;
use crate::model::metric::Unit;

/// Appends one value as performance data, `'cpu'=91.2%;80;90;0;100`, after a blank if `out` is not empty. The fields are
/// value and unit, the ranges of `threshold`, minimum and maximum; empty ones at the end are left out. A value that is not
/// finite is left out altogether.
///
/// Characters of `label` that a label cannot have are replaced by `_`.
///
/// ```
/// use wsmon::{Metric, Quantity, Thresholds};
///
/// let mut thresholds = Thresholds::default();
/// thresholds.add_warnings("memory_available=1G:")?;
/// let mut out = String::new();
/// let quantity = Quantity::Metric(Metric::MemoryAvailable);
/// wsmon::push_perfdata(&mut out, "web::memory_available", quantity, 5.9e9, thresholds.list().first());
/// wsmon::push_perfdata(&mut out, "web::load1", Quantity::Metric(Metric::Load1), 0.52, None);
/// assert_eq!(out, "'web::memory_available'=5900000000B;1073741824:;;0 'web::load1'=0.52;;;0");
/// # Ok::<(), wsmon::Error>(())
/// ```
pub fn push_perfdata(out: &mut String, label: &str, quantity: Quantity, value: f64, threshold: Option<&Threshold>) {
    if !value.is_finite() {
        return;
    }
    let (unit, bounds) = match quantity.unit() {
        Unit::Percent => ("%", "0;100"),
        Unit::Bytes => ("B", "0"),
        Unit::Seconds => ("s", "0"),
        Unit::BytesPerSecond | Unit::Count | Unit::Load => ("", "0"),
        Unit::Megahertz | Unit::Celsius | Unit::Watt => ("", ""),
    };
    let range = |rule: Option<&Rule>| rule.map(|rule| rule.range.perfdata()).unwrap_or_default();
    let warning = range(threshold.and_then(|threshold| threshold.warning.as_ref()));
    let critical = range(threshold.and_then(|threshold| threshold.critical.as_ref()));
    if !out.is_empty() {
        out.push(' ');
    }
    out.push('\'');
    let is_refused = |c: char| c.is_control() || matches!(c, '\'' | '=' | '|');
    out.extend(label.chars().map(|c| if is_refused(c) { '_' } else { c }));
    out.push_str("'=");
    push_plain(out, value);
    for part in [unit, ";", &warning, ";", &critical, ";", bounds] {
        out.push_str(part);
    }
    out.truncate(out.trim_end_matches(';').len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::grammar::Thresholds;

    fn item(name: &str, value: f64, warnings: &str, criticals: &str) -> String {
        let mut thresholds = Thresholds::default();
        if !warnings.is_empty() {
            thresholds.add_warnings(warnings).unwrap();
        }
        if !criticals.is_empty() {
            thresholds.add_criticals(criticals).unwrap();
        }
        let mut out = String::new();
        push_perfdata(&mut out, name, Quantity::named(name).unwrap(), value, thresholds.list().first());
        out
    }

    #[test]
    fn unit_minimum_and_maximum_are_those_of_the_quantity() {
        for (name, value, expected) in [
            ("cpu", 12.4, "'cpu'=12.4%;;;0;100"),
            ("memory_used", 6_303_870_976.0, "'memory_used'=6303870976B;;;0"),
            ("network", 1.5, "'network'=1.5;;;0"),
            ("uptime", 12_345.5, "'uptime'=12345.5s;;;0"),
            ("frequency", 2596.122, "'frequency'=2596.122"),
            ("temperature", 61.0, "'temperature'=61"),
            ("gpu_power", 0.0, "'gpu_power'=0"),
            ("load1", 0.52, "'load1'=0.52;;;0"),
            ("up", 1.0, "'up'=1;;;0"),
            ("ping", 0.0042, "'ping'=0.0042s;;;0"),
            ("failed", 0.0, "'failed'=0;;;0"),
            ("ping", 1e-7, "'ping'=0.000000100s;;;0"),
            ("memory_used", 1.5e18, "'memory_used'=1.5e+18B;;;0"),
            ("cpu", f64::NAN, ""),
            ("cpu", f64::INFINITY, ""),
        ] {
            assert_eq!(item(name, value, "", ""), expected);
        }
    }

    #[test]
    fn ranges_are_plain_numbers_where_only_their_end_counts() {
        for (name, warning, critical, expected) in [
            ("cpu", "cpu=80", "cpu=90", "'cpu'=1%;80;90;0;100"),
            ("cpu", "cpu=~:80", "cpu=0:90", "'cpu'=1%;80;90;0;100"),
            ("cpu", "", "cpu=@10:20", "'cpu'=1%;;@10:20;0;100"),
            ("memory_available", "memory_available=1G:", "", "'memory_available'=1B;1073741824:;;0"),
            ("uptime", "uptime=10m:", "uptime=1h30m:2d", "'uptime'=1s;600:;5400:172800;0"),
            ("temperature", "temperature=~:75", "", "'temperature'=1;75"),
            ("temperature", "", "temperature=80", "'temperature'=1;;80"),
            ("load1", "load1=1e-7:1e19", "", "'load1'=1;0.000000100:1e+19;;0"),
        ] {
            assert_eq!(item(name, 1.0, warning, critical), expected);
        }
    }

    #[test]
    fn a_label_cannot_break_the_form() {
        let mut out = String::new();
        push_perfdata(&mut out, "a'b=c|d\n\u{9b}é x", Quantity::Up, 1.0, None);
        push_perfdata(&mut out, "[::1]:8765::up", Quantity::Up, 0.0, None);
        assert_eq!(out, "'a_b_c_d__é x'=1;;;0 '[::1]:8765::up'=0;;;0");
    }
}
