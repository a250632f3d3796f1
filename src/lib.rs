//! Watches monitoring servers that push JSON over WebSocket: processor, memory, disk and GPU of a machine, its alerts
//! and processes, and all other messages.
//!
//! The library uses one thread, no async runtime and no registered callbacks. A program takes messages from a blocking
//! iterator ([`watch()`]), or drives any number of servers turn by turn ([`Monitor`]), also from an event loop of its
//! own. Lost connections are dialled again, silent ones are detected, and every queue has a bound. The command `wsmon`
//! is a program on this library. It runs on Linux, with Rust 1.85 or newer. Without what only the command needs:
//!
//! ```toml
//! [dependencies]
//! wsmon = { version = "0.2", default-features = false, features = ["tls"] }
//! ```
//!
//! | task | item |
//! |---|---|
//! | watch one server | [`watch()`], [`Watch`] |
//! | set reconnection, pings, history, TLS, proxy … | [`Server`], with [`Watch::new`] or [`Monitor::add`] |
//! | watch several servers, or use an event loop of your own | [`Monitor`] |
//! | ask about each server | [`Monitor::peers`], [`Monitor::get`], [`PeerRef`] |
//! | handle messages by their kind | [`Message`], [`OwnedMessage`], [`Event`] |
//! | name a metric, a text or a kind of server | [`Metric`], [`Text`], [`Dialect`]: `parse` and `Display` |
//! | decode messages of your own, test a handler | [`Decoder`], [`Sample::from_metrics`], [`Message::new`] |
//! | read what the command has saved | [`SavedData`] |
//! | ask a server something | [`Monitor::request`], [`Answer`], [`Unanswered`] |
//! | show what a user should know | [`Event::Warning`] |
//! | know why a call has failed | [`Error`], [`ErrorKind`] |
//! | follow the connection | [`Event::State`], [`Change`], [`ClientState`], [`Disconnect`], [`DisconnectKind`], [`Statistics`] |
//! | stop from a signal handler or another thread | [`Stopper`] |
//! | do anything else from another thread, reply from a callback | [`Handle`] |
//! | write the lines of the command | [`format()`], [`Format`], [`Template`] |
//! | keep the latest values of each server, as Prometheus reads them too | [`Board`], [`push_exposition`] |
//! | take means over time | [`Average`] |
//! | compare values with thresholds, over time and over servers | [`Thresholds`], [`Rules`], [`LevelChange`] |
//!
//! # Servers and their addresses
//!
//! A server of each kind has its [`Dialect`], which is recognised by the first messages unless it is set:
//!
//! | dialect | server |
//! |---|---|
//! | `monitoring` | monitoring-websocket-server |
//! | `sysmedic` | SysMedic |
//! | `fastpluggy` | FastPluggy with its WebSocket tool |
//! | `pmdaemon` | PMDaemon |
//! | `neurograph` | NeuroGraph |
//! | `generic` | any other: its JSON or text as it comes |
//!
//! | address | meaning |
//! |---|---|
//! | `ws://HOST[:PORT][/PATH][?QUERY]` | without TLS, port 80 |
//! | `wss://HOST[:PORT][/PATH][?QUERY]` | with TLS, port 443 |
//! | `HOST[:PORT][/PATH]` | without TLS, port 8765, or port and path of the dialect that is set |
//! | `sysmedic://HOST`, `pmdaemons://HOST` … | the dialect of this name, with its port and path; with `s` at the end by TLS |
//! | `ws+unix:///SOCKET[:/PATH][?QUERY]` | a Unix socket |
//!
//! `USER:PASSWORD@` before the host is sent as basic authentication; in `sysmedic://SECRET@HOST` it is the secret.
//!
//! # Examples
//!
//! Print samples, alerts and changes of the connection's state, until the program ends:
//!
//! ```
//! use wsmon::Event;
//!
//! let uri = "ws://192.168.1.100:8765";
//! # let uri = &doc::serve(3);
//! # let mut samples = 0;
//! for message in wsmon::watch(uri)? {
//!     for event in &message.events {
//!         match event {
//!             Event::Sample(sample) => {
//!                 if let Some(percent) = sample.cpu() {
//!                     println!("{}: processor at {percent:.1} %", message.server);
//!                 }
//! #               samples += 1;
//!             }
//!             Event::Alert(alert) => println!("{}: {}", alert.level, alert.message),
//!             // connected; reconnecting in 3.2 s: connect to 192.168.1.100:8765: connection refused; …
//!             Event::State(change) => println!("{}: {change}", message.server),
//!             _ => {}
//!         }
//!     }
//! #   if message.change().is_some_and(|change| change.disconnected()) { break }
//! }
//! # assert_eq!(samples, 3);
//! # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Handle samples above a threshold. The server is given up after five unsuccessful reconnections, and a minute
//! without a message is reported:
//!
//! ```
//! use std::time::Duration;
//! use wsmon::{Metric, Next, Sample, Server, Watch};
//!
//! struct AlertHandler {
//!     threshold: f64,
//! }
//!
//! impl AlertHandler {
//!     /// Returns a line for each metric above the threshold. A metric that the server does not send is `None`.
//!     fn handle(&self, sample: &Sample) -> Vec<String> {
//!         let mut alerts = Vec::new();
//!         for metric in [Metric::Cpu, Metric::Memory] {
//!             if let Some(percent) = sample.get(metric).filter(|percent| *percent > self.threshold) {
//!                 alerts.push(format!("high {}: {percent:.1} %", metric.name()));
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
//! let mut watch = Watch::new(Server::new(uri)?.label("nas").max_reconnects(5))?;
//! loop {
//!     match watch.next_within(Duration::from_secs(60)) {
//!         Next::Message(message) => {
//!             if let Some(sample) = message.sample() {
//!                 for alert in handler.handle(sample) {
//!                     println!("{}: {alert}", message.server);
//! #                   all.push(alert);
//!                 }
//!             }
//! #           if watch.last_disconnect().is_some() { watch.stop() }
//!         }
//!         Next::Nothing => println!("{}: no message, {}", watch.label(), watch.state()),
//!         Next::Ended => break,
//!     }
//! }
//! println!("{} messages in total", watch.statistics().messages_received);
//! # assert_eq!(all, ["high cpu: 90.0 %"]);
//! # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Watch two servers in one loop, each until its connection ends, and print lines in one of the command's formats:
//!
//! ```
//! use wsmon::{Monitor, Server, Style};
//!
//! let (web, db) = ("ws://10.0.0.2:8765", "ws://10.0.0.3:8765");
//! # let (web, db) = (&*doc::serve(2), &*doc::serve(1));
//! # let mut all = String::new();
//! let mut monitor = Monitor::new()?;
//! monitor.add(Server::new(web)?.label("web").max_reconnects(0))?;
//! monitor.add(Server::new(db)?.label("db").max_reconnects(0))?;
//!
//! let format = wsmon::format("simple").ok_or("no such format")?;
//! let style = Style { labels: true, ..Style::default() };
//! let mut lines = String::new();
//! while !monitor.is_done() {
//!     monitor.turn(None, |message| (format.write)(&mut lines, message, &style))?;
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
//! A program with an event loop of its own waits on the monitor's descriptor beside its own ones, at most until the
//! monitor's deadline, and then takes a turn that does not wait. This example uses mio; any poll works:
//!
//! ```
//! use std::io::ErrorKind;
//! use std::os::fd::AsRawFd;
//! use std::time::Duration;
//! use wsmon::mio::{Events, Interest, Poll, Token, unix::SourceFd};
//! use wsmon::{Monitor, Server};
//!
//! let uri = "ws://192.168.1.100:8765";
//! # let uri = &doc::serve(2);
//! # let mut messages = 0;
//! let mut monitor = Monitor::new()?;
//! monitor.add(Server::new(uri)?.max_reconnects(0))?;
//!
//! let mut poll = Poll::new()?;
//! let mut events = Events::with_capacity(64);
//! let descriptor = monitor.as_raw_fd();
//! poll.registry().register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE)?;
//! // Register the program's own descriptors here, with other tokens.
//!
//! while !monitor.is_done() {
//!     // Until the nearest of the program's own deadlines and this one:
//!     let wait = monitor.deadline().map(|at| at.saturating_duration_since(monitor.clock().mono));
//!     match poll.poll(&mut events, wait) {
//!         Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
//!         _ => {}
//!     }
//!     // Handle the program's own events here.
//!     monitor.turn(Duration::ZERO, |message| {
//!         println!("{}: {:?}", message.server, message.events);
//! #       messages += usize::from(message.is_content());
//!     })?;
//! }
//! # assert_eq!(messages, 2);
//! # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Thresholds over a fleet. A change of a level is an event like a server's own alerts, which any format can write:
//!
//! ```
//! use wsmon::{Board, Level, Message, Monitor, Rules, Server, Style, Thresholds};
//!
//! let (web, db) = ("ws://10.0.0.2:8765", "ws://10.0.0.3:8765");
//! # let (web, db) = (&*doc::serve(3), &*doc::serve(1));
//! # let mut all = String::new();
//! let mut thresholds = Thresholds::default();
//! thresholds.add_warnings("cpu=75,memory=80")?;
//! // 90 % for five minutes, and at least two servers that are connected:
//! thresholds.add_criticals("cpu=90/5m,up.sum=2:")?;
//! let (mut rules, mut board) = (Rules::new(thresholds), Board::default());
//!
//! let mut monitor = Monitor::new()?;
//! for (label, uri) in [("web", web), ("db", db)] {
//!     let id = monitor.add(Server::new(uri)?.label(label).max_reconnects(0))?;
//!     board.add(id, label);
//! }
//! let format = wsmon::format("simple").ok_or("no such format")?;
//! let style = Style { labels: true, ..Style::default() };
//! while !monitor.is_done() {
//!     let wait = rules.deadline().map(|at| at.saturating_duration_since(monitor.clock().mono));
//!     let mut changes = Vec::new();
//!     monitor.turn(wait, |message| {
//!         board.update(message);
//!         changes.extend(rules.step(message.received_mono, &mut board));
//!     })?;
//!     changes.extend(rules.step(monitor.now().mono, &mut board));
//!     for change in &changes {
//!         let mut lines = String::new();
//!         let events = [change.event()];
//!         let message = Message::new(&change.server, monitor.now(), &events);
//!         (format.write)(&mut lines, &message, &style);
//!         print!("{lines}"); // web: [ALERT] … WARNING cpu 80.0% (75)
//! #       all.push_str(&lines);
//!     }
//! }
//! assert_eq!(rules.fleet_level(), Level::Critical);
//! # assert!(all.contains(" WARNING cpu 80.0% (75)\n"), "{all}");
//! # assert!(all.contains("*: [ALERT] ") && all.contains(" CRITICAL up.sum "), "{all}");
//! # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Read messages that were saved, one a line with the time of their receipt before them, without any connection:
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use wsmon::{Decoder, Metric};
//!
//! let saved = r#"1767323045 {"type": "monitoring_data", "data": {"processor": {"usage_percent": 45.2}}}"#;
//! let mut decoder = Decoder::new(None);
//! let mut hottest = f64::NAN;
//! for line in saved.lines() {
//!     let (seconds, text) = line.split_once(' ').ok_or("a time")?;
//!     let received_at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.parse()?);
//!     decoder.decode(text, received_at, |message| {
//!         hottest = message.sample().and_then(|sample| sample.get(Metric::Cpu)).map_or(hottest, |cpu| hottest.max(cpu));
//!     });
//! }
//! assert_eq!(hottest, 45.2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The mean over a cluster, by the latest sample of each server, once a minute:
//!
//! ```
//! use std::time::Duration;
//! use wsmon::{ClientState, Monitor};
//!
//! fn mean(monitor: &Monitor) -> Option<f64> {
//!     let up = monitor.peers().filter(|peer| peer.state() == ClientState::Connected);
//!     let loads: Vec<f64> = up.filter_map(|peer| peer.last_sample()?.cpu()).collect();
//!     (!loads.is_empty()).then(|| loads.iter().sum::<f64>() / loads.len() as f64)
//! }
//!
//! # let mut monitor = Monitor::new()?;
//! # for uri in [doc::serve(1), doc::serve(2)] { monitor.add(uri.parse::<wsmon::Server>()?.max_reconnects(0))?; }
//! let mut next = monitor.clock().mono;
//! while !monitor.is_done() {
//!     let now = monitor.clock().mono;
//!     if now >= next {
//!         println!("{:?}", mean(&monitor));
//!         next = now + Duration::from_secs(60);
//!     }
//!     monitor.turn(next.saturating_duration_since(now), |_| ())?;
//! }
//! # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doc.rs")); }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In an async program the monitor's descriptor is one to wait for. With tokio that is
//! `AsyncFd::with_interest(monitor, Interest::READABLE)`: await `readable()`, at most until the [`Monitor::deadline`], call
//! `clear_ready()`, then take a turn with `Duration::ZERO`. In this order: the sockets behind the descriptor are
//! edge-triggered.
//!
//! Whole programs are in `tests/examples` of the sources: `callbacks`, with handlers that can fail; `thresholds`;
//! `cluster_mean`; `sqlite`, which keeps each sample in a database; `async_fd`, for tokio; `own_loop`, with poll(2);
//! `replay`, of a file that the command has saved; `stop_signal`.
//!
//! # Units and times
//!
//! Units of servers are converted: percentages are usually 0 to 100 (servers may send others), sizes are bytes,
//! temperatures are degrees Celsius, times are seconds; [`METRICS`] has the unit of each metric. A metric that a server
//! does not send, or sends as null or NaN, is `None` and never 0. Times of receipt are read from this machine's clock;
//! the server's own time stamp is kept as its text ([`Sample::at`]). Every setting that is a time is a
//! [`Duration`](std::time::Duration).
//!
//! # Behaviour towards the process and the system
//!
//! - It prints nothing and reads no arguments. Warnings about a server are events, [`Event::Warning`]. To the
//!   [`log`](https://docs.rs/log) crate it writes how each connection goes, a few lines for each, under the target
//!   `wsmon::server`.
//! - It installs no signal handlers and starts no threads. Nothing happens between turns: nothing is read, no ping is
//!   sent or answered, nothing is dialled.
//! - Dropping a [`Monitor`] or [`Watch`] closes its sockets at once, each with a Close frame if that can be sent without
//!   waiting. To wait for the answers of the servers, call `stop` and take turns until [`Monitor::is_done`], or call
//!   [`Watch::close`].
//! - A turn waits for nothing but its poll. Host names are looked up by the library's own resolver, which reads
//!   `/etc/hosts` and `/etc/resolv.conf` and asks the name servers through the same poll; it knows neither
//!   `nsswitch.conf` nor mDNS. Files named in a [`Server`]'s settings are read with plain blocking reads before each
//!   connection.
//! - Of the environment it reads nothing but the proxy variables, and those only with [`Server::proxy_from_env`]. For the
//!   system's certificates, `SSL_CERT_FILE` and `SSL_CERT_DIR` are read, and OpenSSL may read more.
//! - It sends only what WebSocket requires, what a server's dialect requires, and what the program sends.
//! - Text from servers is not changed: [`escape`] it before it goes to a terminal. The [`FORMATS`] do so.
//!
//! # Features
//!
//! - `cli` (default): the dependencies of the command: arguments, the log on stderr, signals. A program that uses the
//!   library does not need it, and should leave it out by `default-features = false`: it removes all of the program's own
//!   records below the level `info` from a release build (`release_max_level_info` of `log`).
//! - `demo` (default): the module `demo`, the server of the command's own demonstration.
//! - `tls` (default): `wss://`, with the system's OpenSSL. Without it such an address is an error that says so.
//! - `tls-vendored`: the same with an OpenSSL that is compiled along and linked statically.
//! - `serde`: [`Event`], [`Sample`], [`Message`], [`OwnedMessage`], [`Change`], [`Disconnect`] and [`Statistics`] implement
//!   `serde::Serialize`, with the members of the format `events`.
//!
//! [`mio`] is part of the interface ([`Monitor::registry`], [`Monitor::own_events`]) and therefore exported: its next
//! major version will be a major version of this crate too. A program that registers descriptors in the monitor's own poll
//! takes the tokens of [`Monitor::own_token`]. That poll has a waker already, for [`Stopper`] and [`Handle`]: a program
//! cannot add a `mio::Waker`, and needs none.
//!
//! # Sources
//!
//! WebSocket is RFC 6455, its upgrade RFC 9110 and 9112. The messages of servers were recorded from real ones and
//! compared with their documentation; the source of each fact is named in the file of its dialect.

