//! The start of a run: opens everything that the plan names.

use std::io::IsTerminal as _;

use rustix::stdio;
use wsmon::{Board, Format, Monitor, Style};

use super::{Run, Source};
use crate::cli::demo::{self, Demo};
use crate::cli::file::Appender;
use crate::cli::filter::Filter;
use crate::cli::fleet::Fleet;
use crate::cli::interval::Interval;
use crate::cli::logging::LogBuffer;
use crate::cli::notify::Notifier;
use crate::cli::on_alert::OnAlert;
use crate::cli::output::{self, Output};
use crate::cli::plan::Plan;
use crate::cli::read::Reader;
use crate::cli::screen::Screen;
use crate::cli::server_list::{Changes, ServerList};
use crate::cli::servers::Servers;
use crate::cli::signals::Signals;
use crate::cli::stream::queue::QueueLimits;
use crate::cli::view::{Frames, View, ViewOptions};
use crate::cli::{Failure, setup};

impl Run {
    /// Opens what the plan names, in the order in which its errors are told: files before servers, and stdout last.
    pub(super) fn new(mut plan: Box<Plan>, log: LogBuffer) -> Result<Self, Failure> {
        setup::check_log_file(&plan)?;
        let data_format = wsmon::format(plan.save_format).unwrap_or(&wsmon::FORMATS[0]);
        let data = setup::open_data(&plan, data_format)?;
        let log_file = setup::open(&plan.log_file, "--log-file", &plan)?;
        let monitor = setup::monitor()?;
        // Before the servers: thousands take a while to read and check, and a SIGHUP meanwhile must not kill.
        let refused = |error| Failure::io("signals", &error);
        let mut signals = Signals::install(monitor.registry(), Source::Signals.token()).map_err(refused)?;
        let textfile = setup::open_textfile(&plan, monitor.clock().mono)?;
        let tokens = [Source::Listener.token(), Source::ListenerClient.token()];
        let listener = setup::listen(&plan, monitor.registry(), tokens)?;
        let demo = if plan.demo > 0 { Some(start_demo(&mut plan, monitor)?) } else { None };
        let (saved, reader) = Reader::open(&mut plan)?.unzip();
        if saved.is_none() {
            setup::add_servers(monitor, &mut plan)?;
        }
        let (list, changes) = ServerList::open(&mut plan, monitor)?.unzip();
        signals.install_all(plan.on_alert.is_some()).map_err(refused)?;
        setup::warn_of_useless_options(&plan, changes.as_ref().map_or(&[], Changes::rules));
        let (format, style) = (setup::format(&plan), setup::style(&plan, monitor));
        let output = open_output(&plan, monitor, (log, log_file), format, &style)?;
        let mut view = View::new(view_options(&mut plan, format, style), data);
        view.data_format = data_format;
        view.on_alert = on_alert(&plan);
        add_to_view(&mut view, &plan, monitor, changes);
        let (frames, screen) = frames(&plan);
        view.frames = frames;
        saved.iter().for_each(|saved| view.add_servers(saved));
        let started = monitor.clock().mono;
        let mut run = Run {
            notifier: Notifier::open(started),
            started,
            stats_interval: plan.stats_every.map(Interval::new),
            // The duration of saved data is that of its times.
            ends_at: plan.duration.filter(|_| saved.is_none()).and_then(|duration| started.checked_add(duration)),
            plan,
            servers: Servers { monitor, saved },
            reader,
            list,
            view,
            output,
            screen,
            signals,
            demo,
            textfile,
            listener,
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
}

/// Returns the table or the messages of `--live`, and the screen that they are drawn on; nothing where neither is asked for,
/// and no screen where stdout is no terminal.
fn frames(plan: &Plan) -> (Option<Frames>, Option<Screen>) {
    let is_terminal = stdio::stdout().is_terminal();
    let frames = match plan.format {
        "table" => Some(Frames::table(plan.every, is_terminal, plan.every.filter(|_| plan.average))),
        _ => (plan.live && is_terminal).then(Frames::live),
    };
    let screen = frames.is_some() && is_terminal;
    (frames, screen.then(Screen::default))
}

fn on_alert(plan: &Plan) -> Option<Box<OnAlert>> {
    Some(OnAlert::new(plan.on_alert.as_ref()?, wsmon::format("events")?))
}

/// Starts the servers of `--demo` and adds them to the plan.
fn start_demo(plan: &mut Plan, monitor: &Monitor) -> Result<&'static mut Demo, Failure> {
    let tokens = [Source::DemoListener.token(), Source::DemoClient.token()];
    let demo = Box::leak(Box::new(demo::listen(plan.demo, monitor.registry(), tokens)?));
    plan.uris.extend(demo.places());
    Ok(demo)
}

/// Opens the streams and prints the header of the format.
fn open_output(
    plan: &Plan,
    monitor: &Monitor,
    (log, log_file): (LogBuffer, Option<Appender>),
    format: &Format,
    style: &Style,
) -> Result<Output, Failure> {
    let limits = QueueLimits { bytes: plan.queue, when_full: plan.when_full, marker: format.gap };
    let tokens = [Source::Stdout.token(), Source::Stderr.token()];
    let mut output = Output::open(monitor.registry(), tokens, limits, log, log_file)
        .map_err(|error| Failure::io("stdout", &error))?;
    print_head(&mut output, format, style);
    Ok(output)
}

/// Makes room for the servers in the view, with the rules about them. `changes` are the servers of a list.
fn add_to_view(view: &mut View, plan: &Plan, monitor: &Monitor, changes: Option<Changes>) {
    monitor.ids().for_each(|id| view.add(id));
    view.fleet = Fleet::new(plan, monitor);
    if let Some(changes) = changes {
        changes.apply(view, plan, monitor, &mut |_| {});
        if view.fleet.is_none() {
            view.alerts.get_or_insert_with(Board::default);
        }
    }
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
