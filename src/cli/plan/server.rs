//! Fills the settings of a server from the options that concern one server.

use std::path::PathBuf;
use std::time::Duration;

use wsmon::{Dialect, Error, Family, Server, Stale};

use super::values::{choose_from, file, value_error};
use crate::cli::args::Args;
use crate::cli::help;
use crate::cli::units;

/// An option with one value: its name and the setting that it changes. The error is the reason alone.
type ServerSetter = (&'static str, fn(Server, &str) -> Result<Server, String>);

/// In the order in which they are applied: `--reconnect-interval` may raise the cap that `--reconnect-cap` sets.
const SETTERS: &[ServerSetter] = &[
    ("--dialect", dialect),
    ("--reconnect-interval", |server, text| set(server, units::positive_duration(text), Server::reconnect_interval)),
    ("--reconnect-cap", |server, text| set(server, units::positive_duration(text), Server::reconnect_cap)),
    ("--max-reconnects", |server, text| set(server, max_count(text).map(Some), Server::max_reconnects)),
    ("--connect-timeout", |server, text| set(server, units::positive_duration(text), Server::connect_timeout)),
    ("--ping-interval", |server, text| set(server, units::duration_or_none(text), Server::ping_interval)),
    ("--ping-timeout", |server, text| set(server, units::positive_duration(text), Server::ping_timeout)),
    ("--stale-after", |server, text| set(server, stale(text), Server::stale_after)),
    ("--max-message", |server, text| set(server, units::message_size(text), Server::max_message)),
    ("--max-redirects", |server, text| set(server, max_count(text), Server::max_redirects)),
    ("--subprotocol", |server, text| server.subprotocols(list(text)?).map_err(|error| error.to_string())),
    ("--token-file", |server, text| set(server, file(text), Server::token_file)),
    ("--ca-file", |server, text| set(server, file(text), Server::ca_file)),
    ("--tls-name", |server, text| Ok(server.tls_name(text))),
    ("--subscribe", |server, text| set(server, list(text), Server::subscribe)),
    ("--process", |server, text| set(server, list(text), Server::processes)),
    ("--interval", |server, text| set(server, some_duration(text), Server::interval)),
    ("--request-every", |server, text| set(server, some_duration(text), Server::request_every)),
    ("--request-timeout", |server, text| set(server, units::positive_duration(text), Server::request_timeout)),
    ("--heartbeat-reply", |server, text| Ok(server.heartbeat_reply(Some(text.to_owned())))),
];

type Switch = fn(Server) -> Server;

const SWITCHES: &[(&str, Switch)] = &[
    ("--ipv4", |server| server.family(Family::V4)),
    ("--ipv6", |server| server.family(Family::V6)),
    ("--lossy-utf8", |server| server.lossy_utf8(true)),
    ("--no-compression", |server| server.compression(false)),
    ("--insecure", |server| server.insecure(true)),
    ("--history", |server| server.history(1000)),
];

/// Applies the options in `args`. Settings of options that are not given stay as they are.
pub fn apply(mut server: Server, args: &Args) -> Result<Server, String> {
    for (name, setter) in SETTERS {
        if let Some(text) = args.text(name) {
            server = setter(server, text).map_err(|why| value_error(name, text, &why))?;
        }
    }
    server = apply_unquoted(server, args)?;
    if let Some(url) = args.text("--proxy") {
        // The library's text begins with "proxy: ".
        server = server.proxy(url).map_err(|error| format!("--{error}"))?;
    }
    if args.has("--no-reconnect") {
        server = server.max_reconnects(Some(0));
    }
    for text in args.values("--send") {
        server = match text.strip_prefix('@') {
            Some(text) if text.starts_with('@') => server.send(text),
            Some(path) => server.send_file(path),
            None => server.send(text),
        };
    }
    server = match (args.text("--cert"), args.text("--key")) {
        (Some(cert), Some(key)) => server.certificate(read_file("--cert", cert)?, read_file("--key", key)?),
        (None, None) => server,
        _ => return Err("--cert and --key are given together: the certificate, and its private key".to_owned()),
    };
    for (name, switch) in SWITCHES {
        if args.has(name) {
            server = switch(server);
        }
    }
    Ok(server)
}

/// Applies the options whose values may hold secrets: the errors do not quote them.
fn apply_unquoted(mut server: Server, args: &Args) -> Result<Server, String> {
    // The library's text of a request begins with "request KIND: ".
    let named = |error: Error| format!("--{error}");
    for request in args.values("--request") {
        server = match request.split_once('=') {
            Some((kind, json)) => match json.strip_prefix('@') {
                Some(path) => server.request_file(kind, path),
                None => server.request(kind, Some(json)).map_err(named)?,
            },
            None => server.request(request, None).map_err(named)?,
        };
    }
    for header in args.values("--header") {
        server = server.header(header).map_err(|error| format!("--header: {error}"))?;
    }
    Ok(server)
}

/// Changes a setting, if its value could be read.
fn set<T>(server: Server, value: Result<T, String>, setter: fn(Server, T) -> Server) -> Result<Server, String> {
    Ok(setter(server, value?))
}

fn dialect(server: Server, name: &str) -> Result<Server, String> {
    match name {
        "auto" => Ok(server.dialect(None)),
        name => match Dialect::ALL.iter().find(|dialect| dialect.name() == name) {
            Some(&dialect) => Ok(server.dialect(dialect)),
            None => Err(choose_from(&format!("auto, {}", help::dialects()))),
        },
    }
}

/// A larger number than fits is as good as no limit.
fn max_count(text: &str) -> Result<u32, String> {
    Ok(u32::try_from(units::number(text)?).unwrap_or(u32::MAX))
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
