//! Samples of this machine. Member names, their order and the spacing are those of
//! monitoring-websocket-server 1.0.83.87 on the wire.

use super::proc::{self, Cpu};
use crate::model::date;
use crate::model::json;
use crate::net::file::read_text;
use std::time::SystemTime;

/// The machine's constant values, and the last reading of the processors.
pub(super) struct Machine {
    system: String,
    core_count: Option<usize>,
    /// Used where the current frequency is not available.
    megahertz: Option<f64>,
    cpu: Cpu,
}

impl Machine {
    pub fn new() -> Machine {
        let cpuinfo = read("/proc/cpuinfo");
        Machine {
            system: system(),
            core_count: proc::physical_cores(&cpuinfo),
            megahertz: proc::megahertz(&cpuinfo),
            cpu: Cpu::default(),
        }
    }

    /// Starts the measurement of processor usage for the next sample.
    pub fn start(&mut self) {
        self.cpu = Cpu::parse(&read("/proc/stat"));
    }

    /// Writes a `monitoring_data` message. Values that cannot be read are left out.
    pub fn sample(&mut self, wall: SystemTime) -> String {
        let mut json = Members(String::from("{"));
        json.raw("type", "\"monitoring_data\"");
        json.key("timestamp");
        json.0.push('"');
        timestamp(&mut json.0, wall);
        json.0.push_str("Z\"");
        let data = json.open("data");
        push_memory(&mut json);
        self.push_processor(&mut json);
        push_disk(&mut json);
        let system = json.open("system");
        json.0.push_str(&self.system);
        if let Some(load) = proc::load(&read("/proc/loadavg")) {
            json.list("load_average", &load);
        }
        json.decimal("uptime_seconds", proc::uptime(&read("/proc/uptime")));
        json.close(system);
        json.close(data);
        json.0.push('}');
        json.0
    }

    fn push_processor(&mut self, json: &mut Members) {
        let now = Cpu::parse(&read("/proc/stat"));
        let before = std::mem::replace(&mut self.cpu, now);
        let megahertz = |file: &str| {
            let kilohertz = json::number(read(&format!("/sys/devices/system/cpu/cpu0/cpufreq/{file}")).trim())?;
            Some(kilohertz / 1000.0)
        };
        let processor = json.open("processor");
        json.decimal("usage_percent", self.cpu.usage(&before));
        match self.core_count {
            Some(cores) => json.whole("core_count", Some(cores as u64)),
            None => json.raw("core_count", "null"),
        }
        json.whole("logical_count", self.cpu.logical().map(|cores| cores as u64));
        json.decimal("frequency_current", megahertz("scaling_cur_freq").or(self.megahertz));
        json.decimal("frequency_max", megahertz("cpuinfo_max_freq"));
        if let Some(usage) = self.cpu.usage_per_core(&before) {
            json.list("per_core_usage", &usage);
        }
        json.close(processor);
    }
}

fn push_memory(json: &mut Members) {
    let Some(memory) = proc::memory(&read("/proc/meminfo")) else { return };
    let used = memory.available.map(|available| memory.total.saturating_sub(available));
    let object = json.open("memory");
    json.whole("total", Some(memory.total));
    json.whole("available", memory.available);
    json.whole("used", used);
    json.decimal("percentage", used.map(|used| proc::percent(used, memory.total)));
    json.close(object);
}

/// Appends the usage of the root file system. As in df(1), the percentage leaves out the blocks reserved for root.
fn push_disk(json: &mut Members) {
    let Ok(disk) = rustix::fs::statvfs("/") else { return };
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    let (used, free) = (bytes(disk.f_blocks.saturating_sub(disk.f_bfree)), bytes(disk.f_bavail));
    let whole = used.saturating_add(free);
    // File systems without blocks (an initial RAM disk) have 0.
    if whole > 0 {
        let object = json.open("disk");
        json.whole("total", Some(bytes(disk.f_blocks)));
        json.whole("used", Some(used));
        json.whole("free", Some(free));
        json.decimal("percentage", Some(proc::percent(used, whole)));
        json.raw("path", "\"/\"");
        json.close(object);
    }
}

