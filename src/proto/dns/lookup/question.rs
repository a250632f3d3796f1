//! One question, put to one server after the other until one answers it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::{DnsQuery, DnsTransport, LookupAction, QueryId};
use crate::proto::dns::Family;
use crate::proto::dns::message::{self, RecordType, ReplyContent};

/// Upper bound on tries of one question that are open at a time. Earlier tries stay open while the next server is
/// asked, so that the answer of a slow server still counts.
const MAX_OPEN_TRIES: usize = 3;

/// The servers of a lookup, and all that its questions share.
#[derive(Debug)]
pub(super) struct DnsServers {
    /// In the order in which they are asked.
    pub addresses: Vec<SocketAddr>,
    /// Tries that each question has.
    pub max_tries: usize,
    /// Time that each try has before the next server is asked.
    pub timeout: Duration,
    /// Instructions for the caller, in order.
    pub actions: Vec<LookupAction>,
    /// The latest error of each server, for the current name.
    pub errors: Vec<DnsServerError>,
    /// Ids are given out in ascending order.
    pub latest_id: u64,
}

/// Describes why a server did not help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DnsServerError {
    pub server: SocketAddr,
    pub why: String,
    /// False for silence and for errors of our own socket.
    pub is_reply: bool,
}

impl DnsServers {
    /// Stores a server's error. A reply is not overwritten by silence.
    fn record_error(&mut self, server: SocketAddr, why: &str, is_reply: bool) {
        let error = DnsServerError { server, why: why.to_owned(), is_reply };
        match self.errors.iter_mut().find(|known| known.server == server) {
            Some(known) if known.is_reply && !is_reply => {}
            Some(known) => *known = error,
            None => self.errors.push(error),
        }
    }
}

/// The end of a question. The address is that of the server that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum QuestionOutcome {
    Addresses(Vec<IpAddr>),
    NoAddress(SocketAddr),
    NoName(SocketAddr),
    /// No server has answered: see [`DnsServers::errors`].
    Failed,
}

/// The question for one record type of one name.
#[derive(Debug)]
pub(super) struct Question {
    record_type: RecordType,
    name: String,
    /// Tries over UDP so far.
    tries: usize,
    /// The latest is the last.
    open_tries: Vec<Try>,
    /// End of the latest try's time.
    timeout_at: Instant,
    /// Time of the tries to come.
    timeout: Duration,
    pub outcome: Option<QuestionOutcome>,
    /// True once its addresses have been reported to the caller.
    pub is_reported: bool,
}

#[derive(Debug)]
struct Try {
    id: QueryId,
    server: SocketAddr,
    transport: DnsTransport,
    query: Vec<u8>,
}

/// Borrowed by a question for one input.
pub(super) struct QuestionTurn<'s> {
    pub servers: &'s mut DnsServers,
    pub now: Instant,
    pub random: u64,
}

impl Question {
    /// Asks the first server.
    pub fn new(record_type: RecordType, name: &str, turn: &mut QuestionTurn<'_>) -> Self {
        let mut question = Question {
            record_type,
            name: name.to_owned(),
            tries: 0,
            open_tries: Vec::new(),
            timeout_at: turn.now,
            timeout: turn.servers.timeout,
            outcome: None,
            is_reported: false,
        };
        question.ask_next_server(turn);
        question
    }

    pub fn is_finished(&self) -> bool {
        self.outcome.is_some()
    }

    pub fn addresses(&self) -> Option<&[IpAddr]> {
        match &self.outcome {
            Some(QuestionOutcome::Addresses(addresses)) => Some(addresses),
            _ => None,
        }
    }

    /// The family of the addresses asked for.
    pub fn family(&self) -> Family {
        if self.record_type == RecordType::A { Family::V4 } else { Family::V6 }
    }

    /// The servers that may still answer.
    pub fn pending_servers(&self) -> impl Iterator<Item = SocketAddr> {
        self.open_tries.iter().map(|tried| tried.server)
    }

    pub fn deadline(&self) -> Option<Instant> {
        (!self.is_finished()).then_some(self.timeout_at)
    }

    /// Gives each try no more than `grace` from now on, and asks no further server if the try is the `last`. To be
    /// called as soon as the other record type has been answered without an address.
    pub fn hurry(&mut self, grace: Duration, last: bool, servers: &DnsServers, now: Instant) {
        self.timeout = self.timeout.min(grace);
        self.timeout_at = self.timeout_at.min(now + grace);
        if last {
            self.tries = servers.max_tries;
        }
    }

