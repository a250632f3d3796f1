//! The plan of a run: command line and environment together.

mod check;
pub mod places;
mod saved;
mod server;
pub mod server_lines;
mod uris;
mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;
use wsmon::{Quantity, Server, Template, Threshold, Thresholds};

use super::args::{self, Args};
use super::units;
use crate::cli::argv::{self, GivenOptions, Invocation};
use crate::cli::filter::Filter;
use crate::cli::help;
use crate::cli::hints;
use crate::cli::stream::queue::WhenFull;
use crate::cli::words;
use uris::{read_uris, refuse_shared_credential};
use values::{
    command, file, format_name, log_format, log_level, put, required, save_format, value_error, when, when_full,
};

/// Everything that the command line and the environment decide, in the program's own types. [`Default`] holds the
/// defaults of the output; those of a server are [`Server`]'s own.
#[cfg_attr(test, derive(Clone, Debug, PartialEq))]
pub struct Plan {
    /// As given, each for [`Server::place`]. Empty: the server of `--demo`, else the one in `server`.
    pub uris: Vec<String>,
    /// The name to report when one of `uris` is wrong: `--uri` or `$MONITORING_WEBSOCKET_URI`.
    pub uris_from: &'static str,
    /// The number of servers of `--demo`; 0 without it.
    pub demo: usize,
    /// The file that names more servers.
    pub servers: Option<PathBuf>,
    /// The host of `--probe`.
    pub probe: Option<String>,
    /// Files of saved data in the place of servers, `-` for standard input; empty = servers are watched.
    pub read: Vec<String>,
    /// The settings of every server.
    pub server: Server,
    /// True if `--request` was given: then only answers count and are shown as content.
    pub has_requests: bool,
    /// True if lists of processes are to come at an interval.
    pub has_interval: bool,
    /// True if no server is connected to again.
    pub no_reconnect: bool,
    /// True if no certificate is checked.
    pub insecure: bool,
    /// The name of a row of [`wsmon::FORMATS`].
    pub format: &'static str,
    /// Instead of `format`.
    pub template: Option<Template>,
    /// The time of receipt before every line of the formats for people.
    pub time: bool,
    /// Draws the latest messages in place on a terminal.
    pub live: bool,
    /// `None`: every sample.
    pub every: Option<Duration>,
    /// Shows the means of these intervals.
    pub average: bool,
    /// `None`: everything.
    pub only: Option<Filter>,
    /// `--warning` and `--critical`.
    pub thresholds: Thresholds,
    /// True for one look, whose result is printed in place of messages.
    pub check: bool,
    pub color: When,
    pub glyphs: Glyphs,
    pub save_data: Option<PathBuf>,
    /// One of [`SAVE_FORMATS`].
    pub save_format: &'static str,
    /// `None`: saved lines are written at once.
    pub flush_every: Option<Duration>,
    /// In bytes; `None`: no rotation.
    pub rotate_size: Option<u64>,
    pub rotate_keep: u64,
    pub fsync: bool,
    pub textfile: Option<PathBuf>,
    pub listen: Option<SocketAddr>,
    /// The command of `--on-alert`.
    pub on_alert: Option<String>,
    /// True if [`IMPLIED_RULE`] was added to `thresholds`.
    pub implies_up: bool,
    /// Limit of the bytes that wait for the reader of stdout.
    pub queue: usize,
    pub when_full: WhenFull,
    pub duration: Option<Duration>,
    /// At least 1.
    pub count: Option<u64>,
    /// Servers that must deliver, at least 1; `None`: all.
    pub require: Option<usize>,
    pub stats: bool,
    /// `None`: never.
    pub stats_every: Option<Duration>,
    pub log_level: LevelFilter,
    /// True if log lines are JSON objects.
    pub log_json: bool,
    pub log_file: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            uris: Vec::new(),
            uris_from: "--uri",
            demo: 0,
            servers: None,
            probe: None,
            read: Vec::new(),
            server: Server::default().proxy_from_env(),
            has_requests: false,
            has_interval: false,
            no_reconnect: false,
            insecure: false,
            format: FORMAT,
            template: None,
            time: false,
            live: false,
            every: None,
            average: false,
            only: None,
            thresholds: Thresholds::default(),
            check: false,
            color: When::Auto,
            glyphs: Glyphs::Auto,
            save_data: None,
            save_format: SAVE_FORMATS[0],
            flush_every: None,
            rotate_size: Some(ROTATE_SIZE),
            rotate_keep: ROTATE_KEEP,
            fsync: false,
            textfile: None,
            listen: None,
            on_alert: None,
            implies_up: false,
            queue: 1 << 20,
            when_full: WhenFull::Drop,
            duration: None,
            count: None,
            require: Some(1),
            stats: false,
            stats_every: None,
            log_level: LevelFilter::Info,
            log_json: false,
            log_file: None,
        }
    }
}

