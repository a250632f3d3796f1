//! The messages of each server that count towards `--count`.

use wsmon::ServerId;

use super::View;

impl View {
    /// Counts only the answers of a server.
    pub fn count_answers(&mut self, id: ServerId) {
        self.servers[id.index()].count_answers = true;
    }

    /// Returns true if only the answers of a server count.
    pub fn counts_answers(&self, id: ServerId) -> bool {
        self.servers.get(id.index()).is_some_and(|server| server.count_answers)
    }

    /// Returns true if as many messages of the server were shown as `--count` asks for.
    pub fn count_reached(&self, id: ServerId) -> bool {
        self.options.count.is_some_and(|count| self.servers[id.index()].shown >= count)
    }

    /// Returns true if that holds for every server that is known.
    pub fn all_counts_reached(&self) -> bool {
        self.options.count.is_some_and(|count| self.servers.iter().all(|server| server.shown >= count))
    }

    /// Returns the servers whose count was reached since the last call.
    pub fn take_complete(&mut self) -> Vec<ServerId> {
        std::mem::take(&mut self.complete)
    }

    /// Adds the message whose lines leave to those that count: of its server, or of every one if it is about all of them.
    pub(super) fn count_lines(&mut self, id: ServerId) {
        if !self.lines.counts {
            return;
        }
        let concerned = if id == ServerId::NONE { 0..self.servers.len() } else { id.index()..id.index() + 1 };
        for index in concerned {
            let counts = self.lines.has_answer || !self.servers[index].count_answers;
            self.count(index, counts);
        }
    }

    /// Adds a message of a server to those that count.
    pub(super) fn count(&mut self, index: usize, counts: bool) {
        let server = &mut self.servers[index];
        server.shown += u64::from(counts);
        if counts && self.options.count == Some(server.shown) {
            self.complete.push(server.id);
        }
    }

    /// Returns the messages of the server that counted towards `--count`.
    pub fn shown(&self, id: ServerId) -> u64 {
        self.servers[id.index()].shown
    }
}
