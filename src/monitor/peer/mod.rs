//! One server as the loop sees it: session, socket, conversation and counters.

mod dial;
mod hear;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use crate::model::error::{Disconnect, Fault, Phase};
use crate::model::event::{Change, ClientState, Event, Message, Raw};
use crate::model::metric::Metric;
use crate::model::sample::Sample;
use crate::model::stats::{PastError, Statistics, Summary};
use crate::model::text::escape;
use crate::model::time::{Now, earliest};
use crate::monitor::connection_log::ConnectionLog;
use crate::monitor::credentials::Credentials;
use crate::monitor::server::{Server, Settings};
use crate::net::resolver::ResolverFiles;
use crate::net::tls::Pool;
use crate::net::transport::{ConnectionLimits, LoopIo, SEND_BYTES, SendError, Transport};
use crate::proto::dialect::conversation::{Conversation, Outgoing};
use crate::proto::session::{Action, Input, Session};
use crate::proto::uri::Endpoint;

/// What a peer needs of the loop during a turn.
pub struct Context<'c> {
    pub id: usize,
    pub now: Now,
    pub registry: &'c Registry,
    pub random: &'c mut dyn FnMut() -> u64,
    pub names: &'c mut ResolverFiles,
    pub connectors: &'c mut Pool,
    /// How many more TLS handshakes may begin.
    pub handshakes: &'c mut usize,
    /// What sockets are read through.
    pub block: &'c mut Vec<u8>,
    pub on: &'c mut dyn FnMut(&Message<'_>),
}

/// No more than the label: the rest holds credentials.
impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("label", &self.label).finish_non_exhaustive()
    }
}

impl Context<'_> {
    fn ground(&mut self) -> LoopIo<'_> {
        LoopIo {
            registry: self.registry,
            token: Token(self.id),
            now: self.now,
            random: self.random,
            names: self.names,
            connectors: self.connectors,
            handshakes: self.handshakes,
        }
    }
}

/// One server.
pub struct Peer {
    pub label: Arc<str>,
    pub session: Session,
    pub history: VecDeque<Sample<'static>>,
    pub last_disconnect: Option<Box<Disconnect>>,
    /// Something may be there to read or write.
    pub marked: bool,
    server: Box<Settings>,
    transport: Transport,
    conversation: Conversation,
    /// The endpoint of the latest dial, without the secrets that were added for it.
    endpoint: Option<Box<Endpoint>>,
    /// Commands that wait for the next turn, where there is somebody to tell about their outcome.
    commands: Vec<Input<'static>>,
    counters: Statistics,
    opened_at: Option<Instant>,
    closed_at: Option<Instant>,
    /// The latest sample's message: a copy, since a piece of the socket's buffer would keep all of it.
    latest: String,
    said: ConnectionLog,
    /// What the latest dial went out with.
    used: Option<Box<Credentials>>,
    /// Whether it has been said that a credential goes over the wire in clear.
    warned: bool,
}

impl Peer {
    pub fn new(server: Server, now: Now) -> Self {
        let server = server.settings;
        let mut conversation = Conversation::new(server.dialect, server.wish.clone(), server.questions.clone());
        let mut endpoint = server.address.endpoint().ok();
        if let Some(endpoint) = &mut endpoint {
            conversation.locate(endpoint);
        }
        let label = match (&server.label, &endpoint) {
            (Some(label), _) => label.clone(),
            (None, Some(endpoint)) => endpoint.authority(),
            (None, None) => String::new(),
        };
        let limits = ConnectionLimits {
            max_message: server.max_message,
            send_bytes: server.echo.unwrap_or(SEND_BYTES),
            write_timeout: server.policy.ping_timeout,
        };
        Peer {
            label: label.into(),
            session: Session::new(server.policy.clone(), conversation.quiet_after(), now),
            history: VecDeque::new(),
            last_disconnect: None,
            marked: false,
            transport: Transport::new(limits),
            conversation,
            endpoint,
            commands: Vec::new(),
            counters: Statistics::default(),
            opened_at: None,
            closed_at: None,
            latest: String::new(),
            said: ConnectionLog::default(),
            used: None,
            warned: false,
            server,
        }
    }

