//! PMDaemon: the documented protocol and the real one.
//!
//! Measured with version 0.1.4: it sends a `ProcessList` to every client that connects and then, every two seconds, a
//! `SystemUpdate` and a `ProcessList`; it ignores all messages. `ProcessUpdate` and `Error` are declared in its
//! source and never sent. Its documentation describes six other types in an envelope of `type`, `data`, `timestamp`
//! and `id`, and subscriptions and requests, none of which the real server knows.

mod documented;
#[cfg(test)]
mod filter_tests;
mod process;
mod state;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{Dialect, DialectContext, DialectOptions, Handler, Outcome, PLAIN, Undecodable, server_error};
use crate::model::event::{Event, Process, Processes};
use crate::model::json::{Layout, Node, Writer};
use crate::model::metric::Metric;
use crate::model::sample::field::{Field, FieldRule};
use crate::model::sample::read::read_sample;
use crate::model::setting::Setting;
use crate::model::time::LONGEST_WAIT;
use crate::proto::dialect::requests::{Request, RequestSpec};

pub use state::PmdaemonState;

pub static DIALECT: Dialect = Dialect {
    name: "pmdaemon",
    id: crate::model::dialect::Dialect::Pmdaemon,
    port: 9615,
    path: "/ws",
    // Stopping a process that ignores SIGTERM silences the server for 10 s.
    stale_default: Some(Duration::from_secs(30)),
    recognises,
    kinds: &["sample", "processes", "alert", "log", "notice", "error"],
    handlers: &[
        ("ProcessList", Handler::Tree(process_list)),
        ("SystemUpdate", Handler::Text(system)),
        ("ProcessUpdate", Handler::Tree(process_update)),
        ("Error", Handler::Tree(error)),
        ("process_status", Handler::Tree(documented::process_status)),
        ("process_metrics", Handler::Tree(documented::process_metrics)),
        ("system_metrics", Handler::Text(system)),
        ("health_update", Handler::Tree(documented::health_update)),
        ("process_event", Handler::Tree(documented::process_event)),
        ("log_message", Handler::Tree(documented::log_message)),
    ],
    wants,
    greet,
    // The largest frame that its library accepts.
    requests: RequestSpec { render, answers: &[], error: None, max_in_flight: usize::MAX, max_bytes: 16 << 20 },
    advice: &[(404, "PMDaemon listens at /ws, without a trailing slash")],
    options: &["Server::subscribe", "Server::processes", "Server::interval"],
    ..PLAIN
};

/// The types of the real server, and the documented types that carry the same.
const SAME: &[(&str, &[&str])] = &[
    ("ProcessList", &["process_status", "process_metrics"]),
    ("ProcessUpdate", &["process_status"]),
    ("SystemUpdate", &["system_metrics"]),
];

/// Bound on processes, in a list and in the state.
const MAX_PROCESSES: usize = 1000;

/// Documented types to subscribe to.
const EVENTS: &[&str] =
    &["process_status", "process_metrics", "system_metrics", "health_update", "process_event", "log_message"];

fn recognises(kind: &str, message: &Node<'_>) -> bool {
    let data = |key| message.get("data").is_some_and(|data| data.get(key).is_some());
    let fits = match kind {
        "ProcessList" => matches!(message.get("processes"), Some(Node::List(_))),
        "SystemUpdate" => message.get("metrics").is_some(),
        "ProcessUpdate" => message.get("process").is_some(),
        "process_status" => data("name") && data("status"),
        "process_metrics" => data("processes"),
        "system_metrics" => data("cpu") && data("memory"),
        "health_update" | "process_event" | "log_message" => data("process"),
        _ => false,
    };
    // NeuroGraph's events have any type, and always a channel.
    fits && message.get("channel").is_none()
}

pub(super) static MESSAGE: &[Field] = &[
    Field("type", FieldRule::Envelope),
    Field("id", FieldRule::Envelope),
    Field("timestamp", FieldRule::At),
    Field("metrics", FieldRule::Into(METRICS)),
    Field("data", FieldRule::Into(DOCUMENTED)),
];

