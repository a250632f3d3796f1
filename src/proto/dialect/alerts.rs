//! Active alerts: servers repeat them in every message, people want to hear of changes.

use std::borrow::Cow;

use super::truncated;
use crate::model::event::{Alert, AlertPhase, Event};

/// Bound on active alerts. One more pushes out the oldest, so that invented alerts cannot fill the memory.
const MAX_ALERTS: usize = 256;

/// The active alerts, by component and metric.
#[derive(Debug, Default)]
pub struct Alerts(Vec<ActiveAlert>);

#[derive(Debug)]
struct ActiveAlert {
    component: String,
    metric: String,
    level: String,
    threshold: Option<f64>,
    /// Set since the latest call of [`Alerts::end_unseen`].
    seen: bool,
}

impl Alerts {
    /// Takes an alert as it came. It becomes an event if it is new or has another level.
    pub fn report<'a>(&mut self, mut alert: Alert<'a>, events: &mut Vec<Event<'a>>) {
        let (component, metric, level) =
            (truncated(&alert.component), truncated(&alert.metric), truncated(&alert.level));
        match self.0.iter_mut().find(|active| active.component == component && active.metric == metric) {
            Some(active) if active.level == level => {
                active.seen = true;
                return;
            }
            Some(active) => {
                active.seen = true;
                let from = std::mem::replace(&mut active.level, level.to_owned());
                alert.from = from.into();
                alert.phase = AlertPhase::Changes;
            }
            None => {
                if self.0.len() == MAX_ALERTS {
                    self.0.remove(0);
                }
                let (component, metric, level) = (component.to_owned(), metric.to_owned(), level.to_owned());
                self.0.push(ActiveAlert { component, metric, level, threshold: alert.threshold, seen: true });
            }
        }
        events.push(Event::Alert(alert));
    }

    /// Ends the alerts that were not reported since the last call, but for those that `goes_on` keeps by their
    /// component and threshold.
    pub fn end_unseen(&mut self, events: &mut Vec<Event<'_>>, goes_on: &dyn Fn(&str, Option<f64>) -> bool) {
        self.0.retain_mut(|active| {
            let stays = std::mem::take(&mut active.seen) || goes_on(&active.component, active.threshold);
            if !stays {
                events.push(Event::Alert(active.ended()));
            }
            stays
        });
    }

    /// Ends one alert, if it is active.
    pub fn end(&mut self, component: &str, metric: &str) -> Option<Alert<'static>> {
        let (component, metric) = (truncated(component), truncated(metric));
        let at = self.0.iter().position(|active| active.component == component && active.metric == metric)?;
        Some(self.0.remove(at).ended())
    }
}

impl ActiveAlert {
    fn ended(&self) -> Alert<'static> {
        Alert {
            component: self.component.clone().into(),
            metric: self.metric.clone().into(),
            level: self.level.clone().into(),
            message: Cow::Borrowed(""),
            value: None,
            threshold: None,
            phase: AlertPhase::Ends,
            ..Alert::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(component: &str, level: &str) -> Alert<'static> {
        Alert {
            component: component.to_owned().into(),
            metric: "m".repeat(5000).into(),
            level: level.to_owned().into(),
            message: Cow::Borrowed(""),
            value: None,
            threshold: None,
            phase: AlertPhase::Begins,
            ..Alert::default()
        }
    }

    #[test]
    fn long_names_are_distinguished_by_their_beginnings_and_the_state_is_bounded() {
        let (mut alerts, mut events) = (Alerts::default(), Vec::new());
        for i in 0..1000 {
            let name = format!("{i}{}", "\u{e9}".repeat(5000));
            for _ in 0..2 {
                alerts.report(alert(&name, &name), &mut events);
                assert_eq!(events.len(), i + 1, "{name}");
            }
        }
        let names = |active: &ActiveAlert| active.component.len() + active.metric.len() + active.level.len();
        assert_eq!(alerts.0.len(), MAX_ALERTS);
        assert!(alerts.0.iter().all(|active| names(active) <= 3 * 256));
        let ended = alerts.end(&format!("999{}", "\u{e9}".repeat(5000)), &"m".repeat(5000)).unwrap();
        assert_eq!((ended.phase, ended.component.len()), (AlertPhase::Ends, 255));
    }
}
