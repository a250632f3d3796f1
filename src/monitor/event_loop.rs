//! Joins sessions, sockets and dialects: the only poll, the only clock.
//!
//! One turn: wait, poll, read the clock once, let every peer that has news go on, then tell whoever has a deadline.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use mio::event::Event;
use mio::{Events, Poll, Registry, Token, Waker};

use crate::model::error::Disconnect;
use crate::model::event::{ClientState, Message};
use crate::model::sample::Sample;
use crate::model::stats::Statistics;
use crate::model::time::{Now, earliest};
use crate::monitor::peer::{Context, Peer};
use crate::monitor::random::Random;
use crate::monitor::server::Server;
use crate::net::resolver::ResolverFiles;
use crate::net::tls::Pool;
use crate::net::transport::SendError;
use crate::proto::session::Input;

/// The most events that a turn takes from the poll.
const MOST_EVENTS: usize = 256;
/// No more dials are in progress at a time.
const MOST_DIALS: usize = 64;
/// No more TLS handshakes are in progress at a time: each costs milliseconds that nobody else has. One that has lasted
/// for a second waits for its server and no longer counts.
const MOST_HANDSHAKES: usize = 8;
/// A poll that returns so much after its time may not have looked again.
const LATE: Duration = Duration::from_millis(100);
/// How far the clocks may disagree about a turn before it counts as a jump.
const JUMP: Duration = Duration::from_secs(5);
/// A jump makes all peers ping at most once in this time.
const JUMP_EVERY: Duration = Duration::from_secs(60);
/// The handle's token; peers count up from 0.
const STOP: Token = Token(usize::MAX);
/// The tokens below [`STOP`] that a program may use for descriptors of its own.
const OWN: usize = usize::MAX - 64;

/// Watches any number of servers on one thread.
///
/// Everything happens in [`Monitor::turn`]: a program calls it in a loop, or, with a loop of its own, whenever the
/// descriptor ([`AsFd`]) is readable, and at the latest at [`Monitor::deadline`]; after `add`, `send` and the like
/// the deadline may be nearer than before. A turn takes at most 64 messages or 256 KiB from each server.
///
/// Servers go by the numbers that [`Monitor::add`] gives. As with a slice, a number that no server has is a panic.
///
/// ```
/// use wsmon::{Event, Metric, Monitor, Server};
///
/// # let uri = doc::serve(1);
/// # let uri = uri.as_str();
/// # let mut samples = 0;
/// let mut monitor = Monitor::new()?;
/// monitor.add(Server::new(uri)?.max_reconnects(Some(0)))?;
/// while !monitor.is_done() {
///     monitor.turn(None, &mut |shown| {
///         for event in shown.events {
///             if let Event::Sample(sample) = event {
///                 println!("{}: {:?} %", shown.server, sample.get(Metric::Cpu));
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
    peers: Vec<Peer>,
    clock: Now,
    started: Instant,
    jumped_at: Option<Instant>,
    random: Random,
    names: ResolverFiles,
    connectors: Pool,
    /// What sockets are read through, one after the other.
    block: Vec<u8>,
    woken: Vec<Event>,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
    paused: bool,
}

/// Ends a monitor from elsewhere: another thread, or a signal handler.
#[derive(Clone, Debug)]
pub struct Stopper {
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stopper {
    /// Makes the monitor close its connections and end. Does nothing that a signal handler must not do.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // It fails only where the monitor is gone.
        let _gone = self.waker.wake();
    }
}

