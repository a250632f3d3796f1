//! The grammar of the file of `--servers`: one server per line, in the words of the command line.

use wsmon::{Server, Thresholds};

use super::{Plan, check, server, thresholds};
use crate::cli::args;
use crate::cli::argv::GivenOptions;
use crate::cli::words;

/// Upper bound on the servers of a file.
const MAX_SERVERS: usize = 10_000;

/// Upper bound on a line, in bytes.
const MAX_LINE: usize = 64 << 10;

/// A line that names a server.
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
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let number = at + 1;
        let mistake = |why: &str| format!("{name}:{number}: {why}");
        let Some(mut line) = read_line(number, line, plan).map_err(|why| mistake(&why))? else { continue };
        if lines.len() == MAX_SERVERS {
            return Err(mistake(&format!("more than {MAX_SERVERS} servers")));
        }
        if let Some(label) = &line.label {
            let label_at = |at: usize| lines[at].label.as_ref();
            let place = labelled.partition_point(|&at| label_at(at) < Some(label));
            if is_taken(label) || labelled.get(place).is_some_and(|&at| label_at(at) == Some(label)) {
                return Err(mistake(&format!("two servers are called {label}: labels must differ")));
            }
            labelled.insert(place, lines.len());
        }
        line.known = find(&line.connection);
        if line.known.is_some() {
            line.server = None;
        }
        lines.push(line);
    }
    if lines.is_empty() { Err(format!("{name}: no server is named")) } else { Ok(lines) }
}

/// Reads one line; `None` if it is empty or a comment.
fn read_line(number: usize, line: &[u8], plan: &Plan) -> Result<Option<ServerLine>, String> {
    if line.len() > MAX_LINE {
        return Err(format!("the line is longer than {MAX_LINE} bytes"));
    }
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
    let words = words::split(text)?;
    if words.is_empty() {
        return Ok(None);
    }
    let mut given = GivenOptions::default();
    given.add_words(&mut words.into_iter())?;
    let (mut connection, mut rules) = (String::new(), String::new());
    for (row, value) in given.sorted() {
        if !row.per_server && row.long != "--uri" {
            return Err(format!("{} is for all servers: it belongs on the command line", row.long));
        }
        let is_rule = matches!(row.long, "--warning" | "--critical");
        let key = if is_rule { &mut rules } else { &mut connection };
        for part in [row.long, value.unwrap_or_default()] {
            key.push_str(part);
            // No word contains one.
            key.push('\0');
        }
    }
    let args = args::parse(&given.into_words())?;
    let place = match &args.uri[..] {
        [place] => place,
        [] => return Err("no server is named: a line begins with one, as after --uri".to_owned()),
        _ => return Err("one line names one server: a value with blanks needs quotes around it".to_owned()),
    };
    let thresholds = thresholds(&args)?;
    if let Some(threshold) = thresholds.list().iter().find(|threshold| threshold.subject.aggregate.is_some()) {
        return Err(format!("{} is over all servers: it belongs on the command line", threshold.subject));
    }
    let mut server = plan.server.clone();
    if plan.check {
        check::refuse_holds(&thresholds)?;
        server = check::ping_often(server, &thresholds);
    }
    let server = server::apply(server, &args)?.place_unread(place).map_err(|error| error.to_string())?;
    Ok(Some(ServerLine {
        number,
        known: None,
        connection,
        rules,
        label: server.given_label().map(str::to_owned),
        holds_secret: server.holds_secret(),
        server: Some(server),
        thresholds,
        has_requests: !args.request.is_empty(),
        has_interval: args.interval.is_some(),
        insecure: args.insecure,
    }))
}

#[cfg(test)]
mod tests;
