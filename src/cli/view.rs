//! Selects messages and formats them: for stdout, and as JSON Lines for `--save-data`.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use wsmon::{Event, Format, Message, Raw, Style};

use super::file::Appender;
use crate::cli::filter::Filter;

/// Capacity above this is given back after each message.
const KEPT_CAPACITY: usize = 64 << 10;

/// Settings of a [`View`].
pub struct ViewOptions {
    pub format: &'static Format,
    pub style: Style,
    /// Minimum time between two samples of one server; `None` shows all.
    pub every: Option<Duration>,
    /// Events to show; `None` shows all. Does not apply to saved data.
    pub filter: Option<Filter>,
    /// Number of messages to show of each server.
    pub count: Option<u64>,
    /// Only answers count towards `count`.
    pub count_answers: bool,
}

/// The path of messages to stdout and to the saved data.
pub struct View {
    pub options: ViewOptions,
    pub data: Option<Appender>,
    data_format: &'static Format,
    servers: Vec<ServerView>,
    /// Messages saved; lines about connections are not counted.
    saved: u64,
    /// The message being formatted; reused to save allocations.
    text: String,
}

#[derive(Default)]
struct ServerView {
    /// Messages that counted towards `count`.
    shown: u64,
    sample_shown_at: Option<Instant>,
    held: Option<HeldSample>,
}

/// The latest sample that came too early for `--every`. A newer one replaces it.
struct HeldSample {
    text: String,
    counts: bool,
    data_line: String,
    due_at: Instant,
}

impl View {
    /// A view of as many servers.
    pub fn new(options: ViewOptions, data: Option<Appender>, servers: usize) -> Self {
        let data_format = wsmon::format("jsonl").unwrap_or(options.format);
        let servers = (0..servers).map(|_| ServerView::default()).collect();
        View { options, data, data_format, servers, saved: 0, text: String::new() }
    }

    /// Shows and saves a message, or holds it. Each text for stdout, one or more whole lines, goes to `print`.
    pub fn show(&mut self, message: &Message<'_>, print: &mut dyn FnMut(&str)) {
        if matches!(message.raw, Raw::None) {
            return self.show_state(message, print);
        }
        if self.count_reached(message.id) {
            return;
        }
        match self.options.every {
            Some(every) if matches!(message.events, [Event::Sample(_)]) => self.hold(message, every, print),
            _ => self.show_now(message, print),
        }
    }

    /// Shows and saves a change of a connection. It never counts, and it is shown after the count is reached too, so
    /// that the last one tells how the connection ended.
    ///
    /// Formats for people show it only where `--only` names it: the log tells them of it. Those for programs have a
    /// line for a gap.
    fn show_state(&mut self, message: &Message<'_>, print: &mut dyn FnMut(&str)) {
        let View { options, data, data_format, text, .. } = self;
        let shown = match &options.filter {
            Some(filter) => filter.select(message).is_some(),
            None => options.format.gap.is_some(),
        };
        text.clear();
        if shown {
            (options.format.write)(text, message, &options.style);
        }
        if !text.is_empty() {
            print(text);
        }
        if let Some(data) = data {
            text.clear();
            (data_format.write)(text, message, &options.style);
            data.write_line(text.trim_end_matches('\n'), message.received_mono);
        }
    }

    fn show_now(&mut self, message: &Message<'_>, print: &mut dyn FnMut(&str)) {
        let View { options, data, data_format, servers, saved, text } = self;
        let server = &mut servers[message.id];
        if message.events.iter().any(|event| matches!(event, Event::Sample(_))) {
            // It is newer than the sample that is held.
            server.held = None;
            server.sample_shown_at = Some(message.received_mono);
        }
        text.clear();
        let counts = format_message(text, message, options);
        if !text.is_empty() {
            print(text);
        }
        let answer = message.events.iter().any(|event| matches!(event, Event::Answer(_)));
        server.shown += u64::from(counts && (answer || !options.count_answers));
        if let Some(data) = data {
            text.clear();
            (data_format.write)(text, message, &options.style);
            *saved += u64::from(data.write_line(text.trim_end_matches('\n'), message.received_mono));
        }
        text.shrink_to(KEPT_CAPACITY);
    }

    /// Holds a sample until it is due. It is formatted here already, because a message does not outlive the call.
    fn hold(&mut self, message: &Message<'_>, every: Duration, print: &mut dyn FnMut(&str)) {
        let View { options, data, data_format, servers, .. } = self;
        let server = &mut servers[message.id];
        let due_at = server.sample_shown_at.map_or(message.received_mono, |at| at + every);
        let empty = || HeldSample { text: String::new(), counts: false, data_line: String::new(), due_at };
        let held = server.held.get_or_insert_with(empty);
        held.text.clear();
        held.counts = format_message(&mut held.text, message, options) && !options.count_answers;
        if data.is_some() {
            held.data_line.clear();
            (data_format.write)(&mut held.data_line, message, &options.style);
            held.data_line.truncate(held.data_line.trim_end_matches('\n').len());
        }
        if due_at <= message.received_mono {
            self.release(message.received_mono, false, print);
        }
    }

