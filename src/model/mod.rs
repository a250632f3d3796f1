//! The types that all other folders share: events, samples, statistics, errors, and text and JSON as servers send them.
//! Imports no other folder.

pub mod api_error;
pub mod base64;
pub mod date;
pub mod decimal;
pub mod dialect;
pub mod duration;
pub mod error;
pub mod event;
pub mod json;
pub mod metric;
pub mod named;
pub mod number;
pub mod request_id;
pub mod sample;
pub mod server_id;
pub mod setting;
pub mod settings_text;
pub mod spelling;
pub mod stats;
pub mod text;
pub mod time;
pub mod trace;
