//! What is said on one connection, in both directions: the dialect, once it is known, its memory, its requests.
//!
//! Pure: the loop hands in texts and the time, and carries out what comes back.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::model::event::{Event, Raw};
use crate::model::json;
use crate::model::sample::Sample;
use crate::model::time::earliest;
use crate::proto::dialect::requests::RequestPlan;
use crate::proto::dialect::{self, Binary, Dialect, DialectOptions, DialectState, Outcome, Undecodable};
use crate::proto::uri::Endpoint;

/// After so long without a message the user is told that the dialect may have to be named.
const HINT_AFTER: Duration = Duration::from_secs(10);
/// What too long a silence is as long as nobody knows who is silent.
const QUIET_UNKNOWN: Duration = Duration::from_secs(120);

/// What is known of a server's way of speaking.
#[derive(Debug)]
pub struct Conversation {
    /// Generic until it is recognised.
    dialect: &'static Dialect,
    known: bool,
    memory: DialectState,
    questions: RequestPlan,
    /// When to hint at `--dialect`.
    hint_at: Option<Instant>,
}

/// A message and what it means.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// Its type or channel; empty where it has none.
    pub kind: Cow<'a, str>,
    /// The message, but for its secrets.
    pub text: Cow<'a, str>,
    /// Whether the text is JSON, or becomes JSON when what no reader takes is rewritten.
    pub json: bool,
    /// What it means.
    pub events: Vec<Event<'a>>,
    /// Whether it could be decoded.
    pub decoded: bool,
    /// Whether it gave the dialect away.
    pub recognised: bool,
    /// What follows from it.
    pub say: Outgoing,
}

/// What to do besides showing something.
#[derive(Debug, Default, PartialEq)]
pub struct Outgoing {
    /// Texts to send.
    pub send: Vec<String>,
    /// Lines for the log, as warnings.
    pub warn: Vec<String>,
    /// Why the connection must be given up and begun anew.
    pub hang_up: Option<String>,
}

impl Decoded<'_> {
    /// The message for formats.
    pub fn raw(&self) -> Raw<'_> {
        if self.json { Raw::Json(&self.text) } else { Raw::Text(&self.text) }
    }
}

impl Conversation {
    /// A conversation in a dialect, or in one that remains to be recognised.
    pub fn new(dialect: Option<&'static Dialect>, wish: DialectOptions, questions: RequestPlan) -> Self {
        let memory = DialectState { wish, ..DialectState::default() };
        let known = dialect.is_some();
        Conversation { dialect: dialect.unwrap_or(&dialect::GENERIC), known, memory, questions, hint_at: None }
    }

