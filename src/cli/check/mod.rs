//! `--check`: the values of one look at each server, judged and printed as the Monitoring Plugins do.

mod look;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::time::Instant;

use wsmon::{Board, BoardRow, Level, Metric, Quantity, Rules, ServerId, Threshold, push_perfdata};

pub use look::{look, look_at_saved};

/// Metrics that are shown although no rule is about them.
const SHOWN: [Metric; 5] = [Metric::Cpu, Metric::Memory, Metric::Disk, Metric::Gpu, Metric::Load1];

/// The most findings in the first line.
const MAX_FINDINGS: usize = 5;

/// The label of rules over all servers, as in their alerts.
const ALL_SERVERS: &str = "*";

/// A status of the guidelines, in the order of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Ok,
    Warning,
    Unknown,
    Critical,
}

impl Status {
    /// The exit status.
    pub fn code(self) -> u8 {
        match self {
            Status::Ok => 0,
            Status::Warning => 1,
            Status::Critical => 2,
            Status::Unknown => 3,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::Warning => "WARNING",
            Status::Critical => "CRITICAL",
            Status::Unknown => "UNKNOWN",
        }
    }
}

impl From<Level> for Status {
    fn from(level: Level) -> Self {
        match level {
            Level::Ok => Status::Ok,
            Level::Warning => Status::Warning,
            Level::Critical => Status::Critical,
        }
    }
}

/// The outcome of a look at one server, beside its row on the board.
#[derive(Clone, Debug)]
pub struct Look {
    pub id: ServerId,
    /// The reason for which it delivered nothing, or not enough.
    pub failure: Option<String>,
    /// Messages came, but none could be decoded.
    pub undecoded: bool,
    /// The time at which the values are judged.
    pub at: Instant,
}

/// One statement about a server: `cpu 91.2% (90)`.
struct Finding {
    status: Status,
    text: String,
}

/// The findings about one server, or about all of them, the worst first.
struct Group {
    label: String,
    /// True for a server that delivered nothing.
    is_down: bool,
    findings: Vec<Finding>,
}

/// Returns true if the command line asks for a check. It is known before the command line is understood, because errors in
/// it are reported as the result of a check, too.
pub fn is_asked_for(words: &[OsString]) -> bool {
    words.iter().take_while(|word| *word != "--").any(|word| word == "--check")
}

/// Returns the result of a check that was not made, for this reason.
pub fn unknown(why: &str) -> String {
    format!("WSMON UNKNOWN - {}\n", plain(why))
}

/// Judges the servers. Returns the status and the lines to print.
pub fn result(board: &Board, rules: &Rules, looks: &[Look], now: Instant) -> (Status, String) {
    let judge = |id| Judge { board, thresholds: rules.thresholds(id).list() };
    let mut groups = Vec::new();
    let mut perfdata = String::new();
    for look in looks {
        if let Some(group) = judge(look.id).server(look, &mut perfdata, looks.len() > 1) {
            add_group(&mut groups, group);
        }
    }
    let common = judge(ServerId::NONE).all_servers(now, &mut perfdata);
    match &mut groups[..] {
        [only] => only.add(common),
        _ if common.is_empty() => {}
        _ => add_group(&mut groups, Group::new(ALL_SERVERS, false, common)),
    }
    let status = groups.first().map_or(Status::Ok, Group::status);
    let text = match (status, &groups[..]) {
        (Status::Ok, [only]) => only.text(),
        (Status::Ok, _) => format!("{} servers", looks.len()),
        _ => worst(&groups),
    };
    let mut lines = format!("WSMON {} - {}", status.name(), plain(&text));
    if !perfdata.is_empty() {
        lines.push_str(" | ");
        lines.push_str(&perfdata);
    }
    lines.push('\n');
    for group in groups.iter().filter(|_| looks.len() > 1) {
        lines.push_str(&plain(&format!("{} {} - {}", group.label, group.status().name(), group.text())));
        lines.push('\n');
    }
    (status, lines)
}

struct Judge<'a> {
    board: &'a Board,
    thresholds: &'a [Threshold],
}