/// Writes the constant members of `system`, which are the first ones there.
fn system() -> String {
    let (os, release, mut machine) = (kernel("ostype"), kernel("osrelease"), kernel("arch"));
    // Linux before 6.1 has no such file.
    if machine.is_empty() {
        machine.push_str(std::env::consts::ARCH);
    }
    let mut platform = format!("{os}-{release}-{machine}");
    if os.is_empty() || release.is_empty() {
        platform.clear();
    }
    let mut json = Members(String::new());
    for (name, text) in &[
        ("os_name", &os),
        ("os_version", &kernel("version")),
        ("os_release", &release),
        ("architecture", &machine),
        ("platform", &platform),
        ("machine", &machine),
        ("hostname", &kernel("hostname")),
    ] {
        if !text.is_empty() {
            json.key(name);
            json::push_string(&mut json.0, text);
        }
    }
    json.0
}

/// Reads a file of /proc/sys/kernel; empty if it cannot be read.
fn kernel(name: &str) -> String {
    read(&format!("/proc/sys/kernel/{name}")).trim().to_owned()
}

/// Reads a file; empty if it cannot be read, so that the parsers find nothing in it.
fn read(path: &str) -> String {
    read_text(path).unwrap_or_default()
}

/// Appends a time as UTC without a `Z`. A clock before 1970 is taken as 1970.
///
/// The demo of monitoring-websocket-server adds the `Z`: the real one sends local time without a zone, which is ambiguous.
pub(super) fn timestamp(out: &mut String, wall: SystemTime) {
    date::push(out, wall, 6);
    out.pop();
}

/// Writes the members of JSON objects with the spacing of Python's json.dumps. Absent values are left out.
struct Members(String);

impl Members {
    /// Begins a member. Its value follows.
    fn key(&mut self, name: &str) {
        let before = if self.0.is_empty() || self.0.ends_with('{') { "\"" } else { ", \"" };
        for piece in [before, name, "\": "] {
            self.0.push_str(piece);
        }
    }

    /// Adds a member whose value is JSON already.
    fn raw(&mut self, name: &str, json: &str) {
        self.key(name);
        self.0.push_str(json);
    }

    fn whole(&mut self, name: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.raw(name, &number.to_string());
        }
    }

    /// Adds a float, which stays one in JSON: 100.0, not 100.
    fn decimal(&mut self, name: &str, number: Option<f64>) {
        if let Some(number) = number {
            self.key(name);
            json::push_number(&mut self.0, number);
        }
    }

    fn list(&mut self, name: &str, numbers: &[f64]) {
        self.key(name);
        let mut before = "[";
        for &number in numbers {
            self.0.push_str(before);
            json::push_number(&mut self.0, number);
            before = ", ";
        }
        self.0.push(']');
    }

    /// Begins a member that is an object. Returns the place for [`close`](Members::close).
    fn open(&mut self, name: &str) -> usize {
        let start = self.0.len();
        self.key(name);
        self.0.push('{');
        start
    }

    /// Ends an object, and takes it away if it is empty.
    fn close(&mut self, start: usize) {
        if self.0.ends_with('{') {
            self.0.truncate(start);
        } else {
            self.0.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn wall() -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456)
    }

    #[test]
    fn absent_values_and_empty_objects_are_left_out() {
        let mut json = Members(String::new());
        json.whole("a", None);
        json.decimal("b", Some(100.0));
        json.list("c", &[1.0, 0.5]);
        let empty = json.open("d");
        json.whole("e", None);
        json.close(empty);
        let object = json.open("f");
        json.whole("g", Some(1));
        json.close(object);
        assert_eq!(json.0, r#""b": 100.0, "c": [1.0, 0.5], "f": {"g": 1}"#);
    }

    #[test]
    fn a_sample_is_json_with_the_sections_of_the_real_server_in_their_order() {
        let text = Machine::new().sample(wall());
        assert!(text.starts_with(r#"{"type": "monitoring_data", "timestamp": "2023-11-14T22:13:20.123456Z", "data": {"memory": {"total": "#), "{text}");
        let sections =
            ["\"memory\"", "\"processor\"", "\"system\"", "\"hostname\"", "\"load_average\"", "\"uptime_seconds\""];
        let places: Vec<_> = sections.iter().map(|name| text.find(name)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }

    #[test]
    fn the_first_sample_has_no_processor_usage() {
        let text = Machine::new().sample(wall());
        assert!(!text.contains("usage_percent") && !text.contains("per_core_usage"), "{text}");
    }
}
