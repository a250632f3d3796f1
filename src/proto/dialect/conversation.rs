//! The exchange of messages with one server, across its connections: the dialect, its state and its requests.
//!
//! Pure: the loop hands in texts and the time, and carries out what comes back.

mod request;
#[cfg(test)]
mod request_tests;

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::model::dialect::Dialect as DialectName;
use crate::model::duration;
use crate::model::event::{Event, Raw};
use crate::model::json::{self, Documents};
use crate::model::sample::Sample;
use crate::model::setting::Setting;
use crate::model::time::earliest;
use crate::proto::dialect::requests::{ProgramRequests, Request, RequestPlan, Requests};
use crate::proto::dialect::{
    self, Alerts, Binary, Dialect, DialectContext, DialectOptions, DialectState, Outcome, Spare, Undecodable,
};
use crate::proto::uri::Endpoint;

/// After so long without a message a warning suggests to set the dialect.
const HINT_AFTER: Duration = Duration::from_secs(10);
/// The setting that warnings about the dialect name.
const DIALECT: Setting = Setting("Server::dialect");
/// The most documents of a connection that are compared with other dialects.
const MAX_COMPARED: usize = 16;
/// Default of [`Stale::Auto`](crate::Stale::Auto) until the dialect is recognised.
const STALE_UNKNOWN: Duration = Duration::from_secs(120);

/// One server's dialect with all that it works on.
#[derive(Debug)]
pub struct Conversation {
    /// [`dialect::GENERIC`] until it is recognised.
    dialect: &'static Dialect,
    known: bool,
    /// True if the dialect was named, and not recognised: only then it decides about port and path.
    named: bool,
    options: DialectOptions,
    plan: RequestPlan,
    alerts: Alerts,
    requests: Requests,
    state: DialectState,
    spare: Spare,
    /// Documents of this connection that were compared with other dialects, up to [`MAX_COMPARED`].
    compared: usize,
    /// Set once a message of another dialect has been reported.
    foreign_reported: bool,
    /// Set once the options that the dialect ignores have been reported.
    ignored_reported: bool,
    /// True while connected to another host than the one asked for.
    is_elsewhere: bool,
    /// The option `heartbeat_reply`, while it is withheld from another host.
    withheld_reply: Option<String>,
    /// Time of the hint to set the dialect.
    hint_at: Option<Instant>,
    /// Time of the latest message.
    decoded_at: Option<Instant>,
}

/// A decoded message.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// Type or channel; empty if the message has none.
    pub kind: Cow<'a, str>,
    /// The message, or the first document of it, without its secrets.
    pub text: Cow<'a, str>,
    /// Its further documents: each is to be decoded as a message of its own.
    pub rest: Option<Documents>,
    /// True if the text is JSON, or becomes JSON by [`json::repair`].
    pub json: bool,
    /// Events to show.
    pub events: Vec<Event<'a>>,
    /// False if the dialect could not decode it.
    pub decoded: bool,
    /// True if the dialect was recognised by it.
    pub recognised: bool,
    /// True if it is not to be shown or saved.
    pub unwanted: bool,
}

/// To be done besides showing something.
#[derive(Debug, Default, PartialEq)]
pub struct Outgoing {
    /// Texts to send.
    pub send: Vec<String>,
    /// Lines for the log, as warnings. A line's kind is what stands before its first `: `, which holds nothing that the
    /// server sent: a server can cause many lines, and each kind is logged once.
    pub warn: Vec<String>,
    /// Reason to drop the connection and dial again.
    pub hang_up: Option<String>,
    /// Reason to close the connection and dial again at once, which is no fault of anyone.
    pub redial: Option<&'static str>,
}

impl Decoded<'_> {
    /// The message for formats.
    pub fn raw(&self) -> Raw<'_> {
        if self.json { Raw::Json(&self.text) } else { Raw::Text(&self.text) }
    }
}

impl Conversation {
    /// Begins in a dialect, or in one that remains to be recognised.
    pub fn new(dialect: Option<&'static Dialect>, options: DialectOptions, plan: RequestPlan) -> Self {
        Conversation {
            dialect: dialect.unwrap_or(&dialect::GENERIC),
            known: dialect.is_some(),
            named: dialect.is_some(),
            options,
            plan,
            alerts: Alerts::default(),
            requests: Requests::default(),
            state: DialectState::default(),
            spare: Spare::default(),
            compared: 0,
            foreign_reported: false,
            ignored_reported: false,
            is_elsewhere: false,
            withheld_reply: None,
            hint_at: None,
            decoded_at: None,
        }
    }

