//! Watches monitoring servers that push JSON over WebSocket: processor, memory, disk and GPU of a machine, its alerts,
//! and whatever else they say.
//!
//! One thread, no async runtime, no callbacks to register: a program takes events out of a blocking iterator
//! ([`watch()`]), or drives any number of servers turn by turn ([`Monitor`]), in a loop of its own if it has one. Lost
//! connections are dialled again, silent ones are noticed, and every queue has a bound. The command `wsmon` stands on
//! this library and on nothing else.
//!
//! | to | use |
//! |---|---|
//! | watch one server | [`watch()`], [`Watch`] |
//! | say how: reconnection, pings, history … | [`Server`], with [`Watch::new`] or [`Monitor::add`] |
//! | watch several, or have a loop of one's own | [`Monitor`] |
//! | handle messages by what they are | [`Event`] |
//! | know about the connection | [`Event::State`], [`ClientState`], [`Disconnect`], [`Statistics`] |
//! | end from a signal handler or another thread | [`Stopper`] |
//! | write lines as the command does, or others | [`format()`], [`Format`] |
//!
//! # Examples
//!
//! All that a server says, and what becomes of the connection. This goes on until the program ends:
//!
//! ```
//! use wsmon::{Event, Metric};
//!
//! let uri = "ws://192.168.1.100:8765";
//! # let uri = &doc::serve(3);
//! # let mut samples = 0;
//! for seen in wsmon::watch(uri)? {
//!     match &seen.event {
//!         Event::Sample(sample) => {
//!             if let Some(percent) = sample.get(Metric::Cpu) {
//!                 println!("{}: processor at {percent:.1} %", seen.server);
//!             }
//! #           samples += 1;
//!         }
//!         Event::Alert(alert) => println!("{}: {}", alert.level, alert.message),
//!         // connected; reconnecting in 3.2 s: connect to 192.168.1.100:8765: connection refused; …
//!         Event::State(change) => println!("{}: {change}", seen.server),
//!         _ => {}
//!     }
//! #   if matches!(&seen.event, Event::State(change) if change.disconnected()) { break }
//! }
//! # assert_eq!(samples, 3);
//! # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A handler with a threshold. The server is given up after five reconnections in vain, and a minute of silence is
//! worth a word:
//!
//! ```
//! use std::time::Duration;
//! use wsmon::{Event, Metric, Next, Sample, Server, Watch};
//!
//! struct AlertHandler {
//!     threshold: f64,
//! }
//!
//! impl AlertHandler {
//!     /// What is above the threshold. A metric that the server does not send is above nothing.
//!     fn handle(&self, sample: &Sample) -> Vec<String> {
//!         let mut alerts = Vec::new();
//!         for metric in [Metric::Cpu, Metric::Memory] {
//!             if let Some(percent) = sample.get(metric).filter(|percent| *percent > self.threshold) {
//!                 alerts.push(format!("high {}: {percent:.1} %", metric.row().name));
//!             }
//!         }
//!         alerts
//!     }
//! }
//!
//! let uri = "ws://192.168.1.100:8765";
//! # let uri = &doc::serve(4);
//! # let mut all = Vec::new();
//! let handler = AlertHandler { threshold: 85.0 };
//! let mut watch = Watch::new(Server::new(uri)?.label("nas").max_reconnects(Some(5)))?;
//! loop {
//!     match watch.next_within(Duration::from_secs(60)) {
//!         Next::Event(seen) => {
//!             if let Event::Sample(sample) = &seen.event {
//!                 for alert in handler.handle(sample) {
//!                     println!("{}: {alert}", seen.server);
//! #                   all.push(alert);
//!                 }
//!             }
//! #           if watch.last_disconnect().is_some() { watch.stop() }
//!         }
//!         Next::Nothing => println!("{}: silent, {}", watch.label(), watch.state()),
//!         Next::Ended => break,
//!     }
//! }
//! println!("{} messages in all", watch.statistics().messages_received);
//! # assert_eq!(all, ["high cpu: 90.0 %"]);
//! # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Two servers in one loop, shown in one of the command's formats. Each is watched until it closes its connection:
//!
//! ```
//! use wsmon::{Monitor, Server, Style};
//!
//! let (web, db) = ("ws://10.0.0.2:8765", "ws://10.0.0.3:8765");
//! # let (web, db) = (&*doc::serve(2), &*doc::serve(1));
//! # let mut all = String::new();
//! let mut monitor = Monitor::new()?;
//! monitor.add(Server::new(web)?.label("web").max_reconnects(Some(0)))?;
//! monitor.add(Server::new(db)?.label("db").max_reconnects(Some(0)))?;
//!
//! let format = wsmon::format("simple").ok_or("no such format")?;
//! let style = Style { labels: true, ..Style::default() };
//! let mut lines = String::new();
//! while !monitor.is_done() {
//!     monitor.turn(None, &mut |shown| (format.write)(&mut lines, shown, &style))?;
//!     print!("{lines}"); // web: CPU:  60.0% | RAM:  62.8%
//! #   all.push_str(&lines);
//!     lines.clear();
//! }
//! # assert_eq!(all.matches("web: CPU:  60.0%").count(), 1, "{all}");
//! # assert_eq!(all.matches("db: CPU:  60.0%").count(), 1, "{all}");
//! # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A program with a loop of its own waits on the monitor's descriptor beside its own ones, at most until the
//! monitor's deadline, and then lets it do what can be done without waiting. Here with mio; any poll will do:
//!
//! ```
//! use std::io::ErrorKind;
//! use std::os::fd::{AsFd, AsRawFd};
//! use std::time::Duration;
//! use wsmon::mio::{Events, Interest, Poll, Token, unix::SourceFd};
//! use wsmon::{Monitor, Server};
//!
//! let uri = "ws://192.168.1.100:8765";
//! # let uri = &doc::serve(2);
//! # let mut messages = 0;
//! let mut monitor = Monitor::new()?;
//! monitor.add(Server::new(uri)?.max_reconnects(Some(0)))?;
//!
//! let mut poll = Poll::new()?;
//! let mut events = Events::with_capacity(64);
//! let descriptor = monitor.as_fd().as_raw_fd();
//! poll.registry().register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE)?;
//! // … and the program's own descriptors, with other tokens.
//!
//! while !monitor.is_done() {
//!     // Of the program's own deadlines and this one the nearest:
//!     let wait = monitor.deadline().map(|at| at.saturating_duration_since(monitor.clock().mono));
//!     match poll.poll(&mut events, wait) {
//!         Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
//!         _ => {}
//!     }
//!     // … what the program does about its own events.
//!     monitor.turn(Some(Duration::ZERO), &mut |shown| {
//!         println!("{}: {:?}", shown.server, shown.events);
//! #       messages += usize::from(shown.is_content());
//!     })?;
//! }
//! # assert_eq!(messages, 2);
//! # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Units and times
//!
//! Servers' own units are converted: percentages are usually 0 to 100 (servers are not held to it), sizes are bytes,
//! temperatures degrees Celsius, times seconds; [`METRICS`] has the unit of each metric. A metric that a server does
//! not send, or sends as null or NaN, is `None` and never 0. Times of receipt are this machine's; the server's own
//! time stamp is kept as the text that it is ([`Sample::at`]). Every setting that is a time is a
//! [`Duration`](std::time::Duration).
//!
//! # What it does not do
//!
//! - It prints nothing and reads neither arguments nor environment. What it has to say besides events goes to the
//!   [`log`](https://docs.rs/log) crate, a few lines for each connection.
//! - It installs no signal handlers and starts no threads. Nothing happens while no turn is taken.
//! - It sends nothing but what WebSocket itself needs, what a kind of server needs to speak, and what the program
//!   sends.
//! - Text from servers comes as it is: [`escape`] what goes to a terminal. The [`FORMATS`] do.
//! - Host names are looked up by the C library, and a turn waits for that.
//!
//! # Features
//!
//! - `cli` (default): what only the command needs: arguments, the log on stderr, signals. A library does without:
//!   `default-features = false`.
//! - `demo` (default): the `demo` module, the server behind `wsmon --demo`.
//!
//! [`mio`] is part of the interface ([`Monitor::registry`], [`Monitor::own_events`]) and for that reason exported: its next
//! major version will be one of this crate too.
//!
//! # Where the facts come from
//!
//! WebSocket is RFC 6455, its upgrade RFC 9110 and 9112. What servers say was measured with the real ones and compared
//! with their documentation; the source of each fact stands beside it, in the file of its dialect.

