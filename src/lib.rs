//! Watches monitoring servers that push JSON over WebSocket.

mod conversation;
#[cfg(feature = "demo")]
pub mod demo;
mod dialect;
mod endpoint;
mod error;
mod event;
mod event_loop;
mod fields;
mod format;
mod hostile;
mod json;
#[doc(hidden)]
pub mod lookup;
mod metric;
mod peer;
#[doc(hidden)]
pub mod race;
mod requests;
#[doc(hidden)]
pub mod resolve;
mod said;
mod server;
mod session;
mod stats;
mod style;
mod transport;
#[doc(hidden)]
pub mod upgrade;

pub use endpoint::{Endpoint, InvalidUri};
pub use error::{Disconnect, Fault, Phase, Retry};
pub use event::*;
pub use event_loop::{DuplicateLabel, Monitor, Stopper};
pub use format::{FORMATS, Format, format};
pub use metric::{METRICS, Metric, MetricRow, Sample, Section, TEXTS, Text, TextRow, Unit};
pub use server::{AddressError, Server};
pub use session::{Now, Policy, Stale};
pub use stats::{PastError, Saved, Spread, Statistics};
pub use style::{Style, escape};
pub use transport::SendError;