/// `--color` and `--no-color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Auto,
    Always,
    Never,
}

/// `--ascii` and `--unicode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    Auto,
    Ascii,
    Unicode,
}

/// The reason to exit before a run: a text to print, and with it the exit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Help or version: to stdout, status 0.
    Asked(String),
    /// A usage error, by its reason in one line: to stderr, status 2; with `--check` to stdout, status 3.
    Usage(String),
}

impl Exit {
    /// Escapes the reason, which may quote the command line.
    pub fn usage(why: &str) -> Exit {
        Exit::Usage(wsmon::escape(why).into_owned())
    }
}

/// Looks up an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// An option with one value: its name, the variable that replaces it, and the part of the plan that it changes. The
/// error is the reason alone.
type PlanSetter = (&'static str, Option<&'static str>, fn(&mut Plan, &str) -> Result<(), String>);

/// The options that do not concern one server.
const SETTERS: &[PlanSetter] = &[
    ("--format", Some("$MONITORING_FORMAT"), |plan, text| put(&mut plan.format, format_name(text))),
    ("--template", None, |plan, text| put(&mut plan.template, Template::parse(text).map(Some))),
    ("--every", None, |plan, text| put(&mut plan.every, units::duration_or_none(text))),
    ("--only", None, |plan, text| put(&mut plan.only, Filter::read(text).map(Some))),
    ("--color", None, |plan, text| put(&mut plan.color, when(text))),
    ("--save-data", None, |plan, text| put(&mut plan.save_data, file(text).map(Some))),
    ("--save-format", None, |plan, text| put(&mut plan.save_format, save_format(text))),
    ("--flush-every", None, |plan, text| put(&mut plan.flush_every, units::duration_or_none(text))),
    ("--rotate-size", None, |plan, text| put(&mut plan.rotate_size, units::size_or_none(text))),
    ("--rotate-keep", None, |plan, text| put(&mut plan.rotate_keep, units::number(text))),
    ("--textfile", None, |plan, text| put(&mut plan.textfile, file(text).map(Some))),
    ("--listen", None, |plan, text| put(&mut plan.listen, units::listen_address(text).map(Some))),
    ("--on-alert", None, |plan, text| put(&mut plan.on_alert, command(text).map(Some))),
    ("--queue", None, |plan, text| put(&mut plan.queue, units::memory_size(text))),
    ("--when-full", None, |plan, text| put(&mut plan.when_full, when_full(text))),
    ("--duration", None, |plan, text| put(&mut plan.duration, units::duration_or_none(text))),
    ("--count", None, |plan, text| put(&mut plan.count, units::positive_number(text).map(Some))),
    ("--require", None, |plan, text| put(&mut plan.require, required(text))),
    ("--stats-every", None, |plan, text| put(&mut plan.stats_every, units::duration_or_none(text))),
    ("--log-format", None, |plan, text| put(&mut plan.log_json, log_format(text))),
    ("--log-file", Some("$MONITORING_LOG_FILE"), |plan, text| put(&mut plan.log_file, file(text).map(Some))),
];

const LOG_LEVEL: PlanSetter =
    ("--log-level", Some("$MONITORING_LOG_LEVEL"), |plan, text| put(&mut plan.log_level, log_level(text)));

/// The format without an option.
const FORMAT: &str = "simple";

/// The size at which files are rotated, and the number of old ones that are kept, without options.
pub const ROTATE_SIZE: u64 = 10 << 20;
pub const ROTATE_KEEP: u64 = 5;

