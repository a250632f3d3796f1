//! SysMedic's alerts: the documented message, and the list that the daemon repeats in every update.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use super::{member, users};
use crate::model::duration;
use crate::model::event::{Alert, AlertPhase, Event};
use crate::model::json::Node;
use crate::model::number;
use crate::proto::dialect::{DialectContext, Outcome, truncated};

/// Bound on alerts that are remembered one by one. Of older ones only the highest id is kept.
const MAX_KNOWN: usize = 1024;

/// Alerts of the daemon's list that have been reported, by id.
///
/// The list holds every alert of the last 24 hours, resolved ones included, and is longer than any bound of ours.
#[derive(Debug, Default)]
pub struct KnownAlerts {
    /// Sorted by id; new ids come at the end.
    rows: Vec<(i64, KnownAlert)>,
    /// The highest id that was dropped: up to it, everything is old.
    forgotten: Option<i64>,
    /// Set by the first list, in which open alerts are stored ones and resolved alerts are history.
    listed: bool,
    /// Component and level of the latest pushed alert.
    pushed: Option<[Box<str>; 2]>,
}

#[derive(Debug)]
struct KnownAlert {
    /// The server's time stamp. The same id with another one belongs to a new database.
    at: Box<str>,
    level: Box<str>,
    active: bool,
}

/// Handles the documented message, which no known server sends. Its members are named as in the documentation, as in
/// the Go structs, or otherwise.
///
/// Such alerts have no number and no end. One with another level than the latest is a change of it: SysMedic pushes
/// `Light Usage` after `Heavy Load`.
pub fn alert<'a>(node: &Node<'a>, context: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let data = member(node, &["data", "alert"]).unwrap_or(node);
    let status = first_text(data, &["status", "system_status"]);
    let level = first_text(data, &["severity", "level"]).or(status).unwrap_or_default();
    let level = level.split(' ').next().unwrap_or_default().to_ascii_uppercase();
    let component = first_text(data, &["alert_type", "component"]).unwrap_or("system");
    let now = [truncated(component), truncated(&level)].map(Box::from);
    let from = match context.state.sysmedic.alerts.pushed.replace(now.clone()) {
        Some([component, level]) if component == now[0] && ![&*level, &*now[1]].contains(&"") && level != now[1] => {
            level.into_string()
        }
        _ => String::new(),
    };
    let alert = Alert {
        component: component.to_owned().into(),
        metric: first_text(data, &["metric"]).unwrap_or_default().to_owned().into(),
        message: summary(data, status).into(),
        cause: cause(data).into(),
        value: data.number("value"),
        threshold: data.number("threshold"),
        phase: if from.is_empty() { AlertPhase::Begins } else { AlertPhase::Changes },
        from: from.into(),
        level: level.into(),
        ..Alert::default()
    };
    let mut outcome = Outcome::from(Event::Alert(alert));
    for (name, persistent) in [("user_metrics", false), ("persistent_users", true)] {
        outcome.events.extend(member(data, &[name]).and_then(|list| users::read(list, persistent)));
    }
    Some(outcome)
}

