//! Requests and their answers: sent on every connection, timed, and repeated where the plan or the server asks for it.
//!
//! Pure: time is an argument, texts to send are handed out. A dialect says by its [`RequestSpec`] how a request is
//! written and how its answer is recognised.

mod program;

use std::fmt;
use std::time::{Duration, Instant};

use crate::model::json;
use crate::model::request_id::RequestId;
use crate::model::time::{after, earliest};

pub use program::{MAX_OPEN, MAX_OPEN_BYTES, ProgramRequests, Queue};

/// A request of the settings, or of the program at run time.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The request's type.
    pub kind: String,
    /// The JSON that goes with it, as it was given.
    pub json: Option<String>,
    /// Set for one of the program.
    pub id: Option<ProgramId>,
}

/// Omits the JSON: it may hold a credential.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("kind", &self.kind).field("id", &self.id).finish_non_exhaustive()
    }
}

/// Identifies a request of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramId {
    /// The id that the program knows it by.
    pub id: RequestId,
    /// The request's type.
    pub kind: &'static str,
}

/// A dialect's form of requests and of their answers.
#[derive(Debug)]
pub struct RequestSpec {
    /// Writes a request; `id` is unique on this connection.
    pub render: fn(&Request, id: &str) -> String,
    /// Request types and the types of their answers. `*` as an answer stands for any message that carries the
    /// request's id. Empty where no document defines any answer; requests are then sent and forgotten.
    pub answers: &'static [(&'static str, &'static str)],
    /// Type of a message that says that a request failed; it ends the request with its id, else the oldest.
    pub error: Option<&'static str>,
    /// Bound on requests that wait for their answers at the same time.
    pub max_in_flight: usize,
    /// Length of the longest request that the server accepts.
    pub max_bytes: usize,
}

/// The requests of every connection and their timing.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestPlan {
    /// Sent in this order.
    pub requests: Vec<Request>,
    /// Period of repetition; `None` = once per connection.
    pub every: Option<Duration>,
    /// Longest wait for an answer.
    pub within: Duration,
}

impl Default for RequestPlan {
    fn default() -> Self {
        RequestPlan { requests: Vec::new(), every: None, within: Duration::from_secs(5) }
    }
}

/// Bound on postponed requests. One more is not repeated; its refusal counts as its answer.
const MAX_POSTPONED: usize = 64;

/// The requests of one connection.
#[derive(Debug, Default)]
pub struct Requests {
    /// Number of requests, from the end of the plan, that this round has not sent yet.
    waiting: usize,
    pub(super) open: OpenRequests,
    /// Made by the first request of the program. They go before the rest of the round.
    pub(super) program: Option<Box<dyn ProgramRequests>>,
    next_round_at: Option<Instant>,
    /// Set by a refusal for now, until there is nothing left to send: requests then go out one at a time, so that at most
    /// one is refused for each wait.
    limited: bool,
    /// While `limited`: no request before this time.
    hold_until: Option<Instant>,
    count: u64,
}

/// The requests of one connection that wait for something.
#[derive(Debug, Default)]
pub struct OpenRequests {
    in_flight: Vec<InFlight>,
    postponed: Vec<Postponed>,
}

/// A request with the time to send it: one that the server refused for now, or one of the program.
type Postponed = (Instant, Request);

/// A request that waits for its answer.
#[derive(Debug)]
struct InFlight {
    request: Request,
    id: String,
    answer_by: Instant,
    /// Set once it was refused and repeated.
    retried: bool,
    /// True if it was sent while the server limited the rate.
    limited: bool,
}

/// Requests whose time has come or is over.
#[derive(Debug, Default, PartialEq)]
pub struct DueRequests {
    /// Texts to send now.
    pub send: Vec<String>,
    /// Types of requests whose answers did not come in time.
    pub unanswered: Vec<String>,
    /// Types of requests that are longer than the server accepts.
    pub too_long: Vec<String>,
}

impl Requests {
    /// Starts the plan, on a new connection or once the dialect is known.
    pub fn begin(&mut self, plan: &RequestPlan, now: Instant) {
        self.end();
        self.begin_round(plan, now);
    }

    /// Forgets all requests with their connection. Ids stay unique.
    pub fn end(&mut self) {
        if let Some(program) = &mut self.program {
            program.end(&mut self.open);
        }
        *self = Requests { count: self.count, program: self.program.take(), ..Requests::default() };
    }

    /// Time of the next call of [`Requests::due`].
    pub fn deadline(&self) -> Option<Instant> {
        let mut next = self.next_round_at;
        for flight in &self.open.in_flight {
            next = earliest(next, Some(flight.answer_by));
        }
        if self.is_one_under_way() {
            return next;
        }
        if self.waiting > 0 {
            next = earliest(next, self.hold_until);
        }
        if let Some(program) = &self.program {
            next = earliest(next, program.deadline());
        }
        for (until, _) in &self.open.postponed {
            next = earliest(next, Some(self.hold_until.map_or(*until, |hold| hold.max(*until))));
        }
        next
    }

