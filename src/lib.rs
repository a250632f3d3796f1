//! Watches monitoring servers that push JSON over WebSocket.

// For the binary's `--demo` and the tests only.
#[doc(hidden)]
pub mod upgrade;