impl KnownAlerts {
    /// Takes a list and adds the news in it to the events, the oldest first. `now` is the time of the list by the
    /// server's clock.
    pub fn update<'a>(&mut self, list: &Node<'a>, now: Option<SystemTime>, events: &mut Vec<Event<'a>>) {
        let mut rows = Vec::new();
        for (place, row) in list.elements().iter().enumerate() {
            if let Some(id) = id(row) {
                rows.push((id, place, row));
            }
        }
        rows.sort_unstable_by_key(|(id, place, _)| (*id, *place));
        if rows.last().is_some_and(|(id, ..)| self.forgotten.is_some_and(|forgotten| *id <= forgotten)) {
            // Ids only grow: this is a new database.
            self.forgotten = None;
            self.rows.clear();
        }
        for (id, _, row) in rows {
            let (phases, from) = self.update_row(id, row);
            for &phase in phases {
                let mut alert = read(row, phase, now);
                alert.id = Some(id);
                alert.stored = !self.listed;
                if phase == AlertPhase::Changes {
                    alert.from = from.to_ascii_uppercase().into();
                }
                events.push(Event::Alert(alert));
            }
        }
        self.drop_surplus();
        self.listed = true;
    }

    /// Takes a row. Returns the phases that the alert has gone through since the list before, and its level there.
    fn update_row(&mut self, id: i64, row: &Node<'_>) -> (&'static [AlertPhase], Box<str>) {
        let at = truncated(first_text(row, &["timestamp"]).unwrap_or_default());
        let level = truncated(first_text(row, &["severity"]).unwrap_or_default());
        let active = !is_resolved(row);
        let place = self.rows.binary_search_by_key(&id, |(id, _)| *id);
        let known = place.ok().map(|at| &self.rows[at].1).filter(|known| *known.at == *at);
        let phases: &[AlertPhase] = match &known {
            None if self.forgotten.is_some_and(|forgotten| id <= forgotten) => return (&[], Box::default()),
            None if active => &[AlertPhase::Begins],
            None if self.listed => &[AlertPhase::Begins, AlertPhase::Ends],
            Some(known) if known.active && !active => &[AlertPhase::Ends],
            Some(known) if !known.active && active => &[AlertPhase::Begins],
            Some(known) if active && *known.level != *level => &[AlertPhase::Changes],
            _ => &[],
        };
        if known.is_some_and(|known| phases.is_empty() && *known.level == *level) {
            return (phases, Box::default());
        }
        let row = KnownAlert { at: at.into(), level: level.into(), active };
        let before = match place {
            Ok(at) => std::mem::replace(&mut self.rows[at].1, row).level,
            Err(at) => {
                self.rows.insert(at, (id, row));
                Box::default()
            }
        };
        (phases, before)
    }

    fn drop_surplus(&mut self) {
        let surplus = self.rows.len().saturating_sub(MAX_KNOWN);
        if let Some(last) = surplus.checked_sub(1) {
            self.forgotten = self.forgotten.max(Some(self.rows[last].0));
            self.rows.drain(..surplus);
        }
    }
}

fn id(row: &Node<'_>) -> Option<i64> {
    if let Some(Node::Integer(id)) = member(row, &["id"]) { Some(*id) } else { None }
}

fn is_resolved(row: &Node<'_>) -> bool {
    let resolved_at = member(row, &["resolved_at"]).is_some_and(|at| !at.is_null());
    resolved_at || matches!(member(row, &["resolved"]), Some(Node::Bool(true)))
}

/// Reads a row of the list.
fn read<'a>(row: &Node<'a>, phase: AlertPhase, now: Option<SystemTime>) -> Alert<'a> {
    let over = phase == AlertPhase::Ends;
    let time = |name| number::parse_zoned(first_text(row, &[name])?);
    let until = time("resolved_at").filter(|_| over).or(now);
    Alert {
        component: first_text(row, &["alert_type"]).unwrap_or("alert").to_owned().into(),
        level: first_text(row, &["severity"]).unwrap_or_default().to_ascii_uppercase().into(),
        message: if over { Cow::Borrowed("") } else { summary(row, None).into() },
        cause: cause(row).into(),
        phase,
        // A clock that was set back since makes the alert new.
        age: time("timestamp").and_then(|began_at| Some(until?.duration_since(began_at).unwrap_or_default())),
        at: first_text(row, &[if over { "resolved_at" } else { "timestamp" }]).map(|at| at.to_owned().into()),
        ..Alert::default()
    }
}

/// Writes the known texts of an alert on one line; without any, all its members.
fn summary(alert: &Node<'_>, status: Option<&str>) -> String {
    let mut parts = Vec::new();
    if let Some(status) = status {
        parts.push(status.to_owned());
    }
    if let Some(message) = first_text(alert, &["message"]).or(alert.as_text()) {
        parts.push(one_line(message));
    }
    // Go's time.Duration, in nanoseconds.
    if let Some(&Node::Integer(lasted @ 1..)) = member(alert, &["duration"]) {
        let lasted = Duration::from_nanos(lasted.unsigned_abs());
        parts.push(format!("for {}", duration::text(lasted)));
    }
    let advice = member(alert, &["recommendations"]).map_or(&[][..], Node::elements);
    for advice in advice {
        parts.push(advice.to_string());
    }
    if parts.is_empty() && cause(alert).is_empty() { alert.to_string() } else { parts.join("; ") }
}

