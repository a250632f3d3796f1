//! monitoring-websocket-server: the documented protocol and the real one.
//!
//! Measured with version 1.0.83; the documentation of its client describes other names and units
//! (`usage_percent`, `used_gb`, …), which older and third-party servers send.

use std::mem;
use std::time::Duration;

use super::{
    Dialect, DialectContext, Handler, Outcome, PLAIN, Undecodable, answered, beside_type, keep_alive, notice,
    server_error,
};
use crate::model::event::{Alert, Event};
use crate::model::json::Node;
use crate::model::metric::{Metric, Text};
use crate::model::sample::Sample;
use crate::model::sample::field::{Field, FieldRule};
use crate::model::sample::message::SampleMessage;
use crate::model::sample::read::read_sample_into;
use crate::proto::dialect::requests::RequestSpec;

pub static DIALECT: Dialect = Dialect {
    name: "monitoring",
    id: crate::model::dialect::Dialect::Monitoring,
    stale_default: Some(Duration::from_secs(30)),
    kinds: &["sample", "alert", "notice", "answer", "error"],
    handlers: &[
        ("monitoring_data", Handler::Text(monitoring_data)),
        ("connection", Handler::Tree(connection)),
        ("connection_message", Handler::Tree(connection)),
        ("status", Handler::Tree(answered)),
        ("pong", Handler::Text(keep_alive)),
        ("ping", Handler::Text(keep_alive)),
        ("error", Handler::Tree(error)),
        ("error_message", Handler::Tree(error)),
        ("alert", Handler::Tree(alert)),
    ],
    recognises,
    requests: RequestSpec {
        render: beside_type,
        answers: &[("get_status", "status"), ("ping", "pong")],
        error: Some("error"),
        max_in_flight: usize::MAX,
        max_bytes: 1 << 20,
    },
    ..PLAIN
};

/// Samples differ from those of other servers by their `data`; the greetings name the server.
fn recognises(kind: &str, message: &Node<'_>) -> bool {
    match kind {
        "monitoring_data" => message.get("data").is_some(),
        "connection" => message.get("status").is_some() && message.get("message").is_some(),
        "connection_message" => message.get("message").is_some(),
        _ => false,
    }
}

/// "GB" and "MB" in the documented names are powers of 1024: the documented client prints them so.
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

/// Fields of the real server; `Else` marks the documented name of a value that it sends under another one.
pub(super) static MESSAGE: &[Field] = &[
    Field("type", FieldRule::Envelope),
    Field("timestamp", FieldRule::At),
    Field("data", FieldRule::Into(DATA)),
    Field("alerts", FieldRule::Alerts),
];

static DATA: &[Field] = &[
    Field("memory", FieldRule::Into(MEMORY)),
    Field("processor", FieldRule::Into(PROCESSOR)),
    Field("disk", FieldRule::Into(DISK)),
    Field("system", FieldRule::Into(SYSTEM)),
    Field("gpu", FieldRule::Into(GPU)),
];

static MEMORY: &[Field] = &[
    Field("total", FieldRule::Number(Metric::MemoryTotal, 1.0)),
    Field("available", FieldRule::Number(Metric::MemoryAvailable, 1.0)),
    Field("used", FieldRule::Number(Metric::MemoryUsed, 1.0)),
    Field("percentage", FieldRule::Number(Metric::Memory, 1.0)),
    Field("usage_percent", FieldRule::Else(Metric::Memory, 1.0)),
    Field("used_gb", FieldRule::Else(Metric::MemoryUsed, GIB)),
    Field("total_gb", FieldRule::Else(Metric::MemoryTotal, GIB)),
    Field("available_gb", FieldRule::Else(Metric::MemoryAvailable, GIB)),
];

static PROCESSOR: &[Field] = &[
    Field("usage_percent", FieldRule::Number(Metric::Cpu, 1.0)),
    Field("core_count", FieldRule::Number(Metric::Cores, 1.0)),
    Field("logical_count", FieldRule::Number(Metric::LogicalCores, 1.0)),
    Field("frequency_current", FieldRule::NonZero(Metric::Frequency, 1.0)),
    Field("frequency_max", FieldRule::NonZero(Metric::FrequencyMax, 1.0)),
    Field("per_core_usage", FieldRule::PerCore),
    Field("temperature", FieldRule::Number(Metric::Temperature, 1.0)),
    Field("frequency_mhz", FieldRule::Else(Metric::Frequency, 1.0)),
];

