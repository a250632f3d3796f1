//! Finds the members of a sample in a server's message by a table, in one pass and without a tree.
//!
//! A dialect lists what it knows as rows; whatever is not in the rows, or has an unexpected shape,
//! is skipped and never an error. `detailed` walks the same rows once more to show the rest.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Sample;
use super::field::{Field, FieldRule};
use crate::model::json::Node;
use crate::model::metric::Metric;

/// What a message with a sample holds.
#[derive(Debug)]
pub struct SampleMessage<'a> {
    /// The sample.
    pub sample: Box<Sample<'a>>,
    /// The alerts' member as it came.
    pub alerts: Option<Node<'a>>,
}

/// Reads a sample. Fails only where the text is no JSON.
pub fn read_sample<'a>(text: &'a str, rows: &'static [Field]) -> serde_json::Result<SampleMessage<'a>> {
    let mut reading = SampleMessage { sample: Box::new(Sample::new(rows)), alerts: None };
    let mut json = serde_json::Deserializer::from_str(text);
    Walk { rule: &FieldRule::Into(rows), into: &mut reading }.deserialize(&mut json)?;
    json.end()?;
    Ok(reading)
}

/// The leaves of a message that the sample does not carry, as path and text, in the message's order: those that fit
/// into so many bytes. Each bears its whole path, and a path may be as long as the message.
pub fn other_members(message: &Node<'_>, sample: &Sample<'_>, most: usize) -> Vec<(String, String)> {
    let mut found = Found { leaves: Vec::new(), room: Some(most) };
    gather(message, Some(&FieldRule::Into(sample.rules)), sample, &mut String::new(), &mut found);
    found.leaves
}

struct Found {
    leaves: Vec<(String, String)>,
    /// Bytes; `None` once something did not fit.
    room: Option<usize>,
}

impl Found {
    fn push(&mut self, path: &str, text: &dyn Fn() -> String) {
        let Some(room) = self.room.and_then(|room| room.checked_sub(path.len())) else { return self.full() };
        let text = text();
        let Some(room) = room.checked_sub(text.len()) else { return self.full() };
        self.room = Some(room);
        self.leaves.push((path.to_owned(), text));
    }

    fn full(&mut self) {
        if self.room.take().is_some() {
            self.leaves.push(("and more".to_owned(), "left out".to_owned()));
        }
    }
}

struct Walk<'r, 'a> {
    rule: &'r FieldRule,
    into: &'r mut SampleMessage<'a>,
}

impl Walk<'_, '_> {
    fn number(self, value: f64) {
        let sample = &mut self.into.sample;
        match *self.rule {
            FieldRule::Number(metric, factor) => sample.put(metric, value * factor),
            FieldRule::Else(metric, factor) if sample.get(metric).is_none() => sample.put(metric, value * factor),
            FieldRule::NonZero(metric, factor) if value != 0.0 => sample.put(metric, value * factor),
            FieldRule::At => {
                if let Some(at) = stamp(value) {
                    sample.at = Some(at.into());
                }
            }
            _ => {}
        }
    }

