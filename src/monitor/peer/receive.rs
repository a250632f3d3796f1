//! Reading of frames, and what becomes of the messages in them.

use tungstenite::Utf8Bytes;

use super::Peer;
use crate::model::error::Disconnect;
use crate::model::json::{Documents, find_fault, is_too_deep};
use crate::model::number::Fixed;
use crate::model::text::escape;
use crate::model::trace;
use crate::net::transport::{Frame, LoopIo};
use crate::proto::dialect::Binary;
use crate::proto::dialect::conversation::Outgoing;
use crate::proto::session::Input;

/// The most frames and documents that one turn takes from one server.
const MAX_TURN_RECORDS: usize = 64;
/// Bytes of text, as unpacked, after which a server's share of a turn ends. The last message may go beyond.
const TURN_BYTES: usize = 256 << 10;
/// Bytes of text between two looks at the clock. A message counts for [`RECORD_COST`] more than its length.
const CLOCK_EVERY: usize = 16 << 10;
const RECORD_COST: usize = 256;
/// Upper bound on a word of the server's that the log quotes, in bytes.
const MAX_QUOTED: usize = 32;

/// A message of which some documents have not been handled yet.
pub(super) struct Pending {
    text: Utf8Bytes,
    documents: Documents,
}

/// A server's share of a turn.
#[derive(Default)]
struct Share {
    records: usize,
    bytes: usize,
    /// Bytes since the latest look at the clock.
    unchecked: usize,
}

impl Share {
    /// Counts a record. Returns true if the share is used up, or the turn is over.
    fn take(&mut self, bytes: usize, io: &mut LoopIo<'_>) -> bool {
        self.records += 1;
        self.bytes += bytes;
        self.unchecked += bytes + RECORD_COST;
        let mut over = self.records >= MAX_TURN_RECORDS || self.bytes >= TURN_BYTES;
        if self.unchecked >= CLOCK_EVERY {
            self.unchecked = 0;
            over |= (io.is_over)();
        }
        over
    }
}

impl Peer {
    /// Reads what has arrived, up to this server's share of a turn: 64 messages, 256 KiB as received and as unpacked, 256
    /// reads, and the time of the turn. The peer stays ready where more may be left.
    pub(super) fn read_frames(&mut self, io: &mut LoopIo<'_>) -> Result<(), Box<Disconnect>> {
        let received = self.link.transport.begin_turn(io.memory, self.ends);
        let outcome = self.take_records(io, received);
        self.link.transport.end_turn(io.memory);
        outcome
    }

    /// `received` is the transport's count of bytes before this turn.
    fn take_records(&mut self, io: &mut LoopIo<'_>, received: u64) -> Result<(), Box<Disconnect>> {
        let mut share = Share::default();
        loop {
            let len = match self.handle_pending(io) {
                Some(len) => len,
                None => match self.link.transport.next()? {
                    Some(frame) => self.handle_frame(io, frame),
                    None => break,
                },
            };
            if share.take(len, io) {
                self.ready = true;
                return Ok(());
            }
        }
        self.ready = self.link.transport.is_spent();
        // A part of a large message proves life too; the whole may take longer than a pong may.
        if self.link.transport.received() > received {
            self.session.handle(io.now, Input::Alive);
        }
        Ok(())
    }

    /// Returns the length of the message as unpacked.
    fn handle_frame(&mut self, io: &mut LoopIo<'_>, frame: Frame) -> usize {
        self.session.handle(io.now, Input::Alive);
        if self.settings.echo.is_some() {
            self.link.transport.echo(frame);
            return 0;
        }
        match frame {
            Frame::Text(text) => {
                self.decoder.report.count_received(text.len());
                self.handle_text(io, text)
            }
            Frame::Binary(bytes) => self.handle_binary(io, &bytes),
            Frame::Ping | Frame::Pong(None) => 0,
            Frame::Pong(Some(number)) => {
                self.session.handle(io.now, Input::Pong(number));
                if let Some(rtt) = self.session.take_rtt() {
                    let millis = rtt.as_secs_f64() * 1000.0;
                    self.decoder.report.counters.ping_ms.add(millis);
                    trace::trace(
                        &escape(&self.decoder.label),
                        format_args!("* ping {number} answered in {} ms", Fixed(millis, 2)),
                    );
                }
                0
            }
        }
    }

