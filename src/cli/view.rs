//! The way of messages to stdout and to the saved data.
//!
//! [`View::show`] takes each decoded message. By `--count` and `--every` it decides if and when the lines of the message
//! leave: at once, or through [`hold`]. All of them are formatted and leave in [`lines`], where `--only` applies: to the
//! queue of stdout by way of `print`, or into the frames of `--live`, and to the file of the saved data. Then [`alerts`]
//! passes the message on to the rules; the alerts that they raise go the same way. A table has no lines of messages:
//! [`frames`] prints its blocks.
//!
//! A slow reader is the concern of the queue in `cli/stream`, which drops whole texts, and of the loop in `cli/run`, which
//! pauses the servers instead with `--when-full wait`.

mod alerts;
mod count;
mod frames;
mod hold;
mod lines;
mod pace;

use std::time::{Duration, Instant};

use wsmon::SavedData;
use wsmon::internal::{Timetable, earliest};
use wsmon::{Board, Change, ClientState, Event, Format, Message, Monitor, Now, Raw, ServerId, Style, Template};

use super::file::Appender;
pub use frames::Frames;
use frames::MOST_BLOCKS;
use lines::Lines;
use pace::{HeldMessage, Paces, is_paced, split};

use crate::cli::filter::Filter;
use crate::cli::fleet::{Fleet, own_message};
use crate::cli::on_alert::OnAlert;
use crate::cli::setup;

/// Settings of a [`View`].
pub struct ViewOptions {
    pub format: &'static Format,
    /// Writes the lines instead of `format`.
    pub template: Option<Template>,
    pub style: Style,
    /// Minimum time between two samples, and between two lists of processes, of one server; `None` shows all.
    pub every: Option<Duration>,
    /// Samples are the means of these intervals.
    pub average: bool,
    /// Events to show; `None` shows all. Does not apply to saved data.
    pub filter: Option<Filter>,
    /// Number of messages to show of each server.
    pub count: Option<u64>,
    /// Only answers count towards `count`, of all servers.
    pub count_answers: bool,
}

/// The path of messages to stdout and to the saved data.
pub struct View {
    pub options: ViewOptions,
    pub data: Option<Appender>,
    /// Receives what is shown, `--only` or not; `None` where no option needs it.
    pub fleet: Option<Box<Fleet>>,
    /// The servers' own alerts in force, where servers can be removed and there was no fleet at the start: they end then.
    pub alerts: Option<Board>,
    /// The commands of `--on-alert`, which are told of every alert, `--only` or not.
    pub on_alert: Option<Box<OnAlert>>,
    /// The table, or the messages of `--live`.
    pub frames: Option<Frames>,
    /// The format of the saved data; by default jsonl.
    pub data_format: &'static Format,
    /// By the index of their ids.
    servers: Vec<ServerView>,
    /// The times at which held messages are due. The owner is the place of the pace: two for each server.
    held: Timetable,
    /// Empty; reused to save allocations.
    due: Vec<(usize, HeldMessage)>,
    /// Servers whose count was reached since [`View::take_complete`].
    complete: Vec<ServerId>,
    /// Time of receipt of the latest lines that were shown or saved.
    latest_at: Option<Instant>,
    /// The width of the longest label of saved data.
    label_width: usize,
    /// The lines that leave next; reused to save allocations.
    lines: Lines,
}

struct ServerView {
    id: ServerId,
    /// Messages that counted towards `count`.
    shown: u64,
    /// Only answers count.
    count_answers: bool,
    paces: Paces,
}

impl View {
    /// Creates a view without servers.
    pub fn new(options: ViewOptions, data: Option<Appender>) -> Self {
        let data_format = wsmon::format("jsonl").unwrap_or(options.format);
        View {
            options,
            data,
            fleet: None,
            alerts: None,
            on_alert: None,
            frames: None,
            data_format,
            servers: Vec::new(),
            held: Timetable::default(),
            due: Vec::new(),
            complete: Vec::new(),
            latest_at: None,
            label_width: 0,
            lines: Lines::default(),
        }
    }

    /// Makes room for a server that was added to the monitor.
    pub fn add(&mut self, id: ServerId) {
        while id.index() >= self.servers.len() {
            self.servers.push(ServerView::new(ServerId::NONE));
        }
        let count_answers = self.options.count_answers;
        self.servers[id.index()] = ServerView { count_answers, ..ServerView::new(id) };
    }

    /// Forgets a server that was removed from the monitor: its alarms end, what is held of it is not shown, and its count is
    /// not reached.
    pub fn remove(&mut self, id: ServerId, now: Now, print: &mut dyn FnMut(&str)) {
        self.end_alerts(id, now, print);
        let changes = self.fleet.as_mut().map(|fleet| fleet.remove(id, now.mono)).unwrap_or_default();
        self.show_changes(&changes, now, print);
        self.alerts.iter_mut().for_each(|alerts| alerts.remove(id));
        self.complete.retain(|&complete| complete != id);
        if let Some(server) = self.servers.get_mut(id.index()) {
            *server = ServerView::new(ServerId::NONE);
        }
        (0..2).for_each(|pace| self.held.set(2 * id.index() + pace, None));
        if let Some(frames) = &mut self.frames {
            frames.remove(id.index());
        }
    }

    /// Adds the servers that are not known yet: those of saved data are known once their first line was read.
    pub fn add_servers(&mut self, saved: &SavedData) {
        for index in self.servers.len()..saved.len() {
            let id = ServerId::from_index(index);
            let label = saved.label(id);
            self.add(id);
            self.label_width = self.label_width.max(setup::label_width(label));
            if index > 0 {
                (self.options.style.labels, self.options.style.label_width) = (true, self.label_width);
            }
            if let Some(fleet) = &mut self.fleet {
                fleet.add(id, label);
            }
        }
    }

