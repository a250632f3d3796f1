//! Parsers of the files in /proc, as proc(5) describes them. They take the text, and return `None` for absent values.

use crate::model::json;

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MemInfo {
    pub total: u64,
    /// Memory that programs can still get; absent before Linux 3.14.
    pub available: Option<u64>,
}

/// Parses /proc/meminfo.
pub(super) fn memory(meminfo: &str) -> Option<MemInfo> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(MemInfo { total: bytes("MemTotal").filter(|total| *total > 0)?, available: bytes("MemAvailable") })
}

/// Processor time since boot, in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ticks {
    busy: u64,
    all: u64,
}

/// One reading of /proc/stat; two readings give percentages.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Cpu {
    total: Option<Ticks>,
    /// With their numbers, as processors may go on and off line.
    cores: Vec<(u32, Ticks)>,
}

impl Cpu {
    /// Parses /proc/stat.
    pub fn parse(stat: &str) -> Cpu {
        let mut cpu = Cpu::default();
        for line in stat.lines() {
            let Some((name, ticks)) = line.strip_prefix("cpu").and_then(|line| line.split_once(' ')) else { continue };
            match (name.parse(), ticks_of(ticks)) {
                (Ok(number), Some(ticks)) => cpu.cores.push((number, ticks)),
                (Err(_), ticks) if name.is_empty() => cpu.total = ticks,
                _ => {}
            }
        }
        cpu
    }

    /// The number of processors on line; `None` if the file lists none.
    pub fn logical(&self) -> Option<usize> {
        Some(self.cores.len()).filter(|cores| *cores > 0)
    }

    /// The usage of all processors since `before`, in percent.
    pub fn usage(&self, before: &Cpu) -> Option<f64> {
        busy(before.total?, self.total?)
    }

    /// The usage of each processor that is in both readings, in percent.
    pub fn usage_per_core(&self, before: &Cpu) -> Option<Vec<f64>> {
        let mut usage = Vec::new();
        for (number, now) in &self.cores {
            if let Some((_, before)) = before.cores.iter().find(|(other, _)| other == number) {
                usage.push(busy(*before, *now)?);
            }
        }
        (!usage.is_empty()).then_some(usage)
    }
}

/// Parses the fields user, nice, system, idle, iowait, irq, softirq and steal. The two guest fields that follow are
/// contained in user and nice.
fn ticks_of(line: &str) -> Option<Ticks> {
    let (mut fields, mut read) = ([0; 8], 0);
    for (field, word) in fields.iter_mut().zip(line.split_whitespace()) {
        let Ok(ticks) = word.parse::<u64>() else { break };
        *field = ticks;
        read += 1;
    }
    let all = fields.iter().sum::<u64>();
    (read > 3).then(|| Ticks { busy: all - fields[3] - fields[4], all })
}

/// The busy share of the time between two readings, in percent; `None` if no time has passed.
fn busy(before: Ticks, now: Ticks) -> Option<f64> {
    let all = now.all.checked_sub(before.all).filter(|all| *all > 0)?;
    // iowait may decrease, so that the difference in busy time may exceed that in total time.
    let busy = now.busy.saturating_sub(before.busy).min(all);
    Some(percent(busy, all))
}

/// A percentage with one decimal, as the real server rounds.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    (part as f64 / whole as f64 * 1000.0).round() / 10.0
}

/// Counts the physical cores in /proc/cpuinfo; many architectures do not list them.
pub(super) fn physical_cores(cpuinfo: &str) -> Option<usize> {
    let mut socket = "";
    let mut cores = Vec::new();
    for (name, value) in cpuinfo.lines().filter_map(|line| line.split_once(':')) {
        match name.trim() {
            "physical id" => socket = value,
            "core id" if !cores.contains(&(socket, value)) => cores.push((socket, value)),
            _ => {}
        }
    }
    Some(cores.len()).filter(|cores| *cores > 0)
}

