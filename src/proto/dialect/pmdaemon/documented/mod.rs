//! The six types that PMDaemon's documentation describes.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::process::{self, integer};
use super::{processes, unwanted, update_one, wants_process};
use crate::model::event::{Alert, AlertPhase, Event, LogLine, Process, ProcessChange, Processes};
use crate::model::json::Node;
use crate::proto::dialect::{DialectContext, Outcome, notice};

/// Events that are a change of state, and the state.
const STATES: &[(&str, &str)] =
    &[("started", "online"), ("stopped", "stopped"), ("crashed", "errored"), ("restarted", "online")];

/// Events that are alerts, and the metric.
const WARNINGS: &[(&str, &str)] = &[("health_check_failed", "health"), ("memory_limit_exceeded", "memory")];

/// Details in milliseconds.
const MILLISECONDS: &[&str] = &["startup_time", "response_time"];

pub fn process_status<'a>(node: &Node<'a>, context: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let data = data(node);
    Some(update_one(process::read(data)?, data.text("previous_status").map(|state| &**state), context))
}

/// Handles metrics of all processes, or of those that were subscribed to: a missing one has not vanished.
pub fn process_metrics<'a>(node: &Node<'a>, context: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let Node::List(nodes) = data(node).get("processes")? else { return None };
    let mut list = processes(nodes, context.options);
    let first = context.state.pmdaemon.take_first();
    let mut changes = Vec::new();
    for process in &mut list {
        context.state.pmdaemon.update(process, None, &mut changes);
    }
    if !context.state.pmdaemon.shows_list(first || !changes.is_empty(), context.options.interval, context.now) {
        return Some(unwanted());
    }
    Some(Event::Processes(Processes { list, changes, first, ..Processes::default() }).into())
}

pub fn process_event<'a>(node: &Node<'a>, context: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let data = data(node);
    let (event, name) = (data.text("event")?, data.text("process")?);
    if !wants_process(name, "", context.options) {
        return Some(unwanted());
    }
    let details = details(data.get("details"));
    let detail = if details.is_empty() { event.to_string() } else { format!("{event} {details}") };
    let find = |table: &[(&'static str, &'static str)]| table.iter().find(|row| row.0 == event).map(|row| row.1);
    if let Some(state) = find(STATES) {
        return Some(changed(name, state, detail, data, context));
    }
    let words = format!("{name}: {detail}");
    Some(match find(WARNINGS) {
        Some("health") => unhealthy(name, words, context),
        // A limit that was exceeded has no end that is reported, so each one is news.
        Some(metric) => Event::Alert(warning(name, metric, words)).into(),
        None => notice(words.into(), false),
    })
}

/// Handles a change of health. A bad one is an alert until the process is healthy again.
pub fn health_update<'a>(node: &Node<'a>, context: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let data = data(node);
    let (status, name) = (data.text("status")?, data.text("process")?);
    if !wants_process(name, "", context.options) {
        return Some(unwanted());
    }
    let healthy = status == "healthy";
    if healthy {
        if let Some(end) = context.alerts.end(name, "health") {
            return Some(Event::Alert(end).into());
        }
    }
    let words = format!("{name} is {}", health(status, data));
    Some(if healthy { notice(words.into(), false) } else { unhealthy(name, words, context) })
}

fn unhealthy<'a>(name: &Cow<'a, str>, words: String, context: &mut DialectContext<'_>) -> Outcome<'a> {
    let mut events = Vec::new();
    context.alerts.report(warning(name, "health", words), &mut events);
    events.into()
}

/// Handles a line of a log. Its source is the process, with the instance of a cluster in brackets.
pub fn log_message<'a>(node: &Node<'a>, context: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let data = data(node);
    let line = process::text(data, "message")?;
    let name = data.text_or("process", "");
    if !wants_process(&name, "", context.options) {
        return Some(unwanted());
    }
    let source = match integer(data, "instance") {
        Some(instance) => format!("{name}[{instance}]").into(),
        None => name,
    };
    let level = data.text("level").or_else(|| data.text("stream")).cloned().unwrap_or_default();
    Some(Event::Log(LogLine { level, source, text: line, ..LogLine::default() }).into())
}

fn data<'n, 'a>(node: &'n Node<'a>) -> &'n Node<'a> {
    node.get("data").filter(|data| !data.is_leaf()).unwrap_or(node)
}

/// Shows a change of state, even if the new state is known already.
fn changed<'a>(
    name: &Cow<'a, str>,
    state: &'static str,
    detail: String,
    data: &Node<'_>,
    context: &mut DialectContext<'_>,
) -> Outcome<'a> {
    let details = data.get("details").unwrap_or(&Node::Null);
    let mut process = Process {
        name: name.clone(),
        state: state.into(),
        pid: integer(details, "pid"),
        port: integer(details, "port"),
        ..Process::default()
    };
    let from = context.state.pmdaemon.state_of(name).to_owned().into();
    context.state.pmdaemon.update(&mut process, None, &mut Vec::new());
    let change = ProcessChange { name: name.clone(), from, to: state.into(), detail: detail.into() };
    Event::Processes(Processes { list: vec![process], changes: vec![change], first: false, ..Processes::default() })
        .into()
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
        ..Alert::default()
    }
}

/// Writes `unhealthy, was healthy (http check, response_time=45ms)`.
fn health(status: &str, data: &Node<'_>) -> String {
    let mut words = status.to_owned();
    let mut push = |lead: &str, text: &str| {
        words.push_str(lead);
        words.push_str(text);
    };
    if let Some(before) = data.text("previous_status") {
        push(", was ", before);
    }
    let details = details(data.get("details"));
    match data.text("check_type") {
        Some(kind) => {
            push(" (", kind);
            push(" check", if details.is_empty() { "" } else { ", " });
            push(&details, ")");
        }
        None if details.is_empty() => {}
        None => {
            push(" (", &details);
            push(")", "");
        }
    }
    words
}

/// Writes `pid=5678 startup_time=1250ms`.
fn details(details: Option<&Node<'_>>) -> String {
    let mut members = Vec::new();
    for member in details.map_or(&[][..], Node::members) {
        members.push(with_unit(member));
    }
    Node::Map(members).to_string()
}

fn with_unit<'a>((key, value): &(Cow<'a, str>, Node<'a>)) -> (Cow<'a, str>, Node<'a>) {
    let value = match value.as_f64() {
        Some(_) if MILLISECONDS.contains(&&**key) => Node::Text(format!("{value}ms").into()),
        _ => value.clone(),
    };
    (key.clone(), value)
}
