//! What the plan sets up before the first turn: servers with all that is said about them, files, the looks.

use std::fmt::Display;
use std::io;

use wsmon::{Monitor, Server, SettingsError, Stale, Style};

use super::file::Appender;
use super::plan::{Exit, Plan, StaleAfter};
use super::{Failure, terminal};

pub fn open(path: &Option<std::path::PathBuf>, option: &str, plan: &Plan) -> Result<Option<Box<Appender>>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let keep = u32::try_from(plan.rotate_keep).unwrap_or(u32::MAX);
    match Appender::open(path, plan.rotate_size, keep) {
        Ok(file) => Ok(Some(file)),
        Err(error) => Err(Failure::io(&format!("{option} {}", path.display()), &error)),
    }
}

pub fn add(monitor: &mut Monitor, uri: &str, plan: &Plan) -> Result<(), Failure> {
    let refused = |error: &dyn Display| Failure::from(Exit::usage(&format!("{}: {error}", plan.uris_from)));
    let server = server(uri, plan).map_err(|error| match error {
        SettingsError::File(..) => Failure::local(error.to_string()),
        SettingsError::Uri(_) => refused(&error),
        _ => Exit::usage(&error.to_string()).into(),
    })?;
    let stale = match plan.stale_after {
        StaleAfter::Auto => Stale::Auto,
        StaleAfter::Never => Stale::Never,
        StaleAfter::After(after) => Stale::After(after),
    };
    let server = server
        .max_reconnects(plan.max_reconnects)
        .reconnect_interval(plan.reconnect_interval, plan.reconnect_cap)
        .connect_timeout(plan.connect_timeout)
        .ping_interval(plan.ping_interval)
        .ping_timeout(plan.ping_timeout)
        .stale_after(stale)
        .max_message(plan.max_message)
        .history(plan.history);
    monitor.add(server).map(drop).map_err(|error| refused(&error))
}

/// The server, and what is to be said to it.
fn server(uri: &str, plan: &Plan) -> Result<Server, SettingsError> {
    let speech = &plan.speech;
    let mut server = Server::parse(uri)?
        .dialect(&plan.dialect)?
        .subscribe(&speech.subscribe)
        .processes(&speech.process, speech.interval)
        .heartbeat_reply(speech.heartbeat_reply.clone())
        .request_every(speech.request_every)
        .verbose(plan.log_level >= log::LevelFilter::Debug);
    if let Some(within) = speech.request_timeout {
        server = server.request_timeout(within);
    }
    for (kind, json) in &speech.requests {
        server = server.request(kind, json.as_deref())?;
    }
    server = speech.send.iter().fold(server, Server::send);
    server = reach(server, plan)?;
    match (&speech.token_file, &speech.token) {
        (Some(file), _) => server.token_file(file),
        (None, Some(token)) => Ok(server.token(token)),
        (None, None) => Ok(server),
    }
}

/// How the server is reached.
fn reach(server: Server, plan: &Plan) -> Result<Server, SettingsError> {
    let reach = &plan.reach;
    let mut server = server.insecure(reach.insecure).family(reach.family);
    for header in &reach.headers {
        server = server.header(header)?;
    }
    if let Some(file) = &reach.ca_file {
        server = server.ca_file(file);
    }
    if let (Some(cert), Some(key)) = (&reach.cert, &reach.key) {
        server = server.certificate(cert, key);
    }
    if let Some(name) = &reach.tls_name {
        server = server.tls_name(name);
    }
    if let Some(url) = &reach.proxy {
        server = server.proxy(url)?;
    }
    server.check()?;
    Ok(server)
}

/// A credential must not be handed to the wrong server.
pub fn check_credentials(plan: &Plan) -> Result<(), Failure> {
    let given = [
        ("--token-file", plan.speech.token_file.is_some()),
        ("$MONITORING_TOKEN", plan.speech.token.is_some()),
        ("--header", !plan.reach.headers.is_empty()),
        ("--cert", plan.reach.cert.is_some()),
        ("the user information of --proxy", plan.reach.proxy.as_deref().is_some_and(|url| url.contains('@'))),
    ];
    let Some((option, _)) = given.iter().find(|(_, given)| *given) else { return Ok(()) };
    if plan.uris.len() < 2 {
        return Ok(());
    }
    Err(Exit::usage(&format!("{option} would go to every one of the servers: watch one server at a time with it"))
        .into())
}

pub fn style(plan: &Plan, servers: usize) -> Style {
    use std::io::IsTerminal as _;
    let terminal = io::stdout().is_terminal();
    let env = &|name: &str| std::env::var_os(name);
    Style {
        color: terminal::colored(plan.color, terminal, env),
        ascii: !terminal::unicode(plan.glyphs, terminal, env),
        labels: servers > 1,
    }
}
