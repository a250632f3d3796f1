//! The protocols, without a socket, a file or a clock: WebSocket sessions, the servers' dialects, HTTP, URIs, DNS.

pub mod dialect;
pub mod dns;
pub mod fragments;
pub mod frames;
pub mod http;
pub mod inflate;
pub mod session;
pub mod uri;
