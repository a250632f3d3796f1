//! SysMedic: the documented protocol and the real ones.
//!
//! There are three servers of this name: that of version 1.0.5, the library of 1.0.6, and the daemon of 1.0.6, which is
//! the one in use and answers no request. Measured with all three; the documentation describes the first.

mod alerts;
mod config;
mod users;

use std::time::Duration;

use super::{
    Dialect, DialectContext, Handler, Outcome, PLAIN, Undecodable, answer, keep_alive, notice, push_all, server_error,
};
use crate::model::event::{Event, ServerError, Users};
use crate::model::json::{self, Node};
use crate::model::metric::Metric;
use crate::model::number;
use crate::model::sample::Sample;
use crate::model::sample::field::{Field, FieldRule};
use crate::model::sample::read::read_sample;
use crate::proto::dialect::requests::{Request, RequestSpec};
use crate::proto::uri::{Endpoint, percent_encode};

pub static DIALECT: Dialect = Dialect {
    name: "sysmedic",
    id: crate::model::dialect::Dialect::Sysmedic,
    port: 8060,
    path: "/ws",
    stale_default: Some(Duration::from_secs(120)),
    kinds: &["sample", "users", "alert", "notice", "answer", "error"],
    handlers: &[
        ("welcome", Handler::Tree(welcome)),
        ("config", Handler::Text(config::config)),
        ("system_update", Handler::Text(system_update)),
        ("alert", Handler::Tree(alerts::alert)),
        ("system_info_response", Handler::Tree(response)),
        ("alerts_response", Handler::Tree(response)),
        ("user_metrics_response", Handler::Tree(users::user_metrics)),
        ("config_response", Handler::Text(config::response)),
        ("uptime_response", Handler::Tree(response)),
        ("pong", Handler::Text(keep_alive)),
        ("ping", Handler::Text(keep_alive)),
        ("error", Handler::Tree(error)),
    ],
    other: Some(Handler::Text(config::other)),
    recognises,
    prepare_dial,
    requests: RequestSpec {
        render,
        answers: &[
            ("get_system_info", "system_info_response"),
            ("get_alerts", "alerts_response"),
            ("get_user_metrics", "user_metrics_response"),
            ("get_config", "config_response"),
            ("get_uptime", "uptime_response"),
            ("ping", "pong"),
        ],
        error: Some("error"),
        // Two goroutines write to one connection: an answer that meets an update can crash the server.
        max_in_flight: 1,
        // A longer message ends the connection with 1009.
        max_bytes: 512,
    },
    advice: &[
        (401, "the secret was refused: `sysmedic websocket status` on the server shows the URL with the valid one"),
        (404, "SysMedic listens at /ws"),
    ],
    options: &["Server::token_file"],
    // The greetings have the local time of day with a literal Z.
    stamp: |kind, stamp| (!["welcome", "config"].contains(&kind)).then_some(stamp),
    ..PLAIN
};

/// Remembered of SysMedic. Survives a reconnection: it repeats its alerts for 24 hours, on every connection.
#[derive(Debug, Default)]
pub struct SysmedicState {
    /// Alerts that have been reported.
    alerts: alerts::KnownAlerts,
    /// Set once the values that it does not measure have been reported.
    unmeasured_reported: bool,
}

fn recognises(kind: &str, message: &Node<'_>) -> bool {
    let Some(data) = message.get("data") else { return false };
    let has = |names: &[&str]| names.iter().all(|name| data.get(name).is_some());
    match kind {
        "welcome" => data.get("message").and_then(Node::as_text) == Some("Connected to SysMedic"),
        "config" => data.as_text().is_some_and(|yaml| yaml.contains("cpu_threshold:")) || has(&["monitoring", "email"]),
        "system_update" => has(&["cpu_usage", "memory_usage", "disk_usage", "uptime"]),
        "alert" => has(&["primary_cause"]) || has(&["PrimaryCause"]),
        _ => false,
    }
}

