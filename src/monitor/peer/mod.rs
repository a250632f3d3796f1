//! One server as the event loop sees it.
//!
//! A peer joins three parts and carries out what each of them decides:
//! - the session says when to dial, ping, close and give up (`proto/session`);
//! - the link is the connection, and the way to it (`link.rs`);
//! - the decoder says what messages mean and what to answer, and keeps what the program may ask for later
//!   (`monitor/decoder.rs`).
//!
//! `receive.rs` takes frames from the link through the decoder to the program, and `reports.rs` tells of the rest.

mod link;
mod receive;
mod reports;

use std::sync::Arc;
use std::time::Instant;

use crate::model::api_error::{Error, ErrorKind};
use crate::model::error::{Disconnect, Fault, Phase};
use crate::model::event::ClientState;
use crate::model::request_id::RequestId;
use crate::model::server_id::ServerId;
use crate::model::setting::{self, Setting};
use crate::model::time::{Now, earliest};
use crate::monitor::decoder::Decoder;
use crate::monitor::schedule::Waits;
use crate::monitor::server::Server;
use crate::monitor::settings::Settings;
use crate::net::transport::{LoopIo, SendError};
use crate::proto::dialect::conversation::Outgoing;
use crate::proto::session::{Action, Input, Session};

use link::Link;
use receive::Pending;

/// One server: its settings, its connection and what is known about it.
pub struct Peer {
    pub session: Session,
    pub link: Link,
    pub decoder: Decoder,
    /// Set where the socket may have something to read or room to write.
    pub ready: bool,
    /// Set since an event has reported the end of the stream or an error.
    pub ends: bool,
    /// Set where a dial that is due may begin in this turn.
    pub may_dial: bool,
    /// Set where a TLS handshake that waits may begin in this turn.
    pub may_handshake: bool,
    /// The latest result of `is_done` that the event loop has counted.
    pub was_done: bool,
    settings: Box<Settings>,
    pending: Option<Pending>,
    /// The program's latest command. It waits for the next turn, in which its outcome can be reported.
    command: Option<Input<'static>>,
}

impl Peer {
    pub fn new(id: ServerId, server: Server, now: Now) -> Self {
        let settings = server.settings;
        let mut decoder = Decoder::of(&settings, now);
        decoder.id = id;
        let link = Link::new(&settings, &mut decoder.conversation);
        if settings.label.is_none() {
            decoder.label = link.endpoint().map(|endpoint| endpoint.authority()).unwrap_or_default().into();
        }
        Peer {
            session: Session::new(settings.policy.clone(), decoder.conversation.stale_default(), now),
            link,
            decoder,
            ready: false,
            ends: false,
            may_dial: false,
            may_handshake: false,
            was_done: false,
            pending: None,
            settings,
            command: None,
        }
    }

    /// Leaves a command for the next turn, instead of one that waits.
    pub fn command(&mut self, input: Input<'static>) {
        self.command = Some(input);
    }

    /// Pings in this turn, unless a command changes the connection anyway.
    pub fn clock_jumped(&mut self) {
        self.command.get_or_insert(Input::ClockJumped);
    }

    /// Closes the connection from the next turn on, and delivers nothing from now on.
    pub fn remove(&mut self) {
        self.decoder.removed = true;
        self.command(Input::Stop);
    }

    /// Returns true once it has been removed, also while its connection is being closed.
    pub fn is_removed(&self) -> bool {
        self.decoder.removed
    }

    /// Returns true when nothing more will happen, unless the program asks for it.
    pub fn is_done(&self) -> bool {
        self.session.is_done() && !matches!(self.command, Some(Input::Reconnect))
    }

    /// Sends a text now, or as soon as the socket takes it.
    pub fn send(&mut self, now: Now, text: &str) -> Result<(), SendError> {
        if !self.session.is_open() {
            return Err(SendError::NotOpen);
        }
        self.link.transport.send(text)?;
        self.decoder.report.count_sent(text.len());
        self.link.transport.flush(now);
        Ok(())
    }

    /// Takes a request, which is sent from the next turn on.
    pub fn request(&mut self, now: Now, id: RequestId, kind: &str, json: Option<&str>) -> Result<(), Error> {
        match self.session.is_open() {
            true => self.decoder.conversation.request(id, kind, json, now.mono),
            false => Err(Error::new(ErrorKind::NotOpen, SendError::NotOpen.to_string())),
        }
    }

