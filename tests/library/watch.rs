//! One server, as a blocking iterator.

use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::SystemTime;

use super::server::CLOSE;
use super::*;
use wsmon::Style;

#[test]
fn the_iterator_ends_once_the_server_is_given_up_and_every_failure_is_reported() {
    let mut watch = Watch::new(impatient(NOT_LISTENING).max_reconnects(Some(2))).unwrap();
    let events = remaining_events(&mut watch);
    assert_eq!(
        transitions(&events),
        [(Disconnected, Connecting), (Connecting, Reconnecting), (Reconnecting, Reconnecting), (Reconnecting, Error)]
    );
    let changes: Vec<_> = events.iter().filter_map(|e| if let Event::State(c) = e { Some(c) } else { None }).collect();
    assert!(changes[1..].iter().all(|change| change.why.contains("connection refused")), "{changes:?}");
    assert_eq!(changes.iter().map(|c| c.retry_in.is_some()).collect::<Vec<_>>(), [false, true, true, false]);
    assert!(changes[3].is_last() && !changes[3].disconnected());
    assert!(watch.next().is_none());
    assert_eq!(watch.state(), Error);
    assert!(watch.last_disconnect().is_some_and(|why| why.to_string() == changes[3].why));
    assert_eq!((watch.statistics().error_count, watch.statistics().reconnect_attempts), (3, 2));
    assert!(watch.failure().is_none());
}

#[test]
fn the_end_differs_from_a_timeout() {
    let server = TestServer::start(on_demand);
    let mut watch = watch_once(&server.uri());
    until_connected(&mut watch);
    assert!(matches!(next_event(&mut watch), Event::Notice(notice) if notice.greeting));
    assert!(matches!(watch.next_within(MOMENT), Next::Nothing));
    assert!(matches!(watch.next_within(Duration::ZERO), Next::Nothing));
    watch.send("one").unwrap();
    assert_eq!(cpus([&next_event(&mut watch)]), [1.0]);
    watch.stop();
    assert_eq!(transitions(&remaining_events(&mut watch)), [(Connected, Disconnected)]);
    assert!(matches!(watch.next_within(PATIENCE), Next::Ended));
}