    /// Does everything that was due until this time, each at its own time: for messages that were recorded. Of a table, a
    /// time in which nothing was recorded has no more than [`MOST_BLOCKS`] blocks.
    pub fn catch_up(&mut self, now: Now, print: &mut dyn FnMut(&str)) {
        let mut blocks = 0;
        while let Some(due) = self.deadline().filter(|due| *due <= now.mono) {
            let wall = now.wall.checked_sub(now.mono - due).unwrap_or(now.wall);
            let block_due_at = self.block_due_at();
            self.tick_at(Now { mono: due, wall }, print);
            blocks += u32::from(self.block_due_at() != block_due_at);
            if blocks >= MOST_BLOCKS {
                self.skip_blocks(now.mono);
            }
            if self.deadline().is_some_and(|next| next <= due) {
                return;
            }
        }
    }

    /// Shows and saves a message, or holds it. Each text for stdout, one or more whole lines, goes to `print`.
    pub fn show(&mut self, message: &Message<'_>, print: &mut dyn FnMut(&str)) {
        // Held messages that are due are older than this one, and go out before it.
        self.release(message.received_mono, print);
        self.show_message(message, print);
        self.show_block(Now { mono: message.received_mono, wall: message.received_at }, print);
    }

    fn show_message(&mut self, message: &Message<'_>, print: &mut dyn FnMut(&str)) {
        if matches!(message.raw, Raw::None) {
            // A change of a connection is shown after the count is reached too: the last one tells how it ended.
            self.show_now(message, print);
            // The end of a connection that is no longer needed is none to the rules.
            let is_over = matches!(message.events, [Event::State(change)] if change.to == ClientState::Disconnected);
            if !is_over && !self.count_reached(message.id) {
                self.observe(message, message.received_mono, print);
            }
            return;
        }
        if self.count_reached(message.id) {
            return;
        }
        match self.options.every {
            Some(every) if message.events.iter().any(is_paced) => {
                let paces = &mut self.servers[message.id.index()].paces;
                let averaged = if self.options.average { paces.average(message.events) } else { None };
                let events = averaged.as_deref().unwrap_or(message.events);
                self.show_paced(&message.with_events(events), every, print);
            }
            _ => {
                self.show_now(message, print);
                self.observe(message, message.received_mono, print);
            }
        }
    }

    /// Shows and saves a message at once.
    fn show_now(&mut self, message: &Message<'_>, print: &mut dyn FnMut(&str)) {
        self.format_lines(message, Some(message.events), Some(message.events));
        self.emit_lines(message.id, message.received_mono, message.received_mono, print);
    }

    /// Shows and saves the parts of a message that `--every` does not delay, such as an alert, and holds the rest.
    /// Formats that show whole messages hold all of it: one line carries the sample too.
    fn show_paced(&mut self, message: &Message<'_>, every: Duration, print: &mut dyn FnMut(&str)) {
        let (urgent, paced) = split(message.events);
        let (shows_whole, saves_whole) = (self.options.format.whole, self.data_format.whole);
        // A change of processes without a list is not paced at all.
        if paced.is_empty() && !shows_whole {
            self.show_now(message, print);
            return self.observe(message, message.received_mono, print);
        }
        if !urgent.is_empty() {
            let part = |is_whole: bool| Some(&urgent[..]).filter(|_| !is_whole);
            self.format_lines(message, part(shows_whole), part(saves_whole));
            // The message is counted as saved with its rest.
            self.lines.messages = 0;
            self.emit_lines(message.id, message.received_mono, message.received_mono, print);
            // Of a format of whole messages, too: a later message may take the place of this one.
            self.observe(&message.with_events(&urgent), message.received_mono, print);
        }
        if !self.count_reached(message.id) {
            let rest = |is_whole: bool| if is_whole { message.events } else { &paced };
            self.format_lines(message, Some(rest(shows_whole)), Some(rest(saves_whole)));
            self.hold(&message.with_events(rest(shows_whole)), every, print);
        }
    }

    /// Shows the state that every server is in: lines about changes may have been dropped before their reader saw them.
    pub fn show_states(&mut self, monitor: &Monitor, print: &mut dyn FnMut(&str)) {
        for id in monitor.ids() {
            let state = monitor.state(id);
            let (server, events) = (monitor.label(id).into(), [Event::State(Change::new(state, state))]);
            let now = monitor.now();
            self.format_lines(&own_message(id, &server, now, &events), Some(&events), None);
            self.emit_lines(id, now.mono, now.mono, print);
        }
    }

    /// Does what is due by the clock: shows held messages, and alerts.
    pub fn tick(&mut self, monitor: &Monitor, print: &mut dyn FnMut(&str)) {
        for id in self.fleet.as_mut().map(|fleet| fleet.read_pings(monitor)).unwrap_or_default() {
            self.count(id.index(), true);
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
        self.show_block(now, print);
    }

    /// Returns the time at which `tick` is due.
    pub fn deadline(&self) -> Option<Instant> {
        let flush_at = self.data.as_ref().and_then(Appender::flush_at);
        let flush_at = earliest(flush_at, self.block_due_at());
        earliest(flush_at, earliest(self.held.first(), self.fleet.as_ref().and_then(|fleet| fleet.deadline())))
    }

    /// Returns the number of messages written to the saved data; lines about connections are not counted.
    pub fn saved(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| data.written().messages)
    }
}

impl ServerView {
    fn new(id: ServerId) -> Self {
        ServerView { id, shown: 0, count_answers: false, paces: Paces::default() }
    }
}

#[cfg(test)]
mod average_tests;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod tests;
