//! The plan: what the command line and the environment decide together.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::args::{self, Args};
use super::habits::{self, Request};
use super::logging;
use super::only::Only;
use super::queue::WhenFull;
use super::units;

const DEFAULT_URI: &str = "ws://localhost:8765";

/// Everything the command line and the environment decide, in the program's own types.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// As given: label, `@FILE` and the URI itself are read by `wsmon::Server::parse`. Empty with `demo`.
    pub uris: Vec<String>,
    /// What to name when one of `uris` is wrong: `--uri` or `$MONITORING_WEBSOCKET_URI`.
    pub uris_from: &'static str,
    pub demo: bool,
    /// Known to [`wsmon::Server::dialect`].
    pub dialect: String,
    pub speech: Speech,
    pub reach: Reach,
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
    pub only: Option<Only>,
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
#[derive(Clone, Debug, Default, PartialEq)]
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reach {
    /// As given: `NAME: VALUE` or `@FILE`.
    pub headers: Vec<String>,
    pub ca_file: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub tls_name: Option<String>,
    pub insecure: bool,
    pub proxy: Option<String>,
    pub family: Family,
}

/// `-4` and `-6`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    #[default]
    Both,
    V4,
    V6,
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
pub fn plan(argv: impl Iterator<Item = OsString>, env: Env) -> Result<Box<Plan>, Exit> {
    match habits::read(argv).map_err(|why| Exit::usage(&why))? {
        Request::Help => Err(Exit::Asked(args::help())),
        Request::Version => Err(Exit::Asked(VERSION.to_owned())),
        Request::Run(words) => {
            let plan = args::parse(&words).and_then(|args| decide(&args, env));
            plan.map_err(|why| Exit::usage(&why))
        }
    }
}

const VERSION: &str = concat!("wsmon ", env!("CARGO_PKG_VERSION"), "\n");

fn decide(args: &Args, env: Env) -> Result<Box<Plan>, String> {
    let (uris, uris_from) = servers(args, env)?;
    let interval = typed("--reconnect-interval", &args.reconnect_interval, units::positive_duration)?;
    let interval = interval.unwrap_or(Duration::from_secs(5));
    let cap = typed("--reconnect-cap", &args.reconnect_cap, units::positive_duration)?;
    Ok(Box::new(Plan {
        uris,
        uris_from,
        demo: args.demo,
        dialect: typed("--dialect", &args.dialect, dialect)?.unwrap_or_else(|| "auto".to_owned()),
        speech: speech(args, env)?,
        reach: reach(args)?,
        reconnect_interval: interval,
        reconnect_cap: cap.unwrap_or(interval.max(Duration::from_secs(60))),
        max_reconnects: max_reconnects(args)?,
        connect_timeout: typed("--connect-timeout", &args.connect_timeout, units::positive_duration)?
            .unwrap_or(Duration::from_secs(10)),
        ping_interval: typed("--ping-interval", &args.ping_interval, units::duration_or_none)?
            .unwrap_or(Some(Duration::from_secs(30))),
        ping_timeout: typed("--ping-timeout", &args.ping_timeout, units::positive_duration)?
            .unwrap_or(Duration::from_secs(10)),
        stale_after: typed("--stale-after", &args.stale_after, stale_after)?.unwrap_or(StaleAfter::Auto),
        max_message: typed("--max-message", &args.max_message, units::memory_size)?.unwrap_or(4 << 20),
        format: or_variable("--format", &args.format, "$MONITORING_FORMAT", env, format)?.unwrap_or("simple"),
        every: typed("--every", &args.every, units::duration_or_none)?.flatten(),
        only: typed("--only", &args.only, Only::read)?,
        color: color(args)?,
        glyphs: glyphs(args),
        save_data: typed("--save-data", &args.save_data, file)?,
        rotate_size: typed("--rotate-size", &args.rotate_size, units::size_or_none)?.unwrap_or(Some(10 << 20)),
        rotate_keep: typed("--rotate-keep", &args.rotate_keep, units::number)?.unwrap_or(5),
        fsync: args.fsync,
        queue: typed("--queue", &args.queue, units::memory_size)?.unwrap_or(1 << 20),
        when_full: typed("--when-full", &args.when_full, when_full)?.unwrap_or(WhenFull::Drop),
        history: args.history,
        duration: typed("--duration", &args.duration, units::duration_or_none)?.flatten(),
        count: typed("--count", &args.count, units::positive_number)?,
        stats: args.stats,
        log_level: log_level(args, env)?,
        log_file: or_variable("--log-file", &args.log_file, "$MONITORING_LOG_FILE", env, file)?,
    }))
}

/// `--no-reconnect` is `--max-reconnects 0`.
fn max_reconnects(args: &Args) -> Result<Option<u32>, String> {
    let most = typed("--max-reconnects", &args.max_reconnects, units::number)?;
    let most = most.map(|most| u32::try_from(most).unwrap_or(u32::MAX));
    Ok(if args.no_reconnect { Some(0) } else { most })
}

/// The raw URIs and where they come from.
fn servers(args: &Args, env: Env) -> Result<(Vec<String>, &'static str), String> {
    const VARIABLE: &str = "$MONITORING_WEBSOCKET_URI";
    if args.demo {
        return match args.uri.is_empty() {
            true => Ok((Vec::new(), "--demo")),
            false => Err("--demo watches a server of its own: leave out --uri".to_owned()),
        };
    }
    if !args.uri.is_empty() {
        return Ok((args.uri.clone(), "--uri"));
    }
    Ok(match variable(VARIABLE, env)? {
        Some(uri) => (vec![uri], VARIABLE),
        None => (vec![DEFAULT_URI.to_owned()], "--uri"),
    })
}

