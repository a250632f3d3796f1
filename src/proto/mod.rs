//! The protocols, without a socket, a file or a clock: WebSocket sessions, the servers' dialects, HTTP, URIs, DNS.
//!
//! Time, random numbers and bytes that have arrived are arguments; actions, texts to send and errors are results. So each
//! of them is tested without a connection, and the outer folders carry out what they decide.

pub mod dialect;
pub mod dns;
pub mod fragments;
pub mod frames;
pub mod http;
pub mod inflate;
pub mod session;
pub mod uri;
