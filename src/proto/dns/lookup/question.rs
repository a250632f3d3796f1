//! One question, put to one server after the other until one answers it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::{DnsQuery, LookupAction, Over, QueryId};
use crate::proto::dns::message::{self, RecordType, ReplyContent};

/// Answers to earlier tries count as long as no more than so many are open: a slow server is not asked in vain.
const MOST_OPEN: usize = 3;

/// What the questions of a lookup share.
#[derive(Debug)]
pub(super) struct DnsServers {
    /// In the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// How many tries a question has.
    pub tries: usize,
    /// How long one may take.
    pub timeout: Duration,
    /// What the caller has to do.
    pub todo: Vec<LookupAction>,
    /// Why servers were of no use for the present name.
    pub complaints: Vec<DnsServerError>,
    /// Tries begun so far.
    pub serial: u64,
}

/// Why a server was of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DnsServerError {
    pub server: SocketAddr,
    pub why: String,
    /// Whether it said so itself.
    pub answered: bool,
}

impl DnsServers {
    /// Notes why a server was of no use; what it said itself counts more than its silence.
    fn complain(&mut self, server: SocketAddr, why: &str, answered: bool) {
        let complaint = DnsServerError { server, why: why.to_owned(), answered };
        match self.complaints.iter_mut().find(|known| known.server == server) {
            Some(known) if known.answered && !answered => {}
            Some(known) => *known = complaint,
            None => self.complaints.push(complaint),
        }
    }
}

/// How a question ended. The server is the one that said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum QuestionOutcome {
    Addresses(Vec<IpAddr>),
    NoAddress(SocketAddr),
    NoName(SocketAddr),
    /// No server was of use: see the complaints.
    Failed,
}

/// The question for one kind of address of one name.
#[derive(Debug)]
pub(super) struct Question {
    kind: RecordType,
    name: String,
    begun: usize,
    /// The latest is the last.
    open: Vec<Try>,
    give_up_at: Instant,
    pub outcome: Option<QuestionOutcome>,
    /// Whether its addresses have been handed out.
    pub is_taken: bool,
}

#[derive(Debug)]
struct Try {
    id: QueryId,
    server: SocketAddr,
    over: Over,
    query: Vec<u8>,
}

impl Question {
    /// Asks the first server.
    pub fn new(kind: RecordType, name: &str, desk: &mut DnsServers, now: Instant, random: u64) -> Self {
        let (name, open) = (name.to_owned(), Vec::new());
        let mut question = Question { kind, name, begun: 0, open, give_up_at: now, outcome: None, is_taken: false };
        question.ask_next(desk, now, random);
        question
    }

    pub fn is_settled(&self) -> bool {
        self.outcome.is_some()
    }

    pub fn addresses(&self) -> Option<&[IpAddr]> {
        match &self.outcome {
            Some(QuestionOutcome::Addresses(addresses)) => Some(addresses),
            _ => None,
        }
    }

    /// The servers that may still answer.
    pub fn asked(&self) -> impl Iterator<Item = SocketAddr> {
        self.open.iter().map(|tried| tried.server)
    }

    pub fn deadline(&self) -> Option<Instant> {
        (!self.is_settled()).then_some(self.give_up_at)
    }

    /// Asks the next server where the present one took too long.
    pub fn tick(&mut self, desk: &mut DnsServers, now: Instant, random: u64) {
        if self.deadline().is_some_and(|at| at <= now) {
            if let Some(late) = self.open.last() {
                desk.complain(late.server, "no answer", false);
            }
            self.ask_next(desk, now, random);
        }
    }

    /// A message arrived for one of the tries; whether it settled anything.
    pub fn answered(
        &mut self,
        id: QueryId,
        from: &SocketAddr,
        message: &[u8],
        desk: &mut DnsServers,
        now: Instant,
        random: u64,
    ) {
        let Some(tried) = self.open.iter().find(|tried| tried.id == id) else { return };
        let (server, over) = (tried.server, tried.over);
        // RFC 5452 section 9.1: address, port, id and question must be those of the question.
        if from.ip() != server.ip() || from.port() != server.port() {
            return;
        }
        let outcome = match (message::read(message, &tried.query), over) {
            (ReplyContent::NotOurs, Over::Udp) => return,
            (ReplyContent::NotOurs | ReplyContent::Truncated, Over::Tcp) => {
                return self.failed(id, "answered something else", true, desk, now, random);
            }
            (ReplyContent::Truncated, Over::Udp) => return self.ask_over_tcp(id, desk, now, random),
            (ReplyContent::Failed(why), _) => return self.failed(id, &why, true, desk, now, random),
            (ReplyContent::Addresses(addresses), _) => QuestionOutcome::Addresses(addresses),
            (ReplyContent::NoAddress, _) => QuestionOutcome::NoAddress(server),
            (ReplyContent::NoName, _) => QuestionOutcome::NoName(server),
        };
        self.settle(outcome, desk);
    }

    /// A try came to nothing: the next server is asked, unless it has been already.
    pub fn failed(&mut self, id: QueryId, why: &str, answered: bool, desk: &mut DnsServers, now: Instant, random: u64) {
        let Some(at) = self.open.iter().position(|tried| tried.id == id) else { return };
        let was_latest = at + 1 == self.open.len();
        let tried = self.open.remove(at);
        desk.todo.push(LookupAction::Forget(id));
        desk.complain(tried.server, why, answered);
        if was_latest {
            self.ask_next(desk, now, random);
        }
    }

    fn ask_next(&mut self, desk: &mut DnsServers, now: Instant, random: u64) {
        if self.begun == desk.tries {
            return self.settle(QuestionOutcome::Failed, desk);
        }
        let server = desk.servers[self.begun % desk.servers.len()];
        self.begun += 1;
        self.ask(server, Over::Udp, desk, now, random);
    }

    /// RFC 1035 section 4.2.1, RFC 7766 section 5: the same server, with a new id.
    fn ask_over_tcp(&mut self, id: QueryId, desk: &mut DnsServers, now: Instant, random: u64) {
        let Some(at) = self.open.iter().position(|tried| tried.id == id) else { return };
        let server = self.open.remove(at).server;
        desk.todo.push(LookupAction::Forget(id));
        self.ask(server, Over::Tcp, desk, now, random);
    }

    fn ask(&mut self, server: SocketAddr, over: Over, desk: &mut DnsServers, now: Instant, random: u64) {
        // The upper half is as random as the lower one, which may have chosen the first server.
        let Some(query) = message::query((random >> 48) as u16, &self.name, self.kind) else {
            // Not reached: names are checked when the lookup begins.
            return self.settle(QuestionOutcome::NoName(server), desk);
        };
        if self.open.len() == MOST_OPEN {
            desk.todo.push(LookupAction::Forget(self.open.remove(0).id));
        }
        desk.serial += 1;
        let id = QueryId(desk.serial);
        self.give_up_at = now + desk.timeout;
        desk.todo.push(LookupAction::Send(DnsQuery { id, server, over, message: query.clone() }));
        self.open.push(Try { id, server, over, query });
    }

    fn settle(&mut self, outcome: QuestionOutcome, desk: &mut DnsServers) {
        self.outcome = Some(outcome);
        for tried in self.open.drain(..) {
            desk.todo.push(LookupAction::Forget(tried.id));
        }
    }
}