    fn text<'a>(into: &mut SampleMessage<'a>, rule: &FieldRule, value: Cow<'a, str>) {
        match *rule {
            FieldRule::Text(text) if !value.is_empty() => into.sample.put_text(text, value),
            FieldRule::At => into.sample.at = Some(value),
            FieldRule::Words(metrics, read) => {
                for (&metric, number) in metrics.iter().zip(words(&value, read)) {
                    into.sample.put(metric, number.unwrap_or(f64::NAN));
                }
            }
            _ => {}
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self.rule {
            FieldRule::Envelope => json.deserialize_ignored_any(IgnoredAny).map(drop),
            FieldRule::Alerts => {
                self.into.alerts = Some(serde::Deserialize::deserialize(json)?);
                Ok(())
            }
            _ => json.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let rows: &[Field] = if let FieldRule::Into(rows) = self.rule { rows } else { &[] };
        while let Some(rule) = map.next_key_seed(Key(rows))? {
            match rule {
                Some(rule) => map.next_value_seed(Walk { rule, into: self.into })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        match self.rule {
            FieldRule::First(rows) => {
                list.next_element_seed(Walk { rule: &FieldRule::Into(rows), into: self.into })?;
            }
            FieldRule::Numbers(metrics) | FieldRule::Words(metrics, _) => {
                for &metric in *metrics {
                    list.next_element_seed(Walk { rule: &FieldRule::Number(metric, 1.0), into: self.into })?;
                }
            }
            FieldRule::PerCore => {
                while let Some(core) = list.next_element::<Node<'de>>()? {
                    self.into.sample.per_core.push(core.as_f64().unwrap_or(f64::NAN));
                }
            }
            _ => {}
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        Walk::text(self.into, self.rule, Cow::Borrowed(value));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        Walk::text(self.into, self.rule, Cow::Owned(value.to_owned()));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.number(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.number(value as f64);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.number(value as f64);
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Finds a key among the rows.
struct Key<'r>(&'r [Field]);

impl<'r> Visitor<'_> for Key<'r> {
    type Value = Option<&'r FieldRule>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|row| row.0.len() == key.len() && is_same(row.0, key)).map(|row| &row.1))
    }
}

/// Compares names of one length, by words: musl's memcmp goes byte by byte, and took a tenth of all the instructions
/// of a message.
fn is_same(name: &str, key: &str) -> bool {
    let (name, key) = (name.as_bytes(), key.as_bytes());
    match (name.last_chunk::<8>(), key.last_chunk()) {
        (Some(end), Some(other)) => end == other && name.as_chunks::<8>().0.iter().eq(key.as_chunks().0),
        _ => name.iter().eq(key),
    }
}

impl<'de, 'r> DeserializeSeed<'de> for Key<'r> {
    type Value = Option<&'r FieldRule>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

/// The values of a text, `None` for each that cannot be read.
fn words(text: &str, read: fn(&str) -> Option<f64>) -> impl Iterator<Item = Option<f64>> {
    text.split(',').map(move |word| read(word.trim()))
}

/// Seconds since 1970 as RFC 3339; `None` before that year and after 9999.
fn stamp(seconds: f64) -> Option<String> {
    let since = Duration::try_from_secs_f64(seconds).ok().filter(|since| since.as_secs() < 253_402_300_800)?;
    Some(humantime::format_rfc3339(SystemTime::UNIX_EPOCH + since).to_string())
}

fn gather(node: &Node<'_>, rule: Option<&FieldRule>, sample: &Sample<'_>, path: &mut String, out: &mut Found) {
    match (node, rule) {
        (_, Some(FieldRule::Envelope | FieldRule::Alerts)) => {}
        (Node::Map(members), _) => {
            let rows: &[Field] = if let Some(FieldRule::Into(rows)) = rule { rows } else { &[] };
            for (key, value) in members {
                let rule = rows.iter().find(|row| row.0 == key).map(|row| &row.1);
                gather_at(key, value, rule, sample, path, out);
            }
        }
        (Node::List(_), Some(FieldRule::PerCore)) if !sample.per_core.is_empty() => {}
        (Node::List(list), _) if list.iter().all(Node::is_leaf) && carried(node, rule, sample) => {}
        (Node::List(list), _) if list.iter().all(Node::is_leaf) => {
            out.push(path, &|| node.joined());
        }
        (Node::List(list), _) => {
            for (i, value) in list.iter().enumerate() {
                let first =
                    if let (0, Some(FieldRule::First(rows))) = (i, rule) { Some(FieldRule::Into(rows)) } else { None };
                gather_at(&i.to_string(), value, first.as_ref(), sample, path, out);
            }
        }
        (leaf, _) if !carried(leaf, rule, sample) => out.push(path, &|| leaf.to_string()),
        _ => {}
    }
}

/// Goes on with `key` appended to the path. A leading `data.` says nothing and is left out.
fn gather_at(
    key: &str,
    node: &Node<'_>,
    rule: Option<&FieldRule>,
    sample: &Sample<'_>,
    path: &mut String,
    out: &mut Found,
) {
    let len = path.len();
    if path == "data" {
        path.clear();
    }
    let dropped = len != path.len();
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
    gather(node, rule, sample, path, out);
    if dropped {
        path.clear();
        path.push_str("data");
    } else {
        path.truncate(len);
    }
}

/// Whether the sample carries exactly this leaf.
fn carried(leaf: &Node<'_>, rule: Option<&FieldRule>, sample: &Sample<'_>) -> bool {
    match (rule, leaf) {
        (
            Some(
                FieldRule::Number(metric, factor)
                | FieldRule::Else(metric, factor)
                | FieldRule::NonZero(metric, factor),
            ),
            _,
        ) => leaf.as_f64().is_some_and(|value| sample.get(*metric) == Some(value * factor)),
        (Some(FieldRule::Numbers(metrics) | FieldRule::Words(metrics, _)), Node::List(list)) => {
            are_carried(&mut list.iter().map(Node::as_f64), metrics, sample)
        }
        (Some(FieldRule::Text(text)), Node::Text(value)) => sample.text(*text) == Some(value),
        (Some(FieldRule::Words(metrics, read)), Node::Text(value)) => {
            are_carried(&mut words(value, *read), metrics, sample)
        }
        (Some(FieldRule::At), Node::Text(value)) => sample.at.as_deref() == Some(value),
        (Some(FieldRule::At), _) => leaf.as_f64().and_then(stamp).is_some_and(|at| sample.at.as_deref() == Some(&*at)),
        _ => false,
    }
}

/// Whether the sample carries each of these values as its metric, and there are no more values than metrics.
fn are_carried(values: &mut dyn Iterator<Item = Option<f64>>, metrics: &[Metric], sample: &Sample<'_>) -> bool {
    let mut metrics = metrics.iter();
    for value in values {
        if !metrics.next().is_some_and(|&metric| value.is_some() && sample.get(metric) == value) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn names_are_the_same_where_every_byte_is() {
        let name = "per_core_usage_percent";
        for len in 0..=name.len() {
            let name = &name[..len];
            assert!(is_same(name, name));
            for at in 0..len {
                let other = format!("{}#{}", &name[..at], &name[at + 1..]);
                assert!(!is_same(name, &other), "{name} {other}");
            }
        }
    }
}