    /// Shows and saves the held samples that are due; with `all`, every one.
    pub fn release(&mut self, now: Instant, all: bool, print: &mut dyn FnMut(&str)) {
        for server in &mut self.servers {
            let Some(held) = server.held.take_if(|held| all || held.due_at <= now) else { continue };
            server.shown += u64::from(held.counts);
            server.sample_shown_at = Some(now);
            if !held.text.is_empty() {
                print(&held.text);
            }
            if let Some(data) = &mut self.data {
                self.saved += u64::from(data.write_line(&held.data_line, now));
            }
        }
    }

    /// Returns the time at which `release` is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.servers.iter().filter_map(|server| Some(server.held.as_ref()?.due_at)).min()
    }

    /// Returns true if as many messages of the server were shown as `--count` asks for.
    pub fn count_reached(&self, id: usize) -> bool {
        self.options.count.is_some_and(|count| self.servers[id].shown >= count)
    }

    /// Returns the number of messages written to the saved data.
    pub fn saved(&self) -> u64 {
        self.saved
    }

    /// Returns the messages of the server that counted towards `--count`.
    pub fn shown(&self, id: usize) -> u64 {
        self.servers[id].shown
    }
}

/// Appends the message in the format. Returns true if it counts: a message that leaves nothing to see does not, such as
/// an unchanged list of processes.
fn format_message(out: &mut String, message: &Message<'_>, options: &ViewOptions) -> bool {
    let start = out.len();
    let filter = options.filter.as_ref();
    let Some(events) = filter.map_or(Some(Cow::Borrowed(message.events)), |filter| filter.select(message)) else {
        return false;
    };
    let message = Message { events: &events, ..*message };
    (options.format.write)(out, &message, &options.style);
    message.is_content() && out.len() > start
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::temp_dir::TempDir;
    use std::sync::Arc;
    use std::time::SystemTime;
    use wsmon::{LogLine, Notice, Processes};

    fn log(text: &str) -> Event<'_> {
        Event::Log(LogLine { level: "".into(), source: "".into(), text: text.into(), ..LogLine::default() })
    }

    /// Shows a message of the type `x.y` of the only server; appends the output to `out`.
    fn show(view: &mut View, events: &[Event<'_>], out: &mut String) {
        let server: Arc<str> = "a".into();
        let (received_at, raw) = (SystemTime::UNIX_EPOCH, Raw::Json("{}"));
        let message =
            Message { server: &server, id: 0, received_at, received_mono: Instant::now(), kind: "x.y", raw, events };
        view.show(&message, &mut |text| out.push_str(text));
    }

    fn view(format: &str, filter: &str, count: Option<u64>, data: Option<Appender>) -> View {
        let format = wsmon::format(format).unwrap();
        let filter = (!filter.is_empty()).then(|| Filter::read(filter).unwrap());
        let options = ViewOptions { format, style: Style::default(), every: None, filter, count, count_answers: false };
        View::new(options, data, 1)
    }

    #[test]
    fn only_filtered_messages_are_shown_and_counted_but_all_are_saved() {
        let dir = TempDir::new();
        let data = Appender::open(dir.file("data"), None, 0).unwrap();
        let mut view = view("simple", "log", Some(2), Some(data));
        let mut out = String::new();
        let notice = || Event::Notice(Notice { text: "n".into(), greeting: false, ..Notice::default() });
        for events in [&[notice()][..], &[notice(), log("1")], &[], &[log("2")]] {
            assert!(!view.count_reached(0));
            show(&mut view, events, &mut out);
        }
        assert!(view.count_reached(0));
        assert_eq!(out, "[LOG] 1970-01-01T00:00:00Z 1\n[LOG] 1970-01-01T00:00:00Z 2\n");
        assert_eq!(view.shown(0), 2);
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
            assert!(!view.count_reached(0));
            show(&mut view, &[log("1")], &mut out);
            // After the count is reached, no message is shown or saved, but the end of the connection is.
            view.servers[0].shown = 1;
            show(&mut view, &[log("2")], &mut out);
            show_state(&mut view, &server, to(Connected, Disconnected), &mut out);
            assert_eq!(out.lines().count(), lines, "{format} {filter}: {out}");
            assert_eq!((view.saved(), view.shown(0)), (1, 1));
            assert_eq!(view.data.as_ref().map(|data| data.written().lines), Some(4));
        }
    }

    fn show_state(view: &mut View, server: &Arc<str>, event: Event<'_>, out: &mut String) {
        let (received_at, events) = (SystemTime::UNIX_EPOCH, &[event][..]);
        let message =
            Message { server, id: 0, received_at, received_mono: Instant::now(), kind: "", raw: Raw::None, events };
        view.show(&message, &mut |text| out.push_str(text));
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
        for (format, counted) in [("simple", 0), ("detailed", 1), ("jsonl", 1), ("events", 1)] {
            let mut view = view(format, "", None, None);
            show(&mut view, &unchanged, &mut String::new());
            assert_eq!(view.shown(0), counted, "{format}");
        }
    }
}
