//! Requests of the program, with a simulated clock.

use std::time::{Duration, Instant};

use super::*;
use crate::model::api_error::{Error, ErrorKind};
use crate::model::event::{Answer, NoAnswer, Unanswered};
use crate::model::request_id::RequestId;
use crate::proto::dialect;

const STATUS: &str = r#"{"type":"status","data":{"connected_clients":1}}"#;

/// A conversation and its time. Ids are given in the order of the calls.
struct Simulation {
    conversation: Conversation,
    now: Instant,
    ids: u64,
}

impl Simulation {
    fn new(dialect: &str) -> Self {
        let conversation = Conversation::new(dialect::named(dialect), <_>::default(), RequestPlan::default());
        let mut simulation = Simulation { conversation, now: Instant::now(), ids: 0 };
        simulation.conversation.opened(simulation.now, false);
        simulation
    }

    fn ask(&mut self, kind: &str, json: Option<&str>) -> Result<RequestId, Error> {
        let id = RequestId::from_index(self.ids);
        self.ids += 1;
        self.conversation.request(id, kind, json, self.now).map(|()| id)
    }

    /// Returns the texts that are sent now.
    fn sent(&mut self) -> Vec<String> {
        assert!(self.conversation.deadline().is_some_and(|at| at <= self.now), "nothing is due");
        let sent = self.conversation.tick(self.now).send;
        assert!(self.conversation.deadline().is_none_or(|at| at > self.now), "a stale deadline is a busy loop");
        sent
    }

