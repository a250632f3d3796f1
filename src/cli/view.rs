//! Where messages go: through the format to stdout, as lines to the saved data.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use wsmon::{Event, Format, Message, Raw, Style};

use super::file::Appender;
use crate::cli::filter::Filter;

/// What becomes of messages.
pub struct View {
    pub format: &'static Format,
    pub style: Style,
    /// At most one sample per server in this time.
    pub every: Option<Duration>,
    /// What to show; everything where nothing is said. Data is saved whatever it says.
    pub only: Option<Filter>,
    /// How much content to show of each server.
    pub count: Option<u64>,
    /// Only answers count.
    pub answers_only: bool,
    pub data: Option<Box<Appender>>,
    /// Text for stdout, in whole messages.
    pub out: Outbox,
    servers: Vec<ServerView>,
    /// The row of FORMATS by which data is saved.
    line: &'static Format,
}

/// Messages on their way to stdout, one buffer for all of a turn.
#[derive(Default)]
pub struct Outbox {
    text: String,
    ends: Vec<usize>,
}

#[derive(Default)]
struct ServerView {
    /// Messages of content that were received and shown.
    received: u64,
    shown: u64,
    sample_at: Option<Instant>,
    held: Option<Held>,
}

/// A sample that waits for its time; a later one takes its place.
struct Held {
    out: String,
    /// Whether `out` counts.
    counts: bool,
    line: String,
    due_at: Instant,
}

impl Outbox {
    /// Returns what `write` does.
    fn write<T>(&mut self, write: impl FnOnce(&mut String) -> T) -> T {
        let done = write(&mut self.text);
        if self.ends.last().copied().unwrap_or_default() < self.text.len() {
            self.ends.push(self.text.len());
        }
        done
    }

    /// Hands out every message and forgets it.
    pub fn drain(&mut self, each: &mut dyn FnMut(&str)) {
        let mut start = 0;
        for end in self.ends.drain(..) {
            each(&self.text[start..end]);
            start = end;
        }
        self.text.clear();
        // One large message must not stay for ever.
        self.text.shrink_to(KEPT);
    }
}

/// What an emptied buffer keeps.
const KEPT: usize = 64 << 10;

impl View {
    /// A view over so many servers.
    pub fn new(format: &'static Format, style: Style, servers: usize) -> Self {
        let line = wsmon::format("jsonl").unwrap_or(format);
        View {
            format,
            style,
            every: None,
            only: None,
            count: None,
            answers_only: false,
            data: None,
            out: Outbox::default(),
            servers: (0..servers).map(|_| ServerView::default()).collect(),
            line,
        }
    }

    /// Takes a message as it is received.
    pub fn show(&mut self, shown: &Message<'_>) {
        let server = &mut self.servers[shown.id];
        server.received += u64::from(shown.is_content());
        if matches!(shown.raw, Raw::None) || server.is_full(self.count) {
            return;
        }
        match self.every {
            Some(every) if is_sample(shown) => self.sample(shown, every),
            _ => {
                if shown.events.iter().any(|event| matches!(event, Event::Sample(_))) {
                    // A newer sample than the one that waits, whose turn it would be.
                    server.held = None;
                    server.sample_at = Some(shown.at);
                }
                let View { format, style, only, out, .. } = self;
                let counts = out.write(|out| write_chosen(out, shown, format, style, only.as_ref()));
                let answer = shown.events.iter().any(|event| matches!(event, Event::Answer(_)));
                server.shown += u64::from(counts && (answer || !self.answers_only));
                if let Some(data) = &mut self.data {
                    let mut line = String::new();
                    (self.line.write)(&mut line, shown, &self.style);
                    data.write_line(line.trim_end_matches('\n'), shown.at);
                }
            }
        }
    }

    /// Lets go of the samples whose time has come; of all of them at the end.
    pub fn release(&mut self, now: Instant, all: bool) {
        let View { servers, out, data, .. } = self;
        for server in servers {
            if server.held.as_ref().is_none_or(|held| !all && now < held.due_at) {
                continue;
            }
            if let Some(held) = server.held.take() {
                server.shown += u64::from(held.counts);
                server.sample_at = Some(now);
                out.write(|out| out.push_str(&held.out));
                if let Some(data) = data {
                    data.write_line(&held.line, now);
                }
            }
        }
    }

    /// When a sample's time comes.
    pub fn deadline(&self) -> Option<Instant> {
        let mut deadline = None;
        for held in self.servers.iter().filter_map(|server| server.held.as_ref()) {
            if deadline.is_none_or(|at| held.due_at < at) {
                deadline = Some(held.due_at);
            }
        }
        deadline
    }

    /// Whether the server has been shown as often as was asked for.
    pub fn is_full(&self, id: usize) -> bool {
        self.servers[id].is_full(self.count)
    }

