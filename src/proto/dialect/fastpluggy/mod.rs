//! FastPluggy's WebSocket tool, as it is documented and as it speaks.
//!
//! Measured with version 0.1.24: every message is an envelope of `type`, `content`, `meta` and `timestamp`. The server
//! closes the connection of whoever sends it a text that the application has no handler for, the documented answer to
//! its JSON ping included, and of whoever did not answer within 60 to 90 s, so of everybody: a Close 1000 then is this
//! server's normal life. Of two connections with one client id it breaks both.

mod name;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use super::{Dialect, DialectState, Handler, Outcome, PLAIN, Undecodable, beside_type, keep_alive, notice, unknown};
use crate::model::event::{Event, LogLine, ServerError};
use crate::model::json::{self, Layout, Node, Writer};
use crate::proto::dialect::requests::{Request, RequestSpec};

pub use name::FastpluggyState;

pub static DIALECT: Dialect = Dialect {
    name: "fastpluggy",
    about: "FastPluggy's WebSocket tool",
    port: 8000,
    path: "/ws",
    // A JSON ping comes every 30 s, unless the application's settings say otherwise.
    quiet_after: Some(Duration::from_secs(75)),
    recognises,
    handlers: &[
        ("system.client_connected", Handler::Tree(connected)),
        ("ping", Handler::Tree(ping)),
        ("pong", Handler::Text(keep_alive)),
        ("error", Handler::Tree(error)),
        ("admin_message", Handler::Tree(admin_message)),
    ],
    other: Some(Handler::Text(message)),
    address: name::address,
    // The server takes messages of 16 MiB, the default of its library.
    asking: RequestSpec { render, answers: &[], error: None, at_once: usize::MAX, longest: 16 << 20 },
    advice: &[(
        403,
        "FastPluggy says so of any path but /ws and /ws/ID, also of an ID with a slash, and where its WebSocket tool is not loaded",
    )],
    takes: &["--heartbeat-reply"],
    ..PLAIN
};

/// What ends a task's log, whether the task succeeded or failed; its type says success in either case.
const TASK_DONE: &str = "__TASK_DONE__";

/// All of the envelope and nothing else; the type may be anything, empty included.
fn recognises(kind: &str, message: &Node<'_>) -> bool {
    let text = |key| matches!(message.get(key), Some(Node::Text(_)));
    let envelope =
        text("type") && message.get("content").is_some() && matches!(message.get("meta"), Some(Node::Map(_)));
    envelope && (kind == "system.client_connected" || (text("timestamp") && message.members().len() == 4))
}

/// The welcome; the only place where a client without an id learns the one that it was given.
fn connected<'a>(node: &Node<'a>, _: &mut DialectState) -> Option<Outcome<'a>> {
    Some(notice(node.text_or("content", "Connected"), true))
}

/// Answered only where the user knows that the application has a handler for the answer.
fn ping<'a>(node: &Node<'a>, memory: &mut DialectState) -> Option<Outcome<'a>> {
    let id = node.get("meta").and_then(|meta| meta.get("ping_id")).map(ToString::to_string).unwrap_or_default();
    // Anyone may send pings through the server: an id stays inside the string that it stands in.
    let mut literal = String::new();
    json::push_string(&mut literal, &id);
    let reply = memory.wish.heartbeat_reply.as_ref().map(|reply| reply.replace("%id", &literal[1..literal.len() - 1]));
    let mut step = Outcome::from(Event::KeepAlive);
    step.reply = reply;
    Some(step)
}

/// Perhaps about a message of somebody else: those of clients without an id go to all.
fn error<'a>(node: &Node<'a>, _: &mut DialectState) -> Option<Outcome<'a>> {
    let text = node.get("content").map_or_else(|| node.to_string().into(), words);
    let severity = node.get("meta").and_then(|meta| meta.text("level")).cloned();
    Some(Event::Error(ServerError { text, severity }).into())
}

