//! The public interface of the library, against scripted servers.

#[expect(dead_code, reason = "other tests use the rest of it")]
#[path = "../support/server.rs"]
mod server;

mod everyday;
mod monitor;
mod requests;
mod watch;

use std::time::Duration;

use server::{Peer, Server as TestServer, TEXT};
use wsmon::{
    Change, ClientState, Dialect, ErrorKind, Event, Metric, Monitor, Next, OwnedMessage, OwnedRaw, SavedData, Server,
    ServerId, Watch,
};

use ClientState::{Connected, Connecting, Disconnected, Error, Reconnecting};

/// Time limit for events that must happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time in which an event that must not happen would have happened.
const MOMENT: Duration = Duration::from_millis(30);

fn sample(cpu: u32) -> String {
    format!(r#"{{"type":"monitoring_data","data":{{"processor":{{"usage_percent":{cpu}}}}}}}"#)
}

/// Makes a server that is reconnected to without a wait.
fn impatient(uri: &str) -> Server {
    Server::new(uri).unwrap().reconnect_interval(Duration::ZERO).reconnect_cap(Duration::ZERO)
}

fn watch_once(uri: &str) -> Watch {
    Watch::new(impatient(uri).max_reconnects(Some(0))).unwrap()
}

/// Returns the next message, which must come in time.
fn next_message(watch: &mut Watch) -> OwnedMessage {
    match watch.next_within(PATIENCE) {
        Next::Message(message) => *message,
        other => panic!("{other:?}, {}", watch.state()),
    }
}

/// Returns the only event of the next message.
fn next_event(watch: &mut Watch) -> Event<'static> {
    let mut events = next_message(watch).events;
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

/// Returns the next change of state and drops other events.
fn next_change(watch: &mut Watch) -> Change {
    loop {
        if let Event::State(change) = next_event(watch) {
            return change;
        }
    }
}

fn until_connected(watch: &mut Watch) {
    while !next_change(watch).connected() {}
}

/// Returns all events up to the end of the iterator.
fn remaining_events(watch: &mut Watch) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    loop {
        match watch.next_within(PATIENCE) {
            Next::Message(message) => events.extend(*message),
            Next::Ended => return events,
            Next::Nothing => panic!("no end after {events:?}"),
        }
    }
}

fn transitions(events: &[Event<'_>]) -> Vec<(ClientState, ClientState)> {
    let step = |event: &Event<'_>| {
        if let Event::State(change) = event { Some((change.from, change.to)) } else { None }
    };
    events.iter().filter_map(step).collect()
}

fn cpus<'e>(events: impl IntoIterator<Item = &'e Event<'e>>) -> Vec<f64> {
    let cpu = |event: &Event<'_>| if let Event::Sample(sample) = event { sample.get(Metric::Cpu) } else { None };
    events.into_iter().filter_map(cpu).collect()
}

/// An address where nothing listens: no test is given this port.
const NOT_LISTENING: &str = "ws://127.0.0.1:1";

/// Runs a server that upgrades, sends a greeting, then a sample for each text that it receives.
fn on_demand(mut peer: Peer) {
    peer.upgrade();
    peer.text(r#"{"type":"connection","status":"connected","message":"hello"}"#);
    let mut cpu = 0;
    while peer.next().is_some_and(|frame| frame.opcode == TEXT) {
        cpu += 1;
        peer.text(sample(cpu));
    }
    peer.close(1000, "");
}

#[test]
fn a_wrong_uri_is_an_error_before_anything_else() {
    for (uri, part) in [("ws://", "host"), ("http://h", "ws://"), ("ws://h:0", "port"), ("ws://h:99999", "port")] {
        let error = wsmon::watch(uri).unwrap_err().to_string();
        assert!(error.contains(part), "{uri}: {error}");
    }
}

#[test]
fn debug_output_holds_no_secrets() {
    let server = Server::new("ws://user:hunter2@h/?token=abc123").unwrap().send("hunter2");
    let watch = Watch::new(server.clone()).unwrap();
    let text = format!("{server:?} {watch:?} {:?}", wsmon::watch("ws://user:hunter2@h:0/?token=abc123"));
    assert!(!text.contains("hunter2") && !text.contains("abc123"), "{text}");
    let reply = Server::default().dialect(Dialect::Fastpluggy).heartbeat_reply("hunter2".to_owned());
    let mut saved = SavedData::new(reply.token("hunter2").request("login", r#"{"password":"hunter2"}"#).unwrap());
    let line = r#"{"received_at":"2026-01-02T03:04:05.678Z","server":"x","type":"state","from":"connecting","to":"connected"}"#;
    saved.read(line, |_| ()).unwrap();
    let text = format!("{saved:?}");
    assert!(text.contains("Fastpluggy") && !text.contains("hunter2"), "{text}");
}

#[test]
fn watches_and_their_messages_may_be_sent_to_other_threads() {
    fn may_be_sent<T: Send>() {}
    may_be_sent::<Watch>();
    may_be_sent::<Monitor>();
    may_be_sent::<OwnedMessage>();
}
