//! The command's loop around the monitor's turns.
//!
//! A turn has five phases, each a function: [`flush`](Run::flush), [`receive`](Run::receive),
//! [`dispatch`](Run::dispatch), [`run_due`](Run::run_due), [`report`](Run::report). A further descriptor has a row in
//! [`Source`] and a line in `dispatch`; periodic work has a line in `run_due` and one in [`deadline`](Run::deadline).

use std::time::{Duration, Instant};

use mio::Token;
use signal_hook::consts::SIGHUP;
use wsmon::internal::SERVER_TARGET;
use wsmon::{Format, Monitor, ServerId, Statistics, Style};

use super::check::{self, Look, Status};
use super::demo::{self, Demo};
use super::file::Appender;
use super::filter::Filter;
use super::fleet::Fleet;
use super::interval::Interval;
use super::listen::{Listener, Page};
use super::logging::{self, LogBuffer};
use super::notify::Notifier;
use super::output::{self, Output};
use super::plan::{Exit, Plan};
use super::probe;
use super::read::Reader;
use super::screen::{self, Screen};
use super::server_list::ServerList;
use super::servers::Servers;
use super::signals::{self, Signal, Signals};
use super::textfile::Textfile;
use super::view::{Frames, View, ViewOptions};
use super::{Failure, setup};
use crate::cli::exit_status::{self, End, RunOutcome};
use crate::cli::stream::queue::{QueueLimits, WhenFull};

/// Upper bound on the time for writing the last output.
const LAST_FLUSH: Duration = Duration::from_secs(1);

/// Upper bound on the time for closing the connections. Each session gives up after a second by itself, and its change
/// of state is part of the output: this must be longer.
const LAST_CLOSE: Duration = Duration::from_millis(1100);

/// The least rows of a terminal on which a frame has a row for the log.
const LOG_FROM: usize = 8;

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
    let mut run = Run::new(plan, log)?;
    let end = run.watch();
    run.write_collected();
    run.finish(end?)
}

