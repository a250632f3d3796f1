//! The level of one server and subject: what is in alarm, and what has lasted how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{LevelChange, Reading, until};
use crate::fleet::grammar::{Level, Rule, Threshold};
use crate::model::time::sooner;

/// A bound that is left exactly now is left for certain a little later: an alarm begins behind its bound, and a clock
/// that counts in f64 cannot tell them apart.
const BEHIND: Duration = Duration::from_millis(1);

/// The level of one server and subject.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    level: Level,
    warning: Alarm,
    critical: Alarm,
}

/// One rule's alarm.
#[derive(Clone, Copy, Debug, Default)]
struct Alarm {
    on: bool,
    /// Since when the value has been saying otherwise.
    since: Option<Instant>,
}

/// A level that has changed, not yet with its server.
#[derive(Debug)]
pub struct Change {
    from: Level,
    to: Level,
    value: f64,
}

impl Judge {
    pub fn level(&self) -> Level {
        self.level
    }

    /// Takes the value as it is now; `None` = not known. Returns the change of the level, one whatever was crossed.
    pub fn take(&mut self, now: Instant, threshold: &Threshold, reading: Option<Reading>) -> Option<Change> {
        let Some(Reading { value, .. }) = reading else {
            (self.warning.since, self.critical.since) = (None, None);
            return None;
        };
        self.warning.take(now, threshold.warning.as_ref(), value);
        self.critical.take(now, threshold.critical.as_ref(), value);
        let to = match (self.critical.on, self.warning.on) {
            (true, _) => Level::Critical,
            (_, true) => Level::Warning,
            _ => Level::Ok,
        };
        let from = std::mem::replace(&mut self.level, to);
        (from != to).then_some(Change { from, to, value })
    }

    /// When the level may change although nothing comes. Later than now, after `take`.
    pub fn deadline(&self, now: Instant, threshold: &Threshold, reading: Option<Reading>) -> Option<Instant> {
        let reading = reading?;
        let warning = self.warning.deadline(now, threshold.warning.as_ref(), reading);
        sooner(warning, self.critical.deadline(now, threshold.critical.as_ref(), reading))
    }
}

impl Alarm {
    fn take(&mut self, now: Instant, rule: Option<&Rule>, value: f64) {
        let Some(rule) = rule else { return };
        let is_out = rule.range.alarms(value);
        if is_out == self.on {
            self.since = None;
            return;
        }
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= rule.hold {
            (self.on, self.since) = (is_out, None);
        }
    }

    fn deadline(&self, now: Instant, rule: Option<&Rule>, reading: Reading) -> Option<Instant> {
        let rule = rule?;
        let held = self.since.and_then(|since| since.checked_add(rule.hold));
        if reading.slope <= 0.0 {
            return held;
        }
        let crossed = |bound: Option<f64>| now.checked_add(until(bound?, reading)?)?.checked_add(BEHIND);
        sooner(held, sooner(crossed(rule.range.low()), crossed(rule.range.high())))
    }
}

impl Change {
    /// The same with its server and the rule that made it.
    pub fn told(self, threshold: &Threshold, id: Option<usize>, server: &Arc<str>) -> Option<LevelChange> {
        let Change { from, to, value } = self;
        let rule = match if to == Level::Ok { from } else { to } {
            Level::Critical => &threshold.critical,
            _ => &threshold.warning,
        };
        let (server, subject, rule) = (Arc::clone(server), threshold.subject, rule.clone()?);
        Some(LevelChange { id, server, subject, from, to, value, rule })
    }
}
