//! The format `events`: one line of JSON for each event, in a form common to all servers, for programs.
//!
//! Values that a server does not send are left out. The manual has a table of the members and their origin.

use super::event_lines::{is_better, one_line};
use super::{Format, stats};
use crate::format::style::Style;
use crate::model::event::{Alert, Event, Message, Process, ProcessChange, Processes, Raw, Users};
use crate::model::json::{self, Layout, Node, Writer};
use crate::model::metric::{METRICS, Metric, TEXTS, Text};
use crate::model::sample::Sample;

pub const FORMAT: Format = Format {
    name: "events",
    about: "one line of JSON for each event, in a form common to all servers",
    head: None,
    write,
    stats: |out, statistics, _| stats::push_json(out, statistics, Layout::Line),
    stats_apart: false,
    whole: false,
    gap: Some(super::json::gap),
};

/// Written as one list `load`, in the place of the first.
const LOAD: [Metric; 3] = [Metric::Load1, Metric::Load5, Metric::Load15];

fn write(out: &mut String, message: &Message<'_>, _: &Style) {
    for event in message.events {
        let Some(kind) = event.kind_name() else { continue };
        let mut json = Writer::new(out, Layout::Line);
        super::json::open(&mut json, message);
        json.member("kind").string(kind);
        push_members(&mut json, event, message.raw, message.events.len() == 1);
        json.close('}');
        out.push('\n');
    }
}

/// Writes the members of an event. `raw` is its message, to which `alone` says that it is the only event.
pub fn push_members(json: &mut Writer<'_>, event: &Event<'_>, raw: Raw<'_>, alone: bool) {
    match event {
        Event::Sample(sample) => push_sample(json, sample),
        Event::Processes(processes) => push_processes(json, processes),
        Event::Users(users) => push_users(json, users),
        Event::Alert(alert) => push_alert(json, alert),
        Event::Log(log) => {
            text(json, "level", &log.level);
            text(json, "source", &log.source);
            json.member("text").string(&log.text);
            if let Some(task) = &log.task {
                text(json, "function", &task.function);
                if let Some(success) = task.success {
                    json.member("success").literal(success);
                }
                text(json, "error", &task.error);
            }
            push_origin(json, &log.kind, &log.channel);
            push_data(json, (raw, alone), event, &log.kind, &log.channel);
        }
        Event::Notice(notice) => {
            json.member("text").string(&notice.text);
            json.member("greeting").literal(notice.greeting);
            text(json, "level", &notice.level);
            push_origin(json, &notice.kind, &notice.channel);
            push_data(json, (raw, alone), event, &notice.kind, &notice.channel);
        }
        Event::Answer(answer) => {
            text(json, "type", &answer.kind);
            json.member("text").string(&answer.text);
            // A message of several events is not the answer alone.
            if let (Raw::Json(text), true) = (raw, alone) {
                json.member("answer").raw(text);
            }
        }
        Event::Error(error) => {
            json.member("text").string(&error.text);
            optional(json, "severity", error.severity.as_deref());
            number(json, "retry_after", error.retry_after.map(|wait| wait.as_secs_f64()));
        }
        Event::Unknown(unknown) => {
            push_origin(json, &unknown.kind, "");
            json.member("text").string(&one_line(raw, &unknown.text));
            push_data(json, (raw, alone), event, &unknown.kind, "");
        }
        Event::State(change) => super::json::push_state(json, change),
        Event::KeepAlive | Event::Warning(_) | Event::Unanswered(_) => {}
    }
    if !matches!(event, Event::Sample(_)) {
        optional(json, "at", event.at());
    }
}

fn push_origin(json: &mut Writer<'_>, kind: &str, channel: &str) {
    text(json, "type", kind);
    text(json, "channel", channel);
}

/// Writes as `data` the message's members but for those that stand beside it: the contents of a member `data` if that is
/// the only one. A message of several events is not this event alone.
fn push_data(json: &mut Writer<'_>, message: (Raw<'_>, bool), event: &Event<'_>, kind: &str, channel: &str) {
    let (Raw::Json(message), true) = message else { return };
    let mut members = json::members(message);
    members.retain(|(name, value)| {
        let is = |text: &str| Node::parse(value).is_ok_and(|value| value.as_text() == Some(text));
        !match &**name {
            "type" | "event_type" => is(kind),
            "channel" => is(channel),
            "timestamp" => event.at().is_some(),
            _ => false,
        }
    });
    match &members[..] {
        [] => {}
        [(name, value)] if name == "data" => json.member("data").raw(value),
        members => {
            json.member("data").open('{');
            for (name, value) in members {
                json.foreign_member(name).raw(value);
            }
            json.close('}');
        }
    }
}

