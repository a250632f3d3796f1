//! The commands to a monitor: which servers it watches, and what their connections are to do.

use super::Monitor;
use crate::model::api_error::{Error, ErrorKind};
use crate::model::server_id::ServerId;
use crate::model::text::escape;
use crate::monitor::peer::Peer;
use crate::monitor::server::Server;
use crate::net::transport::SendError;
use crate::proto::session::Input;

impl Monitor {
    /// Adds a server, which is dialled in the next turn, and returns its id.
    ///
    /// # Errors
    /// If the server was given a label that another one has.
    pub fn add(&mut self, server: Server) -> Result<ServerId, Error> {
        let given = server.settings.label.is_some();
        let index = self.peers.iter().position(Option::is_none).unwrap_or(self.peers.len());
        let id = ServerId::new(self.added, index);
        let mut peer = Box::new(Peer::new(id, server, self.clock));
        let (label, mut number) = (peer.decoder.label.clone(), 1);
        while self.ids.iter().any(|&other| *self.label(other) == *peer.decoder.label) {
            if given {
                let text = format!("two servers are called {}: labels must differ", escape(&label));
                return Err(Error::new(ErrorKind::Label, text));
            }
            // Labels made from addresses coincide for two paths on one host.
            number += 1;
            peer.decoder.label = format!("{label}#{number}").into();
        }
        if index == self.peers.len() {
            self.peers.push(None);
        }
        self.peers[index] = Some(peer);
        self.ids.push(id);
        self.added += 1;
        self.unfinished += 1;
        self.note(index);
        Ok(id)
    }

    /// Removes a server. From now on there are no messages and changes of its, it is not among [`Monitor::ids`] and in
    /// no total, and its label is free.
    ///
    /// Its connection is closed from the next turn on, as by [`Monitor::stop_one`]: within a second, until which
    /// [`Monitor::is_done`] is false.
    pub fn remove(&mut self, id: ServerId) {
        if let Some(peer) = self.peer_mut(id) {
            peer.remove();
            self.ids.retain(|&other| other != id);
            self.note(id.index());
        }
    }

    /// Sends a text message. Nothing is kept for the next connection.
    ///
    /// # Errors
    /// If the connection is not open, or more than 64 KiB would wait to be sent.
    pub fn send(&mut self, id: ServerId, text: &str) -> Result<(), Error> {
        let now = self.clock;
        let sent = self.peer_mut(id).map_or(Err(SendError::NotOpen), |peer| peer.send(now, text));
        if self.contains(id) {
            self.note(id.index());
        }
        sent.map_err(|error| {
            let kind = if error == SendError::Full { ErrorKind::Full } else { ErrorKind::NotOpen };
            Error::new(kind, error.to_string())
        })
    }

    /// Closes the connection and opens a new one, from the next turn on; starts again with a server that was given up
    /// or stopped. A dial in progress goes on, and is the new connection.
    pub fn reconnect(&mut self, id: ServerId) {
        self.command(id, Input::Reconnect);
    }

    /// Closes every connection, from the next turn on. [`Monitor::is_done`] is true once they are closed, within a
    /// second.
    pub fn stop(&mut self) {
        self.command_all(Input::Stop);
    }

    /// Closes one server's connection for good, from the next turn on.
    pub fn stop_one(&mut self, id: ServerId) {
        self.command(id, Input::Stop);
    }

    /// Stops reading from the servers, or resumes it, for programs that cannot take more for a while. Meanwhile pings
    /// and timers go on, the deadlines for pongs and messages are frozen, and the servers' pings are not answered.
    pub fn pause(&mut self, paused: bool) {
        if std::mem::replace(&mut self.paused, paused) != paused {
            let input = if paused { Input::Paused } else { Input::Resumed };
            for index in 0..self.peers.len() {
                if let Some(peer) = &mut self.peers[index] {
                    peer.session.handle(self.clock, input);
                    peer.ready = true;
                }
                self.note(index);
            }
        }
    }

    fn command(&mut self, id: ServerId, input: Input<'static>) {
        if let Some(peer) = self.peer_mut(id) {
            peer.command(input);
            self.note(id.index());
        }
    }

    pub(super) fn command_all(&mut self, input: Input<'static>) {
        for index in 0..self.peers.len() {
            if let Some(peer) = &mut self.peers[index] {
                peer.command(input);
            }
            self.note(index);
        }
    }
}
