//! The event loop: it holds the only poll.
//!
//! One turn: poll until a socket is ready or a deadline is due, read the clock once, read from each ready peer, then
//! carry out the peer's commands and deadlines.
//!
//! A message that comes alone costs the kernel three calls, and tests/netns/system_calls.rs counts them:
//! - `epoll_wait`. Its timeout changes with each call, so that no timer descriptor is set; and the interest of a socket
//!   is set once, when it is registered, since events are edge-triggered.
//! - `recv`. A read that leaves room in its buffer has emptied a TCP socket (see `Socket::stop_short`), and no second one
//!   asks. Unix sockets are asked again, and so is TLS, which reads the head of each record and then the rest of it.
//! - `write`, of the printed line, by the program that drives the loop; one more where the message is saved to a file.
//!
//! Three readings of clocks belong to it: the monotonic one before the wait, to say how long it may last; both after it,
//! for everything that the turn does. Where several peers are served in a turn, one more follows each of them but the
//! last, for the end of the turn. The C library reads clocks without a call where the kernel provides it (vDSO).

mod commands;
mod handle;
mod poll;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Token, Waker};

pub use handle::Handle;

use handle::CallsOwner;

use crate::model::duration;
use crate::model::event::Message;
use crate::model::server_id::ServerId;
use crate::model::time::Now;
use crate::model::trace;
use crate::monitor::clock::{monotonic, read_clock};
use crate::monitor::clock_jumps::ClockJumps;
use crate::monitor::peer::Peer;
use crate::monitor::random::random_bits;
use crate::monitor::schedule::{Schedule, Waits};
use crate::net::resolver::ResolverFiles;
use crate::net::stream::ReadMemory;
use crate::net::tls::Pool;
use crate::net::transport::LoopIo;
use crate::proto::session::Input;

/// The most events that one poll returns.
const MAX_EVENTS: usize = 256;
/// Time after which a turn takes no more messages.
const TURN_TIME: Duration = Duration::from_millis(50);
/// The token of the [`Stopper`]; those of peers come from their ids.
const STOP: Token = Token(usize::MAX);

/// Watches any number of servers on one thread.
///
/// Everything happens in [`Monitor::turn`]. A program calls it in a loop; a program with a loop of its own calls it
/// whenever the descriptor ([`AsFd`](std::os::fd::AsFd)) is readable, and at the latest at [`Monitor::deadline`], which
/// may be earlier than before after `add`, `send` and the like. A turn takes at most 64 messages, 256 KiB or 256 reads
/// from each server, and ends after the message in which 50 ms are over; the next turn begins with the servers that had
/// to wait.
///
/// Dropping it closes the sockets at once, with Close frames where they can be sent without waiting.
///
/// Servers are identified by the ids that [`Monitor::add`] returns. An id is never used again. With that of a server that
/// was removed, commands do nothing, and the other methods return what they do for a server that was never dialled.
///
/// ```
/// use wsmon::{Event, Metric, Monitor, Server};
///
/// # let uri = doc::serve(1);
/// # let uri = uri.as_str();
/// # let mut samples = 0;
/// let mut monitor = Monitor::new()?;
/// monitor.add(Server::new(uri)?.max_reconnects(0))?;
/// while !monitor.is_done() {
///     monitor.turn(None, |message| {
///         for event in message.events {
///             if let Event::Sample(sample) = event {
///                 println!("{}: {:?} %", message.server, sample.get(Metric::Cpu));
/// #               samples += 1;
///             }
///         }
///     })?;
/// }
/// # assert_eq!(samples, 1);
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Monitor {
    poll: Poll,
    events: Events,
    /// By the index of their ids. A place is empty once its server has been removed and the connection is closed.
    peers: Vec<Option<Box<Peer>>>,
    schedule: Schedule,
    /// Number of peers that are not done.
    unfinished: usize,
    served: Vec<ServerId>,
    /// The servers that were not removed, in the order in which they were added.
    ids: Vec<ServerId>,
    /// Number of servers ever added.
    added: u64,
    pub(super) clock: Now,
    pub(super) started: Instant,
    clock_jumps: ClockJumps,
    resolver_files: ResolverFiles,
    connectors: Pool,
    memory: ReadMemory,
    own_events: Vec<Event>,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
    calls: CallsOwner,
    paused: bool,
    /// Number of requests.
    requests: u64,
    /// Memory of the latest turn's list of peers.
    spare: Vec<usize>,
}

