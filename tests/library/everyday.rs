//! Lines that a program writes without looking, as other crates would have them: each is one test.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::str::FromStr;
use std::thread;

use super::*;
use wsmon::{Alert, Decoder, Disconnect, DisconnectKind, Error, Message, Sample, Statistics, Text, Unit};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

const SAMPLE: &str =
    r#"{"type":"monitoring_data","data":{"processor":{"usage_percent":45.5},"system":{"hostname":"nas"}}}"#;

/// A server that sends three samples to each client and closes.
fn three_samples() -> TestServer {
    TestServer::start(|mut peer| {
        peer.upgrade();
        (1..=3).for_each(|cpu| peer.text(sample(cpu)));
        peer.close(1000, "");
        peer.drain();
    })
}

fn decoded() -> OwnedMessage {
    let mut kept = None;
    Decoder::new(Dialect::Monitoring).decode(SAMPLE, std::time::SystemTime::now(), |message| {
        kept = Some(message.into_owned());
    });
    kept.unwrap()
}

#[test]
fn names_and_addresses_are_parsed_and_written() -> Result<(), Error> {
    let server: Server = "ws://h".parse()?;
    let metric: Metric = "cpu".parse()?;
    let (text, dialect) = (Text::from_str("host")?, "sysmedic".parse::<Dialect>()?);
    assert_eq!(format!("{metric} {text} {dialect}"), "cpu host sysmedic");
    assert_eq!((metric.name(), metric.unit()), ("cpu", Unit::Percent));
    assert_eq!(server.dialect(dialect), Server::new("ws://h")?.dialect(Dialect::Sysmedic));
    Ok(())
}

#[test]
fn options_are_given_without_some() -> Result<(), Error> {
    let server = Server::new("h")?.max_reconnects(3).ping_interval(Duration::from_secs(5)).request_every(PATIENCE);
    let same = Server::new("h")?.max_reconnects(Some(3)).ping_interval(Some(Duration::from_secs(5)));
    assert_eq!(server, same.request_every(PATIENCE).request("now", None).map(|_| server.clone())?);
    Ok(())
}

#[test]
fn samples_are_read_without_a_table() {
    let message = decoded();
    let sample: &Sample = message.sample().unwrap();
    assert_eq!((sample.cpu(), sample.memory(), sample.disk(), sample.gpu()), (Some(45.5), None, None, None));
    let all: BTreeMap<Metric, f64> = sample.iter().collect();
    assert_eq!(all, BTreeMap::from([(Metric::Cpu, 45.5)]));
    assert_eq!(sample.texts().collect::<HashMap<_, _>>()[&Text::Host], "nas");
}

#[test]
fn events_messages_and_statistics_are_compared() {
    assert_eq!(decoded().events, decoded().events);
    assert_eq!(Event::Alert(Alert::default()), Event::Alert(Alert { level: "".into(), ..Alert::default() }));
    assert_eq!(decoded().sample().unwrap().cpu(), Sample::from_metrics([(Metric::Cpu, 45.5)]).cpu());
    assert_eq!(Statistics::default(), Monitor::new().unwrap().statistics());
    assert!(HashSet::from([ClientState::Connected]).contains(&ClientState::Connected));
}

#[test]
fn the_question_mark_works_in_callbacks() -> Result<(), AnyError> {
    let server = three_samples();
    let mut monitor = Monitor::new()?;
    let id = monitor.add(server.uri().parse::<Server>()?.max_reconnects(0))?;
    let (mut out, mut counts) = (Vec::new(), HashMap::<ServerId, usize>::new());
    while !monitor.is_done() {
        monitor.try_turn(PATIENCE, |message| {
            if let Some(cpu) = message.sample().and_then(|sample| sample.cpu()) {
                writeln!(out, "{}", cpu.to_string().parse::<f64>()?)?;
                *counts.entry(message.id).or_default() += 1;
            }
            Ok::<_, AnyError>(())
        })?;
    }
    assert_eq!((out, counts[&id]), (b"1\n2\n3\n".to_vec(), 3));
    Ok(())
}

