//! Output formats. A format is a file with a [`Format`], and a line in [`FORMATS`]; the command's help, the error text for an
//! unknown format and the tests read the table.

mod compact;
mod csv;
mod detailed;
mod event_lines;
mod events;
mod influx;
mod json;
pub(crate) mod lines;
mod notices;
mod processes;
#[cfg(feature = "serde")]
mod serialize;
mod server_table;
mod simple;
mod stats;
pub mod style;
pub mod template;
mod users;
mod value;

pub use event_lines::push_alert;

use crate::format::style::Style;
use crate::model::event::Message;
use crate::model::stats::Statistics;

/// An output format: functions that append lines, with their line feeds, to a [`String`]. [`FORMATS`] lists the formats
/// of the command; a program can define its own.
///
/// ```
/// use wsmon::{Event, Format, Metric, Monitor, Server, Message, Style};
///
/// /// Server and processor use, separated by tabs.
/// static TABS: Format = Format {
///     name: "tabs",
///     about: "server and processor use, separated by tabs",
///     head: Some(|out, _| out.push_str("server\tcpu\n")),
///     write,
///     stats: |out, statistics, _| {
///         let (messages, disconnections) = (statistics.messages_received, statistics.total_disconnections);
///         out.push_str(&format!("{messages} messages, {disconnections} disconnections\n"));
///     },
///     stats_apart: false,
///     whole: false,
///     gap: None,
/// };
///
/// fn write(out: &mut String, message: &Message<'_>, _: &Style) {
///     for event in message.events {
///         if let Event::Sample(sample) = event
///             && let Some(percent) = sample.get(Metric::Cpu)
///         {
///             out.push_str(&format!("{}\t{percent}\n", message.server));
///         }
///     }
/// }
///
/// # let uri = doc::serve(2);
/// # let uri = uri.as_str();
/// let mut monitor = Monitor::new()?;
/// monitor.add(Server::new(uri)?.label("nas").max_reconnects(0))?;
/// let (mut out, style) = (String::new(), Style::default());
/// if let Some(head) = TABS.head {
///     head(&mut out, &style);
/// }
/// while !monitor.is_done() {
///     monitor.turn(None, |message| (TABS.write)(&mut out, message, &style))?;
/// }
/// (TABS.stats)(&mut out, &monitor.statistics(), &style);
/// assert_eq!(out, "server\tcpu\nnas\t60\nnas\t70\n3 messages, 1 disconnections\n");
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Text from a server, such as [`crate::Notice`] or [`crate::Text`], must go through [`crate::escape`] before it reaches
/// a terminal.
#[derive(Debug)]
pub struct Format {
    /// The name.
    pub name: &'static str,
    /// A short description.
    pub about: &'static str,
    /// Appends a header, for the beginning of a file or stream; `None` if the format has none.
    pub head: Option<fn(&mut String, &Style)>,
    /// Appends the lines of one message; nothing if it has nothing to show. They are printed as a whole, or dropped as a
    /// whole if the reader is too slow.
    pub write: fn(&mut String, &Message<'_>, &Style),
    /// Appends the statistics.
    pub stats: fn(&mut String, &Statistics, &Style),
    /// True if a consumer of the output cannot bear statistics in it: the command writes them to stderr.
    pub stats_apart: bool,
    /// True if a message is shown whole, whatever its events are.
    pub whole: bool,
    /// Returns the line that replaces this many dropped messages; `None` if the format has no such line.
    pub gap: Option<fn(u64) -> String>,
}

/// Every format, in the order in which the command's help lists them.
pub static FORMATS: &[Format] = &[
    simple::FORMAT,
    detailed::FORMAT,
    compact::FORMAT,
    json::JSON,
    json::JSONL,
    events::FORMAT,
    csv::FORMAT,
    influx::FORMAT,
    TABLE,
];

/// A row for each server. It shows no messages: the command draws it from the board.
const TABLE: Format = Format {
    name: "table",
    about: "a row for each server, the worst first",
    head: None,
    write: |_, _, _| {},
    stats: stats::push_text,
    stats_apart: true,
    whole: false,
    gap: None,
};

/// Returns the format of that name in [`FORMATS`].
#[must_use]
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

#[cfg(test)]
mod tests;