    /// The dialect; `None` until it is known.
    pub fn dialect(&self) -> Option<DialectName> {
        self.known.then_some(self.dialect.id)
    }

    /// The dialect by which messages are read: generic until it is known.
    pub fn read_by(&self) -> DialectName {
        self.dialect.id
    }

    /// True if the server can send a kind of event, a message type or a channel of this name; `None` until the dialect is
    /// known.
    pub fn can_send(&self, name: &str) -> Option<bool> {
        self.known.then(|| self.dialect.can_send(name))
    }

    /// True if the dialect itself puts the token into the URI.
    pub fn takes_token(&self) -> bool {
        self.known && self.dialect.options.contains(&"Server::token_file")
    }

    /// True if answers to requests are documented; `None` until the dialect is known.
    pub fn has_answers(&self) -> Option<bool> {
        self.known.then_some(!self.dialect.requests.answers.is_empty())
    }

    /// Default of [`Stale::Auto`](crate::Stale::Auto); `None` if silence is normal.
    pub fn stale_default(&self) -> Option<Duration> {
        if self.known { self.dialect.stale_default } else { Some(STALE_UNKNOWN) }
    }

    /// True if the server sends content only when something happens; false until the dialect is known.
    pub fn is_quiet(&self) -> bool {
        self.known && (self.dialect.is_quiet)(&self.options, &self.state)
    }

    /// Fills in the port and path that the URI leaves to the dialect, if that was named; a scheme may name it. A server
    /// that was recognised is dialled again where it was found.
    pub fn apply_defaults(&mut self, endpoint: &mut Endpoint) {
        if let Some(dialect) = endpoint.dialect.and_then(dialect::named) {
            (self.dialect, self.known, self.named) = (dialect, true, true);
        }
        if self.named && endpoint.any_port {
            endpoint.port = self.dialect.port;
        }
        if self.named && endpoint.any_path {
            endpoint.target = self.dialect.path.to_owned();
        }
    }

    /// Sets the requests of the next connections.
    pub fn set_requests(&mut self, requests: Vec<Request>) {
        self.plan.requests = requests;
    }

    /// Completes the endpoint of the next dial with the secrets and ids of the dialect.
    pub fn prepare_dial(&mut self, endpoint: &mut Endpoint, token: Option<String>, now: Instant) {
        self.options.token = token;
        (self.dialect.prepare_dial)(endpoint, &mut self.context(now));
    }

