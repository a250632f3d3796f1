//! The servers of a run: those that are watched, or those whose saved data is read.

use wsmon::SavedData;
use wsmon::{Dialect, Monitor, Now, ServerId, Statistics};

/// The servers of a run. With `--read` the monitor has none: it waits for signals and streams alone. Both live until the
/// process ends.
pub struct Servers {
    pub monitor: &'static mut Monitor,
    pub saved: Option<&'static mut SavedData>,
}

impl Servers {
    pub fn len(&self) -> usize {
        self.saved.as_ref().map_or(self.monitor.len(), |saved| saved.len())
    }

    pub fn ids(&self) -> std::vec::IntoIter<ServerId> {
        let ids: Vec<_> = match &self.saved {
            Some(saved) => saved.ids().collect(),
            None => self.monitor.ids().collect(),
        };
        ids.into_iter()
    }

    /// The time of the latest turn, or of the latest line that was read.
    pub fn now(&self) -> Now {
        self.saved.as_ref().map_or(self.monitor.now(), |saved| saved.now())
    }

    pub fn contains(&self, id: ServerId) -> bool {
        self.saved.as_ref().map_or_else(|| self.monitor.contains(id), |saved| id.index() < saved.len())
    }

    pub fn label(&self, id: ServerId) -> &str {
        self.saved.as_ref().map_or_else(|| self.monitor.label(id), |saved| saved.label(id))
    }

    pub fn dialect(&self, id: ServerId) -> Option<Dialect> {
        self.saved.as_ref().map_or_else(|| self.monitor.dialect(id), |saved| saved.dialect(id))
    }

    pub fn can_send(&self, id: ServerId, name: &str) -> Option<bool> {
        self.saved.as_ref().map_or_else(|| self.monitor.can_send(id, name), |saved| saved.can_send(id, name))
    }

    pub fn statistics_of(&self, id: ServerId) -> Statistics {
        self.saved.as_ref().map_or_else(|| self.monitor.statistics_of(id), |saved| saved.statistics_of(id))
    }

    pub fn statistics(&self) -> Statistics {
        self.saved.as_ref().map_or_else(|| self.monitor.statistics(), |saved| saved.statistics())
    }

    /// The reason for which a server has delivered nothing; `None` if it has delivered.
    pub fn nothing_delivered(&self, id: ServerId) -> Option<String> {
        match &self.saved {
            Some(saved) => saved.statistics_of(id).nothing_delivered,
            None => self.monitor.nothing_delivered(id),
        }
    }
}
