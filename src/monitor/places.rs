//! Fair shares of what is limited for all peers together: dials and TLS handshakes in progress.

use std::time::Instant;

use crate::model::time::{Now, earliest};
use crate::monitor::peer::Peer;

/// The place of a server; empty once the server has been removed and its connection is closed.
pub type Slot = Option<Box<Peer>>;

/// The most dials in progress at a time; further ones wait. A dial that has waited for the network for a second no longer
/// counts: servers that never answer would keep those behind them from their turn.
const MAX_DIALS: usize = 64;
/// The most TLS handshakes in progress at a time: each takes milliseconds of processor time, in which no other peer is
/// served. A handshake that has lasted for a second waits for the network and no longer counts.
const MAX_HANDSHAKES: usize = 8;

/// Lets as many of the dials that are due and of the handshakes that wait begin in this turn as have a place, in the
/// order in which they became due. Returns the number of further handshakes that may begin.
pub fn assign(peers: &mut [Slot], now: Now) -> usize {
    let due = ranked(peers, |peer| peer.session.dial_rank(now));
    if !due.is_empty() {
        let free = MAX_DIALS.saturating_sub(dials_in_progress(peers, now).0);
        for index in due.into_iter().take(free) {
            if let Some(peer) = &mut peers[index] {
                peer.may_dial = true;
            }
        }
    }
    let mut free = MAX_HANDSHAKES.saturating_sub(handshakes_in_progress(peers, now).0);
    let queued = ranked(peers, |peer| peer.link.transport.queued_since());
    for index in queued.into_iter().take(free) {
        if let Some(peer) = &mut peers[index] {
            peer.may_handshake = true;
            free -= 1;
        }
    }
    free
}

/// Returns true if there is a place for a dial, and when a peer that waits for a place gets one at the latest.
pub fn deadline(peers: &[Slot], now: Now) -> (bool, Option<Instant>) {
    let (dials, mut dial_at) = dials_in_progress(peers, now);
    let may_dial = dials < MAX_DIALS;
    if may_dial || !peers.iter().flatten().any(|peer| peer.session.dial_rank(now).is_some()) {
        dial_at = None;
    }
    if !peers.iter().flatten().any(|peer| peer.link.transport.queued_since().is_some()) {
        return (may_dial, dial_at);
    }
    let (handshakes, handshake_at) = handshakes_in_progress(peers, now);
    let handshake_at = if handshakes < MAX_HANDSHAKES { Some(now.mono) } else { handshake_at };
    (may_dial, earliest(dial_at, handshake_at))
}

/// Returns the indices of the peers that have a rank, the lowest rank first.
fn ranked<R: Ord>(peers: &[Slot], rank: impl Fn(&Peer) -> Option<R>) -> Vec<usize> {
    let mut waiting = Vec::new();
    for peer in peers.iter().flatten() {
        waiting.extend(rank(peer).map(|rank| (rank, peer.id)));
    }
    waiting.sort_unstable();
    waiting.into_iter().map(|(_, id)| id.index()).collect()
}

/// Counts the dials in progress, and returns when the first of them no longer counts.
fn dials_in_progress(peers: &[Slot], now: Now) -> (usize, Option<Instant>) {
    let (mut count, mut first) = (0, None);
    for peer in peers.iter().flatten().filter(|peer| peer.session.is_opening()) {
        let until = peer.link.transport.counts_until();
        if until.is_none_or(|until| until > now.mono) {
            count += 1;
            first = earliest(first, until);
        }
    }
    (count, first)
}

/// Counts the TLS handshakes in progress, and returns when the first of them no longer counts.
fn handshakes_in_progress(peers: &[Slot], now: Now) -> (usize, Option<Instant>) {
    let (mut count, mut first) = (0, None);
    for peer in peers.iter().flatten() {
        let until = peer.link.transport.busy_until().filter(|until| *until > now.mono);
        count += usize::from(until.is_some());
        first = earliest(first, until);
    }
    (count, first)
}
