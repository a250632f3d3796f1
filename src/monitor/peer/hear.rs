//! What a peer hears: frames, and the messages in them.

use super::{Context, Peer};
use crate::model::error::Disconnect;
use crate::model::event::{Event, Raw};
use crate::model::text::escape;
use crate::model::time::Now;
use crate::net::transport::Frame;
use crate::proto::dialect::{self, Binary};
use crate::proto::session::Input;

/// The most that one turn takes from one server.
const TURN_MESSAGES: usize = 64;
/// How many samples a history keeps.
const HISTORY: usize = 1000;

impl Peer {
    /// Reads what has arrived, as far as a turn's share goes.
    pub(super) fn drain(&mut self, context: &mut Context<'_>) -> Result<(), Box<Disconnect>> {
        let received = self.transport.refill(context.block);
        let outcome = self.take(context, received);
        self.transport.settle(context.block);
        outcome
    }

    fn take(&mut self, context: &mut Context<'_>, received: u64) -> Result<(), Box<Disconnect>> {
        for _ in 0..TURN_MESSAGES {
            let Some(frame) = self.transport.next()? else {
                self.marked = self.transport.is_spent();
                // A large message on a slow line is life too, long before it is complete.
                if self.transport.received() > received {
                    self.session.handle(context.now, Input::Alive);
                }
                return Ok(());
            };
            self.session.handle(context.now, Input::Alive);
            if self.server.echo.is_some() {
                self.transport.echo(frame);
                continue;
            }
            match frame {
                Frame::Text(text) => {
                    self.count(text.len());
                    self.text(context, &text);
                }
                Frame::Binary(bytes) => self.binary(context, &bytes),
                Frame::Ping | Frame::Pong(None) => {}
                Frame::Pong(Some(number)) => self.pong(context.now, number),
            }
        }
        self.marked = true;
        Ok(())
    }

    pub(super) fn pong(&mut self, now: Now, number: u64) {
        self.session.handle(now, Input::Pong(number));
        if let Some(rtt) = self.session.take_rtt() {
            self.counters.ping_ms.add(rtt.as_secs_f64() * 1000.0);
        }
    }

    pub(super) fn text(&mut self, context: &mut Context<'_>, text: &str) {
        let mut room = None;
        let mut heard = self.conversation.hear(text, &mut room, context.now.mono);
        let say = std::mem::take(&mut heard.say);
        if heard.recognised {
            log::debug!("{}: recognised as {}", escape(&self.label), self.conversation.dialect());
            self.session.quiet_after(self.conversation.quiet_after());
        }
        if !heard.decoded {
            self.counters.undecoded += 1;
            log::debug!("{}: a message of {} bytes could not be decoded", escape(&self.label), text.len());
        }
        self.remember(&heard.text, &heard.events);
        self.deliver(context, &heard.kind, heard.raw(), &heard.events);
        self.say(context, say);
    }

    /// A binary message that holds JSON is as good as text.
    pub(super) fn binary(&mut self, context: &mut Context<'_>, bytes: &[u8]) {
        self.count(bytes.len());
        match self.conversation.open(bytes, self.server.max_message) {
            Binary::Text(text) => self.text(context, &text),
            Binary::Words(words) => {
                self.counters.undecoded += 1;
                self.deliver(context, "binary", Raw::Binary(bytes), &dialect::binary(&words).show);
            }
        }
    }

    pub(super) fn count(&mut self, len: usize) {
        self.counters.messages_received += 1;
        self.counters.bytes_received += len as u64;
    }

    pub(super) fn remember(&mut self, text: &str, events: &[Event<'_>]) {
        for event in events {
            if let Event::Sample(sample) = event {
                self.latest.clear();
                self.latest.push_str(text);
                if self.server.history {
                    if self.history.len() == HISTORY {
                        self.history.pop_front();
                    }
                    self.history.push_back((**sample).clone().into_owned());
                }
            }
        }
    }

    pub(super) fn deliver(&mut self, context: &mut Context<'_>, kind: &str, raw: Raw<'_>, events: &[Event<'_>]) {
        let shown = self.shown(context, kind, raw, events);
        let useful = shown.is_content();
        (context.on)(&shown);
        self.session.handle(context.now, Input::Delivered { useful });
    }
}
