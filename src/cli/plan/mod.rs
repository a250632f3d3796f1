//! The plan: what the command line and the environment decide together.

use std::ffi::OsString;
use std::mem;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;
use wsmon::Family;

use super::args::{self, Args};
use super::logging;
use super::units;
use crate::cli::argv::{self, Invocation};
use crate::cli::filter::Filter;
use crate::cli::stream::queue::WhenFull;

const DEFAULT_URI: &str = "ws://localhost:8765";

/// Everything the command line and the environment decide, in the program's own types.
#[cfg_attr(test, derive(Clone, Debug, PartialEq))]
pub struct Plan {
    /// As given: label, `@FILE` and the URI itself are read by `wsmon::Server::parse`. Empty with `demo`.
    pub uris: Vec<String>,
    /// What to name when one of `uris` is wrong: `--uri` or `$MONITORING_WEBSOCKET_URI`.
    pub uris_from: &'static str,
    pub demo: bool,
    /// Known to [`wsmon::Server::dialect`].
    pub dialect: String,
    pub speech: Speech,
    pub reach: ReachOptions,
    pub reconnect_interval: Duration,
    /// Never below the interval, unless it was asked for.
    pub reconnect_cap: Duration,
    /// In a row; none: without limit.
    pub max_reconnects: Option<u32>,
    pub connect_timeout: Duration,
    /// None: no pings.
    pub ping_interval: Option<Duration>,
    pub ping_timeout: Duration,
    pub stale_after: StaleAfter,
    /// Bytes.
    pub max_message: usize,
    /// The name of a row of [`wsmon::FORMATS`].
    pub format: &'static str,
    /// None: every sample.
    pub every: Option<Duration>,
    /// None: everything.
    pub only: Option<Filter>,
    pub color: When,
    pub glyphs: Glyphs,
    pub save_data: Option<PathBuf>,
    /// Bytes; none: the file only grows.
    pub rotate_size: Option<u64>,
    pub rotate_keep: u64,
    pub fsync: bool,
    /// Bytes waiting before a descriptor that does not take them.
    pub queue: usize,
    pub when_full: WhenFull,
    pub history: bool,
    pub duration: Option<Duration>,
    /// At least 1.
    pub count: Option<u64>,
    pub stats: bool,
    pub log_level: LevelFilter,
    pub log_file: Option<PathBuf>,
}

/// What is said to servers.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Debug, PartialEq))]
pub struct Speech {
    /// `$MONITORING_TOKEN`, unless there is a file.
    pub token: Option<String>,
    pub token_file: Option<PathBuf>,
    pub subscribe: Vec<String>,
    pub process: Vec<String>,
    pub interval: Option<Duration>,
    /// Types, and the JSON that goes with them.
    pub requests: Vec<(String, Option<String>)>,
    /// None: once per connection.
    pub request_every: Option<Duration>,
    /// None: the library's default.
    pub request_timeout: Option<Duration>,
    pub send: Vec<String>,
    pub heartbeat_reply: Option<String>,
}

/// How servers are reached.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Debug, PartialEq))]
pub struct ReachOptions {
    /// As given: `NAME: VALUE` or `@FILE`.
    pub headers: Vec<String>,
    pub ca_file: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub tls_name: Option<String>,
    pub insecure: bool,
    pub proxy: Option<String>,
    /// `-4` and `-6`.
    pub family: Family,
}

/// `--stale-after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleAfter {
    /// As the server's kind and its longest gap suggest.
    Auto,
    Never,
    After(Duration),
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

/// Why there is no plan: a text to print and the status to leave with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Help or version: for stdout, status 0.
    Asked(String),
    /// A mistake: for stderr, status 2.
    Usage(String),
}

impl Exit {
    /// `why` in the form of every usage error. The words of a command line may hold anything.
    pub fn usage(why: &str) -> Exit {
        Exit::Usage(format!("wsmon: {}\ntry wsmon --help\n", wsmon::escape(why)))
    }
}

