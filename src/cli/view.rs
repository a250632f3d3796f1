//! Selects messages and formats them: for stdout, and for `--save-data`.

mod count;
mod frames;
mod hold;
mod pace;

use std::borrow::Cow;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wsmon::SavedData;
use wsmon::internal::{Timetable, earliest};
use wsmon::{
    Board, Change, ClientState, Dialect, Event, Format, LevelChange, Message, Monitor, Now, Raw, Rule, ServerId, Style,
    Template,
};

use super::file::Appender;
use count::has_answer;
pub use frames::Frames;
use frames::{MOST_BLOCKS, put};
use pace::{HeldMessage, Paces, is_paced, split};

use crate::cli::filter::Filter;
use crate::cli::fleet::{Fleet, own_message};
use crate::cli::on_alert::OnAlert;
use crate::cli::setup;

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
    /// Samples are the means of these intervals.
    pub average: bool,
    /// Events to show; `None` shows all. Does not apply to saved data.
    pub filter: Option<Filter>,
    /// Number of messages to show of each server.
    pub count: Option<u64>,
    /// Only answers count towards `count`, of all servers.
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
    /// The message being formatted; reused to save allocations.
    text: String,
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
            text: String::new(),
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
            self.show_state(message, print);
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
        let now = message.with_events(&urgent);
        if !self.data_format.whole {
            self.save(&now, 0);
        }
        if is_whole {
            // A later message may take the place of this one.
            self.observe(&now, message.received_mono, print);
            return self.hold(message, every, print);
        }
        let View { options, frames, text, .. } = self;
        text.clear();
        let counts = format_message(text, &now, options);
        put(frames, message.id.index(), text, print);
        let counts = counts && (has_answer(&urgent) || !self.counts_answers(message.id));
        self.count(message.id.index(), counts);
        self.note_lines(message.received_mono);
        self.observe(&now, message.received_mono, print);
        if !self.count_reached(message.id) {
            self.hold(&message.with_events(&paced), every, print);
        }
    }

    /// Shows and saves a change of a connection. It never counts, and it is shown after the count is reached too, so
    /// that the last one tells how the connection ended.
    ///
    /// Formats for people show it only where `--only` names it: the log tells them of it. Those for programs have a
    /// line for a gap.
    fn show_state(&mut self, message: &Message<'_>, print: &mut dyn FnMut(&str)) {
        self.print_state(message, print);
        self.save(message, 0);
    }

    /// Shows the state that every server is in: lines about changes may have been dropped before their reader saw them.
    pub fn show_states(&mut self, monitor: &Monitor, print: &mut dyn FnMut(&str)) {
        for id in monitor.ids() {
            let state = monitor.state(id);
            let change = Change::new(state, state);
            let (server, events) = (monitor.label(id).into(), [Event::State(change)]);
            self.print_state(&own_message(id, &server, monitor.now(), &events), print);
        }
    }

    fn print_state(&mut self, message: &Message<'_>, print: &mut dyn FnMut(&str)) {
        let View { options, frames, text, .. } = self;
        let shown = match &options.filter {
            Some(filter) => filter.select(message).is_some(),
            None => options.format.gap.is_some(),
        };
        text.clear();
        if shown {
            options.write(text, message);
        }
        put(frames, message.id.index(), text, print);
        self.note_lines(message.received_mono);
    }

    /// Remembers that lines about this time leave, if `text` holds some, or if all messages are saved.
    fn note_lines(&mut self, received_at: Instant) {
        if !self.text.is_empty() || self.data.is_some() {
            self.latest_at = self.latest_at.max(Some(received_at));
        }
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
        let View { options, frames, text, .. } = self;
        text.clear();
        let counts = format_message(text, message, options);
        put(frames, message.id.index(), text, print);
        let counts = counts && (has_answer(message.events) || !self.counts_answers(message.id));
        self.count(message.id.index(), counts);
        self.note_lines(message.received_mono);
        self.save(message, 1);
        self.text.shrink_to(KEPT_CAPACITY);
        self.observe(message, message.received_mono, print);
    }

    /// Passes on what is shown at this time, and shows the alerts that the rules raise for it.
    fn observe(&mut self, message: &Message<'_>, at: Instant, print: &mut dyn FnMut(&str)) {
        if let Some(alerts) = &mut self.alerts {
            if message.events.iter().any(|event| matches!(event, Event::Alert(_))) {
                alerts.update(message);
            }
        }
        let Some(fleet) = &mut self.fleet else { return };
        let changes = fleet.update(message, at);
        if let Some(on_alert) = &mut self.on_alert {
            on_alert.note(message, None, &fleet.board);
        }
        let counts = fleet.counts(message);
        self.count(message.id.index(), counts);
        self.show_changes(&changes, Now { mono: at, wall: message.received_at }, print);
    }

    /// Shows alerts that rules have raised. They count like those of servers, one about all servers for each of them. They
    /// are saved where the format has a line for them.
    fn show_changes(&mut self, changes: &[LevelChange], now: Now, print: &mut dyn FnMut(&str)) {
        for change in changes {
            let event = change.event();
            let message =
                own_message(change.id.unwrap_or(ServerId::NONE), &change.server, now, slice::from_ref(&event));
            let counts = self.show_own(&message, Some(&change.rule), print);
            let concerned = change.id.map_or(0..self.servers.len(), |id| id.index()..id.index() + 1);
            for index in concerned {
                let counts = counts && !self.servers[index].count_answers;
                self.count(index, counts);
            }
        }
    }

    /// Shows the ends of the alerts of a server's own: it tells of none any more.
    fn end_alerts(&mut self, id: ServerId, now: Now, print: &mut dyn FnMut(&str)) {
        for nth in 0.. {
            let board = self.alerts.as_ref().or(self.fleet.as_ref().map(|fleet| &fleet.board));
            let row = board.and_then(|board| board.get(id));
            let end = row.and_then(|row| Some((Arc::clone(row.label()), row.alert_end(nth)?.into_owned())));
            let Some((label, alert)) = end else { return };
            self.show_own(&own_message(id, &label, now, &[Event::Alert(alert)]), None, print);
        }
    }

    /// Shows and saves an alert that no server has sent. Returns true if it counts like those of servers.
    fn show_own(&mut self, message: &Message<'_>, rule: Option<&Rule>, print: &mut dyn FnMut(&str)) -> bool {
        let View { options, frames, text, .. } = self;
        text.clear();
        let counts = format_message(text, message, options);
        put(frames, message.id.index(), text, print);
        if let (Some(on_alert), Some(fleet)) = (&mut self.on_alert, &self.fleet) {
            on_alert.note(message, rule, &fleet.board);
        }
        self.note_lines(message.received_mono);
        self.save(message, 0);
        counts
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

/// Appends the lines of a message to the saved data, if there are any.
fn write_lines(data: &mut Option<Appender>, lines: &str, messages: u64, now: Instant) {
    let lines = lines.trim_end_matches('\n');
    if let Some(data) = data.as_mut().filter(|_| !lines.is_empty()) {
        data.write(lines, messages, now);
    }
}

/// Appends the message in the format. Returns true if it counts: a message that leaves nothing to see does not, such as
/// an unchanged list of processes, nor one that the dialect does not know, unless `--only` asks for it.
fn format_message(out: &mut String, message: &Message<'_>, options: &ViewOptions) -> bool {
    let start = out.len();
    let filter = options.filter.as_ref();
    let Some(events) = filter.map_or(Some(Cow::Borrowed(message.events)), |filter| filter.select(message)) else {
        return false;
    };
    let message = message.with_events(&events);
    options.write(out, &message);
    let counts = |event: &Event<'_>| event.is_content() && (filter.is_some() || !is_foreign(event, message.dialect));
    events.iter().any(counts) && out.len() > start
}

/// Returns true for a message that the server's dialect does not know: it may be another kind of server. A generic server
/// sends no others.
fn is_foreign(event: &Event<'_>, dialect: Dialect) -> bool {
    matches!(event, Event::Unknown(_)) && dialect != Dialect::Generic
}

#[cfg(test)]
mod average_tests;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod tests;
