//! The metrics and texts that a sample can carry, one table row each. All servers share them.

use std::fmt;
use std::str::FromStr;

use crate::model::api_error::Error;
use crate::model::named::{find, no_such};

/// A section of a sample, in the order in which `detailed` prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Section {
    /// Processor and load.
    Cpu,
    /// Main memory.
    Memory,
    /// The disk that the server watches.
    Disk,
    /// The first graphics processor.
    Gpu,
    /// The host itself.
    Host,
}

/// The unit of a metric. Values in other units are converted while a message is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Unit {
    /// Per cent, usually 0 to 100; a server may send any value.
    Percent,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// A number without a unit.
    Count,
    /// Megahertz.
    Megahertz,
    /// Degrees Celsius.
    Celsius,
    /// Watt.
    Watt,
    /// A load average, in runnable tasks.
    Load,
    /// Seconds.
    Seconds,
}

/// A row of [`METRICS`].
#[derive(Debug)]
pub struct MetricRow {
    /// The name in output for programs and in statistics.
    pub name: &'static str,
    /// The name as it stands in an object of JSON, behind another member.
    pub(crate) member: &'static str,
    /// The name in `detailed`.
    pub label: &'static str,
    /// The section of `detailed`.
    pub section: Section,
    /// The unit of the values.
    pub unit: Unit,
    /// One sentence that says what is measured.
    pub about: &'static str,
}

