//! Updates with messages, and bounds.

use super::row::{LONGEST_TEXT, MOST_ALERT_TEXTS, MOST_ALERTS, hash};
use super::*;
use crate::fleet::tests::{At, alert, connected, hosted, log, lost, metric, nth, process, processes, sample, state};
use crate::model::event::{Alert, AlertPhase, ClientState, Event, Process};

/// Returns a board with one server, and the time.
fn board() -> (Board, At) {
    let mut board = Board::default();
    board.add(nth(0), "s0");
    (board, At(Instant::now(), 0.0))
}

fn value(board: &Board, name: &str, at: At) -> Option<f64> {
    board.get(nth(0)).unwrap().value(Quantity::named(name).unwrap(), at.now())
}

#[test]
fn values_are_the_latest_of_each_metric_as_long_as_the_connection_is_open() {
    let (mut board, at) = board();
    at.say(&mut board, 0, &[connected()]);
    at.say(&mut board, 0, &[hosted("web", &[("cpu", 12.4), ("load1", 0.5)])]);
    at.say(&mut board, 0, &[sample(&[("cpu", 50.0), ("memory", 38.1), ("gpu", f64::INFINITY)])]);
    let names = ["cpu", "load1", "memory", "gpu", "disk", "up", "age"];
    let values = |board: &Board, at| names.map(|name| value(board, name, at));
    let known = [Some(50.0), Some(0.5), Some(38.1), None, None, Some(1.0), Some(2.0)];
    assert_eq!(values(&board, At(at.0, 2.0)), known);
    At(at.0, 3.0).say(&mut board, 0, &[lost("reset by peer")]);
    assert_eq!(values(&board, At(at.0, 3.0)), [None, None, None, None, None, Some(0.0), Some(3.0)]);
    let row = board.get(nth(0)).unwrap();
    assert_eq!((row.host(), row.why(), row.is_up()), ("web", "reset by peer", false));
    At(at.0, 4.0).say(&mut board, 0, &[connected()]);
    assert_eq!(values(&board, At(at.0, 4.0))[..2], [None, None], "it has sent nothing on this connection");
    assert_eq!(board.get(nth(0)).unwrap().why(), "");
}

#[test]
fn up_is_known_once_a_connection_has_opened_or_failed() {
    use ClientState::{Connecting, Disconnected, Error, Reconnecting};
    let (mut board, at) = board();
    assert_eq!(value(&board, "up", at), None);
    at.say(&mut board, 0, &[state(Disconnected, Connecting, "")]);
    assert_eq!(value(&board, "up", at), None);
    at.say(&mut board, 0, &[state(Connecting, Reconnecting, "refused")]);
    assert_eq!(value(&board, "up", at), Some(0.0));
    at.say(&mut board, 0, &[state(Reconnecting, Reconnecting, "refused")]);
    at.say(&mut board, 0, &[state(Reconnecting, Error, "refused")]);
    assert_eq!(value(&board, "up", at), Some(0.0));
}

#[test]
fn a_server_is_settled_once_it_delivered_or_failed_or_has_lasted() {
    let settled = |events: &[Event<'_>], later: f64| {
        let (mut board, at) = board();
        events.iter().for_each(|event| at.say(&mut board, 0, std::slice::from_ref(event)));
        board.get(nth(0)).unwrap().is_settled(At(at.0, later).now())
    };
    assert!(!settled(&[], 1e6));
    assert!(!settled(&[connected()], 29.9));
    assert!(settled(&[connected()], 30.0));
    assert!(!settled(&[connected(), Event::KeepAlive], 0.0));
    assert!(settled(&[connected(), log()], 0.0));
    assert!(settled(&[lost("refused")], 0.0));
}

#[test]
fn alerts_in_force_are_counted_over_reconnections() {
    let (mut board, at) = board();
    at.say(&mut board, 0, &[connected()]);
    assert_eq!(value(&board, "alerts", at), None, "it has said nothing yet");
    at.say(&mut board, 0, &[log()]);
    assert_eq!(value(&board, "alerts", at), Some(0.0));
    let begins = [alert("a", AlertPhase::Begins), alert("b", AlertPhase::Begins), alert("a", AlertPhase::Changes)];
    at.say(&mut board, 0, &begins);
    at.say(&mut board, 0, &[alert("b", AlertPhase::Begins), alert("c", AlertPhase::Ends)]);
    assert_eq!(value(&board, "alerts", at), Some(2.0));
    at.say(&mut board, 0, &[lost("")]);
    assert_eq!(value(&board, "alerts", at), None);
    at.say(&mut board, 0, &[connected()]);
    at.say(&mut board, 0, &[alert("a", AlertPhase::Ends)]);
    assert_eq!(value(&board, "alerts", at), Some(1.0));
}

