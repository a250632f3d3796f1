//! The command's loop around the monitor's turns.
//!
//! A turn has five phases, each a function: [`flush`](Run::flush), [`receive`](Run::receive),
//! [`dispatch`](Run::dispatch), [`run_due`](Run::run_due), [`report`](Run::report). A further descriptor has a row in
//! [`Source`] and a line in `dispatch`; periodic work has a line in `run_due` and one in [`deadline`](Run::deadline).

mod finish;
mod frames;
mod signals;
mod start;
mod statistics;

use std::time::{Duration, Instant};

use mio::Token;
use wsmon::internal::earliest;
use wsmon::{Dialect, Monitor, ServerId};

use super::Failure;
use super::demo::Demo;
use super::file::Appender;
use super::interval::Interval;
use super::listen::{Listener, Page};
use super::logging;
use super::notify::Notifier;
use super::output::Output;
use super::plan::{Exit, Plan};
use super::probe;
use super::read::Reader;
use super::screen::Screen;
use super::server_list::ServerList;
use super::servers::Servers;
use super::signals::Signals;
use super::textfile::Textfile;
use super::view::View;
use crate::cli::exit_status::End;
use crate::cli::stream::queue::WhenFull;

/// Descriptors in the monitor's poll that belong to the command.
enum Source {
    Signals,
    Stdout,
    Stderr,
    DemoListener,
    DemoClient,
    Input,
    Listener,
    ListenerClient,
}

impl Source {
    fn token(self) -> Token {
        Monitor::own_token(self as usize)
    }
}

/// Runs the plan to its end and returns the exit status.
pub fn run(plan: Box<Plan>) -> Result<u8, Failure> {
    if plan.probe.is_some() {
        return probe::run(plan);
    }
    let log = logging::install(plan.log_level, plan.log_json, wsmon::internal::timestamp)
        .map_err(|error| Failure::local(error.to_string()))?;
    // The end of the process frees everything at once.
    let run = Box::leak(Box::new(Run::new(plan, log)?));
    let end = run.watch();
    run.write_collected();
    run.finish(end?)
}

struct Run {
    plan: Box<Plan>,
    servers: Servers,
    /// With `--read`.
    reader: Option<Box<Reader>>,
    /// With `--servers`.
    list: Option<ServerList>,
    view: View,
    output: Output,
    /// Frames on the terminal.
    screen: Option<Screen>,
    signals: Signals,
    demo: Option<&'static mut Demo>,
    textfile: Option<Textfile>,
    listener: Option<Box<Listener>>,
    notifier: Option<Box<Notifier>>,
    started: Instant,
    /// With `--stats-every`.
    stats_interval: Option<Interval>,
    /// The end of `--duration`.
    ends_at: Option<Instant>,
    /// Set once the names in `--only` have been compared with what the servers send.
    filter_checked: bool,
    /// A server whose dialect was unknown at the latest look.
    unknown: Option<ServerId>,
    /// Dropped messages after which the states of the servers were shown again.
    dropped_seen: u64,
}

impl Run {
    /// Runs turns until there is a reason to end.
    fn watch(&mut self) -> Result<End, Failure> {
        loop {
            self.turn(self.deadline())?;
            self.check_answers()?;
            self.check_filter();
            let stopped_by = self.obey_signals();
            for id in self.view.take_complete() {
                self.servers.monitor.stop_one(id);
            }
            let end = if let Some(signal) = stopped_by {
                End::Signal(signal)
            } else if self.output.is_closed() && !self.is_useful_without_stdout() {
                End::Closed
            } else if let Some(reader) = &self.reader {
                // The reader of stdout gets all of it, however long that takes.
                match reader.is_finished(&self.output) {
                    true if reader.is_over() && self.plan.count.is_none() => End::Duration,
                    true => End::Read,
                    false => continue,
                }
            } else if self.ends_at.is_some_and(|at| self.servers.monitor.now().mono >= at) {
                End::Duration
            } else if self.servers.monitor.is_done() {
                End::Done
            } else {
                continue;
            };
            return Ok(end);
        }
    }

    fn is_useful_without_stdout(&self) -> bool {
        self.view.data.is_some()
            || self.textfile.is_some()
            || self.listener.is_some()
            || self.plan.check
            || self.plan.on_alert.is_some()
    }

