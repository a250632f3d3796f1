//! SysMedic's users: in the daemon's updates, in the answer to `get_user_metrics`, and in the documented alert.

use std::borrow::Cow;
use std::time::Duration;

use super::{member, response};
use crate::model::event::{Answer, Event, User, Users};
use crate::model::json::Node;
use crate::proto::dialect::{DialectContext, Outcome};

/// Handles the answer to `get_user_metrics`. The lines about the users stand for the text of the answer.
pub fn user_metrics<'a>(node: &Node<'a>, context: &mut DialectContext<'_>) -> Option<Outcome<'a>> {
    let users = node.get("data").and_then(|list| read(list, false));
    let Some(Event::Users(Users { list, .. })) = &users else { return response(node, context) };
    let text = format!("{} user{}", list.len(), if list.len() == 1 { "" } else { "s" });
    let answer = Event::Answer(Answer { kind: node.text_or("type", ""), text, ..Answer::default() });
    let mut outcome = Outcome::from(answer);
    outcome.events.extend(users);
    Some(outcome)
}

/// Reads a list of users; `None` if it has none. The names of their members differ from server to server.
pub fn read<'a>(nodes: &Node<'a>, persistent: bool) -> Option<Event<'a>> {
    let mut list = Vec::new();
    for node in nodes.elements() {
        if let Some(user) = user(node) {
            list.push(user);
        }
    }
    (!list.is_empty()).then_some(Event::Users(Users { list, persistent, at: None }))
}

