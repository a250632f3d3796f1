//! HTTP as far as a WebSocket client needs it: the upgrade, a proxy's CONNECT, redirects and the user's headers.
//! No socket, clock or environment: the caller keeps the bytes that it has read and passes them again when there are
//! more.

pub mod challenge;
pub mod foreign;
pub mod head;
pub mod header;
pub mod proxy;
pub mod redirect;
mod retry_after;
pub mod secrets;
pub mod sha1;
pub mod upgrade;