    /// Runs one turn, which waits until `deadline` at most, also where the run is about to end: a second signal must find
    /// the handlers armed then.
    fn turn(&mut self, deadline: Option<Instant>) -> Result<(), Failure> {
        let deadline = earliest(deadline, self.signals.deadline());
        let urgent = self.flush() || self.reader.as_ref().is_some_and(|reader| !reader.must_wait(&self.output));
        let wait = match urgent {
            true => Some(Duration::ZERO),
            false => deadline.map(|at| at.saturating_duration_since(self.servers.monitor.clock().mono)),
        };
        self.receive(wait)?;
        self.dispatch();
        self.run_due();
        self.report();
        Ok(())
    }

    /// The earliest time at which [`run_due`](Run::run_due) or [`watch`](Run::watch) has something to do.
    fn deadline(&self) -> Option<Instant> {
        let demo = self.demo.as_ref().and_then(|demo| demo.deadline());
        // Saved data has no deadline: time passes in it with the next line that is read.
        let listener = self.listener.as_ref().and_then(|listener| listener.deadline());
        let stats_interval = self.stats_interval.as_ref().filter(|_| !self.output.is_full());
        let stats_at = stats_interval.and_then(|interval| self.started.checked_add(interval.due_at()));
        let on_alert = self.view.on_alert.as_ref().and_then(|on_alert| on_alert.deadline());
        let own = [self.ends_at, self.view.deadline(), self.textfile_due_at(), listener, stats_at, on_alert];
        let own = if self.reader.is_some() { None } else { own.into_iter().fold(None, earliest) };
        let notifier = self.notifier.as_ref().and_then(|notifier| notifier.deadline());
        let frame = self.view.frame_due_at(self.servers.monitor.now().mono);
        let frame = frame.filter(|_| self.screen.is_some() && self.output.is_idle());
        [own, demo, notifier, frame].into_iter().fold(None, earliest)
    }

    /// Phase 1: writes as much output as the streams take. Returns true if the turn must not wait for an event.
    ///
    /// Log lines since the last turn are part of it, since nothing may happen for long. With `--when-full wait` the
    /// servers are paused while the queue is full; this is decided after the writing, because a queue that it has just
    /// emptied causes no further event which would resume them.
    ///
    /// When the reader has caught up after messages were dropped, it is told the states of the servers.
    fn flush(&mut self) -> bool {
        self.output.write_log(self.servers.monitor.now());
        let mut urgent = self.output.flush();
        if self.dropped_seen < self.output.dropped() && !self.output.wants_write() {
            self.dropped_seen = self.output.dropped();
            self.view.show_states(self.servers.monitor, &mut |text| self.output.print(text));
            urgent = true;
        }
        // The deadline was computed before: the frame was waiting for this.
        let now = self.servers.monitor.now().mono;
        urgent |=
            self.screen.is_some() && self.output.is_idle() && self.view.frame_due_at(now).is_some_and(|at| now >= at);
        if self.plan.when_full == WhenFull::Wait {
            self.servers.monitor.pause(self.output.is_full());
        }
        urgent
    }

