//! Lists what a message holds beyond its sample, for `detailed`.

use std::borrow::Cow;

use super::Sample;
use super::field::{Field, FieldRule};
use super::message::{parse_words, rfc3339};
use super::scan::scan_name;
use crate::model::json::Node;
use crate::model::json::scan::Scanner;
use crate::model::metric::Metric;

/// Passes the leaves of a message that the sample does not carry to `push`, as path and text, in the message's order.
/// Returns the number of those that are left out.
///
/// At most `max_bytes` of paths and texts are passed: each leaf repeats its whole path, so that a message with one long
/// name above many leaves would grow quadratically.
pub fn other_members(message: &Node<'_>, sample: &Sample<'_>, max_bytes: usize, push: PushLeaf<'_>) -> usize {
    let mut leaves = Leaves::new(sample, max_bytes, push);
    leaves.push_node(message, Some(&FieldRule::Into(sample.rules)));
    leaves.left_out
}

/// Does what [`other_members`] does without a tree of the whole message, which would have ten times its size.
///
/// Returns `None`, perhaps after some leaves, if the text is not plain JSON, or so long that a part of its tree might be
/// left out.
pub fn scan_others(text: &str, sample: &Sample<'_>, max_bytes: usize, push: PushLeaf<'_>) -> Option<usize> {
    const MAX_BYTES: usize = 4096;
    let mut scanner = Scanner::new(text, 0);
    if text.len() > MAX_BYTES || scanner.peek()? != b'{' {
        return None;
    }
    let mut leaves = Leaves::new(sample, max_bytes, push);
    leaves.scan_members(&mut scanner, sample.rules)?;
    scanner.end()?;
    Some(leaves.left_out)
}

/// A function that takes a path and a text.
pub type PushLeaf<'p> = &'p mut dyn FnMut(&str, &str);

/// A walk through a message.
struct Leaves<'p> {
    sample: &'p Sample<'p>,
    /// Leads to the current value.
    path: String,
    push: PushLeaf<'p>,
    /// Number of leaves that were passed on.
    count: usize,
    left_out: usize,
    /// Remaining bytes.
    room: usize,
}

impl<'p> Leaves<'p> {
    fn new(sample: &'p Sample<'p>, max_bytes: usize, push: PushLeaf<'p>) -> Self {
        Leaves { sample, path: String::new(), push, count: 0, left_out: 0, room: max_bytes }
    }

    fn scan_members(&mut self, scanner: &mut Scanner<'_>, rows: &'static [Field]) -> Option<()> {
        let mut expected = rows;
        let mut more = scanner.open(b'}')?;
        while more {
            let (name, rule) = scan_name(scanner, rows, &mut expected)?;
            self.scan_value(scanner, name, rule)?;
            more = scanner.next(b'}')?;
        }
        Some(())
    }

    fn scan_value(&mut self, scanner: &mut Scanner<'_>, name: &str, rule: Option<&'static FieldRule>) -> Option<()> {
        let first = scanner.peek()?;
        let start = *scanner;
        match (rule, first) {
            (
                Some(
                    FieldRule::Number(metric, factor)
                    | FieldRule::Else(metric, factor)
                    | FieldRule::NonZero(metric, factor),
                ),
                b'-' | b'0'..=b'9',
            ) if self.sample.carries(*metric, scanner.number()? * factor) => {}
            (Some(FieldRule::Into(rows)), b'{') => {
                let place = self.enter(name);
                self.scan_members(scanner, rows)?;
                self.leave(place);
            }
            (Some(FieldRule::Envelope | FieldRule::Alerts), _) => scanner.skip()?,
            (Some(FieldRule::PerCore), b'[') if !self.sample.per_core.is_empty() => scanner.skip()?,
            (_, b'"') => {
                let value = Node::Text(Cow::Borrowed(scanner.string()?));
                if !is_carried(&value, rule, self.sample) {
                    self.push_member(name, &value, rule);
                }
            }
            _ => {
                *scanner = start;
                self.push_member(name, &Node::parse(scanner.value()?).ok()?, rule);
            }
        }
        Some(())
    }

