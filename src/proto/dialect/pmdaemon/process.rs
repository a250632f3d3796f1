//! A process in the messages of the real and of the documented PMDaemon.

use std::borrow::Cow;
use std::time::Duration;

use crate::model::event::Process;
use crate::model::json::Node;

/// Reads a process. `None` if it has neither name nor id.
pub fn read<'a>(node: &Node<'a>) -> Option<Process<'a>> {
    // A UUID in the real server, a number in the documentation.
    let id = text(node, "id").or_else(|| integer(node, "id").map(|id| id.to_string().into()));
    let name = text(node, "name").or_else(|| id.clone())?;
    let (cpu, memory) = usage(node);
    Some(Process {
        name,
        id: id.unwrap_or_default(),
        state: node.text("state").or_else(|| node.text("status")).cloned().unwrap_or_default(),
        pid: integer(node, "pid"),
        // In the real server `uptime` is the time of the start, or of the server's start if that was later.
        started_at: text(node, "uptime"),
        uptime: node.number("uptime").and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok()),
        restarts: integer(node, "restarts"),
        cpu,
        memory,
        exit_code: integer(node, "exit_code"),
        error: text(node, "error"),
        namespace: text(node, "namespace"),
        port: integer(node, "assigned_port").or_else(|| integer(node, "port")),
        moved: false,
    })
}

/// Reads CPU and memory. The real server measures neither and sends 0 for both.
fn usage(node: &Node<'_>) -> (Option<f64>, Option<f64>) {
    let either = |real, documented| node.number(real).or_else(|| node.number(documented));
    let (cpu, memory) = (either("cpu_usage", "cpu"), either("memory_usage", "memory"));
    let nothing = |value: Option<f64>| value.is_none_or(|value| value == 0.0);
    if nothing(cpu) && nothing(memory) { (None, None) } else { (cpu, memory) }
}

pub fn integer(node: &Node<'_>, key: &str) -> Option<i64> {
    if let Some(Node::Integer(value)) = node.get(key) { Some(*value) } else { None }
}

pub fn text<'a>(node: &Node<'a>, key: &str) -> Option<Cow<'a, str>> {
    node.text(key).cloned()
}
