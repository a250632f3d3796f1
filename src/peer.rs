//! One server as the loop sees it: session, socket, dialect and counters.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use crate::dialect::{self, Dialect, Memory, Step};
use crate::endpoint::Endpoint;
use crate::error::{Disconnect, Fault, Phase};
use crate::event::{Change, ClientState, Event, Events, Raw, Shown};
use crate::event_loop::Random;
use crate::json;
use crate::metric::{Metric, Sample};
use crate::server::Server;
use crate::session::{Do, Input, Now, Session};
use crate::stats::{PastError, Spread, Statistics};
use crate::transport::{Frame, Limits, SendError, Transport};

/// The most that one turn takes from one server.
const TURN_MESSAGES: usize = 64;
/// How many samples a history keeps.
const HISTORY: usize = 1000;

/// What a peer needs of the loop during a turn.
pub struct Context<'c> {
    pub id: usize,
    pub now: Now,
    pub registry: &'c Registry,
    pub random: &'c mut Random,
    pub on: &'c mut dyn FnMut(&Shown<'_>),
}

/// One server.
#[derive(Debug)]
pub struct Peer {
    pub label: Arc<str>,
    pub session: Session,
    pub history: VecDeque<Sample<'static>>,
    pub last_disconnect: Option<Disconnect>,
    /// Something may be there to read or write.
    pub marked: bool,
    server: Server,
    transport: Transport,
    dialect: &'static Dialect,
    memory: Memory,
    /// The endpoint of the latest dial.
    endpoint: Option<Endpoint>,
    /// A command that waits for the next turn.
    command: Option<Command>,
    counters: Statistics,
    opened_at: Option<Instant>,
    closed_at: Option<Instant>,
    /// The latest sample's message: a copy, since a piece of the socket's buffer would keep all of it.
    latest: String,
    said: Said,
}

/// What a program wants done in the next turn.
#[derive(Clone, Copy, Debug)]
enum Command {
    Stop,
    Reconnect,
    Jumped,
}

/// What was said last about a lost connection, so that it is not said again and again.
#[derive(Debug, Default)]
struct Said {
    text: String,
    times: u64,
    /// The reconnection under way is this server's normal life.
    quiet: bool,
}

impl Peer {
    pub fn new(server: Server, now: Now) -> Self {
        let dialect = dialect::DIALECTS[0];
        let endpoint = server.address.endpoint().ok();
        let label = server.label.clone().or_else(|| endpoint.as_ref().map(Endpoint::authority)).unwrap_or_default();
        let limits = Limits { max_message: server.max_message, write_timeout: server.policy.ping_timeout };
        Peer {
            label: label.into(),
            session: Session::new(server.policy.clone(), dialect.quiet_after, now),
            history: VecDeque::new(),
            last_disconnect: None,
            marked: false,
            server,
            transport: Transport::new(limits),
            dialect,
            memory: Memory::default(),
            endpoint,
            command: None,
            counters: Statistics::default(),
            opened_at: None,
            closed_at: None,
            latest: String::new(),
            said: Said::default(),
        }
    }

    /// Leaves a command for the next turn, where there is somebody to tell about its outcome.
    pub fn command(&mut self, input: Input<'_>) {
        self.command = match input {
            Input::Stop => Some(Command::Stop),
            Input::Reconnect => Some(Command::Reconnect),
            _ => self.command.or(Some(Command::Jumped)),
        };
    }

    /// Whether nothing will happen any more, unless it is told to.
    pub fn is_done(&self) -> bool {
        self.session.is_done() && !matches!(self.command, Some(Command::Reconnect))
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
        if !std::mem::take(&mut self.marked) {
            return;
        }
        let outcome = self.advance(context).and_then(|()| if paused { Ok(()) } else { self.drain(context) });
        self.transport.flush(context.now);
        if let Err(why) = outcome {
            self.lost(context, why);
        }
    }

    /// Carries out commands and whatever is due.
    pub fn tick(&mut self, context: &mut Context<'_>, dials: &mut usize) {
        if let Some(command) = self.command.take() {
            let input = match command {
                Command::Stop => Input::Stop,
                Command::Reconnect => Input::Reconnect,
                Command::Jumped => Input::Jumped,
            };
            self.handle(context, input);
        }
        if let Err(why) = self.transport.tick(context.now) {
            self.lost(context, why);
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
    }

    /// When this peer wants another turn.
    pub fn deadline(&self, now: Now, may_dial: bool, paused: bool) -> Option<Instant> {
        if self.command.is_some() || (self.marked && !paused) {
            return Some(now.mono);
        }
        let session = self.session.deadline().filter(|_| may_dial || self.session.retry_in(now).is_none());
        [session, self.transport.deadline()].into_iter().flatten().min()
    }

    /// The statistics as they are now.
    pub fn statistics(&self, now: Now, started: Instant) -> Statistics {
        let until = self.closed_at.unwrap_or(now.mono);
        Statistics {
            uri: self.endpoint.as_ref().map(ToString::to_string).unwrap_or_default(),
            uptime: self.opened_at.map(|opened| until - opened),
            current_state: self.session.client_state(),
            run: now.mono - started,
            history: self.server.history.then(|| self.spreads()),
            ..self.counters.clone()
        }
    }

    /// The latest sample, read again from its message.
    pub fn last_sample(&self) -> Option<Sample<'static>> {
        let repaired = json::repair(&self.latest);
        let step = self.dialect.read(repaired.as_ref().unwrap_or(&self.latest), &mut Memory::default()).ok()?;
        step.show.iter().find_map(|event| {
            if let Event::Sample(sample) = event { Some((**sample).clone().into_owned()) } else { None }
        })
    }

