//! The texts of errors about frames. tungstenite's own include those of handshakes, which are ours.

use tungstenite::Error;
use tungstenite::error::ProtocolError;
use tungstenite::protocol::frame::coding::Data;

/// Describes why reading or writing frames has failed, in lower case.
#[must_use]
pub fn describe(error: &Error) -> String {
    let text = match error {
        Error::Protocol(error) => return describe_protocol(error),
        Error::Io(error) => return error.to_string(),
        Error::ConnectionClosed | Error::AlreadyClosed => "closed",
        Error::Capacity(_) => "a message over the limit",
        Error::Utf8(_) => "text that is not UTF-8",
        _ => "no more can be queued",
    };
    text.to_owned()
}

fn describe_protocol(error: &ProtocolError) -> String {
    let text = match error {
        ProtocolError::InvalidOpcode(code) => return format!("encountered invalid opcode: {code}"),
        ProtocolError::UnknownControlFrameType(kind) => return format!("unknown control frame type: {kind}"),
        ProtocolError::UnknownDataFrameType(kind) => return format!("unknown data frame type: {kind}"),
        ProtocolError::ExpectedFragment(Data::Text) => "while waiting for more fragments received: text",
        ProtocolError::ExpectedFragment(_) => "while waiting for more fragments received: binary",
        ProtocolError::SendAfterClosing => "sending after closing is not allowed",
        ProtocolError::ReceivedAfterClosing => "remote sent after having closed",
        ProtocolError::NonZeroReservedBits => "reserved bits are non-zero",
        ProtocolError::UnmaskedFrameFromClient => "received an unmasked frame from client",
        ProtocolError::MaskedFrameFromServer => "received a masked frame from server",
        ProtocolError::FragmentedControlFrame => "fragmented control frame",
        ProtocolError::ControlFrameTooBig => "control frame too big (payload must be 125 bytes or less)",
        ProtocolError::UnexpectedContinueFrame => "continue frame but nothing to continue",
        ProtocolError::ResetWithoutClosingHandshake => "connection reset without closing handshake",
        ProtocolError::InvalidCloseSequence => "invalid close sequence",
        _ => "an error of the handshake",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_have_the_words_of_the_library() {
        for error in [
            ProtocolError::InvalidOpcode(3),
            ProtocolError::UnknownControlFrameType(11),
            ProtocolError::UnknownDataFrameType(4),
            ProtocolError::ExpectedFragment(Data::Text),
            ProtocolError::ExpectedFragment(Data::Binary),
            ProtocolError::SendAfterClosing,
            ProtocolError::ReceivedAfterClosing,
            ProtocolError::NonZeroReservedBits,
            ProtocolError::UnmaskedFrameFromClient,
            ProtocolError::MaskedFrameFromServer,
            ProtocolError::FragmentedControlFrame,
            ProtocolError::ControlFrameTooBig,
            ProtocolError::UnexpectedContinueFrame,
            ProtocolError::ResetWithoutClosingHandshake,
            ProtocolError::InvalidCloseSequence,
        ] {
            assert_eq!(describe(&error.clone().into()), error.to_string().to_ascii_lowercase());
        }
    }
}
