//! The command's loop around the monitor's turns: streams, files, signals, the end.

use std::fmt::Display;
use std::io;
use std::time::{Duration, Instant};

use log::Level;
use mio::Token;
use wsmon::{Monitor, Statistics};

use super::file::Appender;
use super::logging::{self, LogBuffer};
use super::plan::{Exit, Plan};
use super::signals::{Signal, Signals};
use super::view::View;
use super::{Failure, setup};
use crate::cli::exit_status::{self, End, RunOutcome};
use crate::cli::stream::queue;
use crate::cli::stream::sink::Streams;

/// How long the last bytes may take to leave.
const LAST_FLUSH: Duration = Duration::from_secs(1);
/// What waits for a stderr that nobody reads.
const LOG_BYTES: usize = 256 << 10;

/// The tokens of descriptors that are not a server's.
enum Own {
    Signals,
    Out,
    Err,
    #[cfg(feature = "demo")]
    DemoListener,
    #[cfg(feature = "demo")]
    DemoClient,
}

impl Own {
    fn token(self) -> Token {
        Monitor::own_token(self as usize)
    }
}

/// Runs the plan to its end; the exit status.
pub fn run(plan: Box<Plan>) -> Result<u8, Failure> {
    let log = logging::install(plan.log_level).map_err(|error| Failure::local(error.to_string()))?;
    let mut run = Run::new(plan, log)?;
    let end = run.watch()?;
    run.finish(end)
}

struct Run {
    plan: Box<Plan>,
    monitor: Monitor,
    view: View,
    streams: Streams,
    signals: Signals,
    log: LogBuffer,
    log_file: Option<Box<Appender>>,
    #[cfg(feature = "demo")]
    demo: Option<Box<wsmon::demo::Demo>>,
    until: Option<Instant>,
    /// stdout failed with something else than a reader that left.
    lossy: bool,
    /// Whether it has been said that the reader is too slow.
    said_dropped: bool,
}

impl Run {
    fn new(mut plan: Box<Plan>, log: LogBuffer) -> Result<Box<Self>, Failure> {
        let mut data = setup::open(&plan.save_data, "--save-data", &plan)?;
        if let Some(data) = &mut data {
            data.fsync(plan.fsync);
        }
        let log_file = setup::open(&plan.log_file, "--log-file", &plan)?;
        let mut monitor = Monitor::new().map_err(|error| Failure::io("epoll", &error))?;
        let signals = Signals::install(monitor.registry(), Own::Signals.token())
            .map_err(|error| Failure::io("signals", &error))?;
        #[cfg(feature = "demo")]
        let demo = if plan.demo { Some(listen(&monitor)?) } else { None };
        #[cfg(feature = "demo")]
        if let Some(demo) = &demo {
            plan.uris.push(format!("demo={}", demo.uri()));
        }
        #[cfg(not(feature = "demo"))]
        if plan.demo {
            return Err(Exit::usage("--demo: this build does not have it").into());
        }
        if plan.insecure {
            log::warn!("--insecure: no certificate is checked, whoever is in between can read and change everything");
        }
        setup::add_servers(&mut monitor, &plan)?;
        let format = wsmon::format(plan.format).unwrap_or(&wsmon::FORMATS[0]);
        let limits = queue::QueueLimits { bytes: plan.queue, when_full: plan.when_full, marker: format.gap };
        let log_limits = queue::QueueLimits { bytes: LOG_BYTES, when_full: queue::WhenFull::Drop, marker: None };
        let streams = Streams::open(monitor.registry(), [Own::Out.token(), Own::Err.token()], limits, log_limits)
            .map_err(|error| Failure::io("stdout", &error))?;
        let mut view = View::new(format, setup::style(&plan, monitor.len()), monitor.len());
        (view.every, view.only, view.count, view.data) = (plan.every, plan.only.take(), plan.count, data);
        view.answers_only = plan.has_requests;
        let until = plan.duration.and_then(|duration| monitor.now().mono.checked_add(duration));
        let run = Box::new(Run {
            plan,
            monitor,
            view,
            streams,
            signals,
            log,
            log_file,
            #[cfg(feature = "demo")]
            demo,
            until,
            lossy: false,
            said_dropped: false,
        });
        run.say_repaired();
        Ok(run)
    }

    /// Turns until there is a reason to end.
    fn watch(&mut self) -> Result<End, Failure> {
        loop {
            self.turn(self.deadline())?;
            self.check_answers()?;
            let stopped = self.obey_signals();
            for id in 0..self.monitor.len() {
                if self.view.is_full(id) {
                    self.monitor.stop_one(id);
                }
            }
            let end = if stopped {
                End::Signal
            } else if self.streams.is_out_closed() && self.view.data.is_none() {
                End::Closed
            } else if self.until.is_some_and(|until| self.monitor.now().mono >= until) {
                End::Duration
            } else if self.monitor.is_done() {
                End::Done
            } else {
                continue;
            };
            return Ok(end);
        }
    }

