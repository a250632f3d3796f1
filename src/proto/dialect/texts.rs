//! Texts of messages, as several dialects read, cut and write them.

use std::borrow::Cow;

use crate::model::date;
use crate::model::json::Node;
use crate::model::time::has_zone;

/// Completes the time stamp of a server that writes UTC without saying so.
pub fn utc<'a>(_: &str, stamp: Cow<'a, str>) -> Option<Cow<'a, str>> {
    let is_naive = !has_zone(&stamp) && date::parse(&stamp).is_some();
    Some(if is_naive { format!("{stamp}Z").into() } else { stamp })
}

/// Finds the level of a notice: the first text of these names in one of the objects, or `error` if an error is told of.
pub fn level<'a>(kind: &str, objects: &[&Node<'a>]) -> Cow<'a, str> {
    let text = |key| objects.iter().find_map(|object| object.text(key)).cloned();
    let has_error = || {
        let is_set = |error: &Node<'_>| !matches!(error, Node::Null | Node::Bool(false)) && error.as_text() != Some("");
        objects.iter().filter_map(|object| object.get("error")).any(is_set)
    };
    let bad =
        ["error", "failed"].into_iter().find(|word| kind.ends_with(word)).or_else(|| has_error().then_some("error"));
    let level = text("level").or(bad.map(Cow::Borrowed));
    level.or_else(|| text("severity")).or_else(|| text("status")).unwrap_or_default()
}

/// Appends several texts.
pub fn push_all(out: &mut String, texts: &[&str]) {
    for text in texts {
        out.push_str(text);
    }
}

/// Cuts a text to the length that is remembered and compared.
pub fn truncated(text: &str) -> &str {
    /// Bound on a remembered name or error, in bytes.
    const MAX_REMEMBERED: usize = 256;
    let end = (0..=MAX_REMEMBERED.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or_default()]
}