    /// Asks the next server if the latest try has timed out.
    pub fn tick(&mut self, turn: &mut QuestionTurn<'_>) {
        if self.deadline().is_some_and(|at| at <= turn.now) {
            if let Some(late) = self.open_tries.last() {
                turn.servers.record_error(late.server, "no answer", false);
            }
            self.ask_next_server(turn);
        }
    }

    /// Handles a message on the socket of a try; those of other questions change nothing.
    pub fn answered(&mut self, id: QueryId, from: &SocketAddr, message: &[u8], turn: &mut QuestionTurn<'_>) {
        let Some(tried) = self.open_tries.iter().find(|tried| tried.id == id) else { return };
        let (server, transport) = (tried.server, tried.transport);
        // RFC 5452 section 9.1: the reply must match the query in address, port, id and question.
        if from.ip() != server.ip() || from.port() != server.port() {
            return;
        }
        let outcome = match (message::decode_reply(message, &tried.query), transport) {
            (ReplyContent::NotOurs, DnsTransport::Udp) => return,
            (ReplyContent::NotOurs | ReplyContent::Truncated, DnsTransport::Tcp) => {
                return self.failed(id, "answered something else", true, turn);
            }
            (ReplyContent::Truncated, DnsTransport::Udp) => return self.ask_over_tcp(id, turn),
            (ReplyContent::Failed(why), _) => return self.failed(id, &why, true, turn),
            (ReplyContent::Addresses(addresses), _) => QuestionOutcome::Addresses(addresses),
            (ReplyContent::NoAddress, _) => QuestionOutcome::NoAddress(server),
            (ReplyContent::NoName, _) => QuestionOutcome::NoName(server),
        };
        self.finish(outcome, turn.servers);
    }

    /// Closes a failed try. The next server is asked at once, unless a later try is open already.
    pub fn failed(&mut self, id: QueryId, why: &str, is_reply: bool, turn: &mut QuestionTurn<'_>) {
        let Some(at) = self.open_tries.iter().position(|tried| tried.id == id) else { return };
        let was_latest = at + 1 == self.open_tries.len();
        let tried = self.open_tries.remove(at);
        turn.servers.actions.push(LookupAction::Close(id));
        turn.servers.record_error(tried.server, why, is_reply);
        if was_latest {
            self.ask_next_server(turn);
        }
    }

    fn ask_next_server(&mut self, turn: &mut QuestionTurn<'_>) {
        let servers = &mut *turn.servers;
        if self.tries == servers.max_tries {
            return self.finish(QuestionOutcome::Failed, servers);
        }
        let server = servers.addresses[self.tries % servers.addresses.len()];
        self.tries += 1;
        self.ask(server, DnsTransport::Udp, turn);
    }

    /// Repeats a truncated try over TCP, with a new id: RFC 1035 section 4.2.1, RFC 7766 section 5.
    fn ask_over_tcp(&mut self, id: QueryId, turn: &mut QuestionTurn<'_>) {
        let Some(at) = self.open_tries.iter().position(|tried| tried.id == id) else { return };
        let server = self.open_tries.remove(at).server;
        turn.servers.actions.push(LookupAction::Close(id));
        self.ask(server, DnsTransport::Tcp, turn);
    }

    fn ask(&mut self, server: SocketAddr, transport: DnsTransport, turn: &mut QuestionTurn<'_>) {
        let QuestionTurn { servers, now, random } = turn;
        // The id takes the upper bits: with `rotate` the lower ones may have chosen the first server.
        let Some(query) = message::encode_query((*random >> 48) as u16, &self.name, self.record_type) else {
            // Not reached: names are checked when the lookup begins.
            return self.finish(QuestionOutcome::NoName(server), servers);
        };
        if self.open_tries.len() == MAX_OPEN_TRIES {
            servers.actions.push(LookupAction::Close(self.open_tries.remove(0).id));
        }
        servers.latest_id += 1;
        let id = QueryId(servers.latest_id);
        self.timeout_at = *now + self.timeout;
        servers.actions.push(LookupAction::Send(DnsQuery { id, server, transport, message: query.clone() }));
        self.open_tries.push(Try { id, server, transport, query });
    }

    fn finish(&mut self, outcome: QuestionOutcome, servers: &mut DnsServers) {
        self.outcome = Some(outcome);
        for tried in self.open_tries.drain(..) {
            servers.actions.push(LookupAction::Close(tried.id));
        }
    }
}