    /// Its name; `auto` as long as it is not known.
    pub fn dialect(&self) -> &'static str {
        if self.known { self.dialect.name } else { "auto" }
    }

    /// Whether the dialect has a place of its own for the token.
    pub fn takes_token(&self) -> bool {
        self.known && self.dialect.takes.contains(&"--token-file")
    }

    /// Whether any document defines answers to requests; `None` as long as the dialect is not known.
    pub fn has_answers(&self) -> Option<bool> {
        self.known.then_some(!self.dialect.asking.answers.is_empty())
    }

    /// What too long a silence is; `None` where it means nothing.
    pub fn quiet_after(&self) -> Option<Duration> {
        if self.known { self.dialect.quiet_after } else { Some(QUIET_UNKNOWN) }
    }

    /// Fills in what the URI leaves to the dialect.
    pub fn locate(&mut self, endpoint: &mut Endpoint) {
        if let Some(dialect) = endpoint.dialect.and_then(dialect::named) {
            (self.dialect, self.known) = (dialect, true);
        }
        if self.known && endpoint.any_port {
            endpoint.port = self.dialect.port;
        }
        if self.known && endpoint.any_path {
            endpoint.target = self.dialect.path.to_owned();
        }
    }

    /// Makes the endpoint of the next dial: with secrets and names as the dialect wants them.
    pub fn address(&mut self, endpoint: &mut Endpoint, token: Option<String>, now: Instant) {
        self.memory.now = Some(now);
        self.memory.wish.token = token;
        let wish = self.memory.wish.clone();
        (self.dialect.address)(endpoint, &wish, &mut self.memory);
    }

    /// The sample of a message that was heard before.
    pub fn sample(&self, text: &str) -> Option<Sample<'static>> {
        let repaired = json::repair(text);
        let step = self.dialect.read(repaired.as_deref().unwrap_or(text), &mut DialectState::default()).ok()?;
        step.show.iter().find_map(|event| match event {
            Event::Sample(sample) => Some((**sample).clone().into_owned()),
            _ => None,
        })
    }

    /// What a refusal means with this server, beyond its general meaning.
    pub fn advice(&self, status: u16) -> Option<&'static str> {
        self.dialect.advice.iter().find(|(code, _)| *code == status).map(|(_, advice)| *advice)
    }

    /// The connection is open.
    pub fn opened(&mut self, now: Instant) -> Outgoing {
        self.memory.now = Some(now);
        self.memory.opened();
        self.hint_at = (!self.known).then(|| now + HINT_AFTER);
        let mut say = Outgoing::default();
        if self.known {
            self.begin(now, &mut say);
        }
        say
    }

    /// The connection is gone; cleanly = by a Close frame or EOF.
    pub fn ended(&mut self, cleanly: bool) {
        self.memory.ended_cleanly = Some(cleanly);
        self.memory.requests.end();
        self.hint_at = None;
    }

    /// Takes a text message. `room` is where a repaired text lives, if one is needed.
    pub fn hear<'a>(&mut self, text: &'a str, room: &'a mut Option<String>, now: Instant) -> Decoded<'a> {
        self.memory.now = Some(now);
        self.hint_at = None;
        let learned = if self.known { None } else { dialect::recognise(text) };
        let mut say = Outgoing::default();
        if let Some(dialect) = learned {
            (self.dialect, self.known) = (dialect, true);
            self.begin(now, &mut say);
        }
        let (step, json, decoded) = self.read(text, room);
        say.send.extend(step.reply);
        say.warn.extend(step.warn);
        self.due(now, &mut say);
        let text = step.redacted.map_or(Cow::Borrowed(text), Cow::Owned);
        Decoded { kind: step.kind, text, json, events: step.show, decoded, recognised: learned.is_some(), say }
    }

    /// What is in a binary message; what it unpacks to is at most so many bytes long.
    pub fn open(&self, bytes: &[u8], limit: usize) -> Binary {
        match (std::str::from_utf8(bytes), self.dialect.binary) {
            (Ok(text), _) if json::is_readable(text) => Binary::Text(text.into()),
            (_, Some(open)) => open(bytes, limit),
            _ => Binary::Words(format!("{} bytes", bytes.len())),
        }
    }

    /// When `tick` wants to be called, while the connection is open.
    pub fn deadline(&self) -> Option<Instant> {
        let own = if self.known { (self.dialect.deadline)(&self.memory) } else { None };
        earliest(earliest(own, self.memory.requests.deadline()), self.hint_at)
    }

    /// What the passing of time brings, while the connection is open.
    pub fn tick(&mut self, now: Instant) -> Outgoing {
        self.memory.now = Some(now);
        let mut say = Outgoing::default();
        if self.hint_at.is_some_and(|at| now >= at) {
            self.hint_at = None;
            say.warn.push("no message yet: name the dialect with --dialect".into());
        }
        if self.known {
            let ticked = (self.dialect.tick)(&mut self.memory, now);
            (say.send, say.hang_up) = (ticked.send, ticked.hang_up);
        }
        self.due(now, &mut say);
        say
    }

    /// Sends what is to be sent first. What means nothing to the dialect is said.
    fn begin(&mut self, now: Instant, say: &mut Outgoing) {
        let wish = self.memory.wish.clone();
        self.meaningless(&wish, &mut say.warn);
        say.send = (self.dialect.greet)(&wish, &mut self.memory);
        self.memory.requests.begin(&self.questions, now);
        self.due(now, say);
    }

    fn meaningless(&mut self, wish: &DialectOptions, warn: &mut Vec<String>) {
        if std::mem::replace(&mut self.memory.checked, true) {
            return;
        }
        for option in wish.given() {
            if !self.dialect.takes.contains(&option) {
                warn.push(format!("{option} means nothing to {}", self.dialect.name));
            }
        }
    }

    fn due(&mut self, now: Instant, say: &mut Outgoing) {
        if !self.known {
            return;
        }
        let due = self.memory.requests.due(&self.dialect.asking, &self.questions, now);
        let within = humantime::format_duration(self.questions.within);
        for kind in &due.unanswered {
            say.warn.push(format!("no answer to {kind} within {within}"));
        }
        let longest = self.dialect.asking.longest;
        for kind in &due.too_long {
            say.warn.push(format!("{kind} was not sent: the server takes {longest} bytes at most"));
        }
        say.send.extend(due.send);
    }

    /// Reads strictly first; only what fails is repaired and read again.
    fn read<'a>(&mut self, text: &'a str, room: &'a mut Option<String>) -> (Outcome<'a>, bool, bool) {
        if let Ok(step) = self.dialect.read(text, &mut self.memory) {
            return (step, true, true);
        }
        let repaired = match json::repair(text) {
            Some(repaired) => room.insert(repaired).as_str(),
            None => text,
        };
        match self.dialect.read(repaired, &mut self.memory) {
            Ok(step) => (step, true, true),
            Err(Undecodable) => {
                let kind = json::message_type(repaired).unwrap_or_default();
                let json = json::is_json(repaired);
                // What only a dialect could not make sense of is JSON all the same.
                (dialect::unknown(kind, text), json, false)
            }
        }
    }
}
