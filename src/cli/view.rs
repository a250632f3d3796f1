//! Selects messages and formats them: for stdout, and for `--save-data`.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use wsmon::{Event, Format, LevelChange, Message, Monitor, Now, Processes, Raw, ServerId, Style, Template};

use super::file::Appender;
use crate::cli::filter::Filter;
use crate::cli::fleet::{Fleet, MessageCopy, own_message};

/// Capacity above this is given back after each message.
const KEPT_CAPACITY: usize = 64 << 10;

/// Settings of a [`View`].
pub struct ViewOptions {
    pub format: &'static Format,
    /// Writes the lines instead of `format`.
    pub template: Option<Template>,
    pub style: Style,
    /// Minimum time between two samples, and between two lists of processes, of one server; `None` shows all.
    pub every: Option<Duration>,
    /// Events to show; `None` shows all. Does not apply to saved data.
    pub filter: Option<Filter>,
    /// Number of messages to show of each server.
    pub count: Option<u64>,
    /// Only answers count towards `count`.
    pub count_answers: bool,
}

impl ViewOptions {
    /// Appends the lines of a message for stdout.
    fn write(&self, out: &mut String, message: &Message<'_>) {
        match &self.template {
            Some(template) => template.write(out, message, &self.style),
            None => (self.format.write)(out, message, &self.style),
        }
    }
}

/// The path of messages to stdout and to the saved data.
pub struct View {
    pub options: ViewOptions,
    pub data: Option<Appender>,
    /// Receives what is shown, `--only` or not; `None` where no option needs it.
    pub fleet: Option<Box<Fleet>>,
    /// The format of the saved data; by default jsonl.
    pub data_format: &'static Format,
    servers: Vec<ServerView>,
    /// The earliest time at which a held message is due.
    next_due_at: Option<Instant>,
    /// The message being formatted; reused to save allocations.
    text: String,
}

#[derive(Default)]
struct ServerView {
    /// Messages that counted towards `count`.
    shown: u64,
    samples: Pace,
    process_lists: Pace,
}

/// The pace of `--every` for one kind of event of one server.
#[derive(Default)]
struct Pace {
    shown_at: Option<Instant>,
    held: Option<HeldMessage>,
}

/// The latest message that came too early for `--every`. A newer one replaces it.
struct HeldMessage {
    text: String,
    counts: bool,
    /// For the saved data; empty if none is kept.
    data_lines: String,
    /// For the fleet, if there is one.
    copy: Option<MessageCopy>,
    received_at: Instant,
    due_at: Instant,
}

impl View {
    /// Creates a view without servers.
    pub fn new(options: ViewOptions, data: Option<Appender>) -> Self {
        let data_format = wsmon::format("jsonl").unwrap_or(options.format);
        View { options, data, fleet: None, data_format, servers: Vec::new(), next_due_at: None, text: String::new() }
    }

    /// Makes room for a server that was added to the monitor.
    pub fn add(&mut self, id: ServerId) {
        if id.index() >= self.servers.len() {
            self.servers.resize_with(id.index() + 1, ServerView::default);
        }
    }

    /// Forgets a server that was removed from the monitor: what is held of it is not shown, and its count is not reached.
    pub fn remove(&mut self, id: ServerId) {
        if let Some(server) = self.servers.get_mut(id.index()) {
            *server = ServerView::default();
        }
        self.next_due_at = self.next_held_at();
        if let Some(fleet) = &mut self.fleet {
            fleet.remove(id);
        }
    }

    /// Shows and saves a message, or holds it. Each text for stdout, one or more whole lines, goes to `print`.
    pub fn show(&mut self, message: &Message<'_>, print: &mut dyn FnMut(&str)) {
        // What is due is older than this message, and goes out before it.
        self.release(message.received_mono, print);
        if matches!(message.raw, Raw::None) {
            self.show_state(message, print);
            // The end of a connection that is no longer needed is none to the rules.
            if !self.count_reached(message.id) {
                self.observe(message, message.received_mono, print);
            }
            return;
        }
        if self.count_reached(message.id) {
            return;
        }
        match self.options.every {
            Some(every) if message.events.iter().any(is_paced) => self.show_paced(message, every, print),
            _ => self.show_now(message, print),
        }
    }