/// Returns the name in a row's `member`, which is `,"name":`.
pub(crate) const fn name_in(member: &'static str) -> &'static str {
    let (_, behind) = member.as_bytes().split_at(2);
    let (name, _) = behind.split_at(behind.len() - 2);
    match std::str::from_utf8(name) {
        Ok(name) => name,
        Err(_) => "",
    }
}

macro_rules! metrics {
    ($($(#[doc = $doc:literal])* $id:ident $name:literal $label:literal $section:ident $unit:ident;)*) => {
        /// A number that a sample can carry.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Metric { $($(#[doc = $doc])* $id,)* }

        /// Every metric, in the order of [`Metric`].
        pub static METRICS: &[MetricRow] = &[
            $(MetricRow {
                name: name_in(concat!(",\"", $name, "\":")),
                member: concat!(",\"", $name, "\":"),
                label: $label,
                section: Section::$section,
                unit: Unit::$unit,
                about: concat!($($doc),*).trim_ascii(),
            },)*
        ];

        impl Metric {
            /// Every metric, in the order of [`METRICS`].
            pub const ALL: &[Metric] = &[$(Metric::$id,)*];

            /// Returns the metric's name, section and unit.
            #[must_use]
            pub fn row(self) -> &'static MetricRow {
                &METRICS[self as usize]
            }
        }
    };
}

metrics! {
    /// Processor use, all cores together.
    Cpu "cpu" "Usage" Cpu Percent;
    /// Logical processors.
    LogicalCores "logical_cores" "Logical cores" Cpu Count;
    /// Physical cores.
    Cores "cores" "Physical cores" Cpu Count;
    /// Current clock frequency of the processor.
    Frequency "frequency" "Current frequency" Cpu Megahertz;
    /// Highest clock frequency of the processor.
    FrequencyMax "frequency_max" "Maximum frequency" Cpu Megahertz;
    /// Processor temperature.
    Temperature "temperature" "Temperature" Cpu Celsius;
    /// Load average over 1 minute.
    Load1 "load1" "Load 1 min" Cpu Load;
    /// Load average over 5 minutes.
    Load5 "load5" "Load 5 min" Cpu Load;
    /// Load average over 15 minutes.
    Load15 "load15" "Load 15 min" Cpu Load;
    /// Memory use.
    Memory "memory" "Usage" Memory Percent;
    /// Memory in use.
    MemoryUsed "memory_used" "Used" Memory Bytes;
    /// Memory installed.
    MemoryTotal "memory_total" "Total" Memory Bytes;
    /// Memory available to programs.
    MemoryAvailable "memory_available" "Available" Memory Bytes;
    /// Disk use, counted as df(1) does.
    Disk "disk" "Usage" Disk Percent;
    /// Disk space in use.
    DiskUsed "disk_used" "Used" Disk Bytes;
    /// The disk's size.
    DiskTotal "disk_total" "Total" Disk Bytes;
    /// Free disk space.
    DiskFree "disk_free" "Free" Disk Bytes;
    /// Use of the first graphics processor.
    Gpu "gpu" "Usage" Gpu Percent;
    /// Use of the first graphics processor's memory.
    GpuMemory "gpu_memory" "Memory" Gpu Percent;
    /// Memory of the first graphics processor in use.
    GpuMemoryUsed "gpu_memory_used" "Memory used" Gpu Bytes;
    /// Memory of the first graphics processor.
    GpuMemoryTotal "gpu_memory_total" "Memory total" Gpu Bytes;
    /// Free memory of the first graphics processor.
    GpuMemoryFree "gpu_memory_free" "Memory free" Gpu Bytes;
    /// Temperature of the first graphics processor.
    GpuTemperature "gpu_temperature" "Temperature" Gpu Celsius;
    /// Power draw of the first graphics processor.
    GpuPower "gpu_power" "Power draw" Gpu Watt;
    /// Limit of the first graphics processor's power draw.
    GpuPowerLimit "gpu_power_limit" "Power limit" Gpu Watt;
    /// Time since the host started.
    Uptime "uptime" "Uptime" Host Seconds;
    /// Processes on the host.
    Processes "processes" "Processes" Host Count;
    /// Traffic of all network interfaces, sum of both directions.
    Network "network" "Network" Host BytesPerSecond;
}

impl Metric {
    /// Returns the name: `cpu`, say.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the unit of the values.
    #[must_use]
    pub fn unit(self) -> Unit {
        self.row().unit
    }

    /// Returns true for a property of the hardware, which is the same in every sample: its minimum and mean say nothing.
    pub(crate) fn is_constant(self) -> bool {
        matches!(
            self,
            Metric::LogicalCores
                | Metric::Cores
                | Metric::FrequencyMax
                | Metric::MemoryTotal
                | Metric::DiskTotal
                | Metric::GpuMemoryTotal
                | Metric::GpuPowerLimit
        )
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Metric {
    type Err = Error;

    /// Reads a name of [`METRICS`].
    fn from_str(name: &str) -> Result<Self, Error> {
        find(Metric::ALL, Metric::name, name).map_err(|names| no_such("metric", name, &names))
    }
}

/// A row of [`TEXTS`].
#[derive(Debug)]
pub struct TextRow {
    /// The name in output for programs.
    pub name: &'static str,
    /// The name as it stands in an object of JSON, behind another member.
    pub(crate) member: &'static str,
    /// The name in `detailed`.
    pub label: &'static str,
    /// The section of `detailed`.
    pub section: Section,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $id:ident $name:literal $label:literal $section:ident;)*) => {
        /// A text that a sample can carry.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Text { $($(#[$doc])* $id,)* }

        /// Every text, in the order of [`Text`].
        pub static TEXTS: &[TextRow] = &[
            $(TextRow {
                name: name_in(concat!(",\"", $name, "\":")),
                member: concat!(",\"", $name, "\":"),
                label: $label,
                section: Section::$section,
            },)*
        ];

        impl Text {
            /// Every text, in the order of [`TEXTS`].
            pub const ALL: &[Text] = &[$(Text::$id,)*];

            /// Returns the text's name and section.
            #[must_use]
            pub fn row(self) -> &'static TextRow {
                &TEXTS[self as usize]
            }
        }
    };
}

texts! {
    /// The instruction set, as the server names it.
    Architecture "architecture" "Architecture" Cpu;
    /// The processor's name.
    Processor "processor" "Processor" Cpu;
    /// The mount point of the watched disk.
    DiskPath "disk_path" "Mount" Disk;
    /// The graphics processor's name.
    GpuName "gpu_name" "Name" Gpu;
    /// The version of the graphics driver.
    GpuDriver "gpu_driver" "Driver" Gpu;
    /// The host's name.
    Host "host" "Hostname" Host;
    /// The operating system.
    Os "os" "OS" Host;
    /// The operating system's version.
    OsVersion "os_version" "OS version" Host;
    /// The kernel's or system's release.
    OsRelease "os_release" "OS release" Host;
    /// Operating system, release and machine in one text.
    Platform "platform" "Platform" Host;
    /// The machine type.
    Machine "machine" "Machine" Host;
    /// The time at which the host started, as the server writes it.
    BootTime "boot_time" "Started" Host;
}

impl Text {
    /// Returns the name: `host`, say.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Text {
    type Err = Error;

    /// Reads a name of [`TEXTS`].
    fn from_str(name: &str) -> Result<Self, Error> {
        find(Text::ALL, Text::name, name).map_err(|names| no_such("text", name, &names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_sentence_about_it() {
        assert_eq!(METRICS[0].about, "Processor use, all cores together.");
        for row in METRICS {
            assert!(row.about.ends_with('.') && row.about.trim() == row.about, "{row:?}");
        }
    }

    #[test]
    fn every_name_can_be_read_and_another_gets_a_hint() {
        assert!(Metric::ALL.iter().all(|metric| metric.to_string().parse::<Metric>().unwrap() == *metric));
        assert!(Text::ALL.iter().all(|text| text.to_string().parse::<Text>().unwrap() == *text));
        let error = "mem".parse::<Metric>().unwrap_err();
        assert_eq!(error.to_string(), "no metric is called 'mem', did you mean memory?");
        assert_eq!("\x1b".parse::<Text>().unwrap_err().to_string(), r"no text is called '\x1b'");
        assert_eq!(format!("{:>7}|{:<7}", Metric::Cpu, Text::Host), "    cpu|host   ");
    }

    #[test]
    fn names_are_unique_and_in_snake_case() {
        let names: Vec<_> = METRICS.iter().map(|row| row.name).chain(TEXTS.iter().map(|row| row.name)).collect();
        for (i, name) in names.iter().enumerate() {
            assert!(!names[..i].contains(name), "{name} twice");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
        }
    }
}