/// Returns the table or the messages of `--live`, and the screen that they are drawn on; nothing where neither is asked for,
/// and no screen where stdout is no terminal.
fn frames(plan: &Plan) -> (Option<Frames>, Option<Screen>) {
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let frames = match plan.format {
        "table" => Some(Frames::table(plan.every, is_terminal, plan.every.filter(|_| plan.average))),
        _ => (plan.live && is_terminal).then(Frames::live),
    };
    let screen = frames.is_some() && is_terminal;
    (frames, screen.then(Screen::default))
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
    demo: Option<Demo>,
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
    fn new(mut plan: Box<Plan>, log: LogBuffer) -> Result<Self, Failure> {
        setup::check_log_file(&plan)?;
        let data_format = wsmon::format(plan.save_format).unwrap_or(&wsmon::FORMATS[0]);
        let data = setup::open_data(&plan, data_format)?;
        let log_file = setup::open(&plan.log_file, "--log-file", &plan)?;
        let mut monitor = Monitor::new().map_err(|error| Failure::io("epoll", &error))?;
        let textfile = setup::open_textfile(&plan, monitor.clock().mono)?;
        let tokens = [Source::Listener.token(), Source::ListenerClient.token()];
        let listener = setup::listen(&plan, monitor.registry(), tokens)?;
        let demo = if plan.demo { Some(start_demo(&mut plan, &monitor)?) } else { None };
        let (saved, reader) = Reader::open(&mut plan)?.unzip();
        if saved.is_none() {
            setup::add_servers(&mut monitor, &mut plan)?;
        }
        let (list, changes) = ServerList::open(&mut plan, &mut monitor)?.unzip();
        let signals = Signals::install(monitor.registry(), Source::Signals.token())
            .map_err(|error| Failure::io("signals", &error))?;
        setup::warn_of_useless_options(&plan);
        let format = setup::format(&plan);
        let limits = QueueLimits { bytes: plan.queue, when_full: plan.when_full, marker: format.gap };
        let tokens = [Source::Stdout.token(), Source::Stderr.token()];
        let mut output = Output::open(monitor.registry(), tokens, limits, log, log_file)
            .map_err(|error| Failure::io("stdout", &error))?;
        let style = setup::style(&plan, &monitor);
        print_head(&mut output, format, &style);
        let mut view = View::new(view_options(&mut plan, format, style), data);
        monitor.ids().for_each(|id| view.add(id));
        view.data_format = data_format;
        view.fleet = Fleet::new(&plan, &monitor);
        changes.into_iter().for_each(|changes| changes.apply(&mut view, &plan, &monitor));
        let (frames, screen) = frames(&plan);
        view.frames = frames;
        saved.iter().for_each(|saved| view.add_servers(saved));
        // The duration of saved data is that of its times.
        let duration = plan.duration.filter(|_| saved.is_none());
        let ends_at = duration.and_then(|duration| monitor.clock().mono.checked_add(duration));
        let started = monitor.clock().mono;
        let servers = Servers { monitor, saved };
        let mut run = Run {
            notifier: Notifier::open(started),
            started,
            stats_interval: plan.stats_every.map(Interval::new),
            plan,
            servers,
            reader,
            list,
            view,
            output,
            screen,
            signals,
            demo,
            textfile,
            listener,
            ends_at,
            filter_checked: false,
            unknown: None,
            dropped_seen: 0,
        };
        run.warn_of_repairs();
        Ok(run)
    }

    fn warn_of_repairs(&mut self) {
        for file in self.files().filter(|file| file.repaired()) {
            log::warn!("{}: ended in the middle of a line; added the missing line feed", file.shown_path());
        }
    }

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
        self.view.data.is_some() || self.textfile.is_some() || self.listener.is_some() || self.plan.check
    }

    /// Runs one turn, which waits until `deadline` at most, also where the run is about to end: a second signal must find
    /// the handlers armed then.
    fn turn(&mut self, deadline: Option<Instant>) -> Result<(), Failure> {
        let deadline = [deadline, self.signals.deadline()].into_iter().flatten().min();
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
        let demo = self.demo.as_ref().and_then(Demo::deadline);
        // What is due in saved data is due when its next line is read.
        let listener = self.listener.as_ref().and_then(|listener| listener.deadline());
        let stats_interval = self.stats_interval.as_ref().filter(|_| !self.output.is_full());
        let stats_at = stats_interval.and_then(|interval| self.started.checked_add(interval.due_at()));
        let own = [self.ends_at, self.view.deadline(), self.textfile_due_at(), listener, stats_at];
        let own = if self.reader.is_some() { None } else { own.into_iter().flatten().min() };
        let notifier = self.notifier.as_ref().and_then(|notifier| notifier.deadline());
        let frame = self.view.frame_due_at(self.servers.monitor.now().mono);
        let frame = frame.filter(|_| self.screen.is_some() && self.output.is_idle());
        let deadlines = [own, demo, notifier, frame];
        deadlines.into_iter().flatten().min()
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
            self.view.show_states(&self.servers.monitor, &mut |text| self.output.print(text));
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
                reader.read(until, (monitor.registry(), Source::Input.token()), monitor.now(), saved, view, output);
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
            notifier.tick(&self.servers.monitor);
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
        self.view.tick(&self.servers.monitor, &mut |text| self.output.print(text));
        if self.textfile_due_at().is_some_and(|at| now.mono >= at) {
            self.write_textfile();
        }
        self.answer_requests();
    }

    /// Draws a frame on the terminal.
    fn draw(&mut self) {
        let Run { screen: Some(screen), view, output, servers, .. } = self else { return };
        let (rows, columns) = screen::size();
        // A low screen has no room for the log.
        let log = Some(output.hold_log()).filter(|_| rows >= LOG_FROM).unwrap_or_default();
        let lines = rows.saturating_sub(1 + usize::from(!log.is_empty()));
        let text = view.frame_text(servers.now(), (lines, columns.saturating_sub(1)), servers);
        if let Some(frame) = screen.frame(&text, log, (rows, columns)) {
            output.print(&frame);
        }
    }

    /// Shows the last state of the table or of `--live`. What is printed afterwards stands below it.
    fn end_frames(&mut self) {
        self.output.flush();
        if self.output.is_idle() {
            self.draw();
        }
        self.screen = None;
        self.output.release_log();
        let (now, is_saved) = (self.servers.now(), self.reader.is_some());
        self.view.show_last_block(now, is_saved, &mut |text| self.output.print(text));
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
                let dialect = self.servers.dialect(id);
                let text = format!("--count with --request counts answers, and {dialect} defines none: use --duration");
                Err(Exit::usage(&text).into())
            }
            None => Ok(()),
        }
    }

    /// Warns once of names in `--only` that no server can send, as soon as every dialect is known.
    fn check_filter(&mut self) {
        let (servers, ids) = (&self.servers, self.servers.ids());
        let Some(filter) = self.view.options.filter.as_ref().filter(|_| !self.filter_checked) else { return };
        let is_unknown = |&id: &ServerId| servers.contains(id) && servers.can_send(id, "").is_none();
        // While the dialect of one server is unknown, the others need no look.
        if self.unknown.as_ref().is_some_and(is_unknown) {
            return;
        }
        self.unknown = ids.clone().rev().find(is_unknown);
        if self.unknown.is_some() || ids.len() == 0 {
            return;
        }
        self.filter_checked = true;
        for warning in filter.warnings(&|name| ids.clone().any(|id| servers.can_send(id, name) == Some(true))) {
            log::warn!("{}", wsmon::escape(&warning));
        }
    }

    /// Handles the signals that have arrived. Returns the one that asks for the end.
    ///
    /// SIGHUP asks for new files, as logrotate(8) sends it, and for a look at the file of `--servers`, or for the end if
    /// there are none. It also does if a terminal that the run began on is gone: nobody reads on, and the files of the run
    /// are closed with it.
    fn obey_signals(&mut self) -> Option<i32> {
        let token = Source::Signals.token();
        if !self.servers.monitor.own_events().iter().any(|event| event.token() == token) {
            return None;
        }
        if let Some(data) = &mut self.view.data {
            data.flush(self.servers.now().mono);
        }
        let mut stop = None;
        for signal in self.signals.pending(self.servers.monitor.now().mono) {
            match signal {
                Signal::Stop(number) => stop = Some(number),
                Signal::Hangup if self.output.has_lost_terminal() => stop = Some(SIGHUP),
                Signal::Hangup => {
                    let has_list = self.reload_servers();
                    if !self.reopen_files() && !has_list {
                        stop = Some(SIGHUP);
                    }
                }
                Signal::Statistics => {
                    let text = self.statistics_text();
                    self.output.print_err(&text);
                    self.screen.as_mut().into_iter().for_each(Screen::restart);
                }
            }
        }
        stop
    }

    /// Reads the file of `--servers` again. Returns false if there is none, or if it is not read again, as in a check.
    fn reload_servers(&mut self) -> bool {
        let Some(list) = self.list.as_mut().filter(|_| !self.plan.check) else { return false };
        match list.reload(&mut self.plan, &mut self.servers.monitor) {
            Ok(changes) => changes.apply(&mut self.view, &self.plan, &self.servers.monitor),
            Err(failure) => log::error!("{}; the servers stay as they are", failure.why()),
        }
        // New rules apply to the values that are known.
        self.view.tick(&self.servers.monitor, &mut |text| self.output.print(text));
        true
    }

    /// Creates new files in place of those that logrotate(8) has moved, and writes that of `--textfile`. Returns false if
    /// there are no files.
    fn reopen_files(&mut self) -> bool {
        let has_files = self.textfile.is_some() || self.files().next().is_some();
        if let Some(notifier) = self.notifier.as_mut().filter(|_| has_files) {
            notifier.reload();
        }
        self.write_textfile();
        for file in self.files() {
            match file.reopen() {
                Ok(()) => log::info!("{}: reopened", file.shown_path()),
                Err(error) => log::error!("{}: {}", file.shown_path(), Failure::words(&error)),
            }
        }
        has_files
    }

    /// Writes what `--flush-every` has collected, and from now on each line at once: a second signal ends the run without
    /// further writes.
    fn write_collected(&mut self) {
        if let Some(data) = &mut self.view.data {
            data.stop_collecting(self.servers.now().mono);
        }
        self.report();
    }

    fn statistics(&self) -> Statistics {
        let mut statistics = self.servers.statistics();
        statistics.dropped = self.output.dropped();
        if let Some(reader) = &self.reader {
            (statistics.unread, statistics.dropped) = reader.losses();
        }
        statistics.saved = self.view.data.as_ref().map(|data| wsmon::Saved {
            messages: self.view.saved(),
            file: data.path().to_owned(),
            bytes: data.written().bytes,
        });
        statistics
    }

    fn statistics_text(&self) -> String {
        let mut text = String::new();
        let options = &self.view.options;
        (options.format.stats)(&mut text, &self.statistics(), &options.style);
        text
    }

    /// Prints the statistics where the format has them: on stdout, or on stderr if its lines are for programs.
    fn print_statistics(&mut self) {
        let text = self.statistics_text();
        match self.view.options.format.stats_apart {
            true => self.output.print_err(&text),
            false => self.output.print(&text),
        }
        self.screen.as_mut().into_iter().for_each(Screen::restart);
    }

    /// Closes the connections, writes the remaining output and returns the exit status.
    fn finish(mut self, end: End) -> Result<u8, Failure> {
        // The connections that end now are of no concern to those who ask.
        self.listener = None;
        self.stats_interval = None;
        self.notifier.take().into_iter().for_each(|notifier| notifier.stop());
        self.view.end_intervals(self.servers.now().mono, &mut |text| self.output.print(text));
        if self.plan.check {
            return self.finish_check(end);
        }
        self.end_frames();
        if let Some(fleet) = self.view.fleet.as_mut().filter(|_| matches!(end, End::Signal(_))) {
            fleet.disconnect_all(self.servers.now());
        }
        self.write_textfile();
        // The connections that end now are of no concern to the rules.
        self.view.fleet = None;
        let clean = exit_status::is_clean(&self.servers.monitor, self.plan.no_reconnect);
        self.servers.monitor.stop();
        // Without a reader there is nothing to wait for: the Close frames are sent, and no answer is read.
        let patience = if end == End::Closed { Duration::ZERO } else { LAST_CLOSE };
        let give_up_at = self.servers.monitor.clock().mono + patience;
        while !self.servers.monitor.is_done() {
            self.turn(Some(give_up_at))?;
            if self.servers.monitor.now().mono >= give_up_at {
                break;
            }
        }
        let outcome = self.outcome(end, clean);
        self.log_outcome(&outcome);
        let give_up_at = self.servers.monitor.clock().mono + LAST_FLUSH;
        if self.plan.stats {
            // Into an empty queue: in a full one the statistics would drop messages that they do not count.
            self.flush_until(give_up_at)?;
            self.print_statistics();
        }
        self.flush_until(give_up_at)?;
        if self.output.has_failed() {
            return Ok(3);
        }
        if let Some(signal) = outcome.ended_by() {
            signals::end_by(signal);
        }
        Ok(outcome.status())
    }

    /// Prints the result of a check and returns its status. It waits neither for answers to the Close frames nor longer than
    /// necessary for the reader: a plugin must end in time.
    fn finish_check(mut self, end: End) -> Result<u8, Failure> {
        let Some(fleet) = self.view.fleet.take() else { return Ok(Status::Unknown.code()) };
        self.servers.monitor.stop();
        // Ends the dials, which tells where each of them was.
        let now = self.servers.monitor.clock().mono;
        self.turn(Some(now))?;
        let (status, text) = match (end, &self.servers.saved) {
            (End::Signal(_), _) => (Status::Unknown, check::unknown("interrupted by a signal")),
            (_, Some(saved)) => {
                let looks = check::look_at_saved(saved, &fleet);
                match looks.is_empty() {
                    true => (Status::Unknown, check::unknown("no line of saved data was read")),
                    false => check::result(&fleet.board, &fleet.rules, &looks, saved.now().mono),
                }
            }
            _ => {
                let waited = humantime::format_duration(self.plan.duration.unwrap_or_default()).to_string();
                let looks: Vec<Look> =
                    check::look(&self.servers.monitor, &fleet, &waited, &|id| self.view.count_reached(id));
                check::result(&fleet.board, &fleet.rules, &looks, self.servers.monitor.now().mono)
            }
        };
        self.output.print(&text);
        self.flush_until(self.servers.monitor.clock().mono + LAST_FLUSH)?;
        Ok(if self.output.has_failed() || self.read_failed() { Status::Unknown.code() } else { status.code() })
    }

    fn outcome(&self, end: End, clean: bool) -> RunOutcome {
        let servers = self.servers.ids();
        let count_of = |is: &dyn Fn(ServerId) -> bool| servers.clone().filter(|&id| is(id)).count();
        let has_delivered = |id| self.servers.nothing_delivered(id).is_none();
        let has_own_end = self.plan.duration.is_some() || self.reader.is_some();
        RunOutcome {
            end,
            count: self.plan.count,
            duration: has_own_end,
            required: self.plan.require.unwrap_or(self.servers.len().max(1)),
            delivered: count_of(&has_delivered),
            heard: count_of(&|id| has_delivered(id) || self.servers.statistics_of(id).messages_received > 0),
            complete: count_of(&|id| self.view.count_reached(id)),
            shown: servers.clone().map(|id| self.view.shown(id)).max().unwrap_or_default(),
            clean,
            lossy: self.output.has_failed()
                || self.read_failed()
                || self.view.data.as_ref().is_some_and(|data| data.lost() > 0)
                || self.textfile.as_ref().is_some_and(Textfile::has_failed),
        }
    }

    /// Returns true if a file of `--read` could not be read to its end.
    fn read_failed(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.has_failed())
    }

    /// Logs which servers were given up or delivered nothing, and what the run dies of. A run that its reader ended
    /// says nothing.
    fn log_outcome(&mut self, outcome: &RunOutcome) {
        let why = outcome.why();
        if why.is_none() && outcome.end == End::Closed {
            return;
        }
        let level = if why.is_some() { log::Level::Error } else { log::Level::Warn };
        for id in self.servers.ids() {
            let label = wsmon::escape(self.servers.label(id));
            let watched = Some(&self.servers.monitor).filter(|_| self.reader.is_none());
            let given_up = watched.filter(|monitor| monitor.state(id) == wsmon::ClientState::Error);
            match given_up.and_then(|monitor| monitor.last_disconnect(id)) {
                // The line before the end has said it of a single server.
                Some(_) if self.servers.len() == 1 => {}
                Some(disconnect) => log::error!(target: SERVER_TARGET, "{label}: given up: {disconnect}"),
                None => {
                    if let Some(words) = self.servers.nothing_delivered(id) {
                        log::log!(target: SERVER_TARGET, level, "{label}: {words}");
                    }
                }
            }
            // The buffer of the log is smaller than the lines of a thousand servers.
            self.output.write_log(self.servers.monitor.now());
        }
        if let Some(why) = why {
            log::error!("{why}");
        }
    }

    /// Writes all output until then; a reader that takes longer does not get the rest.
    fn flush_until(&mut self, give_up_at: Instant) -> Result<(), Failure> {
        self.output.write_log(self.servers.monitor.now());
        self.output.flush();
        // A failed flush has added a line to the log.
        self.output.write_log(self.servers.monitor.now());
        while self.output.wants_write() && self.servers.monitor.now().mono < give_up_at {
            self.turn(Some(give_up_at))?;
            self.output.flush();
        }
        Ok(())
    }
}

/// Starts the server of `--demo` and adds it to the plan.
fn start_demo(plan: &mut Plan, monitor: &Monitor) -> Result<Demo, Failure> {
    let tokens = [Source::DemoListener.token(), Source::DemoClient.token()];
    let demo = demo::listen(monitor.registry(), tokens)?;
    plan.uris.push(format!("demo={}", demo.uri()));
    Ok(demo)
}

/// Prints the header of the format, unless stdout is a file in which it stands already.
fn print_head(output: &mut Output, format: &Format, style: &Style) {
    if let Some(push_head) = format.head.filter(|_| !output::continues_file()) {
        let mut head = String::new();
        push_head(&mut head, style);
        output.print(&head);
    }
}

fn view_options(plan: &mut Plan, format: &'static Format, style: Style) -> ViewOptions {
    ViewOptions {
        format,
        template: plan.template.take(),
        style,
        every: setup::every(plan),
        average: plan.average,
        filter: if plan.check { Some(Filter::nothing()) } else { plan.only.take() },
        count: plan.count,
        count_answers: plan.has_requests && plan.format != "table",
    }
}