    /// `--count` counts answers when there are requests; a server without any would never be done.
    fn check_answers(&self) -> Result<(), Failure> {
        let counts = self.plan.count.is_some() && self.plan.has_requests;
        match (0..self.monitor.len()).find(|&id| counts && self.monitor.has_answers(id) == Some(false)) {
            Some(id) => {
                let dialect = self.monitor.dialect(id);
                let text = format!("--count with --request counts answers, and {dialect} defines none: use --duration");
                Err(Exit::usage(&text).into())
            }
            None => Ok(()),
        }
    }

    /// One turn of everything there is.
    fn turn(&mut self, deadline: Option<Instant>) -> Result<(), Failure> {
        // What was said since the last turn does not wait for the next event.
        self.drain_log();
        let wait = if self.flush() {
            Some(Duration::ZERO)
        } else {
            deadline.map(|at| at.saturating_duration_since(self.monitor.clock().mono))
        };
        // Asked after flushing: a queue that is empty again brings no event that would resume the reading.
        if self.plan.when_full == queue::WhenFull::Wait {
            self.monitor.pause(self.streams.is_full());
        }
        let Run { monitor, view, log, log_file, streams, .. } = self;
        let show = &mut |shown: &wsmon::Message<'_>| {
            // What was said before this message comes before it, and after those before.
            if !log.is_empty() {
                view.out.drain(&mut |message| streams.push_out(message));
                let now = wsmon::Now { mono: shown.at, wall: shown.received_at };
                drain(log, now, log_file.as_deref_mut(), streams);
            }
            view.show(shown);
        };
        monitor.turn(wait, show).map_err(|error| Failure::io("epoll", &error))?;
        self.serve_own();
        self.view.release(self.monitor.now().mono, false);
        self.push_out();
        self.say_reports();
        self.drain_log();
        Ok(())
    }

    /// Hands what was shown to stdout's queue.
    fn push_out(&mut self) {
        let Run { view, streams, .. } = self;
        view.out.drain(&mut |message| streams.push_out(message));
    }

    /// Passes the poll's news on to what is not a server.
    fn serve_own(&mut self) {
        for event in self.monitor.own_events() {
            self.streams.handle(event);
            #[cfg(feature = "demo")]
            if let Some(demo) = &mut self.demo {
                demo.ready(self.monitor.registry(), event.token());
            }
        }
        let now = self.monitor.now();
        self.signals.tick(now.mono);
        #[cfg(feature = "demo")]
        if let Some(demo) = &mut self.demo {
            demo.turn(now.mono, now.wall);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        #[cfg(feature = "demo")]
        let demo = self.demo.as_ref().and_then(|demo| demo.deadline());
        #[cfg(not(feature = "demo"))]
        let demo = None;
        let mut deadline = None;
        for at in [self.until, self.view.deadline(), self.signals.deadline(), demo] {
            if deadline.is_none() || at.is_some() && at < deadline {
                deadline = at;
            }
        }
        deadline
    }

    /// Writes out what the streams take. Whether that has brought something to light which must not wait for the
    /// next event: the end of stdout, or a line for the log.
    fn flush(&mut self) -> bool {
        let mut news = false;
        if let Err(error) = self.streams.flush() {
            news = true;
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.lossy = true;
                log::error!("stdout: {}", Failure::words(&error));
            }
        }
        if self.streams.take_dropped().messages > 0 && !self.said_dropped {
            (self.said_dropped, news) = (true, true);
            log::warn!("the reader of stdout is too slow: messages are dropped, the statistics tell how many");
        }
        news
    }

    /// Whether a signal wants the end.
    fn obey_signals(&mut self) -> bool {
        let token = Own::Signals.token();
        if !self.monitor.own_events().iter().any(|event| event.token() == token) {
            return false;
        }
        let mut stop = false;
        let now = self.monitor.now();
        for signal in self.signals.pending(now.mono) {
            match signal {
                Signal::Stop(_) => stop = true,
                Signal::Hangup if self.view.data.is_none() && self.log_file.is_none() => stop = true,
                Signal::Hangup => self.reopen(),
                Signal::Statistics => {
                    let text = self.statistics_text();
                    self.streams.push_err(&text);
                }
            }
        }
        stop
    }

    /// logrotate(8) has moved the files: begins new ones.
    fn reopen(&mut self) {
        for file in [&mut self.view.data, &mut self.log_file].into_iter().flatten() {
            match file.reopen() {
                Ok(()) => say(Level::Info, file, &"opened anew"),
                Err(error) => say(Level::Error, file, &Failure::words(&error)),
            }
        }
    }

    fn say_repaired(&self) {
        for file in [&self.view.data, &self.log_file].into_iter().flatten() {
            if file.repaired() {
                say(Level::Warn, file, &"ended in the middle of a line, which was given its line feed");
            }
        }
    }

    fn say_reports(&mut self) {
        for file in [&mut self.view.data, &mut self.log_file].into_iter().flatten() {
            for report in file.reports() {
                say(report.level(), file, &report);
            }
        }
    }

    /// Log lines leave when the turn is over at the latest, stamped with its time.
    fn drain_log(&mut self) {
        let Run { log, log_file, streams, monitor, .. } = self;
        drain(log, monitor.now(), log_file.as_deref_mut(), streams);
    }

    fn statistics(&self) -> Statistics {
        let mut statistics = self.monitor.statistics();
        statistics.dropped = self.streams.dropped().messages;
        statistics.saved = self.view.data.as_ref().map(|data| wsmon::Saved {
            messages: data.written().lines,
            file: data.path().to_owned(),
            bytes: data.written().bytes,
        });
        statistics
    }

    fn statistics_text(&self) -> String {
        let mut text = String::new();
        (self.view.format.stats)(&mut text, &self.statistics(), &self.view.style);
        text
    }

    /// Closes the connections, writes out what is left, and says what came of it.
    fn finish(mut self, end: End) -> Result<u8, Failure> {
        let clean = exit_status::is_clean(&self.monitor, self.plan.no_reconnect);
        self.monitor.stop();
        // Without a reader there is nothing to wait for: a Close frame, and away.
        let patience = if end == End::Closed { Duration::ZERO } else { LAST_FLUSH };
        let give_up_at = self.monitor.clock().mono + patience;
        while !self.monitor.is_done() {
            self.turn(Some(give_up_at))?;
            if self.monitor.now().mono >= give_up_at {
                break;
            }
        }
        self.view.release(self.monitor.now().mono, true);
        let (received, shown) = self.view.most();
        let any_received = self.monitor.statistics().messages_received > 0;
        let lossy = self.lossy || self.view.data.as_ref().is_some_and(|data| data.gap_total() > 0);
        let outcome = RunOutcome {
            end,
            count: self.plan.count,
            duration: self.until.is_some(),
            received,
            shown,
            any_received,
            clean,
            lossy,
        };
        self.say_outcome(&outcome);
        self.push_out();
        if self.plan.stats {
            let text = self.statistics_text();
            self.streams.push_out(&text);
        }
        self.drain_log();
        self.flush_to_the_end()?;
        Ok(if self.lossy { 3 } else { outcome.status() })
    }

    fn say_outcome(&self, outcome: &RunOutcome) {
        if self.monitor.len() > 1 {
            for id in (0..self.monitor.len()).filter(|&id| self.monitor.state(id) == wsmon::ClientState::Error) {
                if let Some(why) = self.monitor.last_disconnect(id) {
                    log::error!("{}: given up: {why}", self.monitor.label(id));
                }
            }
        }
        if let Some(why) = outcome.why() {
            log::error!("{why}");
        }
    }

    /// A reader that still does not read when the last second is over misses the rest.
    fn flush_to_the_end(&mut self) -> Result<(), Failure> {
        let give_up_at = self.monitor.clock().mono + LAST_FLUSH;
        self.flush();
        self.drain_log();
        while self.streams.wants_write() && self.monitor.now().mono < give_up_at {
            self.turn(Some(give_up_at))?;
            self.flush();
        }
        self.streams.restore();
        Ok(())
    }
}

/// What there is to say of a file.
fn say(level: Level, file: &Appender, what: &dyn Display) {
    log::log!(level, "{}: {what}", file.path().display());
}

/// Log lines go to their file or to stderr; errors go to stderr in any case.
fn drain(log: &LogBuffer, now: wsmon::Now, mut file: Option<&mut Appender>, streams: &mut Streams) {
    log.drain(now.wall, |line, level| match &mut file {
        Some(file) => {
            file.write_line(line, now.mono);
            if level == Level::Error {
                streams.push_err(line);
            }
        }
        None => streams.push_err(line),
    });
}

#[cfg(feature = "demo")]
fn listen(monitor: &Monitor) -> Result<Box<wsmon::demo::Demo>, Failure> {
    match wsmon::demo::Demo::listen(monitor.registry(), Own::DemoListener.token(), Own::DemoClient.token()) {
        Ok(demo) => Ok(Box::new(demo)),
        Err(error) => Err(Failure::io("--demo", &error)),
    }
}
