//! `--servers`: reads the file at the start and after each SIGHUP, and changes the servers of the monitor.

use std::fs::Metadata;
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use wsmon::{Error, ErrorKind, Monitor, Server, ServerId, Style, Thresholds};

use super::fleet::Fleet;
use super::plan::server_lines::{self, ServerLine, find_text};
use super::plan::{Exit, Plan};
use super::view::View;
use super::{Failure, setup};

/// Upper bound on the file in bytes.
const MAX_FILE: usize = 4 << 20;

/// The number of times that a file is read which is written meanwhile.
const MAX_READS: u32 = 3;

/// The servers in the file, as it was read last.
pub struct ServerList {
    path: PathBuf,
    /// The path for messages.
    name: String,
    rows: Vec<Row>,
    /// The warning that others can read the file is given once.
    warned: bool,
}

/// One server of the file.
struct Row {
    id: ServerId,
    /// See [`ServerLine`].
    connection: String,
    rules: String,
}

/// The changes that a reading of the file has made to the monitor.
#[derive(Default)]
pub struct Changes {
    removed: Vec<ServerId>,
    added: Vec<ServerId>,
    /// Servers whose rules are new.
    rules: Vec<(ServerId, Thresholds)>,
    /// Servers of which only answers count.
    requests: Vec<ServerId>,
}

impl ServerList {
    /// Reads the file of the plan and adds its servers; `None` if the plan has no file. It may wait for the end of a pipe, so
    /// no handler of a signal may be installed before.
    pub fn open(plan: &mut Plan, monitor: &mut Monitor) -> Result<Option<(Self, Changes)>, Failure> {
        let Some(path) = plan.servers.clone() else { return Ok(None) };
        let name = wsmon::escape(&path.to_string_lossy()).into_owned();
        let mut list = ServerList { path, name, rows: Vec::new(), warned: false };
        let changes = list.update(plan, monitor, true)?;
        super::plan::check_required(plan.require, monitor.len()).map_err(|why| Exit::usage(&why))?;
        Ok(Some((list, changes)))
    }

    /// Reads the file again, adds new servers and removes those that are gone. A changed line is an old server that is gone
    /// and a new one, unless only its rules have changed.
    ///
    /// # Errors
    /// The file cannot be read or is wrong. Nothing is changed then.
    pub fn reload(&mut self, plan: &mut Plan, monitor: &mut Monitor) -> Result<Changes, Failure> {
        let changes = self.update(plan, monitor, false)?;
        let (added, removed) = (changes.added.len(), changes.removed.len());
        let kept = self.rows.len() - added;
        log::info!("{}: {added} servers added, {removed} removed, {kept} kept", self.name);
        Ok(changes)
    }

    fn update(&mut self, plan: &mut Plan, monitor: &mut Monitor, at_start: bool) -> Result<Changes, Failure> {
        let (text, mode) = self.read_file(at_start)?;
        // Those of the command line were added before, and are never removed.
        let is_taken = |label: &str| monitor.ids().take(plan.uris.len()).any(|id| monitor.label(id) == label);
        let mut finder = RowFinder::new(&self.rows);
        let lines = server_lines::read(&self.name, &text, plan, &is_taken, &mut |connection| finder.take(connection));
        let mut lines = lines.map_err(|why| Exit::usage(&why))?;
        for line in &mut lines {
            if let Some(server) = line.server.take() {
                line.server = Some(load(server, at_start).map_err(|error| self.failure(line.number, &error))?);
            }
        }
        let gone = finder.sorted;
        self.warn(mode, &lines, plan);
        Ok(self.apply(lines, &gone, plan, monitor))
    }

    /// Returns the content and the permissions, 0 for a pipe. A file that was written meanwhile is read again: a part of it
    /// could be a good file, too.
    fn read_file(&self, at_start: bool) -> Result<(Vec<u8>, u32), Failure> {
        let place = format!("read {}", self.name);
        for _ in 0..MAX_READS {
            let before = stamp(&self.path);
            let content = wsmon::internal::read_file(&self.path, MAX_FILE, at_start);
            let bytes = content.map_err(|error| Failure::io(&place, &error))?.bytes;
            match before {
                None => return Ok((bytes, 0)),
                Some((_, mode)) if stamp(&self.path) == before => return Ok((bytes, mode)),
                _ => {}
            }
        }
        Err(Failure::local(place + ": it is being written"))
    }

