//! HTTP as far as a WebSocket client needs it.

pub mod header;
pub mod proxy;
pub mod redirect;
pub mod upgrade;
