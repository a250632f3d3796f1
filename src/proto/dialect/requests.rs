//! Requests and their answers: sent on every connection, timed, and repeated where the plan or the server asks for it.
//!
//! Pure: time is an argument, texts to send are handed out. A dialect says by its [`RequestSpec`] how a request is
//! written and how its answer is recognised.

use std::fmt;
use std::time::{Duration, Instant};

use crate::model::event::{Event, Unanswered};
use crate::model::request_id::RequestId;
use crate::model::time::earliest;

/// A request of the settings, or of the program at run time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The request's type.
    pub kind: String,
    /// The JSON that goes with it, as it was given.
    pub json: Option<String>,
    /// Set for one of the program.
    pub id: Option<ProgramId>,
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
    pub(super) in_flight: Vec<InFlight>,
    pub(super) postponed: Vec<Postponed>,
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

/// A request that the server refused for now, with the time to repeat it.
pub type Postponed = (Instant, Request);

/// A request that waits for its answer.
#[derive(Debug)]
pub struct InFlight {
    pub request: Request,
    id: String,
    pub answer_by: Instant,
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

/// The program's requests at run time to one server, which have ids.
///
/// A trait, so that a program without such requests, as the command is one, contains none of their code.
pub trait ProgramRequests: fmt::Debug + Send {
    /// Adds a request. Returns false if too many are open.
    fn ask(&mut self, request: Request, in_flight: &[InFlight], postponed: &[Postponed], now: Instant) -> bool;
    /// Reports a request that could not be added.
    fn refuse(&mut self, unanswered: Unanswered);
    /// Time of the next call of [`ProgramRequests::due`].
    fn deadline(&self) -> Option<Instant>;
    /// Gives up those in flight whose time is over, and has others sent now, by leaving them among the postponed ones: no
    /// more than have room, since one that is due and cannot be sent would be a stale deadline.
    fn due(
        &mut self,
        in_flight: &mut Vec<InFlight>,
        postponed: &mut Vec<Postponed>,
        max_in_flight: usize,
        now: Instant,
    );
    /// Gives up all, with their connection.
    fn end(&mut self, in_flight: &mut Vec<InFlight>, postponed: &mut Vec<Postponed>);
    /// Makes the events of a message of this type show which request it answers.
    fn attribute<'a>(&self, events: &mut Vec<Event<'a>>, id: ProgramId, kind: &str);
    /// Returns true if requests have been given up since the last report.
    fn has_unanswered(&self) -> bool;
    /// Reports the requests that have been given up.
    fn report(&mut self, each: &mut dyn FnMut(&Event<'_>));
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
            program.end(&mut self.in_flight, &mut self.postponed);
        }
        *self = Requests { count: self.count, program: self.program.take(), ..Requests::default() };
    }

