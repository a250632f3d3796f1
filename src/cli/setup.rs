//! Sets up files, servers and the style before the first turn.

use std::fmt::Display;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::{Registry, Token};
use rustix::stdio;
use wsmon::{Error, ErrorKind, Event, Format, Monitor, Quantity, Server, ServerId, Style, Threshold, Thresholds};

use super::file::Appender;
use super::listen::Listener;
use super::plan::{Exit, Plan, ROTATE_KEEP, ROTATE_SIZE, SAVE_FORMATS};
use super::textfile::{self, Textfile};
use super::{Failure, terminal};

/// Creates the monitor, which lives until the process ends.
pub fn monitor() -> Result<&'static mut Monitor, Failure> {
    let monitor = Monitor::new().map_err(|error| Failure::io("epoll", &error))?;
    Ok(Box::leak(Box::new(monitor)))
}

/// Opens a file for appending, if `path` names one. Errors name `option`.
pub fn open(path: &Option<PathBuf>, option: &str, plan: &Plan) -> Result<Option<Appender>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let keep = u32::try_from(plan.rotate_keep).unwrap_or(u32::MAX);
    match Appender::open(path, plan.rotate_size, keep) {
        Ok(file) => Ok(Some(file)),
        Err(error) => Err(Failure::file(option, path, &error)),
    }
}

/// Opens the file of `--save-data`, whose lines are in this format.
pub fn open_data(plan: &Plan, format: &Format) -> Result<Option<Appender>, Failure> {
    let mut data = open(&plan.save_data, "--save-data", plan)?;
    if let Some(data) = &mut data {
        data.set_fsync(plan.fsync);
        if let Some(every) = plan.flush_every {
            data.collect(every, plan.queue);
        }
        if let Some(push_head) = format.head {
            let mut head = String::new();
            push_head(&mut head, &Style { means: plan.average, ..Style::default() });
            data.set_head(head);
        }
    }
    Ok(data)
}

/// Opens the file of `--textfile`.
pub fn open_textfile(plan: &Plan, now: Instant) -> Result<Option<Textfile>, Failure> {
    let Some(path) = &plan.textfile else { return Ok(None) };
    match Textfile::open(path.clone(), plan.every.unwrap_or(textfile::INTERVAL), now) {
        Ok(file) => Ok(Some(file)),
        Err(error) => Err(Failure::file("--textfile", path, &error)),
    }
}

/// Opens the socket of `--listen`.
pub fn listen(plan: &Plan, registry: &Registry, tokens: [Token; 2]) -> Result<Option<Box<Listener>>, Failure> {
    let Some(address) = plan.listen else { return Ok(None) };
    match Listener::open(address, registry, tokens) {
        Ok(listener) => Ok(Some(Box::new(listener))),
        Err(error) => Err(Failure::io(&format!("--listen {address}"), &error)),
    }
}

/// Refuses a log file that is the file of the saved data or one of its rotated files, which would be mixed or lost.
pub fn check_log_file(plan: &Plan) -> Result<(), Failure> {
    let (Some(data), Some(log)) = (&plan.save_data, &plan.log_file) else { return Ok(()) };
    let resolved = |path: &PathBuf| match (path.parent().map(std::fs::canonicalize), path.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => path.clone(),
    };
    let (data, log) = (resolved(data), resolved(log));
    let rest = log.as_os_str().as_encoded_bytes().strip_prefix(data.as_os_str().as_encoded_bytes());
    let number = rest.and_then(|rest| std::str::from_utf8(rest).ok()?.strip_prefix('.')?.parse::<u64>().ok());
    let is_rotated = number.is_some_and(|number| (1..=plan.rotate_keep).contains(&number));
    let is_same = log.as_os_str() == data.as_os_str() && data.as_os_str() != "/dev/null";
    if is_same || is_rotated {
        let text = "--log-file: --save-data writes to this file or rotates into it: choose another name";
        return Err(Exit::usage(text).into());
    }
    Ok(())
}

/// Adds the servers of the plan. Reads the files that they name, so that a wrong one is reported before any connection.
/// It may wait for the end of a pipe, so no handler of a signal may be installed before.
pub fn add_servers(monitor: &mut Monitor, plan: &mut Plan) -> Result<(), Failure> {
    if plan.insecure {
        warn_of_insecure();
    }
    let template =
        std::mem::take(&mut plan.server).keep_last_sample(false).load().map_err(|error| failure(plan, error))?;
    for uri in &plan.uris {
        add(monitor, plan, template.clone().place(uri))?;
    }
    if plan.uris.is_empty() && plan.servers.is_none() {
        add(monitor, plan, Ok(template.clone()))?;
    }
    plan.server = template;
    Ok(())
}

fn add(monitor: &mut Monitor, plan: &Plan, server: Result<Server, Error>) -> Result<(), Failure> {
    let checked = server.and_then(|server| server.check_proxy().map(|()| server));
    let server = checked.map_err(|error| failure(plan, error))?;
    monitor.add(server).map(drop).map_err(|error| usage(plan.uris_from, &error))
}

fn usage(from: &str, error: &dyn Display) -> Failure {
    Exit::usage(&format!("{from}: {error}")).into()
}

fn failure(plan: &Plan, error: Error) -> Failure {
    match error.kind() {
        ErrorKind::File => Failure::local(error.to_string()),
        ErrorKind::Uri => usage(plan.uris_from, &error),
        // The only one that is not in a file.
        ErrorKind::Token => usage("$MONITORING_TOKEN", &error),
        _ => Exit::usage(&error.to_string()).into(),
    }
}