    /// Passes on the leaves of `node` that the sample does not carry.
    fn push_node(&mut self, node: &Node<'_>, rule: Option<&FieldRule>) {
        match (node, rule) {
            (_, Some(FieldRule::Envelope | FieldRule::Alerts)) => {}
            (Node::Null | Node::List(_), Some(FieldRule::Users)) => {}
            (Node::Map(members), _) => {
                let rows: &[Field] = if let Some(FieldRule::Into(rows)) = rule { rows } else { &[] };
                for (key, value) in members {
                    let rule = rows.iter().find(|row| row.0 == key).map(|row| &row.1);
                    self.push_member(key, value, rule);
                }
            }
            (Node::List(_), Some(FieldRule::PerCore)) if !self.sample.per_core.is_empty() => {}
            (Node::List(list), _) if list.iter().all(Node::is_leaf) && is_carried(node, rule, self.sample) => {}
            (Node::List(list), _) if list.iter().all(Node::is_leaf) => self.push_leaf(&|| node.joined().into()),
            (Node::List(list), _) => {
                for (i, value) in list.iter().enumerate() {
                    let first = if let (0, Some(FieldRule::First(rows))) = (i, rule) {
                        Some(FieldRule::Into(rows))
                    } else {
                        None
                    };
                    self.push_member(&i.to_string(), value, first.as_ref());
                }
            }
            (leaf, _) if !is_carried(leaf, rule, self.sample) => self.push_leaf(&|| match leaf {
                Node::Text(text) => Cow::Borrowed(&**text),
                leaf => leaf.to_string().into(),
            }),
            _ => {}
        }
    }

    /// Passes on the leaves below the member `key`.
    fn push_member(&mut self, key: &str, node: &Node<'_>, rule: Option<&FieldRule>) {
        let place = self.enter(key);
        self.push_node(node, rule);
        self.leave(place);
    }

    fn push_leaf<'t>(&mut self, text: &dyn Fn() -> Cow<'t, str>) {
        /// Most leaves that are passed on.
        const MAX_LEAVES: usize = 1000;
        if self.left_out == 0 && self.count < MAX_LEAVES && self.path.len() <= self.room {
            let text = text();
            if let Some(room) = self.room.checked_sub(self.path.len() + text.len()) {
                (self.room, self.count) = (room, self.count + 1);
                return (self.push)(&self.path, &text);
            }
        }
        self.left_out += 1;
    }

    /// Goes on to the member `key`. A leading `data.`, which most servers have, is left out of the path. Returns the place
    /// to go back to.
    fn enter(&mut self, key: &str) -> Place {
        let is_data = self.path == DATA;
        if is_data {
            self.path.clear();
        }
        let len = self.path.len();
        if len > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        Place { len, is_data }
    }

    /// Goes back.
    fn leave(&mut self, place: Place) {
        self.path.truncate(place.len);
        if place.is_data {
            self.path.push_str(DATA);
        }
    }
}

/// The path that is left out before others.
const DATA: &str = "data";

/// A place on the way through a message.
struct Place {
    /// Length of the path in bytes.
    len: usize,
    /// True for [`DATA`], of which the path then has nothing.
    is_data: bool,
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
        (Some(FieldRule::Text(text)), Node::Text(value)) => {
            // Most samples borrow their texts from the message.
            sample.text(*text).is_some_and(|own| std::ptr::eq(own, &**value) || own == value)
        }
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

/// Lists the members of a message that the sample does not carry, as `path=text`; the message itself if it is not JSON.
#[cfg(test)]
pub fn other_names(text: &str, sample: &Sample<'_>) -> Vec<String> {
    let Ok(message) = Node::parse(text) else { return vec![text.to_owned()] };
    let mut names = Vec::new();
    other_members(&message, sample, usize::MAX, &mut |path, text| names.push(format!("{path}={text}")));
    names
}