/// Where environment variables are looked up.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Reads the words after the program's name.
pub fn plan(argv: &mut dyn Iterator<Item = OsString>, env: Env) -> Result<Box<Plan>, Exit> {
    let words = match argv::read(argv) {
        Ok(Invocation::Help) => return Err(Exit::Asked(args::help())),
        Ok(Invocation::Version) => return Err(Exit::Asked(VERSION.to_owned())),
        Ok(Invocation::Run(words)) => Ok(words),
        Err(why) => Err(why),
    };
    let plan = words.and_then(|words| decide(&mut args::parse(&words)?, env));
    plan.map_err(|why| Exit::usage(&why))
}

const VERSION: &str = concat!("wsmon ", env!("CARGO_PKG_VERSION"), "\n");

/// Takes what it needs out of `args`; by swapping, for the plan holds nothing yet that would have to be dropped.
fn decide(args: &mut Args, env: Env) -> Result<Box<Plan>, String> {
    let mut plan = defaults();
    let mut read = PlanReader { env, refused: None };
    servers(&mut plan, args, &mut read);
    read.option("--reconnect-interval", &args.reconnect_interval, &mut plan.reconnect_interval, duration);
    plan.reconnect_cap = plan.reconnect_cap.max(plan.reconnect_interval);
    read.option("--reconnect-cap", &args.reconnect_cap, &mut plan.reconnect_cap, duration);
    read.option("--dialect", &args.dialect, &mut plan.dialect, dialect);
    speech(&mut plan.speech, args, &mut read);
    reach(&mut plan.reach, args, &mut read);
    read.option("--max-reconnects", &args.max_reconnects, &mut plan.max_reconnects, most);
    if args.no_reconnect {
        plan.max_reconnects = Some(0);
    }
    read.option("--connect-timeout", &args.connect_timeout, &mut plan.connect_timeout, duration);
    read.option("--ping-interval", &args.ping_interval, &mut plan.ping_interval, units::duration_or_none);
    read.option("--ping-timeout", &args.ping_timeout, &mut plan.ping_timeout, duration);
    read.option("--stale-after", &args.stale_after, &mut plan.stale_after, stale_after);
    read.option("--max-message", &args.max_message, &mut plan.max_message, units::memory_size);
    read.either("--format", &args.format, "$MONITORING_FORMAT", &mut plan.format, format);
    read.option("--every", &args.every, &mut plan.every, units::duration_or_none);
    read.option("--only", &args.only, &mut plan.only, |text| Filter::read(text).map(Some));
    read.option("--color", &args.color, &mut plan.color, when);
    read.option("--save-data", &args.save_data, &mut plan.save_data, file);
    read.option("--rotate-size", &args.rotate_size, &mut plan.rotate_size, units::size_or_none);
    read.option("--rotate-keep", &args.rotate_keep, &mut plan.rotate_keep, units::number);
    read.option("--queue", &args.queue, &mut plan.queue, units::memory_size);
    read.option("--when-full", &args.when_full, &mut plan.when_full, when_full);
    read.option("--duration", &args.duration, &mut plan.duration, units::duration_or_none);
    read.option("--count", &args.count, &mut plan.count, |text| units::positive_number(text).map(Some));
    log_level(&mut plan.log_level, args, &mut read);
    read.either("--log-file", &args.log_file, "$MONITORING_LOG_FILE", &mut plan.log_file, file);
    switches(&mut plan, args);
    read.refused.map_or(Ok(plan), Err)
}

fn defaults() -> Box<Plan> {
    Box::new(Plan {
        uris: Vec::new(),
        uris_from: "--uri",
        demo: false,
        dialect: "auto".to_owned(),
        speech: Speech::default(),
        reach: ReachOptions::default(),
        reconnect_interval: Duration::from_secs(5),
        reconnect_cap: Duration::from_secs(60),
        max_reconnects: None,
        connect_timeout: Duration::from_secs(10),
        ping_interval: Some(Duration::from_secs(30)),
        ping_timeout: Duration::from_secs(10),
        stale_after: StaleAfter::Auto,
        max_message: 4 << 20,
        format: "simple",
        every: None,
        only: None,
        color: When::Auto,
        glyphs: Glyphs::Auto,
        save_data: None,
        rotate_size: Some(10 << 20),
        rotate_keep: 5,
        fsync: false,
        queue: 1 << 20,
        when_full: WhenFull::Drop,
        history: false,
        duration: None,
        count: None,
        stats: false,
        log_level: LevelFilter::Info,
        log_file: None,
    })
}