    /// Advances the socket if it is ready or due: the opening of a connection first, then reading, then writing.
    pub fn read(&mut self, io: &mut LoopIo<'_>, paused: bool) {
        let is_due = self.link.transport.deadline().is_some_and(|at| io.now.mono >= at);
        if !std::mem::take(&mut self.ready) && !is_due {
            return;
        }
        let outcome = match self.link.transport.advance(io) {
            Ok(opened) => {
                if opened {
                    self.opened(io);
                }
                self.ready |= self.link.transport.is_spent();
                if paused { Ok(()) } else { self.read_frames(io) }
            }
            Err(why) => Err(self.link.explain(why, &self.settings, &self.decoder.conversation)),
        };
        self.link.transport.flush(io.now);
        if let Err(why) = outcome {
            self.lost(io, why);
        }
    }

    /// Carries out the program's command and everything that is due, a dial only if it `may_dial`.
    ///
    /// It runs after `read`, so that a pong or a message which was in the socket already counts before its deadline is
    /// judged. A dial that begins here is advanced before the turn ends. It may have failed by now (nothing listens on
    /// a Unix socket, an address has no route), or be past its first step (a Unix socket connects at once, an address
    /// needs no lookup), and readiness is edge-triggered: no event would report either, and a failed dial would look
    /// like one that hangs until the connect timeout. So `dial` sets `ready`, and `read` goes on until the opening
    /// waits for the network. For a peer whose dial began in an earlier turn, `read` finds it not ready and does
    /// nothing.
    pub fn tick(&mut self, io: &mut LoopIo<'_>, paused: bool) {
        let may_dial = std::mem::take(&mut self.may_dial);
        if let Some(input) = self.command.take() {
            self.handle(io, input);
        }
        if let Err(why) = self.link.transport.tick(io.now) {
            self.lost(io, why);
        }
        if self.conversation_deadline(paused).is_some_and(|at| io.now.mono >= at) {
            let outgoing = self.decoder.conversation.tick(io.now.mono);
            self.carry_out(io, &outgoing);
        }
        self.report_unanswered(io);
        if self.file_check_at().is_some_and(|at| io.now.mono >= at)
            && self.link.files_have_changed(&self.settings, io.now)
        {
            self.log((log::Level::Info, "a file with credentials has changed".to_owned()));
            self.decoder.report.log.forget_causes();
            self.handle(io, Input::Reconnect);
        }
        if self.session.dial_rank(io.now).is_some() && !may_dial {
            return;
        }
        if self.session.deadline().is_some_and(|at| io.now.mono >= at) {
            self.handle(io, Input::Tick);
        }
        if self.session.is_opening() {
            self.read(io, paused);
        }
    }

    /// Returns true if it must be served in the next turn, whatever comes.
    pub fn needs_turn(&self, paused: bool) -> bool {
        self.command.is_some()
            || self.ready && !(paused && self.session.is_open())
            || self.decoder.conversation.has_unanswered()
    }

    /// Returns what it waits for.
    pub fn waits(&self, now: Now, paused: bool) -> Waits {
        let transport = &self.link.transport;
        let dial = self.session.dial_rank(now);
        let session = self.session.deadline().filter(|_| dial.is_none());
        let deadline = earliest(
            earliest(session, self.file_check_at()),
            earliest(transport.deadline(), self.conversation_deadline(paused)),
        );
        let coming = |until: Option<Instant>| until.filter(|until| *until > now.mono);
        Waits {
            deadline,
            dial,
            queued_since: transport.queued_since(),
            counts_until: coming(transport.counts_until()),
            busy_until: coming(transport.busy_until()),
        }
    }

    /// Returns when the conversation is due. A paused connection has none: answers that are not read cannot be late.
    fn conversation_deadline(&self, paused: bool) -> Option<Instant> {
        self.decoder.conversation.deadline().filter(|_| self.session.is_open() && !paused)
    }

    /// Returns when to look for a change of the files with credentials; only while waiting for the next dial.
    fn file_check_at(&self) -> Option<Instant> {
        self.link.check_files_at.filter(|_| self.session.is_waiting())
    }

    /// The upgrade has succeeded: sends the user's texts, then what the dialect begins with.
    fn opened(&mut self, io: &mut LoopIo<'_>) {
        self.decoder.report.opened(io.now);
        let line = self.decoder.report.log.connected(io.now);
        self.log(line);
        self.handle(io, Input::Opened);
        let mut outgoing = self.decoder.conversation.opened(io.now.mono, self.link.transport.is_elsewhere);
        if self.link.begins_to_withhold(&self.settings) {
            let text = format!(
                "redirected to another host, which does not get {}, {} and {}",
                Setting("Server::send"),
                Setting("Server::request"),
                Setting("Server::heartbeat_reply")
            );
            outgoing.warn.push(text);
        }
        let mut send = self.link.messages().to_vec();
        send.append(&mut outgoing.send);
        outgoing.send = send;
        self.carry_out(io, &outgoing);
    }

