//! `--only`: which messages are shown, and what of them.

use std::borrow::Cow;

use wsmon::{Event, Message};

/// Kinds of events, and types and channels as servers name them.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(Vec<String>);

/// Names that look like a kind mistyped, but are a channel of neurograph and a type of pmdaemon.
const SERVERS_OWN: [&str; 2] = ["logs", "Error"];

impl Filter {
    /// Names with commas between them. Any name may be some server's, but not a kind in other words.
    pub fn read(text: &str) -> Result<Filter, String> {
        let mut names = Vec::new();
        for name in text.split(',') {
            names.push(known(name.trim())?);
        }
        Ok(Filter(names))
    }

    /// What of a message is to be shown: all where its type or channel is named, else the events of a kind that is
    /// named. `None` where there is nothing.
    pub fn choose<'e>(&self, shown: &Message<'e>) -> Option<Cow<'e, [Event<'e>]>> {
        let is_chosen = |event: &Event<'_>| event.kind_name().is_some_and(|kind| self.names(kind));
        let events = shown.events;
        if self.names(shown.kind) {
            return Some(Cow::Borrowed(events));
        }
        match events.iter().filter(|event| is_chosen(event)).count() {
            0 => None,
            all if all == events.len() => Some(Cow::Borrowed(events)),
            _ => Some(events.iter().filter(|event| is_chosen(event)).cloned().collect()),
        }
    }

    fn names(&self, name: &str) -> bool {
        self.0.iter().any(|named| named == name)
    }
}

fn known(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("a name is missing".to_owned());
    }
    let meant = || Event::KINDS.iter().find(|kind| is_nearly(name, kind));
    let stands = Event::KINDS.contains(&name) || SERVERS_OWN.contains(&name);
    match meant().filter(|_| !stands) {
        Some(kind) => Err(format!("did you mean {kind}?")),
        None => Ok(name.to_owned()),
    }
}

/// Whether two names differ by nothing but case and the ending of a plural.
fn is_nearly(name: &str, kind: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_plural = |of: &str, many: &str| many.strip_prefix(of).is_some_and(|ending| matches!(ending, "s" | "es"));
    name == kind || is_plural(kind, &name) || is_plural(&name, kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::{Instant, SystemTime};
    use wsmon::{LogLine, Notice, Raw, Unknown};

    fn events() -> [Event<'static>; 4] {
        let log = |text: &'static str| Event::Log(LogLine { level: "".into(), source: "".into(), text: text.into() });
        [log("a"), Event::Notice(Notice { text: "n".into(), greeting: true }), log("b"), Event::KeepAlive]
    }

    /// The kinds of what is shown of a message of this type.
    fn chosen(list: &str, kind: &str, events: &[Event<'_>]) -> Option<Vec<&'static str>> {
        let server: Arc<str> = "a".into();
        let received_at = SystemTime::UNIX_EPOCH;
        let shown = Message { server: &server, id: 0, received_at, at: Instant::now(), kind, raw: Raw::None, events };
        let chosen = Filter::read(list).unwrap().choose(&shown)?;
        Some(chosen.iter().map(|event| event.kind_name().unwrap_or("-")).collect())
    }

    #[test]
    fn events_are_chosen_by_their_kind_and_whole_messages_by_their_type() {
        let events = events();
        assert_eq!(chosen("log", "x.y", &events), Some(vec!["log", "log"]));
        assert_eq!(chosen("alert, notice", "x.y", &events), Some(vec!["notice"]));
        assert_eq!(chosen("log,notice", "x.y", &events[..3]), Some(vec!["log", "notice", "log"]));
        assert_eq!(chosen("alert,x.y", "x.y", &events), Some(vec!["log", "notice", "log", "-"]));
        assert_eq!(chosen("x.y", "x.y", &[]), Some(vec![]));
        assert_eq!(chosen("alert", "x.y", &events), None);
        assert_eq!(chosen("alert", "x.y", &[]), None);
        let unknown = [Event::Unknown(Unknown { kind: "odd".into(), text: "{}".into() })];
        assert_eq!(chosen("unknown", "odd", &unknown), Some(vec!["unknown"]));
    }

    #[test]
    fn a_kind_in_the_wrong_case_or_number_is_asked_back() {
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
