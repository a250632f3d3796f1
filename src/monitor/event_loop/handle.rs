//! Calls to a monitor from other threads, and from its own callbacks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::{Monitor, Stopper};
use crate::model::request_id::RequestId;
use crate::model::server_id::ServerId;

/// The most calls that wait for the monitor's next turn.
const MAX_WAITING: usize = 1024;

type Call = Box<dyn FnOnce(&mut Monitor) + Send>;

thread_local! {
    /// The calls of the monitors whose turns this thread takes: several where a callback takes a turn of another monitor.
    static TURNING: RefCell<Vec<*const Calls>> = const { RefCell::new(Vec::new()) };
}

/// Reaches a [`Monitor`] from other threads: what is called runs in the monitor's next turn, on its thread. Clones reach the
/// same monitor.
///
/// There is no thread of the library's own: the program's loop takes the turns, and calls wake it. At most 1024 calls wait.
///
/// ```
/// use std::thread;
/// use wsmon::{Monitor, Server};
///
/// # let uri = doc::serve(1);
/// let mut monitor = Monitor::new()?;
/// let id = monitor.add(uri.parse::<Server>()?)?;
/// let handle = monitor.handle();
/// let other = thread::spawn(move || {
///     // Blocks until the monitor has taken a turn.
///     let state = handle.call(move |monitor| monitor.state(id))?;
///     handle.run(|monitor| println!("{}", monitor.statistics().messages_received));
///     handle.stop();
///     Some(state)
/// });
/// while !monitor.is_done() {
///     monitor.turn(None, |message| println!("{message:?}"))?;
/// }
/// drop(monitor);
/// assert!(other.join().is_ok_and(|state| state.is_some()));
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A thread of the program's own that watches a server, and hands its messages on:
///
/// ```
/// use std::sync::mpsc::sync_channel;
/// use std::thread;
/// use wsmon::Watch;
///
/// # let uri = doc::serve(3);
/// let mut watch = Watch::new(uri.parse()?)?;
/// let handle = watch.handle();
/// let (sender, receiver) = sync_channel(64);
/// let watching = thread::spawn(move || {
///     // A full channel holds the watch up, and a closed one ends it.
///     watch.by_ref().find(|message| sender.send(message.clone()).is_err());
///     watch.close()
/// });
/// let sample = receiver.iter().find(|message| message.sample().is_some());
/// # assert!(sample.is_some());
/// drop(receiver);
/// handle.stop();
/// println!("{} messages", watching.join().expect("no panic").messages_received);
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
/// # Ok::<(), wsmon::Error>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    stopper: Stopper,
    calls: Arc<Calls>,
}

/// The calls of one monitor.
#[derive(Default)]
pub(crate) struct Calls {
    state: Mutex<Waiting>,
    /// There is room for a call, or the monitor is gone.
    room: Condvar,
}

#[derive(Default)]
struct Waiting {
    calls: VecDeque<Call>,
    /// Number of requests.
    requests: u64,
    /// True once the monitor is gone.
    closed: bool,
}

/// A monitor's end of its calls. Dropping it ends those that wait.
///
/// The monitor knows them by a trait object, so that a program without handles contains none of their code.
#[derive(Default)]
pub(crate) struct CallsOwner(OnceLock<Arc<dyn Turns>>);

/// The part of a monitor that its calls drive.
pub(crate) trait Turns: Send + Sync {
    /// Begins or ends a turn on this thread.
    fn turning(&self, begins: bool);
    /// Runs the calls that wait.
    fn run(&self, monitor: &mut Monitor);
    /// Ends the calls that wait; there will be no others.
    fn close(&self);
    fn handle(self: Arc<Self>, stopper: Stopper) -> Handle;
}

impl CallsOwner {
    pub(crate) fn get(&self) -> Option<&Arc<dyn Turns>> {
        self.0.get()
    }
}

impl Drop for CallsOwner {
    fn drop(&mut self) {
        if let Some(calls) = self.0.get() {
            calls.close();
        }
    }
}

impl Monitor {
    /// Returns a handle for other threads. To stop from a signal handler there is [`Monitor::stopper`].
    #[must_use]
    pub fn handle(&self) -> Handle {
        let calls = self.calls.0.get_or_init(|| Arc::new(Calls::default()));
        Arc::clone(calls).handle(self.stopper())
    }
}