fn dialect(text: &str) -> Result<String, String> {
    let names: Vec<_> = std::iter::once("auto").chain(wsmon::dialects().map(|(name, _)| name)).collect();
    if names.contains(&text) { Ok(text.to_owned()) } else { Err(choose_from(&names)) }
}

fn speech(args: &Args, env: Env) -> Result<Speech, String> {
    let token_file = typed("--token-file", &args.token_file, file)?;
    let token = if token_file.is_none() { variable("$MONITORING_TOKEN", env)? } else { None };
    Ok(Speech {
        token,
        token_file,
        subscribe: typed("--subscribe", &args.subscribe, list)?.unwrap_or_default(),
        process: typed("--process", &args.process, list)?.unwrap_or_default(),
        interval: typed("--interval", &args.interval, units::positive_duration)?,
        requests: args.request.iter().map(|text| request(text)).collect(),
        request_every: typed("--request-every", &args.request_every, units::positive_duration)?,
        request_timeout: typed("--request-timeout", &args.request_timeout, units::positive_duration)?,
        send: args.send.clone(),
        heartbeat_reply: args.heartbeat_reply.clone(),
    })
}

fn reach(args: &Args) -> Result<Reach, String> {
    let (cert, key) = (typed("--cert", &args.cert, file)?, typed("--key", &args.key, file)?);
    if cert.is_some() != key.is_some() {
        return Err("--cert and --key are given together: the certificate, and its private key".to_owned());
    }
    Ok(Reach {
        headers: args.header.clone(),
        ca_file: typed("--ca-file", &args.ca_file, file)?,
        cert,
        key,
        tls_name: args.tls_name.clone(),
        insecure: args.insecure,
        proxy: args.proxy.clone(),
        family: match (args.ipv4, args.ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Both,
        },
    })
}

/// Names with commas between them.
fn list(text: &str) -> Result<Vec<String>, String> {
    let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
    if names.iter().any(String::is_empty) { Err("a name is missing".to_owned()) } else { Ok(names) }
}

/// `TYPE` or `TYPE=JSON`.
fn request(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((kind, json)) => (kind.to_owned(), Some(json.to_owned())),
        None => (text.to_owned(), None),
    }
}

fn color(args: &Args) -> Result<When, String> {
    match args.no_color {
        true => Ok(When::Never),
        false => Ok(typed("--color", &args.color, when)?.unwrap_or(When::Auto)),
    }
}

fn glyphs(args: &Args) -> Glyphs {
    match (args.ascii, args.unicode) {
        (true, _) => Glyphs::Ascii,
        (_, true) => Glyphs::Unicode,
        _ => Glyphs::Auto,
    }
}

/// `--log-level`, else `-v` or `-q`, else the environment: what is typed beats what is exported.
fn log_level(args: &Args, env: Env) -> Result<LevelFilter, String> {
    if args.log_level.is_none() && args.quiet {
        return Ok(LevelFilter::Warn);
    }
    if args.log_level.is_none() && args.verbose {
        return Ok(LevelFilter::Debug);
    }
    let level = or_variable("--log-level", &args.log_level, "$MONITORING_LOG_LEVEL", env, level)?;
    Ok(level.unwrap_or(LevelFilter::Info))
}

/// An option's value in its type, or an error that names the option.
fn typed<T>(name: &str, text: &Option<String>, read: fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    let Some(text) = text else { return Ok(None) };
    read(text).map(Some).map_err(|why| format!("{name} '{text}': {why}"))
}

/// An option's value, else that of its environment variable.
fn or_variable<T>(
    name: &str,
    text: &Option<String>,
    name_of_variable: &str,
    env: Env,
    read: fn(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    match text {
        Some(_) => typed(name, text, read),
        None => typed(name_of_variable, &variable(name_of_variable, env)?, read),
    }
}

/// A variable, written with its `$`; an empty one is none.
fn variable(name: &str, env: Env) -> Result<Option<String>, String> {
    match env(name.trim_start_matches('$')).filter(|value| !value.is_empty()) {
        Some(value) => value.into_string().map(Some).map_err(|_| format!("{name} is not UTF-8")),
        None => Ok(None),
    }
}

fn stale_after(text: &str) -> Result<StaleAfter, String> {
    if text == "auto" {
        return Ok(StaleAfter::Auto);
    }
    Ok(units::duration_or_none(text)?.map_or(StaleAfter::Never, StaleAfter::After))
}

fn file(text: &str) -> Result<PathBuf, String> {
    match text {
        "" => Err("no file is named".to_owned()),
        path => Ok(PathBuf::from(path)),
    }
}

fn format(text: &str) -> Result<&'static str, String> {
    let names: Vec<_> = wsmon::FORMATS.iter().map(|format| format.name).collect();
    names.iter().copied().find(|&name| name == text).ok_or_else(|| choose_from(&names))
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
    let names = ["trace", "debug", "info", "warning", "error", "critical", "off"];
    logging::parse_level(text).ok_or_else(|| choose_from(&names))
}

fn choose_from(names: &[&str]) -> String {
    format!("choose from {}", names.join(", "))
}

#[cfg(test)]
mod tests;
