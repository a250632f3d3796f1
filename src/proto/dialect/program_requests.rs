//! The program's requests at run time.

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use super::requests::{InFlight, Postponed, ProgramId, ProgramRequests, Request};
use crate::model::event::{Answer, Event, NoAnswer, Unanswered};

/// Bound on the requests that have not been sent or answered.
pub const MAX_OPEN: usize = 512;
/// Bound on the types and JSON of these requests, in bytes. Together with their envelopes they fit into the bytes that may
/// wait to be sent.
pub const MAX_OPEN_BYTES: usize = 32 << 10;

/// The one implementation of [`ProgramRequests`].
#[derive(Debug, Default)]
pub struct Queue {
    /// Those that have not been sent, in their order.
    asked: VecDeque<Request>,
    /// Set to have them sent.
    asked_at: Option<Instant>,
    unanswered: Vec<Unanswered>,
}

impl Queue {
    fn give_up(&mut self, request: &Request, reason: NoAnswer) {
        if let Some(ProgramId { id, kind }) = request.id {
            self.unanswered.push(Unanswered { request: id, kind, reason });
        }
    }
}

impl ProgramRequests for Queue {
    fn ask(&mut self, request: Request, in_flight: &[InFlight], postponed: &[Postponed], now: Instant) -> bool {
        let length = |request: &Request| request.kind.len() + request.json.as_ref().map_or(0, String::len);
        let sent = in_flight.iter().map(|flight| &flight.request);
        let open = sent.chain(postponed.iter().map(|(_, request)| request)).chain(&self.asked);
        let (mut count, mut bytes) = (0, length(&request));
        for request in open.filter(|request| request.id.is_some()) {
            (count, bytes) = (count + 1, bytes + length(request));
        }
        let has_room = count < MAX_OPEN && bytes <= MAX_OPEN_BYTES;
        if has_room {
            self.asked.push_back(request);
            self.asked_at = Some(now);
        }
        has_room
    }

    fn refuse(&mut self, unanswered: Unanswered) {
        self.unanswered.push(unanswered);
    }

    fn deadline(&self) -> Option<Instant> {
        self.asked_at
    }

    fn due(
        &mut self,
        in_flight: &mut Vec<InFlight>,
        postponed: &mut Vec<Postponed>,
        max_in_flight: usize,
        now: Instant,
    ) {
        self.asked_at = None;
        in_flight.retain(|flight| {
            let is_late = flight.request.id.is_some() && now >= flight.answer_by;
            if is_late {
                self.give_up(&flight.request, NoAnswer::TimedOut);
            }
            !is_late
        });
        let room = max_in_flight.saturating_sub(in_flight.len() + postponed.len());
        postponed.extend(self.asked.drain(..room.min(self.asked.len())).map(|request| (now, request)));
    }

    fn end(&mut self, in_flight: &mut Vec<InFlight>, postponed: &mut Vec<Postponed>) {
        self.asked_at = None;
        for flight in mem::take(in_flight) {
            self.give_up(&flight.request, NoAnswer::Disconnected);
        }
        let postponed = mem::take(postponed).into_iter().map(|(_, request)| request);
        for request in postponed.chain(mem::take(&mut self.asked)) {
            self.give_up(&request, NoAnswer::Disconnected);
        }
    }

    fn attribute<'a>(&self, events: &mut Vec<Event<'a>>, id: ProgramId, kind: &str) {
        for event in &mut *events {
            if let Event::Answer(answer) = event {
                answer.request = Some(id.id);
                return;
            }
        }
        events.push(Event::Answer(Answer { kind: kind.to_owned().into(), request: Some(id.id), ..Answer::default() }));
    }

    fn has_unanswered(&self) -> bool {
        !self.unanswered.is_empty()
    }

    fn report(&mut self, each: &mut dyn FnMut(&Event<'_>)) {
        for unanswered in mem::take(&mut self.unanswered) {
            each(&Event::Unanswered(unanswered));
        }
    }
}