#[test]
fn an_error_in_a_callback_ends_the_turn_with_it_and_no_message_is_lost() -> Result<(), AnyError> {
    let server = three_samples();
    let mut monitor = Monitor::new()?;
    monitor.add(server.uri().parse::<Server>()?.max_reconnects(0))?;
    let (mut seen, mut errors) = (0, 0);
    while !monitor.is_done() {
        let result = monitor.try_turn(PATIENCE, |message| {
            seen += usize::from(message.sample().is_some());
            if message.sample().is_some() { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
        });
        errors += usize::from(result.is_err_and(|error| error.kind() == io::ErrorKind::StorageFull));
    }
    assert!(seen == 3 && (1..=3).contains(&errors), "{seen} {errors}");
    Ok(())
}

#[test]
fn errors_have_a_kind_and_cross_threads() {
    let error = thread::spawn(|| "ws://h:0".parse::<Server>().unwrap_err()).join().unwrap();
    match error.kind() {
        ErrorKind::Uri => assert!(error.to_string().contains("port"), "{error}"),
        other => panic!("{other:?}"),
    }
    let any: AnyError = error.into();
    assert!(any.downcast_ref::<Error>().is_some());
    let missing = Server::from_file("/no/such/file").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::File);
    assert!(std::error::Error::source(&missing).is_some());
}

#[test]
fn a_watch_connects_runs_for_a_time_and_is_closed() -> Result<(), Error> {
    let server = TestServer::start(on_demand);
    let mut watch = Watch::new(server.uri().parse()?)?;
    watch.connect(PATIENCE)?;
    watch.send("one")?;
    let cpu = watch.during(PATIENCE).find_map(|message| message.sample()?.cpu());
    assert_eq!(cpu, Some(1.0));
    assert_eq!(watch.during(MOMENT).count(), 0);
    assert_eq!(watch.as_fd().as_raw_fd(), watch.as_raw_fd());
    let statistics = watch.close();
    assert_eq!((statistics.messages_sent, statistics.current_state), (1, Disconnected));
    Ok(())
}

#[test]
fn a_watch_that_does_not_connect_says_why() {
    let mut watch = watch_once(NOT_LISTENING);
    let error = watch.connect(PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotOpen);
    assert!(error.to_string().contains("connection refused"), "{error}");
    assert_eq!(watch.count(), 2, "the messages up to then are kept");
}

#[test]
fn causes_are_matched_by_their_kind() {
    let mut watch = watch_once(NOT_LISTENING);
    let change = watch.find_map(|message| message.change().filter(|change| change.is_last()).cloned()).unwrap();
    match change.cause.as_deref().map(Disconnect::kind) {
        Some(DisconnectKind::Refused) => {}
        other => panic!("{other:?}"),
    }
    let cause = change.cause.unwrap();
    assert_eq!((cause.io_kind(), cause.is_permanent()), (Some(io::ErrorKind::ConnectionRefused), false));
    assert_eq!(cause.to_string(), change.why);
    let made = Disconnect::of(DisconnectKind::Stale, "no message came for 60 s");
    assert_eq!((made.kind(), made.kind().to_string().as_str()), (DisconnectKind::Stale, "stale"));
}

#[test]
fn every_end_of_a_connection_has_its_kind() {
    let kind = |server: &TestServer| {
        let mut watch = watch_once(&server.uri());
        let last = watch.find_map(|message| message.change().filter(|change| change.is_last()).cloned()).unwrap();
        last.cause.map(|cause| cause.kind())
    };
    let closed = TestServer::start(|mut peer| {
        peer.upgrade();
        peer.close(1011, "");
        peer.drain();
    });
    let gone = TestServer::start(|mut peer| {
        peer.upgrade();
    });
    let reset = TestServer::start(|mut peer| {
        peer.upgrade();
        peer.text(sample(1));
        peer.reset();
    });
    let kinds = [kind(&closed), kind(&gone), kind(&reset)];
    let expected = [DisconnectKind::Closed, DisconnectKind::Eof, DisconnectKind::Lost];
    assert_eq!(kinds, expected.map(Some));
    assert_eq!(watch_kind("ws://no-such-host.invalid/"), Some(DisconnectKind::Name));
    assert_eq!(watch_kind("ws+unix:///no/such/socket"), Some(DisconnectKind::Refused));
}

/// The kind of the cause for which a server is given up at once.
fn watch_kind(uri: &str) -> Option<DisconnectKind> {
    let mut watch = watch_once(uri);
    watch.by_ref().for_each(drop);
    watch.last_disconnect().map(Disconnect::kind)
}

