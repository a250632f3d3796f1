//! The simplest interface of the library: one server as a blocking iterator of events.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::model::error::Disconnect;
use crate::model::event::{ClientState, Event, Message, Raw};
use crate::model::sample::Sample;
use crate::model::server_id::ServerId;
use crate::model::stats::Statistics;
use crate::monitor::event_loop::{Monitor, Stopper};
use crate::monitor::server::Server;
use crate::monitor::sources::SettingsError;
use crate::net::transport::SendError;

/// Watches the server at `ws://HOST[:PORT][/PATH]` or `HOST[:PORT][/PATH]`, with the defaults of the command line. The
/// first [`next`](Iterator::next) dials it, and it is dialled again whenever the connection is lost.
///
/// # Errors
/// If the URI is wrong, or the system provides no poll.
pub fn watch(uri: &str) -> Result<Watch, WatchError> {
    Ok(Watch::new(Server::new(uri)?)?)
}

/// Watches one server: a blocking iterator of its events and of the changes of its connection's state.
///
/// It ends when the server was stopped, or given up because of [`Server::max_reconnects`] or a final error; the last
/// event then is an [`Event::State`] with the reason. After [`Watch::reconnect`] it goes on. Trouble with the server is
/// never an error here: it is an event.
///
/// The connection is served only while the program waits for an event: nothing is read, pinged or dialled in between.
/// Many servers drop a client that does not answer their pings, so a program with long work to do must ask often, or
/// hand the events to another thread: `Watch` and [`OwnedMessage`] are [`Send`].
///
/// `for message in &mut watch` leaves the watch usable afterwards. To send, or to read statistics, between events write
/// `while let Some(message) = watch.next()`.
///
/// ```
/// use std::time::Duration;
/// use wsmon::{Event, Metric, Next};
///
/// # let uri = doc::serve(3);
/// # let uri = uri.as_str();
/// let mut watch = wsmon::watch(uri)?;
/// loop {
///     match watch.next_within(Duration::from_secs(10)) {
///         Next::Event(message) => {
///             if let Event::Sample(sample) = &message.event {
///                 println!("{}: processor at {:?} %", message.server, sample.get(Metric::Cpu));
/// #               if sample.get(Metric::Cpu) == Some(80.0) { watch.stop() }
///             }
///         }
///         Next::Nothing => println!("no event for 10 s; the connection is {}", watch.state()),
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
    /// Events of the latest turn that have not been taken. The next turn begins when it is empty, which bounds it.
    pending: VecDeque<OwnedMessage>,
    failure: Option<io::Error>,
}

/// One event of a message, which borrows from nothing. A message with several events becomes several of these.
#[derive(Clone, Debug)]
pub struct OwnedMessage {
    /// The server's label.
    pub server: Arc<str>,
    /// Time of receipt, by this machine's clock.
    pub received_at: SystemTime,
    /// The whole message as it came; `None` for a binary message and for a change of state.
    pub text: Option<Arc<str>>,
    /// The event.
    pub event: Event<'static>,
}

/// The result of [`Watch::next_within`].
#[derive(Clone, Debug)]
pub enum Next {
    /// An event.
    Event(Box<OwnedMessage>),
    /// No event within the time.
    Nothing,
    /// No event will come any more.
    Ended,
}

impl Watch {
    /// Watches a server with the given settings.
    ///
    /// # Errors
    /// If the system provides no poll, usually because no descriptors are left.
    pub fn new(server: Server) -> io::Result<Self> {
        let mut monitor = Monitor::new()?;
        let id = monitor.add(server).map_err(io::Error::other)?;
        Ok(Watch { monitor, id, pending: VecDeque::new(), failure: None })
    }

    /// Waits for the next event, for at most `timeout`. With `Duration::ZERO` it does what can be done without waiting.
    pub fn next_within(&mut self, timeout: Duration) -> Next {
        self.next_until(self.monitor.clock().mono.checked_add(timeout))
    }

    /// Sends a text message. Nothing is kept for the next connection.
    ///
    /// # Errors
    /// If the connection is not open, or more than 64 KiB would wait to be sent.
    pub fn send(&mut self, text: &str) -> Result<(), SendError> {
        self.monitor.send(self.id, text)
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

    /// Returns the state of the connection. Events that have not been taken yet may report earlier states.
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

    /// Returns the metrics of the latest samples, as [`Monitor::history`] does.
    pub fn history(&self) -> impl ExactSizeIterator<Item = Sample<'static>> {
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

    /// Returns the underlying monitor. Events of turns that the program takes by itself do not reach the iterator.
    pub fn monitor_mut(&mut self) -> &mut Monitor {
        &mut self.monitor
    }

    /// Takes turns until there is an event or `until` has passed, and at least one: with no time left a turn still
    /// reads what has arrived.
    fn next_until(&mut self, until: Option<Instant>) -> Next {
        let mut left = None;
        loop {
            if let Some(message) = self.pending.pop_front() {
                return Next::Event(Box::new(message));
            } else if self.failure.is_some() || self.monitor.is_done() {
                return Next::Ended;
            } else if left == Some(Duration::ZERO) {
                return Next::Nothing;
            }
            left = until.map(|at| at.saturating_duration_since(self.monitor.clock().mono));
            let pending = &mut self.pending;
            self.failure = self.monitor.turn(left, &mut |message| pending.extend(owned_messages(message))).err();
        }
    }
}

/// Splits a message into its events. They share one copy of its text.
fn owned_messages(message: &Message<'_>) -> impl Iterator<Item = OwnedMessage> {
    let text: Option<Arc<str>> = match message.raw {
        Raw::Json(text) | Raw::Text(text) if !message.events.is_empty() => Some(text.into()),
        _ => None,
    };
    message.events.iter().map(move |event| OwnedMessage {
        server: Arc::clone(message.server),
        received_at: message.received_at,
        text: text.clone(),
        event: event.clone().into_owned(),
    })
}

impl Iterator for Watch {
    type Item = OwnedMessage;

    /// Waits for the next event; `None` if no event will come any more.
    fn next(&mut self) -> Option<OwnedMessage> {
        match self.next_until(None) {
            Next::Event(message) => Some(*message),
            Next::Nothing | Next::Ended => None,
        }
    }
}

/// The error of [`watch()`].
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchError {
    /// The URI is wrong.
    Settings(SettingsError),
    /// The system provides no poll.
    Io(io::Error),
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WatchError::Settings(error) => error.fmt(f),
            WatchError::Io(error) => write!(f, "poll: {}", crate::model::error::reason(error)),
        }
    }
}

impl std::error::Error for WatchError {}

impl From<SettingsError> for WatchError {
    fn from(error: SettingsError) -> Self {
        WatchError::Settings(error)
    }
}

impl From<io::Error> for WatchError {
    fn from(error: io::Error) -> Self {
        WatchError::Io(error)
    }
}
