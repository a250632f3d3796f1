//! The latest values of each server, in bounded memory.

mod row;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::fleet::quantity::{Aggregate, Quantity};
use crate::model::dialect::Dialect;
use crate::model::event::Message;
use crate::model::server_id::ServerId;

pub(crate) use row::HISTORY;
pub use row::{BoardProcess, BoardRow};

/// The latest values of each server, as [`crate::Rules`] and other views need them.
///
/// It is updated with messages. A server takes at most 1 KiB, one with processes and alerts less than 192 KiB.
///
/// ```
/// use wsmon::{Aggregate, Board, Metric, Monitor, Quantity, Server};
///
/// # let uri = doc::serve(3);
/// # let uri = uri.as_str();
/// let mut monitor = Monitor::new()?;
/// let mut board = Board::default();
/// let id = monitor.add(Server::new(uri)?.label("web").max_reconnects(0))?;
/// board.add(id, monitor.label(id));
///
/// let mut highest = 0.0_f64;
/// while !monitor.is_done() {
///     monitor.turn(None, |message| {
///         board.update(message);
///         let cpu = board.aggregate(Aggregate::Max, Quantity::Metric(Metric::Cpu), message.received_mono);
///         highest = highest.max(cpu.unwrap_or_default());
///     })?;
/// }
/// assert_eq!(board.get(id).map(|web| web.is_up()), Some(false));
/// # assert_eq!(highest, 80.0);
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Board {
    /// Sorted by id. Boxed, to be moved cheaply.
    rows: Vec<(ServerId, Box<BoardRow>)>,
    /// Ids of rows that have changed since [`Board::take_changed`]. Sorted.
    changed: Vec<ServerId>,
    /// True if a row was removed since then.
    removed: bool,
    /// Number of rows ever added; the source of serial numbers.
    added: u64,
}

impl Board {
    /// Adds a server under the id that its messages have. Replaces an earlier server with that id.
    pub fn add(&mut self, id: ServerId, label: &str) {
        self.added += 1;
        let mut row = Box::new(BoardRow::new(label.into(), self.added));
        match self.place(id) {
            Ok(at) => {
                row.changed = self.rows[at].1.changed;
                self.rows[at].1 = row;
            }
            Err(at) => self.rows.insert(at, (id, row)),
        }
        self.mark(id);
    }

    /// Removes a server.
    pub fn remove(&mut self, id: ServerId) {
        if let Ok(at) = self.place(id) {
            self.rows.remove(at);
            self.changed.retain(|&changed| changed != id);
            self.removed = true;
        }
    }

    /// Updates the row of the message's server. Adds the server if it is unknown.
    pub fn update(&mut self, message: &Message<'_>) {
        if self.place(message.id).is_err() {
            self.add(message.id, message.server);
        }
        let Some(row) = self.row(message.id) else { return };
        row.update(message);
        self.mark(message.id);
    }

    /// Sets the round trip of the latest ping.
    pub fn set_ping(&mut self, id: ServerId, round_trip: Duration) {
        if let Some(row) = self.row(id) {
            row.ping = Some(round_trip);
            self.mark(id);
        }
    }

    /// Sets the server's dialect; `None` = unknown.
    pub fn set_dialect(&mut self, id: ServerId, dialect: impl Into<Option<Dialect>>) {
        if let Some(row) = self.row(id) {
            row.dialect = dialect.into();
        }
    }

    /// Returns the row of a server.
    #[must_use]
    pub fn get(&self, id: ServerId) -> Option<&BoardRow> {
        self.place(id).ok().map(|at| &*self.rows[at].1)
    }

    /// Iterates over all servers with their ids, in the order of ids.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (ServerId, &BoardRow)> + Clone {
        self.rows.iter().map(|(id, row)| (*id, &**row))
    }

    /// Combines the values of all servers that have one.
    #[must_use]
    pub fn aggregate(&self, aggregate: Aggregate, quantity: Quantity, now: Instant) -> Option<f64> {
        aggregate.of(self.rows().filter_map(|(_, row)| row.value(quantity, now)))
    }

    /// Returns the ids of the rows that have changed since the last call, and true if a row was removed.
    pub(crate) fn take_changed(&mut self) -> (Vec<ServerId>, bool) {
        let changed = std::mem::take(&mut self.changed);
        for &id in &changed {
            if let Some(row) = self.row(id) {
                row.changed = false;
            }
        }
        (changed, std::mem::take(&mut self.removed))
    }

    fn place(&self, id: ServerId) -> Result<usize, usize> {
        match self.rows.get(id.index()) {
            // Indices are positions unless servers were removed.
            Some((known, _)) if *known == id => Ok(id.index()),
            _ => self.rows.binary_search_by_key(&id, |(id, _)| *id),
        }
    }

    fn row(&mut self, id: ServerId) -> Option<&mut BoardRow> {
        self.place(id).ok().map(|at| &mut *self.rows[at].1)
    }

    fn mark(&mut self, id: ServerId) {
        let is_new = self.row(id).is_some_and(|row| !std::mem::replace(&mut row.changed, true));
        if is_new {
            // There are seldom several, and a sort would be 8 KB of code.
            let at = self.changed.partition_point(|&changed| changed < id);
            self.changed.insert(at, id);
        }
    }
}
