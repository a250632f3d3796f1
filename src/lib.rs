//! Watches monitoring servers that push JSON over WebSocket.