impl Handle {
    /// Runs `call` in the monitor's next turn and waits for its result. Where 1024 calls wait, it waits for room first.
    ///
    /// Returns `None` if the monitor is gone; and at once in a callback or call of this monitor, whose turn it would wait for:
    /// [`Handle::run`] is for those.
    pub fn call<T: Send + 'static>(&self, call: impl FnOnce(&mut Monitor) -> T + Send + 'static) -> Option<T> {
        if TURNING.with_borrow(|turning| turning.contains(&Arc::as_ptr(&self.calls))) {
            return None;
        }
        let (sender, receiver) = sync_channel(1);
        let mut waiting = self.calls.lock();
        while waiting.calls.len() >= MAX_WAITING && !waiting.closed {
            waiting = self.calls.room.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.closed {
            return None;
        }
        waiting.calls.push_back(Box::new(move |monitor| {
            // The caller waits for it.
            let _received = sender.send(call(monitor));
        }));
        drop(waiting);
        self.wake();
        receiver.recv().ok()
    }

    /// Runs `call` in the monitor's next turn, without waiting for it. Returns false if it will not run: the monitor is gone,
    /// or 1024 calls wait.
    pub fn run(&self, call: impl FnOnce(&mut Monitor) + Send + 'static) -> bool {
        let mut waiting = self.calls.lock();
        if waiting.closed || waiting.calls.len() >= MAX_WAITING {
            return false;
        }
        waiting.calls.push_back(Box::new(call));
        drop(waiting);
        self.wake();
        true
    }

    /// Sends a text message in the monitor's next turn, also from a callback: to reply, give the message's id. Returns false
    /// as [`Handle::run`] does; if the connection is not open by then, the text is dropped.
    ///
    /// ```
    /// # use wsmon::{Monitor, Server};
    /// # let uri = doc::serve(2);
    /// # let mut monitor = Monitor::new()?;
    /// # monitor.add(uri.parse::<Server>()?.max_reconnects(0))?;
    /// let handle = monitor.handle();
    /// # while !monitor.is_done() {
    /// monitor.turn(None, |message| {
    ///     if message.sample().is_some() {
    ///         handle.send(message.id, r#"{"type":"ping"}"#);
    ///     }
    /// })?;
    /// # }
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send(&self, id: ServerId, text: impl Into<String>) -> bool {
        let text = text.into();
        self.run(move |monitor| {
            let _sent_or_dropped = monitor.send(id, &text);
        })
    }

    /// Sends a request in the monitor's next turn, as [`Monitor::request`] does, and returns its id at once, also in a callback.
    /// Returns `None` as [`Handle::run`] returns false. An error is an event of the server:
    /// [`Event::Unanswered`](crate::Event::Unanswered) with [`NoAnswer::NotSent`](crate::NoAnswer::NotSent).
    ///
    /// ```
    /// # use wsmon::{Event, Monitor, Server};
    /// # let uri = doc::serve(2);
    /// # let mut monitor = Monitor::new()?;
    /// # monitor.add(uri.parse::<Server>()?.max_reconnects(0))?;
    /// let handle = monitor.handle();
    /// # while !monitor.is_done() {
    /// monitor.turn(None, |message| {
    ///     for event in message.events {
    ///         match event {
    ///             Event::Sample(sample) if sample.cpu() > Some(90.0) => {
    ///                 handle.request(message.id, "get_status", None);
    ///             }
    ///             Event::Answer(answer) if answer.request.is_some() => println!("{}", answer.text),
    ///             Event::Unanswered(unanswered) => println!("{unanswered}"),
    ///             _ => {}
    ///         }
    ///     }
    /// })?;
    /// # }
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request<'b>(&self, id: ServerId, kind: &str, body: impl Into<Option<&'b str>>) -> Option<RequestId> {
        let request = {
            let mut waiting = self.calls.lock();
            waiting.requests += 1;
            RequestId::from_index(2 * (waiting.requests - 1))
        };
        let (kind, body) = (kind.to_owned(), body.into().map(str::to_owned));
        let runs = self.run(move |monitor| monitor.request_for_handle(request, id, &kind, body.as_deref()));
        runs.then_some(request)
    }

    /// Ends the wait of the monitor's turn, or of its next one.
    pub fn wake(&self) {
        self.stopper.wake();
    }

    /// Makes the monitor close its connections and end.
    pub fn stop(&self) {
        self.stopper.stop();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("waiting", &self.calls.lock().calls.len()).finish_non_exhaustive()
    }
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, close: bool) -> VecDeque<Call> {
        let mut waiting = self.lock();
        waiting.closed |= close;
        self.room.notify_all();
        mem::take(&mut waiting.calls)
    }
}

impl Turns for Calls {
    fn turning(&self, begins: bool) {
        TURNING.with_borrow_mut(|turning| match begins {
            true => turning.push(self),
            false => drop(turning.pop()),
        });
    }

    fn run(&self, monitor: &mut Monitor) {
        self.take(false).into_iter().for_each(|call| call(monitor));
    }

    fn close(&self) {
        // They are dropped here, without the lock: their results never come.
        drop(self.take(true));
    }

    fn handle(self: Arc<Self>, stopper: Stopper) -> Handle {
        Handle { stopper, calls: self }
    }
}