    /// Reads the sample of an earlier message again, without any effect.
    pub fn sample(&self, text: &str) -> Option<Sample<'static>> {
        let context = &mut DialectContext {
            now: self.decoded_at?,
            options: &self.options,
            alerts: &mut Alerts::default(),
            requests: &mut Requests::default(),
            state: &mut DialectState::default(),
            spare: &mut Spare::default(),
        };
        let repaired = json::repair(text);
        let outcome = self.dialect.read(repaired.as_deref().unwrap_or(text), context).ok()?;
        outcome.events.iter().find_map(|event| match event {
            Event::Sample(sample) => Some((**sample).clone().into_owned()),
            _ => None,
        })
    }

    /// Explains an HTTP status that means something particular with this server.
    pub fn advice(&self, status: u16) -> Option<&'static str> {
        self.dialect.advice.iter().find(|(code, _)| *code == status).map(|(_, advice)| *advice)
    }

    /// Starts anew on an open connection. Where a redirect has led to another host, `is_elsewhere`, it gets none of the
    /// user's own texts: they may hold credentials.
    pub fn opened(&mut self, now: Instant, is_elsewhere: bool) -> Outgoing {
        self.requests.end();
        if std::mem::replace(&mut self.is_elsewhere, is_elsewhere) != is_elsewhere {
            std::mem::swap(&mut self.options.heartbeat_reply, &mut self.withheld_reply);
        }
        self.state.opened();
        self.hint_at = (!self.known).then(|| now + HINT_AFTER);
        self.compared = 0;
        let mut outgoing = Outgoing::default();
        if self.known {
            self.begin(now, &mut outgoing);
        }
        outgoing
    }

    /// Ends with the connection; cleanly = by a Close frame or EOF.
    pub fn ended(&mut self, cleanly: bool) {
        self.state.ended(cleanly);
        self.requests.end();
        self.hint_at = None;
    }

    /// Decodes a text message: strictly first, then without what stands around its document, and at last after
    /// [`json::repair`], whose result lives in `repaired`. A list of messages is several documents. Adds to `outgoing`,
    /// which is empty, what is to be done then.
    pub fn decode<'a>(
        &mut self,
        text: &'a str,
        repaired: &'a mut Option<String>,
        now: Instant,
        outgoing: &mut Outgoing,
    ) -> Decoded<'a> {
        self.decoded_at = Some(now);
        self.hint_at = None;
        let was_known = self.known;
        let (mut document, mut rest) = (text, None);
        let mut strict = if json::is_batch(text) { Err(Undecodable) } else { self.read(text, now, outgoing) };
        if strict.is_err() {
            (document, rest) = Documents::begin(text);
            if document.len() < text.len() {
                strict = self.read(document, now, outgoing);
            }
        }
        let (outcome, json, decoded) = match strict {
            Ok(outcome) => (outcome, true, true),
            Err(Undecodable) => self.read_repaired(document, repaired, now, outgoing),
        };
        let mut shown = Cow::Borrowed(document);
        if let Some(effects) = outcome.effects {
            outgoing.send.extend(effects.reply);
            outgoing.warn.extend(effects.warn);
            outgoing.redial = effects.redial;
            shown = effects.redacted.map_or(shown, Cow::Owned);
        }
        match outgoing.redial {
            Some(_) => outgoing.send.clear(),
            None => self.push_requests(now, outgoing),
        }
        Decoded {
            kind: outcome.kind,
            text: shown,
            rest,
            json,
            events: outcome.events,
            decoded,
            recognised: self.known && !was_known,
            unwanted: outcome.unwanted,
        }
    }

    /// Takes back the events of a message that has been handled, for the next one.
    pub fn reuse(&mut self, events: Vec<Event<'_>>) {
        self.spare.keep(events);
    }

    /// Unpacks a binary message, to at most `limit` bytes.
    pub fn unpack(&self, bytes: &[u8], limit: usize) -> Binary {
        match (std::str::from_utf8(bytes), self.dialect.unpack) {
            (Ok(text), _) if json::is_readable(Documents::begin(text).0) => Binary::Text(text.into()),
            (_, Some(unpack)) => unpack(bytes, limit),
            _ => Binary::Broken(format!("{} bytes", bytes.len())),
        }
    }

    /// Returns true if requests of the program have been given up since the last report.
    pub fn has_unanswered(&self) -> bool {
        self.requests.program.as_ref().is_some_and(|program| program.has_unanswered())
    }

    /// Lends the program's requests, for a report.
    pub fn program_requests(&mut self) -> &mut Option<Box<dyn ProgramRequests>> {
        &mut self.requests.program
    }

    /// Time of the next [`Conversation::tick`]; asked only while the connection is open.
    pub fn deadline(&self) -> Option<Instant> {
        let own = if self.known { (self.dialect.deadline)(&self.state) } else { None };
        earliest(earliest(own, self.requests.deadline()), self.hint_at)
    }

    /// Runs the timers that are due; called only while the connection is open.
    pub fn tick(&mut self, now: Instant) -> Outgoing {
        let mut outgoing = Outgoing::default();
        if self.hint_at.is_some_and(|at| now >= at) {
            self.hint_at = None;
            outgoing.warn.push(format!("no message yet: set the dialect with {DIALECT}"));
        }
        if self.known {
            let ticked = (self.dialect.tick)(&mut self.context(now));
            (outgoing.send, outgoing.hang_up) = (ticked.send, ticked.hang_up);
        }
        self.push_requests(now, &mut outgoing);
        outgoing
    }

    /// Compares one of the first documents of a connection with the other dialects: the user may have named the wrong
    /// one, or another server may listen at the address by now. Returns a warning, once. A generic server may send
    /// anything.
    fn compare(&mut self, text: &str) -> Option<String> {
        self.compared += 1;
        if !self.known || self.foreign_reported || *self.dialect == dialect::GENERIC {
            return None;
        }
        let other = dialect::recognise(text).filter(|other| *other != self.dialect)?.name;
        self.foreign_reported = true;
        let own = self.dialect.name;
        Some(format!("this looks like {other}, but is read as {own}: see {DIALECT} {other}"))
    }

    fn context(&mut self, now: Instant) -> DialectContext<'_> {
        DialectContext {
            now,
            options: &self.options,
            alerts: &mut self.alerts,
            requests: &mut self.requests,
            state: &mut self.state,
            spare: &mut self.spare,
        }
    }

    /// Sends the first messages in a dialect that is known now, and reports the options that it ignores.
    fn begin(&mut self, now: Instant, outgoing: &mut Outgoing) {
        if !std::mem::replace(&mut self.ignored_reported, true) {
            for option in self.options.given() {
                if !self.dialect.options.contains(&option) {
                    let (option, dialect) = (Setting(option), self.dialect.name);
                    outgoing.warn.push(format!("{option} is ignored: {dialect} has no such setting"));
                }
            }
            outgoing.warn.extend(self.unsent_subscriptions());
        }
        outgoing.send = (self.dialect.greet)(&mut self.context(now));
        if !self.is_elsewhere {
            self.requests.begin(&self.plan, now);
        }
        self.push_requests(now, outgoing);
    }

    /// Warns of names given to [`Server::subscribe`](crate::Server::subscribe) that no message of the dialect has. Where a server may have channels of any
    /// name it says itself which it denies.
    fn unsent_subscriptions(&self) -> Option<String> {
        let Dialect { name, options, any_name, handlers, .. } = self.dialect;
        let is_checked = options.contains(&"Server::subscribe") && !any_name;
        let mut unsent = Vec::new();
        for wanted in &self.options.subscribe {
            if !handlers.iter().any(|(kind, _)| kind == wanted) {
                unsent.push(wanted.as_str());
            }
        }
        const SETTING: Setting = Setting("Server::subscribe");
        (is_checked && !unsent.is_empty())
            .then(|| format!("{SETTING}: {name} is not known to send {}", unsent.join(", ")))
    }

    /// Adds the requests that are due.
    fn push_requests(&mut self, now: Instant, outgoing: &mut Outgoing) {
        if !self.known || self.requests.is_idle() {
            return;
        }
        let due = self.requests.due(&self.dialect.requests, &self.plan, now);
        for kind in &due.unanswered {
            let within = duration::text(self.plan.within);
            outgoing.warn.push(format!("no answer to {kind} within {within}"));
        }
        let max = self.dialect.requests.max_bytes;
        for kind in &due.too_long {
            outgoing.warn.push(format!("{kind} was not sent: the server accepts at most {max} bytes"));
        }
        outgoing.send.extend(due.send);
    }

    /// Reads a document, after the dialect is recognised by it if that is not known yet. Fails if it is not JSON, or not
    /// of the form that its type has.
    fn read<'a>(&mut self, text: &'a str, now: Instant, outgoing: &mut Outgoing) -> Result<Outcome<'a>, Undecodable> {
        let recognised = if self.known { None } else { dialect::recognise(text) };
        if let Some(dialect) = recognised {
            (self.dialect, self.known) = (dialect, true);
            self.begin(now, outgoing);
        } else if self.compared < MAX_COMPARED {
            outgoing.warn.extend(self.compare(text));
        }
        self.dialect.read(text, &mut self.context(now))
    }

    /// Reads a document after its repair. Returns the outcome, whether the text is JSON, and whether the dialect could
    /// decode it.
    fn read_repaired<'a>(
        &mut self,
        text: &'a str,
        repaired: &'a mut Option<String>,
        now: Instant,
        outgoing: &mut Outgoing,
    ) -> (Outcome<'a>, bool, bool) {
        let readable = match json::repair(text) {
            Some(text) => repaired.insert(text).as_str(),
            None => text,
        };
        if let Ok(outcome) = self.read(readable, now, outgoing) {
            return (outcome, true, true);
        }
        let kind = json::message_type(readable).unwrap_or_default();
        // JSON that only the dialect could not decode is still JSON to the formats.
        let json = json::is_json(readable);
        // A user who chose the dialect without messages of its own expects any text.
        let any_text = self.known && *self.dialect == dialect::GENERIC;
        let outcome = if any_text { dialect::unknown(kind, text) } else { dialect::undecodable(kind, text) };
        (outcome, json, any_text)
    }
}
