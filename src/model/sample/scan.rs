//! Reads a sample of plain JSON by the rows of its dialect: nearly all that servers send.

use std::borrow::Cow;

use super::MAX_CORES;
use super::field::{Field, FieldRule};
use super::message::SampleMessage;
use crate::model::json::scan::{Scanner, is_equal};

/// Reads a sample; `None` if the text is not plain JSON, or not JSON at all. What it reads is what the strict reader would
/// read.
pub fn scan_sample<'a>(text: &'a str, rows: &'static [Field]) -> Option<SampleMessage<'a>> {
    let mut message = SampleMessage::new(rows);
    let mut scanner = Scanner::new(text);
    if scanner.peek()? != b'{' {
        return None;
    }
    scan_members(&mut scanner, rows, &mut message)?;
    scanner.end()?;
    Some(message)
}

/// Reads the object that begins here.
fn scan_members<'a>(scanner: &mut Scanner<'a>, rows: &'static [Field], message: &mut SampleMessage<'a>) -> Option<()> {
    let mut next = 0;
    let mut more = scanner.open(b'}')?;
    while more {
        match scan_name(scanner, rows, &mut next)?.1 {
            Some(rule) => scan_value(scanner, rule, message)?,
            None => scanner.skip()?,
        }
        more = scanner.next(b'}')?;
    }
    Some(())
}

/// Reads a member's name and finds its rule.
///
/// Servers send members in the order of their rows, or nearly so: the row at `next` is looked at first.
#[inline(always)]
pub fn scan_name<'a>(
    scanner: &mut Scanner<'a>,
    rows: &'static [Field],
    next: &mut usize,
) -> Option<(&'a str, Option<&'static FieldRule>)> {
    if let Some(row) = rows.get(*next) {
        if scanner.name_is(row.0)? {
            *next += 1;
            return Some((row.0, Some(&row.1)));
        }
    }
    let name = scanner.name()?;
    let found = rows.iter().position(|row| row.0.len() == name.len() && is_equal(row.0, name.as_bytes()));
    *next = found.map_or(*next, |found| found + 1);
    Some((name, found.map(|found| &rows[found].1)))
}

#[inline(always)]
fn scan_value<'a>(scanner: &mut Scanner<'a>, rule: &'static FieldRule, message: &mut SampleMessage<'a>) -> Option<()> {
    match (rule, scanner.peek()?) {
        (FieldRule::Number(metric, factor), b'-' | b'0'..=b'9') => {
            let value = scanner.number()?;
            message.sample.put(*metric, value * factor);
        }
        (FieldRule::Text(_) | FieldRule::At | FieldRule::Words(..), b'"') => {
            message.put_text(rule, Cow::Borrowed(scanner.string()?));
        }
        (FieldRule::Into(rows), b'{') => scan_members(scanner, rows, message)?,
        (_, first) => scan_rarer_value(scanner, first, rule, message)?,
    }
    Some(())
}

/// Reads a value of the less frequent rules. A value of another type than its rule's is passed.
fn scan_rarer_value<'a>(
    scanner: &mut Scanner<'a>,
    first: u8,
    rule: &'static FieldRule,
    message: &mut SampleMessage<'a>,
) -> Option<()> {
    match (rule, first) {
        (FieldRule::Else(..) | FieldRule::NonZero(..) | FieldRule::At, b'-' | b'0'..=b'9') => {
            message.put_number(rule, scanner.number()?);
        }
        (FieldRule::PerCore | FieldRule::Numbers(_) | FieldRule::Words(..) | FieldRule::First(_), b'[') => {
            scan_list(scanner, rule, message)?;
        }
        (FieldRule::Alerts | FieldRule::Users, _) => {
            let part = serde_json::from_str(scanner.value()?).ok()?;
            message.put_part(rule, part);
        }
        _ => scanner.skip()?,
    }
    Some(())
}

fn scan_list<'a>(scanner: &mut Scanner<'a>, rule: &'static FieldRule, message: &mut SampleMessage<'a>) -> Option<()> {
    let mut place = 0;
    let mut more = scanner.open(b']')?;
    while more {
        let first = scanner.peek()?;
        let number = match (rule, first) {
            (FieldRule::First(rows), b'{') if place == 0 => {
                scan_members(scanner, rows, message)?;
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
    Some(())
}
