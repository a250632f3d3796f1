//! Where messages go: through the format to stdout, as lines to the saved data.

use std::time::{Duration, Instant};

use wsmon::{Event, Format, Raw, Shown, Style};

use super::file::Appender;

/// What becomes of messages.
pub struct View {
    pub format: &'static Format,
    pub style: Style,
    /// At most one sample per server in this time.
    pub every: Option<Duration>,
    /// How much content to show of each server.
    pub count: Option<u64>,
    pub data: Option<Appender>,
    /// Text for stdout, in whole messages.
    pub out: Outbox,
    servers: Vec<Server>,
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
struct Server {
    /// Messages of content that were received and shown.
    received: u64,
    shown: u64,
    sample_at: Option<Instant>,
    held: Option<Held>,
}

/// A sample that waits for its time; a later one takes its place.
struct Held {
    out: String,
    line: String,
    due_at: Instant,
}

impl Outbox {
    fn write(&mut self, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
        if self.ends.last().copied().unwrap_or_default() < self.text.len() {
            self.ends.push(self.text.len());
        }
    }

    /// Hands out every message and forgets it.
    pub fn drain(&mut self, mut each: impl FnMut(&str)) {
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
            count: None,
            data: None,
            out: Outbox::default(),
            servers: (0..servers).map(|_| Server::default()).collect(),
            line,
        }
    }

    /// Takes a message as it is received.
    pub fn show(&mut self, shown: &Shown<'_>) {
        let server = &mut self.servers[shown.id];
        let content = shown.is_content();
        server.received += u64::from(content);
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
                server.shown += u64::from(content);
                let (format, style) = (self.format, &self.style);
                self.out.write(|out| (format.write)(out, shown, style));
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
                server.shown += 1;
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
        self.servers.iter().filter_map(|server| Some(server.held.as_ref()?.due_at)).min()
    }

    /// Whether the server has been shown as often as was asked for.
    pub fn is_full(&self, id: usize) -> bool {
        self.servers[id].is_full(self.count)
    }

    /// The largest number of messages of content received, and shown, of one server.
    pub fn most(&self) -> (u64, u64) {
        let most = |of: fn(&Server) -> u64| self.servers.iter().map(of).max().unwrap_or_default();
        (most(|server| server.received), most(|server| server.shown))
    }

    fn sample(&mut self, shown: &Shown<'_>, every: Duration) {
        let server = &mut self.servers[shown.id];
        let due_at = server.sample_at.map_or(shown.at, |at| at + every);
        let held = server.held.get_or_insert_with(|| Held { out: String::new(), line: String::new(), due_at });
        held.out.clear();
        (self.format.write)(&mut held.out, shown, &self.style);
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

impl Server {
    fn is_full(&self, count: Option<u64>) -> bool {
        count.is_some_and(|count| self.shown >= count)
    }
}

/// Whether the message is a sample and nothing else that must not wait.
fn is_sample(shown: &Shown<'_>) -> bool {
    matches!(shown.events, [Event::Sample(_)])
}
