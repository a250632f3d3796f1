//! Requests at run time, and warnings as events.

use super::*;
use wsmon::{Dialect, NoAnswer, RequestId, Unanswered};

/// Answers each `get_status` until it gets a `ping`, at which it hangs up.
fn status_server(mut peer: Peer) {
    peer.upgrade();
    peer.text(r#"{"type":"connection","status":"connected","message":"hello"}"#);
    while let Some(frame) = peer.next().filter(|frame| frame.opcode == TEXT) {
        match frame.text() {
            r#"{"type":"get_status"}"# => peer.text(r#"{"type":"status","data":{"connected_clients":1}}"#),
            _ => return,
        }
    }
}

/// Takes turns until an event of these is there. Returns all of them up to then.
fn events_until(monitor: &mut Monitor, wanted: impl Fn(&Event<'_>) -> bool) -> Vec<Event<'static>> {
    let (mut events, ends_at) = (Vec::new(), std::time::Instant::now() + PATIENCE);
    while !events.iter().any(&wanted) {
        assert!(std::time::Instant::now() < ends_at, "{events:?}");
        let turn = monitor.turn(PATIENCE, |message| events.extend(message.into_owned()));
        turn.unwrap();
    }
    events
}

fn answered(events: &[Event<'_>]) -> Vec<Option<RequestId>> {
    let answer = |event: &Event<'_>| if let Event::Answer(answer) = event { Some(answer.request) } else { None };
    events.iter().filter_map(answer).collect()
}

#[test]
fn a_request_is_answered_or_lost_with_its_connection() {
    let server = TestServer::start(status_server);
    let mut monitor = Monitor::new().unwrap();
    let id = monitor.add(impatient(&server.uri())).unwrap();
    assert_eq!(monitor.request(id, "get_status", None).unwrap_err().kind(), ErrorKind::NotOpen);
    events_until(&mut monitor, |event| matches!(event, Event::Notice(_)));
    assert_eq!(monitor.request(id, "get_statu", None).unwrap_err().kind(), ErrorKind::Request);
    let request = monitor.request(id, "get_status", "{}").unwrap();
    let events = events_until(&mut monitor, |event| matches!(event, Event::Answer(_)));
    assert_eq!(answered(&events), [Some(request)]);

    let lost = monitor.request(id, "ping", None).unwrap();
    assert!(lost != request);
    let connected = |event: &Event<'_>| event.change().is_some_and(Change::connected);
    let events = events_until(&mut monitor, connected);
    let unanswered = Event::Unanswered(Unanswered::new(lost, "ping", NoAnswer::Disconnected));
    let place = |wanted: &dyn Fn(&Event<'_>) -> bool| events.iter().position(wanted);
    let (at, ended) = (place(&|event| *event == unanswered), place(&|event| event.change().is_some()));
    assert!(at.is_some() && at < ended, "{events:?}");

    // The next connection answers again.
    let request = monitor.request(id, "get_status", None).unwrap();
    let events = events_until(&mut monitor, |event| matches!(event, Event::Answer(_)));
    assert_eq!(answered(&events), [Some(request)]);
    monitor.stop();
    while !monitor.is_done() {
        monitor.turn(None, |_| ()).unwrap();
    }
    server.finish();
}

#[test]
fn requests_can_be_made_in_callbacks_and_by_other_threads() {
    let server = TestServer::start(status_server);
    let mut watch = Watch::new(impatient(&server.uri()).max_reconnects(0)).unwrap();
    let (handle, id) = (watch.handle(), watch.id());
    let mut asked = Vec::new();
    let mut events = Vec::new();
    while events.is_empty() {
        let turn = watch.monitor_mut().turn(PATIENCE, |message| {
            for event in message.events {
                match event {
                    Event::Notice(_) => asked.push(handle.request(message.id, "get_status", None).unwrap()),
                    Event::Answer(_) => events.push(event.clone().into_owned()),
                    _ => {}
                }
            }
        });
        turn.unwrap();
    }
    assert_eq!(answered(&events), [Some(asked[0])]);

    let other = std::thread::spawn(move || {
        let by_call = handle.call(move |monitor| monitor.request(id, "get_status", None)).unwrap().unwrap();
        (by_call, handle.request(id, "no_such", None).unwrap(), handle.request(id, "get_status", None).unwrap())
    });
    let (mut answers, mut refused) = (Vec::new(), Vec::new());
    while answers.len() < 2 || refused.is_empty() {
        for event in next_message(&mut watch) {
            match event {
                Event::Answer(answer) => answers.push(answer.request.unwrap()),
                Event::Unanswered(unanswered) => refused.push(unanswered),
                _ => {}
            }
        }
    }
    let (by_call, no_such, last) = other.join().unwrap();
    assert_eq!(answers, [by_call, last]);
    assert_eq!(refused, [Unanswered::new(no_such, "", NoAnswer::NotSent(ErrorKind::Request))]);
    let _statistics = watch.close();
    server.finish();
}

#[test]
fn what_a_user_should_know_is_an_event() {
    let server = TestServer::start(|mut peer| {
        peer.upgrade();
        peer.text("{\"type\":\"nonsense\u{1b}");
        peer.text(sample(1));
        peer.text("nonsense");
        peer.close(1000, "");
        peer.drain();
    });
    let server_of =
        |uri: &str| Server::new(uri).unwrap().dialect(Dialect::Sysmedic).interval(PATIENCE).max_reconnects(0);
    let mut watch = Watch::new(server_of(&server.uri())).unwrap();
    let mut warnings = Vec::new();
    for event in remaining_events(&mut watch) {
        if let Event::Warning(warning) = event {
            assert!(!warning.text.contains('\u{1b}'), "{warning}");
            warnings.push(warning.text);
        }
    }
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].contains("sysmedic has no such setting"), "{warnings:?}");
    assert!(warnings[1].contains("could not be decoded"), "{warnings:?}");
    assert!(warnings[2].starts_with("this looks like monitoring"), "{warnings:?}");
    server.finish();
}