    /// The name of the server's dialect; `auto` as long as it is not known.
    pub fn dialect(&self) -> &'static str {
        self.conversation.dialect()
    }

    /// Whether requests have answers; `None` as long as the dialect is not known.
    pub fn has_answers(&self) -> Option<bool> {
        self.conversation.has_answers()
    }

    /// Whether it waits for its turn to begin a TLS handshake.
    pub fn is_queued(&self) -> bool {
        self.transport.is_queued()
    }

    /// Until when a TLS handshake counts as one under way, if there is one.
    pub fn busy_until(&self) -> Option<Instant> {
        self.transport.busy_until()
    }

    /// Leaves a command for the next turn.
    pub fn command(&mut self, input: Input<'static>) {
        self.commands.push(input);
    }

    /// Whether nothing will happen any more, unless it is told to.
    pub fn is_done(&self) -> bool {
        self.session.is_done() && !self.commands.iter().any(|input| matches!(input, Input::Reconnect))
    }

    /// Sends a text at once, or as soon as the socket takes it.
    pub fn send(&mut self, now: Now, text: &str) -> Result<(), SendError> {
        if !self.session.is_open() {
            return Err(SendError::NotOpen);
        }
        self.transport.send(text)?;
        self.counters.messages_sent += 1;
        self.counters.bytes_sent += text.len() as u64;
        self.transport.flush(now);
        Ok(())
    }

    /// Lets a marked peer's socket go on.
    pub fn read(&mut self, context: &mut Context<'_>, paused: bool) {
        let is_due = self.transport.deadline().is_some_and(|at| context.now.mono >= at);
        if !std::mem::take(&mut self.marked) && !is_due {
            return;
        }
        let outcome = self.advance(context).and_then(|()| if paused { Ok(()) } else { self.drain(context) });
        self.transport.flush(context.now);
        if let Err(why) = outcome {
            self.lost(context, why);
        }
    }

    /// Carries out commands and whatever is due.
    pub fn tick(&mut self, context: &mut Context<'_>, dials: &mut usize, paused: bool) {
        for input in std::mem::take(&mut self.commands) {
            self.handle(context, input);
        }
        if let Err(why) = self.transport.tick(context.now) {
            self.lost(context, why);
        }
        if self.conversation_deadline(paused).is_some_and(|at| context.now.mono >= at) {
            let say = self.conversation.tick(context.now.mono);
            self.say(context, say);
        }
        if self.session.retry_in(context.now) == Some(Duration::ZERO) {
            if *dials == 0 {
                return;
            }
            *dials -= 1;
        }
        if self.session.deadline().is_some_and(|at| context.now.mono >= at) {
            self.handle(context, Input::Tick);
        }
        if self.session.is_opening() {
            // A dial may have failed, or even succeeded, already: no event will tell.
            self.read(context, paused);
        }
    }

    /// When this peer wants another turn.
    pub fn deadline(&self, now: Now, may_dial: bool, paused: bool) -> Option<Instant> {
        if !self.commands.is_empty() || (self.marked && !paused) {
            return Some(now.mono);
        }
        let session = self.session.deadline().filter(|_| may_dial || self.session.retry_in(now).is_none());
        earliest(session, earliest(self.transport.deadline(), self.conversation_deadline(paused)))
    }

    /// The statistics as they are now.
    pub fn statistics(&self, now: Now, started: Instant) -> Statistics {
        let until = self.closed_at.unwrap_or(now.mono);
        let mut statistics = self.counters.clone();
        statistics.uri = self.endpoint.as_deref().map(ToString::to_string).unwrap_or_default();
        statistics.uptime = self.opened_at.map(|opened| until - opened);
        statistics.current_state = self.session.client_state();
        statistics.run = now.mono - started;
        statistics.history = self.server.history.then(|| self.spreads());
        statistics
    }

    /// The latest sample, read again from its message.
    pub fn last_sample(&self) -> Option<Sample<'static>> {
        self.conversation.sample(&self.latest)
    }

    /// A server that is not read cannot answer.
    fn conversation_deadline(&self, paused: bool) -> Option<Instant> {
        self.conversation.deadline().filter(|_| self.session.is_open() && !paused)
    }

    fn spreads(&self) -> Vec<(&'static str, Summary)> {
        let mut spreads = Vec::new();
        for metric in Metric::ALL {
            let mut spread = Summary::default();
            self.history.iter().filter_map(|sample| sample.get(*metric)).for_each(|value| spread.add(value));
            if spread.samples > 0 {
                spreads.push((metric.row().name, spread));
            }
        }
        spreads
    }

    fn advance(&mut self, context: &mut Context<'_>) -> Result<(), Box<Disconnect>> {
        match self.transport.advance(&mut context.ground()) {
            Ok(true) => self.opened(context),
            Ok(false) => {}
            Err(why) => return Err(self.advised(why)),
        }
        Ok(())
    }

    fn opened(&mut self, context: &mut Context<'_>) {
        self.counters.connections += 1;
        self.counters.connection_start = Some(context.now.wall);
        (self.opened_at, self.closed_at) = (Some(context.now.mono), None);
        self.said.connected(&self.label);
        self.handle(context, Input::Opened);
        let mut send = self.server.greetings.clone();
        let mut say = self.conversation.opened(context.now.mono);
        send.append(&mut say.send);
        say.send = send;
        self.say(context, say);
    }

    /// Does what follows from a message or from the time.
    fn say(&mut self, context: &mut Context<'_>, say: Outgoing) {
        for line in &say.warn {
            log::warn!("{}: {}", escape(&self.label), escape(line));
        }
        for text in &say.send {
            if let Err(error) = self.send(context.now, text) {
                log::warn!("{}: a message was not sent: {error}", escape(&self.label));
            }
        }
        if let Some(why) = say.hang_up {
            self.lost(context, Disconnect::fault(Phase::Session, Fault::Dialect, why));
        }
    }

    fn shown<'a>(&'a self, context: &Context<'_>, kind: &'a str, raw: Raw<'a>, events: &'a [Event<'a>]) -> Message<'a> {
        let Now { mono: at, wall: received_at } = context.now;
        Message { server: &self.label, id: context.id, received_at, at, kind, raw, events }
    }

    /// Tells the session, does what it wants, and says so where its state has changed.
    fn handle(&mut self, context: &mut Context<'_>, input: Input<'_>) {
        let before = self.session.client_state();
        let wanted = self.session.handle(context.now, input);
        if before != self.session.client_state() {
            self.tell(context, before, "");
        }
        match wanted {
            Action::Nothing => {}
            Action::Dial => self.dial(context),
            Action::Ping(number) => {
                self.transport.ping(number);
                self.transport.flush(context.now);
            }
            Action::Close => {
                self.transport.close();
                self.transport.flush(context.now);
            }
            Action::HangUp(fault) => {
                let why = self.fault(fault);
                self.lost(context, why);
            }
        }
    }

    /// The dial failed or the connection ended.
    fn lost(&mut self, context: &mut Context<'_>, why: Box<Disconnect>) {
        let why = self.hidden(why);
        let before = self.session.client_state();
        let closing = before == ClientState::Connected && !self.session.is_open();
        self.transport.hang_up();
        self.marked = false;
        let wanted = closing || why.fault == Some(Fault::Stopped);
        if before == ClientState::Connected {
            self.conversation.ended(why.by_server);
            self.counters.total_disconnections += u64::from(!wanted);
            self.closed_at = Some(context.now.mono);
        }
        let jitter = (context.random)() as f64 / u64::MAX as f64;
        self.session.handle(context.now, Input::Lost { why: &why, jitter });
        if !self.ended_as_wanted() {
            self.said.lost(&self.label, &why, self.session.retry_in(context.now), self.session.is_routine());
        }
        if !wanted {
            let error = PastError { at: context.now.wall, error: why.to_string(), kind: why.phase.name() };
            self.counters.record_error(error);
        }
        let again = self.session.retry_in(context.now).is_some();
        if before != self.session.client_state() || again {
            self.tell(context, before, if wanted { "" } else { &why.text });
        }
        self.last_disconnect = Some(why);
    }

    /// Whether the session has come to its end because the program wanted it.
    fn ended_as_wanted(&self) -> bool {
        self.session.is_done() && self.session.client_state() == ClientState::Disconnected
    }

    fn fault(&self, fault: Fault) -> Box<Disconnect> {
        let (phase, what) = self.transport.unfinished();
        let policy = &self.server.policy;
        let text = match &fault {
            Fault::ConnectTimeout => {
                format!("{what}: no answer within {}", humantime::format_duration(policy.connect_timeout))
            }
            Fault::NoPong => format!("no answer to a ping within {}", humantime::format_duration(policy.ping_timeout)),
            Fault::Stale { after } => {
                format!("the connection is alive, but no message came for {:.1} s", after.as_secs_f64())
            }
            _ => what,
        };
        Disconnect::fault(phase, fault, text)
    }

    /// Tells the program what has become of the connection.
    fn tell(&self, context: &mut Context<'_>, from: ClientState, why: &str) {
        let to = self.session.client_state();
        let change = Change { from, to, why: why.to_owned(), retry_in: self.session.retry_in(context.now) };
        let events = [Event::State(change)];
        let shown = self.shown(context, "", Raw::None, &events);
        (context.on)(&shown);
    }
}
