//! Quantities: the numbers that rules can refer to, by name.

use std::fmt;

use crate::fleet::value::push_value;
use crate::model::metric::{METRICS, Metric, Unit};

/// A number of one server: a metric of its samples, or a number that the client itself keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Quantity {
    /// A metric of samples.
    Metric(Metric),
    /// `up`: 1 while the connection is open, else 0.
    Up,
    /// `age`: seconds since the latest sample.
    Age,
    /// `ping`: seconds of the latest ping's round trip.
    Ping,
    /// `alerts`: alerts of the server's own that are in force.
    Alerts,
    /// `failed`: processes that the server lists as failed.
    Failed,
    /// `running`: processes that the server lists as running.
    Running,
}

/// Quantities that the client itself keeps: name, variant, unit.
const OWN: [(&str, Quantity, Unit); 6] = [
    ("up", Quantity::Up, Unit::Count),
    ("age", Quantity::Age, Unit::Seconds),
    ("ping", Quantity::Ping, Unit::Seconds),
    ("alerts", Quantity::Alerts, Unit::Count),
    ("failed", Quantity::Failed, Unit::Count),
    ("running", Quantity::Running, Unit::Count),
];

impl Quantity {
    /// Returns the quantity of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Quantity> {
        let metric = METRICS.iter().position(|row| row.name == name);
        let metric = metric.and_then(|at| Metric::ALL.get(at)).map(|&metric| Quantity::Metric(metric));
        metric.or_else(|| OWN.iter().find(|row| row.0 == name).map(|row| row.1))
    }

    /// Iterates over all names: those of [`METRICS`], then the client's own.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        METRICS.iter().map(|row| row.name).chain(OWN.iter().map(|row| row.0))
    }

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Quantity::Metric(metric) => metric.row().name,
            own => own.row().map_or("", |row| row.0),
        }
    }

    /// Returns its unit.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Quantity::Metric(metric) => metric.row().unit,
            own => own.row().map_or(Unit::Count, |row| row.2),
        }
    }

    /// Returns a value with its unit, as alerts write it: `95.0%`, `1.2 GB`, `5m 3s`.
    #[must_use]
    pub fn value_text(self, value: f64) -> String {
        let mut text = String::new();
        push_value(&mut text, self.unit(), value);
        text
    }

    fn row(self) -> Option<&'static (&'static str, Quantity, Unit)> {
        OWN.iter().find(|row| row.1 == self)
    }
}

/// A function that combines the values of all servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Aggregate {
    /// The arithmetic mean.
    Mean,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// The sum.
    Sum,
}

impl Aggregate {
    /// All variants, in the order in which error texts list them.
    pub const ALL: [Aggregate; 4] = [Aggregate::Mean, Aggregate::Max, Aggregate::Min, Aggregate::Sum];

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Aggregate::Mean => "mean",
            Aggregate::Max => "max",
            Aggregate::Min => "min",
            Aggregate::Sum => "sum",
        }
    }

    /// Combines the values. `None` without values, and if the result is not finite.
    #[must_use]
    pub fn of(self, values: impl Iterator<Item = f64>) -> Option<f64> {
        let (mut count, mut sum) = (0_u64, 0.0);
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            count += 1;
            sum += value;
            (min, max) = (min.min(value), max.max(value));
        }
        let value = match self {
            Aggregate::Mean => sum / count as f64,
            Aggregate::Max => max,
            Aggregate::Min => min,
            Aggregate::Sum => sum,
        };
        (count > 0 && value.is_finite()).then_some(value)
    }
}

/// The left side of a rule: a quantity of each server, `cpu`, or one combined over all servers, `cpu.mean`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// The quantity.
    pub quantity: Quantity,
    /// The function over all servers; `None` for a rule that applies to each server separately.
    pub aggregate: Option<Aggregate>,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.quantity.name())?;
        match self.aggregate {
            Some(aggregate) => write!(f, ".{}", aggregate.name()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_none_stands_for_two_quantities() {
        let names: Vec<_> = Quantity::names().collect();
        assert_eq!(names.len(), METRICS.len() + OWN.len());
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name} twice");
            assert_eq!(Quantity::named(name).map(Quantity::name), Some(*name));
        }
        assert_eq!(Quantity::named("bogus"), None);
        assert_eq!((Quantity::Ping.unit(), Quantity::Up.unit()), (Unit::Seconds, Unit::Count));
    }

    #[test]
    fn values_become_one() {
        let of = |values: &[f64]| Aggregate::ALL.map(|aggregate| aggregate.of(values.iter().copied()));
        assert_eq!(of(&[1.0, 2.0, 6.0]), [Some(3.0), Some(6.0), Some(1.0), Some(9.0)]);
        assert_eq!(of(&[]), [None; 4]);
        assert_eq!(of(&[f64::MAX, f64::MAX]), [None, Some(f64::MAX), Some(f64::MAX), None]);
    }
}