    /// Time of the next call of [`Requests::due`].
    pub fn deadline(&self) -> Option<Instant> {
        let mut next = self.next_round_at;
        for flight in &self.in_flight {
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
        for (until, _) in &self.postponed {
            next = earliest(next, Some(self.hold_until.map_or(*until, |hold| hold.max(*until))));
        }
        next
    }

    /// Gives up unanswered requests, then writes what is due: first what was postponed, and what the program has
    /// asked for, then the rest of the round.
    pub fn due(&mut self, spec: &RequestSpec, plan: &RequestPlan, now: Instant) -> DueRequests {
        let mut due = DueRequests::default();
        if let Some(program) = &mut self.program {
            program.due(&mut self.in_flight, &mut self.postponed, spec.max_in_flight, now);
        }
        self.in_flight.retain(|flight| {
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
        while self.in_flight.len() < spec.max_in_flight && !self.is_one_under_way() {
            let postponed = self.postponed.iter().position(|(until, _)| now >= *until);
            let request = match postponed {
                Some(at) => self.postponed.remove(at).1,
                None => match self.next_of_round(plan) {
                    Some(request) => request,
                    None => break,
                },
            };
            self.send(request, spec, now + plan.within, &mut due);
            if let (true, Some(flight)) = (postponed.is_some(), self.in_flight.last_mut()) {
                flight.retried = true;
            }
        }
        self.limited &= !(self.in_flight.is_empty() && self.postponed.is_empty());
        due
    }

    /// Ends the request that a message of this type and request id answers. Returns the program's id of it; `None` if it
    /// answers none.
    pub fn complete(&mut self, spec: &RequestSpec, kind: &str, id: Option<&str>) -> Option<Option<ProgramId>> {
        let by_id = id.and_then(|id| self.in_flight.iter().position(|flight| flight.id == id));
        let answers = |flight: &InFlight| {
            spec.answers.iter().any(|(request, answer)| *request == flight.request.kind && *answer == kind)
        };
        let by_kind = || self.in_flight.iter().position(answers);
        let by_error = || (spec.error == Some(kind) && !self.in_flight.is_empty()).then_some(0);
        // An unknown id belongs to an answer that came too late, not to the next request of its type.
        let found = if id.is_some() { by_id } else { by_kind().or_else(by_error) };
        found.map(|at| self.in_flight.remove(at).request.id)
    }

    /// Reschedules the oldest request in flight after a refusal for now, and holds all others back until then. False if
    /// it was already retried, if the same one is to be repeated anyway, or if it is one of the program, which decides by
    /// the refusal.
    pub fn postpone(&mut self, until: Instant) -> bool {
        let Some(first) = self.in_flight.first() else { return false };
        self.limited = true;
        self.hold_until = Some(self.hold_until.map_or(until, |hold| hold.max(until)));
        let possible = self.postponed.len() < MAX_POSTPONED
            && !first.retried
            && first.request.id.is_none()
            && !self.postponed.iter().any(|(_, request)| *request == first.request);
        if possible {
            self.postponed.push((until, self.in_flight.remove(0).request));
        }
        possible
    }

    /// True if any request waits for its answer.
    pub fn is_waiting(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// True if a request that was sent under a limit is still to be answered or given up.
    fn is_one_under_way(&self) -> bool {
        self.in_flight.iter().any(|flight| flight.limited)
    }

    /// Requests that the last round has not sent yet are part of this one, so that none is sent twice.
    fn begin_round(&mut self, plan: &RequestPlan, now: Instant) {
        self.waiting = plan.requests.len();
        self.next_round_at = plan.every.map(|every| now + every);
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
            self.in_flight.push(InFlight { request, id, answer_by, retried: false, limited: self.limited });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BY_ID: RequestSpec = RequestSpec {
        render: |request, id| format!("{}:{id}", request.kind),
        answers: &[("a", "*")],
        error: Some("error"),
        max_in_flight: 1,
        max_bytes: 512,
    };
    static BY_KIND: RequestSpec = RequestSpec {
        render: |request, _| request.kind.clone(),
        answers: &[("a", "A"), ("b", "B")],
        error: Some("error"),
        max_in_flight: 9,
        max_bytes: 512,
    };
    static MUTE: RequestSpec = RequestSpec {
        render: |request, _| request.kind.clone(),
        answers: &[],
        error: None,
        max_in_flight: 9,
        max_bytes: 512,
    };

    fn plan(kinds: &[&str], every: Option<u64>) -> RequestPlan {
        let requests = kinds.iter().map(|kind| Request { kind: (*kind).into(), ..Request::default() }).collect();
        RequestPlan { requests, every: every.map(Duration::from_secs), within: Duration::from_secs(5) }
    }

    #[test]
    fn one_request_at_a_time_waits_for_the_answer_before() {
        let (now, plan, mut requests) = (Instant::now(), plan(&["x", "y"], None), Requests::default());
        requests.begin(&plan, now);
        assert_eq!(requests.due(&BY_ID, &plan, now).send, ["x:wsmon-1"]);
        assert_eq!(requests.due(&BY_ID, &plan, now).send, [""; 0]);
        assert!(requests.complete(&BY_ID, "x_response", Some("wsmon-9")).is_none());
        assert!(requests.complete(&BY_ID, "x_response", Some("wsmon-1")).is_some());
        assert_eq!(requests.due(&BY_ID, &plan, now).send, ["y:wsmon-2"]);
        assert!(requests.complete(&BY_ID, "error", None).is_some(), "an error without an id ends the oldest");
        assert_eq!(requests.deadline(), None);
    }

    #[test]
    fn answers_are_matched_by_type_in_any_order() {
        let (now, plan, mut requests) = (Instant::now(), plan(&["a", "b"], None), Requests::default());
        requests.begin(&plan, now);
        assert_eq!(requests.due(&BY_KIND, &plan, now).send, ["a", "b"]);
        assert!(requests.complete(&BY_KIND, "C", None).is_none());
        assert!(requests.complete(&BY_KIND, "B", None).is_some() && requests.complete(&BY_KIND, "A", None).is_some());
        assert!(requests.complete(&BY_KIND, "A", None).is_none());
    }

    #[test]
    fn an_answer_that_is_late_is_reported_once_and_the_next_round_comes() {
        let (now, plan, mut requests) = (Instant::now(), plan(&["a"], Some(60)), Requests::default());
        requests.begin(&plan, now);
        requests.due(&BY_KIND, &plan, now);
        let late = requests.deadline().unwrap();
        assert_eq!(late - now, Duration::from_secs(5));
        assert_eq!(requests.due(&BY_KIND, &plan, late).unanswered, ["a"]);
        assert_eq!(requests.deadline().unwrap() - now, Duration::from_secs(60));
        assert_eq!(requests.due(&BY_KIND, &plan, now + Duration::from_secs(60)).send, ["a"]);
    }

    #[test]
    fn a_request_that_is_refused_for_now_is_repeated_once() {
        let (now, plan, mut requests) = (Instant::now(), plan(&["a", "b"], None), Requests::default());
        requests.begin(&plan, now);
        requests.due(&BY_KIND, &plan, now);
        let until = now + Duration::from_secs(1);
        assert!(requests.postpone(until));
        assert_eq!(requests.deadline(), Some(until));
        assert_eq!(requests.due(&BY_KIND, &plan, now).send, [""; 0]);
        assert!(requests.complete(&BY_KIND, "B", None).is_some(), "the other one waits on");
        assert_eq!(requests.due(&BY_KIND, &plan, until).send, ["a"]);
        assert!(!requests.postpone(until), "refused twice: that is an answer");
        assert!(requests.complete(&BY_KIND, "error", None).is_some() && !requests.is_waiting());
    }

    /// A server with a bucket of 5 requests that is refilled by one every two seconds, and answers after `latency`.
    /// Returns how many it accepted and refused in a minute.
    fn accepted_and_refused(kinds: &[&str], every: Duration, latency: Duration) -> (u32, u32) {
        let start = Instant::now();
        let plan = RequestPlan { every: Some(every), ..plan(kinds, None) };
        let (mut requests, mut bucket, mut filled_at) = (Requests::default(), 5.0, start);
        let (mut on_the_way, mut accepted, mut refused) = (Vec::new(), 0, 0);
        let (mut now, mut turns, mut hold_until) = (start, 0, start);
        requests.begin(&plan, now);
        while now < start + Duration::from_secs(60) {
            for kind in requests.due(&BY_KIND, &plan, now).send {
                assert!(now >= hold_until, "sent although the server asked to wait");
                on_the_way.push((now + latency, kind));
            }
            let answer_at = on_the_way.first().map(|(at, _)| *at);
            let next = earliest(requests.deadline(), answer_at).unwrap();
            assert!(next > now || answer_at.is_some_and(|at| at <= now), "a stale deadline is a busy loop");
            (now, turns) = (now.max(next), turns + 1);
            if answer_at.is_none_or(|at| at > now) {
                continue;
            }
            let (_, kind) = on_the_way.remove(0);
            bucket = f64::min(5.0, bucket + (now - filled_at).as_secs_f64() / 2.0);
            filled_at = now;
            if bucket >= 1.0 {
                (bucket, accepted) = (bucket - 1.0, accepted + 1);
                assert!(requests.complete(&BY_KIND, &kind.to_uppercase(), None).is_some());
            } else {
                refused += 1;
                hold_until = now + Duration::from_secs_f64((1.0 - bucket) * 2.0 + 0.001);
                if !requests.postpone(hold_until) {
                    let _refused = requests.complete(&BY_KIND, "error", None);
                }
            }
        }
        assert!(turns < 10_000, "{turns}");
        (accepted, refused)
    }

    #[test]
    fn a_limit_of_rate_is_obeyed_whatever_the_period() {
        for kinds in [&["a"][..], &["a", "b"], &["a", "b", "a", "b", "b"]] {
            for (every, latency) in [(10, 0), (100, 0), (100, 1), (1000, 300), (3000, 20)] {
                let [every, latency] = [every, latency].map(Duration::from_millis);
                let (accepted, refused) = accepted_and_refused(kinds, every, latency);
                assert!((20..=35).contains(&accepted), "{kinds:?} {every:?} {latency:?}: {accepted} {refused}");
                // Those that were on the way already, and one for each that was accepted later.
                assert!(refused <= 36 + kinds.len() as u32, "{kinds:?} {every:?} {latency:?}: {accepted} {refused}");
            }
        }
    }

    #[test]
    fn no_answer_is_waited_for_where_none_is_defined() {
        let (now, plan, mut requests) = (Instant::now(), plan(&["a"], None), Requests::default());
        requests.begin(&plan, now);
        assert_eq!(requests.due(&MUTE, &plan, now), DueRequests { send: vec!["a".into()], ..DueRequests::default() });
        assert_eq!(requests.deadline(), None);
    }
}
