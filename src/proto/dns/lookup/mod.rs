//! One host's lookup: the names to ask for, both record types side by side, and the moment to report addresses.

mod question;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::conf::Conf;
use super::message::{self, RecordType};
use super::{Family, HostQuery, interleave};
use crate::model::time::earliest;

use question::{DnsServerError, DnsServers, Question, QuestionOutcome, QuestionTurn};

/// Time that IPv4 addresses wait for IPv6 ones: the Resolution Delay, RFC 8305 section 3.
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// Time for each try of one record type once the other has been answered without an address: the servers are known
/// to answer, so that a longer silence is no slow network.
const ANSWERED_GRACE: Duration = Duration::from_millis(500);
/// Lower bound on the time that one try has, however many servers there are.
const MIN_TRY: Duration = Duration::from_millis(500);

/// Identifies one try: one question sent to one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryId(pub u64);

/// The transport protocol of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsTransport {
    Udp,
    /// Each message is preceded by its length in two bytes, RFC 1035 section 4.2.2.
    Tcp,
}

/// A query to send. Its reply is passed to [`Lookup::answered`] with the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsQuery {
    /// Each try has a socket of its own, and so a port of its own.
    pub id: QueryId,
    pub server: SocketAddr,
    pub transport: DnsTransport,
    /// The DNS message, without the length that TCP needs.
    pub message: Vec<u8>,
}

/// An instruction to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupAction {
    /// Send this query, from a socket of its own.
    Send(DnsQuery),
    /// Close the socket of this try.
    Close(QueryId),
    /// Use these addresses, at least one. More may follow unless the lookup is done.
    Found(Vec<SocketAddr>),
    /// Report that the lookup has failed, for this reason. It is the last action.
    Fail(String),
}

/// The state machine of one lookup, from the first question to the last answer.
#[derive(Debug)]
pub struct Lookup {
    host: String,
    port: u16,
    family: Family,
    /// False where `/etc/resolv.conf` names no server.
    is_configured: bool,
    servers: DnsServers,
    /// The names asked for so far; the last is the current one.
    asked_names: Vec<String>,
    /// The names still to ask for, in reverse order.
    candidates: Vec<String>,
    /// About the current name, one for each record type.
    questions: Vec<Question>,
    /// End of the Resolution Delay; set while IPv4 addresses wait for IPv6 ones.
    report_v4_at: Option<Instant>,
    /// The most significant failure of the names asked for so far.
    failure: Option<(FailureKind, String)>,
    is_done: bool,
}

/// Reasons why a name gave no address. Where several names were asked for, the greatest is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FailureKind {
    UnknownName,
    NoAddress,
    NoAnswer,
}

impl Lookup {
    /// Starts to look up a host that [`resolve_locally`](super::local::resolve_locally) does not know.
    ///
    /// A try lasts as long as `resolv.conf` says, but less where the caller would otherwise give up before the last
    /// server has been asked.
    pub fn begin(query: HostQuery<'_>, conf: &Conf, now: Instant, random: &mut dyn FnMut() -> u64) -> Self {
        let first = if conf.rotate { random() as usize % conf.servers.len() } else { 0 };
        let (last, rest) = conf.servers.split_at(first);
        let addresses = [rest, last].concat();
        let fair_share = query.within / (addresses.len() as u32 + 1);
        let mut candidates = conf.candidates(query.host);
        candidates.retain(|name| message::is_name(name));
        candidates.reverse();
        let mut lookup = Lookup {
            host: query.host.to_owned(),
            port: query.port,
            family: query.family,
            is_configured: conf.is_configured,
            servers: DnsServers {
                max_tries: addresses.len() * conf.attempts,
                addresses,
                timeout: conf.timeout.min(fair_share.max(MIN_TRY)),
                actions: Vec::new(),
                errors: Vec::new(),
                latest_id: 0,
            },
            asked_names: Vec::new(),
            candidates,
            questions: Vec::new(),
            report_v4_at: None,
            failure: None,
            is_done: false,
        };
        lookup.ask_for_next_name(now, random);
        lookup
    }

    /// The next action for the caller, in order; `None` when there is none until the next input.
    pub fn next_action(&mut self) -> Option<LookupAction> {
        (!self.servers.actions.is_empty()).then(|| self.servers.actions.remove(0))
    }

