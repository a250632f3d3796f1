//! Requests and their answers: what is asked on every connection, what is still unanswered, and when to ask again.
//!
//! Pure: time is an argument, texts to send are handed out. A dialect says by its [`RequestSpec`] how a request is
//! written and how its answer is recognised.

use std::time::{Duration, Instant};

use crate::model::time::earliest;

/// One `--request TYPE[=JSON]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The request's type.
    pub kind: String,
    /// The JSON that goes with it, as it was given.
    pub json: Option<String>,
}

/// How a dialect asks.
#[derive(Debug)]
pub struct RequestSpec {
    /// Writes a request; `id` is unique on this connection.
    pub render: fn(&Request, id: &str) -> String,
    /// Request types and the types of their answers. `*` as an answer stands for any message that carries the
    /// request's id. Empty where no document defines any answer.
    pub answers: &'static [(&'static str, &'static str)],
    /// Type of a message that says that a request failed; it ends the request with its id, else the oldest.
    pub error: Option<&'static str>,
    /// At most this many requests wait for their answers at the same time.
    pub at_once: usize,
    /// The longest request in bytes that the server bears.
    pub longest: usize,
}

/// What is to be asked on every connection, and how patiently.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestPlan {
    /// In this order.
    pub asks: Vec<Request>,
    /// Again after this time; `None` = once per connection.
    pub every: Option<Duration>,
    /// How long an answer may take.
    pub within: Duration,
}

impl Default for RequestPlan {
    fn default() -> Self {
        RequestPlan { asks: Vec::new(), every: None, within: Duration::from_secs(5) }
    }
}

/// Requests that come faster than they are allowed again are not piled up for ever.
const MOST_POSTPONED: usize = 64;

/// The requests of one connection.
#[derive(Debug, Default)]
pub struct Requests {
    /// How many of the questions, from their end, are still to be asked in this round.
    waiting: usize,
    in_flight: Vec<InFlight>,
    /// What was refused for the time being, and when it is asked again.
    postponed: Vec<(Instant, Request)>,
    again_at: Option<Instant>,
    count: u64,
}

#[derive(Debug)]
struct InFlight {
    ask: Request,
    id: String,
    answer_by: Instant,
    /// Whether it was refused before.
    again: bool,
}

/// What a turn of the clock brings.
#[derive(Debug, Default, PartialEq)]
pub struct DueRequests {
    /// Texts to send now.
    pub send: Vec<String>,
    /// Types of requests whose answers did not come in time.
    pub unanswered: Vec<String>,
    /// Types of requests that are longer than the server bears.
    pub too_long: Vec<String>,
}

impl Requests {
    /// A connection has begun, or the dialect is known at last: everything is asked from the start.
    pub fn begin(&mut self, questions: &RequestPlan, now: Instant) {
        *self = Requests { count: self.count, ..Requests::default() };
        self.round(questions, now);
    }

    /// The connection is gone, and with it what was asked on it.
    pub fn end(&mut self) {
        *self = Requests { count: self.count, ..Requests::default() };
    }

