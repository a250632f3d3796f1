//! Watches monitoring servers that push JSON over WebSocket.

mod dialect;
mod endpoint;
mod error;
mod event;
mod fields;
mod format;
mod json;
mod metric;
mod session;
mod stats;
mod style;

pub use endpoint::{Endpoint, InvalidUri};
pub use error::{Disconnect, Fault, Phase, Retry};
pub use event::*;
pub use format::{FORMATS, Format};
pub use metric::{METRICS, Metric, MetricRow, Sample, Section, TEXTS, Text, TextRow, Unit};
pub use session::{Now, Policy, Stale};
pub use stats::{PastError, Saved, Spread, Statistics};
pub use style::Style;