    fn warn(&mut self, mode: u32, lines: &[ServerLine], plan: &mut Plan) {
        if mode & 0o004 != 0 && !self.warned && lines.iter().any(|line| line.holds_secret) {
            self.warned = true;
            log::warn!("{}: others can read this file, and it holds a secret: chmod 600", self.name);
        }
        if !plan.insecure && lines.iter().any(|line| line.insecure) {
            plan.insecure = true;
            setup::warn_of_insecure();
        }
    }

    /// Changes the monitor; `gone` has the places of rows that have no line any more. Nothing can fail any more: the labels
    /// were compared.
    fn apply(&mut self, lines: Vec<ServerLine>, gone: &[usize], plan: &mut Plan, monitor: &mut Monitor) -> Changes {
        let mut changes = Changes::default();
        let old = mem::take(&mut self.rows);
        for id in gone.iter().map(|&at| old[at].id) {
            monitor.remove(id);
            changes.removed.push(id);
        }
        for mut line in lines {
            let (id, old_rules) = match (line.server.take(), line.known) {
                (Some(server), _) => match monitor.add(server) {
                    Ok(id) => (id, ""),
                    Err(error) => {
                        log::error!("{}: {error}", self.name);
                        continue;
                    }
                },
                (None, Some(at)) => (old[at].id, &*old[at].rules),
                (None, None) => continue,
            };
            if line.known.is_none() {
                changes.added.push(id);
                if line.has_requests {
                    changes.requests.push(id);
                }
            }
            plan.has_interval |= line.has_interval;
            if old_rules != line.rules {
                changes.rules.push((id, mem::take(&mut line.thresholds)));
            }
            let (connection, rules) = (mem::take(&mut line.connection), mem::take(&mut line.rules));
            self.rows.push(Row { id, connection, rules });
        }
        changes
    }

    fn failure(&self, number: usize, error: &Error) -> Failure {
        let text = format!("{}:{number}: {error}", self.name);
        match error.kind() {
            ErrorKind::File => Failure::local(text),
            _ => Exit::usage(&text).into(),
        }
    }
}

impl Changes {
    /// Returns the rules of the lines that have changed them.
    pub fn rules(&self) -> &[(ServerId, Thresholds)] {
        &self.rules
    }

    /// Passes the changes on to the view. At the start it knows the servers already.
    pub fn apply(self, view: &mut View, plan: &Plan, monitor: &Monitor, print: &mut dyn FnMut(&str)) {
        for &id in &self.removed {
            view.remove(id, monitor.now(), print);
        }
        for &id in &self.added {
            view.add(id);
            if let Some(fleet) = &mut view.fleet {
                fleet.add(id, monitor.label(id));
            }
        }
        for id in self.requests {
            view.count_answers(id);
        }
        for (id, thresholds) in &self.rules {
            view.fleet.get_or_insert_with(|| Fleet::create(plan, monitor)).set_rules(*id, thresholds);
        }
        let style = setup::style(plan, monitor);
        // A reader of the output relies on labels once there are some.
        let labels = style.labels || view.options.style.labels;
        view.options.style = Style { labels, ..style };
    }
}

/// Finds rows by their connections, each once.
struct RowFinder<'a> {
    rows: &'a [Row],
    /// The places of rows that were not found yet, in the order of their connections.
    sorted: Vec<usize>,
}

impl<'a> RowFinder<'a> {
    fn new(rows: &'a [Row]) -> Self {
        let mut sorted: Vec<usize> = Vec::with_capacity(rows.len());
        // The last comes first, so that of equal ones the first stands before the others.
        for (at, row) in rows.iter().enumerate().rev() {
            let (Ok(place) | Err(place)) = find_text(&sorted, &|at| &rows[at].connection, &row.connection);
            sorted.insert(place, at);
        }
        RowFinder { rows, sorted }
    }

    /// Returns the place of the first row with this connection.
    fn take(&mut self, connection: &str) -> Option<usize> {
        let place = find_text(&self.sorted, &|at| &self.rows[at].connection, connection).ok()?;
        Some(self.sorted.remove(place))
    }
}

/// Reads the files that the settings name, so that a wrong one is reported before any connection.
fn load(server: Server, at_start: bool) -> Result<Server, Error> {
    let server = server.load_files(at_start)?;
    server.check_proxy()?;
    Ok(server)
}

/// Identifies a regular file and its content, beside its permissions.
fn stamp(path: &Path) -> Option<([u64; 5], u32)> {
    let of = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
    Some(([of.dev(), of.ino(), of.len(), of.mtime() as u64, of.mtime_nsec() as u64], of.mode()))
}

#[cfg(test)]
mod tests;
