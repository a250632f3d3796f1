//! Drives a lookup: its sockets, and the two files that it reads. Only reading these files may block.

mod files;
mod socket;

use std::net::SocketAddr;
use std::time::Instant;

use mio::{Registry, Token};

use crate::model::error::{Disconnect, Phase, reason};
use crate::proto::dns::HostQuery;
use crate::proto::dns::local::resolve_locally;
use crate::proto::dns::lookup::{Lookup, LookupAction, QueryId};

pub use files::ResolverFiles;
use socket::DnsSocket;

/// Upper bound on the messages of one try that one turn reads. A try that has more fails, so that a flood of forged
/// replies cannot keep the loop busy.
const MAX_REPLIES_PER_TURN: usize = 32;

/// The lookup of one host with its sockets, all of them registered under one token.
#[derive(Debug)]
pub struct LookupDriver {
    stage: LookupStage,
    source: &'static str,
    token: Token,
    sockets: Vec<(QueryId, DnsSocket)>,
    /// Set until the first `advance`, which is due at once.
    begun_at: Option<Instant>,
}

/// The source of addresses that name servers are asked for.
pub const DNS: &str = "DNS";

#[derive(Debug)]
enum LookupStage {
    /// No server is needed; `None` once the result has been returned.
    Local(Option<Result<Vec<SocketAddr>, Box<Disconnect>>>),
    Dns(Box<Lookup>),
}

impl LookupDriver {
    /// Reads the files if they have changed. No socket is opened before the first [`LookupDriver::advance`].
    pub fn begin(
        query: HostQuery<'_>,
        files: &mut ResolverFiles,
        token: Token,
        now: Instant,
        random: &mut dyn FnMut() -> u64,
    ) -> Self {
        let mut source = "the host itself";
        let hosts = &mut |host: &str| {
            source = "/etc/hosts";
            files.hosts(host, query.port)
        };
        let stage = match resolve_locally(query, &files::interface_index, hosts) {
            Some(result) => LookupStage::Local(Some(result)),
            None => {
                source = DNS;
                LookupStage::Dns(Box::new(Lookup::begin(query, files.conf(), now, random)))
            }
        };
        LookupDriver { stage, source, token, sockets: Vec::new(), begun_at: Some(now) }
    }

    /// Advances without blocking. To be called right after `begin`, on every event of the token and at the deadline.
    ///
    /// Addresses may be returned twice, once for each family; the lookup goes on until [`LookupDriver::is_done`].
    /// Dropping it closes its sockets.
    ///
    /// # Errors
    /// If the lookup has failed: one line that begins with `resolve HOST: ` and names the server. Returned once.
    pub fn advance(
        &mut self,
        registry: &Registry,
        now: Instant,
        random: &mut dyn FnMut() -> u64,
    ) -> Result<Option<Vec<SocketAddr>>, Box<Disconnect>> {
        self.begun_at = None;
        let lookup = match &mut self.stage {
            LookupStage::Local(result) => return result.take().transpose(),
            LookupStage::Dns(lookup) => lookup,
        };
        for (id, socket) in &mut self.sockets {
            receive(lookup, *id, socket, now, random);
        }
        lookup.tick(now, random);
        let mut found = Vec::new();
        while let Some(next) = lookup.next_action() {
            match next {
                LookupAction::Send(query) => match DnsSocket::open(&query, registry, self.token) {
                    Ok(socket) => self.sockets.push((query.id, socket)),
                    Err(error) => lookup.failed(query.id, &reason(&error), now, random),
                },
                LookupAction::Close(id) => self.sockets.retain(|(known, _)| *known != id),
                LookupAction::Found(addresses) => found.extend(addresses),
                LookupAction::Fail(why) => return Err(Disconnect::new(Phase::Resolve, why)),
            }
        }
        Ok((!found.is_empty()).then_some(found))
    }

    /// The latest time for the next [`LookupDriver::advance`]; `None` only when done.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            _ if self.begun_at.is_some() => self.begun_at,
            LookupStage::Local(_) => None,
            LookupStage::Dns(lookup) => lookup.deadline(),
        }
    }

    /// Names the place that the addresses come from.
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// Describes the pending lookup: `resolve HOST at SERVER, SERVER`.
    #[must_use]
    pub fn unfinished(&self) -> String {
        match &self.stage {
            LookupStage::Local(_) => "resolve".into(),
            LookupStage::Dns(lookup) => lookup.unfinished(),
        }
    }

    /// True if no more addresses will be returned.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.stage {
            LookupStage::Local(result) => result.is_none(),
            LookupStage::Dns(lookup) => lookup.is_done(),
        }
    }
}

/// Reads the messages that have arrived for one try.
fn receive(lookup: &mut Lookup, id: QueryId, socket: &mut DnsSocket, now: Instant, random: &mut dyn FnMut() -> u64) {
    for _ in 0..MAX_REPLIES_PER_TURN {
        match socket.receive() {
            Ok(Some((from, message))) => lookup.answered(id, from, &message, now, random),
            Ok(None) => return,
            // For UDP this is an ICMP error: port or host unreachable.
            Err(error) => return lookup.failed(id, &reason(&error), now, random),
        }
    }
    lookup.failed(id, "too many answers to other questions", now, random);
}

#[cfg(test)]
mod tests;
