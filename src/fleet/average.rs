//! Means of samples.

use crate::model::metric::Metric;
use crate::model::sample::Sample;
use crate::model::sample::spread::{PERCENTAGES, Spread};
use crate::model::stats::Summary;

/// The mean of the samples of an interval, such as a minute, of one server. It takes 1.1 KiB, however many they are.
///
/// ```
/// use wsmon::{Average, Metric, Sample};
///
/// let mut minute = Average::default();
/// let mut samples = [10.0, 20.0, 60.0].map(|cpu| Sample::from_metrics([(Metric::Cpu, cpu)]));
/// for sample in &mut samples {
///     minute.add(sample);
/// }
/// assert_eq!(samples[2].get(Metric::Cpu), Some(30.0));
/// ```
#[derive(Clone, Debug)]
pub struct Average {
    samples: u64,
    metrics: [Summary; Metric::ALL.len()],
}

impl Default for Average {
    fn default() -> Self {
        Average { samples: 0, metrics: [Summary::default(); Metric::ALL.len()] }
    }
}

impl Average {
    /// Adds a sample, and replaces its numbers by the means of all samples so far. Texts and lists stay the sample's own.
    ///
    /// A metric that some samples do not carry is the mean over the others. Infinite values are left out. The formats
    /// `events`, `csv` and `influx` show the number of samples with the means, and the smallest and largest percentages.
    pub fn add(&mut self, sample: &mut Sample<'_>) {
        self.samples += 1;
        for (&metric, summary) in Metric::ALL.iter().zip(&mut self.metrics) {
            if let Some(value) = sample.get(metric).filter(|value| value.is_finite()) {
                summary.add(value);
            }
            sample.put(metric, mean(summary));
        }
        let bounds = PERCENTAGES.each_ref().map(|(metric, _)| {
            let summary = &self.metrics[*metric as usize];
            if summary.samples > 0 { [summary.min, summary.max] } else { [f64::NAN; 2] }
        });
        sample.spread = Some(Box::new(Spread { samples: self.samples, bounds }));
    }
}

/// Returns the mean; NaN without values. It is kept between the bounds: a constant stays as it is although its sum is
/// rounded, and a sum may be infinite.
fn mean(summary: &Summary) -> f64 {
    summary.mean().map_or(f64::NAN, |mean| mean.max(summary.min).min(summary.max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metric::Text;

    /// Adds samples with these values of one metric. Returns the last one.
    fn averaged(metric: Metric, values: &[f64]) -> Sample<'static> {
        let mut average = Average::default();
        let mut samples = values.iter().map(|value| Sample::from_metrics([(metric, *value)])).collect::<Vec<_>>();
        samples.iter_mut().for_each(|sample| average.add(sample));
        samples.pop().unwrap()
    }

    fn spread(sample: &Sample<'_>) -> Vec<(&'static str, f64)> {
        let mut spread = Vec::new();
        sample.each_of_spread(&mut |name, value| spread.extend(value.map(|value| (name, value))));
        spread
    }

    #[test]
    fn each_number_is_the_mean_of_the_samples_that_carry_it() {
        let mut average = Average::default();
        let mut all = [
            Sample::from_metrics([(Metric::Cpu, 10.0), (Metric::Uptime, 100.0)]),
            Sample::from_metrics([(Metric::Cpu, f64::NAN), (Metric::Disk, 50.0)]),
            Sample::from_metrics([(Metric::Cpu, 40.0), (Metric::Uptime, 102.0), (Metric::Disk, f64::INFINITY)]),
            Sample::from_metrics([]),
        ];
        all.iter_mut().for_each(|sample| average.add(sample));
        let [first, .., last] = &all;
        assert_eq!((first.get(Metric::Cpu), first.get(Metric::Disk)), (Some(10.0), None));
        let values = [Metric::Cpu, Metric::Uptime, Metric::Disk, Metric::Memory].map(|metric| last.get(metric));
        assert_eq!(values, [Some(25.0), Some(101.0), Some(50.0), None]);
        let expected = [("samples", 4.0), ("cpu_min", 10.0), ("cpu_max", 40.0), ("disk_min", 50.0), ("disk_max", 50.0)];
        assert_eq!(spread(last), expected);
    }

    #[test]
    fn texts_and_lists_are_the_latest() {
        let mut average = Average::default();
        let sample = |host: &'static str, core| {
            let mut sample = Sample::from_metrics([]);
            sample.put_text(Text::Host, host.into());
            sample.per_core = vec![core];
            sample.extra = vec![("x".into(), core)];
            sample.at = Some(host.into());
            sample
        };
        average.add(&mut sample("old", 1.0));
        let mut last = sample("new", 2.0);
        average.add(&mut last);
        assert_eq!(
            (last.text(Text::Host), last.at.as_deref(), &last.per_core[..]),
            (Some("new"), Some("new"), &[2.0][..])
        );
        assert_eq!(last.extra[0].1, 2.0);
    }

    #[test]
    fn a_mean_lies_between_the_smallest_and_the_largest_value() {
        for values in [&[12.4; 7][..], &[0.1; 10], &[1e308; 3], &[-1e308; 3], &[5e-324; 3], &[-0.0, 0.0]] {
            let sample = averaged(Metric::Cpu, values);
            assert_eq!(sample.get(Metric::Cpu), Some(values[0]), "{values:?}");
        }
        let sample = averaged(Metric::Cpu, &[1e308, 1e308, -1e308, 0.0]);
        let [.., (_, min), (_, max)] = spread(&sample)[..] else { panic!() };
        let mean = sample.get(Metric::Cpu).unwrap();
        assert!((min, max) == (-1e308, 1e308) && (min..=max).contains(&mean), "{mean}");
    }

    #[test]
    fn a_sample_without_a_number_has_none_after_others_without_it() {
        let sample = averaged(Metric::Gpu, &[f64::NAN, f64::NAN]);
        assert!(sample.is_empty());
        assert_eq!(spread(&sample), [("samples", 2.0)]);
    }
}
