//! Connections, TLS and the resolver over non-blocking sockets.
//!
//! `transport` takes a connection from the dial to its last frame, over the `stream` that bounds each turn; the `resolver`
//! carries out the lookups of `proto/dns`; `tls` alone knows OpenSSL.

pub mod file;
pub mod resolver;
pub mod socket;
pub mod stream;
pub mod tls;
pub mod transport;
pub mod violation;
