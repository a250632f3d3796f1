//! `--only`: selects the messages to show, and the events in them.

use std::borrow::Cow;

use wsmon::{Event, Message};

/// The names given to `--only`: kinds of events, and message types and channels as servers call them.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(Vec<String>);

impl Filter {
    /// Reads names separated by commas. A name may be any server's own; refused is one that differs from a kind only
    /// by case or plural, and so is probably mistyped.
    pub fn read(text: &str) -> Result<Filter, String> {
        let mut names = Vec::new();
        for name in text.split(',') {
            names.push(read_name(name.trim())?);
        }
        Ok(Filter(names))
    }

    /// Returns a filter that selects nothing.
    pub fn nothing() -> Filter {
        Filter(Vec::new())
    }

    /// Selects the events of a message to show: all if its type or channel is named, else those of a named kind;
    /// `None` if there are none.
    pub fn select<'e>(&self, message: &Message<'e>) -> Option<Cow<'e, [Event<'e>]>> {
        let is_selected = |event: &Event<'_>| event.kind_name().is_some_and(|kind| self.names(kind));
        let events = message.events;
        if self.names(message.kind) {
            return Some(Cow::Borrowed(events));
        }
        match events.iter().filter(|event| is_selected(event)).count() {
            0 => None,
            all if all == events.len() => Some(Cow::Borrowed(events)),
            _ => Some(events.iter().filter(|event| is_selected(event)).cloned().collect()),
        }
    }

    /// Returns a warning for each name that no server can send, if `can_send` says so of a name and all servers.
    pub fn warnings(&self, can_send: &dyn Fn(&str) -> bool) -> Vec<String> {
        let sent: Vec<_> = wsmon::sent_names().collect();
        let mut warnings = Vec::new();
        for name in self.0.iter().filter(|name| !can_send(name)) {
            let mut warning = format!("--only {name}: no server of this run is known to send it");
            let known = |is: &dyn Fn(&str) -> bool| sent.iter().find(|(known, _)| is(known));
            if let Some((_, dialect)) = known(&|known| known == name) {
                warning.push_str(&format!(", {dialect} is"));
            } else if let Some((known, _)) = known(&|known| can_send(known) && is_similar(name, known)) {
                warning.push_str(&format!(": did you mean {known}?"));
            }
            warnings.push(warning);
        }
        warnings
    }

    /// Returns true if nothing but kinds of events was given, and none of these.
    pub fn leaves_out_all(&self, kinds: &[&str]) -> bool {
        let is_left_out = |name: &str| Event::KINDS.contains(&name) && !kinds.contains(&name);
        self.0.iter().all(|name| is_left_out(name))
    }

    /// Returns true if the name was given.
    pub fn names(&self, name: &str) -> bool {
        self.0.iter().any(|named| named == name)
    }
}

fn read_name(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("a name is missing".to_owned());
    }
    let is_exact = Event::KINDS.contains(&name) || wsmon::sent_names().any(|(known, _)| known == name);
    match Event::KINDS.iter().find(|kind| !is_exact && is_similar(name, kind)) {
        Some(kind) => Err(format!("did you mean {kind}?")),
        None => Ok(name.to_owned()),
    }
}

/// Returns true if two names differ only by case and the ending of a plural.
fn is_similar(name: &str, kind: &str) -> bool {
    let (name, kind) = (&*name.to_ascii_lowercase(), &*kind.to_ascii_lowercase());
    let is_plural = |of: &str, many: &str| many.strip_prefix(of).is_some_and(|ending| matches!(ending, "s" | "es"));
    name == kind || is_plural(kind, name) || is_plural(name, kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::{Instant, SystemTime};
    use wsmon::{LogLine, Notice, Now, Unknown};

    fn events() -> [Event<'static>; 4] {
        let log = |text: &'static str| {
            Event::Log(LogLine { level: "".into(), source: "".into(), text: text.into(), ..LogLine::default() })
        };
        [
            log("a"),
            Event::Notice(Notice { text: "n".into(), greeting: true, ..Notice::default() }),
            log("b"),
            Event::KeepAlive,
        ]
    }

    /// The kinds of the events that are selected from a message of type `kind`.
    fn selected(list: &str, kind: &str, events: &[Event<'_>]) -> Option<Vec<&'static str>> {
        let server: Arc<str> = "a".into();
        let now = Now { mono: Instant::now(), wall: SystemTime::UNIX_EPOCH };
        let mut message = Message::new(&server, now, events);
        message.kind = kind;
        let selected = Filter::read(list).unwrap().select(&message)?;
        Some(selected.iter().map(|event| event.kind_name().unwrap_or("-")).collect())
    }

    #[test]
    fn events_are_selected_by_their_kind_and_whole_messages_by_their_type() {
        let events = events();
        assert_eq!(selected("log", "x.y", &events), Some(vec!["log", "log"]));
        assert_eq!(selected("alert, notice", "x.y", &events), Some(vec!["notice"]));
        assert_eq!(selected("log,notice", "x.y", &events[..3]), Some(vec!["log", "notice", "log"]));
        assert_eq!(selected("alert,x.y", "x.y", &events), Some(vec!["log", "notice", "log", "-"]));
        assert_eq!(selected("x.y", "x.y", &[]), Some(vec![]));
        assert_eq!(selected("alert", "x.y", &events), None);
        assert_eq!(selected("alert", "x.y", &[]), None);
        let unknown = [Event::Unknown(Unknown { kind: "odd".into(), text: "{}".into(), undecodable: false })];
        assert_eq!(selected("unknown", "odd", &unknown), Some(vec!["unknown"]));
    }

    #[test]
    fn a_kind_in_the_wrong_case_or_number_is_refused_with_a_hint() {
        for (name, kind) in [
            ("Samples", "sample"),
            ("ALERT", "alert"),
            ("process", "processes"),
            ("Processes", "processes"),
            ("errors", "error"),
            ("Log", "log"),
        ] {
            assert_eq!(Filter::read(&format!("sample,{name}")), Err(format!("did you mean {kind}?")), "{name}");
        }
    }

    #[test]
    fn a_name_that_no_server_can_send_is_reported_with_a_hint() {
        let filter = Filter::read("sample,ProcessList,processlist,system_update,bogus").unwrap();
        let pmdaemon = |name: &str| ["sample", "ProcessList"].contains(&name);
        let warnings = filter.warnings(&pmdaemon);
        let unsent = |name: &str, hint: &str| format!("--only {name}: no server of this run is known to send it{hint}");
        let expected = [
            unsent("processlist", ": did you mean ProcessList?"),
            unsent("system_update", ", sysmedic is"),
            unsent("bogus", ""),
        ];
        assert_eq!(warnings, expected);
        assert_eq!(filter.warnings(&|_| true), [""; 0]);
    }

    #[test]
    fn any_other_name_may_be_a_servers_own() {
        let kinds = Event::KINDS.join(",");
        for list in [&*kinds, "logs", "Error", "monitoring_data", "tasks_worker.logs", "ProcessList", "metrics, status"]
        {
            assert_eq!(Filter::read(list).unwrap().0.len(), list.split(',').count());
        }
        for list in ["", ",", "sample,", " "] {
            assert_eq!(Filter::read(list), Err("a name is missing".to_owned()));
        }
    }
}
