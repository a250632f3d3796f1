//! The level of one server and subject, and the alarms that make it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{LevelChange, Reading};
use crate::fleet::grammar::{Level, Rule, Threshold};
use crate::model::server_id::ServerId;
use crate::model::time::earliest;

/// Added to the time at which a growing value reaches a bound. A value on the bound is still in range, and the f64 of an
/// age is coarser than an [`Instant`]: a deadline on the bound itself could come again at once.
const PAST_BOUND: Duration = Duration::from_millis(1);

/// The level of one server and subject.
#[derive(Clone, Debug, Default)]
pub struct LevelState {
    level: Level,
    warning: AlarmState,
    critical: AlarmState,
}

/// The alarm of one rule.
#[derive(Clone, Copy, Debug, Default)]
struct AlarmState {
    firing: bool,
    /// The time since which the value has contradicted `firing`. The alarm follows it after the rule's hold.
    pending_since: Option<Instant>,
}

/// A change of level with the value that caused it.
#[derive(Debug)]
pub struct Transition {
    pub from: Level,
    pub to: Level,
    pub value: f64,
}

impl LevelState {
    pub fn level(&self) -> Level {
        self.level
    }

    /// Updates the alarms with the present value. Both are updated before the level is derived, so that a jump over two
    /// ranges is one transition. An unknown value keeps the level and restarts pending holds.
    pub fn update(&mut self, now: Instant, threshold: &Threshold, reading: Option<Reading>) -> Option<Transition> {
        let Some(Reading { value, .. }) = reading else {
            (self.warning.pending_since, self.critical.pending_since) = (None, None);
            return None;
        };
        self.warning.update(now, threshold.warning.as_ref(), value);
        self.critical.update(now, threshold.critical.as_ref(), value);
        let to = match (self.critical.firing, self.warning.firing) {
            (true, _) => Level::Critical,
            (_, true) => Level::Warning,
            _ => Level::Ok,
        };
        let from = std::mem::replace(&mut self.level, to);
        (from != to).then_some(Transition { from, to, value })
    }

    /// Puts the rules of `threshold` in the place of others about the same subject. The level stays while one of them is in
    /// alarm. Returns the level that ends because its rule is gone; [`Level::Ok`] if none does.
    pub fn adopt(&mut self, threshold: &Threshold) -> Level {
        for (alarm, rule) in [(&mut self.warning, &threshold.warning), (&mut self.critical, &threshold.critical)] {
            if rule.is_none() {
                *alarm = AlarmState::default();
            }
        }
        match self.warning.firing || self.critical.firing {
            true => Level::Ok,
            false => std::mem::take(&mut self.level),
        }
    }

    /// Returns the next time at which `update` may change the level without new data. After `update` it lies in the
    /// future.
    pub fn deadline(&self, now: Instant, threshold: &Threshold, reading: Option<Reading>) -> Option<Instant> {
        let reading = reading?;
        let warning = self.warning.deadline(now, threshold.warning.as_ref(), reading);
        earliest(warning, self.critical.deadline(now, threshold.critical.as_ref(), reading))
    }
}

impl AlarmState {
    fn update(&mut self, now: Instant, rule: Option<&Rule>, value: f64) {
        let Some(rule) = rule else { return };
        let alarms = rule.range.alarms(value);
        if alarms == self.firing {
            self.pending_since = None;
            return;
        }
        let since = *self.pending_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= rule.hold {
            *self = AlarmState { firing: alarms, pending_since: None };
        }
    }

    fn deadline(&self, now: Instant, rule: Option<&Rule>, reading: Reading) -> Option<Instant> {
        let rule = rule?;
        let held = self.pending_since.and_then(|since| since.checked_add(rule.hold));
        if reading.slope <= 0.0 {
            return held;
        }
        let crossed = |bound: Option<f64>| now.checked_add(reading.time_to(bound?)?)?.checked_add(PAST_BOUND);
        earliest(held, earliest(crossed(rule.range.low()), crossed(rule.range.high())))
    }
}

impl Transition {
    /// Adds the server, and the rule that caused the transition: the one in alarm, at the end the one that was, or the
    /// other one if that was taken away since.
    pub fn into_change(self, threshold: &Threshold, id: Option<ServerId>, server: &Arc<str>) -> Option<LevelChange> {
        let Transition { from, to, value } = self;
        let (rule, other) = match if to == Level::Ok { from } else { to } {
            Level::Critical => (&threshold.critical, &threshold.warning),
            _ => (&threshold.warning, &threshold.critical),
        };
        let rule = rule.as_ref().or(other.as_ref())?.clone();
        let (server, subject) = (Arc::clone(server), threshold.subject);
        Some(LevelChange { id, server, subject, from, to, value, rule })
    }
}
