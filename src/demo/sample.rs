//! One look at this machine, and the messages of the monitoring server that tell about it. Member
//! names, their order and the spacing are those of monitoring-websocket-server 1.0.83.87 on the wire.

use super::proc::{self, Cpu};
use crate::json;
use std::fmt::Write;
use std::fs::read_to_string;
use std::time::SystemTime;

/// What does not change while we run, and the last reading of the processors.
pub(super) struct Machine {
    system: String,
    core_count: Option<usize>,
    /// For machines that tell no current frequency.
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

    /// Sets the moment from which the next sample counts processor time.
    pub fn start(&mut self) {
        self.cpu = Cpu::read(&read("/proc/stat"));
    }

    /// A `monitoring_data` message. What cannot be read is left out.
    pub fn sample(&mut self, wall: SystemTime) -> String {
        let mut data = Object::new();
        data.object("memory", memory());
        data.object("processor", self.processor());
        data.object("disk", disk().unwrap_or_else(Object::new));
        let mut system = Object(self.system.clone());
        system.list("load_average", proc::load(&read("/proc/loadavg")).as_ref().map(|load| &load[..]));
        system.raw("uptime_seconds", proc::uptime(&read("/proc/uptime")).map(decimal));
        data.object("system", system);
        let mut message = Object::new();
        message.text("type", "monitoring_data");
        message.text("timestamp", &timestamp(wall));
        message.object("data", data);
        message.end()
    }

    fn processor(&mut self) -> Object {
        let now = Cpu::read(&read("/proc/stat"));
        let before = std::mem::replace(&mut self.cpu, now);
        let megahertz = |file: &str| {
            let kilohertz = json::number(read(&format!("/sys/devices/system/cpu/cpu0/cpufreq/{file}")).trim())?;
            Some(kilohertz / 1000.0)
        };
        let mut processor = Object::new();
        processor.raw("usage_percent", self.cpu.usage(&before).map(decimal));
        processor.raw("core_count", Some(self.core_count.map_or("null".to_owned(), |cores| cores.to_string())));
        processor.raw("logical_count", self.cpu.logical());
        processor.raw("frequency_current", megahertz("scaling_cur_freq").or(self.megahertz).map(decimal));
        processor.raw("frequency_max", megahertz("cpuinfo_max_freq").map(decimal));
        processor.list("per_core_usage", self.cpu.usage_per_core(&before).as_deref());
        processor
    }
}

/// The first message on a connection.
pub(super) fn welcome(wall: SystemTime) -> String {
    let mut message = Object::new();
    message.text("type", "connection");
    message.text("status", "connected");
    message.text("timestamp", &timestamp(wall));
    message.text("message", "Connected to monitoring server");
    message.end()
}

/// The answer to a text from a client, for those that are answered.
pub(super) fn answer(text: &str, clients: usize, wall: SystemTime) -> Option<String> {
    let mut message = Object::new();
    match json::is_json(text) {
        true => match &*json::message_type(text)? {
            "ping" => message.text("type", "pong"),
            "get_status" => {
                message.text("type", "status");
                message.raw("connected_clients", Some(clients));
                message.raw("monitoring_active", Some(true));
            }
            _ => return None,
        },
        false => {
            message.text("type", "error");
            message.text("message", "Invalid message");
            return Some(message.end());
        }
    }
    message.text("timestamp", &timestamp(wall));
    Some(message.end())
}

fn memory() -> Object {
    let mut object = Object::new();
    if let Some(memory) = proc::memory(&read("/proc/meminfo")) {
        let used = memory.available.map(|available| memory.total.saturating_sub(available));
        object.raw("total", Some(memory.total));
        object.raw("available", memory.available);
        object.raw("used", used);
        object.raw("percentage", used.map(|used| decimal(proc::percent(used, memory.total))));
    }
    object
}

/// As df(1) counts: the percentage is of what users can have, without the blocks reserved for root.
fn disk() -> Option<Object> {
    let disk = rustix::fs::statvfs("/").ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    let (used, free) = (bytes(disk.f_blocks.saturating_sub(disk.f_bfree)), bytes(disk.f_bavail));
    // File systems without blocks of their own (an initial RAM disk) say 0.
    let whole = Some(used.saturating_add(free)).filter(|whole| *whole > 0)?;
    let mut object = Object::new();
    object.raw("total", Some(bytes(disk.f_blocks)));
    object.raw("used", Some(used));
    object.raw("free", Some(free));
    object.raw("percentage", Some(decimal(proc::percent(used, whole))));
    object.text("path", "/");
    Some(object)
}

