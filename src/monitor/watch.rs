//! The simplest interface of the library: one server as a blocking iterator of messages.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant, SystemTime};

use crate::model::api_error::{Error, ErrorKind};
use crate::model::error::Disconnect;
use crate::model::event::{ClientState, OwnedMessage};
use crate::model::request_id::RequestId;
use crate::model::sample::Sample;
use crate::model::server_id::ServerId;
use crate::model::stats::Statistics;
use crate::monitor::event_loop::{Handle, Monitor, Stopper};
use crate::monitor::server::Server;

/// Watches the server at a URI, in one of the forms of [`Server::new`], with the defaults of [`Server`]. The
/// first [`next`](Iterator::next) dials it, and it is dialled again whenever the connection is lost.
///
/// # Errors
/// If the URI is wrong, or the system provides no poll.
pub fn watch(uri: &str) -> Result<Watch, Error> {
    Watch::new(Server::new(uri)?)
}

/// Watches one server: a blocking iterator of its messages, with the events that they mean, and of the changes of its
/// connection's state.
///
/// It ends when the server was stopped, or given up because of [`Server::max_reconnects`] or a final error; the last
/// message then has an [`Event::State`](crate::Event::State) with the reason. After [`Watch::reconnect`] it goes on. Trouble with the server is
/// never an error here: it is an event.
///
/// The connection is served only while the program waits for a message: nothing is read, pinged or dialled in between.
/// Many servers drop a client that does not answer their pings, so a program with long work to do must ask often, or
/// hand the messages to another thread: `Watch` and [`OwnedMessage`] are [`Send`].
///
/// Dropping it closes the sockets at once, with a Close frame if it can be sent without waiting; [`Watch::close`] waits for
/// the server's.
///
/// `for message in &mut watch` leaves the watch usable afterwards. To send, or to read statistics, between messages write
/// `while let Some(message) = watch.next()`.
///
/// ```
/// use std::time::Duration;
/// use wsmon::Next;
///
/// # let uri = doc::serve(3);
/// # let uri = uri.as_str();
/// let mut watch = wsmon::watch(uri)?;
/// loop {
///     match watch.next_within(Duration::from_secs(10)) {
///         Next::Message(message) => {
///             if let Some(sample) = message.sample() {
///                 println!("{}: processor at {:?} %", message.server, sample.cpu());
/// #               if sample.cpu() == Some(80.0) { watch.stop() }
///             }
///         }
///         Next::Nothing => println!("no message for 10 s; the connection is {}", watch.state()),
///         Next::Ended => break,
///     }
/// }
/// # assert_eq!(watch.statistics().messages_received, 4);
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Watch {
    monitor: Monitor,
    id: ServerId,
    /// Messages of the latest turn that have not been taken. The next turn begins when it is empty, which bounds it.
    pending: VecDeque<OwnedMessage>,
    failure: Option<io::Error>,
}

/// The result of [`Watch::next_within`].
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// A message.
    Message(Box<OwnedMessage>),
    /// No message within the time.
    Nothing,
    /// No message will come any more.
    Ended,
}

impl Watch {
    /// Watches a server with the given settings.
    ///
    /// # Errors
    /// If the system provides no poll, usually because no descriptors are left.
    pub fn new(server: Server) -> Result<Self, Error> {
        let mut monitor = Monitor::new()?;
        let id = monitor.add(server)?;
        Ok(Watch { monitor, id, pending: VecDeque::new(), failure: None })
    }

    /// Waits for the next message, for at most `timeout`. With `Duration::ZERO` it does what can be done without waiting.
    pub fn next_within(&mut self, timeout: Duration) -> Next {
        self.next_until(self.monitor.clock().mono.checked_add(timeout))
    }

    /// Waits for messages for a time: an iterator that ends when the time is over, or with the watch.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let uri = doc::serve(3);
    /// let mut watch = wsmon::watch(&uri)?;
    /// let cpus = watch.during(Duration::from_secs(60)).filter_map(|message| message.sample()?.cpu());
    /// let first: Vec<f64> = cpus.take(3).collect();
    /// # assert_eq!(first, [60.0, 70.0, 80.0]);
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
    /// # Ok::<(), wsmon::Error>(())
    /// ```
    pub fn during(&mut self, time: Duration) -> impl Iterator<Item = OwnedMessage> {
        let until = self.monitor.clock().mono.checked_add(time);
        std::iter::from_fn(move || match self.next_until(until) {
            Next::Message(message) => Some(*message),
            Next::Nothing | Next::Ended => None,
        })
    }

