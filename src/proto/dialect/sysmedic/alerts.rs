//! SysMedic's alerts: the documented message, and the list that the daemon repeats in every update.

use std::borrow::Cow;
use std::time::Duration;

use super::member;
use crate::model::event::{Alert, AlertPhase, Event};
use crate::model::json::Node;
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
    /// Set by the first list, in which resolved alerts are history.
    listed: bool,
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
pub fn alert<'a>(node: &Node<'a>, _: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let data = member(node, &["data", "alert"]).unwrap_or(node);
    let status = first_text(data, &["status", "system_status"]);
    let level = first_text(data, &["severity", "level"]).or(status).unwrap_or_default();
    let alert = Alert {
        component: first_text(data, &["alert_type", "component"]).unwrap_or("system").to_owned().into(),
        metric: first_text(data, &["metric"]).unwrap_or_default().to_owned().into(),
        level: level.split(' ').next().unwrap_or_default().to_ascii_uppercase().into(),
        message: summary(data, status).into(),
        value: data.number("value"),
        threshold: data.number("threshold"),
        phase: AlertPhase::Begins,
        ..Alert::default()
    };
    Some(Event::Alert(alert).into())
}

impl KnownAlerts {
    /// Takes a list and adds the news in it to the events, the oldest first.
    pub fn update<'a>(&mut self, list: &Node<'a>, events: &mut Vec<Event<'a>>) {
        let mut rows = Vec::new();
        for (place, row) in list.elements().iter().enumerate() {
            if let Some(id) = id(row) {
                rows.push((id, place, row));
            }
        }
        rows.sort_unstable_by_key(|(id, place, _)| (*id, *place));
        if rows.last().is_some_and(|(id, ..)| self.forgotten.is_some_and(|forgotten| *id <= forgotten)) {
            // Ids only grow: this is a new database.
            *self = KnownAlerts { listed: self.listed, ..KnownAlerts::default() };
        }
        for (id, _, row) in rows {
            for &phase in self.update_row(id, row) {
                events.push(Event::Alert(read(id, row, phase)));
            }
        }
        self.drop_surplus();
        self.listed = true;
    }

    /// Takes a row and returns the phases that the alert has gone through since the list before.
    fn update_row(&mut self, id: i64, row: &Node<'_>) -> &'static [AlertPhase] {
        let at = truncated(first_text(row, &["timestamp"]).unwrap_or_default());
        let level = truncated(first_text(row, &["severity"]).unwrap_or_default());
        let active = !is_resolved(row);
        let place = self.rows.binary_search_by_key(&id, |(id, _)| *id);
        let known = place.ok().map(|at| &self.rows[at].1).filter(|known| *known.at == *at);
        let phases: &[AlertPhase] = match &known {
            None if self.forgotten.is_some_and(|forgotten| id <= forgotten) => return &[],
            None if active => &[AlertPhase::Begins],
            None if self.listed => &[AlertPhase::Begins, AlertPhase::Ends],
            Some(known) if known.active && !active => &[AlertPhase::Ends],
            Some(known) if !known.active && active => &[AlertPhase::Begins],
            Some(known) if active && *known.level != *level => &[AlertPhase::Changes],
            _ => &[],
        };
        match known {
            Some(known) if phases.is_empty() && *known.level == *level => {}
            _ => {
                let row = KnownAlert { at: at.into(), level: level.into(), active };
                match place {
                    Ok(at) => self.rows[at].1 = row,
                    Err(at) => self.rows.insert(at, (id, row)),
                }
            }
        }
        phases
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

/// Reads a row of the list. Its id is part of the component, since many are active at the same time.
fn read<'a>(id: i64, row: &Node<'a>, phase: AlertPhase) -> Alert<'a> {
    let over = phase == AlertPhase::Ends;
    let kind = first_text(row, &["alert_type"]).unwrap_or("alert");
    Alert {
        component: format!("{kind} #{id}").into(),
        metric: Cow::Borrowed(""),
        level: first_text(row, &["severity"]).unwrap_or_default().to_ascii_uppercase().into(),
        message: if over { Cow::Borrowed("") } else { summary(row, None).into() },
        value: None,
        threshold: None,
        phase,
        rule: None,
        at: first_text(row, &[if over { "resolved_at" } else { "timestamp" }]).map(|at| at.to_owned().into()),
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
    if let Some(cause) = first_text(alert, &["primary_cause"]) {
        parts.push(format!("cause: {cause}"));
    }
    // Go's time.Duration, in nanoseconds.
    if let Some(&Node::Integer(lasted @ 1..)) = member(alert, &["duration"]) {
        let lasted = Duration::from_nanos(lasted.unsigned_abs());
        parts.push(format!("for {}", humantime::format_duration(lasted)));
    }
    let advice = member(alert, &["recommendations"]).map_or(&[][..], Node::elements);
    for advice in advice {
        parts.push(advice.to_string());
    }
    if parts.is_empty() { alert.to_string() } else { parts.join("; ") }
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
        let (list, mut events) = (Node::parse(&list).unwrap(), Vec::new());
        seen.update(&list, &mut events);
        let alerts = events.iter().filter_map(|event| if let Event::Alert(alert) = event { Some(alert) } else { None });
        alerts.map(|alert| format!("{} {} {:?}", alert.component, alert.level, alert.phase)).collect()
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
        let alert = read(4, &Node::parse(row).unwrap(), AlertPhase::Begins);
        let message = "System Status: Heavy Load; CPU: 55.1%; Top Users: - root: CPU 4.9%; cause: root (cpu: 95.2% for 5m0s); for 7m";
        assert_eq!((&*alert.component, &*alert.level, &*alert.message), ("system #4", "HEAVY", message));
    }

    #[test]
    fn the_documented_message_is_an_alert_in_every_spelling() {
        for (data, level, message) in [
            (
                r#"{"status":"Heavy Load","system_metrics":{},"user_metrics":[],"persistent_users":[],"primary_cause":"user123 (cpu: 95.2% for 5m)","recommendations":["x","y"]}"#,
                "HEAVY",
                "Heavy Load; cause: user123 (cpu: 95.2% for 5m); x; y",
            ),
            (
                r#"{"UserMetrics":null,"SystemStatus":"Light Usage","Duration":0,"PrimaryCause":"root","Recommendations":null}"#,
                "LIGHT",
                "Light Usage; cause: root",
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
