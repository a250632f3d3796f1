//! FastPluggy's WebSocket tool: the documented protocol and the real one.
//!
//! Measured with version 0.1.24: every message is an envelope of `type`, `content`, `meta` and `timestamp`. The server
//! closes a connection on which a text arrives that the application has no handler for, and the documented answer to
//! its JSON ping is such a text. It also closes a connection without an answer after 60 to 90 s. So every connection
//! ends after that time at the latest, with a Close 1000. Of two connections with one client id it breaks both.

mod client_id;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use super::{
    Dialect, DialectContext, Handler, Outcome, PLAIN, Undecodable, beside_type, keep_alive, level, notice,
    server_error, unknown, utc,
};
use crate::model::event::{Event, LogLine, Notice, TaskResult};
use crate::model::json::{self, Layout, Node, Writer};
use crate::proto::dialect::requests::{Request, RequestSpec};

pub use client_id::FastpluggyState;

pub static DIALECT: Dialect = Dialect {
    name: "fastpluggy",
    id: crate::model::dialect::Dialect::Fastpluggy,
    port: 8000,
    path: "/ws",
    // A JSON ping comes every 30 s, by default.
    stale_default: Some(Duration::from_secs(75)),
    stamp: utc,
    is_quiet: |_, _| true,
    recognises,
    kinds: &["log", "notice", "error"],
    any_name: true,
    handlers: &[
        ("system.client_connected", Handler::Tree(connected)),
        ("ping", Handler::Tree(ping)),
        ("pong", Handler::Text(keep_alive)),
        ("error", Handler::Tree(error)),
        ("admin_message", Handler::Tree(admin_message)),
    ],
    other: Some(Handler::Text(message)),
    prepare_dial: client_id::prepare_dial,
    // The largest message that its library accepts.
    requests: RequestSpec { render, answers: &[], error: None, max_in_flight: usize::MAX, max_bytes: 16 << 20 },
    advice: &[(
        403,
        "FastPluggy refuses any path but /ws and /ws/ID, an ID with a slash, and all paths while its WebSocket tool is not loaded",
    )],
    options: &["Server::heartbeat_reply"],
    ..PLAIN
};

/// Event at the end of a task's log. The type of its message says success even if the task failed.
const TASK_DONE: &str = "__TASK_DONE__";

/// Requires the whole envelope and nothing else; the type may be anything, even empty.
fn recognises(kind: &str, message: &Node<'_>) -> bool {
    let text = |key| matches!(message.get(key), Some(Node::Text(_)));
    let envelope =
        text("type") && message.get("content").is_some() && matches!(message.get("meta"), Some(Node::Map(_)));
    envelope && (kind == "system.client_connected" || (text("timestamp") && message.members().len() == 4))
}

/// Handles the welcome, which alone tells a client without an id the one that it was given.
fn connected<'a>(node: &Node<'a>, _: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    Some(notice(node.text_or("content", "Connected"), true))
}

/// Answers a JSON ping only with [`Server::heartbeat_reply`](crate::Server::heartbeat_reply): the user knows that the application has a handler for it.
fn ping<'a>(node: &Node<'a>, context: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let id = node.get("meta").and_then(|meta| meta.get("ping_id")).map(ToString::to_string).unwrap_or_default();
    // Anyone may send pings through the server, so the id must not end the string that it stands in.
    let mut literal = String::new();
    json::push_string(&mut literal, &id);
    let reply =
        context.options.heartbeat_reply.as_ref().map(|reply| reply.replace("%id", &literal[1..literal.len() - 1]));
    let mut outcome = Outcome::from(Event::KeepAlive);
    outcome.effects().reply = reply;
    Some(outcome)
}

/// Handles an error. It may be about another client: errors of clients without an id go to all.
fn error<'a>(node: &Node<'a>, _: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let text = node.get("content").map_or_else(|| node.to_string().into(), words);
    let severity = node.get("meta").and_then(|meta| meta.text("level")).cloned();
    Some(server_error(text, severity))
}

fn admin_message<'a>(node: &Node<'a>, _: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let content = node.get("content")?;
    let meta = node.get("meta").unwrap_or(&Node::Null);
    let from = meta.text("from").map_or("admin", |from| &**from);
    let text = format!("{from}: {content}{}", in_parentheses(&rest(meta, &["level", "from", "timestamp"]))).into();
    Some(leveled_notice(text, meta.text_or("level", "info")))
}

fn leveled_notice<'a>(text: Cow<'a, str>, level: Cow<'a, str>) -> Outcome<'a> {
    Event::Notice(Notice { text, level, ..Notice::default() }).into()
}