/// Returns the cause; of a row that names none the users that used most, as the server writes them.
fn cause(alert: &Node<'_>) -> String {
    first_text(alert, &["primary_cause", "user_details"]).unwrap_or_default().to_owned()
}

/// Writes `Status: Heavy Load\nTop Users:\n  - root` as `Status: Heavy Load; Top Users: - root`.
fn one_line(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        out.push_str(if out.is_empty() { "" } else { "; " });
        out.push_str(line);
    }
    out.replace(":; ", ": ")
}

/// Finds the first text that is not empty among the members of these names.
fn first_text<'n>(node: &'n Node<'_>, names: &[&str]) -> Option<&'n str> {
    names.iter().filter_map(|name| member(node, &[name])?.as_text()).find(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::dialect::OwnedContext;

    fn row(id: i64, at: &str, severity: &str, resolved: bool) -> String {
        format!(
            r#"{{"ID":{id},"Timestamp":"{at}","AlertType":"user","Severity":"{severity}","Message":"m","Duration":0,"PrimaryCause":"","UserDetails":"","Resolved":{resolved},"ResolvedAt":null}}"#
        )
    }

    fn reported(seen: &mut KnownAlerts, rows: &[String]) -> Vec<String> {
        let list = format!("[{}]", rows.join(","));
        let line = |alert: &Alert<'_>| {
            let Alert { component, id, level, phase, .. } = alert;
            format!("{component} #{} {level} {phase:?}", id.unwrap())
        };
        alerts(seen, &list).iter().map(line).collect()
    }

    fn alerts<'a>(seen: &mut KnownAlerts, list: &'a str) -> Vec<Alert<'a>> {
        let (list, mut events) = (Node::parse(list).unwrap(), Vec::new());
        seen.update(&list, number::parse_zoned("2026-11-20T06:00:00Z"), &mut events);
        let alert = |event| if let Event::Alert(alert) = event { Some(alert) } else { None };
        events.into_iter().filter_map(alert).collect()
    }

    #[test]
    fn only_alerts_that_no_earlier_list_had_are_new() {
        let mut seen = KnownAlerts::default();
        let (one, two) = (row(1, "a", "heavy", false), row(2, "b", "light", false));
        assert_eq!(reported(&mut seen, &[two.clone(), one.clone()]), ["user #1 HEAVY Begins", "user #2 LIGHT Begins"]);
        assert_eq!(reported(&mut seen, &[two.clone(), one.clone()]), [""; 0]);
        assert_eq!(reported(&mut seen, &[]), [""; 0]);
        assert_eq!(
            reported(&mut seen, std::slice::from_ref(&two)),
            [""; 0],
            "the list may have failed, or the day ended"
        );
        assert_eq!(reported(&mut seen, &[row(5, "c", "medium", false), two]), ["user #5 MEDIUM Begins"]);
    }

    #[test]
    fn an_alert_changes_and_ends() {
        let mut seen = KnownAlerts::default();
        reported(&mut seen, &[row(1, "a", "light", false)]);
        assert_eq!(reported(&mut seen, &[row(1, "a", "heavy", false)]), ["user #1 HEAVY Changes"]);
        assert_eq!(reported(&mut seen, &[row(1, "a", "heavy", true)]), ["user #1 HEAVY Ends"]);
        assert_eq!(reported(&mut seen, &[row(1, "a", "heavy", true)]), [""; 0]);
        assert_eq!(
            reported(&mut seen, &[row(2, "b", "heavy", true)]),
            ["user #2 HEAVY Begins", "user #2 HEAVY Ends"],
            "it came and went between two updates"
        );
    }

    #[test]
    fn what_is_resolved_in_the_first_list_is_history() {
        let mut seen = KnownAlerts::default();
        let resolved = r#"{"ID":1,"Timestamp":"a","Resolved":false,"ResolvedAt":"2026-11-20T02:56:25Z"}"#;
        assert_eq!(reported(&mut seen, &[resolved.into(), row(2, "b", "light", true)]), [""; 0]);
    }

    #[test]
    fn a_new_database_begins_its_ids_anew() {
        let mut seen = KnownAlerts::default();
        reported(&mut seen, &[row(1, "a", "light", false), row(2, "a", "light", false)]);
        assert_eq!(reported(&mut seen, &[row(1, "z", "heavy", false)]), ["user #1 HEAVY Begins"]);
    }

    #[test]
    fn no_list_is_too_long_and_the_state_is_bounded() {
        let mut seen = KnownAlerts::default();
        let mut rows: Vec<_> = (1..=3000).rev().map(|id| row(id, "a", "light", false)).collect();
        assert_eq!(reported(&mut seen, &rows).len(), 3000);
        assert_eq!(reported(&mut seen, &rows), [""; 0], "what had to be forgotten is not new again");
        assert_eq!(seen.rows.len(), MAX_KNOWN);
        rows.insert(0, row(3001, "b", "heavy", false));
        assert_eq!(reported(&mut seen, &rows), ["user #3001 HEAVY Begins"]);
        assert_eq!(reported(&mut seen, &[row(1, "z", "light", false)]), ["user #1 LIGHT Begins"], "a new database");
    }

    #[test]
    fn no_text_of_a_row_is_remembered_in_full() {
        let (mut seen, long) = (KnownAlerts::default(), "x".repeat(5000));
        assert_eq!(reported(&mut seen, &[row(1, &long, &long, false)]).len(), 1);
        assert_eq!(reported(&mut seen, &[row(1, &long, &long, false)]), [""; 0]);
        assert!(seen.rows.iter().all(|(_, row)| row.at.len() + row.level.len() <= 2 * 256));
    }

    #[test]
    fn an_alert_is_shown_on_one_line_with_cause_and_duration() {
        let row = r#"{"id":4,"alert_type":"system","severity":"heavy","message":"System Status: Heavy Load\nCPU: 55.1%\nTop Users:\n  - root: CPU 4.9%","duration":420000000000,"primary_cause":"root (cpu: 95.2% for 5m0s)"}"#;
        let alert = read(&Node::parse(row).unwrap(), AlertPhase::Begins, None);
        let message = "System Status: Heavy Load; CPU: 55.1%; Top Users: - root: CPU 4.9%; for 7m";
        assert_eq!((&*alert.component, &*alert.level, &*alert.message), ("system", "HEAVY", message));
        assert_eq!((&*alert.cause, alert.age), ("root (cpu: 95.2% for 5m0s)", None));
    }

    #[test]
    fn every_alert_of_a_list_has_number_time_age_and_cause() {
        let row = |id: i64, severity: &str, end: &str| {
            format!(
                r#"[{{"ID":{id},"Timestamp":"2026-11-20T02:26:25.9-03:30","AlertType":"user","Severity":"{severity}","Message":"m","Duration":0,"PrimaryCause":"","UserDetails":"root:4.9%:1.2%:114","Resolved":false,"ResolvedAt":{end}}}]"#
            )
        };
        let mut seen = KnownAlerts::default();
        let lists = [row(7, "heavy", "null"), row(7, "light", "null"), row(7, "light", r#""2026-11-20T07:00:00Z""#)];
        let phases = lists.iter().map(|list| alerts(&mut seen, list).remove(0)).collect::<Vec<_>>();
        for (alert, (phase, from, stored, at, age)) in phases.iter().zip([
            (AlertPhase::Begins, "", true, "2026-11-20T02:26:25.9-03:30", 214.1),
            (AlertPhase::Changes, "HEAVY", false, "2026-11-20T02:26:25.9-03:30", 214.1),
            (AlertPhase::Ends, "", false, "2026-11-20T07:00:00Z", 3814.1),
        ]) {
            assert_eq!((&*alert.component, alert.id, &*alert.cause), ("user", Some(7), "root:4.9%:1.2%:114"));
            assert_eq!((alert.phase, &*alert.from, alert.stored), (phase, from, stored));
            assert_eq!((alert.at.as_deref(), alert.age), (Some(at), Some(Duration::from_secs_f64(age))));
        }
        let ahead = row(8, "light", "null").replace("2026-11-20T02", "2027-11-20T02");
        assert_eq!(alerts(&mut seen, &ahead)[0].age, Some(Duration::ZERO), "the clock was set back");
    }

    #[test]
    fn open_alerts_of_the_first_list_alone_are_stored() {
        let stored = |seen: &mut KnownAlerts, rows: &[String]| -> Vec<bool> {
            alerts(seen, &format!("[{}]", rows.join(","))).iter().map(|alert| alert.stored).collect()
        };
        let mut seen = KnownAlerts::default();
        assert_eq!(stored(&mut seen, &[row(2, "a", "light", false), row(1, "a", "light", true)]), [true]);
        assert_eq!(stored(&mut seen, &[row(3, "b", "light", false)]), [false]);
        assert_eq!(
            stored(&mut KnownAlerts { listed: true, ..KnownAlerts::default() }, &[row(3, "b", "x", false)]),
            [false]
        );
    }

    #[test]
    fn a_server_that_changes_its_alerts_each_message_fills_no_memory() {
        let (mut seen, mut random) = (KnownAlerts::default(), crate::testing::random::Random::new(7));
        for _ in 0..200 {
            let rows: Vec<_> = (0..100)
                .map(|_| {
                    let (at, severity) = (random.below(3).to_string(), ["light", "medium", "heavy"][random.below(3)]);
                    row(random.below(3000) as i64 - 500, &at, severity, random.below(2) == 0)
                })
                .collect();
            assert!(reported(&mut seen, &rows).len() <= 2 * rows.len());
            assert!(seen.rows.len() <= MAX_KNOWN && seen.rows.is_sorted_by_key(|(id, _)| *id));
        }
    }

    #[test]
    fn a_pushed_alert_with_another_level_is_a_change() {
        let mut context = OwnedContext::default();
        let mut pushed = |level: &str, component: &str| {
            let text = format!(r#"{{"type":"alert","data":{{"status":"{level}","component":"{component}"}}}}"#);
            let outcome = alert(&Node::parse(&text).unwrap(), &mut context.lend()).unwrap();
            let [Event::Alert(alert)] = &outcome.events[..] else { panic!("{text}") };
            (alert.phase, alert.from.to_string())
        };
        let (begins, from) = ((AlertPhase::Begins, String::new()), |from: &str| (AlertPhase::Changes, from.to_owned()));
        assert_eq!(pushed("Heavy Load", "system"), begins);
        assert_eq!(pushed("Light Usage", "system"), from("HEAVY"));
        assert_eq!(pushed("Light Usage", "system"), begins);
        assert_eq!(pushed(&"h".repeat(5000), "system"), from("LIGHT"));
        assert_eq!(pushed("", "system"), begins);
        assert_eq!(pushed("Heavy Load", "system"), begins);
        assert_eq!(pushed("Light Usage", "user"), begins);
    }

    #[test]
    fn the_documented_message_is_an_alert_in_every_spelling() {
        for (data, level, message) in [
            (
                r#"{"status":"Heavy Load","system_metrics":{},"user_metrics":[],"persistent_users":[],"primary_cause":"user123 (cpu: 95.2% for 5m)","recommendations":["x","y"]}"#,
                "HEAVY",
                "Heavy Load; x; y",
            ),
            (
                r#"{"UserMetrics":null,"SystemStatus":"Light Usage","Duration":0,"PrimaryCause":"root","Recommendations":null}"#,
                "LIGHT",
                "Light Usage",
            ),
            (r#""High CPU usage detected""#, "", "High CPU usage detected"),
            (r#"{"severity":"critical","message":"disk full"}"#, "CRITICAL", "disk full"),
            (r#"{"what":"x","n":1}"#, "", "what=x n=1"),
        ] {
            let text = format!(r#"{{"type":"alert","data":{data}}}"#);
            let outcome = alert(&Node::parse(&text).unwrap(), &mut OwnedContext::default().lend()).unwrap();
            let [Event::Alert(alert)] = &outcome.events[..] else { panic!("{text}") };
            assert_eq!((&*alert.level, &*alert.message), (level, message));
        }
    }
}