/// Puts the secret into the query, where alone the server looks, and at the first one only. A secret in the URI wins.
/// A `sysmedic://` URI has no path of its own: SysMedic's clients drop any.
fn prepare_dial(endpoint: &mut Endpoint, context: &mut DialectContext<'_>) {
    let (path, query) = match (&endpoint.dialect, endpoint.target.split_once('?')) {
        (Some(_), _) => (DIALECT.path, ""),
        (None, Some((path, query))) => (path, query),
        (None, None) => (&*endpoint.target, ""),
    };
    let mut target = if path == "/" { DIALECT.path } else { path }.to_owned();
    let mut lead = '?';
    let mut has_secret = false;
    let mut push = |parameter: &str, value: &str| {
        target.push(std::mem::replace(&mut lead, '&'));
        target.push_str(parameter);
        target.push_str(value);
    };
    for parameter in query.split('&') {
        if !["", "secret", "secret="].contains(&parameter) {
            has_secret |= parameter.starts_with("secret=");
            push(parameter, "");
        }
    }
    if let (false, Some(secret)) = (has_secret, endpoint.secret.as_ref().or(context.options.token.as_ref())) {
        push("secret=", &percent_encode(secret));
    }
    endpoint.target = target;
}

/// Writes a request. `request_id` must be a text: at a number one server hangs up, and another answers nothing from
/// then on.
fn render(request: &Request, id: &str) -> String {
    let mut text = String::from("{\"type\":");
    json::push_string(&mut text, &request.kind);
    text.push_str(",\"request_id\":");
    json::push_string(&mut text, id);
    if let Some(data) = &request.json {
        text.push_str(",\"data\":");
        text.push_str(data.trim());
    }
    text.push('}');
    text
}

/// Unit of the network: the server divides bytes by 1024 twice.
const MIB: f64 = 1024.0 * 1024.0;

/// Metrics that the known servers send as 0 and do not measure. Another value is taken as it is.
static UNMEASURED: &[Metric] = &[Metric::Cpu, Metric::Network];

static LOADS: &[Metric] = &[Metric::Load1, Metric::Load5, Metric::Load15];

/// Fields of all three servers. `alerts` and `system` are the daemon's, whose time stamps are numbers.
pub(super) static MESSAGE: &[Field] = &[
    Field("type", FieldRule::Envelope),
    Field("timestamp", FieldRule::At),
    Field("data", FieldRule::Into(DATA)),
    Field("system", FieldRule::Into(SYSTEM)),
    Field("alerts", FieldRule::Alerts),
];

static DATA: &[Field] = &[
    Field("cpu_usage", FieldRule::Number(Metric::Cpu, 1.0)),
    Field("memory_usage", FieldRule::Number(Metric::Memory, 1.0)),
    Field("disk_usage", FieldRule::Number(Metric::Disk, 1.0)),
    Field("uptime", FieldRule::Words(&[Metric::Uptime], uptime)),
    Field("load_avg", FieldRule::Words(LOADS, json::number)),
    Field("network_io", FieldRule::Words(&[Metric::Network], network)),
];

static SYSTEM: &[Field] =
    &[Field("system", FieldRule::Into(METRICS)), Field("users", FieldRule::Users), Field("timestamp", FieldRule::At)];

static METRICS: &[Field] = &[
    Field("cpu", FieldRule::Else(Metric::Cpu, 1.0)),
    Field("memory", FieldRule::Else(Metric::Memory, 1.0)),
    Field("network", FieldRule::Number(Metric::Network, MIB)),
    Field("load1", FieldRule::Number(Metric::Load1, 1.0)),
    Field("load5", FieldRule::Number(Metric::Load5, 1.0)),
    Field("load15", FieldRule::Number(Metric::Load15, 1.0)),
];