fn user<'a>(node: &Node<'a>) -> Option<User<'a>> {
    let text = |names: &[&str]| match member(node, names) {
        Some(Node::Text(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    let number = |names: &[&str]| member(node, names).and_then(Node::as_f64);
    let integer = |names: &[&str]| if let Some(&Node::Integer(n)) = member(node, names) { Some(n) } else { None };
    if let Node::Text(name) = node {
        return Some(User { name: name.clone(), ..User::default() });
    }
    let metric = text(&["metric"]).unwrap_or(Cow::Borrowed(""));
    let current = |of: &str| number(&["current_usage"]).filter(|_| metric == of);
    Some(User {
        name: text(&["username", "user", "name"])?,
        cpu: number(&["cpu_percent", "cpu_usage", "cpu"]).or_else(|| current("cpu")),
        memory: number(&["memory_percent", "memory_usage", "memory"]).or_else(|| current("memory")),
        processes: integer(&["process_count", "processes"]),
        since: text(&["start_time"]),
        // Go's time.Duration, in nanoseconds.
        lasted: integer(&["duration"]).and_then(|nanos| Some(Duration::from_nanos(nanos.try_into().ok()?))),
        metric,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::dialect::sysmedic::DIALECT;
    use crate::testing::dialect::OwnedContext;

    /// The users in a message: a list of lines for each event of users.
    fn users(text: &str) -> Vec<Vec<String>> {
        let mut context = OwnedContext::default();
        let outcome = DIALECT.read(text, &mut context.lend()).unwrap();
        let line = |user: &User<'_>| {
            let User { name, cpu, memory, processes, .. } = user;
            format!("{name} {cpu:?} {memory:?} {processes:?}")
        };
        let list = |event: &Event<'_>| match event {
            Event::Users(users) => Some(users.list.iter().map(line).collect()),
            _ => None,
        };
        outcome.events.iter().filter_map(list).collect()
    }

    fn update(list: &str) -> String {
        format!(
            r#"{{"data":{{"cpu_usage":0,"disk_usage":1,"memory_usage":1,"uptime":"1m"}},"system":{{"users":{list}}},"timestamp":1795156011,"type":"system_update"}}"#
        )
    }

    const GO: &str = r#"[{"CPUPercent":5.014,"MemoryPercent":1,"PIDs":[1,10],"ProcessCount":110,"Timestamp":"x","Username":"root"}]"#;
    const DOCUMENTED: &str =
        r#"[{"username":"database_user","cpu_percent":85.4,"memory_percent":45.2,"processes":12}]"#;

    #[test]
    fn users_are_read_in_both_spellings_and_from_every_message() {
        for (list, line) in
            [(GO, "root Some(5.014) Some(1.0) Some(110)"), (DOCUMENTED, "database_user Some(85.4) Some(45.2) Some(12)")]
        {
            let response = format!(r#"{{"type":"user_metrics_response","data":{list},"request_id":"wsmon-1"}}"#);
            let alert = format!(r#"{{"type":"alert","data":{{"status":"Heavy Load","user_metrics":{list}}}}}"#);
            for text in [update(list), response, alert] {
                assert_eq!(users(&text), [[line]], "{text}");
            }
        }
    }

    #[test]
    fn an_answer_with_users_stays_an_answer_without_their_process_ids() {
        let text = format!(r#"{{"type":"user_metrics_response","data":{GO},"request_id":"wsmon-1"}}"#);
        let outcome = DIALECT.read(&text, &mut OwnedContext::default().lend()).unwrap();
        assert!(matches!(&outcome.events[..], [Event::Answer(answer), Event::Users(_)] if answer.text == "1 user"));
        for empty in ["null", "[]", "{}", "[1,{}]"] {
            let text = format!(r#"{{"type":"user_metrics_response","data":{empty}}}"#);
            let outcome = DIALECT.read(&text, &mut OwnedContext::default().lend()).unwrap();
            assert!(matches!(&outcome.events[..], [Event::Answer(_)]), "{outcome:?}");
        }
    }

    #[test]
    fn persistent_users_of_an_alert_are_an_event_of_their_own() {
        let text = r#"{"type":"alert","data":{"persistent_users":[{"Username":"root","Metric":"cpu","StartTime":"2026-11-20T06:24:08Z","Duration":300000000000,"CurrentUsage":4.808},"alice (memory: 95.2% for 5m)",{"Metric":"cpu"}],"primary_cause":"x","status":"Heavy Load","user_metrics":null},"timestamp":"2026-11-20T06:29:08Z"}"#;
        let outcome = DIALECT.read(text, &mut OwnedContext::default().lend()).unwrap();
        let [Event::Alert(_), Event::Users(users)] = &outcome.events[..] else { panic!("{outcome:?}") };
        let root = User {
            name: "root".into(),
            cpu: Some(4.808),
            metric: "cpu".into(),
            since: Some("2026-11-20T06:24:08Z".into()),
            lasted: Some(Duration::from_secs(300)),
            ..User::default()
        };
        let alice = User { name: "alice (memory: 95.2% for 5m)".into(), ..User::default() };
        assert_eq!((users.persistent, &users.list[..]), (true, &[root, alice][..]));
        assert_eq!(users.at.as_deref(), Some("2026-11-20T06:29:08Z"));
    }

    #[test]
    fn an_update_has_no_event_without_users_and_its_own_time_with_them() {
        for list in ["null", "[]", "5", "\"x\"", "{\"a\":1}", "[null,[],{\"CPUPercent\":1},{\"Username\":\"\"}]"] {
            assert_eq!(users(&update(list)), [[""; 0]; 0], "{list}");
        }
        let text = update(GO);
        let outcome = DIALECT.read(&text, &mut OwnedContext::default().lend()).unwrap();
        let at = outcome.events.iter().find(|event| matches!(event, Event::Users(_))).and_then(Event::at);
        assert_eq!(at, Some("2026-11-20T06:26:51Z"));
    }

    #[test]
    fn odd_values_of_a_user_are_absent() {
        let list = r#"[{"Username":"a","CPUPercent":"95%","MemoryPercent":null,"ProcessCount":1.5},{"Username":"b","CPUPercent":-1,"MemoryPercent":1e300,"ProcessCount":-9,"Duration":-5}]"#;
        assert_eq!(users(&update(list)), [["a None None None", "b Some(-1.0) Some(1e300) Some(-9)"]]);
    }

    #[test]
    fn ten_thousand_users_are_ten_thousand_users() {
        let one = GO.trim_matches(['[', ']']);
        let list: Vec<_> = (0..10_000).map(|i| one.replace("root", &format!("u{i}"))).collect();
        let users = users(&update(&format!("[{}]", list.join(","))));
        assert_eq!((users.len(), users[0].len()), (1, 10_000));
    }
}