/// Stops a monitor from another thread or from a signal handler.
#[derive(Clone, Debug)]
pub struct Stopper {
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stopper {
    /// Makes the monitor close its connections and end. It is async-signal-safe.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        // It fails only if the monitor is gone.
        let _gone = self.waker.wake();
    }
}

impl Monitor {
    /// Makes a monitor without servers.
    ///
    /// # Errors
    /// If the system provides no poll, usually because no descriptors are left.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), STOP)?);
        let clock = read_clock();
        Ok(Monitor {
            poll,
            events: Events::with_capacity(MAX_EVENTS),
            peers: Vec::new(),
            schedule: Schedule::default(),
            unfinished: 0,
            served: Vec::new(),
            ids: Vec::new(),
            added: 0,
            clock,
            started: clock.mono,
            clock_jumps: ClockJumps::default(),
            resolver_files: ResolverFiles::default(),
            connectors: Pool::default(),
            memory: ReadMemory::default(),
            own_events: Vec::new(),
            stop: Arc::default(),
            waker,
            calls: CallsOwner::default(),
            paused: false,
            requests: 0,
            spare: Vec::new(),
        })
    }

    /// Returns the ids of all servers, in the order in which they were added.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ServerId> + DoubleEndedIterator + Clone {
        self.ids.iter().copied()
    }

    /// Waits until something happens, for at most `max_wait`, and passes to `on_message` each message that has
    /// arrived and each change of a connection's state. With `None` it waits as long as nothing happens and no timer
    /// is due: for ever, where there are no servers or all are done. A [`Handle`], a [`Stopper`] and the program's own
    /// descriptors end the wait.
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
            self.command_all(Input::ClockJumped);
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
    fn note(&mut self, index: usize) {
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

    /// Returns when [`Monitor::turn`] must be called at the latest, for programs that wait by themselves on
    /// [`AsFd`](std::os::fd::AsFd); `None` when nothing is timed.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.schedule.deadline(self.clock.mono)
    }

    /// Returns the servers that the latest turn has served, since they had events, commands or deadlines. Nothing has
    /// changed about any other.
    #[must_use]
    pub fn served(&self) -> &[ServerId] {
        &self.served
    }

    /// Returns true if every server has been given up, stopped or removed, and none has been told to reconnect since.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.unfinished == 0
    }

    /// Returns true if a server has this id: it was added and not removed.
    #[must_use]
    pub fn contains(&self, id: ServerId) -> bool {
        self.peer(id).is_some()
    }

    /// Returns the number of servers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Returns true if there are no servers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Returns a handle that stops the monitor from a signal handler or another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper { stop: Arc::clone(&self.stop), waker: Arc::clone(&self.waker) }
    }

    /// Reads both clocks now.
    #[must_use]
    pub fn clock(&self) -> Now {
        read_clock()
    }

    /// Returns the clocks as the latest turn read them.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock
    }

    pub(super) fn peer(&self, id: ServerId) -> Option<&Peer> {
        let peer = self.peers.get(id.index())?.as_deref();
        peer.filter(|peer| peer.decoder.id == id && !peer.is_removed())
    }

    fn peer_mut(&mut self, id: ServerId) -> Option<&mut Peer> {
        let peer = self.peers.get_mut(id.index())?.as_deref_mut();
        peer.filter(|peer| peer.decoder.id == id && !peer.is_removed())
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        for peer in self.peers.iter_mut().flatten() {
            peer.link.transport.hang_up();
        }
    }
}

/// Shows labels and states, which hold no secrets.
impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.ids().map(|id| (self.label(id), self.state(id)));
        f.write_str("Monitor ")?;
        f.debug_map().entries(servers).finish()
    }
}

/// Returns the present time as RFC 3339 in UTC with milliseconds.
pub fn timestamp() -> String {
    let mut out = String::new();
    crate::model::number::push_timestamp(&mut out, read_clock().wall);
    out
}