/// The formats that data is saved in: those whose lines stand for themselves.
pub const SAVE_FORMATS: [&str; 4] = ["jsonl", "events", "csv", "influx"];

/// The critical rule that `--on-alert` implies: those who want a mail want one when the server is gone.
pub const IMPLIED_RULE: &str = "up=1:/2m";

const VERSION: &str = concat!("wsmon ", env!("CARGO_PKG_VERSION"), "\n");

/// The variable with options that come before those of the command line.
const OPTIONS_VARIABLE: &str = "$WSMON_OPTIONS";

/// Makes the plan from the words after the program's name. An error in options of the variable names it.
pub fn plan(argv: &mut dyn Iterator<Item = OsString>, env: Env) -> Result<Box<Plan>, Exit> {
    hints::install();
    let plan = read_all(argv, env);
    match &plan {
        // It is one of the variable if the variable alone has it, too. Those of other variables name them.
        Err(Exit::Usage(why))
            if !why.starts_with('$')
                && env(&OPTIONS_VARIABLE[1..]).is_some()
                && read_all(&mut std::iter::empty(), env).err() == plan.as_ref().err().cloned() =>
        {
            Err(Exit::Usage(format!("{OPTIONS_VARIABLE}: {why}")))
        }
        _ => plan,
    }
}

/// Returns true if the variable with options asks for a check, as [`crate::cli::check::is_asked_for`] tells of the command
/// line.
pub fn variable_asks_for_check(env: Env) -> bool {
    let text = env(&OPTIONS_VARIABLE[1..]).and_then(|text| text.into_string().ok());
    text.is_some_and(|text| text.split_whitespace().any(|word| word == "--check"))
}

fn read_variable(env: Env) -> Result<GivenOptions, String> {
    let mut given = GivenOptions::default();
    let Some(text) = variable(OPTIONS_VARIABLE, env)? else { return Ok(given) };
    let added = words::split(&text).and_then(|words| given.add_words(&mut words.into_iter()));
    match ["--help", "--version"].into_iter().find(|name| given.has(name)) {
        Some(name) => Err(format!("{OPTIONS_VARIABLE}: {name} belongs on the command line")),
        None => added.map(|()| given).map_err(|why| format!("{OPTIONS_VARIABLE}: {why}")),
    }
}

fn read_all(argv: &mut dyn Iterator<Item = OsString>, env: Env) -> Result<Box<Plan>, Exit> {
    let args = match read_variable(env).and_then(|given| argv::read(given, argv)) {
        Ok(Invocation::Help { most_used }) => return Err(Exit::Asked(help::help(most_used))),
        Ok(Invocation::Version) => return Err(Exit::Asked(VERSION.to_owned())),
        Ok(Invocation::Run(words)) => saved::refuse_options(&words).and_then(|()| args::parse(&words)),
        Err(why) => Err(why),
    };
    let mut plan = Box::<Plan>::default();
    match args.and_then(|args| read(&mut plan, &args, env)) {
        Ok(()) => Ok(plan),
        Err(why) => Err(Exit::usage(&why)),
    }
}

