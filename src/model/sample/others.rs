//! Lists what a message holds beyond its sample, for `detailed`.

use std::borrow::Cow;

use super::Sample;
use super::field::{Field, FieldRule};
use super::message::{parse_words, rfc3339};
use super::scan::scan_name;
use crate::model::json::Node;
use crate::model::json::scan::Scanner;
use crate::model::metric::Metric;

/// Lists the leaves of a message that the sample does not carry, as path and text, in the message's order.
///
/// At most `max_bytes` of paths and texts are listed: each leaf repeats its whole path, so that a message with one long
/// name above many leaves would grow quadratically.
pub fn other_members(message: &Node<'_>, sample: &Sample<'_>, max_bytes: usize) -> Leaves {
    let mut out = Leaves { list: Vec::new(), left_out: 0, room: max_bytes };
    push_leaves(message, Some(&FieldRule::Into(sample.rules)), sample, &mut String::new(), &mut out);
    out
}

/// Leaves of a message, as path and text.
#[derive(Debug)]
pub struct Leaves {
    /// The first ones.
    pub list: Vec<(String, String)>,
    /// The number of the others.
    pub left_out: usize,
    /// Remaining bytes.
    room: usize,
}

impl Leaves {
    fn push(&mut self, path: &str, text: &dyn Fn() -> String) {
        /// Most leaves in the list.
        const MAX_LEAVES: usize = 1000;
        if self.left_out == 0 && self.list.len() < MAX_LEAVES && path.len() <= self.room {
            let text = text();
            if let Some(room) = self.room.checked_sub(path.len() + text.len()) {
                self.room = room;
                return self.list.push((path.to_owned(), text));
            }
        }
        self.left_out += 1;
    }
}

/// Reads the members of a message that the sample does not carry, for [`other_members`], which finds the same leaves in
/// them as in the whole message; a tree of that would have ten times their size. `None` if the text is not plain JSON, or
/// so long that a part of its tree might be left out.
pub fn scan_others<'a>(text: &'a str, sample: &Sample<'_>) -> Option<Node<'a>> {
    const MAX_BYTES: usize = 4096;
    let mut scanner = Scanner::new(text);
    if text.len() > MAX_BYTES || scanner.peek()? != b'{' {
        return None;
    }
    let others = scan_other_members(&mut scanner, sample.rules, sample)?;
    scanner.end()?;
    Some(others)
}

fn scan_other_members<'a>(scanner: &mut Scanner<'a>, rows: &'static [Field], sample: &Sample<'_>) -> Option<Node<'a>> {
    let mut others = Vec::new();
    let mut next = 0;
    let mut more = scanner.open(b'}')?;
    while more {
        let (name, rule) = scan_name(scanner, rows, &mut next)?;
        let first = scanner.peek()?;
        let start = *scanner;
        let other = match (rule, first) {
            (Some(FieldRule::Envelope | FieldRule::Alerts), _) => {
                scanner.skip()?;
                None
            }
            (Some(FieldRule::Into(rows)), b'{') => Some(scan_other_members(scanner, rows, sample)?),
            (_, b'"') => {
                Some(Node::Text(Cow::Borrowed(scanner.string()?))).filter(|text| !is_carried(text, rule, sample))
            }
            (_, b'-' | b'0'..=b'9') if is_carried(&Node::Float(scanner.number()?), rule, sample) => None,
            _ => {
                *scanner = start;
                Some(Node::parse(scanner.value()?).ok()?)
            }
        };
        others.extend(other.map(|other| (Cow::Borrowed(name), other)));
        more = scanner.next(b'}')?;
    }
    Some(Node::Map(others))
}

/// Appends the leaves of `node` that the sample does not carry. `path` leads to the node and is the same afterwards.
fn push_leaves(node: &Node<'_>, rule: Option<&FieldRule>, sample: &Sample<'_>, path: &mut String, out: &mut Leaves) {
    match (node, rule) {
        (_, Some(FieldRule::Envelope | FieldRule::Alerts)) => {}
        (Node::Null | Node::List(_), Some(FieldRule::Users)) => {}
        (Node::Map(members), _) => {
            let rows: &[Field] = if let Some(FieldRule::Into(rows)) = rule { rows } else { &[] };
            for (key, value) in members {
                let rule = rows.iter().find(|row| row.0 == key).map(|row| &row.1);
                push_leaves_at(key, value, rule, sample, path, out);
            }
        }
        (Node::List(_), Some(FieldRule::PerCore)) if !sample.per_core.is_empty() => {}
        (Node::List(list), _) if list.iter().all(Node::is_leaf) && is_carried(node, rule, sample) => {}
        (Node::List(list), _) if list.iter().all(Node::is_leaf) => {
            out.push(path, &|| node.joined());
        }
        (Node::List(list), _) => {
            for (i, value) in list.iter().enumerate() {
                let first =
                    if let (0, Some(FieldRule::First(rows))) = (i, rule) { Some(FieldRule::Into(rows)) } else { None };
                push_leaves_at(&i.to_string(), value, first.as_ref(), sample, path, out);
            }
        }
        (leaf, _) if !is_carried(leaf, rule, sample) => out.push(path, &|| leaf.to_string()),
        _ => {}
    }
}

/// Appends the leaves below the member `key`. A leading `data.`, which most servers have, is left out of the path.
fn push_leaves_at(
    key: &str,
    node: &Node<'_>,
    rule: Option<&FieldRule>,
    sample: &Sample<'_>,
    path: &mut String,
    out: &mut Leaves,
) {
    let len = path.len();
    if path == "data" {
        path.clear();
    }
    let cleared = len != path.len();
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
    push_leaves(node, rule, sample, path, out);
    if cleared {
        path.clear();
        path.push_str("data");
    } else {
        path.truncate(len);
    }
}

/// Returns true if the sample carries exactly this value, or a mean in its place.
fn is_carried(leaf: &Node<'_>, rule: Option<&FieldRule>, sample: &Sample<'_>) -> bool {
    match (rule, leaf) {
        (
            Some(
                FieldRule::Number(metric, factor)
                | FieldRule::Else(metric, factor)
                | FieldRule::NonZero(metric, factor),
            ),
            _,
        ) => leaf.as_f64().is_some_and(|value| sample.carries(*metric, value * factor)),
        (Some(FieldRule::Numbers(metrics) | FieldRule::Words(metrics, _)), Node::List(list)) => {
            are_all_carried(&mut list.iter().map(Node::as_f64), metrics, sample)
        }
        (Some(FieldRule::Text(text)), Node::Text(value)) => sample.text(*text) == Some(value),
        (Some(FieldRule::Words(metrics, read)), Node::Text(value)) => {
            are_all_carried(&mut parse_words(value, *read), metrics, sample)
        }
        (Some(FieldRule::At), Node::Text(value)) => sample.at.as_deref() == Some(value),
        (Some(FieldRule::At), _) => {
            leaf.as_f64().and_then(rfc3339).is_some_and(|at| sample.at.as_deref() == Some(&*at))
        }
        _ => false,
    }
}

/// Returns true if the sample carries each value as its metric, and there are no more values than metrics.
fn are_all_carried(values: &mut dyn Iterator<Item = Option<f64>>, metrics: &[Metric], sample: &Sample<'_>) -> bool {
    let mut metrics = metrics.iter();
    for value in values {
        if !metrics.next().is_some_and(|&metric| value.is_some_and(|value| sample.carries(metric, value))) {
            return false;
        }
    }
    true
}
