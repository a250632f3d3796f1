//! The board in Prometheus' text format 0.0.4, for files and HTTP.
//!
//! Consumers reject a whole file for a single fault: a missing final line feed, a TYPE line or a series that comes twice,
//! series of one family with different label names. A family is therefore written by one object, from one list of servers
//! whose labels are unique.

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use crate::fleet::board::{Board, BoardProcess, BoardRow};
use crate::model::decimal::push_decimal;
use crate::model::dialect::Dialect;
use crate::model::metric::{METRICS, Metric, Unit};
use crate::model::server_id::ServerId;
use crate::model::stats::Statistics;
use crate::model::text::{escape, push_replacing};

/// One server with all that its series need.
struct Server<'b> {
    row: &'b BoardRow,
    statistics: Statistics,
    /// Escaped for a label's value.
    label: String,
    /// The processes and their labels.
    processes: Vec<(&'b BoardProcess, String)>,
}

/// Names, descriptions and values of the families of counters.
type Counter = (&'static str, &'static str, fn(&Statistics) -> u64);

const COUNTERS: [Counter; 6] = [
    ("wsmon_connections_total", "Connections that were opened.", |of| of.connections),
    ("wsmon_disconnections_total", "Open connections that were lost.", |of| of.total_disconnections),
    ("wsmon_errors_total", "Connections and dials that failed.", |of| of.error_count),
    ("wsmon_received_messages_total", "Messages received.", |of| of.messages_received),
    ("wsmon_received_bytes_total", "Payload bytes of the messages received.", |of| of.bytes_received),
    ("wsmon_undecoded_messages_total", "Messages that could not be decoded.", |of| of.undecoded),
];

/// Appends the board in Prometheus' text format 0.0.4: what the client knows of each server, then the metrics and processes
/// of those that are up. Nothing is appended for an empty board.
///
/// `statistics` returns the counters of a server by its id, as [`crate::Monitor::statistics_of`] does. Labels hold no URIs,
/// and no text of a server except the names of hosts and processes.
///
/// ```
/// use wsmon::{Board, Statistics};
///
/// let mut board = Board::default();
/// board.add(wsmon::ServerId::from_index(0), "web");
/// let mut text = String::new();
/// wsmon::push_exposition(&mut text, &board, &|_| Statistics::default());
/// assert!(text.starts_with("# HELP wsmon_up Whether the server is connected.\n# TYPE wsmon_up gauge\n"));
/// assert!(text.contains("\nwsmon_up{server=\"web\"} 0\n"));
/// ```
pub fn push_exposition(out: &mut String, board: &Board, statistics: &dyn Fn(ServerId) -> Statistics) {
    let servers = servers(board, statistics);
    push_client(out, &servers);
    for (&metric, row) in Metric::ALL.iter().zip(METRICS) {
        let (suffix, convert) = base_unit(row.unit);
        let name = format!("wsmon_{}{suffix}", row.name);
        let mut family = Family::gauge(out, &name, row.about);
        for server in &servers {
            family.push(server, server.row.metric(metric).map(convert));
        }
    }
    push_processes(out, &servers);
}

fn servers<'b>(board: &'b Board, statistics: &dyn Fn(ServerId) -> Statistics) -> Vec<Server<'b>> {
    let mut labels = Unique::default();
    let mut servers = Vec::new();
    for (id, row) in board.rows() {
        let Some(label) = labels.escaped(row.label()) else { continue };
        let mut names = Unique::default();
        let mut processes = Vec::new();
        for process in row.processes() {
            if let Some(name) = names.escaped(&process.name) {
                processes.push((process, format!(",process=\"{name}\"")));
            }
        }
        servers.push(Server { row, statistics: statistics(id), label, processes });
    }
    servers
}

