//! The messages that are shown, held, counted and saved.

use super::*;
use crate::cli::temp_dir::TempDir;
use std::sync::Arc;
use std::time::SystemTime;
use wsmon::{Dialect, LogLine, Notice, Processes, Unknown};

const FIRST: ServerId = ServerId::from_index(0);

fn log(text: &str) -> Event<'_> {
    Event::Log(LogLine { level: "".into(), source: "".into(), text: text.into(), ..LogLine::default() })
}

fn now() -> Now {
    Now { mono: Instant::now(), wall: SystemTime::UNIX_EPOCH }
}

/// Shows a message of the type `x.y` of the only server; appends the output to `out`.
fn show(view: &mut View, events: &[Event<'_>], out: &mut String) {
    let server: Arc<str> = "a".into();
    let mut message = Message::new(&server, now(), events);
    (message.id, message.kind, message.raw) = (FIRST, "x.y", Raw::Json("{}"));
    view.show(&message, &mut |text| out.push_str(text));
}

fn view(format: &str, filter: &str, count: Option<u64>, data: Option<Appender>) -> View {
    let format = wsmon::format(format).unwrap();
    let filter = (!filter.is_empty()).then(|| Filter::read(filter).unwrap());
    let options = ViewOptions {
        format,
        template: None,
        style: Style::default(),
        every: None,
        average: false,
        filter,
        count,
        count_answers: false,
    };
    let mut view = View::new(options, data);
    view.add(FIRST);
    view
}

#[test]
fn only_filtered_messages_are_shown_and_counted_but_all_are_saved() {
    let dir = TempDir::new();
    let data = Appender::open(dir.file("data"), None, 0).unwrap();
    let mut view = view("simple", "log", Some(2), Some(data));
    let mut out = String::new();
    let notice = || Event::Notice(Notice { text: "n".into(), greeting: false, ..Notice::default() });
    for events in [&[notice()][..], &[notice(), log("1")], &[], &[log("2")]] {
        assert!(!view.count_reached(FIRST));
        show(&mut view, events, &mut out);
    }
    assert!(view.count_reached(FIRST));
    assert_eq!(out, "[LOG] 1970-01-01T00:00:00Z 1\n[LOG] 1970-01-01T00:00:00Z 2\n");
    assert_eq!(view.shown(FIRST), 2);
    let saved = view.data.as_ref().map(|data| data.written().lines);
    assert_eq!(saved, Some(4));
}

#[test]
fn changes_of_state_are_shown_to_programs_and_where_they_are_named_and_never_count() {
    use wsmon::{Change, ClientState::*};
    let to = |from, to| Event::State(Change::new(from, to));
    let server: Arc<str> = "a".into();
    for (format, filter, lines) in [
        ("simple", "", 1),
        ("compact", "", 1),
        ("detailed", "", 1),
        ("json", "", 1),
        ("jsonl", "", 4),
        ("events", "", 4),
        ("simple", "state", 3),
        ("detailed", "state,log", 4),
        ("json", "state", 0),
        ("jsonl", "log", 1),
        ("events", "state", 3),
    ] {
        let dir = TempDir::new();
        let data = Appender::open(dir.file("data"), None, 0).unwrap();
        let (mut view, mut out) = (view(format, filter, Some(1), Some(data)), String::new());
        for event in [to(Disconnected, Connecting), to(Connecting, Connected)] {
            show_state(&mut view, &server, event, &mut out);
        }
        assert!(!view.count_reached(FIRST));
        show(&mut view, &[log("1")], &mut out);
        // After the count is reached, no message is shown or saved, but the end of the connection is.
        view.servers[0].shown = 1;
        show(&mut view, &[log("2")], &mut out);
        show_state(&mut view, &server, to(Connected, Disconnected), &mut out);
        assert_eq!(out.lines().count(), lines, "{format} {filter}: {out}");
        assert_eq!((view.saved(), view.shown(FIRST)), (1, 1));
        assert_eq!(view.data.as_ref().map(|data| data.written().lines), Some(4));
    }
}

fn show_state(view: &mut View, server: &Arc<str>, event: Event<'_>, out: &mut String) {
    let events = [event];
    let mut message = Message::new(server, now(), &events);
    message.id = FIRST;
    view.show(&message, &mut |text| out.push_str(text));
}

#[test]
fn a_message_that_the_dialect_does_not_know_counts_only_where_it_is_asked_for() {
    let server: Arc<str> = "a".into();
    let unknown = || Event::Unknown(Unknown { kind: "odd".into(), text: "{}".into(), undecodable: false });
    for (dialect, filter, counted) in [
        (Dialect::Monitoring, "", 1),
        (Dialect::Generic, "", 2),
        (Dialect::Monitoring, "unknown", 2),
        (Dialect::Monitoring, "odd", 2),
        (Dialect::Monitoring, "log", 1),
    ] {
        let mut view = view("simple", filter, None, None);
        for events in [&[unknown()][..], &[unknown(), log("1")]] {
            let mut message = Message::new(&server, now(), events);
            (message.id, message.kind, message.raw) = (FIRST, "odd", Raw::Json("{}"));
            message.dialect = dialect;
            view.show(&message, &mut |_| ());
        }
        assert_eq!(view.shown(FIRST), counted, "{dialect} {filter}");
    }
}

#[test]
fn json_formats_show_the_whole_message_if_the_filter_chooses_a_part() {
    let events = [log("1"), Event::KeepAlive];
    for (filter, shown) in [("", true), ("log", true), ("x.y", true), ("alert", false), ("x", false)] {
        let mut out = String::new();
        show(&mut view("json", filter, None, None), &events, &mut out);
        assert_eq!(out, if shown { "{}\n" } else { "" }, "{filter}");
    }
}

#[test]
fn a_message_without_output_does_not_count() {
    let unchanged = [Event::Processes(Processes::default())];
    for (format, counted) in [("simple", 0), ("detailed", 0), ("jsonl", 1), ("events", 1)] {
        let mut view = view(format, "", None, None);
        show(&mut view, &unchanged, &mut String::new());
        assert_eq!(view.shown(FIRST), counted, "{format}");
    }
}

/// Plays messages with their times in seconds to a view of two servers with `--every 10`; returns the output.
fn paced(format: &str, data: Option<Appender>, messages: &[(u64, usize, &[Event<'_>])], until: u64) -> String {
    paced_as(format, "jsonl", data, messages, until)
}

fn paced_as(
    format: &str,
    saved_as: &str,
    data: Option<Appender>,
    messages: &[(u64, usize, &[Event<'_>])],
    until: u64,
) -> String {
    let mut view = view(format, "", None, data);
    view.data_format = wsmon::format(saved_as).unwrap();
    view.options.every = Some(Duration::from_secs(10));
    view.options.style.labels = true;
    view.add(ServerId::from_index(1));
    let start = Instant::now();
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    let (mut out, servers): (_, [Arc<str>; 2]) = (String::new(), ["a".into(), "b".into()]);
    for &(seconds, id, events) in messages {
        while let Some(due) = view.deadline().filter(|due| *due < at(seconds)) {
            view.release(due, &mut |text| out.push_str(text));
        }
        let now = Now { mono: at(seconds), wall: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) };
        let mut message = Message::new(&servers[id], now, events);
        (message.id, message.raw) = (ServerId::from_index(id), Raw::Json("{}"));
        view.show(&message, &mut |text| out.push_str(text));
    }
    while let Some(due) = view.deadline().filter(|due| *due < at(until)) {
        view.release(due, &mut |text| out.push_str(text));
    }
    out
}

fn seconds(out: &str) -> Vec<String> {
    let line = |line: &str| {
        let (_, rest) = line.split_once("T00:00:").unwrap_or_else(|| panic!("{line}"));
        let server = if line.contains("\"server\":\"a\"") { "a" } else { "b" };
        format!("{server}{}", &rest[..2])
    };
    out.lines().map(line).collect()
}

fn sample() -> Event<'static> {
    Event::Sample(Box::new(wsmon::Sample::from_metrics([])))
}

#[test]
fn each_interval_has_at_most_one_sample_and_one_list_of_each_server_in_the_order_of_their_receipt() {
    let list = || Event::Processes(Processes { first: true, ..Processes::default() });
    let messages: Vec<(u64, usize, [Event<'_>; 1])> =
        (0..35).flat_map(|t| [(t, 0, [sample()]), (t, 1, [sample()]), (t, 0, [list()])]).collect();
    let messages: Vec<_> = messages.iter().map(|(t, id, events)| (*t, *id, &events[..])).collect();
    let dir = TempDir::new();
    let data = Appender::open(dir.file("data"), None, 0).unwrap();
    let out = paced("events", Some(data), &messages, 39);
    let expected = ["a00", "b00", "a00", "a10", "b10", "a10", "a20", "b20", "a20", "a30", "b30", "a30"];
    // The interval that is not over at the end has had its line.
    let shown = seconds(&out);
    assert_eq!(shown.len(), expected.len(), "{shown:?}");
    assert!(shown.is_sorted_by_key(|line| line[1..].to_owned()), "{shown:?}");
    assert_eq!(std::fs::read_to_string(dir.file("data")).unwrap().lines().count(), expected.len());
}

#[test]
fn lines_leave_in_the_order_of_their_receipt_whatever_comes_between_and_keep_their_distance() {
    let alert = || Event::Alert(wsmon::Alert { message: "m".into(), ..wsmon::Alert::default() });
    let kinds = [vec![sample()], vec![alert()], vec![sample(), alert()], vec![log("1")]];
    let mut random = crate::cli::random::Random::new(7);
    for _ in 0..200 {
        let (mut messages, mut seconds): (Vec<(u64, usize, &[Event<'_>])>, _) = (Vec::new(), 0);
        while seconds < 56 {
            seconds += random.below(4) as u64;
            messages.push((seconds, random.below(2), &kinds[random.below(4)]));
        }
        let dir = TempDir::new();
        let data = Appender::open(dir.file("data"), None, 0).unwrap();
        let out = paced_as("events", "events", Some(data), &messages, 59);
        assert_eq!(std::fs::read_to_string(dir.file("data")).unwrap(), out);
        let times = self::seconds(&out);
        assert!(times.is_sorted_by_key(|line| line[1..].to_owned()), "{messages:?}: {out}");
        for (id, server) in ["a", "b"].into_iter().enumerate() {
            let of_server = format!("\"server\":\"{server}\",\"kind\":\"sample\"");
            let shown = out.lines().filter(|line| line.contains(&of_server)).count();
            let sent = messages.iter().any(|(_, of, events)| *of == id && events.iter().any(is_paced));
            assert!(shown <= 6 && (shown > 0) == sent, "{messages:?}: {out}");
        }
    }
}

#[test]
fn a_message_without_a_line_overtakes_nothing() {
    let messages: [(u64, usize, &[Event<'_>]); 3] = [(0, 0, &[sample()]), (5, 0, &[sample()]), (7, 1, &[log("1")])];
    let dir = TempDir::new();
    let data = Appender::open(dir.file("data"), None, 0).unwrap();
    let out = paced_as("csv", "csv", Some(data), &messages, 20);
    assert_eq!(out.lines().map(|line| &line[..19]).collect::<Vec<_>>(), ["1970-01-01T00:00:00", "1970-01-01T00:00:05"]);
    assert_eq!(std::fs::read_to_string(dir.file("data")).unwrap(), out);
}

#[test]
fn an_alert_is_shown_at_once_and_its_sample_waits() {
    let alert = || Event::Alert(wsmon::Alert { message: "m".into(), ..wsmon::Alert::default() });
    let messages: [(u64, usize, &[Event<'_>]); 3] =
        [(0, 0, &[sample()]), (3, 0, &[sample(), alert()]), (12, 1, &[alert()])];
    let out = paced("events", None, &messages, 20);
    let kinds: Vec<_> = out.lines().map(|line| line.contains("\"kind\":\"alert\"")).collect();
    assert_eq!(kinds, [false, true, false, true], "{out}");
    assert_eq!(seconds(&out), ["a00", "a03", "a03", "b12"]);
    // A message that is shown whole waits as a whole.
    assert_eq!(seconds(&paced("jsonl", None, &messages, 20)), ["a00", "a03", "b12"]);
}

#[test]
fn each_event_is_saved_once_whatever_waits_on_stdout() {
    let alert = || Event::Alert(wsmon::Alert { message: "m".into(), ..wsmon::Alert::default() });
    let messages: [(u64, usize, &[Event<'_>]); 4] =
        [(0, 0, &[sample()]), (3, 0, &[sample(), alert()]), (5, 0, &[sample()]), (12, 1, &[alert()])];
    for (saved_as, lines) in [("events", 4), ("csv", 2), ("influx", 2), ("jsonl", 3)] {
        for format in ["simple", "events", "jsonl"] {
            let dir = TempDir::new();
            let data = Appender::open(dir.file("data"), None, 0).unwrap();
            paced_as(format, saved_as, Some(data), &messages, 20);
            let text = std::fs::read_to_string(dir.file("data")).unwrap();
            assert_eq!(text.lines().count(), lines, "{format}, saved as {saved_as}: {text}");
            assert!(!text.contains("\n\n"), "{text}");
        }
    }
}

#[test]
fn changes_of_processes_are_shown_at_once_and_the_list_waits() {
    let change =
        || wsmon::ProcessChange { name: "w".into(), from: "online".into(), to: "errored".into(), detail: "".into() };
    let listed = || wsmon::Process { name: "w".into(), ..wsmon::Process::default() };
    let list = |first, changes| Event::Processes(Processes { list: vec![listed()], changes, first, at: None });
    let (found, changed) = (list(true, Vec::new()), list(false, vec![change()]));
    let out = paced(
        "events",
        None,
        &[(0, 0, &[found]), (4, 0, std::slice::from_ref(&changed)), (5, 0, std::slice::from_ref(&changed))],
        9,
    );
    assert_eq!(seconds(&out), ["a00", "a04", "a05"], "{out}");
}