    /// Waits until the connection is open, for at most `within`. The messages up to then are kept for the iterator.
    ///
    /// # Errors
    /// If the time is over, or the server was given up or stopped: with the cause if there is one.
    pub fn connect(&mut self, within: Duration) -> Result<(), Error> {
        let until = self.monitor.clock().mono.checked_add(within);
        while self.state() != ClientState::Connected {
            let left = until.map(|at| at.saturating_duration_since(self.monitor.clock().mono));
            if left == Some(Duration::ZERO) || self.monitor.is_done() {
                let text = self.last_disconnect().map_or("not connected in time", |why| &why.text);
                return Err(Error::new(ErrorKind::NotOpen, text.to_owned()));
            }
            let pending = &mut self.pending;
            self.monitor.turn(left, |message| pending.push_back(message.into_owned()))?;
        }
        Ok(())
    }

    /// Closes the connection, for at most a second, and returns the final statistics. Messages that have not been taken
    /// are lost.
    #[must_use]
    pub fn close(mut self) -> Statistics {
        self.stop();
        while self.failure.is_none() && !self.monitor.is_done() {
            self.failure = self.monitor.turn(None, |_| ()).err();
        }
        self.statistics()
    }

    /// Sends a text message. Nothing is kept for the next connection.
    ///
    /// # Errors
    /// If the connection is not open, or more than 64 KiB would wait to be sent.
    pub fn send(&mut self, text: &str) -> Result<(), Error> {
        self.monitor.send(self.id, text)
    }

    /// Sends a request of the server's dialect, as [`Monitor::request`] does.
    ///
    /// # Errors
    /// If the connection is not open, the dialect is not known yet or has no such request, or too many are open.
    pub fn request<'b>(&mut self, kind: &str, body: impl Into<Option<&'b str>>) -> Result<RequestId, Error> {
        self.monitor.request(self.id, kind, body)
    }

    /// Closes the connection and opens a new one; starts again with a server that was given up or stopped.
    pub fn reconnect(&mut self) {
        self.monitor.reconnect(self.id);
    }

    /// Closes the connection for good. The iterator ends once it is closed, within a second.
    pub fn stop(&mut self) {
        self.monitor.stop();
    }

    /// Returns a handle that stops the watch from a signal handler or another thread, also while this one waits.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.monitor.stopper()
    }

    /// Returns a handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.monitor.handle()
    }

    /// Returns the state of the connection. Messages that have not been taken yet may report earlier states.
    #[must_use]
    pub fn state(&self) -> ClientState {
        self.monitor.state(self.id)
    }

    /// Returns the server's label.
    #[must_use]
    pub fn label(&self) -> &str {
        self.monitor.label(self.id)
    }

    /// Returns the statistics as of now.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.monitor.statistics()
    }

    /// Returns the times and metrics of the latest samples, as [`Monitor::history`] does.
    pub fn history(&self) -> impl ExactSizeIterator<Item = (SystemTime, Sample<'static>)> + DoubleEndedIterator {
        self.monitor.history(self.id)
    }

    /// Returns the latest sample, also without a history.
    #[must_use]
    pub fn last_sample(&self) -> Option<Sample<'static>> {
        self.monitor.last_sample(self.id)
    }

    /// Returns why the latest connection ended or failed; `None` before the first end.
    #[must_use]
    pub fn last_disconnect(&self) -> Option<&Disconnect> {
        self.monitor.last_disconnect(self.id)
    }

    /// Returns the error of the poll if it ended the iterator. No server can cause that.
    #[must_use]
    pub fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// Returns the server's id in the underlying monitor.
    #[must_use]
    pub fn id(&self) -> ServerId {
        self.id
    }

    /// Returns the underlying monitor, for everything that has no method here.
    #[must_use]
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Returns the underlying monitor. Messages of turns that the program takes by itself do not reach the iterator.
    pub fn monitor_mut(&mut self) -> &mut Monitor {
        &mut self.monitor
    }

    /// Takes turns until there is a message or `until` has passed, and at least one: with no time left a turn still
    /// reads what has arrived.
    fn next_until(&mut self, until: Option<Instant>) -> Next {
        let mut left = None;
        loop {
            if let Some(message) = self.pending.pop_front() {
                return Next::Message(Box::new(message));
            } else if self.failure.is_some() || self.monitor.is_done() {
                return Next::Ended;
            } else if left == Some(Duration::ZERO) {
                return Next::Nothing;
            }
            left = until.map(|at| at.saturating_duration_since(self.monitor.clock().mono));
            let pending = &mut self.pending;
            self.failure = self.monitor.turn(left, |message| pending.push_back(message.into_owned())).err();
        }
    }
}

/// The descriptor of the poll, as of [`Monitor`]. Ask for messages with [`Watch::next_within`] and `Duration::ZERO`, also at
/// the [`Monitor::deadline`].
impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.monitor.as_fd()
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.monitor.as_raw_fd()
    }
}

impl Iterator for Watch {
    type Item = OwnedMessage;

    /// Waits for the next message; `None` if no message will come any more.
    fn next(&mut self) -> Option<OwnedMessage> {
        match self.next_until(None) {
            Next::Message(message) => Some(*message),
            Next::Nothing | Next::Ended => None,
        }
    }
}