/// Appends the families that exist for servers that are down, too, and the number of alerts.
fn push_client(out: &mut String, servers: &[Server<'_>]) {
    let mut family = Family::gauge(out, "wsmon_up", "Whether the server is connected.");
    for server in servers {
        family.push(server, Some(f64::from(u8::from(server.row.is_up()))));
    }
    let mut family = Family::gauge(out, "wsmon_server_info", "What is watched.");
    for server in servers {
        let dialect = server.row.dialect().map_or("auto", Dialect::name);
        let host = escaped(server.row.host());
        family.push_labelled("", server, &format!(",dialect=\"{dialect}\",host=\"{host}\""), Some(1.0));
    }
    let mut family = Family::gauge(out, "wsmon_last_sample_timestamp_seconds", "When the latest sample came.");
    for server in servers {
        family.push(server, server.row.sample_at().map(unix_seconds));
    }
    for (name, about, value) in COUNTERS {
        let mut family = Family::new(out, name, about, "counter");
        for server in servers {
            family.push(server, Some(value(&server.statistics) as f64));
        }
    }
    let mut family = Family::new(out, "wsmon_ping_seconds", "Round trips of pings.", "summary");
    for server in servers {
        let pings = server.statistics.ping_ms;
        family.push_labelled("_sum", server, "", Some(pings.sum() / 1000.0));
        family.push_labelled("_count", server, "", Some(pings.samples as f64));
    }
    let mut family = Family::gauge(out, "wsmon_alerts", "Alerts of the server's own that are in force.");
    for server in servers {
        family.push(server, server.row.alerts().map(|alerts| alerts as f64));
    }
}

fn push_processes(out: &mut String, servers: &[Server<'_>]) {
    type Value = fn(&BoardProcess) -> Option<f64>;
    const FAMILIES: &[(&str, &str, &str, Value)] = &[
        ("wsmon_process_running", "Whether the process runs.", "gauge", |process| {
            Some(f64::from(u8::from(process.running)))
        }),
        ("wsmon_process_cpu_ratio", "Processor use of the process.", "gauge", |process| {
            process.cpu.map(|percent| percent / 100.0)
        }),
        ("wsmon_process_memory_bytes", "Memory of the process.", "gauge", |process| process.memory),
        ("wsmon_process_restarts_total", "Restarts of the process.", "counter", |process| {
            process.restarts.filter(|restarts| *restarts >= 0).map(|restarts| restarts as f64)
        }),
    ];
    for (name, about, kind, value) in FAMILIES {
        let mut family = Family::new(out, name, about, kind);
        for server in servers {
            for (process, label) in &server.processes {
                family.push_labelled("", server, label, value(process));
            }
        }
    }
}

/// Writes the series of one family. Its HELP and TYPE lines come with the first series; a family without series is left
/// out.
struct Family<'o> {
    out: &'o mut String,
    name: &'o str,
    about: &'o str,
    kind: &'o str,
    begun: bool,
}

impl<'o> Family<'o> {
    fn new(out: &'o mut String, name: &'o str, about: &'o str, kind: &'o str) -> Self {
        Family { out, name, about, kind, begun: false }
    }

    fn gauge(out: &'o mut String, name: &'o str, about: &'o str) -> Self {
        Family::new(out, name, about, "gauge")
    }

    fn push(&mut self, server: &Server<'_>, value: Option<f64>) {
        self.push_labelled("", server, "", value);
    }

    /// Appends a series with more labels than the server; nothing for an unknown or infinite value.
    fn push_labelled(&mut self, suffix: &str, server: &Server<'_>, more: &str, value: Option<f64>) {
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        let Family { out, name, about, kind, .. } = self;
        if !std::mem::replace(&mut self.begun, true) {
            out.push_str(&format!("# HELP {name} {about}\n# TYPE {name} {kind}\n"));
        }
        for part in [name, suffix, "{server=\"", &server.label, "\"", more, "} "] {
            out.push_str(part);
        }
        push_decimal(out, value);
        out.push('\n');
    }
}

/// Returns the suffix of a metric's name and the conversion to the base unit. A percentage is divided by 100, because
/// multiplying by 0.01 gives 0.12400000000000001 for 12.4.
fn base_unit(unit: Unit) -> (&'static str, fn(f64) -> f64) {
    match unit {
        Unit::Percent => ("_ratio", |percent| percent / 100.0),
        Unit::Bytes => ("_bytes", |value| value),
        Unit::BytesPerSecond => ("_bytes_per_second", |value| value),
        Unit::Seconds => ("_seconds", |value| value),
        Unit::Megahertz => ("_hertz", |value| value * 1e6),
        Unit::Celsius => ("_celsius", |value| value),
        Unit::Watt => ("_watts", |value| value),
        Unit::Count | Unit::Load => ("", |value| value),
    }
}

/// Returns a time as seconds since 1970, with milliseconds.
fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as f64 / 1000.0
}

/// Label values that are in use.
#[derive(Default)]
struct Unique(Vec<String>);

impl Unique {
    /// Escapes a label's value. `None` if it then equals an earlier one: two texts can look the same once control
    /// characters are made visible. Only texts that were escaped can collide, so only these are compared.
    fn escaped(&mut self, text: &str) -> Option<String> {
        let value = escaped(text);
        if value.contains('\\') {
            if self.0.contains(&value) {
                return None;
            }
            self.0.push(value.clone());
        }
        Some(value)
    }
}

/// Escapes a label's value: backslash, quote and line feed as the format demands; other control characters are made
/// visible first, as in all output.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_replacing(
        &mut out,
        text,
        |b| matches!(b, b'\\' | b'"'),
        |out, c| match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ => out.push_str(&escape(c.encode_utf8(&mut [0; 4])).replace('\\', "\\\\")),
        },
    );
    out
}
