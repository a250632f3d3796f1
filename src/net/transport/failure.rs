//! The end of an open connection: explains it, and tells the server its fault in a Close frame.

use std::io;

use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Utf8Bytes, WebSocket};

use crate::model::error::{Detail, Disconnect, Fault, Phase};
use crate::model::setting::Setting;
use crate::net::stream::Metered;
use crate::net::tls::TlsError;
use crate::net::violation;
use crate::proto::frames::InvalidText;

/// Handles the server's Close frame. tungstenite has queued the reply; it is sent unless that would block.
pub(super) fn closed_by_server(socket: &mut WebSocket<Metered>, frame: Option<&CloseFrame>) -> Box<Disconnect> {
    let _best_effort = socket.flush();
    match frame {
        // tungstenite replaces codes that must not be sent, such as 1005, by this frame; the code itself is lost.
        Some(frame) if frame.code == CloseCode::Protocol && frame.reason == "Protocol violation" => {
            let text = "the server broke the WebSocket protocol: a Close frame with a reserved code";
            caused_by_server(Disconnect::fault(Phase::Session, Fault::Protocol, text))
        }
        Some(frame) => Disconnect::closed(Some(frame.code.into()), &frame.reason),
        None => Disconnect::closed(None, ""),
    }
}

/// Marks a disconnect as caused by the server.
fn caused_by_server(mut why: Box<Disconnect>) -> Box<Disconnect> {
    why.by_server = true;
    why
}

/// Explains a read error. If the server broke the protocol, it gets a Close frame with the matching code.
pub(super) fn read_failed(socket: &mut WebSocket<Metered>, error: &Error) -> Box<Disconnect> {
    let session = |text: &str| Disconnect::new(Phase::Session, text);
    if let Some(InvalidText { at, byte }) = socket.get_ref().invalid_text() {
        send_close(socket, CloseCode::Invalid);
        const LOSSY: Setting = Setting("Server::lossy_utf8");
        let text = format!("the server sent a text message that is not UTF-8 (byte {at}: 0x{byte:02x}): see {LOSSY}");
        return Disconnect::fault(Phase::Session, Fault::InvalidText, text);
    }
    if let Some(what) = socket.get_ref().packing_fault() {
        send_close(socket, CloseCode::Invalid);
        const COMPRESSION: Setting = Setting("Server::compression");
        let text = format!("the server broke the WebSocket protocol: {what} (see {COMPRESSION})");
        return Disconnect::fault(Phase::Session, Fault::Protocol, text);
    }
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => session("closed"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            let mut why = caused_by_server(session("the server closed the connection without a Close frame"));
            why.detail = Detail::Io(io::ErrorKind::UnexpectedEof);
            why
        }
        Error::Io(error) => match TlsError::of(error) {
            Some(error) => session(&format!("TLS failed: {error}")),
            None => Disconnect::io(Phase::Session, "connection lost", error),
        },
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            send_close(socket, CloseCode::Size);
            const LIMIT: Setting = Setting("Server::max_message");
            // tungstenite's figure is that of the head, cut to the bits of the machine.
            let announced = socket.get_ref().oversize();
            let size = if announced as usize == *size { announced } else { *size as u64 };
            let text = format!("a message of {size} bytes is over the limit of {max_size}: see {LIMIT}");
            Disconnect::fault(Phase::Session, Fault::TooLarge, text)
        }
        Error::Utf8(_) => {
            send_close(socket, CloseCode::Invalid);
            Disconnect::fault(
                Phase::Session,
                Fault::Protocol,
                "the server sent a Close frame whose reason is not UTF-8",
            )
        }
        error => {
            send_close(socket, CloseCode::Protocol);
            let text = format!("the server broke the WebSocket protocol: {}", violation::describe(error));
            Disconnect::fault(Phase::Session, Fault::Protocol, text)
        }
    }
}

/// Sends a Close frame unless that would block.
pub(super) fn send_close(socket: &mut WebSocket<Metered>, code: CloseCode) {
    let _best_effort = socket.close(Some(CloseFrame { code, reason: Utf8Bytes::from_static("") }));
}
