//! The upgrade of a connection: its request, and the WebSocket that it becomes.

use tungstenite::WebSocket;
use tungstenite::protocol::{Role, WebSocketConfig};

use super::exchange::Exchange;
use super::route::Route;
use super::{ConnectionLimits, LoopIo, READ_BUFFER};
use crate::net::stream::{Metered, Stream};
use crate::proto::http::upgrade::{self, Deflate};

/// An upgrade under way. Once it is granted, the exchange holds only the bytes after the head of the response.
pub struct Upgrading {
    pub stream: Stream,
    pub exchange: Exchange,
    pub key: String,
    /// The way in which the server compresses, once the upgrade is granted.
    pub deflate: Option<Deflate>,
}

impl Upgrading {
    /// Writes the request with a new key.
    pub fn begin(route: &Route, stream: Stream, io: &mut LoopIo<'_>) -> Box<Self> {
        let mut random = [0; 16];
        random[..8].copy_from_slice(&(io.random)().to_ne_bytes());
        random[8..].copy_from_slice(&(io.random)().to_ne_bytes());
        let key = upgrade::key(random);
        let request = route.with_request(&key, upgrade::request);
        route.trace_request(&route.endpoint.target, &request);
        Box::new(Upgrading { stream, exchange: Exchange::new(request), key, deflate: None })
    }

    /// Makes the WebSocket of a granted upgrade.
    pub fn into_socket(self, limits: &ConnectionLimits) -> Box<WebSocket<Metered>> {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(limits.send_bytes)
            .max_message_size(Some(limits.max_message))
            .max_frame_size(Some(limits.max_message));
        let (begun, deflate) = (self.exchange.received, self.deflate);
        let stream = Metered::with_frames(self.stream, begun, limits.max_message, limits.lossy_utf8, deflate);
        Box::new(WebSocket::from_raw_socket(stream, Role::Client, Some(config)))
    }
}
