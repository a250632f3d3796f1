//! Samples, and the tables by which they are read from messages.

pub mod field;
pub mod message;
pub mod others;
pub mod read;
pub(crate) mod scan;
pub mod spread;

use std::borrow::Cow;
use std::fmt;

use crate::model::metric::{Metric, Text};

use field::Field;
use spread::Spread;

/// The value of each metric, in the order of [`Metric::ALL`]; NaN for those that are absent.
pub(crate) type Numbers = [f64; Metric::ALL.len()];

/// Upper bound on the length of [`Sample::per_core`]: of `[0,0,…]` it would take four times the size.
pub const MAX_CORES: usize = 1 << 16;
/// Upper bound on the length of [`Sample::extra`].
pub(crate) const MAX_EXTRA: usize = 64;

/// One reading of a host's metrics. Values that the server did not send are absent.
#[derive(Clone)]
pub struct Sample<'a> {
    numbers: Numbers,
    texts: [Option<Cow<'a, str>>; Text::ALL.len()],
    /// The server's own time stamp, as it wrote it.
    pub at: Option<Cow<'a, str>>,
    /// Use of each logical processor in per cent, in the server's order; NaN for absent readings.
    pub per_core: Vec<f64>,
    /// Numbers by the server's own names, which [`Metric`] does not have; at most 64.
    pub extra: Vec<(Cow<'a, str>, f64)>,
    /// The rows by which the sample was read; [`others::other_members`] lists what they do not cover.
    pub(crate) rules: &'static [Field],
    /// Set if the numbers are means.
    pub(crate) spread: Option<Box<Spread>>,
    /// Metrics whose 0 in the message is no measurement, so that it is shown nowhere.
    pub(crate) unmeasured: &'static [Metric],
}

impl<'a> Sample<'a> {
    /// A sample without values, copied to make new ones.
    pub(crate) const EMPTY: Sample<'static> = Sample {
        numbers: [f64::NAN; Metric::ALL.len()],
        texts: [const { None }; Text::ALL.len()],
        at: None,
        per_core: Vec::new(),
        extra: Vec::new(),
        rules: &[],
        spread: None,
        unmeasured: &[],
    };

    pub(crate) fn new(rules: &'static [Field]) -> Self {
        Sample { rules, ..Sample::EMPTY }
    }

    /// A sample with metrics alone.
    pub(crate) fn from_numbers(numbers: Numbers) -> Self {
        Sample { numbers, ..Sample::new(&[]) }
    }

    pub(crate) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Makes a sample of metrics in their units, without texts: for tests of handlers, and for computed samples. NaN is
    /// an absent value, and of two values of a metric the last one counts.
    ///
    /// ```
    /// use wsmon::{Metric, Sample};
    ///
    /// let sample = Sample::from_metrics([(Metric::Cpu, 12.5)]);
    /// assert_eq!(sample.get(Metric::Cpu), Some(12.5));
    /// ```
    #[must_use]
    pub fn from_metrics(values: impl IntoIterator<Item = (Metric, f64)>) -> Sample<'static> {
        let mut sample = Sample::new(&[]);
        values.into_iter().for_each(|(metric, value)| sample.put(metric, value));
        sample
    }

    /// Returns the metric's value in the unit of its row; `None` if the server did not send one.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<f64> {
        let value = self.numbers[metric as usize];
        (!value.is_nan()).then_some(value)
    }

    /// Returns the processor use in per cent.
    #[must_use]
    pub fn cpu(&self) -> Option<f64> {
        self.get(Metric::Cpu)
    }

    /// Returns the memory use in per cent.
    #[must_use]
    pub fn memory(&self) -> Option<f64> {
        self.get(Metric::Memory)
    }

    /// Returns the disk use in per cent.
    #[must_use]
    pub fn disk(&self) -> Option<f64> {
        self.get(Metric::Disk)
    }

    /// Returns the use of the first graphics processor in per cent.
    #[must_use]
    pub fn gpu(&self) -> Option<f64> {
        self.get(Metric::Gpu)
    }

    /// Returns the metrics that the server sent, in the order of [`Metric::ALL`].
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Metric, f64)> {
        Metric::ALL.iter().filter_map(|&metric| Some((metric, self.get(metric)?)))
    }

    /// Returns the texts that the server sent, in the order of [`Text::ALL`].
    pub fn texts(&self) -> impl DoubleEndedIterator<Item = (Text, &str)> {
        Text::ALL.iter().filter_map(|&text| Some((text, self.text(text)?)))
    }

    /// Returns the text; `None` if the server did not send one, or an empty one.
    #[must_use]
    pub fn text(&self, text: Text) -> Option<&str> {
        self.texts[text as usize].as_deref()
    }

    /// Returns true if the sample has no metric at all, [`Sample::extra`] not counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.iter().all(|value| value.is_nan())
    }

    /// Returns true if the metric has this value, is a mean with this value among others, or leaves it out since it is no
    /// measurement.
    pub(crate) fn carries(&self, metric: Metric, value: f64) -> bool {
        self.get(metric).is_some_and(|own| own == value || self.spread.is_some())
            || (value == 0.0 && self.unmeasured.contains(&metric))
    }

    pub(crate) fn put(&mut self, metric: Metric, value: f64) {
        self.numbers[metric as usize] = value;
    }

    pub(crate) fn put_text(&mut self, text: Text, value: Cow<'a, str>) {
        self.texts[text as usize] = Some(value);
    }

    /// Copies all borrowed text.
    #[must_use]
    pub fn into_owned(self) -> Sample<'static> {
        Sample {
            numbers: self.numbers,
            texts: self.texts.map(|text| text.map(|text| Cow::Owned(text.into_owned()))),
            at: self.at.map(|at| Cow::Owned(at.into_owned())),
            per_core: self.per_core,
            extra: self.extra.into_iter().map(|(name, value)| (Cow::Owned(name.into_owned()), value)).collect(),
            rules: self.rules,
            spread: self.spread,
            unmeasured: self.unmeasured,
        }
    }
}

