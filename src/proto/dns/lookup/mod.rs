//! One lookup: which names to ask for, in both families side by side, and when to hand out what has come.

mod question;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::conf::Conf;
use super::message::{self, RecordType};
use super::{Family, HostQuery, interleave};
use crate::model::time::sooner;

use question::{DnsServerError, DnsServers, Question, QuestionOutcome};

/// How long IPv4 addresses wait for IPv6 ones, RFC 8305 section 3.
pub const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// No try is shorter, however many servers there are to ask in time.
const SHORTEST_TRY: Duration = Duration::from_millis(500);

/// One question put to one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryId(pub u64);

/// How a question travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A datagram.
    Udp,
    /// Behind its length in two bytes, RFC 1035 section 4.2.2.
    Tcp,
}

/// A message for a server. Its answer is told with the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsQuery {
    /// Each try has its own socket, so each has its own port.
    pub id: QueryId,
    /// Where to.
    pub server: SocketAddr,
    /// And how.
    pub over: Over,
    /// The question, without its length.
    pub message: Vec<u8>,
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupAction {
    /// Send it, from a socket of its own.
    Send(DnsQuery),
    /// Close this try's socket.
    Forget(QueryId),
    /// Addresses have come, never none; more may follow unless the lookup is done.
    Found(Vec<SocketAddr>),
    /// No address will come, for this reason.
    Fail(String),
}

/// A lookup from the first question to the last answer.
#[derive(Debug)]
pub struct Lookup {
    host: String,
    port: u16,
    family: Family,
    is_configured: bool,
    desk: DnsServers,
    /// The names that have been asked for; the last is the present one.
    asked: Vec<String>,
    /// The next one is the last.
    candidates: Vec<String>,
    questions: Vec<Question>,
    /// Set while IPv4 addresses wait for IPv6 ones.
    hand_out_at: Option<Instant>,
    /// The weightiest reason so far.
    verdict: Option<(Weight, String)>,
    is_done: bool,
}

/// Of the reasons for several names the weightiest is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// No such name.
    Unknown,
    /// A name without addresses.
    Empty,
    /// No server that could tell.
    Unanswered,
}

impl Lookup {
    /// Asks for a host that [`known`](super::known::known) does not know.
    ///
    /// A try takes at most the time that `resolv.conf` says, and less where the caller would otherwise give up before
    /// the last server has been asked.
    pub fn begin(wish: HostQuery<'_>, conf: &Conf, now: Instant, random: &mut dyn FnMut() -> u64) -> Self {
        let first = if conf.rotate { random() as usize % conf.servers.len() } else { 0 };
        let (last, rest) = conf.servers.split_at(first);
        let servers = [rest, last].concat();
        let fair = wish.within / (servers.len() as u32 + 1);
        let mut candidates = conf.candidates(wish.host);
        candidates.retain(|name| message::is_name(name));
        candidates.reverse();
        let mut lookup = Lookup {
            host: wish.host.to_owned(),
            port: wish.port,
            family: wish.family,
            is_configured: conf.is_configured,
            desk: DnsServers {
                tries: servers.len() * conf.attempts,
                servers,
                timeout: conf.timeout.min(fair.max(SHORTEST_TRY)),
                todo: Vec::new(),
                complaints: Vec::new(),
                serial: 0,
            },
            asked: Vec::new(),
            candidates,
            questions: Vec::new(),
            hand_out_at: None,
            verdict: None,
            is_done: false,
        };
        lookup.ask_for_next_name(now, random);
        lookup
    }

    /// What to do next, until there is nothing left.
    pub fn todo(&mut self) -> Option<LookupAction> {
        (!self.desk.todo.is_empty()).then(|| self.desk.todo.remove(0))
    }

