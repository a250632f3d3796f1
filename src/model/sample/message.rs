//! A message with a sample, as far as it has been read.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use super::Sample;
use super::field::{Field, FieldRule};
use crate::model::date;
use crate::model::json::Node;

/// A sample, and the alerts that came in the same message.
#[derive(Debug)]
pub struct SampleMessage<'a> {
    pub sample: Box<Sample<'a>>,
    /// The value of the member with the rule [`FieldRule::Alerts`].
    pub alerts: Option<Box<Node<'a>>>,
    /// The value of the member with the rule [`FieldRule::Users`].
    pub users: Option<Box<Node<'a>>>,
}

impl<'a> SampleMessage<'a> {
    pub(super) fn new(rows: &'static [Field]) -> Self {
        let mut sample = Box::new(Sample::EMPTY);
        sample.rules = rows;
        SampleMessage { sample, alerts: None, users: None }
    }

    pub(super) fn put_number(&mut self, rule: &FieldRule, value: f64) {
        let sample = &mut self.sample;
        match *rule {
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

    pub(super) fn put_text(&mut self, rule: &FieldRule, value: Cow<'a, str>) {
        let sample = &mut self.sample;
        match *rule {
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

    pub(super) fn put_part(&mut self, rule: &FieldRule, part: Node<'a>) {
        let place = if matches!(rule, FieldRule::Users) { &mut self.users } else { &mut self.alerts };
        *place = Some(part.into());
    }
}

/// Parses the words of a text; `None` for each that `read` rejects.
pub(super) fn parse_words(text: &str, read: fn(&str) -> Option<f64>) -> impl Iterator<Item = Option<f64>> {
    text.split(',').map(move |word| read(word.trim()))
}

/// Writes seconds since 1970 as RFC 3339; `None` before 1970 and after 9999.
pub(super) fn rfc3339(seconds: f64) -> Option<String> {
    let since = Duration::try_from_secs_f64(seconds).ok().filter(|since| since.as_secs() < 253_402_300_800)?;
    let mut out = String::new();
    date::push(&mut out, SystemTime::UNIX_EPOCH + since, if since.subsec_nanos() > 0 { 9 } else { 0 });
    Some(out)
}
