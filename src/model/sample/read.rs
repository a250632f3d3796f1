//! Reads a sample from a server's message by a table of rows, in one pass and without building a tree.
//!
//! A dialect lists the members that it knows. Members without a row, or with an unexpected type, are skipped; they are
//! never an error.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::MAX_CORES;
use super::field::{Field, FieldRule};
use super::message::SampleMessage;
use super::scan::scan_sample;
use crate::model::json::scan::is_equal;
use crate::model::json::{Node, check_depth};

/// Reads a sample. Fails only if the text is not JSON, or nested too deeply.
pub fn read_sample<'a>(text: &'a str, rows: &'static [Field]) -> serde_json::Result<SampleMessage<'a>> {
    read_sample_into(Vec::new(), text, rows)
}

/// Does what [`read_sample`] does, with an empty list that becomes [`super::Sample::per_core`].
pub fn read_sample_into<'a>(
    per_core: Vec<f64>,
    text: &'a str,
    rows: &'static [Field],
) -> serde_json::Result<SampleMessage<'a>> {
    match scan_sample(per_core, text, rows) {
        Some(message) => Ok(message),
        None => read_strictly(text, rows),
    }
}

/// Reads a sample of any JSON, with serde_json. It decides which messages are accepted, and what is in them.
#[cold]
pub(crate) fn read_strictly<'a>(text: &'a str, rows: &'static [Field]) -> serde_json::Result<SampleMessage<'a>> {
    let mut message = SampleMessage::new(rows);
    let mut json = serde_json::Deserializer::from_str(text);
    SampleVisitor { rule: &FieldRule::Into(rows), message: &mut message }.deserialize(&mut json)?;
    json.end()?;
    check_depth(text)?;
    Ok(message)
}

/// Reads one value by its rule into the message.
struct SampleVisitor<'r, 'a> {
    rule: &'r FieldRule,
    message: &'r mut SampleMessage<'a>,
}

impl<'de> DeserializeSeed<'de> for SampleVisitor<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self.rule {
            FieldRule::Envelope => json.deserialize_ignored_any(IgnoredAny).map(drop),
            FieldRule::Alerts | FieldRule::Users => {
                self.message.put_part(self.rule, serde::Deserialize::deserialize(json)?);
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
                while per_core.len() < MAX_CORES {
                    let Some(core) = list.next_element::<Node<'de>>()? else { break };
                    per_core.push(core.as_f64().unwrap_or(f64::NAN));
                }
            }
            _ => {}
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        self.message.put_text(self.rule, Cow::Borrowed(value));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.message.put_text(self.rule, Cow::Owned(value.to_owned()));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.message.put_number(self.rule, value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.message.put_number(self.rule, value as f64);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.message.put_number(self.rule, value as f64);
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
        Ok(self.0.iter().find(|row| row.0.len() == key.len() && is_equal(row.0, key.as_bytes())).map(|row| &row.1))
    }
}

impl<'de, 'r> DeserializeSeed<'de> for FieldKey<'r> {
    type Value = Option<&'r FieldRule>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}
