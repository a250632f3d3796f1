//! The wait for events, and the program's own descriptors in the monitor's poll.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use mio::event::Event;
use mio::{Registry, Token};

use super::{MAX_EVENTS, Monitor, STOP};
use crate::model::server_id::ServerId;
use crate::monitor::clock::{monotonic, read_clock};

/// A poll that returns this long after its timeout may have missed events: the process was not running.
const LATE: Duration = Duration::from_millis(100);
/// The first of 64 tokens for the program's own descriptors, below [`STOP`].
const OWN_TOKENS: usize = usize::MAX - 64;

impl Monitor {
    /// Returns the poll's registry. A program without a loop of its own registers its descriptors here, with tokens
    /// from [`Monitor::own_token`]: a turn ends when one of them is ready, and [`Monitor::own_events`] lists it.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Returns one of 64 tokens for the program's own descriptors; `n` is 0 to 63.
    #[must_use]
    pub fn own_token(n: usize) -> Token {
        Token(OWN_TOKENS + n % 64)
    }

    /// Returns the events of the program's own descriptors in the latest turn.
    #[must_use]
    pub fn own_events(&self) -> &[Event] {
        &self.own_events
    }

    /// Polls until something is ready, the nearest deadline or `max_wait`, then reads the clock for this turn.
    ///
    /// A turn must know of everything that had arrived when it reads the clock, because it judges deadlines by that
    /// clock: a pong that lies in the socket by then is in time. One poll does not ensure that, so the loop looks a
    /// second time, without waiting and after reading the clock, where the first look may have been incomplete:
    ///
    /// - A signal interrupted the poll. It reports no events then, whatever is ready.
    /// - The process was stopped inside the poll (SIGSTOP, a suspended machine). The poll returns long after its
    ///   timeout and may report nothing of what arrived meanwhile.
    /// - The list of events is full, and more peers may be ready than it holds.
    ///
    /// Sockets are edge-triggered: the system reports each of them once, so that each look finds other peers than the
    /// one before, and one look per `MAX_EVENTS` peers finds them all. That number also bounds the loop when every
    /// look is interrupted.
    pub(super) fn wait(&mut self, max_wait: Option<Duration>) -> io::Result<()> {
        let asked = monotonic();
        let timeout = self.deadline().map(|at| at.saturating_duration_since(asked));
        let timeout = match (timeout, max_wait) {
            (Some(timeout), Some(max_wait)) => Some(timeout.min(max_wait)),
            (timeout, max_wait) => timeout.or(max_wait),
        };
        let mut complete = self.poll_once(timeout)?;
        self.clock = read_clock();
        let late = timeout.is_some_and(|timeout| self.clock.mono.duration_since(asked) > timeout.saturating_add(LATE));
        complete &= !late;
        for _ in 0..=self.peers.len() / MAX_EVENTS {
            if complete {
                break;
            }
            complete = self.poll_once(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Polls once and marks the peers that are ready. Returns false if more may be ready than were reported.
    fn poll_once(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            result => result?,
        }
        for event in &self.events {
            match event.token() {
                STOP => {}
                token if token.0 >= OWN_TOKENS => self.own_events.push(event.clone()),
                Token(token) => {
                    let index = ServerId::index_of_token(token);
                    let peer = self.peers.get_mut(index).and_then(Option::as_mut);
                    if let Some(peer) = peer.filter(|peer| peer.decoder.id.token() == token) {
                        peer.ready = true;
                        peer.ends |= event.is_read_closed() || event.is_error();
                        self.schedule.mark(index);
                    }
                }
            }
        }
        Ok(self.events.iter().count() < MAX_EVENTS)
    }
}

/// The poll's descriptor, which is readable when [`Monitor::turn`] has something to do. Watch it for readability only,
/// and do not read from it.
impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }
}

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
