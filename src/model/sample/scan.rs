//! Reads a sample of plain JSON by the rows of its dialect: nearly all that servers send.

use std::borrow::Cow;

use super::MAX_CORES;
use super::field::{Field, FieldRule};
use super::message::SampleMessage;
use crate::model::json::scan::{Scanner, is_equal};

/// Objects and lists within each other that are read: more are left to the strict reader, which has such a bound too.
const MAX_DEPTH: usize = 60;

/// Reads a sample; `None` if the text is not plain JSON, or not JSON at all. What it reads is what the strict reader would
/// read. `per_core` is empty, and becomes that list of the sample.
pub fn scan_sample<'a>(per_core: Vec<f64>, text: &'a str, rows: &'static [Field]) -> Option<SampleMessage<'a>> {
    let mut message = SampleMessage::new(rows);
    message.sample.per_core = per_core;
    let mut scanner = Scanner::new(text, 0);
    if scanner.peek()? != b'{' {
        return None;
    }
    scanner.at = scan_members(text, scanner.at, rows, MAX_DEPTH, &mut message)?;
    scanner.end()?;
    Some(message)
}

/// Reads the object that begins at `at`, of which no more than `depth` may lie within each other. Returns the place behind
/// it.
fn scan_members<'a>(
    text: &'a str,
    at: usize,
    rows: &'static [Field],
    depth: usize,
    message: &mut SampleMessage<'a>,
) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    let mut scanner = Scanner::new(text, at);
    let mut expected = rows;
    let mut more = scanner.open(b'}')?;
    while more {
        let rule = scan_name(&mut scanner, rows, &mut expected)?.1;
        match (rule, scanner.peek()?) {
            (Some(FieldRule::Number(metric, factor)), b'-' | b'0'..=b'9') => {
                let value = scanner.number()?;
                message.sample.put(*metric, value * factor);
            }
            (Some(FieldRule::Text(of)), b'"') => {
                let value = scanner.string()?;
                if !value.is_empty() {
                    message.sample.put_text(*of, Cow::Borrowed(value));
                }
            }
            (Some(FieldRule::Into(rows)), b'{') => {
                scanner.at = scan_members(text, scanner.at, rows, depth, message)?;
            }
            (Some(FieldRule::Envelope) | None, b'"') => drop(scanner.string()?),
            (Some(rule), _) => scanner.at = scan_rarer_value(text, scanner.at, rule, depth, message)?,
            (None, _) => scanner.skip()?,
        }
        more = scanner.next(b'}')?;
    }
    Some(scanner.at)
}

/// Reads a member's name and finds its rule.
///
/// Servers send members in the order of their rows, or nearly so: the first of the `expected` rows is looked at first.
#[inline(always)]
pub fn scan_name<'a>(
    scanner: &mut Scanner<'a>,
    rows: &'static [Field],
    expected: &mut &'static [Field],
) -> Option<(&'a str, Option<&'static FieldRule>)> {
    if let [row, rest @ ..] = *expected {
        if scanner.name_is(row.0) {
            *expected = rest;
            return Some((row.0, Some(&row.1)));
        }
    }
    let name = scanner.name()?;
    let Some((row, rest)) = find_row(rows, name) else { return Some((name, None)) };
    *expected = rest;
    Some((name, Some(&row.1)))
}

/// Finds the row of a name, and the rows behind it.
#[inline(never)]
fn find_row(mut rows: &'static [Field], name: &str) -> Option<(&'static Field, &'static [Field])> {
    while let [row, rest @ ..] = rows {
        if row.0.len() == name.len() && is_equal(row.0, name.as_bytes()) {
            return Some((row, rest));
        }
        rows = rest;
    }
    None
}

/// Reads a value of the less frequent rules. A value of another type than its rule's is passed. Returns the place behind it.
fn scan_rarer_value<'a>(
    text: &'a str,
    at: usize,
    rule: &'static FieldRule,
    depth: usize,
    message: &mut SampleMessage<'a>,
) -> Option<usize> {
    let mut scanner = Scanner::new(text, at);
    match (rule, scanner.peek()?) {
        (FieldRule::Else(..) | FieldRule::NonZero(..) | FieldRule::At, b'-' | b'0'..=b'9') => {
            message.put_number(rule, scanner.number()?);
        }
        (FieldRule::At | FieldRule::Words(..), b'"') => {
            message.put_text(rule, Cow::Borrowed(scanner.string()?));
        }
        (FieldRule::PerCore | FieldRule::Numbers(_) | FieldRule::Words(..) | FieldRule::First(_), b'[') => {
            scanner.at = scan_list(text, scanner.at, rule, depth, message)?;
        }
        (FieldRule::Alerts | FieldRule::Users, _) => {
            let part = serde_json::from_str(scanner.value()?).ok()?;
            message.put_part(rule, part);
        }
        _ => scanner.skip()?,
    }
    Some(scanner.at)
}

/// Reads the list that begins at `at`. Returns the place behind it.
fn scan_list<'a>(
    text: &'a str,
    at: usize,
    rule: &'static FieldRule,
    depth: usize,
    message: &mut SampleMessage<'a>,
) -> Option<usize> {
    let mut scanner = Scanner::new(text, at);
    let mut place = 0;
    let mut more = scanner.open(b']')?;
    while more {
        let first = scanner.peek()?;
        let number = match (rule, first) {
            (FieldRule::First(rows), b'{') if place == 0 => {
                scanner.at = scan_members(text, scanner.at, rows, depth, message)?;
                None
            }
            (_, b'-' | b'0'..=b'9') => Some(scanner.number()?),
            _ => {
                scanner.skip()?;
                None
            }
        };
        match (rule, number) {
            (FieldRule::PerCore, _) if message.sample.per_core.len() < MAX_CORES => {
                message.sample.per_core.push(number.unwrap_or(f64::NAN));
            }
            (FieldRule::Numbers(metrics) | FieldRule::Words(metrics, _), Some(number)) => {
                if let Some(&metric) = metrics.get(place) {
                    message.sample.put(metric, number);
                }
            }
            _ => {}
        }
        place += 1;
        more = scanner.next(b']')?;
    }
    Some(scanner.at)
}
