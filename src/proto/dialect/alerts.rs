//! Which alerts are on: servers repeat them in every message, people want to hear of changes.

use std::borrow::Cow;

use super::cut;
use crate::model::event::{Alert, AlertPhase, Event};

/// No server has more things to warn of; one that invents them must not fill our memory.
const MOST: usize = 256;

/// The alerts that are on, by component and metric.
#[derive(Debug, Default)]
pub struct Alerts(Vec<On>);

#[derive(Debug)]
struct On {
    component: String,
    metric: String,
    level: String,
    threshold: Option<f64>,
    seen: bool,
}

impl Alerts {
    /// Takes an alert as it came. Shows it where it is news: one that begins, or has another level.
    pub fn see<'a>(&mut self, mut alert: Alert<'a>, show: &mut Vec<Event<'a>>) {
        let (component, metric, level) = (cut(&alert.component), cut(&alert.metric), cut(&alert.level));
        match self.0.iter_mut().find(|on| on.component == component && on.metric == metric) {
            Some(on) if on.level == level => {
                on.seen = true;
                return;
            }
            Some(on) => {
                on.seen = true;
                on.level = level.to_owned();
                alert.phase = AlertPhase::Changes;
            }
            None => self.begin(&alert),
        }
        show.push(Event::Alert(alert));
    }

    /// Ends the alerts that were not seen since the last call, but for those that `goes_on` keeps.
    pub fn end_unseen(&mut self, show: &mut Vec<Event<'_>>, goes_on: &dyn Fn(&str, Option<f64>) -> bool) {
        self.0.retain_mut(|on| {
            let stays = std::mem::take(&mut on.seen) || goes_on(&on.component, on.threshold);
            if !stays {
                show.push(Event::Alert(on.ended()));
            }
            stays
        });
    }

    /// Ends one alert, where it is on.
    pub fn end(&mut self, component: &str, metric: &str) -> Option<Alert<'static>> {
        let at = self.0.iter().position(|on| on.component == cut(component) && on.metric == cut(metric))?;
        Some(self.0.remove(at).ended())
    }

    fn begin(&mut self, alert: &Alert<'_>) {
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        let own = |text: &str| cut(text).to_owned();
        let (component, metric, level) = (own(&alert.component), own(&alert.metric), own(&alert.level));
        self.0.push(On { component, metric, level, threshold: alert.threshold, seen: true });
    }
}

impl On {
    fn ended(&self) -> Alert<'static> {
        Alert {
            component: self.component.clone().into(),
            metric: self.metric.clone().into(),
            level: self.level.clone().into(),
            message: Cow::Borrowed(""),
            value: None,
            threshold: None,
            phase: AlertPhase::Ends,
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
        }
    }

    #[test]
    fn long_names_are_told_apart_by_their_beginnings_and_never_fill_the_memory() {
        let (mut alerts, mut shown) = (Alerts::default(), Vec::new());
        for i in 0..1000 {
            let name = format!("{i}{}", "\u{e9}".repeat(5000));
            for _ in 0..2 {
                alerts.see(alert(&name, &name), &mut shown);
                assert_eq!(shown.len(), i + 1, "{name}");
            }
        }
        let names = |on: &On| on.component.len() + on.metric.len() + on.level.len();
        assert_eq!(alerts.0.len(), MOST);
        assert!(alerts.0.iter().all(|on| names(on) <= 3 * 256));
        let ended = alerts.end(&format!("999{}", "\u{e9}".repeat(5000)), &"m".repeat(5000)).unwrap();
        assert_eq!((ended.phase, ended.component.len()), (AlertPhase::Ends, 255));
    }
}