    fn spreads(&self) -> Vec<(&'static str, Spread)> {
        let spread = |&metric: &Metric| {
            let mut spread = Spread::default();
            self.history.iter().filter_map(|sample| sample.get(metric)).for_each(|value| spread.add(value));
            (metric.row().name, spread)
        };
        Metric::ALL.iter().map(spread).filter(|(_, spread)| spread.samples > 0).collect()
    }

    fn advance(&mut self, context: &mut Context<'_>) -> Result<(), Disconnect> {
        if self.transport.advance(context.registry, context.now)? {
            self.opened(context);
        }
        Ok(())
    }

    fn opened(&mut self, context: &mut Context<'_>) {
        self.counters.connections += 1;
        self.counters.connection_start = Some(context.now.wall);
        (self.opened_at, self.closed_at) = (Some(context.now.mono), None);
        self.handle(context, Input::Opened);
        let again = if self.said.times > 1 { format!(", after {} failures", self.said.times) } else { String::new() };
        let level = self.level(log::Level::Info);
        log::log!(level, "{}: connected{again}", self.shown_label());
        self.said.text.clear();
        for text in self.server.greetings.clone() {
            let _full_or_closed_again = self.send(context.now, &text);
        }
    }

    /// Reads what has arrived, as far as a turn's share goes.
    fn drain(&mut self, context: &mut Context<'_>) -> Result<(), Disconnect> {
        self.transport.refill();
        for _ in 0..TURN_MESSAGES {
            let Some(frame) = self.transport.next()? else {
                self.marked = self.transport.is_spent();
                return Ok(());
            };
            self.session.handle(context.now, Input::Alive);
            match frame {
                Frame::Text(text) => self.text(context, &text),
                Frame::Binary(bytes) => self.binary(context, &bytes),
                Frame::Ping | Frame::Pong(None) => {}
                Frame::Pong(Some(number)) => self.pong(context.now, number),
            }
        }
        self.marked = true;
        Ok(())
    }

    fn pong(&mut self, now: Now, number: u64) {
        self.session.handle(now, Input::Pong(number));
        if let Some(rtt) = self.session.take_rtt() {
            self.counters.ping_ms.add(rtt.as_secs_f64() * 1000.0);
        }
    }

    fn text(&mut self, context: &mut Context<'_>, text: &str) {
        self.count(text.len());
        let repaired;
        let (step, raw) = match self.dialect.read(text, &mut self.memory) {
            Ok(step) => (step, Raw::Json(text)),
            Err(_) => {
                repaired = json::repair(text);
                self.read_again(text, repaired.as_deref())
            }
        };
        if let Some(reply) = step.reply {
            let _full_or_closed = self.send(context.now, &reply);
        }
        self.remember(text, &step.show);
        self.deliver(context, raw, &step.show);
    }

