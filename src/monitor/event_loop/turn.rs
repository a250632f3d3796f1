//! One turn: the wait, the commands and calls that came meanwhile, and the peers that are ready or due.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::Token;

use super::Monitor;
use crate::model::duration;
use crate::model::event::Message;
use crate::model::trace;
use crate::monitor::clock::monotonic;
use crate::monitor::peer::Peer;
use crate::monitor::random::random_bits;
use crate::monitor::schedule::Waits;
use crate::net::transport::LoopIo;

/// Time after which a turn takes no more messages.
const TURN_TIME: Duration = Duration::from_millis(50);

impl Monitor {
    /// Waits until something happens, for at most `max_wait`, and passes to `on_message` each message that has
    /// arrived and each change of a connection's state. With `None` it waits as long as nothing happens and no timer
    /// is due: for ever, where there are no servers or all are done. A [`Handle`](crate::Handle), a
    /// [`Stopper`](crate::Stopper) and the program's own descriptors end the wait.
    ///
    /// # Errors
    /// If the poll fails. No server can cause that.
    pub fn turn(
        &mut self,
        max_wait: impl Into<Option<Duration>>,
        mut on_message: impl FnMut(&Message<'_>),
    ) -> io::Result<()> {
        self.turn_once(max_wait.into(), &mut on_message)
    }

    /// Takes a turn with a function that can fail, so that `?` can be used in it. Every message of the turn is passed on,
    /// also after an error, and the first error is returned.
    ///
    /// ```
    /// use std::io::{self, Write};
    /// use wsmon::{Monitor, Server};
    ///
    /// # let uri = &doc::serve(2);
    /// # let mut out = Vec::new();
    /// let mut monitor = Monitor::new()?;
    /// monitor.add(Server::new(uri)?.max_reconnects(0))?;
    /// while !monitor.is_done() {
    ///     monitor.try_turn(None, |message| -> io::Result<()> {
    ///         for (metric, value) in message.sample().iter().flat_map(|sample| sample.iter()) {
    ///             writeln!(out, "{}.{metric}={value}", message.server)?;
    ///         }
    ///         Ok(())
    ///     })?;
    /// }
    /// # assert!(String::from_utf8(out)?.contains(".cpu=70\n"));
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the function fails, or the poll.
    pub fn try_turn<E: From<io::Error>>(
        &mut self,
        max_wait: impl Into<Option<Duration>>,
        mut on_message: impl FnMut(&Message<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut outcome = Ok(());
        self.turn(max_wait, |message| {
            let result = on_message(message);
            if outcome.is_ok() {
                outcome = result;
            }
        })?;
        outcome
    }

    fn turn_once(&mut self, max_wait: Option<Duration>, on_message: &mut dyn FnMut(&Message<'_>)) -> io::Result<()> {
        self.own_events.clear();
        self.served.clear();
        let before = self.clock;
        self.wait(max_wait)?;
        if let Some(jump) = self.clock_jumps.detect(before, self.clock) {
            // After a suspend the servers may be gone without a sign of it.
            let jump = duration::text(Duration::from_secs(jump.as_secs()));
            trace::debug(format_args!("the clock jumped by {jump}: pinging every server"));
            self.all_peers(Peer::clock_jumped);
        }
        if self.stop.swap(false, Ordering::Relaxed) {
            self.stop();
        }
        let calls = self.calls.get().cloned();
        if let Some(calls) = &calls {
            calls.turning(true);
            calls.run(self);
        }
        self.serve_marked(on_message);
        if let Some(calls) = &calls {
            calls.turning(false);
        }
        Ok(())
    }

    /// Serves the peers that are marked, in their order, until the turn has lasted too long. Those that must wait are the
    /// first ones of the next turn, before those whose share of this turn was used up.
    fn serve_marked(&mut self, on_message: &mut dyn FnMut(&Message<'_>)) {
        let mut handshakes = self.grant();
        let ends_at = self.clock.mono + TURN_TIME;
        let is_over = &mut || monotonic() >= ends_at;
        let mut over = false;
        let mut marked = self.schedule.take_marked(std::mem::take(&mut self.spare));
        for (at, &index) in marked.iter().enumerate() {
            let Some(peer) = &mut self.peers[index] else { continue };
            if over && peer.ready {
                // Its deadlines wait too, since what it has received may meet them. The next turn is due at once.
                (peer.may_dial, peer.may_handshake) = (false, false);
                self.note(index);
                continue;
            }
            let worked = peer.ready || peer.may_handshake;
            let mut io = LoopIo {
                token: Token(peer.decoder.id.token()),
                now: self.clock,
                registry: self.poll.registry(),
                random: &mut random_bits,
                resolver_files: &mut self.resolver_files,
                connectors: &mut self.connectors,
                handshakes: &mut handshakes,
                is_over,
                memory: &mut self.memory,
                on_message,
            };
            if std::mem::take(&mut peer.may_handshake) {
                peer.ready = true;
                *io.handshakes += 1;
            }
            peer.read(&mut io, self.paused);
            peer.tick(&mut io, self.paused);
            let is_last = at + 1 == marked.len();
            over = over || worked && !is_last && (io.is_over)();
            self.served.push(peer.decoder.id);
        }
        for at in 0..self.served.len() {
            self.note(self.served[at].index());
        }
        marked.clear();
        self.spare = marked;
    }

    /// Marks the peers whose deadlines are due, and lets as many dials and TLS handshakes begin as have a place, in the
    /// order in which they became due. Returns the number of further handshakes that may begin.
    fn grant(&mut self) -> usize {
        let now = self.clock.mono;
        while let Some(index) = self.schedule.take_due(now) {
            let dial = self.peers[index].as_ref().and_then(|peer| peer.session.dial_rank(self.clock));
            self.schedule.note_dial(index, dial);
        }
        let (dials, mut handshakes) = self.schedule.free_places(now);
        for _ in 0..dials {
            let Some(index) = self.schedule.take_dial() else { break };
            if let Some(peer) = &mut self.peers[index] {
                peer.may_dial = true;
            }
        }
        while handshakes > 0 {
            let Some(index) = self.schedule.take_handshake() else { break };
            handshakes -= 1;
            if let Some(peer) = &mut self.peers[index] {
                peer.may_handshake = true;
            }
        }
        handshakes
    }

    /// Notes what a peer waits for, and marks it if that is a turn. To be called after everything that may have changed
    /// it. A removed server that is done is dropped.
    pub(super) fn note(&mut self, index: usize) {
        let Some(peer) = &mut self.peers[index] else { return };
        let is_done = peer.is_done();
        self.unfinished += usize::from(std::mem::replace(&mut peer.was_done, is_done));
        self.unfinished -= usize::from(is_done);
        if is_done && peer.is_removed() {
            self.peers[index] = None;
            self.schedule.note(index, &Waits::default());
            return;
        }
        self.schedule.note(index, &peer.waits(self.clock, self.paused));
        if peer.needs_turn(self.paused) {
            self.schedule.mark(index);
        }
    }
}
