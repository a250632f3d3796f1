//! Drives a lookup: its sockets, and the two files it reads. Nothing blocks but the reading of those files.

mod files;
mod wire;

use std::net::SocketAddr;
use std::time::Instant;

use mio::{Registry, Token};

use crate::model::error::reason;
use crate::proto::dns::HostQuery;
use crate::proto::dns::known::known;
use crate::proto::dns::lookup::{self as machine, LookupAction, QueryId};

pub use files::Names;
use wire::Wire;

/// So many datagrams that answer nothing end a try: whoever sends them must not keep the loop busy.
const MOST_WRONG: usize = 32;

/// The lookup of one host, with all its sockets under one token.
#[derive(Debug)]
pub struct Lookup {
    stage: LookupStage,
    token: Token,
    sockets: Vec<(QueryId, Wire)>,
    /// Until the first `advance`, which is due at once.
    begun_at: Option<Instant>,
}

#[derive(Debug)]
enum LookupStage {
    /// Nobody need be asked; `None` once it has been told.
    Known(Option<Result<Vec<SocketAddr>, String>>),
    Asking(Box<machine::Lookup>),
}

impl Lookup {
    /// Reads the files, again where they have changed. No socket is opened before the first [`Lookup::advance`].
    pub fn begin(
        wish: HostQuery<'_>,
        names: &mut Names,
        token: Token,
        now: Instant,
        random: &mut dyn FnMut() -> u64,
    ) -> Self {
        let stage = match known(wish, &files::zone, &mut |host| names.hosts(host, wish.port)) {
            Some(answer) => LookupStage::Known(Some(answer)),
            None => LookupStage::Asking(Box::new(machine::Lookup::begin(wish, names.conf(), now, random))),
        };
        Lookup { stage, token, sockets: Vec::new(), begun_at: Some(now) }
    }

    /// Goes as far as possible without waiting, the deadline included: to be called right after `begin`, on every
    /// event of the token and when the deadline is due.
    ///
    /// Addresses may come twice, one family late: [`Lookup::is_done`] tells whether to go on. Dropping the lookup
    /// closes its sockets.
    ///
    /// # Errors
    /// Where there are none and will be none: one line for people, which begins with `resolve HOST: ` and names the
    /// server that said so. Told once.
    pub fn advance(
        &mut self,
        registry: &Registry,
        now: Instant,
        random: &mut dyn FnMut() -> u64,
    ) -> Result<Option<Vec<SocketAddr>>, String> {
        self.begun_at = None;
        let lookup = match &mut self.stage {
            LookupStage::Known(answer) => return answer.take().transpose(),
            LookupStage::Asking(lookup) => lookup,
        };
        for (id, wire) in &mut self.sockets {
            receive(lookup, *id, wire, now, random);
        }
        lookup.tick(now, random);
        let mut found = Vec::new();
        while let Some(next) = lookup.todo() {
            match next {
                LookupAction::Send(ask) => match Wire::open(&ask, registry, self.token) {
                    Ok(wire) => self.sockets.push((ask.id, wire)),
                    Err(error) => lookup.failed(ask.id, &reason(&error), now, random),
                },
                LookupAction::Forget(id) => self.sockets.retain(|(known, _)| *known != id),
                LookupAction::Found(addresses) => found.extend(addresses),
                LookupAction::Fail(why) => return Err(why),
            }
        }
        Ok((!found.is_empty()).then_some(found))
    }

    /// When to call [`Lookup::advance`] at the latest; `None` only when done.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            _ if self.begun_at.is_some() => self.begun_at,
            LookupStage::Known(_) => None,
            LookupStage::Asking(lookup) => lookup.deadline(),
        }
    }

    /// What has not come about yet: `resolve HOST at SERVER, SERVER`.
    #[must_use]
    pub fn unfinished(&self) -> String {
        match &self.stage {
            LookupStage::Known(_) => "resolve".into(),
            LookupStage::Asking(lookup) => lookup.unfinished(),
        }
    }

    /// Whether no more will come.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.stage {
            LookupStage::Known(answer) => answer.is_none(),
            LookupStage::Asking(lookup) => lookup.is_done(),
        }
    }
}

/// Takes in what has come for one try.
fn receive(lookup: &mut machine::Lookup, id: QueryId, wire: &mut Wire, now: Instant, random: &mut dyn FnMut() -> u64) {
    for _ in 0..MOST_WRONG {
        match wire.receive() {
            Ok(Some((from, message))) => lookup.answered(id, from, &message, now, random),
            Ok(None) => return,
            // For a datagram: ICMP said that the port or the host cannot be reached.
            Err(error) => return lookup.failed(id, &reason(&error), now, random),
        }
    }
    lookup.failed(id, "too many answers to other questions", now, random);
}

#[cfg(test)]
mod tests;
