//! Sockets: connections, TLS and the resolver. Nothing here blocks.

pub mod resolver;
pub mod stream;
pub mod tls;
pub mod transport;
