//! The smallest and the largest of the values that a sample's means come from.

use super::Sample;
use crate::model::metric::Metric;

/// The percentages, with the names of their smallest and their largest value.
pub(crate) static PERCENTAGES: [(Metric, [&str; 2]); 5] = [
    (Metric::Cpu, ["cpu_min", "cpu_max"]),
    (Metric::Memory, ["memory_min", "memory_max"]),
    (Metric::Disk, ["disk_min", "disk_max"]),
    (Metric::Gpu, ["gpu_min", "gpu_max"]),
    (Metric::GpuMemory, ["gpu_memory_min", "gpu_memory_max"]),
];

/// The samples that a mean comes from.
#[derive(Clone)]
pub(crate) struct Spread {
    /// Their number.
    pub samples: u64,
    /// Smallest and largest value of each of [`PERCENTAGES`]; NaN where no sample carried it.
    pub bounds: [[f64; 2]; PERCENTAGES.len()],
}

impl Sample<'_> {
    /// Passes on the number of the samples that this one is the mean of, and the smallest and largest percentages, by
    /// their names and always in the same order. All are absent in a sample that came from a server.
    pub(crate) fn each_of_spread(&self, push: &mut dyn FnMut(&'static str, Option<f64>)) {
        push("samples", self.spread.as_ref().map(|spread| spread.samples as f64));
        for (at, (_, names)) in PERCENTAGES.iter().enumerate() {
            for (end, name) in names.iter().enumerate() {
                let value = self.spread.as_ref().map(|spread| spread.bounds[at][end]);
                push(name, value.filter(|value| !value.is_nan()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metric::{METRICS, Unit};

    #[test]
    fn every_percentage_has_a_row_with_its_name() {
        let rows = METRICS.iter().zip(Metric::ALL).filter(|(row, _)| row.unit == Unit::Percent);
        let expected: Vec<_> =
            rows.map(|(row, &metric)| (metric, [format!("{}_min", row.name), format!("{}_max", row.name)])).collect();
        let found: Vec<_> = PERCENTAGES.iter().map(|(metric, names)| (*metric, names.map(str::to_owned))).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn no_metric_has_the_name_of_one_of_these() {
        let mut names = Vec::new();
        Sample::new(&[]).each_of_spread(&mut |name, value| {
            assert_eq!(value, None);
            names.push(name);
        });
        assert_eq!(names.len(), 1 + 2 * PERCENTAGES.len());
        assert!(METRICS.iter().all(|row| !names.contains(&row.name)));
    }
}
