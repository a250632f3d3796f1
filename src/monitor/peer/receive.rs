//! Reading of frames, and what becomes of the messages in them.

use super::Peer;
use crate::model::error::Disconnect;
use crate::model::event::{Event, Raw};
use crate::model::text::escape;
use crate::model::trace;
use crate::net::transport::{Frame, LoopIo};
use crate::proto::dialect::{self, Binary};
use crate::proto::session::Input;

/// The most frames that one turn takes from one server.
const MAX_TURN_FRAMES: usize = 64;

impl Peer {
    /// Reads what has arrived, up to this server's share of a turn: 64 frames, 256 KiB or 256 reads. The peer stays ready where
    /// more may be left.
    pub(super) fn read_frames(&mut self, io: &mut LoopIo<'_>) -> Result<(), Box<Disconnect>> {
        let received = self.link.transport.begin_turn(io.block);
        let outcome = self.take_frames(io, received);
        self.link.transport.end_turn(io.block);
        outcome
    }

    /// `received` is the transport's count of bytes before this turn.
    fn take_frames(&mut self, io: &mut LoopIo<'_>, received: u64) -> Result<(), Box<Disconnect>> {
        for _ in 0..MAX_TURN_FRAMES {
            let Some(frame) = self.link.transport.next()? else {
                self.ready = self.link.transport.is_spent();
                // A part of a large message proves life too; the whole may take longer than a pong may.
                if self.link.transport.received() > received {
                    self.session.handle(io.now, Input::Alive);
                }
                return Ok(());
            };
            self.session.handle(io.now, Input::Alive);
            if self.settings.echo.is_some() {
                self.link.transport.echo(frame);
                continue;
            }
            match frame {
                Frame::Text(text) => {
                    self.report.count_received(text.len());
                    self.handle_text(io, &text);
                }
                Frame::Binary(bytes) => self.handle_binary(io, &bytes),
                Frame::Ping | Frame::Pong(None) => {}
                Frame::Pong(Some(number)) => {
                    self.session.handle(io.now, Input::Pong(number));
                    if let Some(rtt) = self.session.take_rtt() {
                        let millis = rtt.as_secs_f64() * 1000.0;
                        self.report.counters.ping_ms.add(millis);
                        trace::trace(&escape(&self.label), format_args!("* ping {number} answered in {millis:.2} ms"));
                    }
                }
            }
        }
        self.ready = true;
        Ok(())
    }

    /// Decodes a text message, hands it to the program, and answers where the dialect does.
    fn handle_text(&mut self, io: &mut LoopIo<'_>, text: &str) {
        let mut repaired = None;
        let mut decoded = self.conversation.decode(text, &mut repaired, io.now.mono);
        let outgoing = std::mem::take(&mut decoded.outgoing);
        if decoded.recognised {
            let (label, dialect) = (escape(&self.label), self.conversation.dialect());
            // The type is the server's own text, of any length: it is cut.
            log::debug!("{label}: recognised as {dialect} by a message of type \"{:.60}\"", decoded.kind);
            self.session.set_stale_default(self.conversation.stale_default());
        }
        if !decoded.decoded {
            self.report.counters.undecoded += 1;
            log::debug!("{}: a message of {} bytes could not be decoded", escape(&self.label), text.len());
        }
        let is_limit = |event: &&Event<'_>| matches!(event, Event::Error(error) if error.retry_after.is_some());
        self.report.counters.rate_limited += decoded.events.iter().filter(is_limit).count() as u64;
        self.report.keep_samples(&decoded.text, &decoded.events, self.settings.history);
        self.report.has_server_errors |= decoded.events.iter().any(|event| matches!(event, Event::Error(_)));
        let useful = !decoded.unwanted && self.deliver(io, &decoded.kind, decoded.raw(), &decoded.events);
        self.report.has_content |= useful;
        self.session.handle(io.now, Input::Delivered { useful });
        self.carry_out(io, outgoing);
    }

    /// Handles a binary message: as text where it is or unpacks to text, else as its size in words.
    fn handle_binary(&mut self, io: &mut LoopIo<'_>, bytes: &[u8]) {
        self.report.count_received(bytes.len());
        match self.conversation.unpack(bytes, self.settings.max_message) {
            Binary::Text(text) => self.handle_text(io, &text),
            Binary::Description(words) => {
                self.report.counters.undecoded += 1;
                let useful = self.deliver(io, "binary", Raw::Binary(bytes), &dialect::undecoded_binary(&words).events);
                self.report.has_content |= useful;
                self.session.handle(io.now, Input::Delivered { useful });
            }
        }
    }
}