    /// Shows and saves the parts of a message that `--every` does not delay, such as an alert, and holds the rest.
    /// Formats that show whole messages hold all of it: one line carries the sample too.
    fn show_paced(&mut self, message: &Message<'_>, every: Duration, print: &mut dyn FnMut(&str)) {
        let (urgent, paced) = split(message.events);
        if urgent.is_empty() {
            return self.hold(message, every, print);
        }
        let is_whole = self.options.format.whole;
        // A change of processes without a list is not paced at all.
        if paced.is_empty() && !is_whole {
            return self.show_now(message, print);
        }
        // The message is counted as saved with its rest.
        if !self.data_format.whole {
            self.save(&Message { events: &urgent, ..*message }, 0);
        }
        if is_whole {
            // A later message may take the place of this one.
            self.observe(&Message { events: &urgent, ..*message }, message.received_mono, print);
            return self.hold(message, every, print);
        }
        let View { options, servers, text, .. } = self;
        text.clear();
        let counts = format_message(text, &Message { events: &urgent, ..*message }, options);
        if !text.is_empty() {
            print(text);
        }
        servers[message.id.index()].shown += u64::from(counts && (has_answer(&urgent) || !options.count_answers));
        self.observe(&Message { events: &urgent, ..*message }, message.received_mono, print);
        if !self.count_reached(message.id) {
            self.hold(&Message { events: &paced, ..*message }, every, print);
        }
    }

    /// Shows and saves a change of a connection. It never counts, and it is shown after the count is reached too, so
    /// that the last one tells how the connection ended.
    ///
    /// Formats for people show it only where `--only` names it: the log tells them of it. Those for programs have a
    /// line for a gap.
    fn show_state(&mut self, message: &Message<'_>, print: &mut dyn FnMut(&str)) {
        let View { options, text, .. } = self;
        let shown = match &options.filter {
            Some(filter) => filter.select(message).is_some(),
            None => options.format.gap.is_some(),
        };
        text.clear();
        if shown {
            options.write(text, message);
        }
        if !text.is_empty() {
            print(text);
        }
        self.save(message, 0);
    }

    /// Writes the lines of a message to the saved data, which count as so many messages there.
    fn save(&mut self, message: &Message<'_>, messages: u64) {
        let View { options, data, data_format, text, .. } = self;
        if data.is_some() {
            text.clear();
            (data_format.write)(text, message, &options.style);
            write_lines(data, text, messages, message.received_mono);
        }
    }

    fn show_now(&mut self, message: &Message<'_>, print: &mut dyn FnMut(&str)) {
        let View { options, servers, text, .. } = self;
        let server = &mut servers[message.id.index()];
        text.clear();
        let counts = format_message(text, message, options);
        if !text.is_empty() {
            print(text);
        }
        server.shown += u64::from(counts && (has_answer(message.events) || !options.count_answers));
        self.save(message, 1);
        self.text.shrink_to(KEPT_CAPACITY);
        self.observe(message, message.received_mono, print);
    }

    /// Passes on what is shown at this time, and shows the alerts that the rules raise for it.
    fn observe(&mut self, message: &Message<'_>, at: Instant, print: &mut dyn FnMut(&str)) {
        let Some(fleet) = &mut self.fleet else { return };
        let changes = fleet.update(message, at);
        self.servers[message.id.index()].shown += u64::from(fleet.counts(message));
        self.show_changes(&changes, Now { mono: at, wall: message.received_at }, print);
    }

    /// Shows alerts that rules have raised. They count like those of servers, one about all servers for each of them. They
    /// are saved where the format has a line for them.
    fn show_changes(&mut self, changes: &[LevelChange], now: Now, print: &mut dyn FnMut(&str)) {
        for change in changes {
            let View { options, servers, text, .. } = self;
            text.clear();
            let events = [change.event()];
            let message = own_message(change.id.unwrap_or(ServerId::NONE), &change.server, now, &events);
            let counts = format_message(text, &message, options) && !options.count_answers;
            if !text.is_empty() {
                print(text);
            }
            let concerned = change.id.map_or(0..servers.len(), |id| id.index()..id.index() + 1);
            servers[concerned].iter_mut().for_each(|server| server.shown += u64::from(counts));
            self.save(&message, 0);
        }
    }

    /// Does what is due by the clock: shows held messages, and alerts.
    pub fn tick(&mut self, monitor: &Monitor, print: &mut dyn FnMut(&str)) {
        for id in self.fleet.as_mut().map(|fleet| fleet.read_pings(monitor)).unwrap_or_default() {
            self.servers[id.index()].shown += 1;
        }
        self.tick_at(monitor.now(), print);
    }

    fn tick_at(&mut self, now: Now, print: &mut dyn FnMut(&str)) {
        self.release(now.mono, print);
        if let Some(data) = self.data.as_mut().filter(|data| data.flush_at().is_some_and(|at| at <= now.mono)) {
            data.flush(now.mono);
        }
        let Some(fleet) = &mut self.fleet else { return };
        let mut changes = fleet.step(now.mono);
        // The age of the latest sample grows after the count is reached, too.
        changes.retain(|change| change.id.is_none_or(|id| !self.count_reached(id)));
        self.show_changes(&changes, now, print);
    }