fn admin_message<'a>(node: &Node<'a>, _: &mut DialectState) -> Option<Outcome<'a>> {
    let content = node.get("content")?;
    let meta = node.get("meta").unwrap_or(&Node::Null);
    let level = meta.text("level").map_or("info", |level| &**level);
    let from = meta.text("from").map_or("admin", |from| &**from);
    let text = format!("{level} from {from}: {content}{}", rest(meta, &["level", "from", "timestamp"]));
    Some(notice(text.into(), false))
}

/// Any other type: the log of a task, what became of a task, or something of the application's own.
fn message<'a>(text: &'a str, _: &mut DialectState) -> Result<Outcome<'a>, Undecodable> {
    let node = match Node::parse(text) {
        Ok(node) => node,
        // Content may be nested as deeply as its sender likes.
        Err(_) if json::is_json(text) => return Ok(unknown(json::message_type(text).unwrap_or_default(), text)),
        Err(_) => return Err(Undecodable),
    };
    let kind = node.text_or("type", "");
    let (Some(content), Some(meta @ Node::Map(_))) = (node.get("content"), node.get("meta")) else {
        return Ok(unknown(kind, text));
    };
    let task = meta.text("task_id");
    Ok(match kind.strip_suffix("logs") {
        Some("") => log("", task, content, meta),
        Some(plugin) if plugin.ends_with('.') => log(&plugin[..plugin.len() - 1], task, content, meta),
        _ if task.is_some() || matches!(meta.get("success"), Some(Node::Bool(_))) => result(&kind, task, content, meta),
        _ => custom(&kind, content, meta),
    })
}

/// A line of a task's log, with the level names of Python's `logging`.
fn log<'a>(plugin: &str, task: Option<&Cow<'a, str>>, content: &Node<'a>, meta: &Node<'a>) -> Outcome<'a> {
    let source = task.cloned().unwrap_or_else(|| plugin.to_owned().into());
    let rest = rest(meta, &["task_id", "level", "event"]);
    let text = if rest.is_empty() { words(content) } else { format!("{content}{rest}").into() };
    Event::Log(LogLine { level: meta.text_or("level", ""), source, text }).into()
}

/// What became of a task: only the meta data say whether it succeeded.
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
    let rest = rest(meta, &["task_id", "event", "function", "success", "error", "timestamp", "level"]);
    let text = format!("{function}{space}{outcome}: {content}{colon}{error}{rest}");
    let bad = outcome == "failed" || !error.is_empty();
    let level = meta.text_or("level", if bad { "ERROR" } else { "INFO" });
    Event::Log(LogLine { level, source: task.cloned().unwrap_or_default(), text: text.into() }).into()
}

/// `custom_event: Something happened (severity=high)`
fn custom<'a>(kind: &str, content: &Node<'a>, meta: &Node<'a>) -> Outcome<'a> {
    let separator = if kind.is_empty() { "" } else { ": " };
    let text = format!("{kind}{separator}{content}{}", rest(meta, &[]));
    notice(text.into(), false)
}

fn words<'a>(content: &Node<'a>) -> Cow<'a, str> {
    if let Node::Text(text) = content { text.clone() } else { content.to_string().into() }
}

/// The meta data that are not told in another place, in parentheses.
fn rest(meta: &Node<'_>, told: &[&str]) -> String {
    let untold = meta.without(told);
    if untold.members().is_empty() { String::new() } else { format!(" ({untold})") }
}

/// `{"type":…,"content":…}`; JSON that is an object of exactly `content` and `meta` is both.
fn render(ask: &Request, id: &str) -> String {
    let json = ask.json.as_deref().unwrap_or("null");
    let both = Node::parse(json)
        .is_ok_and(|node| node.members().len() == 2 && node.get("content").is_some() && node.get("meta").is_some());
    if both {
        return beside_type(ask, id);
    }
    let mut text = String::new();
    let mut out = Writer::new(&mut text, Layout::Line);
    out.open('{');
    out.member("type").string(&ask.kind);
    out.member("content").raw(json);
    out.close('}');
    text
}
