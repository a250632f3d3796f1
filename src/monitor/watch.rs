//! The library's front door: one server, as a blocking iterator over what it says.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::model::error::Disconnect;
use crate::model::event::{ClientState, Event, Message, Raw};
use crate::model::sample::Sample;
use crate::model::stats::Statistics;
use crate::monitor::address::SettingsError;
use crate::monitor::event_loop::{Monitor, Stopper};
use crate::monitor::server::Server;
use crate::net::transport::SendError;

/// Watches the server at `ws://HOST[:PORT][/PATH]` or `HOST[:PORT][/PATH]`, with the command line's defaults. It is
/// dialled by the first [`next`](Iterator::next), and again whenever the connection is lost.
///
/// # Errors
/// Where the URI is wrong, or the system gives no poll.
pub fn watch(uri: &str) -> Result<Watch, WatchError> {
    Ok(Watch::new(Server::new(uri)?)?)
}

/// Watches one server: a blocking iterator over its events and over what becomes of its connection.
///
/// It ends when the server was given up ([`Server::max_reconnects`], or an error that will not pass) or stopped; the
/// last event then is the [`Event::State`] that says why. After [`Watch::reconnect`] it goes on. Server trouble is no
/// error here: it is an event like any other.
///
/// The connection is served while the program waits for an event, and only then: nothing is read, pinged or dialled
/// in between. Many servers drop a client that does not answer their pings, so a program with long work to do asks
/// often, or hands the events to another thread: `Watch` and [`OwnedMessage`] are [`Send`].
///
/// `for seen in &mut watch` leaves the watch for later use; to send or to ask for statistics in between, write
/// `while let Some(seen) = watch.next()`.
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
///         Next::Event(seen) => {
///             if let Event::Sample(sample) = &seen.event {
///                 println!("{}: processor at {:?} %", seen.server, sample.get(Metric::Cpu));
/// #               if sample.get(Metric::Cpu) == Some(80.0) { watch.stop() }
///             }
///         }
///         Next::Nothing => println!("silence; the connection is {}", watch.state()),
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
    /// What a turn has brought and nobody has taken yet; no turn begins before it is empty.
    waiting: VecDeque<OwnedMessage>,
    failure: Option<io::Error>,
}

/// One event, and where and when it happened. A message that means several things makes several, in its order.
#[derive(Clone, Debug)]
pub struct OwnedMessage {
    /// The server's label.
    pub server: Arc<str>,
    /// When it was received, by this machine's clock.
    pub received_at: SystemTime,
    /// The message as it came, for what its events leave out; `None` where it was binary, and where the event is the
    /// client's own.
    pub text: Option<Arc<str>>,
    /// What happened.
    pub event: Event<'static>,
}

/// What [`Watch::next_within`] has found.
#[derive(Clone, Debug)]
pub enum Next {
    /// An event.
    Event(OwnedMessage),
    /// Nothing within the time.
    Nothing,
    /// There is nothing more to come.
    Ended,
}

impl Watch {
    /// Watches a server with settings of one's own.
    ///
    /// # Errors
    /// Where the system gives no poll: usually for want of descriptors.
    pub fn new(server: Server) -> io::Result<Self> {
        let mut monitor = Monitor::new()?;
        monitor.add(server).map_err(io::Error::other)?;
        Ok(Watch { monitor, waiting: VecDeque::new(), failure: None })
    }

    /// Waits for the next event, at most so long. Without any wait (`Duration::ZERO`) it does what can be done now.
    pub fn next_within(&mut self, within: Duration) -> Next {
        self.next_until(self.monitor.clock().mono.checked_add(within))
    }

    /// Sends a text message. Nothing is queued over a reconnection.
    ///
    /// # Errors
    /// Where the connection is not open, or more than 64 KiB would wait to be sent.
    pub fn send(&mut self, text: &str) -> Result<(), SendError> {
        self.monitor.send(SERVER, text)
    }

    /// Closes the connection and opens a new one; begins anew with a server that was given up or stopped.
    pub fn reconnect(&mut self) {
        self.monitor.reconnect(SERVER);
    }

