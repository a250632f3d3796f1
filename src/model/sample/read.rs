//! Reads a sample from a server's message by a table of rows, in one pass and without building a tree.
//!
//! A dialect lists the members that it knows. Members without a row, or with an unexpected type, are skipped; they are
//! never an error. [`other_members`] walks the same rows again over the parsed message and lists the skipped ones for
//! `detailed`.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::field::{Field, FieldRule};
use super::{MAX_CORES, Sample};
use crate::model::json::Node;
use crate::model::metric::Metric;

/// A sample, and the alerts that came in the same message.
#[derive(Debug)]
pub struct SampleMessage<'a> {
    /// The sample.
    pub sample: Box<Sample<'a>>,
    /// The value of the member with the rule [`FieldRule::Alerts`].
    pub alerts: Option<Node<'a>>,
    /// The value of the member with the rule [`FieldRule::Users`].
    pub users: Option<Node<'a>>,
}

/// Reads a sample. Fails only if the text is not JSON.
pub fn read_sample<'a>(text: &'a str, rows: &'static [Field]) -> serde_json::Result<SampleMessage<'a>> {
    let mut message = SampleMessage { sample: Box::new(Sample::new(rows)), alerts: None, users: None };
    let mut json = serde_json::Deserializer::from_str(text);
    SampleVisitor { rule: &FieldRule::Into(rows), message: &mut message }.deserialize(&mut json)?;
    json.end()?;
    Ok(message)
}

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

/// Reads one value by its rule into the message.
struct SampleVisitor<'r, 'a> {
    rule: &'r FieldRule,
    message: &'r mut SampleMessage<'a>,
}

impl<'a> SampleVisitor<'_, 'a> {
    fn number(self, value: f64) {
        let sample = &mut self.message.sample;
        match *self.rule {
            FieldRule::Number(metric, factor) => sample.put(metric, value * factor),
            FieldRule::Else(metric, factor) if sample.get(metric).is_none() => sample.put(metric, value * factor),
            FieldRule::NonZero(metric, factor) if value != 0.0 => sample.put(metric, value * factor),
            FieldRule::At => {
                if let Some(at) = rfc3339(value) {
                    sample.at = Some(at.into());
                }
            }
            _ => {}
        }
    }

    fn text(self, value: Cow<'a, str>) {
        let sample = &mut self.message.sample;
        match *self.rule {
            FieldRule::Text(text) if !value.is_empty() => sample.put_text(text, value),
            FieldRule::At => sample.at = Some(value),
            FieldRule::Words(metrics, read) => {
                for (&metric, number) in metrics.iter().zip(parse_words(&value, read)) {
                    sample.put(metric, number.unwrap_or(f64::NAN));
                }
            }
            _ => {}
        }
    }
}

impl<'de> DeserializeSeed<'de> for SampleVisitor<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self.rule {
            FieldRule::Envelope => json.deserialize_ignored_any(IgnoredAny).map(drop),
            FieldRule::Alerts | FieldRule::Users => {
                let SampleMessage { alerts, users, .. } = self.message;
                let part = if matches!(self.rule, FieldRule::Users) { users } else { alerts };
                *part = Some(serde::Deserialize::deserialize(json)?);
                Ok(())
            }
            _ => json.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for SampleVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let rows: &[Field] = if let FieldRule::Into(rows) = self.rule { rows } else { &[] };
        while let Some(rule) = map.next_key_seed(FieldKey(rows))? {
            match rule {
                Some(rule) => map.next_value_seed(SampleVisitor { rule, message: self.message })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        match self.rule {
            FieldRule::First(rows) => {
                list.next_element_seed(SampleVisitor { rule: &FieldRule::Into(rows), message: self.message })?;
            }
            FieldRule::Numbers(metrics) | FieldRule::Words(metrics, _) => {
                for &metric in *metrics {
                    list.next_element_seed(SampleVisitor {
                        rule: &FieldRule::Number(metric, 1.0),
                        message: self.message,
                    })?;
                }
            }
            FieldRule::PerCore => {
                let per_core = &mut self.message.sample.per_core;
                while per_core.len() < MAX_CORES
                    && let Some(core) = list.next_element::<Node<'de>>()?
                {
                    per_core.push(core.as_f64().unwrap_or(f64::NAN));
                }
            }
            _ => {}
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        self.text(Cow::Borrowed(value));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.text(Cow::Owned(value.to_owned()));
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

/// Reads a member's name and finds its rule among the rows.
struct FieldKey<'r>(&'r [Field]);

impl<'r> Visitor<'_> for FieldKey<'r> {
    type Value = Option<&'r FieldRule>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|row| row.0.len() == key.len() && is_equal(row.0, key)).map(|row| &row.1))
    }
}

/// Compares two names of the same length, eight bytes at a time: musl's memcmp, which compares single bytes, took a tenth
/// of the instructions per message.
fn is_equal(name: &str, key: &str) -> bool {
    let (name, key) = (name.as_bytes(), key.as_bytes());
    match (name.last_chunk::<8>(), key.last_chunk()) {
        (Some(end), Some(other)) => end == other && name.as_chunks::<8>().0.iter().eq(key.as_chunks().0),
        _ => name.iter().eq(key),
    }
}

impl<'de, 'r> DeserializeSeed<'de> for FieldKey<'r> {
    type Value = Option<&'r FieldRule>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

/// Parses the words of a text; `None` for each that `read` rejects.
fn parse_words(text: &str, read: fn(&str) -> Option<f64>) -> impl Iterator<Item = Option<f64>> {
    text.split(',').map(move |word| read(word.trim()))
}

/// Writes seconds since 1970 as RFC 3339; `None` before 1970 and after 9999.
fn rfc3339(seconds: f64) -> Option<String> {
    let since = Duration::try_from_secs_f64(seconds).ok().filter(|since| since.as_secs() < 253_402_300_800)?;
    Some(humantime::format_rfc3339(SystemTime::UNIX_EPOCH + since).to_string())
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

#[cfg(test)]
mod tests {
    use super::is_equal;

    #[test]
    fn names_are_equal_if_all_their_bytes_are() {
        let name = "per_core_usage_percent";
        for len in 0..=name.len() {
            let name = &name[..len];
            assert!(is_equal(name, name));
            for at in 0..len {
                let other = format!("{}#{}", &name[..at], &name[at + 1..]);
                assert!(!is_equal(name, &other), "{name} {other}");
            }
        }
    }
}