fn switches(plan: &mut Plan, args: &Args) {
    (plan.demo, plan.fsync, plan.history, plan.stats) = (args.demo, args.fsync, args.history, args.stats);
    if args.no_color {
        plan.color = When::Never;
    }
    plan.glyphs = match (args.ascii, args.unicode) {
        (true, _) => Glyphs::Ascii,
        (_, true) => Glyphs::Unicode,
        _ => Glyphs::Auto,
    };
}

/// The raw URIs and where they come from.
fn servers(plan: &mut Plan, args: &mut Args, read: &mut PlanReader) {
    mem::swap(&mut plan.uris, &mut args.uri);
    if args.demo {
        plan.uris_from = "--demo";
        if !plan.uris.is_empty() {
            read.refuse("--demo watches a server of its own: leave out --uri".to_owned());
        }
    } else if plan.uris.is_empty() {
        let uri = read.variable("$MONITORING_WEBSOCKET_URI");
        if uri.is_some() {
            plan.uris_from = "$MONITORING_WEBSOCKET_URI";
        }
        plan.uris.push(uri.unwrap_or_else(|| DEFAULT_URI.to_owned()));
    }
}

fn speech(speech: &mut Speech, args: &mut Args, read: &mut PlanReader) {
    read.option("--token-file", &args.token_file, &mut speech.token_file, file);
    if speech.token_file.is_none() {
        speech.token = read.variable("$MONITORING_TOKEN");
    }
    read.option("--subscribe", &args.subscribe, &mut speech.subscribe, list);
    read.option("--process", &args.process, &mut speech.process, list);
    read.option("--interval", &args.interval, &mut speech.interval, some_duration);
    read.option("--request-every", &args.request_every, &mut speech.request_every, some_duration);
    read.option("--request-timeout", &args.request_timeout, &mut speech.request_timeout, some_duration);
    for text in &args.request {
        speech.requests.push(request(text));
    }
    mem::swap(&mut speech.send, &mut args.send);
    mem::swap(&mut speech.heartbeat_reply, &mut args.heartbeat_reply);
}

fn reach(reach: &mut ReachOptions, args: &mut Args, read: &mut PlanReader) {
    read.option("--cert", &args.cert, &mut reach.cert, file);
    read.option("--key", &args.key, &mut reach.key, file);
    if args.cert.is_some() != args.key.is_some() {
        read.refuse("--cert and --key are given together: the certificate, and its private key".to_owned());
    }
    read.option("--ca-file", &args.ca_file, &mut reach.ca_file, file);
    mem::swap(&mut reach.headers, &mut args.header);
    mem::swap(&mut reach.tls_name, &mut args.tls_name);
    reach.insecure = args.insecure;
    mem::swap(&mut reach.proxy, &mut args.proxy);
    reach.family = match (args.ipv4, args.ipv6) {
        (true, _) => Family::V4,
        (_, true) => Family::V6,
        _ => Family::Both,
    };
}

/// `--log-level`, else `-v` or `-q`, else the environment: what is typed beats what is exported.
fn log_level(place: &mut LevelFilter, args: &Args, read: &mut PlanReader) {
    match (args.quiet, args.verbose) {
        (true, _) => *place = LevelFilter::Warn,
        (_, true) => *place = LevelFilter::Debug,
        _ => return read.either("--log-level", &args.log_level, "$MONITORING_LOG_LEVEL", place, level),
    }
    read.option("--log-level", &args.log_level, place, level);
}

/// Options and variables on their way into the plan.
struct PlanReader<'e> {
    env: Env<'e>,
    /// The first mistake: it is the one that is told.
    refused: Option<String>,
}