#[test]
fn an_endless_timeout_is_possible() {
    let server = TestServer::start(on_demand);
    let mut watch = watch_once(&server.uri());
    // The first is about the connection: at its end here the server would not have its request yet.
    loop {
        match watch.next_within(Duration::MAX) {
            Next::Message(message) if matches!(message.raw, OwnedRaw::None) => {}
            Next::Message(_) => break,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_message_comes_with_label_time_and_text() {
    let text = r#"{"type":"monitoring_data","data":{"memory":{"percentage":85.5}},"alerts":[{"component":"memory","metric":"usage_percent","value":85.5,"threshold":80.0,"level":"warning","message":"High"}]}"#;
    let server = TestServer::start(move |mut peer| {
        peer.upgrade();
        peer.text(text);
        peer.binary([0xff, 0]);
        peer.drain();
    });
    let mut watch = Watch::new(impatient(&server.uri()).label("nas")).unwrap();
    let before = watch.monitor().clock().wall;
    assert!(next_message(&mut watch).text().is_none(), "connecting");
    assert!(next_message(&mut watch).text().is_none(), "connected");
    let message = next_message(&mut watch);
    let warning = next_event(&mut watch);
    assert!(
        matches!(&warning, Event::Warning(warning) if warning.text.contains("could not be decoded")),
        "{warning:?}"
    );
    let binary = next_message(&mut watch);
    assert_eq!((message.text(), message.kind.as_ref()), (Some(text), "monitoring_data"));
    assert_eq!(message.sample().and_then(|sample| sample.memory()), Some(85.5));
    assert!(matches!(&*message.events, [Event::Sample(_), Event::Alert(alert)] if alert.level == "WARNING"));
    assert!(matches!(&*binary.events, [Event::Unknown(_)]) && binary.raw == OwnedRaw::Binary([0xff, 0].into()));
    assert_eq!((&*binary.server, watch.label()), ("nas", "nas"));
    assert!(before <= binary.received_at && binary.received_at <= watch.monitor().clock().wall);
}

#[test]
fn nothing_is_sent_without_an_open_connection() {
    let server = TestServer::start(on_demand);
    let mut watch = watch_once(&server.uri());
    assert_eq!(watch.send("too early").unwrap_err().kind(), ErrorKind::NotOpen);
    until_connected(&mut watch);
    watch.send("in time").unwrap();
    assert!(matches!(next_event(&mut watch), Event::Notice(_)));
    assert_eq!(cpus([&next_event(&mut watch)]), [1.0]);
    watch.stop();
    remaining_events(&mut watch);
    assert_eq!(watch.send("too late").unwrap_err().kind(), ErrorKind::NotOpen);
    let statistics = watch.statistics();
    assert_eq!((statistics.messages_sent, statistics.bytes_sent), (1, 7));
}

#[test]
fn at_most_64_kib_wait_for_a_server_that_does_not_read_with_times_without_an_end_too() {
    let (over, wait) = channel::<()>();
    let wait: Arc<Mutex<Receiver<()>>> = Arc::new(Mutex::new(wait));
    let server = TestServer::start(move |mut peer| {
        peer.upgrade();
        // Until the test is over, or has failed.
        let _over = wait.lock().unwrap().recv();
    });
    let endless = impatient(&server.uri()).connect_timeout(Duration::MAX).ping_interval(Duration::MAX);
    let endless = endless.ping_timeout(Duration::MAX).stale_after(wsmon::Stale::After(Duration::MAX));
    let endless = endless.request_every(Duration::MAX).request_timeout(Duration::MAX).interval(Duration::MAX);
    let endless = endless.dialect(wsmon::Dialect::Monitoring).request("get_status", None).unwrap();
    let mut watch = Watch::new(endless.reconnect_interval(Duration::MAX).reconnect_cap(Duration::MAX)).unwrap();
    until_connected(&mut watch);
    assert_eq!(watch.send(&"x".repeat(64 << 10)).unwrap_err().kind(), ErrorKind::Full, "with its head it is longer");
    let text = "x".repeat(16 << 10);
    let sent = (0..10_000).take_while(|_| watch.send(&text).is_ok()).count() as u64;
    assert_eq!(watch.send(&text).unwrap_err().kind(), ErrorKind::Full);
    assert!(0 < sent && sent < 10_000, "{sent}");
    assert_eq!(watch.statistics().messages_sent, sent + 1, "with the request");
    assert!(matches!(watch.next_within(MOMENT), Next::Message(_) | Next::Nothing));
    assert_eq!(watch.state(), Connected);
    drop(over);
}

#[test]
fn a_program_may_reconnect_at_once_and_that_is_no_error() {
    let server = TestServer::start(|mut peer| {
        peer.upgrade();
        if peer.number() == 1 {
            assert_eq!(peer.expect(CLOSE).close(), (1000, ""));
            peer.close(1000, "");
        }
        peer.drain();
    });
    let mut watch = Watch::new(Server::new(&server.uri()).unwrap().max_reconnects(Some(0))).unwrap();
    until_connected(&mut watch);
    watch.reconnect();
    let lost = next_change(&mut watch);
    assert_eq!((lost.from, lost.to, lost.why.as_str()), (Connected, Reconnecting, ""));
    assert!(lost.retry_in.is_some_and(|wait| wait < Duration::from_secs(1)));
    until_connected(&mut watch);
    assert_eq!(server.accepted(), 2);
    let statistics = watch.statistics();
    assert_eq!((statistics.connections, statistics.total_disconnections, statistics.error_count), (2, 0, 0));
}

#[test]
fn a_server_that_was_given_up_or_stopped_can_be_started_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut watch = watch_once(&format!("ws://127.0.0.1:{port}"));
    assert_eq!(transitions(&remaining_events(&mut watch)), [(Disconnected, Connecting), (Connecting, Error)]);
    let _server = TestServer::start_on(port, on_demand);
    for _ in 0..2 {
        watch.reconnect();
        until_connected(&mut watch);
        watch.stop();
        remaining_events(&mut watch);
        assert_eq!(watch.state(), Disconnected);
    }
}

#[test]
fn another_thread_can_stop_a_watch_that_waits() {
    let server = TestServer::start(|mut peer| {
        peer.upgrade();
        assert_eq!(peer.expect(CLOSE).close(), (1000, ""));
        peer.close(1000, "");
    });
    let mut watch = Watch::new(impatient(&server.uri())).unwrap();
    until_connected(&mut watch);
    let stopper = watch.stopper();
    let stopping = thread::spawn(move || stopper.stop());
    let events = remaining_events(&mut watch);
    stopping.join().unwrap();
    assert_eq!(transitions(&events), [(Connected, Disconnected)]);
    assert!(matches!(events.last(), Some(Event::State(change)) if change.is_last() && change.why.is_empty()));
    assert_eq!(watch.statistics().error_count, 0);
    server.finish();
}

#[test]
fn a_server_that_does_not_answer_the_close_is_dropped_after_a_second() {
    let server = TestServer::start(|mut peer| {
        peer.upgrade();
        peer.drain();
    });
    let mut watch = Watch::new(impatient(&server.uri())).unwrap();
    until_connected(&mut watch);
    watch.stop();
    let before = watch.monitor().clock().mono;
    assert_eq!(transitions(&remaining_events(&mut watch)), [(Connected, Disconnected)]);
    let took = watch.monitor().clock().mono - before;
    assert!(took >= Duration::from_secs(1) && took < PATIENCE, "{took:?}");
    assert_eq!(watch.statistics().error_count, 0);
}

#[test]
fn stopping_while_dialling_never_says_connected() {
    let server = TestServer::start(|mut peer| peer.wait_gone());
    let mut watch = Watch::new(impatient(&server.uri())).unwrap();
    assert_eq!(next_change(&mut watch).to, Connecting);
    assert!(matches!(watch.next_within(MOMENT), Next::Nothing));
    watch.stop();
    assert_eq!(transitions(&remaining_events(&mut watch)), [(Connecting, Disconnected)]);
    let statistics = watch.statistics();
    assert_eq!((statistics.total_disconnections, statistics.error_count), (0, 0));
}

#[test]
fn a_restart_of_the_server_is_reported_step_by_step() {
    let server = TestServer::start(|mut peer| {
        peer.upgrade();
        peer.text(sample(1));
        peer.close(1001, "restart");
        peer.drain();
    });
    let port = server.port();
    let mut watch = Watch::new(impatient(&server.uri())).unwrap();
    let mut changes = vec![next_change(&mut watch), next_change(&mut watch), next_change(&mut watch)];
    // Nothing is dialled before the next event is asked for.
    drop(server);
    changes.push(next_change(&mut watch));
    let _again = TestServer::start_on(port, on_demand);
    while !changes[changes.len() - 1].connected() {
        changes.push(next_change(&mut watch));
    }
    let steps: Vec<_> = changes.iter().map(|change| (change.from, change.to)).collect();
    assert_eq!(
        steps[..4],
        [(Disconnected, Connecting), (Connecting, Connected), (Connected, Reconnecting), (Reconnecting, Reconnecting)]
    );
    assert_eq!(steps.last(), Some(&(Reconnecting, Connected)));
    assert!(changes[2].disconnected() && changes[2].why.contains("1001"), "{}", changes[2]);
    assert!(changes[2].retry_in.is_some_and(|wait| wait <= Duration::from_secs(1)), "{}", changes[2]);
    assert!(changes[3].why.contains("connection refused"), "{}", changes[3]);
    let statistics = watch.statistics();
    assert_eq!((statistics.connections, statistics.total_disconnections), (2, 1));
}

#[test]
fn statistics_have_the_names_of_the_reference_client_and_a_few_more() {
    let server = TestServer::start(on_demand);
    let mut watch = Watch::new(impatient(&server.uri()).history(10)).unwrap();
    until_connected(&mut watch);
    watch.send("one").unwrap();
    next_event(&mut watch);
    next_event(&mut watch);
    let statistics = watch.statistics();
    assert_eq!((statistics.messages_received, statistics.current_state), (2, Connected));
    assert!(statistics.uptime.is_some() && statistics.connection_start.is_some());
    let mut line = String::new();
    (wsmon::format("jsonl").unwrap().stats)(&mut line, &statistics, &Style::default());
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    let names: std::collections::BTreeSet<_> = json["stats"].as_object().unwrap().keys().map(String::as_str).collect();
    for name in [
        "uri",
        "messages_received",
        "messages_sent",
        "bytes_received",
        "bytes_sent",
        "wire_bytes_received",
        "connection_start",
        "uptime_seconds",
        "reconnect_attempts",
        "total_disconnections",
        "current_state",
        "last_error",
        "error_count",
        "error_history",
        "run_seconds",
        "connections",
        "ping_ms",
        "undecoded",
        "dropped",
        "history",
    ] {
        assert!(names.contains(name), "no {name} in {names:?}");
    }
    assert_eq!(json["stats"]["history"]["cpu"]["samples"], 1);
}

#[test]
fn a_history_keeps_the_last_samples_with_their_times() {
    let server = TestServer::start(|mut peer| {
        peer.upgrade();
        (1..=1003).for_each(|cpu| peer.text(sample(cpu)));
        peer.close(1000, "");
        peer.drain();
    });
    let mut watch = Watch::new(impatient(&server.uri()).max_reconnects(Some(0)).history(1000)).unwrap();
    let before = SystemTime::now();
    assert_eq!(cpus(&remaining_events(&mut watch)).len(), 1003);
    let kept: Vec<_> = watch.history().filter_map(|(_, sample)| sample.get(Metric::Cpu)).collect();
    assert_eq!(kept, (4..=1003).map(f64::from).collect::<Vec<_>>());
    let times: Vec<_> = watch.history().map(|(at, _)| at).collect();
    // They are kept in milliseconds.
    assert!(times.is_sorted() && times[0] + Duration::from_millis(1) > before && times[999] <= SystemTime::now());
    assert_eq!(
        (watch.history().len(), watch.history().next_back().map(|(_, sample)| sample.cpu())),
        (1000, Some(Some(1003.0)))
    );
    let history = watch.statistics().history.unwrap();
    let (name, cpu) = &history[0];
    assert_eq!((*name, cpu.samples, cpu.min, cpu.max, cpu.last), ("cpu", 1000, 4.0, 1003.0, 1003.0));
}

#[test]
fn the_latest_sample_is_there_without_a_history_and_survives_the_connection() {
    let server = TestServer::start(|mut peer| {
        peer.upgrade();
        peer.text(sample(7));
        peer.text(r#"{"type":"monitoring_data","data":{"processor":{"usage_percent":NaN},"disk":{"percentage":9}}}"#);
        peer.text(r#"{"type":"pong"}"#);
        peer.close(1000, "");
        peer.drain();
    });
    let mut watch = watch_once(&server.uri());
    assert!(watch.last_sample().is_none());
    remaining_events(&mut watch);
    let sample = watch.last_sample().unwrap();
    assert_eq!((sample.get(Metric::Cpu), sample.get(Metric::Disk)), (None, Some(9.0)));
    assert_eq!(watch.history().len(), 0);
}

#[test]
fn the_latest_sample_is_not_kept_where_that_is_turned_off_but_a_history_is() {
    let server = TestServer::start(|mut peer| {
        peer.upgrade();
        peer.text(sample(7));
        peer.close(1000, "");
        peer.drain();
    });
    let settings = impatient(&server.uri()).max_reconnects(Some(0)).history(3).keep_last_sample(false);
    let mut watch = Watch::new(settings).unwrap();
    remaining_events(&mut watch);
    assert!(watch.last_sample().is_none());
    assert_eq!(watch.history().len(), 1);
}

#[test]
fn a_watch_that_is_dropped_closes_its_connection_with_a_close_frame() {
    let server = TestServer::start(|mut peer| {
        peer.upgrade();
        peer.text(sample(1));
        let frame = peer.next().expect("a frame before the end");
        assert_eq!((frame.opcode, frame.close().0), (CLOSE, 1000));
    });
    let mut watch = watch_once(&server.uri());
    until_connected(&mut watch);
    drop(watch);
    server.finish();
}