/// Handles any other type: a line of a task's log, a task's result, or a message of the application.
fn message<'a>(text: &'a str, _: &mut DialectContext<'_>) -> Result<Outcome<'a>, Undecodable> {
    let node = match Node::parse(text) {
        Ok(node) => node,
        // Nested too deeply for a tree, unless it is a number or an escape that its repair replaces.
        Err(_) if json::is_json(text) && json::repair(text).is_none() => {
            return Ok(unknown(json::message_type(text).unwrap_or_default(), text));
        }
        Err(_) => return Err(Undecodable),
    };
    let kind = node.text_or("type", "");
    let (Some(content), Some(meta @ Node::Map(_))) = (node.get("content"), node.get("meta")) else {
        return Ok(unknown(kind, text));
    };
    let task = meta.text("task_id");
    // The documentation has both `logs` and `log`.
    Ok(match kind.strip_suffix("logs").or_else(|| kind.strip_suffix("log")) {
        Some("") => log("", task, content, meta),
        Some(plugin) if plugin.ends_with('.') => log(&plugin[..plugin.len() - 1], task, content, meta),
        _ if task.is_some() || matches!(meta.get("success"), Some(Node::Bool(_))) => result(&kind, task, content, meta),
        _ => {
            let text = format!("{content}{}", in_parentheses(&rest(meta, &[]))).into();
            leveled_notice(text, level(&kind, &[meta, content]))
        }
    })
}

/// Shows a line of a task's log, with the level names of Python's `logging`.
fn log<'a>(plugin: &str, task: Option<&Cow<'a, str>>, content: &Node<'a>, meta: &Node<'a>) -> Outcome<'a> {
    let source = task.cloned().unwrap_or_else(|| plugin.to_owned().into());
    let (text, extra) = (words(content), rest(meta, &["task_id", "level", "event"]));
    Event::Log(LogLine { level: meta.text_or("level", ""), source, text, extra, ..LogLine::default() }).into()
}

/// Shows the result of a task. Only the metadata say if it succeeded.
fn result<'a>(kind: &str, task: Option<&Cow<'a, str>>, content: &Node<'a>, meta: &Node<'a>) -> Outcome<'a> {
    let event = meta.text("event").map_or(kind, |event| &**event);
    if event == TASK_DONE || content.as_text() == Some("[END OF LOG]") {
        return log("", task, content, meta);
    }
    let outcome = match meta.get("success") {
        Some(Node::Bool(true)) => "succeeded",
        Some(Node::Bool(false)) => "failed",
        _ => event,
    };
    let (function, space) = meta.text("function").map_or(("", ""), |function| (&**function, " "));
    let (colon, error) = meta.text("error").map_or(("", ""), |error| (": ", &**error));
    let extra = rest(meta, &["task_id", "event", "function", "success", "error", "timestamp", "level"]);
    let text = format!("{function}{space}{outcome}: {content}{colon}{error}").into();
    let bad = outcome == "failed" || !error.is_empty();
    let level = meta.text_or("level", if bad { "ERROR" } else { "INFO" });
    let success = if let Some(Node::Bool(success)) = meta.get("success") { Some(*success) } else { None };
    let result = TaskResult { function: meta.text_or("function", ""), success, error: meta.text_or("error", "") };
    let (source, task) = (task.cloned().unwrap_or_default(), Some(Box::new(result)));
    Event::Log(LogLine { level, source, text, extra, task, ..LogLine::default() }).into()
}

fn words<'a>(content: &Node<'a>) -> Cow<'a, str> {
    if let Node::Text(text) = content { text.clone() } else { content.to_string().into() }
}

/// Writes the metadata but for the members that are shown elsewhere.
fn rest(meta: &Node<'_>, shown: &[&str]) -> String {
    meta.without(shown).to_string()
}

/// Appends something less important: `Something happened (severity=high)`.
fn in_parentheses(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

/// Writes `{"type":…,"content":…}`. JSON that is an object of exactly `content` and `meta` gives both members.
fn render(request: &Request, id: &str) -> String {
    let json = request.json.as_deref().unwrap_or("null");
    let both = Node::parse(json)
        .is_ok_and(|node| node.members().len() == 2 && node.get("content").is_some() && node.get("meta").is_some());
    if both {
        return beside_type(request, id);
    }
    let mut text = String::new();
    let mut out = Writer::new(&mut text, Layout::Line);
    out.open('{');
    out.member("type").string(&request.kind);
    out.member("content").raw(json);
    out.close('}');
    text
}