/// Metrics of the real server, in bytes and seconds since boot.
static METRICS: &[Field] = &[
    Field("cpu_usage", FieldRule::Number(Metric::Cpu, 1.0)),
    Field("memory_percent", FieldRule::Number(Metric::Memory, 1.0)),
    Field("memory_used", FieldRule::Number(Metric::MemoryUsed, 1.0)),
    // Older name of the same number.
    Field("memory_usage", FieldRule::Else(Metric::MemoryUsed, 1.0)),
    Field("memory_total", FieldRule::Number(Metric::MemoryTotal, 1.0)),
    Field("load_average", FieldRule::Numbers(&[Metric::Load1, Metric::Load5, Metric::Load15])),
    Field("uptime", FieldRule::Number(Metric::Uptime, 1.0)),
    Field("timestamp", FieldRule::At),
];

/// Metrics of the documented server.
static DOCUMENTED: &[Field] = &[
    Field(
        "cpu",
        FieldRule::Into(&[
            Field("usage", FieldRule::Number(Metric::Cpu, 1.0)),
            // Hyper-threads included.
            Field("cores", FieldRule::Number(Metric::LogicalCores, 1.0)),
        ]),
    ),
    Field(
        "memory",
        FieldRule::Into(&[
            Field("usage_percent", FieldRule::Number(Metric::Memory, 1.0)),
            Field("used", FieldRule::Number(Metric::MemoryUsed, 1.0)),
            Field("total", FieldRule::Number(Metric::MemoryTotal, 1.0)),
            Field("available", FieldRule::Number(Metric::MemoryAvailable, 1.0)),
        ]),
    ),
    Field(
        "load",
        FieldRule::Into(&[
            Field("one", FieldRule::Number(Metric::Load1, 1.0)),
            Field("five", FieldRule::Number(Metric::Load5, 1.0)),
            Field("fifteen", FieldRule::Number(Metric::Load15, 1.0)),
        ]),
    ),
];

/// The real server sends everything to all clients, whatever they subscribe to.
fn wants(kind: &str, options: &DialectOptions) -> bool {
    let is_named = |name: &str| options.subscribe.iter().any(|wanted| wanted == name);
    let is_same = || SAME.iter().any(|(real, same)| *real == kind && same.iter().any(|name| is_named(name)));
    options.subscribe.is_empty() || kind == "Error" || is_named(kind) || is_same()
}

/// Returns true if the process is among those of [`Server::processes`](crate::Server::processes), by its id, its name, or as an instance `NAME-0` of a
/// cluster.
fn wants_process(name: &str, id: &str, options: &DialectOptions) -> bool {
    options.process.is_empty() || options.process.iter().any(|wanted| is_process(wanted, name, id))
}

/// Returns true if one name of [`Server::processes`](crate::Server::processes) means the process.
fn is_process(wanted: &str, name: &str, id: &str) -> bool {
    let number = name.strip_prefix(wanted).and_then(|rest| rest.strip_prefix('-'));
    let is_instance = number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    wanted == name || wanted == id || is_instance
}

/// Warns of names given to [`Server::processes`](crate::Server::processes) that the first list does not have. A process may come later.
fn missing_processes(list: &[Process<'_>], options: &DialectOptions) -> Option<String> {
    let mut missing = Vec::new();
    for wanted in &options.process {
        if !list.iter().any(|process| is_process(wanted, &process.name, &process.id)) {
            missing.push(wanted.as_str());
        }
    }
    const SETTING: Setting = Setting("Server::processes");
    let missing = missing.join(", ");
    (!missing.is_empty()).then(|| format!("{SETTING}: the server has no process {missing} now"))
}

/// Leaves a message out, as if the server had not sent it.
fn unwanted<'a>() -> Outcome<'a> {
    Outcome { unwanted: true, ..Outcome::default() }
}

fn system<'a>(text: &'a str, _: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    Ok(Event::Sample(read_sample(text, MESSAGE)?.sample).into())
}

