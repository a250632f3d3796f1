//! Watches monitoring servers that push JSON over WebSocket.

#[cfg(feature = "demo")]
pub mod demo;
// Public for the tests, whose servers and clients need it too.
#[doc(hidden)]
pub mod upgrade;
