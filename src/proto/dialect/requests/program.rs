//! The program's requests at run time.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::time::Instant;

use super::{OpenRequests, ProgramId, Request};
use crate::model::event::{Answer, Event, NoAnswer, Unanswered};

/// Bound on the requests that have not been sent or answered.
pub const MAX_OPEN: usize = 512;
/// Bound on the types and JSON of these requests, in bytes. Together with their envelopes they fit into the bytes that may
/// wait to be sent.
pub const MAX_OPEN_BYTES: usize = 32 << 10;

/// The program's requests at run time to one server, which have ids.
///
/// A trait, so that a program without such requests, as the command is one, contains none of their code.
pub trait ProgramRequests: fmt::Debug + Send {
    /// Adds a request. Returns false if too many are open.
    fn ask(&mut self, request: Request, open: &OpenRequests, now: Instant) -> bool;
    /// Reports a request that could not be added.
    fn refuse(&mut self, unanswered: Unanswered);
    /// Time of the next call of [`ProgramRequests::due`].
    fn deadline(&self) -> Option<Instant>;
    /// Gives up those in flight whose time is over, and has others sent now, by leaving them among the postponed ones: no
    /// more than have room, since one that is due and cannot be sent would be a stale deadline.
    fn due(&mut self, open: &mut OpenRequests, max_in_flight: usize, now: Instant);
    /// Gives up all, with their connection.
    fn end(&mut self, open: &mut OpenRequests);
    /// Makes the events of a message of this type show which request it answers.
    fn attribute<'a>(&self, events: &mut Vec<Event<'a>>, id: ProgramId, kind: &str);
    /// Returns true if requests have been given up since the last report.
    fn has_unanswered(&self) -> bool;
    /// Reports the requests that have been given up.
    fn report(&mut self, each: &mut dyn FnMut(&Event<'_>));
}

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
    fn ask(&mut self, request: Request, open: &OpenRequests, now: Instant) -> bool {
        let length = |request: &Request| request.kind.len() + request.json.as_ref().map_or(0, String::len);
        let sent = open.in_flight.iter().map(|flight| &flight.request);
        let all = sent.chain(open.postponed.iter().map(|(_, request)| request)).chain(&self.asked);
        let (mut count, mut bytes) = (0, length(&request));
        for request in all.filter(|request| request.id.is_some()) {
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

    fn due(&mut self, open: &mut OpenRequests, max_in_flight: usize, now: Instant) {
        self.asked_at = None;
        open.in_flight.retain(|flight| {
            let is_late = flight.request.id.is_some() && now >= flight.answer_by;
            if is_late {
                self.give_up(&flight.request, NoAnswer::TimedOut);
            }
            !is_late
        });
        let room = max_in_flight.saturating_sub(open.in_flight.len() + open.postponed.len());
        open.postponed.extend(self.asked.drain(..room.min(self.asked.len())).map(|request| (now, request)));
    }

    fn end(&mut self, open: &mut OpenRequests) {
        self.asked_at = None;
        for flight in mem::take(&mut open.in_flight) {
            self.give_up(&flight.request, NoAnswer::Disconnected);
        }
        let postponed = mem::take(&mut open.postponed).into_iter().map(|(_, request)| request);
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