    /// When [`Requests::due`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let mut next = self.again_at;
        for flight in &self.in_flight {
            next = earliest(next, Some(flight.answer_by));
        }
        for (until, _) in &self.postponed {
            next = earliest(next, Some(*until));
        }
        next
    }

    /// What is to be sent now, and what will not be answered any more.
    pub fn due(&mut self, asking: &RequestSpec, questions: &RequestPlan, now: Instant) -> DueRequests {
        let mut due = DueRequests::default();
        self.in_flight.retain(|flight| {
            let late = now >= flight.answer_by;
            if late {
                due.unanswered.push(flight.ask.kind.clone());
            }
            !late
        });
        if self.again_at.is_some_and(|at| now >= at) {
            self.round(questions, now);
        }
        while self.in_flight.len() < asking.at_once {
            let postponed = self.postponed.iter().position(|(until, _)| now >= *until);
            let ask = match postponed {
                Some(at) => self.postponed.remove(at).1,
                None => match self.next(questions) {
                    Some(ask) => ask,
                    None => break,
                },
            };
            self.ask(ask, asking, now + questions.within, &mut due);
            if let (true, Some(flight)) = (postponed.is_some(), self.in_flight.last_mut()) {
                flight.again = true;
            }
        }
        due
    }

    fn next(&mut self, questions: &RequestPlan) -> Option<Request> {
        let ask = questions.asks.get(questions.asks.len().checked_sub(self.waiting)?)?;
        self.waiting -= 1;
        Some(ask.clone())
    }

    /// Whether a message of this type, with this request id, is the answer to a request. If so, that one is over.
    pub fn settle(&mut self, asking: &RequestSpec, kind: &str, id: Option<&str>) -> bool {
        let by_id = id.and_then(|id| self.in_flight.iter().position(|flight| flight.id == id));
        let answers =
            |flight: &InFlight| asking.answers.iter().any(|(ask, answer)| *ask == flight.ask.kind && *answer == kind);
        let by_kind = || self.in_flight.iter().position(answers);
        let by_error = || (asking.error == Some(kind) && !self.in_flight.is_empty()).then_some(0);
        // An id that nobody waits for any more belongs to a late answer, not to the next request of its kind.
        let found = if id.is_some() { by_id } else { by_kind().or_else(by_error) };
        match found {
            Some(at) => {
                self.in_flight.remove(at);
                true
            }
            None => false,
        }
    }

    /// The server has refused the oldest request until then: it is asked again, once. Returns whether that is so.
    pub fn postpone(&mut self, until: Instant) -> bool {
        let possible =
            self.postponed.len() < MOST_POSTPONED && self.in_flight.first().is_some_and(|first| !first.again);
        if possible {
            self.postponed.push((until, self.in_flight.remove(0).ask));
        }
        possible
    }

    /// Whether any request waits for its answer.
    pub fn is_waiting(&self) -> bool {
        !self.in_flight.is_empty()
    }

    fn round(&mut self, questions: &RequestPlan, now: Instant) {
        // What the last round left unasked is asked in its turn, not twice.
        self.waiting = questions.asks.len();
        self.again_at = questions.every.map(|every| now + every);
    }

    fn ask(&mut self, ask: Request, asking: &RequestSpec, answer_by: Instant, due: &mut DueRequests) {
        self.count += 1;
        let id = format!("wsmon-{}", self.count);
        let text = (asking.render)(&ask, &id);
        if text.len() > asking.longest {
            due.too_long.push(ask.kind);
            return;
        }
        due.send.push(text);
        if !asking.answers.is_empty() {
            self.in_flight.push(InFlight { ask, id, answer_by, again: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BY_ID: RequestSpec = RequestSpec {
        render: |ask, id| format!("{}:{id}", ask.kind),
        answers: &[("a", "*")],
        error: Some("error"),
        at_once: 1,
        longest: 512,
    };
    static BY_KIND: RequestSpec = RequestSpec {
        render: |ask, _| ask.kind.clone(),
        answers: &[("a", "A"), ("b", "B")],
        error: Some("error"),
        at_once: 9,
        longest: 512,
    };
    static MUTE: RequestSpec =
        RequestSpec { render: |ask, _| ask.kind.clone(), answers: &[], error: None, at_once: 9, longest: 512 };

    fn questions(kinds: &[&str], every: Option<u64>) -> RequestPlan {
        let asks = kinds.iter().map(|kind| Request { kind: (*kind).into(), json: None }).collect();
        RequestPlan { asks, every: every.map(Duration::from_secs), within: Duration::from_secs(5) }
    }

    #[test]
    fn one_request_at_a_time_waits_for_the_answer_before() {
        let (now, questions, mut requests) = (Instant::now(), questions(&["x", "y"], None), Requests::default());
        requests.begin(&questions, now);
        assert_eq!(requests.due(&BY_ID, &questions, now).send, ["x:wsmon-1"]);
        assert_eq!(requests.due(&BY_ID, &questions, now).send, [""; 0]);
        assert!(!requests.settle(&BY_ID, "x_response", Some("wsmon-9")));
        assert!(requests.settle(&BY_ID, "x_response", Some("wsmon-1")));
        assert_eq!(requests.due(&BY_ID, &questions, now).send, ["y:wsmon-2"]);
        assert!(requests.settle(&BY_ID, "error", None), "an error without an id ends the oldest");
        assert_eq!(requests.deadline(), None);
    }

    #[test]
    fn answers_are_matched_by_type_in_any_order() {
        let (now, questions, mut requests) = (Instant::now(), questions(&["a", "b"], None), Requests::default());
        requests.begin(&questions, now);
        assert_eq!(requests.due(&BY_KIND, &questions, now).send, ["a", "b"]);
        assert!(!requests.settle(&BY_KIND, "C", None));
        assert!(requests.settle(&BY_KIND, "B", None) && requests.settle(&BY_KIND, "A", None));
        assert!(!requests.settle(&BY_KIND, "A", None));
    }

    #[test]
    fn what_is_not_answered_in_time_is_told_once_and_the_next_round_comes() {
        let (now, questions, mut requests) = (Instant::now(), questions(&["a"], Some(60)), Requests::default());
        requests.begin(&questions, now);
        requests.due(&BY_KIND, &questions, now);
        let late = requests.deadline().unwrap();
        assert_eq!(late - now, Duration::from_secs(5));
        assert_eq!(requests.due(&BY_KIND, &questions, late).unanswered, ["a"]);
        assert_eq!(requests.deadline().unwrap() - now, Duration::from_secs(60));
        assert_eq!(requests.due(&BY_KIND, &questions, now + Duration::from_secs(60)).send, ["a"]);
    }

    #[test]
    fn what_is_refused_for_the_time_being_is_asked_again_once() {
        let (now, questions, mut requests) = (Instant::now(), questions(&["a", "b"], None), Requests::default());
        requests.begin(&questions, now);
        requests.due(&BY_KIND, &questions, now);
        let until = now + Duration::from_secs(1);
        assert!(requests.postpone(until));
        assert_eq!(requests.deadline(), Some(until));
        assert_eq!(requests.due(&BY_KIND, &questions, now).send, [""; 0]);
        assert!(requests.settle(&BY_KIND, "B", None), "the other one waits on");
        assert_eq!(requests.due(&BY_KIND, &questions, until).send, ["a"]);
        assert!(!requests.postpone(until), "refused twice: that is an answer");
        assert!(requests.settle(&BY_KIND, "error", None) && !requests.is_waiting());
    }

    #[test]
    fn where_no_answer_is_defined_none_is_waited_for() {
        let (now, questions, mut requests) = (Instant::now(), questions(&["a"], None), Requests::default());
        requests.begin(&questions, now);
        assert_eq!(
            requests.due(&MUTE, &questions, now),
            DueRequests { send: vec!["a".into()], ..DueRequests::default() }
        );
        assert_eq!(requests.deadline(), None);
    }
}
