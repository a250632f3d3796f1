//! Sets up files, servers and the style before the first turn.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use wsmon::{Monitor, SettingsError, Style};

use super::file::Appender;
use super::plan::{Exit, Plan};
use super::{Failure, terminal};

/// Opens a file for appending, if `path` names one. Errors name `option`.
pub fn open(path: &Option<PathBuf>, option: &str, plan: &Plan) -> Result<Option<Appender>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let keep = u32::try_from(plan.rotate_keep).unwrap_or(u32::MAX);
    match Appender::open(path, plan.rotate_size, keep) {
        Ok(file) => Ok(Some(file)),
        Err(error) => Err(Failure::io(&format!("{option} {}", path.display()), &error)),
    }
}

/// Adds the servers of the plan. Reads the files that they name, so that a wrong one is reported before any connection.
pub fn add_servers(monitor: &mut Monitor, plan: &Plan) -> Result<(), Failure> {
    let with_source = |error: &dyn Display| Failure::from(Exit::usage(&format!("{}: {error}", plan.uris_from)));
    let failure = |error: SettingsError| match error {
        SettingsError::File(..) => Failure::local(error.to_string()),
        SettingsError::Uri(_) => with_source(&error),
        _ => Exit::usage(&error.to_string()).into(),
    };
    let mut servers = Vec::new();
    for uri in &plan.uris {
        servers.push(plan.server.clone().place(uri).map_err(failure)?);
    }
    if servers.is_empty() {
        servers.push(plan.server.clone());
    }
    for server in servers {
        server.check().map_err(failure)?;
        monitor.add(server).map_err(|error| with_source(&error))?;
    }
    Ok(())
}

/// The style of the output, for stdout as it is.
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