    fn dial(&mut self, io: &mut LoopIo<'_>) {
        if self.session.client_state() == ClientState::Reconnecting {
            self.decoder.report.counters.reconnect_attempts += 1;
        }
        match self.link.route(&self.settings, &mut self.decoder, io.now) {
            Ok(route) => {
                if std::mem::take(&mut self.link.warns_of_cleartext) {
                    let text = "a credential goes over the network in cleartext: use wss:// where you can";
                    self.warn(io, text);
                }
                self.link.transport.dial(route, io);
                (self.ready, self.ends) = (true, false);
            }
            Err(why) => self.lost(io, why),
        }
    }

    /// Does what the conversation wants after a message or a deadline.
    fn carry_out(&mut self, io: &mut LoopIo<'_>, outgoing: &Outgoing) {
        for line in &outgoing.warn {
            self.warn(io, line);
        }
        for text in &outgoing.send {
            if let Err(error) = self.send(io.now, text) {
                self.warn(io, &format!("a message was not sent: {error}"));
            }
        }
        if let Some(why) = outgoing.redial.filter(|_| self.session.is_open()) {
            self.log((log::Level::Info, why.to_owned()));
            self.handle(io, Input::Reconnect);
        }
        if let Some(why) = &outgoing.hang_up {
            self.lost(io, Disconnect::fault(Phase::Session, Fault::Dialect, why.clone()));
        }
    }

    /// Gives the session an input, reports a change of state, and carries out the action.
    fn handle(&mut self, io: &mut LoopIo<'_>, input: Input<'_>) {
        let before = self.session.client_state();
        let action = self.session.handle(io.now, input);
        if before != self.session.client_state() {
            self.report_state(io, before, None);
        }
        match action {
            Action::Nothing => {}
            Action::Dial => self.dial(io),
            Action::Ping(number) => {
                self.link.transport.ping(number);
                self.link.transport.flush(io.now);
            }
            Action::Close => {
                self.link.transport.close();
                self.link.transport.flush(io.now);
            }
            Action::HangUp(fault) => {
                let why = self.disconnect_for(fault);
                self.lost(io, why);
            }
        }
    }

    /// The dial failed or the connection ended: tells the session, the statistics, the log and the program.
    ///
    /// An end that the program asked for is `wanted`: it is no error, and reported without a reason.
    fn lost(&mut self, io: &mut LoopIo<'_>, mut why: Box<Disconnect>) {
        why.text = self.link.redact(&why.text);
        let before = self.session.client_state();
        let closing = before == ClientState::Connected && !self.session.is_open();
        let wanted = closing || why.fault == Some(Fault::Stopped);
        if !wanted {
            self.link.judge_address(self.session.is_useful(io.now, &why), &mut why);
        }
        self.link.transport.hang_up();
        (self.ready, self.pending) = (false, None);
        if let Some(count) = self.decoder.report.log.take_repeated() {
            self.log((log::Level::Debug, format!("{count} more warnings of the kinds above")));
        }
        if before == ClientState::Connected {
            self.decoder.conversation.ended(why.by_server);
            self.report_unanswered(io);
            self.decoder.report.closed(io.now, wanted);
        }
        let jitter = (io.random)() as f64 / u64::MAX as f64;
        self.session.handle(io.now, Input::Lost { why: &why, jitter });
        let (after, retry_in) = (self.session.client_state(), self.session.retry_in(io.now));
        let stopped = self.session.is_done() && after == ClientState::Disconnected;
        self.link.watch_files(&why, io.now);
        if !stopped {
            let line = self.decoder.report.log.lost(&why, retry_in, self.session.is_routine(), io.now);
            self.log(line);
            let probe = setting::option("probe").filter(|_| self.decoder.report.counters.error_count == 0);
            if let Some((probe, host)) = probe.zip(self.link.host_to_probe(&why, &self.settings)) {
                let text = format!("nothing listens on this port: wsmon {probe} {host} tries the other usual ones");
                self.log((log::Level::Info, text));
            }
        }
        let why = Arc::new(*why);
        if before != after || retry_in.is_some() {
            self.report_state(io, before, Some(&why).filter(|_| !wanted));
        }
        self.decoder.report.disconnected(io.now, why, wanted);
    }
}

/// Shows no more than the label: the rest holds credentials.
impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("label", &self.decoder.label).finish_non_exhaustive()
    }
}