    /// The largest number of messages of content received, and shown, of one server.
    pub fn most(&self) -> (u64, u64) {
        let most = |of: fn(&ServerView) -> u64| self.servers.iter().map(of).max().unwrap_or_default();
        (most(|server| server.received), most(|server| server.shown))
    }

    fn sample(&mut self, shown: &Message<'_>, every: Duration) {
        let View { format, style, only, .. } = self;
        let server = &mut self.servers[shown.id];
        let due_at = server.sample_at.map_or(shown.at, |at| at + every);
        let empty = || Held { out: String::new(), counts: false, line: String::new(), due_at };
        let held = server.held.get_or_insert_with(empty);
        held.out.clear();
        held.counts = write_chosen(&mut held.out, shown, format, style, only.as_ref()) && !self.answers_only;
        if self.data.is_some() {
            held.line.clear();
            (self.line.write)(&mut held.line, shown, &self.style);
            held.line.truncate(held.line.trim_end_matches('\n').len());
        }
        if due_at <= shown.at {
            self.release(shown.at, false);
        }
    }
}

impl ServerView {
    fn is_full(&self, count: Option<u64>) -> bool {
        count.is_some_and(|count| self.shown >= count)
    }
}

/// Appends what is to be shown of a message. Whether that counts: it does not where there is nothing to see, as
/// with a list of processes that has not changed.
fn write_chosen(out: &mut String, shown: &Message<'_>, format: &Format, style: &Style, only: Option<&Filter>) -> bool {
    let start = out.len();
    let Some(events) = only.map_or(Some(Cow::Borrowed(shown.events)), |only| only.select(shown)) else { return false };
    let chosen = Message { events: &events, ..*shown };
    (format.write)(out, &chosen, style);
    chosen.is_content() && out.len() > start
}

/// Whether the message is a sample and nothing else that must not wait.
fn is_sample(shown: &Message<'_>) -> bool {
    matches!(shown.events, [Event::Sample(_)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::temp_dir::TempDir;
    use std::sync::Arc;
    use std::time::SystemTime;
    use wsmon::{LogLine, Notice, Processes};

    fn log(text: &str) -> Event<'_> {
        Event::Log(LogLine { level: "".into(), source: "".into(), text: text.into() })
    }

    /// Shows a message of the type `x.y` of the only server.
    fn show(view: &mut View, events: &[Event<'_>]) {
        let server: Arc<str> = "a".into();
        let (received_at, raw) = (SystemTime::UNIX_EPOCH, Raw::Json("{}"));
        view.show(&Message { server: &server, id: 0, received_at, at: Instant::now(), kind: "x.y", raw, events });
    }

    fn view(format: &str, only: &str) -> View {
        let mut view = View::new(wsmon::format(format).unwrap(), Style::default(), 1);
        view.only = (!only.is_empty()).then(|| Filter::read(only).unwrap());
        view
    }

    fn drained(view: &mut View) -> String {
        let mut all = String::new();
        view.out.drain(&mut |message| all.push_str(message));
        all
    }

    #[test]
    fn only_what_was_asked_for_is_shown_and_counted_but_all_is_saved() {
        let scratch = TempDir::new();
        let mut view = view("simple", "log");
        view.data = Some(Appender::open(scratch.file("data"), None, 0).unwrap());
        view.count = Some(2);
        let notice = || Event::Notice(Notice { text: "n".into(), greeting: false });
        for events in [&[notice()][..], &[notice(), log("1")], &[], &[log("2")]] {
            assert!(!view.is_full(0));
            show(&mut view, events);
        }
        assert!(view.is_full(0));
        assert_eq!(drained(&mut view), "[LOG] 1\n[LOG] 2\n");
        assert_eq!(view.most(), (3, 2));
        let saved = view.data.as_ref().map(|data| data.written().lines);
        assert_eq!(saved, Some(4));
    }

    #[test]
    fn json_formats_show_the_whole_message_where_a_part_was_asked_for() {
        let events = [log("1"), Event::KeepAlive];
        for (only, shown) in [("", true), ("log", true), ("x.y", true), ("alert", false), ("x", false)] {
            let mut view = view("json", only);
            show(&mut view, &events);
            assert_eq!(drained(&mut view), if shown { "{}\n" } else { "" }, "{only}");
        }
    }

    #[test]
    fn what_a_format_has_nothing_to_say_about_does_not_count() {
        let unchanged = [Event::Processes(Processes::default())];
        for (format, counted) in [("simple", 0), ("detailed", 1), ("jsonl", 1), ("events", 1)] {
            let mut view = view(format, "");
            show(&mut view, &unchanged);
            assert_eq!(view.most(), (1, counted), "{format}");
        }
    }
}
