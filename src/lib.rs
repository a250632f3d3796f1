//! Watches monitoring servers that push JSON over WebSocket.

#[cfg(feature = "demo")]
pub mod demo;
// For the binary's `--demo` and the tests only.
#[doc(hidden)]
pub mod upgrade;