    /// What a message means that strict reading could not decode.
    fn read_again<'a>(&mut self, text: &'a str, repaired: Option<&'a str>) -> (Step<'a>, Raw<'a>) {
        if let Some(Ok(step)) = repaired.map(|repaired| self.dialect.read(repaired, &mut self.memory)) {
            return (step, Raw::Json(text));
        }
        self.counters.undecoded += 1;
        log::debug!("{}: a message of {} bytes could not be decoded", self.shown_label(), text.len());
        let raw = if json::is_json(repaired.unwrap_or(text)) { Raw::Json(text) } else { Raw::Text(text) };
        (dialect::unknown(json::message_type(text).unwrap_or_default(), text), raw)
    }

    /// A binary message that holds JSON is as good as text.
    fn binary(&mut self, context: &mut Context<'_>, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) if json::is_json(json::repair(text).as_deref().unwrap_or(text)) => self.text(context, text),
            _ => {
                self.count(bytes.len());
                self.counters.undecoded += 1;
                let step = dialect::binary(bytes);
                self.deliver(context, Raw::Binary(bytes), &step.show);
            }
        }
    }

    fn count(&mut self, len: usize) {
        self.counters.messages_received += 1;
        self.counters.bytes_received += len as u64;
    }

    fn remember(&mut self, text: &str, events: &Events<'_>) {
        for event in events.iter() {
            if let Event::Sample(sample) = event {
                self.latest.clear();
                self.latest.push_str(text);
                if self.server.history {
                    if self.history.len() == HISTORY {
                        self.history.pop_front();
                    }
                    self.history.push_back((**sample).clone().into_owned());
                }
            }
        }
    }

    fn deliver(&mut self, context: &mut Context<'_>, raw: Raw<'_>, events: &[Event<'_>]) {
        let shown = Shown {
            server: &self.label,
            id: context.id,
            received_at: context.now.wall,
            at: context.now.mono,
            kind: "",
            raw,
            events,
        };
        self.session.handle(context.now, Input::Delivered { useful: shown.is_content() });
        (context.on)(&shown);
    }

    /// Tells the session, does what it wants, and says so where its state has changed.
    fn handle(&mut self, context: &mut Context<'_>, input: Input<'_>) {
        let before = self.session.client_state();
        let wanted = self.session.handle(context.now, input);
        if before != self.session.client_state() {
            self.tell(context, before, "");
        }
        match wanted {
            Do::Nothing => {}
            Do::Dial => self.dial(context),
            Do::Ping(number) => {
                self.transport.ping(number);
                self.transport.flush(context.now);
            }
            Do::Close => {
                self.transport.close();
                self.transport.flush(context.now);
            }
            Do::HangUp(fault) => {
                let why = self.fault(fault);
                self.lost(context, why);
            }
        }
    }

    fn dial(&mut self, context: &mut Context<'_>) {
        let endpoint = match self.server.address.endpoint() {
            Ok(endpoint) => endpoint,
            Err(error) => return self.lost(context, Disconnect::new(Phase::Address, error.to_string())),
        };
        let level = if self.said.text.is_empty() { self.level(log::Level::Info) } else { log::Level::Debug };
        log::log!(level, "{}: connecting to {endpoint}", self.shown_label());
        if self.session.client_state() == ClientState::Reconnecting {
            self.counters.reconnect_attempts += 1;
        }
        let mut random = [0; 16];
        random[..8].copy_from_slice(&context.random.bits().to_ne_bytes());
        random[8..].copy_from_slice(&context.random.bits().to_ne_bytes());
        self.transport.dial(context.registry, Token(context.id), &endpoint, random);
        self.endpoint = Some(endpoint);
        // A dial may have failed, or even succeeded, already: no event will tell.
        self.marked = true;
    }

    /// The dial failed or the connection ended.
    fn lost(&mut self, context: &mut Context<'_>, why: Disconnect) {
        let before = self.session.client_state();
        let closing = before == ClientState::Connected && !self.session.is_open();
        self.transport.hang_up();
        self.marked = false;
        if before == ClientState::Connected {
            self.counters.total_disconnections += 1;
            self.closed_at = Some(context.now.mono);
        }
        let dice = context.random.dice();
        self.session.handle(context.now, Input::Lost { why: &why, dice });
        if why.fault != Some(Fault::Stopped) && !self.ended_as_wanted() {
            self.say_lost(context.now, &why);
        }
        let wanted = closing || why.fault == Some(Fault::Stopped);
        if !wanted {
            let error = PastError { at: context.now.wall, error: why.to_string(), kind: why.phase.name() };
            self.counters.remember(error);
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

    fn say_lost(&mut self, now: Now, why: &Disconnect) {
        let next = match self.session.retry_in(now) {
            Some(wait) => format!("retrying in {:.1} s", wait.as_secs_f64()),
            None => "giving up".to_owned(),
        };
        let again = self.said.text == why.text;
        self.said.times = if again { self.said.times + 1 } else { 1 };
        self.said.quiet = self.session.is_gentle();
        let level = match self.session.retry_in(now) {
            None => log::Level::Error,
            Some(_) if again || self.said.quiet => log::Level::Debug,
            Some(_) => log::Level::Warn,
        };
        log::log!(level, "{}: {why}; {next}", self.shown_label());
        self.said.text.clone_from(&why.text);
    }

    fn fault(&self, fault: Fault) -> Disconnect {
        let (phase, what) = self.transport.unfinished(self.endpoint.as_ref());
        let policy = &self.server.policy;
        let text = match &fault {
            Fault::ConnectTimeout => {
                format!("{what}: no answer within {}", humantime::format_duration(policy.connect_timeout))
            }
            Fault::NoPong => format!("no answer to a ping within {}", humantime::format_duration(policy.ping_timeout)),
            Fault::Stale { after } => format!("pings are answered, but no message came for {} s", after.as_secs()),
            _ => what,
        };
        Disconnect::fault(phase, fault, text)
    }

    /// Tells the program what has become of the connection.
    fn tell(&self, context: &mut Context<'_>, from: ClientState, why: &str) {
        let to = self.session.client_state();
        let change = Change { from, to, why: why.to_owned(), retry_in: self.session.retry_in(context.now) };
        let events = [Event::State(change)];
        let shown = Shown {
            server: &self.label,
            id: context.id,
            received_at: context.now.wall,
            at: context.now.mono,
            kind: "",
            raw: Raw::None,
            events: &events,
        };
        (context.on)(&shown);
    }

    fn level(&self, usual: log::Level) -> log::Level {
        if self.said.quiet { log::Level::Debug } else { usual }
    }

    fn shown_label(&self) -> std::borrow::Cow<'_, str> {
        crate::style::escape(&self.label)
    }
}