    /// Holds a message until it is due, which may be at once. It is formatted here already, because a message does not
    /// outlive the call.
    fn hold(&mut self, message: &Message<'_>, every: Duration, print: &mut dyn FnMut(&str)) {
        let View { options, data, data_format, servers, fleet, .. } = self;
        let received_at = message.received_mono;
        let pace = servers[message.id.index()].pace(message.events);
        let due_at = pace.shown_at.map_or(received_at, |at| at + every);
        let empty = || HeldMessage {
            text: String::new(),
            counts: false,
            data_lines: String::new(),
            copy: None,
            received_at,
            due_at,
        };
        let held = pace.held.get_or_insert_with(empty);
        held.received_at = received_at;
        held.copy = fleet.as_ref().map(|_| MessageCopy::of(message));
        held.text.clear();
        held.counts = format_message(&mut held.text, message, options) && !options.count_answers;
        if data.is_some() {
            held.data_lines.clear();
            // The other events are saved already, see `show_paced`.
            let paced;
            let events = match data_format.whole {
                true => message.events,
                false => {
                    paced = split(message.events).1;
                    &paced
                }
            };
            (data_format.write)(&mut held.data_lines, &Message { events, ..*message }, &options.style);
        }
        self.next_due_at = earliest(self.next_due_at, Some(held.due_at));
        self.release(received_at, print);
    }

    /// Shows and saves the held messages that are due, in the order of their receipt. What is not due when a run ends is
    /// not shown: it came too early for another line.
    pub fn release(&mut self, now: Instant, print: &mut dyn FnMut(&str)) {
        if self.next_due_at.is_none_or(|at| at > now) {
            return;
        }
        let mut due = Vec::new();
        for server in self.servers.iter_mut() {
            for pace in [&mut server.samples, &mut server.process_lists] {
                if let Some(held) = pace.held.take_if(|held| held.due_at <= now) {
                    pace.shown_at = Some(now);
                    server.shown += u64::from(held.counts);
                    let at = due.partition_point(|earlier: &HeldMessage| earlier.received_at <= held.received_at);
                    due.insert(at, held);
                }
            }
        }
        for held in due {
            if !held.text.is_empty() {
                print(&held.text);
            }
            write_lines(&mut self.data, &held.data_lines, 1, now);
            if let Some(copy) = &held.copy {
                self.observe(&copy.message(), now, print);
            }
        }
        self.next_due_at = self.next_held_at();
    }

    fn next_held_at(&self) -> Option<Instant> {
        let held = self.servers.iter().flat_map(|server| [&server.samples.held, &server.process_lists.held]).flatten();
        held.map(|held| held.due_at).min()
    }

    /// Returns the time at which `tick` is due.
    pub fn deadline(&self) -> Option<Instant> {
        let flush_at = self.data.as_ref().and_then(Appender::flush_at);
        earliest(flush_at, earliest(self.next_due_at, self.fleet.as_ref().and_then(|fleet| fleet.deadline())))
    }

    /// Returns true if as many messages of the server were shown as `--count` asks for.
    pub fn count_reached(&self, id: ServerId) -> bool {
        self.options.count.is_some_and(|count| self.servers[id.index()].shown >= count)
    }

    /// Returns the number of messages written to the saved data; lines about connections are not counted.
    pub fn saved(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| data.written().messages)
    }

    /// Returns the messages of the server that counted towards `--count`.
    pub fn shown(&self, id: ServerId) -> u64 {
        self.servers[id.index()].shown
    }
}

impl ServerView {
    /// The pace of a message: a message with a sample and a list of processes is paced as a sample.
    fn pace(&mut self, events: &[Event<'_>]) -> &mut Pace {
        let is_sample = events.iter().any(|event| matches!(event, Event::Sample(_)));
        if is_sample { &mut self.samples } else { &mut self.process_lists }
    }
}

/// Returns true if `--every` applies to the event.
fn is_paced(event: &Event<'_>) -> bool {
    matches!(event, Event::Sample(_) | Event::Processes(_))
}

/// Splits the events into those that are shown at once and those that `--every` applies to. The changes of a list of
/// processes belong to the former, the list itself to the latter.
fn split<'a>(events: &[Event<'a>]) -> (Vec<Event<'a>>, Vec<Event<'a>>) {
    let (mut urgent, mut paced) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Processes(processes) if !processes.first && !processes.changes.is_empty() => {
                urgent.push(Event::Processes(Processes { list: Vec::new(), ..processes.clone() }));
                if !processes.list.is_empty() {
                    paced.push(Event::Processes(Processes { changes: Vec::new(), ..processes.clone() }));
                }
            }
            // Users beside a sample are a part of it.
            Event::Users(_) => paced.push(event.clone()),
            event if is_paced(event) => paced.push(event.clone()),
            event => urgent.push(event.clone()),
        }
    }
    (urgent, paced)
}

