//! The grammar of the file of `--servers`: one server per line, in the words of the command line.

use wsmon::{Server, Thresholds};

use super::{Plan, check, server, thresholds};
use crate::cli::args::{self, Args, OPTIONS};
use crate::cli::argv::GivenOptions;
use crate::cli::words;

/// Upper bound on the servers of a file.
const MAX_SERVERS: usize = 10_000;

/// Upper bound on a line, in bytes.
const MAX_LINE: usize = 64 << 10;

/// A line that names a server.
#[derive(Default)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub struct ServerLine {
    /// Counted from 1.
    pub number: usize,
    /// The place that `find` has for this connection.
    pub known: Option<usize>,
    /// Place and options, but not the rules, in one spelling: equal for lines that mean the same connection.
    pub connection: String,
    /// The rules, in the same form.
    pub rules: String,
    /// The settings of the command line, replaced by those of the line. No file was read. `None` for a connection that is
    /// known: the settings of thousands of servers would need memory that is not given back.
    pub server: Option<Server>,
    pub label: Option<String>,
    pub holds_secret: bool,
    pub thresholds: Thresholds,
    pub has_requests: bool,
    pub has_interval: bool,
    pub insecure: bool,
}

/// Reads all lines of the file `name`, for a plan with the settings that all servers have in common. `is_taken` returns
/// true for the labels of servers that are not in the file; `find` is asked once for each line.
///
/// # Errors
/// The first mistake, with the name of the file and the number of the line.
pub fn read(
    name: &str,
    text: &[u8],
    plan: &Plan,
    is_taken: &dyn Fn(&str) -> bool,
    find: &mut dyn FnMut(&str) -> Option<usize>,
) -> Result<Vec<ServerLine>, String> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut lines: Vec<ServerLine> = Vec::new();
    // The places of lines that have a label, in the order of labels.
    let mut labelled: Vec<usize> = Vec::new();
    for (at, text) in text.split(|byte| *byte == b'\n').enumerate() {
        let number = at + 1;
        let mistake = |why: &str| format!("{name}:{number}: {why}");
        let mut line = ServerLine { number, ..ServerLine::default() };
        if !read_line(&mut line, text, plan).map_err(|why| mistake(&why))? {
            continue;
        }
        if lines.len() == MAX_SERVERS {
            return Err(mistake(&format!("more than {MAX_SERVERS} servers")));
        }
        if let Some(label) = &line.label {
            let label_at = |at: usize| lines[at].label.as_deref().unwrap_or_default();
            match find_text(&labelled, &label_at, label) {
                Err(place) if !is_taken(label) => labelled.insert(place, lines.len()),
                _ => return Err(mistake(&format!("two servers are called {label}: labels must differ"))),
            }
        }
        line.known = find(&line.connection);
        if line.known.is_some() {
            line.server = None;
        }
        lines.push(line);
    }
    if lines.is_empty() { Err(format!("{name}: no server is named")) } else { Ok(lines) }
}

/// Looks for a text in a list of places, which is in the order of the texts that stand there. Returns the first position
/// that has it, or that where it belongs.
pub fn find_text<'t>(sorted: &[usize], text_at: &dyn Fn(usize) -> &'t str, text: &str) -> Result<usize, usize> {
    let position = sorted.partition_point(|&at| text_at(at) < text);
    let is_it = sorted.get(position).is_some_and(|&at| text_at(at) == text);
    if is_it { Ok(position) } else { Err(position) }
}

/// Reads one line; false if it is empty or a comment.
fn read_line(line: &mut ServerLine, text: &[u8], plan: &Plan) -> Result<bool, String> {
    if text.len() > MAX_LINE {
        return Err(format!("the line is longer than {MAX_LINE} bytes"));
    }
    let words = words::split(std::str::from_utf8(text).map_err(|_| "it is not UTF-8")?)?;
    if words.is_empty() {
        return Ok(false);
    }
    let mut given = GivenOptions::default();
    given.add_words(&mut words.into_iter())?;
    for row in OPTIONS {
        for value in given.values(row.long) {
            if !row.per_server && row.long != "--uri" {
                return Err(format!("{} is for all servers: it belongs on the command line", row.long));
            }
            let is_rule = matches!(row.long, "--warning" | "--critical");
            let key = if is_rule { &mut line.rules } else { &mut line.connection };
            // No word contains a NUL.
            for part in [row.long, "\0", value, "\0"] {
                key.push_str(part);
            }
        }
    }
    fill(line, &args::parse(&given.into_words())?, plan)?;
    Ok(true)
}

/// Fills the fields that depend on the values of the options.
fn fill(line: &mut ServerLine, args: &Args, plan: &Plan) -> Result<(), String> {
    let place = match args.values("--uri") {
        [place] => place,
        [] => return Err("no server is named: a line begins with one, as after --uri".to_owned()),
        _ => return Err("one line names one server: a value with blanks needs quotes around it".to_owned()),
    };
    line.thresholds = thresholds(args)?;
    if let Some(threshold) = line.thresholds.list().iter().find(|threshold| threshold.subject.aggregate.is_some()) {
        return Err(format!("{} is over all servers: it belongs on the command line", threshold.subject));
    }
    let mut server = plan.server.clone();
    if plan.check {
        check::refuse_holds(&line.thresholds)?;
        server = check::ping_often(server, &line.thresholds);
    }
    let server = server::apply(server, args)?.place_unread(place).map_err(|error| error.to_string())?;
    line.label = server.given_label().map(str::to_owned);
    line.holds_secret = server.holds_secret();
    line.server = Some(server);
    line.has_requests = args.has("--request");
    line.has_interval = args.has("--interval");
    line.insecure = args.has("--insecure");
    Ok(())
}

#[cfg(test)]
mod tests;