/// Reads `2d 4h 32m` as seconds; `unknown` is `None`.
fn uptime(text: &str) -> Option<f64> {
    let part = |part: &str| {
        let (number, seconds) = [("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0)]
            .iter()
            .find_map(|(unit, seconds)| Some((part.strip_suffix(unit)?, seconds)))?;
        Some(f64::from(number.parse::<u32>().ok()?) * seconds)
    };
    let mut sum = None;
    for word in text.split_whitespace() {
        sum = Some(sum.unwrap_or(0.0) + part(word)?);
    }
    sum
}

/// Reads `2.34 MB/s` as bytes per second.
fn network(text: &str) -> Option<f64> {
    Some(json::number(text.strip_suffix("MB/s")?.trim())? * MIB)
}

fn system_update<'a>(text: &'a str, context: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    let mut reading = read_sample(text, MESSAGE)?;
    if let Some(error) = failure(text, &reading.sample) {
        return Ok(Event::Error(error).into());
    }
    let warn = unmeasured(&reading.sample, context);
    reading.sample.unmeasured = UNMEASURED;
    for &metric in UNMEASURED {
        if reading.sample.get(metric) == Some(0.0) {
            reading.sample.put(metric, f64::NAN);
        }
    }
    let at = reading.sample.at.clone();
    let now = at.as_deref().and_then(number::parse_zoned);
    let mut outcome = Outcome::from(Event::Sample(reading.sample));
    outcome.warn(warn);
    if let Some(Event::Users(list)) = reading.users.and_then(|list| users::read(&list, false)) {
        outcome.events.push(Event::Users(Users { at, ..list }));
    }
    if let Some(list) = reading.alerts {
        context.state.sysmedic.alerts.update(&list, now, &mut outcome.events);
    }
    Ok(outcome)
}

/// Finds the error of a server that cannot measure: it sends zeros, "unknown", and `error`, or the daemon's `summary`.
fn failure<'a>(text: &'a str, sample: &Sample<'_>) -> Option<ServerError<'a>> {
    if sample.get(Metric::Memory) != Some(0.0) || sample.get(Metric::Uptime).is_some() {
        return None;
    }
    let node = Node::parse(text).ok()?;
    let data = node.get("data")?;
    let text = data.text("error").or_else(|| data.text("summary"))?.clone();
    Some(ServerError { text, severity: None, ..ServerError::default() })
}

/// Warns once that zeros are not measurements. Up to 1.0.6 every sample is the first of a new monitor, which has no
/// earlier counters to compare with.
fn unmeasured(sample: &Sample<'_>, context: &mut DialectContext<'_>) -> Option<String> {
    let is_zero = |metric| sample.get(metric).is_some_and(|value| value == 0.0);
    if !context.options.verbose || context.state.sysmedic.unmeasured_reported || !is_zero(Metric::Cpu) {
        return None;
    }
    context.state.sysmedic.unmeasured_reported = true;
    let what = if is_zero(Metric::Network) { "cpu 0 and network 0.00 are" } else { "cpu 0 is" };
    Some(format!("{what} not measured: SysMedic up to 1.0.6 never sends anything else"))
}

fn welcome<'a>(node: &Node<'a>, _: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let data = node.get("data").unwrap_or(node);
    let mut text = data.text("message").map_or("Connected", |text| text).to_owned();
    let mut separator = ": ";
    for &(name, lead) in &[("version", "version "), ("system", ""), ("status", ""), ("daemon", "daemon ")] {
        if let Some(value) = data.text(name) {
            push_all(&mut text, &[separator, lead, value]);
            separator = ", ";
        }
    }
    Some(notice(text.into(), true))
}

/// Handles the answer to a request. Empty lists of a Go program are null.
fn response<'a>(node: &Node<'a>, _: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let mut answer = answer(node);
    if answer.text == "null" {
        answer.text = "[]".to_owned();
    }
    Some(Event::Answer(answer).into())
}

fn error<'a>(node: &Node<'a>, _: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let data = node.get("data").unwrap_or(node);
    Some(server_error(data.first_text(&["error", "message"]), None))
}

/// Finds the first member of one of these names, however their words are joined: `primary_cause` is also
/// `PrimaryCause`.
fn member<'n, 'a>(node: &'n Node<'a>, names: &[&str]) -> Option<&'n Node<'a>> {
    fn letters(name: &str) -> impl Iterator<Item = u8> {
        name.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase())
    }
    let find = |name| node.members().iter().find(|(key, _)| letters(key).eq(letters(name)));
    names.iter().find_map(|name| find(name).map(|(_, value)| value))
}

#[cfg(test)]
mod tests;