/// The clock of the first processor in /proc/cpuinfo, in MHz; x86 only.
pub(super) fn megahertz(cpuinfo: &str) -> Option<f64> {
    let line = cpuinfo.lines().find(|line| line.starts_with("cpu MHz"))?;
    json::number(line.split_once(':')?.1.trim())
}

/// The load averages of 1, 5 and 15 minutes, from /proc/loadavg.
pub(super) fn load(loadavg: &str) -> Option<[f64; 3]> {
    let mut numbers = loadavg.split_whitespace().map_while(json::number);
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

/// Seconds since boot, from /proc/uptime.
pub(super) fn uptime(uptime: &str) -> Option<f64> {
    json::number(uptime.split_whitespace().next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPUINFO: &str = "processor\t: 0\ncpu MHz\t\t: 2596.122\nphysical id\t: 0\ncore id\t\t: 0\n\n\
                           processor\t: 1\ncpu MHz\t\t: 800.0\nphysical id\t: 0\ncore id\t\t: 0\n\n\
                           processor\t: 2\nphysical id\t: 1\ncore id\t\t: 0\n";

    #[test]
    fn memory_is_in_bytes_and_may_be_partly_unknown() {
        let known = memory("MemTotal:       24684092 kB\nMemFree: 1 kB\nMemAvailable:   23774 kB\n");
        assert_eq!(known, Some(MemInfo { total: 25_276_510_208, available: Some(24_344_576) }));
        assert_eq!(memory("MemTotal: 8 kB\n"), Some(MemInfo { total: 8192, available: None }));
        for text in ["", "MemTotal: 0 kB\n", "MemTotal: 1 MB\n", "MemTotal: 18446744073709551615 kB\n"] {
            assert_eq!(memory(text), None, "{text}");
        }
    }

    #[test]
    fn usage_is_the_busy_share_of_the_time_between_two_readings() {
        let before =
            Cpu::parse("cpu  100 0 0 100 0 0 0 0 50 50\ncpu0 50 0 0 50 0 0 0 0\ncpu1 50 0 0 50 0 0 0 0\nintr 1\n");
        let now = Cpu::parse("cpu  110 5 5 150 10 5 5 10 90 90\ncpu0 60 0 0 70 0 0 0 0\ncpu2 9 0 0 9 0 0 0 0\n");
        assert_eq!(before.logical(), Some(2));
        assert_eq!(now.usage(&before), Some(40.0));
        assert_eq!(now.usage_per_core(&before), Some(vec![33.3]));
    }

    #[test]
    fn no_time_between_two_readings_means_no_usage() {
        let cpu = Cpu::parse("cpu  100 0 0 100\ncpu0 100 0 0 100\n");
        assert_eq!((cpu.usage(&cpu), cpu.usage_per_core(&cpu)), (None, None));
        let none = Cpu::parse("nonsense\ncpu\ncpu x\ncpu0 1 2\n");
        assert_eq!((none.logical(), none.usage(&cpu), cpu.usage_per_core(&none)), (None, None, None));
    }

    #[test]
    fn time_that_decreases_gives_at_most_a_hundred_percent() {
        let before = Cpu::parse("cpu  100 0 0 100 50\n");
        let now = Cpu::parse("cpu  120 0 0 100 40\n");
        assert_eq!(now.usage(&before), Some(100.0));
        assert_eq!(before.usage(&now), None);
    }

    #[test]
    fn cores_are_counted_once_per_socket_and_core() {
        assert_eq!(physical_cores(CPUINFO), Some(2));
        assert_eq!(physical_cores("processor : 0\nBogoMIPS : 38.40\n"), None);
    }

    #[test]
    fn the_single_numbers_are_read_or_absent() {
        assert_eq!(megahertz(CPUINFO), Some(2596.122));
        assert_eq!(megahertz("processor : 0\n"), None);
        assert_eq!(load("1.29 1.12 0.55 2/90 13587\n"), Some([1.29, 1.12, 0.55]));
        assert_eq!(load("1.29 x"), None);
        assert_eq!(uptime("982.67 1495.04\n"), Some(982.67));
        assert_eq!(uptime(""), None);
    }
}
