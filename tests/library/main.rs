//! The library as a program sees it, against servers that do as they are told.

#[expect(dead_code, reason = "what other tests use of it")]
#[path = "../support/server.rs"]
mod server;

mod monitor;
mod watch;

use std::time::Duration;

use server::{Peer, Server as TestServer, TEXT};
use wsmon::{Change, ClientState, Event, Metric, Monitor, Next, OwnedMessage, Server, Watch};

use ClientState::{Connected, Connecting, Disconnected, Error, Reconnecting};

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a test waits for what must not happen.
const MOMENT: Duration = Duration::from_millis(30);

fn sample(cpu: u32) -> String {
    format!(r#"{{"type":"monitoring_data","data":{{"processor":{{"usage_percent":{cpu}}}}}}}"#)
}

/// With reconnections as fast as they get.
fn hasty(uri: &str) -> Server {
    Server::new(uri).unwrap().reconnect_interval(Duration::ZERO, Duration::ZERO)
}

fn watch_once(uri: &str) -> Watch {
    Watch::new(hasty(uri).max_reconnects(Some(0))).unwrap()
}

/// The next event, which must come.
fn soon(watch: &mut Watch) -> OwnedMessage {
    match watch.next_within(PATIENCE) {
        Next::Event(seen) => seen,
        other => panic!("{other:?}, {}", watch.state()),
    }
}

/// The next change of state, passing over other events.
fn change(watch: &mut Watch) -> Change {
    loop {
        if let Event::State(change) = soon(watch).event {
            return change;
        }
    }
}

fn until_connected(watch: &mut Watch) {
    while !change(watch).connected() {}
}

/// All events up to the end.
fn rest(watch: &mut Watch) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    loop {
        match watch.next_within(PATIENCE) {
            Next::Event(seen) => events.push(seen.event),
            Next::Ended => return events,
            Next::Nothing => panic!("no end after {events:?}"),
        }
    }
}

fn steps(events: &[Event<'_>]) -> Vec<(ClientState, ClientState)> {
    let step = |event: &Event<'_>| {
        if let Event::State(change) = event { Some((change.from, change.to)) } else { None }
    };
    events.iter().filter_map(step).collect()
}

fn cpus<'e>(events: impl IntoIterator<Item = &'e Event<'e>>) -> Vec<f64> {
    let cpu = |event: &Event<'_>| if let Event::Sample(sample) = event { sample.get(Metric::Cpu) } else { None };
    events.into_iter().filter_map(cpu).collect()
}

/// Nobody listens there, and no other test is given this port.
const NOBODY: &str = "ws://127.0.0.1:1";

/// Upgrades, sends a greeting, and then one sample for each text that comes.
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
}

#[test]
fn watches_and_what_they_have_seen_may_change_threads() {
    fn may_change_threads<T: Send>() {}
    may_change_threads::<Watch>();
    may_change_threads::<Monitor>();
    may_change_threads::<OwnedMessage>();
}
