//! PMDaemon, as it is documented and as it speaks.
//!
//! Measured with version 0.1.4: it sends a `ProcessList` to everyone who connects and then, every two seconds, a
//! `SystemUpdate` and a `ProcessList`; it ignores whatever it is sent. `ProcessUpdate` and `Error` are declared in its
//! source and never sent. Its documentation describes six other types in an envelope of `type`, `data`, `timestamp`
//! and `id`, and subscriptions and requests, none of which the real server knows.

mod documented;
mod process;
mod state;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{Dialect, DialectOptions, DialectState, Handler, Outcome, PLAIN, Undecodable};
use crate::model::event::{Event, Process, Processes, ServerError};
use crate::model::json::{Layout, Node, Writer};
use crate::model::metric::Metric;
use crate::model::sample::field::{Field, FieldRule};
use crate::model::sample::read::read_sample;
use crate::proto::dialect::requests::{Request, RequestSpec};

pub use state::PmdaemonState;

pub static DIALECT: Dialect = Dialect {
    name: "pmdaemon",
    about: "PMDaemon, a process manager",
    port: 9615,
    path: "/ws",
    // A stop of a process that does not want to end silences the server for 10 s.
    quiet_after: Some(Duration::from_secs(30)),
    recognises,
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
    greet,
    // The server takes frames of 16 MiB, the default of its library.
    asking: RequestSpec { render, answers: &[], error: None, at_once: usize::MAX, longest: 16 << 20 },
    advice: &[(404, "PMDaemon answers at /ws, without a slash behind it")],
    takes: &["--subscribe", "--process", "--interval"],
    ..PLAIN
};

/// More processes than anyone manages; a server that invents them must not fill our memory.
const MOST: usize = 1000;

/// The types that can be subscribed to, by the documentation.
const EVENTS: &[&str] =
    &["process_status", "process_metrics", "system_metrics", "health_update", "process_event", "log_message"];

fn recognises(kind: &str, message: &Node<'_>) -> bool {
    let data = |key| message.get("data").is_some_and(|data| data.get(key).is_some());
    let speaks_so = match kind {
        "ProcessList" => matches!(message.get("processes"), Some(Node::List(_))),
        "SystemUpdate" => message.get("metrics").is_some(),
        "ProcessUpdate" => message.get("process").is_some(),
        "process_status" => data("name") && data("status"),
        "process_metrics" => data("processes"),
        "system_metrics" => data("cpu") && data("memory"),
        "health_update" | "process_event" | "log_message" => data("process"),
        _ => false,
    };
    // Neurograph's events bear any type, but always a channel.
    speaks_so && message.get("channel").is_none()
}

static MESSAGE: &[Field] = &[
    Field("type", FieldRule::Envelope),
    Field("id", FieldRule::Envelope),
    Field("timestamp", FieldRule::At),
    Field("metrics", FieldRule::Into(METRICS)),
    Field("data", FieldRule::Into(DOCUMENTED)),
];

/// On the wire: bytes, and seconds since the host was started.
static METRICS: &[Field] = &[
    Field("cpu_usage", FieldRule::Number(Metric::Cpu, 1.0)),
    Field("memory_percent", FieldRule::Number(Metric::Memory, 1.0)),
    Field("memory_used", FieldRule::Number(Metric::MemoryUsed, 1.0)),
    // The same number under its older name.
    Field("memory_usage", FieldRule::Else(Metric::MemoryUsed, 1.0)),
    Field("memory_total", FieldRule::Number(Metric::MemoryTotal, 1.0)),
    Field("load_average", FieldRule::Numbers(&[Metric::Load1, Metric::Load5, Metric::Load15])),
    Field("uptime", FieldRule::Number(Metric::Uptime, 1.0)),
    Field("timestamp", FieldRule::At),
];

static DOCUMENTED: &[Field] = &[
    Field(
        "cpu",
        FieldRule::Into(&[
            Field("usage", FieldRule::Number(Metric::Cpu, 1.0)),
            // Those that the system counts, hyper-threads included.
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

fn system<'a>(text: &'a str, _: &mut DialectState) -> Result<Outcome<'a>, Undecodable> {
    Ok(Event::Sample(read_sample(text, MESSAGE)?.sample).into())
}

fn process_list<'a>(node: &Node<'a>, memory: &mut DialectState) -> Option<Outcome<'a>> {
    let Node::List(nodes) = node.get("processes")? else { return None };
    let list = processes(nodes);
    let first = memory.pmdaemon.is_first();
    let changes = memory.pmdaemon.replace(&list);
    let warn = (first && nodes.len() > MOST)
        .then(|| format!("{} processes are too many to watch: the first {MOST} are shown", nodes.len()));
    let mut step = Outcome::from(Event::Processes(Processes { list, changes, first }));
    step.warn = warn;
    Some(step)
}

fn process_update<'a>(node: &Node<'a>, memory: &mut DialectState) -> Option<Outcome<'a>> {
    Some(one(process::read(node.get("process")?)?, None, memory))
}

fn error<'a>(node: &Node<'a>, _: &mut DialectState) -> Option<Outcome<'a>> {
    Some(Event::Error(ServerError { text: node.first_text(&["message"]), severity: None }).into())
}

fn processes<'a>(nodes: &[Node<'a>]) -> Vec<Process<'a>> {
    let mut list = Vec::new();
    for node in nodes {
        if list.len() < MOST
            && let Some(process) = process::read(node)
        {
            list.push(process);
        }
    }
    list
}

/// What a message about one process means; `before` is the state it was in, where the message says it.
fn one<'a>(process: Process<'a>, before: Option<&str>, memory: &mut DialectState) -> Outcome<'a> {
    let mut changes = Vec::new();
    memory.pmdaemon.update(&process, before, &mut changes);
    Event::Processes(Processes { list: vec![process], changes, first: false }).into()
}

/// A subscription as it is documented, where one is wanted. The real server sends everything to everybody.
fn greet(wish: &DialectOptions, _: &mut DialectState) -> Vec<String> {
    if wish.subscribe.is_empty() && wish.process.is_empty() && wish.interval.is_none() {
        return Vec::new();
    }
    let mut text = String::new();
    let mut json = Writer::new(&mut text, Layout::Line);
    json.open('{');
    json.member("type").string("subscribe");
    json.member("data").open('{');
    if wish.subscribe.is_empty() {
        push_list(&mut json, "events", &mut EVENTS.iter().copied());
    } else {
        push_list(&mut json, "events", &mut wish.subscribe.iter().map(String::as_str));
    }
    if !wish.process.is_empty() {
        push_list(&mut json, "processes", &mut wish.process.iter().map(String::as_str));
    }
    if let Some(interval) = wish.interval {
        json.member("interval").literal(interval.as_millis());
    }
    json.close('}');
    json.close('}');
    vec![text]
}

fn push_list(json: &mut Writer<'_>, name: &str, texts: &mut dyn Iterator<Item = &str>) {
    json.member(name).open('[');
    for text in texts {
        json.element();
        json.string(text);
    }
    json.close(']');
}

/// `{"type":…,"data":…,"id":…}`: the members that the documentation gives to every message.
fn render(ask: &Request, id: &str) -> String {
    let mut text = String::new();
    let mut json = Writer::new(&mut text, Layout::Line);
    json.open('{');
    json.member("type").string(&ask.kind);
    json.member("data").raw(ask.json.as_deref().unwrap_or("{}"));
    json.member("id").string(id);
    json.close('}');
    text
}