#[test]
fn processes_are_counted_by_what_the_server_says_of_them() {
    let (mut board, at) = board();
    at.say(&mut board, 0, &[connected()]);
    let counts = |board: &Board| (value(board, "running", at), value(board, "failed", at));
    assert_eq!(counts(&board), (None, None));
    at.say(&mut board, 0, &[processes(&[], &[])]);
    assert_eq!(counts(&board), (Some(0.0), Some(0.0)));
    let list = [process("web", "online"), process("db", "Errored"), process("job", "stopped")];
    at.say(&mut board, 0, &[processes(&list, &[])]);
    assert_eq!(counts(&board), (Some(1.0), Some(1.0)));
    let news = Process { cpu: Some(2.5), restarts: Some(3), ..process("db", "online") };
    at.say(&mut board, 0, &[processes(&[news, process("web", "")], &["job"])]);
    assert_eq!(counts(&board), (Some(2.0), Some(0.0)));
    let names: Vec<_> = board.get(nth(0)).unwrap().processes().iter().map(|process| &*process.name).collect();
    assert_eq!(names, ["web", "db"]);
    assert_eq!(board.get(nth(0)).unwrap().processes()[1].restarts, Some(3));
    at.say(&mut board, 0, &[lost("")]);
    assert_eq!(counts(&board), (None, None));
}

#[test]
fn pings_are_those_of_the_connection() {
    let (mut board, at) = board();
    at.say(&mut board, 0, &[connected()]);
    board.set_ping(nth(0), Duration::from_millis(12));
    board.set_ping(nth(7), Duration::from_millis(12));
    assert_eq!(value(&board, "ping", at), Some(0.012));
    at.say(&mut board, 0, &[lost("")]);
    assert_eq!(value(&board, "ping", at), None);
}

#[test]
fn servers_come_and_go_by_their_ids() {
    let (mut board, at) = board();
    for id in [9, 5, 3] {
        at.say(&mut board, id, &[sample(&[("cpu", id as f64)])]);
    }
    let cpu = Quantity::Metric(metric("cpu"));
    assert_eq!(board.rows().map(|(id, _)| id).collect::<Vec<_>>(), [0, 3, 5, 9].map(nth));
    assert_eq!(board.aggregate(Aggregate::Sum, cpu, at.now()), Some(17.0));
    board.remove(nth(3));
    board.remove(nth(4));
    assert!(board.get(nth(3)).is_none());
    assert_eq!(board.aggregate(Aggregate::Sum, cpu, at.now()), Some(14.0));
    board.add(nth(5), "another");
    assert_eq!(board.get(nth(5)).map(|row| (&**row.label(), row.value(cpu, at.now()))), Some(("another", None)));
}

#[test]
fn each_changed_row_is_returned_once() {
    let (mut board, at) = board();
    assert_eq!(board.take_changed(), (vec![nth(0)], false));
    assert_eq!(board.take_changed(), (vec![], false));
    for _ in 0..3 {
        at.say(&mut board, 1, &[log()]);
        board.add(nth(2), "again");
    }
    assert_eq!(board.take_changed(), (vec![nth(1), nth(2)], false));
    at.say(&mut board, 1, &[log()]);
    board.remove(nth(1));
    board.add(nth(1), "new");
    assert_eq!(board.take_changed(), (vec![nth(1)], true));
}