impl PlanReader<'_> {
    /// Puts an option's value in its type into its place. Without the option, the place keeps what it holds.
    fn option<T>(&mut self, name: &str, text: &Option<String>, place: &mut T, read: fn(&str) -> Result<T, String>) {
        if let Some(text) = text {
            match read(text) {
                Ok(value) => *place = value,
                Err(why) => self.refuse_value(name, text, why),
            }
        }
    }

    /// An option's value, else that of its environment variable.
    fn either<T>(
        &mut self,
        name: &str,
        text: &Option<String>,
        name_of_variable: &str,
        place: &mut T,
        read: fn(&str) -> Result<T, String>,
    ) {
        if text.is_some() {
            return self.option(name, text, place, read);
        }
        let text = self.variable(name_of_variable);
        self.option(name_of_variable, &text, place, read);
    }

    /// A variable, written with its `$`; an empty one is none.
    fn variable(&mut self, name: &str) -> Option<String> {
        let value = (self.env)(name.strip_prefix('$')?)?.into_string();
        if value.is_err() {
            self.refuse(format!("{name} is not UTF-8"));
        }
        value.ok().filter(|value| !value.is_empty())
    }

    fn refuse_value(&mut self, name: &str, text: &str, why: String) {
        self.refuse(format!("{name} '{text}': {why}"));
    }

    fn refuse(&mut self, why: String) {
        self.refused.get_or_insert(why);
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    units::positive_duration(text)
}

/// For an option without a default.
fn some_duration(text: &str) -> Result<Option<Duration>, String> {
    units::positive_duration(text).map(Some)
}

/// More than fits is as good as without end.
fn most(text: &str) -> Result<Option<u32>, String> {
    units::number(text).map(|most| Some(u32::try_from(most).unwrap_or(u32::MAX)))
}

fn dialect(text: &str) -> Result<String, String> {
    let mut names = vec!["auto"];
    for (name, _) in wsmon::dialects() {
        names.push(name);
    }
    one_of(&names, text).map(str::to_owned)
}

/// Names with commas between them.
fn list(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for name in text.split(',').map(str::trim) {
        if name.is_empty() {
            return Err("a name is missing".to_owned());
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// `TYPE` or `TYPE=JSON`.
fn request(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((kind, json)) => (kind.to_owned(), Some(json.to_owned())),
        None => (text.to_owned(), None),
    }
}

fn stale_after(text: &str) -> Result<StaleAfter, String> {
    if text == "auto" {
        return Ok(StaleAfter::Auto);
    }
    Ok(units::duration_or_none(text)?.map_or(StaleAfter::Never, StaleAfter::After))
}

fn file(text: &str) -> Result<Option<PathBuf>, String> {
    match text {
        "" => Err("no file is named".to_owned()),
        path => Ok(Some(PathBuf::from(path))),
    }
}

fn format(text: &str) -> Result<&'static str, String> {
    let mut names = Vec::new();
    for format in wsmon::FORMATS {
        names.push(format.name);
    }
    one_of(&names, text)
}

fn when(text: &str) -> Result<When, String> {
    match text {
        "auto" => Ok(When::Auto),
        "always" => Ok(When::Always),
        "never" => Ok(When::Never),
        _ => Err(choose_from(&["auto", "always", "never"])),
    }
}

fn when_full(text: &str) -> Result<WhenFull, String> {
    match text {
        "drop" => Ok(WhenFull::Drop),
        "wait" => Ok(WhenFull::Wait),
        _ => Err(choose_from(&["drop", "wait"])),
    }
}

/// The names of the original client and those of this log; `critical` shows errors only.
fn level(text: &str) -> Result<LevelFilter, String> {
    const NAMES: &[&str] = &["trace", "debug", "info", "warning", "error", "critical", "off"];
    logging::parse_level(text).ok_or_else(|| choose_from(NAMES))
}

fn one_of(names: &[&'static str], text: &str) -> Result<&'static str, String> {
    names.iter().copied().find(|name| *name == text).ok_or_else(|| choose_from(names))
}

fn choose_from(names: &[&str]) -> String {
    format!("choose from {}", names.join(", "))
}

#[cfg(test)]
mod tests;
