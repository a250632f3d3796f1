//! Several servers in one monitor, and programs with an event loop of their own.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd};

use super::server::CLOSE;
use super::*;
use wsmon::mio::unix::{SourceFd, pipe};
use wsmon::mio::{Events, Interest, Poll, Token};

/// Takes turns until the monitor is done or `enough` returns true. Returns the events with their servers' labels.
fn turn_until(
    monitor: &mut Monitor,
    enough: impl Fn(&[(String, Event<'static>)]) -> bool,
) -> Vec<(String, Event<'static>)> {
    let mut events = Vec::new();
    let until = monitor.clock().mono + PATIENCE;
    while !monitor.is_done() && !enough(&events) {
        assert!(monitor.clock().mono < until, "{monitor:?}: only {events:?}");
        monitor
            .turn(Some(PATIENCE), |message| {
                let own = |event: &Event<'_>| (message.server.to_string(), event.clone().into_owned());
                events.extend(message.events.iter().map(own));
            })
            .unwrap();
    }
    events
}

#[test]
fn a_dead_server_does_not_hold_up_another_one_in_the_same_loop() {
    let server = TestServer::start(|mut peer| {
        peer.upgrade();
        (1..=3).for_each(|cpu| peer.text(sample(cpu)));
        peer.close(1000, "");
        peer.drain();
    });
    let mut monitor = Monitor::new().unwrap();
    let dead = monitor.add(impatient(NOT_LISTENING).label("dead").max_reconnects(Some(1))).unwrap();
    let live = monitor.add(impatient(&server.uri()).label("live").max_reconnects(Some(0))).unwrap();
    let events = turn_until(&mut monitor, |_| false);
    let of = |label: &str| -> Vec<_> {
        events.iter().filter(|(server, _)| server == label).map(|(_, event)| event.clone()).collect()
    };
    assert_eq!(cpus(&of("live")), [1.0, 2.0, 3.0]);
    assert_eq!(
        transitions(&of("dead")),
        [(Disconnected, Connecting), (Connecting, Reconnecting), (Reconnecting, Error)]
    );
    assert_eq!((monitor.state(dead), monitor.state(live)), (Error, Error));
    assert_eq!(monitor.statistics_of(live).messages_received, 3);
    let total = monitor.statistics();
    assert_eq!((total.messages_received, total.error_count, total.servers.len()), (3, 3, 2));
}

#[test]
fn one_server_can_be_stopped_while_the_others_go_on() {
    let server = TestServer::start(on_demand);
    let mut monitor = Monitor::new().unwrap();
    let one = monitor.add(impatient(&server.uri())).unwrap();
    let other = monitor.add(impatient(&server.uri())).unwrap();
    assert_eq!(monitor.label(other), format!("{}#2", monitor.label(one)));
    turn_until(&mut monitor, |events| {
        events.iter().filter(|(_, event)| matches!(event, Event::Notice(_))).count() == 2
    });
    monitor.stop_one(one);
    turn_until(&mut monitor, |events| {
        events.iter().any(|(_, e)| matches!(e, Event::State(change) if change.is_last()))
    });
    assert_eq!((monitor.state(one), monitor.state(other), monitor.is_done()), (Disconnected, Connected, false));
    monitor.send(other, "still there").unwrap();
    let events = turn_until(&mut monitor, |events| !events.is_empty());
    assert_eq!(cpus(events.iter().map(|(_, event)| event)), [1.0]);
    monitor.stop();
    turn_until(&mut monitor, |_| false);
    assert!(monitor.is_done());
}

#[test]
fn of_the_commands_between_two_turns_the_latest_counts() {
    let server = TestServer::start(on_demand);
    let mut monitor = Monitor::new().unwrap();
    let id = monitor.add(impatient(&server.uri())).unwrap();
    let connected = |events: &[(String, Event)]| {
        events.iter().any(|(_, event)| matches!(event, Event::State(change) if change.connected()))
    };
    turn_until(&mut monitor, connected);
    for _ in 0..100_000 {
        monitor.stop_one(id);
        monitor.reconnect(id);
    }
    turn_until(&mut monitor, connected);
    assert_eq!(monitor.statistics_of(id).connections, 2);
    // Also while the connection is being closed.
    monitor.stop_one(id);
    monitor.turn(Some(Duration::ZERO), |_| {}).unwrap();
    monitor.reconnect(id);
    turn_until(&mut monitor, connected);
    assert_eq!(monitor.statistics_of(id).connections, 3);
    monitor.reconnect(id);
    monitor.stop_one(id);
    turn_until(&mut monitor, |_| false);
    assert_eq!((monitor.is_done(), monitor.statistics_of(id).connections), (true, 3));
}

#[test]
fn thousands_of_paths_of_one_host_get_labels_at_once() {
    let mut monitor = Monitor::new().unwrap();
    let server = || Server::new("ws://localhost:1/").unwrap();
    monitor.add(server().label("localhost:1#4")).unwrap();
    let ids: Vec<_> = (0..3_000).map(|_| monitor.add(server()).unwrap()).collect();
    let labels = |ids: &[ServerId]| ids.iter().map(|&id| monitor.label(id).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(labels(&ids[..3]), ["localhost:1", "localhost:1#3", "localhost:1#5"].map(String::from).into());
    assert_eq!(labels(&ids).len(), ids.len());
}

#[test]
fn a_removed_server_gets_its_close_frame_and_is_heard_of_no_more() {
    let server = TestServer::start(|mut peer| {
        peer.upgrade();
        peer.text(sample(7));
        let frame = peer.next().expect("a Close frame");
        assert_eq!((frame.opcode, frame.close().0), (CLOSE, 1000));
        // It comes too late to be seen.
        peer.text(sample(8));
        peer.close(1000, "");
        peer.drain();
    });
    let mut monitor = Monitor::new().unwrap();
    let gone = monitor.add(impatient(&server.uri()).label("gone")).unwrap();
    let stays = monitor.add(impatient(NOT_LISTENING).label("stays").max_reconnects(Some(0))).unwrap();
    turn_until(&mut monitor, |events| !cpus(events.iter().map(|(_, event)| event)).is_empty());
    monitor.remove(gone);
    assert_eq!((monitor.ids().collect::<Vec<_>>(), monitor.len()), (vec![stays], 1));
    let total = monitor.statistics();
    assert_eq!((total.messages_received, total.servers.len()), (0, 0), "of one server there are no parts");
    assert_eq!((monitor.state(gone), monitor.label(gone)), (Disconnected, ""));
    assert_eq!(monitor.send(gone, "x").unwrap_err().kind(), ErrorKind::NotOpen);
    assert!(!monitor.is_done(), "the connection is being closed");
    let events = turn_until(&mut monitor, |_| false);
    assert!(events.iter().all(|(server, _)| server == "stays"), "{events:?}");
    server.finish();
}

#[test]
fn the_id_of_a_removed_server_never_means_another_one() {
    let server = TestServer::start(|mut peer| {
        peer.upgrade();
        while peer.next().is_some_and(|frame| frame.opcode == TEXT) {
            peer.text(sample(1));
        }
        peer.close(1000, "");
    });
    let mut monitor = Monitor::new().unwrap();
    let first = monitor.add(impatient(&server.uri()).label("web")).unwrap();
    let mut ids = vec![first];
    for _ in 0..3 {
        let id = *ids.last().unwrap();
        turn_until(&mut monitor, |events| events.iter().any(|(_, e)| matches!(e, Event::State(c) if c.connected())));
        monitor.remove(id);
        turn_until(&mut monitor, |_| false);
        ids.push(monitor.add(impatient(&server.uri()).label("web")).unwrap());
    }
    assert!(ids.is_sorted_by(|one, other| one < other), "{ids:?}");
    assert!(ids.iter().all(|id| id.index() == first.index()), "a place is used again: {ids:?}");
    let latest = ids.pop().unwrap();
    turn_until(&mut monitor, |events| events.iter().any(|(_, e)| matches!(e, Event::State(c) if c.connected())));
    for old in ids {
        monitor.stop_one(old);
        monitor.reconnect(old);
        monitor.remove(old);
        assert_eq!(monitor.send(old, "old").unwrap_err().kind(), ErrorKind::NotOpen);
        assert_eq!((monitor.statistics_of(old).messages_sent, monitor.last_disconnect(old).is_none()), (0, true));
    }
    monitor.send(latest, "new").unwrap();
    let events = turn_until(&mut monitor, |events| !events.is_empty());
    assert_eq!(cpus(events.iter().map(|(_, event)| event)), [1.0]);
    assert_eq!(monitor.statistics_of(latest).connections, 1);
    assert_eq!(monitor.state(ServerId::NONE), Disconnected);
}

#[test]
fn a_server_that_is_removed_while_it_is_dialled_is_let_go_of_at_once() {
    let server = TestServer::start(|mut peer| {
        peer.request();
        peer.drain();
    });
    let mut monitor = Monitor::new().unwrap();
    let id = monitor.add(impatient(&server.uri())).unwrap();
    let waits = monitor.add(impatient(NOT_LISTENING).reconnect_interval(PATIENCE).reconnect_cap(PATIENCE)).unwrap();
    turn_until(&mut monitor, |events| {
        events.iter().any(|(_, e)| matches!(e, Event::State(change) if change.to == Reconnecting))
    });
    server.wait_accepted(1);
    monitor.remove(id);
    monitor.remove(waits);
    monitor.turn(Some(PATIENCE), |message| panic!("{message:?}")).unwrap();
    assert!(monitor.is_done() && monitor.is_empty() && monitor.deadline().is_none());
    // The script ends only with the connection.
    server.finish();
}

#[test]
fn a_turn_serves_only_the_servers_that_have_something_to_do() {
    const SERVERS: usize = 100;
    let server = TestServer::start(on_demand);
    let mut monitor = Monitor::new().unwrap();
    let ids: Vec<_> =
        (0..SERVERS).map(|n| monitor.add(impatient(&server.uri()).label(format!("s{n}"))).unwrap()).collect();
    turn_until(&mut monitor, |events| {
        events.iter().filter(|(_, event)| matches!(event, Event::Notice(_))).count() == SERVERS
    });
    // The rest of the dials: also a second readiness of a socket, whose data was read after the first.
    let mut is_idle = false;
    while !is_idle {
        monitor.turn(Some(Duration::ZERO), |_| {}).unwrap();
        is_idle = monitor.served().is_empty() && monitor.deadline().is_none_or(|at| at > monitor.clock().mono);
    }
    for &id in [&ids[7], &ids[99], &ids[7], &ids[0]] {
        monitor.send(id, "another").unwrap();
        let mut got = 0;
        while got == 0 {
            monitor.turn(Some(PATIENCE), |message| got += message.events.len()).unwrap();
            assert!(monitor.served().iter().all(|served| *served == id), "{:?}", monitor.served());
        }
    }
    monitor.turn(Some(Duration::ZERO), |message| panic!("{message:?}")).unwrap();
    assert_eq!(monitor.served(), []);
    monitor.stop_one(ids[3]);
    monitor.turn(Some(Duration::ZERO), |_| {}).unwrap();
    assert_eq!(monitor.served(), [ids[3]]);
}

#[test]
fn two_servers_must_not_be_given_the_same_label() {
    let mut monitor = Monitor::new().unwrap();
    monitor.add(Server::default().place("nas=h:1").unwrap()).unwrap();
    let error = monitor.add(Server::default().place("nas=h:2").unwrap()).unwrap_err();
    assert!(error.to_string().contains("nas"), "{error}");
    assert_eq!(monitor.len(), 1);
}

#[test]
fn the_descriptor_is_readable_only_when_a_turn_has_something_to_do() {
    let server = TestServer::start(on_demand);
    let mut monitor = Monitor::new().unwrap();
    let id = monitor.add(impatient(&server.uri()).ping_interval(None)).unwrap();
    turn_until(&mut monitor, |events| events.iter().any(|(_, event)| matches!(event, Event::Notice(_))));
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(4));
    let descriptor = monitor.as_fd().as_raw_fd();
    poll.registry().register(&mut SourceFd(&descriptor), Token(5), Interest::READABLE).unwrap();
    // The turns so far may have left something to do.
    while monitor.deadline().is_some_and(|at| at <= monitor.clock().mono) {
        monitor.turn(Some(Duration::ZERO), |_| {}).unwrap();
    }
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    monitor.turn(Some(Duration::ZERO), |_| {}).unwrap();
    poll.poll(&mut events, Some(MOMENT)).unwrap();
    assert!(events.is_empty(), "{events:?}");
    for cpu in 1..=3 {
        monitor.send(id, "another").unwrap();
        let mut got = Vec::new();
        while got.is_empty() {
            poll.poll(&mut events, Some(PATIENCE)).unwrap();
            assert!(events.iter().any(|event| event.token() == Token(5)), "not readable");
            monitor.turn(Some(Duration::ZERO), |message| got.extend(cpus(message.events))).unwrap();
        }
        assert_eq!(got, [f64::from(cpu)]);
    }
}

#[test]
fn a_program_may_wait_for_descriptors_of_its_own_in_the_monitors_loop() {
    let mut monitor = Monitor::new().unwrap();
    let (mut sender, mut receiver) = pipe::new().unwrap();
    monitor.registry().register(&mut receiver, Monitor::own_token(7), Interest::READABLE).unwrap();
    monitor.turn(Some(Duration::ZERO), |_| {}).unwrap();
    assert!(monitor.own_events().is_empty());
    std::io::Write::write_all(&mut sender, b"x").unwrap();
    monitor.turn(Some(PATIENCE), |_| {}).unwrap();
    assert_eq!(monitor.own_events().iter().map(|event| event.token()).collect::<Vec<_>>(), [Monitor::own_token(7)]);
}

#[test]
fn a_paused_monitor_reads_nothing_and_then_goes_on_where_it_was() {
    let server = TestServer::start(on_demand);
    let mut monitor = Monitor::new().unwrap();
    let id = monitor.add(impatient(&server.uri())).unwrap();
    turn_until(&mut monitor, |events| events.iter().any(|(_, event)| matches!(event, Event::Notice(_))));
    monitor.pause(true);
    monitor.send(id, "now").unwrap();
    let until = monitor.clock().mono + MOMENT;
    while monitor.clock().mono < until {
        monitor.turn(Some(MOMENT), |message| panic!("{message:?}")).unwrap();
    }
    monitor.pause(false);
    let events = turn_until(&mut monitor, |events| !events.is_empty());
    assert_eq!(cpus(events.iter().map(|(_, event)| event)), [1.0]);
}