#[test]
fn other_threads_reach_a_monitor_until_it_is_gone() -> Result<(), AnyError> {
    let server = TestServer::start(on_demand);
    let mut monitor = Monitor::new()?;
    let id = monitor.add(server.uri().parse::<Server>()?)?;
    let (handle, callback) = (monitor.handle(), monitor.handle());
    let other = thread::spawn(move || {
        while handle.call(move |monitor| monitor.state(id)) != Some(Connected) {}
        assert!(handle.send(id, "one"));
        let label = handle.call(move |monitor| monitor.label(id).to_owned());
        (label, handle)
    });
    let mut cpus = Vec::new();
    while !monitor.is_done() {
        monitor.turn(None, |message| {
            assert_eq!(callback.call(|_| ()), None, "it would wait for itself");
            if let Some(cpu) = message.sample().and_then(|sample| sample.cpu()) {
                cpus.push(cpu);
                // A reply from within.
                if cpu < 3.0 { assert!(callback.send(message.id, "more")) } else { callback.stop() }
            }
        })?;
    }
    assert_eq!(cpus, [1.0, 2.0, 3.0]);
    let (label, handle) = other.join().unwrap();
    assert_eq!(label.as_deref(), Some(monitor.label(id)));
    drop(monitor);
    assert_eq!((handle.call(|monitor| monitor.len()), handle.run(|_| ()), handle.send(id, "")), (None, false, false));
    Ok(())
}

#[test]
fn a_call_that_would_wait_for_the_turn_around_it_ends_at_once() -> Result<(), AnyError> {
    let mut outer = Monitor::new()?;
    let (handle, (report, results)) = (outer.handle(), std::sync::mpsc::channel());
    let within = handle.clone();
    handle.run(move |_| {
        let mut inner = Monitor::new().unwrap();
        let (from_inner, other) = (within.clone(), report.clone());
        inner.handle().run(move |_| other.send(from_inner.call(|_| ())).unwrap());
        inner.turn(Duration::ZERO, |_| ()).unwrap();
        report.send(within.call(|_| ())).unwrap();
    });
    outer.turn(Duration::ZERO, |_| ())?;
    assert_eq!(results.iter().collect::<Vec<_>>(), [None, None]);
    Ok(())
}

#[test]
fn calls_that_wait_are_bounded_and_end_with_the_monitor() {
    let monitor = Monitor::new().unwrap();
    let handle = monitor.handle();
    assert_eq!((0..2000).filter(|_| handle.run(|_| panic!("never runs"))).count(), 1024);
    let waiting =
        [(); 2].map(|()| handle.clone()).map(|handle| thread::spawn(move || handle.call(|monitor| monitor.len())));
    drop(monitor);
    assert!(waiting.into_iter().all(|thread| thread.join().unwrap().is_none()));
    fn is_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    is_shared(&handle);
}

#[test]
fn servers_are_visited_one_by_one() -> Result<(), Error> {
    let server = three_samples();
    let mut monitor = Monitor::new()?;
    let id = monitor.add(Server::new(&server.uri())?.max_reconnects(0).history(2).label("nas"))?;
    while !monitor.is_done() {
        monitor.turn(PATIENCE, |_| ())?;
    }
    let peer = monitor.get(id).expect("it was not removed");
    assert_eq!((peer.id(), peer.label(), peer.dialect()), (id, "nas", Some(Dialect::Monitoring)));
    let latest_first: Vec<_> = peer.history().rev().filter_map(|(_, sample)| sample.cpu()).collect();
    assert_eq!(latest_first, [3.0, 2.0]);
    assert_eq!(peer.last_disconnect().map(Disconnect::kind), Some(DisconnectKind::Closed));
    assert_eq!(monitor.peers().map(|peer| peer.statistics().messages_received).sum::<u64>(), 3);
    monitor.remove(id);
    assert!(monitor.get(id).is_none() && monitor.peers().len() == 0);
    Ok(())
}

#[test]
fn a_handler_is_tested_without_a_server_and_gets_messages_of_either_form() {
    fn alarms(message: &Message<'_>) -> Vec<String> {
        let hot = message.sample().and_then(|sample| sample.cpu()).filter(|cpu| *cpu > 40.0);
        hot.map(|cpu| format!("{}: {cpu}", message.server)).into_iter().collect()
    }
    let owned = decoded();
    assert_eq!(alarms(&owned.as_message()), ["server: 45.5"]);
    let events = [Event::Sample(Box::new(Sample::from_metrics([(Metric::Cpu, 41.0)])))];
    let label = "nas".into();
    let now = Monitor::new().unwrap().now();
    assert_eq!(alarms(&Message::new(&label, now, &events)), ["nas: 41"]);
    let mut line = String::new();
    (wsmon::format("compact").unwrap().write)(&mut line, &owned.as_message(), &wsmon::Style::default());
    assert!(line.contains("CPU: 46%"), "{line}");
    for event in owned {
        assert!(event.is_content());
    }
}