impl Monitor {
    /// A monitor without servers.
    ///
    /// # Errors
    /// Where the system gives no poll: usually for want of descriptors.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), STOP)?);
        let clock = read_clock();
        Ok(Monitor {
            poll,
            events: Events::with_capacity(MOST_EVENTS),
            peers: Vec::new(),
            clock,
            started: clock.mono,
            jumped_at: None,
            random: Random::new(),
            names: ResolverFiles::default(),
            connectors: Pool::default(),
            block: Vec::new(),
            woken: Vec::new(),
            stop: Arc::default(),
            waker,
            paused: false,
        })
    }

    /// Adds a server, which is dialled in the next turn. Gives its number, counted from 0.
    ///
    /// # Errors
    /// Where a server has the same label already.
    pub fn add(&mut self, server: Server) -> Result<usize, DuplicateLabel> {
        let given = server.settings.label.is_some();
        let mut peer = Peer::new(server, self.clock);
        let (label, mut number) = (peer.label.clone(), 1);
        while self.peers.iter().any(|other| *other.label == *peer.label) {
            if given {
                return Err(DuplicateLabel(label.to_string()));
            }
            // Two paths of one host: the labels must differ all the same.
            number += 1;
            peer.label = format!("{label}#{number}").into();
        }
        self.peers.push(peer);
        Ok(self.peers.len() - 1)
    }

    /// Waits until something happens, at most so long, and hands out what has: each message with what it means,
    /// each change of a connection's state.
    ///
    /// # Errors
    /// Where the poll fails, which no server can bring about.
    pub fn turn(&mut self, max_wait: Option<Duration>, on: &mut dyn FnMut(&Message<'_>)) -> io::Result<()> {
        self.woken.clear();
        let before = self.clock;
        self.wait(max_wait)?;
        self.notice_jump(before);
        if self.stop.swap(false, Ordering::Relaxed) {
            self.stop();
        }
        let mut dials = MOST_DIALS.saturating_sub(self.dialling());
        let mut handshakes = self.free_handshakes();
        for (id, peer) in self.peers.iter_mut().enumerate() {
            let mut context = Context {
                id,
                now: self.clock,
                registry: self.poll.registry(),
                random: &mut || self.random.bits(),
                names: &mut self.names,
                connectors: &mut self.connectors,
                handshakes: &mut handshakes,
                block: &mut self.block,
                on,
            };
            peer.marked |= peer.is_queued() && *context.handshakes > 0;
            peer.read(&mut context, self.paused);
            peer.tick(&mut context, &mut dials, self.paused);
        }
        Ok(())
    }

    /// When [`Monitor::turn`] has to be called at the latest, for programs that wait by themselves on [`AsFd`];
    /// `None` when nothing is timed.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let may_dial = self.dialling() < MOST_DIALS;
        let mut deadline = self.queue_moves_at();
        for peer in &self.peers {
            deadline = earliest(deadline, peer.deadline(self.clock, may_dial, self.paused));
        }
        deadline
    }

    /// Whether every server has been given up or stopped, and none has been told to reconnect since.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.peers.iter().all(Peer::is_done)
    }

    /// How many servers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Sends a text message. Nothing is queued over a reconnection.
    ///
    /// # Errors
    /// Where the connection is not open, or more than 64 KiB would wait to be sent.
    pub fn send(&mut self, id: usize, text: &str) -> Result<(), SendError> {
        self.peers[id].send(self.clock, text)
    }

    /// Closes the connection and opens a new one; begins anew with a server that was given up or stopped. It happens
    /// in the next turn. Where a dial is under way, that one is it.
    pub fn reconnect(&mut self, id: usize) {
        self.peers[id].command(Input::Reconnect);
    }

    /// Closes every connection, from the next turn on; [`Monitor::is_done`] once that has come about, within a second.
    pub fn stop(&mut self) {
        for id in 0..self.len() {
            self.stop_one(id);
        }
    }

    /// Closes one server's connection for good, from the next turn on.
    pub fn stop_one(&mut self, id: usize) {
        self.peers[id].command(Input::Stop);
    }

    /// A handle that stops the monitor from a signal handler or another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper { stop: Arc::clone(&self.stop), waker: Arc::clone(&self.waker) }
    }

    /// The state of one server's connection.
    #[must_use]
    pub fn state(&self, id: usize) -> ClientState {
        self.peers[id].session.client_state()
    }

    /// The name of the server's dialect; `auto` as long as it has not been recognised.
    #[must_use]
    pub fn dialect(&self, id: usize) -> &'static str {
        self.peers[id].dialect()
    }

    /// Whether requests to the server have answers; `None` as long as its dialect is not known.
    #[must_use]
    pub fn has_answers(&self, id: usize) -> Option<bool> {
        self.peers[id].has_answers()
    }

    /// The server's label.
    #[must_use]
    pub fn label(&self, id: usize) -> &str {
        &self.peers[id].label
    }

    /// One server's statistics.
    #[must_use]
    pub fn statistics_of(&self, id: usize) -> Statistics {
        self.peers[id].statistics(self.clock, self.started)
    }

    /// The statistics of all servers: the totals, and with several each one's own.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut servers = Vec::new();
        for id in 0..self.len() {
            servers.push((self.label(id).to_owned(), self.statistics_of(id)));
        }
        Statistics::total(servers)
    }

    /// The last samples, oldest first: at most 1000, and none unless [`Server::history`] asked for them.
    pub fn history(&self, id: usize) -> impl ExactSizeIterator<Item = &Sample<'static>> {
        self.peers[id].history.iter()
    }

    /// The latest sample, with or without a history. It is read again from its message, so ask seldom.
    #[must_use]
    pub fn last_sample(&self, id: usize) -> Option<Sample<'static>> {
        self.peers[id].last_sample()
    }

    /// Why the server's latest connection ended or failed; `None` before the first end.
    #[must_use]
    pub fn last_disconnect(&self, id: usize) -> Option<&Disconnect> {
        self.peers[id].last_disconnect.as_deref()
    }

    /// Both clocks, read now.
    #[must_use]
    pub fn clock(&self) -> Now {
        read_clock()
    }

    /// The clocks as the latest turn read them.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock
    }

    /// Stops reading from the servers, or goes on: for programs that cannot take more for a while. Pings and timers
    /// go on, the deadlines for pongs and messages are frozen, the servers' pings go unanswered.
    pub fn pause(&mut self, paused: bool) {
        if std::mem::replace(&mut self.paused, paused) != paused {
            let input = if paused { Input::Paused } else { Input::Resumed };
            for peer in &mut self.peers {
                peer.session.handle(self.clock, input);
                peer.marked = true;
            }
        }
    }

    /// Where a program without a loop of its own registers its descriptors, with tokens from [`Monitor::own_token`]:
    /// a turn ends when one of them is ready, and [`Monitor::woken`] says which.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// One of 64 tokens for descriptors of the program; `n` from 0 to 63.
    #[must_use]
    pub fn own_token(n: usize) -> Token {
        Token(OWN + n % 64)
    }

    /// The latest turn's news of descriptors of the program.
    #[must_use]
    pub fn woken(&self) -> &[Event] {
        &self.woken
    }

    /// Waits and reads the clock. What had arrived by then counts before any deadline.
    fn wait(&mut self, max_wait: Option<Duration>) -> io::Result<()> {
        let asked = Instant::now();
        let wait = self.deadline().map(|at| at.saturating_duration_since(asked));
        let wait = [wait, max_wait].into_iter().flatten().min();
        let mut complete = self.poll(wait)?;
        self.clock = read_clock();
        // A process that was stopped comes out of the poll interrupted, or late and told of nothing.
        let late = wait.is_some_and(|wait| self.clock.mono.duration_since(asked) > wait.saturating_add(LATE));
        complete &= !late;
        // Each poll tells of other peers than the one before, so that these tell of all.
        for _ in 0..=self.peers.len() / MOST_EVENTS {
            if complete {
                break;
            }
            complete = self.poll(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Marks whom the poll tells of. Whether that is certainly all there was to tell.
    fn poll(&mut self, wait: Option<Duration>) -> io::Result<bool> {
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            result => result?,
        }
        for event in &self.events {
            match event.token() {
                STOP => {}
                token if token.0 >= OWN => self.woken.push(event.clone()),
                token => {
                    if let Some(peer) = self.peers.get_mut(token.0) {
                        peer.marked = true;
                    }
                }
            }
        }
        Ok(self.events.iter().count() < MOST_EVENTS)
    }

    /// After a suspend or a step of the wall clock the servers may be gone: ping them now, but not all the time.
    fn notice_jump(&mut self, before: Now) {
        let mono = self.clock.mono - before.mono;
        let ahead = self
            .clock
            .wall
            .duration_since(before.wall)
            .map_or_else(|error| error.duration() + mono, |wall| wall.abs_diff(mono));
        let recent = self.jumped_at.is_some_and(|at| self.clock.mono - at < JUMP_EVERY);
        if ahead > JUMP && !recent {
            self.jumped_at = Some(self.clock.mono);
            log::debug!(
                "the clock jumped by {}: pinging every server",
                humantime::format_duration(Duration::from_secs(ahead.as_secs()))
            );
            self.peers.iter_mut().for_each(|peer| peer.command(Input::ClockJumped));
        }
    }

    fn free_handshakes(&self) -> usize {
        MOST_HANDSHAKES.saturating_sub(self.handshakes().0)
    }

    /// When the next one of those that wait may begin its TLS handshake, unless one of them ends before.
    fn queue_moves_at(&self) -> Option<Instant> {
        self.peers.iter().find(|peer| peer.is_queued())?;
        if self.free_handshakes() > 0 { Some(self.clock.mono) } else { self.handshakes().1 }
    }

    /// How many TLS handshakes are under way, and when the first of them no longer counts.
    fn handshakes(&self) -> (usize, Option<Instant>) {
        let (mut count, mut first) = (0, None);
        for peer in &self.peers {
            let until = peer.busy_until().filter(|until| *until > self.clock.mono);
            count += usize::from(until.is_some());
            first = earliest(first, until);
        }
        (count, first)
    }

    fn dialling(&self) -> usize {
        self.peers.iter().filter(|peer| peer.session.is_opening()).count()
    }
}

/// Shows nothing that could hold a secret.
impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = (0..self.len()).map(|id| (self.label(id), self.state(id)));
        f.write_str("Monitor ")?;
        f.debug_map().entries(servers).finish()
    }
}

/// The poll's descriptor: readable when [`Monitor::turn`] would find news. It is to be watched for reading only, and
/// it must not be read.
impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }
}

/// A server that was added has this label already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateLabel(pub String);

impl fmt::Display for DuplicateLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "two servers are called {}: labels must differ", crate::model::text::escape(&self.0))
    }
}

impl std::error::Error for DuplicateLabel {}

fn read_clock() -> Now {
    Now { mono: Instant::now(), wall: SystemTime::now() }
}
