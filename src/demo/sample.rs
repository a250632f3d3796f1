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
        let mut data = Object::new();
        data.object("memory", memory());
        data.object("processor", self.processor());
        data.object("disk", disk().unwrap_or_else(Object::new));
        let mut system = Object(self.system.clone());
        if let Some(load) = proc::load(&read("/proc/loadavg")) {
            system.list("load_average", &load);
        }
        system.decimal("uptime_seconds", proc::uptime(&read("/proc/uptime")));
        data.object("system", system);
        let mut message = Object::new();
        message.text("type", "monitoring_data");
        let mut time = String::new();
        timestamp(&mut time, wall);
        time.push('Z');
        message.text("timestamp", &time);
        message.object("data", data);
        message.end()
    }

    fn processor(&mut self) -> Object {
        let now = Cpu::parse(&read("/proc/stat"));
        let before = std::mem::replace(&mut self.cpu, now);
        let megahertz = |file: &str| {
            let kilohertz = json::number(read(&format!("/sys/devices/system/cpu/cpu0/cpufreq/{file}")).trim())?;
            Some(kilohertz / 1000.0)
        };
        let mut processor = Object::new();
        processor.decimal("usage_percent", self.cpu.usage(&before));
        match self.core_count {
            Some(cores) => processor.whole("core_count", Some(cores as u64)),
            None => processor.raw("core_count", "null"),
        }
        processor.whole("logical_count", self.cpu.logical().map(|cores| cores as u64));
        processor.decimal("frequency_current", megahertz("scaling_cur_freq").or(self.megahertz));
        processor.decimal("frequency_max", megahertz("cpuinfo_max_freq"));
        if let Some(usage) = self.cpu.usage_per_core(&before) {
            processor.list("per_core_usage", &usage);
        }
        processor
    }
}

fn memory() -> Object {
    let mut object = Object::new();
    if let Some(memory) = proc::memory(&read("/proc/meminfo")) {
        let used = memory.available.map(|available| memory.total.saturating_sub(available));
        object.whole("total", Some(memory.total));
        object.whole("available", memory.available);
        object.whole("used", used);
        object.decimal("percentage", used.map(|used| proc::percent(used, memory.total)));
    }
    object
}

/// The usage of the root file system. As in df(1), the percentage leaves out the blocks reserved for root.
fn disk() -> Option<Object> {
    let disk = rustix::fs::statvfs("/").ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    let (used, free) = (bytes(disk.f_blocks.saturating_sub(disk.f_bfree)), bytes(disk.f_bavail));
    // File systems without blocks (an initial RAM disk) have 0.
    let whole = Some(used.saturating_add(free)).filter(|whole| *whole > 0)?;
    let mut object = Object::new();
    object.whole("total", Some(bytes(disk.f_blocks)));
    object.whole("used", Some(used));
    object.whole("free", Some(free));
    object.decimal("percentage", Some(proc::percent(used, whole)));
    object.text("path", "/");
    Some(object)
}

/// Writes the constant members of `system`.
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
    let mut object = Object::new();
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
            object.text(name, text);
        }
    }
    object.0
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

/// Writes a JSON object with the spacing of Python's json.dumps. Absent values are left out.
struct Object(String);

impl Object {
    fn new() -> Object {
        Object(String::new())
    }

    /// Adds a member whose value is JSON already.
    fn raw(&mut self, name: &str, json: &str) {
        let before = if self.0.is_empty() { "\"" } else { ", \"" };
        for piece in [before, name, "\": ", json] {
            self.0.push_str(piece);
        }
    }

    fn whole(&mut self, name: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.raw(name, &number.to_string());
        }
    }

    /// Adds a float, which stays one in JSON: 100.0, not 100.
    fn decimal(&mut self, name: &str, number: Option<f64>) {
        if let Some(number) = number {
            let mut json = String::new();
            json::push_number(&mut json, number);
            self.raw(name, &json);
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        let mut quoted = String::new();
        json::push_string(&mut quoted, text);
        self.raw(name, &quoted);
    }

    fn list(&mut self, name: &str, numbers: &[f64]) {
        let mut list = String::new();
        for &number in numbers {
            list.push_str(if list.is_empty() { "[" } else { ", " });
            json::push_number(&mut list, number);
        }
        list.push(']');
        self.raw(name, &list);
    }

    /// Adds an object unless it is empty.
    fn object(&mut self, name: &str, object: Object) {
        if !object.0.is_empty() {
            self.raw(name, &object.end());
        }
    }

    fn end(self) -> String {
        format!("{{{}}}", self.0)
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
        let mut object = Object::new();
        object.whole("a", None);
        object.decimal("b", Some(100.0));
        object.list("c", &[1.0, 0.5]);
        object.object("d", Object::new());
        object.text("e", "\"\n");
        assert_eq!(object.end(), r#"{"b": 100.0, "c": [1.0, 0.5], "e": "\"\n"}"#);
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
