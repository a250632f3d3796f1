//! The questions about servers that a monitor answers.

use std::time::SystemTime;

use crate::model::dialect::Dialect;
use crate::model::error::Disconnect;
use crate::model::event::ClientState;
use crate::model::sample::Sample;
use crate::model::server_id::ServerId;
use crate::model::stats::{Statistics, Summary};
use crate::monitor::event_loop::Monitor;

/// One server of a monitor, for several questions about it. [`Monitor`] answers each by the id too.
#[derive(Clone, Copy, Debug)]
pub struct PeerRef<'m> {
    monitor: &'m Monitor,
    id: ServerId,
}

impl<'m> PeerRef<'m> {
    /// Returns the id.
    #[must_use]
    pub fn id(self) -> ServerId {
        self.id
    }

    /// Returns the label.
    #[must_use]
    pub fn label(self) -> &'m str {
        self.monitor.label(self.id)
    }

    /// Returns the state of the connection.
    #[must_use]
    pub fn state(self) -> ClientState {
        self.monitor.state(self.id)
    }

    /// Returns the dialect; `None` until it has been recognised.
    #[must_use]
    pub fn dialect(self) -> Option<Dialect> {
        self.monitor.dialect(self.id)
    }

    /// Returns the statistics.
    #[must_use]
    pub fn statistics(self) -> Statistics {
        self.monitor.statistics_of(self.id)
    }

    /// Returns the times and metrics of the latest samples, as [`Monitor::history`] does.
    pub fn history(
        self,
    ) -> impl ExactSizeIterator<Item = (SystemTime, Sample<'static>)> + DoubleEndedIterator + use<'m> {
        self.monitor.history(self.id)
    }

    /// Returns the latest sample, also without a history.
    #[must_use]
    pub fn last_sample(self) -> Option<Sample<'static>> {
        self.monitor.last_sample(self.id)
    }

    /// Returns why the latest connection ended or failed; `None` before the first end.
    #[must_use]
    pub fn last_disconnect(self) -> Option<&'m Disconnect> {
        self.monitor.last_disconnect(self.id)
    }
}

impl Monitor {
    /// Returns the server with this id; `None` if it was removed.
    #[must_use]
    pub fn get(&self, id: ServerId) -> Option<PeerRef<'_>> {
        self.contains(id).then_some(PeerRef { monitor: self, id })
    }

    /// Returns all servers, in the order in which they were added.
    pub fn peers(&self) -> impl ExactSizeIterator<Item = PeerRef<'_>> + DoubleEndedIterator {
        self.ids().map(|id| PeerRef { monitor: self, id })
    }

    /// Returns the state of one server's connection.
    #[must_use]
    pub fn state(&self, id: ServerId) -> ClientState {
        self.peer(id).map_or(ClientState::Disconnected, |peer| peer.session.client_state())
    }

    /// Returns the server's dialect; `None` until it has been recognised.
    #[must_use]
    pub fn dialect(&self, id: ServerId) -> Option<Dialect> {
        self.peer(id)?.decoder.conversation.dialect()
    }

    /// Returns true if the server's dialect answers requests; `None` until the dialect is known.
    #[must_use]
    pub fn has_answers(&self, id: ServerId) -> Option<bool> {
        self.peer(id)?.decoder.conversation.has_answers()
    }

    /// Returns true if the server can send a kind of event, a message type or a channel of this name; `None` until its
    /// dialect is known.
    #[must_use]
    pub fn can_send(&self, id: ServerId, name: &str) -> Option<bool> {
        self.peer(id)?.decoder.conversation.can_send(name)
    }

    /// Returns the server's label.
    #[must_use]
    pub fn label(&self, id: ServerId) -> &str {
        self.peer(id).map_or("", |peer| &peer.decoder.label)
    }

    /// Returns why a server has delivered nothing so far, in one line: `never connected in 1m, 14 attempts: …`. `None`
    /// if it has delivered: a message of content, or, where the dialect speaks only when something happens
    /// (fastpluggy, generic, neurograph without the channel metrics), a connection that is open or that the program
    /// has closed.
    #[must_use]
    pub fn nothing_delivered(&self, id: ServerId) -> Option<String> {
        self.peer(id)?.nothing_delivered(self.clock, self.started)
    }

    /// Returns one server's statistics.
    #[must_use]
    pub fn statistics_of(&self, id: ServerId) -> Statistics {
        match self.peer(id) {
            Some(peer) => peer.statistics(self.clock, self.started),
            None => Statistics::default(),
        }
    }

    /// Returns the round trips of one server's pings, in milliseconds.
    #[must_use]
    pub fn pings(&self, id: ServerId) -> Summary {
        self.peer(id).map(|peer| peer.decoder.report.counters.ping_ms).unwrap_or_default()
    }

    /// Returns the totals over all servers; with several servers, each one's own statistics too.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut servers = Vec::new();
        for id in self.ids() {
            servers.push((self.label(id).to_owned(), self.statistics_of(id)));
        }
        Statistics::total(servers)
    }

    /// Returns the times of receipt and the metrics of the latest samples, oldest first; none unless
    /// [`Server::history`](crate::Server::history) was set. Texts, time stamps and the use of single cores are not kept.
    ///
    /// ```
    /// # use wsmon::{Monitor, Server};
    /// # let uri = doc::serve(3);
    /// # let mut monitor = Monitor::new()?;
    /// let id = monitor.add(Server::new(&uri)?.history(3600).max_reconnects(0))?;
    /// while !monitor.is_done() {
    ///     monitor.turn(None, |_| ())?;
    /// }
    /// let latest = monitor.history(id).rev().find_map(|(at, sample)| Some((at, sample.cpu()?)));
    /// # assert_eq!(latest.map(|(_, cpu)| cpu), Some(80.0));
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
    /// # Ok::<(), wsmon::Error>(())
    /// ```
    pub fn history(
        &self,
        id: ServerId,
    ) -> impl ExactSizeIterator<Item = (SystemTime, Sample<'static>)> + DoubleEndedIterator + use<'_> {
        let history = self.peer(id).map(|peer| peer.decoder.report.history.iter()).unwrap_or_default();
        history.map(|(at, numbers)| (*at, Sample::from_numbers(*numbers)))
    }

    /// Returns the latest sample, also without a history. Each call decodes its message again. `None` where
    /// [`Server::keep_last_sample`](crate::Server::keep_last_sample) has turned it off.
    #[must_use]
    pub fn last_sample(&self, id: ServerId) -> Option<Sample<'static>> {
        let peer = self.peer(id)?;
        peer.decoder.conversation.sample(&peer.decoder.report.last_sample)
    }

    /// Returns why the server's latest connection ended or failed; `None` before the first end.
    #[must_use]
    pub fn last_disconnect(&self, id: ServerId) -> Option<&Disconnect> {
        self.peer(id)?.decoder.report.last_disconnect.as_deref()
    }
}