#[cfg(feature = "demo")]
pub mod demo;
mod fleet;
mod format;
mod model;
mod monitor;
mod net;
mod proto;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod testing;

pub use fleet::average::Average;
pub use fleet::board::{Board, BoardProcess, BoardRow};
pub use fleet::exposition::push_exposition;
pub use fleet::grammar::{Level, Rule, Threshold, Thresholds};
pub use fleet::perfdata::push_perfdata;
pub use fleet::quantity::{Aggregate, Quantity, Subject};
pub use fleet::range::Range;
pub use fleet::rules::{LevelChange, Rules};
pub use format::style::Style;
pub use format::template::Template;
pub use format::{FORMATS, Format, format};
pub use mio;
pub use model::api_error::{Error, ErrorKind};
pub use model::dialect::Dialect;
pub use model::error::{Disconnect, DisconnectKind, Fault, Phase, Retry};
pub use model::event::{
    Alert, AlertPhase, Answer, Change, ClientState, Event, LogLine, Message, NoAnswer, Notice, OwnedMessage, OwnedRaw,
    Process, ProcessChange, Processes, Raw, ServerError, TaskResult, Unanswered, Unknown, User, Users, Warning,
};
pub use model::metric::{METRICS, Metric, MetricRow, Section, TEXTS, Text, TextRow, Unit};
pub use model::request_id::RequestId;
pub use model::sample::Sample;
pub use model::server_id::ServerId;
pub use model::stats::{PastError, Saved, Statistics, Summary};
pub use model::text::escape;
pub use model::time::Now;
pub use monitor::decoder::Decoder;
pub use monitor::event_loop::{Handle, Monitor, Stopper};
pub use monitor::inspect::PeerRef;
pub use monitor::saved::SavedData;
pub use monitor::server::Server;
pub use monitor::watch::{Next, Watch, watch};
pub use proto::dialect::{sent_names, usual_places};
pub use proto::dns::Family;
pub use proto::session::Stale;

/// Internals that the command and the tests under tests/ need. They are not part of the public interface and may change at any time.
#[doc(hidden)]
pub mod internal {
    pub use crate::fleet::table::Table as FleetTable;
    pub use crate::format::push_alert;
    pub use crate::model::decimal::Decimal;
    pub use crate::model::duration;
    pub use crate::model::json::push_string as push_json_string;
    pub use crate::model::setting::name_options;
    pub use crate::model::spelling::closest;
    pub use crate::model::text::cut;
    pub use crate::model::time::earliest;
    pub use crate::model::trace::{SERVER_TARGET, debug as log_debug, of_server as log_of_server};
    pub use crate::monitor::clock::timestamp;
    pub use crate::monitor::saved::line;
    pub use crate::monitor::timetable::Timetable;
    pub use crate::net::file::{read as read_file, read_text};
    pub use crate::net::tls;
    pub use crate::proto::http::head::{HeadError, read_request};
    pub use crate::proto::http::upgrade;
}

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