pub fn push_sample(json: &mut Writer<'_>, sample: &Sample<'_>) {
    for (&metric, row) in Metric::ALL.iter().zip(METRICS) {
        match LOAD.iter().position(|&load| load == metric) {
            Some(0) if LOAD.iter().any(|&load| sample.get(load).is_some()) => {
                push_list(json.member("load"), LOAD.iter().map(|&load| sample.get(load)));
            }
            Some(_) => {}
            None => {
                if let Some(value) = sample.get(metric).filter(|value| value.is_finite()) {
                    json.row_member(row.member).decimal(value);
                }
            }
        }
    }
    sample.each_of_spread(&mut |name, value| number(json, name, value));
    for (&text, row) in Text::ALL.iter().zip(TEXTS) {
        if let Some(value) = sample.text(text) {
            json.row_member(row.member).string(value);
        }
    }
    optional(json, "at", sample.at.as_deref());
    if !sample.per_core.is_empty() {
        push_list(json.member("per_core"), sample.per_core.iter().map(|&core| Some(core)));
    }
    if !sample.extra.is_empty() {
        json.member("extra").open('{');
        for (name, value) in sample.extra.iter().filter(|(_, value)| value.is_finite()) {
            json.foreign_member(name).decimal(*value);
        }
        json.close('}');
    }
}

/// Writes a list of numbers, with null for absent ones.
fn push_list(json: &mut Writer<'_>, values: impl Iterator<Item = Option<f64>>) {
    json.open('[');
    for value in values {
        json.element();
        match value.filter(|value| value.is_finite()) {
            Some(value) => json.decimal(value),
            None => json.literal("null"),
        }
    }
    json.close(']');
}

fn push_processes(json: &mut Writer<'_>, processes: &Processes<'_>) {
    json.member("processes").open('[');
    for process in &processes.list {
        json.element();
        push_process(json, process);
    }
    json.close(']');
    json.member("changes").open('[');
    for change in &processes.changes {
        json.element();
        push_change(json, change);
    }
    json.close(']');
}

fn push_process(json: &mut Writer<'_>, process: &Process<'_>) {
    json.open('{');
    text(json, "name", &process.name);
    text(json, "id", &process.id);
    text(json, "state", &process.state);
    integer(json, "pid", process.pid);
    optional(json, "started_at", process.started_at.as_deref());
    number(json, "uptime", process.uptime.map(|uptime| uptime.as_secs_f64()));
    integer(json, "restarts", process.restarts);
    number(json, "cpu", process.cpu);
    number(json, "memory", process.memory);
    integer(json, "exit_code", process.exit_code);
    optional(json, "error", process.error.as_deref());
    optional(json, "namespace", process.namespace.as_deref());
    integer(json, "port", process.port);
    json.close('}');
}

fn push_change(json: &mut Writer<'_>, change: &ProcessChange<'_>) {
    json.open('{');
    text(json, "name", &change.name);
    text(json, "from", &change.from);
    text(json, "to", &change.to);
    text(json, "detail", &change.detail);
    json.close('}');
}

fn push_users(json: &mut Writer<'_>, users: &Users<'_>) {
    flag(json, "persistent", users.persistent);
    json.member("users").open('[');
    for user in &users.list {
        json.element();
        json.open('{');
        text(json, "name", &user.name);
        number(json, "cpu", user.cpu);
        number(json, "memory", user.memory);
        integer(json, "processes", user.processes);
        text(json, "metric", &user.metric);
        optional(json, "since", user.since.as_deref());
        number(json, "duration", user.lasted.map(|lasted| lasted.as_secs_f64()));
        json.close('}');
    }
    json.close(']');
}

fn push_alert(json: &mut Writer<'_>, alert: &Alert<'_>) {
    text(json, "component", &alert.component);
    integer(json, "id", alert.id);
    text(json, "metric", &alert.metric);
    text(json, "level", &alert.level);
    text(json, "from", &alert.from);
    flag(json, "better", is_better(alert));
    text(json, "message", &alert.message);
    text(json, "cause", &alert.cause);
    number(json, "value", alert.value);
    number(json, "threshold", alert.threshold);
    json.member("phase").string(alert.phase.name());
    flag(json, "stored", alert.stored);
    number(json, "age", alert.age.map(|age| age.as_secs_f64()));
    optional(json, "rule", alert.rule.as_deref());
}

/// Writes a text unless it is empty.
fn text(json: &mut Writer<'_>, name: &'static str, value: &str) {
    optional(json, name, Some(value).filter(|value| !value.is_empty()));
}

fn optional(json: &mut Writer<'_>, name: &'static str, value: Option<&str>) {
    if let Some(value) = value {
        json.member(name).string(value);
    }
}

/// Writes true; nothing if false.
fn flag(json: &mut Writer<'_>, name: &'static str, value: bool) {
    if value {
        json.member(name).literal(value);
    }
}

fn integer(json: &mut Writer<'_>, name: &'static str, value: Option<i64>) {
    if let Some(value) = value {
        json.member(name).literal(value);
    }
}

/// Writes a number; nothing if it is absent, NaN or infinite.
fn number(json: &mut Writer<'_>, name: &'static str, value: Option<f64>) {
    if let Some(value) = value.filter(|value| value.is_finite()) {
        json.member(name).decimal(value);
    }
}

#[cfg(test)]
mod tests;