#[cfg(feature = "demo")]
pub mod demo;
mod format;
mod model;
mod monitor;
mod net;
mod proto;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod testing;

pub use format::style::Style;
pub use format::{FORMATS, Format, format};
pub use mio;
pub use model::error::{Disconnect, Fault, Phase, Retry};
pub use model::event::{
    Alert, AlertPhase, Answer, Change, ClientState, Event, LogLine, Message, Notice, Process, ProcessChange, Processes,
    Raw, ServerError, Unknown,
};
pub use model::metric::{METRICS, Metric, MetricRow, Section, TEXTS, Text, TextRow, Unit};
pub use model::sample::Sample;
pub use model::stats::{PastError, Saved, Statistics, Summary};
pub use model::text::escape;
pub use model::time::Now;
pub use monitor::address::SettingsError;
pub use monitor::event_loop::{DuplicateLabel, Monitor, Stopper};
pub use monitor::server::Server;
pub use monitor::watch::{Next, OwnedMessage, Watch, WatchError, watch};
pub use net::transport::SendError;
pub use proto::dialect::dialects;
pub use proto::dns::Family;
pub use proto::session::Stale;
pub use proto::uri::InvalidUri;

/// What the tests under tests/ need beyond the public interface: no part of it, and free to change.
#[doc(hidden)]
pub mod internal {
    pub use crate::net::tls;
    pub use crate::proto::http::upgrade;
}

/// The program of the README is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
