//! Fills the settings of a server from the options that concern one server.

use std::path::PathBuf;
use std::time::Duration;

use wsmon::{Family, Server, SettingsError, Stale};

use super::{choose_from, file, value_error};
use crate::cli::args::Args;
use crate::cli::units;

/// An option with one value: its name, its text among the arguments, and the setting that it changes. The error is the
/// reason alone.
type Setter = (&'static str, fn(&Args) -> &Option<String>, fn(Server, &str) -> Result<Server, String>);

/// In the order in which they are applied: `--reconnect-interval` may raise the cap that `--reconnect-cap` sets.
const SETTERS: &[Setter] = &[
    ("--dialect", |args| &args.dialect, dialect),
    (
        "--reconnect-interval",
        |args| &args.reconnect_interval,
        |server, text| Ok(server.reconnect_interval(units::positive_duration(text)?)),
    ),
    (
        "--reconnect-cap",
        |args| &args.reconnect_cap,
        |server, text| Ok(server.reconnect_cap(units::positive_duration(text)?)),
    ),
    (
        "--max-reconnects",
        |args| &args.max_reconnects,
        |server, text| {
            // A larger number than fits is as good as no limit.
            Ok(server.max_reconnects(Some(u32::try_from(units::number(text)?).unwrap_or(u32::MAX))))
        },
    ),
    (
        "--connect-timeout",
        |args| &args.connect_timeout,
        |server, text| Ok(server.connect_timeout(units::positive_duration(text)?)),
    ),
    (
        "--ping-interval",
        |args| &args.ping_interval,
        |server, text| Ok(server.ping_interval(units::duration_or_none(text)?)),
    ),
    (
        "--ping-timeout",
        |args| &args.ping_timeout,
        |server, text| Ok(server.ping_timeout(units::positive_duration(text)?)),
    ),
    ("--stale-after", |args| &args.stale_after, |server, text| Ok(server.stale_after(stale(text)?))),
    ("--max-message", |args| &args.max_message, |server, text| Ok(server.max_message(units::memory_size(text)?))),
    ("--token-file", |args| &args.token_file, |server, text| Ok(server.token_file(file(text)?))),
    ("--ca-file", |args| &args.ca_file, |server, text| Ok(server.ca_file(file(text)?))),
    ("--tls-name", |args| &args.tls_name, |server, text| Ok(server.tls_name(text))),
    ("--subscribe", |args| &args.subscribe, |server, text| Ok(server.subscribe(list(text)?))),
    ("--process", |args| &args.process, |server, text| Ok(server.processes(list(text)?))),
    ("--interval", |args| &args.interval, |server, text| Ok(server.interval(some_duration(text)?))),
    ("--request-every", |args| &args.request_every, |server, text| Ok(server.request_every(some_duration(text)?))),
    (
        "--request-timeout",
        |args| &args.request_timeout,
        |server, text| Ok(server.request_timeout(units::positive_duration(text)?)),
    ),
    (
        "--heartbeat-reply",
        |args| &args.heartbeat_reply,
        |server, text| Ok(server.heartbeat_reply(Some(text.to_owned()))),
    ),
];

/// Returns `server` with the options in `args` applied.
pub fn apply(mut server: Server, args: &Args) -> Result<Server, String> {
    for (name, text, set) in SETTERS {
        if let Some(text) = text(args) {
            server = set(server, text).map_err(|why| value_error(name, text, &why))?;
        }
    }
    server = apply_unquoted(server, args).map_err(|error| error.to_string())?;
    for text in &args.send {
        server = server.send(text);
    }
    if args.no_reconnect {
        server = server.max_reconnects(Some(0));
    }
    server = match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => server.certificate(read_file("--cert", cert)?, read_file("--key", key)?),
        (None, None) => server,
        _ => return Err("--cert and --key are given together: the certificate, and its private key".to_owned()),
    };
    let family = match (args.ipv4, args.ipv6) {
        (true, _) => Family::V4,
        (_, true) => Family::V6,
        _ => Family::Both,
    };
    Ok(server.insecure(args.insecure).family(family).history(args.history))
}

/// Applies the options whose values may hold secrets: the errors do not quote them.
fn apply_unquoted(mut server: Server, args: &Args) -> Result<Server, SettingsError> {
    for request in &args.request {
        server = match request.split_once('=') {
            Some((kind, json)) => server.request(kind, Some(json))?,
            None => server.request(request, None)?,
        };
    }
    for header in &args.header {
        server = server.header(header)?;
    }
    match &args.proxy {
        Some(url) => server.proxy(url),
        None => Ok(server),
    }
}

fn dialect(server: Server, name: &str) -> Result<Server, String> {
    let names: Vec<_> = std::iter::once("auto").chain(wsmon::dialects().map(|(name, _)| name)).collect();
    server.dialect(name).map_err(|_| choose_from(&names))
}

fn stale(text: &str) -> Result<Stale, String> {
    if text == "auto" {
        return Ok(Stale::Auto);
    }
    Ok(units::duration_or_none(text)?.map_or(Stale::Never, Stale::After))
}

/// Reads the value of an option that has no default.
fn some_duration(text: &str) -> Result<Option<Duration>, String> {
    units::positive_duration(text).map(Some)
}

/// Reads names separated by commas.
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

fn read_file(name: &str, text: &str) -> Result<PathBuf, String> {
    file(text).map_err(|why| value_error(name, text, &why))
}
