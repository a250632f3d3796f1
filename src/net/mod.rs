//! Connections, TLS and the resolver over non-blocking sockets.

pub mod file;
pub mod resolver;
pub mod socket;
pub mod stream;
pub mod tls;
pub mod transport;
pub mod violation;
