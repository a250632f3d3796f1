//! The commands to a monitor: which servers it watches, and what their connections are to do.

use super::Monitor;
use crate::model::api_error::{Error, ErrorKind};
use crate::model::request_id::RequestId;
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
    /// If the server was given a label that another one has, or certificates or a key in memory that cannot be used.
    pub fn add(&mut self, server: Server) -> Result<ServerId, Error> {
        server.settings.check_memory()?;
        let given = server.settings.label.is_some();
        let index = self.peers.iter().position(Option::is_none).unwrap_or(self.peers.len());
        let id = ServerId::new(self.added, index);
        let mut peer = Box::new(Peer::new(id, server, self.clock));
        if given && self.is_taken(&peer.decoder.label) {
            let text = format!("two servers are called {}: labels must differ", escape(&peer.decoder.label));
            return Err(Error::new(ErrorKind::Label, text));
        }
        if self.is_taken(&peer.decoder.label) {
            peer.decoder.label = self.numbered(&peer.decoder.label).into();
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

    fn is_taken(&self, label: &str) -> bool {
        self.ids.iter().any(|&other| self.label(other) == label)
    }

    /// Labels made from addresses coincide for two paths on one host: all but the first get a number. It is sought beyond
    /// those that are there, for there may be thousands.
    fn numbered(&self, label: &str) -> String {
        let numbered = format!("{label}#");
        let mut number = self.ids.iter().filter(|&&other| self.label(other).starts_with(&numbered)).count() + 2;
        while self.is_taken(&format!("{numbered}{number}")) {
            number += 1;
        }
        format!("{numbered}{number}")
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

    /// Sends a request of the server's dialect, from the next turn on, and returns its id. `body` is JSON: an object with the
    /// members of the request in most dialects.
    ///
    /// There is one event for each request: an [`Answer`](crate::Answer) with its id, or
    /// [`Event::Unanswered`](crate::Event::Unanswered). The answer stands beside the other events of its message, such as a
    /// sample. The time of [`Server::request_timeout`] begins when the request is sent: sysmedic's servers get one at a time.
    /// Nothing is kept for the next connection. [`Monitor::remove`] ends them without an event.
    ///
    /// | dialect | requests |
    /// |---|---|
    /// | monitoring | `get_status`, `ping` |
    /// | sysmedic | `get_system_info`, `get_alerts`, `get_user_metrics`, `get_config`, `get_uptime`, `ping` |
    /// | neurograph | `subscribe`, `unsubscribe`, `get_subscriptions`, `get_reconnection_token`, `ping` |
    /// | fastpluggy, pmdaemon, generic | none: use [`Monitor::send`] |
    ///
    /// ```
    /// use wsmon::{Event, Monitor, Server};
    ///
    /// # let uri = &doc::serve(2);
    /// let mut monitor = Monitor::new()?;
    /// let id = monitor.add(uri.parse::<Server>()?.max_reconnects(0))?;
    /// let mut asked = None;
    /// while !monitor.is_done() {
    ///     monitor.turn(None, |message| {
    ///         for event in message.events {
    ///             match event {
    ///                 Event::Answer(answer) if answer.request.is_some() => println!("{}", answer.text),
    ///                 Event::Unanswered(unanswered) => println!("{unanswered}"),
    ///                 _ => {}
    ///             }
    ///         }
    ///     })?;
    ///     // An error until the connection is open, and the first message has shown which dialect it is.
    ///     asked = asked.or_else(|| monitor.request(id, "get_status", None).ok());
    /// }
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::NotOpen`] if the connection is not open, or the dialect has not been recognised yet.
    /// - [`ErrorKind::Request`] if the dialect has no such request: names those that it has. Also if `body` is not JSON, or is
    ///   longer than 32 KiB or than the server accepts.
    /// - [`ErrorKind::Full`] if 512 requests of this server, or 32 KiB of their types and bodies, have no answer yet.
    pub fn request<'b>(
        &mut self,
        id: ServerId,
        kind: &str,
        body: impl Into<Option<&'b str>>,
    ) -> Result<RequestId, Error> {
        // Even ones: the odd ones are those of handles.
        let request = RequestId::from_index(2 * self.requests + 1);
        self.requests += 1;
        self.request_as(request, id, kind, body.into())?;
        Ok(request)
    }

    fn request_as(&mut self, request: RequestId, id: ServerId, kind: &str, body: Option<&str>) -> Result<(), Error> {
        let now = self.clock;
        let Some(peer) = self.peer_mut(id) else {
            return Err(Error::new(ErrorKind::NotOpen, SendError::NotOpen.to_string()));
        };
        let asked = peer.request(now, request, kind, body);
        self.note(id.index());
        asked
    }

    /// Sends a request of a handle, to which an error cannot be returned: it is an event of the server.
    pub(super) fn request_for_handle(&mut self, request: RequestId, id: ServerId, kind: &str, body: Option<&str>) {
        let Err(error) = self.request_as(request, id, kind, body) else { return };
        if let Some(peer) = self.peer_mut(id) {
            peer.decoder.conversation.refuse(request, error.kind());
            self.note(id.index());
        }
    }

    /// Closes the connection and opens a new one, from the next turn on; starts again with a server that was given up
    /// or stopped. A dial in progress goes on, and is the new connection. Of this and [`Monitor::stop_one`] the latest
    /// call counts.
    pub fn reconnect(&mut self, id: ServerId) {
        self.command(id, Input::Reconnect);
    }

    /// Closes every connection, from the next turn on. [`Monitor::is_done`] is true once they are closed, within a
    /// second.
    pub fn stop(&mut self) {
        self.all_peers(|peer| peer.command(Input::Stop));
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

    pub(super) fn all_peers(&mut self, change: fn(&mut Peer)) {
        for index in 0..self.peers.len() {
            if let Some(peer) = &mut self.peers[index] {
                change(peer);
            }
            self.note(index);
        }
    }
}