    /// Closes the connection for good. The iterator ends once that has come about, within a second.
    pub fn stop(&mut self) {
        self.monitor.stop();
    }

    /// A handle that does so from a signal handler or another thread, also while this one waits.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.monitor.stopper()
    }

    /// The state of the connection. Events that nobody has taken yet may tell of earlier ones.
    #[must_use]
    pub fn state(&self) -> ClientState {
        self.monitor.state(SERVER)
    }

    /// The server's label.
    #[must_use]
    pub fn label(&self) -> &str {
        self.monitor.label(SERVER)
    }

    /// The statistics as they are now.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.monitor.statistics()
    }

    /// The last samples, oldest first: at most 1000, and none unless [`Server::history`] asked for them.
    pub fn history(&self) -> impl ExactSizeIterator<Item = &Sample<'static>> {
        self.monitor.history(SERVER)
    }

    /// The latest sample, with or without a history.
    #[must_use]
    pub fn last_sample(&self) -> Option<Sample<'static>> {
        self.monitor.last_sample(SERVER)
    }

    /// Why the latest connection ended or failed; `None` before the first end.
    #[must_use]
    pub fn last_disconnect(&self) -> Option<&Disconnect> {
        self.monitor.last_disconnect(SERVER)
    }

    /// The error of the poll that ended the iterator, if one did. No server can bring it about.
    #[must_use]
    pub fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// The monitor within, for all that is not here. The server's number is 0.
    #[must_use]
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// The same, to be changed: a turn of one's own keeps its events from the iterator.
    pub fn monitor_mut(&mut self) -> &mut Monitor {
        &mut self.monitor
    }

    /// Whether a turn has waited for nothing is known only after it: there is always at least one.
    fn next_until(&mut self, until: Option<Instant>) -> Next {
        let mut left = None;
        loop {
            if let Some(seen) = self.waiting.pop_front() {
                return Next::Event(seen);
            } else if self.failure.is_some() || self.monitor.is_done() {
                return Next::Ended;
            } else if left == Some(Duration::ZERO) {
                return Next::Nothing;
            }
            left = until.map(|at| at.saturating_duration_since(self.monitor.clock().mono));
            self.turn(left);
        }
    }

    fn turn(&mut self, max_wait: Option<Duration>) {
        let Watch { monitor, waiting, failure } = self;
        *failure = monitor.turn(max_wait, &mut |shown| waiting.extend(seen(shown))).err();
    }
}

/// The number of the only server.
const SERVER: usize = 0;

fn seen(shown: &Message<'_>) -> impl Iterator<Item = OwnedMessage> {
    let text: Option<Arc<str>> = match shown.raw {
        Raw::Json(text) | Raw::Text(text) if !shown.events.is_empty() => Some(text.into()),
        _ => None,
    };
    shown.events.iter().map(move |event| OwnedMessage {
        server: Arc::clone(shown.server),
        received_at: shown.received_at,
        text: text.clone(),
        event: event.clone().into_owned(),
    })
}

impl Iterator for Watch {
    type Item = OwnedMessage;

    /// Waits for the next event; `None` when there is nothing more to come.
    fn next(&mut self) -> Option<OwnedMessage> {
        match self.next_until(None) {
            Next::Event(seen) => Some(seen),
            Next::Nothing | Next::Ended => None,
        }
    }
}

/// Why [`watch()`] cannot begin.
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchError {
    /// The URI is wrong.
    Address(SettingsError),
    /// The system gives no poll.
    Io(io::Error),
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WatchError::Address(error) => error.fmt(f),
            WatchError::Io(error) => write!(f, "poll: {}", crate::model::error::reason(error)),
        }
    }
}

impl std::error::Error for WatchError {}

impl From<SettingsError> for WatchError {
    fn from(error: SettingsError) -> Self {
        WatchError::Address(error)
    }
}

impl From<io::Error> for WatchError {
    fn from(error: io::Error) -> Self {
        WatchError::Io(error)
    }
}