static DISK: &[Field] = &[
    Field("total", FieldRule::Number(Metric::DiskTotal, 1.0)),
    Field("used", FieldRule::Number(Metric::DiskUsed, 1.0)),
    Field("free", FieldRule::Number(Metric::DiskFree, 1.0)),
    Field("percentage", FieldRule::Number(Metric::Disk, 1.0)),
    Field("path", FieldRule::Text(Text::DiskPath)),
    Field("usage_percent", FieldRule::Else(Metric::Disk, 1.0)),
    Field("used_gb", FieldRule::Else(Metric::DiskUsed, GIB)),
    Field("total_gb", FieldRule::Else(Metric::DiskTotal, GIB)),
    Field("free_gb", FieldRule::Else(Metric::DiskFree, GIB)),
];

static SYSTEM: &[Field] = &[
    Field("os_name", FieldRule::Text(Text::Os)),
    Field("os_version", FieldRule::Text(Text::OsVersion)),
    Field("os_release", FieldRule::Text(Text::OsRelease)),
    Field("architecture", FieldRule::Text(Text::Architecture)),
    Field("platform", FieldRule::Text(Text::Platform)),
    Field("machine", FieldRule::Text(Text::Machine)),
    Field("processor", FieldRule::Text(Text::Processor)),
    Field("hostname", FieldRule::Text(Text::Host)),
    Field("processes", FieldRule::Number(Metric::Processes, 1.0)),
    Field("boot_time", FieldRule::Text(Text::BootTime)),
    Field("load_average", FieldRule::Numbers(&[Metric::Load1, Metric::Load5, Metric::Load15])),
    Field("uptime_seconds", FieldRule::Number(Metric::Uptime, 1.0)),
];

/// One flat object, or the documented list, whose first element is shown.
static GPU: &[Field] = &[
    Field("name", FieldRule::Text(Text::GpuName)),
    Field("driver_version", FieldRule::Text(Text::GpuDriver)),
    Field("memory_total", FieldRule::Number(Metric::GpuMemoryTotal, 1.0)),
    Field("memory_used", FieldRule::Number(Metric::GpuMemoryUsed, 1.0)),
    Field("memory_free", FieldRule::Number(Metric::GpuMemoryFree, 1.0)),
    Field("memory_percentage", FieldRule::Number(Metric::GpuMemory, 1.0)),
    Field("gpu_usage_percent", FieldRule::Number(Metric::Gpu, 1.0)),
    Field("temperature", FieldRule::Number(Metric::GpuTemperature, 1.0)),
    Field("power_draw", FieldRule::Number(Metric::GpuPower, 1.0)),
    Field("power_limit", FieldRule::Number(Metric::GpuPowerLimit, 1.0)),
    Field("usage_percent", FieldRule::Else(Metric::Gpu, 1.0)),
    Field("memory_percent", FieldRule::Else(Metric::GpuMemory, 1.0)),
    Field("memory_used_mb", FieldRule::Else(Metric::GpuMemoryUsed, MIB)),
    Field("memory_total_mb", FieldRule::Else(Metric::GpuMemoryTotal, MIB)),
    Field("gpus", FieldRule::First(&GPU)),
];

fn monitoring_data<'a>(text: &'a str, context: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    let per_core = mem::take(&mut context.spare.per_core);
    let SampleMessage { sample, alerts, .. } = read_sample_into(per_core, text, MESSAGE)?;
    let alerts = alerts.as_ref().map_or(&[][..], |alerts| alerts.elements());
    let mut events = mem::take(&mut context.spare.events);
    for node in alerts {
        context.alerts.report(read_alert(node), &mut events);
    }
    context.alerts.end_unseen(&mut events, &|component, threshold| is_above(&sample, component, threshold));
    events.insert(0, Event::Sample(sample));
    Ok(events.into())
}

/// Returns true if an alert that is not repeated is still active. One mode of the server sends each alert once in five
/// minutes, so its absence means little while the value is high.
fn is_above(sample: &Sample<'_>, component: &str, threshold: Option<f64>) -> bool {
    let metric = match component {
        "memory" => Metric::Memory,
        "disk" => Metric::Disk,
        "cpu" | "processor" => Metric::Cpu,
        "gpu" => Metric::Gpu,
        _ => return false,
    };
    sample.get(metric).zip(threshold).is_some_and(|(value, threshold)| value > threshold)
}

fn alert<'a>(node: &Node<'a>, context: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let inner = node.get("data").or_else(|| node.get("alert")).filter(|inner| !inner.is_leaf()).unwrap_or(node);
    let mut events = Vec::new();
    context.alerts.report(read_alert(inner), &mut events);
    Some(events.into())
}