impl Judge<'_> {
    /// Judges one server. Appends its performance data, with its label if it is one of several.
    fn server(&self, look: &Look, perfdata: &mut String, is_one_of_several: bool) -> Option<Group> {
        let row = self.board.get(look.id)?;
        let mut findings = Vec::new();
        if look.undecoded {
            findings.push(Finding { status: Status::Unknown, text: "no message could be decoded".to_owned() });
        } else if let Some(why) = &look.failure {
            findings.push(Finding { status: self.failure_status(), text: why.clone() });
        }
        let mut push = |quantity: Quantity, value: f64, threshold: Option<&Threshold>| {
            let name = quantity.name();
            let label = if is_one_of_several { format!("{}::{name}", row.label()) } else { name.to_owned() };
            push_perfdata(perfdata, &label, quantity, value, threshold);
        };
        for threshold in self.thresholds.iter().filter(|threshold| threshold.subject.aggregate.is_none()) {
            let quantity = threshold.subject.quantity;
            match row.value(quantity, look.at) {
                Some(value) => {
                    push(quantity, value, Some(threshold));
                    findings.push(measured(threshold, value));
                }
                None if look.failure.is_some() || look.undecoded => {}
                None => {
                    if let Some(finding) = missing(threshold) {
                        findings.push(finding);
                    }
                }
            }
        }
        for (metric, value) in self.others(row) {
            let quantity = Quantity::Metric(metric);
            push(quantity, value, None);
            findings.push(Finding { status: Status::Ok, text: shown(quantity.name(), quantity, value) });
        }
        if findings.is_empty() {
            findings.push(Finding { status: Status::Ok, text: "connected".to_owned() });
        }
        Some(Group::new(row.label(), look.failure.is_some(), findings))
    }

    /// Returns the status of a server that delivered nothing. Where there is a rule on `up`, it decides.
    fn failure_status(&self) -> Status {
        let mut status = None;
        for threshold in self.thresholds.iter().filter(|threshold| threshold.subject.quantity == Quantity::Up) {
            let own = match threshold.subject.aggregate {
                None => threshold.level_of(0.0).into(),
                Some(_) => Status::Ok,
            };
            status = status.max(Some(own));
        }
        status.unwrap_or(Status::Critical)
    }

    /// Returns the values that are shown without a rule.
    fn others(&self, row: &BoardRow) -> impl Iterator<Item = (Metric, f64)> {
        let is_ruled = |metric: Metric| {
            let subjects = self.thresholds.iter().map(|threshold| threshold.subject);
            subjects.filter(|subject| subject.aggregate.is_none()).any(|of| of.quantity == Quantity::Metric(metric))
        };
        SHOWN
            .into_iter()
            .filter(move |&metric| !is_ruled(metric))
            .filter_map(|metric| Some((metric, row.metric(metric)?)))
    }

    /// Judges the values over all servers. Appends their performance data.
    fn all_servers(&self, now: Instant, perfdata: &mut String) -> Vec<Finding> {
        let mut findings = Vec::new();
        for threshold in self.thresholds {
            let Some(aggregate) = threshold.subject.aggregate else { continue };
            let quantity = threshold.subject.quantity;
            match self.board.aggregate(aggregate, quantity, now) {
                Some(value) => {
                    push_perfdata(perfdata, &threshold.subject.to_string(), quantity, value, Some(threshold));
                    findings.push(measured(threshold, value));
                }
                None => {
                    if let Some(finding) = missing(threshold) {
                        findings.push(finding);
                    }
                }
            }
        }
        findings
    }
}

impl Group {
    fn new(label: &str, is_down: bool, findings: Vec<Finding>) -> Self {
        let mut group = Group { label: label.to_owned(), is_down, findings: Vec::new() };
        group.add(findings);
        group
    }

    /// Adds findings, the worst first.
    fn add(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            let at = self.findings.partition_point(|other| other.status >= finding.status);
            self.findings.insert(at, finding);
        }
    }

    fn status(&self) -> Status {
        self.findings.first().map_or(Status::Ok, |finding| finding.status)
    }

    fn text(&self) -> String {
        let texts: Vec<_> = self.findings.iter().map(|finding| &*finding.text).collect();
        texts.join(", ")
    }
}

/// Adds a group in the order of their statuses, the worst first, and of one status those that are down.
fn add_group(groups: &mut Vec<Group>, group: Group) {
    let rank = |group: &Group| (group.status(), group.is_down);
    groups.insert(groups.partition_point(|other| rank(other) >= rank(&group)), group);
}

/// Returns what is wrong, the worst first; with several groups each after its label.
fn worst(groups: &[Group]) -> String {
    let mut text = String::new();
    let mut count = 0;
    for group in groups {
        let wrong = group.findings.iter().filter(|finding| finding.status > Status::Ok);
        for (at, finding) in wrong.enumerate() {
            count += 1;
            if count > MAX_FINDINGS {
                continue;
            }
            match at {
                0 if !text.is_empty() => text.push_str("; "),
                0 => {}
                _ => text.push_str(", "),
            }
            if at == 0 && groups.len() > 1 {
                text.push_str(&group.label);
                text.push_str(": ");
            }
            text.push_str(&finding.text);
        }
    }
    if count > MAX_FINDINGS {
        text.push_str(&format!(" and {} more", count - MAX_FINDINGS));
    }
    text
}

/// Returns a value with the range that it is out of, if there is one.
fn measured(threshold: &Threshold, value: f64) -> Finding {
    let level = threshold.level_of(value);
    let rule = match level {
        Level::Ok => None,
        Level::Warning => threshold.warning.as_ref(),
        Level::Critical => threshold.critical.as_ref(),
    };
    let mut text = shown(&threshold.subject.to_string(), threshold.subject.quantity, value);
    if let Some(rule) = rule {
        text.push_str(&format!(" ({})", rule.range_text()));
    }
    Finding { status: level.into(), text }
}

fn shown(name: &str, quantity: Quantity, value: f64) -> String {
    format!("{name} {}", quantity.value_text(value))
}

/// A value that is not known is an error, unless its rule has no NAME: that applies to the metrics that a server sends.
fn missing(threshold: &Threshold) -> Option<Finding> {
    let name = threshold.subject;
    let text = match name.quantity {
        Quantity::Metric(_) => format!("no sample carried {name}"),
        Quantity::Ping => "no ping was answered".to_owned(),
        Quantity::Failed | Quantity::Running => format!("no processes came for {name}"),
        _ => format!("{name} is not known"),
    };
    threshold.rules().any(|rule| !rule.unnamed).then_some(Finding { status: Status::Unknown, text })
}

/// Returns the text without the characters that have a meaning in the result of a check: `|` and control characters.
fn plain(text: &str) -> String {
    let replaced: String = text
        .chars()
        .map(|c| {
            if c == '|' {
                '/'
            } else if c.is_control() {
                ' '
            } else {
                c
            }
        })
        .collect();
    wsmon::escape(&replaced).into_owned()
}