#[test]
fn a_server_without_processes_takes_a_kibibyte_at_most() {
    let (mut board, at) = board();
    let long = "é".repeat(10_000);
    at.say(&mut board, 0, &[connected()]);
    at.say(&mut board, 0, &[hosted(&long, &[("cpu", 1.0)])]);
    at.say(&mut board, 0, &[lost(&long)]);
    let row = board.get(nth(0)).unwrap();
    assert_eq!((row.host().len(), row.why().len()), (254, 254));
    let label = 2 * size_of::<usize>() + row.label().len();
    let bytes = size_of::<(usize, Box<BoardRow>)>() + size_of::<BoardRow>() + label + 2 * LONGEST_TEXT;
    assert!(bytes <= 1024, "{bytes}");
}

#[test]
fn no_server_fills_the_memory() {
    let (mut board, at) = board();
    at.say(&mut board, 0, &[connected()]);
    for i in 0..3000 {
        let name = format!("{i}{}", "x".repeat(5000));
        at.say(&mut board, 0, &[alert(&name, AlertPhase::Begins), processes(&[process(&name, "online")], &[])]);
        at.say(&mut board, 0, &[processes(&[process(&i.to_string(), "online")], &[])]);
    }
    let row = board.get(nth(0)).unwrap();
    let names: usize = row.processes().iter().map(|process| process.name.len()).sum();
    let list = row.processes.as_ref().unwrap().capacity() * size_of::<BoardProcess>();
    let alerts = row.alerts.capacity() * size_of_val(&row.alerts[0]);
    let kept: Vec<_> = row.alerts.iter().flat_map(|alert| &alert.texts).collect();
    let texts: usize = kept.iter().map(|texts| texts.text.len()).sum();
    let more: usize =
        kept.iter().map(|texts| size_of_val(&***texts) + texts.component.len() + texts.metric.len()).sum();
    let bytes = names + list + alerts + texts + more + size_of::<BoardRow>();
    assert!(bytes < 192 << 10, "{bytes}");
    assert_eq!(row.alerts.len(), MOST_ALERTS);
    assert_eq!((row.alert_texts().count(), texts), (MOST_ALERT_TEXTS, MOST_ALERT_TEXTS * LONGEST_TEXT));
}

#[test]
fn alerts_in_force_have_their_latest_text() {
    let (mut board, at) = board();
    let say = |board: &mut Board, component: &str, message: &str, phase| {
        let alert = Alert { component: component.to_owned().into(), level: "HIGH".into(), phase, ..Alert::default() };
        at.say(board, 0, &[Event::Alert(Alert { message: message.to_owned().into(), ..alert })]);
    };
    say(&mut board, "a", "one", AlertPhase::Begins);
    say(&mut board, "b", "", AlertPhase::Begins);
    say(&mut board, "a", "two", AlertPhase::Changes);
    let texts = |board: &Board| board.get(nth(0)).unwrap().alert_texts().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(texts(&board), ["HIGH two", "HIGH b"]);
    say(&mut board, "a", "", AlertPhase::Ends);
    assert_eq!(texts(&board), ["HIGH b"]);
}

#[test]
fn the_history_holds_the_latest_samples_of_the_connection() {
    let (mut board, at) = board();
    at.say(&mut board, 0, &[connected()]);
    for cpu in [f64::NEG_INFINITY, -5.0, 0.0, 12.4, 12.5, 50.0, 87.4, 87.5, 100.0, 1e308, f64::INFINITY] {
        at.say(&mut board, 0, &[sample(&[("cpu", cpu)]), sample(&[("memory", 1.0)])]);
    }
    let history = |board: &Board| board.get(nth(0)).unwrap().history();
    assert_eq!(history(&board), [1, 1, 1, 2, 5, 7, 8, 8, 8, 8]);
    at.say(&mut board, 0, &[lost("")]);
    assert_eq!(history(&board), [0; 10]);
}

#[test]
fn the_alerts_of_a_component_are_distinguished_by_their_metric_and_number() {
    assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    assert_ne!(hash(&["a", ""]), hash(&["", "a"]));
    let (mut board, at) = board();
    at.say(&mut board, 0, &[connected()]);
    let numbered = |id, phase| Event::Alert(Alert { component: "user".into(), id, phase, ..Alert::default() });
    for id in [None, Some(1), Some(2)] {
        at.say(&mut board, 0, &[numbered(id, AlertPhase::Begins)]);
    }
    at.say(&mut board, 0, &[numbered(Some(1), AlertPhase::Ends)]);
    assert_eq!(value(&board, "alerts", at), Some(2.0));
}