fn read_alert<'a>(node: &Node<'a>) -> Alert<'a> {
    let text = |key| node.text_or(key, "");
    let level = text("level");
    let message = node.first_text(&["message"]);
    Alert {
        component: text("component"),
        metric: text("metric"),
        level: if level.bytes().any(|b| b.is_ascii_lowercase()) { level.to_ascii_uppercase().into() } else { level },
        message,
        value: node.number("value"),
        threshold: node.number("threshold"),
        at: node.text("timestamp").cloned(),
        ..Alert::default()
    }
}

fn connection<'a>(node: &Node<'a>, _: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    Some(notice(node.text_or("message", "Connected"), true))
}

fn error<'a>(node: &Node<'a>, _: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let text = node.first_text(&["message", "error"]);
    Some(server_error(text, node.text("severity").cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::AlertPhase;
    use crate::model::sample::others::other_names;
    use crate::testing::dialect::OwnedContext;

    fn events<'a>(text: &'a str, context: &mut OwnedContext) -> Vec<Event<'a>> {
        DIALECT.read(text, &mut context.lend()).unwrap().events
    }

    fn sample(text: &str) -> Sample<'_> {
        match &events(text, &mut OwnedContext::default())[0] {
            Event::Sample(sample) => (**sample).clone(),
            other => panic!("{other:?}"),
        }
    }

    fn with_alert(memory: f64, alerts: &str) -> String {
        format!(r#"{{"type":"monitoring_data","data":{{"memory":{{"percentage":{memory}}}}}{alerts}}}"#)
    }

    fn alert_phases(text: &str, context: &mut OwnedContext) -> Vec<(String, AlertPhase)> {
        let alerts = events(text, context);
        alerts
            .iter()
            .filter_map(|e| if let Event::Alert(a) = e { Some((a.level.to_string(), a.phase)) } else { None })
            .collect()
    }

    #[test]
    fn the_documented_spelling_is_read_in_its_units() {
        let sample = sample(
            r#"{"timestamp":"2025-01-03T14:30:25.123456","type":"monitoring_data","data":{"processor":{"usage_percent":45.2,"temperature":65.0,"frequency_mhz":2400},"memory":{"usage_percent":62.8,"used_gb":8,"total_gb":13.5,"available_gb":4.5},"disk":{"usage_percent":28.5,"used_gb":142.5,"total_gb":500.0,"free_gb":357.5},"gpu":{"usage_percent":15.0,"memory_percent":45.0,"temperature":52.0,"memory_used_mb":2048,"memory_total_mb":4096}}}"#,
        );
        for (metric, value) in [
            (Metric::Cpu, 45.2),
            (Metric::Temperature, 65.0),
            (Metric::Frequency, 2400.0),
            (Metric::Memory, 62.8),
            (Metric::MemoryUsed, 8.0 * GIB),
            (Metric::DiskFree, 357.5 * GIB),
            (Metric::Gpu, 15.0),
            (Metric::GpuMemoryUsed, 2048.0 * MIB),
            (Metric::GpuTemperature, 52.0),
        ] {
            assert_eq!(sample.get(metric), Some(value), "{metric:?}");
        }
        assert_eq!(sample.at.as_deref(), Some("2025-01-03T14:30:25.123456"));
    }

    #[test]
    fn a_message_that_takes_the_lists_of_the_one_before_reads_the_same() {
        let text = |cores: &str| {
            format!(r#"{{"type":"monitoring_data","data":{{"processor":{{"per_core_usage":[{cores}]}}}}}}"#)
        };
        let (long, short, none) = (text("1,2,3"), text("4"), text(""));
        let mut context = OwnedContext::default();
        for text in [&long, &short, &none, &long] {
            let read = events(text, &mut context);
            assert_eq!(read, events(text, &mut OwnedContext::default()), "{text}");
            context.spare.keep(read);
            assert!(context.spare.events.is_empty() && context.spare.per_core.is_empty());
            assert!(context.spare.events.capacity() > 0);
        }
        let many = text(&vec!["1"; 1000].join(","));
        let read = events(&many, &mut context);
        context.spare.keep(read);
        assert!(context.spare.per_core.capacity() <= 64, "a long list is not kept");
    }

    #[test]
    fn the_wire_wins_over_the_documentation_in_either_order() {
        for memory in [r#""percentage":3.7,"usage_percent":99"#, r#""usage_percent":99,"percentage":3.7"#] {
            let text = format!(r#"{{"type":"monitoring_data","data":{{"memory":{{{memory}}}}}}}"#);
            assert_eq!(sample(&text).get(Metric::Memory), Some(3.7));
        }
    }

    #[test]
    fn odd_shapes_leave_the_rest_readable() {
        let text = r#"{"type":"monitoring_data","timestamp":5,"data":{"memory":[1,2],"processor":{"usage_percent":"x","core_count":null,"frequency_max":0.0,"per_core_usage":{"a":1}},"disk":{"percentage":15,"percentage":16},"system":null,"gpu":[]},"alerts":5}"#;
        let sample = sample(text);
        assert_eq!(sample.get(Metric::Disk), Some(16.0));
        assert_eq!(Metric::ALL.iter().filter(|&&metric| sample.get(metric).is_some()).count(), 1);
    }

    #[test]
    fn the_list_form_of_the_gpu_shows_its_first() {
        let text = r#"{"type":"monitoring_data","data":{"gpu":{"count":2,"gpus":[{"name":"A","gpu_usage_percent":37.0},{"name":"B","gpu_usage_percent":99}]}}}"#;
        let sample = sample(text);
        assert_eq!((sample.get(Metric::Gpu), sample.text(Text::GpuName)), (Some(37.0), Some("A")));
        let names = other_names(text, &sample);
        assert_eq!(names, ["gpu.count=2", "gpu.gpus.1.name=B", "gpu.gpus.1.gpu_usage_percent=99"]);
    }

    #[test]
    fn every_leaf_of_a_message_is_carried_or_among_the_others() {
        let text = r#"{"type":"monitoring_data","timestamp":"t","data":{"memory":{"percentage":1.0,"usage_percent":2.0,"swap":{"used":3}},"processor":{"frequency_max":0.0,"per_core_usage":[1,2],"flags":["a","b"]},"system":{"processor":"","load_average":[1,2,3,4]}},"extra":null}"#;
        let names = other_names(text, &sample(text));
        assert_eq!(
            names,
            [
                "memory.usage_percent=2.0",
                "memory.swap.used=3",
                "processor.frequency_max=0.0",
                "processor.flags=a, b",
                "system.processor=",
                "system.load_average=1, 2, 3, 4",
                "extra=null"
            ]
        );
    }

    #[test]
    fn an_alert_is_reported_when_it_begins_changes_and_ends() {
        let mut context = OwnedContext::default();
        let alert = |level: &str| {
            format!(
                r#","alerts":[{{"component":"memory","metric":"usage_percent","value":85.5,"threshold":80.0,"level":"{level}","message":"High"}}]"#
            )
        };
        assert_eq!(
            alert_phases(&with_alert(85.5, &alert("WARNING")), &mut context),
            [("WARNING".into(), AlertPhase::Begins)]
        );
        assert_eq!(alert_phases(&with_alert(85.6, &alert("warning")), &mut context), []);
        assert_eq!(
            alert_phases(&with_alert(95.0, &alert("CRITICAL")), &mut context),
            [("CRITICAL".into(), AlertPhase::Changes)]
        );
        assert_eq!(
            alert_phases(&with_alert(85.0, ""), &mut context),
            [],
            "still above the threshold: merely not repeated"
        );
        assert_eq!(alert_phases(&with_alert(79.0, ""), &mut context), [("CRITICAL".into(), AlertPhase::Ends)]);
        assert_eq!(alert_phases(&with_alert(79.0, ""), &mut context), []);
    }

    #[test]
    fn greetings_and_errors_are_known_under_both_names() {
        for (text, greeting) in [
            (r#"{"type":"connection","status":"connected","message":"Hello"}"#, "Hello"),
            (r#"{"type":"connection_message"}"#, "Connected"),
        ] {
            assert!(
                matches!(&events(text, &mut OwnedContext::default())[0], Event::Notice(n) if n.text == greeting && n.greeting)
            );
        }
        for text in
            [r#"{"type":"error","message":"bad"}"#, r#"{"type":"error_message","error":"bad","severity":"warning"}"#]
        {
            assert!(matches!(&events(text, &mut OwnedContext::default())[0], Event::Error(e) if e.text == "bad"));
        }
    }

    #[test]
    fn a_status_is_an_answer_with_its_members() {
        let text = r#"{"type":"status","connected_clients":1,"monitoring_active":true,"timestamp":"t"}"#;
        assert!(
            matches!(&events(text, &mut OwnedContext::default())[0], Event::Answer(a) if a.kind == "status" && a.text == "connected_clients=1 monitoring_active=true")
        );
    }
}