    /// Gives up unanswered requests, then writes what is due: first what was postponed, and what the program has
    /// asked for, then the rest of the round.
    pub fn due(&mut self, spec: &RequestSpec, plan: &RequestPlan, now: Instant) -> DueRequests {
        let mut due = DueRequests::default();
        if let Some(program) = &mut self.program {
            program.due(&mut self.open, spec.max_in_flight, now);
        }
        self.open.in_flight.retain(|flight| {
            let late = now >= flight.answer_by;
            if late {
                due.unanswered.push(flight.request.kind.clone());
            }
            !late
        });
        if self.next_round_at.is_some_and(|at| now >= at) {
            self.begin_round(plan, now);
        }
        if self.hold_until.is_some_and(|at| now < at) {
            return due;
        }
        self.hold_until = None;
        while self.open.in_flight.len() < spec.max_in_flight && !self.is_one_under_way() {
            let postponed = self.open.postponed.iter().position(|(until, _)| now >= *until);
            let request = match postponed {
                Some(at) => self.open.postponed.remove(at).1,
                None => match self.next_of_round(plan) {
                    Some(request) => request,
                    None => break,
                },
            };
            self.send(request, spec, after(now, plan.within), &mut due);
            if let (true, Some(flight)) = (postponed.is_some(), self.open.in_flight.last_mut()) {
                flight.retried = true;
            }
        }
        self.limited &= !(self.open.in_flight.is_empty() && self.open.postponed.is_empty());
        due
    }

    /// Ends the request that a message of this type and request id answers. Returns the program's id of it; `None` if it
    /// answers none.
    pub fn complete(&mut self, spec: &RequestSpec, kind: &str, id: Option<&str>) -> Option<Option<ProgramId>> {
        let by_id = id.and_then(|id| self.open.in_flight.iter().position(|flight| flight.id == id));
        let answers = |flight: &InFlight| {
            spec.answers.iter().any(|(request, answer)| *request == flight.request.kind && *answer == kind)
        };
        let by_kind = || self.open.in_flight.iter().position(answers);
        let by_error = || (spec.error == Some(kind) && !self.open.in_flight.is_empty()).then_some(0);
        // An unknown id belongs to an answer that came too late, not to the next request of its type.
        let found = if id.is_some() { by_id } else { by_kind().or_else(by_error) };
        found.map(|at| self.open.in_flight.remove(at).request.id)
    }

    /// Reschedules the oldest request in flight after a refusal for now, and holds all others back until then. False if
    /// it was already retried, if the same one is to be repeated anyway, or if it is one of the program, which decides by
    /// the refusal.
    pub fn postpone(&mut self, until: Instant) -> bool {
        let Some(first) = self.open.in_flight.first() else { return false };
        self.limited = true;
        self.hold_until = Some(self.hold_until.map_or(until, |hold| hold.max(until)));
        let possible = self.open.postponed.len() < MAX_POSTPONED
            && !first.retried
            && first.request.id.is_none()
            && !self.open.postponed.iter().any(|(_, request)| *request == first.request);
        if possible {
            self.open.postponed.push((until, self.open.in_flight.remove(0).request));
        }
        possible
    }

    /// True if any request waits for its answer.
    pub fn is_waiting(&self) -> bool {
        !self.open.in_flight.is_empty()
    }

    /// True if [`Requests::due`] would do nothing at any time.
    pub fn is_idle(&self) -> bool {
        let OpenRequests { in_flight, postponed } = &self.open;
        let has_none = self.program.is_none() && in_flight.is_empty() && postponed.is_empty() && self.waiting == 0;
        has_none && self.next_round_at.is_none() && self.hold_until.is_none() && !self.limited
    }

    /// True if a request that was sent under a limit is still to be answered or given up.
    fn is_one_under_way(&self) -> bool {
        self.open.in_flight.iter().any(|flight| flight.limited)
    }

    /// Requests that the last round has not sent yet are part of this one, so that none is sent twice.
    fn begin_round(&mut self, plan: &RequestPlan, now: Instant) {
        self.waiting = plan.requests.len();
        self.next_round_at = plan.every.map(|every| after(now, every));
    }

    fn next_of_round(&mut self, plan: &RequestPlan) -> Option<Request> {
        let request = plan.requests.get(plan.requests.len().checked_sub(self.waiting)?)?;
        self.waiting -= 1;
        Some(request.clone())
    }

    fn send(&mut self, request: Request, spec: &RequestSpec, answer_by: Instant, due: &mut DueRequests) {
        self.count += 1;
        let id = format!("wsmon-{}", self.count);
        let text = (spec.render)(&request, &id);
        if text.len() > spec.max_bytes {
            due.too_long.push(request.kind);
            return;
        }
        due.send.push(text);
        if !spec.answers.is_empty() {
            self.open.in_flight.push(InFlight { request, id, answer_by, retried: false, limited: self.limited });
        }
    }
}

/// Writes a request as `{"type":TYPE,…}` with the members of its JSON beside the type; JSON without members becomes
/// `data`.
pub fn beside_type(request: &Request, _: &str) -> String {
    let mut text = String::from("{\"type\":");
    json::push_string(&mut text, &request.kind);
    let json = request.json.as_deref().unwrap_or_default().trim();
    match json.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).map(str::trim) {
        Some("") => {}
        Some(members) => text.extend([",", members]),
        None if json.is_empty() => {}
        None => text.extend([",\"data\":", json]),
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests;