fn process_list<'a>(node: &Node<'a>, context: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let Node::List(nodes) = node.get("processes")? else { return None };
    let mut list = processes(nodes, context.options);
    let first = context.state.pmdaemon.take_first();
    let changes = context.state.pmdaemon.replace(&mut list);
    if !context.state.pmdaemon.shows_list(first || !changes.is_empty(), context.options.interval, context.now) {
        return Some(unwanted());
    }
    let warn = if first && nodes.len() > MAX_PROCESSES {
        Some(format!("too many processes to watch: only the first {MAX_PROCESSES} of {} are shown", nodes.len()))
    } else {
        first.then(|| missing_processes(&list, context.options)).flatten()
    };
    let mut outcome = Outcome::from(Event::Processes(Processes { list, changes, first, ..Processes::default() }));
    outcome.warn(warn);
    Some(outcome)
}

fn process_update<'a>(node: &Node<'a>, context: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    Some(update_one(process::read(node.get("process")?)?, None, context))
}

fn error<'a>(node: &Node<'a>, _: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    Some(server_error(node.first_text(&["message"]), None))
}

fn processes<'a>(nodes: &[Node<'a>], options: &DialectOptions) -> Vec<Process<'a>> {
    let mut list = Vec::new();
    for node in nodes {
        if list.len() == MAX_PROCESSES {
            break;
        }
        let Some(process) = process::read(node) else { continue };
        if wants_process(&process.name, &process.id, options) {
            list.push(process);
        }
    }
    list
}

/// Handles news of one process; `before` is its state until now, if the message has it.
fn update_one<'a>(mut process: Process<'a>, before: Option<&str>, context: &mut DialectContext<'_>) -> Outcome<'a> {
    if !wants_process(&process.name, &process.id, context.options) {
        return unwanted();
    }
    let mut changes = Vec::new();
    context.state.pmdaemon.update(&mut process, before, &mut changes);
    Event::Processes(Processes { list: vec![process], changes, first: false, ..Processes::default() }).into()
}

/// Writes the documented subscription, if the options ask for one. The real server sends everything to all clients.
fn greet(context: &mut DialectContext<'_>) -> Vec<String> {
    let options = context.options;
    if options.subscribe.is_empty() && options.process.is_empty() && options.interval.is_none() {
        return Vec::new();
    }
    let mut text = String::new();
    let mut json = Writer::new(&mut text, Layout::Line);
    json.open('{');
    json.member("type").string("subscribe");
    json.member("data").open('{');
    if options.subscribe.is_empty() {
        push_list(&mut json, "events", &mut EVENTS.iter().copied());
    } else {
        push_list(&mut json, "events", &mut options.subscribe.iter().map(String::as_str));
    }
    if !options.process.is_empty() {
        push_list(&mut json, "processes", &mut options.process.iter().map(String::as_str));
    }
    if let Some(interval) = options.interval {
        json.member("interval").literal(interval.min(LONGEST_WAIT).as_millis() as u64);
    }
    json.close('}');
    json.close('}');
    vec![text]
}

fn push_list(json: &mut Writer<'_>, name: &'static str, texts: &mut dyn Iterator<Item = &str>) {
    json.member(name).open('[');
    for text in texts {
        json.element();
        json.string(text);
    }
    json.close(']');
}

/// Writes `{"type":…,"data":…,"id":…}`, the members of every documented message.
fn render(request: &Request, id: &str) -> String {
    let mut text = String::new();
    let mut json = Writer::new(&mut text, Layout::Line);
    json.open('{');
    json.member("type").string(&request.kind);
    json.member("data").raw(request.json.as_deref().unwrap_or("{}"));
    json.member("id").string(id);
    json.close('}');
    text
}