    /// Whether nothing more will come once [`Lookup::todo`] gives nothing.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// When to call [`Lookup::tick`] at the latest; `None` only when done.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let mut patience = self.hand_out_at;
        for question in &self.questions {
            patience = sooner(patience, question.deadline());
        }
        patience.filter(|_| !self.is_done)
    }

    /// A deadline may be due.
    pub fn tick(&mut self, now: Instant, random: &mut dyn FnMut() -> u64) {
        for question in &mut self.questions {
            question.tick(&mut self.desk, now, random());
        }
        self.go_on(now, random);
    }

    /// A message arrived on the socket of a try. Whoever sent it and whatever it is, it is checked here.
    pub fn answered(
        &mut self,
        id: QueryId,
        from: SocketAddr,
        message: &[u8],
        now: Instant,
        random: &mut dyn FnMut() -> u64,
    ) {
        for question in &mut self.questions {
            question.answered(id, &from, message, &mut self.desk, now, random());
        }
        self.go_on(now, random);
    }

    /// A try's socket failed, for this reason: the next server is asked at once.
    pub fn failed(&mut self, id: QueryId, why: &str, now: Instant, random: &mut dyn FnMut() -> u64) {
        for question in &mut self.questions {
            question.failed(id, why, false, &mut self.desk, now, random());
        }
        self.go_on(now, random);
    }

    /// What has not come about yet: `resolve HOST at SERVER, SERVER`, with those asked in vain so far.
    #[must_use]
    pub fn unfinished(&self) -> String {
        let mut servers = Vec::new();
        for complaint in &self.desk.complaints {
            servers.push(show(&complaint.server));
        }
        for question in &self.questions {
            for server in question.asked() {
                let server = show(&server);
                if !servers.contains(&server) {
                    servers.push(server);
                }
            }
        }
        format!("resolve {} at {}", self.host, servers.join(", "))
    }

    fn go_on(&mut self, now: Instant, random: &mut dyn FnMut() -> u64) {
        if self.questions.iter().any(|question| question.addresses().is_some()) {
            self.hand_out(now);
        } else if self.questions.iter().all(Question::is_settled) {
            self.conclude(now, random);
        }
    }

    /// RFC 8305 section 3: IPv6 addresses at once, IPv4 ones after the Resolution Delay, unless that is pointless.
    fn hand_out(&mut self, now: Instant) {
        let pending = self.questions.iter().any(|question| !question.is_settled());
        let has_v6 = self.questions.iter().any(|question| question.addresses().is_some_and(|list| list[0].is_ipv6()));
        let any_taken = self.questions.iter().any(|question| question.is_taken);
        if pending && !has_v6 && !any_taken {
            let at = *self.hand_out_at.get_or_insert(now + RESOLUTION_DELAY);
            if now < at {
                return;
            }
        }
        self.hand_out_at = None;
        let mut found = Vec::new();
        for question in &mut self.questions {
            if !question.is_taken {
                for address in question.addresses().unwrap_or_default() {
                    found.push(SocketAddr::new(*address, self.port));
                }
                question.is_taken = question.addresses().is_some();
            }
        }
        if !found.is_empty() {
            self.desk.todo.push(LookupAction::Found(interleave(found)));
        }
        self.is_done = !pending;
    }

    /// Every question about the present name has been answered without an address.
    fn conclude(&mut self, now: Instant, random: &mut dyn FnMut() -> u64) {
        if self.is_done {
            return;
        }
        let (weight, why) = self.reason();
        // As in glibc, an error ends the search for no name but one; silence does: the next name fares no better.
        let in_silence =
            weight == Weight::Unanswered && self.desk.complaints.iter().all(|complaint| !complaint.answered);
        if self.verdict.as_ref().is_none_or(|(known, _)| *known <= weight) {
            self.verdict = Some((weight, why));
        }
        if in_silence || self.candidates.is_empty() {
            self.fail();
        } else {
            self.ask_for_next_name(now, random);
        }
    }

    fn ask_for_next_name(&mut self, now: Instant, random: &mut dyn FnMut() -> u64) {
        let Some(name) = self.candidates.pop() else { return self.fail() };
        self.desk.complaints.clear();
        let kinds: &[RecordType] = match self.family {
            Family::Both => &[RecordType::Aaaa, RecordType::A],
            Family::V4 => &[RecordType::A],
            Family::V6 => &[RecordType::Aaaa],
        };
        self.questions.clear();
        for kind in kinds {
            self.questions.push(Question::new(*kind, &name, &mut self.desk, now, random()));
        }
        self.asked.push(name);
        self.go_on(now, random);
    }

    fn fail(&mut self) {
        let why = self.verdict.take().map_or_else(|| "this is no name".to_owned(), |(_, why)| why);
        let also = match self.asked.as_slice() {
            [] | [_] => String::new(),
            names => format!(" (asked for {})", names.join(", ")),
        };
        // RFC 6762 section 3.
        let local = if self.host.trim_end_matches('.').ends_with(".local") {
            "; names in .local are for mDNS, which is not asked: write the address"
        } else {
            ""
        };
        self.is_done = true;
        self.desk.todo.push(LookupAction::Fail(format!("resolve {}: {why}{also}{local}", self.host)));
    }

    /// Why the present name has no address: what the servers said, or that they said nothing.
    fn reason(&self) -> (Weight, String) {
        let outcomes = || self.questions.iter().filter_map(|question| question.outcome.as_ref());
        if outcomes().any(|outcome| *outcome == QuestionOutcome::Failed) {
            let unset = if self.is_configured { "" } else { " (/etc/resolv.conf names no server)" };
            return (Weight::Unanswered, format!("{}{unset}", complain(&self.desk.complaints)));
        }
        let says = |what: &str, server: &SocketAddr| format!("{what}, says {}", show(server));
        for outcome in outcomes() {
            if let QuestionOutcome::NoAddress(server) = outcome {
                return (Weight::Empty, says(&format!("the name has no {}", self.family.noun()), server));
            }
        }
        let no_name = outcomes().find_map(|outcome| match outcome {
            QuestionOutcome::NoName(server) => Some(says("no such name", server)),
            _ => None,
        });
        (Weight::Unknown, no_name.unwrap_or_default())
    }
}

/// `no answer from 10.0.0.1, 10.0.0.2`, or what each said.
fn complain(complaints: &[DnsServerError]) -> String {
    let silent = complaints.iter().all(|complaint| complaint.why == "no answer");
    let mut text = String::from(if silent { "no answer from " } else { "" });
    for (i, DnsServerError { server, why, .. }) in complaints.iter().enumerate() {
        let server = show(server);
        text += &match (i, silent) {
            (0, true) => server,
            (_, true) => format!(", {server}"),
            (0, false) => format!("{server}: {why}"),
            (_, false) => format!("; {server}: {why}"),
        };
    }
    text
}

/// A server as resolv.conf has it: without the usual port.
fn show(server: &SocketAddr) -> String {
    match server {
        server if server.port() != super::conf::PORT => server.to_string(),
        SocketAddr::V6(server) if server.scope_id() != 0 => format!("{}%{}", server.ip(), server.scope_id()),
        server => IpAddr::to_string(&server.ip()),
    }
}

#[cfg(test)]
mod tests;