/// Samples are equal if they have the same values. Absent ones, which are NaN in [`Sample::per_core`], are equal to each
/// other.
impl PartialEq for Sample<'_> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(one, other): (&f64, &f64)| one == other || one.is_nan() && other.is_nan();
        self.numbers.iter().zip(&other.numbers).all(same)
            && self.texts == other.texts
            && self.at == other.at
            && self.per_core.len() == other.per_core.len()
            && self.per_core.iter().zip(&other.per_core).all(same)
            && self.extra == other.extra
    }
}

/// Prints the values that are present, by the names of their rows.
impl fmt::Debug for Sample<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Sample");
        for &metric in Metric::ALL {
            self.get(metric).map(|value| out.field(metric.row().name, &value));
        }
        for &text in Text::ALL {
            self.text(text).map(|value| out.field(text.row().name, &value));
        }
        if !self.extra.is_empty() {
            out.field("extra", &self.extra);
        }
        out.field("per_core", &self.per_core).field("at", &self.at).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_the_values_that_are_present_and_nothing_else() {
        let mut sample = Sample::new(&[]);
        sample.put(Metric::Disk, 28.5);
        sample.put_text(Text::Host, "nas".into());
        assert_eq!(format!("{sample:?}"), r#"Sample { disk: 28.5, host: "nas", per_core: [], at: None }"#);
    }

    #[test]
    fn samples_are_equal_if_their_values_are_and_absent_ones_are_too() {
        let sample = |cpu| Sample { per_core: vec![1.0, f64::NAN], ..Sample::from_metrics([(Metric::Cpu, cpu)]) };
        assert_eq!(sample(1.0), sample(1.0));
        assert_ne!(sample(1.0), sample(2.0));
        assert_ne!(sample(1.0), Sample::from_metrics([(Metric::Cpu, 1.0)]));
        assert_ne!(sample(1.0), Sample { at: Some("now".into()), ..sample(1.0) });
        assert_eq!((sample(1.0).cpu(), sample(1.0).memory(), sample(1.0).iter().count()), (Some(1.0), None, 1));
    }

    #[test]
    fn a_new_sample_carries_nothing() {
        let sample = Sample::new(&[]);
        assert!(sample.is_empty());
        assert!(Metric::ALL.iter().all(|&metric| sample.get(metric).is_none()));
        assert!(Text::ALL.iter().all(|&text| sample.text(text).is_none()));
    }
}