/// Returns the format of the output. A template replaces the lines alone; everything else is as influx has it: no header,
/// no line for a gap, statistics on stderr.
pub fn format(plan: &Plan) -> &'static Format {
    let name = if plan.template.is_some() { "influx" } else { plan.format };
    wsmon::format(name).unwrap_or(&wsmon::FORMATS[0])
}

/// Returns the least time between two samples of a server. Those of the table come as they are, unless they are saved too:
/// there the option is the time between two frames.
pub fn every(plan: &Plan) -> Option<Duration> {
    plan.every.filter(|_| plan.format != "table" || plan.average || plan.save_data.is_some())
}

/// Warns of `--insecure`, which anybody may have written into a file.
pub fn warn_of_insecure() {
    log::warn!("--insecure: certificates are not checked, anyone on the path can read and change everything");
}

/// Warns of options that others make useless. `line_rules` are those of the servers in a list.
pub fn warn_of_useless_options(plan: &Plan, line_rules: &[(ServerId, Thresholds)]) {
    let format = if plan.template.is_some() { "--template" } else { plan.format };
    let saves = |formats: [&str; 2]| plan.save_data.is_some() && formats.contains(&plan.save_format);
    // Those on `up` decide about /readyz.
    let is_shown = |threshold: &Threshold| plan.listen.is_some() && threshold.subject.quantity == Quantity::Up;
    let mut has_rules = !plan.thresholds.list().iter().all(is_shown);
    for (_, thresholds) in line_rules {
        has_rules |= !thresholds.list().iter().all(is_shown);
    }
    let shows_alerts = !["json", "jsonl", "csv", "--template"].contains(&format) || saves(["events", "influx"]);
    let shows_messages =
        ["json", "jsonl"].contains(&format) && (plan.save_data.is_none() || plan.save_format == "jsonl");
    let shown_kinds: &[&str] = match format {
        "csv" | "--template" => &["sample"],
        "influx" => &["sample", "processes", "alert"],
        _ => &Event::KINDS,
    };
    let has_times = !["simple", "compact", "--template"].contains(&format);
    let has_file = plan.save_data.is_some();
    let rotates = plan.rotate_size != Some(ROTATE_SIZE) || plan.rotate_keep != ROTATE_KEEP;
    let names_state = plan.only.as_ref().is_some_and(|only| only.names("state"));
    let warn_if = |is_useless: bool, text: &str| {
        if is_useless {
            log::warn!("{}", text.replace("FORMAT", format));
        }
    };
    warn_if(plan.time && plan.template.is_some(), "--time has no effect: write {time} or {unix} into the template");
    warn_if(plan.time && has_times, "--time has no effect: FORMAT has times of its own, simple and compact have not");
    warn_if(
        has_rules && !shows_alerts && !plan.check && plan.on_alert.is_none(),
        "--warning and --critical have no effect: FORMAT has no line for an alert, events has",
    );
    warn_if(
        plan.average && shows_messages && !has_rules && plan.textfile.is_none() && plan.listen.is_none(),
        "--average has no effect: FORMAT shows messages as they came, events has the means",
    );
    warn_if(plan.flush_every.is_some() && !has_file, "--flush-every has no effect without --save-data");
    warn_if(plan.fsync && !has_file, "--fsync has no effect without --save-data");
    warn_if(plan.save_format != SAVE_FORMATS[0] && !has_file, "--save-format has no effect without --save-data");
    warn_if(
        rotates && !has_file && plan.log_file.is_none(),
        "--rotate-size and --rotate-keep have no effect without --save-data or --log-file",
    );
    warn_if(plan.live && !stdio::stdout().is_terminal(), "--live has no effect: stdout is not a terminal");
    warn_if(
        format == "table" && plan.only.is_some(),
        "--only has no effect: FORMAT shows the latest values of all servers",
    );
    warn_if(
        format == "json" && names_state,
        "--only state has no effect: FORMAT shows messages alone, jsonl and events show changes of state too",
    );
    warn_if(
        plan.only.as_ref().is_some_and(|only| only.leaves_out_all(shown_kinds)),
        "--only leaves nothing to print: FORMAT has no line for that, events has",
    );
    if let Some(path) = plan.textfile.as_ref().filter(|path| path.extension() != Some("prom".as_ref())) {
        log::warn!("--textfile {}: node_exporter reads only files whose name ends in .prom", path.to_string_lossy());
    }
}

/// Upper bound on the width of labels, so that one long label does not push all lines out of view.
const MAX_LABEL_WIDTH: usize = 48;

/// Returns the width that a label takes.
pub fn label_width(label: &str) -> usize {
    wsmon::escape(label).chars().count().min(MAX_LABEL_WIDTH)
}

/// The style of the output, for stdout as it is.
pub fn style(plan: &Plan, monitor: &Monitor) -> Style {
    let terminal = stdio::stdout().is_terminal();
    let env = &|name: &str| std::env::var_os(name);
    let ascii = !terminal::unicode(plan.glyphs, terminal, env);
    let labels = monitor.len() > 1;
    Style {
        color: terminal::colored(plan.color, terminal, env),
        ascii,
        labels,
        label_width: monitor
            .ids()
            .map(|id| label_width(monitor.label(id)))
            .max()
            .filter(|_| labels)
            .unwrap_or_default(),
        lists: plan.every.is_some() || plan.has_interval,
        time: plan.time,
        means: plan.average,
        live: plan.live && terminal,
    }
}