/// The members of `system` that stay the same.
fn system() -> String {
    let kernel =
        |name: &str| Some(read(&format!("/proc/sys/kernel/{name}")).trim().to_owned()).filter(|s| !s.is_empty());
    let (os, release) = (kernel("ostype"), kernel("osrelease"));
    // Linux 6.1 and later say what uname(2) says.
    let machine = kernel("arch").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let platform = os.as_deref().zip(release.as_deref()).map(|(os, release)| format!("{os}-{release}-{machine}"));
    let mut object = Object::new();
    for (name, text) in [
        ("os_name", os),
        ("os_version", kernel("version")),
        ("os_release", release),
        ("architecture", Some(machine.clone())),
        ("platform", platform),
        ("machine", Some(machine)),
        ("hostname", kernel("hostname")),
    ] {
        text.into_iter().for_each(|text| object.text(name, &text));
    }
    object.0
}

/// Empty if it cannot be read; the parsers then find nothing in it.
fn read(path: &str) -> String {
    read_to_string(path).unwrap_or_default()
}

/// The real server sends local time without a zone; UTC with its `Z` cannot be misread.
fn timestamp(wall: SystemTime) -> String {
    humantime::format_rfc3339_micros(wall).to_string()
}

/// A float stays one in JSON: 100.0, not 100.
fn decimal(number: f64) -> String {
    let mut text = String::new();
    json::push_number(&mut text, number);
    text
}

/// A JSON object in the making, spaced as Python's json.dumps does. Absent values are left out.
struct Object(String);

impl Object {
    fn new() -> Object {
        Object(String::new())
    }

    fn raw(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            let comma = if self.0.is_empty() { "" } else { ", " };
            // Writing into a String cannot fail.
            let _ = write!(self.0, "{comma}\"{name}\": {value}");
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        let mut quoted = String::new();
        json::push_string(&mut quoted, text);
        self.raw(name, Some(quoted));
    }

    fn list(&mut self, name: &str, numbers: Option<&[f64]>) {
        self.raw(
            name,
            numbers
                .map(|list| format!("[{}]", list.iter().map(|&number| decimal(number)).collect::<Vec<_>>().join(", "))),
        );
    }

    fn object(&mut self, name: &str, object: Object) {
        self.raw(name, Some(object).filter(|object| !object.0.is_empty()).map(Object::end));
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
    fn the_welcome_is_spelt_as_the_real_one() {
        let expected = r#"{"type": "connection", "status": "connected", "timestamp": "2023-11-14T22:13:20.123456Z", "message": "Connected to monitoring server"}"#;
        assert_eq!(welcome(wall()), expected);
    }

    #[test]
    fn requests_are_answered_as_the_real_server_answers_them() {
        let pong = r#"{"type": "pong", "timestamp": "2023-11-14T22:13:20.123456Z"}"#;
        let status = r#"{"type": "status", "connected_clients": 2, "monitoring_active": true, "timestamp": "2023-11-14T22:13:20.123456Z"}"#;
        let error = r#"{"type": "error", "message": "Invalid message"}"#;
        for (text, expected) in [
            (r#"{"type": "ping"}"#, Some(pong)),
            (r#"{"id":1,"type":"ping"}"#, Some(pong)),
            (r#"{"type":"get_status"}"#, Some(status)),
            (r#"{"type":"subscribe"}"#, None),
            (r#"{"type":42}"#, None),
            ("{}", None),
            ("[1]", None),
            ("", Some(error)),
            ("nonsense", Some(error)),
        ] {
            assert_eq!(answer(text, 2, wall()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn absent_values_and_empty_objects_are_left_out() {
        let mut object = Object::new();
        object.raw("a", None::<u64>);
        object.raw("b", Some(decimal(100.0)));
        object.list("c", Some(&[1.0, 0.5]));
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
    fn a_first_sample_invents_no_processor_usage() {
        let text = Machine::new().sample(wall());
        assert!(!text.contains("usage_percent") && !text.contains("per_core_usage"), "{text}");
    }
}