    /// Phase 2: waits for events and shows the messages that have arrived. Log lines keep their place among them: those
    /// that came before a message are written before it.
    fn receive(&mut self, wait: Option<Duration>) -> Result<(), Failure> {
        let Run { servers: Servers { monitor, saved }, reader, view, output, notifier, stats_interval, .. } = self;
        let on_message = &mut |message: &wsmon::Message<'_>| {
            if logging::take(message) {
                return;
            }
            if let Some(notifier) = notifier {
                notifier.note(message);
            }
            output.write_log(wsmon::Now { mono: message.received_mono, wall: message.received_at });
            view.show(message, &mut |text| output.print(text));
        };
        monitor.turn(wait, on_message).map_err(|error| Failure::io("epoll", &error))?;
        if let (Some(reader), Some(saved)) = (reader, saved) {
            if monitor.own_events().iter().any(|event| event.token() == Source::Input.token()) {
                reader.wake();
            }
            if reader.is_ready(output) {
                let until = stats_interval.as_ref().map(Interval::due_at);
                reader.fill(monitor.registry(), Source::Input.token(), saved);
                reader.show(until, monitor.now(), saved, view, output);
            }
        }
        Ok(())
    }

    /// Phase 3: passes the events of the command's own descriptors on. Signals are left to
    /// [`obey_signals`](Run::obey_signals).
    fn dispatch(&mut self) {
        for event in self.servers.monitor.own_events() {
            self.output.handle(event);
            if let Some(listener) = &mut self.listener {
                listener.ready(event.token(), self.servers.monitor.now().mono);
            }
            if let Some(demo) = &mut self.demo {
                demo.ready(self.servers.monitor.registry(), event.token());
            }
        }
    }

    /// Phase 4: does everything that is due by the clock.
    fn run_due(&mut self) {
        let now = self.servers.monitor.now();
        self.signals.tick(now.mono);
        if let Some(demo) = &mut self.demo {
            demo.turn(now.mono, now.wall);
        }
        if let Some(notifier) = &mut self.notifier {
            notifier.tick(self.servers.monitor);
        }
        let elapsed = self.servers.saved.as_ref().map_or_else(|| now.mono - self.started, |saved| saved.span());
        // Nothing else bounds them while the servers are paused.
        let may_print = !self.output.is_full();
        if self.stats_interval.as_mut().is_some_and(|interval| may_print && interval.take_due(elapsed)) {
            self.print_statistics();
        }
        if self.output.is_idle() && self.view.take_frame(now.mono) {
            self.draw();
        }
        if self.reader.is_some() {
            return;
        }
        self.view.tick(self.servers.monitor, &mut |text| self.output.print(text));
        if let Some(on_alert) = &mut self.view.on_alert {
            on_alert.tick(now.mono);
        }
        if self.textfile_due_at().is_some_and(|at| now.mono >= at) {
            self.write_textfile();
        }
        self.answer_requests();
    }

    /// Returns the time at which the file of `--textfile` is to be written; `None` if it is up to date.
    fn textfile_due_at(&self) -> Option<Instant> {
        let (textfile, fleet) = (self.textfile.as_ref()?, self.view.fleet.as_ref()?);
        let now = self.servers.monitor.now().mono;
        (fleet.has_changed() || textfile.is_broken()).then(|| textfile.due_at(now, &|| fleet.is_settled(now)))
    }

    fn write_textfile(&mut self) {
        if let (Some(textfile), Some(fleet)) = (&mut self.textfile, &mut self.view.fleet) {
            fleet.forget_changes();
            textfile.write(&fleet.exposition(&self.servers), self.servers.monitor.now().mono);
        }
    }

    /// Answers the requests to `--listen`. However many there are, the values are written once in a turn: a thousand
    /// servers take 50 ms.
    fn answer_requests(&mut self) {
        let Run { listener: Some(listener), servers, view, .. } = self else { return };
        let Some(fleet) = &mut view.fleet else { return };
        let mut metrics = None;
        let now = servers.monitor.now().mono;
        listener.turn(servers.monitor.registry(), now, &mut |page| match page {
            Page::Metrics => (true, metrics.get_or_insert_with(|| fleet.exposition(servers)).clone()),
            Page::Ready => fleet.readiness(),
        });
    }

    /// Phase 5: logs what happened to the files, and writes the log, so that its lines bear the time of this turn.
    fn report(&mut self) {
        for file in self.files() {
            for report in file.take_reports() {
                log::log!(report.level(), "{}: {report}", file.shown_path());
            }
        }
        self.output.write_log(self.servers.monitor.now());
    }

    fn files(&mut self) -> impl Iterator<Item = &mut Appender> {
        self.view.data.iter_mut().chain(&mut self.output.log_file)
    }

    /// Refuses `--count` with `--request` for a server whose dialect has no answers, which would never be done.
    fn check_answers(&self) -> Result<(), Failure> {
        let counts = |id| self.plan.count.is_some() && self.view.counts_answers(id) && !self.plan.check;
        let monitor = &self.servers.monitor;
        match monitor.served().iter().find(|&&id| counts(id) && monitor.has_answers(id) == Some(false)) {
            Some(&id) => {
                let dialect = self.servers.dialect(id).map_or("auto", Dialect::name);
                let text = format!("--count with --request counts answers, and {dialect} defines none: use --duration");
                Err(Exit::usage(&text).into())
            }
            None => Ok(()),
        }
    }

    /// Warns once of names in `--only` that no server can send, as soon as every dialect is known.
    fn check_filter(&mut self) {
        let servers = &self.servers;
        let Some(filter) = self.view.options.filter.as_ref().filter(|_| !self.filter_checked) else { return };
        let ids: Vec<_> = servers.ids().collect();
        let is_unknown = |&id: &ServerId| servers.contains(id) && servers.can_send(id, "").is_none();
        // While the dialect of one server is unknown, the others need no look.
        if self.unknown.as_ref().is_some_and(is_unknown) {
            return;
        }
        self.unknown = ids.iter().copied().rev().find(is_unknown);
        if self.unknown.is_some() || ids.is_empty() {
            return;
        }
        self.filter_checked = true;
        for warning in filter.warnings(&|name| ids.iter().any(|&id| servers.can_send(id, name) == Some(true))) {
            log::warn!("{}", wsmon::escape(&warning));
        }
    }
}
