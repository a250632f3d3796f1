//! The six types that PMDaemon's documentation describes.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::process::{self, integer, text};
use super::{one, processes};
use crate::dialect::{Memory, Step, Undecodable, unknown};
use crate::event::{Alert, AlertPhase, Event, LogLine, Notice, Process, ProcessChange, Processes};
use crate::json::Node;

/// What events say of a process's state.
const STATES: &[(&str, &str)] =
    &[("started", "online"), ("stopped", "stopped"), ("crashed", "errored"), ("restarted", "online")];

/// What events warn of.
const WARNINGS: &[(&str, &str)] = &[("health_check_failed", "health"), ("memory_limit_exceeded", "memory")];

/// Documented members that are milliseconds.
const MILLISECONDS: &[&str] = &["startup_time", "response_time"];

pub fn process_status<'a>(text: &'a str, memory: &mut Memory) -> Result<Step<'a>, Undecodable> {
    let node = Node::parse(text)?;
    let data = data(&node);
    match process::read(data) {
        Some(process) => Ok(one(process, data.text("previous_status").map(|state| &**state), memory)),
        None => Ok(unknown("process_status".into(), text)),
    }
}

/// Metrics of all processes, or of those that were subscribed to: who is missing has not vanished.
pub fn process_metrics<'a>(text: &'a str, memory: &mut Memory) -> Result<Step<'a>, Undecodable> {
    let node = Node::parse(text)?;
    let Some(Node::List(nodes)) = data(&node).get("processes") else {
        return Ok(unknown("process_metrics".into(), text));
    };
    let list = processes(nodes);
    let first = memory.pmdaemon.is_first();
    let changes = list.iter().filter_map(|process| memory.pmdaemon.update(process, None)).collect();
    Ok(Event::Processes(Processes { list, changes, first }).into())
}

pub fn process_event<'a>(text: &'a str, memory: &mut Memory) -> Result<Step<'a>, Undecodable> {
    let node = Node::parse(text)?;
    let data = data(&node);
    let (Some(event), Some(name)) = (data.text("event"), data.text("process")) else {
        return Ok(unknown("process_event".into(), text));
    };
    let detail = join(event, &details(data.get("details")));
    let find = |table: &[(&'static str, &'static str)]| table.iter().find(|row| row.0 == event).map(|row| row.1);
    Ok(match (find(STATES), find(WARNINGS)) {
        (Some(state), _) => changed(name, state, detail, data, memory),
        (_, Some(metric)) => {
            let alert = warning(name, metric, format!("{name}: {detail}"));
            // A crossed limit has no end that would be told: each time is news.
            let news = if metric == "health" { memory.alerts.see(alert) } else { Some(alert) };
            news.map(|alert| Event::Alert(alert).into()).unwrap_or_default()
        }
        _ => notice(format!("{name}: {detail}")),
    })
}

/// Bad health is an alert until the process is well again.
pub fn health_update<'a>(text: &'a str, memory: &mut Memory) -> Result<Step<'a>, Undecodable> {
    let node = Node::parse(text)?;
    let data = data(&node);
    let (Some(status), Some(name)) = (data.text("status"), data.text("process")) else {
        return Ok(unknown("health_update".into(), text));
    };
    let healthy = status == "healthy";
    if healthy && let Some(end) = memory.alerts.end(name, "health") {
        return Ok(Event::Alert(end).into());
    }
    let words = format!("{name} is {}", health(status, data));
    if healthy {
        return Ok(notice(words));
    }
    Ok(memory.alerts.see(warning(name, "health", words)).map(|alert| Event::Alert(alert).into()).unwrap_or_default())
}

/// The instance of a cluster stands behind the process's name.
pub fn log_message<'a>(text: &'a str, _: &mut Memory) -> Result<Step<'a>, Undecodable> {
    let node = Node::parse(text)?;
    let data = data(&node);
    let Some(line) = process::text(data, "message") else { return Ok(unknown("log_message".into(), text)) };
    let name = process::text(data, "process").unwrap_or_default();
    let source = match integer(data, "instance") {
        Some(instance) => format!("{name}[{instance}]").into(),
        None => name,
    };
    let level = process::text(data, "level").or_else(|| process::text(data, "stream")).unwrap_or_default();
    Ok(Event::Log(LogLine { level, source, text: line }).into())
}

fn data<'n, 'a>(node: &'n Node<'a>) -> &'n Node<'a> {
    node.get("data").filter(|data| !data.is_leaf()).unwrap_or(node)
}

/// An event that the server tells is shown even where its outcome is known already.
fn changed<'a>(
    name: &Cow<'a, str>,
    state: &'static str,
    detail: String,
    data: &Node<'_>,
    memory: &mut Memory,
) -> Step<'a> {
    let details = data.get("details").unwrap_or(&Node::Null);
    let process = Process {
        name: name.clone(),
        state: state.into(),
        pid: integer(details, "pid"),
        port: integer(details, "port"),
        ..Process::default()
    };
    let from = memory.pmdaemon.state_of(name).to_owned().into();
    memory.pmdaemon.update(&process, None);
    let change = ProcessChange { name: name.clone(), from, to: state.into(), detail: detail.into() };
    Event::Processes(Processes { list: vec![process], changes: vec![change], first: false }).into()
}

fn warning<'a>(name: &Cow<'a, str>, metric: &'static str, message: String) -> Alert<'a> {
    Alert {
        component: name.clone(),
        metric: metric.into(),
        level: "WARNING".into(),
        message: message.into(),
        value: None,
        threshold: None,
        phase: AlertPhase::Begins,
    }
}

fn notice(text: String) -> Step<'static> {
    Event::Notice(Notice { text: text.into(), greeting: false }).into()
}

/// `unhealthy, was healthy (http check, response_time=45ms)`
fn health(status: &str, data: &Node<'_>) -> String {
    let was = data.text("previous_status").map(|before| format!(", was {before}")).unwrap_or_default();
    let check = text(data, "check_type").map(|kind| format!("{kind} check")).unwrap_or_default();
    let details = details(data.get("details"));
    let separator = if check.is_empty() || details.is_empty() { "" } else { ", " };
    match format!("{check}{separator}{details}") {
        found if found.is_empty() => format!("{status}{was}"),
        found => format!("{status}{was} ({found})"),
    }
}

/// `pid=5678 startup_time=1250ms`
fn details(details: Option<&Node<'_>>) -> String {
    Node::Map(details.map_or(&[][..], Node::members).iter().map(with_unit).collect()).to_string()
}

fn with_unit<'a>((key, value): &(Cow<'a, str>, Node<'a>)) -> (Cow<'a, str>, Node<'a>) {
    let value = match value.as_f64() {
        Some(_) if MILLISECONDS.contains(&&**key) => Node::Text(format!("{value}ms").into()),
        _ => value.clone(),
    };
    (key.clone(), value)
}

fn join(word: &str, details: &str) -> String {
    if details.is_empty() { word.to_owned() } else { format!("{word} {details}") }
}