    /// True if nothing will follow the actions that [`Lookup::next_action`] still has.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// The latest time for the next [`Lookup::tick`]; `None` only when done.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let mut deadline = self.report_v4_at;
        for question in &self.questions {
            deadline = earliest(deadline, question.deadline());
        }
        deadline.filter(|_| !self.is_done)
    }

    /// Handles every deadline that is due.
    pub fn tick(&mut self, now: Instant, random: &mut dyn FnMut() -> u64) {
        for question in &mut self.questions {
            question.tick(&mut QuestionTurn { servers: &mut self.servers, now, random: random() });
        }
        self.advance(now, random);
    }

    /// Handles a message that arrived on the socket of a try. Its sender and contents are not trusted.
    pub fn answered(
        &mut self,
        id: QueryId,
        from: SocketAddr,
        message: &[u8],
        now: Instant,
        random: &mut dyn FnMut() -> u64,
    ) {
        for question in &mut self.questions {
            question.answered(
                id,
                &from,
                message,
                &mut QuestionTurn { servers: &mut self.servers, now, random: random() },
            );
        }
        self.advance(now, random);
    }

    /// Handles an error of a try's socket: the next server is asked at once.
    pub fn failed(&mut self, id: QueryId, why: &str, now: Instant, random: &mut dyn FnMut() -> u64) {
        for question in &mut self.questions {
            question.failed(id, why, false, &mut QuestionTurn { servers: &mut self.servers, now, random: random() });
        }
        self.advance(now, random);
    }

    /// Describes the pending lookup, with the servers asked so far: `resolve HOST at SERVER, SERVER`.
    #[must_use]
    pub fn unfinished(&self) -> String {
        let mut servers = Vec::new();
        for error in &self.servers.errors {
            servers.push(server_text(&error.server));
        }
        for question in &self.questions {
            for server in question.pending_servers() {
                let server = server_text(&server);
                if !servers.contains(&server) {
                    servers.push(server);
                }
            }
        }
        format!("resolve {} at {}", self.host, servers.join(", "))
    }

    fn advance(&mut self, now: Instant, random: &mut dyn FnMut() -> u64) {
        if self.questions.iter().any(|question| question.addresses().is_some()) {
            self.report_addresses(now);
        } else if self.questions.iter().all(Question::is_finished) {
            self.finish_name(now, random);
        } else {
            self.hurry(now);
        }
    }

    /// Shortens the wait for the second record type once the first has been answered without an address.
    ///
    /// "No such name" is about the name (RFC 8020 section 2), so the other type is asked no further; but for servers
    /// that say so wrongly (RFC 4074 section 4.2) its answer has a moment to come. "No address" is about one type: the
    /// other is asked as often as ever, but not as slowly.
    fn hurry(&mut self, now: Instant) {
        let answered = |is: fn(&QuestionOutcome) -> bool| {
            self.questions.iter().filter_map(|question| question.outcome.as_ref()).any(is)
        };
        let no_name = answered(|outcome| matches!(outcome, QuestionOutcome::NoName(_)));
        if !no_name && !answered(|outcome| matches!(outcome, QuestionOutcome::NoAddress(_))) {
            return;
        }
        for question in &mut self.questions {
            question.hurry(ANSWERED_GRACE, no_name, &self.servers, now);
        }
    }

    /// Reports the addresses that have not been reported yet.
    ///
    /// RFC 8305 section 3: IPv6 addresses are used at once. IPv4 addresses wait for the Resolution Delay, so that a
    /// slightly slower AAAA answer does not lose the race before it begins. The delay is skipped when it can change
    /// nothing: the other question has ended, or addresses have been reported already.
    fn report_addresses(&mut self, now: Instant) {
        let pending = self.questions.iter().any(|question| !question.is_finished());
        let has_v6 = self.questions.iter().any(|question| question.addresses().is_some_and(|list| list[0].is_ipv6()));
        let any_reported = self.questions.iter().any(|question| question.is_reported);
        if pending && !has_v6 && !any_reported {
            let at = *self.report_v4_at.get_or_insert(now + RESOLUTION_DELAY);
            if now < at {
                return;
            }
        }
        self.report_v4_at = None;
        let mut found = Vec::new();
        for question in &mut self.questions {
            if !question.is_reported {
                for address in question.addresses().unwrap_or_default() {
                    found.push(SocketAddr::new(*address, self.port));
                }
                question.is_reported = question.addresses().is_some();
            }
        }
        if !found.is_empty() {
            self.servers.actions.push(LookupAction::Found(interleave(found)));
        }
        self.is_done = !pending;
    }

    /// Goes on to the next name, or fails: no question about the current one has brought an address.
    ///
    /// As in glibc, an error reply for one name does not end the search, but silence does: servers that did not answer
    /// for this name will not answer for the next, and each would cost all the timeouts again.
    fn finish_name(&mut self, now: Instant, random: &mut dyn FnMut() -> u64) {
        if self.is_done {
            return;
        }
        let (kind, why) = self.failure_reason();
        let all_silent = kind == FailureKind::NoAnswer && self.servers.errors.iter().all(|error| !error.is_reply);
        if self.failure.as_ref().is_none_or(|(known, _)| *known <= kind) {
            self.failure = Some((kind, why));
        }
        if all_silent || self.candidates.is_empty() {
            self.fail();
        } else {
            self.ask_for_next_name(now, random);
        }
    }

    fn ask_for_next_name(&mut self, now: Instant, random: &mut dyn FnMut() -> u64) {
        let Some(name) = self.candidates.pop() else { return self.fail() };
        self.servers.errors.clear();
        let record_types: &[RecordType] = match self.family {
            Family::Both => &[RecordType::Aaaa, RecordType::A],
            Family::V4 => &[RecordType::A],
            Family::V6 => &[RecordType::Aaaa],
        };
        self.questions.clear();
        for record_type in record_types {
            self.questions.push(Question::new(
                *record_type,
                &name,
                &mut QuestionTurn { servers: &mut self.servers, now, random: random() },
            ));
        }
        self.asked_names.push(name);
        self.advance(now, random);
    }

    fn fail(&mut self) {
        let why = self.failure.take().map_or_else(|| "this is no name".to_owned(), |(_, why)| why);
        let names = match self.asked_names.as_slice() {
            [] | [_] => String::new(),
            names => format!(" (asked for {})", names.join(", ")),
        };
        // RFC 6762 section 3.
        let mdns = if self.host.trim_end_matches('.').ends_with(".local") {
            "; names in .local are for mDNS, which is not asked: write the address"
        } else {
            ""
        };
        self.is_done = true;
        self.servers.actions.push(LookupAction::Fail(format!("resolve {}: {why}{names}{mdns}", self.host)));
    }

    /// Explains why the current name has no address. An answer about one record type outranks silence about the other.
    fn failure_reason(&self) -> (FailureKind, String) {
        let says = |what: &str, server: &SocketAddr| format!("{what}, says {}", server_text(server));
        let one_unanswered = self.questions.iter().any(|question| question.outcome == Some(QuestionOutcome::Failed));
        let mut no_name = None;
        for question in &self.questions {
            match &question.outcome {
                Some(QuestionOutcome::NoAddress(server)) => {
                    let noun = if one_unanswered { question.family().noun() } else { self.family.noun() };
                    return (FailureKind::NoAddress, says(&format!("the name has no {noun}"), server));
                }
                Some(QuestionOutcome::NoName(server)) => no_name = Some(says("no such name", server)),
                _ => {}
            }
        }
        if let Some(no_name) = no_name {
            return (FailureKind::UnknownName, no_name);
        }
        let hint = if self.is_configured { "" } else { " (/etc/resolv.conf names no server)" };
        (FailureKind::NoAnswer, format!("{}{hint}", errors_text(&self.servers.errors)))
    }
}

/// Lists the servers' errors: `no answer from 10.0.0.1, 10.0.0.2` if all were silent, else `10.0.0.1: server failure;
/// 10.0.0.2: no answer`.
fn errors_text(errors: &[DnsServerError]) -> String {
    let silent = errors.iter().all(|error| error.why == "no answer");
    let mut text = String::from(if silent { "no answer from " } else { "" });
    for (i, DnsServerError { server, why, .. }) in errors.iter().enumerate() {
        let server = server_text(server);
        text += &match (i, silent) {
            (0, true) => server,
            (_, true) => format!(", {server}"),
            (0, false) => format!("{server}: {why}"),
            (_, false) => format!("; {server}: {why}"),
        };
    }
    text
}

/// Writes a server as resolv.conf does: without the default port.
fn server_text(server: &SocketAddr) -> String {
    match server {
        server if server.port() != super::conf::PORT => server.to_string(),
        SocketAddr::V6(server) if server.scope_id() != 0 => format!("{}%{}", server.ip(), server.scope_id()),
        server => IpAddr::to_string(&server.ip()),
    }
}

#[cfg(test)]
mod tests;
