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
mod turn;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mio::event::Event;
use mio::{Events, Poll, Token, Waker};

pub use handle::Handle;

use handle::CallsOwner;

use crate::model::server_id::ServerId;
use crate::model::time::Now;
use crate::monitor::clock::read_clock;
use crate::monitor::clock_jumps::ClockJumps;
use crate::monitor::peer::Peer;
use crate::monitor::schedule::Schedule;
use crate::net::resolver::ResolverFiles;
use crate::net::stream::ReadMemory;
use crate::net::tls::Pool;

/// The most events that one poll returns.
const MAX_EVENTS: usize = 256;
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