/// Reads every option and variable into the plan. The error is the first mistake.
fn read(plan: &mut Plan, args: &Args, env: Env) -> Result<(), String> {
    read_uris(plan, args, env)?;
    for setter in SETTERS {
        read_option(plan, setter, args.text(setter.0), env)?;
    }
    plan.thresholds = thresholds(args)?;
    imply_rule(plan)?;
    if args.has("--format") && args.has("--template") {
        return Err("--format and --template exclude each other: leave one of them out".to_owned());
    }
    if args.has("--template") && plan.format == "table" {
        // By the variable.
        plan.format = FORMAT;
    }
    plan.average = args.has("--average");
    if plan.average && plan.every.is_none() {
        return Err("--average needs an interval to take means of: add --every D, such as --every 1m".to_owned());
    }
    // Those of a file are counted once it is read.
    if plan.servers.is_none() && plan.read.is_empty() {
        check_required(plan.require, plan.uris.len().max(plan.demo).max(1))?;
    }
    if args.has("--check") {
        check::apply(plan, args)?;
    }
    let switch = match args.values("--verbose").len() {
        _ if args.has("--quiet") => Some("warning"),
        0 => None,
        1 => Some("debug"),
        _ => Some("trace"),
    };
    let level = args.text("--log-level").or(switch);
    read_option(plan, &LOG_LEVEL, level, env)?;
    read_switches(plan, args);
    let max_reconnects = args.text("--max-reconnects").map(units::number);
    plan.no_reconnect = args.has("--no-reconnect") || max_reconnects == Some(Ok(0));
    let mut server = server::apply(check::server(plan, args), args)?.verbose(plan.log_level >= LevelFilter::Debug);
    // It would go to every place that is probed.
    let token = if !args.has("--token-file") && plan.probe.is_none() && plan.read.is_empty() {
        variable("$MONITORING_TOKEN", env)?
    } else {
        None
    };
    if let Some(token) = token {
        refuse_shared_credential(plan, "$MONITORING_TOKEN")?;
        server = server.token(token);
    }
    plan.server = server;
    Ok(())
}

/// Reads the options without a value that only set a member.
fn read_switches(plan: &mut Plan, args: &Args) {
    if args.has("--no-color") {
        plan.color = When::Never;
    }
    plan.glyphs = match (args.has("--ascii"), args.has("--unicode")) {
        (true, _) => Glyphs::Ascii,
        (_, true) => Glyphs::Unicode,
        _ => Glyphs::Auto,
    };
    plan.fsync = args.has("--fsync");
    plan.stats = args.has("--stats");
    plan.insecure = args.has("--insecure");
    plan.time = args.has("--time");
    plan.live = args.has("--live");
    plan.has_requests = args.has("--request");
    plan.has_interval = args.has("--interval");
}

/// Refuses to require more servers than a run has.
pub fn check_required(required: Option<usize>, servers: usize) -> Result<(), String> {
    match required {
        Some(required) if required > servers => {
            let s = if servers == 1 { "" } else { "s" };
            Err(format!("--require '{required}': this run has {servers} server{s}"))
        }
        _ => Ok(()),
    }
}

/// Reads the rules. The errors name the item that is wrong.
fn thresholds(args: &Args) -> Result<Thresholds, String> {
    let mut thresholds = Thresholds::default();
    for list in args.values("--warning") {
        thresholds.add_warnings(list).map_err(|error| format!("--warning {error}"))?;
    }
    for list in args.values("--critical") {
        thresholds.add_criticals(list).map_err(|error| format!("--critical {error}"))?;
    }
    Ok(thresholds)
}

/// Adds [`IMPLIED_RULE`] with `--on-alert`, unless a rule is about `up` already.
fn imply_rule(plan: &mut Plan) -> Result<(), String> {
    let is_about_up = |threshold: &Threshold| threshold.subject.quantity == Quantity::Up;
    plan.implies_up = plan.on_alert.is_some() && !plan.thresholds.list().iter().any(is_about_up);
    if plan.implies_up {
        plan.thresholds.add_criticals(IMPLIED_RULE).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Reads the option's text, else its variable.
fn read_option(plan: &mut Plan, setter: &PlanSetter, text: Option<&str>, env: Env) -> Result<(), String> {
    let (option, variable_name, set) = *setter;
    if let Some(text) = text {
        return set(plan, text).map_err(|why| value_error(option, text, &why));
    }
    let Some(name) = variable_name else { return Ok(()) };
    match variable(name, env)? {
        Some(text) => set(plan, &text).map_err(|why| value_error(name, &text, &why)),
        None => Ok(()),
    }
}

/// Looks up a variable, whose name is written with its `$`, and removes a byte order mark and white space around its
/// value. An empty one is `None`.
fn variable(name: &str, env: Env) -> Result<Option<String>, String> {
    match env(&name[1..]).map(OsString::into_string) {
        Some(Ok(value)) => {
            let value = value.trim_start_matches('\u{feff}').trim();
            Ok(Some(value.to_owned()).filter(|value| !value.is_empty()))
        }
        Some(Err(_)) => Err(format!("{name} is not UTF-8")),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
