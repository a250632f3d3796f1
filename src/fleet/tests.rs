//! Messages for the tests of this folder.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::board::Board;
use crate::model::event::{
    Alert, AlertPhase, Change, ClientState, Event, LogLine, Message, Process, ProcessChange, Processes, Raw,
};
use crate::model::metric::{Metric, Text};
use crate::model::sample::Sample;
use crate::model::server_id::ServerId;

/// A start and the seconds since.
#[derive(Clone, Copy)]
pub struct At(pub Instant, pub f64);

impl At {
    pub fn now(self) -> Instant {
        self.0 + Duration::from_secs_f64(self.1)
    }

    /// Updates the board with a message of these events.
    pub fn say(self, board: &mut Board, id: usize, events: &[Event<'_>]) {
        let server: Arc<str> = format!("s{id}").into();
        let wall = Duration::from_millis(1_767_323_045_678) + Duration::from_secs_f64(self.1);
        let received_at = SystemTime::UNIX_EPOCH + wall;
        board.update(&Message {
            server: &server,
            id: nth(id),
            received_at,
            dialect: crate::Dialect::Generic,
            received_mono: self.now(),
            kind: "",
            raw: Raw::None,
            events,
        });
    }
}

pub fn nth(index: usize) -> ServerId {
    ServerId::from_index(index)
}

pub fn metric(name: &str) -> Metric {
    *Metric::ALL.iter().find(|metric| metric.row().name == name).unwrap()
}

pub fn sample(values: &[(&str, f64)]) -> Event<'static> {
    hosted("", values)
}

pub fn hosted(host: &str, values: &[(&str, f64)]) -> Event<'static> {
    let mut sample = Sample::new(&[]);
    values.iter().for_each(|(name, value)| sample.put(metric(name), *value));
    if !host.is_empty() {
        sample.put_text(Text::Host, host.to_owned().into());
    }
    Event::Sample(Box::new(sample))
}

pub fn state(from: ClientState, to: ClientState, why: &str) -> Event<'static> {
    Event::State(Change { why: why.to_owned(), ..Change::new(from, to) })
}

pub fn connected() -> Event<'static> {
    state(ClientState::Connecting, ClientState::Connected, "")
}

pub fn lost(why: &str) -> Event<'static> {
    state(ClientState::Connected, ClientState::Reconnecting, why)
}

pub fn log() -> Event<'static> {
    Event::Log(LogLine { level: "".into(), source: "".into(), text: "".into(), ..LogLine::default() })
}

pub fn alert(component: &str, phase: AlertPhase) -> Event<'static> {
    Event::Alert(Alert {
        component: component.to_owned().into(),
        metric: "m".into(),
        level: "WARNING".into(),
        message: "".into(),
        value: None,
        threshold: None,
        phase,
        rule: None,
        ..Alert::default()
    })
}

pub fn process<'a>(name: &'a str, state: &'a str) -> Process<'a> {
    Process { name: name.into(), state: state.into(), ..Process::default() }
}

/// Returns a list of processes, and of those that have gone.
pub fn processes<'a>(list: &[Process<'a>], gone: &[&'a str]) -> Event<'a> {
    let change = |name: &&'a str| ProcessChange {
        name: (*name).into(),
        from: "online".into(),
        to: "".into(),
        detail: "".into(),
    };
    Event::Processes(Processes {
        list: list.to_vec(),
        changes: gone.iter().map(change).collect(),
        first: false,
        ..Processes::default()
    })
}