    /// Handles the next document of a message that has several. Returns its length; `None` if there is none.
    fn handle_pending(&mut self, io: &mut LoopIo<'_>) -> Option<usize> {
        let mut pending = self.pending.take()?;
        let text = pending.text.clone();
        let document = pending.documents.next(&text)?;
        // Set before the document is handled, since that may end the connection, and with it what is pending.
        self.pending = Some(pending);
        self.decoder.report.counters.messages_received += 1;
        let at = document.as_ptr().addr() - text.as_str().as_ptr().addr();
        self.handle_document(io, document, at);
        Some(document.len())
    }

    fn handle_text(&mut self, io: &mut LoopIo<'_>, text: Utf8Bytes) -> usize {
        if let Some(documents) = self.handle_document(io, &text, 0) {
            self.pending = Some(Pending { text: text.clone(), documents });
        }
        text.len()
    }

    /// Decodes a text message, hands it to the program, and answers where the dialect does. `at` is its place in the
    /// message as received. Returns where further documents are, if there are any and the connection goes on.
    fn handle_document(&mut self, io: &mut LoopIo<'_>, text: &str, at: usize) -> Option<Documents> {
        let mut repaired = None;
        let mut outgoing = Outgoing::default();
        let decoded = self.decoder.read(text, &mut repaired, io.now, &mut outgoing);
        if decoded.recognised {
            self.decoder.log_recognised(&decoded);
            self.session.set_stale_default(self.decoder.conversation.stale_default());
        }
        if !decoded.decoded {
            self.warn_undecodable(io, text.len(), &|| fault(text, at));
        }
        let useful = self.decoder.pass_on(io.now, &decoded, io.on_message);
        let rest = decoded.rest;
        self.decoder.conversation.reuse(decoded.events);
        self.session.handle(io.now, Input::Delivered { useful });
        self.carry_out(io, &outgoing);
        rest.filter(|_| self.session.is_open())
    }

    /// Handles a binary message: as text where it is or unpacks to text, else as its size in words. Returns its length
    /// as unpacked.
    fn handle_binary(&mut self, io: &mut LoopIo<'_>, bytes: &[u8]) -> usize {
        self.decoder.report.count_received(bytes.len());
        let words = match self.decoder.unpack(bytes) {
            Binary::Text(text) => return self.handle_text(io, text.into()),
            Binary::Description(words) => (words, false),
            Binary::Broken(words) => (words, true),
        };
        if words.1 {
            // The words begin with the size.
            let cause = words.0.split_once(": ").map_or("not JSON", |(_, cause)| cause);
            self.warn_undecodable(io, bytes.len(), &|| cause.to_owned());
        }
        let useful = self.decoder.pass_on_binary(io.now, bytes, &words, io.on_message);
        self.session.handle(io.now, Input::Delivered { useful });
        bytes.len()
    }

    /// Warns of the first message of a connection that could not be decoded, with its cause.
    fn warn_undecodable(&mut self, io: &mut LoopIo<'_>, len: usize, cause: &dyn Fn() -> String) {
        if !std::mem::replace(&mut self.decoder.report.undecodable_logged, true) {
            let why = self.link.redact(&cause());
            let why = escape(&why);
            let text = format!("a message of {len} bytes could not be decoded ({why}); further ones are only counted");
            self.pass_on_warning(io, text);
        }
    }
}

/// Describes why a text cannot be decoded: `byte 312: undefined`. `at` is its place in the message.
fn fault(text: &str, at: usize) -> String {
    let (document, _) = Documents::begin(text);
    let at = at + document.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    match find_fault(document) {
        _ if is_too_deep(document) => "it is nested too deeply".to_owned(),
        None => "not of the form that its type has".to_owned(),
        Some(fault) if fault.word.is_empty() => format!("byte {}: the text ends", at + fault.at),
        Some(fault) if fault.word.len() > MAX_QUOTED => format!("byte {}: not JSON", at + fault.at),
        Some(fault) => format!("byte {}: {}", at + fault.at, fault.word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_its_place_in_the_message_as_received() {
        for (text, at, expected) in [
            (r#"{"a":undefined}"#, 0, "byte 5: undefined"),
            ("\u{feff}\0{\"a\":undefined}", 0, "byte 9: undefined"),
            (r#"{"a":"#, 100, "byte 105: the text ends"),
            ("", 0, "byte 0: the text ends"),
            (r#"{"a":1}"#, 0, "not of the form that its type has"),
            (&format!("{}{}", "[".repeat(128), "]".repeat(128)), 0, "it is nested too deeply"),
        ] {
            assert_eq!(fault(text, at), expected, "{text}");
        }
        assert_eq!(fault(&"s".repeat(33), 0), "byte 0: not JSON");
    }
}
