//! The metrics and texts that a sample can carry: one row each, in the common form of all servers.

/// A section of a sample, in the order in which `detailed` prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Section {
    /// Processor and load.
    Cpu,
    /// Main memory.
    Memory,
    /// The disk that the server watches.
    Disk,
    /// The (first) graphics processor.
    Gpu,
    /// The host itself.
    Host,
}

/// The unit of a metric. Servers' own units are converted while reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Per cent, usually 0 to 100; servers are not held to it.
    Percent,
    /// Bytes.
    Bytes,
    /// Bytes in a second.
    BytesPerSecond,
    /// A number without unit.
    Count,
    /// Megahertz.
    Megahertz,
    /// Degrees Celsius.
    Celsius,
    /// Watt.
    Watt,
    /// A load average: runnable tasks.
    Load,
    /// Seconds.
    Seconds,
}

/// A row of [`METRICS`].
#[derive(Debug)]
pub struct MetricRow {
    /// Its name in statistics and wherever else programs read it.
    pub name: &'static str,
    /// Its name for people, in `detailed`.
    pub label: &'static str,
    /// The section it belongs to.
    pub section: Section,
    /// Its unit.
    pub unit: Unit,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $id:ident $name:literal $label:literal $section:ident $unit:ident;)*) => {
        /// A number that a sample can carry.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Metric { $($(#[$doc])* $id,)* }

        /// Every metric, in the order of [`Metric`].
        pub static METRICS: &[MetricRow] = &[
            $(MetricRow { name: $name, label: $label, section: Section::$section, unit: Unit::$unit },)*
        ];

        impl Metric {
            /// Every metric, in the order of [`METRICS`].
            pub const ALL: &[Metric] = &[$(Metric::$id,)*];

            /// Its name, section and unit.
            #[must_use]
            pub fn row(self) -> &'static MetricRow {
                &METRICS[self as usize]
            }
        }
    };
}

metrics! {
    /// Processor use over all cores.
    Cpu "cpu" "Usage" Cpu Percent;
    /// Logical processors.
    LogicalCores "logical_cores" "Logical cores" Cpu Count;
    /// Physical cores.
    Cores "cores" "Physical cores" Cpu Count;
    /// Current clock frequency.
    Frequency "frequency" "Current frequency" Cpu Megahertz;
    /// Highest clock frequency.
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
    /// Memory that can still be had.
    MemoryAvailable "memory_available" "Available" Memory Bytes;
    /// Disk use, as df(1) counts it.
    Disk "disk" "Usage" Disk Percent;
    /// Disk space in use.
    DiskUsed "disk_used" "Used" Disk Bytes;
    /// Size of the disk.
    DiskTotal "disk_total" "Total" Disk Bytes;
    /// Disk space that can still be had.
    DiskFree "disk_free" "Free" Disk Bytes;
    /// Use of the first graphics processor.
    Gpu "gpu" "Usage" Gpu Percent;
    /// Use of its memory.
    GpuMemory "gpu_memory" "Memory" Gpu Percent;
    /// Its memory in use.
    GpuMemoryUsed "gpu_memory_used" "Memory used" Gpu Bytes;
    /// Its memory.
    GpuMemoryTotal "gpu_memory_total" "Memory total" Gpu Bytes;
    /// Its memory that can still be had.
    GpuMemoryFree "gpu_memory_free" "Memory free" Gpu Bytes;
    /// Its temperature.
    GpuTemperature "gpu_temperature" "Temperature" Gpu Celsius;
    /// Its power draw.
    GpuPower "gpu_power" "Power draw" Gpu Watt;
    /// The most it may draw.
    GpuPowerLimit "gpu_power_limit" "Power limit" Gpu Watt;
    /// Time since the host was started.
    Uptime "uptime" "Uptime" Host Seconds;
    /// Processes on the host.
    Processes "processes" "Processes" Host Count;
    /// Traffic of all network interfaces, both directions together.
    Network "network" "Network" Host BytesPerSecond;
}

/// A row of [`TEXTS`].
#[derive(Debug)]
pub struct TextRow {
    /// Its name wherever programs read it.
    pub name: &'static str,
    /// Its name for people, in `detailed`.
    pub label: &'static str,
    /// The section it belongs to.
    pub section: Section,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $id:ident $name:literal $label:literal $section:ident;)*) => {
        /// A text that a sample can carry.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Text { $($(#[$doc])* $id,)* }

        /// Every text, in the order of [`Text`].
        pub static TEXTS: &[TextRow] = &[
            $(TextRow { name: $name, label: $label, section: Section::$section },)*
        ];

        impl Text {
            /// Every text, in the order of [`TEXTS`].
            pub const ALL: &[Text] = &[$(Text::$id,)*];

            /// Its name and section.
            #[must_use]
            pub fn row(self) -> &'static TextRow {
                &TEXTS[self as usize]
            }
        }
    };
}

texts! {
    /// Instruction set, as the server names it.
    Architecture "architecture" "Architecture" Cpu;
    /// The processor's name.
    Processor "processor" "Processor" Cpu;
    /// Where the watched disk is mounted.
    DiskPath "disk_path" "Mount" Disk;
    /// The graphics processor's name.
    GpuName "gpu_name" "Name" Gpu;
    /// The version of its driver.
    GpuDriver "gpu_driver" "Driver" Gpu;
    /// The host's name.
    Host "host" "Hostname" Host;
    /// The operating system.
    Os "os" "OS" Host;
    /// Its version.
    OsVersion "os_version" "OS version" Host;
    /// Its release.
    OsRelease "os_release" "OS release" Host;
    /// System, release and machine in one text.
    Platform "platform" "Platform" Host;
    /// The hardware's name.
    Machine "machine" "Machine" Host;
    /// When the host was started, as the server writes it.
    BootTime "boot_time" "Started" Host;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_speak_one_language() {
        let names: Vec<_> = METRICS.iter().map(|row| row.name).chain(TEXTS.iter().map(|row| row.name)).collect();
        for (i, name) in names.iter().enumerate() {
            assert!(!names[..i].contains(name), "{name} twice");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
        }
    }
}
