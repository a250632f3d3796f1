//! Watches monitoring servers that push JSON over WebSocket.

mod event;
mod fields;
mod format;
mod hostile;
mod json;
mod metric;
mod stats;
mod style;

pub use event::*;
pub use format::{FORMATS, Format};
pub use metric::{METRICS, Metric, MetricRow, Sample, Section, TEXTS, Text, TextRow, Unit};
pub use stats::{PastError, Saved, Spread, Statistics};
pub use style::{Style, escape};