/// Appends the lines of a message to the saved data, if there are any.
fn write_lines(data: &mut Option<Appender>, lines: &str, messages: u64, now: Instant) {
    let lines = lines.trim_end_matches('\n');
    if let Some(data) = data.as_mut().filter(|_| !lines.is_empty()) {
        data.write(lines, messages, now);
    }
}

fn has_answer(events: &[Event<'_>]) -> bool {
    events.iter().any(|event| matches!(event, Event::Answer(_)))
}

/// Returns the earlier of two deadlines.
fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

/// Appends the message in the format. Returns true if it counts: a message that leaves nothing to see does not, such as
/// an unchanged list of processes, nor one that the dialect does not know, unless `--only` asks for it.
fn format_message(out: &mut String, message: &Message<'_>, options: &ViewOptions) -> bool {
    let start = out.len();
    let filter = options.filter.as_ref();
    let Some(events) = filter.map_or(Some(Cow::Borrowed(message.events)), |filter| filter.select(message)) else {
        return false;
    };
    let message = Message { events: &events, ..*message };
    options.write(out, &message);
    let counts = |event: &Event<'_>| event.is_content() && (filter.is_some() || !is_foreign(event, message.dialect));
    events.iter().any(counts) && out.len() > start
}

/// Returns true for a message that the server's dialect does not know: it may be another kind of server. A generic server
/// sends no others.
fn is_foreign(event: &Event<'_>, dialect: &str) -> bool {
    matches!(event, Event::Unknown(_)) && dialect != "generic"
}

#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::temp_dir::TempDir;
    use std::sync::Arc;
    use std::time::SystemTime;
    use wsmon::{LogLine, Notice, Unknown};

    const FIRST: ServerId = ServerId::from_index(0);

    fn log(text: &str) -> Event<'_> {
        Event::Log(LogLine { level: "".into(), source: "".into(), text: text.into(), ..LogLine::default() })
    }

    /// Shows a message of the type `x.y` of the only server; appends the output to `out`.
    fn show(view: &mut View, events: &[Event<'_>], out: &mut String) {
        let server: Arc<str> = "a".into();
        let (received_at, raw) = (SystemTime::UNIX_EPOCH, Raw::Json("{}"));
        let message = Message {
            server: &server,
            id: FIRST,
            received_at,
            received_mono: Instant::now(),
            dialect: "generic",
            kind: "x.y",
            raw,
            events,
        };
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
        let to = |from, to| Event::State(Change { from, to, why: String::new(), retry_in: None, attempts: 0 });
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
        let (received_at, events) = (SystemTime::UNIX_EPOCH, &[event][..]);
        let message = Message {
            server,
            id: FIRST,
            received_at,
            received_mono: Instant::now(),
            dialect: "generic",
            kind: "",
            raw: Raw::None,
            events,
        };
        view.show(&message, &mut |text| out.push_str(text));
    }

    #[test]
    fn a_message_that_the_dialect_does_not_know_counts_only_where_it_is_asked_for() {
        let server: Arc<str> = "a".into();
        let unknown = || Event::Unknown(Unknown { kind: "odd".into(), text: "{}".into(), undecodable: false });
        for (dialect, filter, counted) in [
            ("monitoring", "", 1),
            ("generic", "", 2),
            ("monitoring", "unknown", 2),
            ("monitoring", "odd", 2),
            ("monitoring", "log", 1),
        ] {
            let mut view = view("simple", filter, None, None);
            for events in [&[unknown()][..], &[unknown(), log("1")]] {
                let (received_at, received_mono) = (SystemTime::UNIX_EPOCH, Instant::now());
                let raw = Raw::Json("{}");
                let message = Message {
                    server: &server,
                    id: FIRST,
                    received_at,
                    received_mono,
                    dialect,
                    kind: "odd",
                    raw,
                    events,
                };
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
            let received_at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let (received_mono, raw) = (at(seconds), Raw::Json("{}"));
            let (server, dialect) = (&servers[id], "generic");
            let id = ServerId::from_index(id);
            let message = Message { server, id, received_at, received_mono, dialect, kind: "", raw, events };
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
        let change = || wsmon::ProcessChange {
            name: "w".into(),
            from: "online".into(),
            to: "errored".into(),
            detail: "".into(),
        };
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
}