    /// The server sends a text. Returns the answers in it, and what is sent then.
    fn receive(&mut self, text: &str) -> (Vec<Answer<'static>>, Vec<String>) {
        let mut repaired = None;
        let mut outgoing = Outgoing::default();
        let decoded = self.conversation.decode(text, &mut repaired, self.now, &mut outgoing);
        let mut answers = Vec::new();
        for event in decoded.events {
            if let Event::Answer(answer) = event.into_owned() {
                answers.push(answer);
            }
        }
        (answers, outgoing.send)
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn unanswered(&mut self) -> Vec<Unanswered> {
        let mut all = Vec::new();
        if let Some(program) = self.conversation.program_requests() {
            program.report(&mut |event| {
                if let Event::Unanswered(unanswered) = event {
                    all.push(*unanswered);
                }
            });
        }
        all
    }
}

#[test]
fn an_answer_has_the_id_of_its_request() {
    let mut simulation = Simulation::new("monitoring");
    let (first, second) = (simulation.ask("get_status", None).unwrap(), simulation.ask("ping", None).unwrap());
    assert_eq!(simulation.sent(), [r#"{"type":"get_status"}"#, r#"{"type":"ping"}"#]);
    let (answers, _) = simulation.receive(r#"{"type":"pong"}"#);
    assert_eq!((answers.len(), answers[0].request), (1, Some(second)));
    let (answers, _) = simulation.receive(STATUS);
    assert_eq!((answers[0].request, answers[0].text.as_str()), (Some(first), "connected_clients=1"));
    // Nobody waits for a third.
    assert_eq!(simulation.receive(STATUS).0[0].request, None);
    assert_eq!((simulation.unanswered(), simulation.conversation.deadline()), (vec![], None));
}

#[test]
fn an_answer_stands_beside_the_other_events_of_its_message() {
    let mut simulation = Simulation::new("sysmedic");
    let id = simulation.ask("get_alerts", None).unwrap();
    assert_eq!(simulation.sent(), [r#"{"type":"get_alerts","request_id":"wsmon-1"}"#]);
    let text = r#"{"type":"alerts_response","data":{"recent_alerts":[{"id":7,"severity":"HEAVY","cause":"x"}],"status":"1","total_count":1,"unresolved_count":1},"request_id":"wsmon-1"}"#;
    let (answers, _) = simulation.receive(text);
    assert_eq!((answers.len(), answers[0].request, &*answers[0].kind), (1, Some(id), "alerts_response"));
    // A refusal is an answer too.
    let id = simulation.ask("get_config", None).unwrap();
    simulation.sent();
    let (answers, _) = simulation.receive(r#"{"type":"error","data":{"error":"no"},"request_id":"wsmon-2"}"#);
    assert_eq!((answers[0].request, &*answers[0].kind), (Some(id), "error"));
}

#[test]
fn a_late_answer_is_one_to_no_request() {
    let mut simulation = Simulation::new("sysmedic");
    let id = simulation.ask("get_uptime", None).unwrap();
    simulation.sent();
    simulation.wait(5);
    assert_eq!(simulation.conversation.tick(simulation.now), Outgoing::default(), "no warning: there is an event");
    assert_eq!(simulation.unanswered(), [Unanswered::new(id, "get_uptime", NoAnswer::TimedOut)]);
    let next = simulation.ask("get_uptime", None).unwrap();
    simulation.sent();
    let answer = |n| format!(r#"{{"type":"uptime_response","data":{{"uptime":"1m"}},"request_id":"wsmon-{n}"}}"#);
    assert_eq!(simulation.receive(&answer(1)).0[0].request, None);
    assert_eq!(simulation.receive(&answer(2)).0[0].request, Some(next));
    assert_eq!(simulation.unanswered(), []);
}

#[test]
fn requests_of_one_type_are_answered_in_their_order_or_by_their_ids() {
    let mut simulation = Simulation::new("monitoring");
    let ids: Vec<_> = (0..3).map(|_| simulation.ask("get_status", None).unwrap()).collect();
    assert_eq!(simulation.sent().len(), 3);
    let answered: Vec<_> = (0..3).map(|_| simulation.receive(STATUS).0[0].request.unwrap()).collect();
    assert_eq!(answered, ids);

    // One at a time, and by the id.
    let mut simulation = Simulation::new("sysmedic");
    let ids: Vec<_> = (0..3).map(|_| simulation.ask("ping", None).unwrap()).collect();
    let mut sent = simulation.sent();
    for (n, id) in (1..).zip(ids) {
        assert_eq!(sent, [format!(r#"{{"type":"ping","request_id":"wsmon-{n}"}}"#)]);
        assert_eq!(simulation.receive(r#"{"type":"pong","request_id":"wsmon-9"}"#).0, []);
        let (answers, next) = simulation.receive(&sent[0].replace("ping", "pong"));
        assert_eq!((answers.len(), answers[0].request), (1, Some(id)));
        sent = next;
    }
    assert!(sent.is_empty());
}

#[test]
fn the_end_of_a_connection_ends_its_requests_and_the_next_one_begins_without_them() {
    let mut simulation = Simulation::new("sysmedic");
    let ids: Vec<_> = (0..3).map(|_| simulation.ask("ping", None).unwrap()).collect();
    assert_eq!(simulation.sent().len(), 1, "the others wait for their turn");
    simulation.conversation.ended(true);
    let lost: Vec<_> = ids.iter().map(|id| Unanswered::new(*id, "ping", NoAnswer::Disconnected)).collect();
    assert_eq!(simulation.unanswered(), lost);
    assert_eq!(simulation.conversation.opened(simulation.now, false), Outgoing::default());
    assert_eq!((simulation.conversation.deadline(), simulation.unanswered()), (None, vec![]));
    let id = simulation.ask("ping", None).unwrap();
    let sent = simulation.sent();
    assert_eq!(simulation.receive(&sent[0].replace("ping", "pong")).0[0].request, Some(id));
}

#[test]
fn after_a_refusal_for_now_requests_wait_and_the_refusal_is_an_answer() {
    let mut simulation = Simulation::new("neurograph");
    let id = simulation.ask("get_subscriptions", None).unwrap();
    simulation.sent();
    assert!(!simulation.conversation.requests.postpone(simulation.now + Duration::from_secs(2)));
    let (answers, _) = simulation.receive(r#"{"type":"error","message":"no"}"#);
    assert_eq!((answers[0].request, &*answers[0].kind), (Some(id), "error"));
    let other = simulation.ask("ping", None).unwrap();
    assert_eq!(simulation.conversation.tick(simulation.now).send, [""; 0], "the server has asked to wait");
    simulation.wait(2);
    assert_eq!(simulation.sent(), [r#"{"type":"ping"}"#]);
    assert_eq!(simulation.receive(r#"{"type":"pong"}"#).0[0].request, Some(other));
}

#[test]
fn of_ten_thousand_requests_at_once_those_beyond_the_bound_are_refused() {
    for dialect in ["monitoring", "sysmedic", "neurograph"] {
        let mut simulation = Simulation::new(dialect);
        let (mut taken, mut full) = (Vec::new(), 0);
        for _ in 0..10_000 {
            match simulation.ask("ping", None) {
                Ok(id) => taken.push(id),
                Err(error) => full += usize::from(error.kind() == ErrorKind::Full),
            }
        }
        assert_eq!((taken.len(), full), (512, 10_000 - 512), "{dialect}");
        let mut sent = simulation.sent();
        let mut bytes = 0;
        for id in taken {
            bytes += sent.first().map_or(0, String::len);
            let request_id = json::member(&sent.remove(0), "request_id").map(|id| format!(r#","request_id":"{id}""#));
            let (answers, next) =
                simulation.receive(&format!(r#"{{"type":"pong"{}}}"#, request_id.unwrap_or_default()));
            assert_eq!((answers.len(), answers[0].request), (1, Some(id)), "{dialect}");
            sent.extend(next);
        }
        assert!(bytes < 64 << 10 && sent.is_empty() && simulation.unanswered().is_empty());
        assert!(simulation.ask("ping", None).is_ok());
    }
    let mut simulation = Simulation::new("neurograph");
    let body = format!(r#"{{"channels":["{}"]}}"#, "x".repeat(10_000));
    let kinds: Vec<_> = (0..4).map(|_| simulation.ask("subscribe", Some(&body)).map_err(|e| e.kind())).collect();
    assert_eq!(kinds[3], Err(ErrorKind::Full));
    assert!(kinds[..3].iter().all(Result::is_ok));
}

#[test]
fn a_request_that_cannot_be_sent_is_an_error_that_names_the_possible_ones() {
    let error = |dialect: &str, kind: &str, json: Option<&str>| {
        let error = Simulation::new(dialect).ask(kind, json).unwrap_err();
        (error.kind(), error.to_string())
    };
    let request = |text: &str| (ErrorKind::Request, text.to_owned());
    for dialect in ["fastpluggy", "pmdaemon", "generic"] {
        let expected = format!("request x: {dialect} answers no requests: send a text instead");
        assert_eq!(error(dialect, "x", None), request(&expected));
    }
    let expected = request("request x\\n: monitoring has no such request, but get_status, ping");
    assert_eq!(error("monitoring", "x\n", None), expected);
    assert_eq!(error("sysmedic", "ping", Some("{")), request("request ping: the body must be JSON"));
    let long = format!("\"{}\"", "x".repeat(600));
    assert_eq!(error("sysmedic", "ping", Some(&long)), request("request ping: too long, 512 bytes are possible"));
    let (kind, text) = error("auto", "ping", None);
    assert_eq!(kind, ErrorKind::NotOpen);
    assert!(text.starts_with("the dialect is not known yet"), "{text}");
}
